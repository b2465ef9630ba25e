"""llama-bench as JSON, JSONL, CSV, SQL or a markdown table, in a log or not.

Names: `tools/llama-bench/llama-bench.cpp`, the printers at its end; `ggml-cuda.cu`,
`ggml-vulkan.cpp` and `ggml-metal-device.m` for how a log names the cards.
"""

import re
from collections.abc import Iterator

from ...refuse import shown
from .line import Document, Fields, Form, Line, Problem, Reader, number, whole, word
from .tables import MAX_COLUMNS, lines_of, markdown

QUANT = re.compile(r"(?<![A-Z0-9])(I?Q\d(?:_[A-Z0-9]+)*|MXFP4|BF16|F16|F32)(?![A-Z0-9])", re.I)
ON_THE_HOST = ("CPU", "BLAS", "ZENDNN", "ACCELERATE")
TEST = re.compile(r"(?:pp ?(\d{1,9}))?\+?(?:tg ?(\d{1,9}))?(?: ?@ ?d ?(\d{1,9}))?")
PARAMS = re.compile(r"([\d.]{1,20}) ?([BMT])")
SCALE = {"M": 1e6, "B": 1e9, "T": 1e12}
INSERT = re.compile(r"^[ \t]{0,40}INSERT INTO \w{1,40} \(([^()\n]{1,5000})\) VALUES \(", re.M)
SQL_CELL = re.compile(r"\s{0,40}'((?:[^']|'')*)'\s{0,40}(,|\))")
CARDS = (
    re.compile(r"^\s{0,40}Device (\d{1,3}): ([^,\n]{1,200}),", re.M),
    re.compile(r"^ggml_vulkan: (\d{1,3}) = ([^|\n]{1,200})\|", re.M),
    re.compile(r"\b(GPU) name:\s{1,10}(?:MTL\d \()?([^()\n]{1,100})", re.M),
)


def cards_of(text: str) -> list[str]:
    """Find the cards that llama.cpp found, in its log.

    Parameters
    ----------
    text : str
        The log.

    Returns
    -------
    list of str
        A name for each card.

    Examples
    --------
    >>> cards_of("  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9, VMM: yes")
    ['NVIDIA GeForce RTX 4090']
    >>> cards_of("ggml_vulkan: 0 = AMD Radeon 8060S Graphics (RADV GFX1151) (radv) | uma: 1")
    ['AMD Radeon 8060S Graphics']
    """
    head = text[:100_000]
    for pattern in CARDS:
        found = dict(reversed(pattern.findall(head)))
        if found:
            # the driver's own name stands in brackets behind the card's
            return [found[n].partition(" (")[0].strip() for n in sorted(found, key=_order)]
    return []


def _order(which: str) -> int:
    return int(which) if which.isdecimal() else 0


def _recognises(data: Fields) -> bool:
    return "avg_ts" in data and "n_gen" in data


def _lines(data: Fields, where: str) -> list[Line]:
    """One test: a prompt, a generation, or one after the other."""
    prompt, answer = whole(data.get("n_prompt")), whole(data.get("n_gen"))
    depth = whole(data.get("n_depth"))
    parts = (("pp", prompt), ("tg", answer), ("@ d", depth))
    place = f"{where} {' '.join(f'{tag}{n}' for tag, n in parts if n)}".strip()
    problem = _elsewhere(data)
    if prompt and answer and depth:
        problem = "a prompt and an answer behind a filled cache are not predicted as one"
    if not prompt and not answer:
        problem = "n_prompt and n_gen are missing"
    if problem:
        return [Line(place, {}, problem)]
    metric = "decode_tok_s_per_user"
    if prompt:
        metric = "total_tok_s" if answer else "prefill_tok_s"
    cached = depth or 0
    tokens = {"input_tokens": int(prompt or 0) + int(cached) or 1, "output_tokens": answer}
    if prompt and cached:
        tokens["cached_tokens"] = cached
    value = {"metric": metric, "value": data.get("avg_ts")}
    return [Line(place, {**deployment(data), **tokens, **value})]


def deployment(data: Fields) -> Fields:
    """Take what a test was run on.

    Parameters
    ----------
    data : dict
        A test by the names of the JSON.

    Returns
    -------
    dict
        Columns of the model, the cards and the formats.

    Examples
    --------
    >>> one = deployment({"model_filename": "a-Q4_K_M.gguf", "gpu_info": "A, A"})
    >>> one["weight_dtype"], one["num_gpus"], one["pp"]
    ('GGUF Q4_K_M', 2, 2)
    """
    cards, split = _cards(data), word(data.get("split_mode")) or "layer"
    kind, file = word(data.get("model_type")), word(data.get("model_filename"))
    on_cpu, many = _on_cpu(data), max(len(cards), 1)
    several = many if many > 1 else ""
    return {
        "from_client": True,
        "on_cpu": on_cpu if word(data.get("backends")) else "",
        "model": file or kind,
        "model_type": kind,
        "model_n_params": data.get("model_n_params", ""),
        "layers_on_card": "" if on_cpu else data.get("n_gpu_layers", ""),
        "engine": "llama.cpp",
        "engine_version": data.get("build_number") or "",
        "gpu": word(data.get("cpu_info")) if on_cpu else _one_name(cards),
        "num_gpus": many if cards and not on_cpu else "",
        "tp": several if split == "row" and not on_cpu else "",
        "pp": several if split == "layer" and not on_cpu else "",
        "weight_dtype": gguf(file) or gguf(kind),
        "kv_dtype": data.get("type_k") or "",
        "concurrency": 1,
    }


