"""The page of evidence: filters, choices of prediction, and a file of the reader's own."""

import csv
import json
import math
import re
import statistics
from collections import Counter
from types import SimpleNamespace

import pytest

from llmcap_kernel.evidence import compare, fit, weak_spots
from llmcap_kernel.refuse import BadInput
from tests.widgets.reading import control, headline
from widgets.benchmarks import address
from widgets.calculators import example, own_rows, published, published_tables, scatter
from widgets.calculators import validate as page
from widgets.form import upload
from widgets.host import Calculator
from widgets.page import static_html

GOOD = (
    "id,model,gpu,engine,weight_dtype,concurrency,input_tokens,output_tokens,metric,value\n"
    "mine,llama-3.1-8b,H100 SXM,vLLM,bf16,1,1000,100,itl_ms,7.5\n"
    "far,llama-3.1-8b,H100 SXM,vLLM,bf16,1,1000,100,itl_ms,75\n"
    "broken,llama-3.1-8b,abacus,vLLM,bf16,1,1000,100,itl_ms,75\n"
)
SERVE = {
    "backend": "vllm", "model_id": "meta-llama/Llama-3.1-8B-Instruct", "num_prompts": 200,
    "max_concurrency": 16, "completed": 200, "total_input_tokens": 204_800,
    "total_output_tokens": 25_600, "output_throughput": 1062.2, "median_ttft_ms": 170.1,
    "median_tpot_ms": 13.2,
}  # fmt: skip


def shown(**changed):
    return page.view(page.FORM.defaults() | changed)


def table(view, caption):
    return next(t for t in view["tables"] if t["caption"].startswith(caption))


def whole(view, caption):
    """All rows of a table: those in sight, and those that are folded below them."""
    first = table(view, caption)
    rest = view["tables"][view["tables"].index(first) + 1]
    assert not first.get("fold") and rest["fold"] and rest["columns"] == first["columns"]
    assert re.search(r"\d+", rest["caption"])[0] == str(len(rest["rows"]))
    return first["rows"] + rest["rows"]


def kept(tmp_path, rows, **left_out):
    """Predictions as `llmcap calibrate` writes them."""
    path = tmp_path / "predicted.csv"
    names = ("predicted", "low", "high", "ceiling")
    lines = [",".join(("id", *names, *compare.LEFT_OUT))]
    for row in rows:
        values = [getattr(row, name) for name in names]
        values += [left_out.get(name.removeprefix("left_out_")) for name in compare.LEFT_OUT]
        lines.append(",".join([row.id, *("" if v is None else repr(v) for v in values)]))
    path.write_text("\n".join(lines))
    return path


def with_rows():
    """The groups of which anything is published: percentiles are a reader's own alone."""
    return [group for name, group in published.GROUPS.items() if name != "percentile"]


def median(rows, prediction):
    return statistics.median(abs(prediction(r) / r.measured - 1) for r in rows)


PREDICTIONS = {
    "source": lambda r: r.left_out[2],
    "card": lambda r: r.left_out[1],
    "model": lambda r: r.left_out[0],
    "fitted": lambda r: r.predicted,
    "ceiling": lambda r: r.ceiling,
}


def test_what_a_fit_never_saw_is_shown_first_beside_what_it_saw_and_no_fit():
    view = shown(metric="prompt")
    here = [r for r in published.measured_rows() if r.metric == "prefill_tok_s"]
    values = [one["value"] for one in view["headline"][:3]]
    wanted = ("source", "fitted", "ceiling")
    assert values == [f"{median(here, PREDICTIONS[name]):.0%}" for name in wanted]


def test_all_predictions_stand_side_by_side():
    rows = {row[0]: row for row in table(shown(), "Half of the rows")["rows"]}
    for group in with_rows():
        here = [r for r in published.measured_rows() if r.metric in group.metrics]
        for cell, (name, prediction) in zip(
            rows[group.title][2:], PREDICTIONS.items(), strict=False
        ):
            known = [r for r in here if prediction(r)]
            want = published.percent(median(known, prediction)) if known else "none"
            assert cell == want, (group.title, name)


def test_a_left_out_prediction_is_farther_off_than_a_fitted_one():
    here = [r for r in published.measured_rows() if r.metric in published.GROUPS["speed"].metrics]
    off = {name: median(here, prediction) for name, prediction in PREDICTIONS.items()}
    assert off["fitted"] < off["model"] < off["source"] < off["ceiling"]


@pytest.mark.parametrize("against", list(published.AGAINST))
def test_every_choice_of_prediction_has_rows(against):
    view = shown(against=against)
    assert (
        view["figure"]
        and f"prediction: {published.AGAINST[against]}" in view["headline"][0]["note"]
    )


