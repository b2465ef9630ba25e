"""Input records: model, card, engine, formats, topology, workload and limits.

Every record is frozen and validates its fields when it is built; an error names
the field, the value given and the values accepted. Units are bytes, seconds, FLOP,
tokens and US dollars. These are the facts a prediction starts from; everything
computed from them is in the other modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

from .once import cached_property
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
WIDE = ("bf16", "fp16", "fp32")  # what every format can be computed in
UNPACKED = (*WIDE, "fp16-acc16")
SERVERS = ("vllm", "sglang", "trtllm")
PLACES = ("server", "desk")
TAILED = ("itl", "tpot", "ttft", "e2e")
NO_CONFIG = "no config"  # how the source of a model begins whose layers are not known
MAX_TOKENS = 100_000_000
MAX_GPUS = 4096
MOST_BATCHED = 10_000_000  # tokens or sequences of one step


def _text(owner: str, **fields: object) -> None:
    for name, value in fields.items():
        if not isinstance(value, str) or not value.strip():
            raise BadInput(name, f"{owner} {name} is {shown(value)}: it takes a name.")


@dataclass(frozen=True)
class Tensor:
    """One weight tensor of a model, or several identical ones.

    Parameters
    ----------
    name : str
        Name in the checkpoint, without the layer index.
    role : str
        One of `ROLES`; a weight format lists the roles it applies to.
    elements : int
        Parameters of one copy.
    copies : int
        Number of copies: layers, or layers x experts.
    active : float
        Share of the copies one token is multiplied with; 0 for a table that is
        only looked up, above 1 for layers that a token passes several times.
    split : str
        How tensor parallelism divides it: "tp" over all cards, "kv" over at
        most `kv_heads` of them, "expert" over the cards that share experts,
        "none" not at all, so that every card has a copy.
    least_bits : float
        Fewest bits that the checkpoint gives an element: 16 of a tensor that it does not
        convert, 8 of one that it converts less than others, 4.25 of one in MXFP4 beside the
        experts; 0 where the format alone decides [bits].
    width : int
        Length of a row, which is what the matrix takes in; 0 for a vector, or where it is
        not known [elements].
    layers : tuple of int
        Indices of the layers that have it; empty for one outside the layers, or where they
        are not known.

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
    least_bits: float = 0.0
    width: int = 0
    layers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _text("Tensor", name=self.name)
        one_of("role", self.role, ROLES)
        one_of("split", self.split, SPLITS)
        number("elements", self.elements, 1, 1e13, whole=True)
        number("copies", self.copies, 1, 1e7, whole=True)
        number("active", self.active, 0, 1_000)
        number("least_bits", self.least_bits, 0, 64, "bits")
        number("width", self.width, 0, 1e13, "elements", whole=True)
        if not isinstance(self.layers, tuple) or not all(type(i) is int for i in self.layers):
            raise BadInput(
                "layers", f"layers is {shown(self.layers)}: it takes a tuple of whole numbers."
            )

    @property
    def params(self) -> int:
        """Parameters of all copies."""
        return self.elements * self.copies


