"""Exercises of chapter 4."""

from dataclasses import replace

from llmcap_kernel import bandwidth, calibration, capacity, design, toolbox
from llmcap_kernel.explain import gib, quantity
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


PROMPT = 6500  # tokens shared in exercise 4.6


def _shared_users(tokens):
    """Users of A at 0.98 when so many tokens of their prompts are kept once."""
    a = toolbox.set_memory_fraction(design.worked_spec()[0], 0.98)
    load = toolbox.cache_prefix(design.WORKED_WORKLOAD, tokens)
    return capacity.workload_ledger(a, load).max_concurrent


def _room():
    """The pool of A at 0.98, what a user takes of it alone, and the shared prompt [bytes]."""
    a = toolbox.set_memory_fraction(design.worked_spec()[0], 0.98)
    load = design.WORKED_WORKLOAD
    alone = capacity.workload_ledger(a, load)
    prefix = capacity.prefix_bytes(a, PROMPT, load.context_tokens)
    return alone.kv_pool_bytes, alone.kv_bytes_per_sequence, prefix


def _cache_gain(users, part=lambda step: step.total_s):
    """What an FP8 cache gives the decode step of B at the ceiling."""
    b = design.worked_spec()[1]
    wide, thin = (
        bandwidth.decode_step(d, context_tokens=8000, concurrency=users)
        for d in (toolbox.quantise_kv(b, "bf16"), b)
    )
    return part(wide) / part(thin)


def _estimated_step(cards):
    a = toolbox.split_tensors(design.worked_spec()[0], cards)
    return bandwidth.decode_step(
        a,
        context_tokens=8000,
        concurrency=16,
        efficiency=calibration.efficiency_for(a),
    )


def fewest_cards(users, shared, itl_s, ttft_s):
    """Fewest H100 that serve Llama-3.1-70B in FP8 within limits.

    Parameters
    ----------
    users : int
        At once, with 7,000 tokens in and 1,000 out.
    shared : int
        Tokens of the prompt that are cached [tokens].
    itl_s, ttft_s : float
        Largest gap between tokens and mean wait for the first [s].

    Returns
    -------
    int
        1, 2, 4 or 8; 0 where 8 are not enough.
    """
    load = replace(design.WORKED_WORKLOAD, concurrency=users, shared_prefix_tokens=shared)
    for cards in (1, 2, 4, 8):
        r = toolbox.reading(toolbox.split_tensors(design.worked_spec()[0], cards), load)
        if r.max_concurrent >= users and r.itl_s <= itl_s and r.ttft_s <= ttft_s:
            return cards
    return 0


ANY = float("inf")

