"""Compare as a pure function: what a person reads of a sweep."""

import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import capacity, catalog, design, sweep
from llmcap_kernel.sweep import Lead
from tests.widgets.reading import control
from widgets.calculators import compare
from widgets.calculators.along_load import Curve, _stretches
from widgets.calculators.columns import AS_SPECIFIED
from widgets.calculators.compare import FORM, PRESETS
from widgets.calculators.question import LENGTHS, SHOWS, VARIABLES, Question
from widgets.calculators.turns import CAUSES, _cause
from widgets.figures import BAD
from widgets.figures.curves import Point, _clear
from widgets.form import meaning

ALONG = [name for name, variable in VARIABLES.items() if variable.load]
NAMES = ("1x H100", "2x H100", "8x H200")  # the worked spec's A, B and C
CHOICES = [name for name, variable in VARIABLES.items() if not variable.load]


def shown(**changed):
    return compare.view(FORM.defaults() | AS_SPECIFIED | changed)


def preset(label):
    values = next(one["values"] for one in PRESETS if one["label"] == label)
    return shown(**FORM.check(values)[0])


def curves(view):
    """The drawn curves by letter, without bands, ceilings and rules."""
    return {t["name"]: t for t in view["figure"]["data"] if t.get("name")}


def numbers(cell):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", cell)]


@pytest.mark.parametrize("moved", VARIABLES)
@pytest.mark.parametrize("show", SHOWS)
def test_every_question_has_a_sound_answer(moved, show):
    view = shown(sweep=moved, show=show)
    json.dumps(view, allow_nan=False)
    assert view["status"]["text"].endswith(".")
    assert len(view["headline"]) == 3
    said, sure = view["tables"]
    less = sweep.QUANTITIES[SHOWS[show].quantity].less
    each = (len(sure["columns"]) - 1) // (len(said["columns"]) - 1)  # low, high and a ceiling
    for row, ends in zip(said["rows"], sure["rows"], strict=True):
        assert row[0] == ends[0]
        for i, cell in enumerate(row[1:]):
            low, high, *ceiling = ends[1 + i * each : 1 + (i + 1) * each]
            if high == "-" and low == "-":
                continue  # a sentence says why there is no number
            (value,) = numbers(cell)
            ceiling = [numbers(one)[0] for one in ceiling]
            if high == "-":  # an interval that none may rely on is not written
                assert ceiling[0] <= value if less else ceiling[0] >= value
                continue
            (low,), (high,) = numbers(low), numbers(high)
            assert low <= value <= high
            if ceiling:
                assert ceiling[0] <= low if less else ceiling[0] >= high


def test_the_default_says_who_is_ahead_and_where_each_ends():
    view = shown()
    _, b, c = design.worked_spec()
    load = design.WORKED_WORKLOAD
    ends = [design.card(d, load).max_concurrent for d in (b, c)]
    both = range(2, ends[0] + 1)
    level = next((n for n in both if gap(b, n).value <= 1.02 * gap(c, n).value), ends[1] + 1)
    assert view["status"]["text"].startswith(
        f"8x H200 has the shortest gap up to {level - 1:,} users ("
    )
    assert f" From {ends[0] + 1:,} users on no other fits." in view["status"]["text"]
    assert "over the budget of $30.00/h" in view["status"]["text"]
    said = view["sentences"]
    assert f"2x H100 ends at {ends[0]:,} users: beyond it, not all users fit." in said
    assert f"8x H200 ends at {ends[1]:,} users: beyond it, not all users fit." in said
    assert "1x H100 has no curve: the cache has no room for one user." in said
    itl_s = design.WORKED_SLO.tails[0].bound_s
    last = next((n for n in range(2, ends[0] + 1) if gap(b, n).value > itl_s), None)
    kept = f"misses 50 ms from {last} users on" if last else "meets 50 ms wherever it fits"
    assert any(t.startswith(f"2x H100 {kept}") for t in said)


def gap(deployment, users):
    load = sweep.load_at(design.WORKED_WORKLOAD, "concurrency", users)
    return sweep.measure(deployment, load, "itl p95")


