"""Design as a pure function: the answer of the search, its neighbours, and what is looked at."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import calibration, design
from llmcap_kernel.address import WHICH
from llmcap_kernel.cli import main
from llmcap_kernel.evidence import own
from llmcap_kernel.explain import quantity
from llmcap_kernel.simulation.percentiles import percentile
from llmcap_kernel.spec import Slo, Tail, Workload
from widgets.calculators import calculate
from widgets.calculators.design import FORM, PRESETS, Chosen, _load, _search, _title, view
from widgets.figures import choices
from widgets.form import meaning

SMALL = {"model": "llama-3.1-8b", "in": 1000, "out": 200, "users": 4, "vendor": "amd"}


def shown(**changed):
    return view(FORM.defaults() | SMALL | changed)


def found(**changed):
    state = FORM.defaults() | SMALL | changed
    return _search(meaning.load(state), meaning.limits(state), Chosen.of(state))


def test_the_answer_is_the_search_s():
    asked = Workload(7000, 1000, 16)
    best = design.search(asked, Slo(itl_s=0.05, usd_h=30.0), models=["llama-3.1-70b"]).winner
    made = view(FORM.defaults() | {"itl": 50, "itlp": "mean", "budget": 30})
    assert made["status"]["text"].startswith(f"Run {_title(best)} at ${best.usd_h_all:.2f}/h:")
    head = {item["label"]: item["value"] for item in made["headline"]}
    assert head["Rent"] == f"${best.usd_h_all:.2f}"
    assert head["$/M output"] == f"${best.usd_mtok.value:.2f}"
    assert made["texts"][0]["text"] == design.handover.launch(best.deployment, asked).text


def test_a_limit_on_a_percentile_is_judged_as_one():
    state = FORM.defaults() | SMALL | {"itl": 30, "itlp": "p95"}
    assert meaning.limits(state).tails == (Tail("itl", 95, 0.03),)
    labels = [item["label"] for item in view(state)["headline"]]
    assert "95th percentile gap" in labels


@pytest.mark.parametrize(("rate", "budget"), [(4, 300), (0.5, 30), (4000, 3)])
def test_a_rate_has_the_answer_of_the_command(capsys, rate, budget):
    words = f"--model llama-3.1-8b --vendor amd --input 1k --output 200 --rate {rate}"
    asked = ["design", *words.split(), "--itl-p95-ms", "20", "--budget-usd-h", str(budget)]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    # whatever the users stood at before
    state = FORM.defaults() | SMALL | {"users": 900, "itl": 20, "rate": rate, "budget": budget}
    answer = _search(_load(state), meaning.limits(state), Chosen.of(state))
    made = view(state)
    assert len(answer.rows) == told["candidates"]["tried"]
    front = [(one.deployment.title, one.copies) for one in answer.front]
    assert front == [(one["deployment"], one["copies"]) for one in told["front"]]
    if told["winner"] is None:
        assert made["status"]["level"] == "bad"
        return
    best = answer.winner
    assert best.deployment.title == told["winner"]["deployment"]
    assert made["status"]["text"].startswith(f"Run {_title(best)} at ${best.usd_h_all:.2f}/h")
    most = best.copies * best.open_loop.most_rps
    said = f"answer{'s' if best.copies == 1 else ''} up to {most:.3g} requests/s; the {rate:g} "
    assert most > rate and said in made["sentences"][0]


def test_few_measurements_behind_a_winner_stand_beside_its_interval():
    best = found().winner.deployment
    rows = calibration.table()["rows"]
    both, chips = rows[f"{best.engine.family} on {best.gpu.family}"], rows[best.gpu.family]
    notes = [one["note"] for one in shown()["headline"]]
    said = f"{both:,} measured rows of {best.engine.family} on {best.gpu.family}, {chips:,} of any"
    assert any(said in note for note in notes)


def test_late_first_tokens_say_why_where_users_meet_and_never_for_a_rate():
    def jumps(made):
        row = next(t for t in made["tables"] if t["caption"].startswith("Percentiles"))["rows"][3]
        p90, p95 = (float(x.split()[0]) * {"s": 1, "ms": 1e-3}[x.split()[1]] for x in row[2:4])
        return p95 > 2 * p90

    for changed in ({}, {"users": 1}, {"rate": 1}, {"rate": 5}):
        made = shown(model="llama-3.1-8b", **{"in": 1500, "out": 400}, **changed)
        said = any("users who ask again at once meet" in one for one in made["sentences"])
        assert said is jumps(made), changed
        assert not said or "rate" not in changed


def test_users_are_asked_or_a_rate():
    names = [[one["name"] for one in shown(**more)["controls"]] for more in ({}, {"rate": 2})]
    assert "users" in names[0] and "rate" in names[0]
    assert "users" not in names[1] and "rate" in names[1]
    state, messages = FORM.parse(FORM.query(FORM.defaults() | {"rate": 2.5}))
    assert (state["rate"], messages) == (2.5, [])


def test_a_rate_that_no_copies_serve_is_one_sentence():
    made = shown(rate=900, copies=1)
    assert made["messages"][0]["field"] == "rate"
    assert "900 requests/s" in made["messages"][0]["text"]


def test_each_limit_takes_its_part_of_the_candidates():
    for changed in ({"budget": 0}, {"budget": 2}, {"itl": 5}):
        rows = next(
            t["rows"]
            for t in shown(**changed)["tables"]
            if t["caption"].startswith("How the choice")
        )
        left = [int(row[1].replace(",", "")) for row in rows]
        lost = [int(row[2].replace(",", "")) for row in rows[1:]]
        assert [a - b for a, b in pairwise(left)] == lost
        answer = found(**changed)
        assert left[0] == len(answer.rows) and left[-1] == len(answer.order)


def test_what_is_picked_is_looked_at_and_says_why_it_is_not_first():
    answer = found()
    other = answer.why_not[-1].choice
    made = shown(pick=other.number)
    assert made["status"]["text"].startswith(f"{_title(other)}: {answer.why_not[-1].sentence}.")
    assert f"The answer: {_title(answer.winner)}" in made["status"]["text"]
    best = made["remedies"]["items"][0]
    assert best["label"] == _title(answer.winner)
    assert FORM.parse(best["query"])[0]["pick"] == answer.winner.number


def test_every_mark_of_the_figure_is_a_candidate_with_its_reason():
    answer, made = found(), shown()
    marks = [t for t in made["figure"]["data"] if t.get("meta") == "pick"]
    numbers = [int(i) for t in marks for i in t["ids"]]
    assert len(numbers) == len(set(numbers)) > 5
    for trace in marks:
        for number, x, text in zip(trace["ids"], trace["x"], trace["customdata"], strict=True):
            choice = answer.choice(int(number))
            assert x == choice.usd_h_all
            assert answer.reason(choice).sentence == re.sub("<br>", " ", text.partition("<br>")[2])
            assert choice.meets_all is (trace["name"] != "misses")


def test_another_question_forgets_what_was_picked():
    for one in shown(pick=3)["controls"]:
        assert ("clears" in one) is (one["name"] != "pick")


def test_nothing_fits_says_the_least_that_would_have_to_give():
    made = shown(budget=0.01)
    assert made["status"]["level"] == "bad"
    assert made["status"]["text"].startswith("Nothing meets every limit. The least")
    assert "budget of" in made["status"]["text"]
    assert made["remedies"]["text"] == "The nearest misses:" and made["remedies"]["items"]


@pytest.mark.parametrize("asked", [{}, {"rate": 1.0}, {"rate": 5.0, "ttft": 2, "ttftp": "p95"}])
def test_a_candidate_opens_in_calculate_with_the_same_numbers(asked):
    made = shown(**asked)
    (link,) = (one for one in made["links"] if one["name"] == "calculate")
    state, messages = calculate.FORM.parse(link["query"])
    assert messages == []
    there = {i["label"]: i["value"] for i in calculate.view(state)["headline"]}
    here = {i["label"].removesuffix(" (a miss)"): i["value"] for i in made["headline"]}
    del here["Rent"]
    assert {name: there[name] for name in here} == here


@pytest.mark.parametrize("preset", PRESETS, ids=lambda one: one["label"])
def test_a_preset_has_an_answer(preset):
    state, messages = FORM.check(preset["values"])
    assert messages == []
    assert view(state)["status"]["text"].startswith(("Run ", "Nothing meets every limit."))


@settings(max_examples=12, deadline=None)
@given(
    prompt=st.integers(1, 200_000),
    answer=st.integers(1, 20_000),
    users=st.integers(1, 10_000),
    gap=st.sampled_from([0, 0.01, 20, 500]),
    which=st.sampled_from(WHICH),
    budget=st.sampled_from([0, 0.5, 100]),
    pick=st.none() | st.integers(0, 10_000_000),
)
def test_any_question_has_a_sound_answer(prompt, answer, users, gap, which, budget, pick):
    asked = {"in": prompt, "out": answer, "users": users, "itl": gap, "itlp": which}
    made = shown(**asked, ttft=gap, ttftp=which, budget=budget, pick=pick)
    json.dumps(made, allow_nan=False)
    assert made["status"]["text"]


def test_the_picked_one_s_gaps_are_drawn_by_percentile_with_their_limit():
    figure = shown()["figure"]
    band, line = (one for one in figure["data"] if one.get("xaxis") == "x2")
    best = found().winner
    wanted = [percentile(best.estimates, "itl", p) for p in (50.0, 90.0, 95.0, 99.0)]
    assert line["y"] == pytest.approx([1e3 * one.value for one in wanted])
    assert band["y"] == pytest.approx(
        [1e3 * one.high for one in wanted] + [1e3 * one.low for one in reversed(wanted)]
    )
    (limit,) = [one for one in figure["layout"]["shapes"] if one.get("xref") == "x2"]
    assert (limit["y0"], round((limit["x0"] + limit["x1"]) / 2)) == (50.0, 2)
    mean = shown(itlp="mean")["figure"]["layout"]["shapes"]
    assert not [one for one in mean if one.get("xref") == "x2"]


def test_a_search_is_made_anew_once_something_is_learnt(tmp_path):
    def asked():
        return [item["value"] for item in shown()["headline"]]

    before = asked()
    told = calibration.Own(2.0, 12, 4, ("cdna3",), {})
    calibration.use(own.write(tmp_path / "own.toml", {"vllm": told}, "mine.csv"))
    try:
        assert asked() != before
    finally:
        calibration.use(None)
    assert asked() == before


def test_the_candidate_looked_at_leads_to_what_its_estimates_stand_on():
    (one,) = shown(vendor="nvidia", engine="vllm")["behind"]
    assert re.fullmatch(r"vllm on [\w-]+: [\d,]+ rows", one["title"])
    known = (calibration.FILE.parents[2] / "book" / "constants.md").read_text("utf-8")
    assert f'id="{one["anchor"]}"' in known


def test_the_ends_of_a_price_are_written_in_dollars_and_cents():
    price = next(item for item in shown()["headline"] if item["label"] == "$/M output")
    cents = r"\$\d+\.\d\d"
    assert re.fullmatch(f"{cents} to {cents}, ceiling {cents}", price["span"]["text"])


def test_the_answer_has_steps_that_meet_the_limits_for_less():
    asked = {"model": "llama-3.1-8b", "vendor": "any", "in": 4000, "out": 500, "users": 60}
    asked |= {"itl": 40, "itlp": "p95", "ttft": 2, "ttftp": "p95", "budget": 15}
    answer = shown(**asked)
    tokens = re.search(r"([\d,]+) tokens a step at \$", answer["status"]["text"])[1]
    assert f"--max-num-batched-tokens {tokens.replace(',', '')}" in answer["texts"][0]["text"]
    own = re.search(r"own ([\d,]+) tokens a step: missed by", answer["status"]["beside"])[1]
    assert answer["remedies"]["items"][0]["label"].endswith(", the engine's own tokens a step")
    assert own != tokens
    as_it_starts = shown(**asked, batched=int(own.replace(",", "")))
    rents = [float(x["headline"][0]["value"].removeprefix("$")) for x in (answer, as_it_starts)]
    assert rents[0] < rents[1]


@pytest.mark.parametrize(
    ("changed", "at"),
    [({"model": "llama-3.1-8b", "in": 1500, "out": 400, "rate": 5.0}, "bottom"), ({}, "top")],
    ids=["every gap is shorter", "some are longer"],
)
def test_the_words_of_two_limits_stand_apart(changed, at):
    """Where no gap is longer than allowed, its words are at the top: the rent's are at the foot."""
    figure = view(FORM.defaults() | changed)["figure"]
    said = {a["text"]: a for a in figure["layout"]["annotations"]}
    assert said["50 ms allowed"]["yanchor"] == "bottom"
    assert said["$30/h"]["yanchor"] == at


