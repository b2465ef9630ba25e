"""What is told to give, or to buy, is what a search with it finds."""

import random
from dataclasses import replace

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.design.search import row_of
from llmcap_kernel.design.space import bits
from llmcap_kernel.design.trade_offs import GAP_S
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo, Tail, Workload

CARDS = ("l4", "a30", "rtx-4090", "l40s", "a100-sxm-80gb", "h100-sxm", "mi300x", "rtx-a5000")
DRAWS = 40
ROUNDED = 1.001  # a change is told in three figures


def _asked(dice):
    """A load of users or of a rate, limits on some latencies, and a few cards."""
    load = Workload(round(10 ** dice.uniform(2, 4.2)), round(10 ** dice.uniform(1.5, 3)))
    rate = dice.choice((None, 10 ** dice.uniform(-1, 1.5)))
    copies = dice.choice((1, 8)) if rate is None else dice.choice((None, None, 4))
    load = replace(load, concurrency=round(10 ** dice.uniform(0, 2.2)))
    gap_s, first_s = 10 ** dice.uniform(-2, -1), 10 ** dice.uniform(-0.7, 0.7)
    gap, first = dice.choice((True, True, False)), dice.choice((True, False))
    tails = (Tail("itl", 95, gap_s),) if dice.random() < 0.5 else ()
    tails += (Tail("ttft", 95, first_s),) if dice.random() < 0.3 else ()
    slo = Slo(
        itl_s=gap_s if gap and not tails else None,
        ttft_s=first_s if first else None,
        usd_h=dice.choice((None, 10 ** dice.uniform(0, 1.5))),
        usd_mtok=dice.choice((None, None, 10 ** dice.uniform(-0.7, 0.7))),
        tails=tails,
    )
    choices = {
        "models": [dice.choice(("llama-3.1-8b", "qwen3-32b", "llama-3.1-70b"))],
        "gpus": dice.sample(CARDS, 4),
        "rank": dice.choice(("usd_h", "usd_h", "usd_mtok")),
        "most_copies": copies,
        "rate": rate,
    }
    return load, slo, choices


def _searched(load, slo, choices):
    try:
        return design.search(load, slo, **choices)
    except BadInput:
        return None  # no card has room for one request, or no number of copies answers the rate


def _price(choice, rank):
    row = row_of(choice)
    return row.usd_mtok if rank == "usd_mtok" else row.usd_h


def _with_change(change, load, slo, choices):
    """The question with one requirement changed as it is told."""
    if change.what == "users":
        return replace(load, concurrency=int(change.after)), slo, choices
    if change.what == "context":
        return replace(load, input_tokens=int(change.after)), slo, choices
    if change.what == "format":
        narrow = [n for n in ("fp8", "int4-awq") if bits(catalog.format(n)) == change.after]
        return load, slo, choices | {"weights": narrow}
    names = {"budget": "usd_h", "cost": "usd_mtok", "latency": "itl_s", "prefill": "ttft_s"}
    if change.what in names:
        return load, replace(slo, **{names[change.what]: change.after}), choices
    tails = (replace(t, bound_s=change.after) if t.name == change.what else t for t in slo.tails)
    return load, replace(slo, tails=tuple(tails)), choices


def _longer_gaps(slo):
    tails = (replace(t, bound_s=t.bound_s + GAP_S) for t in slo.tails)
    tails = tuple(b if b.quantity == "itl" else a for a, b in zip(slo.tails, tails, strict=True))
    return replace(slo, itl_s=slo.itl_s and slo.itl_s + GAP_S, tails=tails)


def _bought(one, load, slo, choices):
    """The question in which the answer has what an exchange says that more buys."""
    if one.what == "gap":
        return load, _longer_gaps(slo), choices
    if one.what == "dollar":
        gap_s = one.choice.expected.itl_s.value * ROUNDED
        return load, replace(slo, itl_s=min(gap_s, slo.itl_s or gap_s)), choices
    d = one.choice.deployment
    least = design.Quality(bits(d.weights), bits(d.kv), d.model.params)
    return load, slo, choices | {"quality": least}


@pytest.mark.slow
def test_whatever_is_told_is_what_the_search_finds_where_it_is_asked_so():
    dice, told = random.Random(23), {}
    for _ in range(DRAWS):
        load, slo, choices = _asked(dice)
        if (found := _searched(load, slo, choices)) is None:
            continue
        for one in design.relaxations(found):
            asked = load, slo, choices
            for change in one.changes:
                asked = _with_change(change, *asked)
                told[change.what] = told.get(change.what, 0) + 1
            _no_dearer(asked, one)
        for one in design.trade_offs(found):
            told[one.what] = told.get(one.what, 0) + 1
            if one.choice is not None:
                _no_dearer(_bought(one, load, slo, choices), one)
            elif one.what == "gap":
                longer = _searched(load, _longer_gaps(slo), choices)
                ranks = (found.winner, longer.winner)
                now, then = (_price(winner, found.rank) for winner in ranks)
                assert then == pytest.approx(now), one.sentence
    assert set(told) >= {"gap", "dollar", "context", "users", "budget", "latency"}, told


def _no_dearer(asked, one):
    again = _searched(*asked)
    assert again is not None and again.winner is not None, one.sentence
    rank = asked[2]["rank"]
    least, claimed = _price(again.winner, rank), _price(one.choice, rank)
    assert least <= claimed * (1 + 1e-9), (one.sentence, again.winner.title)
