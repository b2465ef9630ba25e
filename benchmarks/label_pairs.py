"""Label the pairs: what the two runs share, what each has alone, and what the words mean.

`python benchmarks/label_pairs.py [FILE]` reads `benchmarks/pairs.csv` and writes it back. A pair's
settings stand in its source's own words, in `common`, `setting_a`, `setting_b` and `notes`. The
rules below write them into columns that `llmcap_kernel.evidence.levers` reads:

- the columns of `measured.csv`, where both runs have the same
- `a` and `b`: what one run has and the other has not, as `name=value; name=value`; a value of "?"
  is one that the source leaves open
- `draft`, `draft_tokens`, `draft_accepted`: what drafts ("mtp", "ngram" or a model), the tokens
  drafted for a pass, and the share of them that was accepted
- `statistic`: of many requests the value is this one; empty for one request or a rate
- `remarks`: words that stood in a label and belong to none of these columns
- `doubt`: a doubt that `label.py` has about the rows of one of the runs and that a ratio has too
- `stated`: what the source's cell held before a rule wrote it, as in `measured.csv`

A second run changes nothing. These columns are the script's: write a correction as a rule.
"""

import csv
import re
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.label import NEWER, command, rewrite

PAIRS = Path(__file__).with_name("pairs.csv")
# What a source says: these columns are never written but where `stated` keeps the old cell.
SAID = (
    *("id", "source_id", "source", "lever", "model", "engine", "engine_version", "gpu"),
    *("num_gpus", "common", "setting_a", "setting_b", "metric", "unit", "value_a", "value_b"),
    "notes",
)
# What the rules find in it; of two runs that differ it stands in `a` and `b`.
FOUND = (
    *("tp", "pp", "copies", "weight_dtype", "kv_dtype", "max_num_seqs", "concurrency"),
    *("input_tokens", "output_tokens", "cached_tokens", "draft", "draft_tokens", "draft_accepted"),
    "power_limit_w",
)
COLUMNS = (
    *("id", "source_id", "source", "lever", "model", "engine", "engine_version", "gpu"),
    *("num_gpus", *FOUND, "a", "b", "metric", "statistic", "unit", "value_a", "value_b"),
    *("common", "setting_a", "setting_b", "notes", "remarks", "doubt", "stated"),
)
DOUBT = "others-beside"  # both runs of a pair share all others
BETWEEN = "; "
OPEN = "?"

Row = dict[str, str]
Side = dict[str, str]  # of one run: columns, and names of what no column has

METRICS = {
    "output_tok_s": "output_tok_s_total",
    "Output token throughput": "output_tok_s_total",
    "decode_tok_s": "decode_tok_s_per_user",
    "generation_tok_s": "decode_tok_s_per_user",
    **dict.fromkeys(("tpot_ms", "tpot_p50_ms", "itl_p50_ms", "Mean TPOT"), "itl_ms"),
    **dict.fromkeys(("ttft_p50_ms", "Mean TTFT"), "ttft_ms"),
    "e2e_ms": "e2e_latency_s",
}


# one cell


def write(row: Row, name: str, value: str, remark: str = "") -> None:
    """Write a cell of the source, keep what stood there, and move a remark out of it.

    Parameters
    ----------
    row : dict
        The row.
    name : str
        The cell.
    value : str
        What it takes.
    remark : str
        What the cell said beside its value.
    """
    if row[name] != value:
        row["stated"] = BETWEEN.join(filter(None, (row["stated"], f"{name}={row[name]}")))
        row[name] = value
    if remark:
        row["remarks"] = BETWEEN.join(filter(None, (row["remarks"], remark)))


def parts(pattern: str | re.Pattern[str], text: str) -> tuple[str, ...]:
    """Take a source's words apart; a pattern that does not hold all of them is an error."""
    found = re.fullmatch(pattern, text)
    if found is None:
        raise ValueError(f"{text!r} does not read as {pattern!r}")
    return found.groups()


