"""The calculators' own pages in the static book, and the head that every page shares.

A calculator has the same address here as on the server, ``apps/calculate`` with its inputs as the
query: there a kernel answers, here the page's worker.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

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


class Tool(NamedTuple):
    """What a calculator is for.

    Attributes
    ----------
    name, title : str
        Of its page.
    does : str
        In a line, as a menu says it.
    words : str
        What a reader may search for who does not know its name.
    asked : bool
        Whether it takes a question in words.
    """

    name: str
    title: str
    does: str
    words: str
    asked: bool


DOES = {
    "calculate": ("how fast, how soon, for how many users and at what price?",
                  "config.json launch command speed latency throughput cost token gap"),
    "design": ("what to run for these limits and this budget, and why not the next one?",
               "budget limits recommend search cheapest slo"),
    "vram": ("does it fit, and how many users does it hold?",
             "config.json start-up log memory kv cache fit oom gguf"),
    "cliff": ("how many users are left as the context grows?", "long context memory cache"),
    "scorecard": ("which of up to four deployments meets my limits?", "limits slo side by side"),
    "compare": ("from which load on is one deployment ahead of another?",
                "versus crossing curves chart context users"),
    "validate": ("score your own benchmark file: how far is it from the prediction?",
                 "benchmark results score measured json csv log accuracy file"),
}  # fmt: skip


def tools() -> list[Tool]:
    """List the calculators in the order of the menu."""
    return [
        Tool(name, one.TITLE, *DOES[name], hasattr(one, "ASKS"))
        for name, one in session.CALCULATORS.items()
    ]


def tool_list(apps: str) -> str:
    """Write them as a list of links.

    Parameters
    ----------
    apps : str
        Where the calculators' pages are, seen from the page.
    """
    items = [
        h("li", {}, h("a", {"href": f"{apps}{one.name}"}, words(one.title)), words(f": {one.does}"))
        for one in tools()
    ]
    return h("div", {"class": "lf-tools"}, h("ul", {}, items))


@cache
def site_map() -> dict[str, list]:
    """The pages that the head of every page leads to: those of the book by part, each a name and a
    title, and the tools."""
    parts = [(part["caption"], [Path(one["file"]) for one in part["chapters"]])
             for part in _contents()["parts"]]  # fmt: skip
    return {
        "parts": [
            (caption, [(file.name, _title(file)) for file in files]) for caption, files in parts
        ],
        "calculators": tools(),
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
