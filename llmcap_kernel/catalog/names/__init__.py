"""Names as people spell them, and the record of the catalogue that each means.

`models`, `formats`, `cards` and `engines` each read one kind of name. What a name leaves open is
said beside the match (`Found`); an unknown name is reported, never guessed.
"""

from .cards import card, count_of
from .engines import engine_record, family, nearest_version
from .formats import checkpoint_format, kv_format, weight_format
from .found import UNKNOWN, Found
from .models import model_name
from .models import read as read_model
from .spelled import split

__all__ = [
    "UNKNOWN",
    "Found",
    "card",
    "checkpoint_format",
    "count_of",
    "engine_record",
    "family",
    "kv_format",
    "model_name",
    "nearest_version",
    "read_model",
    "split",
    "weight_format",
]
