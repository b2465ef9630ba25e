"""Exercises of chapter 1."""

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
            "Only some of the heads leave keys and values behind. Beat 7 says which.",
            "2 x KV heads x head width x layers x bytes per element.",
            "2 x 8 x 128 x 64 elements, two bytes for each.",
        ),
        mistakes={
            "Only KV heads leave keys and values, and there are 8 of them, not 64.": (
                lambda: 2 * 64 * 128 * 64 * 2
            ),
            "A factor of two is missing: a key and a value, and two bytes for each element.": (
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
            "Two users may pick the same expert, and the step reads it once. Beat 9 counts them.",
            "Experts touched in a layer, times layers, times the bytes of one expert.",
            "256 (1 - (1 - 8/256)^16) experts x 58 layers x 3 matrices x 7,168 x 2,048 x 1 byte.",
        ),
        mistakes={
            "Some of the 16 users' choices coincide: fewer than 16 x 8 experts are touched.": (
                lambda: _expert_reads(128)
            ),
            "Those are the experts of a single user.": lambda: _expert_reads(8),
            "Not every expert is touched by 16 users.": lambda: _expert_reads(256),
        },
    ),
}
