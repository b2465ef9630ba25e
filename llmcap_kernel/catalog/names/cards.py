"""Cards as tools, shops and clouds print them.

A name is taken apart into words, a memory, a number of cards and what stands in parentheses; the
rules beside each record of `gpus.toml` (`match`) say which words make it that card. Every word has
to be accounted for: one that is not, another number or another memory is another card.
"""

import difflib
import re
from functools import cache
from typing import Any, NamedTuple

from ...explain import GIB
from ...refuse import NEAR
from ..tables import OWN_CARDS, key, known, table
from .found import UNKNOWN, Found
from .text import straight

ALIKE = 0.1  # cards whose memory and bandwidth differ less are taken for one another
MOST_CHOICES = 8
FORMS = {"sxm": "SXM", "pcie": "PCIe", "oam": "OAM", "superchip": "superchip"}
# between two kinds of card; not in parentheses, nor the plus of "Ryzen AI Max+ 395"
MARKS = "\"'`*\u201c\u201d\u2018\u2019\u2020\u2021"  # quotes and footnotes around a name
SEVERAL = re.compile(
    r"\s*(?:[;\n]|\s[+&]\s|(?<!max)(?<!nitro)(?<=\w)\+(?=\w)|,(?=\s*\d+\s*[x×]\s*\w))\s*(?![^(]*\))",
    re.I,
)
# "8x H100", "gpu_8x_h100", "8 H100"; "H100 x8", "MI355X (x87)"
COUNT_BEFORE = re.compile(
    r"\s*(?:gpu[_-])?(?:([1-9]\d{0,3})\s*[x×*](?!tx?\b|\d{1,2}\b(?!\s*[x×*]))[\s_-]*(?=\S)|"
    r"([1-9]\d?)\s+(?:nodes?\s+(?:of|with)\s+)?(?!gi?b\b|cards?\b)(?=\w*[a-z]))(.+)",
    re.S | re.I,
)
COUNT_AFTER = re.compile(
    r"(.+?[^\s(])(?:(?<!pcie)(?<!evo)(?:\s*[\s(]|(?<=\d)(?<!mi\d{3}(?=x\s)))[x×*]\s*|:)([1-9]\d{0,3})\)?\s*",
    re.S | re.I,
)
COUNT_WORDS = {
    **{"a": 1, "one": 1, "single": 1, "dual": 2, "two": 2, "triple": 3, "three": 3, "quad": 4},
    **{"four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8},
}
# "TPU v5e-8", "v6e-16", "v5litepod-16" count chips, and "v5p-8" cores, two a chip
SLICED = re.compile(r"\s*(?:tpu[\s-]?)?(v5e|v5litepod|v6e|v5p)-([1-9]\d{0,3})\s*", re.I)
# people who hand it out, before the card: "AWS p5.48xlarge", "RunPod H100 NVL"
LENT_BY = re.compile(
    r"\s*(?:aws|gcp|gke|azure|oci|lambda|runpod|coreweave|vast(?:\.ai)?|kaggle)\s+(?=\S)", re.I
)
# "GPU 0: NAME (UUID: ...)", "Device 0: NAME, compute capability 8.6, VMM: yes", "CUDA0 (NAME)"
LISTED = re.compile(
    r"\s*(?:(?:gpu|device)\s*\d+|(?:cuda|rocm|vulkan|sycl)\d+)\s*[:(]\s*(.+?)\)?"
    r"(?:\s*\(uuid:.*|,\s*compute capability.*)?\s*",
    re.S | re.I,
)
# A table of nvidia-smi, its -L, rocm-smi, and nvidia-smi --query-gpu=name,memory.total --format=csv
TOOLS = (
    re.compile(r"^\|\s+\d+\s+(\S.{0,80}?)\s+(?:On|Off|N/A)\s+\|", re.M),
    re.compile(r"^\s*GPU \d+: (.{1,80}?)(?: \(UUID: [^)]*\))?\s*$", re.M),
    re.compile(r"^GPU\[\d+\]\s*:\s*Card [Ss]eries:\s*(.{1,80}?)\s*$", re.M),
)
CSV = re.compile(r"\s*name,\s*memory\.total", re.I)
MEMORY = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[\s-]*(mi?b|g(?:i?b)?)(?![\w.])")
CORES = re.compile(r"(?<!\w)([1-9]\d*)[\s-](?:core(?:\s+gpu)?|gpu(?:s|\s+cores?)?|chips)\b")
PROCESSOR = re.compile(r"\d+[\s-]core\s+cpu\b")
WATTS = re.compile(r"(?<![\w.])(\d{2,4})\s?w(?![\w/])")
SLICE = re.compile(r"\bmig\b|\b\d+g\.\d+gb")  # part of a card
# letters and numbers that people write as one word
GLUED = (
    (re.compile(r"\b(rtx|gtx|rx|arc|ascend)(?=\w?\d)"), r"\1 "),
    (re.compile(r"(?<=\d)(ti)(super)\b"), r" \1 \2"),
    (re.compile(r"(?<=\d)(ti|super|xtx|xt|gre|ada)\b"), r" \1"),
    (re.compile(r"\b([2-5]0[5-9]0|(?:[abhv][1-3]00|gb[23]00|a6000|mi\d{3}x|spark))s\b"), r"\1"),
    (re.compile(r"\b(a100)-?(40|80)\b(?!-?\s?gi?b?)"), r"\1 \2gb"),
    (re.compile(r"(?<=\b[345]0[5-9]0)m\b"), " mobile"),
    (re.compile(r"\b(trainium|inferentia)\s(?=\d\b)"), r"\1"),
    (re.compile(r"(?<=\d{4})d\b"), " d"),
    (re.compile(r"\bpcie[3-6]\b"), "pcie"),
    (re.compile(r"\b([abhv]\d{3})(?=sxm|pcie|nvl)"), r"\1 "),
    (re.compile(r"\bh20(?=[\s-]*141\s?g)"), "h20 3e"),
    (re.compile(r"\b(m\d)\s+air\b"), r"\1"),
    (re.compile(r"\bmax[\s-]q\b"), "maxq"),
    (re.compile(r"\bmax\s*\+"), "max "),
    (re.compile(r":(sramecc|xnack)[+-]"), " "),
)
# Macs by what Apple sells with which chips (apple.com/mac, specifications), where no chip is named
MAC = re.compile(r"\b(mac studio|mac mini|macbook|imac|mac)\b")
CHIPS = {
    "mac studio": r"-(?:max|ultra)\b",
    "mac mini": r"^apple-m\d(?:-pro)?$",
    "imac": r"^apple-m\d$",
    "macbook": r"^apple-m\d(?!-ultra)",
}
UNSTATED = re.compile(r"\bnot (?:stated|named|given|in|seen|read)\b|unknown|unspecified")
CAPPED = re.compile(r"power.?(?:cap|limit)|\bcapped\b|\blimited to\b")
PARTITIONS = {"cpx", "dpx", "qpx", "nps2", "nps4"}


class _Rule(NamedTuple):
    """What makes a name that of a record."""

    name: str
    title: str
    vendor: str
    words: tuple[frozenset[str], ...]
    may: frozenset[str]
    shared: tuple[frozenset[str], ...]
    machine: dict[str, int]  # cards of a machine that a word names: "dgx"
    rack: dict[str, int]  # cards of a rack: "nvl72", where no number of cards is stated
    gb: int
    labels: frozenset[int]
    sizes: tuple[int, ...]
    usual: int
    minor: bool
    cores: int
    form: str
    power_w: float
    memory_bytes: float
    bandwidth_bytes_s: float


class _Stated(NamedTuple):
    """A name taken apart: its words, those that matter, and the numbers that are none of them."""

    every: frozenset[str]
    words: frozenset[str]
    vendors: frozenset[str]
    gb: float
    cores: int
    watts: int


def card(text: str) -> Found:
    """Find the card that a spelling means, or the unequal cards in one box.

    Parameters
    ----------
    text : str
        Such as "NVIDIA H100-SXM-80GB", "4x RTX 3090", "p5.48xlarge" or "RTX 5090 + RTX 4090".

    Returns
    -------
    Found
        The card and how many the text states; without a name, the `choices` where the text fits
        several, and none where it is unknown. Unequal cards have their names joined by "+".

    Examples
    --------
    >>> card("NVIDIA GeForce RTX 4090").name
    'rtx-4090'
    >>> card("H100 (variant not stated)").assumed
    'H100, variant not stated: SXM 80 GB taken'
    >>> card("Standard_ND96isr_H200_v5").count
    8
    >>> card("RTX 4060 Ti").choices
    ('rtx-4060-ti-16gb', 'rtx-4060-ti-8gb')
    """
    found = cards(text)
    if len({one.name for one in found}) < 2:
        count = found[0].count if len(found) == 1 else sum(max(one.count, 1) for one in found)
        return found[0]._replace(count=count)
    for one in found:
        if not one.name:
            return one
    joined = (f"{one.count}x-{one.name}" if one.count > 1 else one.name for one in found)
    noted = [one for one in found if one.assumed]
    return Found(
        "+".join(joined),
        "; ".join(one.assumed for one in noted),
        all(one.minor for one in noted) if noted else False,
        count=sum(max(one.count, 1) for one in found),
    )


def cards(text: str) -> tuple[Found, ...]:
    """Find each kind of card in a spelling of one or several.

    Parameters
    ----------
    text : str
        Such as "1x NVIDIA GeForce RTX 5090; 2x NVIDIA GeForce RTX 3090".

    Returns
    -------
    tuple of Found
        One for each kind, in the order of the text.

    Examples
    --------
    >>> [(one.count, one.name) for one in cards("2x RTX 4090 + 1x RTX A6000")]
    [(2, 'rtx-4090'), (1, 'rtx-a6000')]
    """
    parts = listed(text) or [part for part in SEVERAL.split(text) if part.strip()]
    return tuple(_one(part) for part in parts) or (UNKNOWN,)


def listed(text: str) -> list[str]:
    """List the cards that a tool prints of a machine.

    Parameters
    ----------
    text : str
        What `nvidia-smi`, `nvidia-smi -L`, its CSV or `rocm-smi --showproductname` prints.

    Returns
    -------
    list of str
        Each kind of card with its number before it; empty for another text.

    Examples
    --------
    >>> listed("GPU 0: NVIDIA L4 (UUID: GPU-1a)\\nGPU 1: NVIDIA L4 (UUID: GPU-2b)")
    ['2x NVIDIA L4']
    """
    if "\n" not in text:
        return []
    found = next((names for tool in TOOLS if (names := tool.findall(text))), [])
    if not found and CSV.match(text):
        found = [re.split(r"\s*,\s*", line)[0] for line in text.strip().splitlines()[1:]]
    names = [name.strip() for name in found if name.strip()]
    return [f"{names.count(name)}x {name}" for name in dict.fromkeys(names)]


def count_of(text: str) -> tuple[int, str]:
    """Split the number of cards from their name.

    Parameters
    ----------
    text : str
        Such as "8x H100", "2 x A100", "H100 x8", "L4", or a cloud's name of a machine.

    Returns
    -------
    tuple of (int, str)
        The number, 0 when there is none, and the remaining text; of a machine, its card.

    Examples
    --------
    >>> count_of("8x H100 SXM")
    (8, 'H100 SXM')
    >>> count_of("g5.12xlarge")
    (4, 'a10g')
    """
    text = LENT_BY.sub("", straight(text).strip(MARKS), count=1)
    machine = _machine(text)
    if machine:
        return machine.count, machine.name
    word, _, rest = text.strip().partition(" ")
    if rest and word.lower() in COUNT_WORDS:
        return COUNT_WORDS[word.lower()], rest
    before = COUNT_BEFORE.fullmatch(text)
    if before:
        return int(before.group(1) or before.group(2)), before.group(3)
    after = COUNT_AFTER.fullmatch(text)
    return (int(after.group(2)), after.group(1)) if after else (0, text)


def nearest(text: str) -> list[str]:
    """List the names of the catalogue that are most like an unknown card's.

    Parameters
    ----------
    text : str
        The name as it was given.

    Returns
    -------
    list of str
        At most three, most alike first.

    Examples
    --------
    >>> nearest("NVIDIA H100-SMX")
    ['h100-sxm', 'h800-sxm', 'h200-sxm']
    """
    plain = "-".join(sorted(_stated(count_of(text)[1].lower()).words))
    names = known("gpus") | dict.fromkeys(OWN_CARDS, "")
    near = difflib.get_close_matches(plain[:80], names, n=6, cutoff=NEAR)
    return list(dict.fromkeys(names[name] or name for name in near))[:3]


def memory_of(text: str) -> str:
    """Say which memories a card is sold with, where it is known but for its memory.

    Parameters
    ----------
    text : str
        The name as it was given.

    Returns
    -------
    str
        Such as "rtx-4090 has 24 GB"; "" where the memory is not what is unknown.

    Examples
    --------
    >>> memory_of("RTX 4090 48GB")
    'rtx-4090 has 24 GB'
    """
    name = _stated(count_of(text)[1].lower())
    if not name.gb or _matches(name):
        return ""
    rules = _matches(name._replace(gb=0))
    return ", ".join(f"{one.name} has {_or(sorted(one.labels))} GB" for one in rules)


def _or(numbers: list[int]) -> str:
    return " or ".join(filter(None, (", ".join(map(str, numbers[:-1])), str(numbers[-1]))))


@cache
def _machines() -> dict[str, Found]:
    """Every cloud's machine, and every family of them that has one card."""
    found: dict[str, Found] = {}
    families: dict[str, set[Found]] = {}
    for provider in table("clouds").values():
        for spelled, (count, name) in provider["types"].items():
            found[spelled] = Found(name, count=count)
            if ".gpu" not in spelled and "." in spelled:
                families.setdefault(spelled.partition(".")[0], set()).add(found[spelled])
    for family, members in families.items():
        counts = {one.count for one in members}
        one = next(iter(members))
        if len({member.name for member in members}) == 1:
            several = len(counts) > 1
            note = f"{family}: how many cards is not stated" if several else ""
            found[family] = Found(one.name, note, several, count=0 if several else one.count)
    return found


def _machine(text: str) -> Found | None:
    found = _machines().get(key(text).removeprefix("standard-").removeprefix("ml."))
    sliced = SLICED.fullmatch(text)
    if found or not sliced:
        return found
    generation, count = sliced.group(1).lower().replace("litepod", "e"), int(sliced.group(2))
    if generation != "v5p":
        return Found(f"tpu-{generation}", count=count)
    return None if count % 2 else Found("tpu-v5p", count=count // 2)


def _one(text: str) -> Found:
    """Find a card that stands alone."""
    text = straight(text).strip(MARKS)
    listed = LISTED.fullmatch(text)
    text = LENT_BY.sub("", listed.group(1) if listed else text, count=1)
    machine = _machine(text) or _remarked_machine(text)
    if machine:
        return machine
    count, rest = count_of(text)
    inner = count_of(rest) if count else (0, rest)
    if inner[0] and rest.endswith(inner[1]):  # "2x8xH100", "a single RTX 4090"
        count, rest = count * inner[0], inner[1]
    machine = _machine(rest) if count else None
    if machine:
        return machine._replace(count=count * machine.count)
    if rest.strip() in table("gpus")["gpus"] or key(rest) in OWN_CARDS:
        return Found(key(rest), count=count)
    found = _pci(rest) or _read(rest)
    if not found.name and not found.choices:
        found = Found(known("gpus").get(key(rest), ""))
    return _counted(found, rest, count)


def _counted(found: Found, text: str, count: int) -> Found:
    """How many cards: as stated, or those of the machines or of the rack that the name says."""
    rule = next((rule for rule in _rules() if rule.name == found.name), None)
    words = _stated(re.sub(r"\([^()]*\)?", " ", text).lower()).words if rule else frozenset()
    each = [many for word, many in rule.machine.items() if word in words] if rule else []
    if each:
        usual = found.count or min(each)
        if not found.count and "hgx" in words:
            found = _with(found, f"HGX, its cards not stated: {usual} taken", True)
        return found._replace(count=max(count, 1) * usual)
    racks = [many for word, many in rule.rack.items() if word in words] if rule else []
    return found._replace(count=found.count or count or max(racks, default=0))


def _remarked_machine(text: str) -> Found | None:
    """Read a machine with its own card beside it: "g5.12xlarge (4x A10G)"."""
    both = re.fullmatch(r"\s*(\S+)\s*\(([^()]+)\)\s*", text)
    machine = _machine(both.group(1)) if both else None
    if not both or not machine:
        return None
    said = _one(both.group(2))
    same = machine.name in (said.name, *said.choices) or said.assumed.startswith(both.group(2)[:4])
    return machine if same and said.count in (0, machine.count) else None


def _pci(text: str) -> Found | None:
    """Read a line of `lspci`, which has the card's name in brackets; None where it is none."""
    named = re.findall(r"\[(?![0-9a-f]{4}(?::[0-9a-f]{4})?\])([^\]]*)\]", text)  # no numbers of PCI
    if not named or not re.search(r"(?i)controller|corporation|advanced micro|accelerator", text):
        return None
    # one number for a chip sold under several names: "Radeon RX 7900 XT/7900 XTX/7900M"
    names = [_read(part) for part in named[-1].split("/")]
    choices = {name for one in names for name in ((one.name,) if one.name else one.choices)}
    if len(names) == 1:
        return names[0]
    return Found("", choices=tuple(sorted(choices)))


def _read(text: str) -> Found:
    """Match a name with the rules, remarks in parentheses apart."""
    remarks = re.findall(r"\(([^()]*)\)?", text)
    outside = re.sub(r"\([^()]*\)?", " ", text)
    plain, parsed = outside.lower(), [_stated(remark.lower()) for remark in remarks]
    if SLICE.search(text.lower()):
        return UNKNOWN
    name = _stated(plain)
    loose = name.words & (PARTITIONS | {"class"})
    name = _in_gb(name._replace(words=name.words - loose))
    bridged = "nvlink" in name.words and not _matches(name)
    name = name._replace(words=name.words - {"nvlink"}) if bridged else name
    whole = frozenset().union(name.words, *(one.words for one in parsed))
    gb = name.gb or next((one.gb for one in parsed if one.gb), 0)
    cores = name.cores or next((one.cores for one in parsed if one.cores), 0)
    matches = _matches(name._replace(words=whole, gb=gb, cores=cores))
    clean = bool(matches)
    matches = matches or _refined(_matches(name), parsed)
    if not matches and (mac := MAC.search(plain)) and name.gb and name.words <= {"mac"}:
        return _mac(mac.group(1), name.gb, " ".join(outside.split()))
    if not matches:
        return _sharing(name, plain) or _by_remark(plain, remarks) or _choices(name)
    found = _taken(matches, " ".join(outside.split()), gb, cores, bool(name.gb))
    if loose and found.name:
        found = _with(found, f"{' '.join(sorted(loose))}: the whole {found.name} taken")
    if bridged and found.name:
        found = _with(found, f"NVLink: {found.name} as the catalogue links it")
    return _remarked(found, remarks, clean, name.watts) if found.name else found


def _stated(plain: str) -> _Stated:
    """Take a name in lower case apart."""
    for machine in table("gpus")["words"]["machines"]:
        plain = re.sub(rf"\b{machine}\b(?:\s+1[3-6](?:[\s-]?inch\b|\s?[\"”″]|\b))?", " ", plain)
    plain = re.sub(r"[®™©]", " ", plain)
    for pattern, written in GLUED:
        plain = pattern.sub(written, plain)
    plain = plain.replace("_", " ")
    plain = PROCESSOR.sub(" ", plain)
    numbers = {}
    for name, pattern in (("memory", MEMORY), ("watts", WATTS)):
        numbers[name] = match = pattern.search(plain)
        plain = plain.replace(match.group(), " ", 1) if match else plain
    again, memory = MEMORY.search(plain), numbers["memory"]
    if again and memory and 0.9 <= _gb(again) / max(_gb(memory), 1e-3) <= 1.01:
        plain = plain.replace(again.group(), " ", 1)  # the label, and what a tool measured of it
    cores = CORES.search(plain)
    plain = plain.replace(cores.group(), " ", 1) if cores else plain
    every = frozenset(re.findall(r"[^\s,;:/|+-]+", plain))
    own = table("gpus")["words"]["vendors"]
    vendors = frozenset(vendor for vendor, words in own.items() if every & set(words))
    watts = numbers["watts"]
    return _Stated(
        every,
        every - _noise(),
        vendors,
        max(_gb(memory), 1e-3) if memory else 0,  # "0 GB" is stated too
        int(cores.group(1)) if cores else 0,
        int(watts.group(1)) if watts else 0,
    )


def _in_gb(name: _Stated) -> _Stated:
    """A name with its number as the memory where nothing else makes it a card: "a100-sxm-80"."""
    if name.gb or _matches(name):
        return name
    sizes = sorted(word for word in name.words if re.fullmatch(r"[1-9]\d{1,2}", word))
    made = (name._replace(words=name.words - {size}, gb=float(size)) for size in sizes)
    return next(filter(_matches, made), name)


def _gb(memory: re.Match[str]) -> float:
    return float(memory.group(1)) / (1024 if memory.group(2).startswith("m") else 1)


@cache
def _noise() -> frozenset[str]:
    """Words that never tell two cards apart."""
    words = table("gpus")["words"]
    return frozenset(words["noise"]).union(*words["vendors"].values())


@cache
def _rules() -> tuple[_Rule, ...]:
    return tuple(_rule(name, record) for name, record in table("gpus")["gpus"].items())


def _rule(name: str, record: dict[str, Any]) -> _Rule:
    given, lines = record.get("match", {}), set(table("gpus")["words"]["lines"])
    own = [word for word in name.split("-") if not re.fullmatch(r"\d+gb", word)]
    words = given.get("words") or [" ".join(word for word in own if word not in lines)]
    may = given["may"].split() if "may" in given else [word for word in own if word in lines]
    shared = tuple(frozenset(one.split()) for one in given.get("shared", ()))
    gb = round(record["memory_sold_bytes"]["value"] / 1e9)
    cores = re.search(r"(\d+)-core", record["name"])
    return _Rule(
        name=name,
        title=record["name"],
        vendor=record["vendor"],
        words=tuple(frozenset(one.split()) for one in words),
        may=frozenset(may).union(given.get("machine", ()), given.get("rack", ()))
        | {word for one in shared if len(one) == 1 for word in one},
        shared=shared,
        machine=given.get("machine", {}),
        rack=given.get("rack", {}),
        gb=gb,
        labels=frozenset((gb, *given.get("gb", ()), *record.get("sizes_gb", ()))),
        sizes=tuple(record.get("sizes_gb", ())),
        usual=given.get("usual", 0),
        minor=given.get("minor", False),
        cores=int(cores.group(1)) if cores else 0,
        form=record["form"],
        power_w=record["power_w"]["value"],
        memory_bytes=record["memory_visible_bytes"]["value"],
        bandwidth_bytes_s=record["bandwidth_bytes_s"]["value"],
    )


def _matches(name: _Stated) -> list[_Rule]:
    """The rules that account for every word, and for the memory."""
    fitting = [
        rule
        for rule in _rules()
        if any(words <= name.words <= words | rule.may for words in rule.words)
        and name.vendors <= {rule.vendor}
        and (_has_memory(rule, name.gb) or _whole_memory(rule, name))
    ]
    same = [rule for rule in fitting if rule.cores == name.cores]
    return same if name.cores and same else fitting


def _has_memory(rule: _Rule, gb: float) -> bool:
    if not gb or gb in rule.labels:
        return True
    # what a tool measured, which is no round number and less than all of it
    return gb != int(gb) and 0.9 <= gb * GIB / rule.memory_bytes <= 1.01


def _whole_memory(rule: _Rule, name: _Stated) -> bool:
    """Whether the memory is that of all cards of a machine: "DGX A100 640GB"."""
    return any(
        name.gb == rule.gb * many for word, many in rule.machine.items() if word in name.words
    )


def _refined(matches: list[_Rule], remarks: list[_Stated]) -> list[_Rule]:
    """Leave the cards that remarks in parentheses speak of."""
    for remark in remarks:
        may = frozenset().union(*(rule.may for rule in matches))
        matching = remark.words & may
        left = [r for r in matches if matching <= r.may and _has_memory(r, remark.gb)]
        matches = left or [r for r in matches if matching <= r.may] or matches
    return matches


def _taken(matches: list[_Rule], text: str, gb: float, cores: int, in_name: bool) -> Found:
    """Take the usual one of several cards, and say so; the choices where none is usual."""
    ranked = sorted((rule for rule in matches if rule.usual), key=lambda rule: rule.usual)
    if len(matches) > 1 and not ranked:
        return Found("", choices=tuple(sorted(rule.name for rule in matches)))
    rule = ranked[0] if ranked else matches[0]
    found = Found(rule.name)
    if len(matches) > 1:
        alike = all(
            abs(getattr(one, name) / getattr(rule, name) - 1) <= ALIKE
            for one in matches
            for name in ("memory_bytes", "bandwidth_bytes_s")
        )
        found = _with(found, _left_open(matches, rule, text, gb), alike or rule.minor or in_name)
    if rule.sizes and gb and gb != rule.gb:
        found = found._replace(name=f"{rule.name}-{gb:g}gb")
    elif not gb and len(rule.sizes) > 1 and len(matches) == 1:
        found = _with(found, f"{text}, memory not stated: {rule.gb} GB taken", True)
    if cores and not rule.cores:  # "H100 (2 GPU)": how many, not how large
        found = found._replace(count=cores)
    elif cores and cores != rule.cores:
        found = _with(found, f"{cores} GPU cores: the chip with {rule.cores} taken", True)
    return found


def _left_open(matches: list[_Rule], rule: _Rule, text: str, gb: float) -> str:
    memory = not gb and len({one.gb for one in matches}) > 1
    form = len({one.form for one in matches}) > 1
    if not memory and not form:
        return f"{text}, edition not stated: {rule.title} taken"
    what = "variant" if memory and form else "memory" if memory else "form"
    taken = ([FORMS.get(rule.form, rule.form)] if form else []) + [f"{rule.gb} GB"] * memory
    return f"{text}, {what} not stated: {' '.join(taken)} taken"


def _with(found: Found, note: str, minor: bool = False) -> Found:
    """Add an assumption; it counts for little where all of them do."""
    both = minor and (found.minor or not found.assumed)
    return found._replace(assumed="; ".join(filter(None, (found.assumed, note))), minor=both)


def _remarked(found: Found, remarks: list[str], clean: bool, watts: int) -> Found:
    """Keep what remarks say as assumptions."""
    rules = {rule.name: rule for rule in _rules()}
    rule = rules.get(found.name)
    if watts and rule and watts != rule.power_w:
        found = _with(found, f"{watts} W: the card's own {rule.power_w:g} W taken")
    for remark in remarks:
        machine, plain = _machine(remark), remark.lower()
        if machine and machine.name == found.name:
            found = found._replace(count=machine.count)
        elif CAPPED.search(plain):
            found = _with(found, "a power cap: the card without one taken")
        elif PARTITIONS & set(re.findall(r"\w+", plain)):
            found = _with(found, f"partitions ({remark}): the whole card taken")
        elif "variant" in plain and UNSTATED.search(plain) and (found.minor or not found.assumed):
            found = _with(found, f"{remark}: {found.name} taken")
        elif not clean and not UNSTATED.search(plain) and _stated(plain).words:
            found = _with(found, f"remark: {remark}", True)
    return found


def _sharing(name: _Stated, plain: str) -> Found | None:
    """Find the cards behind a name that several share, such as a chip's."""
    rules = [
        rule
        for rule in _rules()
        if any(one <= name.every and name.words - one <= rule.may for one in rule.shared)
        and name.vendors <= {rule.vendor}
        and _has_memory(rule, name.gb)
    ]
    if len(rules) == 1:
        shared = " ".join(word for word in re.findall(r"[^\s-]+", plain) if word in name.words)
        return Found(rules[0].name, f"{shared} leaves the chip open: {rules[0].title} taken")
    return Found("", choices=tuple(sorted(rule.name for rule in rules))) if rules else None


def _mac(machine: str, gb: float, text: str) -> Found:
    """The chip of a Mac that is named by its memory alone: "512GB Mac Studio"."""
    sold = CHIPS.get(machine, "")
    apple = (rule for rule in _rules() if rule.vendor == "apple" and gb in rule.labels)
    fits = [rule for rule in apple if re.search(sold, rule.name)]
    fits.sort(key=lambda rule: rule.bandwidth_bytes_s)
    if len(fits) != 1:
        return Found("", choices=tuple(rule.name for rule in fits[:MOST_CHOICES]))
    found = _taken(fits, text, gb, 0, True)
    return _with(found, f"{text}, chip not named: {fits[0].title}, which alone has so much", True)


def _by_remark(outside: str, remarks: list[str]) -> Found | None:
    """Read the card that a source infers where it states none: "(192 GB by arithmetic: MI300X)"."""
    if not UNSTATED.search(outside) or not remarks or ":" not in remarks[0]:
        return None
    found = _read(remarks[0].rpartition(":")[2].replace("by arithmetic", " "))
    return _with(found, f"card not stated: {found.name} taken") if found.name else None


def _choices(name: _Stated) -> Found:
    """List the cards of which a name says too little."""
    if not any(re.search(r"\d", word) for word in name.words):
        return UNKNOWN
    fits = sorted(
        rule.name
        for rule in _rules()
        if any(name.words <= words | rule.may and words & name.words for words in rule.words)
        and name.vendors <= {rule.vendor}
        and _has_memory(rule, name.gb)
    )
    return Found("", choices=tuple(fits)) if 1 < len(fits) <= MOST_CHOICES else UNKNOWN
