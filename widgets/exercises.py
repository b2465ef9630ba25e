"""The exercises of the book: what is right, and why a typical slip is not.

A chapter asks `check("3.1", answer)`. The right value is computed by the
kernel when it is asked for, so that it can never drift from the chapter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from textwrap import fill

from llmcap_kernel import bandwidth, calibration, capacity, catalog, design, law, serving, toolbox
from llmcap_kernel.explain import quantity
from llmcap_kernel.refuse import BadInput, number, one_of
from llmcap_kernel.spec import Efficiency, Slo


@dataclass(frozen=True)
class Exercise:
    """One exercise and how its answer is judged.

    Attributes
    ----------
    expected : callable
        Computes the right value with the kernel.
    unit : str
        Unit of the answer, as `explain.quantity` knows it.
    hint : str
        What to say to a wrong answer that is no typical slip.
    tolerance : float
        Largest relative error that counts as right.
    mistakes : mapping of str to callable
        A reason, and the value a reader who slips that way arrives at.
    """

    expected: Callable
    unit: str
    hint: str
    tolerance: float = 0.02
    mistakes: Mapping = field(default_factory=dict)


EXERCISES = {}
LINE = 50  # characters of a phone's width


def check(name, answer=None):
    """Judge the answer to an exercise and print what is to be said of it.

    Parameters
    ----------
    name : str
        Number of the exercise, such as "3.1".
    answer : float, optional
        The reader's number in the unit asked for.

    Raises
    ------
    BadInput
        When there is no such exercise.
    """
    exercise = EXERCISES[one_of("exercise", name, EXERCISES)]
    print(fill(f"Exercise {name}: {_judge(exercise, answer)}", LINE))


def _judge(exercise, answer):
    unit = exercise.unit
    if answer is None:
        return f"no answer yet. Put a number in `answer` ({unit}) and run the cell."
    try:
        value = number("answer", answer, -1e30, 1e30, unit)
    except BadInput as problem:
        return str(problem)
    right = exercise.expected()
    if _near(value, right, exercise.tolerance):
        return f"right, {quantity(right, unit)}."
    for reason, slip in exercise.mistakes.items():
        if _near(value, slip(), exercise.tolerance):
            return f"not yet. {reason}"
    return f"not yet. {exercise.hint}"


def _near(value, wanted, tolerance):
    return abs(value - wanted) <= tolerance * abs(wanted)


# Chapter 5
def _reads(model, weights):
    """Weight bytes that a decode step of a dense model reads."""
    books = law.weight_bytes(catalog.model(model), catalog.format(weights))
    return books.dense_read_bytes


def _expert_reads(experts):
    """Bytes of routed experts when a DeepSeek-V3 layer reads this many of its 256."""
    books = law.weight_bytes(catalog.model("deepseek-v3"), catalog.format("fp8"))
    return books.expert_read_bytes * experts / 256


EXERCISES["1.1"] = Exercise(
    expected=lambda: _reads("llama-3.1-8b", "bf16"),
    unit="bytes",
    hint="Count the parameters that are multiplied with the token, two bytes for each.",
    mistakes={
        "The embedding table is looked up, not read: leave its 128,256 x 4,096 parameters out.": (
            lambda: 2 * catalog.model("llama-3.1-8b").params
        ),
        "BF16 takes two bytes for each parameter.": lambda: _reads("llama-3.1-8b", "bf16") / 2,
        "The head is multiplied with every token: only the embedding table stays out.": (
            lambda: _reads("llama-3.1-8b", "bf16") - 2 * 128_256 * 4096
        ),
    },
)
EXERCISES["1.2"] = Exercise(
    expected=lambda: law.kv_bytes_per_sequence(
        catalog.model("qwen3-32b"), catalog.format("bf16"), 1
    ),
    unit="bytes",
    hint="2 x KV heads x head width x layers x bytes per element.",
    mistakes={
        "Only KV heads leave keys and values, and there are 8 of them, not 64.": (
            lambda: 2 * 64 * 128 * 64 * 2
        ),
        "A factor of two is missing: a key and a value, and two bytes for each element.": (
            lambda: 8 * 128 * 64 * 2
        ),
        "That is one layer, and all 64 layers keep theirs.": lambda: 2 * 8 * 128 * 2,
    },
)
EXERCISES["1.3"] = Exercise(
    expected=lambda: _expert_reads(
        law.experts_touched(experts=256, experts_per_token=8, tokens=16)
    ),
    unit="bytes",
    hint="Experts touched, 256 (1 - (1 - 8/256)^16), x 58 layers x 3 matrices x 7,168 x 2,048.",
    mistakes={
        "Some of the 16 users' choices coincide: fewer than 16 x 8 experts are touched.": (
            lambda: _expert_reads(128)
        ),
        "Those are the experts of a single user.": lambda: _expert_reads(8),
        "Not every expert is touched by 16 users.": lambda: _expert_reads(256),
    },
)


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


def _cards_for(tok_s):
    """Fewest H100 cards under TP whose ceiling for one user at 8,000 tokens is that fast."""
    one = design.worked_spec()[0]
    for tp in (1, 2, 4, 8):
        step = bandwidth.decode_step(replace(one, tp=tp), context_tokens=8000)
        if step.tok_s_user >= tok_s:
            return tp
    return 0


EXERCISES["2.1"] = Exercise(
    expected=lambda: _small_speed(_reads("llama-3.1-8b", "bf16")),
    unit="tok/s",
    hint="2.039 TB/s divided by weights without the embedding table plus 1,000 cached tokens.",
    mistakes={
        "The embedding table is looked up, not read: leave it out of the bytes.": (
            lambda: _small_speed(2 * catalog.model("llama-3.1-8b").params)
        ),
        "BF16 takes two bytes for each parameter.": (
            lambda: _small_speed(_reads("llama-3.1-8b", "bf16") / 2)
        ),
        "That is the H100's bandwidth. The card is an A100 SXM, with 2.039 TB/s.": (
            lambda: _small_speed(_reads("llama-3.1-8b", "bf16")) * 3.35 / 2.039
        ),
    },
)
EXERCISES["2.2"] = Exercise(
    expected=lambda: _prompt().total_s,
    unit="s",
    tolerance=0.2,
    hint="2 x parameters x 1,000 new tokens, over two cards at half of their FP8 peak.",
    mistakes={
        "The first 6,000 tokens are cached: only 1,000 are computed.": (
            lambda: _prompt(cached_tokens=0).total_s
        ),
        "That is at full peak. At 50 percent MFU it takes twice as long.": (
            lambda: _prompt(mfu=1.0).dense_s + _prompt(mfu=1.0).attention_s
        ),
        "B has two cards, and they share the work.": lambda: _prompt(cards=1).total_s,
    },
)
EXERCISES["2.3"] = Exercise(
    expected=lambda: _cards_for(200),
    unit="cards",
    tolerance=0.001,
    hint="Divide the bytes of a step by the cards, and try 1, 2, 4 and 8 of them.",
    mistakes={
        "The bandwidth of 5 cards would do, but 5 does not divide the 64 heads.": lambda: 5,
        "The ceiling of 4 cards stays just below 200 tokens a second.": lambda: 4,
    },
)


def _b(workload=design.WORKED_WORKLOAD):
    return calibration.estimates(design.worked_spec()[1], workload).served


def _b_price(tok_s, cards=2):
    usd_h = cards * design.worked_spec()[1].gpu_usd_h
    return serving.usd_per_mtok(usd_h=usd_h, tok_s=tok_s)


def _b_users(itl_s):
    slo = Slo(itl_s=itl_s)
    return design.users_within(design.worked_spec()[1], design.WORKED_WORKLOAD, slo).value


_CACHED = replace(design.WORKED_WORKLOAD, shared_prefix_tokens=6000)

EXERCISES["5.1"] = Exercise(
    expected=lambda: capacity.max_concurrent(design.worked_spec()[1], 16_000),
    unit="users",
    hint="Users times context is the pool in tokens: look up the pool of B and divide by 16,000.",
    mistakes={
        "A sequence also holds the tokens of its answer: the context is 16,000, not 15,000.": (
            lambda: capacity.max_concurrent(design.worked_spec()[1], 15_000)
        ),
        "That is the number at 8,000 tokens. Twice the context takes twice the pool.": (
            lambda: capacity.max_concurrent(design.worked_spec()[1], 8000)
        ),
        "Under TP-2 a card keeps half of the KV heads, so a user costs it half of the bytes.": (
            lambda: capacity.max_concurrent(design.worked_spec()[1], 32_000)
        ),
    },
)
EXERCISES["5.2"] = Exercise(
    expected=lambda: _b_price(_b(_CACHED).output_tok_s),
    unit="USD/Mtok",
    hint="Rent of both cards / 3600 / output rate with the prefix cached x 1e6.",
    mistakes={
        "That is the price without the prefix cache.": lambda: _b_price(_b().output_tok_s),
        "B has two cards, and both are paid for.": lambda: _b_price(_b(_CACHED).output_tok_s, 1),
        "The 1,000 tokens that are not shared are still prefilled between the decode steps.": (
            lambda: _b_price(16 * _b().decode.tok_s_user)
        ),
    },
)
EXERCISES["5.3"] = Exercise(
    expected=lambda: _b_users(0.040),
    unit="users",
    hint="Raise the users until the expected gap passes 40 ms, and take one less.",
    tolerance=0.001,
    mistakes={
        "That is how many fit in memory. Latency gives way before memory does.": (
            lambda: capacity.max_concurrent(design.worked_spec()[1], 8000)
        ),
        "That many meet 50 ms; the question asks for 40.": lambda: _b_users(0.050),
    },
)


# Chapter 3
def _a98(**change):
    return replace(design.worked_spec()[0], memory_fraction=0.98, **change)


def _kv_gb(model, fmt, tokens):
    kv = law.kv_bytes_per_sequence(catalog.model(model), catalog.format(fmt), tokens)
    return kv / 1e9


def _longest(deployment, users):
    """Whole pages a user may fill when that many share the pool."""
    books = capacity.ledger(deployment, context_tokens=8000)
    tokens = books.kv_pool_bytes / users / books.kv_bytes_per_token
    page = deployment.engine.block_tokens
    return int(tokens // page) * page


EXERCISES["3.1"] = Exercise(
    expected=lambda: _kv_gb("qwen3-32b", "bf16", 32_000),
    unit="GB",
    hint="2 x layers x KV heads x head width x bytes x tokens, and 1 GB is 1e9 bytes.",
    mistakes={
        "That is half: a layer keeps a key and a value, and BF16 takes two bytes.": (
            lambda: _kv_gb("qwen3-32b", "fp8", 32_000)
        ),
        "That counts the 64 query heads. Only the 8 KV heads are kept.": (
            lambda: _kv_gb("qwen3-32b", "bf16", 32_000) * 64 / 8
        ),
        "That is the value in GiB.": lambda: _kv_gb("qwen3-32b", "bf16", 32_000) * 1e9 / 2**30,
    },
)
EXERCISES["3.2"] = Exercise(
    expected=lambda: capacity.max_concurrent(_a98(weights=catalog.format("bf16"), tp=4), 8000),
    unit="users",
    hint="Two more cards add two whole budgets to the pool, and the weights are not stored again.",
    tolerance=0.04,
    mistakes={
        "That is twice the number of two cards. The weights are paid for only once.": (
            lambda: 2 * capacity.max_concurrent(_a98(weights=catalog.format("bf16"), tp=2), 8000)
        ),
        "That is the number for two cards.": (
            lambda: capacity.max_concurrent(_a98(weights=catalog.format("bf16"), tp=2), 8000)
        ),
        "That is the number with FP8 weights.": (lambda: capacity.max_concurrent(_a98(tp=4), 8000)),
    },
)
EXERCISES["3.3"] = Exercise(
    expected=lambda: _longest(_a98(), 16),
    unit="tokens",
    hint="Users x context = pool / KV per token. Take the pool from the ledger of A at 0.98.",
    tolerance=0.02,
    mistakes={
        "That is the context of one user with the whole pool.": (lambda: _longest(_a98(), 1)),
        "That starts from the label of 80 GB and forgets the engine's overhead.": (
            lambda: (
                (80e9 - capacity.ledger(_a98(), context_tokens=8000).weights_bytes)
                / 16
                / _kv_gb("llama-3.1-70b", "fp8", 1)
                / 1e9
            )
        ),
    },
)


# Chapter 4
def _int4_gain(part):
    b = design.worked_spec()[1]
    fp8, int4 = (
        bandwidth.decode_step(d, context_tokens=8000, concurrency=16)
        for d in (b, toolbox.quantise_weights(b, "int4-awq"))
    )
    return part(fp8) / part(int4)


def _prefix_gain(users, mfu, turns=1.0):
    load = toolbox.change_batch(design.WORKED_WORKLOAD, users)
    seen = toolbox.effect(
        "prefix",
        design.worked_spec()[1],
        load,
        workload_after=toolbox.cache_prefix(load, 6000),
        efficiency=Efficiency(compute=mfu, prefill_share=turns),
    )
    after, before = seen.after.output_tok_s_card, seen.before.output_tok_s_card
    return (after or 0.0) / (before or 1.0)


def _fewest_users(usd_mtok, shared=0):
    """Users at which B's output price first falls to a limit."""
    b = design.worked_spec()[1]
    for users in range(1, capacity.max_concurrent(b, 8000) + 1):
        load = replace(design.WORKED_WORKLOAD, concurrency=users, shared_prefix_tokens=shared)
        price = toolbox.reading(b, load).usd_mtok
        if price is not None and price <= usd_mtok:
            return users
    return 0


