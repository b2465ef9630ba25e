"""Results of benchmark clients that keep every request: `vllm bench serve --save-detailed` and
`sglang.bench_serving --output-details`.

Lists `input_lens` and `output_lens`, and from some version on `start_times` in seconds. A file
without these states at least the rate: its requests are then as far apart as that says.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ...refuse import BadInput, shown
from ...simulation import Request
from .line import refused, seconds, tokens

LISTS = ("input_lens", "output_lens")


def recognises(data: Mapping[str, Any]) -> bool:
    """Say whether a document is such a result.

    Parameters
    ----------
    data : mapping
        The document.

    Returns
    -------
    bool
        By its names.

    Examples
    --------
    >>> recognises({"input_lens": [], "output_lens": []})
    True
    """
    return all(name in data for name in LISTS)


def requests(at: int, data: Mapping[str, Any]) -> Iterator[Request]:
    """Read the requests of a result.

    Parameters
    ----------
    at : int
        The line that it begins on.
    data : mapping
        The result.

    Returns
    -------
    iterator of Request
        One each; those that failed have no answer.

    Raises
    ------
    BadInput
        When the lists differ in length, or say nothing of the arrivals.

    Examples
    --------
    >>> result = {"input_lens": [9, 8], "output_lens": [3, 0], "start_times": [5.0, 6.0]}
    >>> [one[:3] for one in requests(1, result)]
    [(5.0, 9, 3), (6.0, 8, 0)]
    """
    prompts, answers = (data[name] for name in LISTS)
    for name, found in zip(LISTS, (prompts, answers), strict=True):
        if not isinstance(found, list):
            refused(at, name, found, "a list of numbers")
    if len(prompts) != len(answers):
        message = f"input_lens has {len(prompts):,} values and output_lens {len(answers):,}"
        raise BadInput("trace", f"trace line {at:,}: {message}: it takes as many of both.")
    times = _times(at, data, len(prompts))
    for sent_s, prompt, answer in zip(times, prompts, answers, strict=True):
        lengths = tokens(at, "input_lens", prompt), tokens(at, "output_lens", answer)
        yield Request(seconds(at, "start_times", sent_s), *lengths)


def _times(at: int, data: Mapping[str, Any], many: int) -> list[Any]:
    times = data.get("start_times")
    if isinstance(times, list) and len(times) == many:
        return times
    if times is not None:
        refused(at, "start_times", times, f"a list of {many:,} times")
    rate = data.get("request_rate", data.get("request_throughput"))
    if (isinstance(rate, str) and rate in ("inf", "Infinity")) or rate == float("inf"):
        return [0.0] * many
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not rate > 0:
        raise BadInput(
            "trace",
            f"trace line {at:,}: start_times is missing and request_rate is {shown(rate)}: "
            "nothing says when requests came.",
        )
    return [i / rate for i in range(many)]
