"""How documents are written down: logs around them, absurd sizes, and any damage."""

import gzip
import json
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel.evidence import logs, measurements, results
from llmcap_kernel.evidence.results import documents
from llmcap_kernel.refuse import BadInput, printable

FILES = sorted((Path(__file__).parent / "files").iterdir())
RAW = {path.name: path.read_bytes() for path in FILES}
SERVE = json.loads(RAW["vllm_serve.json"])


def read(text):
    return results.parse(text.encode(), "x")


@pytest.mark.parametrize("client", results.CLIENTS, ids=lambda client: client.__name__)
def test_every_client_says_where_its_names_are_from(client):
    assert client.READERS
    assert any(end in client.__doc__ for end in (".py", ".cpp", ".cc", ".csv"))


@pytest.mark.parametrize("name", RAW)
def test_each_document_has_one_reader_of_its_own(name):
    """The order of the readers decides between vLLM's and SGLang's alone."""
    text = RAW[name].decode()
    form = next(form for form in results.FORMS if form.recognises(text))
    for _, data in form.documents(text):
        known = [reader for reader in results.READERS if reader.recognises(data)]
        assert len(known) == 1 or "sglang" in name, name


AROUND = {
    "Windows": lambda text: text.replace("\n", "\r\n"),
    "a chat": lambda text: f"```json\n{text}\n```\n",
    "a page": lambda text: "\n\n" + text.replace(" ", "\u00a0"),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", RAW)
def test_what_a_page_or_a_chat_did_to_a_file_changes_no_measurement(name, around):
    def said(text):
        return [(line.fields, line.problem) for line in results.parse(text.encode(), name)]

    text = RAW[name].decode()
    assert said(AROUND[around](text)) == said(text)


def test_a_truncated_list_keeps_its_whole_entries():
    whole = json.dumps([SERVE, SERVE, SERVE], indent=2)
    lines = read(whole[: int(len(whole) * 0.9)])
    assert sum(not line.problem for line in lines) == 6


@pytest.mark.parametrize("between", ["", " ", ", ", "\n", "\r\n\r\n"])
def test_results_put_behind_one_another_are_all_read(between):
    assert len(read(between.join([json.dumps(SERVE)] * 3))) == 9
    assert len(read(between.join([json.dumps(SERVE, indent=2)] * 3))) == 9
    *_, cut = read(between.join([json.dumps(SERVE), json.dumps(SERVE)[:-9]]))
    assert "no JSON" in cut.problem


def test_a_packed_file_is_unpacked():
    whole = gzip.compress(json.dumps(SERVE).encode())
    assert len(results.parse(whole, "x")) == 3
    with pytest.raises(BadInput, match="is binary"):
        results.parse(whole[:-20], "x")


def test_results_that_somebody_wrapped_are_found():
    assert len(read(json.dumps({"note": "mine", "results": [SERVE, SERVE]}))) == 6
    (line,) = read(json.dumps({"note": "mine", "results": [{"results": [SERVE]}]}))
    assert "no kind" in line.problem


@pytest.mark.parametrize("log", ["[2025-08-20 10:01:00 TP0] Decode batch.", "[TRT-LLM] [I] a"])
def test_what_begins_with_the_bracket_of_a_log_is_no_broken_json(log):
    with pytest.raises(BadInput, match=r"file begins with '\[.*: it takes a CSV"):
        read(log)


def test_a_row_with_a_unit_in_it_is_no_header():
    table = (
        "ID,System,# Accelerators,Result,Units\n5.0-0001,DGX,8,34864,Tokens/s\n5.0-2,DGX,8,9,x\n"
    )
    with pytest.raises(BadInput, match="begins with 'ID,System,# Accelerators,Result,Units'"):
        read(table)


def test_results_under_the_name_of_each_run_are_found():
    lines = read(json.dumps({"rate 1": SERVE, "rate 4": SERVE}))
    assert len(lines) == 6 and not any(line.problem for line in lines)
    assert {line.where.rpartition(" ")[0] for line in lines} == {"file 'rate 1'", "file 'rate 4'"}
    (line,) = read(json.dumps({"rate 1": SERVE, "rate 4": {"note": "none"}}))
    assert "no kind" in line.problem


def test_a_log_of_json_lines_is_read_for_its_results():
    log = ["INFO start", json.dumps({"level": "info"}), json.dumps(SERVE), "[2026] end", '{"cut']
    lines = read("\n".join(log))
    assert [bool(line.problem) for line in lines] == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("," * 2_000_000, "2,000,001 columns"),
        ("metric,value\n" + ",ab" * 1_000_000, None),
        ("\n" * 600_000 + "metric,value\n", "lines"),
        (" " * 2_000_000 + "x", "begins with 'x'"),
        ("[" + "0," * 5_000_001 + "0]", "values"),
        ("[" + "[]," * 500_000 + "0]", "tables"),
        ('INFO begins\n{"a": [' + "[]," * 500_000 + "0]}", "tables"),
        ("| model | test | t/s |\n" + "|ab" * 1_000_000, None),
    ],
    ids=["header", "row", "lines", "blank", "values", "tables", "tables in a log", "markdown"],
)
def test_an_absurd_size_is_one_sentence_and_takes_no_memory(text, told):
    raw = text.encode()
    logs.recognises(text)  # is asked first, and takes no longer
    tracemalloc.start()
    try:
        if told is None:
            (line,) = results.parse(raw, "x")
            assert "cells" in line.problem
        else:
            with pytest.raises(BadInput, match=told):
                results.parse(raw, "x")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 6 * len(raw), "a cell or a value of its own takes 50 bytes and more"


