"""A session behind a Jupyter widget, where the page sets one trait and the session answers."""

import re
from pathlib import Path

import anywidget
import traitlets

from .form.characters import whole_text

FRONT = Path(__file__).parent / "front"
# Modules of the front end import each other by name alone, so that they join as they are.
IMPORT = re.compile(r'^import \{[^}]*\} from "(\./[^"]+)";\n', re.MULTILINE)


def script(name):
    """Join a module of the front end with those that it imports: a widget's script is one text.

    Parameters
    ----------
    name : str
        Its file in the front end.

    Returns
    -------
    str
        JavaScript: what a module imports stands before it, once.
    """
    seen = set()

    def with_imports(path):
        if path in seen:
            return
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        for near in IMPORT.findall(text):
            yield from with_imports((path.parent / near).resolve())
        yield IMPORT.sub("", text)

    return "\n".join(with_imports((FRONT / name).resolve()))


def styles(*names):
    """Join style sheets of the front end.

    Parameters
    ----------
    *names : str
        Files of the front end.

    Returns
    -------
    str
        CSS.
    """
    return "\n".join((FRONT / name).read_text() for name in names)


class Shown(anywidget.AnyWidget):
    """A widget that its session stands in for, where there is no kernel."""

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return data | self._session._repr_mimebundle_(), metadata


class Carried(Shown):
    """What carries a session of HTML; a kind of it names its front end and its other traits.

    Parameters
    ----------
    session : Session
        What is shown, and who answers.
    """

    html = traitlets.Unicode().tag(sync=True)
    heard = ""  # the trait that the page sets

    def __init__(self, session):
        self._session = session
        super().__init__(**session.traits())
        self.observe(self._take, names=[self.heard])

    def _take(self, change):
        for name, value in self._session.set({self.heard: whole_text(change["new"])}).items():
            setattr(self, name, value)
