"""Predictions of chapter 5."""

from dataclasses import replace

from llmcap_kernel import capacity, catalog, design, toolbox

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


def _with_long_prompts():
    """Headroom of B's limits with prompts of 31,000 tokens."""
    load = replace(design.WORKED_WORKLOAD, input_tokens=31_000)
    limits = design.card(design.worked_spec()[1], load, SLO).limits
    return {"latency" if one.name not in ("capacity", "budget") else one.name: one.headroom
            for one in limits}  # fmt: skip


GUESSES = {
    "5.2": Guess(
        "Does DeepSeek-V3 in FP8 start on eight H100?",
        lambda: "yes" if _on_h100()[NEEDED] <= _on_h100()[ALLOWED] else "no",
        "The weights alone are larger than all the memory on the label of eight H100.",
        unit="GiB",
        options=("yes", "no"),
        drawn=_on_h100,
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
        "B's prompts grow from 7,000 to 31,000 tokens. Which limit breaks?",
        lambda: min(_with_long_prompts(), key=_with_long_prompts().get),
        "Drawn is what B then has of each over what is asked: a limit below 1 is missed.",
        unit="times",
        options=("latency", "capacity", "budget"),
        drawn=_with_long_prompts,
    ),
}
