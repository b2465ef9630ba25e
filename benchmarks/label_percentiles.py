"""Label the measured percentiles: which latency a row is of, and what its run leaves open.

`python benchmarks/label_percentiles.py [FILE]` reads `benchmarks/percentiles.csv` and writes it
back. The rules of `label.py` hold for it as well, with the columns that they write; beside them:

- `quantity`: "itl" for every gap, "tpot" for the mean gap of a request, "ttft", "e2e"
- `users`: requests in flight where the source gives none: all that were sent at once
- `max_num_seqs`: how many the engine answers at once, where its run shows it
- `answers`: the law of the lengths of answers: "alike", "uniform" draws, or "exponential" as those
  that people get
- `at_once`: share of the requests that are sent at the same moment
- `draft_tokens`, `draft_accepted`: tokens drafted for a pass, and the share that was accepted; "?"
  where it is not stated
- `lacks`: an input that the source does not state

A second run changes nothing. These columns are the script's: write a correction as a rule.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import label

FILE = Path(__file__).with_name("percentiles.csv")
FOUND = (
    *("quantity", "users", "max_num_seqs", "answers", "at_once"),
    *("draft_tokens", "draft_accepted", "lacks"),
)
OPEN = "?"
# Of `label.py`, the one that counts the users whom llama.cpp answers: here the others wait.
RULES = tuple(rule for rule in label.RULES if rule is not label.eight_slots)

Row = dict[str, str]


def quantity(row: Row) -> None:
    """Name the latency; the rig's gaps are means of a request, as its description says."""
    row["quantity"] = row["metric"].removesuffix("_ms")
    if row["source_id"] == "rig4x3090" and row["quantity"] == "itl":
        row["quantity"] = "tpot"


def users(row: Row) -> None:
    """Count all requests as users where they are sent at once."""
    rate = row["request_rate_s"]
    row["users"] = row["concurrency"]
    at_once = rate in ("", "inf") or (rate.replace(".", "").isdigit() and float(rate) >= 1000)
    if not row["users"] and at_once:
        row["users"] = row["n_requests"]


def slots(row: Row) -> None:
    """Count the slots of llama.cpp in one campaign: gap times rate is 8 for 16 and 32 users."""
    if row["engine"] == "llama.cpp" and "campaign orchestrator" in row["notes"]:
        row["max_num_seqs"] = "8"


def answers(row: Row) -> None:
    """Tell how long the answers are: SGLang draws lengths evenly, and people's vary more."""
    words = row["notes"]
    alike = "uniform" if row["source_id"] == "sglcook" else "alike"
    row["answers"] = "exponential" if "ShareGPT" in words else alike


def at_once(row: Row) -> None:
    """Tell how many ask together: users whose answers are alike end together, and ask again."""
    many, sent = row["users"] or row["concurrency"], row["n_requests"]
    if row["answers"] == "alike":
        row["at_once"] = "1"
    elif many and sent:
        row["at_once"] = f"{min(int(many) / int(sent), 1):g}"


def no_link(row: Row) -> None:
    """Take cards on PCIe where two of them compute a chunk of a prompt no sooner than one."""
    # The longest gaps, which carry 2 048 tokens, are 154 ms on one card and 183 ms on two.
    if row["source_id"] == "dennislee" and row["gpu"] == "A100 80GB":
        label.assume(row, "gpu", "A100 80GB PCIe")


def drafts(row: Row) -> None:
    """Read what was drafted and accepted: "steps=3 ... accept length 3.48", "k=7 ... 0.22"."""
    words = row["notes"]
    if "SPECULATIVE" not in words:
        return
    steps = re.search(r"\b(?:steps|k)=(\d+)", words)
    row["draft_tokens"] = steps.group(1) if steps else OPEN
    length = re.search(r"accept length ([\d.]+)", words)
    share = re.search(r"acceptance ([\d.]+)", words)
    row["draft_accepted"] = share.group(1) if share else OPEN
    if length and steps:  # the mean tokens of a pass, its own included
        row["draft_accepted"] = f"{(float(length.group(1)) - 1) / int(steps.group(1)):.4f}"


def lacks(row: Row) -> None:
    """Name the input that is missing, so that the row is refused and not guessed."""
    unknown = "prefix-cache" in row["doubt"] and not row["cached_tokens"]
    if "several-nodes" in row["doubt"]:
        row["lacks"] = "the network between its nodes"
    elif not row["input_tokens"]:
        row["lacks"] = "the length of its prompts"
    elif OPEN in (row["draft_tokens"], row["draft_accepted"]):
        row["lacks"] = "how many drafted tokens were accepted"
    elif row["quantity"] in ("ttft", "e2e") and unknown:
        row["lacks"] = "how much of its prompts was in the cache"


OWN = (quantity, users, slots, answers, at_once, no_link, drafts)


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
    return label.original(row) | dict.fromkeys(FOUND, "")


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
    out = original(row) | {"regime": ""}
    for rule in (*OWN, *RULES, lacks):
        rule(out)
    return {name: out[name] for name in columns(list(out))}


def columns(header: list[str]) -> list[str]:
    """List the columns of a labelled file.

    Parameters
    ----------
    header : list of str
        Those of a row or of a file.

    Returns
    -------
    list of str
        The source's own, then those that the rules write.
    """
    own = [name for name in header if name not in (*label.ADDED, *FOUND, "regime")]
    return [*own, *label.ADDED, *FOUND]


def relabel(path: Path) -> int:
    """Label a file in place.

    Parameters
    ----------
    path : Path
        Rows in the columns of `benchmarks/percentiles.csv`.

    Returns
    -------
    int
        Rows whose cells changed.
    """
    return label.rewrite(path, lambda rows: [labelled(row) for row in rows], columns)


def main() -> None:
    """Label the files that are named, or the published rows."""
    label.command(__doc__, relabel, (FILE,))


if __name__ == "__main__":
    main()
