"""A picture in a page: the HTML that shows it, and the session that draws it anew.

The HTML is complete without a script, and the front end takes this very HTML over.
"""

import json
from html import escape

from llmcap_kernel.refuse import BadInput, one_of

from .figures.drawing import WHISKER, whisker_key
from .pictures import PICTURES

MOST_BUTTONS = 6  # more choices than that are a list
LONG_LABEL = 18  # letters that leave a slider no room beside them on a phone


class PictureSession:
    """One picture in a page.

    Parameters
    ----------
    name : str
        One of `PICTURES`.
    **values : object
        Where its inputs stand at first, by name; their own start if omitted.

    Raises
    ------
    BadInput
        When there is no such picture, input or value.
    """

    kind = "picture"

    def __init__(self, name, **values):
        self.name = one_of("picture", name, PICTURES)
        self._picture = PICTURES[self.name]
        self._values = self._picture.start | self._checked(values)
        self._drawn = None

    def _checked(self, values):
        controls = {one.name: one for one in self._picture.controls}
        for name, value in values.items():
            control = controls[one_of("input", name, controls)]
            if value not in control.options:
                takes = ", ".join(map(control.written, control.options))
                raise BadInput(name, f"{name} takes one of {takes}; got {value!r}.")
        return values

    @property
    def drawn(self):
        """The picture at the inputs' values."""
        if self._drawn is None:
            self._drawn = self._picture.draw(**self._values)
        return self._drawn

    @property
    def text(self):
        """The picture's text form, the same at every run."""
        return f"{self._picture.title}\n{self.drawn.said}\n{self.drawn.table!r}"

    def traits(self):
        """Give what the page needs to draw at first."""
        return {"html": self._html(), "asked": None, "shown": {}}

    def set(self, changed):
        """Draw at the values that the page asks for: `{"asked": {"at": {"users": 3}, "seq": 1}}`.

        Values come as places in the inputs' lists, as words that a person typed, or all of them as
        the `query` of an address. Any browser sends them, so what cannot be read leaves an input
        where it was; of typed words the answer says why.
        """
        asked = changed.get("asked")
        asked = asked if isinstance(asked, dict) else {}
        at = asked.get("at")
        at = at if isinstance(at, dict) else {}
        refused = {}
        if self._picture.from_query and isinstance(asked.get("query"), str):
            values, refused["query"] = self._picture.from_query(asked["query"])
            self._values |= values
        for one in self._picture.controls:
            place = at.get(one.name)
            if isinstance(place, int) and 0 <= place < len(one.options):
                self._values[one.name] = one.options[place]
        refused |= self._typed(at)
        self._drawn = None
        more = self._stands(refused) if self._picture.asks else {}
        return {"shown": self._parts() | more | {"seq": asked.get("seq", 0)}}

    def _typed(self, at):
        """Take typed words, after what was chosen: they may say more than their own input."""
        refused = {}
        for one in self._picture.controls:
            words = at.get(one.name)
            if not one.reads or not isinstance(words, str):
                continue
            try:
                self._values |= one.reads(words)
            except BadInput as problem:
                refused[one.name] = str(problem)
        return refused

    def _stands(self, refused):
        """Where each word of a sentence stands: its place in the list, or how it is written."""
        at = {
            one.name: one.options.index(value) if value in one.options else one.written(value)
            for one, value in ((one, self._values[one.name]) for one in self._picture.controls)
        }
        query = self._picture.to_query(self._values) if self._picture.to_query else ""
        return {"at": at, "refused": refused, "query": query}

    def message(self, content, buffers, say):
        """Take a message; a picture has none."""
        return {}

    def _parts(self):
        return {
            "figure": _figure(self.drawn),
            "said": escape(self.drawn.said),
            "table": self.drawn.table._repr_html_(),
        }

    def _html(self):
        return self._sentence() if self._picture.asks else self._row()

    def _sentence(self):
        """A question in which each word that may change is an input, and its answer below."""
        chosen = {one.name: _word(one, self._values[one.name]) for one in self._picture.controls}
        parts = self._parts()
        return (
            # What a browser kept of an earlier visit would stand beside another answer.
            f'{self._opening("lf-ask")}\n<form autocomplete="off"><fieldset disabled>'
            f'<p class="lf-question">{escape(self._picture.asks).format(**chosen)}</p>'
            '<p class="lf-refused" role="alert" hidden></p>'
            '<span class="lc-wait" role="status"></span></fieldset></form>\n'
            f'<p class="lc-said" role="status">{parts["said"]}</p>\n'
            f'<div class="lc-drawn">{parts["figure"]}</div>\n'
            "<details><summary>The numbers as a table</summary>"
            f'<div class="lc-numbers">{parts["table"]}</div></details>\n</section>'
        )

    def _opening(self, more=""):
        values = escape(json.dumps(self._values))
        return (
            f'<section class="{f"lc lc-picture {more}".strip()}" data-kind="picture" '
            f'data-name="{self.name}" data-values="{values}" '
            f'aria-label="{escape(self._picture.title)}">'
        )

    def _row(self):
        inputs = "".join(
            _input(self.name, one, self._values[one.name]) for one in self._picture.controls
        )
        form = ""
        if inputs:
            wait = '<span class="lc-wait" role="status"></span>'
            form = f"<form><fieldset disabled>{inputs}{wait}</fieldset></form>"
        parts = self._parts()
        return (
            f"{self._opening()}\n"
            f'<p class="lc-picture-title">{escape(self._picture.title)}</p>\n{form}\n'
            f'<div class="lc-drawn">{parts["figure"]}</div>\n'
            f'<p class="lc-said" role="status">{parts["said"]}</p>\n'
            "<details><summary>The numbers</summary>"
            f'<div class="lc-numbers">{parts["table"]}</div>'
            '<p class="lc-save"><button type="button" data-save="svg">Save as SVG</button> '
            '<button type="button" data-save="png">Save as PNG</button></p></details>\n</section>'
        )

    def _repr_mimebundle_(self, **kwargs):
        return {"text/plain": self.text, "text/html": self._html()}


