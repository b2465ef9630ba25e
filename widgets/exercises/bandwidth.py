"""Exercises of chapter 2."""

from bisect import bisect_right
from dataclasses import replace
from functools import cache

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


def _reduced_bytes(*, cards=4, each_layer=2, passed=None):
    """What a card sends in the all-reduces of a step with 16 users of Llama-3.1-70B."""
    model = _one().model
    passed = 2 * (cards - 1) / cards if passed is None else passed
    message = 16 * model.hidden_size * bandwidth.ACTIVATION_BYTES
    return passed * message * each_layer * model.layers


def _all_of(users=32, cards=2):
    """Ceiling of all users of the worked spec's cards together, at 4,000 tokens each."""
    d = replace(_one(), tp=cards)
    step = bandwidth.decode_step(d, context_tokens=4000, concurrency=users)
    return users * step.tok_s_user


def _faster(weights=1.6, caches=1.4):
    """How many times as fast a step of two H100 gets, its two parts by so much."""
    bf16 = catalog.format("bf16")
    d = replace(design.worked_spec()[1], weights=bf16, kv=bf16)
    step = bandwidth.decode_step(d, context_tokens=8000, concurrency=16)
    whole = step.dense_s + step.attention_s
    return whole / (step.dense_s / weights + step.attention_s / caches)


def _gap_s(*, users=16, queue_s=0.84, wait_s=0.42, answer=400):
    """A served gap by section 9's formula, of a step of 20 ms."""
    return 0.020 + (users * wait_s - queue_s) / answer


def _step_s(budget, mfu=0.5, cards=2, exchanges=1):
    """A step of 16 answers that fills a budget of tokens with a prompt; 0 leaves exchanges out."""
    d = replace(_one(), tp=cards, max_num_batched_tokens=budget)
    step = bandwidth.mixed_step(
        d,
        context_tokens=7500,
        concurrency=16,
        prefill_tokens=budget - 16,
        efficiency=Efficiency(compute=mfu),
    )
    return step.total_s - (1 - exchanges) * step.communication_s


@cache
def _budget(seconds=0.05, **rates):
    """The largest budget of tokens whose step stays within so long."""
    return 16 + bisect_right(range(17, 4000), seconds, key=lambda n: _step_s(n, **rates))


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
            "Start from the speed of one card in section 1. How many times faster must it be?",
            "Divide the bytes of a step by the cards; the cards must divide the 64 heads.",
            lambda: (
                f"One card allows {quantity(_speed_of(1), 'tok/s')}. Try 2, 4 and 8 cards: each "
                "doubling gives a little less than twice as much."
            ),
        ),
        mistakes={
            "The bandwidth of 5 cards would do, but 5 does not divide the 64 heads.": lambda: 5,
            "16 cards are more than it takes. Try the next smaller number.": lambda: 16,
            "The ceiling of 4 cards stays just below 200 tokens a second.": lambda: 4,
        },
    ),
    "2.4": Exercise(
        expected=_reduced_bytes,
        unit="bytes",
        hints=(
            "How many all-reduces does a layer have, and how large is a message? Section 6 says.",
            "All-reduces x 2 (n - 1) / n x tokens x width x 2 bytes.",
            "80 layers x 2, times 2 x 3 / 4, times 16 x 8,192 numbers of two bytes.",
        ),
        mistakes={
            "Half is missing: a layer has two all-reduces, and a number takes two bytes.": (
                lambda: _reduced_bytes(each_layer=1)
            ),
            "Sixteen users bring sixteen tokens into a step.": lambda: _reduced_bytes() / 16,
            "On a ring of 4 cards each sends 2 x 3 / 4 of a message, not one message.": (
                lambda: _reduced_bytes(passed=1.0)
            ),
        },
    ),
    "2.5": Exercise(
        expected=_all_of,
        unit="tok/s",
        hints=(
            "How long is one step with 32 users, and how many tokens come out of it?",
            "Weights once and 32 caches, over two cards' bandwidth; then 32 tokens a step.",
            lambda: (
                f"{quantity(reads('llama-3.1-70b', 'fp8'), 'bytes')} of weights, 32 x 4,000 x "
                f"{law.kv_bytes_per_sequence(_one().model, _one().kv, 1):,.0f} bytes of cache, "
                "two cards of 3.35 TB/s, and 160 small all-reduces."
            ),
        ),
        mistakes={
            "A user alone reads no caches but its own: 32 times its speed is too much.": (
                lambda: 32 * _all_of(users=1)
            ),
            "That is what one of the 32 users sees. All of them get 32 tokens in a step.": (
                lambda: _all_of() / 32
            ),
            "B has two cards, and each reads half.": lambda: _all_of(cards=1),
        },
    ),
    "2.6": Exercise(
        expected=_faster,
        unit="times",
        hints=(
            "How long do the weights take then, and how long the caches?",
            "The whole before, over the sum of both parts after: divide each by its own factor.",
            "(20.7 + 6.26) / (20.7 / 1.6 + 6.26 / 1.4), all in ms.",
        ),
        mistakes={
            "That leaves the caches as slow as before. Their format changes too.": (
                lambda: _faster(caches=1.0)
            ),
            "That is the middle of the two factors. Most of the step's time is weights, so they "
            "count for more.": lambda: 1.5,
            "That is what the bytes promise. Timed kernels reach less.": lambda: _faster(2.0, 2.0),
        },
    ),
    "2.7": Exercise(
        expected=_gap_s,
        unit="s",
        hints=(
            "While one answer of 400 tokens is written, how many prompts are read?",
            "Step + (users x wait - queue) / tokens of the answer.",
            "20 ms + (16 x 0.42 s - 0.84 s) / 400.",
        ),
        mistakes={
            "Prompts that are read while you queue delay none of your later tokens: take the "
            "queue off.": lambda: _gap_s(queue_s=0.0),
            "All 400 tokens share the waits: divide by them.": lambda: _gap_s(answer=1),
            "That is the step alone, without other people's prompts.": lambda: 0.020,
        },
    ),
    "2.8": Exercise(
        expected=_budget,
        unit="tokens",
        tolerance=0.03,  # the numbers of hint 3, rounded
        hints=(
            "Which parts of a step grow with its tokens, and which one is there without a chunk?",
            "50 ms less the reading of the caches, divided by what a token takes: 2 x parameters / "
            "(2 cards x half of the peak), and its share of the all-reduces.",
            lambda: (
                "Caches take about 3 ms. A token takes "
                f"{quantity((_step_s(1000) - _step_s(500)) / 500, 's')}."
            ),
        ),
        mistakes={
            "That is at full peak. At 50 percent MFU a token takes twice as long.": (
                lambda: _budget(mfu=1.0)
            ),
            "B has two cards, and they share the arithmetic.": lambda: _budget(cards=1),
            "The cards also exchange what each token leaves, twice in a layer. With so many tokens "
            "a step takes longer than 50 ms.": lambda: _budget(exchanges=0),
            "The default of 8,192 puts a whole prompt into a step, which then takes longer than "
            "half a second.": lambda: 8192,
        },
    ),
}