def marks(view):
    return [t for t in view["figure"]["data"] if t["mode"] == "markers"]


def test_rows_on_one_place_are_one_mark_and_none_is_lost():
    view = shown(metric="first-token")
    here = [r for r in published.measured_rows() if r.metric == "ttft_ms"]
    more = [re.search(r"and ([\d,]+) more here", t) for m in marks(view) for t in m["text"]]
    hidden = sum(int(found[1].replace(",", "")) for found in more if found)
    drawn = sum(len(t["x"]) for t in marks(view))
    assert drawn + hidden == len(here) and drawn < 0.7 * len(here)
    said = [int(t["name"].split("(")[1].strip(")").replace(",", "")) for t in marks(view)]
    assert sum(said) == len(here)


def test_of_the_rows_on_one_place_the_farthest_off_is_the_mark():
    row = published.measured_rows()[0]._replace(measured=100.0, low=None, high=None)
    near, far = (row._replace(id=name, predicted=v) for name, v in (("n", 101.0), ("f", 102.0)))
    (trace,) = [scatter.marks(published.points([near, far], "fitted"), "x", {"size": 6}, 1.0, 1e6)]
    assert len(trace["x"]) == 1 and trace["text"][0].startswith("f:")
    assert "1 more here" in trace["text"][0]


def test_a_view_is_light_enough_to_be_drawn_at_once():
    sizes = [len(json.dumps(shown(metric=name))) for name in published.GROUPS]
    assert max(sizes) < 120_000


# the rows


def test_the_rows_that_are_kept_are_those_of_the_measurements():
    held = json.loads(published.UNDERSTOOD.read_text())
    assert held["of"] == published._stamp(), "run `python -m widgets.calculators.validate`"
    assert tuple(published._unpacked(held)) == compare.understood(published.MEASURED)


def test_rows_kept_of_other_measurements_are_not_used(tmp_path, monkeypatch):
    few = tmp_path / "measured.csv"
    few.write_text("".join(published.MEASURED.read_text().splitlines(keepends=True)[:3]))
    monkeypatch.setattr(published, "MEASURED", few)
    assert len(published.measured_rows.__wrapped__()) == 2


def test_without_the_files_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "PREDICTED", tmp_path / "none.csv")
    assert published.measured_rows.__wrapped__() == ()


def test_inside_and_outside_differ_in_shape():
    drawn = marks(shown())
    assert len({t["marker"]["symbol"] for t in drawn}) == len(drawn) == 2


def test_the_gap_between_tokens_is_drawn_as_the_rate_it_makes():
    row = next(r for r in published.measured_rows() if r.metric == "itl_ms")
    trace = scatter.marks(published.points([row], "fitted"), "x", {"size": 6}, 1e-3, 1e6)
    assert trace["x"] == [pytest.approx(1000 / row.predicted, rel=1e-3)]
    assert trace["y"] == [pytest.approx(1000 / row.measured, rel=1e-3)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "apple-silicon"),
        ("mode", "none"),
        ("engine", "sglang"),
        ("gpu", "l40s"),
        ("model", "qwen3-32b"),
        ("source", "nim"),
        ("regime", "batch1_decode"),
    ],
)
def test_a_filter_leaves_only_its_rows(name, value):
    def passes(row):
        if name == "mode":
            return value in row.failure_modes or (value == "none" and not row.failure_modes)
        return getattr(row, name) == value

    counts = {row[0]: row[1] for row in table(shown(**{f"only.{name}": value}), "Half of")["rows"]}
    for group in with_rows():
        rows = [r for r in published.measured_rows() if r.metric in group.metrics and passes(r)]
        assert counts[group.title] == f"{len([r for r in rows if r.predicted]):,}"


def test_a_spec_sheet_has_no_interval():
    view = shown(against="ceiling")
    assert len(view["headline"]) == 1
    assert {row[-1] for row in table(view, "Half of")["rows"]} == {"none"}
    assert not [t for t in view["figure"]["data"] if "interval" in t["name"]]


def test_filters_that_leave_nothing_say_so():
    view = shown(**{"only.gpu": "l4", "only.source": "nim"})
    assert view["figure"] is None and view["status"]["level"] == "warn"
    assert "No measured row" in view["status"]["text"]


