"""Predictions of chapter 5."""

from dataclasses import replace

from llmcap_kernel import capacity, catalog, design, serving
from llmcap_kernel.spec import Efficiency, Slo

from .capacity import room_of_two
from .record import Guess

SLO = Slo(itl_s=0.050, usd_h=30.0)
NEEDED, ALLOWED = "needed on a card", "the engine has"


def _on_h100():
    eight = replace(design.worked_spec()[2], gpu=catalog.gpu("h100-sxm"))
    books = capacity.ledger(eight, context_tokens=8000)
    needed = books.budget_bytes - books.kv_pool_bytes + books.kv_bytes_per_sequence
    return {NEEDED: needed, ALLOWED: books.budget_bytes}


def _prefix_gain(users, mfu):
    """Output of B with the shared prompt cached over the output without, taking turns."""
    with_cache, without = (
        serving.serve(
            design.worked_spec()[1],
            replace(design.WORKED_WORKLOAD, concurrency=users, shared_prefix_tokens=kept),
            Efficiency(compute=mfu, prefill_share=1.0),
        ).output_tok_s
        for kept in (6000, 0)
    )
    return with_cache / without


def _price(deployment):
    return design.fleet(deployment, design.WORKED_WORKLOAD, SLO, users=16).usd_mtok


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
        "Output of 16 users with the prefix cached, as a multiple",
        lambda: _prefix_gain(16, 0.6),
        "At an MFU of 60 percent: the cache can give back no more than the share of time that "
        "prefill took.",
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
}
