"""A view as HTML: the page before any script, node for node what the front end draws.

The front end (``front/calculator.js``) takes these nodes over where they stand, so nothing moves
when a calculator comes alive; a test holds the two writers to each other. Without a script every
number is right, and no input can be moved.
"""

import json
import re
import zlib
from functools import partial
from html import escape
from urllib.parse import quote

VOID = {"input"}
APPS = "../apps/"  # from a chapter
BRIEF = 12  # characters of a cell that stay in one line, two such cells in a line of a card


def h(tag, attributes=(), *children):
    """Write an element.

    Parameters
    ----------
    tag : str
        Its name.
    attributes : dict
        An attribute is left out when it is None or False, and has no value when it is True.
    *children : str or list or None
        HTML that is in order already; see `words` for text.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> h("p", {"class": "a", "hidden": False}, words("1 < 2"))
    '<p class="a">1 &lt; 2</p>'
    """
    said = "".join(
        f" {name}" if value is True else f' {name}="{escape(str(value))}"'
        for name, value in dict(attributes).items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return f"<{tag}{said}>"
    return f"<{tag}{said}>{''.join(_flat(children))}</{tag}>"


SPLIT = re.compile(r"\b([TPED]P)-(?=\d)")  # TP-2 is one word: no line ends at its hyphen


def words(text):
    """Write text that may hold anything.

    Parameters
    ----------
    text : str
        As it is to be read.

    Returns
    -------
    str
        HTML.
    """
    return escape(SPLIT.sub("\\1\N{NON-BREAKING HYPHEN}", str(text)), quote=False)


def _flat(children):
    for child in children:
        if isinstance(child, list):
            yield from _flat(child)
        elif child is not None:
            yield child


def static_html(view, inputs=(), *, apps=APPS, level=None):
    """Write a view as HTML.

    Parameters
    ----------
    view : dict
        What a calculator's view function gave, with its lists in it.
    inputs : sequence of str
        The inputs that stand open where a text is about these; the others are folded. Empty: all.
    apps : str
        Where the calculators' own pages are, seen from this one.
    level : int, optional
        Of the heading: 1 where the calculator is the page.

    Returns
    -------
    str
        One section; the same view gives the same text.
    """
    # Two calculators of a page may share a name, and labels point at inputs by their id.
    prefix = f"lc{zlib.crc32((view['name'] + view['query']).encode()):08x}"
    level = level or (3 if inputs else 2)
    body = _compact(view, prefix, inputs, apps) if inputs else _whole(view, prefix, apps)
    header = h("header", {}, _head(view, bool(inputs), level, prefix, apps))
    band = None if inputs else _band(view, prefix)
    wide = " lc-wide" if view.get("groups") and not inputs else ""
    return h(
        "section",
        {
            "class": f"lc{' lc-compact' if inputs else ''}{wide}",
            "data-name": view["name"],
            "aria-label": view["title"],
            "data-prefix": prefix,
            "data-query": view["query"],
            "data-inputs": " ".join(inputs) or None,
        },
        header,
        band,
        h("div", {"class": "lc-body"}, body),
    )


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
        lines.append(f"{item['label']}: {_about(item)}{item['value']} {item['unit']}".rstrip())
    return "\n".join(lines)


# ---- the two forms of a calculator ------------------------------------------------------------


def _whole(view, prefix, apps):
    later = bool((view.get("remedies") or {}).get("later"))
    ask = h("div", {"class": "lc-ask"}, _answer(view, later), _controls(view, prefix))
    parts = [_remedies(view) if later else None, *_details(view, apps), _links(view, apps)]
    return [ask, h("div", {"class": "lc-results"}, parts)]


def _compact(view, prefix, inputs, apps):
    ask = h("div", {"class": "lc-ask"}, _answer(view), _controls(view, prefix, inputs))
    # Where deployments are compared, the table that does it is the answer.
    first, rest = view["tables"][:1], view["tables"][1:]
    said = {**view, "tables": rest} if view.get("groups") else view
    shown = [_table(table) for table in first if view.get("groups")]
    unfold = _summary("Numbers and arithmetic")
    more = h("details", {"class": "lc-more"}, unfold, _details(said, apps))
    parts = [*shown, more, _own_page(view, apps)]
    return [ask, h("div", {"class": "lc-results"}, parts)]


def _answer(view, later=False):
    """The answer; ways out that are `later` come after the inputs, where those stand below."""
    parts = [_status(view), _headline(view), _figure(view)]
    parts += [None if later else _remedies(view), _messages(view), _short(view)]
    return h("div", {"class": "lc-answer"}, parts)


def _details(view, apps):
    said = [h("p", {}, words(text)) for text in view["sentences"]]
    sentences = h("div", {"class": "lc-sentences"}, said)
    return [
        sentences,
        *map(_text, view.get("texts", ())),
        *map(_table, view["tables"]),
        _arithmetic(view),
        _behind(view, apps),
    ]


def _head(view, compact, level, prefix, apps):
    title = h(f"h{level}", {"class": "lc-title"}, words(view["title"]))
    lead = None if compact else h("p", {"class": "lc-lead"}, words(view["lead"]))
    reset = _button("Reset", {"data-act": "reset"})
    steps = [_button(text, _off(text.lower())) for text in ("Undo", "Redo")]
    actions = [*steps, reset, _share(bool(view["figure"]))]
    start = _start(view, compact, prefix, apps)
    return [title, lead, h("div", {"class": "lc-actions"}, actions), start]


def _off(act):
    return {"data-act": act, "aria-disabled": "true"}


def _button(text, attributes):
    quiet = {"data-lm-suppress-shortcuts": "true"}
    return h("button", {"type": "button"} | attributes | quiet, words(text))


def _share(has_figure):
    acts = {"copy": "Copy link", "markdown": "Copy as Markdown", "csv": "Tables as CSV"}
    acts |= {"html": "Page as HTML"}
    acts |= {"png": "Chart as PNG", "svg": "Chart as SVG"} if has_figure else {}
    menu = [_button(text, {"data-act": act}) for act, text in acts.items()]
    label = {"class": "lc-menu", "role": "group", "aria-label": "Share"}
    done = h("span", {"class": "lc-done", "role": "status", "data-keep": ""})
    folded = h("details", {}, _summary("Share"), h("div", label, menu))
    return h("div", {"class": "lc-share"}, done, folded)


def _summary(text):
    return h("summary", {"data-lm-suppress-shortcuts": "true"}, words(text))


def _start(view, compact, prefix, apps):
    chosen = [] if compact else view.get("presets", [])
    presets = [
        _button(
            one["label"],
            {
                "data-act": "preset",
                "data-query": one["query"],
                "title": one["note"],
                "aria-pressed": "true" if one["query"] == view["query"] else "false",
            },
        )
        for one in chosen
    ]
    hint = view.get("hint") and not compact and h("p", {"class": "lc-hint"}, words(view["hint"]))
    ask = None if compact else _question(view, prefix, apps)
    if not presets and not hint and not ask:
        return None
    label = {"class": "lc-presets", "role": "group", "aria-label": "Start from"}
    first = h("span", {"aria-hidden": "true"}, "Start from:")
    row = h("div", label, first, presets) if presets else None
    return h("div", {"class": "lc-start"}, row, ask, hint or None)


def _said(message, apps):
    """What was read of a question, with the way to the calculator that answers the rest."""
    shown = [words(message["text"])]
    if "link" in message:
        to = {"data-name": message["link"]["name"], "href": _app(message["link"], apps)}
        shown += [words(" "), h("a", to, words("Ask there"))]
    return h("li", {"class": f"lc-{message['level']}"}, shown)


def _question(view, prefix, apps):
    """A line in which a whole question may be typed."""
    if not view.get("ask"):
        return None
    line = {"id": f"{prefix}-ask", "type": "text", "name": "ask", "autocomplete": "off"}
    line |= {"spellcheck": "false", "enterkeyhint": "go", "data-lm-suppress-shortcuts": "true"}
    line |= {"placeholder": f"Such as {view['ask']}"}
    label = h("label", {"for": line["id"]}, words("Type a question:"))
    box = h("div", {"class": "lc-asked"}, label, h("input", line), _button("Ask", {}))
    said = view.get("receipt", ())
    items = [_said(one, apps) for one in said]
    live = {"class": "lc-receipt", "aria-live": "polite", "hidden": not items}
    return h("div", {"class": "lc-typed"}, box, h("ul", live, items))


def _own_page(view, apps):
    attributes = {"data-name": view["name"], "href": _app(view, apps)}
    return h("p", {"class": "lc-open"}, h("a", attributes, "Open on a page of its own"))


# ---- inputs -----------------------------------------------------------------------------------


def _band(view, prefix):
    """What a reader brings, above all else, with what it leaves open beside it."""
    boxes = partial(_boxes, view, prefix)
    held = [one for one in view["controls"] if one.get("band")]
    if not held:
        return None
    beside = h("div", {"class": "lc-inputs"}, boxes(one for one in held[1:] if not one.get("fold")))
    label = {"class": "lc-yours", "role": "group", "aria-label": held[0]["label"]}
    return h("div", label, boxes(held[:1]), beside, *_folds(view, held, boxes))


def _boxes(view, prefix, chosen):
    return [_control(view, one, prefix) for one in chosen]


def _controls(view, prefix, open_inputs=()):
    boxes = partial(_boxes, view, prefix)

    def folds(chosen):
        return _folds(view, chosen, boxes)

    # beside a text there is no band: what is brought is one input of many
    shared = [c for c in view["controls"] if not c["group"] and (open_inputs or not c.get("band"))]
    plain = [one for one in shared if not one.get("fold")]
    groups = [_group(view, group, boxes, folds) for group in view.get("groups", [])]
    grouped = h("div", {"class": "lc-groups"}, groups) if groups else None
    if open_inputs:
        chosen = [one for one in shared if one["name"] in open_inputs]
        rest = [one for one in plain if one["name"] not in open_inputs]
        folded = [one for one in shared if one["name"] not in open_inputs]
        inside = [h("div", {"class": "lc-inputs"}, boxes(rest)), *folds(folded), grouped]
        more = h("details", {"class": "lc-more"}, _summary("All inputs"), inside)
        parts = [h("div", {"class": "lc-inputs"}, boxes(chosen)), more]
    else:
        parts = [h("div", {"class": "lc-inputs"}, boxes(plain)), *folds(shared), grouped]
    label = {"class": "lc-controls", "role": "group", "aria-label": "Inputs"}
    return h("div", label, parts)


def _folds(view, controls, boxes):
    """Inputs that fewer people change, under a line each subject that says what they stand at."""
    subjects = dict.fromkeys(one["fold"] for one in controls if one.get("fold"))
    return [
        _fold(view, [one for one in controls if one.get("fold") == name], boxes)
        for name in subjects
    ]


def _fold(view, folded, boxes):
    inside = h("div", {"class": "lc-inputs"}, boxes(folded))
    faulty = not _faults(view).isdisjoint(one["name"] for one in folded)
    label = {"class": "lc-more lc-fold", "open": faulty}
    return h("details", label, _summary(folded[0]["fold"]), inside)


def _faults(view):
    return {m["field"] for m in view["messages"] if m["level"] == "error"}


def _group(view, group, boxes, folds):
    chosen = [one for one in view["controls"] if one["group"] == group["name"]]
    head = h("p", {}, h("b", {}, words(group["label"])), " ", words(group["title"]))
    first = h("div", {}, boxes(one for one in chosen if one.get("first")))
    rest = (one for one in chosen if not one.get("fold") and not one.get("first"))
    change = _summary(f"More of {group['label']}")
    folded = h("details", {}, change, h("div", {}, boxes(rest)), *folds(chosen))
    label = {"class": "lc-group", "aria-label": f"Deployment {group['label']}"}
    return h("fieldset", label, head, first, folded)


def _control(view, control, prefix):
    name, kind = control["name"], control["kind"]
    faulty = name in _faults(view)
    common = {"id": f"{prefix}-{name}", "aria-invalid": "true" if faulty else None}
    if control["help"]:
        common |= {"aria-describedby": f"{prefix}-{name}-help"}
    box = BOXES.get(kind, _entry)(control, common)
    size = " lc-half" if control.get("half") else " lc-twice" if control.get("twice") else ""
    attributes = {"class": f"lc-control lc-kind-{kind}{size}"}
    help_ = {"class": "lc-help", "id": f"{prefix}-{name}-help"}
    text = h("p", help_, _typed(control["help"])) if control["help"] else None
    label = h("label", {"for": common["id"]}, words(control["label"]))
    if kind == "text":
        unfold = _summary(f"Paste a {control['label']}")
        return h("details", attributes, unfold, label, box, text)
    return h("div", attributes, label, box, text)


def _typed(text):
    """Text in which what stands between backticks is typed as it stands, kept in one line."""
    parts = enumerate(text.split("`"))
    return [h("code", {}, words(one)) if i % 2 else words(one) for i, one in parts if one]


def _input(control, common, tag="input", content=(), **more):
    attributes = common | {"name": control["name"], "data-lm-suppress-shortcuts": "true"} | more
    return h(tag, attributes, *content)


def _select(control, common):
    groups: dict[str, list[str]] = {}
    for one in control["options"]:
        chosen = one["value"] == control["value"]
        item = h(
            "option", {"value": _spelled(one["value"]), "selected": chosen}, words(one["label"])
        )
        groups.setdefault(one["group"], []).append(item)
    items = [
        h("optgroup", {"label": name}, options) if name else options
        for name, options in groups.items()
    ]
    common = common | {"aria-invalid": None}
    return _input(control, common, "select", items, **{"data-value": _spelled(control["value"])})


def _spelled(value):
    """Spell a value as the front end's language does."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else value


def _search(control, common):
    listed = f"{common['id']}-list"
    box = _input(
        control,
        common,
        type="text",
        role="combobox",
        autocomplete="off",
        autocapitalize="none",
        spellcheck="false",
        value=control["text"],
        **{
            "aria-autocomplete": "list",
            "aria-expanded": "false",
            "aria-controls": listed,
            "data-value": control["text"],
        },
    )
    options = {"id": listed, "role": "listbox", "aria-label": control["label"]}
    return h(
        "div", {"class": "lc-search"}, box, h("ul", options | {"hidden": True, "data-keep": ""})
    )


def _paste(control, common):
    area = _input(
        control,
        common,
        "textarea",
        [words(control["value"] or "")],
        rows=6,
        spellcheck="false",
        autocomplete="off",
        placeholder="{ ... }",
        **{"data-value": control["value"] or ""},
    )
    aim = {"data-for": common["id"]}
    remove = {"data-act": "remove"} | aim | {"disabled": not control["value"]}
    buttons = [_button("Use it", {"data-act": "use"} | aim), _button("Remove", remove)]
    return h("div", {}, area, h("div", {"class": "lc-buttons"}, buttons))


def _slider(control, common):
    most = len(control["stops"]) - 1
    filled = 100 * control["at"] / most if most else 0
    range_ = _input(
        control,
        common | {"aria-invalid": None},
        type="range",
        min=0,
        max=most,
        step=1,
        value=control["at"],
        style=f"--lc-filled: {filled:g}%;",
        **{"data-value": control["at"], "aria-valuetext": control["text"]},
    )
    beside = {"id": f"{common['id']}-exact", "aria-invalid": common["aria-invalid"]}
    named = {"aria-label": f"{control['label']}, exact value"}
    return h("div", {"class": "lc-slider"}, range_, _entry(control, beside | named))


def _entry(control, common):
    entry = _input(
        control,
        common,
        type="text",
        inputmode="decimal",
        autocomplete="off",
        spellcheck="false",
        value=control["entry"],
        placeholder=control.get("placeholder"),
        **{"data-value": control["entry"]},
    )
    unit = h("span", {"class": "lc-unit"}, words(control["unit"])) if control["unit"] else None
    return h("span", {"class": "lc-entry"}, entry, unit)


def _toggle(control, common):
    common = common | {"aria-invalid": None, "data-value": _spelled(control["value"])}
    return _input(control, common, type="checkbox", checked=bool(control["value"]))


def _file(control, common):
    box = _input(control, common | {"aria-invalid": None}, type="file", accept=control["accept"])
    name = h("span", {"class": "lc-file-name"}, words(control["text"] if control["loaded"] else ""))
    leave, example = control["leave"], control["example"]
    away = {"data-act": "preset", "data-query": leave} if leave else {"data-act": "nofile"}
    remove = _button("Remove", away | {"hidden": not control["loaded"]})
    shown = {"data-act": "preset", "data-query": example, "hidden": not example}
    said = h("p", {"class": "lc-file-said", "role": "status", "data-keep": "whole"})
    aim = f"{common['id']}-text"
    area = {"id": aim, "rows": 6, "spellcheck": "false", "autocomplete": "off"}
    area |= {"aria-label": "A result or a log as text", "data-lm-suppress-shortcuts": "true"}
    use = h("div", {"class": "lc-buttons"}, _button("Use it", {"data-act": "usetext"}))
    paste = h("details", {}, _summary("Or paste its text"), h("textarea", area), use)
    sample = control["sample"]
    save = {"download": "sample.csv", "href": f"data:text/csv,{quote(sample)}"}
    begin = h(
        "details",
        {"class": "lc-sample", "hidden": not sample},
        _summary("A CSV to begin with"),
        h("pre", {"tabindex": "0"}, words(sample)),
        h("a", save, words("Save it as a file")),
    )
    return h(
        "div",
        {"class": "lc-file"},
        box,
        name,
        remove,
        _button("Try an example", shown),
        said,
        begin,
        paste,
    )


BOXES = {
    "select": _select,
    "search": _search,
    "text": _paste,
    "slider": _slider,
    "toggle": _toggle,
    "file": _file,
}


# ---- the answer -------------------------------------------------------------------------------


def _messages(view):
    items = [h("li", {"class": f"lc-{m['level']}"}, words(m["text"])) for m in view["messages"]]
    label = {"class": "lc-messages", "aria-live": "polite", "hidden": not items}
    return h("ul", label, items)


def _status(view):
    status = view["status"]
    label = {"class": f"lc-status lc-{status['level']}", "role": "status", "aria-live": "polite"}
    beside = status.get("beside")
    more = h("span", {"class": "lc-beside"}, words(f" {beside}")) if beside else None
    return h("p", label | {"tabindex": "-1"}, words(status["text"]), more)


def _short(view):
    """The answer in a line, which stays in sight on a phone; it has been read out above."""
    named = bool(view.get("groups"))
    in_order = sorted(view["headline"], key=lambda item: not item.get("first"))
    said = [_in_short(item, named) for item in in_order[:SHORTEST]]
    label = {"class": f"lc-short lc-{view['status']['level']}", "aria-hidden": "true"}
    return h("p", label, said)


SHORTEST = 4  # numbers


def _in_short(item, named):
    """A number as it is said in a line, after its name; of several deployments after theirs.

    One with words for a line, `short`, says them alone.
    """
    name = item.get("short") or (item["label"].partition(":")[0] if named else item["label"])
    is_said = "short" in item or item["unit"] in name.lower().split(" ")
    unit = "" if is_said else item["unit"]
    value = h("b", {}, words(f"{_about(item)}{item['value']} {unit}".strip()))
    return h("span", {}, words(f"{name} "), value)


def _remedies(view):
    """What else there is to run, or would make it start, each a button that does it."""
    found = view.get("remedies") or {"text": "", "items": []}
    items = [
        h(
            "li",
            {},
            _button(one["label"], {"data-act": "preset", "data-query": one["query"]}),
            h("span", {}, words(one["note"])),
        )
        for one in found["items"]
    ]
    label = found["text"] or "What would make it start"
    named = {"class": "lc-remedies", "role": "group", "aria-label": label}
    said = h("p", {}, words(found["text"]))
    return h("div", named | {"hidden": not found["text"]}, said, h("ul", {}, items))


def _text(found):
    """What is for another program: a command, or the lines an engine will print."""
    text = {"tabindex": 0, "role": "region", "aria-label": found["title"]}
    copy = _button("Copy", {"data-act": "lines"})
    said, fold = h("pre", text, words(found["text"])), found.get("fold")
    title = None if fold else h("p", {}, words(found["title"]))
    box = h("div", {"class": "lc-lines"}, title, said, copy)
    return h("details", {"class": "lc-more"}, _summary(found["title"]), box) if fold else box


def _headline(view):
    cards = []
    for item in view["headline"]:
        unit = h("span", {}, words(f" {item['unit']}")) if item["unit"] else None
        about = h("span", {}, words("about ")) if item.get("rough") else None
        value = h("dd", {}, about, h("strong", {}, words(item["value"])), unit)
        note = h("dd", {"class": "lc-note"}, words(item["note"])) if item["note"] else None
        label = h("dt", {}, words(item["label"]))
        rough = " lc-rough" if item.get("rough") else ""
        cards.append(h("div", {"class": f"lc-number{rough}"}, label, value, _span(item), note))
    return h("dl", {"class": "lc-headline"}, cards)


def _about(item):
    """What stands before a number that is known only roughly."""
    return "about " if item.get("rough") else ""


def _span(item):
    if not item.get("span"):
        return None
    at = dict(item["span"]["at"])
    low, high = at.pop("low"), at.pop("high")
    band = h("i", {"class": "lc-band", "style": f"left:{low}%;width:{high - low}%"})
    marks = [h("i", {"class": f"lc-{name}", "style": f"left:{x}%"}) for name, x in at.items()]
    bar = h("span", {"class": "lc-bar", "aria-hidden": "true"}, band, marks)
    return h("dd", {"class": "lc-span"}, bar, h("span", {}, words(item["span"]["text"])))


def _figure(view):
    figure = view["figure"]
    label = {"class": "lc-figure", "role": "img", "data-keep": ""}
    if not figure:
        return h("div", label | {"hidden": True}, h("div", {"class": "lc-plot"}))
    # A closing tag inside the text would end the script element early.
    text = json.dumps(figure, separators=(",", ":")).replace("<", "\\u003c")
    # The place of the chart, so that nothing moves when it is drawn.
    plot = {"class": "lc-plot", "style": f"min-height:{figure['layout']['height']}px"}
    return h(
        "div",
        label | {"aria-label": figure["alt"]},
        h("script", {"type": "application/json"}, text),
        h("div", plot),
    )


def _table(table):
    head = h("tr", {}, [h("th", {"scope": "col"}, words(name)) for name in table["columns"]])
    rows = [_row(table, i) for i in range(len(table["rows"]))]
    label = {
        "class": f"lc-table{' lc-stack' if table.get('stack') else ''}",
        "tabindex": 0,
        "role": "region",
        "aria-label": table["caption"],
    }
    caption = h("caption", {}, words(table["caption"]))
    body = [caption, h("thead", {}, head), h("tbody", {}, rows)]
    box = h("div", label, h("table", {}, body))
    if not table.get("fold"):
        return box
    return h("details", {"class": "lc-more"}, _summary(table["caption"]), box)


def _row(table, i):
    first, *rest = table["rows"][i]
    swatches, levels = table.get("swatches"), table.get("levels")
    mark = swatches[i] if swatches else None
    swatch = h("i", {"class": "lc-swatch", "style": f"background:var({mark})"}) if mark else None
    cells = []
    for j, text in enumerate(rest):
        level = levels[i][j] if levels else None
        looks = (level and f"lc-{level}", "lc-brief" if len(text) <= BRIEF else None)
        label = {"data-label": table["columns"][j + 1], "class": " ".join(filter(None, looks))}
        cells.append(h("td", {k: v or None for k, v in label.items()}, words(text)))
    high = {"class": "lc-high" if i in table["highlight"] else None}
    link = table["links"][i] if "links" in table else ""
    head = _link(link, first) if link else words(first)
    # a bare number says in a narrow window what it counts
    counted = (
        table["columns"][0] if table.get("stack") and re.fullmatch(r"[\d.,]+", first) else None
    )
    return h("tr", high, h("th", {"scope": "row", "data-label": counted}, swatch, head), cells)


def _arithmetic(view):
    shown = [item for item in view["headline"] if item["explain"]]
    if not shown:
        return None
    parts = [
        (
            h("p", {}, words(item["label"])),
            h(
                "pre",
                {"tabindex": 0, "role": "region", "aria-label": item["label"]},
                words(item["explain"]),
            ),
        )
        for item in shown
    ]
    unfold = _summary("Show the arithmetic")
    return h("details", {"class": "lc-explain"}, unfold, [each for pair in parts for each in pair])


def _behind(view, apps):
    """What the estimates stand on, each with its place on the page of constants."""
    anchors = [
        _link(f"{apps}../book/constants.html#{one['anchor']}", one["title"])
        for one in view.get("behind", ())
    ]
    return _nav("The estimates stand on", anchors)


def _links(view, apps):
    anchors = [
        h("a", {"data-name": one["name"], "href": _app(one, apps)}, words(one["title"]))
        for one in view.get("links", ())
    ]
    return _nav(view.get("linked") or "The same deployment in", anchors)


def _app(one, apps):
    return f"{apps}{one['name']}?{one['query']}"


def _link(address, text):
    return h("a", {"href": address}, words(text))


def _nav(label, anchors):
    if not anchors:
        return None
    named = {"class": "lc-links", "aria-label": label}
    items = h("ul", {}, [h("li", {}, one) for one in anchors])
    return h("nav", named, h("p", {}, words(f"{label}:")), items)
