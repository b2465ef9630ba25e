"""Result files of benchmark clients, read as rows in the columns of `benchmarks/measured.csv`.

The module reads that CSV itself, the result JSON of `vllm bench serve` and `vllm bench
throughput`, the JSONL of SGLang's `bench_serving`, the JSON export of AIPerf, GenAI-Perf and
GuideLLM, and llama-bench as JSON, JSONL, CSV or a markdown table. It recognises the format by the
content, not by the file's name. No file is trusted: a line that cannot be read becomes a row with
a problem, and the other lines are still read.
"""

import csv
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..refuse import BadInput, shown

MAX_FILE_BYTES = 1_000_000_000
MAX_CELL = 400  # characters of a cell that is looked up or converted
MAX_JOINED_LINES = 50  # lines a quoted cell may run over
DIG_DEPTH = 6  # levels of a client's settings that are searched
KNOWN = (
    "a CSV with the columns metric and value, the JSON of vllm bench serve or throughput, SGLang "
    "bench_serving, AIPerf, GenAI-Perf or GuideLLM, or llama-bench as JSON, CSV or markdown"
)
QUANT = re.compile(r"(?<![A-Z0-9])(I?Q\d(?:_[A-Z0-9]+)*|MXFP4|BF16|F16|F32)(?![A-Z0-9])", re.I)
SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3}
SECONDS |= {"us": 1e-6, "µs": 1e-6, "microseconds": 1e-6, "ns": 1e-9, "nanoseconds": 1e-9}


Fields = dict[str, Any]  # values by column; whatever a file holds, so of any type


class Line(NamedTuple):
    """One measurement as it stands in a file.

    Attributes
    ----------
    where : str
        Its id in the file, or its position.
    fields : dict
        Values by the column names of `benchmarks/measured.csv`.
    problem : str
        Why it could not be read; "" when it could.
    """

    where: str
    fields: Fields
    problem: str = ""


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
        When there is no such file, it is empty or binary, or its kind is unknown.
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


def parse(raw: bytes, name: str) -> list[Line]:
    """Read the measurements of a file that is in memory.

    Parameters
    ----------
    raw : bytes
        The content of the file.
    name : str
        Its name, for error messages.

    Returns
    -------
    list of Line
        One for each measurement, including those with a problem.

    Raises
    ------
    BadInput
        When it is empty or binary, or its kind is unknown.

    Examples
    --------
    >>> [line.fields["value"] for line in parse(b"metric,value\\nitl_ms,9.5", "mine.csv")]
    ['9.5']
    """
    return _lines(decoded(raw, name), shown(name))


def _lines(text: str, name: str) -> list[Line]:
    first = text.lstrip()[:1]
    if first and first in "{[":
        lines = _from_json(text)
    elif _table_at(text) is not None:
        lines = _from_markdown(text)
    else:
        lines = _from_csv(text)
    if not lines:
        raise BadInput("file", f"file {name} holds no measurement.")
    return lines


def _bytes(path: str | Path) -> bytes:
    name = shown(str(path))
    try:
        if not Path(path).is_file():
            raise BadInput("file", f"file {name} cannot be read: no such file.")
        size = Path(path).stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadInput("file", f"file {name} has {size:,} bytes: it takes up to 1 GB.")
        return Path(path).read_bytes()
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
        When it is empty or binary.

    Examples
    --------
    >>> decoded("metric".encode("utf-16"), "mine.csv")
    'metric'
    """
    name = shown(name)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16", errors="replace")
    else:
        text = raw.decode("utf-8-sig", errors="replace")
    head = text[:4096]
    first = head.lstrip().partition("\n")[0]
    odd = head.count("\0") + head.count("\ufffd")
    if "\0" in first or first.count("\ufffd") > len(first) / 5 or odd > len(head) / 2:
        raise BadInput("file", f"file {name} is binary: it takes {KNOWN}.")
    if not text.strip():
        raise BadInput("file", f"file {name} is empty: it takes {KNOWN}.")
    return text


# CSV


def _from_csv(text: str) -> list[Line]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = next(i for i, line in enumerate(lines) if line.strip())
    delimiter = max(",;\t", key=lines[start].count)
    header = [name.strip().lower() for name in _cells(lines[start], delimiter) or []]
    bench = {"avg_ts", "n_prompt", "n_gen"} <= set(header)
    if not bench and not {"metric", "value"} <= set(header):
        raise BadInput("file", f"file begins with {shown(lines[start])}: it takes {KNOWN}.")
    out: list[Line] = []
    for number, cells in _records(lines, start + 1, delimiter, len(header)):
        where = f"line {number}"
        if cells is None:
            out.append(Line(where, {}, "a quote is not closed"))
        elif len(cells) != len(header):
            out.append(Line(where, {}, _miscounted(cells, header)))
        else:
            fields = dict(zip(header, cells, strict=True))
            out += _llama_bench(fields, where) if bench else [Line(_id(fields, where), fields)]
    return out


def _miscounted(cells: list[str], header: list[str]) -> str:
    return f"{len(cells)} cell{'s' if len(cells) > 1 else ''} where the header has {len(header)}"


def _id(fields: Fields, where: str) -> str:
    name = fields.get("id")
    return str(name)[:MAX_CELL] if isinstance(name, (str, int)) and name != "" else where


def _word(value: Any) -> str:
    """A cell's text, cut to a safe length; "" for any other type."""
    return value[:MAX_CELL] if isinstance(value, str) else ""


