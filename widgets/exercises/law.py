"""Exercises of chapter 1."""

import math

from llmcap_kernel import catalog, law
from llmcap_kernel.explain import quantity

from .record import Exercise


def reads(model, weights):
    """Weight bytes that a decode step of a dense model reads."""
    books = law.weight_bytes(catalog.model(model), catalog.format(weights))
    return books.dense_read_bytes


def _expert_reads(experts):
    """Bytes of routed experts when a DeepSeek-V3 layer reads this many of its 256."""
    books = law.weight_bytes(catalog.model("deepseek-v3"), catalog.format("fp8"))
    return books.expert_read_bytes * experts / 256


def _cache(model, cache, tokens):
    """Bytes that one user's cache takes."""
    return law.kv_bytes_per_sequence(catalog.model(model), catalog.format(cache), tokens)


def _ridge_users(card, rate, bytes_each):
    """Users whose matrices take as long to compute as to read, with two FLOP a parameter."""
    gpu = catalog.gpu(card)
    ridge = law.ridge_point(flop_s=gpu.flop_s[rate], bandwidth_bytes_s=gpu.bandwidth_bytes_s)
    return ridge * bytes_each / 2


def _l4_s(weight_bytes, users):
    """Time in which an L4 reads weights and the caches of users with 4,000 tokens."""
    caches = users * _cache("llama-3.1-8b", "bf16", 4000)
    return (weight_bytes + caches) / catalog.gpu("l4").bandwidth_bytes_s


def _gemma(full, window):
    """Bytes of a Gemma 3 27B cache with so many tokens in a full and in a window layer."""
    layers = {m.kind: m.layers for m in catalog.model("gemma-3-27b").attention}
    one = law.gqa_elements_per_token(kv_heads=16, head_dim=128) * 2
    return one * (layers["full"] * full + layers["window"] * window)


def _cards(cache="fp8", holds=True):
    """Cards for 64 users with 32,000 tokens and 50 ms: a power of two, and before rounding."""
    books = law.weight_bytes(catalog.model("llama-3.1-70b"), catalog.format("fp8"))
    gpu, caches = catalog.gpu("h100-sxm"), 64 * _cache("llama-3.1-70b", cache, 32_000)
    speed = (books.dense_read_bytes + caches) / (0.050 * gpu.bandwidth_bytes_s)
    room = (books.stored_bytes + caches) / gpu.memory_sold_bytes if holds else 0.0
    needed = max(speed, room)
    return 2 ** math.ceil(math.log2(needed)), needed


