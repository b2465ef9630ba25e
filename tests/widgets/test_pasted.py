"""A pasted config.json: the same model in the fewest fields, and a short safe code."""

import json
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import capacity, catalog, huggingface
from llmcap_kernel.refuse import BadInput
from widgets.calculators import calculate, vram
from widgets.form import meaning, packed, pasted

FOLDER = catalog.FOLDER / "configs"
CONFIGS = sorted(FOLDER.glob("*.json"))
QWEN = (FOLDER / "Qwen__Qwen3-8B.json").read_text("utf-8")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shortest_form_is_the_same_model_and_its_own_shortest(path):
    text = path.read_text("utf-8")
    short = pasted.read(text)
    assert pasted.model(short) == huggingface.load(json.loads(text))
    assert pasted.read(packed.pack(short)) == short == pasted.read(short)
    assert len(packed.pack(short)) < 1200


def test_the_code_has_only_letters_that_mail_and_addresses_keep():
    code = packed.pack(pasted.read(QWEN))
    assert set(code) <= set(string.ascii_letters + string.digits + "-_")


def test_fields_that_do_not_count_are_left_out_however_many():
    data = json.loads(QWEN) | {f"junk{i}": i for i in range(3000)}
    assert pasted.read(json.dumps(data)) == pasted.read(QWEN)


@pytest.mark.parametrize("around", ["Here it is:\n{}\nthanks", "```json\n{}\n```"])
def test_words_around_a_config_are_no_part_of_it(around):
    assert pasted.read(around.replace("{}", QWEN)) == pasted.read(QWEN)


def test_a_config_as_python_prints_it_is_read():
    as_python = repr(json.loads(QWEN) | {"torch_dtype": None, "use_cache": True})
    assert pasted.read(as_python) == pasted.read(QWEN)
    for broken in ("{'model_type': torch.bfloat16}", "{'a': {1, 2}}", "{'a': " * 500):
        with pytest.raises(BadInput, match="config"):
            pasted.read(broken)


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
        (packed.pack(QWEN)[:-20], "may have been cut"),
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
    for read in (pasted.read, packed.unpack):
        try:
            read(text)
        except BadInput as problem:
            assert str(problem)


def test_a_pasted_model_gives_the_numbers_of_the_same_catalogue_model():
    state, messages = vram.FORM.check({"config": QWEN, "kv": "bf16"})
    assert messages == []
    built = meaning.deployment(state)
    known = catalog.deployment(model="qwen3-8b", gpu=state["gpu"], weights=state["weights"])
    assert capacity.max_concurrent(built, 8000) == capacity.max_concurrent(known, 8000)
    view = vram.view(state)
    shown = {control["name"]: control["text"] for control in view["controls"]}
    assert "pasted" in shown["model"]
    assert vram.FORM.parse(view["query"]) == (state, [])


# docs.nvidia.com/deploy/nvidia-smi, and rocm-smi --showproductname
SMI = """
| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |
|   0  NVIDIA H100 80GB HBM3          On  |   00000000:1B:00.0 Off |                    0 |
| N/A   29C    P0             69W /  700W |       0MiB /  81559MiB |      0%      Default |
|   1  NVIDIA H100 80GB HBM3          On  |   00000000:43:00.0 Off |                    0 |
"""


@pytest.mark.parametrize(
    ("text", "gpu", "tp"),
    [
        (SMI, "h100-sxm", 2),
        ("GPU 0: NVIDIA L4 (UUID: GPU-1a)\nGPU 1: NVIDIA L4 (UUID: GPU-2b)", "l4", 2),
        ("name, memory.total [MiB]\nNVIDIA L40S, 46068 MiB", "l40s", 1),
        ("GPU[0]\t\t: Card series: \t\tAMD Instinct MI300X\n", "mi300x", 1),
    ],
)
def test_the_cards_that_a_tool_lists_are_taken(text, gpu, tp):
    state, messages = calculate.FORM.check({"config": text}, calculate.FORM.defaults())
    assert (state["gpu"], state["tp"]) == (gpu, tp)
    assert messages[0]["text"].startswith("The cards of a machine were pasted: ")


@pytest.mark.parametrize(
    ("text", "model", "weights"),
    [
        ("https://huggingface.co/Qwen/Qwen3-32B-AWQ", "qwen3-32b", "int4-awq"),
        ("https://huggingface.co/openai/gpt-oss-20b/tree/main", "gpt-oss-20b", "mxfp4"),
        ("https://huggingface.co/Qwen/Qwen3-8B/raw/main/config.json", "qwen3-8b", "bf16"),
        (
            "https://huggingface.co/unsloth/Qwen3-8B-GGUF/blob/main/Qwen3-8B-Q6_K.gguf",
            *("qwen3-8b", "gguf-q6-k"),
        ),
        ("https://ollama.com/library/qwen3:30b-a3b-q4_K_M", "qwen3-30b-a3b", "gguf-q4-k-m"),
        ("qwen3:30b-a3b-q8_0", "qwen3-30b-a3b", "gguf-q8-0"),
        # common/arg.cpp of llama.cpp: Q4_K_M of a repository, where nobody says which
        ("lmstudio-community/Qwen3-30B-A3B-GGUF", "qwen3-30b-a3b", "gguf-q4-k-m"),
        ("gemma3:27b-it-qat", "gemma-3-27b", "gguf-q4-0"),
    ],
)
def test_an_address_or_a_tag_of_a_model_is_its_name(text, model, weights):
    start = calculate.FORM.defaults() | {"weights": "bf16"}
    state, messages = calculate.FORM.check({"config": text}, start)
    assert (state["model"], state["weights"]) == (model, weights)
    assert not [one for one in messages if one["level"] == "error"]
