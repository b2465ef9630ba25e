"""The page on constants: what its places are called, and who leads there."""

import re

from llmcap_kernel import calibration


def anchor(name):
    """Write the place of a constant, a set, an engine on chips, or a width on its page.

    Parameters
    ----------
    name : str
        As an explanation has it.

    Returns
    -------
    str
        The part of an address behind its "#".

    Examples
    --------
    >>> anchor("hopper.layer_s"), anchor("vllm on hopper")
    ('hopper-layer-s', 'vllm-on-hopper')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def behind(cards):
    """List what the estimates of deployments stand on, each with its place on the page.

    Parameters
    ----------
    cards : iterable of design.Card
        The deployments.

    Returns
    -------
    list of dict
        The text of a link and its place, once each; none where nothing is estimated.
    """
    found = {}
    for card in cards:
        if card.estimates:
            text, key = _measured(card.deployment)
            found[text] = {"title": text, "anchor": anchor(key)}
    return list(found.values())


def _measured(deployment):
    """An engine on the chips it was measured on; else the most special set that there is."""
    known = calibration.table()
    path = calibration.keys(deployment.engine.family, deployment.gpu)
    engine, chips = path[1], deployment.gpu.family
    both = f"{engine} on {chips}"
    if both in known["rows"]:
        return f"{both}: {known['rows'][both]:,} rows", both
    key = next(name for name in reversed(path) if name in known["rows"])
    return f"{both}: no row; {key}: {known['rows'][key]:,} rows", key
