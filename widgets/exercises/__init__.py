"""The exercises of the book: what is right, computed by the kernel, and why a slip is not."""

from textwrap import fill

from llmcap_kernel.refuse import one_of

from . import bandwidth, capacity, design, law, toolbox
from .record import Exercise, Verdict, judge

EXERCISES = (
    law.EXERCISES | bandwidth.EXERCISES | capacity.EXERCISES | toolbox.EXERCISES | design.EXERCISES
)
LINE = 50  # characters of a phone's width


def check(name, answer):
    """Judge the answer to an exercise and print what is to be said of it.

    Parameters
    ----------
    name : str
        Number of the exercise, such as "3.1".
    answer : str or float
        The reader's number: with its unit, "8.39 GB", or in the unit asked for.

    Raises
    ------
    BadInput
        When there is no such exercise.
    """
    exercise = EXERCISES[one_of("exercise", name, EXERCISES)]
    verdict = judge(exercise, answer)
    hint = f" {exercise.hint_texts[0]}" if verdict.kind == "wrong" else ""
    print(fill(f"Exercise {name}: {verdict.text}{hint}", LINE))