@pytest.mark.parametrize(("letter", "users"), [("B", 20), ("B", 40), ("C", 50), ("C", 100)])
def test_a_limit_s_sentence_is_exact(letter, users):
    at = "ABC".index(letter)
    d, name = design.worked_spec()[at], NAMES[at]
    limit_s = round(gap(d, users).value, 4)  # a limit that is missed on the range
    limit = f"{1e3 * limit_s:.3g} ms"
    said = shown(itl=1e3 * limit_s)["sentences"]
    text = next(text for text in said if text.startswith(f"{name} misses {limit}"))
    at, *sure = (int(n) for n in re.findall(r"(\d+) users", text))
    assert gap(d, at - 1).value <= limit_s < gap(d, at).value
    if sure:
        assert gap(d, sure[0]).high <= limit_s < gap(d, sure[0] + 1).high
    else:
        assert gap(d, 2).high > limit_s


@pytest.mark.parametrize("which", ["mean", "p50", "p95", "p99"])
def test_the_curve_and_the_limit_are_of_the_gap_that_is_asked(which):
    view = shown(itlp=which, itl=40)
    quantity = "itl_s" if which == "mean" else f"itl {which}"
    for name, d in zip(NAMES[1:], design.worked_spec()[1:], strict=True):
        drawn = curves(view)[name]
        for x, y in zip(drawn["x"], drawn["y"], strict=True):
            load = sweep.load_at(design.WORKED_WORKLOAD, "concurrency", x)
            assert y == pytest.approx(1e3 * sweep.measure(d, load, quantity).value)
    if which == "p95":  # from 55 users to 56 a gap with a prompt becomes the 95th of 100
        at = curves(view)["8x H200"]["x"].index(56)
        before, after = curves(view)["8x H200"]["y"][at - 1 : at + 1]
        assert curves(view)["8x H200"]["x"][at - 1] == 55 and before < 40 < 5 * 40 < after
    (limit,) = (t for t in view["figure"]["data"] if t.get("line", {}).get("color") == BAD)
    assert set(limit["y"]) == {40.0}
    titled = "95th percentile gap, ms"
    assert (view["figure"]["layout"]["yaxis"]["title"]["text"] == titled) == (which == "p95")


def test_a_crossing_s_sentence_is_exact():
    view = preset("Card shoot-out")
    text = next(text for text in view["sentences"] if "overtakes" in text)
    ahead, behind, at = re.match(r"(.+) overtakes (.+) at (\d+) users", text).groups()
    for users, first in ((int(at) - 1, behind), (int(at), ahead)):
        values = FORM.check(next(p["values"] for p in PRESETS if p["label"] == "Card shoot-out"))[0]
        row = shown(**values | {"from": users, "to": users + 1})["figure"]["data"]
        drawn = {t["name"]: t["y"][0] for t in row if t.get("name")}
        assert min(ahead, behind, key=drawn.__getitem__) == first


def test_a_curve_ends_at_the_last_number_that_fits():
    view = shown()
    for label, d in zip(NAMES[1:], design.worked_spec()[1:], strict=True):
        most = design.card(d, design.WORKED_WORKLOAD).max_concurrent
        assert curves(view)[label]["x"][-1] == most


def test_every_curve_has_dash_symbol_and_name_besides_its_colour():
    view = preset("Card shoot-out")
    drawn = curves(view)
    assert len({t["line"]["dash"] for t in drawn.values()}) == 4
    assert len({t["marker"]["symbol"] for t in drawn.values()}) == 4
    named = [text for t in view["figure"]["data"] for text in t.get("text", ()) if "<b>" in text]
    assert sorted(re.sub(r"<.*?>", "", text).strip() for text in named) == sorted(drawn)
    assert all(re.match(r"\d+x \w", name) for name in drawn)


def test_the_pointer_reads_value_interval_and_ceiling():
    for trace in curves(shown()).values():
        assert len(trace["customdata"]) == len(trace["x"])
        for text, y in zip(trace["customdata"], trace["y"], strict=True):
            said = text.partition(": ")[2]
            if "uncertain by" in said:
                continue  # an interval that none may rely on is not written
            value, low, high, ceiling, *end = numbers(said)
            assert end in ([], [trace["x"][-1]])
            assert value == pytest.approx(y, rel=0.01)
            assert ceiling <= low <= value <= high


def test_table_and_figure_have_the_same_numbers():
    view = shown()
    drawn = curves(view)
    for row in view["tables"][0]["rows"]:
        for letter, cell in zip(NAMES[1:], row[2:], strict=True):
            x = int(row[0].replace(",", ""))
            if x in drawn[letter]["x"]:
                at = drawn[letter]["x"].index(x)
                assert drawn[letter]["customdata"][at].startswith(f"{letter}: {cell}")
            else:
                assert "fit" in cell


