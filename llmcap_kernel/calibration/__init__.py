"""Estimates: fitted efficiencies, and intervals from measurements left out of the fit.

An estimate uses the same law as the ceiling, with shares and latencies in two layers. The share of
a card's rates that a kernel reaches is measured on timed kernels, by format and chip family:
`catalog/reach.toml`. What a whole program adds to that, some fifty numbers, is fitted to published
benchmarks: `catalog/calibration.toml`. It has values for servers and for programs that run a loop
of their own, and factors for some engines, vendors and chip families. An engine is always one or
the other, however many users it has.

The interval of an estimate contains four of five measurements of a source that was left out of
both the fit and the interval's width. It is wider for an engine or a chip family that nobody
measured: `ignorance`. `use` reads somebody's own measurements of an engine, which move its
estimates and narrow their intervals.
"""

from .efficiencies import (
    ANY,
    EAGER,
    KERNELS,
    LAUNCHED,
    LOOP,
    SERVER,
    Composition,
    before_fit,
    composed,
    compositions,
    efficiency_for,
    efficiency_of,
    kernel_shares,
    keys,
    nearest_format,
    published_efficiency,
    shifted,
    slowed,
)
from .fitted import FILE, cache_until_reload, reload, table
from .intervals import (
    ASSUMED_SHAPE,
    IGNORANCE,
    WIDE,
    Estimate,
    Estimates,
    estimates,
    ignorance,
    rows_behind,
)
from .metrics import METRICS, Metric, in_a_loop, kind
from .own import Own, own_of, use, using
