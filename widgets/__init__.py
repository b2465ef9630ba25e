"""The calculators: pure views, the widgets around them, and the pages they stand in.

What a chapter's cells show comes from here: a Jupyter widget where there is a kernel, and in the
reader's browser the session that the page's worker holds.
"""

import sys
from importlib import import_module

# On demand: the worker in a browser has no ipywidgets, and whoever wants a view needs none.
_HOSTS = {
    "Calculator": "host",
    "exercise": "question_host",
    "guess": "question_host",
    "picture": "picture_host",
}
_SESSIONS = {
    "Calculator": "session",
    "exercise": "questions",
    "guess": "questions",
    "picture": "picture_session",
}


def __getattr__(name):
    homes = _SESSIONS if sys.platform == "emscripten" else _HOSTS
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
