"""`llmcap predict`: the answer first, then the ledger, and once where it comes from."""

import json
import re

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.cli.cards import as_dict
from llmcap_kernel.design import WORKED_WORKLOAD
from llmcap_kernel.explain import quantity
from llmcap_kernel.spec import Slo

from .plain import PREDICT, strict, unwrapped


def test_predict_agrees_with_a_card(run):
    status, out, _ = run(
        "predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2",
        "--weights", "fp8", "--kv", "fp8", "--input", "7k", "--output", "1k",
        "--concurrency", "16", "--itl-ms", "50", "--json",
    )  # fmt: skip
    d = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8")
    made = design.card(d, WORKED_WORKLOAD, Slo(itl_s=0.050))
    assert status == 0
    assert strict(out) == json.loads(json.dumps(as_dict(made))) | {"by_default": []}


WORKED_B = (
    "predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--tp", "2",
    "--weights", "fp8", "--kv", "fp8", "--input", "7k", "--output", "1k",
)  # fmt: skip


def test_users_is_another_word_for_concurrency(run):
    assert run(*WORKED_B, "--users", "16") == run(*WORKED_B, "--concurrency", "16")
    assert strict(run(*WORKED_B, "--users", "16", "--json")[1])["concurrency"] == 16


# the log of row K29: 14.99 GiB of weights, 6.95 GiB of cache, 56,880 tokens, 1.79x
K29 = (
    *("predict", "--model", "llama-3.1-8b", "--gpu", "rtx-3090", "--engine", "vllm-0.12"),
    *("--memory-fraction", "0.95", "--max-model-len", "31800", "--max-num-seqs", "64"),
)


def test_predict_prints_the_lines_that_the_engine_printed(run):
    status, out, _ = run(*K29)
    said = {line["text"]: line["within"] for line in strict(run(*K29, "--json")[1])["engine_lines"]}
    assert status == 0 and all(text in unwrapped(out) for text in said)
    assert "Model loading took 14.99 GiB" in said
    room = next(re.search(r"memory: ([\d.]+) GiB", text) for text in said if "Available" in text)
    assert float(room[1]) == pytest.approx(6.95, abs=0.9)
    times = next(text for text in said if text.startswith("Maximum concurrency for 31,800 tokens"))
    assert float(times.split()[-1].rstrip("x")) == pytest.approx(1.79, abs=0.23)
    assert "vllm-0.12 is counted as vLLM 0.13" in unwrapped(out)


def test_predict_has_each_term_with_its_formula_and_the_interval_of_the_room(run):
    told, out = strict(run(*K29, "--json")[1]), unwrapped(run(*K29)[1])
    low, high = told["kv_pool_interval_bytes"]
    assert low < told["memory_bytes_per_gpu"]["kv_pool"] < high
    assert told["start"] == "yes" and "Memory of a card: it starts" in out
    for term in told["terms"]:
        assert term["formula"] in out and term["numbers"] in out
    assert "64 x 128,256 x" in out  # sampling follows --max-num-seqs


def test_what_would_make_it_start_does(run):
    tight = ("predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm", "--weights", "fp8",
             "--kv", "fp8", "--context", "8000")  # fmt: skip
    no = (*tight, "--memory-fraction", "0.9")
    told, out = strict(run(*no, "--json")[1]), unwrapped(run(*no)[1])
    assert not told["starts"] and len(told["remedies"]) > 2
    for one in told["remedies"]:
        assert one["flag"] in out
        option = f"--{one['setting'].replace('_', '-')}"
        asked = tight if option == "--memory-fraction" else no
        then = strict(run(*asked, option, str(one["value"]), "--json")[1])
        assert then["starts"] and then["remedies"] == [] and then["start"] == one["start"]
        assert then["memory_bytes_per_gpu"]["kv_pool"] == pytest.approx(one["kv_pool_bytes"])


def test_eager_takes_the_graphs_away(run):
    lazy, eager = (strict(run(*K29, *add, "--json")[1]) for add in ((), ("--eager",)))
    assert lazy["memory_bytes_per_gpu"]["graphs"] > eager["memory_bytes_per_gpu"]["graphs"] == 0
    assert "off: eager" in run(*K29, "--eager")[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--max-num-seqs", "0"), "--max-num-seqs is 0: it takes a whole number from 1"),
        (("--max-model-len", "many"), "--max-model-len is 'many': it takes a whole number"),
        (("--block-size", "5000"), "--block-size is 5000: it takes a whole number from 1 to 4,096"),
        (
            ("--max-num-seqs", "512", "--max-num-batched-tokens", "100"),
            "--max-num-batched-tokens is 100: it takes a whole number from 512",
        ),
    ],
)
def test_a_limit_that_is_none_is_refused_in_a_sentence(run, given, words):
    status, out, err = run("predict", "--model", "llama-3.1-8b", "--gpu", "rtx-3090", *given)
    assert (status, out) == (2, "") and words in err and err.count("\n") == 1


