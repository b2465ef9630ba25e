"""Pictures of chapter 2, beside values worked out by hand or printed by a source."""

import re

import pytest

from llmcap_kernel.simulation.tails import values, weighted
from tests.widgets.reading import drawing_of, picture_of, widths
from widgets.benchmarks import measured
from widgets.figures.plots import Axis, Line, chart
from widgets.pictures import minute
from widgets.pictures.bandwidth_served import sweep
from widgets.pictures.timed_serving import name_far


def table(name, **values):
    """The rows of a picture's table, each as its words."""
    lines = repr(picture_of(name, **values).table).splitlines()
    return [re.split(r"\s{2,}", line) for line in lines[2:]]


def test_a_second_holds_its_bandwidth_in_tokens():
    """3.35 TB/s over 69.5 GB in 8 bits, a head in 16 and 8,000 x 163,840 bytes of cache."""
    weights, cache, left = widths(
        drawing_of("token-second", card="H100", weights="fp8", context=8000)
    )
    head = 128_256 * 8192
    matrices = 80 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28_672)
    read = matrices + 2 * head, 8000 * 163_840
    assert weights == pytest.approx(100 * read[0] / sum(read), abs=0.1)
    assert cache == pytest.approx(100 * read[1] / sum(read), abs=0.1)
    tokens = 3.35e12 / sum(read)
    assert left == pytest.approx(100 * (tokens % 1) / tokens, abs=0.1)
    assert f"{tokens:.1f} tokens" in picture_of("token-second").said


def test_one_h100_is_fast_enough_in_16_bits_and_too_small():
    """141 GB of weights, 85.5 GB of memory; 3.35 TB/s over 141 GB is 23.7 a second."""
    rows = {row[0]: row for row in table("fit-and-fast", weights="bf16", cards="1 card")}
    assert rows["H100"][3:] == ["no", "yes"]
    assert rows["A100"][3:] == ["no", "no"]
    assert rows["H200"][3:] == ["yes", "yes"]
    rows = {row[0]: row for row in table("fit-and-fast", weights="bf16", cards="2 cards")}
    assert rows["A100"][3:] == ["yes", "yes"]


def test_cards_send_two_of_n_minus_one_over_n_messages():
    """160 all-reduces of 16 x 8,192 x 2 bytes: 41.9 MB on two cards, 73.4 MB on eight."""
    sent = {row[0]: row[3] for row in table("matrix-cut", which="a step of 16 users")}
    each = 160 * 16 * 8192 * 2
    assert sent["2"] == f"{2 * 1 / 2 * each / 1e6:.1f} MB"
    assert sent["8"] == f"{2 * 7 / 8 * each / 1e6:.1f} MB"


def test_timed_all_reduces_start_in_three_to_five_microseconds():
    """NVIDIA's timings of 256 bytes over NVLink: no engine needs more, none less than two."""
    from widgets.pictures.bandwidth_links import _reduces

    small = [took for timed in _reduces().values() for size, took in timed if size <= 512]
    assert all(2 < took < 6 for took in small)


def test_a_fp8_product_of_small_matrices_is_slower():
    """One timing: 256 x 128 by 32 took 7.274 us in FP8 and 2.690 us in BF16 under vLLM."""
    small = table("kernel-gain", what="FP8 on H100", rows="decode")[0]
    assert float(small[2][:-1]) < 1


def test_chunks_shorten_the_gap_and_delay_the_newcomer():
    whole, large, small = table("prompt-stops", tokens=7000)
    gaps, firsts = ([float(row[i].split()[0]) for row in (whole, large, small)] for i in (1, 3))
    assert gaps == sorted(gaps, reverse=True)
    assert firsts == sorted(firsts)


def test_a_gap_holds_the_whole_prompt_where_it_runs_first():
    """300 ms of prompt and a step of 14 ms, of which the window shows the end of the gap."""
    whole = table("prompt-stops", tokens=7000)[0]
    assert pytest.approx(float(whole[1].split()[0]), abs=1.5) == 299 + 13.6


