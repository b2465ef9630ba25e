"""The catalogue: models, cards, formats, engines and prices, each with its source.

The tables are TOML files in this folder; models are `config.json` files in
`configs/`. Lookup ignores case and accepts aliases; the error for an unknown name
suggests the nearest one.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from .. import huggingface
from ..refuse import BadInput, either, one_of, shown
from ..spec import (
    NO_CONFIG,
    BatchLimits,
    Deployment,
    Engine,
    Format,
    Gpu,
    Lora,
    Model,
    Speculation,
)
from . import cards, names, origins, typical
from .names.engines import nearest_version, program, release
from .names.formats import checkpoint_format, read_format
from .names.found import UNKNOWN, Found
from .names.made import built, offered
from .names.models import read as read_model
from .names.spelled import parts
from .tables import FOLDER, OWN_CARDS, key, known, table

DEFAULT_ENGINE = "vllm"
MAX_NAME = 500  # longer names are no names
KINDS = ("models", "gpus", "formats", "engines")
PROMPTS_OF = ("launches_prompts_of", "graphs_prompts_of")
MAX_SPELLED = 120  # characters of a name that is worth reading


def _name(kind: str, field: str, name: object) -> str:
    return one_of(field, name, table(kind)[kind], known(kind))


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
    """List the names of number formats; `format` makes others of any bits and group.

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
    named = (n for n, r in rows if (r.get("kv", False) if kv else r.get("covers")))
    return tuple(sorted((*named, *offered(kv))))


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
        Name or alias in the catalogue, a repository, a file, or a size such as "dense 12B". The
        format in a name, and a fine-tune's own name, do not change which model it is. A size
        of a known family that has no config here takes the shape of the nearest, scaled.

    Returns
    -------
    Model
        The model, with its tensors counted from its `config.json`. Where that is not known,
        `source` says what was taken, and `assumed_shape` is true.

    Raises
    ------
    BadInput
        When the name is unknown, or could be several models: the message has the choices.

    Examples
    --------
    >>> round(model("llama-3.1-70b").params / 1e9, 2)
    70.55
    >>> model("dense 12B").source
    'no config: a typical dense model of 12B taken'
    """
    found = _found_model(name)
    if found.name not in table("models")["models"]:
        loaded = _shaped(found)
    else:
        loaded = _recorded(found.name)
    assumption = loaded.source if loaded.assumed_shape else found.assumed
    return replace(loaded, notes=(*loaded.notes, assumption)) if assumption else loaded


OR_ELSE = "Or give its config.json, or its size, as in 'dense 12B'."


def _found_model(name: object) -> Found:
    found = read_model(name) if isinstance(name, str) and len(name) <= MAX_NAME else UNKNOWN
    if found.choices:
        raise BadInput("model", f"model {shown(name)} could be {either(found.choices)}.")
    if found.name:
        return found
    try:
        return found._replace(name=_name("models", "model", name))
    except BadInput as unknown:
        hint = str(unknown)
        raise BadInput("model", f"{hint} {OR_ELSE}") from None


@cache
def _recorded(name: str) -> Model:
    """The model of a record, counted from its config."""
    record = table("models")["models"][name]
    loaded = huggingface.load(FOLDER / "configs" / record["config"], name)
    native, source = record.get("native", loaded.native_format), record["source"]
    if "assumed" in record:
        source = f"{NO_CONFIG} of {name} here: {record['assumed']}"
    roles = tuple(record["nvfp4"]["roles"]) if "nvfp4" in record else ()
    return replace(loaded, source=source, native_format=native, nvfp4_roles=roles)


@cache
def _shaped(found: Found) -> Model:
    """A model of a size that has no config: a sibling scaled, or a typical shape."""
    asked = parts(found.name)
    total, active = asked.total * 1e9, asked.active * 1e9
    source = (
        found.assumed if found.assumed.startswith(NO_CONFIG) else f"{NO_CONFIG}: {found.assumed}"
    )
    if found.base in table("models")["models"]:
        like = model(found.base)
        if found.assumed.endswith(" taken"):
            return replace(like, name=found.name, source=source)
        if like.experts and not active:
            active = total * like.active_params / like.params
        try:
            return typical.scaled(config(found.base), like, found.name, total, active, source)
        except BadInput:  # a shape of its own, such as a state-space model's
            source += ", which its shape does not allow: a typical one taken"
    return typical.typical(found.name, total, active, source)


def config(name: str) -> dict[str, Any]:
    """Read the `config.json` that a model of the catalogue is counted from.

    Parameters
    ----------
    name : str
        Name or alias of a model with a config.

    Returns
    -------
    dict
        The parsed file.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> config("qwen3-8b")["num_hidden_layers"]
    36
    """
    record = table("models")["models"][_name("models", "model", name)]
    path = FOLDER / "configs" / record["config"]
    return json.loads(path.read_text(encoding="utf-8"))


def changed(name: str, changes: dict[str, Any]) -> Model:
    """Count a model of the catalogue with another config, as `changed_config` has it.

    Parameters
    ----------
    name : str
        Name or alias of a model with a config.
    changes : dict
        Fields that go before those of its config, one within another too.

    Returns
    -------
    Model
        As engines read it with `--hf-overrides`.

    Raises
    ------
    BadInput
        When the name is unknown, or the config means no model any more.

    Examples
    --------
    >>> changed("qwen3-8b", {"num_hidden_layers": 4}).layers
    4
    """
    found = model(name)
    loaded = huggingface.load(changed_config(name, changes), found.name)
    return replace(loaded, source=found.source, native_format=found.native_format)


def changed_config(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Merge changes into the config of a model of the catalogue.

    Parameters
    ----------
    name : str
        Name or alias of a model with a config.
    changes : dict
        Fields that go before those of its config, one within another too.

    Returns
    -------
    dict
        The config. A context that a scaling of the rotary embedding stretches is as long as that
        says, unless the changes state it.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    >>> changed_config("qwen3-8b", {"rope_scaling": yarn})["max_position_embeddings"]
    131072
    """
    found = model(name)
    merged = _merged(config(found.name), changes)
    for rope in (changes.get("rope_scaling"), changes.get("rope_parameters")):
        if isinstance(rope, dict) and "max_position_embeddings" not in changes:
            merged["max_position_embeddings"] = _stretched(rope, found.max_context_tokens)
    return merged