@dataclass(frozen=True)
class Attention:
    """One kind of attention or other token mixer, and how many layers use it.

    Parameters
    ----------
    kind : str
        "full" stores and reads keys and values of every token (MHA, GQA, MQA);
        "mla" stores one latent vector per token; "window" stores the last
        `window_tokens`; "sparse" stores every token and reads `topk_tokens` of them;
        "linear" stores a state of fixed size (delta-net, Mamba).
    layers : int
        Layers of this kind.
    heads : int
        Query heads.
    kv_heads : int
        Key-value heads; 1 for MLA, which has a single latent.
    head_dim : int
        Width of a query and of a key [elements].
    v_head_dim : int
        Width of a value; 0 means that of a key, or none where keys serve as
        values [elements].
    latent_dim : int
        Width of MLA's compressed key-value vector [elements].
    rope_dim : int
        Width of MLA's rotary key, stored with the latent [elements].
    window_tokens : int
        Tokens a "window" layer stores [tokens].
    topk_tokens : int
        Cached tokens a "sparse" layer reads per step [tokens].
    index_dim : int
        Extra elements per token that the indexer of a "sparse" layer stores, and
        reads for every token [elements].
    index_heads : int
        Heads of the indexer, each of which scores every stored token.
    stride_tokens : int
        Tokens per cache entry where the cache is compressed along the sequence;
        1 for no compression [tokens].
    state_bytes : int
        State of a "linear" layer per sequence as vLLM keeps it, independent of its length [bytes].
    state_elements, conv_elements : int
        What it consists of: the recurrent state, and the inputs that a short convolution
        looks back on [elements].
    state_flops : int
        FLOP a "linear" layer spends on its state per token [FLOP].
    index_bytes : float
        Size of one indexer element, independent of the KV format [bytes].

    Raises
    ------
    BadInput
        When a field is out of range, or one that the kind requires is 0.

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
    state_elements: int = 0
    conv_elements: int = 0

    def __post_init__(self) -> None:
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
        for name in ("state_elements", "conv_elements"):
            number(name, getattr(self, name), 0, 1e12, "elements", whole=True)
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


class DeclaredKv(NamedTuple):
    """What the config of a quantised checkpoint says of the KV cache.

    Attributes
    ----------
    kv : str
        Format of the cache, a name in the catalogue.
    weights : str
        Format of the checkpoint's weights: of one in another format this says nothing.
    tool : str
        The tool that wrote it, "modelopt" or "compressed-tensors": engines read their words since
        different versions.
    """

    kv: str
    weights: str
    tool: str


@dataclass(frozen=True)
class Model:
    """A language model as its weight tensors and its caches.

    Parameters
    ----------
    name : str
        Name in the catalogue, or of the file it was read from.
    family : str
        `model_type` of the config.
    hidden_size : int
        Width of the residual stream [elements].
    layers : int
        Decoder layers, without multi-token-prediction layers.
    vocab_size : int
        Rows of the embedding table [tokens].
    max_context_tokens : int
        Longest context the model was configured for [tokens].
    attention : tuple of Attention
        The kinds of token mixer; their layers need not sum to `layers`, since a
        hybrid may have layers without one.
    tensors : tuple of Tensor
        All weights.
    experts : int
        Routed experts per MoE layer; 0 for a dense model.
    experts_per_token : int
        Routed experts per token.
    moe_layers : int
        Layers with routed experts.
    native_format : str
        Format of the published checkpoint, a name in the catalogue.
    declared_kv : DeclaredKv or None
        What the config of a checkpoint says of the KV cache; None where it says nothing.
    tied_embeddings : bool
        Whether the head shares the embedding table.
    table_bytes : int
        Tables an engine computes once and replicates on every card: rotary angles
        for each position of the context, in 16 bits [bytes].
    source : str
        Where the config is published; where there is none, what was taken for it, after
        `NO_CONFIG`.
    notes : tuple of str
        Assumptions and caveats.

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
    attention: tuple[Attention, ...]
    tensors: tuple[Tensor, ...]
    experts: int = 0
    experts_per_token: int = 0
    moe_layers: int = 0
    native_format: str = "bf16"
    declared_kv: DeclaredKv | None = None
    tied_embeddings: bool = False
    table_bytes: int = 0
    source: str = ""
    notes: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __post_init__(self) -> None:
        _text("Model", name=self.name, family=self.family)
        number("hidden_size", self.hidden_size, 1, 1_000_000, "elements", whole=True)
        number("layers", self.layers, 1, 10_000, whole=True)
        number("vocab_size", self.vocab_size, 1, 100_000_000, "tokens", whole=True)
        number("max_context_tokens", self.max_context_tokens, 1, MAX_TOKENS, "tokens", whole=True)
        number("experts", self.experts, 0, 100_000, whole=True)
        number("experts_per_token", self.experts_per_token, 0, max(self.experts, 0), whole=True)
        number("moe_layers", self.moe_layers, 0, self.layers, whole=True)
        number("table_bytes", self.table_bytes, 0, 1e13, "bytes", whole=True)
        if self.declared_kv is not None and not isinstance(self.declared_kv, DeclaredKv):
            said = f"declared_kv is {shown(self.declared_kv)}: it takes a DeclaredKv or None."
            raise BadInput("declared_kv", said)
        for name, kind in (("tensors", Tensor), ("attention", Attention)):
            parts = getattr(self, name)
            good = isinstance(parts, tuple) and all(isinstance(part, kind) for part in parts)
            if not good or not parts:
                raise BadInput(
                    name,
                    f"{name} is {shown(parts)}: it takes a tuple of {kind.__name__}, not empty.",
                )

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """Cache of sums computed for this model, by their arguments."""
        return {}

    @property
    def assumed_shape(self) -> bool:
        """Whether the shape of the layers is not the model's own but one taken for its size."""
        return self.source.startswith(NO_CONFIG)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Kinds of attention that it has, some of `ATTENTION_KINDS`."""
        return frozenset(a.kind for a in self.attention)

    @cached_property
    def sees(self) -> bool:
        """Whether it has a vision tower."""
        return any(t.role == "vision" for t in self.tensors)

    @cached_property
    def params(self) -> int:
        """All parameters, without multi-token-prediction layers."""
        return sum(t.params for t in self.tensors if t.role != "mtp")

    @cached_property
    def mtp_params(self) -> int:
        """Parameters of the multi-token-prediction layers."""
        return sum(t.params for t in self.tensors if t.role == "mtp")

    @cached_property
    def active_params(self) -> int:
        """Active parameters per token, by the convention of model names.

        Embedding and head count once each; vision and multi-token prediction do
        not count.
        """
        return round(
            sum(
                t.params * (1.0 if t.role == "embedding" else t.active)
                for t in self.tensors
                if t.role not in ("mtp", "vision")
            )
        )

    @cached_property
    def dense_matmul_params(self) -> float:
        """Parameters every generated token is multiplied with, without routed experts.

        The embedding table is looked up, not multiplied, unless it also serves as
        the head.
        """
        apart = ("mtp", "vision", "norm", "expert", "embedding")
        active = sum(t.params * t.active for t in self.tensors if t.role not in apart)
        if self.tied_embeddings:
            active += sum(t.params for t in self.tensors if t.role == "embedding")
        return active

    @cached_property
    def head_params(self) -> int:
        """Parameters of the output head, or of the embedding table it shares."""
        role = "embedding" if self.tied_embeddings else "head"
        return sum(t.params for t in self.tensors if t.role == role)

    @cached_property
    def expert_matmul_params(self) -> float:
        """Parameters of the routed experts one token is routed to."""
        return sum(t.params * t.active for t in self.tensors if t.role == "expert")

    @cached_property
    def matmul_params(self) -> float:
        """Parameters one generated token is multiplied with, experts included."""
        return self.dense_matmul_params + self.expert_matmul_params

    @cached_property
    def kv_heads(self) -> int:
        """Smallest number of KV heads of any attention layer; 0 without one."""
        counts = [a.kv_heads for a in self.attention if a.kind != "linear" and a.kv_heads]
        return min(counts, default=0)

    @cached_property
    def heads(self) -> int:
        """Smallest number of query heads of any attention layer; 0 without one."""
        return min((a.heads for a in self.attention if a.heads), default=0)


@dataclass(frozen=True)
class Gpu:
    """An accelerator card, as specified by the vendor and reported by the driver.

    Parameters
    ----------
    name : str
        Identifier in the catalogue.
    title : str
        Name as the vendor writes it.
    vendor, family, form : str
        Vendor, chip generation (with "-graphics" for the graphics chips of a
        generation that has separate data-centre chips), and form factor.
    place : str
        Where it stands: "server" for a card of data centres, "desk" for one of
        workstations, personal computers and laptops.
    memory_sold_bytes : float
        Advertised memory [bytes].
    memory_visible_bytes : float
        Memory reported by the driver, which the engine allocates from [bytes].
    bandwidth_bytes_s : float
        Peak memory bandwidth [bytes/s].
    flop_s : mapping of str to float
        Peak dense rate per compute dtype; unsupported dtypes are absent [FLOP/s].
    link_bandwidth_bytes_s : float
        One-way link bandwidth to other cards, per card; 0 for no link [bytes/s].
    link : str
        Kind of link.
    max_per_node : int
        Cards in one link domain.
    node_link_bandwidth_bytes_s : float
        One-way bandwidth between link domains, per card [bytes/s].
    host_bandwidth_bytes_s : float
        One-way bandwidth from host memory [bytes/s].
    power_w : float
        Board power [W].
    memory_usable_share : float
        Share of the visible memory available to a model; below 1 where the memory is
        shared with the host.
    unified_memory : bool
        Whether card and host share one memory.
    rates_doubted : bool
        Whether its FLOP/s are a guess that users do not reach.
    usd_h : float
        Reference price for renting one card; 0 if unknown [USD/h].
    parts : tuple of Gpu
        The unequal cards of which this record is the mean; empty for one card. A deployment on
        them has a pipeline stage on each.

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
    flop_s: Mapping[str, float]
    link_bandwidth_bytes_s: float = 0.0
    link: str = "none"
    max_per_node: int = 8
    node_link_bandwidth_bytes_s: float = 50e9
    host_bandwidth_bytes_s: float = 32e9
    power_w: float = 0.0
    memory_usable_share: float = 1.0
    place: str = "server"
    unified_memory: bool = False
    rates_doubted: bool = False
    usd_h: float = 0.0
    parts: tuple["Gpu", ...] = ()

    def __post_init__(self) -> None:
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
        one_of("place", self.place, PLACES)
        yes_or_no("rates_doubted", self.rates_doubted)
        number("usd_h", self.usd_h, 0, 1e5, "USD/h")
        if not isinstance(self.parts, tuple) or not all(isinstance(p, Gpu) for p in self.parts):
            raise BadInput("parts", f"parts is {shown(self.parts)}: it takes a tuple of Gpu.")
        if not isinstance(self.flop_s, Mapping) or not self.flop_s:
            raise BadInput(
                "flop_s", f"flop_s is {shown(self.flop_s)}: it takes FLOP/s by dtype, one at least."
            )
        for dtype, rate in self.flop_s.items():
            one_of("flop_s", dtype, COMPUTE)
            number(f"flop_s[{shown(dtype)}]", rate, 1e9, 1e18, "FLOP/s")
        object.__setattr__(self, "flop_s", MappingProxyType(dict(self.flop_s)))

    @cached_property
    def direct_link(self) -> bool:
        """Whether cards are joined by a link of their own, not only through PCIe."""
        return self.link != "none" and not self.link.startswith("pcie")

    def computes(self, number_format: "Format") -> tuple[str, float] | None:
        """Find the dtype the card computes a format in, and its rate.

        Parameters
        ----------
        number_format : Format
            The stored format; its `compute` list is tried in order, then wider dtypes.

        Returns
        -------
        tuple of (str, float) or None
            Dtype, and its dense rate; None where the card lists none of them [FLOP/s].
        """
        for dtype in number_format.tried:
            rate = self.flop_s.get(dtype)
            if rate:
                return dtype, rate
        return None

    def unpacks(self, number_format: "Format") -> bool:
        """Say whether weights are unpacked before the card multiplies them.

        Parameters
        ----------
        number_format : Format
            Their format.

        Returns
        -------
        bool
            True for weights of 8 bits or fewer that it computes in 16 or more.
        """
        found = self.computes(number_format)
        return number_format.element_bits <= 8 and found is not None and found[0] in UNPACKED

    @cached_property
    def peer_access(self) -> bool:
        """Whether cards reach each other's memory.

        NVIDIA's drivers give GeForce cards none over PCIe: what one sends another is written to
        the host's memory and read from there (github.com/tinygrad/open-gpu-kernel-modules).
        """
        return self.direct_link or "GeForce" not in self.title

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __reduce__(self) -> tuple[Any, ...]:
        # a MappingProxyType does not pickle, and sweeps may send cards to other processes
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _rebuilt, (Gpu, {**fields, "flop_s": dict(self.flop_s)})