def test_the_farthest_rows_come_first_and_are_named():
    rows = whole(shown(against="fitted"), "Farthest")
    by_id = {r.id: r for r in published.measured_rows()}
    off = []
    for first, *_, why in rows:
        row = by_id[first]
        off.append(abs(math.log(row.predicted / row.measured)))
        for mode in row.failure_modes:
            assert weak_spots.mode(mode).title in why
    assert off == sorted(off, reverse=True)
    assert len({what for _, what, *_ in rows}) == len(rows) == published_tables.FARTHEST_ROWS
    assert off[0] == max(
        abs(math.log(r.predicted / r.measured))
        for r in published.measured_rows()
        if published.GROUP_OF[r.metric] == "speed"
    )


def test_every_failure_mode_stands_in_the_table_with_its_rows():
    modes = {row[0]: row for row in whole(shown(), "Failure modes")}
    evidence = weak_spots.evidence(published.measured_rows())
    found = dict(zip((mode.title for mode in weak_spots.MODES), evidence, strict=True))
    assert modes.keys() == found.keys()
    assert {name: row[1] for name, row in modes.items()} == {
        name: f"{e.rows:,}" for name, e in found.items()
    }
    small = {name for name, e in found.items() if e.is_small}
    assert {name for name, row in modes.items() if row[-1] == "small"} == small
    told = table(shown(), "What goes wrong")["rows"]
    assert [row[0] for row in told] == list(modes)
    assert {row[0] for row in told if row[2].startswith("Turned out small.")} == small


@pytest.mark.parametrize("caption", ["Failure modes", "Source by source"])
def test_what_is_farthest_off_with_its_source_left_out_comes_first(caption):
    """A reader is a new source: that column is the one in which he is."""
    first = table(shown(), caption)
    rows = first["rows"] if first.get("fold") else whole(shown(), caption)
    said = [row[first["columns"].index("Source left out")] for row in rows]
    off = [float(text.rstrip("%")) for text in said if text.endswith("%")]
    assert off == sorted(off, reverse=True) and len(off) > 10


def test_a_number_counted_twice_is_a_doubt_with_its_rows():
    doubt = next(d for d in weak_spots.DOUBTS if d.name == "split-counted-twice")
    (row,) = [r for r in table(shown(), "Rows that may")["rows"] if r[0] == doubt.title]
    with published.MEASURED.open(encoding="utf-8", newline="") as file:
        lines = [r for r in csv.DictReader(file) if doubt.name in weak_spots.doubts(r)]
    assert row[2] == str(len(lines)) and len(lines) > 100
    assert all(r["tp"] == r["ep"] and f"tp={int(r['ep']) ** 2};" in r["stated"] for r in lines)


def test_every_source_stands_with_its_rows_and_the_weight_of_one():
    rows = {row[0]: row for row in table(shown(), "Source by source")["rows"]}
    of = Counter(r.source for r in published.measured_rows() if r.predicted)
    assert {name: row[1] for name, row in rows.items()} == {n: f"{k:,}" for n, k in of.items()}
    lighter = {name: row[-2] for name, row in rows.items() if row[-2] != "1"}
    weights = {}
    for row in published.measured_rows():
        if row.predicted:
            weights.setdefault(row.source, set()).add(fit.weight(row.doubts))
    assert lighter == {
        source: " or ".join(f"{weight:g}" for weight in sorted(found))
        for source, found in weights.items()
        if found != {1.0}
    }
    assert lighter["ix_tokpos"] == f"{fit.DOUBTED['token-position']:g}"
    assert lighter["argonne"] == f"{fit.DOUBTED['prompt-at-decode-rate']:g} or 1"


def test_a_mark_is_larger_the_more_rows_it_stands_for():
    (marks,) = [t for t in shown()["figure"]["data"] if t["name"].startswith("in its interval")]
    many = [int(m[1].replace(",", "")) if (m := re.search(r"and ([\d,]+) more", t)) else 0
            for t in marks["text"]]  # fmt: skip
    total = int(re.search(r"\(([\d,]+)\)", marks["name"])[1].replace(",", ""))
    assert sum(many) + len(many) == total
    by_rows = sorted(zip(many, marks["marker"]["size"], strict=True))
    sizes = [size for _, size in by_rows]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


# predictions that were kept


def test_kept_predictions_are_joined_and_none_is_computed(tmp_path, monkeypatch):
    rows = published.measured_rows()[:40]
    path = kept(tmp_path, rows, model=3.0, card=4.0)

    def no(*_, **__):
        raise AssertionError("a prediction was computed")

    monkeypatch.setattr(compare.calibration, "estimates", no)
    made = compare.join_predictions(compare.understood(published.MEASURED), path)
    assert [(r.id, r.metric, r.measured, r.failure_modes) for r in made] == [
        (r.id, r.metric, r.measured, r.failure_modes) for r in rows
    ]
    assert made[0].predicted == rows[0].predicted
    assert made[0].left_out == (3.0, 4.0, None)


