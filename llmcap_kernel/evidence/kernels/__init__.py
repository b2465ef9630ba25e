"""Kernel timings as evidence: read, predicted by a formula a kind, and scored.

`rows.py` reads files, `kinds.py` turns a row into the work of its kernel, `formulas.py` times it,
`constants.py` has the constants by chip family and format, `fitting.py` fits them, `scores.py`
puts predicted beside measured.
"""

from .constants import ceiling_s, constants_of, kernel_s, predicted_s
from .rows import DOUBTS, Timing, read, read_folder, recognises
from .scores import Report, report

KNOWN = (
    "timings of kernels: a CSV with card, latency_us, and m, n, k or the columns of attention, "
    "experts or collectives that aiconfigurator writes"
)
