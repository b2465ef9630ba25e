"""What llama.cpp and Ollama say of one answer: printed below it, or beside it in JSON.

Names: llama.cpp's `src/llama-context.cpp` (`llama_perf_context_print`, which was
`llama_print_timings`) and `tools/server/README.md` (`timings`); Ollama's `cmd/cmd.go` (`--verbose`)
and `docs/api.md`, whose durations are in nanoseconds. One user, and each answer a row.
"""

import re
from collections.abc import Iterator

from . import llama_bench
from .line import Document, Fields, Form, Line, Reader, metrics, number, table, whole, word
from .tables import lines_of

PRINTED = re.compile(
    r"(?P<prompt>prompt )?eval time =\s{0,20}(?P<ms>[\d.]{1,20}) ms /\s{0,20}(?P<n>\d{1,9}) "
    r"(?:tokens|runs)"
)
VERBOSE = re.compile(
    r"^\s{0,40}(?P<prompt>prompt )?eval (?P<what>count|rate):\s{1,40}(?P<value>[\d.]{1,20})"
)
LOADED = re.compile(r"loaded meta data with [^\n]{0,200} from ([^\n]{1,300}?) \(version")


def _is_ollama(data: Fields) -> bool:
    return "eval_count" in data and "eval_duration" in data


def _is_server(data: Fields) -> bool:
    return "predicted_per_second" in table(data, "timings")


def _is_printed(data: Fields) -> bool:
    return "answer_rate" in data


def _ollama(data: Fields, where: str) -> list[Line]:
    def rate(name: str) -> float | None:
        many, ns = number(data.get(f"{name}_count")), number(data.get(f"{name}_duration"))
        return many / ns * 1e9 if many and ns else None

    return _answer(
        {
            "model": word(data.get("model")),
            "prompt_n": data.get("prompt_eval_count"),
            "n": data.get("eval_count"),
            "prompt_rate": rate("prompt_eval"),
            "answer_rate": rate("eval"),
            "program": "Ollama",
        },
        where,
    )


def _server(data: Fields, where: str) -> list[Line]:
    made = table(data, "timings")
    return _answer(
        {
            "model": word(data.get("model")),
            "prompt_n": made.get("prompt_n"),
            "cached": made.get("cache_n"),
            "n": made.get("predicted_n"),
            "prompt_rate": made.get("prompt_per_second"),
            "answer_rate": made.get("predicted_per_second"),
        },
        where,
    )


def _answer(data: Fields, where: str) -> list[Line]:
    """Two rates of one answer: its prompt's and its own."""
    new, cached = whole(data.get("prompt_n")), whole(data.get("cached")) or 0
    model = word(data.get("model"))
    common = {
        "from_client": True,
        "engine": data.get("program") or "llama.cpp",
        "model": model,
        "weight_dtype": llama_bench.gguf(model),
        "concurrency": 1,
        "input_tokens": new + cached if isinstance(new, int) and isinstance(cached, int) else new,
        "output_tokens": whole(data.get("n")),
        "cached_tokens": cached or "",
    }
    values = {
        "prefill_tok_s": number(data.get("prompt_rate")),
        "decode_tok_s_per_user": number(data.get("answer_rate")),
    }
    return metrics(common, values, where, "the rates of the prompt and of the answer")


# printed


def _prints(text: str) -> bool:
    return PRINTED.search(text) is not None or (
        "eval rate:" in text and "eval count:" in text and "prompt eval rate:" in text
    )


def _printed(text: str) -> Iterator[Document]:
    """A document for each answer: it ends with what its own tokens took."""
    found = LOADED.search(text)
    start: Fields = {"model": found[1] if found else ""}
    data = dict(start)
    for number_, line in enumerate(lines_of(text), 1):
        timed, said = PRINTED.search(line), VERBOSE.match(line)
        if timed:
            many, ms = number(timed["n"]), number(timed["ms"])
            rate = many / ms * 1e3 if many and ms else None
            which = ("prompt_n", "prompt_rate") if timed["prompt"] else ("n", "answer_rate")
            data |= dict(zip(which, (many, rate), strict=True))
        elif said:
            data["program"] = "Ollama"
            name = {"count": "n", "rate": "rate"}[said["what"]]
            prefix = "prompt_" if said["prompt"] else "" if name == "n" else "answer_"
            data[f"{prefix}{name}"] = said["value"]
        if "answer_rate" in data:
            yield f"line {number_}", data
            data = dict(start)


READERS = (
    Reader(_is_ollama, _ollama),
    Reader(_is_server, _server),
    Reader(_is_printed, _answer),
)
TIMINGS = Form(_prints, _printed)
