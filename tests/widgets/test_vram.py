"""The VRAM calculator: the engine's limits, the interval of the room, and what makes it start."""

import json
import re
from dataclasses import replace

import pytest

from llmcap_kernel import capacity, catalog
from llmcap_kernel.address import LIMITS
from llmcap_kernel.spec import Speculation
from tests.widgets.reading import control, errors, headline
from widgets.calculators import calculate, cliff, running, vram
from widgets.figures import memory
from widgets.figures.drawing import INKS, MARKS, style
from widgets.form import inputs, meaning
from widgets.page import static_html
from widgets.pictures import card_memory, front
from widgets.session import CALCULATORS, Calculator, with_company

SMALL = {"model": "llama-3.1-8b", "gpu": "rtx-3090", "weights": "bf16", "kv": "bf16"}
DEPLOYED = ("vram", "cliff", "calculate")
SEVERAL = ("compare", "scorecard")


def shown(**changed):
    return vram.view(vram.FORM.defaults() | changed)


def limits(view):
    folded = (one for one in view["controls"] if one.get("fold"))
    return {one["name"]: one for one in folded if one["fold"].startswith(inputs.LIMITS_FOLD)}


@pytest.mark.parametrize(
    ("gpu", "seqs", "batched"), [("rtx-3090", "256", "2,048"), ("h100-sxm", "1,024", "8,192")]
)
def test_an_empty_limit_shows_what_the_engine_takes_on_this_card(gpu, seqs, batched):
    boxes = limits(shown(gpu=gpu))
    assert boxes["seqs"]["placeholder"] == seqs and boxes["seqs"]["entry"] == ""
    assert boxes["batched"]["placeholder"] == batched
    assert boxes["seqs"]["text"] == f"{seqs}, by default"
    assert boxes["seqs"]["help"] == "--max-num-seqs"


@pytest.mark.parametrize("name", DEPLOYED)
def test_a_limit_goes_into_the_deployment_and_along_a_link(name):
    form = CALCULATORS[name].FORM
    query = "seqs=64&batched=2k&maxlen=32k&block=32&eager=1"
    state, messages = form.parse(query)
    d = meaning.deployment(state)
    assert messages == []
    assert (d.max_num_seqs, d.max_num_batched_tokens, d.max_model_len) == (64, 2000, 32_000)
    assert (d.block_size, d.eager) == (32, True)
    assert form.parse(form.query(state)) == (state, [])
    for link in with_company(CALCULATORS[name], state, CALCULATORS[name].view(state))["links"]:
        there, said = CALCULATORS[link["name"]].FORM.parse(link["query"])
        prefix = "a." if link["name"] in SEVERAL else ""
        assert said == [] and there[f"{prefix}seqs"] == 64 and there[f"{prefix}eager"] is True


@pytest.mark.parametrize("name", SEVERAL)
def test_each_of_several_deployments_has_limits_of_its_own(name):
    state, messages = CALCULATORS[name].FORM.parse("b.seqs=64&a.eager=1")
    a, b = (meaning.deployment(state, prefix) for prefix in ("a.", "b."))
    assert messages == []
    assert (a.max_num_seqs, b.max_num_seqs, a.eager, b.eager) == (None, 64, True, False)


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("seqs=0", "seqs", "Sequences at once is 0: it takes a whole number from 1"),
        ("batched=many", "batched", "Tokens a step is 'many': it takes"),
        ("seqs=512&batched=100", "batched", "Tokens a step is 100: it takes a whole number from"),
        ("block=5000", "block", "Tokens a block is 5000: it takes a whole number from 1 to 4,096"),
    ],
)
def test_a_limit_that_is_none_is_refused_beside_its_input(query, field, words):
    view = Calculator("vram", query).view
    (message,) = errors(view)
    assert message["field"] == field and message["text"].startswith(words)


def test_an_address_without_limits_means_what_it_meant():
    d = meaning.deployment(vram.FORM.parse("v=3&gpu=rtx-3090&tp=2")[0])
    known = (d.max_num_seqs, d.max_num_batched_tokens, d.max_model_len, d.block_size, d.eager)
    assert known == (None, None, None, None, False)


