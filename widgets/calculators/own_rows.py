"""Results in a file beside their predictions: a reader's own, or those that a source published.

It is what Validate is about once there is a file.
"""

import math
import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from llmcap_kernel import calibration
from llmcap_kernel.evidence import compare, measurements, results, weak_spots
from llmcap_kernel.explain import capitalised, digits
from llmcap_kernel.refuse import printable

from .. import benchmarks
from ..form import learnt
from . import answers, published, scatter
from .published import GROUP_OF, GROUPS, percent
from .published_tables import row_cells

MOST = 20_000  # rows of a reader's file; predicting one takes a millisecond
ROWS = 20  # of a table
BY_CHANCE = 0.1  # how seldom chance may do as much before a file is called better or worse
ENOUGH_ALIKE = 8  # rows below which no difference found is no likeness either
# The column of a row that each input beside the file replaces.
FIELD_OF = {
    **{"model": "model", "gpu": "gpu", "tp": "tp", "weights": "weight_dtype", "engine": "engine"},
    **{"in": "input_tokens", "out": "output_tokens", "users": "concurrency"},
    **{"kv": "kv_dtype", "fraction": "memory_fraction", "maxlen": "max_model_len"},
    **{"seqs": "max_num_seqs", "batched": "max_num_batched_tokens", "rate": "rate_of"},
}
NOUN = {
    **{"model": "the model", "gpu": "the card", "engine": "the engine"},
    **{"input_tokens": "the length of a prompt", "output_tokens": "the length of an answer"},
    **{"concurrency": "how many users there were", "model and gpu": "the model and the card"},
}
# An option of the command line that a refusal names, and a list of the catalogue.
OPTION = re.compile(r"--([\w-]+)|llmcap (models|gpus)")
LISTS = {"models": "model", "gpus": "gpu"}


class Voice(NamedTuple):
    """How a page speaks of the rows of a file.

    Attributes
    ----------
    rows, own, file : str
        What stands before "rows" and before what is theirs, and the file within a sentence.
    seen : bool
        Whether the fit has seen them.
    """

    rows: str
    own: str
    file: str
    seen: bool = False


YOURS = Voice("Your", "Your", "your file")
APART = Voice("These", "Their", "the file")
SEEN = APART._replace(seen=True)


