"""Cards that are no record of the catalogue: another memory, unequal cards in one box, a file.

A chip whose memory is the whole machine's is one record, and a size of it is made from that.
Unequal cards that split a model by layers are one record that stands for their mean. A card that
the catalogue lacks is read from a file with the fields of its records.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..explain import GIB
from ..refuse import BadInput, number, one_of, shown, yes_or_no
from ..spec import COMPUTE, PLACES, Gpu
from .tables import OWN_CARDS, known, table

# Apple's systems let a graphics chip have less of a small memory: what the catalogue's own records
# of up to 36 GB and of larger ones have.
APPLE_SHARE = {
    True: ("apple-m3-pro", "as the records of up to 36 GB"),
    False: ("apple-m3-max", "as the records above 36 GB"),
}
# One-way bandwidth of PCIe x16, by the generation each chip family supports, from the
# PCI-SIG base specifications.
PCIE_BYTES_S = {
    **{"maxwell": 15.75e9, "pascal": 15.75e9, "volta": 15.75e9, "turing": 15.75e9},
    **{"hopper": 63e9, "blackwell": 63e9, "blackwell-graphics": 63e9},
    **{"cdna3": 63e9, "cdna4": 63e9, "cdna5": 63e9, "gaudi3": 63e9, "rdna4": 63e9},
}
# A file's fields: what it takes, and its unit.
TEXTS = ("name", "title", "vendor", "family", "form", "link")
BYTES = ("memory_visible_bytes", "memory_sold_bytes")
RATES = (
    *("bandwidth_bytes_s", "link_bandwidth_bytes_s", "node_link_bandwidth_bytes_s"),
    "host_bandwidth_bytes_s",
)
OTHERS = ("power_w", "memory_usable_share", "max_per_node", "usd_h")
SWITCHES = ("unified_memory", "rates_doubted")
FIELDS = (*TEXTS, "place", *BYTES, *RATES, *OTHERS, *SWITCHES, "flop_s")
REQUIRED = ("name", "memory_visible_bytes", "bandwidth_bytes_s", "flop_s")
HOW_WRITTEN = ("aliases", "match", "sizes_gb")  # of a record, which are no fields of a card
UNITS = dict.fromkeys(BYTES, "bytes") | dict.fromkeys(RATES, "bytes/s")


def record(name: str) -> dict[str, Any]:
    """Look up a card's raw record, also of a chip with another memory than its own.

    Parameters
    ----------
    name : str
        A name of the catalogue, or one with a memory: "apple-m3-max-64gb".

    Returns
    -------
    dict
        The record, each figure with its source; empty when there is none.

    Examples
    --------
    >>> record("apple-m3-max-64gb")["memory_visible_bytes"]["value"] // 2**30
    64
    >>> record("apple-m3-max-65gb")
    {}
    """
    records = table("gpus")["gpus"]
    name = known("gpus").get(name, name)
    if name in records:
        return dict(records[name])
    sized = re.fullmatch(r"(.+)-(\d+)gb", name)
    base = records.get(sized.group(1), {}) if sized else {}
    gb = int(sized.group(2)) if sized else 0
    return _sized(base, gb) if gb in base.get("sizes_gb", ()) else {}


def _sized(base: dict[str, Any], gb: int) -> dict[str, Any]:
    """Give a chip another memory; its speed stays."""
    source = base["memory_sold_bytes"]["source"]
    share = base["memory_usable_share"]
    if base["vendor"] == "apple":
        like, note = APPLE_SHARE[gb <= 36]
        share = table("gpus")["gpus"][like]["memory_usable_share"] | {"note": note}
    title = re.sub(r" \d+GB$", "", base["name"])
    figure = {"source": source, "kind": "derived", "note": f"the chip with {gb} GiB"}
    return base | {
        "name": f"{title}, {gb} GB",
        "memory_sold_bytes": figure | {"value": gb * 10**9},
        "memory_visible_bytes": figure | {"value": gb * GIB},
        "memory_usable_share": share,
    }


MATH_POWER = 0.8  # of its board power a card draws while it multiplies: pairs of runs by power cap


def capped(gpu: Gpu, limit_w: float) -> Gpu:
    """Hold a card below its own power.

    A cap lowers the clock of the cores, and with it the rate of multiplying: in proportion to the
    power, since the voltage is at its least already. The memory has a clock of its own, which
    stays. Products draw four fifths of the board's power, so a cap above that changes nothing.

    Parameters
    ----------
    gpu : Gpu
        The card.
    limit_w : float
        The cap; 0 for none [W].

    Returns
    -------
    Gpu
        The card of the same name, slower where it multiplies.

    Examples
    --------
    >>> card = of_record("rtx-3090", record("rtx-3090"), 0.0)
    >>> round(capped(card, 220).flop_s["bf16"] / card.flop_s["bf16"], 3), card.power_w
    (0.786, 350)
    """
    if not limit_w or not gpu.power_w or limit_w >= gpu.power_w:
        return gpu
    share = min(limit_w / (MATH_POWER * gpu.power_w), 1.0)
    return replace(gpu, flop_s={k: v * share for k, v in gpu.flop_s.items()}, power_w=limit_w)


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the provenance from a record: `{value = ..., source = ...}` becomes the value.

    Parameters
    ----------
    record : dict
        A record of the catalogue.

    Returns
    -------
    dict
        Its values.

    Examples
    --------
    >>> plain({"power_w": {"value": 700, "source": "nvidia-h100"}})
    {'power_w': 700}
    """
    return {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in record.items()}


