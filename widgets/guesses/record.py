"""What a guess is: a number or a choice, asked for before the page gives the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Guess:
    """One prediction that a reader is asked for.

    Attributes
    ----------
    asked : str
        What is to be guessed, as the input's label.
    expected : callable
        Computes the answer with the kernel: a number in `unit`, or one of `options`.
    says : str
        One sentence on why it is so.
    unit : str
        Unit of the number, or of what is drawn beside a choice.
    options : tuple of str
        Two to five, where the guess is a choice.
    drawn : callable, optional
        Gives what is drawn beside a choice: values by their label.
    """

    asked: str
    expected: Callable
    says: str
    unit: str = ""
    options: tuple[str, ...] = ()
    drawn: Callable[[], Mapping[str, float]] | None = field(default=None)
