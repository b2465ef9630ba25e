"""Names as people spell them, and the record of the catalogue that each means.

`models`, `formats`, `cards` and `engines` each read one kind of name. What a name leaves open is
said beside the match (`Found`); an unknown name is reported, never guessed.
"""

from .cards import card, count_of
from .engines import Program, engine_record, family, nearest_version, program, release, timed_as
from .formats import checkpoint_format, kv_format, read_format, weight_format
from .found import UNKNOWN, Found
from .models import model_name

__all__ = [
    "UNKNOWN",
    "Found",
    "Program",
    "card",
    "checkpoint_format",
    "count_of",
    "engine_record",
    "family",
    "kv_format",
    "model_name",
    "nearest_version",
    "program",
    "read_format",
    "release",
    "timed_as",
    "weight_format",
]