def _rebuilt(kind: type[Gpu], fields: dict[str, Any]) -> Gpu:
    return kind(**fields)


@dataclass(frozen=True)
class Format:
    """A storage format of weights, or of keys and values.

    Parameters
    ----------
    name : str
        Identifier in the catalogue.
    title : str
        Display name.
    element_bits : float
        Size of one element, without its scale [bits].
    scale_bits : float
        Size of one scale [bits].
    group : int
        Elements that share a scale; 0 when scales are negligible.
    covers : tuple of str
        Tensor roles the format is applied to; other tensors stay in 16 bit.
    covers_mixture : tuple of str
        The same in a mixture of experts; empty where it is the same.
    compute : tuple of str
        Compute dtypes in order of preference; the first that the card supports is used.
    kv : bool
        Whether engines support it for the KV cache.
    gguf : str
        Name of llama.cpp's own file type, which mixes block types by tensor (`gguf.py`);
        "" for other formats.
    timed : bool
        Whether kernels that read it, or alike ones, were timed; where not, speeds are less certain.

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Format("nvfp4", "NVFP4", 4, 8, 16, ("mlp",), compute=("fp4", "bf16")).bytes_per_element
    0.5625
    """

    name: str
    title: str
    element_bits: float
    scale_bits: float = 0.0
    group: int = 0
    covers: tuple[str, ...] = ()
    covers_mixture: tuple[str, ...] = ()
    compute: tuple[str, ...] = ("bf16",)
    kv: bool = False
    gguf: str = ""
    timed: bool = True

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __post_init__(self) -> None:
        _text("Format", name=self.name, title=self.title)
        number("element_bits", self.element_bits, 1, 64, "bits")
        number("scale_bits", self.scale_bits, 0, 1024, "bits")
        number("group", self.group, 0, 1_000_000, whole=True)
        if not isinstance(self.gguf, str):
            raise BadInput("gguf", f"gguf is {shown(self.gguf)}: it takes the name of a file type.")
        for name in ("covers", "covers_mixture"):
            for role in getattr(self, name):
                one_of(name, role, ROLES)

    @cached_property
    def tried(self) -> tuple[str, ...]:
        """Compute dtypes in order of preference, wider ones last."""
        return (*self.compute, *WIDE)

    @cached_property
    def bytes_per_element(self) -> float:
        """Size of one element with its share of the scale [bytes]."""
        scale = self.scale_bits / self.group if self.group else 0.0
        return (self.element_bits + scale) / 8


