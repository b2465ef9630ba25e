"""The catalogue's raw tables: provenance, names and physical sense, read with tomllib alone."""

import datetime
import re
import tomllib
from pathlib import Path

import pytest

CATALOG = Path(__file__).parents[2] / "llmcap_kernel" / "catalog"
KINDS = {"datasheet", "measured", "derived", "convention"}
FAMILIES = {
    *("maxwell", "pascal", "volta", "turing", "ampere", "ampere-graphics", "ada", "hopper"),
    *("blackwell", "blackwell-graphics", "orin", "thor", "apple"),
    *("gcn", "cdna1", "cdna2", "cdna3", "cdna4", "cdna5", "rdna2", "rdna3", "rdna3.5", "rdna4"),
    *("xe-hpc", "xe-hpg", "battlemage", "gaudi2", "gaudi3", "x86", "ascend"),
    *("inferentia2", "trainium1", "trainium2", "tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-v7x"),
}
VENDORS = {"nvidia", "amd", "intel", "apple", "google", "aws", "huawei"}
FORMS = {"sxm", "pcie", "oam", "superchip", "desktop", "laptop", "soc", "server"}
LINKS = {
    "nvlink1",
    "nvlink2",
    "nvlink3",
    "nvlink4",
    "nvlink5",
    "nvlink-c2c",
    "xgmi",
    "pcie3x16",
    "pcie4x8",
    "pcie4x16",
    "pcie5x8",
    "pcie5x16",
    "ethernet",
    "neuronlink",
    "ici",
    "hccs",
    "none",
}
DTYPES = {"fp32", "fp16", "fp16-acc16", "bf16", "fp8", "int8", "int4", "fp4"}
REQUIRED_GPUS = {
    "h100-sxm",
    "h100-pcie",
    "h100-nvl",
    "h200-sxm",
    "a100-sxm-80gb",
    "a100-pcie-80gb",
    "a100-sxm-40gb",
    "a100-pcie-40gb",
    "b200-sxm",
    "b300-sxm",
    "gb200",
    "gb300",
    "gh200-96gb",
    "gh200-144gb",
    "l4",
    "l40s",
    "rtx-3090",
    "rtx-4090",
    "rtx-5090",
    "mi250x",
    "mi300x",
    "mi325x",
    "mi355x",
    "gaudi-3",
    "h20",
    "v100-sxm-32gb",
    "a10",
    "gb10",
}
GPU_FIELDS = {
    "memory_sold_bytes",
    "memory_visible_bytes",
    "memory_usable_share",
    "bandwidth_bytes_s",
    "link_bandwidth_bytes_s",
    "power_w",
}
ENGINE_FIELDS = {"memory_fraction", "block_tokens", "limits"}
REQUIRED_ENGINES = {
    *("vllm-0.11", "vllm-0.16", "vllm-0.19", "vllm-0.33"),
    *("sglang-0.5", "trtllm-1.0", "llama.cpp"),
}
LAST_DAY = datetime.date(2026, 12, 31)


def load(name):
    with open(CATALOG / f"{name}.toml", "rb") as file:
        return tomllib.load(file)


GPUS, PRICES, ENGINES = load("gpus"), load("prices"), load("engines")


def whole(record):
    """A record of an engine with what it takes from the one that it is like."""
    return (whole(ENGINES["engines"][record["like"]]) if "like" in record else {}) | record


ENGINES["engines"] = {name: whole(record) for name, record in ENGINES["engines"].items()}
GPU_ITEMS = list(GPUS["gpus"].items())
ROWS = PRICES["price"]


def fields(record):
    """(name, field) of every figure of a record, dtype rates included."""
    for name, value in record.items():
        if isinstance(value, dict) and "value" in value:
            yield name, value
        elif isinstance(value, dict) and name != "match":  # how people write it, no figure
            yield from ((f"{name}.{key}", field) for key, field in value.items())


def value(record, name):
    return record[name]["value"]


def half_precision(record):
    """Dense 16-bit rate: BF16 where the card has it, else FP16."""
    rates = record["flop_s"]
    return (rates.get("bf16") or rates["fp16"])["value"]


