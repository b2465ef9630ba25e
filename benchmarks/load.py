"""Many readers at once: each opens an app and moves its inputs, as a page would.

    python benchmarks/load.py [--site ADDRESS] [--readers 30] [--minutes 2] [--pages 3]

Readers arrive over the first minute. Most speak the widgets' protocol over a websocket; a few are
real pages in Chromium. Without `--site` a server of its own is started. The exit status is 1 when
a reader saw an error, lost his kernel or got no answer within ten seconds.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

ROOT = Path(__file__).parents[1]
PROTOCOL = Subprotocol("v1.kernel.websocket.jupyter.org")
PATIENCE_S = 10
ARRIVE_S = 60
TRY_AGAIN_S = 10  # as the page does that says that all seats are taken
THINK_S = (0.3, 2.0)  # between two movements of a reader


class Full(RuntimeError):
    """A page that says that all seats are taken, and when to try again."""


class Reader:
    """One reader of an app: his page, its kernel, and the calculator on it.

    Parameters
    ----------
    site : str
        Address of the server, with the path of its proxy.
    name : str
        The app.
    query : str
        Inputs as the address spells them.
    source : str, optional
        The address to come from, such as "127.0.0.2".
    """

    def __init__(self, site, name, query="", source=None):
        self.site, self.seq, self.session = site.rstrip("/"), 0, uuid.uuid4().hex
        self.source = (source, 0) if source else None
        address = f"{self.site}/apps/{name}?{query}"
        status, self.html = self.ask("GET", f"/apps/{name}?{query}")
        if status in (429, 503) and "tries again" in self.html:
            raise Full(address)
        if status != 200:
            raise RuntimeError(f"{address} gave {status}: {self.html[-300:]}")
        config = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', self.html, re.S)
        model = re.search(r'"model_id": "(\w+)"', self.html)
        if not config or not model:
            raise RuntimeError(f"{address} came without a kernel: {self.html[-300:]}")
        self.kernel, self.model = json.loads(config[1])["kernelId"], model[1]
        self.channels = (
            f"{self.site.replace('http', 'ws', 1)}/api/kernels/{self.kernel}/channels"
            f"?session_id={self.session}"
        )
        self.socket = self.connect()

    def ask(self, method, path):
        """Ask for a path of the site: the status, and the text."""
        there = urlsplit(self.site)
        connection = http.client.HTTPConnection(there.netloc, None, 60, self.source)
        with contextlib.closing(connection):
            connection.request(method, there.path + path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    def connect(self, session=None, **options):
        """Open a websocket to the kernel, as this page or as another session."""
        return connect(
            re.sub("=.*", f"={session or self.session}", self.channels),
            legacy=True,
            subprotocols=[PROTOCOL],
            origin=Origin("://".join(urlsplit(self.site)[:2])),
            max_size=None,
            open_timeout=30,
            source_address=self.source,
            **options,
        )

    def say(self, kind, content, channel="shell", buffers=(), socket=None):
        """Send a message to the kernel."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self.session,
            "username": "",
            "version": "5.3",
            "date": "2026-01-01T00:00:00.000Z",
        }
        version = {"version": "1.0.0"} if kind == "comm_open" else {}  # of the control channel
        parts = [json.dumps(part).encode() for part in (header, {}, version, content)]
        (socket or self.socket).send(serialize_msg_to_ws_v1([*parts, *buffers], channel))

    def hear(self, seconds=PATIENCE_S):
        """Wait for the next message: its type and its content."""
        message = self.socket.recv(timeout=seconds)
        _, (header, _, _, content, *_) = deserialize_msg_from_ws_v1(message)
        return json.loads(header)["msg_type"], json.loads(content)

    def heard(self, wanted, seconds=PATIENCE_S):
        """Wait for a message of which `wanted(type, content)` makes something."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            found = wanted(*self.hear(left))
            if found is not None:
                return found
        raise TimeoutError(f"no answer within {seconds} s")

    def attach(self):
        """Ask for the widgets as a page does, and give the calculator's view."""
        comm = uuid.uuid4().hex
        self.say(
            "comm_open", {"comm_id": comm, "target_name": "jupyter.widget.control", "data": {}}
        )
        self.say("comm_msg", {"comm_id": comm, "data": {"method": "request_states"}})

        def states(kind, content):
            if kind == "comm_msg" and content["data"]["method"] == "update_states":
                return content["data"]["states"]
            return None

        state = self.heard(states)[self.model]["state"]
        # Long lists travel once, apart from the view that names them.
        lists = state["lists"]
        for control in state["view"]["controls"]:
            for key, value in control.items():
                if isinstance(value, dict) and value.get("list"):
                    control[key] = lists[value["list"]]
        return state["view"]

    def move(self, values):
        """Change inputs, and give the view that answers."""
        self.seq += 1
        state = {"values": values, "seq": self.seq, "client": self.session}
        data = {"method": "update", "state": {"state": state}, "buffer_paths": []}
        self.say("comm_msg", {"comm_id": self.model, "data": data})

        def answer(kind, content):
            view = content.get("data", {}).get("state", {}).get("view", {})
            mine = kind == "comm_msg" and view.get("client") == self.session
            return view if mine and view["seq"] == self.seq else None

        return self.heard(answer)

    def leave(self):
        """Close the page, which ends its kernel."""
        self.socket.close()
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.ask("POST", f"/voila/api/shutdown/{self.kernel}")


