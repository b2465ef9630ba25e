"""Measured rows that may be wrong themselves, and not the law."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Doubt(NamedTuple):
    """Measured rows whose source leaves a doubt about what was measured.

    Attributes
    ----------
    name, title, why : str
        Its identifier in data, its heading for readers, and the reason.
    """

    name: str
    title: str
    why: str


# The column `doubt` of a measured row names the doubts about it.
DOUBTS = (
    Doubt(
        "odd-lengths",
        "aiconfigurator at 2,000 and 4,000 tokens",
        "These rows are several times off their neighbours with other lengths, some one way and "
        "some the other: a label of card, format or model is likely to be wrong.",
    ),
    Doubt(
        "split-counted-twice",
        "Cards that are experts' parallelism squared",
        "The label multiplies tensor and expert parallelism: 64 cards of TP 64 and EP 8, on nodes "
        "of 8. Of many such rows the source's own name says tp8_ep8. One number is counted twice, "
        "so it is taken once: 8 cards for both.",
    ),
    Doubt(
        "mlperf-setup",
        "MLPerf Inference v4.1 and v5.0",
        "The results state neither the split nor the formats nor the lengths. Taken was what a "
        "record is made with: the smallest format the card computes in, as few cards a copy as "
        "hold it in half of their memory, and short requests.",
    ),
    Doubt(
        "prompt-at-decode-rate",
        "LLM-Inference-Bench with llama.cpp",
        "Prompt and answer together over the latency give one rate at every length, and on the "
        "A100 it is the decode rate that another source measured. So the prompt seems to be "
        "reckoned at the decode rate, and the latency about twice what it was.",
    ),
    Doubt(
        "token-position",
        "InferenceX token positions",
        "The source itself warns of errors, mixes prompts into the time between tokens, and "
        "does not state every format.",
    ),
    Doubt(
        "fraction-label",
        "Start-up log with a fraction that cannot be",
        "It is labelled with a memory fraction of 0.9; its own numbers add up only at 0.95. At 0.9 "
        "the ledger leaves a cache no room, and a prediction of nothing has no distance here.",
    ),
    Doubt(
        "activation-peak",
        "Start-up log with a small activation peak",
        "Its activation peak is smaller than that of other start-ups of the same kind.",
    ),
    Doubt(
        "speculation",
        "A draft wrote tokens",
        "Tokens were drafted and checked, several for each pass. The law is asked without a draft, "
        "as few sources say how many drafted tokens were accepted.",
    ),
    Doubt(
        "several-nodes",
        "A network between the cards",
        "Cards of one split stand in several nodes, or some only read prompts and others only "
        "generate. The law is asked for one node that does both.",
    ),
    Doubt(
        "prefix-cache",
        "Repeated prompts, read from the cache",
        "Prompts repeat, so part of them was in the cache. How much is not stated; the law is "
        "asked as if all were computed.",
    ),
    Doubt(
        "power-cap",
        "Cards held below their own power",
        "The source caps the power of its cards. Generation hardly feels it; prompts and large "
        "batches are slower in proportion, as pairs of runs at other caps say.",
    ),
    Doubt(
        "others-beside",
        "More memory in use than a run's own cards have",
        "Of four cards a run took one or two, and the memory of all was in use: something else ran "
        "beside it, on the same host and links.",
    ),
    Doubt(
        "first-requests",
        "The mean of ten first tokens or fewer",
        "Kernels are built and tuned as the first requests come, and of so few the mean holds "
        "that wait.",
    ),
    Doubt(
        "in-step",
        "Answers of one length",
        "Users who begin together end together and ask again at once, where an engine computes "
        "prompts before it decodes on. The row is predicted so.",
    ),
    Doubt(
        "unclear-label",
        "Cards, split, format, options or load unclear",
        "Whoever wrote the row down marked one of these as unclear, the launch command stands "
        "elsewhere, or the source says how often requests were sent and not how many were in "
        "flight.",
    ),
)


def doubts(line: Mapping[str, Any]) -> tuple[str, ...]:
    """List the doubts about a measured row.

    Parameters
    ----------
    line : mapping
        A row, values by column; `doubt` holds names separated by ";".

    Returns
    -------
    tuple of str
        The names that `DOUBTS` has, in the order of the row.

    Examples
    --------
    >>> doubts({"id": "m1", "doubt": "odd-lengths; split-counted-twice; something else"})
    ('odd-lengths', 'split-counted-twice')
    """
    text, known = line.get("doubt"), {doubt.name for doubt in DOUBTS}
    names = text.split(";") if isinstance(text, str) else []
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip() in known))