def drafted(text: str, accepted: str) -> Side:
    """Read what drafts: "none", "mtp k=2", "mtp-2", "dflash k=7 NAME", "draft_model_tli k=4 NAME".

    Parameters
    ----------
    text : str
        The source's words.
    accepted : str
        The share of the drafted tokens that was accepted; "?" where it is not stated.

    Returns
    -------
    dict
        The columns of `draft`, none where nothing drafts.
    """
    said = re.fullmatch(r"(draft_model_tli|[a-zA-Z]+)[- ](?:k=|n_max )?(\d+|None)(?: (\S+))?", text)
    if text in ("none", "default"):
        return {}
    if not said:
        return {"draft": text.removeprefix("spec-"), "draft_tokens": OPEN, "draft_accepted": OPEN}
    method, tokens, model = said.groups()
    return {
        "draft": model if method == "draft_model_tli" else method.lower(),
        "draft_tokens": OPEN if tokens == "None" else tokens,
        "draft_accepted": accepted,
    }


def _accepted(row: Row) -> str:
    said = re.match(r"acceptance ([01]\.\d+)", row["notes"])
    return f"{float(said.group(1)):.4f}" if said else OPEN


# the lever: what each run has


def _speculation(row: Row, setting: str, *, first: bool) -> Side:
    # One share is stated for a pair, that of its second run.
    return drafted(setting, OPEN if first else _accepted(row))


def _weights(row: Row, setting: str, *, first: bool) -> Side:
    name, pruned, _ = setting.partition("-reap50")
    return {"weight_dtype": name} | ({"experts_pruned": "0.5"} if pruned else {})


def _cache(row: Row, setting: str, *, first: bool) -> Side:
    if setting == "think":
        return {"thinking": "on"}
    if setting == "cache32k":
        return {"prompt_cache_tokens": "32000"}
    name, reuse, _ = setting.partition("+reuse")
    kv = {} if name in ("default", "auto") else {"kv_dtype": name}
    return kv | ({"cache_reuse": "on"} if reuse else {})


def _prefix(row: Row, setting: str, *, first: bool) -> Side:
    if setting in ("off", "cold", "0%"):
        return {}
    prompt = re.search(r"\bin(?:/out)? (\d+)", row["common"])
    chunked = {"chunked_prefill": "8192"} if "chunked" in setting else {}
    if not prompt:  # how much of the prompts is alike is not said
        return {"cached_tokens": OPEN} | chunked
    share = 0.95 if setting == "95% cached" else 1.0
    return {"cached_tokens": str(round(share * int(prompt.group(1))))}


def _chunked(row: Row, setting: str, *, first: bool) -> Side:
    switch, _, tokens = setting.removeprefix("chunked prefill ").partition(", ")
    return {"chunked_prefill": switch} | ({"max_num_batched_tokens": tokens} if tokens else {})


def _named(name: str):
    return lambda row, setting, *, first: {name: setting}


LEVERS = {
    **dict.fromkeys(("weight quantization", "weight format"), _weights),
    **dict.fromkeys(("kv cache dtype", "KV cache type"), _cache),
    **dict.fromkeys(
        ("prefix caching", "prefix cache", "prefix caching (warm)", "prefix share 0 to 95%"),
        _prefix,
    ),
    "prefix caching + chunked prefill": _prefix,
    "chunked prefill": _chunked,
    **dict.fromkeys(
        ("chunked prefill size", "chunk budget (p99)", "max_num_batched_tokens (chunk size)"),
        _named("max_num_batched_tokens"),
    ),
    "speculative decoding": _speculation,
    "power limit": _named("power_limit_w"),
    "tensor parallel": _named("tp"),
    "engine version": _named("engine_version"),
    "max_num_seqs": _named("max_num_seqs"),
    "max_model_len": _named("max_model_len"),
    "architecture": lambda row, setting, *, first: {
        "model": row["model"].split(" against ")[0 if first else -1]
    },
    "decode context parallel": lambda row, setting, *, first: (
        {} if first else {"decode_context_parallel": "8"}
    ),
    "host-memory KV tier (HiCache)": _named("host_kv_tier"),
    "power profile + iommu off": _named("power_profile"),
    "O3 bundle of five flags": _named("flags"),
}

# A lever by one name, whatever its source calls it.
NAMES = {
    **dict.fromkeys(("weight quantization", "weight format"), "weight format"),
    **dict.fromkeys(("kv cache dtype", "KV cache type"), "cache format"),
    **dict.fromkeys(
        ("prefix caching", "prefix cache", "prefix caching (warm)", "prefix share 0 to 95%"),
        "prefix cache",
    ),
    **dict.fromkeys(
        ("chunked prefill size", "chunk budget (p99)", "max_num_batched_tokens (chunk size)"),
        "chunk size",
    ),
    "prefix caching + chunked prefill": "prefix and chunks",
    "host-memory KV tier (HiCache)": "cache in host memory",
    "power profile + iommu off": "power profile",
    "O3 bundle of five flags": "five flags",
    "tensor parallel": "tensor parallelism",
    "decode context parallel": "context parallelism",
}


