"""`llmcap search`: the kernel's search."""

import pytest

from llmcap_kernel import catalog, design

from .plain import strict, unwrapped

LIMITED = ("search", "--model", "llama-3.1-70b", "--gpu", "h100-sxm,h200-sxm")


def test_it_is_the_kernels_search(run):
    told = strict(run(*LIMITED, "--weights", "bf16,fp8", "--json")[1])["rows"]
    made = design.search(
        "llama-3.1-70b",
        design.WORKED_WORKLOAD,
        design.WORKED_SLO,
        gpus=["h100-sxm", "h200-sxm"],
    )
    assert [row["deployment"] for row in told] == [c.deployment.title for c in made.by_hardware]
    assert [row["meets_limits"] for row in told] == [c.meets_all for c in made.by_hardware]


def test_the_answer_names_what_to_run_first(run):
    out = unwrapped(run(*LIMITED)[1])
    best = strict(run(*LIMITED, "--json")[1])["rows"][0]
    assert f"Run {best['deployment']}" in out
    assert out.index("Run ") < out.index("cards weights") < out.index("Why not")


def test_cards_of_data_centres_with_a_rent_are_tried_by_default(run):
    tried = {
        r["gpu"] for r in strict(run("search", "--model", "llama-3.1-8b", "--json")[1])["rows"]
    }
    rented = {n for n in catalog.gpus() if catalog.gpu(n).usd_h}
    assert {"h100-sxm", "mi300x", "l4"} <= tried <= rented
    assert not {n for n in tried if catalog.gpu(n).place != "server"}


@pytest.mark.parametrize(
    ("model", "formats"), [("llama-3.1-8b", {"bf16", "fp8"}), ("gpt-oss-20b", {"mxfp4"})]
)
def test_weights_are_tried_as_the_checkpoint_has_them(run, model, formats):
    argv = ("search", "--model", model, "--gpu", "h100-sxm", "--budget-usd-h", "3", "--json")
    assert {r["weights"] for r in strict(run(*argv)[1])["rows"]} <= formats


def test_nothing_is_an_answer_with_its_reasons(run):
    status, out, _ = run(*LIMITED, "--itl-ms", "1")
    assert status == 0 and "None of" in out and "Why not" in out and "impossible" in out


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_are_limited_in_text_alone(run, rows):
    out = run("search", "--model", "llama-3.1-8b", "--rows", str(rows))[1]
    assert (
        len([line for line in out.splitlines() if line[:1].isdigit() and "x " in line[:4]]) == rows
    )
