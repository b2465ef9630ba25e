"""A question's words as they are read: other spellings of one thing, and slips of a key."""

import re
from typing import Any

from llmcap_kernel.refuse import shown

from .patterns import A_RATE, FORMAT, GAP, JOIN, MANY, PEAK, PEOPLE, PER, REQUESTS, WAIT

FOREIGN = r"(?:€|£|\b(?:euros?|eur|gbp)\b)"  # money that is no dollar
# A size of Llama without its number is the newest of it, in a question of today.
NEWEST = {"8": "llama-3.1-8b", "70": "llama-3.3-70b", "405": "llama-3.1-405b"}
# Words about a load that are typed with a slip, and those that are a letter from them and right.
SLIPPED = ("users", "concurrent", "concurrency", "requests", "context", "tokens", "prompt",
           "output", "budget", "cheapest", "employees", "developers", "engineers", "customers",
           "llama", "mistral", "gemma", "mixtral", "deepseek")  # fmt: skip
NO_SLIP = {"user", "uses", "used", "request", "content", "contest", "contexts", "token", "prompts",
           "outputs", "budgets", "concurrently", "llava", "llada", "llamas"}  # fmt: skip
# Other spellings of what is read below, in this order.
SIZE = r"(?:12|16|24|32|36|40|48|64|80|94|96|128|141|192)"  # of memories that are sold [GB]
COUNTED = (
    r"(?=\s*(?:tok\w*|users?|requests?|prompts?|in\b|inputs?|out\b|outputs?|answers?|context"
    rf"|documents?|{PEOPLE}))"
)


def _letter(found):
    """A number's word as the letter that is read: "1 Mrd" is a billion."""
    return {"t": "k", "m": "M", "b": "B"}["b" if "mrd" in found[1].lower() else found[1][0].lower()]


def _an_hour(found):
    """Requests of each user an hour, of one every so many seconds or minutes."""
    every_s = int(found[1]) * (1 if found[2].lower() == "s" else 60)
    return f" each {3600 / every_s:.6g} requests an hour "


