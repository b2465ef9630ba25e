"""Stage 1, the law: bytes moved and FLOP computed for one token.

A decode step reads the weights once for the whole batch and the KV cache of
every sequence, and multiplies each token with every active weight. The roofline
takes the longer of the two. `formulas` and `experts` take plain numbers or arrays; the others read
the numbers from a `Model` or a `Deployment`.
"""

from .attention import attention_flops_per_token, prefill_attention_flops, prefill_scores
from .cache import (
    SPREAD,
    kv_bytes_per_sequence,
    kv_elements,
    kv_layer_bytes,
    kv_read_bytes_per_sequence,
    kv_record_bytes,
    kv_shared_bytes,
    state_bytes,
    tokens_read,
    tokens_stored,
)
from .experts import experts_touched, experts_touched_at_random, routing_load
from .formulas import (
    arithmetic_intensity,
    attention_flops,
    gqa_elements_per_token,
    matmul_flops,
    mla_elements_per_token,
    ridge_point,
    roofline_s,
)
from .weights import (
    Weights,
    has_matvec,
    lora_params,
    matvec_columns,
    rounding_bytes,
    weight_bytes,
    weights_of,
)