def _stretched(rope: dict[str, Any], known: int) -> int:
    """The context that a scaling of the rotary embedding stretches to, at least the known one."""
    start, factor = rope.get("original_max_position_embeddings"), rope.get("factor")
    if rope.get("rope_type", rope.get("type")) in ("linear", "dynamic"):
        start = known
    if not (isinstance(start, int) and isinstance(factor, int | float)):
        return known
    return int(max(start * factor, known)) if 0 < start * factor < 1e9 else known


def _merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    out = dict(config)
    for field, value in changes.items():
        both = isinstance(value, dict) and isinstance(out.get(field), dict)
        out[field] = _merged(out[field], value) if both else value
    return out


def gpu(name: str) -> Gpu:
    """Look up a card.

    Parameters
    ----------
    name : str
        Name or alias in the catalogue, a card as tools, shops and clouds print it
        (`names.card`), a chip with a memory ("apple-m3-max-64gb"), or unequal cards in one box
        ("rtx-5090+rtx-4090", `cards.together`).

    Returns
    -------
    Gpu
        The card, with the catalogue's reference price as its rent.

    Raises
    ------
    BadInput
        When the name is unknown, or leaves several cards open.

    Examples
    --------
    >>> gpu("h100-sxm").memory_visible_bytes / 2**20
    81559.0
    >>> gpu("NVIDIA H100 80GB HBM3").name
    'h100-sxm'
    """
    if isinstance(name, str) and key(name) in OWN_CARDS:
        return OWN_CARDS[key(name)]
    return _gpu(_card_name(name))


@cache
def _gpu(name: str) -> Gpu:
    if "+" in name:
        parts = (one for found in names.cards(name) for one in [found.name] * max(found.count, 1))
        return cards.together(name, tuple(gpu(part) for part in parts))
    price = reference_price(name)
    return cards.of_record(name, cards.record(name), price["usd_h"] if price else 0.0)


