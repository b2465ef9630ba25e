"""Chapter 1's pictures draw what the papers, data sheets and a log say, to scale.

Numbers by hand. Llama-3.1-70B has 80 layers of 2 x 8192 x 8192, 2 x 8192 x 1024 and
3 x 8192 x 28672 parameters, and two tables of 128256 x 8192: 69.5e9 are multiplied with a token.
In FP8, with the head in 16 bits, a step reads 70.55e9 bytes. An H100 reads 3.35e12 bytes and
computes 1978.9e12 FLOP a second.
"""

import re

import pytest

from tests.widgets.reading import drawing_of, picture_of, rects, text_of

READ, MULTIPLIED = 70.55e9, 69.50e9
SPEED, RATE = 3.35e12, 1978.9e12
CACHE = 8000 * 163_840  # 2 x 8 KV heads x 128 x 80 layers, one byte each
SCORES = 8000 * 4 * 64 * 128 * 80  # FLOP of attention


def places(drawing):
    """Colour, x, y, width and height of each rectangle; percent across, pixels down."""
    found = []
    for node in rects(drawing):
        ink = re.search(r"fill:(?:none|var\(--lc-([\w-]+))", node.get("style"))[1]
        box = (float(node.get(key).rstrip("%")) for key in ("x", "y", "width", "height"))
        found.append((ink, *box))
    return found


def cells(drawing):
    """How many cells each path of many rectangles has."""
    return [svg.count("M") for svg in re.findall(r' d="([^"]*z)"', drawing.svg("said"))]


def test_a_card_reads_the_weights_once_and_a_cache_for_each_user():
    weights, cache = places(drawing_of("card", users=16))[4:]
    most = READ + 64 * CACHE  # the full width
    assert weights[3] == pytest.approx(100 * READ / most, rel=0.01)
    assert cache[3] == pytest.approx(100 * 16 * CACHE / most, rel=0.01)
    assert "91.5 GB takes 27.3 ms" in text_of(drawing_of("card", users=16))


def test_bytes_and_flop_of_a_step_are_shared_out_differently():
    """Caches are 1.8% of what one user reads, and 13% of what is computed."""
    bars = places(drawing_of("step"))
    assert bars[3][3] == pytest.approx(100 * CACHE / (READ + CACHE), rel=0.01)
    assert bars[7][3] == pytest.approx(100 * SCORES / (2 * MULTIPLIED + SCORES), rel=0.01)


def test_the_mlp_is_82_percent_of_a_layer():
    layer = [one for one in places(drawing_of("matrices")) if one[4] == 56]
    assert len(layer) == 7
    total = 2 * 8192 + 2 * 1024 + 3 * 28672
    assert sum(one[3] for one in layer[4:]) == pytest.approx(100 * 3 * 28672 / total, abs=0.1)
    assert layer[1][3] == pytest.approx(100 * 1024 / total, abs=0.1)
    assert cells(drawing_of("matrices")) == [80]


def test_a_four_bit_file_is_longer_than_a_quarter():
    """NVFP4: 4.5 bits for 68.45e9 parameters, 16 bits for two tables of 1.0507e9."""
    bars = places(drawing_of("formats"))
    whole, four = (sum(one[3] for one in bars if one[2] == y) for y in (24, bars[8][2]))
    share = (68.45e9 * 4.5 / 8 + 4 * 1.0507e9) / (2 * 70.55e9)
    assert four / whole == pytest.approx(share, rel=0.01)


def test_one_user_brings_two_flop_a_byte_and_an_h100_has_its_ridge_at_591():
    picture = picture_of("roofline")
    assert "1.97 FLOP a byte" in text_of(picture.drawing)
    assert "ridge 591" in text_of(picture.drawing)  # 1978.9 / 3.35
    assert "350 products" in text_of(picture.drawing)
    assert "H100 could do 295" in text_of(drawing_of("ridges", weights="bf16"))  # 989.4 / 3.35
    assert "A100 could do 153" in text_of(drawing_of("ridges", weights="fp8"))  # 312 / 2.039


@pytest.mark.parametrize(("users", "factor"), [(1, 1), (256, 1), (1024, 3.41)])
def test_a_batch_costs_the_matrices_no_time_below_the_ridge(users, factor):
    """2 x 1024 x 69.5e9 FLOP take 71.9 ms, 3.41 times the 21.06 ms of reading."""
    step_s = picture_of("batch", users=users).said.split(" take ")[1].split(" ms")[0]
    assert float(step_s) == pytest.approx(factor * 1e3 * READ / SPEED, rel=0.01)


def test_more_users_make_the_weights_taller_and_the_caches_wider():
    frame, weights, caches = places(drawing_of("busy", users=64))
    busy = 64 * 2 * MULTIPLIED / RATE / (READ / SPEED)
    assert weights[4] / frame[4] == pytest.approx(busy, rel=0.02)
    assert weights[3] / caches[3] == pytest.approx(READ / (64 * CACHE), rel=0.01)
    _, _, more = places(drawing_of("busy", users=1024))
    assert more[4] == pytest.approx(caches[4], abs=0.1)
    assert more[3] > caches[3]


def test_eight_query_heads_share_a_key_and_a_value():
    """A layer of Llama-3.1-70B keeps 8 of the 64 heads that Llama 1 65B keeps."""
    bars = [one for one in places(drawing_of("attention-kinds")) if one[4] == 17]
    mha, gqa, mqa, mla, window, _ = (one[3] for one in bars)
    assert gqa / mha == pytest.approx(1 / 8, abs=0.002)
    assert mqa / mha == pytest.approx(2 * 64 / 16_384, abs=0.001)
    assert mla / mha == pytest.approx(576 / 16_384, abs=0.001)
    assert window / mha == pytest.approx(1024 * 4096 / (8000 * 16_384), abs=0.001)
    kept = [one for one in places(drawing_of("attention-kinds", kind="MHA")) if one[4] == 22]
    assert len(kept) == 2 * 16


def test_layers_are_filled_by_the_share_of_tokens_they_keep():
    """Gemma 3 27B: 10 of 62 layers keep all, 52 keep 1,024."""
    table = repr(picture_of("layers", context=128_000).table)
    kept = (10 * 128_000 + 52 * 1024) / (62 * 128_000)
    assert re.search(rf"Gemma 3 27B +10 full, 52 window +{kept:.0%}", table)
    assert cells(drawing_of("layers"))[:2] == [80, 80]


def test_sixteen_users_touch_87_of_256_experts():
    """256 x 128 / (256 - 8 + 128) = 87.1; a token's own 8 are among them."""
    assert cells(drawing_of("experts"))[:3] == [169, 79, 8]
    assert cells(drawing_of("experts", model="Mixtral 8x7B", users=1))[-1] == 2


def test_two_cards_read_half_each():
    picture = picture_of("two-sums")
    assert "Bytes: 13.7 ms" in text_of(picture.drawing)  # (70.55 + 16 x 1.311) GB / 2 / 3.35 TB/s
    weights, caches = places(picture.drawing)[:2]
    assert weights[3] / caches[3] == pytest.approx(READ / (16 * CACHE), rel=0.01)


def test_what_one_token_reached_is_as_timed():
    """The log's row of 1 x 10240 x 51200 has 0.27% of the peak; nobody reached it whole."""
    picture = picture_of("belief")
    assert "0.27% of the arithmetic" in picture.said
    assert "72%" in picture.said