class Own:
    """The results of a file. A reader's are in this process alone, and gone with it.

    Parameters
    ----------
    name : str
        What the file is called.
    raw : bytes
        What it holds.
    progress : callable, optional
        Called with rows done and rows in all.
    voice : Voice
        Whose rows they are.

    Raises
    ------
    BadInput
        When the file is of no kind that is read here.
    """

    def __init__(self, name, raw, progress=None, voice=YOURS):
        self.voice = voice
        self.name = printable(name, 60)
        self._lines = results.parse(raw, name, MOST)
        self._progress = progress
        self.report = lru_cache(maxsize=4)(self._report)
        self.learnt = lru_cache(maxsize=4)(self._learnt)

    @property
    def summary(self):
        """How much it is, in words."""
        return _rows(len(self._lines))

    def _report(self, given):
        return compare.report(self._lines, dict(given), self._progress)

    def _learnt(self, given):
        return learnt.code(self._lines, dict(given))

    def held(self, given):
        """Count the rows that can be compared.

        Parameters
        ----------
        given : tuple of tuple
            Columns and the values that replace the file's.

        Returns
        -------
        Counter
            Rows by group, the most first.
        """
        counts = Counter(GROUP_OF[row.metric] for row in self.report(given).rows if row.predicted)
        return Counter(dict(counts.most_common()))

    def group(self, given, wanted):
        """Say which quantity is drawn: the one asked for, or the one with the most rows.

        Parameters
        ----------
        given : tuple of tuple
            Columns and the values that replace the file's.
        wanted : str
            One of `GROUPS`.

        Returns
        -------
        str
            One of `GROUPS`.
        """
        held = self.held(given)
        return wanted if wanted in held or not held else next(iter(held))

    def asks(self, given):
        """Say what the file leaves out, or says in a way that is not known.

        Parameters
        ----------
        given : tuple of tuple
            Columns and the values that replace the file's.

        Returns
        -------
        dict
            Inputs beside the file, each with what is lacking or what is taken in its place.
        """
        return asked(self.report(given))

    def parts(self, given, state, filters):
        """Make a view of the file, the published rows behind it.

        Parameters
        ----------
        given : tuple of tuple
            Columns and the values that replace the file's.
        state : dict
            A complete state of Validate.
        filters : tuple of str
            Which published rows, a value for each of `published.FILTERS`.

        Returns
        -------
        dict
            The parts of a view.
        """
        report, group = self.report(given), self.group(given, state["metric"])
        ceiling = state["against"] == "ceiling"
        mine = published.points(report.rows, "ceiling" if ceiling else "fitted")
        strangers = "fitted" if self.voice.seen else "source"
        others = Others(filters, mine, "ceiling" if ceiling else strangers)
        drawn = [p for p in mine if GROUP_OF[p.row.metric] == group]
        cloud = published.points_left(filters, group, state["against"])
        return {
            "status": _status(report, mine, others, self.asks(given), self.voice),
            "headline": _headline(mine, others, self.voice),
            "figure": scatter.of_own(drawn, cloud, group),
            "tables": list(self._tables(report, mine, others, group)),
            "sentences": _sentences(self.voice) if mine else [],
            "messages": _messages(report, mine, self.voice),
        }

    def _tables(self, report, mine, others, group):
        if mine:
            yield _by_group(mine, others, group, self.voice)
            yield from self._farthest(mine)
        skipped = [row for row in report.rows if row.skipped is not None]
        if skipped:
            table = {
                "caption": f"Rows of {self.voice.file} that could not be compared: "
                f"{len(skipped):,}",
                "columns": ["Row", "Why not"],
                "rows": [[row.id, plain(row.skipped)] for row in skipped[:ROWS]],
                "highlight": [],
                "stack": True,
            }
            yield from answers.in_sight(table, "The next {} that could not be compared")
        if report.assumptions:
            table = {
                "caption": f"Taken where {self.voice.file} is silent, or is not understood",
                "columns": ["Taken", "Rows"],
                "rows": [[plain(text), f"{n:,}"] for text, n in report.assumptions.items()][:ROWS],
                "highlight": [],
            }
            yield from answers.in_sight(table, "The next {} that were taken")
        yield from _modes(mine, self.voice)

    def _farthest(self, mine):
        far = sorted(mine, key=lambda p: -abs(math.log(p.ratio)))[:ROWS]
        which = (
            "the farthest off first" if len(far) == len(mine) else f"the {len(far)} farthest off"
        )
        levels = {True: "good", False: "warn", None: None}
        file = capitalised(self.voice.file)
        table = {
            "caption": f"{file}, {self.name}: {_rows(len(mine))} compared, {which}",
            "columns": COLUMNS,
            "rows": [_cells(p) for p in far],
            "levels": [[None, None, levels[p.inside], *[None] * 4] for p in far],
            "highlight": [],
            "stack": True,
        }
        if self.voice is not YOURS:
            read_from = {line.where: line.fields["source"] for line in self._lines}
            table["links"] = [benchmarks.address(read_from[p.row.id]) for p in far]
        return answers.in_sight(table, "The next {} farthest off")


def _sentences(voice):
    seen, strangers = (
        ("has seen them", "predicted by the same fit")
        if voice.seen
        else (
            "has not seen them",
            "as strangers: each predicted with its source left out of the fit",
        )
    )
    return [
        f"{voice.rows} rows are predicted by the fit of the other calculators, which {seen}. "
        f"Published rows stand beside them, {strangers}, and counted in the proportion of "
        "quantities that the file has.",
        *SENTENCES,
    ]


SENTENCES = [
    "Better or worse is said where chance alone would seldom do as much, in fewer than one file of "
    "ten, were the rows of a file independent. Otherwise they are like the others.",
    published.INTERVAL,
    published.DISTANCE,
]


class Others:
    """The published rows that a reader's rows are set beside.

    Parameters
    ----------
    filters : tuple of str
        Which of them, a value for each of `published.FILTERS`.
    mine : sequence of Point
        The reader's rows.
    against : str
        Which prediction of theirs, one of `published.AGAINST`.
    """

    def __init__(self, filters, mine, against):
        self.share = Counter(GROUP_OF[p.row.metric] for p in mine)
        self.groups = {name: published.points_left(filters, name, against) for name in self.share}
        self.median = _weighted_median(
            (p.error, self.share[name] / len(some))
            for name, some in self.groups.items()
            for p in some
        )


def _weighted_median(pairs):
    """The value that half of the weight lies below; None for nothing."""
    ordered = sorted(pairs)
    half, below = sum(weight for _, weight in ordered) / 2, 0.0
    for value, weight in ordered:
        below += weight
        if below >= half:
            return value
    return None


