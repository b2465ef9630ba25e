"""Names as people spell them, and the record of the catalogue that each means.

`models`, `formats`, `cards` and `engines` each read one kind of name. What a name leaves open is
said beside the match (`Found`); an unknown name is reported, never guessed.
"""

from .cards import card, cards, count_of, memory_of, nearest
from .engines import engine_record, family, nearest_version
from .formats import checkpoint_format, kv_format, weight_format
from .found import UNKNOWN, Found
from .models import model_name

__all__ = [
    "UNKNOWN",
    "Found",
    "card",
    "cards",
    "checkpoint_format",
    "count_of",
    "engine_record",
    "family",
    "kv_format",
    "memory_of",
    "model_name",
    "nearest",
    "nearest_version",
    "weight_format",
]
