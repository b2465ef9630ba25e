"""Predictions of chapter 2."""

import math

from llmcap_kernel import bandwidth, calibration, catalog, design
from llmcap_kernel.evidence.kernels import kernel_s
from llmcap_kernel.serving import serve
from llmcap_kernel.spec import Efficiency, Workload

from .record import Guess

CRAWLERS = {"GB10": "gb10", "H100 PCIe": "h100-pcie", "A100 SXM": "a100-sxm-80gb",
            "H200 SXM": "h200-sxm"}  # fmt: skip
LONG_PROMPT, LONG_ANSWER = "the long prompt", "the long answer"


def _candidate(**parts):
    parts = {"model": "llama-3.1-70b", "gpu": "h100-sxm", "weights": "fp8", "kv": "fp8"} | parts
    return catalog.deployment(**parts)


def _speed(deployment, users=1):
    step = bandwidth.decode_step(deployment, context_tokens=8000, concurrency=users)
    return step.tok_s_user


def _crawlers():
    return {label: _speed(_candidate(gpu=name)) for label, name in CRAWLERS.items()}


def _mixed_gain(users):
    """What FP8 weights alone add to the speed of candidate B, the cache in BF16."""
    fast, slow = (_candidate(tp=2, weights=w, kv="bf16") for w in ("fp8", "bf16"))
    return _speed(fast, users) / _speed(slow, users)


def _gaps():
    b, turns = design.worked_spec()[1], Efficiency(prefill_share=1.0)
    loads = {LONG_PROMPT: Workload(8192, 1024, 16), LONG_ANSWER: Workload(1024, 8192, 16)}
    return {label: serve(b, load, turns).itl_s for label, load in loads.items()}


def _shares():
    """What an estimate leaves of the ceiling of one user, on 1 to 8 cards."""
    load, shares = Workload(1500, 200, 1), {}
    for tp in (2, 4, 8):
        gap = calibration.estimates(_candidate(tp=tp), load).itl_s
        shares[f"{tp} cards"] = 100 * gap.ceiling / gap.value
    return shares


def _is_one_constant():
    shares = _shares().values()
    return "yes" if max(shares) < 1.1 * min(shares) else "no"


LONGER, LITTLE, SLOWER = "twice as fast", "up to half again as fast", "slower than in BF16"


def _product_s(number_format, gpu="h100-sxm"):
    """Time of a product of 16 users with a matrix of 2,048 x 2,048, by timed kernels [s]."""
    shape = {"m": 16, "n": 2048, "k": 2048}
    return kernel_s("product", shape, gpu=catalog.gpu(gpu), format=number_format, engine="vllm")


def _small_gain():
    gain = _product_s("bf16") / _product_s("fp8")
    return SLOWER if gain < 1 else LITTLE if gain < 1.6 else LONGER


def _together():
    """What 16 users of candidate B get together, over what one alone gets."""
    b = _candidate(tp=2)
    one, each = (
        bandwidth.decode_step(b, context_tokens=1536, concurrency=n).tok_s_user for n in (1, 16)
    )
    return 16 * each / one


SPANS = {"1 µs": 1e-6, "10 µs": 1e-5, "100 µs": 1e-4, "1 ms": 1e-3}


def _reduce_s():
    """An all-reduce of 16 tokens over eight H100s: the link alone, and as timed [s]."""
    h100, tokens = catalog.gpu("h100-sxm"), 16 * 8192
    shape = {"num_gpus": 8, "message_size": tokens}
    timed = kernel_s("all_reduce", shape, engine="vllm", gpu=h100, format="link")
    message = tokens * bandwidth.ACTIVATION_BYTES
    link = 2 * 7 / 8 * message / h100.link_bandwidth_bytes_s
    return {"the link alone": link, "a timed kernel": timed}


def _nearest_span():
    took = _reduce_s()["a timed kernel"]
    return min(SPANS, key=lambda span: abs(math.log(SPANS[span] / took)))


GUESSES = {
    "2.1": Guess(
        "Time until candidate B has read 6,000 tokens, at its full FLOP/s",
        lambda: 1e3 * bandwidth.prefill(_candidate(tp=2), input_tokens=6000).total_s,
        "A prompt costs two operations for each parameter and token; real kernels reach about "
        "half of the peak and take longer still.",
        unit="ms",
    ),
    "2.2": Guess(
        "Which of these holds the FP8 model and is still very slow?",
        lambda: min(_crawlers(), key=_crawlers().get),
        "It has memory for the model, and a small part of the others' bandwidth.",
        unit="tok/s",
        options=tuple(CRAWLERS),
        drawn=_crawlers,
    ),
    "2.3": Guess(
        "Speed with FP8 weights over speed with BF16 weights, for 60 users, the cache in BF16",
        lambda: _mixed_gain(60),
        "With that many users the caches are most of what is read, and they did not shrink.",
        unit="times",
    ),
    "2.4": Guess(
        "Time of a step with 16 users, as a multiple of a step with one",
        lambda: (
            _speed(_candidate(model="deepseek-v3", gpu="h200-sxm", tp=8), 1)
            / _speed(_candidate(model="deepseek-v3", gpu="h200-sxm", tp=8), 16)
        ),
        "The tokens of 16 users visit different experts, so the step reads several times as much.",
        unit="times",
    ),
    "2.5": Guess(
        "Which of the two has the longer gap between tokens?",
        lambda: max(_gaps(), key=_gaps().get),
        "The prompts of the other users are inside the gap. Drawn are the gaps that the law gives, "
        "at full speed and with prompts and answers taking turns.",
        unit="s",
        options=(LONG_PROMPT, LONG_ANSWER),
        drawn=_gaps,
    ),
    "2.6": Guess(
        "Is there one constant that corrects every ceiling?",
        _is_one_constant,
        "The share that arrives falls as a step gets shorter. Drawn is one user of the 70B model: "
        "the estimate as a share of the ceiling, by the number of cards.",
        unit="%",
        options=("yes", "no"),
        drawn=_shares,
    ),
    "2.7": Guess(
        "What 16 users get together, as a multiple of what one user gets alone",
        _together,
        "The weights are read once for all of them; each user adds its own cache and no more.",
        unit="times",
    ),
    "2.8": Guess(
        "One all-reduce of 16 users' tokens over eight H100s",
        _nearest_span,
        "The link needs a microsecond of it; the rest is starting, and waiting for each other.",
        unit="s",
        options=tuple(SPANS),
        drawn=_reduce_s,
    ),
    "2.9": Guess(
        "A product with a matrix of 4 million weights in FP8, beside the same in BF16",
        _small_gain,
        "It takes a few microseconds either way, and FP8 first has to round the tokens' own "
        "numbers to 8 bits.",
        unit="s",
        options=(LONGER, LITTLE, SLOWER),
        drawn=lambda: {name.upper(): _product_s(name) for name in ("bf16", "fp8")},
    ),
}
