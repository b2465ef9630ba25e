"""A float in gives a float out; an array in gives the same numbers as an array."""

import subprocess
import sys

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import bandwidth, capacity, catalog, design, law, numeric

from .strategies import deployments

values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6)


@pytest.mark.parametrize("name", ["minimum", "maximum"])
@given(values, st.floats(-1e6, 1e6))
def test_pairs_agree(name, many, one):
    helper = getattr(numeric, name)
    assert list(helper(numpy.array(many), one)) == [helper(x, one) for x in many]


@pytest.mark.parametrize("name", ["floor", "ceil"])
@given(values)
def test_rounding_agrees(name, many):
    helper = getattr(numeric, name)
    assert list(helper(numpy.array(many))) == [helper(x) for x in many]


@settings(max_examples=40)
@given(deployments(), st.lists(st.integers(1, 100_000), min_size=2, max_size=5))
def test_a_step_over_arrays_equals_the_steps_one_by_one(deployment, contexts):
    users = [1 + i * 7 for i in range(len(contexts))]
    swept = bandwidth.decode_step(
        deployment,
        context_tokens=numpy.array(contexts, float),
        concurrency=numpy.array(users, float),
    )
    single = [
        bandwidth.decode_step(deployment, context_tokens=c, concurrency=u).total_s
        for c, u in zip(contexts, users, strict=True)
    ]
    assert swept.total_s == pytest.approx(single, rel=1e-12)
    swept_kv = capacity.kv_sequence_bytes(deployment, numpy.array(contexts))
    assert swept_kv == pytest.approx([capacity.kv_sequence_bytes(deployment, c) for c in contexts])


def test_scalars_give_scalars():
    b = design.worked_spec()[1]
    assert isinstance(bandwidth.decode_step(b, context_tokens=8000).total_s, float)
    assert isinstance(capacity.max_concurrent(b, 8000), int)
    assert isinstance(
        law.roofline_s(flops=1.0, bytes_moved=1.0, flop_s=1.0, bandwidth_bytes_s=1.0), float
    )


SCORECARD = "from llmcap_kernel.cli import main; main(['scorecard', '--json', '--explain'])"


def test_the_numbers_are_the_same_with_numpy_absent():
    without = "import sys; sys.modules['numpy'] = None\n" + SCORECARD
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for code in (SCORECARD, without)
    ]
    assert outputs[0].stdout == outputs[1].stdout != ""


def test_a_scalar_answer_never_imports_numpy():
    code = SCORECARD + "\nimport sys; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_catalogue_names_are_python_values():
    assert all(isinstance(name, str) for name in catalog.gpus())