def test_a_left_out_prediction_takes_its_interval_along(tmp_path):
    row = published.measured_rows()[0]._replace(
        predicted=10.0, low=5.0, high=20.0, left_out=(30.0, 0, 0)
    )
    (point,) = published.points([row], "model")
    assert (point.predicted, point.low, point.high) == (30.0, 15.0, 60.0)
    assert published.points([row], "source") == []


def test_a_broken_file_of_predictions_is_one_sentence(tmp_path):
    path = tmp_path / "predicted.csv"
    path.write_text("id,predicted\nm1,many\n")
    with pytest.raises(BadInput, match="cannot be read"):
        compare.join_predictions((), path)


# a file of the reader's own


def send(calculator, raw, name="mine.csv", size=1_000_000):
    """Send a file as the page does; what the page is told of it."""
    told = []
    calculator.send = lambda content, buffers=None: told.append(content["file"])
    parts = [raw[i : i + size] for i in range(0, len(raw), size)] or [b""]
    for i, part in enumerate(parts):
        content = {"file": {"name": name, "part": i, "parts": len(parts)}}
        calculator._handle_custom_msg(content, [memoryview(part)])
    return told


@pytest.mark.parametrize("size", [1_000_000, 50])
def test_a_file_stands_beside_the_published_rows(size):
    calculator = Calculator("validate")
    address = calculator.view["query"]
    assert send(calculator, GOOD.encode(), size=size)[-1] == {"done": True}
    view = calculator.view
    assert [row[0] for row in table(view, "Your file, mine.csv")["rows"]] == ["far", "mine"]
    assert view["status"]["text"].startswith("Your 2 rows: median error ")
    assert table(view, "Rows of your file")["rows"][0][0] == "broken"
    assert "abacus" in table(view, "Rows of your file")["rows"][0][1]
    yours = [t for t in marks(view) if t["name"].startswith("yours")]
    assert sorted(y for t in yours for y in t["y"]) == [13.33, 133.3]
    assert view["headline"][0]["label"] == "Your median error"
    assert view["query"] == address, "a file is in no address"


def test_what_a_file_leaves_open_is_said_beside_it():
    calculator = Calculator("validate")
    send(calculator, json.dumps(SERVE).encode(), "serve.json")
    reasons = {row[1] for row in table(calculator.view, "Rows of your file")["rows"]}
    assert reasons == {"the card is not stated"}
    assert "file.gpu" in {c["name"] for c in calculator.view["controls"]}
    calculator.state = {"values": {"file.gpu": "h100-sxm"}, "seq": 1}
    assert len(table(calculator.view, "Your file")["rows"]) == 3
    assert not [t for t in calculator.view["tables"] if t["caption"].startswith("Rows of your")]


@pytest.mark.parametrize("card", ["h100-sxm", "l4"])
def test_a_card_on_which_a_file_s_model_does_not_start_is_told(card):
    calculator = Calculator("validate")
    large = SERVE | {"model_id": "meta-llama/Llama-3.1-70B-Instruct", "median_ttft_ms": 840.0}
    send(calculator, json.dumps(large).encode(), "serve.json")
    calculator.state = {"values": {"file.gpu": card}, "seq": 1}
    assert calculator.view["messages"] == []
    text = calculator.view["status"]["text"]
    assert f"llama-3.1-70b in bf16 does not fit one {card}: say how many cards" in text
    held = {one["name"] for one in calculator.view["controls"] if not one.get("fold")}
    assert {"file.tp", "file.weights"} <= held


def test_rows_too_far_off_to_be_handed_on_are_shown_all_the_same():
    calculator = Calculator("validate")
    far = SERVE | {"median_ttft_ms": 9e7}
    send(calculator, json.dumps(far).encode(), "serve.json")
    calculator.state = {"values": {"file.gpu": "h100-sxm"}, "seq": 1}
    assert calculator.view["messages"] == []
    assert not calculator.view.get("linked")
    assert len(table(calculator.view, "Your file")["rows"]) == 3


def test_an_input_beside_a_file_replaces_what_the_file_says():
    calculator = Calculator("validate")
    send(calculator, json.dumps(SERVE | {"model_id": "prod"}).encode(), "serve.json")
    assert "'prod' is not in the catalogue" in str(table(calculator.view, "Rows of your file"))
    beside = {"file.model": "llama-3.1-8b", "file.gpu": "h100-sxm", "file.kv": "fp8"}
    calculator.state = {"values": beside, "seq": 1}
    assert len(table(calculator.view, "Your file")["rows"]) == 3