def test_the_fold_says_how_many_limits_are_set_and_holds_no_other_input():
    assert {one["fold"] for one in limits(shown()).values()} == {inputs.LIMITS_FOLD}
    some = limits(shown(seqs=64, eager=True))
    assert {one["fold"] for one in some.values()} == {f"{inputs.LIMITS_FOLD}, 2 set"}
    assert set(some) == set(LIMITS)


def test_a_folded_subject_says_what_its_inputs_stand_at():
    view = shown(fraction=0.85, tp=2, pp=2)
    (said,) = {one["fold"] for one in view["controls"] if one["name"] in ("engine", "fraction")}
    assert said.startswith("Engine and memory: vLLM") and said.endswith("0.85, 2, PP-2")


def test_a_fault_opens_the_fold_that_holds_its_input():
    view = shown() | {"messages": [{"level": "error", "field": "fraction", "text": "no"}]}
    folds = re.findall(
        r'<details class="lc-more lc-fold"( open)?>(.*?)</details>', static_html(view)
    )
    assert [bool(open_) for open_, _ in folds] == [
        'name="fraction"' in inside for _, inside in folds
    ]
    assert any(open_ for open_, _ in folds)


def test_a_text_about_a_limit_shows_it_outside_the_fold():
    text = static_html(Calculator("vram", inputs=("seqs",)).whole(), ("seqs",))
    before, _, after = text.partition("All inputs")
    assert 'name="seqs"' in before and 'name="seqs"' not in after
    assert 'name="eager"' in after.partition("lc-fold")[2]


@pytest.mark.parametrize(
    ("start", "level"),
    [("yes", "good"), ("likely", "warn"), ("doubtful", "warn"), ("no", "bad")],
)
def test_the_verdict_on_the_start_is_coloured_by_its_level(start, level):
    for percent in range(95, 50, -1):
        fraction = percent / 100
        state = SMALL | {"fraction": fraction, "ctx": 2000, "users": 1}
        d = meaning.deployment(vram.FORM.defaults() | state)
        books = capacity.ledger(d, context_tokens=2000)
        if books.start == start:
            break
    view = shown(**state)
    assert books.start == start
    assert view["status"]["level"] == level and view["status"]["text"].startswith(books.verdict)
    known = calculate.view(calculate.FORM.parse(f"fraction={fraction}&in=1000&out=1000&users=1&"
        "itl=0&budget=0&tp=1&model=llama-3.1-8b&gpu=rtx-3090&weights=bf16&kv=bf16")[0])  # fmt: skip
    if start in ("doubtful", "no"):
        assert known["status"] == {"level": level, "text": books.verdict}


def test_every_button_makes_it_start_with_the_users_it_says():
    found = shown()["remedies"]
    assert len(found["items"]) >= 3 and "keep your cards come first" in found["text"]
    others = [("parallel" in one["label"] or "NVIDIA" in one["label"]) for one in found["items"]]
    assert others == sorted(others) and any(others)
    for one in found["items"]:
        state, messages = vram.FORM.parse(one["query"])
        d = meaning.deployment(state)
        books = capacity.ledger(d, context_tokens=state["ctx"], concurrency=state["users"])
        assert messages == [] and books.starts
        held = "all 16" if books.fits else f"{books.max_concurrent} of 16"
        assert f"holds {held} users" in one["note"], one


def test_a_remedy_that_shortens_the_request_moves_the_inputs_of_each_calculator():
    tight = SMALL | {"fraction": 0.75, "maxlen": 100_000, "tp": 1}
    for module, more in (
        (vram, {"users": 1}),
        (calculate, {"users": 1, "in": 90_000, "out": 2000}),
    ):
        view = module.view(module.FORM.defaults() | tight | more)
        one = next(x for x in view["remedies"]["items"] if "--max-model-len" in x["label"])
        state, _ = module.FORM.parse(one["query"])
        length = state["ctx"] if module is vram else state["in"] + state["out"]
        assert state["maxlen"] is None and f"--max-model-len {length}" == one["label"]
        assert not module.view(state)["remedies"]["text"]


def test_what_no_setting_mends_is_said_without_a_button():
    found = shown(model="llama-3.1-405b", gpu="l4", weights="bf16", tp=1)["remedies"]
    assert found["items"] == [] and found["text"].startswith("No single change")
    assert shown(tp=2)["remedies"] == {"text": "", "items": []}