EXERCISES["4.1"] = Exercise(
    expected=lambda: _int4_gain(lambda step: step.total_s),
    unit="times",
    hint="Take the decode step of 16 users before and after, all of its parts, and divide.",
    mistakes={
        "The weights are halved, but the step also reads the cache, which is not.": lambda: 2.0,
        "That is the weights alone. The step also reads the cache of 16 users.": (
            lambda: _int4_gain(lambda step: step.dense_s)
        ),
        "That is the time after over the time before. The question asks how many times as fast.": (
            lambda: 1 / _int4_gain(lambda step: step.total_s)
        ),
    },
)
EXERCISES["4.2"] = Exercise(
    expected=lambda: _prefix_gain(32, 0.5),
    unit="times",
    hint="Run the effect of cache_prefix on 32 users with "
    "Efficiency(compute=0.5, prefill_share=1.0), and divide.",
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
)
EXERCISES["4.3"] = Exercise(
    expected=lambda: _fewest_users(3.00),
    unit="users",
    hint="Raise the users one by one and read the price each time, until it is 3.00 or less.",
    tolerance=0.001,
    mistakes={
        "That is with the prefix cached. The question asks without.": (
            lambda: _fewest_users(3.00, 6000)
        ),
        "That is how many fit. Fewer are enough, and they wait less.": (
            lambda: capacity.max_concurrent(design.worked_spec()[1], 8000)
        ),
        "One user less is just over the price.": lambda: _fewest_users(3.00) - 1,
    },
)