def test_the_row_of_the_inputs_is_marked_and_is_the_headline():
    view = shown(users=20)
    (at,) = view["tables"][0]["highlight"]
    row = view["tables"][0]["rows"][at]
    assert row[0] == "20"
    for item, cell in zip(view["headline"][1:], row[2:], strict=True):
        assert cell == f"{item['value']} {item['unit']}"


def test_the_headline_is_the_scorecard_s_estimate():
    asked = design.WORKED_WORKLOAD, design.WORKED_SLO
    cards = design.scorecard(design.worked_spec(), *asked).cards
    for item, card in zip(shown()["headline"], cards, strict=True):
        if card.starts:
            assert f"{item['value']} {item['unit']}" == dict(card.brief())["95th percentile gap"]
        else:
            assert item["value"] == "does not start"


@pytest.mark.parametrize("show", ["gap", "rate", "ttft", "price", "total"])
def test_an_interval_that_none_may_rely_on_has_no_bar(show):
    cards = design.scorecard(design.worked_spec(), design.WORKED_WORKLOAD).cards
    for item, card in zip(shown(show=show)["headline"], cards, strict=True):
        if card.starts:
            made = getattr(card.expected, SHOWS[show].quantity)
            assert ("span" in item) is not bool(made.doubt), (item["label"], made)


def test_a_range_is_kept_or_a_wrong_one_named():
    view = shown(**{"from": 4, "to": 12})
    xs = curves(view)[NAMES[2]]["x"]
    assert (xs[0], xs[-1]) == (4, 12)
    wrong = shown(**{"from": 12, "to": 4})
    assert "From 12 to 4 is no range" in wrong["messages"][0]["text"]
    assert wrong["messages"][0]["field"] == "from"


def test_a_prefix_longer_than_the_prompt_is_named_at_its_input():
    view = shown(prefix=8000)
    assert view["messages"][0]["field"] == "prefix"
    assert view["status"]["level"] == "bad"


def test_a_longer_shared_prefix_never_makes_the_first_token_wait_longer():
    for trace in curves(preset("Long documents, shared")).values():
        assert trace["y"] == sorted(trace["y"], reverse=True)


def test_an_eight_bit_cache_holds_about_twice_the_users():
    drawn = curves(preset("Does an FP8 cache pay?"))
    wide_cache, small_cache = drawn.values()
    for wide, small in zip(wide_cache["y"], small_cache["y"], strict=True):
        assert 2 * wide <= small <= 2 * wide + 1


def test_a_small_count_is_drawn_as_stairs():
    trace, _ = curves(preset("Does an FP8 cache pay?")).values()
    steps = [
        (x, y, x2, y2)
        for x, y, x2, y2 in zip(
            trace["x"], trace["y"], trace["x"][1:], trace["y"][1:], strict=False
        )
        if y <= 8 and y != y2
    ]
    assert steps and all(x2 == x + 1 for x, _, x2, _ in steps)


def test_a_swept_part_leaves_twins_out_and_says_so():
    view = shown(sweep="gpu", columns=4)  # A and D differ in their card alone
    assert [t["name"] for t in view["figure"]["data"] if t.get("name")] == [
        *("TP-1", "TP-2", "TP-8"),
    ]
    same = "Over all cards 1x H200 is the same as 1x H100: it is drawn once."
    assert same in [m["text"] for m in view["messages"]]


def test_a_rent_written_for_one_card_is_not_charged_for_another():
    own = shown(sweep="gpu", show="price", **{"b.usd": 1000})
    rows = {row[0]: row[2] for row in own["tables"][0]["rows"]}
    plain = {row[0]: row[2] for row in shown(sweep="gpu", show="price")["tables"][0]["rows"]}
    same = [name for name in rows if name in plain and rows[name] == plain[name]]
    assert len(same) >= len(rows) - 2
    assert rows["H100 SXM5 80GB"] != plain["H100 SXM5 80GB"]


def test_many_choices_are_cut_to_the_best_and_the_columns_own():
    view = shown(sweep="gpu")
    names = [row[0] for row in view["tables"][0]["rows"]]
    assert "H100 SXM5 80GB" in names and "H200 SXM 141GB" in names
    assert len(names) <= 16
    assert any(re.match(r"Of \d+ cards, \d+ hold all users", text) for text in view["sentences"])


