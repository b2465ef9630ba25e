"""A machine or a model that a question names and is not known: no other stands in its place."""

import re

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.refuse import BadInput, either, shown

from .. import lists

LONGEST = 4  # words of its name
ITS_OWN = (
    r"(?:an?|my|the|our|your|this|that|some|own|old|new|spare|single|one|two|three|four|\d+\s*x?)"
)
# Machines that are met in questions and are no card of the catalogue.
DEVICES = (
    r"(?:mac\s?book(?:\s+(?:air|pro))?|mac\s?(?:studio|mini|pro)|imac|[hd]gx|titan|jetson|radeon|geforce|quadro"
    r"|gaudi|tpus?|inferentia|r(?:asp(?:berry)?)?[\s-]*pis?|(?:orange|banana|rock)[\s-]*pi|steam[\s-]?decks?"
    r"|rog[\s-]?ally|nintendo\w*|play\s?station\w*|ps[45]|xbox\w*|toasters?|fridges?|potato(?:es)?"
    r"|smart\s?phones?|phones?|iphones?|ipads?|tablets?|androids?|galaxy|snapdragon\w*|pixel"
    r"|chrome\s?books?|thinkpads?|nucs?|nas|synology|ryzen|threadripper|epyc|xeons?|celeron"
    r"|core\s+i\d|i[3579](?:-\d+\w*)?|groq\w*|cerebras|sambanova|tenstorrent|graphcore|hailo\w*"
    r"|coral|fpgas?)"
)
# What cards are called, with a number of none that is known.
AS_CARDS = (
    r"(?:(?:rtx|gtx|rx|geforce|radeon|quadro|tesla|arc|instinct|titan)\s*\w*\d\w*"
    r"|mi\d{2,3}\w?|[abghltnv]\d{2,4}|tpu\s*v?\d\w*|gaudi\s*\d)"
)
KINDS = r"(?:ultra|max|pro|ti|super|xtx?|gre|nvl|mini)"  # behind a card, another one
DOES = r"(?:run|handle|hold|serve|host|do|manage|fit|be)s?"
IS = r"(?:good|enough|able|capable|powerful|fast)"
PLACES = tuple(
    re.compile(one, re.I)
    for one in (
        rf"\b(?:on|using|inside|into)\s+(?:{ITS_OWN}\s+)+(?=(?P<what>\S.*))",
        r"\b(?:on|using|inside|into)\s+(?=(?P<what>(?:\S+\s+)?\S*\d.*))",
        *(
            rf"\b(?:{asked})\s+(?:{ITS_OWN}\s+)+(?P<what>\S+(?:\s+\S+){{0,3}})\s+{said}\b"
            for asked, said in (("can|could|will|would|does|do", DOES), ("is|are", IS))
        ),
        rf"(?<![\w-])(?=(?P<what>(?:{DEVICES}|{AS_CARDS})(?![\w-]).*))",
    )
)
# What stands behind "on" and is no machine.
NO_MACHINE = frozenset(
    """
    average box boxes budget cloud cluster code codebase computer corpus data dataset day days
    demand desktop docs documents file files holiday infrastructure input inputs linux night
    paper pc premise premises prod production stack text top ubuntu week weekend weekends windows
    wsl
    """.split()  # noqa: SIM905 - a list has a line a word
)
ORDINARY = frozenset(("command", "dots", "gpt", "hy", "opt", "step", "yi"))  # families, and words
# As a model's name is shortened: "dsv3", and no part of a machine.
CODED = (
    r"(?!(?:g?ddr|hbm|pcie|nvlink|usb|sxm|cuda|gen|node|rack|zone|rtx|gtx|ssd|core)\d)"
    r"[a-z]{3,}\d\w*"
)
# Cards by what a word alone leaves open.
FAMILIES = {
    "jetson": ("jetson", "orin"), "radeon": ("rx-", "radeon"), "quadro": ("quadro",),
    "geforce": ("rtx-50",), "titan": ("titan",), "gaudi": ("gaudi",), "tpu": ("tpu",),
    "inferentia": ("inferentia",),
}  # fmt: skip
OWN_MODEL = "Name a model of the catalogue, or paste its config.json."
OWN_CARD = (
    "Name a card of the catalogue, or paste a file of your own where a config.json goes, which "
    "llmcap predict --gpu-file takes too."
)
# Of a Mac without its chip, one that is sold (apple.com/mac, specifications).
CHIPS = {
    "studio": "Mac Studio M4 Max 64GB or Mac Studio M3 Ultra 256GB",
    "mini": "Mac mini M4 16GB or Mac mini M4 Pro 64GB",
    "air": "MacBook Air M4 24GB",
    "imac": "iMac M4 24GB",
    "mac pro": "Mac Pro M2 Ultra 192GB",
    "": "MacBook Air M4 24GB or MacBook Pro M4 Max 64GB",
}


