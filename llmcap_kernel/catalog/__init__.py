"""The catalogue: models, cards, formats, engines and prices, each with its source.

The tables are TOML files in this folder; models are `config.json` files in
`configs/`. Lookup ignores case and accepts aliases; the error for an unknown name
suggests the nearest one.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from .. import huggingface
from ..refuse import BadInput, one_of
from ..spec import BatchLimits, Deployment, Engine, Format, Gpu, Lora, Model, Speculation
from .names.engines import nearest_version
from .names.formats import checkpoint_format
from .tables import FOLDER, key, known, table

DEFAULT_ENGINE = "vllm"
KINDS = ("models", "gpus", "formats", "engines")


def _name(kind: str, field: str, name: object) -> str:
    return one_of(field, name, table(kind)[kind], known(kind))


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Drop the provenance from a record: `{value = ..., source = ...}` becomes the value."""
    return {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in record.items()}


def models() -> tuple[str, ...]:
    """List the names of all models.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "llama-3.1-70b" in models()
    True
    """
    return tuple(sorted(table("models")["models"]))


def gpus() -> tuple[str, ...]:
    """List the names of all cards.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "h200-sxm" in gpus()
    True
    """
    return tuple(sorted(table("gpus")["gpus"]))


def formats(kv: bool = False) -> tuple[str, ...]:
    """List the names of number formats.

    Parameters
    ----------
    kv : bool
        True for formats of the KV cache, false for formats of weights.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "fp8" in formats(), "fp8" in formats(kv=True)
    (True, True)
    """
    rows = table("formats")["formats"].items()
    return tuple(sorted(n for n, r in rows if (r.get("kv", False) if kv else r.get("covers"))))


def engines() -> tuple[str, ...]:
    """List the names of all engine versions.

    Returns
    -------
    tuple of str
        Sorted names.

    Examples
    --------
    >>> "vllm-0.19" in engines()
    True
    """
    return tuple(sorted(table("engines")["engines"]))


@cache
def model(name: str) -> Model:
    """Look up a model.

    Parameters
    ----------
    name : str
        Name or alias in the catalogue.

    Returns
    -------
    Model
        The model, with its tensors counted from its `config.json`.

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
def gpu(name: str) -> Gpu:
    """Look up a card.

    Parameters
    ----------
    name : str
        Name or alias in the catalogue.

    Returns
    -------
    Gpu
        The card, with the catalogue's reference price as its rent.

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


# One-way bandwidth of PCIe x16, by the generation each chip family supports, from the
# PCI-SIG base specifications.
PCIE_BYTES_S = {"volta": 15.75e9, "turing": 15.75e9, "hopper": 63e9, "blackwell": 63e9}
PCIE_BYTES_S |= {
    "blackwell-graphics": 63e9,
    "cdna3": 63e9,
    "cdna4": 63e9,
    "gaudi3": 63e9,
    "rdna4": 63e9,
}


def _host_bandwidth_bytes_s(fields: dict[str, Any]) -> float:
    """Bandwidth to host memory: shared memory, a superchip's link, or PCIe [bytes/s]."""
    if fields["unified_memory"] or fields["form"] == "soc":
        return fields["bandwidth_bytes_s"]
    if fields["form"] == "superchip":
        return 450e9  # NVLink-C2C, 900 GB/s both ways
    return PCIE_BYTES_S.get(fields["family"], 31.5e9)


def reference_price(name: str) -> dict[str, Any] | None:
    """Look up the rent assumed for a card when none is given.

    Parameters
    ----------
    name : str
        The card's name.

    Returns
    -------
    dict or None
        Price record with provider, term, usd_h [USD/h], date and source; None when the
        catalogue has no reference price.

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
def format(name: str) -> Format:
    """Look up a number format.

    Parameters
    ----------
    name : str
        Name or alias in the catalogue.

    Returns
    -------
    Format
        The format.

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
        *("title", "element_bits", "scale_bits", "group", "covers", "compute", "kv"),
        *("gguf", "covers_mixture"),
    )
    fields = {k: fields[k] for k in keep if k in fields}
    for listed in ("covers", "covers_mixture", "compute"):
        fields[listed] = tuple(fields.get(listed, ()))
    return Format(name=name, **fields)


@cache
def engine(name: str = DEFAULT_ENGINE) -> Engine:
    """Look up an engine.

    Parameters
    ----------
    name : str
        Name or alias; the name of an engine without a version means its newest. A version
        that the catalogue lacks is answered by the newest that is not newer.

    Returns
    -------
    Engine
        The engine, with its memory settings and overheads; its title says where it stands in
        for another version.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> engine("vllm-0.19").block_tokens
    16
    """
    asked, name = name, _engine_name(name)
    fields = _plain(_engine_record(name))
    version = fields.pop("version")
    fields["title"] = f"{fields.pop('name')} {version}"
    if isinstance(asked, str) and key(asked) not in {*known("engines"), name}:
        same = re.match(re.escape(name) + r"\b", key(asked))  # a patch release of it
        fields["title"] += "" if same else f", in place of {asked}"
    fields["release"] = tuple(map(int, re.findall(r"\d+", version)))
    fields["limits"] = tuple(_batch_limits(one) for one in fields["limits"])
    fields["small_cards"] = tuple(fields.get("small_cards", ()))
    return Engine(name=name, **fields)