class BatchLimits(NamedTuple):
    """What an engine batches unless it is told otherwise, on cards below a size.

    Attributes
    ----------
    below_bytes : float
        Memory of the first card that is too large for them [bytes].
    batched_tokens : int
        Most tokens of a step, prefill and decode together [tokens].
    seqs : int
        Most sequences at once.
    graph_seqs, graph_seqs_tp4 : int
        Largest batch that is captured in a CUDA graph, and from four cards on.
    """

    below_bytes: float = float("inf")
    batched_tokens: int = 8192
    seqs: int = 1024
    graph_seqs: int = 512
    graph_seqs_tp4: int = 512


@dataclass(frozen=True)
class Engine:
    """A serving engine: its defaults, and the memory it uses beside weights and KV cache.

    Parameters
    ----------
    name : str
        Identifier in the catalogue, including the version.
    title : str
        Display name.
    family : str
        Name without the version; efficiencies are fitted per family.
    release : tuple of int
        Its version as numbers, (0, 19): rules that changed ask for it.
    memory_fraction : float
        Default share of the card's memory the engine uses; 0 where the engine sets it
        from the card.
    fraction_of : str
        What that is a share of. "total": the visible memory. "free": the memory left
        by weights and activations, for the KV cache alone.
    block_tokens : int
        Tokens per block of the KV cache [tokens].
    limits : tuple of BatchLimits
        Its limits on a batch, from the smallest cards to the largest.
    small_cards : tuple of str
        Cards that get the first limits whatever their memory: parts of their names.
    graphs_in_fraction : bool
        Whether the memory fraction includes CUDA graphs.
    profiled : bool
        Whether the engine measures its largest batch when it starts and takes that
        peak out of the memory fraction.
    sampling_bytes_per_logit : float
        Peak memory of sampling, per sequence and vocabulary entry [bytes].
    least_bytes_per_logit : float
        The same in the builds that take the least, where a version's builds differ; 0 where
        they do not [bytes].
    counted_bytes_per_logit : float
        What is kept of each sequence and vocabulary entry to penalise repetition [bytes].
    activation_bytes : float
        Part of the activation peak that is the same for all models [bytes].
    runtime_bytes : float
        Memory outside the framework's allocator on a single card [bytes].
    runtime_amd_bytes : float
        What it is more on AMD's cards [bytes].
    runtime_tp_bytes : float
        The same when cards communicate through a switch that reduces in the network [bytes].
    graph_bytes : float
        Memory of CUDA graphs, fixed part [bytes].
    graph_bytes_per_layer : float
        Memory of CUDA graphs per layer on the card, for graphs up to 512 sequences [bytes].
    score_bytes : float
        Written and read of each score between two tokens of a prompt; 0 where attention is
        fused, so that scores stay on the chip [bytes].
    draft_launches : int
        Kernels of a draft model's layer that the host launches one by one in a pass of one token;
        0 where a graph holds the whole pass.
    mixes_prompts : bool
        Whether a step that decodes takes pieces of prompts along; where not, prompts have steps
        of their own, for which decoding waits.
    launches_prompts : bool
        Whether the host launches the kernels of a prompt one by one, as no graph holds them.
    reads_kv_of : tuple of str
        Tools by whose checkpoints the engine sets the format of its cache where it is not told
        one: see `DeclaredKv.tool`.

    Raises
    ------
    BadInput
        When a field is out of range.
    """

    name: str
    title: str
    family: str
    release: tuple[int, ...] = ()
    memory_fraction: float = 0.9
    fraction_of: str = "total"
    block_tokens: int = 16
    limits: tuple[BatchLimits, ...] = (BatchLimits(),)
    small_cards: tuple[str, ...] = ()
    graphs_in_fraction: bool = False
    profiled: bool = True
    sampling_bytes_per_logit: float = 0.0
    least_bytes_per_logit: float = 0.0
    counted_bytes_per_logit: float = 0.0
    activation_bytes: float = 0.0
    runtime_bytes: float = 0.0
    runtime_amd_bytes: float = 0.0
    runtime_tp_bytes: float = 0.0
    graph_bytes: float = 0.0
    graph_bytes_per_layer: float = 0.0
    score_bytes: float = 0.0
    draft_launches: int = 0
    mixes_prompts: bool = True
    launches_prompts: bool = False
    reads_kv_of: tuple[str, ...] = ()

    @property
    def is_server(self) -> bool:
        """Whether it is measured as a server with clients; the others as a library's loop."""
        return self.family in SERVERS

    def automatic_kv(self, model: Model, weights: str) -> str:
        """Say which format of the cache it takes from a checkpoint where it is not told one.

        Parameters
        ----------
        model : Model
            The model, with what the config of its checkpoint declares.
        weights : str
            Format of the weights that are served: another than that of the config is another
            checkpoint, of which nothing is known.

        Returns
        -------
        str
            A name of the catalogue; "" where the cache has the model's own 16 bits.

        References
        ----------
        vLLM pull requests 30785 (modelopt) and 30141 (compressed-tensors); SGLang,
        mem_cache/kv_cache_dtype.py; TensorRT-LLM, llmapi/llm_args.py.
        """
        said = model.declared_kv
        reads = said and said.weights == weights and said.tool in self.reads_kv_of
        return said.kv if said and reads else ""

    def limits_on(self, gpu: Gpu) -> BatchLimits:
        """Its limits on a batch on a card, unless it is told otherwise.

        Parameters
        ----------
        gpu : Gpu
            The card.

        Returns
        -------
        BatchLimits
            The first that the card is not too large for.
        """
        for part in self.small_cards:
            if part in gpu.name:
                return self.limits[0]
        for one in self.limits:
            if gpu.memory_visible_bytes < one.below_bytes:
                return one
        return self.limits[-1]

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __post_init__(self) -> None:
        _text("Engine", name=self.name, title=self.title, family=self.family)
        if self.memory_fraction != 0:
            number("memory_fraction", self.memory_fraction, 0.05, 1)
        one_of("fraction_of", self.fraction_of, ("total", "free"))
        number("block_tokens", self.block_tokens, 1, 4096, "tokens", whole=True)
        if not self.limits:
            raise BadInput("limits", "limits is empty: it takes at least one BatchLimits.")
        for limit in self.limits:
            number("batched_tokens", limit.batched_tokens, 1, MOST_BATCHED, "tokens", whole=True)
            number("seqs", limit.seqs, 1, MOST_BATCHED, whole=True)
        yes_or_no("graphs_in_fraction", self.graphs_in_fraction)
        yes_or_no("profiled", self.profiled)
        yes_or_no("mixes_prompts", self.mixes_prompts)
        yes_or_no("launches_prompts", self.launches_prompts)
        for name in (
            "sampling_bytes_per_logit",
            "least_bytes_per_logit",
            "counted_bytes_per_logit",
            "activation_bytes",
            "runtime_bytes",
            "runtime_amd_bytes",
            "runtime_tp_bytes",
            "graph_bytes",
            "graph_bytes_per_layer",
            "score_bytes",
        ):
            number(name, getattr(self, name), 0, 1e12, "bytes")
        number("draft_launches", self.draft_launches, 0, 12, whole=True)
        if not isinstance(self.reads_kv_of, tuple):
            said = f"reads_kv_of is {shown(self.reads_kv_of)}: it takes a tuple of names."
            raise BadInput("reads_kv_of", said)


