"""The notation page: every name with a unit, read from the kernel's own docstrings.

`python -m widgets.pages.notation` writes `book/notation.md`. The page holds nothing
that a docstring does not say, so the two cannot drift apart.
"""

import importlib
import inspect
import re
from collections import Counter
from functools import cached_property
from typing import NamedTuple

from llmcap_kernel.explain import capitalised

from . import generated

# The modules in the order in which the chapters need them.
MODULES = (
    "spec", "law", "bandwidth", "capacity", "serving", "calibration", "toolbox", "design", "explain"
)  # fmt: skip
UNITS = {
    "bytes": "Bytes",
    "bytes/s": "Bandwidth",
    "bits": "Bits",
    "s": "Time",
    "FLOP": "Work",
    "FLOP/s": "Rate of work",
    "FLOP/byte": "Arithmetic intensity",
    "tokens": "Tokens",
    "tok/s": "Rate of tokens",
    "elements": "Elements of a vector",
    "USD/h": "Rent",
    "USD/Mtok": "Price",
    "W": "Power",
}
SUFFIXES = (
    ("_bytes", "bytes", "memory and traffic; GB is 1e9, GiB is 2**30, both only where printed"),
    ("_bytes_s", "bytes/s", "bandwidth, one way where it is a link's"),
    ("_s", "s", "time"),
    ("_tokens", "tokens", "counts of tokens; K is 1,000"),
    ("_tok_s", "tok/s", "rates of tokens"),
    ("_flop_s", "FLOP/s", "rates of work, dense, never with sparsity"),
    ("_usd_h", "USD/h", "rent"),
    ("_usd_mtok", "USD/Mtok", "price of a million tokens"),
)
UNIT_IN_NAME = re.compile(r"bytes|tokens|flops|tok_s|usd|_s$|_s_|_w$")
HEADINGS = (
    "Parameters",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "References",
    "Examples",
    "Notes",
)
HEAD = """# Notation

This page is generated from the docstrings of `llmcap_kernel`. A name carries its unit at its end,
all values are SI, and shares and counts have no unit.

| ends in | unit | is |
|---|---|---|
"""


class Entry(NamedTuple):
    """One documented name.

    Attributes
    ----------
    name, meaning, unit : str
        The name, what it is, and its unit.
    module : str
        The module that documents it.
    """

    name: str
    meaning: str
    unit: str
    module: str


def entries():
    """Read every documented argument and attribute that has a unit.

    Returns
    -------
    list of Entry
        In the order of the modules; a name may come more than once.

    Examples
    --------
    >>> any(e.name == "kv_pool_bytes" and e.unit == "bytes" for e in entries())
    True
    """
    found = []
    for module, _, thing in _public():
        text = inspect.getdoc(thing) or ""
        for heading in ("Parameters", "Attributes"):
            found += _fields(section(text, heading), module)
        if inspect.isclass(thing):
            found += _properties(thing, module)
    return [entry for entry in found if entry.unit in UNITS]


def documented(thing, module):
    """Read the numbers that a class takes, those without a unit too.

    Parameters
    ----------
    thing : type
        The class.
    module : str
        The module that documents it.

    Returns
    -------
    list of Entry
        In the order of its docstring.
    """
    return _fields(section(inspect.getdoc(thing) or "", "Parameters"), module)


def formulas():
    """Read every public function that gives a value with a unit.

    Returns
    -------
    list of Entry
        The function's name, its first sentence, the unit of what it returns.

    Examples
    --------
    >>> next(e.unit for e in formulas() if e.name == "all_reduce_s")
    's'
    """
    found = []
    for module, name, thing in _public():
        if not inspect.isfunction(thing):
            continue
        text = inspect.getdoc(thing) or ""
        unit = _unit(section(text, "Returns"))
        if unit in UNITS:
            found.append(Entry(name, text.partition("\n")[0].rstrip("."), unit, module))
    return found


