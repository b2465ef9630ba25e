"""The catalogue: models, cards, formats, engines and prices, each with its source.

The tables are TOML files beside this one, the models `config.json` files in
`configs/`. Names are forgiving about case and spelling, and an unknown one is
told the nearest.
"""

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

from .. import huggingface
from ..refuse import BadInput, one_of
from ..spec import Deployment, Engine, Format, Gpu

FOLDER = Path(__file__).parent
DEFAULT_ENGINE = "vllm"
KINDS = ("models", "gpus", "formats", "engines")


@cache
def table(kind):
    """Read one of the catalogue's tables as it is written.

    Parameters
    ----------
    kind : str
        "models", "gpus", "formats", "engines" or "prices" [-].

    Returns
    -------
    dict
        The parsed TOML, sources included [-].

    Examples
    --------
    >>> "h100-sxm" in table("gpus")["gpus"]
    True
    """
    return tomllib.loads((FOLDER / f"{kind}.toml").read_text(encoding="utf-8"))


@cache
def _aliases(kind):
    return {
        alias.lower().replace("_", "-").replace(" ", "-"): name
        for name, record in table(kind)[kind].items()
        for alias in record.get("aliases", ())
    }


def _name(kind, field, name):
    return one_of(field, name, table(kind)[kind], _aliases(kind))


def _plain(record):
    """Strip a record of its provenance: `{value = ...}` becomes the value."""
    return {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in record.items()}


def models():
    """List the models.

    Returns
    -------
    tuple of str
        Names in order [-].

    Examples
    --------
    >>> "llama-3.1-70b" in models()
    True
    """
    return tuple(sorted(table("models")["models"]))


def gpus():
    """List the cards.

    Returns
    -------
    tuple of str
        Names in order [-].

    Examples
    --------
    >>> "h200-sxm" in gpus()
    True
    """
    return tuple(sorted(table("gpus")["gpus"]))


def formats(kv=False):
    """List the number formats.

    Parameters
    ----------
    kv : bool
        Whether to list those a KV cache can be kept in; else those for weights [-].

    Returns
    -------
    tuple of str
        Names in order [-].

    Examples
    --------
    >>> "fp8" in formats(), "fp8" in formats(kv=True)
    (True, True)
    """
    rows = table("formats")["formats"].items()
    return tuple(sorted(n for n, r in rows if (r.get("kv", False) if kv else r.get("covers"))))


def engines():
    """List the engines, version by version.

    Returns
    -------
    tuple of str
        Names in order [-].

    Examples
    --------
    >>> "vllm-0.19" in engines()
    True
    """
    return tuple(sorted(table("engines")["engines"]))


@cache
def model(name):
    """Look a model up.

    Parameters
    ----------
    name : str
        A name or alias of the catalogue [-].

    Returns
    -------
    Model
        The model, counted from its `config.json` [-].

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> round(model("llama-3.1-70b").params / 1e9, 2)
    70.55
    """
    name = _name("models", "model", name)
    record = table("models")["models"][name]
    loaded = huggingface.load(FOLDER / "configs" / record["config"], name)
    return replace(loaded, source=record["source"])


@cache
def gpu(name):
    """Look a card up.

    Parameters
    ----------
    name : str
        A name or alias of the catalogue [-].

    Returns
    -------
    Gpu
        The card, with the catalogue's reference rent [-].

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> gpu("h100-sxm").memory_visible_bytes / 2**20
    81559.0
    """
    name = _name("gpus", "gpu", name)
    record = dict(table("gpus")["gpus"][name])
    record.pop("aliases", None)
    rates = _plain(record.pop("flop_s"))
    fields = _plain(record)
    title = fields.pop("name")
    fields.setdefault("host_bandwidth_bytes_s", _host_bandwidth_bytes_s(fields))
    price = reference_price(name)
    return Gpu(
        name=name, title=title, flop_s=rates, usd_h=price["usd_h"] if price else 0.0, **fields
    )


# PCIe x16 one way by the generation a chip family came with; PCI-SIG base specifications.
PCIE_BYTES_S = {"volta": 15.75e9, "turing": 15.75e9, "hopper": 63e9, "blackwell": 63e9}
PCIE_BYTES_S |= {
    "blackwell-graphics": 63e9,
    "cdna3": 63e9,
    "cdna4": 63e9,
    "gaudi3": 63e9,
    "rdna4": 63e9,
}


def _host_bandwidth_bytes_s(fields):
    """A superchip's link, the memory itself where it is shared, else PCIe."""
    if fields["unified_memory"] or fields["form"] == "soc":
        return fields["bandwidth_bytes_s"]
    if fields["form"] == "superchip":
        return 450e9  # NVLink-C2C, 900 GB/s both ways
    return PCIE_BYTES_S.get(fields["family"], 31.5e9)


