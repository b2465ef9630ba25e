"""The calculators: pure views, the widgets around them, and the pages they stand in.

``from widgets import Calculator`` gives the Jupyter widget where there is a kernel, and in the
reader's browser the session that the page's worker holds.
"""

import sys
from importlib import import_module


def __getattr__(name):
    # On demand: the worker in a browser has no ipywidgets, and the math needs neither.
    if name != "Calculator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    carrier = "session" if sys.platform == "emscripten" else "host"
    return getattr(import_module(f"{__name__}.{carrier}"), name)
