"""Files of kernel timings, read as rows: which card, which kernel, which shape, how long.

A file is a CSV with `latency_us` and the columns of one kind (`kinds.KINDS`), as NVIDIA's
aiconfigurator writes them. No file is trusted: a row that cannot be read is left out with a reason.
"""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ... import catalog
from ...catalog import names
from ...refuse import BadInput, number, shown
from ...spec import Gpu
from .kinds import ELEMENT_BYTES, KINDS, MOST, ROUNDS, Kind, format_name

LATENCY = "latency_us"
MOST_ROWS = 1_000_000
# caches of cards whose memory is several times slower than they are (architecture white papers)
CACHE_BYTES = {"blackwell-graphics": 128e6, "ada": 96e6}
MANY_HEADS = 16

DOUBTS = {
    "cached": "the kernel was repeated, and its data may have stayed in the card's cache",
    "host-bound": "launched outside a graph, so the host's time is in it",
    "heads": f"more than {MANY_HEADS} query heads a key head, which TensorRT-LLM's decoder "
    "computes apart",
    "fallback": "by a kernel that stands in where the engine's own does not apply",
}


class Timing(NamedTuple):
    """A measured kernel.

    Attributes
    ----------
    line : int
        Line of the file.
    kind : str
        A name of `kinds.KINDS`.
    gpu : Gpu
        The card.
    engine : str
        Family of the engine whose kernel it is; "nccl", or "other".
    format : str
        Of weights or cache, as the catalogue names it; of a collective "link" or "pcie".
    shape : dict of str to float
        The numbers of its columns.
    latency_s : float
        What was measured [s].
    doubt : str
        A name of `DOUBTS`, or "".
    """

    line: int
    kind: str
    gpu: Gpu
    engine: str
    format: str
    shape: dict[str, float]
    latency_s: float
    doubt: str = ""


class Read(NamedTuple):
    """A file of timings.

    Attributes
    ----------
    timings : list of Timing
        Its rows.
    skipped : Counter
        How many rows could not be read, by the reason.
    """

    timings: list[Timing]
    skipped: Counter[str]


def kind_of(columns: Iterable[str]) -> Kind | None:
    """Tell the kind of kernel by the columns of its file.

    Parameters
    ----------
    columns : iterable of str
        Names of the columns.

    Returns
    -------
    Kind or None
        The kind; None where the columns are of no timings of kernels.

    Examples
    --------
    >>> kind_of(["card", "m", "n", "k", "latency_us"]).name
    'product'
    """
    given = set(columns)
    if LATENCY not in given:
        return None
    return next((kind for kind in KINDS.values() if given.issuperset(kind.columns)), None)


def _body(text: str) -> list[str]:
    """The lines of a text below notes that begin with "#", and without a mark of the encoding."""
    lines = text.removeprefix("\ufeff").splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip() and line[0] != "#"), 0)
    return lines[first:]


def recognises(text: str) -> bool:
    """Tell whether a text is a file of kernel timings.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    bool
        Whether its header is of timings of kernels.

    Examples
    --------
    >>> recognises("card,m,n,k,latency_us\\n"), recognises("metric,value\\n")
    (True, False)
    """
    header = _body(text[:20_000])[:1]
    columns = next(csv.reader(header), []) if header and len(header[0]) < 5000 else []
    return kind_of(column.strip() for column in columns) is not None


