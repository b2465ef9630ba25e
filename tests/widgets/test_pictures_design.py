"""Pictures of chapter 5 hold what arithmetic by hand, a price list or a log says."""

import math
import re

import pytest

from tests.widgets.reading import drawing_of, picture_of, widths


def test_a_limit_met_ten_times_reaches_the_end_of_its_bar():
    """$7.98 of $30.00 is 3.76 times; log10 of it is .575 of the half right of "just met"."""
    drawn = picture_of("binding")
    assert "3.76x" in repr(drawn.table)
    budget = widths(drawn.drawing)[-1]
    assert budget == pytest.approx(0.575 * 49, rel=0.01)


def test_the_cuts_are_those_of_the_planning_document():
    """16-bit: 327,680 B a token x 8,000 x 16 = 41.9 GB beside 141.1 GB of weights, and
    (139.0 + 41.9) GB in 50 ms is 3.62 TB/s. One H100 reads 3.35, eight cost $31.92."""
    drawn = picture_of("three-cuts")
    svg = drawn.drawing.svg("said")
    assert "hold 183 GB" in svg and "read 3.62 TB/s" in svg
    assert re.search(r"^1x H100 +no +no +\$3\.99/h: yes", repr(drawn.table), re.M)
    assert re.search(r"^8x H100 +yes +yes +\$31\.92/h: no", repr(drawn.table), re.M)
    alone = repr(picture_of("three-cuts", users=1).table)
    assert re.search(r"^1x H100 +no +yes", alone, re.M)  # (139.0 + 2.6) GB / 50 ms = 2.83 TB/s


@pytest.mark.parametrize(("answer", "words"), [(300, "a plain step"), (250, "a stop")])
def test_a_p95_is_a_step_until_five_gaps_in_a_hundred_carry_a_prompt(answer, words):
    """Fifteen others bring a prompt each in an answer: 1 - exp(-15 / 300) of the steps, 4.9%."""
    said = picture_of("hundred-gaps", answer=answer).said
    share = float(re.search(r"([\d.]+) of 100 gaps", said)[1])
    assert share == pytest.approx(100 * (1 - math.exp(-15 / answer)), rel=0.08)
    assert f"The p95 is {words}" in said and (share > 5) == (words == "a stop")


def test_experts_are_read_by_few_and_by_many():
    """One token passes through 37 of 671 billion parameters, a large batch through most.

    256 tokens touch 256 x 2048 / (256 - 8 + 2048) = 228 of the 256 experts, which are 656 billion.
    """
    few, many = (repr(picture_of("two-models", users=n).table) for n in (1, 256))
    (few, many) = (re.search(r"DeepSeek-V3.*", text)[0].split("  ") for text in (few, many))
    read = [
        float(re.sub(r"[^\d.]", "", [c for c in cells if c.strip()][3])) for cells in (few, many)
    ]
    assert read[0] == pytest.approx(37, rel=0.05)
    assert read[1] == pytest.approx(671 - 656 * 28 / 256, rel=0.02)


def test_a_shared_prefix_is_kept_once():
    """With 6,000 of 8,000 tokens shared each user adds a quarter: about four times as many."""
    text = repr(picture_of("prefix-buys").table)
    assert float(re.search(r"Users that fit.*?([\d.]+)x", text)[1]) == pytest.approx(4, rel=0.05)


def test_long_prompts_break_capacity_and_not_the_gap():
    """31.2 GiB a card over 81,920 B a token is 409 thousand tokens: 12 users of 32,000, not 16."""
    drawn = picture_of("longer-prompts", prompt=31_000)
    assert "room for 12 users of 16" in drawn.said
    capacity, latency = map(float, re.findall(r"([\d.]+)x", repr(drawn.table).splitlines()[-1]))
    assert capacity == 12 / 16 and latency > 1


def test_a_price_is_rent_over_output():
    """Whatever the fit says: $/M x tok/s x 3600 / 1e6 is the rent, $7.98 an hour for B."""
    price = float(re.search(r"B, 1 copy: \$7\.98/h, \$([\d.]+)/M", svg("cheap-hour"))[1])
    speed = float(re.search(r"own prompts: ([\d.,]+) tok/s", svg("prefix-buys"))[1])
    assert price * speed * 3600 / 1e6 == pytest.approx(7.98, rel=0.01)


def svg(name, **values):
    drawn = drawing_of(name, **values)
    several = drawn.values() if isinstance(drawn, dict) else [drawn]
    return " ".join(one.svg("said") for one in several)


def test_the_scorecard_agrees_with_the_calculator():
    from widgets.calculators import scorecard

    told = scorecard.view(scorecard.FORM.check(scorecard.PRESETS[0]["values"])[0])["headline"]
    prices = [re.search(r"\$[\d.]+", one["value"]) for one in told]
    text = svg("candidates")
    assert all(p[0] in text for p in prices if p)
    assert "run B. A cannot meet capacity: 0 fit, 16 asked." in picture_of("candidates").said


def test_the_measured_gap_is_the_sources():
    """The source has 90 served runs of this model on two cards."""
    drawn = picture_of("served-runs")
    assert "Of 90 runs" in drawn.said
    assert sum(int(n) for n in re.findall(r"(?:vllm|trtllm) +(\d+)", repr(drawn.table))) == 90


def test_a_mode_is_no_farther_off_than_its_rows():
    """The table counts what the page of evidence counts."""
    from llmcap_kernel.evidence import weak_spots
    from widgets.calculators.published import measured_rows
    from widgets.pictures.design_evidence import FIVE

    lines = repr(picture_of("weak-modes").table).splitlines()[2:]
    found = weak_spots.evidence(measured_rows(), tuple(FIVE))
    for line, one in zip(lines, found, strict=True):
        assert f"  {one.rows:,}  " in f" {re.sub(' +', '  ', line)}"
        assert f"{one.error:.0%}" in line and f"{one.alike:.0%}" in line
