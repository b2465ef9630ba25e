"""Exercises of chapter 4."""

from dataclasses import replace

from llmcap_kernel import bandwidth, capacity, design, toolbox
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Efficiency

from .record import Exercise


def _step(deployment):
    return bandwidth.decode_step(deployment, context_tokens=8000, concurrency=16)


def _fp8_step():
    return _step(design.worked_spec()[1])


def _int4_gain(part):
    int4 = toolbox.quantise_weights(design.worked_spec()[1], "int4-awq")
    return part(_fp8_step()) / part(_step(int4))


def prefix_gain(users, efficiency=None):
    """Output of B with the shared prompt cached over the output without."""
    load = toolbox.change_batch(design.WORKED_WORKLOAD, users)
    seen = toolbox.effect(
        "prefix",
        design.worked_spec()[1],
        load,
        workload_after=toolbox.cache_prefix(load, 6000),
        efficiency=efficiency,
    )
    after, before = seen.after.output_tok_s_card, seen.before.output_tok_s_card
    return (after or 0.0) / (before or 1.0)


def _prefix_gain(users, mfu, turns=1.0):
    return prefix_gain(users, Efficiency(compute=mfu, prefill_share=turns))


def _fewest_users(usd_mtok, shared=0):
    """Users at which B's output price first falls to a limit."""
    b = design.worked_spec()[1]
    for users in range(1, capacity.max_concurrent(b, 8000) + 1):
        load = replace(design.WORKED_WORKLOAD, concurrency=users, shared_prefix_tokens=shared)
        price = toolbox.reading(b, load).usd_mtok
        if price is not None and price <= usd_mtok:
            return users
    return 0


EXERCISES = {
    "4.1": Exercise(
        expected=lambda: _int4_gain(lambda step: step.total_s),
        unit="times",
        hints=(
            "What else does the step read, and does the lever change that too?",
            "Take the decode step of 16 users before and after, all of its parts, and divide.",
            lambda: (
                f"In FP8 the weights take {quantity(_fp8_step().dense_s, 's')} and the caches "
                f"{quantity(_fp8_step().attention_s, 's')}. Beat 2 of chapter 1 has what INT4 "
                "reads; the caches stay."
            ),
        ),
        mistakes={
            "The weights are halved, but the step also reads the cache, which is not.": (
                lambda: 2.0
            ),
            "That is the weights alone. The step also reads the cache of 16 users.": (
                lambda: _int4_gain(lambda step: step.dense_s)
            ),
            "That is the time after over the time before. The question asks how many times as "
            "fast.": lambda: 1 / _int4_gain(lambda step: step.total_s),
        },
    ),
    "4.2": Exercise(
        expected=lambda: _prefix_gain(32, 0.5),
        unit="times",
        hints=(
            "Look at the table of beat 7. Between which two of its numbers must the answer lie?",
            "The output rate of beat 7's formula, with and without the cached prompt, divided.",
            "Run the effect of cache_prefix on 32 users with "
            "Efficiency(compute=0.5, prefill_share=1.0), and divide.",
        ),
        mistakes={
            "That is what happens to prefill alone. An answer also costs 1,000 decode steps.": (
                lambda: 7.0
            ),
            "At half the MFU prefill is dearer, and taking turns, decoding waits for all of it.": (
                lambda: _prefix_gain(32, 1.0)
            ),
            "That hides prefill behind decoding. Here the two take turns: prefill_share is 1.": (
                lambda: _prefix_gain(32, 0.5, turns=0.0)
            ),
            "That is the gain at 16 users.": lambda: _prefix_gain(16, 0.5),
        },
    ),
    "4.3": Exercise(
        expected=lambda: _fewest_users(3.00),
        unit="users",
        tolerance=0.001,
        hints=(
            "Beat 8 prints the price at 32 and at 48 users. Where does 3.00 lie?",
            "Raise the users one by one and read the price each time, until it is 3.00 or less.",
            "Run toolbox.reading(B, toolbox.change_batch(load, users)).usd_mtok from 25 users on.",
        ),
        mistakes={
            "That is with the prefix cached. The question asks without.": (
                lambda: _fewest_users(3.00, 6000)
            ),
            "That is how many fit. Fewer are enough, and they wait less.": (
                lambda: capacity.max_concurrent(design.worked_spec()[1], 8000)
            ),
            "One user less is just over the price.": lambda: _fewest_users(3.00) - 1,
        },
    ),
}
