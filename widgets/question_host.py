"""The widget around a question: an exercise or a guess in a notebook."""

from pathlib import Path

import anywidget
import traitlets

from .questions import ExerciseSession, GuessSession

FRONT = Path(__file__).parent / "front"


class Question(anywidget.AnyWidget):
    """An exercise or a guess in a notebook.

    Parameters
    ----------
    session : ExerciseSession or GuessSession
        What is asked, and who answers.
    """

    _esm = FRONT / "question.js"
    _css = "\n".join((FRONT / name).read_text() for name in ("calculator.css", "question.css"))
    html = traitlets.Unicode().tag(sync=True)
    # Any: what a browser sends is checked by the session and answered with a sentence.
    answer = traitlets.Any().tag(sync=True)
    verdict = traitlets.Dict().tag(sync=True)

    def __init__(self, session):
        self._session = session
        super().__init__(**session.traits())
        self.observe(self._take, names=["answer"])

    def _take(self, change):
        for name, value in self._session.set({"answer": change["new"]}).items():
            setattr(self, name, value)

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return data | self._session._repr_mimebundle_(), metadata


def exercise(name):
    """Ask an exercise of the book.

    Parameters
    ----------
    name : str
        Its number, such as "3.1".

    Returns
    -------
    Question
        The input, its hints and the verdict.
    """
    return Question(ExerciseSession(name))


def guess(name, until=""):
    """Ask for a prediction before the page gives the answer.

    Parameters
    ----------
    name : str
        Its number, such as "1.3".
    until : str
        Where the answer is given, as in "beat 4"; empty for here.

    Returns
    -------
    Question
        The input, and the answer beside the guess.
    """
    return Question(GuessSession(name, until))
