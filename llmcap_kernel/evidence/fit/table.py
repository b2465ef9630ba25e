"""Fit, and write `catalog/calibration.toml`: the `llmcap calibrate` command."""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ... import calibration, files
from ...refuse import BadInput
from .. import compare
from .leaving import LeftOut, left_out
from .problem import FREE, HOLD, Sets
from .rows import TEST, Sample, samples
from .widths import SHARE, Widths, earned, misses

HEAD = """\
# Written by `llmcap calibrate`; the meaning of each name is in spec.Efficiency.
# Each number has behind it the least and the greatest of the fits that leave a source out. In
# servers and loops a name that reach.toml has is a factor on what kernels reach, any other is a
# value. In all other sets it is a factor on these. A factor multiplies a time, and the odds of a
# share.
"""


def _spread(sets: Sets, fits: Sequence[Sets]) -> Sets:
    """Add to each number the least and the greatest of several fits."""
    out: dict[str, dict[str, list[float]]] = {}
    for key, numbers in sets.sets.items():
        for name, (number, *_) in numbers.items():
            each = [f.sets[key][name][0] for f in fits if name in f.sets.get(key, {})]
            out.setdefault(key, {})[name] = [number, min([*each, number]), max([*each, number])]
    return sets._replace(sets=out)


def _lines(table: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line of TOML for each row of a table."""
    out = []
    for key, values in table.items():
        inside = ", ".join(
            f"{n} = {v}" if isinstance(v, int) else f"{n} = {v:.3g}" for n, v in values.items()
        )
        out.append(f'"{key}" = {{ {inside} }}')
    return out


def write(
    path: str | Path,
    sets: Sets,
    found: Widths,
    source: str,
) -> Path:
    """Write the fitted numbers as the file that `calibration` reads.

    Parameters
    ----------
    path : str or Path
        The file to write.
    sets : Sets
        Fitted numbers with their spread.
    found : Widths
        Widths of intervals.
    source : str
        Names of the files of measured rows.

    Returns
    -------
    Path
        The file written.
    """
    lines = [HEAD, "[provenance]", f'rows = "{source}"', f"test = {[*TEST]}".replace("'", '"')]
    for key in (*HOLD, *(key for key in sets.sets if key not in HOLD)):
        lines += ["", f'[sets."{key}"]']
        for name, spread in sets.sets[key].items():
            lines.append(f"{name} = [{', '.join(f'{x:.3g}' for x in spread)}]")
    lines += ["", "[intervals]", *_lines(found.intervals)]
    lines += ["", "[ignorance]"] + [
        f"{name} = {factor:.3g}" for name, factor in found.ignorance.items()
    ]
    lines += ["", "[spreads]", *_lines(found.spreads)]
    lines += ["", "[rows]"] + [f'"{key}" = {n}' for key, n in sets.rows.items()]
    path = Path(path)
    files.write("out", path, "\n".join(lines) + "\n")
    return path


def keep_predictions(
    path: str | Path, missed: Mapping[str, Mapping[str, float]], out: str | Path
) -> Path:
    """Write the predictions of all measured rows to a file.

    Parameters
    ----------
    path : str or Path
        Rows with the columns of `benchmarks/measured.csv`.
    missed : mapping
        Errors of left-out rows, as `left_out` returns them.
    out : str or Path
        The CSV to write, with the columns that `compare.join_predictions` reads.

    Returns
    -------
    Path
        The file written.
    """
    out = Path(out)
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "predicted", "low", "high", "ceiling", *compare.LEFT_OUT])
        for row in compare.run(path).compared:
            # no fit saw a row that none leaves out: memory, and what the law is not asked
            unseen = [
                row.measured / math.exp(by[row.id]) if row.id in by else row.predicted
                for by in missed.values()
            ]
            numbers = (row.predicted, row.low, row.high, row.ceiling, *unseen)
            table.writerow([row.id, *("" if n is None else f"{n:.4g}" for n in numbers)])
    return out


def keep_sources(rows: Iterable[Sample], out: str | Path) -> Path:
    """Write how many rows of each source stand behind the numbers of a set.

    Parameters
    ----------
    rows : iterable of Sample
        The rows of the fit.
    out : str or Path
        The CSV to write: a set, or an engine on a chip family; a source; and its rows.

    Returns
    -------
    Path
        The file written.
    """
    count = Counter((key, row.source) for row in rows for key in row.about)
    out = Path(out)
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["about", "source_id", "rows"])
        table.writerows((*pair, n) for pair, n in sorted(count.items()))
    return out


def calibrate(
    paths: Sequence[str | Path], out: str | Path, say: Callable[[str], object] = print
) -> tuple[Sets, LeftOut]:
    """Fit the numbers to files of measured rows and write the result.

    Parameters
    ----------
    paths : sequence of str or Path
        Rows with the columns of `benchmarks/measured.csv`.
    out : str or Path
        The data file to write. When it is the one that `calibration` reads, `predicted.csv` and
        `fitted.csv` are written too, beside the first file of rows.
    say : callable
        Called with each line of progress.

    Returns
    -------
    tuple of (Sets, LeftOut)
        The fitted numbers, and what fits without a group predicted.

    Raises
    ------
    BadInput
        When no row of servers, or none of loops, can be predicted.
    """
    rows = [row for row in samples(*paths) if row.source not in TEST]
    names = " and ".join(Path(path).name for path in paths)
    say(f"{len(rows):,} rows of {names} can be predicted")
    lacking = set(HOLD) - {row.path[0] for row in rows}
    if lacking:
        raise BadInput("file", f"file has no rows of {' and none of '.join(sorted(lacking))}.")
    say(f"fitting {sum(map(len, FREE.values()))} numbers, and again without each group")
    sets, found = left_out(rows)
    missed = found.errors
    level, found_widths = earned(misses(rows, missed["source"]))
    say(f"widths hold {level:.1%} of what they have seen, so that they hold {SHARE:.0%} of more")
    write(out, _spread(sets, found.fits["source"]), found_widths, names)
    say(f"wrote {out}")
    if Path(out).resolve() == calibration.FILE.resolve():
        calibration.reload()
        beside = Path(paths[0]).with_name
        say(f"wrote {keep_predictions(paths[0], missed, beside('predicted.csv'))}")
        say(f"wrote {keep_sources(rows, beside('fitted.csv'))}")
    return sets, found
