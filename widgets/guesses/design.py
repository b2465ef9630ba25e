"""Predictions of chapter 5."""

from dataclasses import replace

from llmcap_kernel import bandwidth, calibration, capacity, catalog, design, toolbox

from .capacity import room_of_two
from .record import Guess

SLO = design.WORKED_SLO
NEEDED, ALLOWED = "needed on a card", "the engine has"
ENGINES = ("vllm", "sglang", "trtllm")
OFFERS = {
    "1x A100": ("a100-sxm-80gb", 1),
    "2x A100": ("a100-sxm-80gb", 2),
    "1x H200": ("h200-sxm", 1),
    "1x B200": ("b200-sxm", 1),
    "2x H100": ("h100-sxm", 2),
}


def _on_h100():
    eight = replace(design.worked_spec()[2], gpu=catalog.gpu("h100-sxm"))
    books = capacity.ledger(eight, context_tokens=8000)
    needed = books.budget_bytes - books.kv_pool_bytes + books.kv_bytes_per_sequence
    return {NEEDED: needed, ALLOWED: books.budget_bytes}


def _prefix_gain(users):
    """Output of B with the shared prompt kept over the output without."""
    with_cache, without = (
        calibration.estimates(
            design.worked_spec()[1],
            replace(design.WORKED_WORKLOAD, concurrency=users, shared_prefix_tokens=kept),
        ).output_tok_s.value
        for kept in (6000, 0)
    )
    return with_cache / without


def _price(deployment):
    return design.fleet(deployment, design.WORKED_WORKLOAD, SLO, users=16).usd_mtok


def _engines_apart_percent():
    base = replace(design.worked_spec()[1], memory_fraction=None)
    load = toolbox.cache_prefix(design.WORKED_WORKLOAD, 6000)
    cards = [design.card(replace(base, engine=catalog.engine(name)), load) for name in ENGINES]
    prices = [card.usd_mtok.value for card in cards if card.usd_mtok]
    return 100 * (max(prices) / min(prices) - 1)


def _offers():
    """Price of each offer that meets every limit."""
    found = {}
    for label, (gpu, tp) in OFFERS.items():
        d = catalog.deployment(model="llama-3.1-70b", gpu=gpu, tp=tp, weights="fp8", kv="fp8")
        card = design.card(d, design.WORKED_WORKLOAD, SLO)
        if card.meets_all and card.usd_mtok:
            found[label] = card.usd_mtok.value
    return found


def _longer_step():
    b = design.worked_spec()[1]
    long, short = (bandwidth.decode_step(b, context_tokens=n).total_s for n in (64_000, 32_000))
    return long / short


GUESSES = {
    "5.1": Guess(
        "Room for KV cache on B, as a multiple of A's",
        room_of_two,
        "At 0.98, where A has any room: the weights are stored once, whatever the number of cards.",
        unit="times",
    ),
    "5.2": Guess(
        "Does DeepSeek-V3 in FP8 start on eight H100?",
        lambda: "yes" if _on_h100()[NEEDED] <= _on_h100()[ALLOWED] else "no",
        "The weights alone are larger than all the memory on the label of eight H100.",
        unit="GiB",
        options=("yes", "no"),
        drawn=_on_h100,
    ),
    "5.3": Guess(
        "Output of 16 users with the prefix kept, as a multiple of the output without",
        lambda: _prefix_gain(16),
        "By estimate: the cache can give back no more than the share of time that prefill took.",
        unit="times",
    ),
    "5.4": Guess(
        "Price of a token on C over that on B, at 16 users",
        lambda: _price(design.worked_spec()[2]) / _price(design.worked_spec()[1]),
        "A large node gets cheaper per token as it fills, and 16 users do not fill it.",
        unit="times",
    ),
    "5.5": Guess(
        "Price of a token on A over that on B, with no prefix shared",
        lambda: (
            _price(replace(design.worked_spec()[0], memory_fraction=0.98))
            / _price(design.worked_spec()[1])
        ),
        "A holds a handful of users, so it takes copies, and each reads all the weights again.",
        unit="times",
    ),
    "5.6": Guess(
        "Price of a token, prompt kept once: the dearest of vLLM, SGLang and TensorRT-LLM above "
        "the cheapest",
        _engines_apart_percent,
        "All three read the same bytes from the same cache. Their intervals are far wider.",
        unit="%",
    ),
    "5.7": Guess(
        "Which meets every limit at the least price per token?",
        lambda: min(_offers(), key=_offers().get),
        "Drawn are the prices of those that meet every limit. The others miss one.",
        unit="USD/Mtok",
        options=tuple(OFFERS),
        drawn=_offers,
    ),
    "5.8": Guess(
        "A decode step at 64,000 tokens, as a multiple of one at 32,000",
        _longer_step,
        "The new token looks at each cached token once, and the weights are read either way.",
        unit="times",
    ),
}