# the rest of a source's words, a rule a source


RIG = re.compile(
    r"(\S*) tp(\S+) kv (\S+)(?: \(BF16\))? conc (\S+) in/out (\S+)/(\d+) (\d+) W spec (.*)"
)
RIG_PREFIX = re.compile(r"(\S+) tp(\d) in/out (\d+)/(\d+) (.*)")


def rig4x3090(row: Row) -> Side:
    """Read the four RTX 3090: "awq-int4 tp1 kv auto conc 128 in/out 512/256 220 W spec none"."""
    short = RIG_PREFIX.fullmatch(row["common"].strip())
    if short:  # its runs elsewhere in the file say one user, and an FP8 cache
        weights, tp, prompt, answer, spec = short.groups()
        kv, users, watts, spec = "fp8", "1", "220", spec
    else:
        weights, tp, kv, users, prompt, answer, watts, spec = parts(RIG, row["common"].rstrip())
    words = spec.split("  ") if "  " in spec else spec.split(" ", 1) if spec[0] == "*" else [spec]
    run = words[1] if len(words) > 1 else ""
    write(row, "num_gpus", row["num_gpus"], BETWEEN.join(filter(None, (f"{watts} W", run))))
    out = {
        **{"weight_dtype": weights, "tp": tp, "kv_dtype": kv, "concurrency": users},
        **{"input_tokens": prompt, "output_tokens": answer, "power_limit_w": watts},
        **({} if words[0] == "*" else drafted(words[0], OPEN)),
    }
    if users == "None":  # llama-bench
        out |= {"concurrency": "1"}
    if run.startswith("prefix-warm"):  # "prefix hit rate 0.001 -> 1.000"
        out |= {"cached_tokens": prompt}
    return {name: "" if value in ("*", "None", "auto") else value for name, value in out.items()}


def memoriant(row: Row) -> Side:
    """Read the DGX Spark: "llama-bench pp512 @ depth 4096"."""
    kind, tokens, depth = parts(r"llama-bench (pp|tg)(\d+) @ depth (\d+)", row["common"])
    write(row, "engine", "llama.cpp", "TurboQuant fork")
    if kind == "tg":
        return {"input_tokens": depth, "output_tokens": tokens, "concurrency": "1"}
    behind = {"cached_tokens": depth} if depth != "0" else {}
    return {"input_tokens": str(int(depth) + int(tokens)), "concurrency": "1"} | behind


def m3maxbench(row: Row) -> Side:
    """Read the M3 Max: "4bit, prompt context-32k, batch 1", and two builds in one cell."""
    weights, prompt = parts(r"(\S+), prompt (\S+), batch 1", row["common"])
    long = re.fullmatch(r"context-(\d+)k", prompt)
    write(row, "num_gpus", row["num_gpus"], "" if long else f"prompt {prompt}")
    lengths = {"input_tokens": f"{long.group(1)}000"} if long else {}
    return {"weight_dtype": weights, "concurrency": "1"} | lengths


def kyuz0(row: Row) -> Side:
    """Read the Strix Halo: "generation depth 32768", or a driver and short prompts."""
    depth = re.fullmatch(r"(generation|prefill) depth (\d+)", row["common"])
    if depth and depth.group(1) == "generation":
        return {"input_tokens": depth.group(2), "output_tokens": "128", "concurrency": "1"}
    if depth:  # "pp512"
        whole = int(depth.group(2)) + 512
        return {"input_tokens": str(whole), "cached_tokens": depth.group(2), "concurrency": "1"}
    write(row, "num_gpus", row["num_gpus"], row["common"].split(";")[0])
    return {"input_tokens": "40", "output_tokens": "192", "concurrency": "1"}  # 20 to 60 tokens