def test_models_offered_take_the_context():
    view = shown(sweep="model", **{"in": 60_000})
    assert not any("window" in cell for row in view["tables"][0]["rows"] for cell in row)


def test_a_count_of_cards_that_cannot_be_is_a_cell_not_a_fault():
    view = shown(sweep="tp", **{"a.model": "qwen2.5-0.5b"})  # 14 heads
    cells = {row[0]: row[1] for row in view["tables"][0]["rows"]}
    assert cells["4 cards"] == "cannot be"


def test_one_column_that_cannot_be_leaves_the_others():
    view = shown(**{"b.tp": 5})
    assert [item["label"].partition(":")[0] for item in view["headline"]] == [NAMES[0], NAMES[2]]
    assert view["messages"][0]["field"] == "b.tp"


def test_over_the_budget_is_said_where_a_choice_changes_the_rent():
    text = " ".join(preset("More cards for one model")["sentences"])
    assert "H100, FP8 is over the budget of $30.00/h with 8 cards." in text


@pytest.mark.parametrize("sweep", ["tp", "gpu", "weights", "kv", "model"])
def test_what_is_exchanged_is_no_part_of_a_name_and_no_name_is_a_letter(sweep):
    state = next(p["values"] for p in PRESETS if p["label"] == "More cards for one model")
    view = shown(**state | {"sweep": sweep})
    names = [t["name"] for t in view["figure"]["data"] if t.get("name")]
    assert names == {
        "tp": ["H100, FP8", "H100, BF16"],
        "gpu": ["TP-2", "TP-4"],
    }.get(sweep, ["2x H100", "4x H100"])
    assert not re.search(r"\b[AB]\b (?:with|goes|is|misses)", " ".join(view["sentences"]))


def test_a_note_keeps_its_own_words_beside_a_card_s_name():
    """ "Each of the 8 cards" once had a card's name in the place of its first word."""
    notes = " ".join(shown()["sentences"])
    assert "8x H200: deepseek-v3 keeps one latent for all heads: each of the 8 cards" in notes


def test_a_leader_beyond_the_budget_is_no_good_news():
    status = shown()["status"]
    assert "over the budget of $30.00/h" in status["text"] and status["level"] == "warn"
    assert shown(budget=40)["status"]["level"] == "good"


@pytest.mark.parametrize("moved", ALONG)
@pytest.mark.parametrize("which", ["mean", "p95"])
def test_a_limit_is_a_line_across_and_named_and_along_a_length_only_one_on_the_mean(moved, which):
    """A percentile jumps along a length, where a pause becomes one of its gaps: means are drawn."""
    view = shown(sweep=moved, itlp=which)
    data, means_alone = view["figure"]["data"], moved in LENGTHS and which == "p95"
    assert any(t.get("text") == ["50 ms wanted"] for t in data) is not means_alone
    assert any(t.get("y") and set(t["y"]) == {50.0} for t in data) is not means_alone
    assert any("95th percentile gap, which is limited" in t for t in view["sentences"]) == (
        means_alone
    )


def test_the_name_of_a_limit_stands_where_no_curve_passes():
    """The curves begin at 45 and fall to 5, a limit at 40: its name is not at their beginning."""
    points = [
        Point(x, 45 - 5 * i, 45 - 5 * i, 45 - 5 * i, None, "") for i, x in enumerate(range(9))
    ]
    (x, y), place = _clear({"A": points}, [(p.x, 40.0) for p in points], "linear")
    assert y == 40.0 and x >= 2 and place.startswith("top")


@pytest.mark.parametrize("moved", CHOICES)
def test_choices_are_points_with_whiskers_and_named_rows(moved):
    figure = shown(sweep=moved)["figure"]
    drawn = [t for t in figure["data"] if t.get("name")]
    assert all("error_x" in t and len(t["x"]) == len(t["customdata"]) for t in drawn)
    assert len(figure["layout"]["annotations"]) >= 4


@settings(max_examples=80, deadline=None)
@given(
    moved=st.sampled_from(sorted(VARIABLES)),
    show=st.sampled_from(sorted(SHOWS)),
    prompt=st.integers(1, 3_000_000),
    answer=st.integers(1, 100_000),
    users=st.integers(1, 100_000),
    share=st.floats(0, 1),
    low=st.none() | st.integers(0, 10_000_000),
    high=st.none() | st.integers(0, 10_000_000),
)
def test_no_load_and_no_range_breaks_it(moved, show, prompt, answer, users, share, low, high):
    state = {"sweep": moved, "show": show, "in": prompt, "out": answer, "users": users}
    view = shown(**state, prefix=int(prompt * share), **{"from": low, "to": high})
    json.dumps(view, allow_nan=False)
    assert view["status"]["text"] and view["tables"]


