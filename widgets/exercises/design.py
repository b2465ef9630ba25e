"""Exercises of chapter 5."""

from dataclasses import replace

from llmcap_kernel import calibration, capacity, catalog, design, law, serving
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Slo, Workload

from .record import Exercise

_CACHED = replace(design.WORKED_WORKLOAD, shared_prefix_tokens=6000)
GROWN, COPIES = 150, (2, 4, 8)  # users of a fleet, and the cards that a copy may have
GAP = design.WORKED_SLO.tails[0].name
API_USD_MTOK = {"usd_mtok_input": 0.50, "usd_mtok_output": 1.50}
# The spec of the last exercise, and what is on offer for it.
CHAT = Workload(3000, 500, 32, 2500)
CHAT_SLO = Slo(itl_s=0.030, usd_h=10.0)
CHAT_CARDS = ("a100-sxm-80gb", "h100-sxm", "h200-sxm")


def _b(workload=design.WORKED_WORKLOAD):
    return calibration.estimates(design.worked_spec()[1], workload).served


def _b_price(tok_s, cards=2):
    usd_h = cards * design.worked_spec()[1].gpu_usd_h
    return serving.usd_per_mtok(usd_h=usd_h, tok_s=tok_s)


def _b_users(itl_s):
    slo = Slo(itl_s=itl_s)
    return design.users_within(design.worked_spec()[1], design.WORKED_WORKLOAD, slo).value


def _on_h100(cards):
    return replace(design.worked_spec()[1], tp=cards)


def _fleet(cards):
    """Copies of so many H100 that hold the grown product within its limits."""
    return design.fleet(_on_h100(cards), design.WORKED_WORKLOAD, design.WORKED_SLO, users=GROWN)


def _cards(cards):
    return cards * _fleet(cards).copies


def _pool_tokens(deployment):
    books = capacity.ledger(deployment, context_tokens=8000)
    return books.kv_pool_bytes / books.kv_bytes_per_token


def _b_limit(name, users, slo=design.WORKED_SLO):
    """A limit of B, with so many users."""
    load = replace(design.WORKED_WORKLOAD, concurrency=users)
    found = design.card(design.worked_spec()[1], load, slo).limits
    return next(limit for limit in found if limit.name == name)


def _read_bytes(name, users=16):
    """What a step reads, with weights and caches of one format."""
    model, number_format = catalog.model("llama-3.1-70b"), catalog.format(name)
    caches = users * law.kv_bytes_per_sequence(model, number_format, 8000)
    return law.weight_bytes(model, number_format).dense_read_bytes + caches


def _gap_at_ceiling(name="bf16", cards=2, users=16):
    """The gap in which A100 cards read that."""
    rate = cards * catalog.gpu("a100-sxm-80gb").bandwidth_bytes_s
    return _read_bytes(name, users) / rate


def _own_price():
    return _b_price(_b().output_tok_s)


def _api_price():
    return design.api_usd_mtok(design.WORKED_WORKLOAD, **API_USD_MTOK)


def chat_scorecard(workload=CHAT):
    """Three offers for the support chat, side by side.

    Parameters
    ----------
    workload : Workload
        Its load.

    Returns
    -------
    Scorecard
        One card each of `CHAT_CARDS`, by its name.
    """
    offers = {
        name: catalog.deployment(model="qwen3-32b", gpu=name, weights="fp8", kv="fp8")
        for name in CHAT_CARDS
    }
    return design.scorecard(offers, workload, CHAT_SLO)


def _chat_price(which, workload=CHAT):
    return chat_scorecard(workload).cards[which].usd_mtok.value