# ---- provenance ----


@pytest.mark.parametrize("table", [GPUS, ENGINES], ids=["gpus", "engines"])
def test_every_source_has_a_title_an_address_and_a_date(table):
    for name, source in table["sources"].items():
        assert source["title"], name
        assert re.fullmatch(r"https://\S+", source["url"]), name
        assert isinstance(source["date"], datetime.date), name
        assert datetime.date(2017, 1, 1) <= source["date"] <= LAST_DAY, name


@pytest.mark.parametrize(
    ("table", "key"), [(GPUS, "gpus"), (ENGINES, "engines")], ids=["gpus", "engines"]
)
def test_every_figure_names_its_source_and_kind(table, key):
    for record_name, record in table[key].items():
        seen = dict(fields(record))
        assert seen, record_name
        for name, field in seen.items():
            where = f"{record_name}.{name}"
            assert set(field) <= {"value", "source", "kind", "note"}, where
            assert isinstance(field["value"], int | float) or name == "limits", where
            assert not isinstance(field["value"], bool), where
            assert field["source"] in table["sources"], where
            assert field["kind"] in KINDS, where
            if field["kind"] == "derived":
                assert field.get("note"), f"{where}: a derived figure says how"


def test_no_gpu_source_is_unused():
    cited = {field["source"] for _, record in GPU_ITEMS for _, field in fields(record)}
    assert cited == set(GPUS["sources"])


def test_price_rows_name_a_provider_page_a_ledger_and_a_day():
    for row in ROWS:
        where = f"{row['gpu']} {row['provider']}"
        assert re.fullmatch(r"https://\S+", row["source"]), where
        assert isinstance(row["date"], datetime.date), where
        assert datetime.date(2025, 1, 1) <= row["date"] <= LAST_DAY, where
        assert row["via"] in PRICES["ledgers"], where
    for name, ledger in PRICES["ledgers"].items():
        assert ledger["url"].startswith("https://"), name
        assert isinstance(ledger["date"], datetime.date), name


# ---- names ----


def test_gpu_ids_are_sorted_and_written_one_way():
    ids = [name for name, _ in GPU_ITEMS]
    assert ids == sorted(ids)
    for name in ids:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name), name


def test_the_gpus_the_book_needs_are_there():
    assert set(GPUS["gpus"]) >= REQUIRED_GPUS
    assert len(GPU_ITEMS) >= 170


def test_no_gpu_alias_is_ambiguous():
    taken = set(GPUS["gpus"])
    for name, record in GPU_ITEMS:
        for alias in record["aliases"]:
            assert re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", alias), f"{name}: {alias}"
            assert alias not in taken, f"{name}: {alias} is taken"
            taken.add(alias)


def test_a_records_own_name_means_it():
    for name, record in GPU_ITEMS:
        kinds = {"words", "may", "gb", "shared", "machine", "rack", "usual", "minor"}
        own = set(record.get("match", {})) <= kinds
        assert own, f"{name}: a rule of another kind"
        assert all(size > 0 for size in record.get("sizes_gb", ())), name
        if "sizes_gb" in record:
            assert value(record, "memory_sold_bytes") / 1e9 in record["sizes_gb"], name


def test_few_figures_stand_on_documents_that_nobody_opened():
    unread = [name for name, one in GPUS["sources"].items() if "not opened" in one["check"]]
    assert len(unread) <= 7


def test_what_a_source_leaves_unchecked_is_a_figure_that_names_it():
    for name, source in GPUS["sources"].items():
        named = {field for _, record in GPU_ITEMS for field in fields_of(record, name)}
        assert set(source.get("unread", ())) <= named, name
        assert "unread" not in source or "not opened" in source["check"], name


def fields_of(record, source):
    """The figures of a card that name a source; those of a table under its name."""
    for field, figure in record.items():
        inner = figure.values() if field == "flop_s" else [figure]
        if any(isinstance(one, dict) and one.get("source") == source for one in inner):
            yield field


