"""What chapter 3's pictures draw, held to sums by hand and to the logs of real starts."""

import re

import pytest

from tests.widgets.reading import drawing_of, rects, svg, words
from widgets.figures.drawing import MARKS

GIB = 2**30
H100_GIB = 79.19  # what it hands to CUDA, by the logs


def ink(node):
    """The meaning of a mark's colour; "" for an ink."""
    found = re.search(r"fill:var\(--lc-mark-(\d)", node.get("style"))
    return next(name for name, (n, _) in MARKS.items() if n == int(found[1])) if found else ""


def widths(drawing, *inks):
    """Widths of the bars of some colours, in their order [%]."""
    return [float(node.get("width").rstrip("%")) for node in rects(drawing) if ink(node) in inks]


def areas(drawing):
    """Area of each colour among many cells [% x px]."""
    out = {}
    for node in svg(drawing).iter("path"):
        sizes = re.findall(r"h([\d.]+)v([\d.]+)h-", node.get("d"))
        out[ink(node)] = [float(width) / 10 * float(height) for width, height in sizes]
    return out


def test_a_label_is_shorter_than_the_card():
    """80e9 bytes are 74.5 GiB; nvidia-smi says 81,559 MiB, 79.6 GiB."""
    drawing = drawing_of("card-sizes")
    label, reported, handed = widths(drawing, "other")
    assert label / reported == pytest.approx(80e9 / (81_559 * 2**20), rel=1e-3)
    assert handed / reported == pytest.approx(H100_GIB * 1024 / 81_559, rel=1e-3)


def test_a_table_of_words_in_16_bits_is_drawn_beyond_the_name():
    """Llama-3.1-8B: 8.03 billion parameters, of which two tables of 128,256 x 4,096."""
    more = widths(drawing_of("left-alone"), "weights")[1]
    name = widths(drawing_of("left-alone"), "weights")[0]
    assert more / name == pytest.approx(2 * 128_256 * 4096 / 8.03e9, rel=0.04)  # and scales


def test_users_are_as_wide_as_their_cache():
    """80 layers x 2 x 8 heads x 128 x 8,000 tokens of one byte, on a card of 79.19 GiB."""
    drawing = drawing_of("ledger-of-a", fraction=0.98)
    users = widths(drawing, "cache")
    one = 80 * 2 * 8 * 128 * 8000 / GIB / H100_GIB * 100
    assert len(users) == 8  # four, and the same enlarged
    assert users[0] == pytest.approx(one, rel=1e-2)
    assert users[4] / users[0] == pytest.approx(H100_GIB / (H100_GIB - 67.7), rel=1e-2)


def test_sampling_is_sequences_times_vocabulary():
    """256 x 128,256 logits of 38 bytes, and 2,048 + 256 rows of 4,096 numbers; of 5 GiB."""
    (size,) = widths(drawing_of("largest-batch")["Two moments: the larger counts"], "activations")
    by_hand = (256 * 128_256 * 38 + (2048 + 256) * 4096 * 2) / GIB
    assert size == pytest.approx(by_hand / 5 * 100, rel=1e-2)


def test_a_log_is_drawn_to_scale_and_in_its_own_words():
    """Row k00140 of the logs: 33.88 GiB of weights and 37.28 of cache on each H100."""
    drawing = drawing_of("ledger-and-log")
    weights, room = widths(drawing, "weights")[1], widths(drawing, "cache")[1]
    assert weights == pytest.approx(33.88 / H100_GIB * 100, abs=0.05)
    assert room == pytest.approx(37.28 / H100_GIB * 100, abs=0.05)
    assert "Available KV cache memory: 37.28 GiB" in words(drawing)
    assert "GPU KV cache size: 244,304 tokens" in words(drawing)
    short = drawing_of("ledger-and-log", log="8B on RTX 3090")
    assert "Maximum concurrency for 31,800 tokens: 1.79x" in words(short)
    assert len(widths(short, "activations")) == 1  # that log does not print it