WIDE = (
    "model,gpu,tp,precision,input_len,output_len,concurrency,output_throughput,mean_ttft_ms,"
    "p99_itl_ms,mood\n"
    "llama-3.1-8b,h100,1,bf16,1024,256,16,1480,95,25,good\n"
)


def test_a_table_as_an_engineer_writes_it_is_read():
    calculator = Calculator("validate")
    assert send(calculator, WIDE.encode())[-1] == {"done": True}
    names = {row[0] for row in table(calculator.view, "Your file")["rows"]}
    assert names == {f"line 2 {n}" for n in ("output_throughput", "mean_ttft_ms", "p99_itl_ms")}
    assert "column 'mood' is not understood" in str(table(calculator.view, "Taken"))
    metric = control(calculator.view, "metric")
    assert "Percentiles of waits (1 of yours)" in str(metric)
    assert "Percentiles" not in str(shown()["controls"])


def test_no_verdict_on_other_rows_stands_below_a_file_that_was_refused():
    calculator = Calculator("validate")
    assert calculator.view["status"]["level"] == "good"
    told = send(calculator, b"model,gpu,mood\na,b,9")[-1]
    assert "begins with 'model,gpu,mood'" in told["problem"]
    assert calculator.view["status"]["level"] == "warn"
    assert "not read" in calculator.view["status"]["text"]
    calculator.state = {"values": {"metric": "speed"}, "seq": 1}
    assert calculator.view["status"]["level"] == "good"


def file_control(calculator):
    return next(c for c in calculator.view["controls"] if c["kind"] == "file")


def test_a_file_that_is_refused_leaves_no_name_and_no_choice_of_the_one_before():
    calculator = Calculator("validate")
    send(calculator, GOOD.encode())
    calculator.state = {"values": {"file.gpu": "l4"}, "seq": 1}
    assert file_control(calculator)["loaded"]
    told = send(calculator, b"model,gpu,mood\na,b,9")[-1]
    assert told["problem"].count(",") < 12, "a few clients, not a dozen"
    assert not file_control(calculator)["loaded"] and file_control(calculator)["text"] == "none"
    assert "file.gpu" not in calculator.view["query"]
    calculator.state = {"query": "file=example", "seq": 2}
    send(calculator, b"model,gpu,mood\na,b,9")
    assert "file=" not in calculator.view["query"]


def test_what_was_set_for_a_file_stays_for_the_same_file_and_goes_with_another():
    calculator = Calculator("validate")
    send(calculator, GOOD.encode(), name="mine.csv")
    calculator.state = {"values": {"file.gpu": "l4"}, "seq": 1}
    send(calculator, GOOD.encode(), name="mine.csv")
    assert "file.gpu=l4" in calculator.view["query"]
    send(calculator, GOOD.encode(), name="other.csv")
    assert "file.gpu" not in calculator.view["query"]


def test_the_example_is_shown_as_it_is_whatever_was_set_for_a_file_before():
    calculator = Calculator("validate", "file.gpu=l4")
    example_query = file_control(calculator)["example"]
    assert "file=example" in example_query and "file.gpu" not in example_query


def test_a_row_is_off_by_one_number_in_every_place():
    """A gap measured at 75 ms and predicted near 7.5: 90% off, and by no other scale."""
    calculator = Calculator("validate")
    send(calculator, "\n".join(GOOD.splitlines()[::2]).encode(), "one.csv")
    (row,) = calculator._session._calculator.view.keywords["own"].report(()).rows
    off = f"{row.error:.0%}"
    top = headline(calculator.view)
    assert top["Your median error"]["value"] == off
    assert top["Predicted too hopeful"]["value"] == "1"
    assert table(calculator.view, "Your file")["rows"][0][-2] == f"{off} too hopeful"
    assert sum("everywhere" in one for one in calculator.view["sentences"]) == 1


def test_a_row_names_the_key_that_was_read():
    calculator = Calculator("validate")
    send(calculator, json.dumps(SERVE).encode(), "serve.json")
    calculator.state = {"values": {"file.gpu": "h100-sxm"}, "seq": 1}
    names = {row[0] for row in table(calculator.view, "Your file")["rows"]}
    assert names == {f"file {n}" for n in ("median_tpot_ms", "median_ttft_ms", "output_throughput")}


def test_predictions_lie_across_as_on_the_first_page():
    layout = shown()["figure"]["layout"]
    assert "predicted" in str(layout["xaxis"]["title"]) and "measured" in str(layout["yaxis"])


def test_a_sample_to_begin_with_can_be_read_again():
    (file,) = [c for c in shown()["controls"] if c["kind"] == "file"]
    calculator = Calculator("validate")
    send(calculator, file["sample"].encode())
    assert calculator.view["status"]["text"].startswith("Your 6 rows: ")


