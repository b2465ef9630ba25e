"""Work in time, as a question has it: tokens a day as requests a second, and these as users."""

import re

from llmcap_kernel.refuse import typed_number
from llmcap_kernel.spec import Workload

from . import asked, lists

LEAST_RPS = 1e-6
SIDES = {
    "in": ("input", "prompt", "prompts"),
    "out": ("output", "answer", "answers", "generated", "generation", "completion"),
}


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
    >>> rate("10k tok/s output", 7000, 1000)[0]
    10.0
    >>> rate("8m tokens a day", 7000, 1000)[0] == 8e6 / 86_400 / 8000
    True
    """
    found = re.fullmatch(asked.VOLUME, volume, re.I)
    second = [one for words in asked.THROUGHPUTS if (one := re.fullmatch(words, volume, re.I))]
    if found:
        number, which, unit, other = found.groups()
        tokens_s = (typed_number(number) or 0) / asked.PER[(unit or other).lower()]
    else:
        number, which = second[0].groups() if second else ("", "")
        tokens_s = typed_number(number) or 0
    side = next((name for name, words in SIDES.items() if which.strip().lower() in words), "")
    each = {"in": prompt, "out": answer}.get(side, prompt + answer)
    counted = {"in": "of prompts", "out": "of answers"}.get(side, "of prompts and answers together")
    rate_rps = max(tokens_s / each, LEAST_RPS)
    mean = f"{tokens_s:,.4g} a second on average, which is " if found else ""
    said = (
        f"{volume} are taken as {counted}: {mean}{rate_rps:.3g} requests a second with "
        f"{prompt:,} tokens in and {answer:,} out."
    )
    return rate_rps, said + " A busy hour has more than the average." * bool(found)


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


def too_few(deployment, prompt, answer, rate_rps):
    """Say how many of the requests of a rate a deployment answers, where not all.

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
    str
        A sentence; "" where it answers them all, or does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> too_few(one, 1000, 100, 1.0)
    ''
    >>> too_few(one, 1000, 100, 1000.0)[:31]
    'No: one H100 SXM5 80GB answers '
    """
    from llmcap_kernel.evidence import open_loop

    load = Workload(max(prompt, 1), max(answer, 1))
    most_rps = open_loop.most_rps(deployment, load)
    if not 0 < most_rps < rate_rps:
        return ""
    count, title = deployment.num_gpus, lists.listed_title(deployment.gpu.name)
    who = f"one {title} answers" if count == 1 else f"{count} {title} answer"
    return f"No: {who} {most_rps:.2g} of {rate_rps:,.4g} requests/s."


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
