"""A rate, or users, that a question has twice: by night and by day, now and next year."""

import re

from llmcap_kernel.refuse import typed_number

from .patterns import AT_ONCE, AT_THE_TIME, CROWD, EACH_ONE, PEAK, PER, REQUESTS
from .two_loads import MOVED, NUMBER

MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*"
SPAN = r"(?:years?|months?|weeks?|quarters?|summer|winter|spring|autumn|fall|christmas)"
WHEN = (
    r"(?:(?:right\s+)?now|today|tonight|currently|later|soon|tomorrow|then|initially|off[\s-]?peak"
    r"|overnight|normally|usually|otherwise|eventually"
    r"|(?:at|by|during|in|on|over|for)\s+(?:the\s+)?(?:nights?|days?|daytime|evenings?|mornings?"
    r"|noon|weekends?|weekdays?|start|end|launch|first|moment|beginning|future|quiet\s+hours"
    rf"|(?:business|office|working)\s+hours|{MONTH}|q[1-4]|20[2-4]\d|(?:\d+|an?)\s+{SPAN}|{SPAN})"
    rf"|(?:next|this|last|within\s+an?|after\s+an?)\s+{SPAN}|after\s+(?:the\s+)?launch)\b"
)
A_RATE = (
    r"(?:(?:requests?|req|r)\s*(?:/|\ba\b|\bper\b)\s*s(?:ec|econd)?\b|[rq]ps\b"
    rf"|{REQUESTS}\s*(?:/|\ban?\b|\bper\b|\bevery\b)\s*(?:{'|'.join(PER)})(?:ute)?s?\b|rpm\b)"
    rf"(?!\s*{EACH_ONE})"
)
UNITS = {"rate": A_RATE, "users": rf"(?:{AT_ONCE}|{CROWD})"}
ALONE = r"(?=\s*(?:[,;.?!]|$|and\b|but\b))"
TIMED = (
    rf"(?:(?P<before>{WHEN})\s*[,:]?\s*)?(?P<many>{MOVED})(?:\s*(?P<unit>{{}})(?:\s+(?P<when>{WHEN}))?"
    rf"|\s+(?P<after>{WHEN})|(?(before){ALONE}|(?!)))"
)
RANGE = (
    rf"(?P<both>\bbetween\s+)?(?P<many>{MOVED})\s*(?:-|–|\bto\b|\bor\b|\bvs\b\.?|(?(both)and\b|(?!)))"
    rf"\s*(?P<last>{NUMBER})"
    rf"\s*(?P<unit>{A_RATE})"
)
AT_LAST = re.compile(rf"\b{AT_THE_TIME}|\bconc|\bsimultan|\bparallel|\bat once|\bin flight", re.I)


def at_two_times(text):
    """Find a rate, or users, that a question has twice, as at night and by day.

    Parameters
    ----------
    text : str
        The question.

    Returns
    -------
    tuple of str, list of str and list of tuple of int
        What it is of, its values from the least on, a rate in requests a second, and where they
        stand; None where there is none. Of "active" all users, and those of them at once.

    Examples
    --------
    >>> at_two_times("10 rps at night, 60 at day")[:2]
    ('rate', ['10', '60'])
    >>> at_two_times("20 users now, 100 next year")[:2], at_two_times("20 users on H100")
    (('users', ['20', '100']), None)
    >>> at_two_times("500 users, 50 concurrent users")[:2]
    ('active', ['500', '50'])
    """
    if re.search(rf"(?<!off-)(?<!off ){PEAK}", text, re.I):  # a burst beside what is steady
        return None
    if ranged := re.search(RANGE, text, re.I):
        unit = ranged["unit"]
        return "rate", _rates([ranged["many"], ranged["last"]], [unit, unit]), [ranged.span()]
    for name, unit in UNITS.items():
        found = [*re.finditer(TIMED.format(unit), text, re.I)]
        units = [one["unit"] or "" for one in found]
        if any(units) and len({one["many"] for one in found}) > 1:
            spans, many = [one.span() for one in found], [one["many"] for one in found]
            if name == "rate":
                known = next(filter(None, units))
                return name, _rates(many, [one or known for one in units]), spans
            if kind := _kind_of_users(found, units):
                many.sort(key=_number, reverse=kind == "active")
                return kind, many, spans
    return None


def _number(typed):
    return typed_number(typed) or 0


def _rates(many, units):
    """Rates in requests a second, the least first."""
    each = []
    for number, unit in zip(many, units, strict=True):
        behind = re.search(rf"(?:/|\s)\s*({'|'.join(PER)})(?:ute)?s?$", unit.lower())
        time_s = 60 if unit.lower() == "rpm" else PER[behind[1]] if behind else 1
        each.append(_number(number) / time_s)
    return [f"{rate:.4g}" for rate in sorted(each)]


def _kind_of_users(found, units):
    """Whether users are of two times, or some of all; "" where they are of two things."""
    if all(one["when"] or one["after"] or one["before"] for one in found):
        return "users"
    at_once = [bool(AT_LAST.search(unit)) for unit in units]
    if len(found) == 2 and sum(at_once) == 1 and all(units):
        many = [_number(one["many"]) for one in found]
        return "active" if many[at_once.index(True)] == min(many) else ""
    return "users" if len({unit.lower().rstrip("s") for unit in units}) == 1 else ""
