"""Sweeps: one quantity along one variable, and where an answer changes along it.

The variables of a load are whole numbers of users, of tokens and of requests an hour. So
one deployment overtakes another, misses a limit or runs out of room at a whole number,
which bisection finds exactly.
"""

from .along import (
    HOUR_S,
    OBSTACLES,
    QUANTITIES,
    VARIABLES,
    Quantity,
    curve,
    limit_on,
    load_at,
    measure,
    obstacle,
    quantity_of,
    rate_at,
    usual_range,
)
from .turns import (
    Lead,
    Turn,
    crossings,
    leaders,
    leads,
    too_close,
    turns,
    unsettled,
    whole_stops,
)
