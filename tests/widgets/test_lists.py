"""The lists that inputs choose from."""

import pytest

from llmcap_kernel import catalog
from tests.widgets.reading import control
from widgets.form import card_list, lists
from widgets.session import Calculator


def test_a_chip_is_listed_with_each_memory_it_is_sold_with():
    """Apple's M3 Max has 48, 64 or 128 GB with 40 cores (support.apple.com/117736)."""
    options = {label: name for name, label, _ in lists.gpu_options()}
    for gb in (48, 64, 128):
        name = options[f"M3 Max, 40-core GPU, {gb} GB"]
        assert catalog.gpu(name).memory_visible_bytes == gb * 2**30
    assert len(options) == len(lists.gpu_options())  # no label twice


@pytest.mark.parametrize(
    ("query", "name", "shown"),
    [
        ("gpu=apple-m3-max-64gb", "gpu", "M3 Max, 40-core GPU, 64 GB"),
        ("gpu=rtx-3090%2Brtx-4090", "gpu", "RTX 3090"),
        ("weights=exl3-3.25bpw", "weights", "3.25"),
    ],
)
def test_a_value_beside_the_list_shows_its_title(query, name, shown):
    view = Calculator("vram", query).view
    made = control(view, name)
    assert shown in made["text"] and made["text"] != made["value"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("H200, MI300X or L4", "h200-sxm,mi300x,l4"),
        ("M3 Max 64 GB", "apple-m3-max-64gb"),
        ("h100; h100", "h100-sxm"),
    ],
)
def test_several_cards_are_one_input(text, names):
    assert card_list.read(text).name == names


@pytest.mark.parametrize("typed", ["q3", "q4", "q5"])
def test_a_number_of_bits_finds_first_the_file_type_that_it_means(typed):
    labels = [name for name, label, _ in lists.format_options("bf16") if typed.upper() in label]
    assert labels[0] == catalog.format(typed).name == f"gguf-{typed}-k-m"
