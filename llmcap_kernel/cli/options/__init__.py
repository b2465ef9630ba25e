"""Options that commands share, by subject, and how their values are read."""

from .columns import add_columns, read_column, read_columns
from .deployment import (
    add_cards,
    add_engine,
    add_gpu_file,
    add_model,
    add_own,
    add_price,
    read_chosen,
    read_deployment,
    read_model,
    read_own_cards,
)
from .limits import add_limits, no_pace, read_limits
from .load import LENGTHS, LOAD, add_load, add_rate, by_default, rate_of, read_load, read_rate
from .output import add_output
from .parser import Parser, as_typed
from .values import given, read_number
