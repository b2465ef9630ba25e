"""The deployment that a row means, whose names are spelled as its source has them.

Sources write "H100-80GB HBM3", "GGUF Q4_K_M" and "RedHatAI/...-quantized.w8a8"; `catalog.names`
maps each to a name of the catalogue, with the assumption made where a source leaves something
open. An unknown name is reported, never guessed.
"""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from .. import calibration, catalog, law
from ..bandwidth import UNDIVIDED
from ..catalog import names
from ..catalog.cards import capped
from ..catalog.names import Found
from ..refuse import BadInput, shown
from ..spec import Deployment, Engine, Gpu, Model

SIZE_TOLERANCE = 0.02  # llama-bench rounds parameters to three figures


class Spelled(NamedTuple):
    """The parts of a deployment as a row spells them; "" and 0 where they are not stated.

    Attributes
    ----------
    model, gpu : str or record
        Names in the source's spelling, or records of a reader's own.
    engine, version, weights, kv : str
        Names in the source's spelling.
    num_gpus, tp, pp, ep : int
        Cards, and how they split the work.
    dp_attention : int
        Size of data-parallel attention; 0 and 1 mean none.
    memory_fraction : float
        The engine's memory setting.
    greatest : bool
        Whether the row is a maximum over all concurrencies.
    copies : int
        Deployments side by side on those cards.
    left_open : tuple of str
        What the row's own column `assumed` says was filled in.
    taken : tuple of str
        What was filled in beside it and matters less.
    max_num_seqs : int
        The engine's limit on sequences at once.
    max_num_batched_tokens : int
        Its limit on a step [tokens].
    power_limit_w : float
        What a card may draw [W].
    """

    model: str | Model
    gpu: str | Gpu
    engine: str = ""
    version: str = ""
    weights: str = ""
    kv: str = ""
    num_gpus: int = 0
    tp: int = 0
    pp: int = 0
    ep: int = 0
    dp_attention: int = 0
    memory_fraction: float = 0.0
    greatest: bool = False
    copies: int = 0
    left_open: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    max_num_seqs: int = 0
    max_num_batched_tokens: int = 0
    power_limit_w: float = 0.0


class Meant(NamedTuple):
    """The deployment that a row's spellings mean.

    Attributes
    ----------
    deployment : Deployment or None
        The deployment; None when there is none.
    family : str
        The engine's family.
    assumed : tuple of str
        The assumptions that affect a prediction.
    taken : tuple of str
        The assumptions that have little effect.
    reason : str
        Why there is no deployment; "" when there is.
    copies : int
        Deployments side by side on the row's cards.
    """

    deployment: Deployment | None
    family: str
    assumed: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    reason: str = ""
    copies: int = 1


@lru_cache(maxsize=1024)
def model_of_size(kind: str, params: float) -> str:
    """Find the model that llama.cpp names by architecture and size alone.

    Parameters
    ----------
    kind : str
        The type, such as "llama 8B Q4_K - Medium".
    params : float
        Number of parameters.

    Returns
    -------
    str
        The model of that line nearest in size, within 2%; "" when there is none.

    Examples
    --------
    >>> model_of_size("llama 8B Q4_K - Medium", 8.03e9)
    'llama-3.1-8b'
    """
    words = kind.lower().split()
    line = words[0].replace("-", "").removesuffix("moe") if words else ""
    lines = ("llama", "mistral", "mixtral") if line == "llama" else (line,)
    near = {}
    for name in reversed(catalog.models() if line else ()):  # of equals the later generation
        if re.sub("[-.]", "", name).startswith(lines):
            near[name] = abs(params / catalog.model(name).params - 1)
    best = min(near, key=lambda name: (round(near[name], 4), name.count("-")), default="")
    return best if best and near[best] < SIZE_TOLERANCE else ""


