"""Make the built pages light: one style sheet, one script, icons in the page, nothing unused.

Jupyter Book and its theme bring a dozen scripts and as many style sheets to every page. Which of
them a page needs is said here; a script that is not known here stops the build.
"""

import hashlib
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from widgets.pages import icons, node, policy, stacked

HERE = Path(__file__).parent
FRONT = HERE.parent / "front"
# Of the scripts in `_static`, those that every page runs, in this order.
MERGED = (
    "documentation_options.js",
    "doctools.js",
    "clipboard.min.js",
    "copybutton.js",
    "scripts/sphinx-book-theme.js",
    "scripts/pydata-sphinx-theme.js",
)
# And those of the search page. It alone marks the words that were searched: on another page the
# theme would mark them in pictures and calculators too, and offer a link that no policy lets run.
SEARCH = ("searchtools.js", "sphinx_highlight.js", "language_data.js")
INDEX = "searchindex.js"
# Icons are in the page, tooltips are the browser's own, the one menu is in site.js, and tabs work
# without the script that keeps several sets in step.
LEFT_OUT = ("scripts/fontawesome.js", "scripts/bootstrap.js", "design-tabs.js")
# The colours must be known before anything is painted, so this one stands in the page itself.
FIRST = (FRONT / "first.js").read_text("utf-8").splitlines()[-1]
# Of the style sheets in `_static`, those kept whole, as are all in `vendor`: what they style may
# come into a page later.
WHOLE = {"book.css", "front.css", "pygments.css"}

SCRIPT = re.compile(r"[ \t]*<script\b([^>]*)>(.*?)</script>\n?", re.S)
STYLE = re.compile(r'[ \t]*<link\b(?=[^>]*rel="stylesheet")[^>]*href="([^"]*)"[^>]*>\n?')
PRELOAD = re.compile(r'[ \t]*<link rel="preload" as="script"[^>]*>\n?')
VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')


class Page:
    """One built page.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """

    def __init__(self, path: Path):
        self.path = path
        self.text = path.read_text("utf-8")
        root = re.search(r'<html[^>]*data-content_root="([^"]*)"', self.text)
        self.root = root[1] if root else None  # None: the redirection to the first page
        self.sheets = [self._file(href) for href in STYLE.findall(self.text)]

    def _file(self, address: str) -> Path:
        return (self.path.parent / urlsplit(address).path).resolve()

    def strip(self, static: Path, drawn: icons.Icons) -> None:
        """Take out what the theme put in, and leave what the page says."""
        text = STYLE.sub("", PRELOAD.sub("", self.text))
        text = text.replace(' data-theme="auto"', ' data-theme="light"')  # where no script runs
        text = SCRIPT.sub(lambda found: self._rewritten(found, static), text)
        first = VIEWPORT.search(text)
        if first:
            text = text[: first.end()] + VIEWPORT.sub("", text[first.end() :])
        if ' onclick="' in text:  # a policy that allows none would stop it without a word
            raise ValueError(f"{self.path.name}: a script in an attribute would not run")
        text = stacked.stacked(text.replace(" data-bs-title=", " title="))
        self.text = drawn.drawn(re.sub(r' data-bs-[\w-]+="[^"]*"', "", text))

    def _rewritten(self, found: re.Match, static: Path) -> str:
        attributes = found[1]
        source = re.search(r'\bsrc="([^"]*)"', attributes)
        kind = re.search(r'\btype="([^"]*)"', attributes)
        if kind and kind[1] in ("application/json", "importmap"):
            return found[0]
        if kind and kind[1] == "module":
            return found[0].replace("_static/../", "")
        if source:
            known = {static / name for name in (*MERGED, *SEARCH, *LEFT_OUT)}
            if self._file(source[1]) not in known | {static.parent / INDEX}:
                raise ValueError(f"{self.path.name}: light.py does not know {source[1]}")
        return ""  # settings of the scripts, and the state of widgets that no page revives

    def furnish(self, static: Path, sheet: str, scripts: dict[str, str], fonts: list[str]) -> None:
        """Name what the page loads, and state its policy."""
        if self.root is not None:
            at = f"{self.root}_static/"
            head = [
                f"<script>{FIRST}</script>",
                f'<link rel="stylesheet" href="{at}{sheet}">',
            ]
            if 'class="katex"' in self.text:
                early = '<link rel="preload" as="font" type="font/woff2" crossorigin href="'
                head += [f'{early}{at}{font}">' for font in fonts]
            head.append(f'<script defer src="{at}{scripts["site"]}"></script>')
            if self.path.name == "search.html":
                index = f"{self.root}{INDEX}?v={digest((static.parent / INDEX).read_bytes())}"
                head.append(f'<script defer src="{at}{scripts["search"]}"></script>')
                head.append(f'<script defer src="{index}"></script>')
            spot = VIEWPORT.search(self.text)
            assert spot is not None
            lines = "".join(f"\n    {line}" for line in head)
            self.text = self.text[: spot.end()] + lines + self.text[spot.end() :]
        self.text = policy.with_policy(self.text)

    def save(self) -> None:
        """Write the file."""
        self.path.write_text(self.text, "utf-8")


