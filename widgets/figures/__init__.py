"""Plotly figures as plain dicts; no plotting library is imported to make them.

A colour is written as the style sheet names it, `var(--lc-mark-1)`, and turned
into a colour by the page, so one figure follows light and dark themes. Hue is
never the only carrier of meaning: marks differ in place, symbol, pattern or
label too, and a table with the same numbers stands beside every figure.
"""

TEXT = "var(--lc-text)"
QUIET = "var(--lc-quiet)"
RULE = "var(--lc-rule)"
GROUND = "var(--lc-ground)"
BAD = "var(--lc-bad)"
BAD_GROUND = "var(--lc-bad-ground)"
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'


def mark(number):
    """Name a colour for data.

    Parameters
    ----------
    number : int
        1 to 8, as the style sheet counts them.

    Returns
    -------
    str
        The colour's name.

    Examples
    --------
    >>> mark(1)
    'var(--lc-mark-1)'
    """
    return f"var(--lc-mark-{number})"


def axis(title="", **more):
    """Describe an axis without clutter.

    Parameters
    ----------
    title : str
        What it measures, with the unit.
    **more : object
        Further Plotly axis settings.

    Returns
    -------
    dict
        Plotly axis.

    Examples
    --------
    >>> axis("GiB")["fixedrange"]
    True
    """
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 13, "color": QUIET}},
        "fixedrange": True,
        "automargin": True,
        "zeroline": False,
        "gridcolor": RULE,
        "linecolor": RULE,
        "tickfont": {"size": 12, "color": QUIET},
    } | more


def broken(name, long=13):
    """Break a name that would take a phone's width in two, where its words part best.

    Parameters
    ----------
    name : str
        The name.
    long : int
        Characters that stand on one line.

    Returns
    -------
    list of str
        Its lines: one or two.

    Examples
    --------
    >>> broken("2x H100"), broken("2x H100 TP-2, FP8 KV"), broken("2x B200 (HGX B200)")
    (['2x H100'], ['2x H100 TP-2,', 'FP8 KV'], ['2x B200', '(HGX B200)'])
    """
    at = [i for i, letter in enumerate(name) if letter == " "]
    if len(name) <= long or not at:
        return [name]
    parting = [i for i in at if name[i - 1] == "," or name[i + 1] == "("] or at
    best = min(parting, key=lambda i: abs(2 * i + 1 - len(name)))
    return [name[:best], name[best + 1 :]]


def note(text, x, y, **more):
    """Describe a label inside a figure, placed in the axes' own units.

    Parameters
    ----------
    text : str
        What it says.
    x, y : float
        Where.
    **more : object
        Further Plotly annotation settings.

    Returns
    -------
    dict
        Plotly annotation.

    Examples
    --------
    >>> note("16 users", 1, 2)["text"]
    '16 users'
    """
    font = {"size": 12, "color": TEXT}
    return {"text": text, "x": x, "y": y, "showarrow": False, "font": font} | more


def figure(data, alt, *, height, **layout):
    """Put traces and a layout together.

    Parameters
    ----------
    data : list of dict
        Plotly traces.
    alt : str
        What the figure shows, for whoever cannot see it.
    height : int
        Height on the page [px].
    **layout : object
        Further Plotly layout settings.

    Returns
    -------
    dict
        data, layout and alt.

    Examples
    --------
    >>> figure([], "Nothing.", height=100)["alt"]
    'Nothing.'
    """
    base = {
        "height": height,
        "autosize": True,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": TEXT},
        "dragmode": False,
        "showlegend": False,
        "hoverlabel": {"bgcolor": GROUND, "bordercolor": QUIET, "font": {"color": TEXT}},
        "hovermode": "closest",
    }
    return {"data": data, "layout": base | layout, "alt": alt}
