"""Input records: model, card, engine, formats, topology, workload and limits.

Every record is frozen and validates its fields when it is built; an error names
the field, the value given and the values accepted. Units are bytes, seconds, FLOP,
tokens and US dollars. These are the facts a prediction starts from; everything
computed from them is in the other modules.
"""

from .cards import COMPUTE, MAX_GPUS, PLACES, UNPACKED, Gpu
from .deployments import RECORDS, Deployment, Lora, Speculation
from .efficiencies import CEILING, LATENCIES, PARTS, SHARES, Efficiency
from .engines import LEAST_FRACTION, MOST_BATCHED, SERVERS, BatchLimits, Engine
from .formats import WIDE, Format
from .loads import TAILED, USUAL_LOAD, Slo, Tail, Workload, lengths_of, tail_name, usual_load
from .models import (
    ATTENTION_KINDS,
    MAX_TOKENS,
    NO_CONFIG,
    ROLES,
    SPLITS,
    Attention,
    DeclaredKv,
    Model,
    Tensor,
)
