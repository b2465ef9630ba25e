"""Label the measured rows: what is doubtful, what was filled in, what the notes say.

`python benchmarks/label.py [FILE ...]` reads `benchmarks/measured.csv`, which the fit sees, and
`newer.csv`, which it has not seen yet, and writes them back. All that is known of one source alone
stands here, so that `llmcap_kernel` reads columns and knows none:

- `doubt`: why the row itself may be wrong, names of `evidence.weak_spots.DOUBTS`
- `assumed`: what the source leaves open and a rule below filled in, as `name=value`
- `stated`: what the source's cell held before a rule wrote it, as `name=value`, so that nothing
  is lost; empty behind the sign where the source left the cell empty
- `copies`: deployments side by side whose rates add up; empty is one
- `power_limit_w`: what each card may draw, where it is held below its own power
- `cached_tokens`: leading tokens of `input_tokens` that were in the cache already

Each run first puts back what `stated` holds and clears `doubt` and `assumed`, then applies
`RULES`. So a second run changes nothing, and a rule that is taken out leaves no trace. These
columns are the script's: write a correction as a rule and not into the file.
"""

import argparse
import csv
import math
import re
from collections.abc import Callable
from pathlib import Path

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.evidence import measurements, results, stated
from llmcap_kernel.refuse import BadInput

MEASURED, NEWER = (Path(__file__).with_name(f"{name}.csv") for name in ("measured", "newer"))
# Columns that a file may lack, each behind the one that it follows.
ADDED = {
    "copies": "dp_attention",
    "power_limit_w": "copies",
    "cached_tokens": "output_tokens",
    "doubt": "regime",
    "assumed": "doubt",
    "stated": "assumed",
}
BETWEEN = "; "
# The cells that say which cards ran the row, and how they split it.
SPLIT = ("tp", "pp", "ep", "dp_attention", "copies")

Row = dict[str, str]


# writing into a row


def _add(row: Row, column: str, text: str) -> None:
    row[column] = BETWEEN.join(filter(None, (row[column], text)))


def _write(row: Row, name: str, value: object) -> None:
    """Write a cell, and keep what the source has there."""
    _add(row, "stated", f"{name}={row[name]}")
    row[name] = str(value)


def correct(row: Row, name: str, value: object) -> None:
    """Write what the source says elsewhere; a cell that holds it already is left alone.

    Parameters
    ----------
    row : dict
        The row.
    name : str
        The cell.
    value : object
        What it takes.
    """
    if row[name] != str(value):
        _write(row, name, value)


def assume(row: Row, name: str, value: object) -> None:
    """Write what the source does not say, or says wrongly.

    Parameters
    ----------
    row : dict
        The row.
    name : str
        The cell.
    value : object
        What is taken.
    """
    _write(row, name, value)
    _add(row, "assumed", f"{name}={value}")


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


# what a source says in its notes


def whole_concurrency(row: Row) -> None:
    """Take the users of all attention replicas, where the cell has those of one."""
    # aiconfigurator writes the share of one replica and keeps the whole in the notes.
    said = re.search(r"\bconcurrency=(\d{1,7})\b", row["notes"])
    if said and _count(row["dp_attention"]) > 1:
        correct(row, "concurrency", max(_count(row["concurrency"]), int(said.group(1))))


def memory_fraction(row: Row) -> None:
    """Take the memory setting from the notes, where the cell is empty."""
    # vLLM's start-up logs give it as "gmu 0.95". Qwen's table lists its settings in each row: the
    # first of them, the default, is taken.
    setting = r"\b(?:gmu|gpu_memory_utilization)[ =](0?\.\d{1,4}|1\.0)\b"
    said = re.search(setting, row["notes"])
    if said and not row["memory_fraction"]:
        correct(row, "memory_fraction", said.group(1))


def filled_cache(row: Row) -> None:
    """Count the context that a prompt was read behind."""
    # llama-bench times the last tokens of a prompt behind a cache that is filled already, and that
    # part is not computed again. One table has the last tokens alone as the prompt, others all.
    prompt = _count(row["input_tokens"])
    said = re.search(r"\bat context depth ([1-9]\d{0,6})\b", row["notes"])
    last = re.search(r"\b(\d{1,6}) tokens after (?:[1-9]\d* cached|the depth)", row["notes"])
    if row["metric"] != "prefill_tok_s" or not prompt:
        return
    if said:
        correct(row, "input_tokens", prompt + int(said.group(1)))
        correct(row, "cached_tokens", said.group(1))
    elif last and prompt > int(last.group(1)):
        correct(row, "cached_tokens", prompt - int(last.group(1)))