def read(text: str, gpu: str | Gpu = "", engine: str = "") -> Read:
    """Read a file of kernel timings.

    Parameters
    ----------
    text : str
        A CSV.
    gpu : str or Gpu
        Card of all rows, whatever the file says; "" for the file's.
    engine : str
        Engine of all rows, in the same way.

    Returns
    -------
    Read
        Its rows, and why others were left out.

    Raises
    ------
    BadInput
        When it is no file of timings.

    Examples
    --------
    >>> [row] = read("card,m,n,k,latency_us\\nh100-sxm,1,2,3,4.5\\n").timings
    >>> row.kind, row.format, row.latency_s
    ('product', 'bf16', 4.5e-06)
    """
    lines = _body(text)
    if len(lines) > MOST_ROWS:
        raise BadInput("file", f"file has {len(lines):,} lines: it takes up to {MOST_ROWS:,}.")
    table = csv.DictReader(lines, skipinitialspace=True)
    columns = _columns(table)
    kind = kind_of(columns)
    if kind is None:
        raise BadInput(
            "file",
            f"file has no timings of kernels: it takes a CSV with {LATENCY} and the columns of "
            f"one kind, such as {', '.join(KINDS['product'].columns)}.",
        )
    rows: list[Timing] = []
    skipped: Counter[str] = Counter()
    for place, fields in _fields(table):
        try:
            card = _card(gpu or fields.get("card", "")) if isinstance(gpu, str) else gpu
            rows.append(
                _timing(place, kind, card, _engine(engine or fields.get("engine", "")), fields)
            )
        except BadInput as problem:
            skipped[str(problem)] += 1
    if kind.name == "collective" and "dtype" not in columns:
        rows = list(_of_pairs(rows))
    return Read(rows, skipped)


def _columns(table: "csv.DictReader[str]") -> list[str]:
    try:
        return [column or "" for column in table.fieldnames or ()]
    except csv.Error as problem:  # a quote that nothing closes makes the file one cell
        raise BadInput("file", f"file is no CSV: {problem}.") from None


def _fields(table: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, str]]]:
    try:
        for fields in table:
            plain = {k: (v or "").strip() for k, v in fields.items() if isinstance(k, str)}
            yield table.line_num, plain
    except csv.Error as problem:
        raise BadInput("file", f"file is no CSV: {problem}.") from None


def _timing(line: int, kind: Kind, gpu: Gpu, engine: str, fields: dict[str, str]) -> Timing:
    shape = {column: _number(fields, column, 1) for column in kind.columns if column != "op_name"}
    for column, value in kind.optional.items():
        shape[column] = _number(fields, column, 0) if fields.get(column) else value
    if kind.of == "link":
        spelled = "link" if gpu.direct_link else "pcie"
        shape["element_bytes"] = _element_bytes(fields.get("dtype", ""))
    else:
        spelled = format_name(kind.of, fields.get(kind.spelled) or "bfloat16")
    SPECIAL.get(kind.name, lambda shape, fields: None)(shape, fields)
    latency_s = _number(fields, LATENCY, 1e-3) * 1e-6
    row = Timing(line, kind.name, gpu, engine, spelled, shape, latency_s)
    return row._replace(doubt=doubt(row, fields.get("kernel", "")))


@lru_cache(maxsize=256)
def _card(text: str) -> Gpu:
    name = names.card(text).name
    if not name:
        why = f"card {shown(text)} is not known" if text else "card is missing"
        raise BadInput("card", f"{why}: it takes a card of the catalogue.")
    return catalog.gpu(name)


@lru_cache(maxsize=256)
def _engine(text: str) -> str:
    return "nccl" if text.lower() == "nccl" else names.family(text)


def _number(fields: dict[str, str], column: str, least: float) -> float:
    text = fields.get(column, "")
    try:
        value = float(text)
    except ValueError:
        raise BadInput(column, f"{column} is {shown(text)}: it takes a number.") from None
    return number(column, value, least, 1e12 if column == "message_size" else MOST)


def _element_bytes(dtype: str) -> float:
    if not dtype:
        return 2.0
    if dtype in ELEMENT_BYTES:
        return ELEMENT_BYTES[dtype]
    return catalog.format(format_name("weights", dtype)).bytes_per_element


def _routing(shape: dict[str, float], fields: dict[str, str]) -> None:
    """How tokens spread over experts, and how many matrices an expert has."""
    spread = fields.get("distribution") or "balanced"
    try:
        shape["power"] = 0.0 if spread == "balanced" else float(spread.rpartition("_")[2])
    except ValueError:
        raise BadInput(
            "distribution",
            f"distribution is {shown(spread)}: it takes balanced or power_law_1.2, with any power.",
        ) from None
    shape["matrices"] = 2.0 if "nongated" in fields.get("kernel", "") else 3.0
    number("topk", shape["topk"], 1, shape["num_experts"])
    number("distribution", shape["power"], 0, 10)