EXERCISES = {
    "1.1": Exercise(
        expected=lambda: reads("llama-3.1-8b", "bf16"),
        unit="bytes",
        hints=(
            "Which of its matrices is the token multiplied with, and which is only looked up?",
            "Bytes read are the parameters multiplied with the token, times the bytes of each.",
            lambda: (
                f"All {quantity(catalog.model('llama-3.1-8b').params, 'params')} parameters, "
                "less the embedding table of 128,256 x 4,096, two bytes for each."
            ),
        ),
        mistakes={
            "The embedding table is looked up, not read: leave its 128,256 x 4,096 parameters "
            "out.": lambda: 2 * catalog.model("llama-3.1-8b").params,
            "BF16 takes two bytes for each parameter.": (lambda: reads("llama-3.1-8b", "bf16") / 2),
            "The head is multiplied with every token: only the embedding table stays out.": (
                lambda: reads("llama-3.1-8b", "bf16") - 2 * 128_256 * 4096
            ),
        },
    ),
    "1.2": Exercise(
        expected=lambda: law.kv_bytes_per_sequence(
            catalog.model("qwen3-32b"), catalog.format("bf16"), 1
        ),
        unit="bytes",
        hints=(
            "Only some of the heads leave keys and values behind. Section 7 says which.",
            "2 x KV heads x head width x layers x bytes of each number.",
            "2 x 8 x 128 x 64 numbers, two bytes for each.",
        ),
        mistakes={
            "Only KV heads leave keys and values, and there are 8 of them, not 64.": (
                lambda: 2 * 64 * 128 * 64 * 2
            ),
            "A factor of two is missing: a key and a value, and two bytes for each number.": (
                lambda: 8 * 128 * 64 * 2
            ),
            "That is one layer, and all 64 layers keep theirs.": lambda: 2 * 8 * 128 * 2,
        },
    ),
    "1.3": Exercise(
        expected=lambda: _expert_reads(
            law.experts_touched(experts=256, experts_per_token=8, tokens=16)
        ),
        unit="bytes",
        hints=(
            "Two users may pick one expert, and the step reads it once. Section 9 counts them.",
            "Experts touched in a layer, times layers, times the bytes of one expert.",
            "256 x 128 / 376 experts, 58 layers, 3 matrices of 7,168 x 2,048, each number a byte.",
        ),
        mistakes={
            "Some of the 16 users' choices coincide: fewer than 16 x 8 experts are touched.": (
                lambda: _expert_reads(128)
            ),
            "That is if all experts were equally popular. A router has favourites.": (
                lambda: _expert_reads(
                    law.experts_touched_at_random(experts=256, experts_per_token=8, tokens=16)
                )
            ),
            "Those are the experts of a single user.": lambda: _expert_reads(8),
            "Not every expert is touched by 16 users.": lambda: _expert_reads(256),
        },
    ),
    "1.4": Exercise(
        expected=lambda: _ridge_users("h200-sxm", "bf16", 2),
        unit="users",
        hints=(
            "At which intensity do reading and computing take equally long? Section 4 names it.",
            "The ridge point, divided by the intensity that one user brings.",
            "989 TFLOP/s over 4.8 TB/s, divided by 2 FLOP over 2 bytes.",
        ),
        mistakes={
            "Two FLOP for each parameter: a multiplication and an addition.": (
                lambda: 2 * _ridge_users("h200-sxm", "bf16", 2)
            ),
            "BF16 takes two bytes for each parameter.": lambda: _ridge_users("h200-sxm", "bf16", 1),
            "That is the ridge of an H100, which reads more slowly.": (
                lambda: _ridge_users("h100-sxm", "bf16", 2)
            ),
        },
    ),
    "1.5": Exercise(
        expected=lambda: _l4_s(reads("llama-3.1-8b", "bf16"), 8),
        unit="s",
        hints=(
            "What is read once for all, and what once for each user? Section 6 says.",
            "The bytes of the weights and of eight caches, over the bytes read a second.",
            lambda: (
                f"{quantity(reads('llama-3.1-8b', 'bf16'), 'bytes')} and 8 x 4,000 x 131,072 "
                "bytes, over 300 GB/s."
            ),
        ),
        mistakes={
            "Those are the weights alone: the step reads eight caches too.": (
                lambda: _l4_s(reads("llama-3.1-8b", "bf16"), 0)
            ),
            "That is the cache of one user, and there are eight.": (
                lambda: _l4_s(reads("llama-3.1-8b", "bf16"), 1)
            ),
            "The weights are read once for all eight users, not once for each.": (
                lambda: _l4_s(8 * reads("llama-3.1-8b", "bf16"), 8)
            ),
            "The embedding table is looked up, not read.": (
                lambda: _l4_s(2 * catalog.model("llama-3.1-8b").params, 8)
            ),
        },
    ),
    "1.6": Exercise(
        expected=lambda: _cache("gemma-3-27b", "bf16", 32_000),
        unit="bytes",
        hints=(
            "Do all layers keep all tokens? Section 8 draws them.",
            "Bytes of a token in one layer, times the tokens kept, added up over the layers.",
            "2 x 16 x 128 x 2 bytes, times 10 x 32,000 + 52 x 1,024 tokens.",
        ),
        mistakes={
            "52 of the layers keep their last 1,024 tokens only.": lambda: _gemma(32_000, 32_000),
            "The window layers keep tokens too: 1,024 each.": lambda: _gemma(32_000, 0),
            "Ten layers keep every token, not the last 1,024.": lambda: _gemma(1024, 1024),
            "A factor of two is missing: a key and a value, and two bytes for each number.": (
                lambda: _gemma(32_000, 1024) / 2
            ),
        },
    ),
    "1.7": Exercise(
        expected=lambda: reads("llama-3.1-70b", "fp8") / 32 / _cache("llama-3.1-70b", "fp8", 1),
        unit="tokens",
        hints=(
            "The weights are read once. What do the caches grow with?",
            "Bytes of the weights, divided by the users and by the bytes that a token leaves.",
            lambda: (
                f"{quantity(reads('llama-3.1-70b', 'fp8'), 'bytes')}, divided by 32 and by "
                "163,840 bytes."
            ),
        ),
        mistakes={
            "That is the context of a single user: all 32 caches are read.": (
                lambda: reads("llama-3.1-70b", "fp8") / _cache("llama-3.1-70b", "fp8", 1)
            ),
            "Both cards together read the weights once, so they are not halved.": (
                lambda: reads("llama-3.1-70b", "fp8") / 64 / _cache("llama-3.1-70b", "fp8", 1)
            ),
            "The weights are in FP8 as well, and not in BF16.": (
                lambda: reads("llama-3.1-70b", "bf16") / 32 / _cache("llama-3.1-70b", "fp8", 1)
            ),
        },
    ),
    "1.8": Exercise(
        expected=lambda: _cards()[0],
        unit="cards",
        hints=(
            "Two things must hold: the step is short enough, and everything fits into the memory.",
            "Bytes read over 50 ms x 3.35 TB/s, and bytes stored over 80 GB: the larger counts.",
            "Caches are 64 x 32,000 x 163,840 bytes. Add 70.6 GB to read, 72.7 GB to store.",
        ),
        mistakes={
            "That many are fast enough, but weights and caches do not fit into their memory.": (
                lambda: _cards(holds=False)[0]
            ),
            "Each of the 64 users has a cache: without them one card would do, and here it "
            "cannot.": lambda: 1,
            "The caches are in FP8: a token leaves 163,840 bytes.": lambda: _cards("bf16")[0],
            "They come in powers of two.": lambda: math.ceil(_cards()[1]),
        },
    ),
}