def read_from_cache(row: Row) -> None:
    """Count the prompt that was in the cache, or doubt where the source leaves the share open."""
    # The 3090 rig prints the share of its second runs. Where a note says only that prompts
    # repeat, by design or as a seed does, nobody knows how much was computed.
    said = re.search(r"\bprefix hit rate ([01]\.\d{1,6})\b", row["notes"])
    if said:
        cached = math.floor(float(said.group(1)) * _count(row["input_tokens"]))
        if cached:
            correct(row, "cached_tokens", cached)
        return
    repeats = ("PREFIX CACHE HITS", "may hit prefixes", "prefix cache hits", "prompts repeat")
    if row["regime"] == "prefix_cache" or any(words in row["notes"] for words in repeats):
        _add(row, "doubt", "prefix-cache")


def repeated_prompts(row: Row) -> None:
    """Count the prompts of one campaign of the rig as cached, where its engine keeps prompts."""
    # Gap times rate leaves the prompts under a twentieth of the time, and gemma's first token of
    # 512 comes after 40 to 60 ms in every format and split: one card at its peak takes 170. Of
    # Qwen3.6, whose states vLLM does not keep, it comes after 500.
    keeps = row["engine"] == "llama.cpp" or "gemma" in row["model"]
    if "campaign orchestrator" in row["notes"] and keeps and not row["cached_tokens"]:
        correct(row, "cached_tokens", _count(row["input_tokens"]) - 1)
        if row["metric"] == "ttft_ms":
            _add(row, "doubt", "prefix-cache")


# labels


WAYS = ("ep", "dp_attention")
# Editors' remarks in a cell of a format, and its value without them.
REMARKED = re.compile(r"(auto|\S+(?: \S+)?) \([^()]*\)")
# What stands where a cache's format should: how the run drafted, or what its prompts were.
DRAFTED = re.compile(r"(?:mtp|spec|dflash)-\S+")
NO_FORMAT = ("think", "cache32k")


def cells(row: Row) -> None:
    """Take editors' remarks out of cells, and words that are none of the cell's values."""
    for name in WAYS:
        if row[name] == "yes":  # over all cards of the row's split
            correct(row, name, row["tp"])
    for name in ("weight_dtype", "kv_dtype"):
        remarked = REMARKED.fullmatch(row[name])
        if remarked and row["source_id"] in REMARKS:
            correct(row, name, remarked.group(1))
    cache = row["kv_dtype"]
    if DRAFTED.fullmatch(cache) or cache in NO_FORMAT:
        correct(row, "kv_dtype", "")
    correct(row, "kv_dtype", row["kv_dtype"].removesuffix("+reuse"))


REMARKS = ("sglcook", "vllmrecipes", "rtx4090_qwen38", "rtx4000ada_ttft", "rig4x3090")


def split_by_layers(row: Row) -> None:
    """Give the cards to the pipeline where llama.cpp splits the layers among them."""
    if "split_mode layer" in row["notes"] and _count(row["tp"]) > 1:
        correct(row, "pp", row["tp"])
        correct(row, "tp", 1)