def test_four_releases_are_those_of_their_logs():
    """Rows k00130 to k00133: an activation peak of 5.64 GiB twice, then of 2.23."""
    sizes = widths(drawing_of("logged-releases"), "activations")
    assert [size / sizes[0] for size in sizes] == pytest.approx([1, 1, 0.395, 0.395], abs=0.002)


def test_one_user_is_a_share_of_the_outline():
    (share,) = widths(drawing_of("one-user"), "cache")
    assert share == pytest.approx(163_840 * 8000 / (20 * GIB) * 100, abs=0.01)


def test_a_shared_prompt_is_drawn_once():
    """6,000 tokens take three times what each user has of its own, which is 2,000."""
    found = areas(drawing_of("pages", kind="prompt shared", users=64))
    assert sum(found["prompt"]) / sum(found["cache"]) == pytest.approx(3 / 64, rel=1e-2)
    alone = areas(drawing_of("pages", users=16))
    twice = areas(drawing_of("pages", users=32))
    assert sum(twice["cache"]) == pytest.approx(2 * sum(alone["cache"]), rel=1e-2)


def test_those_who_find_no_room_stand_outside():
    assert "13 users outside, each of this size" in words(drawing_of("pages", users=64))
    assert not [text for text in words(drawing_of("pages")) if "outside" in text]


def test_the_shaded_area_is_users_times_context():
    """It is the same at 4,000 tokens for nine as at 2,000 for eighteen."""

    def area(context):
        node = next(svg(drawing_of("cliff", context=context)).iter("rect"))
        return float(node.get("width").rstrip("%")) * float(node.get("height"))

    assert area(2000) == pytest.approx(area(4000), rel=2e-2)
    assert area(8000) == pytest.approx(area(4000) * 8 / 9, rel=2e-2)


def test_weights_are_as_long_on_eight_cards_as_on_one():
    weights = widths(drawing_of("second-card", cards=8), "weights")
    assert weights == pytest.approx([weights[0]] * 4, rel=2e-2)


def test_users_inside_are_rate_times_gap():
    """NVIDIA's rows: 623 tok/s x 38.8 ms with 25 clients, 920 x 93.2 ms with 250."""
    rings = list(svg(drawing_of("wall")).iter("circle"))
    scale = (300 - 40 - 26) / 160  # pixels a user
    inside = [(300 - 40 - float(ring.get("cy"))) / scale for ring in rings]
    assert inside[0] == pytest.approx(623 * 0.0388, abs=0.3)
    assert inside[-1] == pytest.approx(920 * 0.0932, abs=0.3)


@pytest.mark.parametrize(("cards", "copies"), [(1, 0), (8, 0), (16, 8)])
def test_a_head_is_copied_where_cards_outnumber_heads(cards, copies):
    drawing = drawing_of("cache-split", cards=cards)
    assert len(widths(drawing, "cache")) == 8
    assert len(widths(drawing, "other")) == copies
    latent = drawing_of("cache-split", cards=cards, model="DeepSeek-V3")
    assert len(widths(latent, "other")) == cards - 1


def test_a_window_is_the_short_piece():
    """1,024 tokens fill 64 blocks; 2 x 8,192 in flight and one block 1,025; all tokens 2,000."""
    drawing = drawing_of("cache-groups")
    kept, flying = widths(drawing, "cache"), widths(drawing, "activations")
    assert kept == pytest.approx([3.2] * 6 + [100], abs=0.01)
    assert flying[:6] == pytest.approx([1025 / 20] * 6, abs=0.01)
    assert "windows 51 to 52, 8 empty: 1,089 blocks" in words(drawing)


def test_a_room_that_is_missing_is_an_outline():
    """One user of 8,000 tokens takes 1.22 GiB, of a width of 8; at 0.90 A has none of it."""
    drawing = drawing_of("remedies")
    first = next(n for n in svg(drawing).iter("rect") if "dasharray" in n.get("style"))
    one = 80 * 2 * 8 * 128 * 8000 / GIB
    assert float(first.get("width").rstrip("%")) == pytest.approx(one / 8 * 100, rel=1e-2)
    assert "as it is: no" in words(drawing)
