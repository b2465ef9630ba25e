"""Kinds of pictures: curves, bars to scale, timelines, small multiples. Each gives a `Drawing`.

Words stand beside what they name, so there is no legend to decode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmcap_kernel.explain import digits

from .curves import short
from .drawing import LINE, Drawing, Named, Scale, spread, ticks, wrapped

NAME_HIGH = 34  # the name of a bar, and what parts it from the next [px]
CELL = 14  # height of a counted thing in a grid [px]
HEIGHTS = 8  # what the values of y take at the left [percent]
BUSY, EARLY = 60, 16  # a mark beyond the one takes the names of curves to the other [percent]
PLOT_TOP, PLOT_BOTTOM = 26, 40  # what stands above and below a plot [px]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """What an axis measures.

    Parameters
    ----------
    title : str
        With its unit.
    low, high : float, optional
        Its ends; what is drawn if omitted.
    log : bool
        Whether it is logarithmic.
    at : mapping of float to str, optional
        Words at its ticks.
    """

    title: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    at: Mapping[float, str] | None = None


@dataclass(frozen=True)
class Line:
    """A curve with its name, and a band around it where it has an interval.

    Parameters
    ----------
    label : str
        Its name, at `where`.
    points : sequence of tuple
        In the axes' units.
    ink : str
        Its colour by meaning.
    dash : str
        Lengths of strokes and gaps, for what is a bound and not an estimate.
    low, high : sequence of float
        The ends of its interval at each point; empty for none.
    where : float, optional
        Where along x its name stands; its end if omitted.
    width : float
        Its width [px].
    """

    label: str
    points: Points
    ink: str = "weights"
    dash: str = ""
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    where: float | None = None
    width: float = 2.5


@dataclass(frozen=True)
class Dots:
    """Many points of one kind.

    Parameters
    ----------
    label : str
        What they are, above the plot.
    points : sequence of tuple
        In the axes' units.
    ink : str
        Their colour.
    size : float
        Of each [px].
    dim : float
        Opacity.
    """

    label: str
    points: Points
    ink: str = "other"
    size: float = 4.0
    dim: float = 0.7


@dataclass(frozen=True)
class Mark:
    """One point that has a name: where the reader stands, or what was measured.

    Parameters
    ----------
    label : str
        Its name.
    x, y : float
        In the axes' units.
    ink : str
        Its colour.
    hollow : bool
        Whether it is a ring: measured, and not computed.
    below : bool
        Whether its name stands below it, where a curve rises through what is above.
    """

    label: str
    x: float
    y: float
    ink: str = "prompt"
    hollow: bool = False
    below: bool = False


@dataclass(frozen=True)
class Limit:
    """A line across, or down with `x`: what is allowed.

    Parameters
    ----------
    label : str
        Its name.
    y, x : float, optional
        One of the two.
    ink : str
        Its colour.
    """

    label: str
    y: float | None = None
    x: float | None = None
    ink: str = "bad"


Drawable = Line | Dots | Mark | Limit


@dataclass
class Chart(Drawing):
    """A drawing over two axes, for whoever draws more on it.

    Parameters
    ----------
    across, down : Scale
        Where the values of its axes stand.
    """

    across: Scale = field(kw_only=True)
    down: Scale = field(kw_only=True)


def chart(
    marks: Sequence[Drawable],
    x: Axis,
    y: Axis,
    height: float = 300,
    drag: str = "",
) -> Chart:
    """Draw curves, points and limits over two axes.

    Parameters
    ----------
    marks : sequence of Line, Dots, Mark or Limit
        What is drawn, the last on top.
    x, y : Axis
        The axes.
    height : float
        Of the picture [px].
    drag : str
        A control whose values lie along x: pulling on the picture moves it.

    Returns
    -------
    Chart
        The picture.
    """
    across = _scale(x, marks, 0, 1.5, 98.5)
    down = _scale(y, marks, 1, height - PLOT_BOTTOM, PLOT_TOP)
    drawing = Chart(height, (drag, across) if drag else None, across=across, down=down)
    _frame(drawing, x, y, across, down)
    for one in marks:
        _DRAWN[type(one)](drawing, one, across, down)
    for one in marks:
        if isinstance(one, Limit):
            _limit_words(drawing, one, across, down)
    _heights(drawing, y, down)
    named = [one for one in marks if isinstance(one, Line) and one.label]
    labels = [one for one in marks if isinstance(one, Mark) and one.label]
    _names(drawing, named, labels, across, down)
    return drawing


def _reach(marks, which):
    """List every value that is drawn along one axis."""
    for one in marks:
        if isinstance(one, (Line, Dots)):
            yield from (point[which] for point in one.points)
            if which and isinstance(one, Line):
                yield from (*one.low, *one.high)
        elif isinstance(one, Mark):
            yield (one.x, one.y)[which]
        else:
            value = (one.x, one.y)[which]
            yield from () if value is None else (value,)


def _scale(axis, marks, which, start, end):
    values = list(_reach(marks, which))
    low = min(values) if axis.low is None else axis.low
    high = max(values) if axis.high is None else axis.high
    if axis.low is None and not axis.log and which:
        low = min(low, 0.0)
    if high <= low:
        high = low * 2 if low > 0 else low + 1.0
    return Scale(low, high, start, end, axis.log)


def _frame(drawing, x, y, across, down):
    """Draw titles, the grid, and what stands along x."""
    bottom = drawing.height - PLOT_BOTTOM
    drawing.text(0, 13, y.title, "quiet", small=True)
    for value in y.at or ticks(down.low, down.high, down.log):
        drawing.line(0, down(value), 100, down(value), "rule")
    drawing.line(0, bottom, 100, bottom, "edge")
    for value in x.at or ticks(across.low, across.high, across.log):
        place = across(value)
        drawing.line(place, bottom, place, bottom + 4, "edge")
        words = (x.at or {}).get(value) or short(value)
        anchor = "start" if place < 4 else "end" if place > 96 else "middle"
        drawing.text(place, bottom + 17, words, "quiet", small=True, anchor=anchor)
    drawing.text(100, drawing.height - 5, x.title, "quiet", small=True, anchor="end")


def _heights(drawing, y, down):
    """Write the values of y on their lines, inside the plot, over what runs through them."""
    for value in y.at or ticks(down.low, down.high, down.log):
        place = down(value)
        if place > PLOT_TOP + 10 or y.at:
            words = (y.at or {}).get(value) or short(value)
            drawing.text(0, place - 3, words, "quiet", small=True, halo=True)


def _line(drawing, one, across, down):
    points = [(across(px), down(py)) for px, py in one.points]
    if one.low:
        ends = zip(one.points, one.low, one.high, strict=True)
        edges = [(across(px), down(low), down(high)) for (px, _), low, high in ends]
        around = [(px, high) for px, _, high in edges] + [(px, low) for px, low, _ in edges[::-1]]
        drawing.path(around, one.ink, fill=True, dim=0.16)
    drawing.path(points, one.ink, width=one.width, dash=one.dash)


def _dots(drawing, one, across, down):
    shown = [(across(px), down(py)) for px, py in one.points]
    drawing.dots(shown, one.ink, size=one.size, dim=one.dim)
    if one.label:
        drawing.text(100, 13, one.label, one.ink, small=True, anchor="end")


def _mark(drawing, one, across, down):
    px, py = across(one.x), down(one.y)
    drawing.dot(px, py, one.ink, radius=6, hover=one.label, hollow=one.hollow)
    if not one.label:
        return
    is_low = py + 22 > drawing.height - PLOT_BOTTOM - 4  # below stand the values of x
    is_above = py > PLOT_TOP + 14 and (not one.below or is_low)
    px = max(px, HEIGHTS)
    drawing.text(px, py - 12 if is_above else py + 22, one.label, one.ink, bold=True, halo=True)


def _limit(drawing, one, across, down):
    if one.y is not None:
        place = down(one.y)
        drawing.line(0, place, 100, place, one.ink, width=1.5, dash="3 3")
        return
    place = across(one.x)
    drawing.line(place, PLOT_TOP, place, drawing.height - PLOT_BOTTOM, one.ink, dash="3 3")


def _limit_words(drawing, one, across, down):
    """Name a limit, over every dot and line that runs through its name."""
    if one.y is not None:
        place = down(one.y) - 5
        drawing.text(100, place, one.label, one.ink, small=True, anchor="end", halo=True)
        return
    bottom = drawing.height - PLOT_BOTTOM
    drawing.text(across(one.x), bottom - 6, one.label, one.ink, small=True, halo=True)


_DRAWN = {Line: _line, Dots: _dots, Mark: _mark, Limit: _limit}


def _names(drawing, lines, marks, across, down):
    """Write the name of each curve over it: at its end, or near its start where a mark is there."""
    is_taken = any(across(mark.x) > BUSY for mark in marks)
    away = [_near(one.points, across, EARLY) if is_taken else one.points[-1] for one in lines]
    at = [
        end if one.where is None else _near(one.points, across, across(one.where))
        for one, end in zip(lines, away, strict=True)
    ]
    heights = [down(y) - 7 for _, y in at]
    ends = [i for i, one in enumerate(lines) if one.where is None]
    apart = spread([heights[i] for i in ends], LINE - 2, PLOT_TOP + 4)
    for i, place in zip(ends, apart, strict=True):
        heights[i] = place
    for one, (x, _), place in zip(lines, at, heights, strict=True):
        bottom = drawing.height - PLOT_BOTTOM - 4
        top = min(max(place, PLOT_TOP + 4), bottom)
        left = max(across(x), HEIGHTS)
        drawing.text(left, top, one.label, one.ink, bold=True, small=True, halo=True)


def _near(points, across, place):
    return min(points, key=lambda point: abs(across(point[0]) - place))


@dataclass(frozen=True)
class Part:
    """A part of a bar, or a span of a lane.

    Parameters
    ----------
    label : str
        What it is.
    size : float
        In the unit of the picture.
    ink : str
        Its colour by meaning.
    start : float, optional
        Where it begins; where the one before ends if omitted.
    missing : bool
        Whether it is asked for and not there: drawn as an outline.
    said : str
        Its size as words; the number with the unit of the picture if empty.
    dim : float
        Opacity: kinds of one thing, such as matrices, are shades of its colour.
    """

    label: str
    size: float
    ink: str = "other"
    start: float | None = None
    missing: bool = False
    said: str = ""
    dim: float = 1.0


@dataclass(frozen=True)
class Bar:
    """A row of parts to scale.

    Parameters
    ----------
    label : str
        What stands above it.
    parts : sequence of Part
        From the left.
    low, high : float, optional
        Its interval, around its end.
    names : bool
        Whether its parts are named below it; a row that repeats the names of the last need not.
    """

    label: str
    parts: Sequence[Part] = field(default_factory=tuple)
    low: float | None = None
    high: float | None = None
    names: bool = True


def bars(rows, unit, *, thick=18, longest=None, limit=None, axis=False):
    """Draw rows of parts to scale: bytes, times, shares. The names of parts stand below each.

    Parameters
    ----------
    rows : sequence of Bar
        From the top.
    unit : str
        Of the sizes, as it is read.
    thick : float
        Height of a bar [px].
    longest : float, optional
        What the full width is; the longest row if omitted.
    limit : tuple, optional
        Where a line stands, and what it is called.
    axis : bool
        Whether an axis with ticks stands below: a timeline has one.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> one = Bar("one card", [Part("weights", 15.0, "weights"), Part("free", 5.0, "free")])
    >>> bars([one], "GiB").height
    68
    """
    ends = [max([_end(row.parts), row.high or 0.0]) for row in rows]
    full = longest or max([*ends, limit[0] if limit else 0.0]) or 1.0
    across = Scale(0, full, 0, 100 if axis or not limit else 98)
    keys = [_key(row, unit) for row in rows]
    top = 22 if limit else 0
    tall = [NAME_HIGH + thick + LINE * len(wrapped([one.words for one in named])) for named in keys]
    drawing = Drawing(top + sum(tall) + (30 if axis else 0))
    if limit:
        at = across(limit[0])
        drawing.upright(at, 16, 30 if axis else 0, "bad")
        drawing.text(at, 12, limit[1], "bad", small=True)
    for row, named, height in zip(rows, keys, tall, strict=True):
        _bar(drawing, row, top, thick, across, unit)
        drawing.key(top + 24 + thick + LINE, named)
        top += height
    if axis:
        _time_axis(drawing, across, unit)
    return drawing


def thickness(rows, tall, most=48.0):
    """How thick bars are that fill a height, so that a page stays where their number changes.

    Parameters
    ----------
    rows : int
        How many there are, without names of their parts below.
    tall : float
        What they fill together [px].
    most : float
        The thickest; what is left then stays empty [px].

    Returns
    -------
    float
        Height of a bar [px].

    Examples
    --------
    >>> thickness(4, 240), thickness(1, 240)
    (26.0, 48.0)
    """
    return min(tall / rows - NAME_HIGH, most)


def _end(parts):
    at = 0.0
    for part in parts:
        at = (at if part.start is None else part.start) + part.size
    return at


def _named(part, unit):
    return f"{part.label} {part.said or f'{digits(part.size)} {unit}'.rstrip()}"


def _key(row, unit):
    """What names the parts of a row below it."""
    shown = [part for part in row.parts if row.names and part.size > 0 and part.label]
    return [Named(_named(p, unit), p.ink, p.missing, p.dim) for p in shown]


def _bar(drawing, row, top, thick, across, unit):
    drawing.text(0, top + 16, row.label, bold=True)
    at, y = 0.0, top + 24
    for part in row.parts:
        at = at if part.start is None else part.start
        left, right = across(at), across(at + part.size)
        look = {"edge": part.ink, "dashed": True} if part.missing else {"dim": part.dim}
        fill = "" if part.missing else part.ink
        drawing.rect(left, y, right - left, thick, fill, hover=_named(part, unit), **look)
        at += part.size
    if row.high is not None:
        drawing.whisker(across(row.low or 0.0), across(row.high), y + thick / 2)


def _time_axis(drawing, across, unit):
    y = drawing.height - 24
    drawing.line(0, y, 100, y, "edge")
    for value in ticks(across.low, across.high, False):
        place = across(value)
        anchor = "start" if place < 4 else "end" if place > 96 else "middle"
        drawing.line(place, y, place, y + 4, "edge")
        words = f"{short(value)} {unit}" if value == 0 else short(value)
        drawing.text(place, y + 17, words, "quiet", small=True, anchor=anchor)


def grid(counts, across):
    """Draw counted things as cells in rows: blocks of a cache, experts, heads.

    Parameters
    ----------
    counts : sequence of tuple
        Colour by meaning ("" for an empty one), and how many in a row have it.
    across : int
        Cells in a row.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> grid([("cache", 3), ("", 5)], 4).height
    28
    """
    inks = [ink for ink, count in counts for _ in range(count)]
    drawing = Drawing(-(-len(inks) // across) * CELL)
    width = 100 / across
    boxes: dict[str, list[tuple[float, float, float, float]]] = {"": []}
    for i, ink in enumerate(inks):
        boxes.setdefault(ink, []).append((i % across * width, i // across * CELL, width, CELL))
    drawing.cells(boxes.pop(""), "panel", "rule")
    for ink, found in boxes.items():
        drawing.cells(found, ink)
    return drawing