def _card_name(name: object) -> str:
    """The catalogue's name of a card as people write it, or a refusal that says what to choose."""
    if not isinstance(name, str):
        return _name("gpus", "gpu", name)
    if key(name) in known("gpus"):
        return known("gpus")[key(name)]
    found = names.card(name)
    if found.name:
        return found.name
    if found.choices:
        choices = f"{', '.join(found.choices[:-1])} or {found.choices[-1]}"
        raise BadInput("gpu", f"gpu {shown(name)} leaves the card open: it takes {choices}.")
    memory = names.memory_of(name)
    if memory:
        raise BadInput("gpu", f"gpu {shown(name)} is not known: {memory}.")
    near = names.nearest(name)
    if not near:
        return _name("gpus", "gpu", name)
    raise BadInput("gpu", f"gpu {shown(name)} is not known. Did you mean {' or '.join(near)}?")


def read_gpu(text: str) -> Gpu:
    """Read a card of one's own from a file in TOML or JSON; `cards.read_gpu` has an example.

    Parameters
    ----------
    text : str
        The file's content: the fields of a `Gpu`, in SI units.

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
    >>> read_gpu(gpu_file("l4")).name
    'l4'
    """
    return cards.read_gpu(text)


def gpu_file(name: str) -> str:
    """Write a card as a file to start one's own from.

    Parameters
    ----------
    name : str
        The card, as `gpu` takes it.

    Returns
    -------
    str
        TOML that `read_gpu` reads.

    Raises
    ------
    BadInput
        When the name is unknown, or is of several cards.

    Examples
    --------
    >>> print(gpu_file("l4").splitlines()[0])
    name = "l4"
    """
    card = gpu(name)
    if card.parts:
        raise BadInput("gpu", f"gpu {shown(name)} is {len(card.parts)} cards: a file takes one.")
    return cards.as_file(card)


def add_gpu(gpu: Gpu) -> None:
    """Let a card of one's own be found by its name, as long as this process runs.

    Parameters
    ----------
    gpu : Gpu
        The card, as `read_gpu` has it.

    Examples
    --------
    >>> add_gpu(read_gpu(gpu_file("l4").replace('"l4"', '"my-l4"', 1)))
    >>> deployment(model="llama-3.1-8b", gpu="my-l4").gpu.power_w
    72
    """
    cards.add(gpu)


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


def passing_price(gpu: Gpu) -> dict[str, Any] | None:
    """Look up the price behind a card's rent where nobody sells it on demand.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    dict or None
        Price record, as `reference_price` has it; None for a rent on demand, for one of the
        reader's own, and where there is none.

    Examples
    --------
    >>> passing_price(gpu("mi355x"))["term"], passing_price(gpu("mi300x"))
    ('spot', None)
    """
    price = reference_price(gpu.name)
    kept = price is None or price["term"] == "on-demand" or price["usd_h"] != gpu.usd_h
    return None if kept else price


@lru_cache(maxsize=4096)
def format(name: str) -> Format:
    """Look up a number format.

    Parameters
    ----------
    name : str
        Name in the catalogue, or any spelling that states a method, bits and group.

    Returns
    -------
    Format
        The format; its title says what a spelling left open.

    Raises
    ------
    BadInput
        When the name is unknown.

    Examples
    --------
    >>> format("fp8").bytes_per_element
    1.0
    >>> format("EXL3 5.5bpw").name, format("UD-Q6_K_XL").title
    ('exl3-5.5bpw', "GGUF Q6_K (Unsloth's dynamic mix Q6_K_XL taken as Q6_K)")
    """
    exact = known("formats").get(key(name)) if isinstance(name, str) else None
    found = Found(exact) if exact else _read(name, kv=False) or _read(name, kv=True)
    if not found:
        return format(_name("formats", "format", name))
    return _made(found)


def _read(name: object, *, kv: bool) -> Found | None:
    """What a spelling of a sane length means; None for nothing."""
    short = isinstance(name, str) and len(name) <= MAX_SPELLED
    found = read_format(name, kv=kv) if isinstance(name, str) and short else None
    return found if found and found.name else None


