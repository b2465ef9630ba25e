"""Where the model is known to be weak: rules that fire before anything is measured.

A failure mode is a rule on the deployment and its load, nothing else, so it can be shown beside
a prediction. How much a mode matters is counted, not guessed: `evidence` compares the error of
the measured rows on which a rule fires with that of the rows of the same regimes on which it does
not. A mode that turns out small stays in the table, with that verdict. `DOUBTS` are separate from
the modes: there the measured row may be wrong, and not the law. The column `doubt` of a row names
the doubts about it.
"""

from .doubts import DOUBTS, Doubt, doubts
from .errors import Compared, Evidence, evidence, speed_ratio
from .modes import (
    FAILURE_MODES,
    LONG_CONTEXT_TOKENS,
    MODES,
    MOE_SMALL_BATCH,
    Case,
    Mode,
    failure_modes,
    mode,
)
