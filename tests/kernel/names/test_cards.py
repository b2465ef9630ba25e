"""Cards as tools, shops and clouds print them, and no other card in silence."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.catalog.tables import table
from llmcap_kernel.evidence import stated
from llmcap_kernel.refuse import BadInput

from ..measured import ROWS, rows

ASSUMED = {(False, False): "no", (True, True): "minor", (True, False): "yes"}


def read():
    with open(Path(__file__).with_name("cards.csv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def start_up_rows():
    with ROWS.with_name("memory.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


SPELLINGS = read()
NAMED = [row["spelled"] for row in SPELLINGS if row["name"]]
MACHINES = {name for cloud in table("clouds").values() for name in cloud["types"]}


@pytest.mark.parametrize("row", SPELLINGS, ids=[row["spelled"] for row in SPELLINGS])
def test_a_spelling_means_its_card(row):
    found = names.card(row["spelled"])
    assert (found.name, found.count) == (row["name"], int(row["count"]))
    assert ASSUMED[bool(found.assumed), found.minor] == row["assumed"]
    assert found.choices == tuple(row["choices"].split())


def test_the_table_has_every_spelling_measured_and_every_machine_of_a_cloud():
    spelled = {row["spelled"] for row in SPELLINGS}
    assert spelled >= {row["gpu"] for row in (*rows(), *start_up_rows())} - {""}
    assert spelled >= MACHINES


@pytest.mark.parametrize("row", [r for r in SPELLINGS if r["name"]], ids=lambda row: row["spelled"])
def test_the_catalogue_hands_out_what_a_spelling_means(row):
    card = catalog.gpu(row["spelled"])
    assert card.name == row["name"] and catalog.gpu(card.name) == card
    assert names.card(card.name)._replace(count=0).name == card.name


def test_a_name_that_leaves_the_card_open_is_asked_for():
    with pytest.raises(BadInput, match="it takes rtx-4060-ti-16gb or rtx-4060-ti-8gb"):
        catalog.gpu("NVIDIA GeForce RTX 4060 Ti")
    meant = stated.meaning(stated.Spelled("Llama-3.1-8B", "NVIDIA GeForce RTX 4060 Ti"))
    assert meant.deployment is None and "rtx-4060-ti-16gb" in meant.reason


def test_another_memory_is_refused_with_those_that_are_sold():
    with pytest.raises(BadInput, match="rtx-4090 has 24 GB"):
        catalog.gpu("RTX 4090 48GB")
    with pytest.raises(BadInput, match="apple-m3-max has 48, 64 or 128 GB"):
        catalog.gpu("Apple M3 Max 65GB")


def test_a_clouds_machine_counts_its_cards():
    assert names.count_of("p5.48xlarge") == (8, "h100-sxm")
    meant = stated.meaning(stated.Spelled("Llama-3.1-8B", "a2-ultragpu-4g"))
    assert (meant.deployment.gpu.name, meant.deployment.tp) == ("a100-sxm-80gb", 4)


def test_the_cards_of_machines_are_in_the_catalogue():
    for cloud in table("clouds").values():
        assert cloud["source"].startswith("https://") and cloud["check"] and cloud["date"]
        for spelled, (count, name) in cloud["types"].items():
            assert name in table("gpus")["gpus"] and count >= 1, spelled
            assert count <= catalog.gpu(name).max_per_node or name.endswith("nvl") or count == 16


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(NAMED), st.randoms(use_true_random=False))
def test_a_mutated_digit_never_gives_another_card_in_silence(spelled, random):
    """Another digit is another card, by its own name, or none: never the same one, unsaid."""
    # remarks, bus addresses, what a tool measured and a screen's size say nothing of the card
    if re.search(r"[(:]|MiB|MacBook (?:Pro|Air) 1", spelled):
        return
    places = [i for i, letter in enumerate(spelled) if letter.isdigit()]
    if not places:
        return
    place = random.choice(places)
    digit = random.choice([d for d in "0123456789" if d != spelled[place]])
    mutated = spelled[:place] + digit + spelled[place + 1 :]
    found, was = names.card(mutated), names.card(spelled)
    counts = {names.count_of(spelled)[0], names.count_of(mutated)[0]}
    if not found.name or found.assumed or len(counts) > 1 or found.count != was.count:
        return  # another number of the same card is no other card: "TPU v6e 8 chips"
    # one cloud's sizes differ in processors too; its name may stand before: "AWS g5.xlarge"
    if spelled.split()[-1].removeprefix("ml.") in MACHINES:  # SageMaker's name for the same
        size = mutated.split()[-1].removeprefix("ml.")
        assert size in MACHINES or size.partition(".")[0] == size
        return
    # the new number is one that the card has in its name, in a label of its memory or in its rule
    number = next(m.group() for m in re.finditer(r"\d+", mutated) if m.start() <= place < m.end())
    for part in found.name.split("+"):
        base = re.sub(r"^\d+x-|-\d+gb$", "", part)
        record = table("gpus")["gpus"].get(base) or table("gpus")["gpus"][part]
        known = f"{part} {record['name']} {record['memory_sold_bytes']['value'] / 1e9:g} "
        known += f"{record.get('match', '')} {record.get('sizes_gb', '')}"
        if re.search(rf"(?<!\d){int(number)}(?!\d)", known):
            return
    raise AssertionError(f"{spelled} -> {mutated}: {found}, as {was}")


@pytest.mark.parametrize(
    "spelled",
    [
        *("Nvidia 9070", "AMD RTX 4090", "Intel RTX 3090"),  # another vendor's number
        *("NVIDIA H100-SXM-00GB", "3070 0GB", "2x 3090, 0x A4000"),
        *("H100 SXM4", "A100 SXM5", "H100 80GB HBM2", "RTX 4091", "RTX 5090 Ti", "RTX 4090 Super"),
        *("H200 80GB", "RTX 4090D 48GB", "L40S 24GB", "MI300", "MI300A", "B100", "Apple M6 Max"),
        *("RTX A2000 Mobile", "RTX 4090 Max-Q", "A10G 48GB", "Apple M4 Ultra", "V100 SXM3 16GB"),
    ],
)
def test_what_is_nearly_a_card_is_none(spelled):
    assert not names.card(spelled).name


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_no_text_brings_the_reading_down(text):
    found = names.card(text)
    assert not found.name or catalog.gpu(found.name).name == found.name


# ---- chips with another memory ----


def test_a_stated_memory_replaces_the_chips_own():
    small, whole = catalog.gpu("Apple M3 Max 64GB"), catalog.gpu("apple-m3-max")
    assert small.name == "apple-m3-max-64gb" and small.memory_visible_bytes == 64 * 2**30
    assert small.bandwidth_bytes_s == whole.bandwidth_bytes_s and small.flop_s == whole.flop_s
    assert catalog.gpu("Apple M2 Pro 16GB").memory_usable_share == 0.74
    assert catalog.provenance("gpus", small.name, "memory_visible_bytes")["kind"] == "derived"


def test_every_size_of_every_chip_is_a_card():
    for name, record in table("gpus")["gpus"].items():
        for gb in record.get("sizes_gb", ()):
            own = gb * 10**9 == record["memory_sold_bytes"]["value"]
            sized = catalog.gpu(name if own else f"{name}-{gb}gb")
            assert sized.memory_visible_bytes == gb * 2**30, name


# ---- unequal cards ----


def test_unequal_cards_are_the_mean_of_their_stages():
    """By hand, of the data sheets: 32 607 and 24 564 MiB; 1 792 and 1 008 GB/s."""
    both = catalog.gpu("RTX 5090 + RTX 4090")
    share = 32_607 / (32_607 + 24_564)
    slower = 1 / (share / 1792e9 + (1 - share) / 1008e9)
    assert both.name == "rtx-5090+rtx-4090" and len(both.parts) == 2
    assert both.memory_visible_bytes * 2 == (32_607 + 24_564) * 2**20
    assert both.bandwidth_bytes_s == pytest.approx(slower)
    assert both.flop_s["bf16"] == pytest.approx(1 / (share / 209.5e12 + (1 - share) / 165.2e12))
    assert both.family == "mixed" and both.link == "pcie4x16"
    assert "fp4" not in both.flop_s  # which one of the two has


def test_a_token_passes_all_unequal_cards():
    """Reading 10 GB of weights takes each card its share, one after the other."""
    three = catalog.gpu("1x RTX 5090; 2x RTX 3090")
    memory = [card.memory_visible_bytes for card in three.parts]
    each = [
        10e9 * m / sum(memory) / c.bandwidth_bytes_s
        for m, c in zip(memory, three.parts, strict=True)
    ]
    assert 10e9 / three.bandwidth_bytes_s == pytest.approx(sum(each))


def test_a_deployment_on_unequal_cards_is_a_pipeline():
    from llmcap_kernel import bandwidth, capacity

    d = catalog.deployment(
        model="llama-3.1-70b", gpu="RTX 5090 + RTX 4090", engine="llama.cpp", weights="gguf-q4-k-m"
    )
    assert (d.tp, d.pp, d.num_gpus) == (1, 2, 2)
    assert d.title.startswith("llama-3.1-70b gguf-q4-k-m / rtx-5090+rtx-4090 PP-2")
    # each card less its own overhead: AMD's driver keeps none of what it reports
    mixed = catalog.gpu("RTX 4090 + RX 7900 XTX")
    both = sum(map(capacity.usable_bytes, mixed.parts))
    assert capacity.usable_bytes(mixed) * 2 == both < 2 * mixed.memory_visible_bytes
    work = bandwidth.decode_work(d, context_tokens=1000)
    read_s = work.weight_bytes / d.gpu.bandwidth_bytes_s
    assert work.dense_read_s == pytest.approx(read_s, rel=0.05)
    with pytest.raises(BadInput, match="tp is 2: rtx-5090"):
        catalog.deployment(model="llama-3.1-70b", gpu="rtx-5090+rtx-4090", tp=2)
    with pytest.raises(BadInput, match=r"pp is 3: .* it takes 2"):
        catalog.deployment(model="llama-3.1-70b", gpu="rtx-5090+rtx-4090", pp=3)


def test_equal_cards_in_one_box_are_no_mixture():
    assert names.card("2x RTX 3090 + 1x RTX 3090")[0] == "rtx-3090"
    assert names.card("2x RTX 3090 + 1x RTX 3090").count == 3
    assert names.card("RTX 3090 + abacus").name == ""


@pytest.mark.parametrize(
    ("spelled", "count", "name"),
    [
        ("NVIDIA H100\u2011SXM", 0, "h100-sxm"),  # a hyphen that no line breaks at, of a data sheet
        ("RTX 4090 \u2013 24 GB", 0, "rtx-4090"),
        ("\u201cRTX 4090\u201d", 0, "rtx-4090"),
        ("L40S*", 0, "l40s"),  # a footnote
        ("\uff28\uff12\uff10\uff10", 0, "h200-sxm"),  # a Japanese keyboard's
        ("4 \u00d7 RTX\u00a03090", 4, "rtx-3090"),
        ("2*RTX 3090", 2, "rtx-3090"),
        ("1x RTX 5090\n2x RTX 3090", 3, "rtx-5090+2x-rtx-3090"),
    ],
)
def test_signs_that_no_keyboard_has(spelled, count, name):
    found = names.card(spelled)
    assert (found.name, found.count) == (name, count)
