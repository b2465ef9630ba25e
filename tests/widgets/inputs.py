"""What an input of a calculator takes, for tests that try any state."""

from hypothesis import strategies as st

from llmcap_kernel.catalog import FOLDER
from widgets.form import packed, pasted

CONFIGS = tuple(
    pasted.read((FOLDER / "configs" / f"{name}.json").read_text("utf-8"))
    for name in ("Qwen__Qwen3-8B", "deepseek-ai__DeepSeek-V3")
)
# What Validate hands on of a reader's rows.
LEARNT = packed.pack(
    '{"vllm":{"chips":["hopper"],"deployments":2,"factor":1.1,"intervals":{},"rows":9}}'
)


def values(field):
    """Any value an input takes."""
    if field.kind == "name":
        return st.sampled_from(sorted(field.names()))
    if field.kind == "yes":
        return st.booleans()
    if field.kind == "config":
        return st.none() | st.sampled_from(CONFIGS)
    if field.kind == "code":
        return st.none() | st.just(LEARNT)
    if field.kind == "number":
        number = st.floats(field.low, field.high, allow_nan=False)
    else:
        number = st.integers(int(field.low), int(field.high))
    return number | st.none() if field.optional or field.default is None else number


def states(form):
    """Any state of a calculator, whether its parts go together or not."""
    return st.fixed_dictionaries({field.name: values(field) for field in form.fields})
