"""Names as people spell them, and the record of the catalogue that each means.

`models`, `formats`, `cards` and `engines` each read one kind of name. What a name leaves open is
said beside the match (`Found`); an unknown name is reported, never guessed.
"""

from .caches import kv_format
from .cards import card, cards, count_of, listed, memory_of, nearest
from .engines import (
    UNFUSED,
    Program,
    engine_record,
    family,
    launches,
    nearest_version,
    program,
    release,
    timed_as,
    version_in,
    version_on,
)
from .formats import QAT_QUANT, USUAL_QUANT, checkpoint_format, is_tag, read_format, weight_format
from .found import UNKNOWN, Found
from .models import model_name
from .models import read as read_model
from .spelled import split

__all__ = [
    "QAT_QUANT",
    "UNFUSED",
    "UNKNOWN",
    "USUAL_QUANT",
    "Found",
    "Program",
    "card",
    "cards",
    "checkpoint_format",
    "count_of",
    "engine_record",
    "family",
    "is_tag",
    "kv_format",
    "launches",
    "listed",
    "memory_of",
    "model_name",
    "nearest",
    "nearest_version",
    "program",
    "read_format",
    "read_model",
    "release",
    "split",
    "timed_as",
    "version_in",
    "version_on",
    "weight_format",
]
