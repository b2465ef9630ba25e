"""A tool asked by its own Python, with the network shut off: run by `benchmarks/against.py`.

    python predict.py time NAME < question    CPU time of import and first answer, time of each
    python predict.py rows NAME < questions   its answer to each question, or why there is none

A question is a line of JSON, as `tools` describes it; so is an answer. Of rows of one `group` no
more are asked once so many as `most` says have an answer, nor more than `TRIES` times as many.
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
from time import perf_counter, process_time

from tools import TOOLS, Refused

PATIENCE_S = 60  # for one row
TRIES = 3  # times as many rows as it is to answer, at most
FEWEST, MOST, BUSY_S = 3, 3000, 0.5  # predictions in a run, and how long it takes


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
    """Time predictions of loads that all differ, one by one, for half a second: the least.

    Beside other work most are interrupted, and the least is one that was not.
    """
    times, until = [], perf_counter() + BUSY_S
    for shorter in range(1, MOST):
        predict, read = prepare(question | {"input": question["input"] - shorter})
        start = perf_counter()
        read(predict())
        times.append(perf_counter() - start)
        if len(times) >= FEWEST and perf_counter() > until:
            break
    return min(times)


def timed(name, question):
    """Import a tool, ask it once and then often."""
    prepare, *modules = TOOLS[name]
    start = process_time()
    for module in modules:
        importlib.import_module(module)
    imported = process_time()
    predict, read = prepare(question)
    read(predict())
    first = process_time()
    return {
        "import_s": imported - start,
        "first_s": first - imported,
        "each_s": seconds_each(prepare, question),
    }


def late(*_):
    """Give up on a row."""
    raise TimeoutError(f"no answer within {PATIENCE_S} s")


def answer(name, question):
    """A tool's answer to a row, or why there is none."""
    signal.alarm(PATIENCE_S)
    try:
        predict, read = TOOLS[name][0](question)
        value = float(read(predict()))
        return {"answer": value} if value > 0 else {"refused": "it answers 0"}
    except Refused as reason:  # by its lists, which takes no time
        return {"refused": str(reason), "free": True}
    except Exception as fault:  # a tool's own way to say no
        words = re.sub(r"\d[\d.]*|/\S+", "..", " ".join(str(fault).split()))
        return {"refused": f"{type(fault).__name__}: {words}"[:120]}
    finally:
        signal.alarm(0)


def one(job, name, question, count):
    """The time or the answer, unless the group has enough answers by now."""
    if job == "time":
        return timed(name, question)
    group, most = question["group"], question["most"]
    if count[group] == most or count[group, "asked"] == TRIES * most:
        return {}
    got = answer(name, question)
    count[group] += "answer" in got
    count[group, "asked"] += not got.get("free", False)
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