def _operation(shape: dict[str, float], fields: dict[str, str]) -> None:
    name = fields["op_name"].lower().replace("all_to_all", "alltoall")
    if name not in ROUNDS:
        raise BadInput("op_name", f"op_name is {shown(name)}: it takes {', '.join(ROUNDS)}.")
    shape["operation"] = float(list(ROUNDS).index(name))


SPECIAL: dict[str, Callable[[dict[str, float], dict[str, str]], None]] = {
    "experts": _routing,
    "collective": _operation,
}


def _of_pairs(rows: list[Timing]) -> Iterator[Timing]:
    """Bytes of a collective's elements, where a table lists two formats and names neither.

    `message_size` counts elements, and the tests run the same range of bytes in 16 and in 8 bits:
    of two rows of a message the first is of 16, and a lone one above all pairs is of 8.
    """

    def group(row: Timing) -> tuple[object, ...]:
        return (row.gpu.name, row.shape["operation"], row.shape["num_gpus"])

    count = Counter((group(row), row.shape["message_size"]) for row in rows)
    largest: dict[object, float] = {}
    for (of, size), n in count.items():
        if n > 1:
            largest[of] = max(largest.get(of, 0), size)
    seen: Counter[object] = Counter()
    for row in rows:
        key = (group(row), row.shape["message_size"])
        seen[key] += 1
        if seen[key] > 1 or row.shape["message_size"] > largest.get(key[0], math.inf):
            row.shape["element_bytes"] = 1.0
        yield row


def doubt(row: Timing, kernel: str) -> str:
    """Say why a timing may not be what an engine's kernel takes in service.

    Parameters
    ----------
    row : Timing
        The row.
    kernel : str
        What the file calls the kernel.

    Returns
    -------
    str
        A name of `DOUBTS`, or "". Rules are of card, engine and shape, never of the time.
    """
    if row.kind == "product":
        host_bound = row.engine == "vllm" and row.format == "fp8-block"
        return "host-bound" if host_bound else _cached(row)
    if row.kind not in ("decode_attention", "prefill_attention"):
        return ""
    # what the engine's own kernels do not cover: odd widths of a head, windows, a prompt of one
    if "triton" in kernel or kernel.endswith("torch_flow_flashinfer"):
        return "fallback"
    if row.kind == "prefill_attention":
        return "fallback" if kernel.endswith("decode") else ""
    if row.engine == "trtllm" and heads_a_key(row.shape) > MANY_HEADS:
        return "heads"
    return _cached(row)


def heads_a_key(shape: dict[str, float]) -> float:
    """Count the query heads that share a head of keys.

    Parameters
    ----------
    shape : dict of str to float
        With num_heads and num_key_value_heads.

    Returns
    -------
    float
        Their ratio.

    Examples
    --------
    >>> heads_a_key({"num_heads": 32, "num_key_value_heads": 8})
    4.0
    """
    return shape["num_heads"] / shape["num_key_value_heads"]


def _cached(row: Timing) -> str:
    """Whether a repeated kernel finds so much in the cache that it shows: not all, not a trifle."""
    cache = CACHE_BYTES.get(row.gpu.family, 0)
    read_s = KINDS[row.kind].work(row.shape, row.gpu, row.format)["read_s"]
    return "cached" if cache / 20 < read_s * row.gpu.bandwidth_bytes_s < 2 * cache else ""


def read_folder(folder: str | Path) -> Read:
    """Read all files of timings in a folder.

    Parameters
    ----------
    folder : str or Path
        The folder, or one file.

    Returns
    -------
    Read
        The rows of every CSV that is a file of timings.

    Raises
    ------
    BadInput
        When there is none.
    """
    folder = Path(folder)
    rows, skipped = [], Counter[str]()
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else [folder]:
        text = path.read_text(encoding="utf-8", errors="replace")
        if recognises(text):
            one = read(text)
            rows += one.timings
            skipped += one.skipped
    if not rows:
        raise BadInput("folder", f"folder {shown(str(folder))} has no timings of kernels.")
    return Read(rows, skipped)