def mem_threads3(row: Row) -> Side:
    """Read three pages by hand: an 8 GB card, 16 H100, a Strix Halo."""
    served = re.fullmatch(r"(4P4D), in (\d+) out (\d+), c(\d+), (.*)", row["common"])
    if served:
        layout, prompt, answer, users, more = served.groups()
        write(row, "num_gpus", row["num_gpus"], f"{layout}, {more}")
        lengths = {"input_tokens": prompt, "output_tokens": answer}
        return lengths | {"concurrency": users, "disaggregated": layout}
    if row["common"] == "greedy, batch 1":
        write(row, "num_gpus", row["num_gpus"], "greedy")
        return {"concurrency": "1"}
    write(row, "num_gpus", row["num_gpus"], row["common"].split(", ", 2)[2])
    return {"concurrency": "8", "max_num_seqs": "2"}


def rtx4000ada_ttft(row: Row) -> Side:
    """Read the RTX 4000 Ada: "in 2048 c1 cold p50"."""
    prompt, users = parts(r"in (\d+k?) c(\d+).*", row["common"])
    return {"input_tokens": prompt.replace("k", "000"), "concurrency": users}


def t4_qwen3_4b(row: Row) -> Side:
    """Read the T4: a hundred prompts at once, whose length is not said."""
    write(row, "num_gpus", row["num_gpus"], row["common"].split(", 1")[0].split(" 100 ")[0])
    write(row, "engine", "vLLM", "V0")
    return {"concurrency": "100", "input_tokens": OPEN}


def vllm_metal(row: Row) -> Side:
    """Read a Mac that is not named: "16 users, 128 out"."""
    users, answer = parts(r"(\d+) users, (\d+) out", row["common"])
    return {"concurrency": users, "output_tokens": answer}


def vllmrecipes(row: Row) -> Side:
    """Read the recipes: "random 8000/4000, rate 100, 1000 prompts"."""
    prompt, answer, rest = parts(r"random (\d+)/(\d+), (.*)", row["common"])
    write(row, "num_gpus", row["num_gpus"], rest)
    return {"input_tokens": prompt, "output_tokens": answer}


SOURCES = (
    *(rig4x3090, memoriant, m3maxbench, kyuz0, mem_threads3),
    *(rtx4000ada_ttft, t4_qwen3_4b, vllm_metal, vllmrecipes),
)
RULES = {rule.__name__: rule for rule in SOURCES}


# what all sources need


def metric(row: Row) -> None:
    """Give the metric its name in `measured.csv`, and the statistic a column of its own."""
    said = row["metric"]
    words = f"{said} {row['common']} {row['setting_a']} {row['lever']}".lower().replace("_", " ")
    of = re.search(r"\b(p50|p9[059]|mean)\b", words)
    row["statistic"] = of.group(1) if of else ""
    name = re.sub(r" p\d\d$", "", said)
    write(row, "metric", METRICS.get(name, name))
    if row["metric"] == "e2e_latency_s" and row["unit"] == "ms":
        for cell in ("value_a", "value_b"):
            write(row, cell, f"{float(row[cell]) / 1e3:g}")
        write(row, "unit", "s")


def unnamed_card(row: Row) -> None:
    """Leave a card empty that the source does not name."""
    if "not named" in row["gpu"] or "not in the file" in row["gpu"]:
        write(row, "gpu", "", row["gpu"])


def two_builds(row: Row) -> list[Side]:
    """Take "0.4.3->0.4.4" for the versions of the two runs."""
    first, arrow, second = row["engine_version"].partition("->")
    if not arrow:
        return [{}, {}]
    write(row, "engine_version", "")
    return [{"engine_version": first}, {"engine_version": second}]


