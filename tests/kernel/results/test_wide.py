"""A table with a quantity a column: names as vLLM's and SGLang's clients write them, by hand."""

import json

import pytest

from llmcap_kernel.evidence import compare, measurements, results
from llmcap_kernel.evidence.results import whose, wide
from llmcap_kernel.refuse import BadInput

HEAD = (
    "model,gpu,tp,precision,input_len,output_len,concurrency,"
    "output_throughput,mean_ttft_ms,mean_tpot_ms,p99_itl_ms"
)
ROW = "meta-llama/Llama-3.1-8B-Instruct,H100,1,fp8,1024,256,16,1480,95,10.2,25"


def read(*lines):
    return results.parse("\n".join(lines).encode(), "mine.csv")


def test_the_quantities_of_a_row_are_rows_and_each_names_its_column():
    lines = read(HEAD, ROW)
    made = [measurements.measurement(line) for line in lines]
    assert [line.where for line in lines] == [
        "line 2 output_throughput", "line 2 mean_ttft_ms", "line 2 mean_tpot_ms",
        "line 2 p99_itl_ms",
    ]  # fmt: skip
    assert [(m.load.metric, m.value, m.load.percentile) for m in made] == [
        ("output_tok_s_total", 1480, None), ("ttft_ms", 95, None), ("itl_ms", 10.2, None),
        ("itl_percentile_ms", 25, 99),
    ]  # fmt: skip
    assert {m.load[2:5] for m in made} == {(1024, 256, 16)}
    assert {(m.spelled.gpu, m.spelled.tp, m.spelled.weights) for m in made} == {("H100", 1, "fp8")}


@pytest.mark.parametrize(
    ("prompt", "answer", "said"),
    [
        ("in_len", "out_len", ""),
        ("isl", "osl", ""),
        ("prompt_len", "max_tokens", "'max_tokens' taken as how long answers are"),
        ("Input tokens", "max_new_tokens", "'max_new_tokens' taken as how long answers are"),
        ("in_tokens", "out_tokens", ""),
        ("num_input_tokens", "num_output_tokens", ""),
    ],
)
def test_lengths_are_read_as_people_head_them(prompt, answer, said):
    (line,) = read(f"model,gpu,{prompt},{answer},users,itl_ms", "qwen3-8b,l4,3000,300,4,22")
    assert measurements.measurement(line).load[2:5] == (3000, 300, 4)
    assert line.fields.get("assumed", "") == said and line.fields["not_read"] == ()


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("model;gpu;itl (ms)\nqwen3-8b;l4;22,1", 22.1),  # a spreadsheet of a German desk
        ("model;gpu;itl (ms)\nqwen3-8b;l4;22.1", 22.1),
        ('model,gpu,itl (ms)\nqwen3-8b,l4,"1,146.31"', 1146.31),
        ("model\tgpu\titl (ms)\nqwen3-8b\tl4\t1,146.31", 1146.31),
    ],
)
def test_a_comma_is_decimal_where_semicolons_part_the_cells(text, gap):
    assert [row.fields["value"] for row in read(text)] == [gap]


def test_a_decimal_comma_elsewhere_makes_no_number_ten_times_as_large():
    (row,) = read("model\tgpu\titl (ms)\nqwen3-8b\tl4\t22,1")
    assert row.problem == "itl (ms) is '22,1': it takes a number above zero"


def test_a_percentile_is_predicted_as_that_percentile():
    report = compare.report(read(HEAD + ",p90_ttft_ms,p95_e2el_ms", ROW + ",120,4000"))
    by = {row.id.removeprefix("line 2 "): row.predicted for row in report.rows}
    assert by["p99_itl_ms"] > by["mean_tpot_ms"]
    assert by["p90_ttft_ms"] > by["mean_ttft_ms"]
    assert by["p95_e2el_ms"] > by["mean_ttft_ms"] + 255 * by["mean_tpot_ms"]


@pytest.mark.parametrize(
    ("column", "name", "value", "percent"),
    [
        ("Median TTFT (ms)", "ttft_ms", 2.0, None),
        ("ttft_s", "ttft_ms", 2000.0, None),
        ("tpot_ms_p95", "tpot_percentile_ms", 2.0, 95.0),
        ("p99.9_e2el_ms", "e2e_percentile_ms", 2.0, 99.9),
        ("mean_e2e_latency_ms", "e2e_latency_s", 0.002, None),
        ("Output token throughput (tok/s)", "output_tok_s_total", 2.0, None),
        ("total_token_throughput", "total_tok_s", 2.0, None),
    ],
)
def test_names_in_any_order_and_units(column, name, value, percent):
    (line,) = read(f"gpu,{column}", "h100,2")
    fields = line.fields
    assert (fields["metric"], fields["percentile"]) == (name, percent)
    assert fields["value"] == pytest.approx(value)


