"""What the kernel draws for the book's first page and for its proof: a question, and pictures.

Also a Sphinx extension (``_config.yml`` names it): the directive ``{front}`` takes the name of a
picture, and what it draws is computed when the book is built.
"""

from html import escape
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

from llmcap_kernel.refuse import one_of
from widgets.page import APPS
from widgets.pages.apps import tool_list
from widgets.picture_session import PictureSession
from widgets.pictures.proof import PROOF
from widgets.pictures.small import SMALL

QUESTION, TOOLS = "front", "tools"
PICTURES: dict[str, Any] = {**SMALL, **PROOF}


def html(name):
    """Draw one.

    Parameters
    ----------
    name : str
        "front", the question that a reader moves; "tools", their list; or one of `PICTURES`.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    BadInput
        When there is none of that name.
    """
    if name == TOOLS:
        return tool_list(APPS)
    if name == QUESTION:
        return PictureSession(QUESTION).traits()["html"]
    drawing, said = PICTURES[one_of("picture", name, PICTURES)]()
    if name in PROOF:
        return f'<div class="lc lf-proof">{drawing.svg(said)}</div>'
    told = f"<p>{escape(said)}</p>" if name == "scatter" else ""
    return f'<div class="lc lf-small lf-{name}">{drawing.svg(said)}{told}</div>'


class Front(Directive):
    """``{front} law`` in a page's source."""

    required_arguments = 1

    def run(self):
        """Give the picture as HTML."""
        return [nodes.raw("", html(self.arguments[0]), format="html")]


def setup(app):
    """Register with Sphinx."""
    app.add_directive("front", Front)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
