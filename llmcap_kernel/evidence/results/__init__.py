"""Result files of benchmark clients, read as rows in the columns of `benchmarks/measured.csv`.

A file is taken apart in two steps. Its form is how documents are written down: JSON, one a line,
CSV, SQL, a table of markdown, a block on the screen; a log may stand around it. Each document is
then read by the client whose names it has. Both are recognised by the content, not by the file's
name. A client is one module with its readers, and its forms where it has forms of its own; adding
one is a file and a line in `CLIENTS`. No file is trusted: what cannot be read becomes a row with a
problem, and the other rows are still read.
"""

import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from ... import files
from ...refuse import BadInput, shown
from . import (
    batched_bench,
    evalscope,
    genai_bench,
    genai_perf,
    guidellm,
    guidellm_tables,
    inference_perf,
    llama_bench,
    llama_timings,
    llmperf,
    load_testers,
    measured,
    mlperf,
    periodic,
    serving,
    sglang,
    trtllm,
    vllm,
    whose,
    wide,
)
from .documents import JSON, JSON_IN_A_LOG, each
from .line import MAX_CELL, SECONDS, Fields, Form, Line, Problem, Reader, plain
from .tables import begins_with, check_lines, csv_form

MAX_FILE_BYTES = 200_000_000
MAX_ROWS = 200_000
MAX_CELLS = 2_000_000  # of all rows; one takes about 150 bytes
WRAPPERS = ("results", "runs", "data")  # what people put a client's results in
KNOWN = (
    "a CSV with a quantity a column (model, gpu, tp, concurrency, mean_ttft_ms, ...) or with the "
    "columns metric and value, or what vllm bench, SGLang's bench_serving, AIPerf or another "
    "benchmark client wrote"
)
# In this order: SGLang's results have the names of vLLM's, and some more.
CLIENTS = (
    *(measured, llama_bench, batched_bench, llama_timings, genai_perf, sglang, vllm),
    *(guidellm, llmperf, inference_perf, genai_bench, evalscope, trtllm, mlperf, load_testers),
    periodic,
    wide,
)
# A table as people write one, to begin with.
SAMPLE = """\
model,gpu,tp,precision,input_len,output_len,concurrency,output_throughput,mean_ttft_ms,mean_tpot_ms
llama-3.1-8b,h100,1,bf16,1024,256,16,1480,95,10.2
llama-3.1-8b,h100,1,bf16,1024,256,64,3900,310,15.4
"""
READERS: tuple[Reader, ...] = tuple(one for client in CLIENTS for one in client.READERS)


def _reader(data: Fields) -> Reader | None:
    return next((reader for reader in READERS if reader.recognises(data)), None)


# Blocks and tables first, which no JSON and no CSV holds at the start of a line.
FORMS = (
    *(
        serving.BLOCK,
        trtllm.PRINTED,
        mlperf.PRINTED,
        llama_bench.TABLE,
        batched_bench.TABLE,
        batched_bench.LINES,
    ),
    *(
        llama_bench.SQL,
        periodic.COLLECTED,
        JSON,
        genai_perf.CSV,
        genai_perf.PRINTED,
        guidellm_tables.CSV,
        vllm.PRINTED,
    ),
    *(guidellm_tables.PRINTED, guidellm_tables.DUMPED),
    *(llama_timings.TIMINGS, periodic.PRINTED, wide.TABLE),
    *(csv_form(lambda header: _reader(header) is not None), JSON_IN_A_LOG),
)


def read(path: str | Path) -> list[Line]:
    """Read the measurements of a file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    list of Line
        One for each measurement, including those with a problem.

    Raises
    ------
    BadInput
        When there is no such file, it is empty or binary, its kind is unknown, or it is too big.
    """
    return parse(_bytes(path), str(path))


def text(path: str | Path) -> str:
    """Read a file as text.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        Its content, whatever its encoding; what cannot be decoded is replaced.

    Raises
    ------
    BadInput
        When there is no such file, or it is empty or binary.
    """
    return decoded(_bytes(path), str(path))


def parse(raw: bytes, name: str, most: int | None = None) -> list[Line]:
    """Read the measurements of a file that is in memory.

    Parameters
    ----------
    raw : bytes
        The content of the file.
    name : str
        Its name, for error messages.
    most : int, optional
        Rows it may have; `MAX_ROWS` when left out.

    Returns
    -------
    list of Line
        One for each measurement, including those with a problem.

    Raises
    ------
    BadInput
        When it is empty or binary, its kind is unknown, or it has too many lines, rows or cells.

    Examples
    --------
    >>> [line.fields["value"] for line in parse(b"metric,value\\nitl_ms,9.5", "mine.csv")]
    ['9.5']
    """
    out, cells = [], 0
    for line in _lines(decoded(raw, name)):
        out.append(line)
        cells += len(line.fields)
        for count, limit, of in ((len(out), most or MAX_ROWS, "rows"), (cells, MAX_CELLS, "cells")):
            if count > limit:
                raise BadInput("file", f"file {shown(name)} has over {limit:,} {of}: split it.")
    if not out:
        raise BadInput("file", f"file {shown(name)} holds no measurement.")
    return whose.settled(out)