EXERCISES = {
    "4.1": Exercise(
        expected=lambda: _int4_gain(lambda step: step.total_s),
        unit="times",
        hints=(
            "What else does the step read, and does the lever change that too?",
            "Take the decode step of 16 users before and after, all of its parts, and divide.",
            lambda: (
                f"In FP8 the weights take {quantity(_fp8_step().dense_s, 's')} and the caches "
                f"{quantity(_fp8_step().attention_s, 's')}. Section 2 of chapter 1 has what FP8 "
                "and INT4 read of the weights; the caches stay."
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
            "Look at the curves of section 7. Between which two of them must the answer lie?",
            "The output rate of section 7's formula, with and without the cached prompt, divided.",
            "Run toolbox.effect with toolbox.cache_prefix on 32 users, as section 7 does, with "
            "efficiency=Efficiency(compute=0.5, prefill_share=1.0).",
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
            "The numbers under the picture of section 8 have the price at 16 and at 32 users. "
            "Where does 3.00 lie?",
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
    "4.4": Exercise(
        expected=lambda: bandwidth.tokens_per_step(accept=0.8, tokens=2),
        unit="tokens",
        hints=(
            "A drafted token counts only if all before it were right. What does the pass give if "
            "none was?",
            "1 + p + p^2: the model's own token, then each drafted one times its chance.",
            "1 + 0.8 + 0.8 x 0.8.",
        ),
        mistakes={
            "The second token counts only where the first was right as well: 0.8 x 0.8.": (
                lambda: 1 + 2 * 0.8
            ),
            "A pass always gives one token more: the model's own, after the last right one.": (
                lambda: 0.8 + 0.8**2
            ),
            "Not every drafted token is right: that is the most a pass can give.": lambda: 3.0,
        },
    ),
    "4.5": Exercise(
        expected=lambda: _cache_gain(48),
        unit="times",
        hints=(
            "Which part of the step does the cache's format change, and which does it leave?",
            "The decode step of 48 users with a BF16 cache over the one with FP8, at the ceiling.",
            lambda: (
                "The weights take "
                f"{quantity(_fp8_step().dense_s, 's')} in both. The caches of 16 users take "
                f"{quantity(_fp8_step().attention_s, 's')} in FP8: three times that for 48, twice "
                "that again in BF16."
            ),
        ),
        mistakes={
            "The caches are halved, but the step also reads the weights, which are not.": (
                lambda: 2.0
            ),
            "That is the gain for 16 users. Here 48 caches are read.": lambda: _cache_gain(16),
            "That is the time after over the time before. The question asks how many times as "
            "fast.": lambda: 1 / _cache_gain(48),
        },
    ),
    "4.6": Exercise(
        expected=lambda: _shared_users(PROMPT),
        unit="users",
        tolerance=0.001,
        hints=(
            "What is kept once, and what does each user still keep alone?",
            "Take the prompt off the pool, once. Divide what is left by what a user keeps alone.",
            lambda: (
                f"The pool is {gib(_room()[0])}, a whole user "
                f"{gib(_room()[1])}, the shared prompt {gib(_room()[2])}. "
                "Round down."
            ),
        ),
        mistakes={
            "That is with 6,000 shared tokens.": lambda: _shared_users(6000),
            "The shared prompt itself takes room, once: take it off the pool first.": (
                lambda: int(_room()[0] // (_room()[1] - _room()[2]))
            ),
            "That is with a copy of the prompt for each user.": lambda: _shared_users(0),
            "Part of a user cannot be served: round down.": lambda: _shared_users(PROMPT) + 1,
        },
    ),
    "4.7": Exercise(
        expected=lambda: _estimated_step(1).total_s / _estimated_step(1).fixed_s,
        unit="times",
        tolerance=0.005,  # it is near the eight of a slip
        hints=(
            "Which part of a step is the same with one card and with eight?",
            "The step on one card, over the part of it that no number of cards divides.",
            lambda: (
                f"On one card the step takes {quantity(_estimated_step(1).total_s, 's')}, of which "
                f"launches are {quantity(_estimated_step(1).fixed_s, 's')}."
            ),
        ),
        mistakes={
            "That is eight cards dividing everything. Launches are not divided, and there may be "
            "more cards than eight.": lambda: 8.0,
            "That is what eight cards reach, exchanges included. The question is about the end "
            "that no number of cards passes.": (
                lambda: _estimated_step(1).total_s / _estimated_step(8).total_s
            ),
            "Launches are a part of the step on one card too: divide the whole of it.": (
                lambda: _estimated_step(1).total_s / _estimated_step(1).fixed_s - 1
            ),
        },
    ),
    "4.8": Exercise(
        expected=lambda: fewest_cards(128, 6000, 0.045, 1.0),
        unit="cards",
        tolerance=0.001,
        hints=(
            "Begin with what costs nothing: which setting makes room and takes work away?",
            "With the prefix cached, ask the four questions of the tree for 2 cards, then for 4, "
            "then for 8. Stop at the first that meets all limits.",
            "toolbox.reading(toolbox.split_tensors(A, cards), busy), where busy has 128 users and "
            "6,000 shared tokens, gives users, gap and first token.",
        ),
        mistakes={
            "There is room for 128 users with the prefix cached. Now read the gap.": (
                lambda: fewest_cards(128, 6000, ANY, ANY)
            ),
            "That is what the gap takes with every prompt computed whole. Cache the prefix.": (
                lambda: fewest_cards(128, 0, 0.045, ANY)
            ),
            "One card does not start with these weights at 0.90, whatever is cached.": lambda: 1.0,
        },
    ),
}
