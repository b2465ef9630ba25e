"""What was timed after the constants stood: it is in no fit, and what it says of the law."""

import ast
import csv
import json
from pathlib import Path

import pytest

from benchmarks import accuracy, proof, timed
from llmcap_kernel.evidence import fit, kernels
from llmcap_kernel.evidence.kernels.kinds import KINDS
from widgets.pages import proof_page

HERE = Path(timed.__file__).parent
FILES = sorted(HERE.glob("timed_*.csv"))


def test_no_fit_reads_them():
    assert len(FILES) == len(timed.KERNELS) + 2
    assert not {path.name for path in FILES} & {Path(path).name for path in accuracy.ROWS}
    ids = {fields["id"] for fields, _ in timed.timed.scored()}
    assert not ids & {row.id for row in fit.samples(*accuracy.ROWS)}


def test_every_row_is_predicted():
    assert all(row.skipped is None for _, row in timed.timed.scored())
    for name in timed.KERNELS:
        read = kernels.read((HERE / f"timed_{name}.csv").read_text("utf-8"))
        assert read.timings
        assert not read.skipped


def test_the_page_of_proof_says_what_the_law_says_today():
    """After a change of the law: `python benchmarks/proof.py --only timed`."""
    held = proof_page.proof.held()["timed"]["measured"]
    assert held == json.loads(json.dumps(proof.rounded(timed.measured())))


# Medians as first scored, on the day they were timed, rounded up: a change of the law that makes
# these rows worse has to say so here.
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("one user", 0.05),
        ("8 to 128 users", 0.05),
        ("prompts of 2,048 tokens and more", 0.05),
    ],
)
def test_models_are_as_far_off_as_when_they_were_timed(name, most):
    assert timed.models()[name]["median"] < most


def test_products_are_as_far_off_as_when_they_were_timed():
    found = timed.alone()
    assert found["matrix product, bf16"]["median"] < 0.05
    assert found["matrix product, fp8"]["median"] < 0.13


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("first token", 0.08),
        ("gap between tokens", 0.07),
        ("mean gap of an answer", 0.08),
        ("whole answer", 0.10),
    ],
)
def test_the_step_loop_is_as_far_off_as_when_requests_were_timed(name, most):
    """Its steps and its order of prompts were as they are before the first request came."""
    assert timed.serving()[f"{name}, step loop"]["median"] < most


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("first token", 0.13),
        ("gap between tokens", 0.09),
        ("mean gap of an answer", 0.12),
        ("whole answer", 0.12),
    ],
)
def test_the_closed_form_is_near_what_was_timed(name, most):
    assert timed.serving()[f"{name}, closed form"]["median"] < most


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (("decode_tok_s_per_user", "1", "8192"), "one user"),
        (("decode_tok_s_per_user", "8", "512"), "8 to 128 users"),
        (("prefill_tok_s", "1", "512"), "shorter prompts"),
        (("prefill_tok_s", "1", "2048"), "prompts of 2,048 tokens and more"),
    ],
)
def test_groups(fields, name):
    names = ("metric", "concurrency", "input_tokens")
    assert timed.group(dict(zip(names, fields, strict=True))) == name


@pytest.mark.parametrize(
    ("file", "needed"),
    [
        ("time_card.py", {"argparse", "csv", "itertools", "statistics", "time", "torch"}),
        (
            "time_serving.py",
            {"argparse", "csv", "itertools", "random", "time", "torch", "time_card"},
        ),
    ],
)
def test_what_times_a_card_needs_nothing_of_ours(file, needed):
    """It is copied to a machine that has PyTorch alone, so it is read here and not imported."""
    tree = ast.parse((HERE / file).read_text("utf-8"))
    taken = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        node.module.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert taken - {"collections", "datetime", "pathlib", "typing"} == needed


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("products", "product"),
        ("decode_attention", "decode_attention"),
        ("prefill_attention", "prefill_attention"),
        ("experts", "experts"),
    ],
)
def test_files_have_the_columns_of_their_kind(name, kind):
    with (HERE / f"timed_{name}.csv").open(newline="") as file:
        header = next(csv.reader(file))
    assert set(KINDS[kind].columns) <= set(header)
