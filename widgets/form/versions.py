"""What has moved on since a link was made: the query form, formulas, catalogue and prices."""

import re

from llmcap_kernel.address import FORM, TITLES, stamps
from llmcap_kernel.refuse import shown

EARLIER = ("1", "2", "3", "4")  # what else is read; version 1 had no stamps
READ = (*EARLIER, FORM)
UNSTATED = "4"  # an address with inputs and no version is none of ours since
NOTHING_FOLLOWED = ("1", "2")  # a weight format not given was the default, whatever the model
STAMP = re.compile(r"[\w.-]{1,24}")


def moved(given):
    """Say what has moved on since a link was made.

    Parameters
    ----------
    given : dict
        Its stamps, as a stranger wrote them.

    Returns
    -------
    str
        One sentence; empty when nothing has.

    Examples
    --------
    >>> moved(stamps())
    ''
    >>> moved({"p": "2026-05-01-12ab"}).startswith("prices 2026-05-01-12ab -> ")
    True
    """
    now = stamps()
    parts = [
        f"{title} {_printed(given[key])} -> {now[key]}"
        for key, title in TITLES.items()
        if key in given and given[key] != now[key]
    ]
    return "; ".join(parts)


def _printed(stamp):
    return stamp if STAMP.fullmatch(stamp) else shown(stamp)
