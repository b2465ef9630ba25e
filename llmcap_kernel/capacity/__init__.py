"""Chapter 3, capacity: will it start, with how many users, and what the engine will say of it."""

from .cache import (
    Kind,
    Layout,
    is_grouped,
    kv_sequence_bytes,
    layout,
    max_sequences,
    paged_tokens,
    prefix_bytes,
)
from .ledger import Ledger, cliff, extra_bytes, ledger, max_concurrent, workload_ledger
from .overhead import (
    activation_bytes,
    expert_bytes,
    forward_bytes,
    graph_bytes,
    runtime_bytes,
    sampling_bytes,
    usable_bytes,
)

__all__ = [
    "Kind",
    "Layout",
    "Ledger",
    "activation_bytes",
    "cliff",
    "expert_bytes",
    "extra_bytes",
    "forward_bytes",
    "graph_bytes",
    "is_grouped",
    "kv_sequence_bytes",
    "layout",
    "ledger",
    "max_concurrent",
    "max_sequences",
    "paged_tokens",
    "prefix_bytes",
    "runtime_bytes",
    "sampling_bytes",
    "usable_bytes",
    "workload_ledger",
]
