"""The widget around a question: an exercise or a guess in a notebook."""

import traitlets

from .carried import FRONT, Carried, styles
from .questions import ExerciseSession, GuessSession


class Question(Carried):
    """An exercise or a guess in a notebook: of an `ExerciseSession` or a `GuessSession`."""

    _esm = FRONT / "question.js"
    _css = styles("calculator.css", "question.css")
    heard = "answer"
    # Any: what a browser sends is checked by the session and answered with a sentence.
    answer = traitlets.Any().tag(sync=True)
    verdict = traitlets.Dict().tag(sync=True)


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
        Where the answer is given, as in "section 4"; empty for here.

    Returns
    -------
    Question
        The input, and the answer beside the guess.
    """
    return Question(GuessSession(name, until))
