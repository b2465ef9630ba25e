"""The server: what it gives, what it keeps to itself, and how it stops."""

import http.client
import json
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.sync.client import connect

from widgets import build
from widgets.serve import app_names


def kernel_of(html: str) -> str:
    return re.search(r'"kernelId": "([\w-]+)"', html)[1]


def raw(site: str, path: str) -> tuple[int, str]:
    """Ask for a path as it stands: urllib would tidy away the dots."""
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def test_health(site, fetch):
    status, text = fetch(f"{site}/healthz")
    assert status == 200
    assert json.loads(text)["status"] == "ok"


def test_the_list_of_apps(site, fetch):
    status, text = fetch(f"{site}/apps")
    assert status == 200
    assert re.findall(r'href="/apps/([\w-]+)"', text) == app_names()


@pytest.mark.parametrize("name", app_names())
def test_an_app_without_a_browser(site, fetch, name):
    status, text = fetch(f"{site}/apps/{name}")
    assert status == 200
    assert "application/vnd.jupyter.widget-view+json" in text
    assert '<p role="alert">' not in text
    assert "widgets.host" not in text, "the source of the notebook is not for the reader"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", app_names())
def test_an_app_in_a_browser(visit, name, scheme):
    page = visit(f"/apps/{name}", scheme=scheme)
    page.wait_for_selector("main .lc input, main .lc select")
    assert not page.locator("#status").is_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (brightness[0] > brightness[1]) == (scheme == "dark")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ["/apps/nope", "/nope.html", "/book/", "/apps/vram/more"])
def test_what_is_not_there_is_a_short_page(site, path):
    status, text = raw(site, path)
    assert status in (403, 404)
    assert 'href="/apps/' in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/apps/vram.ipynb",
        "/apps/../1-law",
        "/apps/..%2f1-law",
        "/apps/%2e%2e%2f1-law",
        "/voila/render/vram.ipynb",
        "/voila/render/..%2f1-law.ipynb",
        "/voila/files/vram.ipynb",
        "/voila/files/../../pyproject.toml",
        "/voila/tree",
        "/voila/tree/",
        "/voila/api/contents",
        "/voila/templates/lab/static/../../../../../../etc/passwd",
        "/voila/static/../../../../../../../../etc/passwd",
        "/voila/labextensions/../../../../../../../etc/passwd",
        "/api/contents/vram.ipynb",
        "/api/kernels",
        "/api/sessions",
        "/api/terminals",
        "/pyproject.toml",
        "/../pyproject.toml",
        "/../../pyproject.toml",
        "/%2e%2e/%2e%2e/pyproject.toml",
        "/..%5c..%5cpyproject.toml",
        "//etc/passwd",
        "/.git/config",
        "/_build/key",
        "/widgets/serve.py",
    ],
)
def test_nothing_else_is_served(site, path):
    status, text = raw(site, path)
    assert status in (301, 302, 400, 403, 404)
    assert "Traceback" not in text
    assert "root:" not in text
    assert "[project]" not in text


def test_a_page_runs_no_code_of_its_visitor(site, fetch):
    html = fetch(f"{site}/apps/{app_names()[0]}")[1]
    address = site.replace("http", "ws") + f"/api/kernels/{kernel_of(html)}/channels"
    with connect(address) as socket:
        for number, kind in enumerate(("execute_request", "kernel_info_request")):
            header = {"msg_id": str(number), "msg_type": kind, "session": "s", "username": "",
                      "version": "5.3", "date": "2026-01-01T00:00:00Z"}  # fmt: skip
            content = {"code": "print('in' + 'truder')", "silent": False} if number == 0 else {}
            message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
            socket.send(json.dumps(message | {"channel": "shell", "buffers": []}))
        heard = []
        while "kernel_info_reply" not in "".join(heard):
            heard.append(str(socket.recv(timeout=20)))
    assert "intruder" not in "".join(heard)
    assert "execute_reply" not in "".join(heard)


def test_another_site_cannot_talk_to_a_kernel(site, fetch):
    html = fetch(f"{site}/apps/{app_names()[0]}")[1]
    address = site.replace("http", "ws") + f"/api/kernels/{kernel_of(html)}/channels"
    with pytest.raises(Exception, match="403"):
        connect(address, origin="http://elsewhere.example")


@pytest.mark.slow
def test_seats_are_counted_and_freed(server, fetch):
    app = f"/apps/{app_names()[0]}"
    with server("--seats", "2", "--ready", "0", "--idle", "10") as (address, _):
        with ThreadPoolExecutor(6) as readers:
            answers = list(readers.map(lambda _: fetch(address + app), range(6)))
        assert sorted(status for status, _ in answers) == [200, 200, 503, 503, 503, 503]
        assert all("All seats are taken" in text for status, text in answers if status == 503)
        assert fetch(address)[0] == 200, "the book is read all the same"
        until = time.monotonic() + 60
        while json.loads(fetch(f"{address}/healthz")[1])["sessions"] and time.monotonic() < until:
            time.sleep(0.5)
        assert fetch(address + app)[0] == 200


def test_an_app_that_fails_tells_no_secrets(server, fetch, tmp_path):
    notebook = json.loads((build.ROOT / "book" / "apps" / f"{app_names()[0]}.ipynb").read_text())
    notebook["cells"][0]["source"] = "raise ValueError('a secret of the server')"
    (tmp_path / "broken.ipynb").write_text(json.dumps(notebook))
    program = (
        "import sys, pathlib, widgets.serve as s;"
        f"s.APPS = pathlib.Path({str(tmp_path)!r}); sys.exit(s.main())"
    )
    for ready in "01":
        with server("--ready", ready, program=("-c", program)) as (address, _):
            _, text = fetch(f"{address}/apps/broken")
        assert '<p role="alert">' in text
        assert "secret" not in text
        assert "Traceback" not in text


@pytest.mark.parametrize("wait_s", [0, 3], ids=["while kernels start", "when all is ready"])
def test_ctrl_c_stops_it_at_once(server, wait_s):
    with server() as (_, process):
        time.sleep(wait_s)
        kernels = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
        assert time.monotonic() - began < 5
    assert process.returncode == 0
    assert "Traceback" not in said
    assert "Error" not in said
    assert not psutil.wait_procs(kernels, timeout=2)[1]


def test_a_taken_port_is_said_in_a_line(site, server):
    import subprocess
    import sys

    port = str(urlsplit(site).port)
    command = [sys.executable, "-m", "widgets.serve", "--port", port]
    done = subprocess.run(command, cwd=build.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.browser
def test_leaving_a_page_ends_its_kernel(site, browser, fetch):
    """The farewell of a closed page is let in."""
    page, refused = browser.new_page(), []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 403 else None)
    page.goto(f"{site}/apps/{app_names()[0]}")
    page.wait_for_selector("main .lc")
    taken = json.loads(fetch(f"{site}/healthz")[1])["sessions"]
    page.goto(f"{site}/book/intro.html")
    deadline = time.monotonic() + 10
    while json.loads(fetch(f"{site}/healthz")[1])["sessions"] >= taken:
        assert time.monotonic() < deadline, "the kernel outlived its page"
        time.sleep(0.2)
    page.close()
    assert not refused
