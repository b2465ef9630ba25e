"""The widget around a view: state comes in from the page, the view goes back."""

import gzip
import json
import logging
import os
import zlib
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

import anywidget
import traitlets

from llmcap_kernel.refuse import BadInput

from .calculators import calculate, cliff, compare, scorecard, validate, vram
from .form.upload import Upload
from .page import static_html, summary

CALCULATORS = {
    module.FORM.name: module for module in (calculate, vram, cliff, scorecard, compare, validate)
}
FRONT = Path(__file__).parent / "front"
FIRST = "a."  # what the inputs of the first of several deployments begin with
SITE = "http://127.0.0.1:8866"  # where `make serve` puts the apps; LLMCAP_SITE names another
LONG = 12  # items; longer lists travel apart from the views
LOG = logging.getLogger(__name__)


class Calculator(anywidget.AnyWidget):
    """A calculator in a notebook, live where there is a kernel and true where there is none.

    Parameters
    ----------
    name : str
        One of `CALCULATORS`.
    query : str
        Inputs as an address spells them, such as "gpu=h200-sxm&ctx=32k".

    Raises
    ------
    ValueError
        When there is no such calculator; what is wrong with a query is said in
        the view instead.
    """

    _esm = FRONT / "calculator.js"
    _css = FRONT / "calculator.css"
    # Any: what a browser sends is checked here and answered with a message, never refused unseen.
    state = traitlets.Any().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    lists = traitlets.Dict().tag(sync=True)
    site = traitlets.Unicode().tag(sync=True)

    def __init__(self, name, query=""):
        if name not in CALCULATORS:
            raise ValueError(f"no calculator {name!r}: there are {', '.join(CALCULATORS)}")
        self._calculator, self._upload = CALCULATORS[name], Upload()
        self._last, messages = self._calculator.FORM.parse(query)
        view, lists = parted(safe_view(self._calculator, self._last, messages), {})
        super().__init__(view=view, lists=lists, site=os.environ.get("LLMCAP_SITE", SITE))
        self.observe(self._answer, names=["state"])
        self.on_msg(self._serve)

    def _answer(self, change):
        asked = change["new"] if isinstance(change["new"], dict) else {}
        form = self._calculator.FORM
        values = asked.get("values", {})
        if "query" in asked:
            self._last, messages = form.parse(asked["query"])
        else:
            # An empty mapping is a reset; else an input that cannot be read keeps its last value.
            self._last, messages = form.check(values, self._last if values else form.defaults())
        echo = {"seq": asked.get("seq", 0), "client": asked.get("client", "")}
        view, lists = parted(safe_view(self._calculator, self._last, messages), self.lists)
        if lists != self.lists:
            self.lists = lists  # before the view that names them
        self.view = view | echo

    def _serve(self, _widget, content, buffers):
        asked = content if isinstance(content, dict) else {}
        if asked.get("need") == "plotly":
            self.send({"plotly": "gzip"}, buffers=[_plotly()])
        elif "file" in asked and hasattr(self._calculator, "with_file"):
            self._take_file(asked["file"], buffers)

    def _take_file(self, part, buffers):
        """A reader's file, a part at a time; None takes the last one away."""
        try:
            whole = self._upload.add(part, buffers) if part else ()
            if whole is None:
                return
            self._calculator = self._calculator.with_file(*whole, progress=self._tell)
        except BadInput as problem:
            return self.send({"file": {"problem": str(problem)}})
        view, lists = parted(safe_view(self._calculator, self._last), self.lists)
        self.lists, self.view = lists, view
        self.send({"file": {"done": True}})

    def _tell(self, done, total):
        if done % max(total // 20, 500) == 0:
            self.send({"file": {"rows": done, "of": total}})

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        data |= {"text/plain": summary(self.view), "text/html": static_html(self.view)}
        return data, metadata


@lru_cache(maxsize=1)
def _plotly():
    """Pack plotly.js: packed it stays under the rate at which Jupyter drops messages."""
    source = files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    return gzip.compress(source, compresslevel=6, mtime=0)


def safe_view(calculator, state, messages=()):
    """Make a view whatever happens.

    Parameters
    ----------
    calculator : module
        With `FORM` and `view`.
    state : dict
        A complete state.
    messages : iterable of dict
        What was wrong with the inputs.

    Returns
    -------
    dict
        The view; when it cannot be made, the one of the defaults under a
        message, and the reason in the log.
    """
    try:
        made = calculator.view(state)
        json.dumps(made, allow_nan=False)
    except Exception:
        LOG.exception("%s failed on %s", calculator.FORM.name, calculator.FORM.query(state))
        text = "The calculator failed on these inputs, a fault of ours. It shows its start."
        messages = [*messages, {"level": "error", "field": "", "text": text}]
        made = calculator.view(calculator.FORM.defaults())
    made = with_company(calculator, state, made)
    return made | {"messages": [*messages, *made["messages"]]}


def parted(view, lists):
    """Take the long lists out of a view's controls: they travel once, a view at every move.

    Parameters
    ----------
    view : dict
        A view.
    lists : dict
        The lists that have travelled, by name.

    Returns
    -------
    tuple of dict
        The view with names for lists, and all lists so far.
    """
    lists = dict(lists)

    def named(value):
        if not isinstance(value, (list, tuple)) or len(value) <= LONG:
            return value
        name = f"{zlib.crc32(json.dumps(value).encode()):08x}"
        lists[name] = value
        return {"list": name}

    controls = [{key: named(v) for key, v in control.items()} for control in view["controls"]]
    return view | {"controls": controls}, lists


def with_company(calculator, state, view):
    """Add what every view has and no calculator makes: presets, a hint, links to the others.

    Parameters
    ----------
    calculator : module
        With `FORM`, and `PRESETS` and `HINT` where it has them.
    state : dict
        A complete state.
    view : dict
        Its view.

    Returns
    -------
    dict
        The view.
    """
    form = calculator.FORM
    hint = getattr(calculator, "HINT", "") if state == form.defaults() else ""
    company = {"presets": presets(form.name), "hint": hint, "links": links(form, state)}
    return view | company


@cache
def presets(name):
    """List where a reader of a calculator may start from.

    Parameters
    ----------
    name : str
        One of `CALCULATORS`.

    Returns
    -------
    list of dict
        Each a label, a note and a query.
    """
    calculator = CALCULATORS[name]
    form = calculator.FORM
    return [
        {
            "label": one["label"],
            "note": one["note"],
            "query": form.query(form.check(one["values"])[0]),
        }
        for one in getattr(calculator, "PRESETS", ())
    ]


def links(form, state):
    """Find the other calculators that take the same deployment.

    Parameters
    ----------
    form : Form
        The inputs of the calculator in view.
    state : dict
        Its state.

    Returns
    -------
    list of dict
        Each a name, a title and a query.
    """
    # Of several deployments the first goes along, and becomes the first of several.
    here = {name.removeprefix(FIRST): value for name, value in state.items()}
    found = []
    for name, other in CALCULATORS.items():
        names = {field.name.removeprefix(FIRST): field.name for field in other.FORM.fields}
        if other.FORM is form or not {"model", "gpu"} <= names.keys() & here.keys():
            continue
        # what is left to the kernel here may have to be a number there
        optional = {field.name for field in other.FORM.fields if field.read_empty}
        values = {
            names[key]: value
            for key, value in here.items()
            if key in names and (value is not None or names[key] in optional)
        }
        query = other.FORM.query(other.FORM.defaults() | values)
        found.append({"name": name, "title": other.TITLE, "query": query})
    return found


def app(name):
    """Show a calculator as a Voila app, at the inputs of the page's address.

    Parameters
    ----------
    name : str
        One of `CALCULATORS`.

    Returns
    -------
    Calculator
        The calculator.
    """
    return Calculator(name, os.environ.get("QUERY_STRING", ""))