GPT = {"model": "gpt-oss-120b", "weights": "mxfp4", "kv": "fp8", "tp": 1}
SHOOT_OUT = FORM.check(
    compare.columns.preset(
        *({**GPT, "gpu": gpu} for gpu in ("h100-sxm", "h200-sxm", "mi300x")),
        sweep="ctx", show="rate",
    )
)[0]  # fmt: skip


def test_an_order_that_is_not_known_is_said_with_who_leads():
    view = shown(**SHOOT_OUT | {"users": 48})
    said = view["status"]["text"]
    assert re.match(
        r"For the fastest answers, 1x H200 and 1x MI300X and, in part, 1x H100 are too close to "
        r"call up to [\d,]+ tokens of context \(the estimates favour 1x MI300X, up to 1\.\d+ times "
        r"ahead\); "
        r"1x MI300X from [\d,]+ to [\d,]+ \(the only one that fits\)\.",
        said,
    )
    assert not any("overtakes" in one or "oo close" in one for one in view["sentences"])
    assert view["status"]["level"] == "warn"


def test_parts_that_are_many_are_said_below_and_who_pass_each_other_are_not_level():
    """Stretches of a range from 1 to 1,000, by who leads and who may as well."""

    def stretches(*leads):
        return [(one.start, one.end, sorted(one.names)) for one in _stretches(leads)]

    passing = (Lead(1, 99, "A"), Lead(100, 110, "A and B"), Lead(111, 1000, "B"))
    assert stretches(*passing) == [(1, 99, ["A"]), (111, 1000, ["B"])]
    level = (Lead(1, 9, "A"), Lead(10, 1000, "A and B"))
    assert stretches(*level) == [(1, 9, ["A"]), (10, 1000, ["A", "B"])]
    close = (Lead(1, 9, "A", ("B",)), Lead(10, 99, "A", ("C",)), Lead(100, 1000, "C"))
    assert stretches(*close) == [(1, 99, ["A", "B", "C"]), (100, 1000, ["C"])]
    turned = (Lead(1, 9, "A", ("B",)), Lead(10, 1000, "B", ("A",)))
    assert stretches(*turned) == [(1, 1000, ["A", "B"])]


def test_a_card_that_holds_a_part_says_how_many_and_which_setting_decides():
    said = shown(**SHOOT_OUT | {"a.fraction": 0.9})["status"]["text"]
    d = meaning.deployment(SHOOT_OUT | {"a.fraction": 0.9}, prefix="a.")
    load = meaning.load(SHOOT_OUT)
    held = [
        capacity.workload_ledger(replace(d, memory_fraction=share), load).max_concurrent
        for share in (0.9, 0.95)
    ]
    assert held[0] * 2 <= held[1]
    assert f"1x H100 holds {held[0]} of 16 users at memory fraction 0.9, which decides" in said
    assert f"at 0.95 it would hold {held[1]}." in said


def test_what_holds_of_several_is_said_once():
    view = shown(**SHOOT_OUT)
    told = [one for one in view["sentences"] if "no fp4 units" in one]
    assert told == [
        "1x H100, 1x H200, 1x MI300X: each has no fp4 units: mxfp4 weights keep their bytes and "
        "compute in bf16."
    ]
    assert not view["messages"]


def test_a_price_stands_beside_what_is_looked_at():
    notes = [one["note"] for one in shown(**SHOOT_OUT)["headline"][1:]]
    assert all("/h" in note and "/M output" in note for note in notes)


def test_a_longer_context_that_is_faster_is_explained():
    view = shown(**SHOOT_OUT)
    rows = [numbers(row[2])[0] for row in view["tables"][0]["rows"]]
    assert max(rows) > rows[0], "the case is gone: take another"
    assert any(one.startswith("A longer context can be faster") for one in view["sentences"])
    assert not any(one.startswith("A longer context") for one in shown()["sentences"])


def test_where_a_percentile_of_the_gaps_jumps_is_said():
    """55 users of 1,000 tokens: 54 others' prompts are 54 x 0.95 of 1,000 steps, a twentieth."""
    said = next(one for one in shown()["sentences"] if one.startswith("Over 5% of the gaps"))
    assert "8x H200 with more than 55 users" in said and "2x H100" not in said  # it has room for 51


