"""The calculators as Jupyter widgets: a session behind an anywidget."""

import gzip
import os
from functools import lru_cache
from importlib.resources import files

import traitlets

from llmcap_kernel import address

from . import session
from .carried import FRONT, Shown, script


class Calculator(Shown):
    """A calculator in a notebook, live where there is a kernel and true where there is none.

    Parameters
    ----------
    name : str
        One of `session.CALCULATORS`.
    query : str
        Inputs as an address spells them, such as "gpu=h200-sxm&ctx=32k".
    inputs : iterable of str
        The inputs that stand open, where a text is about these; the others are folded. Empty: all.

    Raises
    ------
    ValueError
        When there is no such calculator or input; what is wrong with a query is said in
        the view instead.
    """

    _esm = script("calculator.js")
    _css = FRONT / "calculator.css"
    # Any: what a browser sends is checked here and answered with a message, never refused unseen.
    state = traitlets.Any().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    lists = traitlets.Dict().tag(sync=True)
    inputs: traitlets.List = traitlets.List().tag(sync=True)
    site = traitlets.Unicode().tag(sync=True)

    def __init__(self, name, query="", inputs=()):
        self._session = session.Calculator(name, query, inputs)
        super().__init__(**self._session.traits(), site=address.site())
        self.observe(
            lambda change: self._take(self._session.set({"state": change["new"]})), "state"
        )
        self.on_msg(self._serve)

    def _take(self, changed):
        for name, value in changed.items():
            setattr(self, name, value)

    def _serve(self, _widget, content, buffers):
        if isinstance(content, dict) and content.get("need") == "plotly":
            self.send({"plotly": "gzip"}, buffers=[_plotly()])
        else:
            self._take(self._session.message(content, buffers, self.send))


@lru_cache(maxsize=1)
def _plotly():
    """Pack plotly.js: packed it stays under the rate at which Jupyter drops messages."""
    source = files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    return gzip.compress(source, compresslevel=6, mtime=0)


def app(name):
    """Show a calculator as a Voila app, at the inputs of the page's address.

    Parameters
    ----------
    name : str
        One of `session.CALCULATORS`.

    Returns
    -------
    Calculator
        The calculator.
    """
    return Calculator(name, os.environ.get("QUERY_STRING", ""))