EXERCISES = {
    "5.1": Exercise(
        expected=lambda: _b_limit(GAP, 32).headroom,
        unit="times",
        hints=(
            "Which two rates does headroom compare, and which of them is on top?",
            "Available over required, with a gap turned into tokens a second: 50 ms over the gap "
            "that 95 of 100 stay within.",
            "Put 32 users into the first picture and read the gap under latency.",
        ),
        mistakes={
            "That is required over available. Headroom has what there is on top.": (
                lambda: 1 / _b_limit(GAP, 32).headroom
            ),
            "That is the headroom of capacity; the question is about latency.": (
                lambda: _b_limit("capacity", 32).headroom
            ),
            "That is the headroom at 16 users. More users lengthen the gap.": (
                lambda: _b_limit(GAP, 16).headroom
            ),
            "That is the headroom of the mean gap. The spec asks for 95 of 100.": (
                lambda: _b_limit("latency", 32, Slo(itl_s=0.050)).headroom
            ),
        },
    ),
    "5.2": Exercise(
        expected=_gap_at_ceiling,
        unit="s",
        hints=(
            "What does a step read besides the weights?",
            "(Weights + 16 caches) over the bandwidth of both cards.",
            lambda: (
                f"({quantity(_read_bytes('bf16', 0), 'bytes')} + "
                f"{quantity(_read_bytes('bf16') - _read_bytes('bf16', 0), 'bytes')}) over 2 x "
                f"{quantity(catalog.gpu('a100-sxm-80gb').bandwidth_bytes_s, 'bytes/s')}."
            ),
        ),
        mistakes={
            "A step also reads the caches of all 16 users.": lambda: _gap_at_ceiling(users=0),
            "Both cards read at the same time, each its half.": lambda: _gap_at_ceiling(cards=1),
            "Those are the bytes of FP8. These cards hold 16-bit weights and caches.": (
                lambda: _gap_at_ceiling("fp8")
            ),
        },
    ),
    "5.3": Exercise(
        expected=lambda: capacity.max_concurrent(design.worked_spec()[1], 16_000),
        unit="users",
        hints=(
            "How long is the context when an answer is complete?",
            "Users times context is the pool in tokens: look up the pool of B and divide.",
            lambda: (
                f"{_pool_tokens(design.worked_spec()[1]):,.0f} tokens in the pool, over "
                "15,000 + 1,000 tokens, cut to whole users."
            ),
        ),
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
    ),
    "5.4": Exercise(
        expected=lambda: min(_cards(n) for n in COPIES),
        unit="cards",
        tolerance=0.001,
        hints=(
            "Two numbers bound the users of a copy: those that have room, and those within the "
            "p95. Which is the smaller on two cards, and which on eight?",
            "Copies = users over the smaller of the two, rounded up; cards = copies x cards of a "
            "copy. The p95 gives way when more than 5 gaps in 100 carry a prompt: with answers of "
            "1,000 tokens and prompts in one piece that is a little over 50 users, on any cards.",
            lambda: (
                f"Two H100 have room for {_fleet(2).users_per_copy} users, all within the p95. "
                f"Four have room for {capacity.max_concurrent(_on_h100(4), 8000)}, and "
                f"{_fleet(4).users_per_copy} within it."
            ),
        ),
        mistakes={
            "That is how many copies of B. A copy has two cards.": lambda: _fleet(2).copies,
            "Four cards have room for them all. But then more than 5 gaps in 100 carry somebody's "
            "prompt, and the p95 is missed.": lambda: 4,
            "Eight cards have room for them all, and still more than 5 gaps in 100 carry a "
            "prompt.": lambda: 8,
            "Those are copies of four cards. Within the p95 such a copy holds hardly more users "
            "than two cards do.": lambda: _cards(4),
        },
    ),
    "5.5": Exercise(
        expected=lambda: _b_price(_b(_CACHED).output_tok_s),
        unit="USD/Mtok",
        hints=(
            "The rent is the same. Which other number of the price does the cache change?",
            "Rent of both cards / 3600 / output rate with the prefix kept x 1e6.",
            lambda: (
                f"2 x {quantity(design.worked_spec()[1].gpu_usd_h, 'USD/h')}, and the rate from "
                "the output in the first picture of section 6."
            ),
        ),
        mistakes={
            "That is the price without the prefix cache.": lambda: _b_price(_b().output_tok_s),
            "B has two cards, and both are paid for.": (
                lambda: _b_price(_b(_CACHED).output_tok_s, 1)
            ),
            "The 1,000 tokens that are not shared are still prefilled between the decode steps.": (
                lambda: _b_price(16 * _b().decode.tok_s_user)
            ),
        },
    ),
    "5.6": Exercise(
        expected=lambda: _b_users(0.040),
        unit="users",
        tolerance=0.001,
        hints=(
            "Which gap is asked for: the step alone, 95 of 100, or the mean, which has others' "
            "prompts in it?",
            "Raise the users until the estimated mean gap passes 40 ms, and take one less.",
            "Run design.card(B, replace(spec, concurrency=users)).estimates.itl_s from 25 users "
            "on, or design.users_within.",
        ),
        mistakes={
            "That is how many fit in memory. The mean gap gives way before memory does.": (
                lambda: capacity.max_concurrent(design.worked_spec()[1], 8000)
            ),
            "That many meet 50 ms; the question asks for 40.": lambda: _b_users(0.050),
            "So many meet 40 ms even at the far end of the interval; the estimate allows more.": (
                lambda: (
                    design.users_within(
                        design.worked_spec()[1], design.WORKED_WORKLOAD, Slo(itl_s=0.040)
                    ).low
                )
            ),
        },
    ),
    "5.7": Exercise(
        expected=lambda: _own_price() / _api_price(),
        unit="times",
        hints=(
            "An API bills the prompt as well. How many prompt tokens come with an answer token?",
            "Price of B over the API's price of a million output tokens with their prompts.",
            lambda: (
                f"{quantity(_own_price(), 'USD/Mtok')} of section 7 over 1.50 + 7 x 0.50 dollars."
            ),
        ),
        mistakes={
            "The API also bills seven prompt tokens with each token of the answer.": (
                lambda: _own_price() / API_USD_MTOK["usd_mtok_output"]
            ),
            "That is the API's price over yours. At which share of the hours are they equal?": (
                lambda: _api_price() / _own_price()
            ),
            "B has two cards, and both are paid for.": lambda: _own_price() / _api_price() / 2,
            "That is in percent. Write it as a number from 0 to 1, or with its % sign.": (
                lambda: 100 * _own_price() / _api_price()
            ),
        },
    ),
    "5.8": Exercise(
        expected=lambda: chat_scorecard().winner.usd_mtok.value,
        unit="USD/Mtok",
        tolerance=0.006,  # two of the cards are as near to each other
        hints=(
            "Write five numbers down before you compute: prompt, shared part, answer, users, gap. "
            "Which limit do you expect to bind? Then let a tool contradict you.",
            "Open the scorecard and enter the load: prompt 3k, shared by all 2.5k, answer 500, "
            "32 users; then the limits, 30 ms for the mean and 10 dollars. Under All inputs "
            "give column A its model, its card and FP8 weights, and an FP8 cache under More of A; "
            "the same for B and C. Read which one it runs. "
            "In a terminal: llmcap scorecard --input 3000 --output 500 --shared-prefix 2500 "
            "--users 32 --itl-ms 30 --budget-usd-h 10, and for each card a "
            "--column 'A: model=qwen3-32b gpu=h100-sxm weights=fp8 kv=fp8'.",
            "One of the three misses the gap, so its price does not count. Of the other two the "
            "cheaper by the hour is not the cheaper by the token: read $/M output.",
        ),
        mistakes={
            "That is the A100: cheapest by the hour, but its gap is longer than 30 ms.": (
                lambda: _chat_price(0)
            ),
            "That is the H100. It meets the limits, and by the hour it is cheaper; another is "
            "cheaper by the token.": lambda: _chat_price(1),
            "The 2,500 shared tokens are kept once: enter them as shared by all.": (
                lambda: _chat_price(2, replace(CHAT, shared_prefix_tokens=0))
            ),
        },
    ),
}