def test_names_stand_beside_the_axes_and_apart_and_of_a_curve_that_ends_early_at_its_end():
    figure = shown(**SHOOT_OUT)["figure"]
    drawn = curves(shown(**SHOOT_OUT))
    beside, *early = [t for t in figure["data"] if t.get("text") and "<b>" in t["text"][0]]
    assert set(beside["x"]) == {max(max(t["x"]) for t in drawn.values())}
    tall = figure["layout"]["yaxis"]["range"][1]
    assert min(b - a for a, b in zip(beside["y"], beside["y"][1:])) >= 0.079 * tall  # noqa: B905
    assert [(t["text"], t["x"]) for t in early] == [
        (["<b>1x H100</b>"], drawn["1x H100"]["x"][-1:])
    ]
    (now,) = [t for t in figure["data"] if t.get("text", [""])[0].startswith("set to")]
    assert now["text"] == ["set to 8,000"]


def test_a_band_that_reaches_far_does_not_press_the_curves_into_the_axis():
    """The first view: gaps of 20 to 40 ms, and one band that jumps to seconds."""
    figure = compare.view(FORM.defaults())["figure"]
    axis = figure["layout"]["yaxis"]
    drawn = [t for t in figure["data"] if t.get("name") in ("1x H200", "2x H100", "1x MI300X")]
    values = [math.log10(y) for t in drawn for y in t["y"]]
    assert axis["type"] == "log"
    low, high = axis["range"]
    lowest, highest = ((end(values) - low) / (high - low) for end in (min, max))
    assert len(drawn) == 3 and lowest > 0.05
    assert highest > 0.5, "the band is not cut: the curves lie in the lower half"


def test_of_two_curves_that_end_close_together_the_lower_has_its_name_below():
    figure = compare.view(FORM.defaults())["figure"]
    places = {t["text"][0]: t["textposition"] for t in figure["data"] if t.get("mode") == "text"}
    assert places["<b>1x H200</b>"].startswith("top")
    assert places["<b>2x H100</b>"].startswith("bottom")


def test_the_name_of_a_curve_that_ends_near_the_axis_stands_beyond_its_end():
    same = {"model": "qwen3-32b", "gpu": "h100-sxm", "weights": "bf16", "kv": "bf16"}
    cards = {"a": 1, "b": 4}
    values = {f"{x}.{k}": v for x, n in cards.items() for k, v in (same | {"tp": n}).items()}
    figure = shown(columns=2, **values)["figure"]
    places = {t["text"][0]: t["textposition"] for t in figure["data"] if t.get("mode") == "text"}
    assert places["<b>1x H100</b>"] == "top right"


def test_one_user_is_not_up_to_one_users():
    same = {"model": "qwen3-32b", "gpu": "h100-sxm", "tp": 1, "weights": "bf16"}
    caches = {"a": "fp8", "b": "bf16"}
    values = {f"{x}.{k}": v for x, kv in caches.items() for k, v in (same | {"kv": kv}).items()}
    text = shown(columns=2, **values)["status"]["text"]
    assert " at 1 user," in text and "up to 1 " not in text


def test_a_turn_by_memory_is_at_the_first_user_who_does_not_fit():
    said = shown(show="price")["status"]["beside"]
    at = int(re.search(r"What turns it: at (\d+), 2x H100 no longer has memory for all", said)[1])
    b = meaning.deployment(FORM.defaults() | AS_SPECIFIED, prefix="b.")
    load = meaning.load(FORM.defaults() | AS_SPECIFIED)
    assert capacity.max_concurrent(b, load.context_tokens) == at - 1


@pytest.mark.parametrize("show", ["gap", "rate"])
def test_of_cards_that_differ_in_memory_alone_bandwidth_is_what_tells(show):
    """By NVIDIA's data sheets H100 SXM and H200 SXM differ in memory and its bandwidth alone."""
    asked = FORM.defaults() | {"show": show, "itlp": "mean"}
    load, slo = meaning.load(asked), meaning.limits(asked)
    two = {
        gpu: catalog.deployment(model="llama-3.1-8b", gpu=gpu, weights="fp8")
        for gpu in ("h100-sxm", "h200-sxm")
    }
    question = Question(asked, load, slo, two)
    slower, faster = (Curve(question, gpu) for gpu in two)
    assert _cause(question, slower, faster, (1, 40)) == CAUSES["attention_s"]


