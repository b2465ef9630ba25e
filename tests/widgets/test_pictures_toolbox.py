"""What chapter 4's pictures draw, beside values counted by hand or read from a source."""

import csv
import itertools
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from llmcap_kernel import calibration, catalog, toolbox
from llmcap_kernel.design import WORKED_WORKLOAD, worked_spec
from llmcap_kernel.evidence.levers import Summary
from llmcap_kernel.serving import serve
from tests.widgets.reading import drawing_of, picture_of, svg, text_of, words
from widgets.figures import show
from widgets.pictures import levers
from widgets.pictures import toolbox as pictures

A, B, C = worked_spec()
FP8 = "Llama-3.1-70B, FP8"


def path(name, **values):
    return "".join(node.get("d") for node in svg(drawing_of(name, **values)).iter("path"))


def cells(name, **values):
    """Widths of the cells of a path, in thousandths of the picture."""
    return [float(width) for width in re.findall(r"M[\d. ]+h([\d.]+)v", path(name, **values))]


# ---- shapes that can be counted -------------------------------------------------------


def test_a_latent_cache_is_drawn_eight_times_and_split_heads_once():
    """Eight cards and eight users: 64 whole cells, 64 eighths, or a whole one for each user."""
    whole = cells("split-users", model="DeepSeek-V3", how="split heads")
    eighths = cells("split-users", model="Llama-3.1-70B", how="split heads")
    assert len(whole) == len(eighths) == 64
    assert eighths[0] == pytest.approx(whole[0] / 8, abs=0.1)
    for model in ("DeepSeek-V3", "Llama-3.1-70B"):
        assert cells("split-users", model=model, how="split users") == whole[:8]


def test_a_shared_prompt_is_kept_once():
    """2 x 8 heads x 128 x 80 layers, a byte each: 163,840 bytes a token, of 8,000 and of 6,000."""
    told = repr(picture_of("prefix-room", shared=6000, candidate="A at 0.98").table)
    assert f"{163_840 * 8000 / 2**30:.2f} GiB" in told
    assert f"{163_840 * 6000 / 2**30:.3f} GiB" in told
    copies = cells("prefix-room", shared=6000, candidate="A at 0.98")
    assert len(copies) == 4 + 4 + 15  # a copy for each of 4, what each keeps alone, then of 15
    assert copies[0] / copies[4] == pytest.approx(6000 / 2000, rel=0.01)
    starts = [float(x) for x in re.findall(r"M([\d.]+)", path("prefix-room"))]
    users = sorted(zip(starts[:8], copies[:8], strict=True))
    for (x, wide), (then, _) in pairwise(users):
        assert x + wide == pytest.approx(then, abs=0.3)


def test_the_models_panels_hold_numbers_from_their_configs():
    """DeepSeek-V3 keeps 512 + 64 numbers a layer and token, in 61 layers."""
    panels = drawing_of("models", users=16)
    cache = panels["Cache of one user, 8,000 tokens"].svg("said")
    assert f"deepseek-v3: {(512 + 64) * 61 * 8000 / 1e6:.0f} MB" in cache
    assert f"llama-3.1-70b: {163_840 * 8000 / 1e9:.2f} GB" in cache


def test_drafted_tokens_add_up():
    """1 + 0.7 + 0.49 + 0.343"""
    assert "gives 2.53 tokens" in picture_of("speculation", users=1, tokens=3, accept="70%").said
    assert "gives 1.50 tokens" in picture_of("speculation", users=1, tokens=1, accept="50%").said


def test_an_engines_share_is_a_fraction_of_what_is_handed_over():
    """81,559 MiB reported and 79.19 GiB handed out, as a program on an H100 is told."""
    assert f"has {0.90 * 79.19:.1f} GiB" in picture_of("memory-fraction", fraction=0.9).said