def _cells(line: str, delimiter: str) -> list[str] | None:
    """Split one line into cells; None when it is not CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=False), [])
    except csv.Error:
        return None


def _records(
    lines: list[str], start: int, delimiter: str, width: int
) -> Iterator[tuple[int, list[str] | None]]:
    """Yield line number and cells; an unclosed quote loses its own line, not the rest."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        at = start
        while at < len(lines):
            used, cells = 1, None
            if lines[at].count('"') % 2 == 0:
                cells = _cells(lines[at], delimiter)
            else:
                used, cells = _joined(lines, at, delimiter, width)
            if lines[at].strip():
                yield at + 1, _without_blank_tail(cells, width)
            at += used
    finally:
        csv.field_size_limit(limit)


def _joined(lines: list[str], at: int, delimiter: str, width: int) -> tuple[int, list[str] | None]:
    """Join a line with the following ones that its quoted cell spans."""
    for used in range(2, min(MAX_JOINED_LINES, len(lines) - at) + 1):
        if lines[at + used - 1].count('"') % 2:
            parts = lines[at : at + used]
            try:
                found = list(csv.reader([p + "\n" for p in parts], delimiter=delimiter))
            except csv.Error:
                break
            if len(found) == 1 and len(found[0]) == width:
                return used, found[0]
            break
    return 1, None


def _without_blank_tail(cells: list[str] | None, width: int) -> list[str] | None:
    while cells and len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    return cells


# JSON


def _from_json(text: str) -> list[Line]:
    try:
        return _documents(json.loads(text), "")
    except RecursionError:
        raise BadInput("file", f"file is JSON nested too deep: it takes {KNOWN}.") from None
    except ValueError as problem:
        whole = str(problem)
    out: list[Line] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            out += _documents(json.loads(line), f"line {number}")
        except (ValueError, RecursionError):
            out.append(Line(f"line {number}", {}, "no JSON"))
    if all(line.problem for line in out):
        raise BadInput("file", f"file is no JSON: {whole[:120]}.")
    return out


def _documents(data: Any, where: str) -> list[Line]:
    if isinstance(data, list):
        out: list[Line] = []
        for number, one in enumerate(data, 1):
            out += _document(one, f"{where} entry {number}".strip())
        return out
    return _document(data, where or "file")


def _document(data: Any, where: str) -> list[Line]:
    """Recognise the client by keys that only it writes."""
    if not isinstance(data, dict):
        return [Line(where, {}, f"{shown(data)} is no result")]
    if "avg_ts" in data:
        return _llama_bench(data, where)
    if any(isinstance(data.get(k), dict) for k in ("time_to_first_token", "request_latency")):
        return _perf(data, where)
    if "output_throughput" in data and ("mean_ttft_ms" in data or "median_ttft_ms" in data):
        return _serve(data, where)
    if "tokens_per_second" in data and "total_num_tokens" in data:
        return _throughput(data, where)
    if isinstance(data.get("benchmarks"), list):
        return _guidellm(data, where)
    if "metric" in data and "value" in data:
        return [Line(_id(data, where), data)]
    return [Line(where, {}, f"a result of no kind that is read here: {shown(sorted(data)[:5])}")]


def _number(value: Any) -> float | None:
    """A finite number above zero, or None."""
    if isinstance(value, str):
        try:
            value = float(value[:MAX_CELL])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 < value < 1e300 else None


