"""A pasted config.json: the same model in the fewest fields, and a short safe code."""

import json
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import capacity, catalog, huggingface
from llmcap_kernel.refuse import BadInput
from widgets.calculators import vram
from widgets.form import inputs, pasted

FOLDER = catalog.FOLDER / "configs"
CONFIGS = sorted(FOLDER.glob("*.json"))
QWEN = (FOLDER / "Qwen__Qwen3-8B.json").read_text("utf-8")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shortest_form_is_the_same_model_and_its_own_shortest(path):
    text = path.read_text("utf-8")
    short = pasted.read(text)
    assert pasted.model(short) == huggingface.load(json.loads(text))
    assert pasted.read(pasted.pack(short)) == short == pasted.read(short)
    assert len(pasted.pack(short)) < 1200


def test_the_code_has_only_letters_that_mail_and_addresses_keep():
    code = pasted.pack(pasted.read(QWEN))
    assert set(code) <= set(string.ascii_letters + string.digits + "-_")


def test_fields_that_do_not_count_are_left_out_however_many():
    data = json.loads(QWEN) | {f"junk{i}": i for i in range(3000)}
    assert pasted.read(json.dumps(data)) == pasted.read(QWEN)


@pytest.mark.parametrize("around", ["Here it is:\n{}\nthanks", "```json\n{}\n```"])
def test_words_around_a_config_are_no_part_of_it(around):
    assert pasted.read(around.replace("{}", QWEN)) == pasted.read(QWEN)


def test_the_name_of_a_repository_is_taken_for_the_model():
    state, messages = vram.FORM.check({"config": "Qwen/Qwen3-8B-AWQ"}, vram.FORM.defaults())
    assert (state["model"], state["weights"], state["config"]) == ("qwen3-8b", "int4-awq", None)
    assert any("name of a model was pasted" in one["text"] for one in messages)
    state, (message,) = vram.FORM.check({"config": "nobody/nothing"}, vram.FORM.defaults())
    assert message["level"] == "error" and state == vram.FORM.defaults()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON at line 1"),
        ('{"model_type": "llama"}', "hidden_size"),
        ('{"model_type": "nothing-like-it"}', "not understood"),
        ("https://example.org/config.json", "the text of a config.json"),
        (QWEN[: len(QWEN) // 2], "not JSON at line"),
        (pasted.pack(QWEN)[:-20], "may have been cut"),
        ("[1]", "the text of a config.json"),
        ("{" * 100_000, "not JSON"),
        ('{"a":' * 900 + "1" + "}" * 900, "config"),
        ("x" * (pasted.MAX_TEXT + 1), "at most"),
    ],
    ids=range(10),
)
def test_a_broken_paste_is_one_sentence_and_keeps_the_model(text, said):
    with pytest.raises(BadInput, match=re.escape(said)):
        pasted.read(text)
    base = vram.FORM.defaults() | {"users": 3}
    state, (message,) = vram.FORM.check({"config": text}, base)
    assert state == base
    assert message["field"] == "config" and message["text"].startswith("config.json ")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_no_text_raises_anything_else(text):
    for read in (pasted.read, pasted.unpack):
        try:
            read(text)
        except BadInput as problem:
            assert str(problem)


def test_a_pasted_model_gives_the_numbers_of_the_same_catalogue_model():
    state, messages = vram.FORM.check({"config": QWEN, "kv": "bf16"})
    assert messages == []
    built = inputs.deployment(state)
    known = catalog.deployment(model="qwen3-8b", gpu=state["gpu"], weights=state["weights"])
    assert capacity.max_concurrent(built, 8000) == capacity.max_concurrent(known, 8000)
    view = vram.view(state)
    shown = {control["name"]: control["text"] for control in view["controls"]}
    assert "pasted" in shown["model"]
    assert vram.FORM.parse(view["query"]) == (state, [])