def side_by_side(row: Row, sides: list[Side]) -> None:
    """Count the copies that a run's name has behind its split, and the users of one of them."""
    # "vllm_AWQ-4bit_tp1x4_...": four servers on four cards, and `conc` counts the users of all
    for side, run in zip(sides, row["source"].split(" | "), strict=False):
        said = re.search(r"_tp(\d)x(\d)_", run)
        if not said or said.group(2) == "1":
            continue
        copies, users = int(said.group(2)), int(side["concurrency"])
        side |= {"copies": str(copies), "concurrency": str(users // copies)}
        side |= {"num_gpus": str(copies * int(said.group(1)))}


def campaign(row: Row, sides: list[Side]) -> None:
    """Count what a campaign of the rig does not say of itself, as `label.py` does for its rows."""
    # Gap times rate is at most 8 with llama.cpp; and prompts that repeat are read from the cache,
    # but where the model's states are not kept.
    if "orch/" not in row["source"]:
        return
    loop = row["engine"] == "llama.cpp"
    for side in sides:
        if loop:  # as its run says: "split_mode layer"
            side |= {"pp": side["tp"], "tp": "1"}
        if loop and row["metric"] != "ttft_ms":
            side["concurrency"] = str(min(int(side["concurrency"]), 8))
        if (loop or "Gemma" in row["model"]) and side.get("input_tokens"):
            side["cached_tokens"] = str(int(side["input_tokens"]) - 1)


@cache
def _crowded_runs() -> frozenset[str]:
    """Runs of the rig during which more memory was in use than their cards have."""
    with NEWER.open(encoding="utf-8", newline="") as file:
        notes = [row["notes"] for row in csv.DictReader(file) if DOUBT in row["doubt"]]
    return frozenset(re.findall(r"\brun ([^;]+);", BETWEEN.join(notes)))


def crowded(row: Row) -> None:
    """Doubt the pairs of which one run is doubted."""
    runs = row["source"].partition(": ")[2].split(" | ")
    if _crowded_runs() & set(map(str.strip, runs)):
        row["doubt"] = DOUBT


def original(row: Row) -> Row:
    """Undo every rule.

    Parameters
    ----------
    row : dict
        A row, labelled or not.

    Returns
    -------
    dict
        The row as its source has it, the other columns empty.
    """
    out = dict.fromkeys(COLUMNS, "") | {name: row[name] for name in SAID}
    for said in filter(None, reversed(row.get("stated", "").split(BETWEEN))):
        name, _, value = said.partition("=")
        out[name] = value
    return out


def labelled(row: Row) -> Row:
    """Apply every rule.

    Parameters
    ----------
    row : dict
        A row, labelled or not; it is left as it is.

    Returns
    -------
    dict
        The row with its labels.
    """
    out = original(row)
    common = RULES[out["source_id"]](out)
    lever, versions = LEVERS[out["lever"]], two_builds(out)
    settings = (out["setting_a"], out["setting_b"])
    sides = [
        common | version | lever(out, said, first=not i)
        for i, (said, version) in enumerate(zip(settings, versions, strict=True))
    ]
    side_by_side(out, sides)
    metric(out)
    campaign(out, sides)
    write(out, "lever", NAMES.get(out["lever"], out["lever"]))
    unnamed_card(out)
    _share(out, sides)
    crowded(out)
    return out


def _share(row: Row, sides: list[Side]) -> None:
    """Write what both runs have into columns, and what they differ in into `a` and `b`."""
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    alone: tuple[list[str], list[str]] = ([], [])
    for name in names:
        values = [side.get(name, "") for side in sides]
        if values[0] == values[1] and name in COLUMNS:
            if name in SAID:
                write(row, name, values[0])
            else:
                row[name] = values[0]
            continue
        for cell, value in zip(alone, values, strict=True):
            if value:
                cell.append(f"{name}={value}")
        if name in SAID and row[name]:  # what differs stands in `a` and `b` alone
            write(row, name, "")
    row["a"], row["b"] = (BETWEEN.join(cell) for cell in alone)


def decode_rates(rows: list[Row]) -> None:
    """Take an output rate for one of decoding alone where the run says the two are the same."""
    runs: dict[tuple[str, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        runs[tuple(row[n] for n in ("source", "common", "setting_a", "setting_b"))][
            row["metric"]
        ] = row
    for by_metric in runs.values():
        rate, decode = (by_metric.get(n) for n in ("output_tok_s_total", "decode_tok_s_per_user"))
        if rate and decode and rate["value_a"] == decode["value_a"]:
            rate["metric"] = "decode_tok_s_per_user"


def label(path: Path) -> int:
    """Label a file in place.

    Parameters
    ----------
    path : Path
        Rows in the columns of `benchmarks/pairs.csv`.

    Returns
    -------
    int
        Rows whose cells changed.
    """
    return rewrite(path, _labelled_all, lambda header: list(COLUMNS))


def _labelled_all(rows: list[Row]) -> list[Row]:
    made = [labelled(row) for row in rows]
    decode_rates(made)
    return made


def main() -> None:
    """Label the files that are named, or the published pairs."""
    command(__doc__, label, (PAIRS,))


if __name__ == "__main__":
    main()
