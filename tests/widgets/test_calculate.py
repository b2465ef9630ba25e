"""Calculate: what a person reads is what the kernel says, whatever the inputs."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import catalog, design
from llmcap_kernel.evidence import launch
from llmcap_kernel.explain import digits, quantity
from llmcap_kernel.simulation.percentiles import percentile
from llmcap_kernel.spec import Slo, Tail
from tests.widgets.inputs import states
from tests.widgets.reading import control, headline
from widgets.calculators import calculate, cliff, scorecard, vram
from widgets.calculators import design as designer
from widgets.figures.memory import memory_bars, memory_table
from widgets.form.presets import AS_SPECIFIED
from widgets.page import static_html, summary
from widgets.session import Calculator as Session

CONFIGS = Path(catalog.__file__).parent / "configs"
FORM = calculate.FORM
B = design.worked_spec()[1]
WORKED = FORM.defaults() | AS_SPECIFIED
CARD = design.card(B, design.WORKED_WORKLOAD, design.WORKED_SLO)
SPEED, USERS = "Speed of one user", "Users within the limits"
FIRST, PRICE = "First token, mean", "$/M output"
NO_RENT = "h20"  # a card that nobody rents out by the hour here


def shown(**changed):
    return calculate.view(WORKED | changed)


# Inputs that mostly go together, so that there are numbers to look at.
LIKELY = st.fixed_dictionaries(
    {
        "model": st.sampled_from(("llama-3.1-8b", "qwen3-32b", "gpt-oss-120b", "deepseek-v3")),
        "gpu": st.sampled_from(("h100-sxm", "h200-sxm", "b200-sxm", "apple-m4-max", "l40s")),
        "tp": st.sampled_from((1, 2, 4, 8)),
        "engine": st.sampled_from(catalog.engines()),
        "in": st.integers(1, 100_000),
        "out": st.integers(1, 4000),
        "users": st.none() | st.integers(1, 500),
        "prefix": st.integers(0, 100),
        "itl": st.just(0) | st.floats(1, 500),
        "ttft": st.just(0) | st.floats(0.1, 100),
        "duty": st.floats(1, 100),
        "api": st.none() | st.floats(0.01, 100),
    }
)


def sound(view):
    text = json.dumps(view, allow_nan=False)
    assert not re.search(r"\b(nan|inf|None)\b", text)
    for item in view["headline"]:
        span = item.get("span")
        if span:
            at = span["at"]
            assert at["low"] <= at["value"] <= at["high"], item["label"]
            less_is_better = item["label"] in ("First token, mean", "$/M output")
            less_is_better = less_is_better or "percentile" in item["label"]
            best, worst = sorted((at["ceiling"], at["value"]), reverse=not less_is_better)
            assert best == at["ceiling"] and worst == at["value"], item["label"]


@settings(max_examples=80)
@given(states(FORM))
def test_any_state_is_answered(state):
    sound(calculate.view(state))


@settings(max_examples=80)
@given(LIKELY)
def test_a_ceiling_is_never_beaten_and_an_interval_holds_its_value(changed):
    view = shown(**changed)
    sound(view)
    assert len(view["headline"]) in (0, 1, 4 + bool(changed["itl"]))


@settings(max_examples=40)
@given(LIKELY)
def test_the_numbers_are_the_kernels(changed):
    view = shown(**changed)
    if len(view["headline"]) < 4:
        return
    state = WORKED | changed
    load = replace(
        design.WORKED_WORKLOAD,
        input_tokens=state["in"],
        output_tokens=state["out"],
        concurrency=state["users"] or 1,
        shared_prefix_tokens=state["prefix"],
    )
    gap = (Tail("itl", 95, state["itl"] / 1e3),) if state["itl"] else ()
    slo = Slo(ttft_s=state["ttft"] or None, usd_h=state["budget"] or None, tails=gap)
    d = catalog.deployment(
        model=state["model"],
        gpu=state["gpu"],
        tp=state["tp"],
        weights=state["weights"],
        kv=state["kv"],
        engine=state["engine"],
        memory_fraction=state["fraction"],
    )
    most = design.users_within(d, load, slo)
    if state["users"] is None:
        load = replace(load, concurrency=max(most.value, 1))
    card, head = design.card(d, load, slo), headline(view)
    e = card.expected
    for label, made in card.percentiles():
        assert f"{head[label]['value']} {head[label]['unit']}" == quantity(made.value, "s")
    assert head[SPEED]["value"] == digits(e.tok_s_user.value)
    assert head[SPEED]["note"].startswith(f"{quantity(e.itl_s.value, 's')} between tokens")
    assert head[USERS]["value"] == f"{most.value:,}"
    assert f"{head[FIRST]['value']} {head[FIRST]['unit']}" == quantity(e.ttft_s.value, "s")
    price = e.usd_mtok
    assert head[PRICE]["value"] == (f"${price.value:,.2f}" if price else "no price")


def kept(gap, itl_s):
    """The words on a gap and its limit, from the numbers: 1 in 10 lies beyond either end."""
    if gap.high <= itl_s:
        return "It meets every limit; the tightest: "
    if gap.low > itl_s:
        return "It misses the 95th percentile gap: "
    end = gap.high if itl_s >= gap.value else gap.low
    deviations = 1.2816 * math.log(itl_s / gap.value) / abs(math.log(end / gap.value))
    if abs(deviations) < 0.6745:  # between one chance in four and three
        return "The 95th percentile gap could go either way: "
    if deviations < 0:
        return "It likely misses the 95th percentile gap: "
    return "It likely meets every limit; the 95th percentile gap may still miss: "


def held_to(itl_s):
    slo = replace(design.WORKED_SLO, tails=(Tail("itl", 95, itl_s),))
    return design.card(B, design.WORKED_WORKLOAD, slo)


def p95(card):
    return percentile(card.expected, "itl", 95)


def test_the_worked_spec_is_said_whole():
    e, itl_s, gap = CARD.expected, design.WORKED_SLO.tails[0].bound_s, p95(CARD)
    most = design.users_within(B, design.WORKED_WORKLOAD, design.WORKED_SLO)
    assert summary(shown()) == "\n".join(
        (
            "Calculate",
            f"It fits: room for {CARD.max_concurrent} users, 16 wanted. {kept(gap, itl_s)}"
            f"{CARD.limits[0].sentence}.",
            f"Speed of one user: {digits(e.tok_s_user.value)} tok/s",
            f"95th percentile gap: {quantity(gap.value, 's')}",
            f"Users within the limits: about {most.value} users",
            f"First token, mean: about {quantity(e.ttft_s.value, 's')}",
            f"$/M output: ${e.usd_mtok.value:,.2f}",
        )
    )


@pytest.mark.parametrize(
    ("end", "verdict", "level"),
    [
        ("ceiling", "missed", "bad"),
        ("low", "likely missed", "bad"),
        ("value", "could go either way", "warn"),
        ("high", "met", "good"),
    ],
)
def test_a_limit_just_beyond_an_end_of_the_interval_is_missed_likely_or_met(end, verdict, level):
    gap = p95(CARD)
    itl_s = 1.001 * getattr(gap, end)
    status = shown(itl=1e3 * itl_s, budget=0)["status"]
    assert status["level"] == level
    binds = CARD.max_concurrent / 16 > itl_s / gap.value
    words = kept(gap, itl_s)
    if "tightest" in words:
        words += "95th percentile gap "
    said = f" {words}{quantity(gap.value, 's')} (" if binds else " It meets every limit."
    assert said in status["text"]
    one = next(x for x in held_to(itl_s).limits if x.name == "itl p95")
    assert one.words == verdict


def test_a_limit_below_the_ceiling_is_impossible():
    status = shown(itl=1e3 * 0.999 * p95(CARD).ceiling)["status"]
    assert (
        status["level"] == "bad"
        and "It misses the 95th percentile gap, impossible on these cards: " in status["text"]
    )


def test_users_left_empty_are_the_most_that_meet_the_limits():
    most = design.users_within(B, design.WORKED_WORKLOAD, design.WORKED_SLO).value
    view = shown(users=None)
    assert view["headline"] == shown(users=most)["headline"]
    assert view["status"] == shown(users=most)["status"]
    assert headline(view)[USERS]["value"] == f"{most:,}"
    told = f"No number of users was given: {most:,} are the most that meet the limits."
    assert told in [m["text"] for m in view["messages"]]
    assert told not in [m["text"] for m in shown(users=most)["messages"]]
    box = control(view, "users")
    assert (box["value"], box["entry"]) == (None, f"{most:,}")


def test_users_left_empty_without_a_limit_are_those_who_have_room():
    (message,) = (
        m["text"]
        for m in shown(users=None, itl=0, ttft=0)["messages"]
        if m["text"].startswith("No number of users")
    )
    assert f"{CARD.max_concurrent:,} are the most that have room." in message


def test_a_percentile_that_jumps_says_so_beside_the_users():
    """Above 55 users of 1,000 tokens, over a twentieth of the gaps meet a prompt."""
    (said,) = (one for one in shown(model="llama-3.1-8b", tp=1)["sentences"] if "fit in" in one)
    assert "55 of them within 50 ms" in said
    assert "With more than 55 users, over 5% of the gaps have another user's prompt" in said
    assert not any("over 5% of the gaps" in one for one in shown()["sentences"])  # memory ends


def test_one_user_more_than_the_most_misses_a_limit():
    slo = replace(design.WORKED_SLO, tails=(Tail("itl", 95, 0.030),))
    most = design.users_within(B, design.WORKED_WORKLOAD, slo).value
    assert most < CARD.max_concurrent
    assert shown(users=most, itl=30)["status"]["level"] != "bad"
    one_more = shown(users=most + 1, itl=30)["status"]
    assert kept(p95(CARD.at(most + 1)), 0.030) in one_more["text"]
    assert one_more["level"] == "warn"  # the estimate misses it, by less than is known


def test_every_number_shows_its_arithmetic_up_to_the_reason_for_its_width():
    for item in shown()["headline"]:
        text = item["explain"]
        assert "Why this wide: vllm on hopper: " in text
        if item["label"] == "Users within the limits":
            assert "max_concurrent = floor(" in text and "at 16 users\n" in text
            assert text.index("MEMORY") < text.index("LIMITS") < text.index("Why this wide")
        elif item["label"] == "95th percentile gap":
            assert text.index("itl p95 = ") < text.index("INTERVAL")
        else:
            assert text.index("CEILING") < text.index("ESTIMATE") < text.index("INTERVAL")
            assert "efficiencies = timed kernels, and measurements of" in text


def test_a_gap_while_nobody_prefills_is_shorter_than_the_mean_gap():
    rows = {row[0]: row[1:] for row in shown()["tables"][0]["rows"]}
    alone, mean = rows["Gap between tokens, nobody prefilling"], rows["Gap between tokens"]
    e = CARD.expected
    assert e.served.itl_decode_s < e.itl_s.value
    assert alone[1] == quantity(e.served.itl_decode_s, "s") and alone[2] == "-"
    assert mean[1] == quantity(e.itl_s.value, "s")
    assert mean[2:] == [quantity(e.itl_s.low, "s"), quantity(e.itl_s.high, "s")]


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"itl": 1000, "users": 2}, "good", "It meets every limit; the tightest: "),
        (
            {"itlp": "mean"},
            "good",
            f"the tightest: mean gap {quantity(CARD.expected.itl_s.value, 's')} (",
        ),
        ({"tp": 1}, "bad", "Does not start at memory fraction 0.9"),
        (
            {"users": 100},
            "bad",
            f"It starts, but not all fit: room for {CARD.max_concurrent} of 100 users.",
        ),
        (
            {"users": 100},
            "bad",
            "The 95th percentile gap could go either way: ",
        ),
        ({"users": 100_000}, "bad", "The 95th percentile gap could go either way: "),
        (
            {"users": 60, "itl": 75, "itlp": "mean"},
            "bad",
            "The other limits are likely met; the gap between tokens may still ",
        ),
        (
            {"maxlen": 4000},
            "bad",
            "The engine refuses every request: a request has 8,000 tokens, max_model_len is 4,000.",
        ),
        (
            {"in": 130_500, "users": 1},
            "bad",
            "The window of llama-3.1-70b is exceeded: a request has 131,500 tokens, it takes "
            "131,072 tokens.",
        ),
        ({"in": 1_000_000}, "bad", "a request has 1,001,000 tokens, it takes 131,072 tokens. Does"),
        (
            {"seqs": 1, "itlp": "mean"},
            "warn",
            "16 wanted, but 15 of them wait: the engine runs 1 at once. It meets every limit",
        ),
        ({"seqs": 15, "itl": 0, "budget": 0}, "warn", "but 1 of them waits: the engine runs 15"),
        ({"users": 100, "itl": 45, "itlp": "mean"}, "bad", "It likely misses the gap between tok"),
        (
            {"users": 100, "itl": 0},
            "bad",
            f"It starts, but not all fit: room for {CARD.max_concurrent} of 100 users.",
        ),
        ({"budget": 5}, "bad", "It misses the budget: $"),
        ({"itl": 1}, "bad", "It misses the 95th percentile gap, impossible on these cards: "),
        ({"ttft": 0.01}, "bad", "It misses the first token, impossible on these cards: "),
        ({"ttft": 0.01, "itl": 9, "budget": 5}, "bad", "the first token, the 95th percentile gap"),
        ({"itl": 0, "budget": 0}, "good", "No limit set; the cache runs out first, at "),
    ],
)
def test_the_status_answers(changed, level, words):
    status = shown(**changed)["status"]
    assert status["level"] == level and words in status["text"]


def test_what_does_not_start_says_what_would():
    view = shown(tp=1)
    first = view["remedies"]["items"][0]
    assert first["label"].startswith("--gpu-memory-utilization 0.9")
    there, _ = FORM.parse(first["query"])
    assert calculate.view(there)["status"]["text"].startswith(
        "It likely starts, but not all fit: room for "
    )
    assert [item["value"] for item in view["headline"]] == ["0"]
    assert view["figure"] and view["tables"]


def against_api(**changed):
    return next(x for x in shown(**changed)["sentences"] if "API" in x)


def test_a_duty_cycle_raises_the_price_and_an_api_breaks_even():
    price = CARD.expected.usd_mtok.value
    for duty, times in ((50, 2), (10, 10)):
        said = " ".join(shown(duty=duty)["sentences"])
        assert f"Busy {duty}% of the hours, these cards cost ${times * price:,.2f}/M output" in said
    assert "enter its prices" in " ".join(shown()["sentences"])
    asked = 2 * price
    even = shown(api=asked)
    low, high = (getattr(CARD.expected.usd_mtok, end) / asked for end in ("low", "high"))
    assert f"busy 50% of the hours ({low:.0%} to {high:.0%})" in against_api(api=asked)
    # An API between the estimate and the interval's end may always be the cheaper one.
    close = against_api(api=(price + CARD.expected.usd_mtok.high) / 2)
    assert "to never)" in close
    assert "break-even duty" in headline(even)[PRICE]["explain"]
    assert "these cards are cheaper" in against_api(api=asked, duty=60)
    assert "the API is cheaper" in against_api(api=asked, duty=40)
    assert "even when always busy: the API is cheaper" in against_api(api=price / 2)
    both = against_api(api=asked, api_in=1)
    assert f"asks ${asked + 7:,.2f}/M output here" in both


def test_a_card_without_a_rent_has_no_price_and_says_how_to_get_one():
    view = shown(gpu=NO_RENT, tp=1, model="llama-3.1-8b")
    assert headline(view)[PRICE]["value"] == "no price"
    assert any("enter the card rent" in m["text"] for m in view["messages"])
    assert not any("$/M" in row[0] for row in view["tables"][0]["rows"])
    assert headline(shown(usd=7.98))[PRICE]["value"] == f"${2 * CARD.expected.usd_mtok.value:,.2f}"


@pytest.mark.parametrize("gpu", ["h100-sxm", NO_RENT])
def test_a_rent_of_nothing_is_the_reader_s_and_not_the_catalogue_s(gpu):
    view = shown(gpu=gpu, usd=0)
    said = [m["text"] for m in view["messages"] if "rent" in m["text"]]
    assert said == ["The card rent (usd_h) is 0 as given, so nothing has a price."]
    assert headline(view)[PRICE]["note"] == "no card rent"


def test_where_predictions_are_weak_a_message_says_what_to_do():
    assert not [m for m in shown()["messages"] if m["level"] == "warning"]
    long = shown(**{"in": 60_000, "gpu": "h200-sxm", "users": 1})["messages"]
    assert any("32,000 tokens" in m["text"] and m["level"] == "warning" for m in long)
    laptop = calculate.PRESETS[1]["values"]
    assert any(text.startswith("Apple Silicon. ") for text in shown(**laptop)["sentences"])
    assert any(
        m["text"].startswith("Known weak spot: Apple Silicon.") for m in shown(**laptop)["messages"]
    )


def test_users_without_room_wait_in_the_first_token():
    room = CARD.max_concurrent
    view = shown(users=100)
    assert view["messages"][0]["text"].startswith(f"The engine serves {room} of the 100 users")
    assert view["tables"][0]["caption"] == "All numbers at 100 users"
    waited, all_served = CARD.at(100).expected, CARD.at(room).expected
    assert waited.itl_s == all_served.itl_s and waited.ttft_s.value > 10 * all_served.ttft_s.value
    assert headline(view)[SPEED]["value"] == headline(shown(users=room))[SPEED]["value"]
    assert headline(view)[FIRST]["value"] != headline(shown(users=room))[FIRST]["value"]


def test_more_sequences_than_the_engine_runs_are_told():
    many = {"model": "llama-3.2-1b", "in": 100, "out": 100, "users": 2000}
    said = " ".join(m["text"] for m in shown(**many)["messages"])
    assert "runs 1,024 requests at once unless it is told otherwise, and 976 of the 2,000" in said
    assert "set max_num_seqs (--max-num-seqs) to 2,000." in said


def test_llama_cpp_is_told_its_slots():
    """Four by default, on a card with room for more than 16 sequences of 1,200 tokens."""
    few = {"model": "llama-3.1-8b", "gpu": "rtx-4090", "weights": "gguf-q4-k-m"}
    few |= {"engine": "llama.cpp", "in": 1000, "out": 200, "tp": 1}
    said = " ".join(m["text"] for m in shown(**few, users=16)["messages"])
    assert "The engine serves 4 of the 16 users at once" in said
    assert "and 12 of the 16 users wait: set max_num_seqs (--parallel) to 16." in said
    said = " ".join(m["text"] for m in shown(**few, users=None)["messages"])
    assert "4 are the most that the engine runs at once." in said
    said = " ".join(m["text"] for m in shown(**few, users=16, seqs=16)["messages"])
    assert "wait" not in said and "max_num_seqs" not in said


def test_a_prefix_longer_than_its_prompt_is_refused_beside_its_input():
    view = shown(prefix=9000)
    assert view["messages"][0]["field"] == "prefix"
    assert view["status"]["level"] == "bad"


@pytest.mark.parametrize("preset", calculate.PRESETS, ids=lambda preset: preset["label"])
def test_a_preset_is_read_without_a_word_and_has_numbers(preset):
    state, messages = FORM.check(preset["values"])
    assert messages == []
    view = calculate.view(state)
    judged = bool(state["itl"]) and state["itlp"] != "mean"
    assert len(view["headline"]) == 4 + judged and view["status"]["level"] in ("good", "warn")


def test_the_memory_is_drawn_as_vram_draws_it():
    state = AS_SPECIFIED | {"ctx": 8000, "users": 16, "tp": 2}
    other = vram.view(vram.FORM.defaults() | state)
    assert shown()["figure"] == other["figure"]
    assert (
        memory_table(CARD.ledger) in shown()["tables"]
        and memory_table(CARD.ledger) in other["tables"]
    )


def test_a_shared_prefix_is_drawn_once():
    load = replace(design.WORKED_WORKLOAD, shared_prefix_tokens=6000)
    books = design.card(B, load).ledger
    rows = {row[0]: float(row[1]) for row in memory_table(books)["rows"]}
    assert rows["KV in use"] == pytest.approx(books.kv_used_bytes / 2**30, abs=0.01)
    assert sum(rows.values()) == pytest.approx(books.visible_bytes / 2**30, abs=0.05)
    assert memory_bars(books)["alt"].endswith("The table below has every term.")


def test_where_users_wait_outside_the_cache_is_full_but_for_less_than_one():
    load = replace(design.WORKED_WORKLOAD, shared_prefix_tokens=6000, concurrency=9000)
    books = design.card(B, load).ledger
    rows = {row[0]: float(row[1].replace(",", "")) for row in memory_table(books)["rows"]}
    assert rows["KV free"] * 2**30 < books.kv_bytes_per_sequence
    assert rows["KV without room"] > rows["KV in use"]


def test_a_pasted_config_is_calculated_like_its_model_of_the_catalogue():
    text = (CONFIGS / "Qwen__Qwen3-32B.json").read_text(encoding="utf-8")
    state, messages = FORM.check({"config": text})
    assert messages == []
    named, messages = FORM.check({"model": "qwen3-32b"})
    assert messages == [] and state["weights"] == named["weights"]
    pasted, named = calculate.view(state), calculate.view(named)
    for one, other in zip(pasted["headline"], named["headline"], strict=True):
        assert (one["value"], one.get("span")) == (other["value"], other.get("span"))


@pytest.mark.parametrize("model", ["gpt-oss-120b", "deepseek-v3", "qwen3-32b"])
def test_weights_follow_the_model_unless_they_are_given(model):
    base = FORM.defaults() | {"weights": catalog.model("llama-3.1-70b").native_format}
    own = catalog.model(model).native_format
    state, messages = FORM.check(base | {"model": model}, base)
    assert (state["weights"], messages) == (own, [])
    given, _ = FORM.check(base | {"model": model, "weights": "int8"}, base)
    assert given["weights"] == "int8"
    later, _ = FORM.check(given | {"users": 3}, given)
    assert later["weights"] == "int8"


def test_a_format_that_was_chosen_stays_where_the_next_model_can_have_it():
    base = FORM.defaults()  # as the worked spec has it
    assert (base["model"], base["weights"]) == ("llama-3.1-70b", "fp8")
    state, messages = FORM.check({"model": "llama-3.3-70b"}, base)
    assert (state["weights"], messages) == ("fp8", [])
    state, messages = FORM.check({"model": "gpt-oss-120b"}, base)  # whose own has fewer bits
    assert state["weights"] == "mxfp4"
    (told,) = (one for one in messages if one["field"] == "weights")
    assert told["text"] == "Weights went from FP8 to MXFP4, the format this model is released in."
    back, _ = FORM.check({"model": "llama-3.3-70b"}, state)  # nobody chose MXFP4
    assert back["weights"] == "bf16"


@pytest.mark.parametrize(
    ("of", "model", "short", "usual"),
    [
        (calculate, "model", {"in": 1792, "out": 256}, {"in": 7000, "out": 1000}),
        (designer, "model", {"in": 1792, "out": 256}, {"in": 7000, "out": 1000}),
        (scorecard, "b.model", {"in": 1792, "out": 256}, {"in": 7000, "out": 1000}),
        (vram, "model", {"ctx": 2048}, {"ctx": 8000}),
    ],
)
def test_a_load_that_nobody_set_shortens_to_a_short_window(of, model, short, usual):
    bloom, base = {model: "bloom-7b1"}, of.FORM.defaults()  # its window is 2,048 tokens
    state, messages = of.FORM.check(bloom, base)
    assert {n: state[n] for n in short} == short
    assert short.keys() <= {one["field"] for one in messages}
    assert of.FORM.parse(of.FORM.query(state))[0] == state
    back, _ = of.FORM.check({model: "llama-3.1-70b"}, state)
    assert {n: back[n] for n in usual} == usual
    name = min(usual)
    own = base | {name: usual[name] - 1}  # somebody's own
    assert of.FORM.check(bloom, own)[0][name] == usual[name] - 1
    linked, _ = of.FORM.parse(f"v=5&{model}=bloom-7b1")  # an address means what it says
    assert {n: linked[n] for n in usual} == usual


def test_a_value_that_followed_another_is_said_beside_its_input():
    view = Session("calculate").set({"state": {"values": {"gpu": "apple-m3-max"}, "seq": 1}})[
        "view"
    ]
    engine = control(view, "engine")
    assert engine["help"].startswith("Engine went from vLLM 0.33 to llama.cpp")


@pytest.mark.parametrize(
    ("changed", "engine"),
    [
        ({"gpu": "apple-m3-max"}, "llama.cpp"),
        ({"weights": "gguf-q4-k-m"}, "llama.cpp"),
        ({"gpu": "mi300x"}, "vllm-0.33"),
    ],
)
def test_a_mac_and_a_gguf_file_move_the_engine_unless_one_is_chosen(changed, engine):
    base = FORM.defaults()
    state, messages = FORM.check(changed, base)
    assert state["engine"] == engine
    assert bool([one for one in messages if one["field"] == "engine"]) == (engine == "llama.cpp")
    back, _ = FORM.check({"gpu": "h100-sxm", "weights": "fp8"}, state)
    assert back["engine"] == "vllm-0.33"
    by_hand, _ = FORM.check({"engine": "vllm-0.33"}, FORM.check({"gpu": "apple-m3-max"}, base)[0])
    assert FORM.check({"users": 3}, by_hand)[0]["engine"] == "vllm-0.33"
    chosen = base | {"engine": "sglang-0.5"}
    assert FORM.check({"gpu": "apple-m3-max"}, chosen)[0]["engine"] == "sglang-0.5"


def test_an_engine_that_does_not_run_on_the_card_has_no_command_and_says_so():
    view = shown(gpu="apple-m3-max", tp=1, model="llama-3.1-8b", engine="vllm-0.33")
    assert any("does not run on Apple M3 Max" in one["text"] for one in view["messages"])
    assert not any(one["title"] == "Start it with" for one in view.get("texts", ()))


def test_a_format_that_is_not_the_checkpoint_s_own_is_told():
    told = "Counted in FP8; gpt-oss 120B is released in MXFP4."
    for calculator in (calculate, cliff, vram):
        other, _ = calculator.FORM.check({"model": "gpt-oss-120b", "weights": "fp8"})
        assert calculator.view(other)["status"]["beside"] == told
        own, _ = calculator.FORM.check({"model": "gpt-oss-120b"})
        assert "beside" not in calculator.view(own)["status"]


def test_a_message_does_not_name_the_only_deployment_there_is():
    without = shown(gpu=NO_RENT, tp=1, model="llama-3.1-8b")
    texts = [m["text"] for m in without["messages"]]
    assert any(text.startswith("The catalogue has no rent for") for text in texts), texts


def test_a_rent_that_may_be_taken_away_is_told():
    texts = [m["text"] for m in shown(gpu="mi355x")["messages"]]
    assert any(text.startswith("The rent of mi355x is a spot price") for text in texts), texts
    assert not any("no rent" in text for text in texts), texts
    own = [m["text"] for m in shown(gpu="mi355x", usd=3)["messages"]]
    assert not any("rent" in text for text in own), own


def test_the_command_that_starts_it_is_the_deployment_in_view():
    """What a stranger reads in the command is what the page predicts."""
    query = "model=llama-3.1-70b&gpu=h100-sxm&tp=2&weights=fp8&kv=fp8&in=7k&out=1k&users=16"
    state = FORM.parse(query)[0]
    start, lines, measure = calculate.view(state)["texts"]
    found = launch.read(start["text"])
    assert launch.deployment(found, gpu="h100-sxm").title == (
        "llama-3.1-70b fp8 / 2x h100-sxm TP-2 / fp8 KV"
    )
    assert found.max_model_len == 8000 and "8,000 tokens per request" in lines["text"]
    assert "--max-concurrency 16" in measure["text"]


def test_a_layout_without_a_command_has_the_lines_alone():
    query = "model=llama-3.1-70b&gpu=h100-sxm&tp=2&weights=fp8&dp=1"
    texts = calculate.view(FORM.parse(query)[0])["texts"]
    assert [one["title"].partition(" ")[0] for one in texts] == ["What"]


def test_a_price_says_what_is_in_it_and_whose_rent_it_is():
    """Of 8,000 tokens 1,000 are an answer's: all of them cost an eighth each."""
    said, price = " ".join(shown()["sentences"]), CARD.expected.usd_mtok.value
    listed = catalog.reference_price("h100-sxm")
    assert headline(shown())[PRICE]["note"] == "prompts included, always busy"
    assert f"Over prompts and answers together it is ${price / 8:,.2f}/M." in said
    assert f"${listed['usd_h']:.2f}/h a card ({listed['provider']}, {listed['date']})" in said
    assert "$2.00/h a card (as entered)" in " ".join(shown(usd=2.0)["sentences"])


