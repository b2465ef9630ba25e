"""Exercises of chapter 5."""

from dataclasses import replace

from llmcap_kernel import calibration, capacity, design, serving
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Slo

from .record import Exercise

_CACHED = replace(design.WORKED_WORKLOAD, shared_prefix_tokens=6000)


def _b(workload=design.WORKED_WORKLOAD):
    return calibration.estimates(design.worked_spec()[1], workload).served


def _b_price(tok_s, cards=2):
    usd_h = cards * design.worked_spec()[1].gpu_usd_h
    return serving.usd_per_mtok(usd_h=usd_h, tok_s=tok_s)


def _b_users(itl_s):
    slo = Slo(itl_s=itl_s)
    return design.users_within(design.worked_spec()[1], design.WORKED_WORKLOAD, slo).value


def _pool_tokens(deployment):
    books = capacity.ledger(deployment, context_tokens=8000)
    return books.kv_pool_bytes / books.kv_bytes_per_token


EXERCISES = {
    "5.1": Exercise(
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
    "5.2": Exercise(
        expected=lambda: _b_price(_b(_CACHED).output_tok_s),
        unit="USD/Mtok",
        hints=(
            "The rent is the same. Which other number of the price does the cache change?",
            "Rent of both cards / 3600 / output rate with the prefix cached x 1e6.",
            lambda: (
                f"2 x {quantity(design.worked_spec()[1].gpu_usd_h, 'USD/h')}, and the rate from "
                "design.card(B, cached, slo).estimates.served."
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
    "5.3": Exercise(
        expected=lambda: _b_users(0.040),
        unit="users",
        tolerance=0.001,
        hints=(
            "Which gap does a limit hold: the step alone, or the one with others' prompts in it?",
            "Raise the users until the expected gap passes 40 ms, and take one less.",
            "Run design.card(B, replace(spec, concurrency=users)).estimates.itl_s from 25 users "
            "on, or design.users_within.",
        ),
        mistakes={
            "That is how many fit in memory. Latency gives way before memory does.": (
                lambda: capacity.max_concurrent(design.worked_spec()[1], 8000)
            ),
            "That many meet 50 ms; the question asks for 40.": lambda: _b_users(0.050),
        },
    ),
}