SHARES = (
    "bandwidth",
    "kv_bandwidth",
    "compute",
    "link_bandwidth",
    "expert_bandwidth",
    "expert_compute",
    "attention_compute",
    "weight_only_compute",
    "matvec_compute",
)
PARTS = (*("prefill_share", "burst_share", "one_path_share", "rounded_share", "begun_share"),)
LATENCIES = (
    "layer_s",
    "step_s",
    "all_reduce_s",
    "moe_layer_s",
    "sequence_s",
    "first_token_s",
    "prompt_token_s",
    "pcie_exchange_s",
    "rank_s",
    "launched_layer_s",
    "prompt_layer_s",
)


@dataclass(frozen=True)
class Efficiency:
    """How far measured performance is from the data sheet.

    The defaults, all shares 1 and all times 0, are the ceiling.

    Parameters
    ----------
    bandwidth : float
        Share of peak bandwidth reached when reading weights.
    kv_bandwidth : float
        Share of peak bandwidth reached when reading the KV cache.
    compute : float
        Share of peak FLOP/s reached in prefill and large batches.
    link_bandwidth : float
        Share of the link bandwidth reached by collectives.
    layer_s : float
        Fixed time per layer: kernel launches, tails of small kernels [s].
    launched_layer_s : float
        The same of a layer whose kernels the host launches one by one, as no graph holds them [s].
    prompt_layer_s : float
        Time in which the host launches the kernels of a layer in a pass over prompts that no graph
        holds: the cards wait where they are sooner [s].
    step_s : float
        Fixed time of one step: scheduler, sampling, host [s].
    all_reduce_s : float
        Fixed time per exchange between cards [s].
    expert_bandwidth : float
        Factor on `bandwidth` when reading routed experts.
    moe_layer_s : float
        Additional fixed time of routing and sorting per layer with 256 experts and 8
        active; `law.routing_load` scales it to other layers [s].
    sequence_s : float
        Fixed time per sequence in a step: sampling, detokenising [s].
    prefill_share : float
        Share of other users' prefill that decoding waits for: 1 where the two take
        turns on the cards, 0 where prefill hides wholly behind decoding.
    first_token_s : float
        Fixed time of a server's request outside its prefill: client, network, tokens
        to text [s].
    prompt_token_s : float
        Host time of a token of a prompt: from text to numbers, and its place in the cache [s].
    expert_compute : float
        Factor on `compute` for routed experts, whose matrix products are many and
        small.
    attention_compute : float
        Factor on `compute` for attention in prefill.
    weight_only_compute : float
        Factor on `compute` when weights are unpacked before they are multiplied.
    matvec_compute : float
        Factor on `compute` in GGUF's kernels for vectors, which take up to 8 tokens and multiply
        all but the first outside the tensor cores.
    pcie_exchange_s : float
        Additional fixed time per exchange between cards without a direct link [s].
    rank_s : float
        Additional fixed time per exchange for each further card: all wait for the slowest [s].
    one_path_share : float
        How far cards that reach each other over the host's memory alone share one path there: 0
        where each pair has its own, 1 where all wait for one.
    rounded_share : float
        How far the roofline is rounded at its ridge: a part takes the longer of reading and
        computing at 0, the root of the sum of their squares at 1.
    begun_share : float
        Share of the rest of a step that a request waits for which comes while it is computed: 0
        at the ceiling, 1 else.
    burst_share : float
        Share of the users whose requests arrive at the same moment, as in a benchmark
        where all answers end together.

    Raises
    ------
    BadInput
        When a share is outside (0, 1] or a time is negative.

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
    prefill_share: float = 0.0
    first_token_s: float = 0.0
    prompt_token_s: float = 0.0
    expert_compute: float = 1.0
    attention_compute: float = 1.0
    weight_only_compute: float = 1.0
    matvec_compute: float = 1.0
    pcie_exchange_s: float = 0.0
    rank_s: float = 0.0
    burst_share: float = 0.0
    one_path_share: float = 0.0
    rounded_share: float = 0.0
    begun_share: float = 0.0
    launched_layer_s: float = 0.0
    prompt_layer_s: float = 0.0

    def __post_init__(self) -> None:
        for name in SHARES:
            number(name, getattr(self, name), 1e-4, 1)
        for name in LATENCIES:
            number(name, getattr(self, name), 0, 10, "s")
        for name in PARTS:
            number(name, getattr(self, name), 0, 1)


CEILING = Efficiency()


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
        Most tokens of a step, or a chunk of a prompt; the engine's default on the card
        if omitted [tokens].
    max_model_len : int, optional
        Longest sequence the engine must have room for to start; that of the load if
        omitted [tokens].
    eager : bool
        Whether CUDA graphs are turned off.
    mixed_chunk : bool
        Whether an engine that gives prompts steps of their own is told to mix them with decoding.
    block_size : int, optional
        Tokens per block of the KV cache; the engine's default if omitted [tokens].

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

    def __hash__(self) -> int:
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
        for name in ("tp", "pp", "ep"):
            number(name, getattr(self, name), 1, MAX_GPUS, whole=True)
        yes_or_no("dp_attention", self.dp_attention)
        if self.memory_fraction is not None:
            number("memory_fraction", self.memory_fraction, 0.05, 1)
        if self.usd_h is not None:
            number("usd_h", self.usd_h, 0, 1e5, "USD/h")
        number("offload_share", self.offload_share, 0, 1)
        self._check_limits()
        for name, term in (("speculation", Speculation), ("lora", Lora)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, term):
                raise BadInput(name, f"{name} is {shown(value)}: it takes a {term.__name__}.")
        if not self.kv.kv:
            raise BadInput("kv", f"kv is {self.kv.name!r}: no engine keeps its cache in it.")
        self._check_topology()

    def _check_limits(self) -> None:
        yes_or_no("eager", self.eager)
        yes_or_no("mixed_chunk", self.mixed_chunk)
        for name, most, unit in (
            ("max_num_seqs", MOST_BATCHED, ""),
            ("max_num_batched_tokens", MOST_BATCHED, "tokens"),
            ("max_model_len", MAX_TOKENS, "tokens"),
            ("block_size", 4096, "tokens"),
        ):
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

    @property
    def mixes_prompts(self) -> bool:
        """Whether a step that decodes takes pieces of prompts along."""
        return self.engine.mixes_prompts or self.mixed_chunk

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
    def batch_limit_tokens(self) -> int:
        """Most tokens of a step in effect [tokens]."""
        return self.max_num_batched_tokens or self.engine.limits_on(self.gpu).batched_tokens

    @cached_property
    def seqs_limit(self) -> int:
        """Most sequences at once in effect; as many as a step has tokens, unless told more."""
        default = self.engine.limits_on(self.gpu).seqs
        return self.max_num_seqs or min(default, self.batch_limit_tokens)

    @property
    def request_limit_tokens(self) -> int:
        """Most tokens of a request that engine and model take [tokens]."""
        window = self.model.max_context_tokens
        return min(self.max_model_len or window, window)

    @property
    def block_tokens(self) -> int:
        """Tokens per block of the KV cache in effect [tokens]."""
        return self.block_size or self.engine.block_tokens

    @property
    def fraction(self) -> float:
        """Memory fraction in effect."""
        if self.memory_fraction is not None:
            return self.memory_fraction
        default = self.engine.memory_fraction or self._sglang_fraction()
        return min(default, self.gpu.memory_usable_share)

    @property
    def graph_seqs_limit(self) -> int:
        """Largest batch that is captured in a CUDA graph; 0 without them."""
        limits = self.engine.limits_on(self.gpu)
        most = limits.graph_seqs_tp4 if self.tp >= 4 else limits.graph_seqs
        # vLLM: config/vllm.py, _set_cudagraph_sizes; twice, for steps that also prefill
        return 0 if self.eager else min(most, 2 * self.seqs_limit, self.batch_limit_tokens)

    def _sglang_fraction(self) -> float:
        """Share for weights and cache that SGLang sets itself: it keeps a chunk's room free.

        srt/server_args.py of 0.5.9, `_handle_gpu_memory_settings`, in MiB.
        """
        total = self.gpu.memory_visible_bytes / 2**20
        limits = self.engine.limits_on(self.gpu)
        graphs = limits.graph_seqs_tp4 if self.tp >= 4 else limits.graph_seqs
        chunk = max(self.batch_limit_tokens, 2048)
        reserved = 512 + 1.5 * chunk + 2 * graphs + 128 * self.num_gpus
        if total > 60 * 1024:
            reserved = max(reserved, 10 * 1024)
        return round(max(1 - reserved / total, 0.05), 3)

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
            text += " " + " ".join(parts)
        return f"{text} / {self.kv.name} KV"


@dataclass(frozen=True)
class Workload:
    """The load: request lengths and concurrency.

    Parameters
    ----------
    input_tokens : int
        Prompt length of a request [tokens].
    output_tokens : int
        Answer length of a request [tokens].
    concurrency : int
        Requests in flight.
    shared_prefix_tokens : int
        Length of the common prefix of all prompts, which a prefix cache avoids
        recomputing [tokens].
    hit_share : float
        Share of requests whose prefix is in the cache.

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

    def __post_init__(self) -> None:
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
    def context_tokens(self) -> int:
        """Length of a sequence when its answer is complete [tokens]."""
        return self.input_tokens + self.output_tokens

    @property
    def mean_context_tokens(self) -> float:
        """Tokens a sequence holds on average while its answer is decoded [tokens]."""
        return self.input_tokens + self.output_tokens / 2

    @property
    def computed_input_tokens(self) -> int:
        """Prompt tokens that prefill must compute, on average [tokens]."""
        return self.input_tokens - round(self.shared_prefix_tokens * self.hit_share)


