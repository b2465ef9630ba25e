"""What the pictures of chapter 5 draw: the worked spec, its limits and its candidates."""

from dataclasses import replace
from functools import cache

from llmcap_kernel import design
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Tail

from .record import Control

SPEC, SLO = design.WORKED_WORKLOAD, design.WORKED_SLO
SHARED = 6000  # tokens of the prompt that all users have in common
GAP = SLO.tails[0]  # which gap the spec limits
GAP_LABEL = design.tail_label(GAP)
ALLOWED = (1e3 * GAP.bound_s, f"{1e3 * GAP.bound_s:g} ms allowed")
USERS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128)
MANY = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
GAPS_MS = (15, 20, 25, 30, 35, 40, 45, 50, 60, 80, 100)
OWN, KEPT = "each user's own", "kept once"
PREFIX = Control("prefix", "System prompt", (OWN, KEPT), OWN)


def load_of(users, prefix=OWN):
    kept = SHARED if prefix == KEPT else 0
    return replace(SPEC, concurrency=users, shared_prefix_tokens=kept)


def limits_of(gap):
    """The spec with another gap [ms]."""
    return replace(SLO, tails=(Tail(GAP.quantity, GAP.percent, gap / 1e3),))


def named(limit):
    """A limit by what runs out."""
    return "latency" if limit.name == GAP.name else limit.name


@cache
def deployments():
    """A with nearly all of its card, as it does not start with less; B; and C, split two ways."""
    a, b, c = design.worked_spec()
    return {
        "A": replace(a, memory_fraction=design.MAX_FRACTION),
        "B": b,
        "C": c,
        "C, DP": replace(c, dp_attention=True),
    }


def written(value, unit):
    return f"{value:,.0f} users" if unit == "users" else quantity(value, unit)
