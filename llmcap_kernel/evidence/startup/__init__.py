"""Start-ups: what an engine was started with and what it said of its memory, beside the ledger.

A start-up comes from a row in the columns of `benchmarks/memory.csv`, or from the text of a log
(`logs`). Everything is a card's, of the card that holds the most, and in bytes.
"""

from .ledgers import Beside, Term, beside, context_tokens, ledger, sequences
from .meaning import ACCEPT, built, deployment, meant, reason
from .rows import DOUBTS, SIZED_BY_CONTEXT, StartUp, read, row
