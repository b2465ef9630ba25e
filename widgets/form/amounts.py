"""Work in time, as a question has it: tokens a day as requests a second, and these as users."""

import re
from math import ceil

from llmcap_kernel.refuse import typed_number
from llmcap_kernel.spec import Workload

from . import asked

LEAST_RPS = 1e-6
DESK = 8  # cards: no more join in a machine that stands alone
SIDES = {"in": ("input", "prompt"), "out": ("output", "answer", "generated", "completion")}


def rate(volume, prompt, answer):
    """Read tokens a day as the mean of requests a second.

    Parameters
    ----------
    volume : str
        As `asked` found it, such as "2m tokens a day".
    prompt, answer : int
        Their lengths [tokens].

    Returns
    -------
    tuple of float and str
        The rate [requests/s], and how it was read.

    Examples
    --------
    >>> rate("86.4m output tokens per day", 7000, 1000)[0]
    1.0
    >>> rate("8m tokens a day", 7000, 1000)[0] == 8e6 / 86_400 / 8000
    True
    """
    found = re.fullmatch(asked.VOLUME, volume, re.I)
    number, which, unit, other = found.groups() if found else ("", "", "day", "")
    tokens_s = (typed_number(number) or 0) / asked.PER[(unit or other).lower()]
    side = next((name for name, words in SIDES.items() if which.strip().lower() in words), "")
    each = {"in": prompt, "out": answer}.get(side, prompt + answer)
    counted = {"in": "of prompts", "out": "of answers"}.get(side, "of prompts and answers together")
    rate_rps = max(tokens_s / each, LEAST_RPS)
    said = (
        f"{volume} are taken as {counted}: {tokens_s:,.4g} a second on average, which is "
        f"{rate_rps:.3g} requests a second with {prompt:,} tokens in and {answer:,} out. "
        "A busy hour has more than the average."
    )
    return rate_rps, said


def users(deployment, prompt, answer, rate_rps):
    """Say how many requests are in flight at a rate.

    Parameters
    ----------
    deployment : Deployment
        What answers them.
    prompt, answer : int
        Their lengths [tokens].
    rate_rps : float
        Requests a second [requests/s].

    Returns
    -------
    tuple of int and str
        Users at once, 0 where the deployment does not start; and what was taken.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> users(one, 1000, 100, 1.0)[0] < users(one, 1000, 100, 8.0)[0]
    True
    """
    from llmcap_kernel.evidence import open_loop  # a page opens without it

    return open_loop.taken(deployment, Workload(max(prompt, 1), max(answer, 1)), rate_rps)


def cards_of(count, nodes, each, usual):
    """Count the cards of a question that names nodes.

    Parameters
    ----------
    count : int
        Cards that it names, 0 where it names none.
    nodes : int
        Nodes.
    each : bool
        Whether the cards are said to be those of a node.
    usual : int
        Cards that a node of them has.

    Returns
    -------
    int
        All of them.

    Examples
    --------
    >>> cards_of(16, 2, False, 8), cards_of(8, 2, True, 8), cards_of(0, 2, False, 8)
    (16, 16, 16)
    """
    count = count or usual
    together = not each and count > usual and count <= nodes * usual
    return count if together else count * nodes


def split(count, model, gpu):
    """Split a model over cards as engines advise: by tensors in a node, by layers across them.

    Parameters
    ----------
    count : int
        Cards.
    model : Model
        The model.
    gpu : Gpu
        The card.

    Returns
    -------
    dict
        tp and pp; ep and dp where the cards of one node share experts and not heads.

    References
    ----------
    vLLM, docs/serving/parallelism_scaling.md: tensor parallel size is the cards of a node,
    pipeline parallel size the nodes; where the cards do not divide the model, pipeline alone.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> h100, r1 = catalog.gpu("h100-sxm"), catalog.model("deepseek-r1")
    >>> split(16, r1, h100), split(72, r1, catalog.gpu("gb200"))
    ({'tp': 8, 'pp': 2}, {'tp': 72, 'pp': 1, 'ep': True, 'dp': True})
    >>> split(3, catalog.model("llama-3.1-70b"), catalog.gpu("rtx-3090"))
    {'tp': 1, 'pp': 3}
    """
    in_a_node = min(count, gpu.max_per_node)
    heads = model.heads or count
    wide = DESK < count == in_a_node  # a rack, whose cards all see each other
    if wide and heads % count and count <= model.experts:
        return {"tp": count, "pp": 1, "ep": True, "dp": True}
    nodes = ceil(count / in_a_node)
    widths = [n for n in range(in_a_node, 0, -1) if count % n == 0 and heads % n == 0]
    good = [n for n in widths if count // n <= model.layers and count // n >= nodes]
    return {"tp": good[0], "pp": count // good[0]} if good else {"tp": count, "pp": 1}