def of_record(name: str, raw: Mapping[str, Any], usd_h: float) -> Gpu:
    """Make a card of a raw record.

    Parameters
    ----------
    name : str
        The card's name.
    raw : dict
        Its record, as `record` has it.
    usd_h : float
        Rent; 0 if unknown [USD/h].

    Returns
    -------
    Gpu
        The card.

    Examples
    --------
    >>> of_record("l4", record("l4"), 0.0).power_w
    72
    """
    fields = plain({k: v for k, v in raw.items() if k not in (*HOW_WRITTEN, "flop_s")})
    title = fields.pop("name")
    fields.setdefault("host_bandwidth_bytes_s", _host_bandwidth_bytes_s(fields))
    return Gpu(name=name, title=title, flop_s=plain(raw["flop_s"]), usd_h=usd_h, **fields)


def _host_bandwidth_bytes_s(fields: Mapping[str, Any]) -> float:
    """Bandwidth to host memory: shared memory, a superchip's link, or PCIe [bytes/s]."""
    if fields["unified_memory"] or fields["form"] == "soc":
        return fields["bandwidth_bytes_s"]
    if fields["form"] == "superchip":
        return 450e9  # NVLink-C2C, 900 GB/s both ways
    if fields["link"].startswith("pcie"):
        return fields["link_bandwidth_bytes_s"]
    return PCIE_BYTES_S.get(fields["family"], 31.5e9)


# Of unequal cards in one box: what is said of all where they agree, and what is their mean.
ALIKE = ("vendor", "family", "form")
MEANS = ("memory_sold_bytes", "memory_visible_bytes", "power_w")


