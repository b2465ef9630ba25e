"""A row for the catalogue: one that is right, and every way to get it wrong."""

import json
import re
from pathlib import Path

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.catalog import FOLDER, check
from llmcap_kernel.cli import main
from llmcap_kernel.refuse import BadInput

ROOT = Path(__file__).parents[2]
# The row that CONTRIBUTING.md shows.
CARD = re.search(r"```toml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S)[1]
MODEL = """
[models.tiny-llama]
title = "Tiny Llama"
config = "tiny.json"
source = "https://vendor.example/config.json"
date = 2026-11-26
aliases = ["vendor/tiny"]
published_params = { value = 8.03e9, source = "https://vendor.example" }
"""
CONFIG = {
    **{"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "vocab_size": 128256},
    **{"num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336},
    "max_position_embeddings": 131072,
}


@pytest.fixture
def configs(tmp_path):
    (tmp_path / "tiny.json").write_text(json.dumps(CONFIG))
    return tmp_path


def test_a_card_is_read_as_it_is_written():
    (card,) = check.rows(CARD)
    assert (card.name, card.title) == ("x1", "My Vendor X1 96GB")
    assert (card.bandwidth_bytes_s, card.flop_s["bf16"]) == (2.4e12, 500e12)
    assert catalog.read_gpu(CARD) == card  # as --gpu-file takes it


def test_a_model_is_counted(configs):
    """Llama 3.1 8B has 8 030 261 248 parameters by transformers' own count."""
    (model,) = check.rows(MODEL, configs)
    assert (model.name, model.params) == ("tiny-llama", 8_030_261_248)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("power_w = {", "power = {"), "power_w is missing: a card has"),
        (('{ value = 400, source = "my-vendor", kind = "datasheet" }', "400"), "where it is from"),
        (('96e9, source = "my-vendor"', '96e9, source = "my-vendr"'), "mean my-vendor?"),
        (
            (
                '400, source = "my-vendor", kind = "datasheet"',
                '400, source = "my-vendor", kind = "guess"',
            ),
            "It takes datasheet, measured",
        ),
        ((', note = "one way"', ""), "derived and has no note: it takes the arithmetic"),
        (("https://vendor.example/x1.pdf", "the leaflet"), "it takes an address"),
        (("date = 2026-11-26", 'date = "today"'), "it takes a day"),
        (('title = "My vendor', 'name = "My vendor'), "title is missing: a source my-vendor"),
        (('family = "hopper"', 'family = "hoper"'), "mean hopper"),
        (('["x1-96gb"]', '["H100"]'), "which is h100-sxm"),
        (("[gpus.x1", "[gpus.X1"), "lower-case letters"),
        (("value = 2.4e12", "value = 2400"), "bytes/s"),
        (("102e9", "95"), "memory_visible_bytes is 95"),
        (("bf16 = {", "bf17 = {"), "bf16"),
    ],
)
def test_a_card_that_lacks_something_is_told_what(change, told):
    assert change[0] in CARD
    with pytest.raises(BadInput, match=r"^gpus\.[xX]1: [^\n]*$") as caught:
        check.rows(CARD.replace(*change))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("tiny.json", "tny.json"), "is not in"),
        (("title", "name"), "title is missing"),
        (("https://vendor.example/config.json", "a friend"), "it takes an address"),
        (("8.03e9", "8.9e9"), "published_params is 8.9e+09, and the config has 8.03e+09"),
        (("vendor/tiny", "meta-llama/Llama-3.1-8B"), "which is llama-3.1-8b"),
        (("date = 2026-11-26", "date = 2026"), "it takes a day"),
    ],
)
def test_a_model_that_lacks_something_is_told_what(configs, change, told):
    assert change[0] in MODEL
    with pytest.raises(BadInput, match=r"^models\.tiny-llama: [^\n]*$") as caught:
        check.rows(MODEL.replace(*change), configs)
    assert told in str(caught.value)


def test_a_config_without_a_field_is_told_which(configs):
    lacking = {k: v for k, v in CONFIG.items() if k != "vocab_size"}
    (configs / "tiny.json").write_text(json.dumps(lacking))
    with pytest.raises(BadInput, match=r"models\.tiny-llama: .*vocab_size"):
        check.rows(MODEL, configs)


@pytest.mark.parametrize(
    "text", ["", "x = 1", "gpus = 3", "[gpus]\nx = 1", "[", "[models]", "\x00"]
)
def test_what_is_no_row_is_refused(text):
    with pytest.raises(BadInput, match=r"^[^\n]*$"):
        check.rows(text)


def test_a_count_agrees_as_its_publisher_rounded_it():
    """Qwen3.5 9B: "9B" stands for 9.41e9. Four digits are held to a hundredth."""
    assert check._agrees(9.41e9, 9e9) and not check._agrees(9.51e9, 9e9)
    assert check._agrees(3.276e10, 3.28e10) and not check._agrees(3.276e10, 3.2e10)


def test_the_command_says_what_a_row_is_and_ends_with_two_where_it_lacks(tmp_path, capsys):
    path = tmp_path / "row.toml"
    path.write_text(CARD)
    assert main(["check", str(path)]) == 0
    assert "x1: 95 GiB, 2.4 TB/s, 500 TFLOP/s in bf16" in capsys.readouterr().out
    assert main(["check", str(path), "--markdown"]) == 0
    assert "| card | x1 | 95 GiB, 2.4 TB/s" in capsys.readouterr().out
    path.write_text(CARD.replace("power_w", "power"))
    assert main(["check", str(path)]) == 2
    assert re.fullmatch(r"llmcap: gpus\.x1: power_w is missing: .*\n", capsys.readouterr().err)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert main(["check", str(tmp_path / "config.json")]) == 0
    assert "8.03 B parameters" in capsys.readouterr().out


def test_the_catalogue_is_as_it_takes_rows(capsys):
    for name, least in (("gpus.toml", 200), ("models.toml", 190)):
        assert len(check.rows((FOLDER / name).read_text("utf-8"))) >= least


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name=1", "file has no row, but 'name': it takes tables [gpus.NAME] or [models.NAME]."),
        ("[gpus.mine]\nname=1", "gpus.mine: card name is 1: it takes a name."),
        (
            '[gpus.mine]\nname="x"',
            "gpus.mine: vendor is missing: "
            "so are family, form, place, aliases and 10 more of a card.",
        ),
    ],
)
def test_check_says_what_is_wrong_before_what_is_missing(tmp_path, capsys, text, told):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    assert main(["check", str(path)]) == 2
    assert capsys.readouterr().err == f"llmcap: {told}\n"