def test_the_sweep_is_what_its_source_printed():
    """The rows of NVIDIA's file: 22.13 and 34.63 ms for 16 users."""
    assert sweep(2, 1024, 8192)[16] == pytest.approx(22.13e-3, rel=1e-3)
    assert sweep(2, 8192, 1024)[16] == pytest.approx(34.625e-3, rel=1e-3)
    assert sorted(sweep(8, 1024, 1024)) == [16, 32, 64]


def test_the_terms_of_a_gap_add_up():
    rows = {row[0]: row[1:] for row in table("waterfall", users=16)}
    total = rows.pop("all of it")
    units = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}

    def seconds(text):
        number, unit = text.split()
        return float(number) * units[unit]

    for i in (0, 1):
        assert sum(seconds(row[i]) for row in rows.values()) == pytest.approx(
            seconds(total[i]), rel=0.01
        )


def test_cards_measured_are_the_rows():
    """gpt-fast's README: 21.32 tokens a second on two A100s, 62.50 on eight."""
    row = next(row for row in table("tp-measured") if row[0] == "gpt-fast, NVLink")
    assert row[-1] == f"{62.50 / 21.32:.2f}x"
    assert float(measured()["m00013"]["value"]) == 21.32


def test_users_without_room_wait():
    """Where only some fit, the others add nothing to what all get together."""
    rows = table("batching", load="8,192 in, 1,024 out")
    (*_, before), (*_, after) = ((row[1], row[4]) for row in rows[-2:])
    assert rows[-1][1] == rows[-2][1] != "64"
    assert before == after


def test_nearly_no_measurement_is_below_the_ceiling():
    for row in table("by-engine", against="the ceiling"):
        assert float(row[3].rstrip("%")) <= 5, row[0]


def test_a_percentile_jumps_when_the_share_of_long_steps_passes_its_own():
    for rate in minute.RATES:
        run = minute._run(rate)
        gaps = sum(g.steps * g.decoding for g in run.groups)
        long = sum(g.steps * g.decoding for g in run.groups if g.prompt_tokens)
        p99_s = weighted(values(run, "itl"), (99,))[0]
        plain_s = max(g.step_s for g in run.groups if g.decoding and not g.prompt_tokens)
        assert (p99_s > plain_s) is (long / gaps > 0.01), rate


def test_a_minute_draws_each_step_with_a_prompt_where_it_is():
    run = minute._run(0.4)
    shown = [
        g
        for g in run.groups
        if g.prompt_tokens and 0 <= g.start_s - minute.FROM_S <= minute.MINUTE_S - g.step_s
    ]
    assert len(shown) > 5
    assert len(shown) <= len(widths(drawing_of("minute", rate=0.4))) <= len(shown) + 2


def test_what_was_timed_stands_beside_what_was_predicted():
    """A step of Llama-3.1-8B alone reads 15 GB of 4.8 TB/s: 3.1 ms, so at most 319 tokens."""
    rows = [row for row in table("timed") if row[0] == "Llama-3.1-8B"]
    assert rows[0][1] == "256"
    predicted, took = (float(words.removesuffix(" tok/s")) for words in rows[0][2:4])
    assert took == 198  # 198.274 in benchmarks/timed_models.csv
    assert 0.5 * 319 < predicted < 319
    assert {row[0] for row in table("timed", timed="H100, FP8")} == {"Llama-3.1-8B", "Qwen3-32B"}


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([(1, 90.0, 10.0), (1, 30.0, 20.0)], "line 9x too high"),  # 30 beside 20 is not far
        ([(1, 90.0, 10.0), (1, 40.0, 20.0)], "line 2x to 9x too high"),
        ([(9, 10.0, 29.0), (1, 10.0, 11.0)], "line 2.9x too low"),
        ([(1, 10.0, 11.0)], None),
    ],
)
def test_dots_far_from_their_lines_say_so(points, words):
    one = chart([Line("", [(1, 10), (9, 90)])], Axis("x"), Axis("y"))
    before = len(one.parts)
    name_far(one, points)
    said = re.findall(r">([^<]*)</text>", "".join(one.parts[before:]))
    assert said == ([words] if words else [])


def test_no_line_goes_through_a_word_of_the_terms_of_a_gap():
    parts = drawing_of("waterfall").parts
    dashed = next(i for i, one in enumerate(parts) if "stroke-dasharray" in one)
    assert dashed < min(i for i, one in enumerate(parts) if "<text" in one)  # words cover it