def together(name: str, parts: tuple[Gpu, ...]) -> Gpu:
    """Make one record of unequal cards that split a model by layers.

    llama.cpp and ExLlama give each card layers by its memory, and every token passes all of
    them. Such a box is a pipeline of as many stages as cards; the record is the mean of its
    stages, so that the sums over stages are right:

    - memory of a stage: `sum(m_i) / n`, and the whole is the sum;
    - layers of card i: `s_i = m_i / sum(m)`;
    - bandwidth: `1 / sum(s_i / b_i)`, so reading all weights takes the sum over cards of what
      each has divided by its bandwidth; FLOP/s likewise, for the dtypes that all have.

    With several users at once a pipeline may keep its cards busy side by side; the slowest stage
    then decides, and this mean is above it.

    Parameters
    ----------
    name : str
        Name of the box, the cards' names joined by "+".
    parts : tuple of Gpu
        Its cards, one entry each.

    Returns
    -------
    Gpu
        The mean of its stages, with the cards as `parts`.

    Raises
    ------
    BadInput
        When the cards have no compute dtype in common.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> both = catalog.gpu("rtx-5090+rtx-4090")
    >>> len(both.parts), round(both.bandwidth_bytes_s / 1e9)
    (2, 1343)
    """
    many = len(parts)
    memory = [card.memory_visible_bytes * card.memory_usable_share for card in parts]
    shares = [one / sum(memory) for one in memory]

    def in_turn(rates: list[float]) -> float:
        return 1 / sum(share / rate for share, rate in zip(shares, rates, strict=True))

    def each(field: str) -> list[Any]:
        return [getattr(card, field) for card in parts]

    shared: dict[str, Any] = {n: float(sum(each(n)) / many) for n in MEANS}
    shared |= {n: each(n)[0] if len({*each(n)}) == 1 else "mixed" for n in ALIKE}
    dtypes = [d for d in COMPUTE if all(d in card.flop_s for card in parts)]
    if not dtypes:
        raise BadInput("gpu", f"gpu is {shown(name)}: its cards compute in no dtype in common.")
    slowest = min(parts, key=lambda card: card.link_bandwidth_bytes_s)
    return Gpu(
        name=name,
        title=" + ".join(each("title")),
        **shared,
        place="desk" if "desk" in each("place") else "server",
        memory_usable_share=sum(memory) / sum(each("memory_visible_bytes")),
        bandwidth_bytes_s=in_turn(each("bandwidth_bytes_s")),
        flop_s={d: in_turn([card.flop_s[d] for card in parts]) for d in dtypes},
        link=slowest.link,
        link_bandwidth_bytes_s=slowest.link_bandwidth_bytes_s,
        max_per_node=many,
        node_link_bandwidth_bytes_s=min(each("node_link_bandwidth_bytes_s")),
        host_bandwidth_bytes_s=min(each("host_bandwidth_bytes_s")),
        unified_memory=any(each("unified_memory")),
        rates_doubted=any(each("rates_doubted")),
        usd_h=float(sum(each("usd_h")) / many) if all(each("usd_h")) else 0.0,
        parts=parts,
    )


def read_gpu(text: str) -> Gpu:
    """Read a card from a file in TOML or JSON.

    A file has the fields of a `Gpu`, which are those of the catalogue: plain values in SI units,
    bytes and not GiB, dense FLOP/s and not those with sparsity, a link counted one way. Needed are
    `name`, `memory_visible_bytes`, `bandwidth_bytes_s` and `flop_s`; `title` is the name, and
    `memory_sold_bytes` the visible memory, unless given. `gpu_file` prints a card of the catalogue
    as such a file, to start from.

    Parameters
    ----------
    text : str
        The file's content.

    Returns
    -------
    Gpu
        The card.

    Raises
    ------
    BadInput
        When it is no such file, a field is missing, unknown or out of range.

    Examples
    --------
    >>> card = read_gpu('''
    ... name = "my-card"
    ... title = "My Card 48GB"
    ... vendor = "nvidia"                  # whose driver keeps some of the memory
    ... family = "ada"                     # whose measurements are taken; those of no other word
    ... form = "pcie"
    ... place = "desk"                     # or "server"
    ... memory_visible_bytes = 51_527_024_640   # what nvidia-smi prints, in bytes
    ... bandwidth_bytes_s = 960e9
    ... link = "pcie4x16"                  # to other cards; "none" where there is none
    ... link_bandwidth_bytes_s = 31.5e9    # one way
    ... power_w = 300
    ... usd_h = 0.79
    ...
    ... [flop_s]                           # dense
    ... fp16 = 364e12
    ... bf16 = 364e12
    ... fp8 = 728e12
    ... ''')
    >>> card.name, card.flop_s["fp8"] / card.flop_s["bf16"]
    ('my-card', 2.0)
    """
    return of_fields(_parsed(text))


