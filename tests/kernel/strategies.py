"""Hypothesis strategies: valid deployments and loads, and nonsense of every kind."""

from hypothesis import strategies as st

from llmcap_kernel import catalog
from llmcap_kernel.spec import Efficiency, Workload

MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-32b", "mixtral-8x7b", "deepseek-v3")
GPUS = ("h100-sxm", "h200-sxm", "a100-sxm-80gb", "b200-sxm", "mi300x", "l40s")


@st.composite
def deployments(draw, models=MODELS, gpus=GPUS, tps=(1, 2, 4, 8)):
    tp = draw(st.sampled_from(tps))
    return catalog.deployment(
        model=draw(st.sampled_from(models)),
        gpu=draw(st.sampled_from(gpus)),
        tp=tp,
        pp=draw(st.sampled_from((1, 2, 4))),
        weights=draw(st.sampled_from(("bf16", "fp8", "int4-awq"))),
        kv=draw(st.sampled_from(("bf16", "fp8"))),
        dp_attention=draw(st.booleans()) if tp > 1 else False,
        memory_fraction=draw(st.floats(0.5, 0.98)),
    )


workloads = st.builds(
    Workload,
    input_tokens=st.integers(1, 60_000),
    output_tokens=st.integers(1, 8000),
    concurrency=st.integers(1, 512),
)

shares = st.floats(0.05, 1.0)
times = st.floats(0, 1e-3)
efficiencies = st.builds(Efficiency, shares, shares, shares, shares, times, times, times)

nonsense = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.booleans(),
    st.floats(allow_nan=True, allow_infinity=True).filter(lambda x: not 0 < x < 1e300),
    st.integers(max_value=0),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.complex_numbers(),
    st.binary(max_size=8),
)
