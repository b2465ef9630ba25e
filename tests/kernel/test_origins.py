"""How a card's figures were checked is said beside them, and what the documents print."""

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.catalog import cards, origins
from llmcap_kernel.spec import Workload

LOAD = Workload(1000, 100)

# As printed in Apple's specifications of the Mac mini (2024, support.apple.com/121555), the MacBook
# Pro of November 2023 (117737), and its table of power of the Mac Studio (102027).
PRINTED = {
    ("apple-m4", "bandwidth_bytes_s"): 120e9,
    ("apple-m4", "memory_sold_bytes"): 32e9,
    ("apple-m4-pro", "bandwidth_bytes_s"): 273e9,
    ("apple-m4-pro", "memory_sold_bytes"): 64e9,
    ("apple-m3-pro", "bandwidth_bytes_s"): 150e9,
    ("apple-m3-max-30-core", "bandwidth_bytes_s"): 300e9,
    ("apple-m3-max", "bandwidth_bytes_s"): 400e9,
    ("apple-m1-max", "power_w"): 115,
    ("apple-m1-ultra", "power_w"): 215,
    ("apple-m2-max", "power_w"): 145,
    ("apple-m2-ultra", "power_w"): 295,
    # AWS Neuron documentation, trn2-arch: 1,024 GB/s a chip within an instance, both directions.
    ("trainium2", "link_bandwidth_bytes_s"): 512e9,
    # 128 cores, 12 channels of 8 bytes at 8 800 MT/s, two sockets.
    ("xeon-6980p-2s", "bandwidth_bytes_s"): 2 * 12 * 8 * 8800e6,
}


@pytest.mark.parametrize(("name", "field"), PRINTED)
def test_a_figure_is_what_its_document_prints(name, field):
    assert cards.record(name)[field]["value"] == PRINTED[name, field]


def test_a_check_is_read_by_its_words():
    assert origins.way({"check": "read: 600 W"}, "power_w") == "read"
    assert origins.way({"check": "a reseller's transcription"}, "power_w") == "compared"
    assert origins.way({"check": "not opened"}, "power_w") == "not opened"
    part = {"check": "a table; its rates not opened", "unread": ["flop_s"]}
    assert origins.way(part, "flop_s.bf16") == "not opened"
    assert origins.way(part, "power_w") == "compared"


def test_every_figure_of_every_card_has_a_way():
    for name in catalog.gpus():
        raw = cards.record(name)
        ways = origins.checked(raw)
        assert set(ways.values()) <= set(origins.WORDS), name
        assert set(ways) == set(catalog.figures("gpus", name)), name


def test_what_a_prediction_says_of_figures_that_nobody_checked():
    def notes_of(gpu):
        deployment = catalog.deployment(model="llama-3.1-8b", gpu=gpu)
        return [n.text for n in design.warnings(deployment, LOAD) if n.about == "card"]

    (note,) = notes_of("a10g")
    assert note == "Not yet checked against its document: a10g, its FLOP/s."
    assert notes_of("h100-sxm") == []
    # its power is unchecked, and no prediction of time stands on it
    assert notes_of("mi308x") == []


def test_cards_in_one_box_are_named_once_each():
    both = catalog.gpu("a10g+a10g+rtx-pro-6000-server")
    assert origins.doubt(both).count("a10g") == 1
    assert "rtx-pro-6000-server, its bandwidth and FLOP/s" in origins.doubt(both)


def test_a_card_of_ones_own_is_left_alone():
    mine = catalog.read_gpu(catalog.gpu_file("a10g").replace('"a10g"', '"my-card"', 1))
    assert origins.doubt(mine) == ""
