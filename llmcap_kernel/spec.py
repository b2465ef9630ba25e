"""What a deployment is: model, card, engine, formats, topology, load and limits.

Every record is frozen and refuses nonsense when it is built, with one sentence
that names the field, what it got and what it takes. Values are SI: bytes,
seconds, FLOP, tokens, US dollars. Numbers that the law computes live in the
other modules; here are only the facts they start from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from .refuse import BadInput, number, one_of, shown, yes_or_no

ATTENTION_KINDS = ("full", "mla", "window", "sparse", "linear")
ROLES = (
    "embedding",
    "head",
    "attention",
    "norm",
    "router",
    "mlp",
    "expert",
    "shared_expert",
    "mtp",
    "vision",
)
SPLITS = ("tp", "kv", "expert", "none")
COMPUTE = (
    *("fp64", "fp32", "tf32", "bf16", "fp16", "fp16-acc16"),
    *("fp8", "fp6", "int8", "fp4", "int4"),
)
MAX_TOKENS = 100_000_000
MAX_GPUS = 4096


def _text(owner, **fields):
    for name, value in fields.items():
        if not isinstance(value, str) or not value.strip():
            raise BadInput(name, f"{owner} {name} is {shown(value)}: it takes a name.")


@dataclass(frozen=True)
class Tensor:
    """One weight matrix of a model, or several identical ones.

    Parameters
    ----------
    name : str
        What the checkpoint calls it, the layer number left out [-].
    role : str
        What it does, one of `ROLES`; a weight format covers roles [-].
    elements : int
        Parameters in one copy [-].
    copies : int
        How many there are: layers, or layers x experts [-].
    active : float
        Share of the copies one token passes through; 0 for a table that is
        only looked up [-].
    split : str
        How tensor parallelism divides it: "tp" over all cards, "kv" over at
        most `kv_heads` of them, "expert" over the cards that share experts,
        "none" not at all [-].
    kept : bool
        True when the checkpoint leaves this tensor out of its quantisation [-].

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Tensor("mlp.up_proj", "mlp", 4096 * 14336, copies=32).params
    1879048192
    """

    name: str
    role: str
    elements: int
    copies: int = 1
    active: float = 1.0
    split: str = "tp"
    kept: bool = False

    def __post_init__(self):
        _text("Tensor", name=self.name)
        one_of("role", self.role, ROLES)
        one_of("split", self.split, SPLITS)
        number("elements", self.elements, 1, 1e13, whole=True)
        number("copies", self.copies, 1, 1e7, whole=True)
        number("active", self.active, 0, 1)
        yes_or_no("kept", self.kept)

    @property
    def params(self):
        """Parameters in all copies [-]."""
        return self.elements * self.copies


@dataclass(frozen=True)
class Attention:
    """One kind of token mixer, and how many layers of the model have it.

    Parameters
    ----------
    kind : str
        "full" keeps and reads every token's keys and values (MHA, GQA, MQA);
        "mla" keeps one latent vector a token; "window" keeps the last
        `window_tokens`; "sparse" keeps all and reads `topk_tokens` of them;
        "linear" keeps a state of fixed size (delta-net, Mamba) [-].
    layers : int
        How many layers have it [-].
    heads : int
        Query heads [-].
    kv_heads : int
        Key-value heads; MLA has one latent, so 1 [-].
    head_dim : int
        Width of a query and of a key [elements].
    v_head_dim : int
        Width of a value; 0 means as wide as a key, or none for a cache where
        keys serve as values [elements].
    latent_dim : int
        MLA's compressed key-value vector [elements].
    rope_dim : int
        MLA's positional key, kept beside the latent [elements].
    window_tokens : int
        Tokens a "window" layer keeps [tokens].
    topk_tokens : int
        Cached tokens a "sparse" layer reads a step [tokens].
    index_dim : int
        Extra elements a token that a "sparse" layer's indexer keeps and reads
        in full [elements].
    index_heads : int
        Heads of the indexer, each of which scores every one of those [-].
    stride_tokens : int
        Tokens that share one cache entry where the cache is compressed along
        the sequence; 1 for none [tokens].
    state_bytes : int
        What a "linear" layer keeps for a sequence, whatever its length [bytes].
    state_flops : int
        What a "linear" layer computes on its state for a token [FLOP].
    index_bytes : float
        Bytes of one indexer element, whatever the KV format [bytes].

    Raises
    ------
    BadInput
        When a field is out of range or the kind lacks what it needs.

    Examples
    --------
    >>> Attention("full", layers=80, heads=64, kv_heads=8, head_dim=128).kind
    'full'
    """

    kind: str
    layers: int
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    v_head_dim: int = 0
    latent_dim: int = 0
    rope_dim: int = 0
    window_tokens: int = 0
    topk_tokens: int = 0
    index_dim: int = 0
    stride_tokens: int = 1
    state_bytes: int = 0
    state_flops: int = 0
    index_bytes: float = 1.0
    index_heads: int = 1

    def __post_init__(self):
        one_of("attention kind", self.kind, ATTENTION_KINDS)
        number("layers", self.layers, 1, 10_000, whole=True)
        for name in ("heads", "kv_heads", "index_heads"):
            number(name, getattr(self, name), 0, 65_536, whole=True)
        for name in ("head_dim", "v_head_dim", "latent_dim", "rope_dim", "index_dim"):
            number(name, getattr(self, name), 0, 1_000_000, "elements", whole=True)
        for name in ("window_tokens", "topk_tokens"):
            number(name, getattr(self, name), 0, MAX_TOKENS, "tokens", whole=True)
        number("stride_tokens", self.stride_tokens, 1, MAX_TOKENS, "tokens", whole=True)
        number("state_bytes", self.state_bytes, 0, 1e12, "bytes")
        number("state_flops", self.state_flops, 0, 1e15, "FLOP")
        number("index_bytes", self.index_bytes, 0, 16, "bytes")
        needs = {
            "full": ("heads", "kv_heads", "head_dim"),
            "mla": ("heads", "latent_dim"),
            "window": ("heads", "kv_heads", "head_dim", "window_tokens"),
            "sparse": ("heads", "topk_tokens"),
            "linear": ("state_bytes",),
        }
        for name in needs[self.kind]:
            if not getattr(self, name):
                raise BadInput(name, f"{name} is 0: {self.kind} attention needs it above 0.")


@dataclass(frozen=True)
class Model:
    """A language model as the law sees it: tensors to read, caches to keep.

    Parameters
    ----------
    name : str
        Name in the catalogue or of the file it came from [-].
    family : str
        The config's `model_type` [-].
    hidden_size : int
        Width of the residual stream [elements].
    layers : int
        Decoder layers, without multi-token-prediction layers [-].
    vocab_size : int
        Rows of the embedding table [tokens].
    max_context_tokens : int
        The window the model was configured for [tokens].
    attention : tuple of Attention
        Its token mixers; their layers need not sum to `layers`, since a hybrid
        has layers without one [-].
    tensors : tuple of Tensor
        Every weight, counted once [-].
    experts : int
        Routed experts of one MoE layer, 0 for a dense model [-].
    experts_per_token : int
        How many of them a token visits [-].
    moe_layers : int
        Layers that have routed experts [-].
    native_format : str
        The format the checkpoint ships in, a name in the format catalogue [-].
    tied_embeddings : bool
        Whether the head reads the embedding table instead of its own [-].
    table_bytes : int
        Tables an engine computes once and keeps whole on every card: rotary
        angles for each position of the window, in 16 bits [bytes].
    source : str
        Where the facts stand [-].
    notes : tuple of str
        What a reader must know of this record [-].

    Raises
    ------
    BadInput
        When a field is out of range.
    """

    name: str
    family: str
    hidden_size: int
    layers: int
    vocab_size: int
    max_context_tokens: int
    attention: tuple
    tensors: tuple
    experts: int = 0
    experts_per_token: int = 0
    moe_layers: int = 0
    native_format: str = "bf16"
    tied_embeddings: bool = False
    table_bytes: int = 0
    source: str = ""
    notes: tuple = ()

    def __post_init__(self):
        _text("Model", name=self.name, family=self.family)
        number("hidden_size", self.hidden_size, 1, 1_000_000, "elements", whole=True)
        number("layers", self.layers, 1, 10_000, whole=True)
        number("vocab_size", self.vocab_size, 1, 100_000_000, "tokens", whole=True)
        number("max_context_tokens", self.max_context_tokens, 1, MAX_TOKENS, "tokens", whole=True)
        number("experts", self.experts, 0, 100_000, whole=True)
        number("experts_per_token", self.experts_per_token, 0, max(self.experts, 0), whole=True)
        number("moe_layers", self.moe_layers, 0, self.layers, whole=True)
        number("table_bytes", self.table_bytes, 0, 1e13, "bytes", whole=True)
        for name, kind in (("tensors", Tensor), ("attention", Attention)):
            parts = getattr(self, name)
            good = isinstance(parts, tuple) and all(isinstance(part, kind) for part in parts)
            if not good or not parts:
                raise BadInput(
                    name,
                    f"{name} is {shown(parts)}: it takes a tuple of {kind.__name__}, not empty.",
                )

    @cached_property
    def memo(self):
        """Sums the law has already made for this model, by their arguments [-]."""
        return {}

    @cached_property
    def params(self):
        """Parameters in all, multi-token-prediction layers left out [-]."""
        return sum(t.params for t in self.tensors if t.role != "mtp")

    @cached_property
    def mtp_params(self):
        """Parameters of the multi-token-prediction layers [-]."""
        return sum(t.params for t in self.tensors if t.role == "mtp")

    @cached_property
    def vision_params(self):
        """Parameters of the vision tower and its projector [-]."""
        return sum(t.params for t in self.tensors if t.role == "vision")

    @cached_property
    def active_params(self):
        """Parameters behind one token's output, as models are named by.

        Embedding and head count once each; vision and multi-token prediction
        do not [-].
        """
        return round(
            sum(
                t.params * (1.0 if t.role == "embedding" else t.active)
                for t in self.tensors
                if t.role not in ("mtp", "vision")
            )
        )

    @cached_property
    def dense_matmul_params(self):
        """Parameters every generated token is multiplied with [-].

        The embedding table is looked up, not multiplied, unless it serves as
        the head too.
        """
        apart = ("mtp", "vision", "norm", "expert", "embedding")
        active = sum(t.params * t.active for t in self.tensors if t.role not in apart)
        if self.tied_embeddings:
            active += sum(t.params for t in self.tensors if t.role == "embedding")
        return active

    @cached_property
    def head_params(self):
        """Parameters of the output head, the tied table included [-]."""
        role = "embedding" if self.tied_embeddings else "head"
        return sum(t.params for t in self.tensors if t.role == role)

    @cached_property
    def expert_matmul_params(self):
        """Parameters of the routed experts one token visits [-]."""
        return sum(t.params * t.active for t in self.tensors if t.role == "expert")

    @cached_property
    def matmul_params(self):
        """Parameters one generated token is multiplied with, experts included [-]."""
        return self.dense_matmul_params + self.expert_matmul_params

    @cached_property
    def kv_heads(self):
        """Smallest number of KV heads among its caches; 0 when it keeps none [-]."""
        counts = [a.kv_heads for a in self.attention if a.kind != "linear" and a.kv_heads]
        return min(counts, default=0)

    @cached_property
    def heads(self):
        """Smallest number of query heads among its mixers; 0 when it has none [-]."""
        return min((a.heads for a in self.attention if a.heads), default=0)


@dataclass(frozen=True)
class Gpu:
    """An accelerator, as its vendor specifies it and as its driver reports it.

    Parameters
    ----------
    name : str
        Its id in the catalogue [-].
    title : str
        Its name as the vendor writes it [-].
    vendor, family, form : str
        Maker, chip generation (with "-graphics" where its graphics chips stand
        beside others for data centres), and how it is built [-].
    memory_sold_bytes : float
        Memory on the label [bytes].
    memory_visible_bytes : float
        Memory the driver reports; what an engine divides [bytes].
    bandwidth_bytes_s : float
        Peak memory bandwidth [bytes/s].
    flop_s : mapping of str to float
        Peak dense rate by compute dtype; a dtype it lacks is left out [FLOP/s].
    link_bandwidth_bytes_s : float
        Bandwidth to its neighbours, one way, per card; 0 for none [bytes/s].
    link : str
        The link's kind [-].
    max_per_node : int
        Cards one link domain joins [-].
    node_link_bandwidth_bytes_s : float
        Bandwidth between link domains, one way, per card [bytes/s].
    host_bandwidth_bytes_s : float
        Bandwidth from the host's memory, one way [bytes/s].
    power_w : float
        Board power [W].
    memory_usable_share : float
        Share of the visible memory a model may have, below 1 where the memory
        is shared with the host [-].
    unified_memory : bool
        Whether the host's memory is the card's [-].
    usd_h : float
        Rent of one card for an hour, the catalogue's reference price; 0 when
        none is known [USD/h].

    Raises
    ------
    BadInput
        When a field is out of range.
    """

    name: str
    title: str
    vendor: str
    family: str
    form: str
    memory_sold_bytes: float
    memory_visible_bytes: float
    bandwidth_bytes_s: float
    flop_s: MappingProxyType
    link_bandwidth_bytes_s: float = 0.0
    link: str = "none"
    max_per_node: int = 8
    node_link_bandwidth_bytes_s: float = 50e9
    host_bandwidth_bytes_s: float = 32e9
    power_w: float = 0.0
    memory_usable_share: float = 1.0
    unified_memory: bool = False
    usd_h: float = 0.0

    def __post_init__(self):
        _text("Gpu", name=self.name, title=self.title, vendor=self.vendor, family=self.family)
        for name in ("memory_sold_bytes", "memory_visible_bytes"):
            number(name, getattr(self, name), 1e8, 1e14, "bytes")
        number("bandwidth_bytes_s", self.bandwidth_bytes_s, 1e9, 1e15, "bytes/s")
        number("link_bandwidth_bytes_s", self.link_bandwidth_bytes_s, 0, 1e14, "bytes/s")
        number("max_per_node", self.max_per_node, 1, MAX_GPUS, whole=True)
        for name in ("node_link_bandwidth_bytes_s", "host_bandwidth_bytes_s"):
            number(name, getattr(self, name), 1e6, 1e15, "bytes/s")
        number("power_w", self.power_w, 0, 1e5, "W")
        number("memory_usable_share", self.memory_usable_share, 0.01, 1)
        number("usd_h", self.usd_h, 0, 1e5, "USD/h")
        if not isinstance(self.flop_s, Mapping) or not self.flop_s:
            raise BadInput(
                "flop_s", f"flop_s is {shown(self.flop_s)}: it takes FLOP/s by dtype, one at least."
            )
        for dtype, rate in self.flop_s.items():
            one_of("flop_s", dtype, COMPUTE)
            number(f"flop_s[{shown(dtype)}]", rate, 1e9, 1e18, "FLOP/s")
        object.__setattr__(self, "flop_s", MappingProxyType(dict(self.flop_s)))

    def __hash__(self):
        return hash(self.name)

    def __reduce__(self):
        # a read-only mapping does not pickle, and a sweep may cross processes
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _rebuilt, (Gpu, {**fields, "flop_s": dict(self.flop_s)})


def _rebuilt(kind, fields):
    return kind(**fields)


@dataclass(frozen=True)
class Format:
    """How numbers are stored: weights, or keys and values.

    Parameters
    ----------
    name : str
        Its id in the catalogue [-].
    title : str
        Its name in words [-].
    element_bits : float
        Bits of one element, without its scale [bits].
    scale_bits : float
        Bits of one scale [bits].
    group : int
        Elements that share a scale; 0 when the scales are too few to count [-].
    covers : tuple of str
        The roles of `Tensor` it is applied to; the others stay as they were [-].
    compute : tuple of str
        Compute dtypes to try, the first the card has is used [-].
    kv : bool
        Whether it can hold the KV cache [-].
    pad_to : int
        Kernels of this format pad the sides of an expert's matrices to a
        multiple of this; 0 for none [elements].

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Format("nvfp4", "NVFP4", 4, 8, 16, ("mlp",), ("fp4", "bf16")).bytes_per_element
    0.5625
    """

    name: str
    title: str
    element_bits: float
    scale_bits: float = 0.0
    group: int = 0
    covers: tuple = ()
    compute: tuple = ("bf16",)
    kv: bool = False
    pad_to: int = 0

    def __post_init__(self):
        _text("Format", name=self.name, title=self.title)
        number("element_bits", self.element_bits, 1, 64, "bits")
        number("scale_bits", self.scale_bits, 0, 1024, "bits")
        number("group", self.group, 0, 1_000_000, whole=True)
        number("pad_to", self.pad_to, 0, 65_536, "elements", whole=True)
        for role in self.covers:
            one_of("covers", role, ROLES)

    @cached_property
    def bytes_per_element(self):
        """Bytes of one element with its share of the scale [bytes]."""
        scale = self.scale_bits / self.group if self.group else 0.0
        return (self.element_bits + scale) / 8


@dataclass(frozen=True)
class Engine:
    """A serving engine's memory habits: what it takes beside weights and KV.

    Parameters
    ----------
    name : str
        Its id in the catalogue, version included [-].
    title : str
        Its name in words [-].
    memory_fraction : float
        Share of the card it allows itself by default [-].
    fraction_of : str
        "total": of the visible memory. "free": of what weights and activations
        leave, for the KV cache alone [-].
    block_tokens : int
        Tokens in one page of the KV cache [tokens].
    max_batched_tokens : int
        Tokens one step may prefill and decode together [tokens].
    max_seqs : int
        Sequences it will run at once by default [-].
    graphs_in_fraction : bool
        Whether CUDA graphs are paid from the fraction or beside it [-].
    activation_bytes_per_vocab : float
        Peak of sampling, per vocabulary entry [bytes].
    activation_bytes_per_hidden : float
        Peak of a forward pass, per element of the residual stream [bytes].
    activation_bytes_fixed : float
        Part of the peak that no model changes [bytes].
    activation_bytes_moe : float
        Workspace of the expert kernels [bytes].
    runtime_bytes : float
        Memory outside the framework's allocator on a single card [bytes].
    runtime_tp_bytes : float
        The same where cards communicate [bytes].
    graph_bytes : float
        CUDA graphs, fixed part [bytes].
    graph_bytes_per_layer : float
        CUDA graphs, for each layer on the card [bytes].

    Raises
    ------
    BadInput
        When a field is out of range.
    """

    name: str
    title: str
    memory_fraction: float = 0.9
    fraction_of: str = "total"
    block_tokens: int = 16
    max_batched_tokens: int = 8192
    max_seqs: int = 1024
    graphs_in_fraction: bool = False
    activation_bytes_per_vocab: float = 0.0
    activation_bytes_per_hidden: float = 0.0
    activation_bytes_fixed: float = 0.0
    activation_bytes_moe: float = 0.0
    runtime_bytes: float = 0.0
    runtime_tp_bytes: float = 0.0
    graph_bytes: float = 0.0
    graph_bytes_per_layer: float = 0.0

    @property
    def family(self):
        """Its name without the version, as efficiencies are fitted by [-]."""
        return self.name.rsplit("-", 1)[0]

    def __post_init__(self):
        _text("Engine", name=self.name, title=self.title)
        number("memory_fraction", self.memory_fraction, 0.05, 1)
        one_of("fraction_of", self.fraction_of, ("total", "free"))
        number("block_tokens", self.block_tokens, 1, 4096, "tokens", whole=True)
        number("max_batched_tokens", self.max_batched_tokens, 1, 10_000_000, "tokens", whole=True)
        number("max_seqs", self.max_seqs, 1, 10_000_000, whole=True)
        yes_or_no("graphs_in_fraction", self.graphs_in_fraction)
        for name in (
            "activation_bytes_per_vocab",
            "activation_bytes_per_hidden",
            "activation_bytes_fixed",
            "activation_bytes_moe",
            "runtime_bytes",
            "runtime_tp_bytes",
            "graph_bytes",
            "graph_bytes_per_layer",
        ):
            number(name, getattr(self, name), 0, 1e12, "bytes")


SHARES = (
    "bandwidth",
    "kv_bandwidth",
    "compute",
    "link_bandwidth",
    "expert_bandwidth",
    "prefill_share",
    "expert_compute",
    "attention_compute",
    "weight_only_compute",
)
LATENCIES = (
    "layer_s",
    "step_s",
    "all_reduce_s",
    "moe_layer_s",
    "sequence_s",
    "first_token_s",
    "pcie_exchange_s",
)


@dataclass(frozen=True)
class Efficiency:
    """How far real hardware stays behind its spec sheet; all 1 and 0 is the ceiling.

    Parameters
    ----------
    bandwidth : float
        Share of peak bandwidth reached while weights are read [-].
    kv_bandwidth : float
        Share of peak bandwidth reached while the KV cache is read [-].
    compute : float
        Share of peak FLOP/s reached in prefill and large batches [-].
    link_bandwidth : float
        Share of the link's bandwidth a collective reaches [-].
    layer_s : float
        Fixed time of one layer: kernel launches, tails of small kernels [s].
    step_s : float
        Fixed time of one step: scheduler, sampling, host [s].
    all_reduce_s : float
        Fixed time of one exchange between cards [s].
    expert_bandwidth : float
        Share of `bandwidth` that routed experts reach of it [-].
    moe_layer_s : float
        Fixed time more of a layer with 256 experts of which 8 answer: routing,
        sorting; `law.routing_load` weighs other layers against it [s].
    sequence_s : float
        Fixed time of one sequence in a step: sampling, detokenising [s].
    prefill_share : float
        Share of other users' prefill that decoding waits for; below 1 where the
        two overlap [-].
    first_token_s : float
        Fixed time of a request outside its prefill [s].
    expert_compute : float
        Share of `compute` left to routed experts, whose products are many and
        small [-].
    attention_compute : float
        Share of `compute` left to the attention of a prompt's tokens [-].
    weight_only_compute : float
        Share of `compute` left where weights are unpacked before they are
        multiplied [-].
    pcie_exchange_s : float
        Fixed time more of an exchange between cards without a link of their
        own [s].
    burst_share : float
        Share of the users who ask at the same moment, as those of a benchmark
        do whose answers all end together [-].

    Raises
    ------
    BadInput
        When a share leaves (0, 1] or a time is negative.

    Examples
    --------
    >>> Efficiency(bandwidth=0.85).bandwidth
    0.85
    """

    bandwidth: float = 1.0
    kv_bandwidth: float = 1.0
    compute: float = 1.0
    link_bandwidth: float = 1.0
    layer_s: float = 0.0
    step_s: float = 0.0
    all_reduce_s: float = 0.0
    expert_bandwidth: float = 1.0
    moe_layer_s: float = 0.0
    sequence_s: float = 0.0
    prefill_share: float = 1.0
    first_token_s: float = 0.0
    expert_compute: float = 1.0
    attention_compute: float = 1.0
    weight_only_compute: float = 1.0
    pcie_exchange_s: float = 0.0
    burst_share: float = 0.0

    def __post_init__(self):
        for name in SHARES:
            number(name, getattr(self, name), 1e-4, 1)
        for name in LATENCIES:
            number(name, getattr(self, name), 0, 10, "s")
        number("burst_share", self.burst_share, 0, 1)


CEILING = Efficiency()


@dataclass(frozen=True)
class Speculation:
    """Speculative decoding: guess some tokens cheaply, check them in one pass.

    Parameters
    ----------
    tokens : int
        Tokens guessed ahead of each check [tokens].
    accept : float
        Probability that one guess is accepted, given those before it were [-].
    draft : Model, optional
        The model that guesses. Left out, the model's own multi-token-prediction
        layers do where it has them; else guessing is free, as from an n-gram
        table [-].

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

    def __post_init__(self):
        number("speculation tokens", self.tokens, 1, 64, "tokens", whole=True)
        number("speculation accept", self.accept, 0, 0.999)
        if self.draft is not None and not isinstance(self.draft, Model):
            raise BadInput("draft", f"draft is {shown(self.draft)}: it takes a Model.")


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters served beside the base model.

    Parameters
    ----------
    rank : int
        Rank of each adapter [-].
    adapters : int
        Adapters kept on the card [-].

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

    def __post_init__(self):
        number("lora rank", self.rank, 1, 4096, whole=True)
        number("lora adapters", self.adapters, 1, 100_000, whole=True)


