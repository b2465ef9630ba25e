"""What a picture is: inputs that move it, and a function of the kernel's numbers that draws it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from llmcap_kernel.explain import digits

from ..figures.drawing import Drawing
from ..figures.show import Shown


@dataclass(frozen=True)
class Control:
    """An input of a picture, with all the values that it takes.

    Parameters
    ----------
    name : str
        As the drawing function calls it.
    label : str
        As a reader sees it.
    options : tuple
        Numbers in order, which make a slider, or words, which make buttons.
    start : object
        The one that a page begins with.
    unit : str
        Of the numbers.
    group : callable, optional
        Names the group that a word stands in, where the list is long.
    reads : callable, optional
        Reads what a person types beside the list: a mapping of values, its own and those of other
        controls that the words also say. It raises `BadInput` where it cannot.
    address : str
        What an address calls it, where it is typed.
    """

    name: str
    label: str
    options: tuple
    start: object
    unit: str = ""
    group: Callable[[str], str] | None = None
    reads: Callable[[str], Mapping[str, object]] | None = None
    address: str = ""

    @property
    def is_slider(self):
        """Whether it is drawn as a slider."""
        return not isinstance(self.options[0], str)

    def written(self, value):
        """Write one of its values as a reader sees it.

        Parameters
        ----------
        value : object
            One of `options`.

        Returns
        -------
        str
            With its unit.

        Examples
        --------
        >>> Control("users", "Users", (1, 16), 16, "users").written(16)
        '16 users'
        """
        if isinstance(value, str):
            return value
        number = f"{value:,}" if isinstance(value, int) else digits(value)
        one = value == 1 and len(self.unit) > 2  # "1 user", but "1 ms"
        return f"{number} {self.unit.removesuffix('s') if one else self.unit}".rstrip()


@dataclass(frozen=True)
class Drawn:
    """A picture with the sentence and the table that say the same.

    Parameters
    ----------
    drawing : Drawing or mapping of str to Drawing or str
        The picture; small multiples by what stands above each; HTML where it is more than a
        drawing.
    said : str
        One or two sentences with its numbers.
    table : Shown
        The numbers that are drawn.
    """

    drawing: Drawing | Mapping[str, Drawing] | str
    said: str
    table: Shown


@dataclass(frozen=True)
class Picture:
    """A picture of the book.

    Parameters
    ----------
    title : str
        What it shows.
    draw : callable
        Takes the controls' values by name, gives a `Drawn`.
    controls : tuple of Control
        What moves it; empty for a picture that stands still.
    asks : str
        A sentence in which each control has its place, `{name}`; empty for a row of them.
    to_query, from_query : callable, optional
        Spell its values as an address does, and read them from one, with what could not be read.
    """

    title: str
    draw: Callable[..., Drawn]
    controls: tuple[Control, ...] = field(default=())
    asks: str = ""
    to_query: Callable[[Mapping[str, object]], str] | None = None
    from_query: Callable[[str], tuple[Mapping[str, object], str]] | None = None

    @property
    def start(self):
        """The values that a page begins with, by name."""
        return {one.name: one.start for one in self.controls}