def test_a_file_that_an_address_cannot_hold_is_asked_for_again():
    (told,) = shown(**{"file.gpu": "h100-sxm"})["messages"]
    assert "not in the address" in told["text"] and told["field"] == "file"
    assert not shown()["messages"]


def example_rows():
    """The example's rows as the file of measurements has them, by id."""
    with (published.BENCHMARKS / "newer.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_the_example_is_made_of_public_rows_that_no_fit_has_seen():
    known = example_rows()
    rows = list(csv.DictReader(example.raw().decode().splitlines()))
    assert len(rows) == 16
    for row in rows:
        whole = known[row["id"]]
        assert whole["source_id"] in fit.TEST
        assert all(float(row[n]) == float(whole[n]) for n in ("value", "concurrency", "tp"))
        assert {n: whole[n] for n in row if n not in ("value", "memory_fraction")} | {
            "value": row["value"], "memory_fraction": row["memory_fraction"]} == row  # fmt: skip


def test_one_click_shows_the_example_and_one_takes_it_away():
    calculator = Calculator("validate")
    (file,) = [c for c in calculator.view["controls"] if c["kind"] == "file"]
    assert not file["loaded"] and "file=example" in file["example"]
    calculator.state = {"query": file["example"], "seq": 1}
    assert calculator.view["status"]["text"].startswith("Your 16 rows: median error ")
    assert example.SAID in calculator.view["sentences"]
    (file,) = [c for c in calculator.view["controls"] if c["kind"] == "file"]
    assert file["loaded"] and "file=" not in file["leave"]
    send(calculator, GOOD.encode())
    assert calculator.view["status"]["text"].startswith("Your 2 rows: "), "a file goes before it"


@pytest.mark.parametrize("row_id", ["h00409", "h01905"])
def test_a_source_of_the_newer_rows_opens_with_them(row_id):
    """One that no fit has seen, and one that it has: each row leads to where it was read."""
    source = example_rows()[row_id]["source_id"]
    view = Calculator("validate", f"file={source}").view
    theirs = [row for row in example_rows().values() if row["source_id"] == source]
    apart = source in fit.TEST
    shown = table(view, "The file, ")
    assert (
        f"{len(theirs):,} rows" in next(c for c in view["controls"] if c["kind"] == "file")["text"]
    )
    assert f"which has {'not ' if apart else ''}seen them." in view["sentences"][1]
    assert "published" in view["sentences"][0] and "Your" not in str(view["headline"])
    for cells, link in zip(shown["rows"], shown["links"], strict=True):
        where = example_rows()[cells[0].split()[0]]["source"]
        assert link == address(where)


def test_the_page_on_constants_opens_all_rows_of_a_source():
    text = (published.BENCHMARKS.parent / "book" / "constants.md").read_text("utf-8")
    opened = set(re.findall(r"apps/validate\?file=(\w+)", text))
    assert opened == {row["source_id"] for row in example_rows().values()}


def test_a_group_has_as_many_rows_in_its_list_as_in_the_table():
    view = shown()
    metric = control(view, "metric")
    listed = {re.sub(r" \(.*", "", one["label"]): one["label"] for one in metric["options"]}
    for title, many, *_ in view["tables"][0]["rows"]:
        assert listed[title] == f"{title} ({many} rows)"


def test_an_interval_too_wide_to_tell_anything_counts_for_no_prediction():
    """Two intervals that hold the measurement, one from 10 to 50 and one from 10 to 70."""
    row = SimpleNamespace(metric="itl_ms")
    near, wide = (published.Point(row, 20.0, 18.0, 10.0, high) for high in (50.0, 70.0))
    assert (near.inside, near.held) == (True, True)
    assert (wide.inside, wide.held) == (True, None)
    assert own_rows._held([near, wide]) == [True]
    assert own_rows._too_wide([near, wide]) == "; 1 not counted, uncertain by more than 6x"
    assert own_rows._too_wide([near]) == "" and own_rows._share([]) == "too wide"


def test_the_verdict_is_of_the_readers_rows_beside_strangers():
    """12 rows on a card and model that are published: all numbers again by hand from the rows."""
    calculator = Calculator("validate")
    lines = [f"r{n},llama-3.1-8b,H100 SXM,vLLM,bf16,1,1000,100,itl_ms,{5 + n}" for n in range(12)]
    send(calculator, "\n".join([GOOD.splitlines()[0], *lines]).encode())
    rows = calculator._session._calculator.view.keywords["own"].report(()).rows
    errors = [abs(r.predicted / r.measured - 1) for r in rows]
    held = sum(r.low <= r.measured <= r.high for r in rows)
    others = median(
        [r for r in published.measured_rows() if published.GROUP_OF[r.metric] == "speed"],
        PREDICTIONS["source"],
    )
    said = calculator.view["status"]["text"]
    begin = f"Your 12 rows: median error {statistics.median(errors):.0%}, {held} of 12 in the"
    assert said.startswith(begin) and said.endswith(f"other people's rows (median {others:.0%}).")
    assert calculator.view["headline"][1]["value"] == str(held)


@pytest.mark.parametrize(
    ("near", "far", "said"),
    # the chance of so many of n heads: 4 of 4 is 1/16, 3 of 3 is 1/8, 9 of 12 is 299/4096
    [(4, 0, "better"), (0, 4, "worse"), (3, 0, ""), (9, 3, "better"), (8, 4, "like")],
)
def test_better_and_worse_take_more_than_chance(near, far, said):
    assert own_rows.likeness([0.1] * near + [0.3] * far, 0.2) == said


def test_strangers_count_in_the_proportion_of_the_readers_quantities():
    """Ten rows of one quantity at 10% and one of another at 50%: the file has them one to one."""
    pairs = [(0.1, 1 / 10)] * 10 + [(0.5, 1 / 1)] + [(0.3, 0.001)]
    assert own_rows._weighted_median(pairs) == 0.3


def test_the_published_rows_are_a_grey_cloud_behind():
    calculator = Calculator("validate")
    send(calculator, GOOD.encode())
    names = [t["name"].split(" (")[0] for t in marks(calculator.view)]
    assert names[0] == "published rows"
    assert {one.split(",")[0] for one in names[1:]} == {"yours"}
    near = calculator.view["figure"]["data"][-1]
    (low,), (high,) = near["error_x"]["arrayminus"], near["error_x"]["array"]
    assert low > 0 and high > 0


def test_what_a_file_lacks_stands_open_beside_it_and_the_rest_is_folded():
    calculator = Calculator("validate")
    send(calculator, json.dumps(SERVE).encode(), "serve.json")
    band = [c for c in calculator.view["controls"] if c.get("band")]
    assert [c["name"] for c in band if not c.get("fold")] == ["file", "file.gpu"]
    assert next(c["help"] for c in band if c["name"] == "file.gpu") == "The card is not stated."
    said = calculator.view["status"]["text"]
    assert said == (
        "Your 3 rows cannot be predicted yet: the card is not stated. Choose it below the file."
    )
    calculator.state = {"values": {"file.gpu": "h200"}, "seq": 1}  # as a person types it
    band = [c for c in calculator.view["controls"] if c.get("band") and not c.get("fold")]
    assert [(c["name"], c["value"]) for c in band[1:]] == [
        ("file.gpu", "h200-sxm"),
        ("file.tp", None),
    ]
    assert band[2]["help"] == "Cards not stated: 1 taken."
    assert calculator.view["status"]["beside"] == "Cards not stated: 1 taken."


def test_a_file_of_one_quantity_is_drawn_whatever_was_chosen():
    calculator = Calculator("validate")
    send(calculator, GOOD.replace("itl_ms,7", "ttft_ms,7").replace("itl_ms", "ttft_ms").encode())
    metric = control(calculator.view, "metric")
    assert metric["value"] == "first-token" and len(metric["options"]) == 1
    assert calculator.view["figure"]["alt"].startswith("First token")


def test_a_file_is_taken_away_again():
    calculator = Calculator("validate")
    before = calculator.view
    send(calculator, GOOD.encode())
    calculator._handle_custom_msg({"file": None}, [])
    assert {k: calculator.view[k] for k in before} == before


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty"),
        (b"hello", "begins with 'hello'"),
        (b"\x7fELF\0\0\0\0", "binary"),
        (b"[" * 1000, "JSON"),
        (b"x" * (upload.MAX_BYTES + 1), "up to 20 MB"),
    ],
    ids=["empty", "text", "binary", "json", "big"],
)
def test_a_file_of_another_kind_is_one_sentence_and_changes_nothing(raw, said):
    calculator = Calculator("validate")
    before = calculator.view
    told = send(calculator, raw)
    assert said in told[-1]["problem"] and "\n" not in told[-1]["problem"]
    assert calculator.view | {"status": before["status"]} == before