def _whole(value: Any, least: int = 1) -> int | str:
    number = _number(value)
    return "" if number is None else max(round(number), least)


def _ratio(top: Any, bottom: Any) -> float | None:
    top, bottom = _number(top), _number(bottom)
    return top / bottom if top and bottom else None


def _metrics(common: Fields, values: dict[str, float | None], where: str) -> list[Line]:
    """One line for each metric that the client wrote."""
    lines = [
        Line(f"{where} {metric}", {**common, "metric": metric, "value": value})
        for metric, value in values.items()
        if value is not None
    ]
    return lines or [Line(where, {}, "holds no latency and no throughput")]


def _in_flight(
    limit: Any, prompts: Any, rate_asked: Any, rate: float | None, latency_s: float | None
) -> int | str:
    """Requests in flight: the limit, or fewer where arrival rate times latency is less.

    Without a limit and without a rate all prompts are sent at once.
    """
    limit, prompts = _number(limit), _number(prompts)
    if (_number(rate_asked) or math.inf) < 1e9 and rate and latency_s:
        busy = rate * latency_s
        return _whole(min(busy, limit or busy))
    return _whole(min(x for x in (limit, prompts, 1e9) if x)) if limit or prompts else ""


def _serve(data: Fields, where: str) -> list[Line]:
    """`vllm bench serve` and SGLang's `bench_serving`, which grew from one script."""
    info = data.get("server_info")
    server: Fields = info if isinstance(info, dict) else {}
    backend = _word(data.get("backend") or data.get("endpoint_type"))
    sglang = "max_total_num_tokens" in server or "accept_length" in data
    done = data.get("completed")
    ttft = _number(data.get("median_ttft_ms")) or _number(data.get("mean_ttft_ms"))
    itl = _number(data.get("median_tpot_ms")) or _number(data.get("mean_tpot_ms"))
    itl = itl or _number(data.get("median_itl_ms")) or _number(data.get("mean_itl_ms"))
    tokens_out = _ratio(data.get("total_output_tokens"), done) or data.get("random_output_len")
    latency = _number(data.get("mean_e2el_ms")) or _number(data.get("mean_e2e_latency_ms"))
    if not latency and ttft and itl:
        latency = ttft + itl * max((_number(tokens_out) or 1) - 1, 0)
    if not _number(done):
        return [Line(where, {}, f"completed is {shown(done)}: no request came through")]
    common = {
        "from_client": True,
        "model": data.get("model_id") or server.get("model_path") or data.get("model") or "",
        # "openai" is only the protocol: the client's own engine is more likely
        "engine": "" if backend.startswith("openai") else backend,
        "client_of": "SGLang" if sglang else "vLLM",
        "engine_version": server.get("version", ""),
        "tp": data.get("tensor_parallel_size") or server.get("tp_size") or "",
        "pp": server.get("pp_size", ""),
        "ep": server.get("ep_size", ""),
        "dp_attention": server.get("dp_size", "") if server.get("enable_dp_attention") else "",
        "weight_dtype": server.get("quantization") or "",
        "kv_dtype": server.get("kv_cache_dtype") or "",
        "memory_fraction": server.get("mem_fraction_static") or "",
        "input_tokens": _whole(
            _ratio(data.get("total_input_tokens"), done) or data.get("random_input_len")
        ),
        "output_tokens": _whole(tokens_out),
        "concurrency": _in_flight(
            data.get("max_concurrency"),
            data.get("num_prompts") or done,
            data.get("request_rate"),
            _number(data.get("request_throughput")),
            latency / 1e3 if latency else None,
        ),
    }
    values = {
        "ttft_ms": ttft,
        "itl_ms": itl,
        "output_tok_s_total": _number(data.get("output_throughput")),
    }
    return _metrics(common, values, where)


def _throughput(data: Fields, where: str) -> list[Line]:
    """`vllm bench throughput`: all prompts at once, the engine's settings not stated."""
    common = {
        "from_client": True,
        "client_of": "vLLM",
        "request_tokens": _whole(_ratio(data.get("total_num_tokens"), data.get("num_requests"))),
    }
    return _metrics(common, {"total_tok_s": _number(data.get("tokens_per_second"))}, where)