def of_fields(given: Mapping[str, Any]) -> Gpu:
    """Make a card of the fields of its file.

    Parameters
    ----------
    given : dict
        Fields, with where they are from or without.

    Returns
    -------
    Gpu
        The card.

    Raises
    ------
    BadInput
        When a field is missing, unknown or out of range.

    Examples
    --------
    >>> of_fields({"name": "l5"})
    Traceback (most recent call last):
    ...
    llmcap_kernel.refuse.BadInput: memory_visible_bytes is missing: a card needs ...
    """
    fields = plain(given)
    for name in fields:
        if name not in FIELDS:
            near = difflib.get_close_matches(str(name)[:80], FIELDS, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(FIELDS)}."
            raise BadInput(str(name), f"{shown(name)} is no field of a card. {hint}")
    for name in REQUIRED:
        if name not in fields:
            needs = f" [{UNITS[name]}]" if name in UNITS else ""
            raise BadInput(name, f"{name} is missing: a card needs {name}{needs}.")
    _check(fields)
    fields["flop_s"] = plain(fields["flop_s"])
    defaults = {
        **{"title": fields["name"], "vendor": "other", "family": "other", "form": "pcie"},
        **{"memory_sold_bytes": fields["memory_visible_bytes"]},
    }
    return Gpu(**defaults | fields)


def _parsed(text: str) -> dict[str, Any]:
    kind, parse = ("JSON", json.loads) if text.lstrip()[:1] == "{" else ("TOML", tomllib.loads)
    try:
        found = parse(text)
    except (ValueError, RecursionError) as problem:
        raise BadInput("gpu file", f"the card's file is no {kind}: {str(problem)[:120]}.") from None
    inner = found.get("gpus", found) if isinstance(found, dict) else found
    if isinstance(inner, dict) and len(inner) == 1 and isinstance(next(iter(inner.values())), dict):
        ((name, one),) = inner.items()  # a record as the catalogue has it: [gpus.NAME]
        fields = {k: v for k, v in one.items() if k not in HOW_WRITTEN}
        return {"title": one.get("name", name)} | fields | {"name": name}
    return dict(inner) if isinstance(inner, dict) else {}


def _check(fields: dict[str, Any]) -> None:
    """Refuse a field of the wrong kind; `Gpu` itself refuses what is out of range."""
    for name in set(TEXTS) & set(fields):
        if not isinstance(fields[name], str) or not fields[name].strip():
            raise BadInput(name, f"{name} is {shown(fields[name])}: it takes a name.")
    for name in set(BYTES) & set(fields):
        number(name, fields[name], 1e8, 1e14, "bytes")
    for name in {*RATES, *OTHERS} & set(fields):
        number(name, fields[name], 0, 1e15, UNITS.get(name, ""))
    for name in set(SWITCHES) & set(fields):
        yes_or_no(name, fields[name])
    if "place" in fields:
        one_of("place", fields["place"], PLACES)
    if not isinstance(fields["flop_s"], dict):
        took = "it takes a table of dense FLOP/s by dtype, such as bf16 = 165e12"
        raise BadInput("flop_s", f"flop_s is {shown(fields['flop_s'])}: {took}.")
    if not re.fullmatch(r"[\w.-]+", fields["name"]):
        took = "it takes letters, digits, '.' and '-'"
        raise BadInput("name", f"name is {shown(fields['name'])}: {took}.")


def as_file(gpu: Gpu) -> str:
    """Write a card as a file that `read_gpu` reads.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    str
        TOML.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> read_gpu(as_file(catalog.gpu("l4"))) == catalog.gpu("l4")
    True
    """
    values = ((name, getattr(gpu, name)) for name in FIELDS if name != "flop_s")
    lines = [f"{name} = {_toml(value)}{_unit(name)}" for name, value in values]
    lines += ["", "[flop_s]  # dense"]
    return "\n".join([*lines, *(f"{d} = {rate!r}" for d, rate in gpu.flop_s.items())]) + "\n"


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else repr(value)


def _unit(name: str) -> str:
    return f"  # {UNITS[name]}" if name in UNITS else ""


def add(gpu: Gpu) -> None:
    """Let a card of the reader's own be found by its name, in this process.

    Parameters
    ----------
    gpu : Gpu
        The card, as `read_gpu` has it.
    """
    OWN_CARDS[gpu.name.lower()] = gpu
