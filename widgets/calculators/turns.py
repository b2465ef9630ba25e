"""Why the lead turns along a load: memory, or what of the hardware the one behind waits for."""

from llmcap_kernel import calibration

# The parts of a gap, by what of the hardware sets them.
CAUSES = {
    "attention_s": "memory bandwidth, which reads the caches",
    "dense_s": "bandwidth and compute, for the weights",
    "expert_s": "bandwidth and compute, for the experts",
    "communication_s": "the link between its cards",
    "prompts_s": "compute, for other users' prompts",
}
OTHERS = "what a step takes beside weights and caches"
OUT = {
    "room": "{} no longer has memory for all",
    "start": "{} no longer has memory for one user",
    "length": "{} takes no request so long",
    "rate": "{} no longer answers all",
}


def why(question, curves, before, after):
    """Say what turns the answer to who is ahead, from one part of a range to the next.

    Parameters
    ----------
    question : Question
        What is asked.
    curves : list of Curve
        All deployments.
    before, after : Stretch
        Two parts side by side.

    Returns
    -------
    str
        Such as "at 27, 2x H100 no longer has memory for all"; "" where there is no one reason.
    """
    at, found = f"at {after.start:,},", {curve.label: curve for curve in curves}
    for curve in curves:
        if curve.label not in before.names or curve.value(before.end) is None:
            continue
        if curve.value(after.start) is None and (gone := curve.obstacle(after.start)) in OUT:
            return f"{at} {OUT[gone].format(curve.label)}"
    old, new = before.leads[-1].leader, after.leads[0].leader
    if not {old, new} <= found.keys() or not question.has_ceiling:
        return ""  # level with another, or a count of users, which memory alone decides
    if question.rate_at(after.start) is not None:
        return ""  # the queue decides as much as the parts of a step
    if old != new:
        cause = _cause(question, found[old], found[new], (before.start, after.start))
        return f"{at} {new} passes {old} on {cause}"
    return _nearer_or_farther(question, found, before, after)


def _nearer_or_farther(question, found, before, after):
    """Say on what a rival falls back or catches up, where the same leads and is more or less sure.

    Nothing where its distance did not move so: then the intervals did.
    """
    leader, close = before.leads[-1].leader, before if before.is_close else after
    rivals = [found[name] for name in close.names if name != leader and name in found]
    if len(rivals) != 1:
        return ""
    (rival,), first = rivals, found[leader]
    ends = (before.start, after.start if before.is_close else after.end)
    if None in [curve.value(x) for curve in (first, rival) for x in ends]:
        return ""
    began, ended = (max(rival.value(x), first.value(x)) / min(rival.value(x), first.value(x))
                    for x in ends)  # fmt: skip
    at = f"at {after.start:,}, {rival.label}"
    if before.is_close and ended > began:
        return f"{at} falls back on {_cause(question, rival, first, ends)}"
    if after.is_close and ended < began:
        return f"{at} catches up on {_cause(question, first, rival, ends)}"
    return ""


def _cause(question, loses, gains, ends):
    """The part of the time in which one deployment loses most to another between two loads."""
    if question.state["show"] == "ttft":
        return CAUSES["prompts_s"]
    lost: dict = {}
    for sign, curve in ((1, loses), (-1, gains)):
        d = question.columns[curve.label]
        for way, x in zip((-sign, sign), ends, strict=True):
            load = question.load_at(x)
            served = calibration.estimates(d, load).served
            for name, part in _parts(served).items():
                lost[name] = lost.get(name, 0.0) + way * part * _weight(question, d, load)
    return CAUSES.get(max(lost, key=lost.__getitem__), OTHERS)


def _parts(served):
    """What a gap is made of, and the pauses for prompts."""
    tokens = served.decode.work.tokens_per_step
    parts = {name: part_s / tokens for name, part_s in served.decode.parts.items()}
    return parts | {"prompts_s": served.itl_s - served.itl_decode_s}


def _weight(question, d, load):
    """What a second of a gap costs: the rent, shared by all users, where the price is looked at."""
    if question.state["show"] not in ("price", "total"):
        return 1.0
    rent = d.usd_h_all if question.state["show"] == "price" else 1.0
    return (rent or 1.0) / load.concurrency
