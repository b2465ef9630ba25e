"""Formulas, set while the book is built: a Sphinx extension (``_config.yml`` names it).

A page holds each formula twice, as KaTeX writes it: as HTML for the eye and as MathML for a
screen reader. No script sets anything in the browser.
"""

import json
import subprocess

from docutils import nodes
from sphinx.errors import SphinxError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from widgets.pages import node as nodejs

LOG = logging.getLogger(__name__)


class Setter:
    """KaTeX in one process of Node for all formulas of a build."""

    def __init__(self):
        self._process = None

    def set(self, tex: str, display: bool) -> str:
        """Set one formula.

        Parameters
        ----------
        tex : str
            The formula in TeX.
        display : bool
            Whether it stands on a line of its own.

        Returns
        -------
        str
            HTML.

        Raises
        ------
        ValueError
            When KaTeX cannot read the formula.
        """
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                nodejs.command("math.cjs"), text=True, encoding="utf-8", stdin=pipe, stdout=pipe
            )
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise SphinxError("KaTeX does not run: npm has to install what package.json names")
        said = json.loads(line)
        if "problem" in said:
            raise ValueError(said["problem"])
        return said["html"]

    def stop(self) -> None:
        """End the process, if one was started."""
        if self._process:
            self._process.communicate()
            self._process = None


SETTER = Setter()


def display_tex(text: str) -> str:
    """Join the lines and paragraphs of a block into one formula.

    Parameters
    ----------
    text : str
        A block of TeX: blank lines part formulas, two backslashes part lines.

    Returns
    -------
    str
        TeX that stands by itself.

    Examples
    --------
    >>> display_tex("a = b")
    'a = b'
    >>> print(display_tex("a &= b" + chr(10) * 2 + "c &= d"))
    \\begin{aligned}a &= b\\\\c &= d\\end{aligned}
    """
    parts = [part.strip() for part in text.split("\n\n") if part.strip()]
    if len(parts) == 1 and (r"\\" not in text or text.lstrip().startswith(r"\begin")):
        return parts[0]
    return r"\begin{aligned}" + r"\\".join(parts) + r"\end{aligned}"


def _set(node: nodes.Element, tex: str, display: bool) -> str:
    try:
        return SETTER.set(tex, display)
    except ValueError as problem:
        LOG.warning("a formula cannot be set: %s", problem, location=node)
        return ""


def _visit_inline(translator, node: nodes.math) -> None:
    tag = translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    translator.body.append(f"{tag}{_set(node, node.astext(), False)}</span>")
    raise nodes.SkipNode


def _visit_block(translator, node: nodes.math_block) -> None:
    translator.body.append(
        translator.starttag(node, "div", "", CLASS="math notranslate nohighlight")
    )
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    tex = node.astext() if node["nowrap"] else display_tex(node.astext())
    translator.body.append(f"{_set(node, tex, True)}</div>\n")
    raise nodes.SkipNode


def _stop(app, error) -> None:
    SETTER.stop()


def setup(app) -> dict:
    """Register with Sphinx."""
    app.add_html_math_renderer("katex", (_visit_inline, None), (_visit_block, None))
    app.connect("build-finished", _stop)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
