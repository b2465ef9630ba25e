"""A model: its tensors, and what its attention keeps of a token."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..once import cached_property
from ..refuse import BadInput, a_name, number, one_of, shown

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
NO_CONFIG = "no config"  # how the source of a model begins whose layers are not known
MAX_TOKENS = 100_000_000


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
        a_name("Tensor", name=self.name)
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
    nvfp4_roles : tuple of str
        Roles of the tensors that NVIDIA's checkpoint of it in NVFP4 converts, where its own list is
        another than what mixtures keep by convention; () where it is not known.
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
    nvfp4_roles: tuple[str, ...] = ()
    declared_kv: DeclaredKv | None = None
    tied_embeddings: bool = False
    table_bytes: int = 0
    source: str = ""
    notes: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __post_init__(self) -> None:
        a_name("Model", name=self.name, family=self.family)
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
        if not isinstance(self.nvfp4_roles, tuple):
            said = f"nvfp4_roles is {shown(self.nvfp4_roles)}: it takes a tuple of roles."
            raise BadInput("nvfp4_roles", said)
        for role in self.nvfp4_roles:
            one_of("nvfp4_roles", role, ROLES)
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
    def latent(self) -> bool:
        """Whether its attention caches latent vectors (MLA)."""
        return any(a.latent_dim for a in self.attention)

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
