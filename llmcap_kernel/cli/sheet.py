"""An answer as a file of its own: Markdown, one HTML page, or a picture of that page."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from ..refuse import BadInput, shown
from .tables import Table

WIDTH = 1100  # px of a picture
PATIENCE_S = 60
CHROMIUMS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# Text has 4.5:1 on its ground in light and dark; a level is a colour beside a word, never alone.
STYLE = """
:root { color-scheme: light dark; }
body { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 2rem; line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  color: light-dark(#17202b, #e8edf2); background: light-dark(#fff, #14181d); }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; }
h2 { margin: 0 0 .5rem; font-size: 1.05rem; overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 46rem; overflow-wrap: anywhere; }
section { margin: 1.5rem 0; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr));
  gap: 1rem; }
.beside section { margin: 0; padding: .9rem 1rem; border-radius: 8px;
  background: light-dark(#f5f7f9, #1b2128); }
table { width: 100%; margin: .6rem 0; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .5rem .3rem 0; border-top: 1px solid light-dark(#dbe1e7, #323b45);
  vertical-align: top; text-align: right; font-weight: 400; }
thead th { border: 0; color: light-dark(#546170, #a3b0bd); font-size: .8rem; }
.left { text-align: left; }
pre { margin: .5rem 0; padding: .7rem .9rem; border-radius: 6px; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; background: light-dark(#f5f7f9, #1b2128); }
a { font-size: .85rem; color: light-dark(#2f5d9b, #7fb2f0); }
.said { padding: .6rem .9rem; max-width: none; border-left: 4px solid; border-radius: 4px; }
.good { color: light-dark(#176b3a, #6fd196); }
.doubtful { color: light-dark(#855600, #f0bd5b); }
.bad { color: light-dark(#b3261e, #ff9c92); }
td.good, td.doubtful, td.bad { font-weight: 650; }
.said.good { background: light-dark(#e9f6ee, #14301f); }
.said.doubtful { background: light-dark(#fdf4df, #33270d); }
.said.bad { background: light-dark(#fdeceb, #3b1a18); }
@media print { body { padding: 0; } section { break-inside: avoid; } }
"""
MEASURED = "<script>document.title = document.documentElement.scrollHeight</script>"


@dataclass(frozen=True)
class Part:
    """A heading, and what stands below it.

    Attributes
    ----------
    head : str
        The heading.
    said : tuple of str
        Paragraphs.
    tables : tuple of Table
        Tables below them.
    code : str
        A command.
    address : str
        A link.
    beside : bool
        Whether it stands beside others like it where there is room.
    """

    head: str
    said: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    code: str = ""
    address: str = ""
    beside: bool = False


@dataclass(frozen=True)
class Sheet:
    """An answer to be read away from the terminal.

    Attributes
    ----------
    title : str
        What it is.
    said : str
        The answer in a sentence or two.
    level : str
        "good", "doubtful" or "bad".
    parts : tuple of Part
        What it stands on.
    levels : tuple of (str, str)
        Words of a cell, and their level.
    """

    title: str
    said: str
    level: str
    parts: tuple[Part, ...]
    levels: tuple[tuple[str, str], ...] = ()

    def markdown(self) -> str:
        """Write it as Markdown.

        Returns
        -------
        str
            Headings, paragraphs, pipe tables and fenced commands.

        Examples
        --------
        >>> print(Sheet("Card", "Run B.", "good", (Part("B", code="run b"),)).markdown())
        # Card
        <BLANKLINE>
        **Run B.**
        <BLANKLINE>
        ## B
        <BLANKLINE>
        ```sh
        run b
        ```
        <BLANKLINE>
        """
        blocks = [f"# {self.title}", f"**{self.said}**"]
        for part in self.parts:
            blocks += [f"## {part.head}", *part.said, *(one.markdown() for one in part.tables)]
            blocks += [f"```sh\n{part.code}\n```"] if part.code else []
            blocks += [f"<{part.address}>"] if part.address else []
        return "\n\n".join(blocks) + "\n"

    def html(self) -> str:
        """Write it as one page that needs nothing else, in the reader's theme and width.

        Returns
        -------
        str
            HTML without a script.

        Examples
        --------
        >>> "<h1>A &lt; B</h1>" in Sheet("A < B", "Run B.", "good", ()).html()
        True
        """
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
            f"<h1>{escape(self.title)}</h1>\n"
            f'<p class="said {self.level}">{escape(self.said)}</p>\n'
            f"{''.join(self._sections())}</main>\n</body>\n</html>\n"
        )

    def _sections(self) -> Iterator[str]:
        beside = [self._section(part) for part in self.parts if part.beside]
        if beside:
            yield f'<div class="beside">\n{"".join(beside)}</div>\n'
        yield from (self._section(part) for part in self.parts if not part.beside)

    def _section(self, part: Part) -> str:
        body = [f"<p>{escape(text)}</p>" for text in part.said]
        body += [self._table(table) for table in part.tables]
        body += [f"<pre>{escape(part.code)}</pre>"] if part.code else []
        if part.address:
            body.append(f'<p><a href="{escape(part.address)}">{escape(part.address)}</a></p>')
        return f"<section>\n<h2>{escape(part.head)}</h2>\n{chr(10).join(body)}\n</section>\n"

    def _table(self, table: Table) -> str:
        levels = dict(self.levels)
        sides = [" left" * column.left for column in table.columns]
        heads = "".join(
            f'<th scope="col" class="{side.strip()}">{escape(column.head)}</th>'
            for column, side in zip(table.columns, sides, strict=True)
        )
        rows = ""
        for first, *rest in table.rows:
            cells = "".join(
                f'<td class="{(levels.get(cell, "") + side).strip()}">{escape(cell)}</td>'
                for cell, side in zip(rest, sides[1:], strict=True)
            )
            rows += f'<tr><th scope="row" class="left">{escape(first)}</th>{cells}</tr>\n'
        return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"

    def png(self) -> bytes:
        """Draw the page, with the Chromium of this machine.

        Returns
        -------
        bytes
            A PNG of the page's whole height, twice as fine as a screen.

        Raises
        ------
        BadInput
            When there is no Chromium, or it draws nothing.
        """
        browser = _chromium()
        with TemporaryDirectory(prefix="llmcap-") as folder:
            page, picture = Path(folder, "card.html"), Path(folder, "card.png")
            page.write_text(self.html().replace("</body>", f"{MEASURED}</body>"), "utf-8")
            page_dump = _browse(browser, page, 600, "--dump-dom")
            height = re.search(r"<title>(\d+)</title>", page_dump)
            if height:
                drawn = (f"--screenshot={picture}", "--force-device-scale-factor=2")
                _browse(browser, page, int(height[1]), *drawn)
            if not picture.exists():
                raise BadInput("out", f"out: {shown(browser)} drew no picture. Write .html.")
            return picture.read_bytes()


def find_chromium() -> str | None:
    """Find the browser that draws pages.

    Returns
    -------
    str or None
        The one that the environment's CHROMIUM names, else the first on the path; None where there
        is none.
    """
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUMS)), None)


def _chromium() -> str:
    found = find_chromium()
    if found is None:
        lacks = "none is on the path, and CHROMIUM names none"
        raise BadInput("out", f"out: a .png takes a Chromium: {lacks}. .html and .md take nothing.")
    return found


def _browse(browser: str, page: Path, height: int, *options: str) -> str:
    # without a sandbox, which a container has no rights to: the page is our own, without a network
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    try:
        done = subprocess.run(
            [browser, *quiet, f"--window-size={WIDTH},{height}", *options, page.as_uri()],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise BadInput("out", f"out: {shown(browser)} drew no picture: {problem}.") from None
    return done.stdout.decode(errors="replace")


FORMS: dict[str, Callable[[Sheet], bytes]] = {
    ".md": lambda sheet: sheet.markdown().encode(),
    ".html": lambda sheet: sheet.html().encode(),
    ".png": Sheet.png,
}


def form_of(path: str) -> Callable[[Sheet], bytes]:
    """Find how a file is written, by the ending of its name.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    callable
        Turns a sheet into its content.

    Raises
    ------
    BadInput
        When the ending is none of `FORMS`.

    Examples
    --------
    >>> form_of("card.md")(Sheet("Card", "Run B.", "good", ()))
    b'# Card\\n\\n**Run B.**\\n'
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMS:
        takes = ", ".join(FORMS)
        raise BadInput("out", f"out is {shown(path)}: it takes a name that ends in {takes}.")
    return FORMS[ending]
