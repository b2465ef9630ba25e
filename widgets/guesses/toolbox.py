"""Predictions of chapter 4."""

from dataclasses import replace

from llmcap_kernel import bandwidth, calibration, catalog, design, toolbox

from ..exercises.toolbox import prefix_gain
from .record import Guess

SHORTER, NO_SHORTER = "much shorter", "no shorter"
WAYS = {"1x H200": ("h200-sxm", 1), "2x H100": ("h100-sxm", 2), "4x H100": ("h100-sxm", 4)}
MODELS = {"DeepSeek-V3": "deepseek-v3", "Llama-3.1-70B": "llama-3.1-70b"}


def _gaps():
    """Gap between tokens of Llama-3.1-70B on two H200, 16 users, by weight format [s]."""
    wide = catalog.deployment(model="llama-3.1-70b", gpu="h200-sxm", tp=2)
    formats = {"BF16": "bf16", "FP8": "fp8", "INT4": "int4-awq"}
    return {
        label: toolbox.reading(toolbox.quantise_weights(wide, name), design.WORKED_WORKLOAD).itl_s
        for label, name in formats.items()
    }


def _int4():
    gaps = _gaps()
    return SHORTER if gaps["INT4"] < 0.9 * gaps["FP8"] else NO_SHORTER


def _prices():
    a = design.worked_spec()[0]
    return {
        label: toolbox.reading(
            replace(toolbox.change_gpu(a, gpu), tp=tp), design.WORKED_WORKLOAD
        ).usd_mtok
        for label, (gpu, tp) in WAYS.items()
    }


def _eight_cards():
    a = design.worked_spec()[0]
    one, eight = (
        bandwidth.decode_step(
            toolbox.split_tensors(a, n),
            context_tokens=8000,
            concurrency=16,
            efficiency=calibration.efficiency_for(a),
        ).total_s
        for n in (1, 8)
    )
    return one / eight


def _gains_room():
    """Which models have room for more users when eight H200 split users and not heads."""
    c = design.worked_spec()[2]
    gains = []
    for label, name in MODELS.items():
        d = toolbox.change_model(c, name)
        was, now = (
            toolbox.reading(one, design.WORKED_WORKLOAD).max_concurrent
            for one in (d, toolbox.split_sequences(d))
        )
        gains += [label] if now > was else []
    return "both" if len(gains) == 2 else (gains or ["neither"])[0]


def _price_ratio():
    b, load = design.worked_spec()[1], design.WORKED_WORKLOAD
    seen = [toolbox.reading(b, toolbox.change_batch(load, users)) for users in (16, 32)]
    was, now = (r.output_tok_s_card or 1.0 for r in seen)
    return now / was  # of the same rent


def _drafted():
    b = design.worked_spec()[1]
    drafting = toolbox.speculate(b, tokens=3, accept=0.7, draft="llama-3.1-8b")
    was, now = (
        bandwidth.decode_step(
            d, context_tokens=8000, concurrency=16, efficiency=calibration.efficiency_for(b)
        ).itl_s
        for d in (b, drafting)
    )
    return was / now


GUESSES = {
    "4.1": Guess(
        "Throughput of 16 users with the prefix cached, as a multiple",
        lambda: prefix_gain(16),
        "As estimated: throughput gains as much as prefill was of the total.",
        unit="times",
    ),
    "4.2": Guess(
        "Throughput of 3 users with the prefix cached, as a multiple",
        lambda: prefix_gain(3),
        "As estimated: so few prompts were a small part of the work.",
        unit="times",
    ),
    "4.3": Guess(
        "How many times shorter is the gap with FP8 weights?",
        lambda: _gaps()["BF16"] / _gaps()["FP8"],
        "As estimated: only the reading of weights is halved, and the gap is made of more.",
        unit="times",
    ),
    "4.4": Guess(
        "INT4 halves the weights again. The gap beside FP8's?",
        _int4,
        "What is saved on reading weights is lost on prompts, which INT4 computes in 16 bits.",
        unit="s",
        options=(SHORTER, NO_SHORTER),
        drawn=_gaps,
    ),
    "4.5": Guess(
        "Which of the three makes the cheapest token?",
        lambda: min(_prices(), key=_prices().get),
        "As estimated for 16 users: a card more is rent, and it does not double the output.",
        unit="USD/Mtok",
        options=tuple(WAYS),
        drawn=_prices,
    ),
    "4.6": Guess(
        "How many times as fast is a decode step on eight cards?",
        _eight_cards,
        "As estimated: launches are not divided, and exchanges are added.",
        unit="times",
    ),
    "4.7": Guess(
        "Eight cards split users, not heads. Which model has room for more users?",
        _gains_room,
        "Only a cache that every card copied gains; one that was split by heads has nothing to "
        "gain.",
        options=(*MODELS, "both", "neither"),
    ),
    "4.8": Guess(
        "How many times as cheap is a token with 32 users as with 16?",
        _price_ratio,
        "As estimated: the rent is shared by twice the users, but each answer takes longer.",
        unit="times",
    ),
    "4.9": Guess(
        "How many times as fast is a decode step with three drafted tokens?",
        _drafted,
        "As estimated for 16 users: the draft and the wider pass take time of their own.",
        unit="times",
    ),
}