def test_a_tile_has_one_short_line_and_one_user_is_no_plural():
    """A line of a tile holds about 50 letters on a screen of 1280 pixels."""
    for changed in ({}, {"users": 100}, {"seqs": 1}, {"itlp": "p99", "ttft": 2, "ttftp": "p95"}):
        assert all(len(one["note"]) <= 60 for one in shown(**changed)["headline"])
    alone = shown(seqs=1, users=1)
    assert (headline(alone)[USERS]["value"], headline(alone)[USERS]["unit"]) == ("1", "user")
    assert alone["tables"][0]["caption"] == "All numbers at 1 user"
    assert not any("other users" in one for one in alone["sentences"])


def test_a_percentile_below_the_mean_is_explained_once():
    said = [one for one in shown()["sentences"] if "less than the mean" in one]
    gap, mean = p95(CARD), CARD.expected.itl_s
    assert gap.value < mean.value
    last = quantity(percentile(CARD.expected, "itl", 99).value, "s")
    assert said == [
        f"95% of the gaps are at most {quantity(gap.value, 's')}, less than the mean of "
        f"{quantity(mean.value, 's')}: prompts of other users pause a few gaps for long. "
        f"The 99th percentile is {last}."
    ]


def test_the_verdict_says_each_thing_once():
    said = shown()["status"]["text"]
    assert said.count("gap") == said.count("50 ms") == 1
    table_ = next(t for t in shown()["tables"] if t["caption"] == "More or fewer users")
    assert not any("itl p" in row[-1] for row in table_["rows"])