@dataclass
class Seen:
    """What the readers saw."""

    first_s: list = field(default_factory=list)
    answer_s: list = field(default_factory=list)
    chart_s: list = field(default_factory=list)
    waited: list = field(default_factory=list)
    faults: list = field(default_factory=list)


def random_move(view, draw):
    """A value that the calculator offers, for one of its inputs."""
    control = draw.choice(view["controls"])
    if control["kind"] == "slider":
        return {control["name"]: draw.choice(control["stops"])}
    if control["kind"] == "select":
        return {control["name"]: draw.choice(control["options"])["value"]}
    return {}


def _a_seat(site, name):
    try:
        return Reader(site, name)
    except Full:
        return None


def read(site, name, seconds, seed, seen):
    """One reader of the protocol, from arrival to farewell."""
    draw, began = random.Random(seed), time.monotonic()
    try:
        while (reader := _a_seat(site, name)) is None:
            seen.waited.append(name)
            time.sleep(TRY_AGAIN_S)
            began = time.monotonic()  # as a page that tries again is asked for anew
        view = reader.attach()
        seen.first_s.append(time.monotonic() - began)
        while time.monotonic() - began < seconds:
            time.sleep(draw.uniform(*THINK_S))
            asked = time.monotonic()
            answer = reader.move(random_move(view, draw))
            seen.answer_s.append(time.monotonic() - asked)
            if "a fault of ours" in json.dumps(answer["messages"]):
                seen.faults.append(f"{name}: {answer['query']} failed")
        reader.leave()
    except Exception as problem:
        seen.faults.append(f"{name}: {type(problem).__name__}: {problem}")


def read_in_a_browser(site, name, seconds, seed, seen):
    """One reader with a real page, who works with the keyboard."""
    from playwright.sync_api import sync_playwright

    from widgets.pages import chromium

    draw = random.Random(seed)
    try:
        with sync_playwright() as playwright:
            page = chromium.launch(playwright).new_page()
            page.on("pageerror", lambda error: seen.faults.append(f"{name}: page error: {error}"))
            began = time.monotonic()
            page.goto(f"{site}/apps/{name}", wait_until="commit")
            page.wait_for_selector("main .lc-headline", timeout=60_000)
            seen.first_s.append(time.monotonic() - began)
            page.wait_for_selector("main .lc[data-seq]", timeout=60_000)
            sliders = page.locator("main .lc input[type=range]:visible")
            while time.monotonic() - began < seconds and sliders.count():
                time.sleep(draw.uniform(*THINK_S))
                before = page.get_attribute(".lc[data-seq]", "data-seq")
                slider = sliders.nth(draw.randrange(sliders.count()))
                slider.focus()
                at, top = int(slider.input_value()), int(slider.get_attribute("max"))
                asked = time.monotonic()
                page.keyboard.press("ArrowLeft" if at == top or (at and draw.random() < 0.5)
                                    else "ArrowRight")  # fmt: skip
                page.wait_for_selector(f'.lc[data-seq]:not([data-seq="{before}"])')
                seen.chart_s.append(time.monotonic() - asked)
            page.goto("about:blank")
    except Exception as problem:
        seen.faults.append(f"{name}: {type(problem).__name__}: {problem}")