def test_along_requests_each_curve_ends_where_the_queue_grows():
    view = shown(sweep="requests", rate=0.3)
    b = design.worked_spec()[1]
    last = int(sweep.HOUR_S * design.requests_within(b, design.WORKED_WORKLOAD).value)
    told = f"2x H100 ends at {last:,} requests an hour: beyond it, the queue grows without end."
    assert told in view["sentences"]
    drawn = curves(view)["2x H100"]
    assert max(drawn["x"]) == last and "users" not in {one["name"] for one in view["controls"]}
    item = next(one for one in view["headline"] if one["label"].startswith("2x H100"))
    made = sweep.measure(b, design.WORKED_WORKLOAD, "itl p95", rate_rps=0.3)
    assert float(item["value"]) == pytest.approx(1e3 * made.value, rel=0.005)


def test_a_queue_that_grows_leaves_the_picture_where_it_is_a_hundred_times_the_first():
    view = shown(sweep="requests", show="ttft", ttft=2, ttftp="p95")
    drawn = curves(view)["2x H100"]
    b, load = design.worked_spec()[1], design.WORKED_WORKLOAD
    last, beyond = (
        sweep.measure(b, load, "ttft p95", rate_rps=x / sweep.HOUR_S).value
        for x in (max(drawn["x"]), max(drawn["x"]) + 1)
    )
    first = drawn["y"][0]
    assert last == pytest.approx(max(drawn["y"])) and last <= 100 * first < beyond


def test_a_rate_that_nobody_gave_is_said_and_stays_out_of_the_address():
    view = shown(sweep="requests")
    said = next(one["text"] for one in view["messages"] if one["field"] == "rate")
    hourly, second = re.search(
        r"are of ([\d,]+) requests an hour, ([\d.]+) a second", said
    ).groups()
    assert float(hourly.replace(",", "")) == pytest.approx(3600 * float(second))
    assert said.startswith("No rate was given")
    assert "rate=" not in view["query"]


def test_a_percentile_that_is_drawn_is_not_called_a_mean_where_it_is_chosen():
    for limits, label in (
        ({}, "First token, mean"),
        ({"ttftp": "p95"}, "95th percentile first token"),
    ):
        view = shown(sweep="requests", show="ttft", ttft=2, **limits)
        show = control(view, "show")
        assert show["text"] == label in {one["label"] for one in show["options"]}


def test_limits_under_their_line_say_which_is_which():
    view = shown(itl=50, itlp="p95", ttft=2, ttftp="p99")
    fold = control(view, "itl")["fold"]
    assert fold.startswith("Limits: gap 50 ms, 95th percentile, first token 2 s, 99th percentile")


def test_along_users_a_rate_is_kept_in_the_address_and_changes_nothing():
    view, plain = shown(rate=0.3), shown()
    assert view["headline"] == plain["headline"] and "rate=0.3" in view["query"]
    assert "rate" not in {one["name"] for one in view["controls"]}


@pytest.mark.parametrize("along", ["ctx", "tp"])
def test_with_a_rate_numbers_are_of_that_rate(along):
    view = shown(sweep=along, rate=0.3)
    (item,) = (one for one in view["headline"] if one["label"].startswith("2x H100"))
    b = design.worked_spec()[1]
    made = design.card_at_rate(b, design.WORKED_WORKLOAD, design.WORKED_SLO, 0.3)
    gap = made.estimates.itl_s if along == "ctx" else made.percentile("itl", 95)
    assert float(item["value"]) == pytest.approx(1e3 * gap.value, rel=0.005)


def test_room_for_users_is_no_question_of_a_rate():
    view = shown(sweep="requests", show="fit", rate=0.3)
    assert not any("holds all" in one for one in view["sentences"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "hold all users"),
        ({"rate": 0.3}, "answer all requests"),
        ({"rate": 0.3, "show": "fit"}, "start"),
        ({"users": 10_000, "show": "fit"}, "start"),  # none has room for so many
    ],
)
def test_of_many_choices_it_is_said_what_those_with_a_number_do(more, said):
    view = compare.view(compare.FORM.defaults() | {"sweep": "weights"} | more)
    counted = next(text for text in view["sentences"] if text.startswith("Of "))
    assert re.match(rf"Of \d+ weight formats, \d+ {said}; ", counted)