def _guidellm(data: Fields, where: str) -> list[Line]:
    """GuideLLM's `benchmarks.json`: one benchmark for each rate that was tried."""
    out: list[Line] = []
    for number, one in enumerate(data["benchmarks"], 1):
        place = f"{where} benchmark {number}"
        metrics = one.get("metrics") if isinstance(one, dict) else None
        if not isinstance(metrics, dict):
            out.append(Line(place, {}, "a benchmark without metrics"))
            continue
        out += _guidellm_lines(data, one, metrics, place)
    return out


def _guidellm_lines(data: Fields, one: Fields, metrics: Fields, where: str) -> list[Line]:
    settings = [{k: v for k, v in d.items() if k != "benchmarks"} for d in (one, data)]
    found = (_dig(d, ("backend_model", "model", "model_name")) for d in settings)
    common = {
        "from_client": True,
        "model": next((name for name in found if name), ""),
        "input_tokens": _whole(_successful(metrics, "prompt_token_count")),
        "output_tokens": _whole(_successful(metrics, "output_token_count")),
        "concurrency": _whole(_successful(metrics, "request_concurrency", "mean")),
    }
    values = {
        "ttft_ms": _successful(metrics, "time_to_first_token_ms"),
        "itl_ms": _successful(metrics, "inter_token_latency_ms"),
        "output_tok_s_total": _successful(metrics, "output_tokens_per_second", "mean"),
    }
    return _metrics(common, values, where)


def _successful(metrics: Fields, name: str, first: str = "median") -> float | None:
    """A statistic of the successful requests."""
    entry = metrics.get(name)
    found = entry.get("successful") if isinstance(entry, dict) else None
    if not isinstance(found, dict):
        return None
    return _number(found.get(first)) or _number(found.get("median")) or _number(found.get("mean"))


def _dig(data: Any, names: tuple[str, ...], depth: int = DIG_DEPTH) -> Any:
    """Find the first of some settings in nested tables."""
    if depth and isinstance(data, dict):
        for name in names:
            value = data.get(name)
            if isinstance(value, list) and value:
                value = value[0]
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                return value
        for value in data.values():
            found = _dig(value, names, depth - 1)
            if found != "":
                return found
    return ""


def _statistic(data: Fields, name: str, scale: float | None = None) -> float | None:
    """The median of a metric, or its mean, in units of `scale`."""
    entry = data.get(name)
    if not isinstance(entry, dict):
        return None
    value = _number(entry.get("p50")) or _number(entry.get("avg"))
    if value is None or scale is None:
        return value
    unit = entry.get("unit", "ms")
    seconds = SECONDS.get(unit.strip().lower()) if isinstance(unit, str) else None
    return None if seconds is None else value * seconds / scale


def _perf(data: Fields, where: str) -> list[Line]:
    """AIPerf's `profile_export_aiperf.json`, and GenAI-Perf's before it."""
    config = data.get("input_config") if isinstance(data.get("input_config"), dict) else data
    latency_s = _statistic(data, "request_latency", 1.0)
    rate = _statistic(data, "request_throughput")
    common = {
        "from_client": True,
        "model": _dig(config, ("model_names", "model", "model_name", "models")),
        "engine": _dig(config, ("backend", "service_backend")),
        "input_tokens": _whole(_statistic(data, "input_sequence_length")),
        "output_tokens": _whole(_statistic(data, "output_sequence_length")),
        "concurrency": _whole(_dig(config, ("concurrency",))),
    }
    if not common["concurrency"] and rate and latency_s:
        common["concurrency"] = _whole(rate * latency_s)
    values = {
        "ttft_ms": _statistic(data, "time_to_first_token", 1e-3),
        "itl_ms": _statistic(data, "inter_token_latency", 1e-3),
        "output_tok_s_total": _statistic(data, "output_token_throughput"),
    }
    return _metrics(common, values, where)


# llama-bench


