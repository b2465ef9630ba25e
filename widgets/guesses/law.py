"""Predictions of chapter 1."""

from llmcap_kernel import bandwidth, catalog, design, law

from .record import Guess

NEVER = "no number is enough"


def _a():
    return design.worked_spec()[0]


def _peak_flop_s():
    return bandwidth.compute_dtype(_a().gpu, _a().weights)[1]


def _busy_percent():
    step = bandwidth.decode_step(_a(), context_tokens=8000)
    return 100 * step.flops / _peak_flop_s() / step.total_s


def _fp8_percent():
    stored = [law.weight_bytes(_a().model, catalog.format(f)).stored_bytes for f in ("fp8", "bf16")]
    return 100 * stored[0] / stored[1]


def _matrices_s(users):
    """Time of a step without caches."""
    model = _a().model
    return law.roofline_s(
        flops=law.matmul_flops(params=model.matmul_params, tokens=users),
        bytes_moved=law.weight_bytes(model, _a().weights).dense_read_bytes,
        flop_s=_peak_flop_s(),
        bandwidth_bytes_s=_a().gpu.bandwidth_bytes_s,
    )


def _until_compute_bound():
    """The first of the options at which a step computes for longer than it reads."""
    for users in (16, 64, 300, 1000, 1_000_000):
        step = bandwidth.decode_step(_a(), context_tokens=8000, concurrency=users)
        read_s = (step.weight_bytes + step.kv_bytes) / _a().gpu.bandwidth_bytes_s
        if step.flops / _peak_flop_s() > read_s:
            return f"{users:,}"
    return NEVER


def _token_bytes():
    bf16 = catalog.format("bf16")
    models = {"DeepSeek-V3": "deepseek-v3", "Llama-3.1-8B": "llama-3.1-8b"}
    return {
        label: law.kv_bytes_per_sequence(catalog.model(name), bf16, 1)
        for label, name in models.items()
    }


def _hybrid_growth():
    short, long = (
        law.kv_bytes_per_sequence(
            catalog.model("nemotron-3-ultra-550b-a55b"), catalog.format("bf16"), tokens
        )
        for tokens in (8000, 128_000)
    )
    return long / short


GUESSES = {
    "1.1": Guess(
        "Share of the card's arithmetic that is in use",
        _busy_percent,
        "The card spends its time waiting for memory.",
        unit="%",
    ),
    "1.2": Guess(
        "Size of the model in FP8, as a share of its size in BF16",
        _fp8_percent,
        "The embedding table and the head stay in 16 bits, so it stays above half.",
        unit="%",
    ),
    "1.3": Guess(
        "Time of a step with 64 users, as a multiple of a step with one",
        lambda: _matrices_s(64) / _matrices_s(1),
        "Below the ridge every further user is served in the same time.",
        unit="times",
    ),
    "1.4": Guess(
        "Users until the H100 computes for longer than it reads",
        _until_compute_bound,
        "Each user brings work and bytes of its own, in a proportion far below the ridge.",
        options=("16", "64", "300", "1,000", NEVER),
    ),
    "1.5": Guess(
        "Whose token takes more cache?",
        lambda: max(_token_bytes(), key=_token_bytes().get),
        "The number of parameters says nothing about the cache.",
        unit="bytes",
        options=("DeepSeek-V3", "Llama-3.1-8B"),
        drawn=_token_bytes,
    ),
    "1.6": Guess(
        "Growth of the Nemotron hybrid's cache from 8,000 to 128,000 tokens",
        _hybrid_growth,
        "Only its full layers follow the context; the others keep a state of fixed size.",
        unit="times",
    ),
    "1.7": Guess(
        "Share of DeepSeek-V3's experts that 16 users read in a step",
        lambda: 100 * law.experts_touched(experts=256, experts_per_token=8, tokens=16) / 256,
        "Sixteen users pick different experts, and a third of their picks are repeats.",
        unit="%",
    ),
}