def _public():
    """Module, name and thing for every public function and class, in reading order."""
    for module in MODULES:
        loaded = importlib.import_module(f"llmcap_kernel.{module}")
        for name, thing in vars(loaded).items():
            home = f"{getattr(thing, '__module__', '')}."  # a package's own parts lie under it
            if (
                home.startswith(f"{loaded.__name__}.")
                and not name.startswith("_")
                and callable(thing)
            ):
                yield module, name, thing


def section(text, heading):
    """Find the lines under a heading of numpydoc.

    Parameters
    ----------
    text : str
        A docstring.
    heading : str
        One of `HEADINGS`.

    Returns
    -------
    str
        The lines; none where it has no such heading.
    """
    others = "|".join(h for h in HEADINGS if h != heading)
    found = re.search(rf"^{heading}\n-+\n(.*?)(?=^(?:{others})\n-+\n|\Z)", text, re.S | re.M)
    return found[1] if found else ""


def _fields(section, module):
    """Entries of a section; names that share a line share the meaning."""
    found = []
    for block in re.split(r"^(?=\S)", section, flags=re.M):
        head, _, body = block.partition("\n")
        names, _, kind = head.partition(" : ")
        if re.match(r"float|int", kind):
            names = [name.strip(" *") for name in names.split(",")]
            meanings = _shared(_meaning(body), len(names))
            found += [
                Entry(n, m, _unit(body), module) for n, m in zip(names, meanings, strict=True)
            ]
    return found


def _shared(meaning, count):
    """Deal a meaning out to the names that share it, where it is a list as long as they are."""
    parts = re.split(r", (?:and )?", meaning)
    if len(parts) != count or any(part.startswith("of ") for part in parts):
        return [meaning] * count
    return [capitalised(part) for part in parts]


def _properties(thing, module):
    found = []
    for name, member in vars(thing).items():
        text = inspect.getdoc(member) if not name.startswith("_") else ""
        computed = isinstance(member, property | cached_property)
        if computed and text and UNIT_IN_NAME.search(name):
            found.append(Entry(name, _meaning(text), _unit(text), module))
    return found


def _unit(text):
    units = re.findall(r"\[([^\[\]]+)\]", text)
    return units[-1] if units else ""


def _meaning(text):
    """The prose of an entry as one line of a table, its unit left out."""
    prose = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return re.sub(r"\s*\[[^\[\]]+\]$", "", prose).rstrip(".")


def text():
    """Write the page.

    Returns
    -------
    str
        MyST Markdown.

    Examples
    --------
    >>> text().startswith("# Notation")
    True
    """
    out = [HEAD + "\n".join(f"| `{end}` | {unit} | {what} |" for end, unit, what in SUFFIXES)]
    out.append("\n## Names")
    every = entries()
    for unit, title in UNITS.items():
        rows = _merged(e for e in every if e.unit == unit)
        if rows:
            out.append(f"\n### {title}\n\n| symbol | meaning | unit | where |\n|---|---|---|---|")
            out += rows
    out.append("\n## Formulas\n\n| function | what it does | unit | where |\n|---|---|---|---|")
    out += [_table_row(e.name, e.meaning, e.unit, e.module) for e in formulas()]
    return "\n".join(out) + "\n"


def _merged(found):
    """One row for each name, with its most frequent meaning and every module that uses it."""
    by_name: dict[str, list[Entry]] = {}
    for entry in found:
        by_name.setdefault(entry.name, []).append(entry)
    rows = []
    for name, same in sorted(by_name.items()):
        meaning = Counter(e.meaning for e in same).most_common(1)[0][0]
        modules = ", ".join(dict.fromkeys(e.module for e in same))
        rows.append(_table_row(name, meaning, same[0].unit, modules))
    return rows


def _table_row(name, meaning, unit, where):
    return generated.cells(f"`{name}`", meaning, unit, where).rstrip()


if __name__ == "__main__":
    generated.write("notation", text())
