"""The calculators' own pages in the static book, and the head that every page shares.

A calculator has the same address here as on the server, ``apps/calculate`` with its inputs as the
query: there a kernel answers, here the page's worker.
"""

import json
import re
from functools import cache
from pathlib import Path

import yaml

from widgets import session
from widgets.page import h, static_html, words

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Path(__file__).parent / "templates"
TITLE = re.compile(r"^# (.+)", re.M)


def _contents() -> dict:
    return yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))


def pages() -> list[str]:
    """List the pages of the book in the order of its table of contents, such as "book/1-law"."""
    toc = _contents()
    return [toc["root"], *(one["file"] for part in toc["parts"] for one in part["chapters"])]


@cache
def site_map() -> dict[str, list]:
    """The pages that the head of every page leads to, each a name and a title, those of the book
    by part."""
    parts = [(part["caption"], [Path(one["file"]) for one in part["chapters"]])
             for part in _contents()["parts"]]  # fmt: skip
    return {
        "parts": [
            (caption, [(file.name, _title(file)) for file in files]) for caption, files in parts
        ],
        "calculators": [(name, one.TITLE) for name, one in session.CALCULATORS.items()],
    }


def _title(file: Path) -> str:
    written = ROOT / f"{file}.md"
    if written.exists():
        text = written.read_text("utf-8")
    else:
        text = "".join(
            json.loads((ROOT / f"{file}.ipynb").read_text("utf-8"))["cells"][0]["source"]
        )
    return TITLE.findall(text)[0]


def collect_pages(app):
    """Give Sphinx a page for each calculator, and one that lists them."""
    for name, calculator in session.CALCULATORS.items():
        view = session.Calculator(name).whole()
        body = static_html(view, apps="../../apps/", level=1)
        yield _page(f"apps/{name}/index", calculator.TITLE, body)
    items = [
        h("li", {}, h("a", {"href": f"{name}/"}, words(one.TITLE)), words(f": {one.LEAD}"))
        for name, one in session.CALCULATORS.items()
    ]
    yield _page("apps/index", "Calculators", h("h1", {}, "Calculators") + h("ul", {}, items))


def _page(name: str, title: str, body: str) -> tuple[str, dict, str]:
    # A calculator wants the width that chapters give to their tables of contents.
    more = {"sidebars": [], "secondary_sidebar_items": [], "sourcename": "", "parents": []}
    body = f'<div class="lt-app">{body}</div>'
    return name, more | {"title": title, "body": body, "meta": {}}, "page.html"


def add_head(app, pagename, templatename, context, doctree) -> None:
    """Give a page what its head names."""
    context.update(site_map())
