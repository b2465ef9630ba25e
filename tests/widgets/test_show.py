"""What a chapter's cell shows: bars to scale, the same numbers as text, and well-formed HTML."""

from xml.etree import ElementTree

import pytest

from llmcap_kernel import capacity, catalog
from widgets.figures import show
from widgets.live.cells import bundle


def widths(shown):
    """Widths of the parts of each bar, by what stands above it [%]."""
    found, label = {}, ""
    for node in ElementTree.fromstring(shown._repr_html_()).iter():
        if node.tag == "text":
            label = node.text
        elif node.tag == "rect":
            found.setdefault(label, []).append(float(node.get("width").rstrip("%")))
    return found


def started(seqs):
    d = catalog.deployment(
        model="llama-3.1-8b", gpu="rtx-3090", engine="vllm-0.16", max_num_seqs=seqs,
        memory_fraction=0.95, max_model_len=31_800,
    )  # fmt: skip
    return capacity.ledger(d, context_tokens=31_800)


def test_bars_are_to_scale_and_have_a_text_form():
    shown = show.bars({"a <b>": {"weights": 3.0, "room": 1.0}, "c": {"room": 2.0}}, "GiB", "Card")
    assert widths(shown) == {"a <b>": [75, 25], "c": [50]}
    assert repr(shown).splitlines() == [
        "Card, GiB", "a <b>", "  weights 3, room 1", "c", "  room 2",
    ]  # fmt: skip
    assert 'aria-label="a &lt;b&gt;: weights 3, room 1; c: room 2"' in shown._repr_html_()


def test_a_table_is_text_and_html():
    shown = show.table(("card", "GiB"), [("<l4>", 22.03), ("h200", 140)], "Memory")
    assert repr(shown).splitlines() == ["Memory", "card  GiB", "<l4>   22", "h200  140"]
    table = ElementTree.fromstring(shown._repr_html_())
    assert [node.text for node in table.iter("td")] == ["22", "140"]
    assert bundle(shown) == {"text/plain": repr(shown), "text/html": shown._repr_html_()}


def test_a_card_without_room_for_a_sequence_says_so():
    shown = show.memory({"64": started(64), "1,024": started(1024)})
    assert "too little room 2.5" in repr(shown)
    assert list(widths(shown))[1].endswith("starts: no")
    assert all(sum(parts) == pytest.approx(100, abs=0.1) for parts in widths(shown).values())


def test_a_bar_for_each_group_of_layers():
    """52 windows and 10 layers that keep all: six groups of ten, two layers in the last."""
    gemma = catalog.deployment(model="gemma-3-27b", gpu="h100-sxm", engine="vllm-0.19")
    found = widths(show.cache_groups(gemma, 32_000))
    assert len(found) == 7
    # 1,023 + 8,192 tokens in blocks of 16, and one block more
    assert "window layers 51 to 52 and 8 empty: 577 blocks" in list(found)[5]
    assert list(found.values())[6] == [100]
    hybrid = catalog.deployment(model="qwen3.5-27b", gpu="h100-sxm")
    assert len(widths(show.cache_groups(hybrid, 32_000))) == 4