# As a chapter's cell calls it where there are no widgets.
picture = PictureSession


def _figure(drawn):
    if isinstance(drawn.drawing, str):
        return drawn.drawing
    if not isinstance(drawn.drawing, dict):
        return drawn.drawing.svg(drawn.said) + _key([drawn.drawing])
    panels = "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>{one.svg(title)}</figure>"
        for title, one in drawn.drawing.items()
    )
    return panels + _key(drawn.drawing.values())


def _key(drawings):
    """What whiskers mean, below the last drawing."""
    return whisker_key().svg(WHISKER) if any(one.has_whiskers for one in drawings) else ""


def _input(name, control, value):
    if control.is_slider:
        return _slider(name, control, value)
    if len(control.options) > MOST_BUTTONS:
        return _list(control, value)
    buttons = "".join(
        f'<label class="lc-choice"><input type="radio" name="{control.name}" value="{i}"'
        f"{' checked' if option == value else ''}>{escape(option)}</label>"
        for i, option in enumerate(control.options)
    )
    return (
        f'<div class="lc-pull" role="radiogroup" aria-label="{escape(control.label)}">'
        f"<span>{escape(control.label)}</span>{buttons}</div>"
    )


def _slider(name, control, value):
    at, last = control.options.index(value), len(control.options) - 1
    words = [control.written(option) for option in control.options]
    long = " lc-long" if len(control.label) > LONG_LABEL else ""
    return (
        f'<label class="lc-pull lc-slide{long}"><span>{escape(control.label)}</span>'
        f'<input type="range" name="{control.name}" min="0" max="{last}" value="{at}" '
        f'data-words="{escape(json.dumps(words))}" '
        f'data-options="{escape(json.dumps(control.options))}" '
        f'aria-valuetext="{escape(words[at])}"><output>{escape(words[at])}</output></label>'
    )


def _list(control, value):
    return (
        f'<label class="lc-pull"><span>{escape(control.label)}</span>'
        f'<select name="{control.name}">{_options(control, value)}</select></label>'
    )


def _word(control, value):
    label, typed = (
        escape(control.label),
        f' data-typed="{control.address}"' if control.reads else "",
    )
    return (
        f'<select name="{control.name}" aria-label="{label}" autocomplete="off"{typed}>'
        f"{_options(control, value)}</select>"
    )


def _options(control, value):
    groups: dict[str, list[str]] = {}
    for i, option in enumerate(control.options):
        chosen = " selected" if option == value else ""
        item = f'<option value="{i}"{chosen}>{escape(control.written(option))}</option>'
        groups.setdefault(control.group(option) if control.group else "", []).append(item)
    return "".join(
        f'<optgroup label="{escape(name)}">{"".join(items)}</optgroup>' if name else "".join(items)
        for name, items in groups.items()
    )
