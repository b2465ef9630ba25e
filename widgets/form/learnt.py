"""What a reader's own rows say of an engine: learnt by Validate, handed on in a link.

It travels as the value of an input, so each calculator says that it estimates with it, a list
beside the others takes it away, and no server keeps it.
"""

import json
from functools import lru_cache

from llmcap_kernel import calibration
from llmcap_kernel.explain import digits, rounded
from llmcap_kernel.refuse import BadInput, printable

from . import packed
from .state import Field

NAME = "own"  # of the input, in every calculator that estimates
MAX_CODE = 4_000


def field():
    """Make the input, which is empty until Validate hands something on.

    Returns
    -------
    Field
        The input.
    """
    return Field(NAME, "code", None, "Measurements", optional=True, reads=checked)


def code(lines, given):
    """Learn from rows, and write it as the value of an input.

    Parameters
    ----------
    lines : iterable of Line
        Rows of the reader's.
    given : dict
        Values that replace theirs.

    Returns
    -------
    str or None
        None where the rows say nothing of an engine.
    """
    from llmcap_kernel.evidence import own  # a page opens without the readers of files
    from llmcap_kernel.evidence.fit.rows import samples_of

    try:
        found = own.fitted(samples_of(lines, given))
    except BadInput:
        return None
    short = {
        family: one._asdict()
        | {"factor": rounded(one.factor)}
        | {"intervals": {kind: [*map(rounded, ends)] for kind, ends in one.intervals.items()}}
        for family, one in found.items()
    }
    return packed.pack(packed.canonical(short))


@lru_cache(maxsize=64)
def read(value):
    """Read what an input holds.

    Parameters
    ----------
    value : str or None
        What `code` gave.

    Returns
    -------
    dict of str to Own
        By family of the engine; empty for None.

    Raises
    ------
    BadInput
        When it was cut, or is another text.
    """
    if not value:
        return {}
    try:
        return calibration.own_of(json.loads(packed.unpack(value[:MAX_CODE])))
    except (BadInput, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        cut = f"{NAME} is a code that was cut or changed: it takes the whole link of Validate."
        raise BadInput(NAME, cut) from None


def checked(raw):
    """Refuse what a stranger wrote, where it is no code.

    Parameters
    ----------
    raw : object
        From an address or a browser.

    Returns
    -------
    str
        The same.

    Raises
    ------
    BadInput
        When it is none.
    """
    read(raw if isinstance(raw, str) else "?")
    return raw


def factors(value, families):
    """Say beside a verdict that it stands on a reader's own rows.

    Parameters
    ----------
    value : str or None
        What `code` gave.
    families : iterable of str
        Of the engines that the verdict is of.

    Returns
    -------
    str
        Such as "By your rows of vllm x1.2."; "" where none of them was measured.
    """
    found, here = read(value), set(families)
    told = [
        f"{printable(family, 20)} x{digits(one.factor, 3)}"
        for family, one in found.items()
        if family in here
    ]
    return f"By your rows of {' and '.join(told)}." if told else ""


def words(value):
    """Say what it rests on.

    Parameters
    ----------
    value : str
        What `code` gave.

    Returns
    -------
    str
        Such as "your rows: 12 of vllm, steps 1.08 times as long".
    """
    told = (
        f"{one.rows:,} of {printable(family, 20)}, steps {digits(one.factor, 3)} times as long"
        for family, one in read(value).items()
    )
    return f"your rows: {'; '.join(told)}"
