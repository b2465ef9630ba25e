"""Fitting the efficiencies of `calibration` to measured rows: the `llmcap calibrate` command.

Every prediction is the kernel's own: the work of each row is computed once, rows are stacked into
arrays, and the law times them all at once. The fit is robust (a few wrong labels do not change it)
and small: `problem.FREE` lists its numbers. Intervals come from predictions of rows whose source
had been left out.
"""

from .leaving import LeftOut, folds, left_out
from .problem import FREE, Sets, Stack, efficiency, errors, shipped, solve
from .rows import DOUBTED, EVERY_LABEL, TEST, Sample, label, samples, weight
from .table import calibrate, keep_sources
from .widths import Miss, Widths, coverage, misses, shipped_widths, widths

__all__ = [
    *("DOUBTED", "EVERY_LABEL", "FREE", "TEST", "LeftOut", "Miss", "Sample", "Sets", "Stack"),
    *("Widths", "calibrate", "coverage", "efficiency", "errors", "folds", "keep_sources"),
    *("label", "left_out", "misses", "samples", "shipped", "shipped_widths", "solve", "weight"),
    "widths",
]
