"""The server: what it gives, what it keeps to itself, and how it stops."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from benchmarks.load import PROTOCOL, Reader
from llmcap_kernel.refuse import BadInput
from tests.conftest import faded, settle
from widgets.pages import build
from widgets.server import settings, visitors
from widgets.server.handlers import app_names

PATIENCE_S = 120  # a machine of two cores may be busy; no answer's time is tested


def raw(site: str, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Ask for a path as it stands: urllib would tidy away the dots."""
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=PATIENCE_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def health(site) -> dict:
    return json.loads(raw(site, "/healthz")[1])


def wait_for(site, condition) -> None:
    """Wait until the server says of itself what is wanted."""
    until = time.monotonic() + PATIENCE_S
    while not condition(health(site)):
        assert time.monotonic() < until, health(site)
        time.sleep(0.2)


@pytest.fixture
def reader(site):
    """A function that opens an app as a page does; every kernel is given back in the end."""
    readers = []

    def opened(name="vram", query=""):
        readers.append(Reader(site, name, query))
        return readers[-1]

    yield opened
    for one in readers:
        one.leave()


def test_health_says_how_much_room_there_is(site):
    wait_for(site, lambda said: said["ready"])
    said = health(site)
    assert said["status"] == "ok"
    assert said["warm"] >= 1
    assert 0 <= said["sessions"] < said["seats"]


@pytest.mark.parametrize("name", app_names())
def test_the_name_of_an_app_leads_to_it(site, name):
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=30)
    connection.request("GET", f"/{name}?ctx=9k&users=4")
    answer = connection.getresponse()
    assert answer.status == 302
    assert answer.headers["Location"] == f"/apps/{name}?ctx=9k&users=4"


