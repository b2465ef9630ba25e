"""llama-batched-bench as a markdown table or JSONL, in a log or not.

Names: `tools/batched-bench/batched-bench.cpp`. The program states no model and no card: the log
above its results does, where it was kept.
"""

import re
from collections.abc import Iterator

from . import llama_bench
from .documents import JSON_IN_A_LOG
from .line import Document, Fields, Form, Line, Problem, Reader, number, whole
from .llama_timings import LOADED
from .tables import markdown

COLUMNS = {
    **{"PP": "pp", "TG": "tg", "B": "pl", "N_KV": "n_kv"},
    **{"S_PP t/s": "speed_pp", "S_TG t/s": "speed_tg", "S t/s": "speed"},
}
HEADER = re.compile(r"^[ \t]{0,40}\|[ \t]{0,40}PP[ \t]{0,40}\|[^\n]{0,200}\bS_TG t/s", re.M)
JSONL = re.compile(r'^[ \t]{0,40}\{"n_kv_max": ', re.M)
LAYERS = re.compile(r"\bn_gpu_layers = (-?\d{1,6})\b")


def _recognises(data: Fields) -> bool:
    return "speed_tg" in data and "pl" in data


def _lines(data: Fields, where: str) -> list[Line]:
    """A batch that is read, then answered: how fast each of the two went."""
    prompt, answer, users = (whole(data.get(name)) for name in ("pp", "tg", "pl"))
    if not isinstance(users, int):
        return [Line(where, {}, "pl is missing: it is how many sequences there were")]
    common = llama_bench.deployment(data) | {"input_tokens": prompt, "output_tokens": answer}
    read, written = number(data.get("speed_pp")), number(data.get("speed_tg"))
    out = []
    if prompt and read:  # prompt after prompt
        value = {"concurrency": 1, "metric": "prefill_tok_s", "value": read}
        out.append(Line(f"{where} pp{prompt} x {users}", common | value))
    if answer and written:
        value = {"concurrency": users, "metric": "decode_tok_s_per_user", "value": written / users}
        out.append(Line(f"{where} tg{answer} x {users}", common | value))
    return out or [Line(where, {}, "speed_pp and speed_tg are missing")]


def _holds_table(text: str) -> bool:
    return HEADER.search(text) is not None


def _rows(text: str) -> Iterator[Document]:
    settings = _log(text)
    for where, row in markdown(text, lambda cells: "S_TG t/s" in cells and "PP" in cells):
        if isinstance(row, Problem):
            yield where, row
        else:
            yield where, settings | {name: row.get(label) for label, name in COLUMNS.items()}


def _holds_jsonl(text: str) -> bool:
    return JSONL.search(text) is not None


def _objects(text: str) -> Iterator[Document]:
    settings = _log(text)
    for where, data in JSON_IN_A_LOG.documents(text):
        yield where, settings | data if isinstance(data, dict) else data


def _log(text: str) -> Fields:
    """What the log around the results says of the model and the cards."""
    file, layers = LOADED.search(text), LAYERS.search(text)
    return {
        "model_filename": file.group(1) if file else "",
        "gpu_info": ", ".join(llama_bench.cards_of(text)),
        "n_gpu_layers": layers.group(1) if layers else "",
    }


READERS = (Reader(_recognises, _lines),)
TABLE = Form(_holds_table, _rows)
LINES = Form(_holds_jsonl, _objects)
