"""An engine: what it reserves, batches and can run."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..refuse import BadInput, a_name, number, one_of, shown, yes_or_no
from .cards import Gpu
from .models import Model

SERVERS = ("vllm", "sglang", "trtllm")
WIDE_GRAPH_SEQS = 1024
MOST_BATCHED = 10_000_000  # tokens or sequences of one step
LEAST_FRACTION = 0.05  # of a card: with less no engine is started


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
    wide_graphs : tuple of str
        Families of chips on which graphs reach `WIDE_GRAPH_SEQS` sequences.
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
    launches_prompts_of, graphs_prompts_of : tuple of str
        Where an engine has such graphs: models without a vision tower that have none, and models
        with one that have, by parts of their names.
    spare_tokens : int
        Tokens of the longest request that the engine leaves free: an answer ends before them
        [tokens].
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
    wide_graphs: tuple[str, ...] = ()
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
    launches_prompts_of: tuple[str, ...] = ()
    graphs_prompts_of: tuple[str, ...] = ()
    spare_tokens: int = 0
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
        # people leave out that a checkpoint's activations stay in 16 bits
        same = said and weights in (said.weights, said.weights.removesuffix("-a16"))
        reads = said and same and said.tool in self.reads_kv_of
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
        return _limits_on(self, gpu)

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __post_init__(self) -> None:
        a_name("Engine", name=self.name, title=self.title, family=self.family)
        if self.memory_fraction != 0:
            number("memory_fraction", self.memory_fraction, LEAST_FRACTION, 1)
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
        number("spare_tokens", self.spare_tokens, 0, 4096, "tokens", whole=True)
        for name in ("wide_graphs", "launches_prompts_of", "graphs_prompts_of", "reads_kv_of"):
            if not isinstance(getattr(self, name), tuple):
                said = f"{name} is {shown(getattr(self, name))}: it takes a tuple of names."
                raise BadInput(name, said)


@lru_cache(maxsize=1024)
def _limits_on(engine: Engine, gpu: Gpu) -> BatchLimits:
    if any(part in gpu.name for part in engine.small_cards):
        return engine.limits[0]
    fitting = (one for one in engine.limits if gpu.memory_visible_bytes < one.below_bytes)
    found = next(fitting, engine.limits[-1])
    if gpu.family not in engine.wide_graphs:
        return found
    return found._replace(graph_seqs=WIDE_GRAPH_SEQS, graph_seqs_tp4=WIDE_GRAPH_SEQS)