def likeness(errors, middle):
    """Say whether rows are predicted as well as others, by a sign test.

    Parameters
    ----------
    errors : sequence of float
        Distances of the rows from their measurements.
    middle : float
        The distance that half of the others are within.

    Returns
    -------
    str
        "better", "worse" or "like"; "" for too few rows to tell.

    Examples
    --------
    >>> likeness([0.1] * 4, 0.2), likeness([0.3] * 4, 0.2), likeness([0.1, 0.1, 0.3], 0.2)
    ('better', 'worse', '')
    >>> likeness([0.1] * 5 + [0.3] * 3, 0.2), likeness([0.1] + [0.9] * 3, 0.2)
    ('like', '')
    """
    many, nearer = len(errors), sum(error < middle for error in errors)
    if 0.5**many > BY_CHANCE:
        return ""
    ways = [math.comb(many, k) / 2**many for k in range(many + 1)]
    if sum(ways[nearer:]) <= BY_CHANCE:
        return "better"
    if sum(ways[: nearer + 1]) <= BY_CHANCE:
        return "worse"
    return "like" if many >= ENOUGH_ALIKE else ""


# what is lacking


def asked(report):
    """Find the inputs that would complete a file.

    Parameters
    ----------
    report : Report
        Its rows and the assumptions made.

    Returns
    -------
    dict
        Inputs beside the file, each with what is lacking, or what is taken where the file is
        silent.
    """
    columns = {option: column for column, option in measurements.OPTIONS.items()}
    fields = {column: name for name, column in FIELD_OF.items()}
    found: dict = {}
    for reason in (*(row.skipped or "" for row in report.rows), *report.assumptions):
        for option, listed in OPTION.findall(reason):
            column = columns.get(option, LISTS.get(listed))
            if column in fields:
                found.setdefault(fields[column], plain(reason))
    return {name: found[name] for name in FIELD_OF if name in found}


def plain(reason):
    """Say a refusal as a page does: without the command line's hints, in a person's words.

    Parameters
    ----------
    reason : str
        Why a row could not be compared, or what was assumed.

    Returns
    -------
    str
        The same for a reader of the page.

    Examples
    --------
    >>> plain("gpu is not stated (give --gpu)")
    'the card is not stated'
    """
    said = re.sub(r" \((?:give --|llmcap )[^)]*\)", "", reason)
    field, silent, more = said.partition(" not stated")
    name = field.removesuffix(" is").removesuffix(" are")
    return (
        f"{NOUN[name]}{field.removeprefix(name)}{silent}{more}" if silent and name in NOUN else said
    )


def _messages(report, mine, voice):
    """What a reader is to know of a file of which some rows are compared."""
    if not mine:
        return []
    skipped = [row for row in report.rows if row.skipped]
    if not skipped:
        return []
    text = f"{_rows(len(skipped))} of {voice.file} could not be compared; a table below says why."
    return [{"level": "info", "field": "", "text": text}]


LENGTHS = (
    "A prompt's length is input_tokens, an answer's output_tokens; or set them beside the file."
)


def _unread(report):
    """The columns of a table that no name is known for."""
    found = (re.fullmatch(r"column '(.+)' is not understood", one) for one in report.assumptions)
    return [one[1] for one in found if one]


# the verdict


def _status(report, mine, others, asks, voice):
    if not mine:
        return {"level": "warn", "text": _open(report, asks, voice)}
    inside = _held(mine)
    text = f"{voice.rows} {_rows(len(mine))}: median error {percent(published.median(mine))}"
    text += f", {sum(inside):,} of {len(inside):,} in the 80% interval" if inside else ""
    text += f"{_too_wide(mine)}."
    alike = "" if others.median is None else likeness([p.error for p in mine], others.median)
    if others.median is not None:
        text += f" {SAID[alike]} (median {percent(others.median)})."
    is_promised = sum(inside) >= 0.75 * len(inside)
    unread = _unread(report)
    is_good = is_promised and alike != "worse" and not unread
    doubts = [f"{capitalised(said)}." for said in asks.values()]
    doubts += [f"Not understood, and left out: {', '.join(unread)}. {LENGTHS}"] if unread else []
    beside = {"beside": " ".join(doubts)} if doubts else {}
    return {"level": "good" if is_good else "warn", "text": text} | beside


def _held(points):
    """Whether each measurement lies in its interval, of those whose interval tells something."""
    return [p.held for p in points if p.held is not None]


