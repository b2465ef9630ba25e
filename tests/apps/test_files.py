"""The book as files of nginx and of Caddy, by the lines of the page on hosting."""

import shutil
import urllib.request

import pytest

from tests import hosting
from tests.conftest import watch
from widgets.pages import build


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def files(request, static_site, tmp_path_factory):
    """The address of the book; `static_site` has it built."""
    kind, folder = request.param, tmp_path_factory.mktemp("files")
    if not shutil.which(kind):
        pytest.skip(f"no {kind} on this machine")
    (folder / "llmcap").symlink_to(build.SITE)
    given = hosting.lines(kind, "/srv/www").replace("/srv/www", str(folder))
    with hosting.running(kind, given, folder) as address:
        yield f"{address}/llmcap"


def test_a_page_comes_packed_and_with_what_a_host_alone_can_say(files):
    asked = urllib.request.Request(
        f"{files}/book/intro.html", headers={"Accept-Encoding": "br, gzip"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        told = answer.headers
        length = len(answer.read())
    assert told["Content-Encoding"] in ("br", "gzip")
    packed = {"br": ".br", "gzip": ".gz"}[told["Content-Encoding"]]
    assert length == (build.SITE / "book" / f"intro.html{packed}").stat().st_size
    assert told["Content-Type"].startswith("text/html")
    assert told["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert told["Referrer-Policy"] == "same-origin"
    assert told["X-Content-Type-Options"] == "nosniff"


@pytest.mark.browser
def test_a_calculator_comes_alive(files, browser):
    """Python's own files come with types that a browser takes."""
    context, faults = browser.new_context(), []
    page = context.new_page()
    watch(page, files, faults)
    page.goto(f"{files}/apps/vram/")
    root = page.locator("section.lc[data-query]").first
    root.scroll_into_view_if_needed()
    page.wait_for_selector("section.lc[data-live]", state="attached", timeout=90_000)
    context.close()
    assert not faults