def _engine_name(name: object) -> str:
    try:
        return _name("engines", "engine", name)
    except BadInput:
        match = (
            re.fullmatch(r"(.+?)[-=]+v?(\d+(?:\.\d+)+).*", key(name))
            if isinstance(name, str)
            else None
        )
        nearest = match and nearest_version(
            match.group(1), tuple(map(int, match.group(2).split(".")))
        )
        if not nearest:
            raise
        return nearest


def _engine_record(name: str) -> dict[str, Any]:
    """What the catalogue says of an engine, and of the one that it is like."""
    record = dict(table("engines")["engines"][name])
    record.pop("aliases", None)
    like = record.pop("like", None)
    return (_engine_record(like) if like else {}) | record


def _batch_limits(given: dict[str, Any]) -> BatchLimits:
    below = given.get("below_gib")
    rest = {k: v for k, v in given.items() if k != "below_gib"}
    return BatchLimits(**rest) if below is None else BatchLimits(below * 2**30, **rest)


def provenance(kind: str, name: str, field: str) -> dict[str, Any]:
    """Look up the source of a figure in the catalogue.

    Parameters
    ----------
    kind : str
        "gpus" or "engines".
    name : str
        Name of the record.
    field : str
        Field with the figure; nested fields are joined by a dot, as in "flop_s.fp8".

    Returns
    -------
    dict
        The value, its kind, and the title, url and date of the source.

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
    name = _name(kind, kind.rstrip("s"), name)
    entry = _engine_record(name) if kind == "engines" else table(kind)[kind][name]
    for part in field.split("."):
        entry = entry.get(part) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or "source" not in entry:
        raise BadInput("field", f"{name} has no sourced figure {field!r}.")
    return {**entry, **table(kind)["sources"][entry["source"]]}


def figures(kind: str, name: str) -> dict[str, dict[str, Any]]:
    """List every figure of a record that has a source.

    Parameters
    ----------
    kind : str
        "gpus" or "engines".
    name : str
        Name of the record.

    Returns
    -------
    dict
        By field, nested fields joined by a dot: what `provenance` says of it.

    Examples
    --------
    >>> figures("gpus", "h100-sxm")["flop_s.fp8"]["kind"]
    'datasheet'
    """
    kind = one_of("kind", kind, ("gpus", "engines"))
    name = _name(kind, kind.rstrip("s"), name)
    record = _engine_record(name) if kind == "engines" else table(kind)[kind][name]
    return {field: provenance(kind, name, field) for field in _sourced(record)}


def _sourced(record: dict[str, Any], above: str = "") -> Iterator[str]:
    for field, entry in record.items():
        if isinstance(entry, dict):
            if "source" in entry:
                yield above + field
            else:
                yield from _sourced(entry, f"{above}{field}.")


def deployment(
    *,
    model: str | Model,
    gpu: str | Gpu,
    engine: str | Engine = DEFAULT_ENGINE,
    weights: str | Format | None = None,
    kv: str | Format = "bf16",
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    dp_attention: bool = False,
    memory_fraction: float | None = None,
    usd_h: float | None = None,
    speculation: Speculation | None = None,
    lora: Lora | None = None,
    offload_share: float = 0.0,
    max_num_seqs: int | None = None,
    max_num_batched_tokens: int | None = None,
    max_model_len: int | None = None,
    eager: bool = False,
    block_size: int | None = None,
) -> Deployment:
    """Build a deployment from names in the catalogue.

    Parameters
    ----------
    model, gpu, engine : str or record
        Names in the catalogue, or custom records.
    weights : str or Format, optional
        Format of the weights; the checkpoint's own if omitted.
    kv : str or Format
        Format of the KV cache.
    tp, pp, ep : int
        Tensor-, pipeline- and expert-parallel degree.
    dp_attention : bool
        Whether attention is data-parallel.
    memory_fraction : float, optional
        Memory fraction the engine is started with; its default if omitted.
    usd_h : float, optional
        Rent of one card; its reference price if omitted [USD/h].
    speculation : Speculation, optional
        Speculative decoding; none if omitted.
    lora : Lora, optional
        Adapters served with the model; none if omitted.
    offload_share : float
        Share of the weights kept in host memory.
    max_num_seqs : int, optional
        Most sequences at once; the engine's default if omitted.
    max_num_batched_tokens, max_model_len, block_size : int, optional
        The engine's other limits; its defaults if omitted [tokens].
    eager : bool
        Whether CUDA graphs are turned off.

    Returns
    -------
    Deployment
        The deployment.

    Raises
    ------
    BadInput
        When a name is unknown or the parts are incompatible.

    Examples
    --------
    >>> deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8").num_gpus
    2
    """
    here = globals()

    def record(kind: str, value: Any) -> Any:
        return here[kind](value) if isinstance(value, str) else value

    served = record("model", model)
    own = served.native_format if isinstance(served, Model) else "bf16"
    if isinstance(model, str):
        own = checkpoint_format(model, own)
    return Deployment(
        model=served,
        gpu=record("gpu", gpu),
        engine=record("engine", engine),
        weights=_named_format("weights", own if weights is None else weights, kv=False),
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
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        max_model_len=max_model_len,
        eager=eager,
        block_size=block_size,
    )


def _named_format(field: str, value: str | Format, kv: bool) -> Format:
    if not isinstance(value, str):
        return value
    return format(one_of(field, value, formats(kv=kv), known("formats")))