def test_gpu_titles_are_unique():
    titles = [record["name"] for _, record in GPU_ITEMS]
    assert len(titles) == len(set(titles))


# ---- physical sense ----


@pytest.mark.parametrize(("name", "record"), GPU_ITEMS, ids=[name for name, _ in GPU_ITEMS])
class TestGpu:
    def test_has_every_field(self, name, record):
        assert set(record) >= GPU_FIELDS
        assert record["vendor"] in VENDORS
        assert record["family"] in FAMILIES
        assert record["form"] in FORMS
        assert record["link"] in LINKS
        assert record["place"] in {"server", "desk"}
        assert isinstance(record["unified_memory"], bool)
        assert 1 <= record["max_per_node"] <= 256
        assert set(record["flop_s"]) <= DTYPES
        assert {"bf16", "fp16"} & set(record["flop_s"])

    def test_memory(self, name, record):
        sold, visible = value(record, "memory_sold_bytes"), value(record, "memory_visible_bytes")
        assert isinstance(sold, int) and isinstance(visible, int)
        assert 4e9 <= sold <= 2e12
        assert 0.85 * sold <= visible <= 1.1 * sold
        share = value(record, "memory_usable_share")
        assert 0.3 <= share <= 1
        assert record["unified_memory"] == (share < 1)

    def test_balance_of_compute_and_bandwidth(self, name, record):
        assert 50e9 <= value(record, "bandwidth_bytes_s") <= 25e12
        assert 1 <= half_precision(record) / value(record, "bandwidth_bytes_s") <= 1000

    def test_narrower_dtypes_are_not_slower(self, name, record):
        rates = {dtype: field["value"] for dtype, field in record["flop_s"].items()}
        ladder = [rates[dtype] for dtype in ("bf16", "fp8", "fp4") if dtype in rates]
        assert ladder == sorted(ladder)
        assert rates.get("fp32", 0) <= half_precision(record)
        # Gaudi 3's matrix engine and the MI100's have two rates of 16 bits
        if {"fp16", "bf16"} <= set(rates) and record["family"] not in {"gaudi3", "cdna1"}:
            assert rates["fp16"] == rates["bf16"]
        if "int4" in rates:
            assert rates["int4"] >= rates["int8"]

    def test_dtypes_fit_the_family(self, name, record):
        rates, family = set(record["flop_s"]), record["family"]
        if family in {"maxwell", "pascal", "volta", "turing", "gcn", "rdna2"}:
            assert "bf16" not in rates
        older = {"maxwell", "pascal", "volta", "turing", "ampere", "ampere-graphics", "orin"}
        older |= {"gcn", "cdna1", "cdna2", "rdna2", "rdna3", "rdna3.5", "xe-hpg", "battlemage"}
        if family in older:
            assert "fp8" not in rates
        narrow = {"blackwell", "blackwell-graphics", "thor", "cdna4", "cdna5"}
        assert ("fp4" in rates) == (family in narrow)

    def test_link(self, name, record):
        speed = value(record, "link_bandwidth_bytes_s")
        assert (record["link"] == "none") == (speed == 0)
        if record["link"] == "none":
            assert record["max_per_node"] == 1
        expected = {
            "nvlink1": 80e9,
            "nvlink2": 150e9,
            "nvlink5": 900e9,
            "pcie3x16": 15.75e9,
            "pcie4x8": 15.75e9,
            "pcie4x16": 31.5e9,
            "pcie5x8": 31.5e9,
            "pcie5x16": 63e9,
        }
        if name.startswith("a100-sxm"):
            expected["nvlink3"] = 300e9  # which export rules cut in the A800
        assert speed == expected.get(record["link"], speed)

    def test_place(self, name, record):
        """A desk has no sockets of data centres, and a server no chip of a personal computer."""
        by_form = dict.fromkeys(("sxm", "oam", "superchip", "server"), "server")
        by_form |= dict.fromkeys(("soc", "desktop", "laptop"), "desk")
        graphics = re.search(r"GeForce|RTX|Radeon|Arc", record["name"])
        graphics = graphics and "Server Edition" not in record["name"]
        on_slot = "desk" if graphics else "server"
        assert record["place"] == by_form.get(record["form"], on_slot)

    def test_power(self, name, record):
        power = value(record, "power_w")
        unsaid = record["power_w"].get("note") == "not published"
        assert power == 0 if unsaid else 10 <= power <= 1500