@pytest.mark.parametrize("fraction", [0.80, 0.84, 0.88, 0.89, 0.92, 0.98])
def test_a_number_at_the_mark_stands_away_from_the_names_of_the_curves(fraction):
    """A word of ten letters is 70 pixels wide in bold: a fifth of a picture on a phone."""
    texts = [*svg(drawing_of("memory-fraction", fraction=fraction)).iter("text")]
    at = {node.text: [float(node.get(of).rstrip("%")) for of in "xy"] for node in texts}
    for (x, y), (u, v) in itertools.product(
        (place for word, place in at.items() if word.endswith(("user", "users"))),
        (place for word, place in at.items() if word in pictures.NAMED.values()),
    ):
        assert abs(x - u) > 20 or abs(y - v) > 12


# ---- measurements are those of their source -------------------------------------------


def test_the_belief_stands_beside_what_was_measured():
    with levers.PAIRS.open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["lever"] == "weight format"
            and (row["a"], row["b"]) == ("weight_dtype=bf16", "weight_dtype=fp8-static")
            and row["metric"] == "itl_ms"
        ]
    one, many = (float(row["value_a"]) / float(row["value_b"]) for row in rows)
    told = repr(picture_of("fp8-belief").table).splitlines()
    assert [line.split()[-1] for line in told[-2:]] == [f"{one:.2f}", f"{many:.2f}"]
    assert one > 1.5 and many < 1.05


def test_the_load_test_is_drawn_as_it_was_published():
    """Gaps of 5,000 tokens in, 500 out, Llama-3.1-70B on two H100, in the test's own table."""
    rings = [w for w in words(drawing_of("batch-measured")) if re.fullmatch(r"[\d.]+", w or "")]
    assert {"18.6", "21.8", "38.8", "59.7"} <= set(rings)
    hollow = [
        c
        for c in svg(drawing_of("batch-measured")).iter("circle")
        if "ground" in c.get("style")[:20]
    ]
    assert len(hollow) == 4


def test_pairs_are_drawn_by_lever_with_their_counts():
    counts = {one.name: one for one in levers.evidence.by_lever(levers._ratios())}
    titles = list(drawing_of("lever-pairs"))
    assert [title.split(":")[0] for title in titles] == list(levers.SHOWN)
    for title, lever in zip(titles, levers.SHOWN, strict=True):
        one: Summary = counts[lever]
        assert f": {one.predicted}," in title


def test_a_pair_predicted_right_lies_on_the_line():
    picture = levers._scatter([(2.0, 2.0), (0.5, 0.5), (99.0, 0.01)])
    path = picture.svg("said")
    right = re.findall(r"M(\d+) (\d+)h0", path)
    height = 260 - 40 - 26
    for x, y in right[:2]:
        assert (int(x) / 1000 - 0.015) / 0.97 == pytest.approx((220 - int(y)) / height, abs=0.01)
    assert right[2] == ("985", "220")  # beyond both ends: at the corner


# ---- the gap, the matrix and the tree -------------------------------------------------


@pytest.mark.parametrize("deployment", [B, C, toolbox.quantise_weights(B, "int4-awq")])
def test_the_parts_of_a_gap_add_up_to_it(deployment):
    served = serve(deployment, WORKED_WORKLOAD, calibration.efficiency_for(deployment))
    parts = pictures.gap_parts(served)
    assert sum(parts.values()) == pytest.approx(served.itl_s)
    assert min(parts.values()) >= 0
    alone = serve(
        deployment, replace(WORKED_WORKLOAD, concurrency=1), calibration.efficiency_for(deployment)
    )
    assert pictures.gap_parts(alone)["others' prompts"] == pytest.approx(0, abs=1e-9)


def test_every_lever_of_the_toolbox_is_in_the_matrix():
    for model in levers.MODELS:
        for cards in ("1x H100", "8x H200"):
            made = levers.tries(levers.deployed(model, cards), WORKED_WORKLOAD, model)
            assert [t.lever for t in made] == list(toolbox.LEVERS)
            for one in made:
                changed = one.deployment or one.workload
                assert bool(one.idle) == (changed is None), one.name