def _cards(data: Fields) -> list[str]:
    """The cards of a test: all that were found, unless it names some or does not split."""
    found = [c.strip() for c in re.split(r"[,/]\s*", word(data.get("gpu_info"))) if c.strip()]
    picked = re.findall(r"[A-Za-z]\w{0,20}?(\d{1,2})\b", word(data.get("devices")))
    if picked and all(int(n) < len(found) for n in picked):
        found = [found[int(n)] for n in picked]
    if word(data.get("split_mode")) == "none" and found:
        main = whole(data.get("main_gpu"), 0) or 0
        found = [found[int(main) if int(main) < len(found) else 0]]
    return found


def _one_name(cards: list[str]) -> str:
    """The cards' name; of cards of two kinds both, which the catalogue does not know."""
    return " and ".join(dict.fromkeys(cards))


def _on_cpu(data: Fields) -> bool:
    """Whether no card computed anything."""
    backend = word(data.get("backends")).upper()
    parts = [part.strip() for part in backend.split(",") if part.strip()]
    layers = data.get("n_gpu_layers")
    return bool(parts) and (
        all(any(host in part for host in ON_THE_HOST) for part in parts)
        or str(layers).strip() == "0"
    )


def _elsewhere(data: Fields) -> str:
    """What of a card's work the host did; "" for nothing."""
    experts = whole(data.get("n_cpu_moe"))
    if experts:
        return f"n_cpu_moe is {experts}: experts of so many layers ran on the CPU"
    if word(str(data.get("no_kv_offload", ""))).lower() in ("1", "true"):
        return f"no_kv_offload is {shown(data['no_kv_offload'])}: the cache is in host memory"
    placed = word(data.get("tensor_buft_overrides"))
    if "CPU" in placed:
        return f"tensor_buft_overrides is {shown(placed)}: tensors are in host memory"
    return ""


def gguf(text: str) -> str:
    """Find the quantisation that a file or a type carries.

    Parameters
    ----------
    text : str
        Such as "a-Q4_K_M.gguf" or "qwen2 7B Q4_K - Medium".

    Returns
    -------
    str
        The format; "" when there is none.

    Examples
    --------
    >>> gguf("qwen2 7B Q4_K - Medium"), gguf("llama 7B F16"), gguf("a-BF16.gguf")
    ('GGUF Q4_K_M', 'GGUF F16', 'BF16')
    """
    size = {"small": "_S", "medium": "_M", "large": "_L"}
    long = re.search(r"\b(Q\d_K) - (Small|Medium|Large)", text, re.I)
    if long:
        return f"GGUF {long.group(1)}{size[long.group(2).lower()]}"
    last = re.split(r"[/\\]", text)[-1]
    short = QUANT.search(last)
    if not short:
        return ""
    found = short.group(1).upper()
    return found if found in ("BF16", "F32") else f"GGUF {found}"


# a table


def _is_header(cells: list[str]) -> bool:
    return "t/s" in cells and "model" in cells and "test" in cells


def _holds_table(text: str) -> bool:
    match = re.search(r"^[ \t]*\|[^\n]{0,2000}\bt/s[ \t]*\|", text, re.M)
    return match is not None and "model" in match.group()


def _rows(text: str) -> Iterator[Document]:
    cards = ", ".join(cards_of(text))
    build = re.search(r"^build: [0-9a-f]{1,40} \((\d{1,9})\)", text, re.M)
    for where, row in markdown(text, _is_header):
        if isinstance(row, Problem):
            yield where, row
        else:
            yield where, _of_row(row, cards, build.group(1) if build else "")


def _of_row(row: Fields, cards: str, build: str) -> Fields | Problem:
    """A row of the table by the names of the JSON; the table leaves defaults out."""
    test = TEST.fullmatch(row["test"][:60])
    if not test or not (test.group(1) or test.group(2)):
        return Problem(f"test is {shown(row['test'])}: it takes pp512, tg128 or both")
    params = PARAMS.fullmatch(row.get("params", "")[:40])
    size = number(params.group(1)) if params else None
    return {
        "model_type": row["model"],
        "model_n_params": size * SCALE[params.group(2)] if params and size else "",
        "gpu_info": cards,
        "build_number": build,
        "backends": row.get("backend", ""),
        "devices": row.get("dev", ""),
        "split_mode": row.get("sm", "layer"),
        "main_gpu": row.get("main_gpu", ""),
        "n_gpu_layers": row.get("ngl", ""),
        "n_cpu_moe": row.get("n_cpu_moe", ""),
        "no_kv_offload": row.get("nkvo", ""),
        "tensor_buft_overrides": row.get("ot", ""),
        "type_k": row.get("type_k", "f16"),
        "n_prompt": test.group(1),
        "n_gen": test.group(2),
        "n_depth": test.group(3),
        "avg_ts": re.split(r"[±+ ]", row["t/s"])[0],
    }


# SQL


def _is_sql(text: str) -> bool:
    return any("avg_ts" in match.group(1) for match in INSERT.finditer(text[:2_000_000]))


def _inserted(text: str) -> Iterator[Document]:
    """The values that are inserted, by the names of their columns."""
    for line_number, line in enumerate(lines_of(text), 1):
        match = INSERT.match(line)
        if not match:
            continue
        columns = [name.strip() for name in match.group(1).split(",")]
        cells: list[str] = []
        at = match.end()
        while len(cells) < MAX_COLUMNS:
            cell = SQL_CELL.match(line, at)
            if not cell:
                break
            cells.append(cell.group(1).replace("''", "'"))
            at = cell.end()
            if cell.group(2) == ")":
                break
        where = f"line {line_number}"
        if len(cells) != len(columns):
            yield where, Problem(f"{len(cells)} values for {len(columns)} columns")
        else:
            yield where, dict(zip(columns, cells, strict=True))


READERS = (Reader(_recognises, _lines),)
TABLE = Form(_holds_table, _rows)
SQL = Form(_is_sql, _inserted)
