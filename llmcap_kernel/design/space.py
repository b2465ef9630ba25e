"""The space of a search: every deployment that the catalogue allows, counted and numbered.

The deployments of a block differ in cards and in the engine's limits only, so that a search can
time a block at once.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, product
from typing import NamedTuple

from .. import catalog
from ..refuse import BadInput, either, number, one_of, shown
from ..spec import MAX_GPUS, WIDE, Deployment, Engine, Format, Gpu, Model, Workload

CARDS = (1, 2, 4, 8)
DESK = 4  # most cards in a workstation
# Vendors whose cards an engine runs on. Installation pages of vLLM (docs.vllm.ai), SGLang
# (docs.sglang.io), TensorRT-LLM and llama.cpp, read in November 2026.
RUNS_ON = {
    "vllm": ("nvidia", "amd", "intel", "google", "aws", "huawei"),
    "sglang": ("nvidia", "amd", "intel", "google", "huawei"),
    "trtllm": ("nvidia",),
    "llama.cpp": ("nvidia", "amd", "intel", "apple", "huawei"),
}
# NVIDIA's chips before compute capability 7.5, for which the newest release of a server is not
# built: vLLM, CMakeLists.txt (CUDA_SUPPORTED_ARCHS from CUDA 12.8 on) and docker/Dockerfile
# (torch_cuda_arch_list), read in November 2026; SGLang and TensorRT-LLM ask for no older ones.
BEFORE_TURING = ("maxwell", "pascal", "volta")
HOME = "llama.cpp"  # the engine for computers with unified memory, and for old cards
HOME_FORMATS = ("gguf-q8-0", "gguf-q4-k-m")
FOUR_BITS = "int4-awq"  # third-party checkpoints for servers
HOME_CACHES = ("fp16", "gguf-q8-0")
CACHES = ("bf16", "fp8")
LATENT = "mla"


@dataclass(frozen=True)
class Quality:
    """The minimum quality of a model and of its formats.

    The catalogue has no scores of models, so a minimum size stands for quality.

    Parameters
    ----------
    weight_bits, kv_bits : float
        Fewest bits of a weight and of an element of the cache, scales included [bits].
    params : float
        Fewest parameters of a model.

    Raises
    ------
    BadInput
        When a number is out of range.

    Examples
    --------
    >>> Quality(weight_bits=8).weight_bits
    8
    """

    weight_bits: float = 0.0
    kv_bits: float = 0.0
    params: float = 0.0

    def __post_init__(self) -> None:
        number("weight_bits", self.weight_bits, 0, 64, "bits")
        number("kv_bits", self.kv_bits, 0, 64, "bits")
        number("params", self.params, 0, 1e14)


def bits(number_format: Format) -> float:
    """Compute the bits of an element with its share of a scale, as a measure of quality.

    Parameters
    ----------
    number_format : Format
        A format of weights or of the cache.

    Returns
    -------
    float
        Its size [bits].

    Examples
    --------
    >>> bits(catalog.format("fp8")), bits(catalog.format("nvfp4"))
    (8.0, 4.5)
    """
    return 8 * number_format.bytes_per_element


class Limits(NamedTuple):
    """Limits that an engine is started with; None for the engine's default.

    Attributes
    ----------
    max_num_seqs : int or None
        Most sequences at once.
    max_num_batched_tokens : int or None
        Most tokens of a step [tokens].
    """

    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None


@dataclass(frozen=True)
class Block:
    """Deployments that differ in cards and limits only.

    Attributes
    ----------
    model, engine, weights, kv, tp, pp, ep, dp_attention
        As `Deployment` has them.
    gpus : tuple of Gpu
        Cards; the limits of one follow each other.
    limits : tuple of Limits
        Limits of the engine on each.
    """

    model: Model
    engine: Engine
    weights: Format
    kv: Format
    tp: int
    pp: int
    ep: int
    dp_attention: bool
    gpus: tuple[Gpu, ...]
    limits: tuple[Limits, ...]

    def __len__(self) -> int:
        return len(self.gpus) * len(self.limits)

    def __getitem__(self, at: int) -> Deployment:
        card, limit = divmod(at, len(self.limits))
        return self.on(self.gpus[card], self.limits[limit])

    def deployments(self) -> Iterator[Deployment]:
        """Build all of them, in order.

        Yields
        ------
        Deployment
            One after the other.
        """
        return map(self.__getitem__, range(len(self)))

    def on(self, gpu: Gpu, limits: Limits) -> Deployment:
        """Deploy on a card.

        Parameters
        ----------
        gpu : Gpu
            The card.
        limits : Limits
            Limits of the engine.

        Returns
        -------
        Deployment
            The deployment.
        """
        return Deployment(
            self.model,
            gpu,
            self.engine,
            self.weights,
            self.kv,
            self.tp,
            self.pp,
            self.ep,
            self.dp_attention,
            max_num_seqs=limits.max_num_seqs,
            max_num_batched_tokens=limits.max_num_batched_tokens,
        )


@dataclass(frozen=True)
class Space(Sequence[Deployment]):
    """Deployments to choose from, numbered.

    Attributes
    ----------
    blocks : tuple of Block
        Its parts, in order.
    """

    blocks: tuple[Block, ...]
    ends: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple(accumulate(map(len, self.blocks))))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        block = bisect_right(self.ends, at)
        return self.blocks[block][at - self.start(block)]

    def with_deployments(self, deployments: Iterable[Deployment]) -> "Space":
        """Add deployments at the end.

        Parameters
        ----------
        deployments : iterable of Deployment
            On one card or several of a kind each.

        Returns
        -------
        Space
            A new one, in which all others keep their numbers.
        """
        return Space((*self.blocks, *map(_block_of, deployments)))

    def below(self, usd_h: float) -> "Space":
        """Keep the deployments of which one copy has a known rent below another.

        Parameters
        ----------
        usd_h : float
            The other rent [USD/h].

        Returns
        -------
        Space
            A new one, numbered anew.
        """
        rented = (
            replace(b, gpus=tuple(g for g in b.gpus if 0 < g.usd_h * b.tp * b.pp < usd_h))
            for b in self.blocks
        )
        return Space(tuple(block for block in rented if block.gpus))

    def hardware(self, at: int) -> tuple[str, str, int]:
        """Name what a deployment runs on, without building it.

        Parameters
        ----------
        at : int
            Its number.

        Returns
        -------
        tuple of (str, str, int)
            Model, card and number of cards.
        """
        block_index = bisect_right(self.ends, at)
        block = self.blocks[block_index]
        gpu = block.gpus[(at - self.start(block_index)) // len(block.limits)]
        return block.model.name, gpu.name, block.tp * block.pp

    def block(self, at: int) -> Block:
        """Find the block of a deployment.

        Parameters
        ----------
        at : int
            Its number.

        Returns
        -------
        Block
            Where its model and its formats stand.
        """
        return self.blocks[bisect_right(self.ends, at)]

    def start(self, block: int) -> int:
        """Number of the first deployment of a block.

        Parameters
        ----------
        block : int
            Which block.

        Returns
        -------
        int
            Its place in the space.
        """
        return self.ends[block - 1] if block else 0


def _block_of(d: Deployment) -> Block:
    limits = (Limits(d.max_num_seqs, d.max_num_batched_tokens),)
    layout = d.tp, d.pp, d.ep, d.dp_attention
    return Block(d.model, d.engine, d.weights, d.kv, *layout, (d.gpu,), limits)


def sequences(engine: Engine, max_num_seqs: int | None, users: int) -> int | None:
    """Choose the max_num_seqs that an engine is started with.

    Parameters
    ----------
    engine : Engine
        The engine.
    max_num_seqs : int or None
        The limit that was given, if any.
    users : int
        Requests in flight on one copy.

    Returns
    -------
    int or None
        The given limit. Without one, llama.cpp gets a slot for each request, since its default is
        too low, and others get None, which is the engine's default.

    Examples
    --------
    >>> [sequences(catalog.engine(name), None, 16) for name in ("llama.cpp", "vllm")]
    [16, None]
    """
    return max_num_seqs or (users if engine.family == HOME else None)


def needed_engine(gpu: Gpu) -> str:
    """Name the default engine of a card.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    str
        vLLM, or llama.cpp on Apple's chips, on others' that share the host's memory, and on
        NVIDIA's before Turing.

    Examples
    --------
    >>> needed_engine(catalog.gpu("h100-sxm")), needed_engine(catalog.gpu("apple-m4-max"))
    ('vllm', 'llama.cpp')
    """
    shared = gpu.unified_memory and gpu.vendor in ("apple", "amd", "intel")
    return HOME if shared or gpu.family in BEFORE_TURING else catalog.DEFAULT_ENGINE


def usual_engine(gpu: Gpu | None, weights: Format | None) -> str:
    """Name the default engine of a card and a format.

    Parameters
    ----------
    gpu : Gpu, optional
        The card; any if omitted.
    weights : Format, optional
        Of the weights; any if omitted.

    Returns
    -------
    str
        llama.cpp for GGUF files, else what the card is served with.

    Examples
    --------
    >>> usual_engine(catalog.gpu("h100-sxm"), catalog.format("gguf-q4-k-m"))
    'llama.cpp'
    """
    if weights is not None and weights.gguf:
        return HOME
    return needed_engine(gpu) if gpu else catalog.DEFAULT_ENGINE


def runs_on(engine: Engine, gpu: Gpu) -> bool:
    """Say whether an engine runs on a card.

    Parameters
    ----------
    engine : Engine
        The engine.
    gpu : Gpu
        The card.

    Returns
    -------
    bool
        By the card's vendor, and of an engine's newest release by the chips it is built for.

    Examples
    --------
    >>> runs_on(catalog.engine("trtllm"), catalog.gpu("mi300x"))
    False
    """
    old = engine.family != HOME and gpu.family in BEFORE_TURING
    if old and engine.family in RUNS_ON and engine == catalog.engine(engine.family):
        return False
    return gpu.vendor in RUNS_ON.get(engine.family, (gpu.vendor,))


def cannot_run(engine: Engine, gpu: Gpu) -> str:
    """Explain that an engine does not run on a card, and which do; "" where it does.

    Parameters
    ----------
    engine : Engine
        The engine.
    gpu : Gpu
        The card.

    Returns
    -------
    str
        A sentence; empty where it runs, or where nobody knows the card's vendor.

    Examples
    --------
    >>> cannot_run(catalog.engine("vllm"), catalog.gpu("apple-m4-max"))
    'vLLM 0.33 does not run on Apple M4 Max, 40-core GPU: choose llama.cpp server 2026-11.'
    """
    names = [name for name in RUNS_ON if runs_on(catalog.engine(name), gpu)]
    if runs_on(engine, gpu) or not names:
        return ""
    titles = [catalog.engine(name).title for name in names]
    return f"{engine.title} does not run on {gpu.title}: choose {either(titles)}."


# Types of llama.cpp's files that go by common names: ggml.h, and its pull request 19769.
IN_GGUF = (*WIDE, "mxfp4", "nvfp4")


def cannot_load(engine: Engine, weights: Format) -> str:
    """Explain that an engine loads no checkpoint in a format; "" where it does.

    Parameters
    ----------
    engine : Engine
        The engine.
    weights : Format
        Format of the weights.

    Returns
    -------
    str
        A sentence; empty where it does, or where nothing says that it does not.

    Examples
    --------
    >>> cannot_load(catalog.engine("llama.cpp"), catalog.format("fp8"))
    'llama.cpp loads GGUF files alone, and none is in FP8.'
    """
    if engine.family == "llama.cpp" and not (weights.gguf or weights.name in IN_GGUF):
        return f"llama.cpp loads GGUF files alone, and none is in {weights.title}."
    if engine.family == "trtllm" and weights.gguf:
        return "TensorRT-LLM loads no GGUF file."
    return ""


def space(
    workload: Workload,
    *,
    models: Iterable[str | Model] = (),
    quality: Quality | None = None,
    gpus: Iterable[str | Gpu] = (),
    vendors: Iterable[str] = (),
    engines: Iterable[str | Engine] = (),
    weights: Iterable[str] = (),
    four_bits: bool = False,
    kv: Iterable[str] = (),
    tps: Iterable[int] = CARDS,
    nodes: int = 1,
    expert_parallel: bool | None = None,
    dp_attention: Iterable[bool] | None = None,
    max_num_seqs: Iterable[int | None] = (None,),
    max_num_batched_tokens: Iterable[int | None] = (None,),
) -> Space:
    """List every deployment that the catalogue allows.

    Parameters
    ----------
    workload : Workload
        The load: its context must lie within a model's window.
    models : iterable of str or Model
        Models to choose from; all of the catalogue that `quality` allows if empty.
    quality : Quality, optional
        The least that is asked of models and formats.
    gpus : iterable of str or Gpu
        Cards, whatever their price; all that have one on demand if empty, those of a workstation
        four at most to a deployment.
    vendors : iterable of str
        Vendors of the cards; all if empty.
    engines : iterable of str or Engine
        Engines; vLLM, and llama.cpp where a card needs it, if empty.
    weights, kv : iterable of str
        Formats; if empty, those that an engine serves the checkpoint in: its own and FP8 where
        that is smaller, GGUF's Q8_0 and Q4_K_M in llama.cpp, each with a cache of 16 and 8 bits.
    four_bits : bool
        Whether, where no formats are named, copies that others made in four bits count for servers
        too, as on a desk.
    tps : iterable of int
        Cards that split each layer, within a node.
    nodes : int
        Most nodes; their stages of layers follow each other.
    expert_parallel : bool, optional
        Whether experts lie whole on cards; both are tried if omitted, and only that beside
        data-parallel attention.
    dp_attention : iterable of bool, optional
        Whether attention is data-parallel; if omitted, both for models with one latent for all
        heads and experts.
    max_num_seqs, max_num_batched_tokens : iterable of int or None
        Limits that the engine is started with; its own for None [tokens].

    Returns
    -------
    Space
        The deployments.

    Raises
    ------
    BadInput
        When a name is unknown, or nothing is left to choose from.

    Examples
    --------
    >>> load = Workload(7000, 1000, 16)
    >>> here = space(load, models=["llama-3.1-70b"], gpus=["h100-sxm", "l4"])
    >>> len(here), here[0].title
    (32, 'llama-3.1-70b bf16 / 1x h100-sxm / bf16 KV')
    """
    floor = quality or Quality()
    named_gpus = tuple(gpus)
    cards = _cards(named_gpus, tuple(vendors))
    served = _models(tuple(models), floor, workload)
    number("nodes", nodes, 1, 64, whole=True)
    tp_degrees = sorted({number("tp", n, 1, MAX_GPUS, whole=True) for n in tps})
    limits = tuple(map(Limits._make, product(max_num_seqs, max_num_batched_tokens)))
    options = _Options(
        tuple(weights), four_bits, tuple(kv), floor, expert_parallel, dp_attention, limits
    )
    blocks: list[Block] = []
    for model, (engine, engine_gpus) in product(served, _engines(tuple(engines), cards)):
        for w, k in options.formats(model, engine):
            for tp, pp in product(tp_degrees, _stages(engine_gpus, nodes)):
                fitting = _gpus_within(
                    engine_gpus, tp, pp, nodes, desk=DESK if not named_gpus else MAX_GPUS
                )
                blocks += options.blocks(model, engine, w, k, tp, pp, fitting) if fitting else []
    if not blocks:
        degrees = ", ".join(map(str, tp_degrees))
        raise BadInput("tp", f"tp is {degrees}: none of the cards splits {_names(served)} so.")
    return Space(tuple(blocks))


class _Options(NamedTuple):
    """The formats, topologies and limits to combine."""

    weights: tuple[str, ...]
    four_bits: bool
    kv: tuple[str, ...]
    least: Quality
    expert_parallel: bool | None
    dp_attention: Iterable[bool] | None
    limits: tuple[Limits, ...]

    def formats(self, model: Model, engine: Engine) -> Iterator[tuple[Format, Format]]:
        """Yield pairs of weight and cache formats of sufficient quality."""
        home = engine.family == HOME
        caches = self.kv or (HOME_CACHES if home else CACHES)
        for w, k in product(self.weights or _default_formats(model, home, self.four_bits), caches):
            pair = _format("weights", w, kv=False), _format("kv", k, kv=True)
            if bits(pair[0]) >= self.least.weight_bits and bits(pair[1]) >= self.least.kv_bits:
                yield pair

    def blocks(
        self,
        model: Model,
        engine: Engine,
        weights: Format,
        kv: Format,
        tp: int,
        pp: int,
        gpus: tuple[Gpu, ...],
    ) -> Iterator[Block]:
        """Yield a block for each layout that the model, the engine and its command allow."""
        latent = any(a.kind == LATENT or a.latent_dim for a in model.attention)
        dp_choices = (False, True) if latent and model.experts else (False,)
        limits = _startable(self.limits, engine)
        for dp_attention in dp_choices if self.dp_attention is None else self.dp_attention:
            if dp_attention and (tp == 1 or (engine.family == "vllm" and not model.experts)):
                continue
            for ep in _expert_parallel(self.expert_parallel, model, tp, dp_attention):
                block = Block(model, engine, weights, kv, tp, pp, ep, dp_attention, gpus, limits)
                try:
                    block[0]
                except BadInput as problem:
                    if problem.field in ("tp", "pp", "ep", "dp_attention"):
                        continue  # this model does not allow the layout
                    raise
                yield block


def _expert_parallel(
    expert_parallel: bool | None, model: Model, tp: int, dp_attention: bool
) -> tuple[int, ...]:
    if not model.experts or tp == 1 or expert_parallel is False:
        return (1,)
    return (tp,) if expert_parallel or dp_attention else (1, tp)


def _startable(limits: tuple[Limits, ...], engine: Engine) -> tuple[Limits, ...]:
    """Keep the limits with which an engine starts."""
    if engine.family != "vllm":
        return limits
    startable = tuple(
        x
        for x in limits
        if not (x.max_num_seqs and x.max_num_batched_tokens)
        or x.max_num_batched_tokens >= x.max_num_seqs
    )
    if not startable:
        raise BadInput(
            "max_num_batched_tokens",
            "max_num_batched_tokens is below every max_num_seqs: vLLM takes at least as many.",
        )
    return startable


def _stages(gpus: tuple[Gpu, ...], nodes: int) -> list[int]:
    """List the possible pipeline stages: one per node, or one on each of unequal cards."""
    return sorted({*range(1, nodes + 1), *(len(gpu.parts) for gpu in gpus if gpu.parts)})


def _gpus_within(gpus: tuple[Gpu, ...], tp: int, pp: int, nodes: int, desk: int) -> tuple[Gpu, ...]:
    """Keep the cards where a stage fits in a node, and all stages in the nodes."""

    def holds(gpu: Gpu) -> bool:
        if gpu.parts:  # unequal cards in one box, a stage of layers on each
            return tp == 1 and pp == len(gpu.parts)
        linked = tp * pp == 1 or gpu.link_bandwidth_bytes_s > 0
        whole = pp == 1 or tp == gpu.max_per_node  # a second node only where the first is full
        in_one = gpu.max_per_node if gpu.place == "server" else min(gpu.max_per_node, desk)
        return linked and whole and tp <= in_one and pp <= nodes

    return tuple(filter(holds, gpus))


def _models(
    requested: tuple[str | Model, ...], least: Quality, workload: Workload
) -> tuple[Model, ...]:
    names = requested or catalog.models()
    candidates = [catalog.model(m) if isinstance(m, str) else m for m in names]
    if not requested:
        if not least.params:
            raise BadInput("models", "models is empty: name some, or the fewest parameters.")
        candidates = [m for m in candidates if not m.assumed_shape]
    large_enough = [m for m in candidates if m.params >= least.params]
    if not large_enough:
        largest = max(m.params for m in candidates)
        raise BadInput(
            "params", f"params is {least.params:,.0f}: the largest of them has {largest:,}."
        )
    max_context = max(m.max_context_tokens for m in large_enough)
    long_enough = tuple(m for m in large_enough if m.max_context_tokens >= workload.context_tokens)
    if not long_enough:
        raise BadInput(
            "context",
            f"context is {workload.context_tokens:,} tokens: {_names(large_enough)} takes "
            f"{max_context:,} at most.",
        )
    return long_enough


def _names(models: Iterable[Model]) -> str:
    return either([m.name for m in models], most=3)


def _cards(requested: tuple[str | Gpu, ...], vendors: tuple[str, ...]) -> tuple[Gpu, ...]:
    all_gpus = map(catalog.gpu, catalog.gpus())
    # spot prices are no basis for a service, as the cards may be taken away; and no server is built
    # for old cards
    priced = (g for g in all_gpus if g.usd_h and g.family not in BEFORE_TURING)
    usual = [g for g in priced if not catalog.passing_price(g)] if not requested else []
    candidates = [catalog.gpu(g) if isinstance(g, str) else g for g in requested] or usual
    all_vendors = sorted({catalog.gpu(name).vendor for name in catalog.gpus()})
    allowed = {one_of("vendor", v, all_vendors) for v in vendors}
    selected = tuple(dict.fromkeys(g for g in candidates if not allowed or g.vendor in allowed))
    if not selected:
        raise BadInput(
            "vendor", f"vendor is {either(sorted(allowed))}: none of the cards is of it."
        )
    return selected


def _engines(
    requested: tuple[str | Engine, ...], gpus: tuple[Gpu, ...]
) -> list[tuple[Engine, tuple[Gpu, ...]]]:
    """Pair each engine with the cards it runs on."""
    if not requested:
        by_engine: dict[str, list[Gpu]] = {}
        for gpu in gpus:
            by_engine.setdefault(needed_engine(gpu), []).append(gpu)
        return [
            (catalog.engine(name), tuple(engine_gpus)) for name, engine_gpus in by_engine.items()
        ]
    engines = [catalog.engine(e) if isinstance(e, str) else e for e in requested]
    pairs = [(e, tuple(g for g in gpus if runs_on(e, g))) for e in dict.fromkeys(engines)]
    usable = [(e, engine_gpus) for e, engine_gpus in pairs if engine_gpus]
    if not usable:
        names = either([e.name for e in engines])
        raise BadInput("engine", f"engine is {names}: it runs on none of the cards.")
    return usable


def _default_formats(model: Model, for_home: bool, four_bits: bool) -> tuple[str, ...]:
    """List the formats in which a model is usually served on an engine."""
    native = model.native_format
    if for_home:
        return (native,) if native.startswith("gguf") else HOME_FORMATS
    eight_bits, native_bits = bits(catalog.format("fp8")), bits(catalog.format(native))
    narrower = ("fp8",) if native_bits > eight_bits else ()
    return (native, *narrower, *((FOUR_BITS,) if four_bits and native_bits >= eight_bits else ()))


def _format(field_name: str, name: str, *, kv: bool) -> Format:
    if not isinstance(name, str):
        raise BadInput(field_name, f"{field_name} is {shown(name)}: it takes names of formats.")
    return catalog.named_format(field_name, name, kv)
