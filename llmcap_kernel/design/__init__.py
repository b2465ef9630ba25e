"""Stage 5, design: from an SLO and a budget to a deployment, and the reasons for it.

Each limit is compared with what can be expected, and the one with the least
headroom binds. A scorecard compares two to four deployments; a search tries many
and records why each of the others was rejected.
"""

from .cards import MAX_FRACTION, Card, card, least_fraction
from .copies import Choice, card_at_rate
from .energy import BASIS as ENERGY_BASIS
from .energy import Energy, energy
from .engines import Evidence, by_engine, evidence
from .fleets import HOURS_MONTH, BreakEven, Fleet, api_usd_mtok, break_even, fleet
from .held import held_format
from .limits import (
    VERDICTS,
    Limit,
    expected,
    limit_title,
    limits,
    room,
    tail_label,
)
from .notes import Note, warnings
from .pace import PACE, paced
from .reasons import Reason
from .requests import requests_within
from .scorecards import WORKED_SLO, WORKED_WORKLOAD, Scorecard, scorecard, worked_spec
from .search import Search, search
from .space import Quality, Space, space
from .trade_offs import Change, Relaxation, TradeOff, relaxations, trade_offs
from .users import most_users_load, most_words, users_within, why_no_faster, why_no_more
