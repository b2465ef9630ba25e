"""Label the measured rows: what is doubtful, what was filled in, what the notes say.

`python benchmarks/label.py [FILE]` reads `benchmarks/measured.csv` and writes it back. All that
is known of one source alone stands here, so that `llmcap_kernel` reads columns and knows none:

- `doubt`: why the row itself may be wrong, names of `evidence.weak_spots.DOUBTS`
- `assumed`: what the source leaves open and a rule below filled in, as `name=value`
- `stated`: what the source's cell held before a rule wrote it, as `name=value`, so that nothing
  is lost; empty behind the sign where the source left the cell empty
- `copies`: deployments side by side whose rates add up; empty is one
- `cached_tokens`: leading tokens of `input_tokens` that were in the cache already

Each run first puts back what `stated` holds and clears `doubt` and `assumed`, then applies
`RULES`. So a second run changes nothing, and a rule that is taken out leaves no trace. These
columns are the script's: write a correction as a rule and not into the file.
"""

import argparse
import csv
import re
from pathlib import Path

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.evidence import compare, results, stated
from llmcap_kernel.refuse import BadInput

MEASURED = Path(__file__).with_name("measured.csv")
# Columns that a file may lack, each behind the one that it follows.
ADDED = {
    "copies": "dp_attention",
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
    # llama.cpp's table of the DGX Spark times 2,048 tokens behind a cache that is filled already:
    # the prompt is longer by it, and that part is not computed again.
    said = re.search(r"\bat context depth ([1-9]\d{0,6})\b", row["notes"])
    if said and row["metric"] == "prefill_tok_s" and _count(row["input_tokens"]):
        correct(row, "input_tokens", _count(row["input_tokens"]) + int(said.group(1)))
        correct(row, "cached_tokens", said.group(1))


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


def unstated_setup(row: Row) -> None:
    """Fill in the split and the format that an MLPerf result does not state."""
    # A result is the most that its cards give, so it was made with the smallest format they
    # compute in and as few cards a copy as hold it: what `stated.meaning` takes for a maximum.
    if row["source_id"] != "mlperf41":
        return
    _add(row, "doubt", "mlperf-setup")
    try:
        meant = stated.meaning(compare.measurement(results.Line(row["id"], row)).spelled)
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


# Single rows: a fraction that its own numbers contradict, and a peak unlike all others.
SINGLE = {"m07899": "fraction-label", "m07905": "activation-peak"}


def single(row: Row) -> None:
    """Doubt the rows that are odd alone."""
    if row["id"] in SINGLE:
        _add(row, "doubt", SINGLE[row["id"]])


# Doubts first by what they look at: a rule that comes later sees what those before it wrote.
RULES = (
    odd_lengths,
    split_counted_twice,
    unstated_setup,
    prompt_at_decode_rate,
    token_position,
    single,
    whole_concurrency,
    memory_fraction,
    filled_cache,
)


# a whole file


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
    for said in filter(None, reversed(out["stated"].split(BETWEEN))):
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
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows, header = list(reader), list(reader.fieldnames or ())
    made = [labelled(row) for row in rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns(header))
        writer.writeheader()
        writer.writerows(made)
    return sum(old != new for old, new in zip(rows, made, strict=True))


def main() -> None:
    """Label the file that is named, or the published rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=MEASURED)
    path = parser.parse_args().file
    print(f"{label(path):,} rows of {path} changed")


if __name__ == "__main__":
    main()