@dataclass(frozen=True)
class Deployment:
    """A model on cards: what a planner chooses.

    Parameters
    ----------
    model : Model
        What is served [-].
    gpu : Gpu
        The card it is served on [-].
    engine : Engine
        What serves it [-].
    weights : Format
        How the weights are stored [-].
    kv : Format
        How keys and values are stored [-].
    tp : int
        Cards that split every layer between them [-].
    pp : int
        Stages the layers are cut into, each of `tp` cards [-].
    ep : int
        Cards the experts are spread over whole, 1 when each is split by `tp` [-].
    dp_attention : bool
        Whether attention runs data-parallel: each of the `tp` cards holds all
        attention weights and the caches of its own sequences [-].
    memory_fraction : float, optional
        The engine's memory setting; its default when left out [-].
    usd_h : float, optional
        Rent of one card for an hour; the card's reference price when left
        out [USD/h].
    speculation : Speculation, optional
        How tokens are guessed ahead; not at all when left out [-].
    lora : Lora, optional
        Adapters served beside the model; none when left out [-].
    offload_share : float
        Share of the weights kept in the host's memory and streamed in for each
        pass [-].

    Raises
    ------
    BadInput
        When the parts do not go together, with the fields that clash.
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

    def __post_init__(self):
        for name, kind in (
            ("model", Model),
            ("gpu", Gpu),
            ("engine", Engine),
            ("weights", Format),
            ("kv", Format),
        ):
            if not isinstance(getattr(self, name), kind):
                raise BadInput(
                    name,
                    f"{name} is {shown(getattr(self, name))}: it takes a {kind.__name__}"
                    f" (look one up with llmcap_kernel.catalog).",
                )
        for name in ("tp", "pp", "ep"):
            number(name, getattr(self, name), 1, MAX_GPUS, whole=True)
        yes_or_no("dp_attention", self.dp_attention)
        if self.memory_fraction is not None:
            number("memory_fraction", self.memory_fraction, 0.05, 1)
        if self.usd_h is not None:
            number("usd_h", self.usd_h, 0, 1e5, "USD/h")
        number("offload_share", self.offload_share, 0, 1)
        for name, term in (("speculation", Speculation), ("lora", Lora)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, term):
                raise BadInput(name, f"{name} is {shown(value)}: it takes a {term.__name__}.")
        if not self.kv.kv:
            raise BadInput("kv", f"kv is {self.kv.name!r}: no engine keeps its cache in it.")
        self._check_topology()

    def _check_topology(self):
        heads, model = self.model.heads, self.model
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

    @property
    def num_gpus(self):
        """Cards in all [-]."""
        return self.tp * self.pp

    @property
    def attention_replicas(self):
        """Groups of sequences that each have a cache of their own [-]."""
        return self.tp if self.dp_attention else 1

    @property
    def fraction(self):
        """The memory setting in force [-]."""
        return self.engine.memory_fraction if self.memory_fraction is None else self.memory_fraction

    @property
    def gpu_usd_h(self):
        """Rent of one card for an hour, in force [USD/h]."""
        return self.gpu.usd_h if self.usd_h is None else self.usd_h

    @property
    def title(self):
        """The deployment in one line, as a scorecard heads its column."""
        text = f"{self.model.name} {self.weights.name} / {self.num_gpus}x {self.gpu.name}"
        if self.num_gpus > 1:
            parts = [f"TP-{self.tp}"] if self.tp > 1 else []
            parts += [f"PP-{self.pp}"] if self.pp > 1 else []
            parts += [f"EP-{self.ep}"] if self.ep > 1 else []
            parts += ["DP attention"] if self.dp_attention else []
            text += " " + " ".join(parts)
        return f"{text} / {self.kv.name} KV"


@dataclass(frozen=True)
class Workload:
    """What the users do.

    Parameters
    ----------
    input_tokens : int
        Prompt of one request [tokens].
    output_tokens : int
        Answer of one request [tokens].
    concurrency : int
        Requests in flight at once [-].
    shared_prefix_tokens : int
        Leading tokens of the prompt that all requests share and a prefix cache
        need not compute again [tokens].
    hit_share : float
        Share of the requests that find the shared prefix in the cache [-].

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Workload(7000, 1000, 16).context_tokens
    8000
    """

    input_tokens: int
    output_tokens: int
    concurrency: int = 1
    shared_prefix_tokens: int = 0
    hit_share: float = 1.0

    def __post_init__(self):
        number("input_tokens", self.input_tokens, 1, MAX_TOKENS, "tokens", whole=True)
        number("output_tokens", self.output_tokens, 1, MAX_TOKENS, "tokens", whole=True)
        number("concurrency", self.concurrency, 1, 10_000_000, "requests", whole=True)
        number(
            "shared_prefix_tokens",
            self.shared_prefix_tokens,
            0,
            self.input_tokens,
            "tokens (input_tokens)",
            whole=True,
        )
        number("hit_share", self.hit_share, 0, 1)

    @property
    def context_tokens(self):
        """Tokens a sequence holds when its answer is complete [tokens]."""
        return self.input_tokens + self.output_tokens

    @property
    def computed_input_tokens(self):
        """Prompt tokens that prefill must compute, on average [tokens]."""
        return self.input_tokens - round(self.shared_prefix_tokens * self.hit_share)


@dataclass(frozen=True)
class Slo:
    """What must hold; a limit left out is not asked for.

    Parameters
    ----------
    itl_s : float, optional
        Longest time between two tokens of one user [s].
    ttft_s : float, optional
        Longest time to a first token [s].
    usd_h : float, optional
        Largest rent of the whole deployment [USD/h].
    usd_mtok : float, optional
        Largest price of a million output tokens [USD/Mtok].

    Raises
    ------
    BadInput
        When a limit is out of range.

    Examples
    --------
    >>> Slo(itl_s=0.05, usd_h=30.0).itl_s
    0.05
    """

    itl_s: float | None = None
    ttft_s: float | None = None
    usd_h: float | None = None
    usd_mtok: float | None = None

    def __post_init__(self):
        for name, low, high, unit in (
            ("itl_s", 1e-6, 3600, "s"),
            ("ttft_s", 1e-6, 86_400, "s"),
            ("usd_h", 1e-6, 1e7, "USD/h"),
            ("usd_mtok", 1e-9, 1e7, "USD/Mtok"),
        ):
            value = getattr(self, name)
            if value is not None:
                number(name, value, low, high, unit)


__all__ = [
    "ATTENTION_KINDS",
    "CEILING",
    "ROLES",
    "SPLITS",
    "Attention",
    "BadInput",
    "Deployment",
    "Efficiency",
    "Engine",
    "Format",
    "Gpu",
    "Lora",
    "Model",
    "Slo",
    "Speculation",
    "Tensor",
    "Workload",
]
