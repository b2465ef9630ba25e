"""What runs: a model in a format on cards, by an engine with its options."""

from dataclasses import dataclass
from typing import Any

from ..once import cached_property
from ..refuse import BadInput, number, shown, yes_or_no
from . import sglang
from .cards import MAX_GPUS, Gpu
from .engines import LEAST_FRACTION, MOST_BATCHED, BatchLimits, Engine
from .formats import Format
from .models import MAX_TOKENS, Model


@dataclass(frozen=True)
class Speculation:
    """Speculative decoding: draft some tokens cheaply, verify them in one pass.

    Parameters
    ----------
    tokens : int
        Tokens drafted per verification pass [tokens].
    accept : float
        Probability that a drafted token is accepted, given that those before it were.
    draft : Model, optional
        The draft model. By default the model's own multi-token-prediction layers
        draft; without those, drafting is free, as from an n-gram table.

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Speculation(tokens=4, accept=0.8).accept
    0.8
    """

    tokens: int
    accept: float
    draft: Model | None = None

    def __post_init__(self) -> None:
        number("speculation tokens", self.tokens, 1, 64, "tokens", whole=True)
        number("speculation accept", self.accept, 0, 0.999)
        if self.draft is not None and not isinstance(self.draft, Model):
            raise BadInput("draft", f"draft is {shown(self.draft)}: it takes a Model.")


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters served with the base model.

    Parameters
    ----------
    rank : int
        Rank of each adapter.
    adapters : int
        Adapters resident on the card.

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Lora(rank=16, adapters=8).rank
    16
    """

    rank: int
    adapters: int = 1

    def __post_init__(self) -> None:
        number("lora rank", self.rank, 1, 4096, whole=True)
        number("lora adapters", self.adapters, 1, 100_000, whole=True)


RECORDS = (
    ("model", Model),
    ("gpu", Gpu),
    ("engine", Engine),
    ("weights", Format),
    ("kv", Format),
)
TERMS = (("speculation", Speculation), ("lora", Lora))  # that it may have
LIMITS = (
    ("max_num_seqs", MOST_BATCHED, ""),
    ("max_num_batched_tokens", MOST_BATCHED, "tokens"),
    ("max_model_len", MAX_TOKENS, "tokens"),
    ("block_size", 4096, "tokens"),
)


@dataclass(frozen=True)
class Deployment:
    """A model served by an engine on a number of cards.

    Parameters
    ----------
    model : Model
        Model served.
    gpu : Gpu
        Card it is served on.
    engine : Engine
        Serving engine.
    weights : Format
        Storage format of the weights.
    kv : Format
        Storage format of the KV cache.
    tp : int
        Tensor-parallel degree: cards that split each layer.
    pp : int
        Pipeline-parallel degree: stages of layers, each on `tp` cards.
    ep : int
        Expert-parallel degree: cards that hold whole experts; 1 when every expert is
        split by `tp`.
    dp_attention : bool
        Whether attention is data-parallel: each of the `tp` cards holds all attention
        weights and the caches of its own sequences.
    memory_fraction : float, optional
        Memory fraction the engine is started with; its default if omitted.
    usd_h : float, optional
        Rent of one card; its reference price if omitted [USD/h].
    speculation : Speculation, optional
        Speculative decoding; none if omitted.
    lora : Lora, optional
        Adapters served with the model; none if omitted.
    offload_share : float
        Share of the weights kept in host memory and streamed to the card for each
        pass.
    max_num_seqs : int, optional
        Most sequences at once; the engine's default on the card if omitted.
    max_num_batched_tokens : int, optional
        Most tokens of a step, or a chunk of a prompt, of SGLang of all groups of attention
        together; the engine's default on the card if omitted [tokens].
    max_model_len : int, optional
        Longest sequence the engine must have room for to start; that of the load if
        omitted [tokens].
    eager : bool
        Whether CUDA graphs are turned off.
    mixed_chunk : bool
        Whether an engine that gives prompts steps of their own is told to mix them with decoding.
    block_size : int, optional
        Tokens per block of the KV cache; the engine's default if omitted [tokens].
    dcp : int
        Decode context parallelism: cards over which the tokens of a sequence's cache are spread, of
        those that would hold the same.

    Raises
    ------
    BadInput
        When a field is out of range or parts are incompatible.
    """

    model: Model
    gpu: Gpu
    engine: Engine
    weights: Format
    kv: Format
    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp_attention: bool = False
    memory_fraction: float | None = None
    usd_h: float | None = None
    speculation: Speculation | None = None
    lora: Lora | None = None
    offload_share: float = 0.0
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    max_model_len: int | None = None
    eager: bool = False
    mixed_chunk: bool = False
    block_size: int | None = None
    dcp: int = 1

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        # a text's hash is another one in another process
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @cached_property
    def _hash(self) -> int:
        # of all fields it would take longer than some of what is looked up by it
        names = (self.model.name, self.gpu.name, self.engine.name, self.weights.name, self.kv.name)
        split = (self.tp, self.pp, self.ep, self.dp_attention, self.memory_fraction, self.usd_h)
        limits = (self.max_num_seqs, self.max_num_batched_tokens, self.max_model_len)
        return hash((names, split, limits))

    def __post_init__(self) -> None:
        for name, kind in RECORDS:
            if not isinstance(getattr(self, name), kind):
                raise BadInput(
                    name,
                    f"{name} is {shown(getattr(self, name))}: it takes a {kind.__name__}"
                    f" (look one up with llmcap_kernel.catalog).",
                )
        number("tp", self.tp, 1, MAX_GPUS, whole=True)
        number("pp", self.pp, 1, MAX_GPUS, whole=True)
        number("ep", self.ep, 1, MAX_GPUS, whole=True)
        yes_or_no("dp_attention", self.dp_attention)
        if self.memory_fraction is not None:
            number("memory_fraction", self.memory_fraction, LEAST_FRACTION, 1)
        if self.usd_h is not None:
            number("usd_h", self.usd_h, 0, 1e5, "USD/h")
        number("offload_share", self.offload_share, 0, 1)
        self._check_limits()
        for name, term in TERMS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, term):
                raise BadInput(name, f"{name} is {shown(value)}: it takes a {term.__name__}.")
        if not self.kv.kv:
            raise BadInput("kv", f"kv is {self.kv.name!r}: no engine keeps its cache in it.")
        self._check_topology()

    def _check_limits(self) -> None:
        yes_or_no("eager", self.eager)
        yes_or_no("mixed_chunk", self.mixed_chunk)
        for name, most, unit in LIMITS:
            value = getattr(self, name)
            if value is not None:
                number(name, value, 1, most, unit, whole=True)
        least, tokens = self.max_num_seqs, self.max_num_batched_tokens
        if least and tokens and self.engine.family == "vllm":  # others start with fewer
            unit = "tokens (at least max_num_seqs)"
            number("max_num_batched_tokens", tokens, least, MOST_BATCHED, unit, whole=True)

    def _check_topology(self) -> None:
        heads, model, parts = self.model.heads, self.model, self.gpu.parts
        if parts and self.tp > 1:
            raise BadInput(
                "tp",
                f"tp is {self.tp}: {self.gpu.name} is unequal cards, which split a model by "
                "layers: it takes 1.",
            )
        if parts and self.pp != len(parts):
            raise BadInput(
                "pp",
                f"pp is {self.pp}: {self.gpu.name} is {len(parts)} cards, a stage of layers on "
                f"each: it takes {len(parts)}.",
            )
        if heads and not self.dp_attention and heads % self.tp:
            good = [n for n in range(1, heads + 1) if heads % n == 0 and n <= 64]
            raise BadInput(
                "tp",
                f"tp is {self.tp}: it must divide the {heads} attention heads of "
                f"{model.name}: {', '.join(map(str, good))}.",
            )
        if self.num_gpus > 1 and not self.gpu.link_bandwidth_bytes_s:
            raise BadInput(
                "tp",
                f"tp x pp is {self.num_gpus}: {self.gpu.title} has no link to a second card.",
            )
        if self.pp > model.layers:
            raise BadInput("pp", f"pp is {self.pp}: {model.name} has only {model.layers} layers.")
        if self.ep > 1 and not model.experts:
            raise BadInput("ep", f"ep is {self.ep}: {model.name} has no experts to spread.")
        if self.ep > 1 and (self.ep > model.experts or self.tp % self.ep):
            raise BadInput(
                "ep",
                f"ep is {self.ep}: it must divide tp ({self.tp}) and not exceed the "
                f"{model.experts} experts of {model.name}.",
            )
        if self.dp_attention and self.tp == 1:
            raise BadInput("dp_attention", "dp_attention needs tp of 2 or more cards.")
        if self.dcp != 1:
            self._check_spread()

    def _check_spread(self) -> None:
        """What vLLM asks of decode context parallelism: config/parallel.py, config/model.py."""
        model = self.model
        number("dcp", self.dcp, 1, MAX_GPUS, whole=True)
        if self.dp_attention:
            raise BadInput("dcp", f"dcp is {self.dcp}: with dp_attention it takes 1.")
        kinds = [a for a in model.attention if a.kv_heads and not a.latent_dim]
        heads = min((a.kv_heads for a in kinds), default=1)
        copies = self.tp // heads
        if self.tp % self.dcp or self.dcp > max(copies, 1):
            raise BadInput(
                "dcp",
                f"dcp is {self.dcp}: it must divide tp ({self.tp}), and of {model.name} at most "
                f"{max(copies, 1)} of those cards hold the same cache.",
            )

    @property
    def mixes_prompts(self) -> bool:
        """Whether a step that decodes takes pieces of prompts along."""
        return self.engine.mixes_prompts or self.mixed_chunk

    @property
    def launches_prompts(self) -> bool:
        """Whether the host launches the kernels of a prompt one by one, as no graph holds them.

        SGLang 0.5.23, srt/arg_groups/cuda_graph_hook.py, `apply_cuda_graph_compatibility`; what
        else had none before: srt/server_args.py of 0.5.10, `_handle_piecewise_cuda_graph`.
        """
        engine, model = self.engine, self.model
        if engine.launches_prompts or engine.family != "sglang":
            return engine.launches_prompts
        split = self.pp > 1 or self.dcp > 1 or self.gpu.vendor != "nvidia"
        early = engine.release < (0, 5, 20) and (
            self.dp_attention or bool(self.lora or self.speculation) or model.latent
        )
        by_name = engine.graphs_prompts_of if model.sees else engine.launches_prompts_of
        named = any(part in model.name for part in by_name)
        return self.eager or split or early or named != model.sees

    @property
    def num_gpus(self) -> int:
        """Total number of cards."""
        return self.tp * self.pp

    @property
    def attention_replicas(self) -> int:
        """Groups of cards that each cache their own sequences."""
        return self.tp if self.dp_attention else 1

    @property
    def attention_shards(self) -> int:
        """Cards that split the heads of one sequence's attention."""
        return 1 if self.dp_attention else self.tp

    @cached_property
    def limits(self) -> BatchLimits:
        """The engine's limits on the card, unless it is told others."""
        return self.engine.limits_on(self.gpu)

    @property
    def batch_limit_tokens(self) -> int:
        """Most tokens of a step in effect [tokens]."""
        return self.max_num_batched_tokens or self.limits.batched_tokens

    @property
    def sharing_groups(self) -> int:
        """Groups of attention that share the tokens of a step evenly; 1 where each has its own.

        SGLang 0.5.23, srt/arg_groups/parallel_hook.py, `handle_data_parallelism`: each takes
        chunked_prefill_size // attn_dp_size.
        """
        return self.attention_replicas if self.engine.family == "sglang" else 1

    @property
    def seqs_limit(self) -> int:
        """Most sequences at once in effect; as many as a step has tokens, unless told more."""
        if self.engine.family == "sglang":  # prompts alone are cut to the chunk
            return self.max_num_seqs or self.limits.seqs
        return self.max_num_seqs or min(self.limits.seqs, self.batch_limit_tokens)

    @property
    def request_limit_tokens(self) -> int:
        """Most tokens of a request that engine and model take [tokens]."""
        window = self.model.max_context_tokens
        return max(min(self.max_model_len or window, window) - self.engine.spare_tokens, 1)

    @property
    def block_tokens(self) -> int:
        """Tokens per block of the KV cache in effect [tokens]."""
        return self.block_size or self.engine.block_tokens

    @property
    def fraction(self) -> float:
        """Memory fraction in effect."""
        if self.memory_fraction is not None:
            return self.memory_fraction
        default = self.engine.memory_fraction or self.own_fraction(self.attention_replicas)
        return min(default, self.gpu.memory_usable_share)

    @property
    def graph_seqs_limit(self) -> int:
        """Largest batch that is captured in a CUDA graph; 0 without them."""
        if self.eager:
            return 0
        if self.engine.family == "sglang":  # no more than requests run: memory_hook.py
            return min(self._graph_seqs, self.seqs_limit)
        # vLLM: config/vllm.py, _set_cudagraph_sizes; twice, for steps that also prefill
        return min(self._graph_seqs, 2 * self.seqs_limit, self.batch_limit_tokens)

    @property
    def _graph_seqs(self) -> int:
        limits = self.limits
        return limits.graph_seqs_tp4 if self.tp >= 4 else limits.graph_seqs

    def own_fraction(self, groups: int) -> float:
        """Share for weights and cache that SGLang sets itself, for so many groups of attention."""
        chunk, of_prompts = self.batch_limit_tokens, 0
        if not self.launches_prompts:
            latent = self.model.latent
            of_prompts = sglang.LATENT_MIB if latent else 8 * sglang.prompt_graphs(chunk)
        return sglang.memory_fraction(
            visible_mib=self.gpu.memory_visible_bytes / 2**20,
            chunk_tokens=chunk,
            cards=self.num_gpus,
            graphs_mib=sglang.graphs_mib(
                graph_seqs=min(self._graph_seqs, (self.max_num_seqs or self.limits.seqs) * groups),
                groups=groups,
                of_prompts_mib=of_prompts,
                eager=self.eager,
            ),
        )

    @property
    def gpu_usd_h(self) -> float:
        """Rent of one card in effect [USD/h]."""
        return self.gpu.usd_h if self.usd_h is None else self.usd_h

    @property
    def usd_h_all(self) -> float:
        """Rent of all its cards for an hour, in force [USD/h]."""
        return self.gpu_usd_h * self.num_gpus

    @property
    def title(self) -> str:
        """One-line description, as used for column headings."""
        cards = self.gpu.name if self.gpu.parts else f"{self.num_gpus}x {self.gpu.name}"
        text = f"{self.model.name} {self.weights.name} / {cards}"
        if self.num_gpus > 1:
            parts = [f"TP-{self.tp}"] if self.tp > 1 else []
            parts += [f"PP-{self.pp}"] if self.pp > 1 else []
            parts += [f"EP-{self.ep}"] if self.ep > 1 else []
            parts += ["DP attention"] if self.dp_attention else []
            parts += [f"DCP-{self.dcp}"] if self.dcp > 1 else []
            text += " " + " ".join(parts)
        return f"{text} / {self.kv.name} KV"
