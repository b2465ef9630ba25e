"""Exercises of chapter 2."""

from dataclasses import replace

from llmcap_kernel import bandwidth, catalog, design, law
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Efficiency

from .law import reads
from .record import Exercise


def _small_speed(weight_bytes):
    """Ceiling of Llama-3.1-8B for one user at 1,000 tokens on an A100, by its weight bytes."""
    d = catalog.deployment(model="llama-3.1-8b", gpu="a100-sxm-80gb")
    kv_bytes = law.kv_read_bytes_per_sequence(d.model, d.kv, 1000)
    return d.gpu.bandwidth_bytes_s / (weight_bytes + kv_bytes)


def _prompt(cached_tokens=6000, mfu=0.5, cards=2):
    """The prefill of the worked spec's prompt on its H100 cards."""
    return bandwidth.prefill(
        design.worked_spec()[cards - 1],
        input_tokens=7000,
        cached_tokens=cached_tokens,
        efficiency=Efficiency(compute=mfu),
    )


def _one():
    return design.worked_spec()[0]


def _speed_of(cards):
    """Ceiling of H100 cards under TP for one user at 8,000 tokens."""
    return bandwidth.decode_step(replace(_one(), tp=cards), context_tokens=8000).tok_s_user


def _cards_for(tok_s):
    """Fewest of those cards that are that fast."""
    return next((tp for tp in (1, 2, 4, 8) if _speed_of(tp) >= tok_s), 0)


EXERCISES = {
    "2.1": Exercise(
        expected=lambda: _small_speed(reads("llama-3.1-8b", "bf16")),
        unit="tok/s",
        hints=(
            "It is one division. What does the card read for one token, and how fast?",
            "Bandwidth of the A100, divided by the weights without the embedding table plus the "
            "cache of 1,000 tokens.",
            lambda: (
                f"{quantity(catalog.gpu('a100-sxm-80gb').bandwidth_bytes_s, 'bytes/s', 4)} / "
                "(the bytes of exercise 1.1 + 1,000 x 2 x 8 x 128 x 32 layers x 2 bytes)."
            ),
        ),
        mistakes={
            "The embedding table is looked up, not read: leave it out of the bytes.": (
                lambda: _small_speed(2 * catalog.model("llama-3.1-8b").params)
            ),
            "BF16 takes two bytes for each parameter.": (
                lambda: _small_speed(reads("llama-3.1-8b", "bf16") / 2)
            ),
            "That is the H100's bandwidth. The card is an A100 SXM, with 2.039 TB/s.": (
                lambda: _small_speed(reads("llama-3.1-8b", "bf16")) * 3.35 / 2.039
            ),
        },
    ),
    "2.2": Exercise(
        expected=lambda: _prompt().total_s,
        unit="s",
        tolerance=0.2,
        hints=(
            "Which tokens have to be computed at all?",
            "2 x parameters x new tokens, divided by cards x peak FLOP/s x MFU.",
            lambda: (
                f"2 FLOP x {quantity(_one().model.matmul_params, 'params')} parameters "
                "x 1,000 tokens, over two cards of "
                f"{quantity(_one().gpu.flop_s['fp8'], 'FLOP/s')} at a half."
            ),
        ),
        mistakes={
            "The first 6,000 tokens are cached: only 1,000 are computed.": (
                lambda: _prompt(cached_tokens=0).total_s
            ),
            "That is at full peak. At 50 percent MFU it takes twice as long.": (
                lambda: _prompt(mfu=1.0).dense_s + _prompt(mfu=1.0).attention_s
            ),
            "B has two cards, and they share the work.": lambda: _prompt(cards=1).total_s,
        },
    ),
    "2.3": Exercise(
        expected=lambda: _cards_for(200),
        unit="cards",
        tolerance=0.001,
        hints=(
            "Start from the speed of one card in beat 1. How many times faster must it be?",
            "Divide the bytes of a step by the cards; the cards must divide the 64 heads.",
            lambda: (
                f"One card allows {quantity(_speed_of(1), 'tok/s')}. Try 2, 4 and 8 cards: each "
                "doubling gives a little less than twice as much."
            ),
        ),
        mistakes={
            "The bandwidth of 5 cards would do, but 5 does not divide the 64 heads.": lambda: 5,
            "The ceiling of 4 cards stays just below 200 tokens a second.": lambda: 4,
        },
    ),
}