def digest(data: bytes) -> str:
    """Name a content by a few letters of its hash."""
    return hashlib.sha256(data).hexdigest()[:12]


def write(site: Path) -> None:
    """Make the pages of a built book light, once.

    Parameters
    ----------
    site : pathlib.Path
        What Jupyter Book wrote.

    Raises
    ------
    ValueError
        When a page has a script that is not known here.
    """
    site = site.resolve()
    static = site / "_static"
    drawn = icons.Icons(static)
    pages = [Page(path) for path in sorted(site.rglob("*.html")) if static not in path.parents]
    for page in pages:
        page.strip(static, drawn)
        page.save()
    made, scripts = _bundle(site, pages, drawn)
    sheet = next(name for name in made if name.endswith(".css"))
    # What nearly every formula is set in; the rest comes where a page asks for it.
    fonts = [name for name in made if re.match(r"KaTeX_(Main-Regular|Math-Italic)-", name)]
    for page in pages:
        page.furnish(static, sheet, scripts, sorted(fonts))
        page.save()
    _clear(static, {*made, *scripts.values()}, pages)


def _bundle(site: Path, pages: list[Page], drawn: icons.Icons):
    """Write the style sheet with its fonts, and the scripts; give back their names."""
    static = site / "_static"
    linked = dict.fromkeys(sheet for page in pages for sheet in page.sheets)
    sheets = [
        {
            "path": str(path),
            "text": path.read_text("utf-8"),
            "purge": static in path.parents and path.name not in WHOLE,
        }
        for path in linked
    ]
    own = next(i for i, one in enumerate(sheets) if Path(str(one["path"])).name == "book.css")
    icon_sheet = {"path": str(static / "icons.css"), "text": drawn.css(), "purge": True}
    sheets[own:own] = [{"path": "katex/dist/katex.css", "purge": True}, icon_sheet]
    merged = [str(static / name) for name in MERGED] + [
        str(FRONT / "top.js"),
        str(HERE / "site.js"),
    ]
    search = [*(str(static / name) for name in SEARCH), str(HERE / "search.js")]
    front = [str(path) for path in (site / "vendor").rglob("*.js") if path.stat().st_size < 200_000]
    done = node.run(
        "light.cjs",
        {
            "styles": {
                "sheets": sheets,
                "pages": [str(page.path) for page in pages],
                "scripts": [*merged, *search, *front],
                "out": str(static),
            },
            "scripts": {"site": merged, "search": search},
        },
    )
    names = {}
    for name, code in done["scripts"].items():
        names[name] = f"{name}-{digest(code.encode())}.js"
        (static / names[name]).write_text(code, "utf-8")
    return done["files"], names


def _clear(static: Path, kept: set[str], pages: list[Page]) -> None:
    """Remove the files of the theme that no page asks for any more."""
    named = {found for page in pages for found in re.findall(r'_static/([^"?#\s]+)', page.text)}
    for path in sorted(static.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                shutil.rmtree(path)
        elif path.name not in kept and path.relative_to(static).as_posix() not in named:
            path.unlink()