def parts_of(figure, label):
    """One bar of the figure: name, length [GiB] and label of each part, as they are stacked."""
    found = []
    for trace in (t for t in figure["data"] if t["type"] == "bar"):
        texts = trace.get("text", [""] * len(trace["x"]))
        assert len(trace["x"]) == len(trace["y"]) == len(texts) == len(trace["hovertemplate"])
        rows = zip(trace["y"], trace["x"], texts, strict=True)
        found += [(trace["name"], gib, text) for y, gib, text in rows if y == label]
    return found


def test_the_room_has_its_interval_under_the_number_and_on_the_bar():
    view = shown(tp=2)
    books = capacity.ledger(
        meaning.deployment(vram.FORM.defaults() | {"tp": 2}), context_tokens=8000, concurrency=16
    )
    low, high = (end / 2**30 for end in books.kv_pool_interval_bytes)
    room = headline(view)["Room for KV cache"]
    assert (room["span"]["low"], room["span"]["high"]) == (low, high)
    whisker = [t for t in view["figure"]["data"] if "error_x" in t][-1]
    fixed = (books.weights_bytes + books.overhead_bytes) / 2**30
    assert whisker["x"] == [pytest.approx(fixed)] and whisker["y"] == ["Available"]
    assert whisker["error_x"]["array"] == [pytest.approx((high - low) / 2)]
    drawn = parts_of(view["figure"], "Available")
    before = sum(gib for name, gib, _ in drawn if "KV" not in name and "Outside" not in name)
    assert before == pytest.approx(fixed)


def test_users_that_memory_alone_bounds_have_the_interval_of_the_room():
    state = calculate.FORM.defaults() | SMALL | {"tp": 1, "itl": 0, "in": 400, "users": 1}
    users = next(x for x in calculate.view(state)["headline"] if x["unit"] == "users")
    books = capacity.ledger(meaning.deployment(state), context_tokens=1400)
    low, high = books.concurrent_interval
    assert low < books.max_concurrent < high
    assert users["span"]["low"] == low and users["span"]["high"] == high


def test_each_term_stands_with_its_formula_and_the_numbers_in_force():
    view = shown(**SMALL, seqs=64, batched=1024, users=1)
    (table,) = [t for t in view["tables"] if t["caption"] == "How each term comes about"]
    rows = {row[0]: row[1:] for row in table["rows"]}
    vocabulary = catalog.model("llama-3.1-8b").vocab_size
    assert f"64 x {vocabulary:,} x" in rows["sampling"][1]
    assert (
        rows["one pass"][1].startswith("1,024 x ")
        and "the larger of sampling" in rows["activations"][0]
    )
    eager = shown(**SMALL, eager=True)["tables"][2]["rows"]
    assert {row[0]: row[1] for row in eager}["graphs"] == "off: eager"


def test_the_engine_s_lines_stand_with_their_tolerance():
    view = shown(**SMALL, fraction=0.95, seqs=64, maxlen=31_800, engine="vllm-0.16", users=1)
    d = meaning.deployment(vram.FORM.parse(view["query"])[0])
    printed = capacity.printed(capacity.ledger(d, context_tokens=8000))
    text = view["texts"][0]["text"].splitlines()
    assert [line.split("  within ")[0].rstrip() for line in text] == [one.text for one in printed]
    times = re.search(r"for 31,800 tokens per request: ([\d.]+)x", view["texts"][0]["text"])[1]
    assert float(times) == pytest.approx(1.79, abs=0.1)  # the log of row K29
    assert all("within" in line for line in text)


def test_a_request_beyond_the_engine_s_longest_is_noted():
    texts = [m["text"] for m in shown(**SMALL, maxlen=4000, users=1)["messages"]]
    assert any("refuses requests of more than max_model_len, 4,000" in text for text in texts)


def test_all_that_makes_it_start_is_listed_with_money_last():
    """Mistral Small 24B in 16 bits is 44 GiB: in 8 bits, or on two cards, 48 GB hold it."""
    tight = {"model": "mistral-small-24b", "gpu": "l40s", "tp": 1, "weights": "bf16", "kv": "bf16"}
    found = shown(**tight, ctx=8000, users=1)["remedies"]
    labels = [one["label"] for one in found["items"]]
    assert "--quantization fp8" in labels and labels[-2] == "--tensor-parallel-size 2"
    assert labels[-1] == "1x NVIDIA RTX PRO 6000 Blackwell Server Edition"  # 48 GB are too few
    assert found["text"] == "Each of these makes it start. Those that keep your cards come first:"
    eight = next(one for one in found["items"] if "quantization" in one["label"])
    assert vram.FORM.parse(eight["query"])[0]["weights"] == "fp8"