def test_figures_that_are_easily_mistaken():
    """Dense not sparse, one way not both, binary not decimal: the classic slips."""
    h100 = GPUS["gpus"]["h100-sxm"]
    assert value(h100, "memory_visible_bytes") == 81_559 * 2**20 == 85_520_809_984
    assert value(h100["flop_s"], "bf16") == pytest.approx(1979e12 / 2, rel=0.001)
    assert value(h100["flop_s"], "fp8") == pytest.approx(3958e12 / 2, rel=0.001)
    assert value(h100, "link_bandwidth_bytes_s") == 900e9 / 2
    assert value(GPUS["gpus"]["rtx-4090"]["flop_s"], "bf16") == 330.4e12 / 2
    assert value(GPUS["gpus"]["l4"]["flop_s"], "fp8") == 485e12 / 2
    whole, die = GPUS["gpus"]["mi250x"], GPUS["gpus"]["mi250x-gcd"]
    for name in ("memory_visible_bytes", "bandwidth_bytes_s"):
        assert value(whole, name) == 2 * value(die, name)


# ---- prices ----


def test_prices_are_sorted_and_of_known_cards():
    keys = [(row["gpu"], row["provider"], row["term"]) for row in ROWS]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))
    assert {row["gpu"] for row in ROWS} <= set(GPUS["gpus"])


def test_price_coverage():
    assert len(ROWS) >= 40
    assert len({row["gpu"] for row in ROWS}) >= 16
    assert len({row["provider"] for row in ROWS}) >= 6
    wanted = [
        "h100-sxm",
        "h200-sxm",
        "b200-sxm",
        "a100-sxm-80gb",
        "l40s",
        "l4",
        "mi300x",
        "rtx-4090",
        "rtx-5090",
    ]
    assert set(wanted) <= {row["gpu"] for row in ROWS}


def test_prices_are_sane():
    for row in ROWS:
        where = f"{row['gpu']} {row['provider']}"
        assert row["term"] in {"on-demand", "reserved-1y", "spot"}, where
        assert 0.05 <= row["usd_h"] <= 20, where
        assert row["region"], where


def test_each_priced_card_has_one_reference_price():
    references = [row["gpu"] for row in ROWS if row.get("reference")]
    assert sorted(references) == sorted({row["gpu"] for row in ROWS})
    for row in ROWS:
        if row.get("reference") and row["term"] != "on-demand":
            others = [other for other in ROWS if other["gpu"] == row["gpu"]]
            assert all(other["term"] != "on-demand" for other in others), row["gpu"]


# ---- engines ----


def test_engines_have_every_field():
    assert set(ENGINES["engines"]) >= REQUIRED_ENGINES
    for name, engine in ENGINES["engines"].items():
        assert set(engine) >= ENGINE_FIELDS, name
        assert engine["name"] and engine["version"] and engine["family"], name
        assert engine["fraction_of"] in {"total", "free"}, name
        sets_it_itself = engine["family"] == "sglang"
        assert sets_it_itself or 0.5 <= value(engine, "memory_fraction") <= 1, name
        assert name == engine["family"] or name.startswith(f"{engine['family']}-"), name
        assert isinstance(engine["graphs_in_fraction"], bool), name


def test_vllm_counts_its_graphs_from_0_20():
    """Estimate on and fraction 0.92 arrived together (vLLM pull request 38284)."""
    for name, engine in ENGINES["engines"].items():
        if engine["family"] == "vllm":
            late = tuple(map(int, engine["version"].split("."))) >= (0, 20)
            assert engine["graphs_in_fraction"] is late, name
            assert value(engine, "memory_fraction") == (0.92 if late else 0.90), name