def test_what_is_typed_stays_in_one_line():
    assert "<code>llmcap gpus NAME --toml</code>" in static_html(shown())


RATES = "Most within limits"


def test_at_a_rate_the_numbers_are_those_of_the_kernel_at_that_rate():
    made = design.card_at_rate(B, design.WORKED_WORKLOAD, design.WORKED_SLO, 0.5)
    within = design.requests_within(B, design.WORKED_WORKLOAD, design.WORKED_SLO)
    view = shown(rate=0.5)
    items = headline(view)
    assert items[SPEED]["value"] == digits(made.estimates.tok_s_user.value)
    assert items[FIRST]["value"] == quantity(made.estimates.ttft_s.value, "s").split()[0]
    assert items[RATES]["value"] == digits(within.value) and USERS not in items
    assert view["tables"][0]["caption"] == "All numbers at 0.5 requests/s"
    assert "users" not in {one["name"] for one in view["controls"]}
    flying = digits(made.at_rate.in_flight, 2)
    assert view["status"]["text"].startswith(f"It answers 0.5 requests/s: about {flying} are in")
    rates = next(one for one in view["tables"] if one["caption"] == "More or fewer requests")
    assert rates["stack"]  # in a narrow window a row's bare number says what it counts
    assert "--request-rate 0.5" in "\n".join(one["text"] for one in view["texts"])