def test_a_lever_that_does_nothing_says_why():
    def why(model, cards):
        made = levers.tries(levers.deployed(model, cards), WORKED_WORKLOAD, model)
        return {t.lever.name: t.idle for t in made if t.idle}

    assert why(FP8, "1x H100") == {
        "data-parallel attention": "one card: nothing to split",
        "KV quantisation": "FP8 already",
    }
    assert set(why("DeepSeek-V3, FP8", "8x H200")) == {
        "KV quantisation",
        "tensor parallelism",
        "mixture of experts",
    }
    assert "one card: nothing to split" in text_of(drawing_of("lever-matrix", cards="1x H100"))


def test_a_cell_is_better_where_the_number_is():
    more, fewer = toolbox.Reading(10, 0.02, 1.0, 9, 2.0), toolbox.Reading(5, 0.04, 1.0, 9, 4.0)
    assert [number.gain(fewer, more) for number in levers.NUMBERS] == [2, 2, 1, 2]
    assert [levers._gain_words(g) for g in (2, 0.5, 1.03, None)] == ["▲ 2x", "▼ 2x", "same", "-"]
    assert levers.NUMBERS[1].gain(toolbox.Reading(0), more) is None


ANY = (float("inf"),) * 3


def test_a_tree_without_limits_pulls_nothing():
    asked = list(levers.walk(B, WORKED_WORKLOAD, ANY, FP8))
    assert [one.holds for one in asked] == [True] * 4
    assert not any(one.tried for one in asked)


def test_a_tree_tries_levers_in_the_toolboxs_order_and_stops_at_the_first_enough():
    for wanted, bounds in levers.WANTED.items():
        asked = list(levers.walk(B, WORKED_WORKLOAD, bounds, FP8))
        for one in asked:
            tried = [t.lever for t, _, _ in one.tried]
            known = toolbox.levers_for(one.number.constraint)
            assert tried == list(known[: len(tried)]), wanted
            assert not any(enough for _, _, enough in one.tried[:-1]), wanted
        assert len(asked) == 4 or not asked[-1].tried[-1][2]


def test_a_limit_that_no_lever_meets_ends_the_walk():
    asked = list(levers.walk(B, WORKED_WORKLOAD, (1e-6, *ANY[1:]), FP8))
    assert [one.number.constraint for one in asked] == ["capacity", "latency"]
    assert len(asked[-1].tried) == len(toolbox.levers_for("latency"))
    assert not asked[-1].tried[-1][2]


def test_what_is_pulled_for_one_limit_must_not_break_those_before():
    """Twice 150 users would be cheap enough, and do not fit."""
    crowd = replace(WORKED_WORKLOAD, concurrency=150, shared_prefix_tokens=6000)
    was, twice = (levers.read(B, replace(crowd, concurrency=n)) for n in (150, 300))
    assert twice.usd_mtok < was.usd_mtok and 150 <= twice.max_concurrent < 300
    bounds = (*ANY[:2], (twice.usd_mtok + was.usd_mtok) / 2)
    *_, price = levers.walk(B, crowd, bounds, FP8)
    enough = {t.lever.name: enough for t, _, enough in price.tried}
    assert enough["larger batch"] is False


def test_effects_are_a_table_with_the_start_first():
    none, some = toolbox.Reading(0), toolbox.Reading(4, 0.0334, 106.0, 100.0, 9.65)
    lines = repr(show.effects([toolbox.Effect("0.98", none, some)])).splitlines()
    assert lines[2].split() == ["as", "it", "is", "0", "-", "-", "-"]
    assert lines[3].split() == ["0.98", "4", "33.4", "ms", "106", "s", "$9.65/M"]
    two = [toolbox.Effect("a", none, some), toolbox.Effect("b", some, none)]
    assert "as it is" not in repr(show.effects(two))


def test_the_deployments_of_the_controls_are_those_of_the_scenario():
    assert levers.deployed(FP8, "1x H100") == A
    assert levers.deployed(FP8, "2x H100") == B
    assert levers.deployed("DeepSeek-V3, FP8", "8x H200") == C
    assert levers.load_of(16) == WORKED_WORKLOAD
    assert all(catalog.gpu(name) for name, _ in levers.CARDS.values())
