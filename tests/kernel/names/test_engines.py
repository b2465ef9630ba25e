"""Engines, their forks and versions as people write them, by a table to read."""

import csv
from pathlib import Path

import pytest

from llmcap_kernel import calibration, catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.evidence import measurements, results, stated

with (Path(__file__).parent / "engines.csv").open(encoding="utf-8", newline="") as file:
    TABLE = tuple(csv.DictReader(file))


@pytest.mark.parametrize("row", [r for r in TABLE if r["of"] == "engine"], ids=str)
def test_every_engine_of_the_table(row):
    found = names.program(row["spelled"])
    assert (found.family, found.timed_as) == (row["family"], row["stands_in"])
    assert names.engine_record(row["spelled"], "") == row["record"]
    if row["family"] != "other":  # what is no engine here is refused where a person names it
        assert catalog.engine(row["spelled"]).name == row["record"]


@pytest.mark.parametrize(
    ("spelled", "record"),
    [
        ("nvcr.io/nvidia/tensorrt-llm/release:0.21.0", "trtllm-0.19"),
        ("vllm/vllm-openai:v0.11.0-x86_64", "vllm-0.11"),
        ("rocm/vllm:rocm6.4.1_vllm_0.10.1_20250909", "vllm-0.10"),
        ("vllm/vllm-openai-rocm:v0.14.0", "vllm-0.14"),
        ("lmsysorg/sglang:v0.5.9-cu129-amd64", "sglang-0.5.9"),
        ("vLLM (0.11.2)", "vllm-0.11"),
        ("vllm-openai:latest", "vllm-0.33"),
        ("nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.4.0", "vllm-0.33"),  # Dynamo's version
        ("llama.cpp b5863", "llama.cpp-b6324"),
    ],
)
def test_an_engine_with_its_version_is_one_in_a_row_or_typed(spelled, record):
    assert names.engine_record(spelled, "") == catalog.engine(spelled).name == record
    plain = {"engine": names.family(spelled), "engine_version": spelled}
    line = results.Line("a", {"model": "qwen3-8b", "gpu": "h100-sxm", "metric": "itl_ms"} | plain)
    spelled = measurements.measurement(line._replace(fields=line.fields | {"value": "9"})).spelled
    assert names.engine_record(spelled.engine, spelled.version) == record


@pytest.mark.parametrize("row", [r for r in TABLE if r["of"] == "version"], ids=str)
def test_every_version_of_the_table(row):
    assert ".".join(map(str, names.release(row["spelled"]))) == row["family"]


@pytest.mark.parametrize(
    ("version", "record"),
    [
        ("", "llama.cpp"),
        ("b6325", "llama.cpp"),  # the build of ggml-org/llama.cpp pull request 15434
        ("b6324", "llama.cpp-b6324"),
        ("2f68ce7cf (6918)", "llama.cpp"),
        ("build not stated (May 2024)", "llama.cpp-b6324"),
        ("2025-10-25", "llama.cpp"),
        ("b5863 (a4575513) -fa 1", "llama.cpp"),
        ("b5863 (a4575513) -fa 0", "llama.cpp-b6324"),
    ],
)
def test_a_build_of_llama_cpp_fuses_attention_by_itself_or_where_it_is_told_to(version, record):
    assert names.engine_record("llama.cpp", version) == record
    assert bool(catalog.engine(record).score_bytes) == (record == names.UNFUSED)
    assert names.engine_record("mlx", version) == "llama.cpp"  # shares its memory, not its kernels


def test_a_family_without_measurements_has_a_stand_in_that_has_some():
    rows = calibration.table()["rows"]
    for row in TABLE:
        if row["of"] == "engine":
            assert row["family"] in rows or names.timed_as(row["family"]) in rows


def test_a_stand_in_lends_its_efficiency_and_a_wider_interval():
    h100 = catalog.deployment(model="qwen3-8b", gpu="h100-sxm")
    own, lent = (calibration.efficiency_for(h100, family) for family in ("vllm", "tgi"))
    assert own == lent
    assert calibration.in_a_loop("tgi", "itl_ms", "") == calibration.in_a_loop("vllm", "itl_ms", "")
    meant = stated.meaning(stated.Spelled("qwen3-8b", "h100-sxm", "tgi"))
    assert meant.family == "tgi" and any("timed as vllm" in text for text in meant.taken)
    # MLX was timed itself
    spelled = stated.Spelled("qwen3-8b", "apple-m2-max", "mlx-lm", weights="4bit")
    assert not any("timed as" in text for text in stated.meaning(spelled).taken)


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ({"tp": "8", "ep": "yes"}, {"ep": 8, "dp_attention": 0}),
        ({"tp": "8", "dp_attention": "true"}, {"ep": 0, "dp_attention": 8}),
        ({"num_gpus": "8", "pp": "2", "ep": "Yes"}, {"ep": 4, "dp_attention": 0}),
        ({"tp": "8", "ep": "no", "dp_attention": "8"}, {"ep": 0, "dp_attention": 8}),
    ],
)
def test_yes_means_all_cards_of_tensor_parallelism(cells, wanted):
    plain = {"model": "DeepSeek-R1", "gpu": "H200 SXM", "metric": "itl_ms", "value": "9"}
    spelled = measurements.measurement(results.Line("a", plain | cells)).spelled
    assert {name: getattr(spelled, name) for name in wanted} == wanted
