"""What a deployment reaches of the spec sheet, and what its steps cost beside it."""

from dataclasses import dataclass, replace

from ..once import cached_property
from ..refuse import number

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
        How far cards that exchange over the host's memory alone, or over the network between
        nodes, share one path there: 0 where each has its own, 1 where all wait for one.
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

    @cached_property
    def one_by_one(self) -> "Efficiency":
        """The same where requests come one by one: no two at the same moment."""
        return replace(self, burst_share=0.0)


CEILING = Efficiency()
