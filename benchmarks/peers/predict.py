"""A tool asked by its own Python, with the network shut off: run by `benchmarks/against.py`.

    python predict.py time NAME < question    seconds to import it, to answer once, and each time
    python predict.py rows NAME < questions   its answer to each question, or why there is none

A question is a line of JSON, as `tools` describes it; so is an answer. Of rows of one `group` no
more are asked once so many as `most` says have an answer.
"""

import contextlib
import importlib
import io
import json
import logging
import os
import re
import signal
import socket
import sys
import warnings
from collections import Counter
from time import perf_counter

from tools import TOOLS, Refused

PATIENCE_S = 60  # for one row
MOST = 400  # predictions in a run


def shut():
    """Shut the network off and silence what the tools print and log."""

    def refuse(*_):
        raise OSError("no network at prediction time")

    os.environ["HF_HUB_OFFLINE"] = "1"
    socket.socket.connect = socket.socket.connect_ex = refuse
    socket.getaddrinfo = refuse
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def seconds_each(prepare, question):
    """Time predictions of loads that all differ: the best of three runs of a fifth of a second."""

    def each(first, count):
        shorter = range(question["input"] - first, question["input"] - first - count, -1)
        asked = [prepare(question | {"input": tokens}) for tokens in shorter]
        start = perf_counter()
        for predict, read in asked:
            read(predict())
        return (perf_counter() - start) / count

    count = min(max(int(0.2 / each(1, 1)), 1), MOST)
    return min(each(2 + run * count, count) for run in range(3))


def timed(name, question):
    """Import a tool, ask it once and then often."""
    prepare, *modules = TOOLS[name]
    start = perf_counter()
    for module in modules:
        importlib.import_module(module)
    imported = perf_counter()
    predict, read = prepare(question)
    read(predict())
    first = perf_counter()
    return {
        "import_s": imported - start,
        "first_s": first - imported,
        "each_s": seconds_each(prepare, question),
    }


def late(*_):
    """Give up on a row."""
    raise Refused(f"no answer within {PATIENCE_S} s")


def answer(name, question):
    """A tool's answer to a row, or why there is none."""
    signal.alarm(PATIENCE_S)
    try:
        predict, read = TOOLS[name][0](question)
        value = float(read(predict()))
        return {"answer": value} if value > 0 else {"refused": "it answers 0"}
    except Refused as reason:
        return {"refused": str(reason)}
    except Exception as fault:  # a tool's own way to say no
        words = re.sub(r"\d[\d.]*|/\S+", "..", " ".join(str(fault).split()))
        return {"refused": f"{type(fault).__name__}: {words}"[:120]}
    finally:
        signal.alarm(0)


def one(job, name, question, count):
    """The time or the answer, unless the group has enough answers by now."""
    if job == "time":
        return timed(name, question)
    if count[question["group"]] == question["most"]:
        return {}
    got = answer(name, question)
    count[question["group"]] += "answer" in got
    return got


def main():
    """Read questions, print answers."""
    job, name = sys.argv[1:]
    shut()
    signal.signal(signal.SIGALRM, late)
    out, count = sys.stdout, Counter()
    for line in sys.stdin:
        question = json.loads(line)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            got = one(job, name, question, count)
        print(json.dumps(got), file=out, flush=True)


if __name__ == "__main__":
    main()