def _too_wide(points):
    """Say of how many rows the interval is too wide to tell anything; nothing where of none."""
    wide = sum(p.inside is not None and p.held is None for p in points)
    return f"; {wide:,} not counted, uncertain by more than {calibration.WIDE:g}x" if wide else ""


SAID = {
    "like": "That is like other people's rows",
    "better": "That is better than other people's rows",
    "worse": "That is worse than other people's rows",
    "": "They are too few to say whether that is like other people's rows",
}


def _open(report, asks, voice):
    """Say what stands between a file and its predictions."""
    many = _rows(len(report.rows))
    reasons = Counter(plain(row.skipped) for row in report.rows if row.skipped)
    if not reasons:
        return f"{voice.rows} {many} cannot be compared with the choice in force."
    said = reasons.most_common(1)[0][0]
    more = " Choose it below the file." if asks else ""
    return f"{voice.rows} {many} cannot be predicted yet: {said}.{more}"


def _rows(many):
    return f"{many:,} row{'s' if many != 1 else ''}"


def _headline(mine, others, voice):
    if not mine:
        return []
    middle = published.median(mine)
    typical = min(mine, key=lambda p: abs(p.error - middle))
    inside, hopeful = _held(mine), sum(p.off > 0 for p in mine)
    strangers = "no published row to set beside" if others.median is None else (
        f"published rows: {percent(others.median)}"
    )  # fmt: skip
    out = [
        _number(f"{voice.own} median error", percent(middle), "", strangers, definition(typical)),
    ]
    if inside:
        note = f"{percent(sum(inside) / len(inside))}; 80% is promised{_too_wide(mine)}"
        out.append(_number("In the 80% interval", f"{sum(inside):,}", f"of {len(inside):,}", note))
    careful = f"{len(mine) - hopeful:,} too careful"
    out.append(_number("Predicted too hopeful", f"{hopeful:,}", f"of {len(mine):,}", careful))
    return out


def _number(label, value, unit="", note="", explain=""):
    return {"label": label, "value": value, "unit": unit, "note": note, "explain": explain}


def definition(p):
    """Show how far off one row is, as arithmetic.

    Parameters
    ----------
    p : Point
        The row.

    Returns
    -------
    str
        The definition, and its numbers.
    """
    return (
        "distance = |predicted / measured - 1|\n"
        f"row {p.row.id}, {p.row.metric}: |{digits(p.predicted)} / {digits(p.row.measured)} - 1| "
        f"= {percent(p.error)}"
    )


# the tables


COLUMNS = ["Row", "What", "Measured", "Predicted", "From", "To", "Off", "Why"]


def _by_group(mine, others, group, voice):
    named = [name for name in GROUPS if name in others.share]
    rows = []
    for name in named:
        some = [p for p in mine if GROUP_OF[p.row.metric] == name]
        strangers = others.groups[name]
        held, theirs = _held(some), _held(strangers)
        rows.append(
            [
                GROUPS[name].title,
                f"{len(some):,}",
                percent(published.median(some)),
                _share(held),
                f"{len(strangers):,}",
                percent(published.median(strangers)),
                _share(theirs) if strangers else "none",
            ]
        )
    yours, theirs = (
        (f"{voice.rows} rows", "Median error", "In interval"),
        ("Published", "Median", "Inside"),
    )
    return {
        "caption": f"{voice.rows} rows beside the published ones",
        "columns": ["Measured", *yours, *theirs],
        "rows": rows,
        "highlight": [named.index(group)] if group in named else [],
    }


def _share(held):
    """The share of rows in their intervals; where every interval is too wide, that."""
    return percent(sum(held) / len(held)) if held else "too wide"


def _cells(p):
    row_id, what, measured, guess, off, known = row_cells(p)
    what = f"{GROUPS[GROUP_OF[p.row.metric]].title}: {what}"
    ends = ["none" if end is None else digits(end) for end in (p.low, p.high)]
    return [row_id, what, measured, guess, *ends, off, known]


def _modes(mine, voice):
    """What is known to go wrong with such rows, and what to do."""
    fired = Counter(mode for p in mine for mode in p.row.failure_modes)
    if not fired:
        return
    told = ((weak_spots.mode(name), many) for name, many in fired.most_common())
    table = {
        "caption": f"Failure modes that {voice.rows.lower()} rows meet",
        "columns": ["Failure mode", f"{voice.rows} rows", "What goes wrong", "What to do"],
        "rows": [[one.title, f"{many:,}", one.wrong, one.advice] for one, many in told],
        "highlight": [],
        "stack": True,
    }
    yield from answers.in_sight(table, "The other {} failure modes")
