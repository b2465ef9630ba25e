"""Stage 5, design: from an SLO and a budget to what to run, and why.

Each limit is a pair: what is required and what there is. The one with the
least headroom binds. A scorecard puts two to four deployments side by side; a
search walks many and keeps a line on why each was passed over.
"""

from .cards import ESTIMATED, MAX_FRACTION, Card, Check, Observed, card, least_fraction, scaled
from .choice import Search, estimated_users, most_users, search
from .fleets import HOURS_MONTH, BreakEven, Fleet, api_usd_mtok, break_even, fleet
from .headroom import Limit, limits, warnings
from .scorecards import (
    WORKED_SLO,
    WORKED_WORKLOAD,
    Scorecard,
    scorecard,
    worked_spec,
)

__all__ = [
    "ESTIMATED",
    "HOURS_MONTH",
    "MAX_FRACTION",
    "WORKED_SLO",
    "WORKED_WORKLOAD",
    "BreakEven",
    "Card",
    "Check",
    "Fleet",
    "Limit",
    "Observed",
    "Scorecard",
    "Search",
    "api_usd_mtok",
    "break_even",
    "card",
    "estimated_users",
    "fleet",
    "least_fraction",
    "limits",
    "most_users",
    "scaled",
    "scorecard",
    "search",
    "warnings",
    "worked_spec",
]
