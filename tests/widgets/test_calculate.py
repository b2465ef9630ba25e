"""Calculate: what a person reads is what the kernel says, whatever the inputs."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import catalog, design
from llmcap_kernel.explain import digits, quantity
from llmcap_kernel.spec import Slo
from widgets import calculate, vram
from widgets.figures import memory_bars, memory_table
from widgets.page import summary

CONFIGS = Path(catalog.__file__).parent / "configs"
FORM = calculate.FORM
B = design.worked_spec()[1]
CARD = design.card(B, design.WORKED_WORKLOAD, design.WORKED_SLO)
SPEED, USERS, FIRST, PRICE = range(4)


def shown(**changed):
    return calculate.view(FORM.defaults() | changed)


def value_of(field):
    if field.kind == "name":
        return st.sampled_from(sorted(field.names()))
    if field.kind == "yes":
        return st.booleans()
    if field.kind == "config":
        return st.none()
    if field.kind == "number":
        low = max(field.low, 0.01) if field.name == "fraction" else field.low
        return st.just(field.default) | st.floats(low, field.high)
    return st.just(field.default) | st.integers(int(field.low), int(field.high))


ANY = st.fixed_dictionaries({field.name: value_of(field) for field in FORM.fields})
# Inputs that mostly go together, so that there are numbers to look at.
LIKELY = st.fixed_dictionaries(
    {
        "model": st.sampled_from(("llama-3.1-8b", "qwen3-32b", "gpt-oss-120b", "deepseek-v3")),
        "gpu": st.sampled_from(("h100-sxm", "h200-sxm", "b200-sxm", "apple-m4-max", "l40s")),
        "tp": st.sampled_from((1, 2, 4, 8)),
        "engine": st.sampled_from(catalog.engines()),
        "in": st.integers(1, 100_000),
        "out": st.integers(1, 4000),
        "users": st.integers(1, 500),
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
            less_is_better = item["label"] in ("Time to first token", "$/M output")
            best, worst = sorted((at["ceiling"], at["value"]), reverse=not less_is_better)
            assert best == at["ceiling"] and worst == at["value"], item["label"]


@settings(max_examples=80)
@given(ANY)
def test_any_state_is_answered(state):
    sound(calculate.view(state))


@settings(max_examples=80)
@given(LIKELY)
def test_a_ceiling_is_never_beaten_and_an_interval_holds_its_value(changed):
    view = shown(**changed)
    sound(view)
    assert len(view["headline"]) in (0, 1, 4)


@settings(max_examples=40)
@given(LIKELY)
def test_the_numbers_are_the_kernels(changed):
    view = shown(**changed)
    if len(view["headline"]) < 4:
        return
    state = FORM.defaults() | changed
    load = replace(
        design.WORKED_WORKLOAD,
        input_tokens=state["in"],
        output_tokens=state["out"],
        concurrency=state["users"],
        shared_prefix_tokens=state["prefix"],
    )
    slo = Slo(itl_s=state["itl"] / 1e3 or None, ttft_s=state["ttft"] or None)
    d = catalog.deployment(
        model=state["model"],
        gpu=state["gpu"],
        tp=state["tp"],
        weights=state["weights"],
        kv=state["kv"],
        engine=state["engine"],
        memory_fraction=state["fraction"],
    )
    card = design.card(d, load, slo)
    head = view["headline"]
    assert head[SPEED]["value"] == digits(card.estimated_tok_s_user.value)
    assert head[USERS]["value"] == f"{design.estimated_users(d, load, slo).value:,}"
    wait = quantity(card.estimate("ttft_ms").value / 1e3, "s")
    assert f"{head[FIRST]['value']} {head[FIRST]['unit']}" == wait
    price = card.estimated_usd_mtok
    assert head[PRICE]["value"] == (f"${price.value:,.2f}" if price else "no price")


def kept(gap, itl_s):
    """The words on a gap and its limit, from the numbers."""
    if gap.value > 1e3 * itl_s:
        return "By estimate it misses the gap between tokens."
    if gap.high > 1e3 * itl_s:
        return "By estimate it keeps every limit; the gap between tokens may still miss."
    return "It keeps every limit."


def test_the_default_is_the_worked_spec():
    gap, itl_s = CARD.estimate("itl_ms"), design.WORKED_SLO.itl_s
    most = design.estimated_users(B, design.WORKED_WORKLOAD, design.WORKED_SLO)
    assert summary(shown()) == "\n".join(
        (
            "Calculate",
            f"It fits: room for {CARD.max_concurrent} sequences, 16 wanted. {kept(gap, itl_s)} "
            f"Latency binds: {quantity(gap.value / 1e3, 's')} "
            f"between tokens ({quantity(gap.low / 1e3, 's')} to {quantity(gap.high / 1e3, 's')}) "
            f"of {quantity(itl_s, 's')} allowed.",
            f"Speed of one user: {digits(1e3 / gap.value)} tok/s",
            f"Max concurrent users: {most.value} users",
            f"Time to first token: {quantity(CARD.estimate('ttft_ms').value / 1e3, 's')}",
            f"$/M output: ${CARD.estimated_usd_mtok.value:,.2f}",
        )
    )


@pytest.mark.parametrize(("end", "level"), [("low", "bad"), ("value", "warn"), ("high", "good")])
def test_a_limit_just_beyond_an_end_of_the_interval_is_missed_unsure_or_kept(end, level):
    gap = CARD.estimate("itl_ms")
    itl = 1.001 * getattr(gap, end)
    status = shown(itl=itl)["status"]
    assert status["level"] == level and f" {kept(gap, itl / 1e3)} " in status["text"]


def test_every_number_shows_its_arithmetic_up_to_the_reason_for_its_width():
    for item in shown()["headline"]:
        text = item["explain"]
        assert "Why this wide: served vllm on hopper" in text
        if item["label"] == "Max concurrent users":
            assert "max_concurrent = floor(" in text and "at 16 users\n" in text
        else:
            assert text.index("CEILING") < text.index("ESTIMATE") < text.index("INTERVAL")
            assert "efficiencies = fitted to measurements" in text


def test_decode_alone_and_served_are_apart():
    rows = {row[0]: row[1:] for row in shown()["tables"][0]["rows"]}
    alone, served = (rows[f"Gap between tokens, {how}"] for how in ("nobody prefilling", "served"))
    assert float(alone[0].split()[0]) < float(served[0].split()[0])
    assert float(alone[1].split()[0]) < float(served[1].split()[0])
    assert alone[2] == "-" and " to " in served[2]


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"itl": 1000, "users": 2}, "good", "It keeps every limit."),
        ({"tp": 1}, "bad", "Does not start at memory fraction 0.9"),
        ({"users": 100}, "bad", "It does not fit: room for 51 of 100 sequences. By estimate"),
        ({"budget": 5}, "bad", "It misses the budget."),
        ({"itl": 10}, "bad", "it misses the gap between tokens."),
        ({"ttft": 0.01}, "bad", "it misses the first token."),
        ({"ttft": 0.01, "itl": 9, "budget": 5}, "bad", "the budget, the first token and the gap"),
        ({"itl": 0, "budget": 0}, "good", "It keeps every limit. Capacity binds."),
    ],
)
def test_the_status_answers(changed, level, words):
    status = shown(**changed)["status"]
    assert status["level"] == level and words in status["text"]


def test_what_does_not_start_says_what_would():
    view = shown(tp=1)
    assert "It would at a memory fraction of 0.9" in view["status"]["text"]
    assert [item["value"] for item in view["headline"]] == ["0"]
    assert view["figure"] and view["tables"]


def test_a_duty_cycle_raises_the_price_and_an_api_breaks_even():
    price = CARD.estimated_usd_mtok.value
    assert f"50% of the hours ${2 * price:,.2f}" in shown()["headline"][PRICE]["note"]
    assert f"10% of the hours ${10 * price:,.2f}" in shown(duty=10)["headline"][PRICE]["note"]
    assert "enter its prices" in shown()["sentences"][0]
    asked = 2 * price
    even = shown(api=asked)
    low, high = (getattr(CARD.estimated_usd_mtok, end) / asked for end in ("low", "high"))
    assert f"busy 50% of the hours ({low:.0%} to {high:.0%})" in even["sentences"][0]
    # An API between the estimate and the interval's end may always be the cheaper one.
    close = shown(api=(price + CARD.estimated_usd_mtok.high) / 2)["sentences"][0]
    assert "to never)" in close
    assert "break-even duty" in even["headline"][PRICE]["explain"]
    assert "these cards are cheaper" in shown(api=asked, duty=60)["sentences"][0]
    assert "the API is cheaper" in shown(api=asked, duty=40)["sentences"][0]
    assert "even when always busy: the API is cheaper" in shown(api=price / 2)["sentences"][0]
    both = shown(api=asked, api_in=1)["sentences"][0]
    assert f"asks ${asked + 7:,.2f}/M output here" in both


def test_a_card_without_a_rent_has_no_price_and_says_how_to_get_one():
    view = shown(usd=0)
    assert view["headline"][PRICE]["value"] == "no price"
    assert any("enter the card rent" in m["text"] for m in view["messages"])
    assert not any("$/M" in row[0] for row in view["tables"][0]["rows"])
    assert (
        shown(usd=7.98)["headline"][PRICE]["value"] == f"${2 * CARD.estimated_usd_mtok.value:,.2f}"
    )


def test_where_predictions_are_weak_a_message_says_what_to_do():
    assert not [m for m in shown()["messages"] if m["level"] == "warning"]
    long = shown(**{"in": 60_000, "gpu": "h200-sxm", "users": 1})["messages"]
    assert any("32,000 tokens" in m["text"] and m["level"] == "warning" for m in long)
    laptop = calculate.PRESETS[1]["values"]
    assert any(text.startswith("Apple Silicon. ") for text in shown(**laptop)["sentences"])
    assert any(
        m["text"].startswith("Known weak spot: Apple Silicon.") for m in shown(**laptop)["messages"]
    )


def test_numbers_of_those_who_fit_are_called_so():
    (message,) = shown(users=100)["messages"]
    assert message["text"].startswith("Speed, first token and price are those of the 51 ")
    assert shown(users=100)["tables"][0]["caption"] == "All numbers at 51 users"


def test_more_sequences_than_the_engine_runs_are_told():
    many = {"model": "llama-3.2-1b", "in": 100, "out": 100, "users": 2000}
    assert any("runs 1,024 sequences at once" in m["text"] for m in shown(**many)["messages"])


def test_a_prefix_longer_than_its_prompt_is_refused_beside_its_input():
    view = shown(prefix=9000)
    assert view["messages"][0]["field"] == "prefix"
    assert view["status"]["level"] == "bad"


@pytest.mark.parametrize("preset", calculate.PRESETS, ids=lambda preset: preset["label"])
def test_a_preset_is_read_without_a_word_and_has_numbers(preset):
    state, messages = FORM.check(preset["values"])
    assert messages == []
    view = calculate.view(state)
    assert len(view["headline"]) == 4 and view["status"]["level"] in ("good", "warn")


def test_the_memory_is_drawn_as_vram_draws_it():
    state = {"ctx": 8000, "users": 16, "tp": 2}
    other = vram.view(vram.FORM.defaults() | state)
    assert shown()["figure"] == other["figure"]
    assert (
        memory_table(CARD.books) in shown()["tables"]
        and memory_table(CARD.books) in other["tables"]
    )


def test_a_shared_prefix_is_drawn_once():
    load = replace(design.WORKED_WORKLOAD, shared_prefix_tokens=6000)
    books = design.card(B, load).books
    rows = {row[0]: float(row[1]) for row in memory_table(books)["rows"]}
    assert rows["KV in use"] == pytest.approx(books.kv_used_bytes / 2**30, abs=0.01)
    assert sum(rows.values()) == pytest.approx(books.visible_bytes / 2**30, abs=0.05)
    assert memory_bars(books)["alt"].endswith("The table below has every term.")


def test_where_users_wait_outside_the_cache_is_full_but_for_less_than_one():
    load = replace(design.WORKED_WORKLOAD, shared_prefix_tokens=6000, concurrency=9000)
    books = design.card(B, load).books
    rows = {row[0]: float(row[1].replace(",", "")) for row in memory_table(books)["rows"]}
    assert rows["KV free"] * 2**30 < books.kv_bytes_per_sequence
    assert rows["KV without room"] > rows["KV in use"]


def test_a_pasted_config_is_calculated_like_its_model_of_the_catalogue():
    text = (CONFIGS / "Qwen__Qwen3-32B.json").read_text(encoding="utf-8")
    state, messages = FORM.check({"config": text})
    assert messages == []
    pasted, named = calculate.view(state), shown(model="qwen3-32b")
    for one, other in zip(pasted["headline"], named["headline"], strict=True):
        assert (one["value"], one["span"]) == (other["value"], other["span"])