def form_of(text: str, known: str = KNOWN) -> Form:
    """Recognise how the documents of a file are written down.

    Parameters
    ----------
    text : str
        Its content.
    known : str
        What a file may be, for the message.

    Returns
    -------
    Form
        The first form that takes it.

    Raises
    ------
    BadInput
        When none does.

    Examples
    --------
    >>> form_of("hello", "a CSV")
    Traceback (most recent call last):
        ...
    llmcap_kernel.refuse.BadInput: file begins with 'hello': it takes a CSV.
    """
    form = next((form for form in FORMS if form.recognises(text)), None)
    if form is None:
        raise BadInput("file", f"file begins with {begins_with(text)}: it takes {known}.")
    return form


def _lines(text: str) -> Iterator[Line]:
    for where, data in form_of(text).documents(text):
        yield from _document(data, where)


def _document(data: Any, where: str, wrapped: bool = False) -> Iterator[Line]:
    if isinstance(data, Problem):
        yield Line(where, {}, str(data))
        return
    if not isinstance(data, dict):
        yield Line(where, {}, f"{shown(data)} is no result")
        return
    reader = _reader(data)
    if reader is not None:
        yield from reader.lines(data, where)
        return
    inside = next((data[name] for name in WRAPPERS if isinstance(data.get(name), list)), None)
    if inside and not wrapped:
        for place, one in each(inside, where):
            yield from _document(one, place, wrapped=True)
        return
    named = [one for one in data.values() if isinstance(one, dict) and _reader(one)]
    if named and len(named) == len(data) and not wrapped:  # a result under the name of each run
        for name, one in data.items():
            yield from _document(one, f"{where} {shown(str(name))}", wrapped=True)
        return
    names = shown(sorted(map(str, data))[:5])
    yield Line(where, {}, f"a result of no kind that is read here: {names}")


@lru_cache(maxsize=1)
def _piped(path: str) -> bytes:
    """What another program hands over, which can be read once."""
    if path == "-":
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    with open(path, "rb") as pipe:
        return pipe.read(MAX_FILE_BYTES + 1)


def _bytes(path: str | Path) -> bytes:
    name = shown(str(path))
    try:
        if str(path) == "-" or Path(path).is_fifo():
            raw, size = _piped(str(path)), 0
        elif Path(path).is_dir():
            raise BadInput("file", f"file {name} is a folder: give one file of it.")
        elif not Path(path).is_file():
            raise BadInput("file", f"file {name} cannot be read: no such file.")
        else:
            size = Path(path).stat().st_size
            raw = Path(path).read_bytes() if size <= MAX_FILE_BYTES else b""
        if max(size, len(raw)) > MAX_FILE_BYTES:
            most = MAX_FILE_BYTES // 10**6
            many = f"{size:,}" if size else "too many"
            raise BadInput("file", f"file {name} has {many} bytes: it takes up to {most} MB.")
        return raw
    except OSError as problem:
        raise BadInput("file", f"file {name} cannot be read: {problem.strerror}.") from None


def decoded(raw: bytes, name: str) -> str:
    """Turn the bytes of a file into text.

    Parameters
    ----------
    raw : bytes
        The content of the file.
    name : str
        Its name, for error messages.

    Returns
    -------
    str
        The text, whatever its encoding; what cannot be decoded is replaced.

    Raises
    ------
    BadInput
        When it is empty or binary, or has too many lines.

    Examples
    --------
    >>> decoded("metric".encode("utf-16"), "mine.csv")
    'metric'
    """
    name = shown(name)
    text = files.decoded(raw, errors="replace")
    head = text[:4096]
    first = head.lstrip().partition("\n")[0]
    odd = head.count("\0") + head.count("\ufffd")
    if "\0" in first or first.count("\ufffd") > len(first) / 5 or odd > len(head) / 2:
        raise BadInput("file", f"file {name} is binary: it takes {KNOWN}.")
    if not text.strip():
        raise BadInput("file", f"file {name} is empty: it takes {KNOWN}.")
    check_lines(text)  # before anybody looks at each of them
    return files.unfenced(text.replace("\r\n", "\n").replace("\u00a0", " "))