def _split(spelled: Spelled, model: Model, cards: int) -> tuple[dict[str, Any], Found]:
    """Derive tp, pp, ep and data-parallel attention from what a row states."""
    pp = spelled.pp or 1
    tp = spelled.tp or max(cards // pp, 1)
    ep, dp, note = spelled.ep or 1, spelled.dp_attention > 1, ""
    if dp and tp == 1:
        # one card a replica of attention: the layer is spread over those that share experts
        tp = ep if ep > 1 else spelled.dp_attention
        note = f"tp 1 beside data-parallel attention: {tp} cards taken"
    if not model.experts or tp % ep or ep > model.experts:
        ep = 1
    if model.heads and model.heads % tp:
        dp = True  # heads that do not divide leave no other way, nor do experts
        ep = tp if model.experts >= tp else ep
    shape = {"tp": tp, "pp": pp, "ep": ep, "dp_attention": dp and tp > 1}
    return shape, Found("", note)


def _chips(spelled: Spelled, gpu: Gpu) -> tuple[Spelled, Found]:
    """Count in chips what Neuron counts in cores, of which a chip has several."""
    chips = spelled.num_gpus // (spelled.pp or 1)
    if gpu.vendor != "aws" or not 0 < chips < spelled.tp:
        return spelled, Found("")
    return spelled._replace(tp=chips), Found("", f"tp {spelled.tp} counts cores: {chips} chips")


SMALLEST = (("fp4", "nvfp4"), ("fp8", "fp8"))  # what a card computes in, and a format for it


def _smallest(weights: Found, gpu: Gpu) -> Found:
    """The format behind a maximum that names none: the smallest the card computes in."""
    name = next((f for dtype, f in SMALLEST if dtype in gpu.flop_s), weights.name)
    width = {n: catalog.format(n).bytes_per_element for n in (name, weights.name)}
    if not weights.assumed or width[name] >= width[weights.name]:
        return weights
    return Found(name, f"weights not stated for the most a card gives: {name} taken")


def _fewest(model: Model, weights: str, gpu: Gpu, cards: int) -> int:
    """Cards a copy behind a maximum that names no split: half of their memory holds it."""
    weight_bytes = model.params * catalog.format(weights).bytes_per_element
    for tp in range(1, cards):
        whole = not cards % tp and not model.heads % tp
        if whole and weight_bytes / tp <= gpu.memory_visible_bytes / 2:
            return tp
    return cards


@lru_cache(maxsize=16_384)
def meaning(spelled: Spelled) -> Meant:
    """Build the deployment that a row's spellings mean.

    A maximum that states neither split nor format is taken to be made with the smallest format
    that the card computes in and with as few cards a copy as hold the weights in half of their
    memory.

    Parameters
    ----------
    spelled : Spelled
        The parts as the row spells them.

    Returns
    -------
    Meant
        The deployment and the assumptions, or the reason why there is none.

    Examples
    --------
    >>> meant = meaning(Spelled("LLaMA-3-8B", "H100 (variant not stated)", "vLLM"))
    >>> meant.deployment.gpu.name, meant.assumed[0]
    ('h100-sxm', 'H100, variant not stated: SXM 80 GB taken')
    >>> meaning(Spelled("LLaMA-3-8B", "abacus")).reason
    "gpu 'abacus' is not in the catalogue (llmcap gpus)"
    """
    engine_family = names.family(spelled.engine)
    try:
        return _meaning(spelled, engine_family)
    except BadInput as problem:
        return Meant(None, engine_family, reason=str(problem).rstrip("."))


def _meaning(spelled: Spelled, engine_family: str) -> Meant:
    if _unsaid(spelled.model) and _unsaid(spelled.gpu):
        raise BadInput("model", "model and gpu are not stated (give --model and --gpu)")
    model, found, called = _model(spelled.model)
    chip, gpu = _card(spelled.gpu)
    weights = names.weight_format(spelled.weights, called, model.native_format, spelled.engine)
    _must(weights.name, "weights", spelled.weights, "formats")
    weights = _smallest(weights, chip) if spelled.greatest else weights
    cards = spelled.num_gpus or gpu.count or 1
    spelled, copies = _copies(spelled, model, weights.name, chip, cards)
    engine = catalog.engine(names.engine_record(spelled.engine, spelled.version))
    own = engine.automatic_kv(model, weights.name)
    kv = names.kv_format(spelled.kv, weights.name, spelled.engine, own)
    _must(kv.name, "kv", spelled.kv, "formats")
    spelled, cores = _chips(spelled, chip)
    shape, split = _split(spelled, model, max(cards // copies, 1))
    if chip.parts:  # unequal cards: a stage of layers on each
        shape, split = {"pp": len(chip.parts)}, Found("")
    deployment = _deployment(spelled, model, chip, engine, weights.name, kv.name, shape)
    deployment, share = _share(spelled, deployment)
    assumptions = [found, gpu, weights, kv, cores, split, share, _timed(spelled.engine)]
    assumptions = [one for one in assumptions if one.assumed]
    return Meant(
        deployment,
        engine_family,
        tuple(f.assumed for f in assumptions if not f.minor) + spelled.left_open,
        tuple(f.assumed for f in assumptions if f.minor) + spelled.taken,
        copies=copies,
    )


def _share(spelled: Spelled, d: Deployment) -> tuple[Deployment, Found]:
    """Take the share without groups of attention where that with them cannot hold the weights.

    What SGLang keeps free for 16 groups is half of a card: who served a model so told it a share.
    """
    if spelled.memory_fraction or d.engine.memory_fraction or not d.dp_attention:
        return d, Found("")
    if law.weights_of(d).stored_bytes < d.fraction * d.gpu.memory_visible_bytes:
        return d, Found("")
    share = min(d.own_fraction(1), d.gpu.memory_usable_share)
    note = f"memory fraction not stated: {share:g} taken"
    return replace(d, memory_fraction=share), Found("", note, minor=True)


def _copies(
    spelled: Spelled, model: Model, weights: str, chip: Gpu, cards: int
) -> tuple[Spelled, int]:
    """Copies side by side on a row's cards; of a maximum that states no split as many as fit."""
    stated = (spelled.tp, spelled.pp, spelled.ep, spelled.dp_attention, spelled.copies)
    if not spelled.greatest or any(stated):
        return spelled, spelled.copies or 1
    spelled = spelled._replace(tp=_fewest(model, weights, chip, cards))
    copies = cards // spelled.tp
    if copies > 1:
        text = f"split of {cards} cards not stated: {copies} copies of {spelled.tp} taken"
        spelled = spelled._replace(left_open=(*spelled.left_open, text))
    return spelled, copies


def _deployment(
    spelled: Spelled,
    model: Model,
    chip: Gpu,
    engine: Engine,
    weights: str,
    kv: str,
    shape: dict[str, Any],
) -> Deployment:
    # stages that work in turn draw less than one that is never idle
    in_turn = shape["pp"] if engine.family in UNDIVIDED and "pp" in shape else 1
    return catalog.deployment(
        model=model,
        gpu=capped(chip, spelled.power_limit_w * in_turn),
        engine=engine,
        weights=weights,
        kv=kv,
        memory_fraction=spelled.memory_fraction or None,
        max_num_seqs=spelled.max_num_seqs or None,
        max_num_batched_tokens=spelled.max_num_batched_tokens or None,
        **shape,
    )


def _model(said: str | Model) -> tuple[Model, Found, str]:
    """The model, what was assumed of it, and the name that may tell its format."""
    if isinstance(said, Model):
        return said, Found(said.name), ""
    found = names.read_model(said)
    if found.choices:
        catalog.model(said)  # says which ones it could be
    _must(found.name, "model", said, "models")
    model = catalog.model(found.name)
    if model.assumed_shape and not found.assumed:
        found = found._replace(assumed=model.source)
    return model, found, said


def _card(said: str | Gpu) -> tuple[Gpu, Found]:
    """The card, what was assumed of it, and how many the name counts."""
    if isinstance(said, Gpu):
        return said, Found(said.name)
    found = names.card(said)
    if found.choices:
        choices = " or ".join(found.choices)
        raise BadInput("gpu", f"gpu {shown(said)} leaves the card open: {choices}")
    _must(found.name, "gpu", said, "gpus")
    return catalog.gpu(found.name), found


def _timed(engine: str) -> Found:
    """Whose efficiencies stand in for those of an engine without measurements."""
    own = names.family(engine)
    stands_in = names.timed_as(own)
    if stands_in == own or own in calibration.table()["rows"]:
        return names.UNKNOWN
    others = "the programs without a family" if stands_in == "other" else stands_in
    return Found("", f"no measurements of {shown(engine)}: timed as {others}", True)


def _unsaid(name: object) -> bool:
    return isinstance(name, str) and not name.strip()


def _must(found: str, field: str, text: str, kind: str) -> None:
    if not found and not text.strip():
        raise BadInput(field, f"{field} is not stated (give --{field})")
    if not found:
        raise BadInput(field, f"{field} {shown(text)} is not in the catalogue (llmcap {kind})")
