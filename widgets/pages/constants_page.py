"""The page on constants: each fitted number, the rows and sources behind it, and their addresses.

`python -m widgets.pages.constants_page` writes `book/constants.md` from the tables of
`llmcap_kernel/catalog` and of `benchmarks`. No figure is typed here.
"""

from collections import Counter
from functools import cache

from llmcap_kernel import calibration, catalog
from llmcap_kernel.explain import digits, quantity
from llmcap_kernel.spec import Efficiency

from .. import benchmarks
from ..calculators import published
from ..constants import anchor
from . import generated, notation
from .generated import cells

FILES = ("measured.csv", "newer.csv")
NO_ADDRESS = "a stored public file; no address is known"
HEAD = """# The constants

An estimate is the law of chapters 1 to 3 with efficiencies. This page has every constant in them,
with the measurements it was fitted to, and leads from those to where they were published. It is
generated from the tables that the calculators use.

*Show the arithmetic* of a calculator and `llmcap predict --explain` name constants as this page
does. `servers.layer_s` is the time of a layer in programs that serve many users, and
`hopper.layer_s` is the factor of Hopper cards on it. A factor on a time multiplies it. A factor on
a share *s* multiplies its odds, *s* / (1 - *s*), so that no share passes 1.

## The efficiencies

| efficiency | what it is | unit | its constants |
|---|---|---|---|
"""
FITTED = """
## Fitted constants

In `servers` and `loops` a constant is a value, or a factor on what timed kernels reach. In all
other sets it is a factor. *Least to greatest* are the fits that leave one source out: where they
lie far apart, one source decides. Rows and sources are those of the set. A constant acts only
where it is used, such as that of a link on several cards.

| constant | value | least to greatest | set | rows | sources |
|---|---|---|---|---|---|
"""
ROWS = """
## Rows behind each set

An estimate that says *vllm on hopper* stands on the rows of that line here. They are among the rows
of its sets, the engine and the chips, which they share with others. A source leads to its own line
below.

| rows of | rows | sources, the most rows first |
|---|---|---|
"""
WIDTHS = """
## Widths of intervals

Four of five rows lie between the two factors on a predicted time, where a fit without their source
predicts them. Where the engine and the chip family were measured, but never together, both factors
are {apart} times wider; where one of them was never measured, {one} times; where neither was,
{neither} times. A first token is *queued* where users wait until the cache has room for them.

| interval of | from | to | rows | sources |
|---|---|---|---|---|
"""
TIMED = """
## Timed kernels

What kernels reach of a card's rates, from {rows:,} timings of {source}. Of a family that was never
timed, *any* is taken.

| efficiency | format or link | chips | value | least to greatest |
|---|---|---|---|---|
"""
SOURCES = """
## Sources

Rows open in the calculator Validate, each beside its prediction and with the address it was read
from: those of *measured* by fits that leave their source out, those of *newer* by the fit itself. A
source that is *kept apart* is in no fit: it tests what the fits say.

| source | what it is | rows | in fits | its rows | as of |
|---|---|---|---|---|---|
"""


def text():
    """Write the page.

    Returns
    -------
    str
        MyST Markdown.

    Examples
    --------
    >>> 'id="vllm-on-hopper"' in text() and 'id="hopper-layer-s"' in text()
    True
    """
    known = calibration.table()
    wider = {name: digits(factor) for name, factor in known["ignorance"].items()}
    kernels = catalog.table("kernels")["provenance"]
    parts = (
        *(HEAD, *_efficiencies(), FITTED, *_fitted(), ROWS, *_rows()),
        *(WIDTHS.format(**wider), *_widths()),
        *(TIMED.format(**kernels), *_timed(), SOURCES, *_sources()),
    )
    return "".join(parts)


def _efficiencies():
    sets = calibration.table()["sets"]
    for entry in notation.documented(Efficiency, "spec"):
        made = [f"{key}.{entry.name}" for key in sets if entry.name in sets[key]]
        timed = [_to("timed kernels")] * (entry.name in calibration.KERNELS)
        links = ", ".join([*timed, *(_to(name) for name in made)])
        yield cells(_place(entry.name), entry.meaning, entry.unit or "-", links or "-")


