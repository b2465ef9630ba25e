"""What an exercise is, and how an answer to it is judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from llmcap_kernel.explain import quantity
from llmcap_kernel.refuse import BadInput

from ..form import units


@dataclass(frozen=True)
class Exercise:
    """One exercise and how its answer is judged.

    Attributes
    ----------
    expected : callable
        Computes the right value with the kernel.
    unit : str
        Unit of the answer, as `explain.quantity` knows it.
    hints : tuple
        A nudge, the method, then the numbers to put in: text, or a callable that makes
        it where a number in it is the kernel's.
    tolerance : float
        Largest relative error that counts as right.
    mistakes : mapping of str to callable
        A reason, and the value a reader who slips that way arrives at.
    """

    expected: Callable
    unit: str
    hints: tuple[str | Callable[[], str], ...]
    tolerance: float = 0.02
    mistakes: Mapping = field(default_factory=dict)

    @property
    def hint_texts(self):
        """The hints as text, in the order in which they unfold."""
        return tuple(hint if isinstance(hint, str) else hint() for hint in self.hints)


@dataclass(frozen=True)
class Verdict:
    """What is to be said of an answer.

    Attributes
    ----------
    kind : str
        "right"; "slip", a typical one that is named; "wrong"; or "unread", which no
        number could be made of.
    text : str
        One or two sentences, to follow a colon.
    """

    kind: str
    text: str


def judge(exercise, answer):
    """Judge an answer.

    Parameters
    ----------
    exercise : Exercise
        What was asked.
    answer : str or float
        The reader's number, with its unit or in the unit asked for.

    Returns
    -------
    Verdict
        Right, or what is wrong with it.
    """
    try:
        given = units.read(answer, exercise.unit)
    except BadInput as problem:
        return Verdict("unread", str(problem))
    right = exercise.expected()

    def is_near(wanted, value=given.value):
        return abs(value - wanted) <= exercise.tolerance * abs(wanted)

    if is_near(right):
        return Verdict("right", f"right, {quantity(right, exercise.unit)}.")
    for reason, slip in exercise.mistakes.items():
        if is_near(slip()):
            return Verdict("slip", f"not yet. {reason}")
    if is_near(right, given.number):
        return Verdict("slip", f"not yet. The number is right in {exercise.unit}, the unit is not.")
    return Verdict("wrong", "not yet, and none of the usual slips.")
