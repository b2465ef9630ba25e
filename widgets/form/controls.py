"""The kinds of control that show an input: lists, boxes, sliders, and the lines they fold under."""

from functools import lru_cache

HALF = {"half": True}  # two such inputs share a line
TWICE = {"twice": True}  # it takes the room of two where many share a line
TOKEN_STOPS = tuple(
    round(step * 1000 * 2**power)
    for power in range(-1, 12)
    for step in (1, 1.25, 1.5, 1.75)
    if power >= 1 or step in (1, 1.5)
)
USER_STOPS = (*range(1, 17), *(round(2**power * step) for power in range(4, 12)
                               for step in (1.25, 1.5, 1.75, 2)))  # fmt: skip


def plain(value):
    """Write a number for an input box.

    Parameters
    ----------
    value : float or None
        The number.

    Returns
    -------
    str
        The number, thousands parted by commas.

    Examples
    --------
    >>> plain(8000), plain(0.9), plain(None)
    ('8,000', '0.9', '')
    """
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def select(field, state, options, title=None):
    """Show an input as a list to choose from.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    options : list of tuple
        Each (value, label, group).
    title : str, optional
        What a value is called that is not in the list.

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    labels = {v: label for v, label, _ in options}
    if value is not None and value not in labels:  # one that was read beyond the list
        labels[value] = title or str(value)
        options = [*options, (value, labels[value], "")]
    listed = [{"value": v, "label": label, "group": group} for v, label, group in options]
    return _control("select", field, value, options=listed, text=labels.get(value, str(value)))


def search(field, state, options, title=None):
    """Show an input as a long list that is searched by typing.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    options : list of tuple
        Each (value, label, group).
    title : str, optional
        What a value is called that is not in the list.

    Returns
    -------
    dict
        The control, a select to whoever does not know better.
    """
    return select(field, state, options, title) | {"kind": "search"}


def text(field, state, shown):
    """Show an input as a box to paste a text into.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    shown : str
        What stands for the text where only a word fits.

    Returns
    -------
    dict
        The control.
    """
    return _control("text", field, state[field.name], text=shown)


def slider(field, state, stops, shown=None):
    """Show a number as a slider over given stops, with a box for other values.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    stops : iterable of float
        Where the handle can stand.
    shown : float, optional
        What stands in the box when the state leaves the choice to the kernel.

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    shown = value if value is not None else shown
    scale = _scale(tuple(stops), field.low, field.high, field.unit)
    at = min(range(len(scale["stops"])), key=lambda i: abs(scale["stops"][i] - shown))
    text = _with_unit(shown, field.unit)
    return _control("slider", field, value, at=at, entry=plain(shown), text=text, **scale)


@lru_cache
def _scale(stops, low, high, unit):
    """A slider's stops and how each is written: the same at each move of any slider."""
    stops = [stop for stop in stops if low <= stop <= high]
    return {
        "stops": stops,
        "stop_entries": [plain(stop) for stop in stops],
        "stop_texts": [_with_unit(stop, unit) for stop in stops],
    }


def entry(field, state, shown=None):
    """Show a number as a box to write in.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    shown : float, optional
        What stands in the box when the state leaves the choice to the kernel.

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    shown = value if value is not None else shown
    text = _with_unit(shown, field.unit) if shown else "none"
    return _control("number", field, value, entry=plain(shown), text=text)


def toggle(field, state):
    """Show a yes or no.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    return _control("toggle", field, value, text="yes" if value else "no")


def _control(kind, field, value, **more):
    return {
        "name": field.name,
        "label": field.label,
        "kind": kind,
        "value": value,
        "group": field.group,
        "unit": field.unit,
        "help": field.help,
        "min": field.low,
        "max": field.high,
    } | more


def _with_unit(value, unit):
    one = unit.removesuffix("s") if value == 1 and unit in ("users", "tokens") else unit
    return f"{plain(value)} {one}".strip()


def token_stops(model, current):
    """List the context lengths a slider stops at, up to the model's own window.

    Parameters
    ----------
    model : Model or None
        The model.
    current : int
        The length in the state, reachable even beyond the window [tokens].

    Returns
    -------
    list of int
        Lengths in order [tokens].
    """
    top = max(model.max_context_tokens if model else current, current)
    return [stop for stop in TOKEN_STOPS if stop < top] + [top]


def fold(controls, subjects):
    """Fold inputs that fewer people change under a line that says what they stand at.

    Parameters
    ----------
    controls : list of dict
        Controls of a calculator.
    subjects : dict
        Names of the inputs by subject, such as "Limits".

    Returns
    -------
    list of dict
        The controls, those of a subject with the line they stand under.
    """
    by_name = {one["name"]: one for one in controls}
    for subject, names in subjects.items():
        held = [by_name[name] for name in names if name in by_name]
        said = ", ".join(_said(one) for one in held if one["text"] not in SILENT)
        for one in held:
            one["fold"] = f"{subject}: {said}" if said else subject
    return controls


def _said(control):
    """What an input stands at; of a time, also which one, since there may be two."""
    return f"{OF[control['name']]} {control['text']}" if control["name"] in OF else control["text"]


OF = {"itl": "gap", "ttft": "first token"}
# what an untouched input says
SILENT = ("", "no", "none", "any", "as the file says", "chosen", "0 tokens", "1")
