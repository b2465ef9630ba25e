"""The vectorised pass: the same set and order as the scalar one, over the whole catalogue."""

import os
import random
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.design import Quality
from llmcap_kernel.design.space import sequences
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo, Tail, Workload

LOAD = Workload(7000, 1000, 16)
SLO = Slo(itl_s=0.050, ttft_s=2.0, usd_h=30.0)
TAILS = tuple(
    Tail(*one)
    for one in (
        ("itl", 50, 0.03),
        ("itl", 95, 0.05),
        ("tpot", 90, 0.06),
        ("ttft", 99, 4),
        ("e2e", 95, 60),
    )
)
CARDS = ["a100-sxm-80gb", "t4", "h100-sxm", "rtx-4090", "mi355x"]
LIMITS = {"max_num_seqs": (None, 64, 600), "max_num_batched_tokens": (None, 2048, 16_384)}
SPACES = {
    "dense": {"models": ["llama-3.1-70b"], "gpus": CARDS, **LIMITS},
    "a latent for all heads, and experts": {
        "models": ["deepseek-v3"],
        "gpus": ["h200-sxm", "mi300x", "b200-sxm"],
    },
    "experts whose weights are padded": {"models": ["gpt-oss-120b"], "gpus": CARDS[2:]},
    "windows": {"models": ["gemma-3-27b"], "gpus": ["h100-sxm", "l40s", "mi300x"], **LIMITS},
    "states": {"models": ["qwen3-next-80b-a3b"], "gpus": ["h100-sxm", "h200-sxm"], **LIMITS},
    "several engines": {
        "models": ["qwen3-32b"],
        "gpus": ["h100-sxm", "l40s", "rtx-4090"],
        "engines": ["vllm", "sglang", "trtllm", "llama.cpp"],
    },
    "nodes and unequal cards": {
        "models": ["llama-3.1-8b"],
        "gpus": ["apple-m4-max", "rtx-5090+rtx-4090", "h100-sxm"],
        "nodes": 2,
    },
}
# At a rate a candidate takes longer, and one limit of an engine shows what two do.
FEWER = {
    name: space | ({"max_num_seqs": (None, 64), "max_num_batched_tokens": (None, 2048)}
                   if "max_num_seqs" in space else {})
    for name, space in SPACES.items()
}  # fmt: skip
DRAWS = int(os.environ.get("LLMCAP_SEARCHES", "100"))  # 10,000 take a quarter of an hour


def close(a, b):
    return a == b or abs(a - b) <= 1e-9 * abs(a)


def assert_alike(load, slo, **asked):
    """One by one and as arrays: the same order, the same reasons, the same numbers."""
    one = design.search(load, slo, **asked)
    many = design.search(load, slo, arrays=True, **asked)
    assert (many.order, many.misses) == (one.order, one.misses)
    assert many.front == one.front and many.why_not == one.why_not
    for a, b in zip(one.rows, many.rows, strict=True):
        assert all(close(x, y) for x, y in zip(a[:-1], b[:-1], strict=True))
        assert a.headrooms.keys() == b.headrooms.keys()
        assert all(close(a.headrooms[name], b.headrooms[name]) for name in a.headrooms)
    return many


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize(
    ("load", "tails"),
    [(LOAD, TAILS), (Workload(20_000, 500, 200, 15_000, 0.9), ())],
    ids=["tails", "means"],
)
def test_the_set_the_order_and_the_numbers_are_those_of_cards(name, load, tails):
    assert_alike(load, replace(SLO, tails=tails), **SPACES[name])


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("shared", [{"most_copies": 40}, {"rate": 25.0}], ids=["copies", "rate"])
def test_copies_are_counted_alike(name, shared):
    slo = Slo(ttft_s=4.0, usd_h=400.0, tails=(Tail("itl", 95, 0.08),))
    space = FEWER[name] if "rate" in shared else SPACES[name]
    many = assert_alike(Workload(2000, 300, 400), slo, **shared, **space)
    assert any(many.rows[i].copies > 1 for i in many.order)


RATES = ((3.0, None), (200.0, 12))  # one that a copy answers, and one that takes many


@pytest.mark.parametrize(
    ("name", "rate", "most_copies"),
    [(name, *RATES[i % 2]) for i, name in enumerate(SPACES)],
)
def test_percentiles_of_a_rate_are_alike(name, rate, most_copies):
    slo = Slo(usd_h=400.0, ttft_s=4.0, tails=TAILS)
    try:
        assert_alike(Workload(900, 250), slo, rate=rate, most_copies=most_copies, **FEWER[name])
    except BadInput as one:
        with pytest.raises(BadInput, match=re.escape(str(one))):
            asked = {"rate": rate, "most_copies": most_copies, "arrays": True}
            design.search(Workload(900, 250), slo, **asked, **FEWER[name])