def _llama_bench(data: Fields, where: str) -> list[Line]:
    """One test of llama-bench: a prompt, a generation, or one after the other."""
    cards = [c for c in re.split(r"[,/]\s*", _word(data.get("gpu_info"))) if c.strip()]
    split = _word(data.get("split_mode")) or "layer"
    kind = _word(data.get("model_type"))
    file = _word(data.get("model_filename"))
    many = max(len(cards), 1)
    common = {
        "from_client": True,
        "model": file or kind,
        "model_type": kind,
        "model_n_params": data.get("model_n_params", ""),
        "layers_on_card": data.get("n_gpu_layers", ""),
        "engine": "llama.cpp",
        "engine_version": data.get("build_number") or "",
        "gpu": cards[0] if cards else "",
        "num_gpus": many if cards else "",
        "tp": many if split == "row" and many > 1 else "",
        "pp": many if split == "layer" and many > 1 else "",
        "weight_dtype": _gguf(file) or _gguf(kind),
        "kv_dtype": data.get("type_k") or "",
        "concurrency": 1,
    }
    prompt, answer = _whole(data.get("n_prompt")), _whole(data.get("n_gen"))
    depth = _whole(data.get("n_depth"))
    return [_test(common, where, data.get("avg_ts"), prompt, answer, depth)]


def _test(common: Fields, where: str, rate: Any, prompt: Any, answer: Any, depth: Any) -> Line:
    name = " ".join(f"{tag}{n}" for tag, n in (("pp", prompt), ("tg", answer), ("@ d", depth)) if n)
    if prompt and answer and depth:
        problem = "a prompt and an answer behind a filled cache are not predicted as one"
        return Line(f"{where} {name}", {}, problem)
    metric = "decode_tok_s_per_user"
    if prompt:
        metric = "total_tok_s" if answer else "prefill_tok_s"
    cached = depth or 0
    tokens = {"input_tokens": (prompt or 0) + cached or 1, "output_tokens": answer}
    if prompt and cached:
        tokens["cached_tokens"] = cached
    return Line(f"{where} {name}", {**common, **tokens, "metric": metric, "value": rate})


def _gguf(text: str) -> str:
    """The quantisation a file or type name carries: Q4_K_M, "Q4_K - Medium", F16."""
    size = {"small": "_S", "medium": "_M", "large": "_L"}
    long = re.search(r"\b(Q\d_K) - (Small|Medium|Large)", text, re.I)
    if long:
        return f"GGUF {long.group(1)}{size[long.group(2).lower()]}"
    last = re.split(r"[/\\]", text)[-1]
    short = QUANT.search(last)
    if not short:
        return ""
    word = short.group(1).upper()
    return word if word in ("BF16", "F32") else f"GGUF {word}"


def _row(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _table_at(text: str) -> int | None:
    """Where llama-bench's table begins; None when there is none."""
    match = re.search(r"^[ \t]*\|[^\n]{0,2000}\bt/s[ \t]*\|", text, re.M)
    return match.start() if match and "model" in match.group() else None


def _from_markdown(text: str) -> list[Line]:
    """llama-bench's table, the card's name from the log above it where there is one."""
    devices = re.findall(r"Device \d+: ([^,\n]{1,200})", text[:100_000])
    header: list[str] = []
    out: list[Line] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.lstrip().startswith("|"):
            continue
        cells = _row(line)
        if "t/s" in cells and "model" in cells:
            header = cells
        elif header and set(line.strip()) - set("|-: \t\r"):
            out.append(_markdown_row(header, cells, devices, f"line {number}"))
    return out


def _markdown_row(header: list[str], cells: list[str], devices: list[str], where: str) -> Line:
    if len(cells) != len(header):
        return Line(where, {}, _miscounted(cells, header))
    row = dict(zip(header, cells, strict=True))
    test = re.fullmatch(
        r"(?:pp ?(\d{1,9}))?\+?(?:tg ?(\d{1,9}))?(?: ?@ ?d ?(\d{1,9}))?", row.get("test", "")[:60]
    )
    if not test or not (test.group(1) or test.group(2)):
        return Line(where, {}, f"test is {shown(row.get('test'))}: it takes pp512, tg128 or both")
    params = re.fullmatch(r"([\d.]{1,20}) ?([BMT])", row.get("params", "")[:40])
    scale = {"M": 1e6, "B": 1e9, "T": 1e12}
    size = _number(params.group(1)) if params else None
    data = {
        "model_type": row["model"],
        "model_n_params": size * scale[params.group(2)] if params and size else "",
        "gpu_info": ", ".join(devices),
        "split_mode": row.get("sm", "layer"),
        "n_gpu_layers": row.get("ngl", ""),
        "type_k": row.get("type_k", "f16"),  # the table leaves defaults out
        "n_prompt": test.group(1),
        "n_gen": test.group(2),
        "n_depth": test.group(3),
        "avg_ts": re.split(r"[±+ ]", row["t/s"])[0],
    }
    return _llama_bench(data, where)[0]
