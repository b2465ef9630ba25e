"""Estimates: fitted efficiencies, and intervals from measurements left out of the fit.

The law is the same as at the ceiling. Added are shares and latencies in two layers. What a kernel
reaches of its card's rates is measured on timed kernels, by format and chip family:
`catalog/reach.toml`. What a whole program adds to that, some fifty numbers, is fitted to published
benchmarks, `catalog/calibration.toml`: values for programs that serve many users and for those
that run a loop of their own, and factors for some engines, vendors and chip families. An engine is
one or the other, however many users it has.

The interval of an estimate contains four of five measurements of a source that neither the fit nor
the width has seen. An engine or a chip family that nobody measured widens it: `ignorance`. Who has
measured an engine of their own says so with `use`: the estimate of it moves, and is surer.
"""

from .efficiencies import (
    ANY,
    EAGER,
    KERNELS,
    LAUNCHED,
    LOOP,
    SERVER,
    Step,
    before_fit,
    composed,
    efficiency_for,
    efficiency_of,
    kernel_shares,
    keys,
    nearest_format,
    shifted,
    slowed,
    steps,
    strangers_efficiency,
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