@pytest.mark.parametrize(
    ("content", "buffers"),
    [
        ({"file": 3}, [b"x"]),
        ({"file": {"part": 0}}, [b"x"]),
        ({"file": {"part": 1, "parts": 2}}, [b"x"]),
        ({"file": {"part": 0, "parts": 10**9}}, [b"x"]),
        ({"file": {"part": -1, "parts": 1}}, [b"x"]),
        ({"file": {"part": 0, "parts": 1}}, []),
        ({"file": {"part": "0", "parts": {}}}, [b"x"]),
    ],
)
def test_parts_that_do_not_fit_are_refused(content, buffers):
    calculator = Calculator("validate")
    told = []
    calculator.send = lambda content, buffers=None: told.append(content["file"])
    calculator._handle_custom_msg(content, buffers)
    assert told == [{"problem": "file did not arrive whole: choose it again."}]


def test_a_calculator_that_takes_no_file_ignores_one():
    calculator = Calculator("vram")
    assert send(calculator, GOOD.encode()) == []


def test_names_in_a_file_are_no_markup():
    calculator = Calculator("validate")
    send(calculator, GOOD.replace("mine,", "<img src=x>,").encode(), "<b>.csv")
    said = [text for t in marks(calculator.view) for text in t["text"]]
    assert any("&lt;img" in text for text in said) and not any("<img" in text for text in said)
    assert "<img" not in static_html(calculator._session.whole())