def test_a_rate_says_from_where_on_more_gaps_meet_a_prompt():
    """Its percentiles, too, are those of the rate, and not of as many users at once."""
    made = view(FORM.defaults() | {"rate": 1.0})
    (said,) = (one for one in made["sentences"] if "another user's prompt in them" in one)
    assert said.startswith("Beyond ") and "requests/s of a copy, over 5% of the gaps" in said
    state = FORM.defaults() | {"rate": 1.0}
    best = _search(_load(state), meaning.limits(state), Chosen.of(state)).winner
    row = made["tables"][0]["rows"][0]
    assert row[1:] == [quantity(best.percentile("itl", p).value, "s") for p in (50, 90, 95, 99)]


def test_more_of_the_front_is_named_where_a_figure_is_wide():
    """A note whose name is a width stands in figures from that width on, on no other words."""
    made = view(FORM.defaults())["figure"]["layout"]
    words = [a for a in made["annotations"] if a.get("xref", "x") == "x" and "yref" not in a]
    wide = [a for a in words if "name" in a]
    few = [a for a in words if a.get("font", {}).get("size") == 12 and a not in wide]
    assert len(wide) > 1 and {a["name"] for a in wide} == {str(choices.WIDE_PX)}
    ranges = (tuple(10**x for x in made[axis]["range"]) for axis in ("xaxis", "yaxis"))
    panel = choices._Panel(*ranges, choices.WIDE_PANEL_PX)
    boxes = [
        panel.beside(
            choices.Candidate(0, a["text"], 10 ** a["x"], 10 ** a["y"], "front", ""),
            (a["xanchor"], a["yanchor"]),
        )
        for a in (*few, *wide)
    ]
    for i, one in enumerate(boxes):
        assert not any(choices._overlap(one, other) for other in boxes[:i])
