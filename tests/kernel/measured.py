"""The measured rows, and how their spellings map to the catalogue's names."""

import csv
from functools import cache
from pathlib import Path

from llmcap_kernel import catalog

ROWS = Path(__file__).parents[2] / "benchmarks" / "measured.csv"


@cache
def rows():
    with ROWS.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def weight_format(row):
    """The format behind `compressed-tensors`, `gptq_marlin` and their like."""
    model, dtype = row["model"].lower(), row["weight_dtype"]
    if dtype == "compressed-tensors":
        return "fp8" if "fp8" in model else "int8"
    named = {"gptq_marlin": "int4-gptq", "float16": "bf16", "float32": "fp32"}
    return named.get(dtype) or catalog.format(dtype).name


def start_ups():
    """The start-up ledgers of vLLM: one dict a run, metrics by name."""
    runs = {}
    for row in rows():
        if row["regime"] != "capacity":
            continue
        log = row["notes"].split(";")[0]
        key = (row["model"], row["engine_version"], row["tp"], row["pp"], log, row["weight_dtype"])
        run = runs.setdefault(key, {"row": row})
        run[row["metric"]] = float(row["value"])
    return list(runs.values())


def deployment(run):
    """The deployment a start-up ledger was written by."""
    row = run["row"]
    version = row["engine_version"].split()[0].removesuffix(".0")
    fraction = row["memory_fraction"]
    if row["id"] == "m07899":
        # labelled 0.9, but 0.90 x 79.18 - 64.38 - 7.38 - 0.13 GiB is below zero, and its
        # 3.33 GiB of cache are what 0.95 leaves
        fraction = 0.95
    kv = "fp8" if row["kv_dtype"] == "fp8" else "bf16"
    if weight_format(row) == "fp32":
        kv = "fp32"
    return catalog.deployment(
        model=row["model"],
        gpu="h100-sxm",
        engine=f"vllm-{version}",
        weights=weight_format(row),
        kv=kv,
        tp=int(row["tp"] or 1),
        pp=int(row["pp"] or 1),
        memory_fraction=float(fraction),
    )