def test_more_requests_in_flight_than_have_room_wait_and_it_is_said():
    """Near the most, and not at a quarter of it."""
    most_rps = design.requests_within(B, design.WORKED_WORKLOAD).value
    for share, waits in ((0.25, False), (0.98, True)):
        made = design.card_at_rate(B, design.WORKED_WORKLOAD, Slo(), share * most_rps)
        assert (made.at_rate.in_flight > made.max_concurrent) is waits
        text = shown(rate=share * most_rps)["status"]["text"]
        assert (f"{made.max_concurrent} have room: the others wait." in text) is waits


def test_the_arithmetic_at_a_rate_ends_in_the_number_that_is_shown():
    items = headline(shown(rate=0.5))
    gap = quantity(
        design.card_at_rate(B, design.WORKED_WORKLOAD, Slo(), 0.5).estimates.itl_s.value, "s"
    )
    assert (
        f"= {gap}" in items[SPEED]["explain"]
        and "answer = in flight / rate" in (items[SPEED]["explain"])
    )


def test_a_rate_that_is_not_answered_says_what_is():
    view = shown(rate=2.0)
    most = design.requests_within(B, design.WORKED_WORKLOAD).value
    assert view["status"]["level"] == "bad"
    told = f"It answers at most {most:.3g} of 2 requests/s, and the queue grows without end"
    assert view["status"]["text"].startswith(told)
    assert view["tables"][1]["highlight"] == []


def test_more_requests_wait_longer():
    rows = shown(rate=0.5)["tables"][1]["rows"]
    rates = [float(row[0]) for row in rows]
    in_flight = [float(row[1].replace(",", "")) for row in rows]
    assert 0.25 in rates and rates == sorted(rates) and in_flight == sorted(in_flight)


def test_what_does_not_start_has_no_rate_and_says_what_would_make_it_start():
    view = shown(rate=0.5, tp=1)
    assert view["status"]["level"] == "bad" and "Does not start" in view["status"]["text"]
    assert USERS in headline(view)