def _made(found: Found) -> Format:
    """The format of a name, its title with what was assumed."""
    record = table("formats")["formats"].get(found.name) or built(found.name) or {}
    fields = cards.plain(record)
    keep = (
        *("title", "element_bits", "scale_bits", "group", "covers", "compute", "kv"),
        *("gguf", "covers_mixture", "timed"),
    )
    fields = {k: fields[k] for k in keep if k in fields}
    for listed in ("covers", "covers_mixture", "compute"):
        fields[listed] = tuple(fields.get(listed, ()))
    if found.assumed and not found.minor:
        fields["title"] += f" ({found.assumed})"
    return Format(name=found.name, **fields)


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
    fields = cards.plain(_engine_record(name))
    version = fields.pop("version")
    fields["title"] = f"{fields.pop('name')} {version}"
    if isinstance(asked, str) and key(asked) not in {*known("engines"), name}:
        same = re.match(re.escape(name) + r"\b", key(asked))  # a patch release of it
        fields["title"] += "" if same else f", in place of {asked}"
    fields["release"] = tuple(map(int, re.findall(r"\d+", version)))
    fields["limits"] = tuple(_batch_limits(one) for one in fields["limits"])
    fields.pop("since", None)
    for names_of in ("small_cards", "wide_graphs", "reads_kv_of", *PROMPTS_OF):
        fields[names_of] = tuple(fields.get(names_of, ()))
    return Engine(name=name, **fields)


def _engine_name(name: object) -> str:
    try:
        return _name("engines", "engine", name)
    except BadInput:
        meant = program(name) if isinstance(name, str) and len(name) <= MAX_SPELLED else None
        if not meant or meant.name == "other":
            raise
    version = re.search(r"(?:^|[-= (])v?(\d+(?:\.\d+)+.*)", key(str(name)))
    numbers = release(version.group(1)) if version else ()
    stands_for = known("engines")[meant.record]
    return (numbers and nearest_version(meant.record, numbers)) or stands_for


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
    entry: Any = (
        _engine_record(_name(kind, "engine", name))
        if kind == "engines"
        else cards.record(_card_name(name))
    )
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


_model_of, _gpu_of, _engine_of = model, gpu, engine  # arguments hide these names below


def deployment(
    *,
    model: str | Model,
    gpu: str | Gpu,
    engine: str | Engine = DEFAULT_ENGINE,
    weights: str | Format | None = None,
    kv: str | Format = "auto",
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
    mixed_chunk: bool = False,
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
        Format of the KV cache; "auto" is what the engine takes of the checkpoint: what its
        config declares, where the engine reads that, else 16 bits.
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
    mixed_chunk : bool
        Whether an engine that gives prompts steps of their own is told to mix them with decoding.

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
    served = _model_of(model) if isinstance(model, str) else model
    card = _gpu_of(gpu) if isinstance(gpu, str) else gpu
    if isinstance(card, Gpu) and card.parts and pp == 1:
        pp = len(card.parts)  # unequal cards: a stage of layers on each
    if weights in (None, "auto"):
        weights = served.native_format if isinstance(served, Model) else "bf16"
        if isinstance(model, str):
            weights = checkpoint_format(model, weights)
    runs = _engine_of(engine) if isinstance(engine, str) else engine
    weights = named_format("weights", weights, kv=False)
    if kv == "auto" and all(isinstance(part, Model | Engine) for part in (served, runs)):
        kv = runs.automatic_kv(served, weights.name) or "bf16"
    return Deployment(
        served, card, runs, weights, named_format("kv", kv, kv=True), tp, pp, ep, dp_attention,
        memory_fraction, usd_h, speculation, lora, offload_share, max_num_seqs,
        max_num_batched_tokens, max_model_len, eager, mixed_chunk, block_size,
    )  # fmt: skip


def named_format(field: str, value: str | Format, kv: bool) -> Format:
    """Look up a format of weights or of the cache.

    Parameters
    ----------
    field : str
        Name of the input, for the message.
    value : str or Format
        A name or a spelling; a record is given back.
    kv : bool
        True for a format of the KV cache, false for one of weights.

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
    >>> named_format("kv", "fp8", kv=True).name
    'fp8'
    """
    return _spelled_format(field, value, kv) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def _spelled_format(field: str, value: str, kv: bool) -> Format:
    found = Found(value) if value in formats(kv) else _read(value, kv=kv)
    if found:
        return _made(found)
    return format(one_of(field, value, formats(kv=kv), known("formats")))