def _fitted():
    for key, numbers in calibration.table()["sets"].items():
        for name, (value, least, greatest) in numbers.items():
            time = name.endswith("_s") and key in (calibration.SERVER, calibration.LOOP)
            shown = [quantity(x, "s") if time else digits(x) for x in (value, least, greatest)]
            span = " to ".join(shown[1:])
            yield cells(_place(f"{key}.{name}"), shown[0], span, _to(key), *_counted(key))


def _counted(key):
    return f"{calibration.table()['rows'][key]:,}", len(_behind()[key])


@cache
def _behind():
    """Rows of each source, by the set or the engine on chips that they tell about."""
    found: dict = {}
    for row in benchmarks.rows("fitted.csv"):
        found.setdefault(row["about"], Counter())[row["source_id"]] = int(row["rows"])
    return found


def _rows():
    for key, rows in calibration.table()["rows"].items():
        most = _behind()[key].most_common()
        of = (f"{_to(f'source {name}', name)} {n:,}" for name, n in most)
        yield cells(_place(key), f"{rows:,}", ", ".join(of))


def _widths():
    for kind, width in calibration.table()["intervals"].items():
        ends = (digits(width[end]) for end in ("faster", "slower"))
        yield cells(_place(kind), *ends, f"{width['rows']:,}", width["sources"])


def _timed():
    for name, by_format in catalog.table("reach").items():
        for form, families in by_format.items():
            for family, (value, *span) in families.items():
                time = name.endswith("_s")
                shown = [quantity(x, "s") if time else digits(x) for x in (value, *span)]
                yield cells(f"`{name}`", form, family, shown[0], " to ".join(shown[1:]))


def _sources():
    apart = calibration.table()["provenance"]["test"]
    fitted: Counter = Counter()
    for key in (calibration.SERVER, calibration.LOOP):
        fitted += _behind()[key]
    for name, source in benchmarks.sources().items():
        held = [(file, _of(file, name)) for file in FILES]
        rows = sum(map(len, (some for _, some in held)))
        if not rows:
            continue
        title = source["title"].replace("\n", " ")
        where = source["url"] or next(filter(None, _addresses(name)), "")
        told = f"[{title}]({where})" if where else f"{title} ({NO_ADDRESS})"
        used = "kept apart" if name in apart else f"{fitted[name]:,}"
        links = ", ".join(_link(file, name, some) for file, some in held if some)
        place = _place(f"source {name}", name)
        yield cells(place, told, f"{rows:,}", used, links, source["commit_or_date"])


@cache
def _by_source(file):
    found: dict = {}
    for row in benchmarks.rows(file):
        found.setdefault(row["source_id"], []).append(row)
    return found


def _of(file, source):
    return _by_source(file).get(source, [])


def _addresses(source):
    """Where the rows of a source were read, which one address does not say."""
    return (benchmarks.address(row["source"]) for file in FILES for row in _of(file, source))


def _link(file, source, rows):
    """A link to the rows in Validate."""
    asked = f"file={source}"
    if file == FILES[0]:
        asked = f"metric={_shown_first()[source]}&amp;only.source={source}"
    kind = file.removesuffix(".csv")
    return f'<a href="../apps/validate?{asked}">{len(rows):,} {kind}</a>'


@cache
def _shown_first():
    """What Validate is asked of a source: the group that most of its rows are of."""
    found: dict = {}
    for row in published.measured_rows():
        found.setdefault(row.source, Counter())[published.GROUP_OF[row.metric]] += 1
    return {source: groups.most_common(1)[0][0] for source, groups in found.items()}


def _place(name, shown=None):
    return f'<span id="{anchor(name)}"></span>`{shown or name}`'


def _to(name, shown=None):
    return f'<a href="#{anchor(name)}">{shown or name}</a>'


if __name__ == "__main__":
    generated.write("constants", text())
