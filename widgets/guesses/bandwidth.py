"""Predictions of chapter 2."""

from llmcap_kernel import bandwidth, calibration, catalog, design
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


GUESSES = {
    "2.1": Guess(
        "Time until candidate B has read 6,000 tokens, at its full FLOP/s",
        lambda: 1e3 * bandwidth.prefill(_candidate(tp=2), input_tokens=6000).total_s,
        "A prompt costs two operations for each parameter and token; real kernels reach about "
        "half of the peak and take longer still.",
        unit="ms",
    ),
    "2.2": Guess(
        "Which of these holds the FP8 model and still crawls?",
        lambda: min(_crawlers(), key=_crawlers().get),
        "It has memory for the model, and a small part of the others' bandwidth.",
        unit="tok/s",
        options=tuple(CRAWLERS),
        drawn=_crawlers,
    ),
    "2.3": Guess(
        "Speed with FP8 weights and a BF16 cache over speed in BF16, for 60 users",
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
        "Sixteen users are served by different experts, so the step reads several times as much.",
        unit="times",
    ),
    "2.5": Guess(
        "Which of the two has the longer gap between tokens?",
        lambda: max(_gaps(), key=_gaps().get),
        "The prompts of the other users are inside the gap; the law's two are drawn, at full "
        "speed and taking turns.",
        unit="s",
        options=(LONG_PROMPT, LONG_ANSWER),
        drawn=_gaps,
    ),
    "2.6": Guess(
        "Is there one constant that corrects every ceiling?",
        _is_one_constant,
        "The share that arrives falls as a step gets shorter; drawn is what the estimate of one "
        "user keeps of the ceiling, by cards.",
        unit="%",
        options=("yes", "no"),
        drawn=_shares,
    ),
}