@pytest.mark.parametrize("path", ["/book/intro.html", "/apps", "/healthz", "/nope", "/api/nope"])
def test_every_answer_says_what_it_may_load_and_who_may_frame_it(site, path):
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=30)
    connection.request("GET", path)
    headers = connection.getresponse().headers
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'self'"
    assert "unsafe-inline" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]
    assert not re.search(r"https?:|\*", headers["Content-Security-Policy"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_who_may_frame_the_pages_is_set(server):
    with server("--ready", "0", "--embed", "https://wiki.example.com") as (address, _):
        for path in ("/book/intro.html", "/apps", "/healthz"):
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
            connection.request("GET", path)
            policy = connection.getresponse().headers["Content-Security-Policy"]
            assert policy.endswith("frame-ancestors 'self' https://wiki.example.com") or (
                "frame-ancestors 'self' https://wiki.example.com;" in policy
            )


def test_the_list_of_apps(site, fetch):
    status, text = fetch(f"{site}/apps")
    assert status == 200
    assert set(re.findall(r'href="/apps/([\w-]+)"', text)) == set(app_names())


@pytest.mark.parametrize("name", app_names())
def test_an_app_without_a_browser(site, fetch, name):
    status, text = fetch(f"{site}/apps/{name}")
    assert status == 200
    assert "application/vnd.jupyter.widget-view+json" in text
    assert '<dl class="lc-headline">' in text, "the numbers are read before any script runs"
    assert '<p role="alert">' not in text
    assert "widgets.host" not in text, "the source of the notebook is not for the reader"


@pytest.mark.browser
@pytest.mark.parametrize("name", app_names())
def test_an_app_in_a_browser(visit, name):
    page = visit(f"/apps/{name}", scheme="dark")
    page.wait_for_selector("main .lc[data-seq]")
    assert not page.locator("#status").is_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        faded(page, scheme)
        colours = page.evaluate(
            """() => { const { color, backgroundColor } = getComputedStyle(document.body);
            return [color, backgroundColor]; }"""
        )
        ink, paper = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
        assert (ink > paper) == (scheme == "dark")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        settle(page)  # charts redraw at the new width
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
        "/api/kernels/",
        "/api/kernels/00000000-0000-4000-8000-000000000000",
        "/api/kernels/00000000-0000-4000-8000-000000000000/channels",
        "/voila/query/00000000-0000-4000-8000-000000000000",
        "/voila/labextensions/jupyterlab-plotly/package.json",
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


COMMANDS = (
    "execute_request",
    "complete_request",
    "inspect_request",
    "history_request",
    "is_complete_request",
    "interrupt_request",
    "shutdown_request",
    "debug_request",
    "create_subshell_request",
    "input_reply",
)


def test_a_page_runs_no_code_of_its_visitor(reader):
    page = reader()
    page.attach()
    told = {"code": "print('in' + 'truder')", "silent": False, "cursor_pos": 3}
    told |= {"value": "x", "restart": False, "command": "initialize", "arguments": {}}
    for users, kind in enumerate(COMMANDS, 5):
        for channel in ("shell", "control", "stdin"):
            page.say(kind, told, channel)
        page.say("kernel_info_request", {})
        heard = []
        while "kernel_info_reply" not in heard:
            said, content = page.hear(20)
            heard.append(said)
            assert "intruder" not in str(content), kind
        assert not set(heard) - {"status", "kernel_info_reply"}, kind
        assert f"users={users}" in page.move({"users": users})["query"], f"{kind} stopped it"


def test_a_page_makes_no_widgets_of_its_own(reader):
    page = reader()
    page.attach()
    state = {"_model_name": "TextModel", "_model_module": "@jupyter-widgets/controls"}
    made = {"comm_id": "mine", "target_name": "jupyter.widget", "data": {"state": state}}
    page.say("comm_open", made)
    page.say("kernel_info_request", {})
    page.heard(lambda kind, _: True if kind == "kernel_info_reply" else None)
    page.say("comm_info_request", {})
    comms = page.heard(lambda kind, content: content if kind == "comm_info_reply" else None)
    assert "mine" not in comms["comms"]


def test_what_a_kernel_prints_is_not_for_the_page(reader):
    page = reader()
    page.attach()
    bad = {"method": "update", "state": {"view": {}}, "buffer_paths": [["view", 3]]}
    page.say("comm_msg", {"comm_id": page.model, "data": bad})
    page.say("comm_msg", {"comm_id": "nobody's", "data": {}})
    page.say("kernel_info_request", {})
    kinds = []
    while "kernel_info_reply" not in kinds:
        kinds.append(page.hear(20)[0])
    assert not {"stream", "error"} & set(kinds)


def test_a_piece_of_a_file_passes_and_more_ends_the_connection(reader):
    page = reader()
    page.attach()
    data = {"method": "custom", "content": {"padding": "x" * (3 << 19)}}
    page.say("comm_msg", {"comm_id": page.model, "data": data})
    assert page.move({"users": 5})["query"]
    # the server may hang up while the last bytes are on their way
    with pytest.raises(Exception, match=r"1009|too big|no close frame"):
        page.say("kernel_info_request", {"padding": "x" * (3 << 20)})
        for _ in range(20):
            page.hear(20)


def test_a_flood_waits_and_loses_nothing(reader):
    page = reader()
    page.attach()
    for _ in range(300):
        page.say("kernel_info_request", {})
    began, replies = time.monotonic(), 0
    while replies < 300:
        replies += page.hear(20)[0] == "kernel_info_reply"
    assert time.monotonic() - began > 0.5, "300 at once are over the rate"


def test_a_kernel_is_only_looked_at(site, reader):
    page = reader()
    for method in ("POST", "DELETE", "PUT", "PATCH"):
        for path in ("", "/restart", "/interrupt"):
            status, text = raw(site, f"/api/kernels/{page.kernel}{path}", method)
            assert status in (403, 404, 405), f"{method} {path}: {text}"
        assert raw(site, "/api/kernels", method)[0] in (403, 404, 405), method
        assert raw(site, f"/apps/{app_names()[0]}", method)[0] in (403, 405), method
    status, text = raw(site, f"/api/kernels/{page.kernel}")
    assert (status, json.loads(text)["id"]) == (200, page.kernel)


def test_another_site_cannot_talk_to_a_kernel(site, reader):
    page = reader()
    elsewhere = "http://elsewhere.example"
    with pytest.raises(InvalidStatus, match="403"):
        connect(page.channels, origin=elsewhere, subprotocols=[PROTOCOL], legacy=True)
    farewell = f"/voila/api/shutdown/{page.kernel}"
    assert raw(site, farewell, "POST", Origin=elsewhere)[0] == 403
    assert page.attach()


def test_a_kernel_is_not_found_without_its_name(site, reader):
    """What the server gives to others holds no kernel's id."""
    page = reader()
    for path in ("/healthz", "/apps", "/api/kernels", "/book/intro.html", "/nope"):
        assert page.kernel not in raw(site, path)[1]
    assert page.kernel not in Reader(site, app_names()[0]).html


@pytest.mark.slow
def test_seats_are_counted_and_freed(server, fetch):
    app = f"/apps/{app_names()[0]}"
    with server("--seats", "2", "--ready", "0", "--idle", "2") as (address, _):
        seated = [Reader(address, app_names()[0]) for _ in range(2)]
        for one in seated:
            one.attach()
        with ThreadPoolExecutor(4) as readers:
            answers = list(readers.map(lambda _: fetch(address + app), range(4)))
        assert [status for status, _ in answers] == [503] * 4
        assert all("All seats are taken" in text for _, text in answers)
        assert fetch(address)[0] == 200, "the book is read all the same"
        for one in seated:
            one.leave()
        wait_for(address, lambda said: not said["sessions"])
        assert fetch(address + app)[0] == 200


def test_one_address_leaves_seats_for_others(server):
    def ask(address, visitor):
        told = {"X-Forwarded-For": visitor}
        return raw(address, f"/apps/{app_names()[0]}", **told)

    options = ("--seats", "3", "--seats-each", "1", "--ready", "0", "--behind-proxy")
    with server(*options) as (address, _):
        assert ask(address, "192.0.2.1")[0] == 200
        status, text = ask(address, "192.0.2.1")
        assert status == 429
        assert "1 app is open at your address" in text
        assert ask(address, "192.0.2.2")[0] == 200
        assert raw(address, "/book/intro.html")[0] == 200


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.9,192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::77", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_an_address_is_what_one_reader_has(told, counted):
    request = SimpleNamespace(remote_ip="127.0.0.1", headers={"X-Forwarded-For": told})
    handler = SimpleNamespace(request=request, settings={"behind_proxy": True})
    assert visitors.address(handler) == counted
    handler.settings["behind_proxy"] = False
    assert visitors.address(handler) == "127.0.0.1"


@pytest.mark.slow
def test_an_app_that_fails_tells_no_secrets(server, fetch, tmp_path):
    notebook = json.loads((build.ROOT / "book" / "apps" / f"{app_names()[0]}.ipynb").read_text())
    notebook["cells"][0]["source"] = "raise ValueError('a secret of the server')"
    (tmp_path / "broken.ipynb").write_text(json.dumps(notebook))
    program = (
        "import sys, pathlib, widgets.server.handlers as h, widgets.server.serve as s;"
        f"h.APPS = pathlib.Path({str(tmp_path)!r}); sys.exit(s.main())"
    )
    for ready in "01":
        with server("--ready", ready, program=("-c", program)) as (address, _):
            _, text = fetch(f"{address}/apps/broken")
        assert '<p role="alert">' in text
        assert "secret" not in text
        assert "Traceback" not in text


@pytest.mark.parametrize("wait_s", [0, 3], ids=["while kernels start", "when all is ready"])
def test_ctrl_c_stops_it_and_every_kernel(server, wait_s):
    with server() as (_, process):
        time.sleep(wait_s)
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in said
    assert "Error" not in said
    assert not psutil.wait_procs(started, timeout=20)[1]


def test_a_taken_port_is_said_in_a_line(site, server):
    port = str(urlsplit(site).port)
    command = [sys.executable, "-m", "widgets.server", "--port", port]
    done = subprocess.run(command, cwd=build.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_shared_address_is_named_by_its_answer(site, reader):
    page = reader("calculate", "gpu=mi300x&tp=1").html
    title = r"Llama 3.1 70B in FP8 on 1 x Instinct MI300X: \S+ tok/s"
    assert re.search(rf"<title>{title} - llmcap</title>", page)
    assert f'property="og:image" content="{site}/apps/calculate.png?v=' in page


def test_it_listens_where_addresses_are_long(site):
    """IPv6, in a terminal that has ASCII alone."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 on this machine")
        port = probe.getsockname()[1]
    # A chapter's name may be told while the book is built.
    told = "s.build.ensure = lambda say, ensure=s.build.ensure: (say('\\u65e5'), ensure(say))"
    program = f"import sys, widgets.server.serve as s; {told}; sys.exit(s.main())"
    command = [sys.executable, "-c", program, "--host", "::1", "--port", str(port)]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    with subprocess.Popen(
        [*command, "--ready", "0"], cwd=build.ROOT, env=ascii_only, stdout=subprocess.PIPE
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line.decode("ascii"))
            if "read the book at" in said[-1]:
                break
        answers = raw(f"http://[::1]:{port}", "/healthz")
        process.terminate()
        assert process.wait(60) == 0
    assert answers[0] == 200
    assert said[0] == "llmcap: \\u65e5\n"
    assert said[-1].endswith(f" http://[::1]:{port}/\n")


@pytest.mark.browser
def test_leaving_a_page_ends_its_kernel(site, browser):
    """The farewell of a closed page is let in."""
    page, refused = browser.new_page(), []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 403 else None)
    page.goto(f"{site}/apps/{app_names()[0]}")
    page.wait_for_selector("main .lc[data-seq]")
    taken = health(site)["sessions"]
    page.goto(f"{site}/book/intro.html")
    wait_for(site, lambda said: said["sessions"] < taken)
    page.close()
    assert not refused


@pytest.mark.browser
def test_a_page_whose_kernel_is_gone_comes_back_with_its_inputs(server, browser):
    with server("--seats", "3", "--ready", "1") as (address, process):
        page = browser.new_page()
        page.goto(f"{address}/apps/vram?users=3")
        page.wait_for_selector("main .lc[data-seq]", timeout=PATIENCE_S * 1000)
        for kernel in psutil.Process(process.pid).children():
            kernel.kill()
        box = page.locator("main .lc[data-seq] input[type=text][name=users]")
        box.fill("7")
        box.press("Enter")
        page.wait_for_url(f"{address}/apps/vram?*users=7*", timeout=PATIENCE_S * 1000)
        page.wait_for_selector("main .lc[data-seq]", timeout=PATIENCE_S * 1000)
        assert box.input_value() == "7"
        page.close()
        process.terminate()
        said, _ = process.communicate(timeout=60)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seats = 0", "seats is 0"),
        ("seets = 5", "Did you mean seats"),
        ('port = "http"', "port is 'http'"),
        ('embed = ["https://a.example; script-src *"]', "embed is"),
        ('base = "/a b/"', "base is"),
        ('hosts = ["https://a.example"]', "hosts is"),
        ("connections = 0", "connections is 0"),
        ("kernel_mib = 10", "kernel_mib is 10"),
        ("behind_proxy = 1", "true or false"),
        ("seats = ", "config"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, line, said):
    (tmp_path / "serve.toml").write_text(line)
    with pytest.raises(BadInput, match=re.escape(said)) as refused:
        settings.read(tmp_path / "serve.toml")
    assert "\n" not in str(refused.value).strip()


def test_a_flag_wins_over_the_file(tmp_path):
    (tmp_path / "serve.toml").write_text('seats = 7\nready = 3\nbase = "tools"')
    chosen = settings.read(tmp_path / "serve.toml", seats=9, ready=None)
    assert (chosen.seats, chosen.ready, chosen.base) == (9, 3, "/tools/")


def test_the_file_of_the_repository_shows_the_defaults():
    assert settings.read() == settings.Settings()
    assert set(tomllib.loads(settings.FILE.read_text())) == set(settings.Settings.__annotations__)
