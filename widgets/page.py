"""A view as plain HTML: the numbers of a calculator in a page that has no kernel.

Nothing here moves that cannot: inputs stand as text, not as sliders, and every
number is in the page before any script runs. A script may draw the chart from
the figure that is written into the page, and point the link at the live app.
"""

import json
from html import escape


def static_html(view):
    """Write a view as HTML.

    Parameters
    ----------
    view : dict
        What a calculator's view function gave.

    Returns
    -------
    str
        One section; the same view gives the same text.
    """
    parts = (
        f'<section class="lc lc-static" data-name="{view["name"]}" '
        f'aria-label="{escape(view["title"])}">',
        _head(view),
        _inputs(view),
        '<div class="lc-results">',
        _status(view),
        _messages(view),
        _headline(view),
        _figure(view),
        _sentences(view),
        *map(_table, view["tables"]),
        _arithmetic(view),
        _link(view),
        _links(view),
        "</div></section>",
    )
    return "\n".join(part for part in parts if part)


def summary(view):
    """Write a view's answer in a few lines of text.

    Parameters
    ----------
    view : dict
        What a calculator's view function gave.

    Returns
    -------
    str
        Title, status and headline numbers.
    """
    lines = [view["title"], view["status"]["text"]]
    for item in view["headline"]:
        lines.append(f"{item['label']}: {item['value']} {item['unit']}".rstrip())
    return "\n".join(lines)


def _head(view):
    title, lead = escape(view["title"]), escape(view["lead"])
    return (
        f'<header><p class="lc-title"><strong>{title}</strong></p>'
        f'<p class="lc-lead">{lead}</p></header>'
    )


def _inputs(view):
    # Where there are several deployments the table names them, so only shared inputs are listed.
    rows = [
        f"<div><dt>{escape(control['label'])}</dt><dd>{escape(control['text'])}</dd></div>"
        for control in view["controls"]
        if not control["group"]
    ]
    return f'<dl class="lc-given">{"".join(rows)}</dl>'


def _messages(view):
    items = "".join(
        f'<li class="lc-{m["level"]}">{escape(m["text"])}</li>' for m in view["messages"]
    )
    return f'<ul class="lc-messages">{items}</ul>' if items else ""


def _status(view):
    status = view["status"]
    return f'<p class="lc-status lc-{status["level"]}">{escape(status["text"])}</p>'


def _headline(view):
    cards = []
    for item in view["headline"]:
        unit = f" <span>{escape(item['unit'])}</span>" if item["unit"] else ""
        note = f'<dd class="lc-note">{escape(item["note"])}</dd>' if item["note"] else ""
        cards.append(
            f'<div class="lc-number"><dt>{escape(item["label"])}</dt>'
            f"<dd><strong>{escape(item['value'])}</strong>{unit}</dd>{_span(item)}{note}</div>"
        )
    return f'<dl class="lc-headline">{"".join(cards)}</dl>' if cards else ""


def _span(item):
    if not item.get("span"):
        return ""
    at = dict(item["span"]["at"])
    low, high = at.pop("low"), at.pop("high")
    band = f'<i class="lc-band" style="left:{low}%;width:{high - low}%"></i>'
    marks = "".join(f'<i class="lc-{name}" style="left:{x}%"></i>' for name, x in at.items())
    text = escape(item["span"]["text"])
    bar = f'<span class="lc-bar" aria-hidden="true">{band}{marks}</span>'
    return f'<dd class="lc-span">{bar}<span>{text}</span></dd>'


def _figure(view):
    figure = view["figure"]
    if not figure:
        return ""
    # A closing tag inside the text would end the script element early.
    text = json.dumps(figure, separators=(",", ":")).replace("<", "\\u003c")
    alt, height = escape(figure["alt"]), figure["layout"]["height"]
    return (
        f'<div class="lc-figure" data-llmcap-figure role="img" aria-label="{alt}">'
        # The room it will take: nothing moves when the chart is drawn.
        f'<script type="application/json">{text}</script>'
        f'<div class="lc-plot" style="min-height:{height}px"></div></div>'
    )


def _sentences(view):
    said = "".join(f"<p>{escape(text)}</p>" for text in view["sentences"])
    return f'<div class="lc-sentences">{said}</div>' if said else ""


def _table(table):
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table["columns"])
    rows = "".join(_row(table, i) for i in range(len(table["rows"])))
    stack = " lc-stack" if table.get("stack") else ""
    caption = escape(table["caption"])
    return (
        f'<div class="lc-table{stack}" tabindex="0" role="region" aria-label="{caption}"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(table, i):
    first, *rest = table["rows"][i]
    swatches, levels = table.get("swatches"), table.get("levels")
    mark = f'<i class="lc-swatch" style="background:var({swatches[i]})"></i>' if swatches else ""
    cells = []
    for j, text in enumerate(rest):
        level = levels[i][j] if levels else None
        kind = f' class="lc-{level}"' if level else ""
        label = escape(table["columns"][j + 1])
        cells.append(f'<td{kind} data-label="{label}">{escape(text)}</td>')
    high = ' class="lc-high"' if i in table["highlight"] else ""
    return f'<tr{high}><th scope="row">{mark}{escape(first)}</th>{"".join(cells)}</tr>'


def _arithmetic(view):
    parts = [
        f'<p>{escape(item["label"])}</p><pre tabindex="0" role="region" '
        f'aria-label="{escape(item["label"])}">{escape(item["explain"])}</pre>'
        for item in view["headline"]
        if item["explain"]
    ]
    if not parts:
        return ""
    summary_ = "<summary>Show the arithmetic</summary>"
    return f'<details class="lc-explain">{summary_}{"".join(parts)}</details>'


def _links(view):
    items = "".join(
        f"<li><a {_live(link['name'], link['query'])}>{escape(link['title'])}</a></li>"
        for link in view.get("links", ())
    )
    lead = "<p>The same deployment in:</p>"
    label = "The same deployment elsewhere"
    return (
        f'<nav class="lc-links" aria-label="{label}">{lead}<ul>{items}</ul></nav>' if items else ""
    )


def _live(name, query):
    target = escape(f"{name}?{query}")
    return f'href="../apps/{target}" data-llmcap-live="{target}"'


def _link(view):
    return (
        f'<p class="lc-live"><a {_live(view["name"], view["query"])}>'
        "Open it live</a>, where every input can be moved.</p>"
    )
