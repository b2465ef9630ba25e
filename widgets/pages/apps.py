"""The calculators' own pages in the static book, and the head that every page shares.

A calculator has the same address here as on the server, ``apps/calculate`` with its inputs as the
query: there a kernel answers, here the page's worker.
"""

import json
from functools import cache
from pathlib import Path

import yaml
from docutils import nodes
from docutils.utils import new_document

from widgets import session
from widgets.page import h, static_html, words

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Path(__file__).parent / "templates"


@cache
def site_map() -> dict[str, list[tuple[str, str]]]:
    """The pages that the head of every page leads to, each a name and a title."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [each["file"] for part in toc["parts"] for each in part["chapters"]]
    notebooks = [ROOT / f"{file}.ipynb" for file in files]
    return {
        "chapters": [(path.stem, _title(path)) for path in notebooks if path.exists()],
        "calculators": [(name, one.TITLE) for name, one in session.CALCULATORS.items()],
    }


def _title(path: Path) -> str:
    first = json.loads(path.read_text("utf-8"))["cells"][0]
    return "".join(first["source"]).splitlines()[0].removeprefix("# ")


def collect_pages(app):
    """Give Sphinx a page for each calculator, and one that lists them."""
    for name, calculator in session.CALCULATORS.items():
        view = session.Calculator(name).whole()
        body = static_html(view, apps="../../apps/", level=1)
        page = f"apps/{name}/index"
        app.builder.index_page(page, _searched(calculator), calculator.TITLE)
        yield _page(page, calculator.TITLE, body)
    items = [
        h("li", {}, h("a", {"href": f"{name}/"}, words(one.TITLE)), words(f": {one.LEAD}"))
        for name, one in session.CALCULATORS.items()
    ]
    yield _page("apps/index", "Calculators", h("h1", {}, "Calculators") + h("ul", {}, items))


def _searched(calculator) -> nodes.document:
    """What the search knows of a calculator: its title, what it does, and its inputs."""
    page = new_document("")
    words = [calculator.TITLE, calculator.LEAD, *(f.label for f in calculator.FORM.fields)]
    page += [nodes.paragraph("", text) for text in words]
    return page


def _page(name: str, title: str, body: str) -> tuple[str, dict, str]:
    # A calculator wants the width that chapters give to their tables of contents.
    more = {"sidebars": [], "secondary_sidebar_items": [], "sourcename": "", "parents": []}
    body = f'<div class="lt-app">{body}</div>'
    return name, more | {"title": title, "body": body, "meta": {}}, "page.html"


def add_head(app, pagename, templatename, context, doctree) -> None:
    """Give a page what its head names."""
    context.update(site_map())
