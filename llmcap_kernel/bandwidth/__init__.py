"""Stage 2, bandwidth: the decode step, prefill and communication.

A step is a sum of parts that run one after another, layer by layer: the dense
weights, the routed experts, attention over the cache, the collectives between
cards, and fixed costs. Each part takes the longer of its reading and its
computing. With `CEILING` the same law gives what the spec sheet allows, and with
fitted efficiencies an estimate.
"""

from .collectives import (
    ACTIVATION_BYTES,
    Exchange,
    all_reduce_s,
    all_to_all_s,
    exchanges,
    link_bandwidth_bytes_s,
)
from .step import Step, decode_step, mixed_step, prefill
from .work import (
    LAUNCHES,
    UNDIVIDED,
    Work,
    compute_dtype,
    decode_work,
    draft_deployment,
    joined,
    mixed_work,
    prefill_work,
    tokens_per_step,
)
