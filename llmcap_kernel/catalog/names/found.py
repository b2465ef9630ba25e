"""What a spelling was found to mean."""

from typing import NamedTuple


class Found(NamedTuple):
    """A name of the catalogue, and the assumption behind the match.

    Attributes
    ----------
    name : str
        As the catalogue spells it; "" when it is unknown.
    assumed : str
        What the source leaves open and what was assumed; "" for nothing.
    minor : bool
        Whether the assumption has little effect on a prediction.
    format : str
        The format of the weights that a model's name had in it, as it was spelled.
    choices : tuple of str
        The names that an unclear one could mean.
    base : str
        The model whose shape is scaled to a size that has no config here; "typical" for none.
    count : int
        How many of them the spelling states; 0 where it states none.
    """

    name: str
    assumed: str = ""
    minor: bool = False
    format: str = ""
    choices: tuple[str, ...] = ()
    base: str = ""
    count: int = 0  # type: ignore[assignment]  # hides the tuple's own, which nothing needs


UNKNOWN = Found("")