def test_a_page_reads_fewer_rows_than_the_command(monkeypatch):
    monkeypatch.setattr(own_rows, "MOST", 2)
    told = send(Calculator("validate"), GOOD.encode())
    assert told == [{"problem": "file 'mine.csv' has over 2 rows: split it."}]


def test_a_long_file_tells_how_far_it_is():
    calculator = Calculator("validate")
    lines = GOOD.splitlines()
    told = send(calculator, "\n".join([lines[0], *lines[1:2] * 1500]).encode())
    assert [t["rows"] for t in told if "rows" in t] == [500, 1000, 1500]


def test_a_column_that_is_not_understood_is_said_beside_the_verdict():
    """What the rows are compared without may be what decides: the length of a prompt, say."""
    table = "model,gpu,cards,users,prefilled,itl_ms\nqwen3-8b,H100,1,16,7000,12\n"
    known = table.replace("prefilled", "input_tokens")
    for text, level in ((table, "warning"), (known, None)):
        made = page.with_file("mine.csv", text.encode())
        view = made.view(made.FORM.defaults())
        said = view["status"].get("beside", "")
        assert ("left out: prefilled" in said) is bool(level)
        assert not level or view["status"]["level"] == "warn"


def test_one_reason_that_several_inputs_would_settle_is_said_once():
    table = "model,gpu,cards,users,input_tokens,itl_ms\nllama-3.1-70b,H100,1,16,7000,12\n"
    made = page.with_file("mine.csv", table.encode())
    helps = [c["help"] for c in made.view(made.FORM.defaults())["controls"] if c.get("band")]
    told = [one for one in helps if "does not fit one" in one]
    assert len(told) == 1 and helps.count("Or this.") == 2


WHOSE = "model,gpu,tp,weights,users,prompt,answer,tok_s,ttft_ms"
OPEN = "llama-3.1-8b,h100-sxm,1,bf16,16,1024,256,95,95"


def test_a_rate_that_does_not_say_whose_tokens_is_asked_for_beside_the_file():
    calculator = Calculator("validate")
    send(calculator, f"{WHOSE}\n{OPEN}\n".encode(), "mine.csv")
    rate = control(calculator.view, "file.rate")
    assert not rate.get("fold") and "whose tokens" in rate["help"]
    learnt_before = calculator.view["sentences"][0]
    assert "1 of vllm" in learnt_before and "loop" not in learnt_before  # the first token alone
    calculator.state = {"values": {"file.rate": "user"}, "seq": 1}
    assert len(table(calculator.view, "Your file")["rows"]) == 2
    assert "1 of vllm loop" in calculator.view["sentences"][0]


def test_rows_ten_times_off_are_handed_on_with_a_doubt():
    given = SERVE | {"median_tpot_ms": 1.3, "output_throughput": 10_600}
    own = own_rows.Own("a.json", json.dumps(given).encode())
    state = page.FORM.defaults() | {"file.gpu": "h100-sxm"}
    assert page.ODD in page.view(state, own)["sentences"]
    own = own_rows.Own("a.json", json.dumps(SERVE).encode())
    assert page.ODD not in page.view(state, own)["sentences"]


def test_percentiles_of_which_nothing_is_published_have_no_share_beside_them():
    given = SERVE | {"p99_ttft_ms": 400.0}
    own = own_rows.Own("a.json", json.dumps(given).encode())
    view = page.view(page.FORM.defaults() | {"file.gpu": "h100-sxm"}, own)
    rows = table(view, "Your rows beside the published ones")["rows"]
    (row,) = (row for row in rows if row[0].startswith("Percentiles"))
    assert row[-3:] == ["0", "none", "none"]
