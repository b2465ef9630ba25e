"""The site under a path of a reverse proxy, which may keep that path or strip it.

A proxy of a few lines stands in for any; nginx and Caddy run the lines of the page on hosting where
they are on the path.
"""

import asyncio
import contextlib
import http.client
import shutil
import threading
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from benchmarks.load import Reader
from tests import hosting

UNDER = "/tools/llmcap"


class Proxy:
    """A reverse proxy on a free port that passes on what lies under `UNDER`, websockets too."""

    def __init__(self, site: str, keeps: bool):
        self.target, self.keeps = urlsplit(site), keeps
        self.astray: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        listening = asyncio.start_server(self._meet, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}{UNDER}"

    async def _meet(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin1").split("\r\n")
            method, path, version = first.split(" ")
            if not path.startswith(UNDER):
                self.astray.append(path)
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return writer.close()
            path = path if self.keeps else path.removeprefix(UNDER) or "/"
            lines = [*self._headers(lines), "", ""]
            there, back = await asyncio.open_connection(self.target.hostname, self.target.port)
            back.write("\r\n".join([f"{method} {path} {version}", *lines]).encode("latin1"))
            await asyncio.gather(self._pour(reader, back), self._pour(there, writer))
        writer.close()

    def _headers(self, lines):
        """As a proxy does that says its own name to the server behind it; one request each."""
        upgrade = any(line.lower().startswith("upgrade:") for line in lines)
        for line in filter(None, lines):
            name, _, value = line.partition(": ")
            if name.lower() == "host":
                yield f"X-Forwarded-Host: {value}"
                yield f"Host: {self.target.netloc}"
            elif name.lower() == "connection" and not upgrade:
                yield "Connection: close"
            else:
                yield line
        yield "X-Forwarded-For: 127.0.0.1"  # after what the visitor wrote there

    async def _pour(self, source, sink):
        with contextlib.suppress(OSError):
            while block := await source.read(1 << 16):
                sink.write(block)
                await sink.drain()
        sink.close()

    def stop(self):
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@contextlib.contextmanager
def of_the_page(name, lines, folder):
    with hosting.running(name, lines, folder) as address:
        yield SimpleNamespace(address=address + UNDER, astray=[])


@contextlib.contextmanager
def of_our_own(kind, site):
    proxy = Proxy(site, kind == "path kept")
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module", params=["path kept", "path stripped", "nginx", "caddy"])
def proxy(server, request, tmp_path_factory):
    kind, folder = request.param, tmp_path_factory.mktemp("proxy")
    if kind in ("nginx", "caddy") and not shutil.which(kind):
        pytest.skip(f"no {kind} on this machine")
    options = ("--base", UNDER, "--behind-proxy", "--ready", "1", "--seats-each", "2")
    with server(*options) as (site, _):
        if kind in ("nginx", "caddy"):
            lines = hosting.lines(kind, "reverse_proxy" if kind == "caddy" else "proxy_pass")
            lines = lines.replace("127.0.0.1:8866", urlsplit(site).netloc)
            made = of_the_page(kind, lines, folder)
        else:
            made = of_our_own(kind, site)
        with made as proxy:
            yield proxy


def test_a_visitor_is_counted_by_what_the_proxy_says_of_him(proxy):
    """Whatever he says himself, all comes from one address here, and that has two seats."""
    readers = [Reader(proxy.address, "vram"), Reader(proxy.address, "cliff")]
    claim = {"X-Forwarded-For": "10.0.0.1", "X-Real-Ip": "10.0.0.1"}
    connection = http.client.HTTPConnection(urlsplit(proxy.address).netloc, timeout=120)
    connection.request("GET", f"{UNDER}/apps/vram", headers=claim)
    assert connection.getresponse().status == 429
    for reader in readers:
        reader.leave()


def test_the_name_is_the_proxy_s_choice_unless_some_are_named(server, tmp_path):
    def asked(address, name):
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
        connection.request("GET", "/healthz", headers={"X-Forwarded-Host": name})
        return connection.getresponse().status

    with server("--behind-proxy", "--ready", "0") as (site, _):
        assert asked(site, "wiki.example.com") == 200
    (tmp_path / "serve.toml").write_text('hosts = ["wiki.example.com"]\nbehind_proxy = true')
    with server("--config", str(tmp_path / "serve.toml"), "--ready", "0") as (site, _):
        assert asked(site, "wiki.example.com") == 200
        assert asked(site, "evil.example") == 421


def test_a_kernel_answers_through_the_proxy(proxy):
    reader = Reader(proxy.address, "vram", "users=3")
    reader.attach()
    assert "users=4" in reader.move({"users": 4})["query"]
    reader.leave()


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("", "/book/intro.html"),
        ("/", "/book/intro.html"),
        ("/cliff?users=3", "/apps/cliff?users=3"),
        ("/apps", "/apps"),
    ],
)
@pytest.mark.browser
def test_redirects_stay_under_the_path(proxy, browser, path, leads_to):
    page = browser.new_page()
    page.goto(proxy.address + path)
    page.wait_for_url(f"{proxy.address}{leads_to}*")
    page.close()
    assert not proxy.astray


@pytest.mark.browser
def test_the_book_and_an_app_under_the_path(proxy, browser):
    """Pages, files, links, the websocket, and the address that is copied."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page, faults = context.new_page(), []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("response", lambda got: faults.append(got.url) if got.status >= 400 else None)
    page.goto(f"{proxy.address}/book/3-capacity.html")
    page.locator('article a[href*="apps/"]:visible').first.click()
    page.wait_for_url(f"{proxy.address}/apps/*")
    page.wait_for_selector("main .lc[data-seq] .lc-plot .main-svg")
    slider = page.locator("main .lc[data-seq] input[type=range]").first
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector('main .lc[data-seq="1"]')
    page.wait_for_url(f"{proxy.address}/apps/*v=*")
    page.evaluate("document.querySelector('.lc[data-seq] [data-act=copy]').click()")
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.length > 0)")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"{proxy.address}/apps/")
    page.click("header a")
    page.wait_for_url(f"{proxy.address}/book/intro.html")
    context.close()
    assert not faults
    assert not proxy.astray