@pytest.mark.parametrize("shared", [{"most_copies": 40}, {"rate": 25.0}], ids=["copies", "rate"])
def test_workstations_are_counted_alike(shared):
    slo = Slo(usd_h=400.0, tails=(Tail("itl", 95, 0.08),))
    here = {"models": ["llama-3.1-8b"], "weights": ["fp8"], "kv": ["fp8"], "tps": [1, 4]}
    many = assert_alike(Workload(2000, 300, 400), slo, **shared, **here)
    desks = [c for c in many.found if c.deployment.gpu.place == "desk" and c.copies > 1]
    assert desks and all(c.copies * c.deployment.num_gpus <= 8 for c in desks)


def test_copies_are_counted_alike_where_the_price_of_a_token_is_limited():
    asked = {"models": ["llama-3.1-8b"], "gpus": [*CARDS, "apple-m4-max"], "most_copies": 9}
    assert_alike(Workload(500, 100, 3000), Slo(usd_mtok=0.4, itl_s=0.04), **asked)


def test_it_is_the_same_in_several_processes():
    asked = {"quality": Quality(params=600e9), "gpus": ["h200-sxm"]}
    whole = design.search(LOAD, SLO, arrays=True, **asked)
    with ProcessPoolExecutor(2) as pool:
        for arrays in (True, False):
            told = []
            shared = design.search(
                LOAD,
                SLO,
                arrays=arrays,
                executor=pool,
                progress=lambda *x, told=told: told.append(x),
                **asked,
            )
            assert (shared.order, shared.misses) == (whole.order, whole.misses)
            assert told[-1] == (len(whole.space), len(whole.space))


MODELS = [name for name in catalog.models() if not catalog.model(name).assumed_shape]
GPUS = [name for name in catalog.gpus() if catalog.gpu(name).usd_h]


def _drawn(dice):
    """A strict search over a few cards, where the draw leaves one."""
    prompt = round(10 ** dice.uniform(1.5, 5))
    shared = dice.choice((0, 0, dice.randrange(prompt)))
    load = Workload(prompt, round(10 ** dice.uniform(1, 3.5)), dice.randint(1, 200), shared)
    slo = Slo(
        itl_s=dice.choice((None, 10 ** dice.uniform(-2.5, -1))),
        ttft_s=dice.choice((None, 10 ** dice.uniform(-1, 1))),
        usd_h=dice.choice((None, 10 ** dice.uniform(0, 2))),
        usd_mtok=dice.choice((None, 10 ** dice.uniform(-1, 1))),
        tails=dice.choice(((), (Tail("itl", 95, 10 ** dice.uniform(-2.5, -1)),))),
    )
    try:
        return design.search(
            load,
            slo,
            models=[dice.choice(MODELS)],
            gpus=dice.sample(GPUS, 2),
            engines=[dice.choice(("vllm", "vllm", "sglang", "trtllm", "llama.cpp"))],
            tps=dice.sample((1, 2, 4, 8), 2),
            max_num_seqs=(dice.choice((None, 32, 256)),),
            arrays=True,
        )
    except BadInput:
        return None  # this model's window is too short, or no card takes the split


def test_nothing_is_found_that_its_own_card_rejects():
    dice, checked = random.Random(16), 0
    for _ in range(DRAWS):
        if (found := _drawn(dice)) is None:
            continue
        for i, deployment in enumerate(found.space):
            # llama.cpp is started with a slot for each user
            slots = sequences(
                deployment.engine, deployment.max_num_seqs, found.asked.workload.concurrency
            )
            started = replace(deployment, max_num_seqs=slots)
            made = design.card(started, found.asked.workload, found.asked.slo)
            assert made.meets_all == (i in found.order), deployment.title
            checked += 1
    assert checked > DRAWS


def test_limits_that_change_nothing_share_a_prediction_bit_by_bit():
    """Candidates with as many in progress and as many tokens a step are predicted once."""
    seqs = (8, 64, 600)
    slo = replace(SLO, tails=TAILS)
    here = {"models": ["llama-3.1-70b"], "gpus": CARDS, "arrays": True}
    many = design.search(LOAD, slo, max_num_seqs=seqs, **here)
    assert 0 < len(many.order) < len(many.rows)
    alone = [design.search(LOAD, slo, max_num_seqs=[n], **here).rows for n in seqs]
    for at, row in enumerate(many.rows):
        place, which = divmod(at, len(seqs))
        assert row == alone[which][place]
    assert {row.itl_s for row in alone[1]} != {row.itl_s for row in alone[0]}  # 8 of 16 wait
