"""Copies beside another split, as "2 replicas TP 2 vs one TP 4"."""

import re

from .patterns import COUNT, JOIN, MANY

COPIES = r"(?:replicas?|copies|copy|instances?|pods?|deployments?|groups?)"
LINK = r"\s*(?:(?:of|with|at|on|in|using|each|running|,)\s*)*"
PP = r"(?:pp|pipeline[\s-]parallel(?:ism)?)[\s=:-]*(?:of\s+)?"
TP = r"(?:tp|tensor[\s-]parallel(?:ism)?)[\s=:-]*(?:of\s+)?"
DP = r"(?:dp|data[\s-]parallel(?:ism)?)[\s=:-]*(?:of\s+)?"
CARD = r"(?P<card>gpus?|cards?|accelerators?|[a-z]{1,4}\s?\d{2,4}[a-z]*)"
# How a side is written: its copies, and the cards of each.
SIDES = (
    rf"\b{DP}(?P<copies>\d+)\s*[x×,+&/]?\s*{TP}(?P<cards>\d+)",
    rf"\b{TP}(?P<cards>\d+)\s*[x×,+&/]?\s*{DP}(?P<copies>\d+)",
    rf"\b{TP}(?P<cards>\d+)\s*[x×,+&/]?\s*{PP}(?P<stages>\d+)",
    rf"\b{PP}(?P<stages>\d+)\s*[x×,+&/]?\s*{TP}(?P<cards>\d+)",
    rf"\b(?P<copies>{COUNT})[\s-]+{TP}(?P<cards>\d+)\s+{COPIES}\b",
    rf"\b(?P<copies>{COUNT})\s*[x×]?\s*{COPIES}?{LINK}\b{TP}(?P<cards>\d+)",
    rf"\b(?P<copies>{COUNT})\s*[x×]?\s*(?P<cards>{COUNT})[\s-]+{CARD}\s+{COPIES}\b",
    rf"\b(?P<copies>{COUNT})\s*[x×]?\s*{COPIES}{LINK}(?P<cards>{COUNT})\s*[x×]?\s*{CARD}\b(?:\s*each\b)?",
    rf"(?<![\w.])(?P<copies>\d)\s*[x×]\s*(?P<cards>[1-4])(?![\w.])(?:\s*{CARD}\b)?",
    rf"\b{DP}(?P<copies>\d+)\b(?!\s*attention)",
    rf"\b{TP}(?P<cards>\d+)",
    rf"\b{PP}(?P<stages>\d+)",
)
# "2 replicas or 1 on 4 H100 each": the cards of both, said once.
CARDS_ONCE = (
    rf"\b({COUNT})\s+({COPIES})\s*(vs\b\.?|versus\b|or\b|against\b)\s*({COUNT})(?:\s+{COPIES})?\s+"
    rf"(?:on|of|with)\s+({COUNT})\s*[x×]?\s*([a-z]{{1,4}}\s?\d{{2,4}}[a-z]*)\b(?:\s*each\b)?"
)
BETWEEN = re.compile(rf"{JOIN}|\brather than\b|\bcompared (?:to|with)\b", re.I)


def fleets(text):
    """Find copies of one split beside another split.

    Parameters
    ----------
    text : str
        The question.

    Returns
    -------
    tuple of list of tuple of int, and str
        By side the copies, and the TP and the stages of each, or their product and 0: none where
        there are no two, or all are one copy without stages; and the question without them.

    Examples
    --------
    >>> fleets("2 replicas TP 2 vs one TP 4 of Llama-3.3-70B on H100")
    ([(2, 2, 1), (1, 4, 1)], ', vs , of Llama-3.3-70B on H100')
    >>> fleets("qwen3-8b on H100, TP 2 vs TP 4")[0]
    []
    """
    if several := re.search(
        rf"\b{TP}(\d+(?:{JOIN}(?:{TP})?\d+){{2,}})(?!\s*[x×]|\w|\s+[a-z]*users)", text, re.I
    ):
        rest = text[: several.start()] + " , " + text[several.end() :]
        return [(1, int(n), 1) for n in re.findall(r"\d+", several[1])], rest
    text = re.sub(CARDS_ONCE, r"\1 \2 of \5 \6 \3 \4 \2 of \5 \6", text, flags=re.I)
    found, rest = [], text
    for shape in SIDES:
        for match in re.finditer(shape, rest, re.I):
            parts = match.groupdict()
            copies, cards, stages = map(_count, map(parts.get, ("copies", "cards", "stages")))
            side = copies, cards, 0 if "card" in parts else stages
            found.append((match.start(), side))
        # a card keeps its name, and words their places
        rest = re.sub(shape, _blank, rest, flags=re.I)
    sides = [side for _, side in sorted(found)]
    if len(sides) < 2 or not BETWEEN.search(rest) or all(n == 1 and m < 2 for n, _, m in sides):
        return [], text
    return sides, " ".join(f" {rest} ".split())


def _count(words):
    return MANY.get(words.lower()) or int(words) if words else 1


def _blank(match):
    """As many places, with the name of a card and no word for one."""
    card = (match.groupdict().get("card") or "").strip()
    card = card if re.search(r"\d", card) else ""
    return f" , {card}".ljust(len(match[0]))
