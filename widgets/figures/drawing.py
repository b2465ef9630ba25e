"""Pictures as SVG that keeps its text size at every width: places across are percentages.

A drawing is as wide as its page and as high as it says. Colours are names of the style sheet with
a light one behind them, so the same text follows themes and stands alone in a file.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

# One colour a meaning, in every picture: the style sheet's mark, and its light form. Where bars are
# memory, time or several curves it is:
#
#              in memory              in time                 of curves and points
# weights      weights                reading weights, a step  what the law or the estimate says
# activations  the largest batch;     -                        one curve of several
#              a state
# host         the engine's runtime   launches by the host     one curve of several
# cache        caches of users        reading caches           room, users that fit
# free         room for more users    -                        -
# other        what is not counted    the rest of a step       dots of timings; a comparison
# prompt       a prompt kept once     computing prompts        where the reader stands; measured
# link         CUDA graphs            exchanges of cards       one curve of several
#
# A part of one thing (experts, matrices) is a shade of its colour. Words always stand beside it.
MARKS = {
    "weights": (1, "#2f5d9b"),
    "activations": (2, "#8a5fb0"),
    "host": (3, "#8f6b00"),
    "cache": (4, "#0e8577"),
    "free": (5, "#639f97"),
    "other": (6, "#87919c"),
    "prompt": (7, "#c0562a"),
    "link": (8, "#5a6b7b"),
}
INKS = {
    "text": ("text", "#17202b"),
    "quiet": ("quiet", "#546170"),
    "rule": ("rule", "#dbe1e7"),
    "edge": ("edge", "#7b8794"),
    "ground": ("ground", "#ffffff"),
    "panel": ("panel", "#f5f7f9"),
    "good": ("good", "#176b3a"),
    "bad": ("bad", "#b3261e"),
    "interval": ("interval", "#a8c7ea"),
}
# What is too pale to be read on the ground: words that name it are darker.
WORDS = {"other": "quiet", "edge": "quiet", "free": "cache"}
CHARACTER = 7.0  # pixels of a character at 12 px, on the wide side
# Pixels that a picture has on a phone, and at least on a tablet and on a desk, and what the style
# sheet calls them.
PHONE, TABLET, DESK = 330, 600, 780
WIDTHS = {"lc-narrow": PHONE, "lc-middle": TABLET, "lc-wide": DESK}
LINE = 16  # pixels from a line of words to the next
WHISKER = "interval: four of five measurements lie in it"


def colour(name):
    """Name a colour as a style sheet reads it.

    Parameters
    ----------
    name : str
        A meaning of `MARKS`, or an ink of `INKS`.

    Returns
    -------
    str
        CSS.

    Examples
    --------
    >>> colour("cache"), colour("text")
    ('var(--lc-mark-4,#0e8577)', 'var(--lc-text,#17202b)')
    """
    return f"var({style(name)},{(MARKS | INKS)[name][1]})"


def style(name):
    """Name the property of the style sheet that holds a colour.

    Parameters
    ----------
    name : str
        A meaning of `MARKS`, or an ink of `INKS`.

    Returns
    -------
    str
        CSS custom property.

    Examples
    --------
    >>> style("cache"), style("bad")
    ('--lc-mark-4', '--lc-bad')
    """
    return f"--lc-mark-{MARKS[name][0]}" if name in MARKS else f"--lc-{INKS[name][0]}"


@dataclass(frozen=True)
class Scale:
    """Where values stand on an axis.

    Parameters
    ----------
    low, high : float
        The values at its ends.
    start, end : float
        Where those are: percent across, pixels down.
    log : bool
        Whether equal steps are equal factors.
    """

    low: float
    high: float
    start: float = 0.0
    end: float = 100.0
    log: bool = False

    def __call__(self, value):
        """Give the place of a value; one beyond an end stands there.

        Parameters
        ----------
        value : float
            In the axis's unit.

        Returns
        -------
        float
            Percent across, or pixels down.

        Examples
        --------
        >>> Scale(1, 100, log=True)(10)
        50.0
        """
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value):
        """Say whether a value lies between the ends.

        Parameters
        ----------
        value : float
            In the axis's unit.

        Returns
        -------
        bool
            Whether it does.
        """
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Named:
    """A colour with its name in a key.

    Parameters
    ----------
    words : str
        What it means.
    ink : str
        The colour.
    hollow : bool
        Whether it is an outline.
    dim : float
        Opacity.
    """

    words: str
    ink: str
    hollow: bool = False
    dim: float = 1.0


@dataclass
class Drawing:
    """A picture in the making.

    Parameters
    ----------
    height : float
        How high it is [px].
    drag : tuple, optional
        A control, and the scale across that its values have: pulling on the picture moves it.
    widest : float, optional
        How wide it may become [px], where words at both ends belong together; as wide as its page
        if omitted.
    """

    height: float
    drag: tuple[str, Scale] | None = None
    widest: float | None = None
    parts: list[str] = field(default_factory=list)
    has_whiskers: bool = field(default=False, init=False)
    folds: list[tuple[int, float, float]] = field(default_factory=list, init=False)
    over: list[tuple[float, float, float, str]] = field(default_factory=list, init=False)

    def rect(self, x, y, width, height, fill, *, edge="", hover="", dim=1.0, dashed=False):
        """Draw a rectangle.

        Parameters
        ----------
        x, width : float
            Across [percent].
        y, height : float
            Down [px].
        fill : str
            Colour by meaning; "" for none.
        edge : str
            Colour of its border; "" for the ground's, which parts it from its neighbours.
        hover : str
            What the pointer is told.
        dim : float
            Opacity.
        dashed : bool
            Whether the border is broken: something that is not there.
        """
        look = f"fill:{colour(fill) if fill else 'none'};stroke:{colour(edge or 'ground')}"
        look += f";fill-opacity:{dim:g}" if dim < 1 else ""
        look += ";stroke-dasharray:4 3" if dashed else ""
        self.parts.append(
            f'<rect x="{x:.2f}%" y="{y:.1f}" width="{max(width, 0):.2f}%" '
            f'height="{max(height, 0):.1f}" style="{look}"{_inside("rect", hover)}'
        )

    def line(self, x1, y1, x2, y2, ink="edge", *, width=1.0, dash=""):
        """Draw a straight line.

        Parameters
        ----------
        x1, x2 : float
            Across [percent].
        y1, y2 : float
            Down [px].
        ink : str
            Its colour.
        width : float
            Its width [px].
        dash : str
            Lengths of strokes and gaps, as SVG has them.
        """
        look = f"stroke:{colour(ink)};stroke-width:{width:g}"
        look += f";stroke-dasharray:{dash}" if dash else ""
        self.parts.append(
            f'<line x1="{x1:.2f}%" y1="{y1:.1f}" x2="{x2:.2f}%" y2="{y2:.1f}" style="{look}"/>'
        )

    def whisker(self, low, high, y):
        """Draw an interval, on a ground of its own where it lies on a bar.

        Parameters
        ----------
        low, high : float
            Its ends, across [percent].
        y : float
            Down [px].
        """
        self.has_whiskers = True
        for ink, width in (("ground", 4), ("text", 1.5)):
            self.line(low, y, high, y, ink, width=width)
            for end in (low, high):
                self.line(end, y - 5, end, y + 5, ink, width=width)

    def text(self, x, y, words, ink="text", *, anchor="", bold=False, small=False, halo=False):
        """Write words.

        Parameters
        ----------
        x : float
            Where, across [percent].
        y : float
            Their base line, down [px].
        words : str
            What they say.
        ink : str
            Their colour.
        anchor : str
            "start", "middle" or "end"; by default what keeps them inside.
        bold, small : bool
            Their weight and size.
        halo : bool
            Whether they stand on a ground of their own, where lines run through.
        """
        anchor = anchor or ("start" if x < 34 else "end" if x > 66 else "middle")
        look = f"fill:{colour(WORDS.get(ink, ink))};font-size:{12 if small else 13}px"
        look += ";font-weight:600" if bold else ""
        if halo:
            # as wide as a space: a line that runs through would leave a dot between two words
            look += f";paint-order:stroke;stroke:{colour('ground')};stroke-width:6px"
            look += ";stroke-linejoin:round"
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(
            f'<text x="{x:.2f}%" y="{y:.1f}"{place} style="{look}">{escape(words)}</text>'
        )

    def dot(self, x, y, ink, *, radius=6.0, hover="", hollow=False):
        """Draw a round mark.

        Parameters
        ----------
        x : float
            Across [percent].
        y : float
            Down [px].
        ink : str
            Its colour.
        radius : float
            Its size [px].
        hover : str
            What the pointer is told.
        hollow : bool
            Whether it is a ring.
        """
        fill, edge = ("ground", ink) if hollow else (ink, "ground")
        look = f"fill:{colour(fill)};stroke:{colour(edge)};stroke-width:2"
        self.parts.append(
            f'<circle cx="{x:.2f}%" cy="{y:.1f}" r="{radius:g}" style="{look}"'
            f"{_inside('circle', hover)}"
        )

    def words(self, left, y, words, ink="text"):
        """Write small words at a distance from the left that no width changes.

        Parameters
        ----------
        left, y : float
            Where, across and down [px].
        words : str
            What they say.
        ink : str
            Their colour.
        """
        look = f"fill:{colour(ink)};font-size:12px"
        self.parts.append(f'<text x="{left:.0f}" y="{y:.1f}" style="{look}">{escape(words)}</text>')

    def swatch(self, left, y, ink, *, hollow=False, dim=1.0):
        """Draw a patch of a colour before the words that name it.

        Parameters
        ----------
        left, y : float
            Its corner, across and down [px].
        ink : str
            Its colour.
        hollow : bool
            Whether it is an outline.
        dim : float
            Opacity.
        """
        look = f"fill:{'none' if hollow else colour(ink)};stroke:{colour(ink)}"
        look += f";fill-opacity:{dim:g}" if dim < 1 else ""
        self.parts.append(
            f'<rect x="{left + 0.5:.1f}" y="{y:.1f}" width="9" height="9" rx="2" style="{look}"/>'
        )

    def key(self, y, named):
        """Name colours in as few lines as the width holds; what is drawn later moves up with them.

        Parameters
        ----------
        y : float
            The first base line, down [px].
        named : sequence of Named
            What is named.

        Returns
        -------
        int
            Lines on a phone.
        """
        words = [one.words for one in named]
        ways = {name: wrapped(words, width) for name, width in WIDTHS.items()}
        narrow, middle, wide = map(len, ways.values())
        if narrow == wide:
            self._key(y, ways["lc-narrow"], named)
            return narrow
        for count in dict.fromkeys((narrow, middle, wide)):
            names = [name for name, lines in ways.items() if len(lines) == count]
            self.parts.append(_shown_at(names))
            self._key(y, ways[names[0]], named)
            self.parts.append("</g>")
        self.folds.append((len(self.parts), LINE * (narrow - middle), LINE * (narrow - wide)))
        return narrow

    def _key(self, y, lines, named):
        """Write the names of colours, each after a patch of its own."""
        looks = iter(named)
        for line in lines:
            left = 0.0
            for words in line:
                one = next(looks)
                self.swatch(left, y - 9, one.ink, hollow=one.hollow, dim=one.dim)
                self.words(left + 14, y, words)
                left += CHARACTER * (len(words) + 3)
            y += LINE

    def upright(self, x, top, above, ink):
        """Draw a broken line over all, from a place down to one above the end.

        Parameters
        ----------
        x : float
            Across [percent].
        top : float
            Where it begins, down [px].
        above : float
            How far above the end of the picture it stops [px].
        ink : str
            Its colour.
        """
        self.over.append((x, top, above, ink))

    def path(self, points, ink, *, width=2.5, dash="", fill=False, dim=1.0):
        """Draw a curve, or fill what it goes around.

        Parameters
        ----------
        points : sequence of tuple
            Across [percent] and down [px].
        ink : str
            Its colour.
        width : float
            Its width [px].
        dash : str
            Lengths of strokes and gaps.
        fill : bool
            Whether it is an area.
        dim : float
            Opacity.
        """
        steps = "L".join(f"{10 * x:.1f} {y:.1f}" for x, y in points)
        look = f"fill:{colour(ink)};stroke:none" if fill else _stroke(ink, width)
        look += f";stroke-dasharray:{dash}" if dash else ""
        self._stretched(f"M{steps}{'Z' if fill else ''}", look, dim)

    def dots(self, points, ink, *, size=4.0, dim=1.0):
        """Draw many small dots as one path, which keeps a page light.

        Parameters
        ----------
        points : iterable of tuple
            Across [percent] and down [px].
        ink : str
            Their colour.
        size : float
            Their size [px].
        dim : float
            Opacity.
        """
        steps = "".join(f"M{10 * x:.0f} {y:.0f}h0" for x, y in points)
        self._stretched(steps, f"{_stroke(ink, size)};stroke-linecap:round", dim)

    def cells(self, boxes, fill, edge="ground", dim=1.0):
        """Draw many rectangles of one kind as one path.

        Parameters
        ----------
        boxes : iterable of tuple
            Each x and width across [percent], y and height down [px], as (x, y, width, height).
        fill : str
            Their colour.
        edge : str
            Colour of their borders.
        dim : float
            Opacity.
        """
        steps = "".join(
            f"M{10 * x:.1f} {y:.1f}h{10 * width:.1f}v{height:.1f}h{-10 * width:.1f}z"
            for x, y, width, height in boxes
        )
        if steps:
            self._stretched(
                steps, f"fill:{colour(fill)};stroke:{colour(edge)};stroke-width:1.5", dim
            )

    def _stretched(self, steps, look, dim):
        """Add a path whose places across stretch with the page, and whose strokes do not."""
        faint = f";opacity:{dim:g}" if dim < 1 else ""
        self.parts.append(
            f'<svg width="100%" height="{self.height:g}" viewBox="0 0 1000 {self.height:g}" '
            f'preserveAspectRatio="none"><path vector-effect="non-scaling-stroke" '
            f'style="{look}{faint}" d="{steps}"/></svg>'
        )

    def svg(self, said):
        """Give the picture.

        Parameters
        ----------
        said : str
            What it shows, for those who do not see it.

        Returns
        -------
        str
            One SVG element.
        """
        drag = ""
        if self.drag:
            name, scale = self.drag
            ends = f"{scale.low:g} {scale.high:g} {scale.start:g} {scale.end:g} {int(scale.log)}"
            drag = f' data-drag="{name}" data-scale="{ends}"'
        folded = [sum(ups) for ups in zip(*(fold[1:] for fold in self.folds), strict=True)]
        heights = zip(("--lc-tablet", "--lc-desk"), folded, strict=False)
        looks = [f"{name}:{self.height - up:g}px" for name, up in heights]
        looks += [f"max-width:{self.widest:g}px"] if self.widest else []
        style = f' style="{";".join(looks)}"' if looks else ""
        return (
            f'<svg class="lc-drawing{" lc-folds" if folded else ""}" role="img" '
            f'aria-label="{escape(said)}" width="100%" '
            f'height="{self.height:g}"{style}{drag}>{self._folded()}{self._over(folded)}</svg>'
        )

    def _folded(self):
        """All parts, those below a key in a group that moves up where the key is shorter."""
        body, start, middle, wide = "", 0, 0.0, 0.0
        for end, *more in (*self.folds, (len(self.parts), 0.0, 0.0)):
            piece = "".join(self.parts[start:end])
            ups = f"--lc-up-tablet:{-middle:g}px;--lc-up-desk:{-wide:g}px"
            body += f'<g class="lc-up" style="{ups}">{piece}</g>' if wide else piece
            start, middle, wide = end, middle + more[0], wide + more[1]
        return body

    def _over(self, folded):
        """The lines that end where the picture does, at each of its heights."""
        made = Drawing(self.height)
        for x, top, above, ink in self.over:
            ups = dict(zip(WIDTHS, (0.0, *folded), strict=False))
            for up in dict.fromkeys(ups.values()):
                names = [name for name, one in ups.items() if one == up]
                made.line(x, top, x, self.height - up - above, ink, dash="3 3")
                if folded:
                    made.parts[-1:] = [f"{_shown_at(names)}{made.parts[-1]}</g>"]
        return "".join(made.parts)


def _shown_at(names):
    """Begin a group that is seen at some of `WIDTHS`; where no style sheet is, at the first."""
    hidden = "" if "lc-narrow" in names else ' display="none"'
    return f'<g class="{" ".join(names)}"{hidden}>'


def whisker_key():
    """Draw what whiskers mean, once for all drawings of a picture.

    Returns
    -------
    Drawing
        One line.

    Examples
    --------
    >>> WHISKER in whisker_key().svg("")
    True
    """
    drawing = Drawing(18)
    drawing.parts.append(f'<path d="M1 4v10m0-5h24m0-5v10" style="{_stroke("text", 1.5)}"/>')
    drawing.words(32, 13, WHISKER, "quiet")
    return drawing


def _stroke(ink, width):
    return f"fill:none;stroke:{colour(ink)};stroke-width:{width:g};stroke-linejoin:round"


def _inside(tag, hover):
    return f"><title>{escape(hover)}</title></{tag}>" if hover else "/>"


def wrapped(words, width=PHONE):
    """Break a list of phrases into lines that a phone holds.

    Parameters
    ----------
    words : iterable of str
        Phrases that stay whole.
    width : float
        Of a line [px].

    Returns
    -------
    list of list of str
        The phrases of each line.

    Examples
    --------
    >>> wrapped(["weights 15 GB", "cache 5 GB", "a very long one of 31 characters"])
    [['weights 15 GB', 'cache 5 GB'], ['a very long one of 31 characters']]
    """
    lines: list[list[str]] = []
    room = 0.0
    for phrase in words:
        need = CHARACTER * (len(phrase) + 3)
        if not lines or need > room:
            lines.append([])
            room = width
        lines[-1].append(phrase)
        room -= need
    return lines


def spread(places: Sequence[float], gap: float, low: float = -math.inf) -> list[float]:
    """Move labels apart that would touch, as little as possible, and keep their order.

    Parameters
    ----------
    places : sequence of float
        Where they want to stand [px].
    gap : float
        The least distance [px].
    low : float
        Where the first may stand at the earliest [px].

    Returns
    -------
    list of float
        Where they stand, in the same order as given.

    Examples
    --------
    >>> spread([10, 12, 40], 14)
    [4.0, 18.0, 40.0]
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    groups: list[list[float]] = []  # mean of what its labels want, and how many
    for i in order:
        groups.append([float(places[i]), 1])
        while len(groups) > 1 and _touch(groups[-2], groups[-1], gap):
            (a, n), (b, m) = groups[-2:]
            groups[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    out = [0.0] * len(places)
    at = iter(order)
    for middle, count in groups:
        for k in range(int(count)):
            place = max(middle + (k - (count - 1) / 2) * gap, low)
            out[next(at)], low = place, place + gap
    return out


def _touch(above, below, gap):
    return below[0] - above[0] < (above[1] + below[1]) / 2 * gap


def ticks(low: float, high: float, log: bool, most: int = 6) -> list[float]:
    """Choose round values for an axis.

    Parameters
    ----------
    low, high : float
        Its ends.
    log : bool
        Whether it is logarithmic.
    most : int
        How many at most.

    Returns
    -------
    list of float
        The values, from low to high.

    Examples
    --------
    >>> ticks(0, 47, False), ticks(1, 1000, True)
    ([0.0, 10.0, 20.0, 30.0, 40.0], [1.0, 10.0, 100.0, 1000.0])
    """
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        sets: Iterable = ((1, 2, 5), (1, 3), (1,))
        for steps in sets:
            found = [s * 10.0**n for n in powers for s in steps]
            found = [x for x in found if low * 0.999 <= x <= high * 1.001]
            if len(found) <= most:
                return found
        return found[:: math.ceil(len(found) / most)]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Turn points into a staircase: each value holds until the next begins.

    Parameters
    ----------
    points : sequence of tuple
        Across and down.

    Returns
    -------
    list of tuple
        With the corners.

    Examples
    --------
    >>> steps([(0, 4), (1, 2)])
    [(0, 4), (1, 4), (1, 2)]
    """
    out = list(points[:1])
    for (_, y), (x2, y2) in pairwise(points):
        out += [(x2, y), (x2, y2)]
    return out
