"""Icons as inline SVG, in place of the theme's Font Awesome: a script of 1.5 MB and three fonts.

The shapes are taken from the theme's own copy of that script. Font Awesome Free's icons are
under CC BY 4.0.
"""

import re
from pathlib import Path
from urllib.parse import quote

SCRIPT = "scripts/fontawesome.js"
THEME_STYLES = "styles/pydata-sphinx-theme.css"
ENTRY = re.compile(r'"?([\w-]+)"?:\[(\d+),(\d+),\[([^\]]*)\],"\w+","([^"]+)"\]')
DRAWN = re.compile(r'<(i|span) class="([^"]*\bfa-[^"]*)"([^>]*)></\1>')
FONTS = {"fa", "fas", "fa-solid"}  # classes that ask for the font
ADMONITION = re.compile(r"--pst-icon-admonition-(\w+):var\(--pst-icon-([\w-]+)\)")


class Icons:
    """The solid icons of the theme.

    Parameters
    ----------
    static : pathlib.Path
        The ``_static`` folder of a built book.
    """

    def __init__(self, static: Path):
        self._shapes = {}
        # The same name stands in several styles; solid is the last.
        script = (static / SCRIPT).read_text("utf-8")
        for name, width, height, others, path in ENTRY.findall(script):
            for known in (name, *re.findall(r'"([\w-]+)"', others)):
                self._shapes[known] = (width, height, path)
        self._theme = (static / THEME_STYLES).read_text("utf-8")

    def svg(self, name: str, attributes: str = "") -> str:
        """Draw an icon.

        Parameters
        ----------
        name : str
            Its name in Font Awesome, old or new, such as "list".
        attributes : str
            Further attributes of the element.

        Returns
        -------
        str
            An SVG element in the colour of the text.

        Raises
        ------
        KeyError
            When the theme has no such icon.
        """
        width, height, path = self._shapes[name]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f'{attributes}><path d="{path}"/></svg>'
        )

    def drawn(self, html: str) -> str:
        """Put an SVG in the place of every element that the theme's script would turn into one.

        Parameters
        ----------
        html : str
            A page.

        Returns
        -------
        str
            The page with its icons.
        """
        return DRAWN.sub(self._drawn, html)

    def _drawn(self, found: re.Match) -> str:
        classes = [c for c in found[2].split() if c not in FONTS]
        name = next(c for c in classes if c.startswith("fa-") and c != "fa-lg")
        classes.remove(name)
        kept = f' class="svg-icon {" ".join(classes)}" aria-hidden="true"'
        return self.svg(name.removeprefix("fa-"), kept + re.sub(r' title="[^"]*"', "", found[3]))

    def css(self) -> str:
        """Write the icons of the admonitions, which no element of a page stands for.

        Returns
        -------
        str
            CSS; ``book.css`` says where and how large.
        """
        rules = [
            f".admonition{'' if kind == 'default' else '.' + kind} > .admonition-title::after "
            f'{{ mask-image: url("data:image/svg+xml,{quote(self.svg(icon))}"); }}'
            for kind, icon in ADMONITION.findall(self._theme)
        ]
        return "\n".join(rules)
