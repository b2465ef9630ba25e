"""Compute one function at many points: here or on an executor, resumable after an interruption.

Any `concurrent.futures.Executor` will do: threads, processes, or a cluster's. Dask's is
`distributed.Client(address).get_executor()`; its workers need this package and nothing else.
"""

import json
from collections.abc import Callable, Generator, Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .refuse import BadInput, shown

if TYPE_CHECKING:
    from concurrent.futures import Executor

P = TypeVar("P", bound=Hashable)
Results = Generator[tuple[P, Any], None, None]


def each(
    function: Callable[[P], Any],
    points: Iterable[P],
    *,
    executor: "Executor | None" = None,
    kept: str | Path | None = None,
    progress: Callable[[float], bool | None] | None = None,
) -> dict[P, Any]:
    """Compute a function at many points.

    Parameters
    ----------
    function : callable
        Of one point. For an executor of processes it stands in a module.
    points : iterable
        What can be the key of a dict, and tells the points apart by its `repr`.
    executor : Executor, optional
        Where it runs; in this process, one by one, if omitted.
    kept : str or Path, optional
        A file that gets a line of JSON for each result as it comes. Points that it has already
        are not computed again, so a sweep that was interrupted resumes.
    progress : callable, optional
        Is told the share that is done; False stops.

    Returns
    -------
    dict
        Results by point, in the order of the points; those that are done where it was stopped.

    Raises
    ------
    BadInput
        When the file cannot be read or written, or is another's.

    Examples
    --------
    >>> each(abs, [-2, -1, 3])
    {-2: 2, -1: 1, 3: 3}
    """
    unique = tuple(dict.fromkeys(points))
    results = _read(kept, unique) if kept is not None else {}
    remaining = [point for point in unique if point not in results]
    computed = (
        _on_executor(executor, function, remaining)
        if executor
        else _in_this_process(function, remaining)
    )
    try:
        for point, result in computed:
            results[point] = result
            if kept is not None:
                _append(kept, point, result)
            if progress is not None and progress(len(results) / len(unique)) is False:
                break
    finally:
        computed.close()
    return {point: results[point] for point in unique if point in results}


def _in_this_process(function: Callable[[P], Any], points: Iterable[P]) -> "Results[P]":
    for point in points:
        yield point, function(point)


def _on_executor(
    executor: "Executor", function: Callable[[P], Any], points: Iterable[P]
) -> "Results[P]":
    """Yield results as they come; cancel what has not begun when the caller stops."""
    from concurrent.futures import as_completed  # a page has no use for it

    futures = {executor.submit(function, point): point for point in points}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def _read(kept: str | Path, points: Iterable[P]) -> dict[P, Any]:
    """Read the results of a file by point; drop a last line that was cut off."""
    by_key = {repr(point): point for point in points}
    results: dict[P, Any] = {}
    name = shown(str(kept))
    try:
        text = Path(kept).read_text(encoding="utf-8") if Path(kept).exists() else ""
    except (OSError, UnicodeError):
        raise BadInput("kept", f"kept {name} cannot be read.") from None
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            key, result = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            if number == len(lines):
                _truncate(kept, len(text) - len(line), text)
                break
            message = (
                f"kept {name} line {number:,} is {shown(line[:60])}: it takes a point and a result."
            )
            raise BadInput("kept", message) from None
        if isinstance(key, str) and key in by_key:
            results[by_key[key]] = result
    return results


def _truncate(kept: str | Path, length: int, text: str) -> None:
    Path(kept).write_text(text[:length], encoding="utf-8")


def _append(kept: str | Path, point: Hashable, result: Any) -> None:
    try:
        with open(kept, "a", encoding="utf-8") as file:
            file.write(json.dumps([repr(point), result]) + "\n")
    except OSError as problem:
        message = f"kept {shown(str(kept))} cannot be written: {problem.strerror}."
        raise BadInput("kept", message) from None
