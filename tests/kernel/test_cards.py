"""A card from a file, and cards of families that nobody measured."""

import json

import pytest

from llmcap_kernel import calibration, capacity, catalog
from llmcap_kernel.catalog.cards import capped
from llmcap_kernel.catalog.tables import OWN_CARDS
from llmcap_kernel.cli import main
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Workload

CARD = """
name = "my-card"
memory_visible_bytes = 51_527_024_640
bandwidth_bytes_s = 960e9
[flop_s]
bf16 = 364e12
"""


@pytest.mark.parametrize("name", catalog.gpus())
def test_every_card_goes_through_a_file_and_back(name):
    assert catalog.read_gpu(catalog.gpu_file(name)) == catalog.gpu(name)


def test_a_card_needs_few_fields():
    card = catalog.read_gpu(CARD)
    assert (card.title, card.vendor, card.link) == ("my-card", "other", "none")
    assert card.memory_sold_bytes == card.memory_visible_bytes
    as_json = {
        "name": "my-card",
        "memory_visible_bytes": 51_527_024_640,
        "bandwidth_bytes_s": 960e9,
        "flop_s": {"bf16": 364e12},
    }
    assert catalog.read_gpu(json.dumps(as_json)) == card


@pytest.mark.parametrize(
    ("limit_w", "share"), [(0, 1), (140, 0.5), (220, 220 / 280), (280, 1), (300, 1), (350, 1)]
)
def test_a_cap_slows_the_cores_and_not_the_memory(limit_w, share):
    """Multiplying draws four fifths of an RTX 3090's 350 W: 280."""
    card = catalog.gpu("rtx-3090")
    slow = capped(card, limit_w)
    assert slow.flop_s == {k: pytest.approx(v * share) for k, v in card.flop_s.items()}
    assert slow.power_w == (limit_w or 350)
    assert (slow.name, slow.bandwidth_bytes_s) == (card.name, card.bandwidth_bytes_s)


def test_a_record_as_the_catalogue_has_it_is_a_file_too():
    told = '[gpus.mine]\nname = "Mine"\nmemory_visible_bytes = { value = 2e10, source = "x" }\n'
    card = catalog.read_gpu(told + "bandwidth_bytes_s = 5e11\nflop_s = { bf16 = 1e14 }")
    assert (card.name, card.title, card.memory_visible_bytes) == ("mine", "Mine", 2e10)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (("960e9", '"960 GB/s"'), "bandwidth_bytes_s", "bytes/s"),
        (("51_527_024_640", "48"), "memory_visible_bytes", "bytes"),
        (("bandwidth_bytes_s", "bandwith_bytes_s"), "bandwith_bytes_s", "mean bandwidth_bytes_s?"),
        (("bandwidth_bytes_s = 960e9\n", ""), "bandwidth_bytes_s", "missing"),
        (("bf16 = 364e12", "bf17 = 364e12"), "flop_s", "bf16"),
        (("bf16 = 364e12", "bf16 = 364"), "flop_s['bf16']", "FLOP/s"),
        (("[flop_s]\nbf16 =", "flop_s ="), "flop_s", "table of dense FLOP/s"),
        (('"my-card"', "3"), "name", "takes a name"),
        (('"my-card"', '"my card"'), "name", "letters"),
        (("[flop_s]", 'place = "shelf"\n[flop_s]'), "place", "server"),
        (("[flop_s]", 'unified_memory = "no"\n[flop_s]'), "unified_memory", "true or false"),
        (("name = ", "name "), "gpu file", "no TOML"),
    ],
)
def test_a_bad_file_is_told_which_field_and_what_it_takes(change, field, words):
    with pytest.raises(BadInput, match=r"^[^\n]*$") as caught:
        catalog.read_gpu(CARD.replace(*change))
    assert caught.value.field == field and words in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", "3", "name = 1", '{"gpus": 3}', "\x00"])
def test_what_is_no_card_is_refused(text):
    with pytest.raises(BadInput):
        catalog.read_gpu(text)


def test_unequal_cards_are_no_file():
    with pytest.raises(BadInput, match="is 2 cards"):
        catalog.gpu_file("5090 + 4090")


def test_a_card_of_ones_own_is_found_by_its_name(monkeypatch):
    monkeypatch.delitem(OWN_CARDS, "my-card", raising=False)
    catalog.add_gpu(catalog.read_gpu(CARD))
    assert catalog.gpu("My-Card").bandwidth_bytes_s == 960e9
    assert catalog.names.card("2x my-card")[0] == "my-card"
    d = catalog.deployment(model="llama-3.1-8b", gpu="my-card")
    assert d.gpu.name == "my-card"


@pytest.mark.parametrize("engine", ["vllm", "llama.cpp"])
@pytest.mark.parametrize("name", [*catalog.gpus(), "rtx-5090+rtx-4090"])
def test_a_family_never_measured_has_a_wider_interval_and_no_error(name, engine):
    d = catalog.deployment(model="llama-3.2-1b", gpu=name, engine=engine)
    assert capacity.kind_of_card(d) in catalog.table("memory")["room"]
    estimate = calibration.estimates(d, Workload(100, 100)).of("itl_s", bounded=False)
    known = f"{engine} on {d.gpu.family}" in calibration.table()["rows"]
    assert estimate.low < estimate.value < estimate.high
    assert (f"{d.gpu.family} chips" in estimate.reason) == (not known)


# ---- the command ----


@pytest.fixture
def card_file(tmp_path):
    path = tmp_path / "card.toml"
    path.write_text(CARD, encoding="utf-8")
    yield str(path)
    OWN_CARDS.clear()


def test_predict_takes_a_card_from_a_file(card_file, capsys):
    assert main(["predict", "--model", "llama-3.1-8b", "--gpu-file", card_file]) == 0
    assert "my-card" in capsys.readouterr().out
    assert main(["predict", "--model", "llama-3.1-8b"]) == 2
    assert "--gpu NAME or --gpu-file FILE" in capsys.readouterr().err


def test_a_column_names_the_card_of_a_file(card_file, capsys):
    column = "model=llama-3.1-8b gpu=my-card"
    assert main(["scorecard", "--gpu-file", card_file, "--column", column]) == 0
    assert "my-card" in capsys.readouterr().out


def test_validate_fills_the_card_of_a_file(card_file, capsys, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "id,model,engine,weight_dtype,concurrency,input_tokens,output_tokens,metric,value\n"
        "a,LLaMA-3-8B,vLLM,bf16,1,128,128,itl_ms,25\n",
        encoding="utf-8",
    )
    assert main(["validate", str(rows), "--json", "--gpu-file", card_file]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["skipped"] is None


def test_a_file_that_is_not_there_is_told(capsys):
    assert main(["predict", "--model", "llama-3.1-8b", "--gpu-file", "/no/such"]) == 2
    assert "/no/such" in capsys.readouterr().err