def test_of_two_columns_of_one_quantity_the_median_is_read():
    (line,) = read("gpu,mean_tpot_ms,median_tpot_ms,median_itl_ms", "h100,9,8,7")
    assert (line.where, line.fields["value"]) == ("line 2 median_tpot_ms", 8)
    (line,) = read("gpu,mean_tpot_ms,median_tpot_ms", "h100,9,")
    assert line.where == "line 2 mean_tpot_ms"


def test_a_column_that_is_not_understood_is_named():
    report = compare.report(read(HEAD + ",mood,std_ttft_ms", ROW + ",good,3"))
    assert not [row for row in report.rows if row.skipped]
    told = {text for text in report.assumptions if text.startswith("column")}
    assert told == {"column 'mood' is not understood", "column 'std_ttft_ms' is not understood"}


def test_a_row_without_a_number_is_a_problem_and_the_others_are_read():
    empty, full = read("gpu,mean_ttft_ms", "h100,failed", "h100,95")
    assert empty.problem == "mean_ttft_ms is 'failed': it takes a number above zero"
    assert not full.problem
    (blank,) = read("gpu,mean_ttft_ms", "h100,N/A")
    assert blank.problem == "mean_ttft_ms: no number above zero"


def test_a_cell_that_is_no_number_is_named_beside_those_that_are():
    gap, lost = read("gpu,ttft_ms,tpot_ms,itl_ms", "h100,150\u00b112,9.5,-")
    assert (gap.fields["metric"], gap.fields["value"]) == ("itl_ms", 9.5)
    assert lost.problem == "ttft_ms is '150\u00b112': it takes a number above zero"


@pytest.mark.parametrize(
    ("cell", "rate"), [("512 tok/s", 512), ("1.5k tokens/s", 1500), ("1,024.5 t/s", 1024.5)]
)
def test_a_rate_has_its_unit_in_the_cell_too(cell, rate):
    (line,) = read("gpu;output tok/s", f"h100;{cell}")
    assert line.fields["value"] == rate


def test_requests_a_second_beside_users_are_what_came_out():
    """The table of LMDeploy's benchmark/profile_restful_api.py has both; a load has one of them."""
    (line,) = read("gpu,concurrency,rps,itl_ms", "h100,64,3.1,9.5")
    assert "request_rate" not in line.fields and line.fields["concurrency"] == "64"
    assert "'rps' beside users at once taken as what was served" in line.fields["assumed"]
    (line,) = read("gpu,rps,itl_ms", "h100,3.1,9.5")
    assert line.fields["request_rate"] == "3.1"


def test_a_column_that_stands_twice_and_says_two_things_is_a_problem():
    (line,) = read("gpu,tp,tp,itl_ms", "h100,1,2,9.5")
    assert line.problem == "tp stands twice, as '1' and '2'"
    (line,) = read("gpu,tp,tp,itl_ms", "h100,2,2,9.5")
    assert line.fields["tp"] == "2"


def test_tables_put_behind_one_another_are_one():
    lines = read("gpu,itl_ms", "h100,9.5", "", "gpu,itl_ms", "h100,8.5")
    assert [line.fields["value"] for line in lines] == [9.5, 8.5]


def test_what_names_no_quantity_is_refused_with_the_way_to_write_it():
    with pytest.raises(BadInput, match="a quantity a column"):
        read("model,gpu,requests/s", "a,b,9")


@pytest.mark.parametrize(
    ("column", "cell", "value", "taken"),
    [
        # no first token comes within 5 ms, and no answer within 60; no gap is below half of one
        ("ttft", "95", 95, "milliseconds"), ("ttft", "0.095", 95, "seconds"),
        ("tpot", "10.2", 10.2, "milliseconds"), ("mean_itl", "0.0102", 10.2, "seconds"),
        ("p99_e2el", "2400", 2400, "milliseconds"), ("p99_e2el", "2.4", 2400, "seconds"),
    ],
)  # fmt: skip
def test_a_time_without_a_unit_is_read_and_says_what_was_taken(column, cell, value, taken):
    (line,) = read(f"model,gpu,{column}", f"qwen3-8b,h100,{cell}")
    assert line.fields["value"] == pytest.approx(value)
    assert line.fields["assumed"] == f"unit of {column!r} not stated: {taken} taken"


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("output_tps_per_user", "decode_tok_s_per_user"),
        ("tokens/s/user", "decode_tok_s_per_user"),
        ("output_tput_per_gpu", "output_tok_s_per_gpu"),
        ("output tok/s", "output_tok_s_total"),
        ("total output tokens per second", "output_tok_s_total"),
        ("total tok/s", "total_tok_s"),
        ("tok/s", "output_tok_s_total"), ("tput_per_gpu", "output_tok_s_per_gpu"),
        ("requests/s", None), ("input_throughput", None), ("p99 tok/s", None), ("tokens", None),
    ],
)  # fmt: skip
def test_rates_in_other_words(column, name):
    found = wide.quantity(column)
    assert (found and found.name) == name
    assert not found or (found.unsaid == "tokens") == (column in ("tok/s", "tput_per_gpu"))


