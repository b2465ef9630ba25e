"""A model, a card and an engine in round numbers, so that a test can count by hand."""

from llmcap_kernel.spec import (
    Attention,
    BatchLimits,
    Deployment,
    Engine,
    Format,
    Gpu,
    Model,
    Tensor,
)

# Modules that search by the thousand: they alone need numpy.
BY_THE_THOUSAND = tuple(
    f"llmcap_kernel.design.{name}" for name in ("arrays", "columns", "many_copies", "stacks")
)
EVERY_ROLE = ("embedding", "head", "attention", "mlp", "router", "expert", "shared_expert")
BYTE = Format("byte", "one byte each", 8, covers=EVERY_ROLE, compute=("bf16",), kv=True)
HEADS_OF_TEN = Attention("full", layers=10, heads=8, kv_heads=8, head_dim=10)


def model(*, attention=(HEADS_OF_TEN,), tensors=None, **facts):
    """Ten layers of a thousand million weights, a thousand wide, eight heads of ten."""
    tensors = tensors or (Tensor("mlp", "mlp", 1_000_000_000, copies=10),)
    facts = {"hidden_size": 1000, "layers": 10, "vocab_size": 1000, **facts}
    facts = {"max_context_tokens": 1_000_000, **facts}
    return Model("plain", "plain", attention=attention, tensors=tensors, **facts)


def experts(*, experts=8, per_token=2, layers=10, elements=100_000_000):
    """The same with experts of a hundred million weights in each layer, and a dense part."""
    share = per_token / experts
    return model(
        tensors=(
            Tensor("mlp", "mlp", 1_000_000_000, copies=10),
            Tensor("experts", "expert", elements, layers * experts, active=share, split="expert"),
        ),
        experts=experts,
        experts_per_token=per_token,
        moe_layers=layers,
    )


def card(**facts):
    """A TB/s from memory, a PFLOP/s, a tenth of a TB/s to its neighbours."""
    facts = {
        "memory_sold_bytes": 100e9,
        "memory_visible_bytes": 100e9,
        "unified_memory": True,  # the driver keeps nothing
        "bandwidth_bytes_s": 1e12,
        "flop_s": {"bf16": 1e15},
        "link_bandwidth_bytes_s": 1e11,
        "link": "nvlink4",
        "node_link_bandwidth_bytes_s": 1e10,
        "host_bandwidth_bytes_s": 1e11,
        **facts,
    }
    return Gpu("plain", "Plain", "nvidia", "plain", "sxm", **facts)


def engine(*, batched_tokens=1000, seqs=1024, **habits):
    """A thousand tokens a step on every card, blocks of one token, and no memory of its own."""
    habits = {"family": "vllm", "block_tokens": 1, "profiled": False, **habits}
    limits = (BatchLimits(batched_tokens=batched_tokens, seqs=seqs),)
    return Engine("plain-1", "Plain", limits=limits, **habits)


def deployment(served=None, **topology):
    """A byte for each weight and each element of the cache, on as many cards as asked."""
    parts = {"gpu": card(), "engine": engine(), "weights": BYTE, "kv": BYTE, **topology}
    return Deployment(served or model(), **parts)