def test_weights_that_exceed_the_card_print_no_room_and_no_bar_of_nothing():
    view = shown(model="qwen3-30b-a3b", gpu="rtx-4090", tp=1, weights="bf16", kv="bf16")
    assert view["status"]["text"].startswith("Does not start: the weights alone take 56.9")
    assert view["texts"][0]["text"] == "torch.OutOfMemoryError: CUDA out of memory."
    assert not any("span" in one for one in view["headline"])
    changes = {row[0]: row[2] for row in view["tables"][1]["rows"]}
    assert re.fullmatch(r"holds \d+", changes["INT4 AWQ weights"])
    assert changes["FP8 weights"] == "does not start"
    card = next(name for name in changes if name.startswith("1 x "))
    assert changes[card] == "holds all"


def test_one_way_out_has_no_heading_for_several():
    assert running.heading(["a"]) == "This makes it start:"
    assert running.heading(["a", "b"]).startswith("Each of these")


def test_the_hint_names_what_turns_the_verdict():
    hint = Calculator("vram").view["hint"]
    cards = int(re.search(r"set Cards to (\d+)", hint)[1])
    assert shown()["status"]["level"] == "bad"
    assert shown(tp=cards)["status"]["level"] != "bad"
    assert shown(tp=cards // 2)["status"]["level"] == "bad"


@pytest.mark.parametrize("changed", [{}, {"tp": 2}, SMALL])
def test_every_part_of_a_bar_has_its_name_on_it_or_below(changed):
    figure = shown(**changed)["figure"]
    below = " ".join(
        text for t in figure["data"] if t["type"] == "scatter" for text in t.get("text", ())
    )
    for label in ("Available", "Needed"):
        for name, _, text in parts_of(figure, label):
            assert text or memory.SHORT.get(name, name) in below


@pytest.mark.parametrize(
    "changed", [{}, {"tp": 2}, SMALL, {"tp": 2, "users": 1}, {"tp": 4, "users": 2}]
)
def test_names_below_a_bar_stand_apart_also_on_a_phone(changed):
    """A phone has 245 pixels for a bar and 20 beside it, a letter takes 6.6 and a square 12."""
    figure = shown(**changed)["figure"]
    longest = max(
        sum(gib for _, gib, _ in parts_of(figure, bar)) for bar in ("Available", "Needed")
    )
    for line in (t for t in figure["data"] if t.get("mode") == "markers+text"):
        ends = [
            x + longest * (12 + 6.6 * len(t)) / 245
            for x, t in zip(line["x"], line["text"], strict=True)
        ]
        assert all(end <= x for end, x in zip(ends, line["x"][1:], strict=False))
        assert line["x"][0] >= 0 and ends[-1] <= longest * 265 / 245


def test_a_bar_is_stacked_in_the_order_of_its_terms():
    """Each bar's parts lie as the ledger lists them, though both bars are drawn part by part."""
    fixed = ["Weights", "Activations", "Runtime", "CUDA graphs"]
    figure = shown(tp=2)["figure"]
    there = [name for name, _, _ in parts_of(figure, "Available")]
    assert there == [*fixed, "KV in use", "KV free", "Outside the engine's share"]
    assert [name for name, _, _ in parts_of(figure, "Needed")] == [*fixed, "KV in use"]
    short = shown()["figure"]
    needed = [name for name, _, _ in parts_of(short, "Needed")]
    assert needed == [*fixed, "KV without room"]


def test_a_term_has_one_colour_in_every_picture_of_memory():
    """The first page, the bars of a calculator, their table and chapter 3 agree on each term."""
    meant = {
        "weights": "weights",
        "activations": "activations",
        "largest batch": "activations",
        "runtime": "host",
        "CUDA graphs": "link",
    }
    state = vram.FORM.defaults() | {"tp": 2}
    books = capacity.ledger(meaning.deployment(state), context_tokens=8000, concurrency=16)
    drawn = [(name, kind) for kind, name, _ in front.memory(books)]
    drawn += [(name, ink) for name, ink, _ in card_memory.TERMS]
    meanings = {style(name): name for name in (*MARKS, *INKS)}
    view = shown(tp=2)
    bars = [t for t in view["figure"]["data"] if t["type"] == "bar"]
    table = view["tables"][0]
    rows = zip(table["rows"], table["swatches"], strict=True)
    marks = [(t["name"], t["marker"]["color"]) for t in bars]
    marks += [(row[0].removeprefix("Overhead: "), colour) for row, colour in rows]
    drawn += [(name, meanings[re.search(r"--lc-[\w-]+", ink)[0]]) for name, ink in marks]
    drawn = [(name[0].lower() + name[1:], ink) for name, ink in drawn]
    found = [(name.replace("cUDA", "CUDA"), ink) for name, ink in drawn]
    assert {name for name, _ in found} >= set(meant)
    assert all(meant.get(name, ink) == ink for name, ink in found)
    elsewhere = {ink for name, ink in found if name not in meant}
    assert elsewhere.isdisjoint(meant.values())


def test_no_words_on_a_bar_stand_under_the_whisker():
    """On a card with much room the interval covers where the free cache begins."""
    laptop = {"model": "llama-3.1-8b", "gpu": "apple-m4-max", "weights": "gguf-q4_k_m", "users": 1}
    figure = shown(**laptop)["figure"]
    whisker = [t for t in figure["data"] if "error_x" in t][-1]
    (free,) = [t for t in figure["data"] if t.get("name") == "KV free"]
    begin = sum(gib for name, gib, _ in parts_of(figure, "Available")[:-2])
    assert begin < whisker["x"][0] + whisker["error_x"]["array"][0]
    assert free["text"][0].startswith("KV free") and free["insidetextanchor"] == "end"


def test_a_drafts_weights_are_in_the_bars():
    """A bar ends where its ledger does, also with a draft model beside the weights."""
    state = vram.FORM.defaults() | {"tp": 2}
    drafts = Speculation(tokens=3, accept=0.7, draft=catalog.model("llama-3.2-1b"))
    d = replace(meaning.deployment(state), speculation=drafts)
    books = capacity.ledger(d, context_tokens=8000, concurrency=16)
    assert books.extra_bytes > 0
    parts = parts_of(memory.memory_bars(books), "Available")
    assert sum(gib for _, gib, _ in parts) == pytest.approx(books.visible_bytes / 2**30)


PASTED = json.dumps(
    {"model_type": "mistral", "hidden_size": 5120, "num_hidden_layers": 40, "head_dim": 128,
     "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 32768,
     "vocab_size": 131072, "max_position_embeddings": 32768, "torch_dtype": "bfloat16"}
)  # fmt: skip


def test_a_pasted_model_shows_its_size_and_no_name_that_nobody_serves():
    """23.6B: 40 layers of 5120 x (4096 + 2 x 1024 + 4096 + 3 x 32768), and two tables."""
    state, _ = calculate.FORM.check({"config": PASTED, "gpu": "h100-sxm", "tp": 2})
    view = calculate.view(state)
    model = control(view, "model")
    assert model["text"] == "mistral 23.6B, pasted"
    assert model["help"] == "As pasted: 40 layers, released in BF16."
    start, _, measure = view["texts"]
    assert "vllm serve '<your model>'" in start["text"]
    assert "'<your model>'" in measure["text"]
    stuck = calculate.view(state | {"gpu": "rtx-4090", "tp": 1})
    assert [one["title"].partition(" ")[0] for one in stuck["texts"]] == ["What"]


def test_a_format_that_follows_a_model_is_said():
    before = vram.FORM.defaults() | {"model": "deepseek-v3", "weights": "fp8-block"}
    state, told = vram.FORM.check({"model": "qwen3-32b"}, before)
    assert (before["weights"], state["weights"]) == ("fp8-block", "bf16")
    assert [one["text"] for one in told] == [
        "Weights went from FP8, blocks of 128 x 128 to BF16, the format this model is released in."
    ]
    assert vram.FORM.check({"model": "qwen3-32b", "weights": "int8"}, before)[1] == []
    assert vram.FORM.parse("model=qwen3-32b")[1] == []


def test_a_cache_s_format_follows_an_engine_that_is_changed_by_hand():
    """vLLM's --kv-cache-dtype and llama.cpp's -ctk have few formats in common."""
    start = vram.FORM.defaults() | {"model": "qwen3-8b", "weights": "bf16", "kv": "fp8"}
    state, told = vram.FORM.check({"engine": "sglang-0.5"}, start)
    assert (state["kv"], told) == ("fp8", [])  # it has that too
    state, told = vram.FORM.check({"engine": "llama.cpp"}, start)
    assert state["kv"] == "bf16"
    assert "KV cache went from FP8 to BF16, what this engine keeps its cache in." in [
        one["text"] for one in told
    ]
    quantized = state | {"kv": "gguf-q8-0"}
    assert vram.FORM.check({"engine": "vllm-0.33"}, quantized)[0]["kv"] == "bf16"
    assert vram.FORM.check({"engine": "vllm-0.33", "kv": "fp8"}, quantized)[0]["kv"] == "fp8"
    # a Mac brings its engine, and that its cache
    mac, _ = vram.FORM.check({"gpu": "apple-m3-max"}, start)
    assert (mac["engine"], mac["kv"]) == (state["engine"], "bf16")
    # what an address leaves out stays what it was
    assert vram.FORM.parse("v=5&engine=llama.cpp")[0]["kv"] == vram.FORM.defaults()["kv"]
    assert "kv=" not in vram.FORM.query(vram.FORM.defaults() | {"engine": "llama.cpp"})


def test_users_who_wait_for_an_engine_that_runs_fewer_are_no_good_answer():
    """llama.cpp starts one slot where it is told so, whatever has room."""
    command = "llama-server -m Qwen3-8B-Q4_K_M.gguf -c 32768 -np 1"
    state, _ = vram.FORM.check({"config": command}, vram.FORM.defaults())
    assert (state["seqs"], state["users"]) == (1, 16)
    status = vram.view(state)["status"]
    assert (
        status["level"] == "warn"
        and " users at 8,000 tokens fit, with GGUF Q4_K_M weights" in status["text"]
    )
    assert status["text"].endswith(
        "But the engine runs 1 at once (max_num_seqs): the other 15 wait."
    )


def test_no_calculator_of_memory_calls_a_refused_length_good():
    one = vram.view(vram.FORM.defaults() | {"maxlen": 4000})["status"]
    assert one["level"] == "bad" and one["text"].startswith("The engine refuses every request: ")
    far = vram.view(vram.FORM.defaults() | {"ctx": 140_000, "users": 1})["status"]
    assert far["level"] == "bad" and "is exceeded: a request has 140,000" in far["text"]
    state = cliff.FORM.defaults() | {"maxlen": 4000, "users": 4}
    kept = cliff.view(state)["status"]["text"]
    assert kept.startswith("4 users fit up to 4,000 tokens each: the engine refuses longer")


def test_the_room_of_a_deployment_is_the_same_in_vram_and_in_cliff():
    """5.55 GiB of 163,840 bytes a token, in whole tokens: 36,352 at 8,000 tokens a user."""
    rooms = []
    for one in (vram, cliff):
        state = one.FORM.defaults() | {"fraction": 0.98, "kv": "fp8", "tp": 1}
        head = headline(one.view(state))["Room for KV cache"]
        rooms.append((head["value"], head["note"]))
    assert rooms == [("5.55", "36,352 tokens, at 8,000 a user")] * 2


@pytest.mark.parametrize("ctx", [8000, 300_000])
def test_a_model_whose_every_layer_has_a_window_is_counted_in_users(ctx):
    """Mistral 7B: 4,096 tokens of 128 KiB are 0.5 GiB, and a longer context takes no more."""
    view = shown(model="mistral-7b", gpu="h100-sxm", tp=1, weights="bf16", kv="bf16", ctx=ctx)
    head = headline(view)
    users = head[f"Users that fit at {ctx:,} tokens"]["value"]
    assert head["Room for KV cache"]["note"] == f"{users} users, however long each is"
    takes = head["One user takes"]
    assert takes["value"] == "0.5" and "no more with a longer context" in takes["note"]
    assert int(users) == int(float(head["Room for KV cache"]["value"]) / 0.5)


def test_within_its_window_such_a_model_is_counted_in_tokens():
    view = shown(model="mistral-7b", gpu="h100-sxm", tp=1, weights="bf16", kv="bf16", ctx=2000)
    head = headline(view)
    assert head["One user takes"]["note"] == "128 KiB a token, on each card"
    assert head["Room for KV cache"]["note"].endswith(" tokens, at 2,000 a user")