REWRITTEN: tuple[tuple[str, Any], ...] = (
    (r"[()]", " "),
    (r"\bwhat['’]?s\b", "what is"),
    (r"\b24\s*/\s*7\b", " "),  # no pair of lengths
    # thousands and decimals as other languages write them: "7.000 tokens", "1 000 users", "1,5 s"
    (rf"(?<![\w.,$-])(\d{{1,3}})[.\s'’](\d{{3}}){COUNTED}", r"\1\2"),
    (r"(?<![\w.,])(\d+),(\d{1,2})(?=\s*(?:(?:ms|s|sec\w*|eur\w*|usd)\b|[€$]))", r"\1.\2"),
    (r"([€$]\s*\d+),(\d{1,2})(?!\d)", r"\1.\2"),
    (r"\b([LT]4|L40S|\d0[5-9]0)s\b", r"\1"),
    (r"(?<=\d)\s*gigs?\b", "GB"),
    (r"(?<![\w.])(\d[\d.,]*k?)(in|out)\b", r"\1 \2"),
    (r"(?<=\d)\s*tps\b", " tok/s"),
    # the memories of one card: "A100 40 vs 80"
    (
        rf"\b((?:\d{{1,2}}\s*x?\s*)?(?:[AH]\d00|V100|M\d\s?\w*)[\s-]*)({SIZE})\s*(?:gi?b)?({JOIN})({SIZE})\s*(?:gi?b)?(?![\w.])"
        rf"(?!\s*(?:x|{COUNTED[3:-1]}))",
        r"\1\2GB \3 \1\4GB ",
    ),
    # how many behind the card: "H100 SXM 8x"
    (
        r"\b([abh]\d{2,3}s?(?:\s+(?:sxm\d?|pcie|nvl))?)\s+(\d{1,2})\s?[x×](?=\s+[a-z]|,|\s*$)",
        r"\2x \1 ",
    ),
    # "TP 4 or 8"
    (
        rf"\b(tp|tensor[\s-]parallel)([\s=-]*\d+)(\s*(?:/|\bor\b|\bvs\b\.?|\bversus\b|\bover\b)\s*)(\d{{1,2}})(?![\w.])"
        rf"(?!\s*(?:[x×%]|gpus?|cards?|{A_RATE}|users|[a-z]{{1,2}}\d))",
        r"\1\2 \3 tp \4 ",
    ),
    (r"\b(on|with)\s+((?:an?|my|one)\s+)?(\d0[5-9]0)\s+(?=tok)", r"\1 \2rtx \3 , "),  # no speed
    (r"(\bat|@)\s*(\d+[.,]\d{1,2})(?=\s*(?:/|\ban?\b|\bper\b)\s*h(?:r|our)?\b)", r"\1 $\2"),
    (r"(?<![\w.,$-])([1-9])\s+(?=(?:rtx\s*)?\d0[5-9]0\b)", r"\1x "),  # "4 3090"
    # so many nodes, and not cards: "4 H100 nodes"
    (
        r"(?<![\w.,$-])([1-9]\d?|two|three|four)\s+((?:[A-Za-z]+\s?)?\d{2,3}\w?)\s+"
        r"(nodes|servers|boxes|machines)\b",
        r"\1 \3 of \2",
    ),
    # what an API asks, or what a token may cost at most: "$0.60 per million tokens"
    (
        r"\$\s*(\d[\d.]*)\s*(?:/|\bper\b|\ban?\b)\s*1?\s*m(?:tok|illion)?\b"
        r"(?:\s*(?:output\s+)?tokens?)?(?!\s*(?:in|out|inputs?|outputs?|prompts?|answers?)\b)",
        r" $\1 out ",
    ),
    (
        r"\b(?:go|going|mov(?:e|ing)|upgrad(?:e|ing)|switch(?:ing)?|chang(?:e|ing))\s+"
        r"(?:[\w ]{0,20}?)?from\s+(.{1,30}?)\s+to\s+",
        r" gain from \1 vs ",
    ),
    # "upgrade our 2 A100 to H100", and no "switch to FP8"
    (
        r"\b(?:upgrad|migrat|switch|replac)(?:e|ing)?\s+(?:our|my|the)?\s*(?!to\b|from\b)"
        r"([^,;]{1,30}?)\s+(?:to|with|by)\s+(?=\S*\d|\w+\s+\S*\d)",
        r" gain from \1 vs ",
    ),
    # a part of the cards that there are: "2 of our 8 H100"
    (
        r"(?<![\w.,$-])(\d{1,3}|one|two|three|four|half)\s+(?:out\s+)?of\s+(?:(?:our|my|the|these|those|all|"
        r"its)\s+)*(\d{1,3}|two|three|four|eight)\s*x?\s*(?=(?:nvidia\s+|amd\s+|rtx\s*)?[a-z]{1,5}\s?\d{1,4}[a-z]*\b"
        r"|\d0[5-9]0\b|gpus?\b|cards?\b)(?!\w+\s+(?:nodes|servers|boxes|machines)\b)",
        lambda found: f"{_part_of(found[1], found[2])}x ",
    ),
    (
        r"(?<![\w.,$-])\d{1,3}\s*x?\s*((?:nvidia\s+|amd\s+|rtx\s*)?[a-z]{0,5}\s?\d{1,4}[a-z]*)\b([^;]{0,40}?)"
        r"\b(?:use|using|on|with|take|only|just)\s+(?:only\s+|just\s+)?(\d{1,2}|one|two|three|four)\s+of\s+"
        r"(?:them|these|those)\b(?!\s*(?:are\s+)?(?:at once|active|conc|online))",
        r"\3x \1 \2 ",
    ),
    (r"\b(?:a second|one more|another)\s+(?=(?:rtx\s*)?[a-z]*\d{2,4}\w*\b)", "tp 2 over tp 1 on "),
    # what follows each of several formats follows all: "int8 kv vs fp8 kv"
    (
        rf"({FORMAT})\s+(kv|cache|weights)(?:\s+cache)?({JOIN})(?={FORMAT}\s+\2\b)",
        r"\1\3",
    ),
    (r"\bds[\s-]?(?=(?:v3|r1)\b)", "deepseek-"),
    # two percentiles of one latency
    (
        r"\b(p(?:50|90|95|99))\s*(?:and|/|,|&|\+)\s*(p(?:50|90|95|99))"
        rf"(?=\s+(?:of\s+)?(?:the\s+)?(?:{WAIT}|{GAP}))",
        r" beside \1 , \2 ",
    ),
    # what retrieval puts into a prompt
    (
        r"(?<![\w.])(\d+)\s*(?:chunks?|passages?|snippets?)\s*(?:of|with|at|x)?\s*(\d+)\s*tokens?\b",
        lambda found: f" {int(found[1]) * int(found[2])} tokens prompt ",
    ),
    # a side behind its time: "100k tokens/min input"
    (
        rf"\btokens?\s*((?:/|per\b|an?\b)\s*(?:{'|'.join(PER)})\w*)\s+(?:of\s+)?"
        r"(input|output|prompt|answer)s?\b",
        r"\2 tokens \1",
    ),
    # as vLLM's log has it
    (
        r"\b(max\w*\s+concurrency)\s+(?:for|at)\s+([\d.,]+\s?k?i?)\s*tokens(?:\s+per\s+request)?"
        r"\s*(?::|is|of|says)?\s*(\d+(?:\.\d+)?)\s*x",
        r"\1 \3x for \2 tokens",
    ),
    (rf"{FOREIGN}\s*(?=\d)", "$"),
    (rf"(?<![\w.$])(\d[\d.,]*k?)\s*{FOREIGN}", r"$\1"),
    (r"\bllama[ -](8|70|405)b\b", lambda found: NEWEST[found[1]]),
    # "2 million"
    (r"(?<=\d)[\s-]*(thousand|mio\b\.?|mln\b|million|billion|bn\b|bln\b|mrd\b\.?)", _letter),
    (r"\bisl\s*/\s*osl\b", " "),  # of a pair behind it
    (r"(?<!\w)--?(?=[a-z]{2})", " "),  # options of a command
    (r"\b(awq|gptq)[\s-]*(?:int)?[48][\s-]?bits?\b", r"\1"),
    # another kind of the same cards: "4 H100 PCIe vs SXM"
    (
        r"\b((?:\d{1,2}\s*x?\s*)?[AH]\d00)\s+(pcie|sxm\d?|nvl)\s*(,|/|\bor\b|\bvs\b\.?|\bversus\b)\s*"
        r"(?=(?:pcie|sxm\d?|nvl)\b)",
        r"\1 \2 \3 \1 ",
    ),
    (r"\bon[\s-]prem(?:ises?)?\b", " , "),
    (r"\brpm\b", " requests/min"),
    # a burst without a unit has that of the steady rate
    (
        rf"(\d[\d.,]*)\s*({A_RATE}|users?\b)([^\d]{{0,30}}?{PEAK}[^\d]{{0,12}})(\d+(?:[.,]\d+)*)"
        rf"(?!\s*(?:\d|k\b|x\b|times|users?\b|{A_RATE}))",
        r"\1 \2\3\4 \2",
    ),
    (r"(\bmac\s?\w*)\s+with\s+(?=\d+\s?gi?b\b)", r"\1 "),  # its own memory
    (r"\bsingle[\s-](?=user|stream|session)", "1 "),
    (r"\b(?:single|one|1)[\s-]request\b(?!\s*(?:/|per|an?\b|every))", "1 user"),
    (r"\bDAU\b", "daily active users"),
    (r"\bMAU\b", "monthly active users"),
    (r"\bmsgs?\b", "messages"),
    # "each sends a message every 30 seconds"
    (
        rf"\b(?:each\s+)?(?:\w+\s+)?(?:an?|one|1)\s+{REQUESTS}\s+(?:every|each)\s+([1-9]\d*)\s*(s|m)(?:ec\w*|in\w*)?\b",
        _an_hour,
    ),
    # "20 messages a day" beside all who are there a day
    (
        rf"(\b\d[\d,.]*k?\s+(?:daily|monthly)\s+active\s+users\b.{{0,30}}?)(\d+)\s*{REQUESTS}\s*(?:/|\ba\b|\bper\b)\s*day\b"
        r"(?!\s*(?:in total|total|overall))",
        r"\1 each \2 requests a day ",
    ),
)