def test_a_request_longer_than_the_engine_takes_is_noted(run):
    out = unwrapped(run(*K29, "--context", "40000")[1])
    assert "refuses requests of more than max_model_len, 31,800 tokens" in out


@pytest.mark.parametrize("limits", [(), ("--itl-ms", "40"), ("--ttft-ms", "1000")])
def test_predict_without_users_is_predict_for_the_most_that_meet_the_limits(run, limits):
    told = strict(run(*WORKED_B, *limits, "--json")[1])
    most = told["concurrency"]
    assert strict(run(*WORKED_B, *limits, "--users", str(most), "--json")[1]) == told
    assert most == told["users_within_limits"]["value"]
    assert all(x["headroom"] >= 1 for x in told["limits"])
    more = strict(run(*WORKED_B, *limits, "--users", str(most + 1), "--json")[1])
    assert more["limits"][0]["headroom"] < 1
    said = "the most that meet the limits" if limits else "the most that have room"
    assert f"{most} users ({said})" in unwrapped(run(*WORKED_B, *limits)[1])
    assert said not in unwrapped(run(*WORKED_B, *limits, "--users", str(most))[1])


def test_the_keys_of_the_json_hold_what_their_names_say(run):
    told = strict(run(*WORKED_B, "--users", "16", "--itl-ms", "50", "--json")[1])
    d = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8")
    found = design.card(d, WORKED_WORKLOAD).estimates
    for key, estimate, scale in (
        ("itl_ms", found.itl_s, 1e3),
        ("ttft_ms", found.ttft_s, 1e3),
        ("tok_s_per_user", found.tok_s_user, 1),
        ("output_tok_s_total", found.output_tok_s, 1),
        ("usd_per_mtok_output", found.usd_mtok, 1),
    ):
        row = told["estimate"][key]
        for end in ("value", "low", "high", "ceiling"):
            assert row[end] == pytest.approx(scale * getattr(estimate, end))
        assert row["reason"] == estimate.reason and row["doubt"] == estimate.doubt
    gap = told["estimate"]["itl_ms"]
    latency = next(x for x in told["limits"] if x["name"] == "latency")
    # 50 ms a token are 20 tokens a second
    assert latency["required"] == pytest.approx(20)
    assert latency["available"] == pytest.approx(1000 / gap["value"])
    assert latency["headroom"] == pytest.approx(50 / gap["value"])


CHECKPOINTS = {  # as each model's authors publish it
    "gpt-oss-120b": ("mxfp4", "MXFP4"),
    "deepseek-v3": ("fp8-block", "FP8"),
    "llama-3.1-8b": ("bf16", "BF16"),
}


@pytest.mark.parametrize("model", CHECKPOINTS)
def test_weights_are_in_the_checkpoints_own_format_by_default(run, model):
    cards = ("--gpu", "h200-sxm", "--tp", "8") if model == "deepseek-v3" else ("--gpu", "h100-sxm")
    name, title = CHECKPOINTS[model]
    asked = ("predict", "--model", model, *cards)
    told, text = strict(run(*asked, "--json")[1]), unwrapped(run(*asked)[1])
    assert told["weights"] == name and told["starts"] and told["estimate"]
    assert f"Weights are in the checkpoint's own format, {title}" in text
    stated = run(*asked, "--weights", name)
    assert strict(run(*asked, "--weights", name, "--json")[1]) == told
    assert "checkpoint's own format" not in stated[1]


def test_a_model_of_117_billion_weights_in_4_bits_starts_on_one_card(run):
    """In 16 bits they are 234 GB, and one H100 has 80."""
    asked = ("predict", "--model", "gpt-oss-120b", "--gpu", "h100-sxm", "--json")
    wide = strict(run(*asked, "--weights", "bf16")[1])
    assert strict(run(*asked)[1])["starts"] and not wide["starts"]


def test_what_binds_without_limits_is_what_runs_out_first(run):
    told = strict(run(*WORKED_B, "--users", "16", "--json")[1])
    room = f"the cache runs out first, at {told['max_concurrent']} users"
    assert told["binding_constraint"] == f"no limit set; {room}"
    assert room in unwrapped(run(*WORKED_B, "--users", "16")[1])
    crowd = strict(run(*WORKED_B, "--users", "500", "--json")[1])
    assert f"room for {told['max_concurrent']} of 500 users" in crowd["binding_constraint"]