def reference_price(name):
    """Find the rent a card is reckoned with when none is given.

    Parameters
    ----------
    name : str
        The card's name [-].

    Returns
    -------
    dict or None
        The price row: provider, term, usd_h, date, source; None when the
        catalogue has none [USD/h].

    Examples
    --------
    >>> reference_price("h100-sxm")["usd_h"] > 0
    True
    """
    for row in table("prices")["price"]:
        if row["gpu"] == name and row.get("reference"):
            return row
    return None


@cache
def format(name):
    """Look a number format up.

    Parameters
    ----------
    name : str
        A name or alias of the catalogue [-].

    Returns
    -------
    Format
        The format [-].

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> format("fp8").bytes_per_element
    1.0
    """
    name = _name("formats", "format", name)
    fields = _plain(table("formats")["formats"][name])
    keep = (
        *("title", "element_bits", "scale_bits", "group", "covers", "compute", "kv", "pad_to"),
        "gguf",
    )
    fields = {k: fields[k] for k in keep if k in fields}
    for listed in ("covers", "compute"):
        fields[listed] = tuple(fields.get(listed, ()))
    return Format(name=name, **fields)


@cache
def engine(name=DEFAULT_ENGINE):
    """Look an engine up.

    Parameters
    ----------
    name : str
        A name or alias; a family's bare name is its newest version [-].

    Returns
    -------
    Engine
        The engine with its memory habits [-].

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> engine("vllm-0.19").block_tokens
    16
    """
    name = _name("engines", "engine", name)
    fields = _plain(table("engines")["engines"][name])
    fields.pop("aliases", None)
    title = f"{fields.pop('name')} {fields.pop('version')}".strip()
    return Engine(name=name, title=title, **fields)


def provenance(kind, name, field):
    """Say where a figure of the catalogue comes from.

    Parameters
    ----------
    kind : str
        "gpus" or "engines" [-].
    name : str
        The record [-].
    field : str
        The figure; a rate is written "flop_s.fp8" [-].

    Returns
    -------
    dict
        value, kind, and the source's title, url and date [-].

    Raises
    ------
    BadInput
        When there is no such figure.

    Examples
    --------
    >>> provenance("gpus", "h100-sxm", "bandwidth_bytes_s")["value"]
    3350000000000.0
    """
    kind = one_of("kind", kind, ("gpus", "engines"))
    entry = table(kind)[kind][_name(kind, kind.rstrip("s"), name)]
    for part in field.split("."):
        entry = entry.get(part) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or "source" not in entry:
        raise BadInput("field", f"{name} has no sourced figure {field!r}.")
    return {**entry, **table(kind)["sources"][entry["source"]]}


def deployment(
    *,
    model,
    gpu,
    engine=DEFAULT_ENGINE,
    weights="bf16",
    kv="bf16",
    tp=1,
    pp=1,
    ep=1,
    dp_attention=False,
    memory_fraction=None,
    usd_h=None,
    speculation=None,
    lora=None,
    offload_share=0.0,
):
    """Build a deployment from names.

    Parameters
    ----------
    model, gpu, engine : str or record
        Names of the catalogue, or records of your own [-].
    weights, kv : str or Format
        Formats of the weights and of the KV cache [-].
    tp, pp, ep : int
        Cards a layer is split over, stages, cards experts are spread over [-].
    dp_attention : bool
        Whether attention runs data-parallel [-].
    memory_fraction : float, optional
        The engine's memory setting [-].
    usd_h : float, optional
        Rent of one card for an hour [USD/h].
    speculation : Speculation, optional
        How tokens are guessed ahead [-].
    lora : Lora, optional
        Adapters served beside the model [-].
    offload_share : float
        Share of the weights kept in the host's memory [-].

    Returns
    -------
    Deployment
        The deployment [-].

    Raises
    ------
    BadInput
        When a name is unknown or the parts do not go together.

    Examples
    --------
    >>> deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8").num_gpus
    2
    """
    here = globals()

    def record(kind, value):
        return here[kind](value) if isinstance(value, str) else value

    return Deployment(
        model=record("model", model),
        gpu=record("gpu", gpu),
        engine=record("engine", engine),
        weights=_named_format("weights", weights, kv=False),
        kv=_named_format("kv", kv, kv=True),
        tp=tp,
        pp=pp,
        ep=ep,
        dp_attention=dp_attention,
        memory_fraction=memory_fraction,
        usd_h=usd_h,
        speculation=speculation,
        lora=lora,
        offload_share=offload_share,
    )


def _named_format(field, value, kv):
    if not isinstance(value, str):
        return value
    return format(one_of(field, value, formats(kv=kv), _aliases("formats")))