def without_slips(text):
    """Correct the slips in the words of a question that are about its load.

    Parameters
    ----------
    text : str
        A question.

    Returns
    -------
    tuple of str and list of str
        The question without them, and what each is read as.

    Examples
    --------
    >>> without_slips("qwen3-8b for 8 userz")
    ('qwen3-8b for 8 users', ["'userz' is read as users."])
    """
    slips = {}
    for word in re.findall(r"(?<![\w.-])[a-z]{4,}(?![\w.-])", text, re.I):
        low = word.lower()
        if low in SLIPPED or low in NO_SLIP:
            continue
        if meant := next((one for one in SLIPPED if _one_slip(low, one)), ""):
            slips[word] = meant
            text = re.sub(rf"(?<![\w.-]){word}(?![\w.-])", meant, text)
    return text, [f"{shown(one)} is read as {meant}." for one, meant in slips.items()]


def rewritten(text):
    """Write a question in the spellings that are read.

    Parameters
    ----------
    text : str
        A question.

    Returns
    -------
    str
        The same in other words, between spaces.

    Examples
    --------
    >>> rewritten("llama 70b, 2 million tokens a day")
    ' llama-3.3-70b, 2M tokens a day '
    """
    text = f" {text} "
    for pattern, written in REWRITTEN:
        text = re.sub(pattern, written, text, flags=re.I)
    return text


def _part_of(part, whole):
    """How many cards are meant of those that there are."""
    of_all, *some = (int(MANY.get(one.lower(), 0) or one) for one in (whole, part) if one != "half")
    return some[0] if some else of_all // 2


def _one_slip(word, meant):
    """Whether one letter was left out, put in, struck wrong, or two changed places."""
    same = next((i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), len(word))
    if word == meant or not same:  # a first letter is seldom wrong
        return False
    mine, its = word[same:], meant[same:]
    swapped = mine[:2] == its[:2][::-1] and mine[2:] == its[2:]
    return swapped or mine[1:] == its[1:] or mine == its[1:] or mine[1:] == its
