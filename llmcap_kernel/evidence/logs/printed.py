"""A log as an engine printed it: what terminals, collectors and pages put around its lines."""

import html
import json
import re

ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\r")

# What systemd's journal writes before a line: its date, the host and the unit.
JOURNAL = re.compile(
    r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,80} [\w.@/-]{1,80}(?:\[\d{1,9}\])?: ", re.M
)
# What collectors call the line that a container printed, and how pages write its quotes.
HELD = ("log", "message", "msg", "textPayload", "line")
ENTITY = re.compile(r"&(?:quot|apos|#x?[0-9a-fA-F]{2,4}|gt|lt|amp);")
OF_A_PAGE = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "}
)


def printed(text: str) -> str:
    """Read a log as it was printed: without what was put around its lines.

    Parameters
    ----------
    text : str
        A log as it was pasted.

    Returns
    -------
    str
        The same without a terminal's colours and breaks, a collector's JSON, a journal's prefixes
        and a page's quotes.

    Examples
    --------
    >>> printed('{"log": "Available KV cache memory: 6.95 GiB", "stream": "stderr"}')
    'Available KV cache memory: 6.95 GiB'
    """
    plain = JOURNAL.sub("", ESCAPES.sub("", text))
    if plain.lstrip().startswith('{"'):
        plain = _unwrapped(plain)
    if ENTITY.search(plain):
        plain = html.unescape(plain)
    return _joined(plain if plain.isascii() else plain.translate(OF_A_PAGE))


WIDTHS, FULL = (60, 300), 3  # columns of a terminal, and how many of its lines are at least full
BEGINS = re.compile(
    r"[^\n]{0,80}?\b(?:INFO|DEBUG|WARNING|ERROR|CRITICAL)\b|[^\n]{0,40}?20\d\d[-/]\d\d|[\[({$]|$"
)


def _joined(text: str) -> str:
    """The lines of a log that a terminal of so many columns has cut; the last may be a blank."""
    lines = text.split("\n")
    wide = max(map(len, lines))
    if not WIDTHS[0] <= wide <= WIDTHS[1]:
        return text
    goes_on = [not BEGINS.match(line) for line in (*lines[1:], "")]
    full = sum(len(one) == wide and more for one, more in zip(lines, goes_on, strict=True))
    if full < FULL:
        return text
    ends = {wide: "", wide - 1: " "}
    return "".join(
        one + (ends.get(len(one), "\n") if more else "\n")
        for one, more in zip(lines, goes_on, strict=True)
    )


def _unwrapped(text: str) -> str:
    """The lines within a collector's JSON, as Docker writes it; the same text for other JSON."""
    out = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return text
        held = (found.get(name) for name in HELD) if isinstance(found, dict) else ()
        printed = next((one for one in held if isinstance(one, str)), None)
        if printed is None:
            return text
        out.append(printed.rstrip("\n"))
    return "\n".join(out)