def test_context_is_prompt_and_answer_together(run):
    base = ("predict", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--json")
    asked = [
        run(*base, "--context", "8k", "--output", "1k")[1],
        run(*base, "--context", "8k", "--input", "7k")[1],
        run(*base, "--input", "7000", "--output", "1000")[1],
    ]
    assert asked[0] == asked[1] == asked[2]


def test_a_config_file_of_ones_own_gives_the_catalogues_numbers(run):
    path = catalog.FOLDER / "configs" / catalog.table("models")["models"]["llama-3.1-70b"]["config"]
    common = ("--gpu", "h100-sxm", "--tp", "2", "--weights", "fp8", "--json")
    mine, theirs = (
        strict(run("predict", *which, *common)[1])
        for which in (("--config", str(path)), ("--model", "llama-3.1-70b"))
    )
    assert mine["ceiling"] == theirs["ceiling"] and mine["estimate"] == theirs["estimate"]
    assert mine["memory_bytes_per_gpu"] == theirs["memory_bytes_per_gpu"]


@pytest.mark.parametrize("gpu", catalog.gpus())
def test_json_is_strict_for_every_card(run, gpu):
    status, out, err = run("predict", "--model", "llama-3.1-8b", "--gpu", gpu, "--json")
    assert (status, err) == (0, "")
    strict(out)


@pytest.mark.parametrize("model", catalog.models())
def test_json_is_strict_for_every_model(run, model):
    status, out, err = run("predict", "--model", model, "--gpu", "h200-sxm", "--json")
    assert (status, err) == (0, "")
    strict(out)


@pytest.mark.parametrize("command", ["predict", "scorecard"])
def test_an_estimate_is_told_with_its_interval_its_ceiling_and_its_reason(run, command):
    argv = (*PREDICT, "--tp", "4") if command == "predict" else ("scorecard",)
    told = strict(run(*argv, "--json")[1])
    column = told if command == "predict" else told["cards"][1]
    gap, rate = (column["estimate"][metric] for metric in ("itl_ms", "output_tok_s_total"))
    assert gap["ceiling"] <= gap["low"] < gap["value"] < gap["high"]
    assert rate["low"] < rate["value"] < rate["high"] <= rate["ceiling"]
    assert gap["reason"] and rate["reason"]


def test_each_line_of_an_answer_has_its_interval_or_its_doubt_and_its_ceiling(run):
    argv = (*PREDICT, "--tp", "4", "--users", "16")
    text, told = run(*argv)[1], strict(run(*argv, "--json")[1])
    for row, key, unit, scale in (
        ("Gap between tokens", "itl_ms", "s", 1e-3),
        ("Speed of one user", "tok_s_per_user", "tok/s", 1),
        ("First token, mean", "ttft_ms", "s", 1e-3),
        ("Output of all users", "output_tok_s_total", "tok/s", 1),
        ("$/M output", "usd_per_mtok_output", "USD/Mtok", 1),
    ):
        e = told["estimate"][key]
        ends = [quantity(e[end] * scale, unit) for end in ("value", "low", "high", "ceiling")]
        beside = e["doubt"] or f"{ends[1]} to {ends[2]}"
        line = next(line for line in text.splitlines() if line.startswith(row))
        assert unwrapped(line) == f"{row} {ends[0]} {beside} {ends[3]}"


def test_the_answer_comes_first_and_its_provenance_last_and_once(run):
    out = run(*WORKED_B, "--users", "16", "--itl-ms", "50")[1]
    told = strict(run(*WORKED_B, "--users", "16", "--itl-ms", "50", "--json")[1])
    told_in_order = (
        *(told["deployment"], told["verdict"], told["binding_constraint"]),
        *("Gap between tokens", "First token, mean", "$/M output", "Memory of a card"),
        f"({told['estimate']['itl_ms']['reason']})",
    )
    places = [unwrapped(out).index(text) for text in told_in_order]
    assert places == sorted(places)
    assert out.count("predicted without its source") == 1
    assert "four measurements of five" in unwrapped(out)


@pytest.mark.parametrize("text", ["{}", "[]", "null", "not json", '{"model_type": "llama"}'])
def test_a_config_that_is_none_gets_one_line(run, tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    status, out, err = run("predict", "--config", str(path), "--gpu", "h100-sxm")
    assert (status, out) == (2, "")
    assert err.startswith("llmcap: ") and err.count("\n") == 1


MISTRAL = "predict --model mistral-7b --gpu 4090 --weights q4_k_m"


def test_of_a_cache_that_llama_cpp_does_not_have_the_nearest_is_said(run):
    """Its --cache-type-k takes f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0 and q5_1."""
    code, out, err = run(*MISTRAL.split(), "--kv", "fp8", "--engine", "llama.cpp")
    assert code == 0 and not err
    assert "has no cache in FP8: gguf-q8-0 (q8_0)" in " ".join(out.split())


@pytest.mark.parametrize("kv", ["f32", "f16", "bf16", "q8_0", "q4_0", "q5_1", "iq4_nl", "q8_0/f16"])
def test_a_cache_that_llama_cpp_has_is_taken(run, kv):
    assert run(*MISTRAL.split(), "--kv", kv, "--engine", "llama.cpp")[0] == 0


def test_a_program_that_llama_cpp_stands_in_for_may_have_another_cache(run):
    assert run(*MISTRAL.split(), "--kv", "fp8", "--engine", "mlx")[0] == 0


def test_a_file_that_is_not_there_is_no_unknown_engine(run):
    status, _, err = run("predict", "--gpu", "h100-sxm", "--", "compose.yml")
    assert status == 2
    assert "compose.yml" in err and "cannot be read: no such file" in err


def test_a_file_without_the_dashes_is_told_where_it_stands(run):
    status, _, err = run("predict", "--gpu", "h100-sxm", "compose.yml")
    assert status == 2
    assert "behind --: llmcap predict -- compose.yml" in " ".join(err.split())


def test_the_file_that_a_command_names_is_read_where_it_is_here(run, tmp_path):
    """TensorRT-LLM takes the format of the cache from its file alone (llmapi, KvCacheConfig)."""
    file = tmp_path / "engine.yaml"
    file.write_text("kv_cache_config:\n  dtype: fp8\n", encoding="utf-8")
    serve = ["trtllm-serve", "nvidia/Llama-3.3-70B-Instruct-FP8", "--extra_llm_api_options"]
    status, out, _ = run("predict", "--gpu", "b200", "--json", "--", *serve, str(file))
    launched = json.loads(out)["launch"]
    assert status == 0 and launched["kv"] == "fp8" and not launched["not_counted"]
    _, out, _ = run("predict", "--gpu", "b200", "--json", "--", *serve, "gone.yaml")
    launched = json.loads(out)["launch"]
    assert [left["flag"] for left in launched["not_counted"]] == ["--extra_llm_api_options"]


AT_RATE = (
    *("--model", "llama-3.3-70b", "--gpu", "h200-sxm", "--weights", "fp8", "--kv", "fp8"),
    *("--input", "1200", "--output", "300", "--itl-p95-ms", "200"),
)
COUNTED = ("itl_ms", "ttft_ms", "tok_s_per_user", "output_tok_s_total", "usd_per_mtok_output")


def test_at_a_rate_predict_says_what_design_says_of_the_same_deployment(run):
    best = strict(run("design", *AT_RATE, "--tp", "1", "--rate", "2", "--json")[1])["winner"]
    each = 2 / best["copies"]
    made = strict(run("predict", *AT_RATE, "--rate", str(each), "--json")[1])
    assert {name: made["estimate"][name] for name in COUNTED} == {n: best[n] for n in COUNTED}
    assert made["limits"] == best["limits"]
    assert made["rate_rps"] == each < made["saturates_rps"]
    hourly = run("predict", *AT_RATE, "--rate", f"{3600 * each:g}/h", "--json")[1]
    assert strict(hourly)["estimate"] == made["estimate"]


def test_the_commands_that_design_hands_over_are_predicted_at_their_rate(run, tmp_path):
    answer = strict(run("design", *AT_RATE, "--tp", "1", "--rate", "1", "--json")[1])
    script = tmp_path / "run.sh"
    script.write_text(answer["launch"] + "\n" + answer["benchmark"])
    limits = AT_RATE[AT_RATE.index("--itl-p95-ms") :]
    made = strict(run("predict", "--gpu", "h200-sxm", *limits, "--json", "--", str(script))[1])
    assert {n: made["estimate"][n] for n in COUNTED} == {n: answer["winner"][n] for n in COUNTED}


def test_a_rate_that_is_not_answered_is_said_to_queue_without_end(run):
    status, out, _ = run("predict", *AT_RATE, "--rate", "40")
    most = strict(run("predict", *AT_RATE, "--rate", "1", "--json")[1])["saturates_rps"]
    told = f"it answers at most {most:.3g} of 40 requests/s, and the queue grows without end"
    assert status == 0 and told in unwrapped(out)


def test_a_rate_and_users_are_not_both_taken(run):
    status, _, err = run("predict", *AT_RATE, "--rate", "1", "--users", "4")
    assert (status, "give one of them" in err) == (2, True)


def test_a_start_up_log_is_sent_to_the_command_that_reads_it(run, tmp_path):
    """Its quotes are no shell's."""
    log = tmp_path / "server.log"
    log.write_text(
        "INFO 11-20 09:12:01 [utils.py:233] non-default args: {'model': 'Qwen/Qwen3-8B'}\n"
        "INFO 11-20 09:13:20 [gpu_model_runner.py:2653] Model loading took 15.3 GiB\n"
        "ERROR 11-20 09:13:40 the models's max seq len is larger than the KV cache memory\n"
    )
    code, _, err = run("predict", "--gpu", "l40s", "--", str(log))
    assert code == 2 and "is a start-up log" in err and "llmcap validate" in err
