"""The widget around a view: state comes in from the page, the view goes back."""

import gzip
import json
import logging
import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import anywidget
import traitlets

from . import cliff, preheat, scorecard, vram
from .page import static_html, summary

CALCULATORS = {module.FORM.name: module for module in (vram, cliff, scorecard)}
FRONT = Path(__file__).parent / "front"
LOG = logging.getLogger(__name__)


class Calculator(anywidget.AnyWidget):
    """A calculator in a notebook, live where there is a kernel and true where there is none.

    Parameters
    ----------
    name : str
        One of `CALCULATORS` [-].
    query : str
        Inputs as an address spells them, such as "gpu=h200-sxm&ctx=32k" [-].

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

    def __init__(self, name, query=""):
        if name not in CALCULATORS:
            raise ValueError(f"no calculator {name!r}: there are {', '.join(CALCULATORS)}")
        self._calculator = CALCULATORS[name]
        self._last, messages = self._calculator.FORM.parse(query)
        super().__init__(view=safe_view(self._calculator, self._last, messages))
        self.observe(self._answer, names=["state"])
        self.on_msg(self._serve)

    def _answer(self, change):
        asked = change["new"] if isinstance(change["new"], dict) else {}
        form = self._calculator.FORM
        values = asked.get("values", {})
        # An empty mapping is a reset; else an input that cannot be read keeps its last value.
        base = self._last if values else form.defaults()
        self._last, messages = form.check(values, base)
        echo = {"seq": asked.get("seq", 0), "client": asked.get("client", "")}
        self.view = safe_view(self._calculator, self._last, messages) | echo

    def _serve(self, _widget, content, _buffers):
        if isinstance(content, dict) and content.get("need") == "plotly":
            self.send({"plotly": "gzip"}, buffers=[_plotly()])

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
        With `FORM` and `view` [-].
    state : dict
        A complete state [-].
    messages : iterable of dict
        What was wrong with the inputs [-].

    Returns
    -------
    dict
        The view; when it cannot be made, the one of the defaults under a
        message, and the reason in the log [-].
    """
    try:
        made = calculator.view(state)
        json.dumps(made, allow_nan=False)
    except Exception:
        LOG.exception("%s failed on %s", calculator.FORM.name, calculator.FORM.query(state))
        text = "The calculator failed on these inputs, a fault of ours. It shows its start."
        messages = [*messages, {"level": "error", "field": "", "text": text}]
        made = calculator.view(calculator.FORM.defaults())
    return made | {"messages": [*messages, *made["messages"]]}


def app(name):
    """Show a calculator as a Voila app, at the inputs of the page's address.

    Parameters
    ----------
    name : str
        One of `CALCULATORS` [-].

    Returns
    -------
    Calculator
        The calculator [-].
    """
    preheat.wait_for_request()
    return Calculator(name, os.environ.get("QUERY_STRING", ""))