@contextlib.contextmanager
def own_server(*options, **process):
    """A server on a free port: its address, and its process, which `Popen` takes more of."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "widgets.server", "--port", str(port), *options]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, **process)
    site = f"http://127.0.0.1:{port}"
    try:
        while not health(site).get("ready"):
            if server.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.5)
        yield site, server
    finally:
        server.terminate()
        server.wait(timeout=60)


def health(site):
    """What the server says of itself; nothing while it does not answer."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{site}/healthz") as answer:
        return json.load(answer)
    return {}


def kernels_mib(port):
    """Resident and proportional memory of each kernel of the server on a port [MiB]."""
    servers = {
        c.pid
        for c in psutil.net_connections("tcp")
        if c.laddr.port == port and c.status == "LISTEN"
    }
    sizes = []
    for kernel in (k for pid in servers for k in psutil.Process(pid).children()):
        with contextlib.suppress(psutil.NoSuchProcess):
            size = kernel.memory_full_info()
            sizes.append((size.rss / 2**20, size.pss / 2**20))
    return sizes


def shares(name, seconds):
    """A line with the middle and the tail of some times."""
    if len(seconds) < 2:
        return f"{name}: none"
    cuts = statistics.quantiles(seconds, n=100)
    return (
        f"{name}: {len(seconds)}, p50 {1e3 * cuts[49]:.0f} ms, p95 {1e3 * cuts[94]:.0f} ms, "
        f"longest {1e3 * max(seconds):.0f} ms"
    )


def load(site, readers, pages, seconds, names):
    """Let the readers arrive and work; what they saw, and the kernels' memory with all there."""
    seen, threads = Seen(), []
    for number in range(readers):
        kind = read_in_a_browser if number < pages else read
        asked = (site, names[number % len(names)], seconds, number, seen)
        threads.append(threading.Thread(target=kind, args=asked))
        threads[-1].start()
        time.sleep(ARRIVE_S / readers)
    sizes = kernels_mib(urlsplit(site).port)
    for thread in threads:
        thread.join()
    return seen, sizes


def measured(readers=30, pages=3, minutes=2.0, site=None, seats=None):
    """Let the readers come: what they saw, and the memory of their kernels."""
    names = sorted(path.stem for path in (ROOT / "book" / "apps").glob("*.ipynb"))
    many = str(seats or readers + 5)
    options = ("--seats", many, "--seats-each", many, "--ready", "4")
    server = contextlib.nullcontext((site, None)) if site else own_server(*options)
    with server as (address, _):
        return load(address, readers, pages, 60 * minutes, names)


def main():
    """Let the readers come, print what they saw, and give 1 when one saw a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", help="a running server (default: one of its own)")
    parser.add_argument("--readers", type=int, default=30)
    parser.add_argument("--seats", type=int, help="of the server (default: enough for all)")
    parser.add_argument("--pages", type=int, default=3, help="of these in Chromium")
    parser.add_argument("--minutes", type=float, default=2, help="how long each stays")
    args = parser.parse_args()
    before = os.getloadavg()[0]
    seen, sizes = measured(args.readers, args.pages, args.minutes, args.site, args.seats)
    print(f"{args.readers} readers within {ARRIVE_S} s, {args.minutes:g} min each")
    print(shares("page to numbers", seen.first_s))
    if seen.waited:
        print(f"told to wait: {len(seen.waited)} times; {len(seen.first_s)} readers got a seat")
    print(shares("input to answer", seen.answer_s))
    print(shares("input to redrawn page, Chromium", seen.chart_s))
    for kind, column in zip(("resident", "proportional"), zip(*sizes, strict=True), strict=False):
        print(f"a kernel, {kind}: {statistics.median(column):.0f} MiB, most {max(column):.0f} MiB")
    print(f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    print(f"faults: {len(seen.faults)}", *seen.faults[:10], sep="\n  ")
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(main())
