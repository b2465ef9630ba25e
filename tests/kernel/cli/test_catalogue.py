"""`llmcap models|gpus|formats|engines|prices`: found as remembered, with their sources."""

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.cli.matching import ranked

from .plain import strict, unwrapped


def names(out):
    """The first column of a table, without its heading."""
    return [line.split()[0] for line in out.splitlines()[1:] if line and line[0] != "N"]


@pytest.mark.parametrize("kind", catalog.KINDS)
def test_without_words_everything_is_listed(run, kind):
    status, out, err = run(kind)
    told = strict(run(kind, "--json")[1])
    assert (status, err) == (0, "")
    assert [row["name"] for row in told] == names(out)
    assert set(getattr(catalog, kind)()) <= {row["name"] for row in told}


def test_a_row_has_what_one_chooses_by(run):
    card = next(r for r in strict(run("gpus", "--json")[1]) if r["name"] == "h200-sxm")
    gpu = catalog.gpu("h200-sxm")
    assert card["memory_visible_bytes"] == gpu.memory_visible_bytes
    assert card["bandwidth_bytes_s"] == gpu.bandwidth_bytes_s and card["usd_h"] == gpu.usd_h
    assert (card["flop_s_16_bits"], card["flop_s_fp8"]) == (gpu.flop_s["bf16"], gpu.flop_s["fp8"])
    line = next(line for line in run("gpus")[1].splitlines() if line.startswith("h200-sxm"))
    assert unwrapped(line) == "h200-sxm 140 GiB 4.8 TB/s 989 TFLOP/s 1.98 PFLOP/s $4.50/h"
    for heads, kind in (
        ("model params active context own format released", "models"),
        ("card rent taken provider term region date", "prices"),
    ):
        assert unwrapped(run(kind, columns=120)[1].splitlines()[0]) == heads


def test_h200_finds_the_cards_of_that_name_first(run):
    found = names(run("gpus", "h200")[1])
    assert found[:2] == ["h200-nvl", "h200-sxm"]
    assert all("h200" in name for name in found)


@pytest.mark.parametrize(
    ("kind", "words", "first"),
    [
        ("models", "70b llama 3.1", "llama-3.1-70b"),
        ("models", "gtp oss 120", "gpt-oss-120b"),
        ("models", "meta-llama/Llama-3.1-8B", "llama-3.1-8b"),
        ("models", "lama70", "deepseek-r1-distill-llama-70b"),
        ("models", "llama70", "deepseek-r1-distill-llama-70b"),
        ("models", "depseek v3.2", "deepseek-v3.2"),
        ("gpus", "SXM H100", "h100-sxm"),
        ("gpus", "geforce 4090", "rtx-4090"),
        ("formats", "NVFP4", "nvfp4"),
        ("engines", "sgalng", "sglang-0.5"),
        ("gpus", "abacus", None),
    ],
)
def test_words_find_what_is_meant(run, kind, words, first):
    status, out, _ = run(kind, *words.split(), "--json")
    assert (status == 2) if first is None else strict(out)[0]["name"] == first


def test_the_best_kind_of_match_comes_first():
    known = {"b-x": ["a"], "ab": [], "xab": [], "a": [], "a-b": ["other"]}
    assert ranked(["a"], known) == ["a"]
    assert ranked(["a", "b"], known) == ["a-b"]
    assert ranked(["ab"], {**known, "ab-2": []}) == ["ab"]
    assert ranked(["ab"], {"xab": [], "ab-2": []}) == ["ab-2", "xab"]
    assert ranked(["zz"], known) == []
    assert ranked([], known) == list(known)


def test_one_match_has_every_figure_with_its_source(run):
    out = run("gpus", "h200-sxm", columns=100)[1]
    figures = strict(run("gpus", "h200-sxm", "--json")[1])[0]["figures"]
    sourced = catalog.figures("gpus", "h200-sxm")
    assert [f["figure"] for f in figures] == [*sourced, "usd_h"]
    for figure in figures[:-1]:
        said = sourced[figure["figure"]]
        assert (figure["value"], figure["url"]) == (said["value"], said["url"])
        assert figure["figure"] in out and figure["url"] in out and figure["kind"] in out
        assert unwrapped(figure["note"]) in unwrapped(out)


@pytest.mark.parametrize("kind", [*catalog.KINDS, "prices"])
def test_every_record_can_be_shown(run, kind):
    rows = strict(run(kind, "--json")[1])
    for row in rows[:: max(len(rows) // 12, 1)]:
        words = [str(row.get(key, "")) for key in ("name", "gpu", "provider") if row.get(key)]
        status, out, err = run(kind, *words)
        assert status == 0 and out and not err


def test_a_price_is_found_by_its_card_and_its_provider(run):
    rows = strict(run("prices", "runpod", "h100", "--json")[1])
    assert rows and all("RunPod" in r["provider"] and "h100" in r["gpu"] for r in rows)
    assert sum(r["reference"] for r in strict(run("prices", "h100-sxm", "--json")[1])) == 1
