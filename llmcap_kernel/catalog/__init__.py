"""The catalogue: models, cards, formats, engines and prices, each with its source.

The tables are TOML files in this folder; models are `config.json` files in
`configs/`. Lookup ignores case and accepts aliases; the error for an unknown name
suggests the nearest one.
"""

from . import cards, names, origins
from .deployments import deployment
from .names.formats import checkpoint_format
from .records.engines import DEFAULT_ENGINE, engine, engines
from .records.formats import format, formats, named_format
from .records.gpus import (
    add_gpu,
    gpu,
    gpu_file,
    gpus,
    passing_price,
    read_gpu,
    reference_price,
)
from .records.models import changed, changed_config, config, model, models
from .records.sources import figures, provenance
from .tables import FOLDER, OWN_CARDS, key, known, table

KINDS = ("models", "gpus", "formats", "engines")

__all__ = [
    "add_gpu",
    "changed",
    "changed_config",
    "config",
    "deployment",
    "engine",
    "engines",
    "figures",
    "format",
    "formats",
    "gpu",
    "gpu_file",
    "gpus",
    "model",
    "models",
    "named_format",
    "passing_price",
    "provenance",
    "read_gpu",
    "reference_price",
]