def unknown_card(text, lost, cards):
    """Find the machine that a question names and no card is known for.

    Parameters
    ----------
    text : str
        The question as it is read.
    lost : list of str
        Its words that mean nothing.
    cards : list
        The cards that it names.

    Returns
    -------
    tuple of str and bool
        Its name, "" for none; and whether a card that is known stands beside it.

    Examples
    --------
    >>> unknown_card("qwen3-8b on my toaster", ["toaster"], [])
    ('toaster', False)
    >>> unknown_card("qwen3-8b on H100 or a rpi 5", ["rpi", "5"], [("h100-sxm", 1)])
    ('rpi 5', True)
    >>> unknown_card("llama 8b on M5 Ultra", ["Ultra"], [("apple-m5", 1)])
    ('M5 Ultra', False)
    """
    unknown = {_bare(word) for word in lost}
    kind = re.search(
        rf"(?<![\w.-])((?:rtx\s+)?(?!\d+b\b)[a-z]*\d+\w*)\s+({KINDS})(?![\w-])", text, re.I
    )
    if (
        cards
        and kind
        and names.card(kind[1]).name
        and _bare(kind[2]) in unknown
        and _bare(kind[1]) not in unknown
    ):
        return kind[0], False
    for place in PLACES:
        for match in place.finditer(text):
            if name := _of_unknown(match["what"].split(), unknown):
                return name, bool(cards)
    return "", False


def unknown_model(lost, models):
    """Find the model that a question names and is not known.

    Parameters
    ----------
    lost : list of str
        Its words that mean nothing.
    models : list of str
        The models that it names.

    Returns
    -------
    str
        Its name; "" for none, or where another model is named beside it.

    Examples
    --------
    >>> unknown_model(["kimi", "k9"], []), unknown_model(["wombat"], [])
    ('kimi k9', '')
    """
    families = {re.findall(r"[a-z]+", name)[0] for name in catalog.models()} - ORDINARY
    for i, word in enumerate(lost if not models else ()):
        begins = re.match(r"[a-z]*", _bare(word))
        if begins and (begins[0] in families or re.fullmatch(CODED, _bare(word))):
            more = [one for one in lost[i + 1 :][: LONGEST - 1] if re.search(r"\d", one)][:1]
            return " ".join([word, *more]).strip(".,:;?!'\"()")
    return ""


def _bare(word):
    return word.lower().strip(".,:;?!'\"()")


def _of_unknown(words, unknown):
    """The words from the first on that mean nothing, and a vendor's name among them."""
    name = []
    for word in words[:LONGEST]:
        bare = _bare(word)
        if bare in NO_MACHINE or not (bare in unknown or bare in lists.VENDORS):
            break
        name.append(word.strip(".,:;?!'\"()"))
        if word[-1] in ".,;?!":
            break
    return " ".join(name) if any(_bare(one) in unknown for one in name) else ""


def refusal(name, kind="card"):
    """Say that nothing is known by a name, and what to do.

    Parameters
    ----------
    name : str
        As the question has it.
    kind : str
        "card" or "model".

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> refusal("rpi 5")[:75]
    "'rpi 5' is no card known here, so nothing is predicted of it: what is shown"
    """
    said = (
        f"{shown(name)} is no {kind} known here, so nothing is predicted of it: what is shown is "
        "of what stood here before."
    )
    near = _nearest(name) if kind == "card" else _asked(catalog.model, name)
    own = {"card": OWN_CARD, "model": OWN_MODEL}[kind]
    return " ".join(filter(None, (said, near, own)))


def _nearest(name):
    """Ask for the nearest card where a name is written as cards' are; of a Mac for its chip."""
    if re.match(r"i?mac(?:\s?book)?s?\b", name, re.I):
        chip = next(chip for kind, chip in CHIPS.items() if kind in name.lower())
        return f"Name its chip and memory, as in {chip}."
    of_family = [one for one in catalog.gpus() if one.startswith(FAMILIES.get(name.lower(), "-"))]
    if of_family:
        return f"Which one is it: {either([*map(lists.listed_title, of_family)])}?"
    if not re.search(rf"{AS_CARDS}|\bm\d\s+{KINDS}", name, re.I):
        return ""
    return _asked(catalog.gpu, name)


def _asked(reader, name):
    """The nearest names, as the catalogue asks for them."""
    try:
        reader(name)
    except BadInput as problem:
        said = str(problem).partition(" Or give its")[0]
        _, could, several = said.partition(" could be ")
        _, asked, near = said.partition("Did you mean ")
        return f"It could be {several}" if could else asked + near
    return ""
