"""What several folders of tests share: a browser, and the site with its apps on a free port."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

from llmcap_kernel.cli.sheet import find_chromium
from widgets.pages import build, chromium
from widgets.pages.served import served

# As the server has it: jsonschema would read a grammar of addresses that nobody here writes.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# CI asks the same questions every time, so that a red build is the change's own; a run by hand
# asks new ones. No example is timed: the machine may be busy.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("hand", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "hand")

# A page's Python is compiled once, simply: to compile it again for speed takes a second of a core
# in each of a hundred pages, which are closed before it is won back.
QUICK = "--js-flags=--liftoff-only"


def pytest_collection_modifyitems(items):
    """What takes longest begins first: no process is left alone with it in the end."""
    items.sort(key=lambda one: one.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def browser():
    """A Chromium. Without one the test is skipped, or fails where CI=true."""
    if find_chromium() is None:
        reason = "no Chromium on this machine: install one, or name it in CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = chromium.launch(playwright, QUICK)
        yield opened
        opened.close()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def start_server(*options: str, program: tuple[str, ...] = ("-m", "widgets.server"), under=()):
    """The server in a process of its own, as `make serve` starts it: its address and itself.

    `under` is a command that runs another one.
    """
    port = free_port()
    command = [*under, sys.executable, *program, "--port", str(port), *options]
    server = subprocess.Popen(
        command, cwd=build.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        said = []
        for line in server.stdout:
            said.append(line)
            if line.rstrip().endswith(f"{address}/"):
                break
        else:
            pytest.fail("the server did not start:\n" + "".join(said))
        yield address, server
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the book and its apps, built first if anything changed."""
    with start_server("--seats-each", "20") as (address, _):  # all tests have one address
        yield address


@pytest.fixture(scope="session")
def static_site(tmp_path_factory) -> Iterator[str]:
    """The built book under a path of a plain file server, the one that Python brings."""
    build.ensure(lambda line: None)
    folder = tmp_path_factory.mktemp("static")
    (folder / "some").mkdir()
    (folder / "some" / "path").symlink_to(build.SITE)
    with served(folder) as address:
        yield f"{address}/some/path"


@pytest.fixture(scope="session")
def server(site):
    """`start_server`, for a test that needs a server of its own; the book is built by then."""
    return start_server


@pytest.fixture
def faults() -> list[str]:
    """What went wrong in the pages that `visit` opened; `visit` fails the test if any is left."""
    return []


@pytest.fixture
def visit(browser, site, faults):
    """A function that opens a page of the site in a fresh window.

    The test fails in the end if a page wrote an error to the console, raised one, asked another
    host for anything, or had a request that failed or was answered by 400 or more.
    """
    contexts = []

    def visit(path: str, *, width: int = 1280, scheme: str = "light", javascript: bool = True):
        context = browser.new_context(
            base_url=site,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            java_script_enabled=javascript,
            service_workers="block",  # what is kept for a next visit is tests/book/test_live.py's
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # two cores also run the kernels
        watch(page, site, faults)
        page.goto(path, wait_until="load")
        return page

    yield visit
    seen = list(faults)  # closing a page aborts what it still loads, which is no fault
    for context in contexts:
        context.close()
    assert not seen, "\n".join(seen)


@pytest.fixture
def page(visit):
    """One window, watched as `visit` says, for `page.goto("/book/intro.html")`."""
    return visit("/healthz")


# A page's own entries: what a service worker or a page's Python asks for is none of them.
SETTLED = """() => {
  const finished = performance.getEntriesByType("resource").length;
  if (window.llmcapFinished !== finished) {
    window.llmcapFinished = finished;
    window.llmcapSince = performance.now();
  }
  const inWindow = [...document.querySelectorAll(".lc-figure:not([hidden])")].filter((figure) => {
    const { top, bottom } = figure.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  return document.readyState === "complete" && document.fonts.status === "loaded"
    && inWindow.every((figure) => figure.querySelector(".main-svg"))
    && performance.now() - window.llmcapSince > 500;
}"""


def settle(page) -> None:
    """Wait for fonts, the figures in the window, and half a second without a finished request."""
    page.wait_for_function(SETTLED, polling=50)


FADED = """() => Promise.allSettled(document.getAnimations()
  .filter((one) => one instanceof CSSTransition).map((one) => one.finished)).then(() => true)"""


def faded(page, scheme: str = "") -> None:
    """Wait until the page has taken the theme `scheme`, if any, and no colour fades any more."""
    if scheme:
        page.wait_for_selector(f"html[data-theme={scheme}]", state="attached")
    page.evaluate(FADED)


def watch(page, site: str, faults: list[str]) -> None:
    home = urlsplit(site).netloc

    def on_request(request):
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "about") and address.netloc != home:
            faults.append(f"asked another host: {request.url}")

    def on_response(response):
        if response.status >= 400:
            faults.append(f"{response.status}: {response.url}")

    def on_failure(request):
        # A page that is left stops what it still loads.
        if request.failure != "net::ERR_ABORTED":
            faults.append(f"failed: {request.url}")

    def on_console(message):
        # A failed load is told by the response, with its address.
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(f"console: {message.text}")

    page.on("request", on_request)
    page.on("websocket", on_request)
    page.on("response", on_response)
    page.on("requestfailed", on_failure)
    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"page error: {error}"))


def fetch(url: str) -> tuple[int, str]:
    """Status and text of one answer, errors included."""
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


@pytest.fixture(scope="session", name="fetch")
def _fetch():
    return fetch
