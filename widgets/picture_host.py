"""The widget around a picture: one that moves in a notebook."""

from pathlib import Path

import anywidget
import traitlets

from .picture_session import PictureSession

FRONT = Path(__file__).parent / "front"


class MovingPicture(anywidget.AnyWidget):
    """A picture of the book in a notebook.

    Parameters
    ----------
    session : PictureSession
        What draws it.
    """

    _esm = FRONT / "picture.js"
    _css = "\n".join((FRONT / name).read_text() for name in ("calculator.css", "picture.css"))
    html = traitlets.Unicode().tag(sync=True)
    # Any: what a browser sends is checked by the session.
    asked = traitlets.Any().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)

    def __init__(self, session):
        self._session = session
        super().__init__(**session.traits())
        self.observe(self._take, names=["asked"])

    def _take(self, change):
        for name, value in self._session.set({"asked": change["new"]}).items():
            setattr(self, name, value)

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return data | self._session._repr_mimebundle_(), metadata


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