@pytest.mark.parametrize(
    ("rows", "gap", "prompt"),
    [
        # a German desk: the comma is decimal in one cell, so the dot parts thousands in others
        ("model;gpu;itl (ms);isl\nqwen3-8b;l4;22,1;1.024", 22.1, 1024),
        ("model;gpu;itl (ms);isl\nqwen3-8b;l4;1.146,31;1.024", 1146.31, 1024),
        ("model;gpu;itl (ms);isl\nqwen3-8b;l4;22.1;1024", 22.1, 1024),
        ('model,gpu,itl (ms),isl\nqwen3-8b,l4,22.1,"1,024"', 22.1, 1024),
        ("model,gpu,itl (ms),isl\nqwen3-8b,l4,1 146.31,1\u202f024", 1146.31, 1024),
        ("model,gpu,itl,isl\nqwen3-8b,l4,22.1 ms,1024", 22.1, 1024),
        ("model,gpu,ttft_s,itl (ms),isl\nqwen3-8b,l4,NaN,22.1,1024", 22.1, 1024),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_numbers_and_encodings_of_the_world(rows, gap, prompt, encoding):
    (row,) = results.parse(rows.encode(encoding), "mine.csv")
    made = measurements.measurement(row, {"concurrency": 1})
    assert made.value == pytest.approx(gap) and made.load.input_tokens == prompt


def test_a_long_table_in_a_client_s_words():
    head = "model,gpu,concurrency,metric,value,unit"
    rows = ("p99_ttft,0.3,s", "mean_tpot_ms,9.5,", "output_throughput,640,tok/s", "itl_ms,9,ms")
    made = [measurements.measurement(row) for row in read(head, *(f"a,h100,8,{r}" for r in rows))]
    assert [(m.load.metric, m.value, m.load.percentile) for m in made] == [
        ("ttft_percentile_ms", 300, 99), ("itl_ms", 9.5, None),
        ("output_tok_s_total", 640, None), ("itl_ms", 9, None),
    ]  # fmt: skip


def test_a_table_in_the_calculators_words():
    head = "model,gpu,tp,weights,users,prompt,answer,tok_s_user,ttft_ms"
    made = [measurements.measurement(row) for row in read(head, "a,h100,2,fp8,16,7000,1000,33,9")]
    assert {(m.load.input_tokens, m.load.output_tokens) for m in made} == {(7000, 1000)}


def test_a_table_in_the_calculators_words_that_leaves_open_whose_tokens():
    head = "model,gpu,tp,weights,users,prompt,answer,tok_s,ttft_ms"
    rows = read(head, "a,h100,2,fp8,16,7000,1000,33,9")
    with pytest.raises(BadInput, match=r"'tok_s' does not say whose tokens \(give --rate-of\)"):
        measurements.measurement(rows[0])
    for said, metric in whose.METRIC_OF.items():
        assert measurements.measurement(rows[0], {"rate_of": said}).load.metric == metric


USERS = "model,gpu,tp,weights,users,prompt,answer"


@pytest.mark.parametrize(
    ("rate", "metric"),
    [
        # 16 users, a token each 20 ms after 1 s: one has between 100 / 2.98 s = 34 and 50 tok/s,
        # all 537 to 800, and with prompts of 1,000 tokens eleven times as many
        ("40", "decode_tok_s_per_user"), ("34", "decode_tok_s_per_user"),
        ("540", "output_tok_s_total"), ("790", "output_tok_s_total"), ("6500", "total_tok_s"),
    ],
)  # fmt: skip
def test_the_other_columns_of_a_row_tell_whose_tokens_a_rate_counts(rate, metric):
    head = f"{USERS},tok_s,tpot_ms,ttft_ms"
    rows = read(head, f"llama-3.1-8b,h100,1,bf16,16,1000,100,{rate},20,1000")
    made = measurements.measurement(rows[0])
    assert (made.load.metric, made.value) == (metric, float(rate))
    assert any("whose tokens" in text for text in made.spelled.left_open)


@pytest.mark.parametrize(
    ("rates", "metric"),
    [
        (("150", "130", "60"), "decode_tok_s_per_user"),  # falls with users
        (("150", "1000", "4000"), "output_tok_s_total"),  # rises with users
    ],
)
def test_a_rate_along_the_load_tells_whose_tokens_it_counts(rates, metric):
    users = ("1", "8", "64")
    cells = (
        f"llama-3.1-8b,h100,1,bf16,{n},1000,100,{r}" for n, r in zip(users, rates, strict=True)
    )
    rows = read(f"{USERS},tok/s", *cells)
    assert {measurements.measurement(row).load.metric for row in rows} == {metric}


def test_a_row_settles_the_others_of_its_column():
    a, b = "llama-3.1-8b,h100,1,bf16,16,1000,100,40,20", "llama-3.1-8b,l4,1,bf16,16,1000,100,9,"
    rows = [row for row in read(f"{USERS},tok_s,tpot_ms", a, b) if "tok_s" in row.where]
    assert {measurements.measurement(row).load.metric for row in rows} == {"decode_tok_s_per_user"}


@pytest.mark.parametrize("column", ["output_tps", "tok_s", "output_throughput"])
def test_a_row_that_contradicts_itself_is_no_measurement(column):
    """16 users with a token each 20 ms have 800 tok/s, and one of them 50."""
    cells = "llama-3.1-8b,h100,1,bf16,16,,,8,20"
    row, other = read(f"{USERS},{column},tpot_ms", cells)
    assert row.problem.startswith(f"impossible: {column} is 8") and not other.problem


def test_what_a_client_sent_by_rate_may_be_less_than_its_users_make():
    cells = "llama-3.1-8b,h100,1,bf16,256,1000,100,200,20,2"
    row, _ = read(f"{USERS},output_throughput,tpot_ms,request_rate", cells)
    assert not row.problem


@pytest.mark.parametrize("rate", ["inf", "Infinity"])
def test_a_client_that_sends_as_fast_as_its_users_let_it_has_no_rate(rate):
    """`--request-rate inf`, the default of vLLM's and SGLang's clients."""
    cells = f"llama-3.1-8b,h100,1,bf16,256,1000,100,60,8,{rate}"
    for line in read(f"{USERS},mean_ttft_ms,mean_tpot_ms,request_rate", cells):
        load = measurements.measurement(line).load
        assert load.concurrency and load.request_rate is None


def test_a_long_table_may_leave_open_whose_tokens_too():
    (row,) = read("model,gpu,concurrency,metric,value", "a,h100,8,tok/s,640")
    with pytest.raises(BadInput, match="whose tokens"):
        measurements.measurement(row)


def test_the_sample_can_be_predicted_whole():
    report = compare.report(results.parse(results.SAMPLE.encode(), "sample.csv"))
    assert len(report.rows) == 6 and not [row for row in report.rows if row.skipped]


@pytest.mark.parametrize("name", [n for names in wide.COLUMNS.values() for n in names])
def test_no_name_of_a_column_is_that_of_a_quantity(name):
    assert wide.quantity(name) is None and wide.column_of(name)


@pytest.mark.parametrize(
    ("column", "asked"),
    [
        ("itl_ms", ["concurrency"]), ("ttft_ms", ["concurrency", "input"]),
        ("p99_e2el_ms", ["concurrency", "input", "output"]), ("prefill_tps", ["input"]),
        ("output_tps", ["concurrency"]),
    ],
)  # fmt: skip
def test_what_a_quantity_needs_is_asked_for_and_not_guessed(column, asked):
    (row,) = read(f"model,gpu,{column}", "llama-3.1-8b,h100,9000")
    given, told = {}, []
    while True:
        try:
            measurements.measurement(row, given)
        except BadInput as problem:
            (option,) = [o for c, o in measurements.OPTIONS.items() if f"--{o})" in str(problem)]
            told.append(option)
            given[next(c for c, o in measurements.OPTIONS.items() if o == option)] = 8
        else:
            break
    assert told == asked


def test_a_prompt_that_is_not_stated_is_said():
    (row,) = compare.report(read("model,gpu,users,itl_ms", "llama-3.1-8b,h100,8,9")).rows
    report = compare.report(read("model,gpu,users,itl_ms", "llama-3.1-8b,h100,8,9"))
    assert (
        row.predicted and "prompt not stated: 128 tokens taken (give --input)" in report.assumptions
    )


@pytest.mark.parametrize(
    ("column", "name", "is_open"),
    [
        ("decode_tps", "output_tok_s_total", True), ("gen tok/s", "output_tok_s_total", True),
        ("eval tok/s", "output_tok_s_total", True), ("output tok/s", "output_tok_s_total", False),
        ("decode_tps_per_user", "decode_tok_s_per_user", False),
        ("prefill_tps", "prefill_tok_s", False), ("prompt tok/s", "prefill_tok_s", False),
        ("avg latency (s)", "e2e_latency_s", False), ("latency", "e2e_latency_s", False),
    ],
)  # fmt: skip
def test_an_answer_s_rate_may_be_anybody_s_and_a_prompt_s_is_one_s(column, name, is_open):
    found = wide.quantity(column)
    assert (found.name, found.unsaid == "tokens") == (name, is_open)


def test_a_table_of_markdown_is_read_as_one_of_cells():
    rows = read(
        "# Results", "", "| Model | GPU | Users | TTFT (ms) | Output tok/s |",
        "|---|---|--:|--:|--:|", "| llama-3.1-8b | H100 | 16 | 95 | 1,480 |",
    )  # fmt: skip
    made = [measurements.measurement(row, {"input_tokens": 1000}) for row in rows]
    assert [(m.load.metric, m.value, m.load.concurrency) for m in made] == [
        ("ttft_ms", 95, 16), ("output_tok_s_total", 1480, 16),
    ]  # fmt: skip


INFERENCEMAX = {
    **{"hw": "b200-trt", "tp": 4, "ep": 1, "dp_attention": False, "conc": 512, "osl": 8192},
    **{"model": "openai/gpt-oss-120b", "framework": "trt", "precision": "fp4", "isl": 1024},
    **{"image": "nvcr.io#nvidia/tensorrt-llm/release:1.1.0", "spec_decoding": "none"},
    **{"disagg": False, "median_ttft": 7.5, "median_tpot": 0.0135, "p99_tpot": 0.02},
    **{"median_e2el": 118.0, "output_tput_per_gpu": 9000.0},
}


def of(**changed):
    lines = results.parse(json.dumps(INFERENCEMAX | changed).encode(), "x")
    return {line.fields.get("metric", line.problem): line.fields for line in lines}


def test_a_row_whose_gap_is_in_seconds_is_in_seconds():
    """A first token of 7.5 and an answer of 118 are late in seconds, and absurd in ms."""
    values = {name: fields["value"] for name, fields in of().items()}
    assert values == pytest.approx(
        {"ttft_ms": 7500, "itl_ms": 13.5, "tpot_percentile_ms": 20, "e2e_latency_s": 118}
        | {"output_tok_s_per_gpu": 9000}
    )
    slow = of(median_tpot=13.5, p99_tpot=20.0, median_ttft=750.0, median_e2el=118_000.0)
    assert slow["itl_ms"]["value"] == 13.5 and slow["ttft_ms"]["value"] == 750
    assert slow["e2e_latency_s"]["value"] == pytest.approx(118)


@pytest.mark.parametrize(
    ("label", "card"),
    [("b200-trt", "b200"), ("h200_sglang", "h200"), ("mi355x", "mi355x"), ("h100", "h100")],
)
def test_the_engine_behind_a_card_is_no_part_of_its_name(label, card):
    assert of(hw=label)["itl_ms"]["gpu"] == card


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("nvcr.io#nvidia/tensorrt-llm/release:1.1.0", "1.1.0"),
        ("lmsysorg/sglang:v0.5.5-cu129-amd64", "0.5.5"),
        ("vllm/vllm-openai:v0.11.2", "0.11.2"),
        ("vllm/vllm-openai:latest", None),
        ("rocm/pytorch:2.8", None),
    ],
)
def test_the_version_is_that_of_the_container(image, version):
    fields = of(image=image)["itl_ms"]
    assert fields.get("engine_version") == version
    assert ("image" in fields["not_read"]) == (version is None)


def test_what_a_run_did_that_is_not_predicted_is_said():
    assert "predicted without" in of(spec_decoding="mtp")["itl_ms"]["assumed"]
    assert "guessed" not in of()["itl_ms"].get("assumed", "")
    (told,) = of(disagg=True)
    assert told == "disagg is True: prompts on cards of their own are not predicted"