def test_rows_are_counted_while_they_are_read(monkeypatch):
    assert results.MAX_ROWS == 200_000
    monkeypatch.setattr(results, "MAX_ROWS", 1000)
    monkeypatch.setattr(results, "MAX_CELLS", 5000)
    many = [{"metric": "itl_ms", "value": 9}] * 1001
    for text in ("\n".join(["metric,value", *["itl_ms,9"] * 1001]), json.dumps(many)):
        with pytest.raises(BadInput, match="over 1,000 rows: split it"):
            read(text)
    assert len(read(json.dumps(many[:1000]))) == 1000
    with pytest.raises(BadInput, match="over 500 rows: split it"):
        results.parse(json.dumps(many).encode(), "x", most=500)
    wide = dict.fromkeys(map(str, range(100)), 1)
    with pytest.raises(BadInput, match="over 5,000 cells: split it"):
        read(json.dumps([one | wide for one in many[:100]]))


def test_lines_are_counted_before_anybody_looks_at_them(monkeypatch):
    looked = []
    monkeypatch.setattr(results, "FORMS", [SimpleNamespace(recognises=looked.append)])
    with pytest.raises(BadInput, match="9,900,001 lines: it takes up to"):
        read(",\n" * 9_900_000)
    assert not looked


def test_a_search_for_the_end_of_a_document_is_given_up():
    broken = '{"a": [\n' * 3000
    with pytest.raises(BadInput):
        read(broken)
    assert documents.MAX_LOST_SEARCHES < 100


DAMAGED = st.sampled_from(sorted(RAW))


def survives(raw):
    """Rows, each of which is read or refused, or one clear sentence; nothing else is raised."""
    try:
        lines = results.parse(raw, "x")
    except BadInput as problem:
        assert "\n" not in str(problem) and str(problem)
        return
    for line in lines:
        try:
            measurements.measurement(line)
        except BadInput as problem:
            assert "\n" not in printable(str(problem), 240)


@settings(max_examples=300, deadline=None)
@given(DAMAGED, st.binary(max_size=40), st.integers(0, 3000), st.integers(0, 200))
def test_any_damage_gives_rows_or_one_sentence(name, damage, at, lost):
    raw = RAW[name]
    at = at % len(raw)
    survives(raw[:at] + damage + raw[at + lost :])


@settings(max_examples=150, deadline=None)
@given(DAMAGED, DAMAGED, st.integers(0, 3000), st.integers(0, 3000))
def test_any_two_files_together_give_rows_or_one_sentence(first, second, at, begin):
    survives(RAW[first][:at] + b"\n" + RAW[second][begin:])


WORDS = st.sampled_from(["", "inf", "nan", "-1", "0", "1e400", "None", "9" * 500, "[]", "\0", "|"])


@settings(max_examples=300, deadline=None)
@given(DAMAGED, st.integers(0, 200), WORDS)
def test_any_number_may_be_another(name, which, word):
    text = RAW[name].decode()
    parts = text.replace(":", ": ").split(" ")
    numbers = [i for i, part in enumerate(parts) if any(c.isdigit() for c in part)]
    if numbers:
        parts[numbers[which % len(numbers)]] = word
    survives(" ".join(parts).encode())