@dataclass(frozen=True)
class Tail:
    """A limit on a percentile of a latency.

    Parameters
    ----------
    quantity : str
        One of `TAILED`: "itl" is every gap between two tokens, "tpot" the mean gap of
        a request, "ttft" its time to the first token, "e2e" to the last.
    percent : float
        Percent of them that must be within the limit, above 0 and below 100.
    bound_s : float
        The limit [s].

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Tail("itl", 95, 0.050).name
    'itl p95'
    """

    quantity: str
    percent: float
    bound_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", one_of("tail", self.quantity, TAILED))
        number("percent", self.percent, 0.001, 99.999)
        number(self.name, self.bound_s, 1e-6, 86_400, "s")

    @property
    def name(self) -> str:
        """Quantity and percentile, as people write them: "itl p95"."""
        return f"{self.quantity} p{self.percent:g}"


@dataclass(frozen=True)
class Slo:
    """Service-level objectives; a limit of None is not checked.

    Parameters
    ----------
    itl_s : float, optional
        Longest inter-token latency [s].
    ttft_s : float, optional
        Longest time to first token [s].
    usd_h : float, optional
        Highest rent of the whole deployment [USD/h].
    usd_mtok : float, optional
        Highest price per million output tokens [USD/Mtok].
    tails : tuple of Tail
        Limits on percentiles; those above are on means.

    Raises
    ------
    BadInput
        When a limit is out of range, or two of them contradict each other.

    Examples
    --------
    >>> Slo(itl_s=0.05, usd_h=30.0).itl_s
    0.05
    >>> Slo(tails=(Tail("itl", 95, 0.05),)).tails[0].name
    'itl p95'
    """

    itl_s: float | None = None
    ttft_s: float | None = None
    usd_h: float | None = None
    usd_mtok: float | None = None
    tails: tuple[Tail, ...] = ()

    def __post_init__(self) -> None:
        self._check_tails()
        for name, low, high, unit in (
            ("itl_s", 1e-6, 3600, "s"),
            ("ttft_s", 1e-6, 86_400, "s"),
            ("usd_h", 1e-6, 1e7, "USD/h"),
            ("usd_mtok", 1e-9, 1e7, "USD/Mtok"),
        ):
            value = getattr(self, name)
            if value is not None:
                number(name, value, low, high, unit)

    def tail(self, latency: str) -> Tail | None:
        """Find the percentile that is asked of a latency in place of its mean.

        Parameters
        ----------
        latency : str
            One of `TAILED`.

        Returns
        -------
        Tail or None
            The first limit on a percentile of it; None where its mean is limited, or nothing is.

        Examples
        --------
        >>> p95 = Tail("itl", 95, 0.05)
        >>> Slo(tails=(p95,)).tail("itl").percent, Slo(itl_s=0.04, tails=(p95,)).tail("itl")
        (95, None)
        """
        if {"itl": self.itl_s, "ttft": self.ttft_s}.get(latency) is not None:
            return None
        return next((tail for tail in self.tails if tail.quantity == latency), None)

    def _check_tails(self) -> None:
        """Refuse what is no `Tail`, and a rarer latency that must be shorter than a common one."""
        if not isinstance(self.tails, tuple) or not all(isinstance(t, Tail) for t in self.tails):
            raise BadInput("tails", f"tails is {shown(self.tails)}: it takes a tuple of Tail.")
        ordered = sorted(self.tails, key=lambda t: (t.quantity, t.percent))
        for common, rare in pairwise(ordered):
            if common.name == rare.name:
                raise BadInput(rare.name, f"{rare.name} is given twice: it takes one limit.")
            if common.quantity == rare.quantity and rare.bound_s < common.bound_s:
                message = (
                    f"{rare.name} is {rare.bound_s:g} s and {common.name} {common.bound_s:g} s"
                )
                raise BadInput(rare.name, f"{message}: a higher percentile takes no smaller limit.")
