"""The widget around a picture: one that moves in a notebook."""

import traitlets

from .carried import FRONT, Carried, styles
from .picture_session import PictureSession


class MovingPicture(Carried):
    """A picture of the book in a notebook, of a `PictureSession`."""

    _esm = FRONT / "picture.js"
    _css = styles("calculator.css", "picture.css", "ask.css")
    heard = "asked"
    # Any: what a browser sends is checked by the session.
    asked = traitlets.Any().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)


def picture(name, **values):
    """Show a picture of the book, and let the reader move it.

    Parameters
    ----------
    name : str
        One of `widgets.pictures.PICTURES`.
    **values : object
        Where its inputs stand at first, by name.

    Returns
    -------
    MovingPicture
        The picture, its sentence and its numbers.
    """
    return MovingPicture(PictureSession(name, **values))