def side_by_side(row: Row) -> None:
    """Count the copies that share a rig's users, and the users of one of them."""
    # vLLM's "dp 2" is two copies as well, where no experts are spread over both
    said = re.search(r"; (?:(\d) independent instances|dp (\d))\b", row["notes"])
    if row["source_id"] != "rig4x3090" or not said or row["ep"]:
        return
    users = _count(row["concurrency"])
    copies = min(int(said.group(1) or said.group(2)), users)  # the others wait
    correct(row, "num_gpus", copies * _count(row["tp"]) * _count(row["pp"]))
    correct(row, "concurrency", users // copies)
    if copies > 1:
        correct(row, "copies", copies)


def after_first_token(row: Row) -> None:
    """Name the rate of one user by what it is: the inverse of the gap, and no prompt inside."""
    # 75.30 tok/s beside a gap of 13.28 ms and a first token after 570 ms.
    if "campaign dflash-depth" in row["notes"] and row["metric"] == "output_tok_s_total":
        correct(row, "metric", "decode_tok_s_per_user")
        if row["regime"] == "batch1_mixed":
            correct(row, "regime", "batch1_decode")


def sent_at_once(row: Row) -> None:
    """Take the requests of a burst as its users, where the source gives a wait."""
    said = re.search(r"\b(\d{1,5}) prompts sent at once\b", row["notes"])
    if said and not row["concurrency"]:
        correct(row, "concurrency", said.group(1))


def eight_slots(row: Row) -> None:
    """Count the users whom llama.cpp answers at once in a campaign of the rig; the others wait."""
    # Gap times rate is 8 for 16, 24 and 32 users alike.
    mine = row["engine"] == "llama.cpp" and "campaign orchestrator" in row["notes"]
    if mine and row["metric"] != "ttft_ms" and _count(row["concurrency"]) > 8:
        correct(row, "concurrency", 8)


# what is doubtful


def odd_lengths(row: Row) -> None:
    """Doubt aiconfigurator's rows of two lengths."""
    # They are several times off their neighbours with other lengths.
    if row["source_id"] == "aic" and row["input_tokens"] in ("2000", "4000"):
        _add(row, "doubt", "odd-lengths")


def split_counted_twice(row: Row) -> None:
    """Take one number for the cards where a label multiplies it with itself."""
    # The cards that share a layer share its experts. A label of TP 64 and EP 8 on nodes of 8
    # multiplies the two: aiconfigurator's own name of such a row says tp8_ep8. On fewer cards
    # than a node has, the square may be meant.
    tp, ep = _count(row["tp"]), _count(row["ep"])
    if ep < 2 or tp != ep * ep:
        return
    card = names.card(row["gpu"]).name
    if card and tp > catalog.gpu(card).max_per_node:
        _add(row, "doubt", "split-counted-twice")
        assume(row, "tp", ep)
        if row["num_gpus"] == str(tp):
            assume(row, "num_gpus", ep)


def unstated_engine(row: Row) -> None:
    """Name the engine of an MLPerf system: NVIDIA's systems say TensorRT, AMD's ran vLLM."""
    if row["source_id"] != "mlperf50" or row["engine"]:
        return
    if row["gpu"].startswith("AMD"):
        assume(row, "engine", "vLLM")
    elif "TensorRT" in row["notes"]:
        correct(row, "engine", "TensorRT-LLM")
    else:
        assume(row, "engine", "TensorRT-LLM")


def beams(row: Row) -> None:
    """Doubt MLPerf's GPT-J, which searches with four beams: four sequences a request."""
    if row["source_id"] == "mlperf50" and row["model"].startswith("gptj"):
        _add(row, "doubt", "unclear-label")


def unstated_setup(row: Row) -> None:
    """Fill in the split and the format that an MLPerf result does not state."""
    # A result is the most that its cards give, so it was made with the smallest format they
    # compute in and as few cards a copy as hold it: what `stated.meaning` takes for a maximum.
    if row["source_id"] not in ("mlperf41", "mlperf50"):
        return
    _add(row, "doubt", "mlperf-setup")
    try:
        meant = stated.meaning(measurements.measurement(results.Line(row["id"], row)).spelled)
    except BadInput:
        return
    if meant.deployment is None:
        return
    if not row["weight_dtype"]:
        assume(row, "weight_dtype", meant.deployment.weights.name)
    if not any(row[name] for name in SPLIT) and meant.deployment.num_gpus * meant.copies > 1:
        assume(row, "tp", meant.deployment.tp)
        assume(row, "copies", meant.copies)


def prompt_at_decode_rate(row: Row) -> None:
    """Doubt the latencies that LLM-Inference-Bench gives of llama.cpp."""
    # Prompt and answer over the latency is the decode rate that another source measured.
    if row["source_id"] == "argonne" and row["engine"] == "llama.cpp":
        _add(row, "doubt", "prompt-at-decode-rate")


def token_position(row: Row) -> None:
    """Doubt InferenceX's experiment with token positions."""
    # Its README warns of errors.
    if row["source_id"] == "ix_tokpos":
        _add(row, "doubt", "token-position")


def speculation(row: Row) -> None:
    """Doubt the rows of which a draft wrote tokens: the law is asked without one."""
    said = row["regime"] == "speculative" or "SPECULATIVE" in row["notes"]
    if said or DRAFTED.fullmatch(row["kv_dtype"]):
        _add(row, "doubt", "speculation")


def several_nodes(row: Row) -> None:
    """Doubt the rows whose cards have a network between them, or a stage each."""
    if re.search(r"\bon (?:\d+|different) nodes\b|\bover \d nodes\b|DISAGGREGATED", row["notes"]):
        _add(row, "doubt", "several-nodes")


def power_cap(row: Row) -> None:
    """Write down at what power cards were held below their own, and doubt such rows."""
    said = re.search(r"\bpower limit (\d+) W\b", row["notes"])
    if said:
        correct(row, "power_limit_w", said.group(1))
        _add(row, "doubt", "power-cap")


CARD_MIB = 24_576  # of a card of the rig whose runs tell how much memory they saw in use


def others_beside(row: Row) -> None:
    """Doubt the runs during which more memory was in use than their own cards have."""
    # On one card of four 54 GB were in use, and one user was served half as fast as on all four,
    # which a split by layers cannot do.
    used = re.search(r"peak VRAM sum (\d+) MiB", row["notes"])
    if used and int(used.group(1)) > int(row["num_gpus"]) * CARD_MIB:
        _add(row, "doubt", "others-beside")


def first_requests(row: Row) -> None:
    """Doubt the mean of a few first tokens, one of which waits for kernels to be built."""
    # Of ten prompts to an idle SGLang the mean is five times the computation, and up to hundreds.
    said = re.search(r"\b(\d{1,5}) requests;", row["notes"])
    if row["source_id"] != "sglcook" or row["metric"] != "ttft_ms":
        return
    if said and int(said.group(1)) <= 10:
        _add(row, "doubt", "first-requests")


# What an editor wrote beside rows whose cards, split, format or load the source leaves unclear.
UNCLEAR = (
    *("UNCLEAR", "dtype unclear", "do not fit", "TP not given", "card count not stated"),
    *("open loop", "decode context parallel", "first of two unlabelled points"),
)


def in_step(row: Row) -> None:
    """Tell whose answers have one length: NVIDIA's own sweep, the runs without a day."""
    # aiconfigurator does not say it. Its runs with a day are InferenceMAX's, whose client draws
    # lengths from 0.8 to 1 of what is stated; those without are of NVIDIA's client, which gives all
    # answers one length unless it is told a spread. The runs agree: with its source left out of the
    # fit, SGLang's first tokens are within 10% of users in step, and 68% off without.
    if row["source_id"] == "aic" and "; measured=;" in row["notes"]:
        _add(row, "doubt", "in-step")


def unclear_label(row: Row) -> None:
    """Doubt the rows that an editor marked, and those of which only the arrivals are known."""
    rate = re.search(r"\brequest rate \d", row["notes"]) and not row["concurrency"]
    spread = row["ep"] and re.search(r"; dp \d", row["notes"])
    # The cookbook's launch commands stand in another section of a page than its numbers.
    elsewhere = row["source_id"] == "sglcook"
    # No layer is split over 24 or 72 cards, whose widths are multiples of powers of two: those are
    # the cards of several copies, or of one part for prompts and one for answers.
    ways = re.search(r"\bmoe_tp=(\d+)", row["notes"])
    counted = ways and int(ways.group(1)).bit_count() > 1
    if rate or spread or elsewhere or counted or any(words in row["notes"] for words in UNCLEAR):
        _add(row, "doubt", "unclear-label")


def slower_than_larger(row: Row) -> None:
    """Doubt the rows of one card and format that contradict all others of their source."""
    # An A100 SXM reads prompts of an 8B in F16 at half the rate of a 70B, and at a ninth of the
    # rate of the same card on PCIe.
    odd = row["source_id"] == "xdai" and row["gpu"].startswith("A100 SXM")
    small = "8B" in row["model"] and row["weight_dtype"].lower().endswith("f16")
    if odd and small and row["metric"] == "prefill_tok_s":
        _add(row, "doubt", "unclear-label")


# Single rows: a fraction that its own numbers contradict, and a peak unlike all others.
SINGLE = {"m07899": "fraction-label", "m07905": "activation-peak"}


def fused_attention(row: Row) -> None:
    """Write beside a build of llama.cpp that flash attention was switched on."""
    # Without it, builds of before September 2025 are taken to have it off, as by themselves.
    switch = re.search(r"-fa 1\b|flash attention True", row["notes"])
    if switch and names.engine_record(row["engine"], row["engine_version"]) == names.UNFUSED:
        correct(row, "engine_version", f"{row['engine_version']} -fa 1")


def single(row: Row) -> None:
    """Doubt the rows that are odd alone."""
    if row["id"] in SINGLE:
        _add(row, "doubt", SINGLE[row["id"]])


# Doubts first by what they look at: a rule that comes later sees what those before it wrote.
RULES = (
    odd_lengths,
    split_counted_twice,
    unstated_engine,
    unstated_setup,
    beams,
    prompt_at_decode_rate,
    token_position,
    single,
    speculation,
    several_nodes,
    power_cap,
    others_beside,
    first_requests,
    in_step,
    unclear_label,
    slower_than_larger,
    read_from_cache,
    repeated_prompts,
    cells,
    split_by_layers,
    side_by_side,
    after_first_token,
    sent_at_once,
    eight_slots,
    whole_concurrency,
    memory_fraction,
    filled_cache,
    fused_attention,
)


# a whole file


def parts(said: str) -> list[str]:
    """Split what `stated` or `assumed` holds.

    Parameters
    ----------
    said : str
        Parts of `name=value`; a value may hold what stands between two parts.

    Returns
    -------
    list of str
        The parts, none of an empty text.
    """
    return re.split(rf"{BETWEEN}(?=[a-z_]+=)", said) if said else []


def original(row: Row) -> Row:
    """Undo every rule.

    Parameters
    ----------
    row : dict
        A row, labelled or not.

    Returns
    -------
    dict
        The row as its source has it, the columns of labels empty.
    """
    out = dict.fromkeys(ADDED, "") | row
    for said in reversed(parts(out["stated"])):
        name, _, value = said.partition("=")
        out[name] = value
    return out | {"doubt": "", "assumed": "", "stated": ""}


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
    for rule in RULES:
        rule(out)
    return out


def columns(header: list[str]) -> list[str]:
    """Give the columns of a labelled file.

    Parameters
    ----------
    header : list of str
        Those of the file.

    Returns
    -------
    list of str
        The same, and those of `ADDED` where they are missing.
    """
    out = list(header)
    for name, before in ADDED.items():
        if name not in out:
            out.insert(out.index(before) + 1, name)
    return out


def label(path: Path) -> int:
    """Label a file in place.

    Parameters
    ----------
    path : Path
        Rows in the columns of `benchmarks/measured.csv`.

    Returns
    -------
    int
        Rows whose cells changed.
    """
    return rewrite(path, lambda rows: [labelled(row) for row in rows], columns)


def rewrite(
    path: Path,
    labelled_rows: Callable[[list[Row]], list[Row]],
    columns_of: Callable[[list[str]], list[str]],
) -> int:
    """Replace the rows of a file.

    Parameters
    ----------
    path : Path
        The file.
    labelled_rows : callable
        Gives the new rows for the old ones.
    columns_of : callable
        Gives the new column names for the old ones.

    Returns
    -------
    int
        Rows whose cells changed.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows, header = list(reader), list(reader.fieldnames or ())
    made = labelled_rows(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns_of(header))
        writer.writeheader()
        writer.writerows(made)
    return sum(old != new for old, new in zip(rows, made, strict=True))


def command(doc: str | None, label_file: Callable[[Path], int], files: tuple[Path, ...]) -> None:
    """Label the files that are named, or the published ones, and say how much changed.

    Parameters
    ----------
    doc : str or None
        Docstring of the script.
    label_file : callable
        Labels a file in place, and gives the rows that changed.
    files : tuple of Path
        The published ones.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, default=files)
    for path in parser.parse_args().files:
        print(f"{label_file(path):,} rows of {path} changed")


def main() -> None:
    """Label the files that are named, or the published rows."""
    command(__doc__, label, (MEASURED, NEWER))


if __name__ == "__main__":
    main()
