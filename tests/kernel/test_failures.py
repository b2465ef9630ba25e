"""Failure modes: rules on a deployment and its load, and what the rows say of each."""

from types import SimpleNamespace

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.evidence import compare, weak_spots

from .measured import ROWS, rows

QUIET = (1000, 100, 16, "batched_decode")


def fires(load, family="vllm", metric="", assumed=(), **change):
    names = {"model": "llama-3.1-8b", "gpu": "h100-sxm", **change}
    d = catalog.deployment(**names)
    return weak_spots.failure_modes(d, family, *load, metric=metric, assumed=assumed)


@pytest.mark.parametrize(
    ("change", "load", "wanted"),
    [
        ({}, QUIET, ()),
        ({"model": "mixtral-8x7b"}, (1000, 100, 4, "moe_small_batch"), ("moe-small-batch",)),
        ({"model": "mixtral-8x7b"}, (1000, 100, 32, "batched_decode"), ()),
        ({"model": "mixtral-8x7b"}, (1000, 100, 4, "prefill"), ()),
        ({"model": "mixtral-8x7b", "tp": 2}, QUIET, ("moe-vllm",)),
        ({}, (None, None, None, "throughput_max"), ("underspecified",)),
        ({}, (1000, 100, None, "throughput_max"), ("underspecified",)),
        ({}, (1000, None, None, "prefill"), ()),
        ({}, (None, None, None, "capacity"), ()),
        ({}, (33_000, 100, 1, "batch1_decode"), ("long-context",)),
        ({}, (1000, 100, 16, "prefill_serving"), ("first-token-under-load",)),
        ({}, (1000, 100, 1, "prefill_serving"), ()),
        ({}, (20_000, 1000, 64, "batched_decode"), ("cache-full",)),
        ({"family": "mlc"}, (20_000, 1000, 64, "batched_decode"), ()),
        ({}, (20_000, 1000, 1, "batched_decode"), ()),
        ({"gpu": "apple-m2-max"}, (1000, 100, 1, "batch1_decode"), ("apple-silicon",)),
        ({"gpu": "gb10"}, (1000, 100, 1, "batch1_decode"), ("gb10",)),
        ({"weights": "gguf-q4-k-m"}, (1000, 100, 1, "batch1_decode"), ("gguf-data-centre",)),
        ({"weights": "gguf-q4-k-m", "gpu": "rtx-4090"}, (1000, 100, 1, "batch1_decode"), ()),
        ({"model": "qwen3.5-397b-a17b", "tp": 8, "family": "sglang"}, QUIET, ("new-attention",)),
        ({"family": "transformers"}, QUIET, ("python-engine",)),
        ({"family": "trtllm", "gpu": "b200-sxm"}, QUIET, ("trtllm-blackwell",)),
        ({"family": "trtllm"}, QUIET, ()),
        (
            {"family": "llama.cpp", "gpu": "rtx-4090", "weights": "gguf-f16"},
            (512, None, 1, "prefill"),
            ("gguf-16-bit-prompt",),
        ),
        (
            {"model": "gemma-3-12b", "metric": "kv_cache_tokens"},
            (None, None, None, "capacity"),
            ("window-cache",),
        ),
        ({"model": "gemma-3-12b"}, (None, None, None, "capacity"), ()),
    ],
)
def test_a_mode_fires_from_the_deployment_and_its_load_alone(change, load, wanted):
    assert fires(load, **change) == wanted


def test_an_assumed_card_is_underspecified():
    assert fires(QUIET, assumed=("a",)) == ("underspecified",)


def test_the_worked_spec_has_no_failure_mode():
    spec = {"model": "llama-3.1-70b", "tp": 2, "weights": "fp8", "kv": "fp8"}
    assert fires((7000, 1000, 16, "batched_decode"), **spec) == ()


def test_every_mode_is_told_in_full():
    assert len(set(weak_spots.FAILURE_MODES)) == len(weak_spots.MODES)
    for mode in weak_spots.MODES:
        for text in (mode.wrong, mode.advice):
            assert text.endswith(".") and len(text) < 220


def row(name, measured, predicted, metric="itl_ms", modes=(), source="s", inside=True):
    return SimpleNamespace(
        id=name,
        metric=metric,
        regime="r",
        measured=measured,
        predicted=predicted,
        error=abs(predicted / measured - 1),
        inside=inside,
        failure_modes=modes,
        source=source,
        left_out=(None, None, 2 * predicted),
    )


def test_evidence_is_counted_with_its_sign_and_its_like():
    some = [
        row("a", 10.0, 5.0, modes=("gb10",)),  # half the time: twice too fast
        row("b", 10.0, 5.0, modes=("gb10",)),
        row("c", 100.0, 25.0, "prefill_tok_s", modes=("gb10",), source="t", inside=False),
        row("d", 10.0, 9.0),
        row("e", 10.0, 0.0),  # nothing to compare
    ]
    (e,) = weak_spots.evidence(some, ("gb10",))
    assert (e.rows, e.off, e.error) == (3, 0.5, 0.5)
    assert e.alike == pytest.approx(0.1) and e.inside == pytest.approx(2 / 3)
    assert e.worst[0] == "c" and not e.is_small
    assert e.unseen == 0.0  # the left-out predictions of two are right
    assert e.sources == ()  # fewer than three rows name no source


def test_a_mode_no_worse_than_its_like_is_small():
    some = [row(f"a{i}", 10.0, 8.0, modes=("gb10",)) for i in range(3)]
    some += [row(f"b{i}", 10.0, 8.2) for i in range(3)]
    (e,) = weak_spots.evidence(some, ("gb10",))
    assert e.is_small and e.sources == (("s", 3, pytest.approx(0.2)),)


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("odd-lengths", ("odd-lengths",)),
        ("token-position;odd-lengths", ("token-position", "odd-lengths")),
        (" odd-lengths ; odd-lengths;", ("odd-lengths",)),
        ("somebody's own word; activation-peak", ("activation-peak",)),
        ("", ()),
        (None, ()),
        (["odd-lengths"], ()),
        (3.5, ()),
    ],
)
def test_doubts_are_the_known_names_of_a_column(cell, wanted):
    assert weak_spots.doubts({"id": "m1", "doubt": cell}) == wanted
    assert weak_spots.doubts({"id": "m1"}) == ()


def test_a_mode_without_rows_says_so():
    (e,) = weak_spots.evidence([row("d", 10.0, 9.0)], ("gb10",))
    assert (e.rows, e.error, e.is_small) == (0, None, False)


def test_every_mode_and_every_doubt_is_shown_by_measured_rows():
    made = compare.run(ROWS).compared
    assert all(e.rows for e in weak_spots.evidence(made))
    newer = (line.fields for line in compare.results.read(ROWS.with_name("newer.csv")))
    seen = {name for r in (*rows(), *newer) for name in weak_spots.doubts(r)}
    assert seen == {doubt.name for doubt in weak_spots.DOUBTS}
