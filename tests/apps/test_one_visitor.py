"""What one visitor cannot do: use up memory, files or seats, or stop what others do.

Each is done once here, within seconds and on 127.0.0.1; `benchmarks/attack.py` does more of it.
"""

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.attack import ask
from benchmarks.load import Reader, health
from llmcap_kernel.refuse import BadInput
from tests.apps.test_hostile import spoken
from tests.conftest import free_port
from widgets.server import (
    bounds,
    channels,
    connections,
    handlers,
    kernels,
    log,
    settings,
    visitors,
    watch,
)
from widgets.session import Calculator

PATIENCE_S = 120


def in_a_loop(work):
    """Run a coroutine to its end; a browser of another test may hold this thread's loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def small(server):
    """A server with few seats."""
    with server("--seats", "4", "--seats-each", "3", "--ready", "1", "--idle", "2") as (site, _):
        yield site


@pytest.fixture
def reader(small):
    one = Reader(small, "vram")
    one.attach()
    yield one
    one.socket.close_timeout = 1  # a farewell stands behind what was never read
    one.leave()


def wait_until(true, seconds=PATIENCE_S):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_page_that_never_reads_is_cut_off(reader):
    """What waits for it is bounded: 500 answers would be 100 MB."""
    deaf = reader.connect(uuid.uuid4().hex, max_queue=1)
    wants = {"comm_id": "all", "data": {"method": "request_states"}}
    control = {"comm_id": "all", "target_name": "jupyter.widget.control", "data": {}}
    reader.say("comm_open", control, socket=deaf)
    with pytest.raises(ConnectionClosed):
        for _ in range(500):
            reader.say("comm_msg", wants, socket=deaf)
            time.sleep(0.01)


def test_a_kernel_has_two_websockets(reader):
    reader.connect(uuid.uuid4().hex)
    with pytest.raises(InvalidStatus, match="429"):
        reader.connect(uuid.uuid4().hex)


@pytest.mark.parametrize("session", ["", "%C3%A9", "a" * 200, "a%00b"])
def test_a_session_is_a_short_plain_name(reader, session):
    with pytest.raises(InvalidStatus, match="400"):
        reader.connect(session or "&")


async def doors(most, each, work):
    """Do something with a server that allows so many connections."""

    class Hello(RequestHandler):
        def get(self):
            self.finish("hello")

    port = free_port()
    door = connections.Door(Application([("/", Hello)]), most=most, each=each)
    door.listen(port, "127.0.0.1")
    try:
        return await asyncio.to_thread(work, port, door)
    finally:
        door.stop()
        await door.close_all_connections()


def enters(port, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), 10, (source, 0))


def is_closed(one, seconds=5.0):
    one.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        return one.recv(1) == b""
    return False


def test_an_address_with_many_connections_loses_its_oldest():
    def work(port, door):
        other, *mine = enters(port, "127.0.0.2"), *(enters(port) for _ in range(6))
        return [is_closed(one, 0.5) for one in [other, *mine]]

    assert in_a_loop(doors(9, 4, work)) == [False, True, True, *[False] * 4]


def test_a_newcomer_finds_room_however_many_one_address_has():
    def work(port, door):
        mine = [enters(port) for _ in range(5)]
        other = enters(port, "127.0.0.2")
        return is_closed(other, 0.5), [is_closed(one, 0.5) for one in mine].count(True)

    assert in_a_loop(doors(5, 0, work)) == (False, 1)


SENT_IN_PART = {
    "head": b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
    "body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhel",
}


@pytest.mark.parametrize("sent", SENT_IN_PART)
def test_a_silent_connection_is_closed(monkeypatch, sent):
    monkeypatch.setattr(connections, "SILENT_SECONDS", 0.5)

    def work(port, door):
        slow = enters(port)
        slow.sendall(SENT_IN_PART[sent])
        return is_closed(enters(port)), is_closed(slow)

    assert in_a_loop(doors(5, 5, work)) == (True, True)


def test_a_large_body_is_not_waited_for():
    def work(port, door):
        one = enters(port)
        size = connections.MAX_BODY_BYTES + 1
        one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        return one.recv(100)

    assert in_a_loop(doors(5, 5, work)).startswith(b"HTTP/1.1 400 ")


def test_a_websocket_stays_however_many_come_after_it():
    def work(port, door):
        first = enters(port)
        is_closed(first, 0.2)  # by then it is counted
        door.lasting.update(door.here)
        later = [enters(port) for _ in range(6)]
        return is_closed(first, 0.5), is_closed(later[0], 0.5)

    assert in_a_loop(doors(9, 4, work)) == (False, True)
    assert in_a_loop(doors(4, 0, work)) == (False, True)


def test_one_who_does_not_read_is_given_up():
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("the system knows no such limit")

    def work(port, door):
        one = enters(port)
        is_closed(one, 0.2)
        (stream,) = door.here
        given = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        return given, stream.max_write_buffer_size

    most = (1000 * connections.UNREAD_SECONDS, connections.MAX_UNSENT_BYTES)
    assert in_a_loop(doors(5, 5, work)) == most


def test_files_are_enough_for_the_connections(monkeypatch):
    limits = [(256, 10_000)]
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(connections.resource, "setrlimit", lambda _, new: limits.append(new))
    assert connections.room(500, kernels=22) == 500
    assert limits[-1][0] >= 500 + 22 * 30
    limits[:] = [(256, 600)]
    assert 50 <= connections.room(500, kernels=10) < 500
    limits[:] = [(256, 256)]
    with pytest.raises(BadInput, match=r"allows 256\.$"):
        connections.room(500, kernels=22)


def test_the_log_says_how_much_it_left_out(monkeypatch):
    said = []
    target = SimpleNamespace(emit=lambda record: said.append(record.getMessage()))
    sparing, now = log.Sparing(target, most=3), 0
    monkeypatch.setattr(log.time, "monotonic", lambda: now)
    for number in range(100):
        sparing.emit(logging.makeLogRecord({"msg": f"{number}"}))
    now = 61
    for left in log.LEFT:
        sparing.emit(logging.makeLogRecord({"msg": "left", "exc_info": (left, left(), None)}))
    sparing.emit(logging.makeLogRecord({"msg": "later"}))
    assert said == ["0", "1", "2", "97 more entries in that minute", "later"]
    assert log.printable("a\x1b[2J" + "x" * 9000).startswith("a\\x1b[2Jxxx")
    assert len(log.printable("x" * 9000)) == log.LONGEST


def test_an_error_of_a_kernel_is_for_the_log_and_no_page(caplog):
    """Jupyter hides its traceback from pages, by an attribute that it looks for elsewhere."""
    given = {"header": {"msg_type": "error"}, "content": {"traceback": ["a secret"]}}
    jupyter_s = SimpleNamespace(
        multi_kernel_manager=SimpleNamespace(allow_tracebacks=False),
        get_part=lambda field, value, parts: value,
        kernel_manager=kernels.Kernel,
        subprotocol="",
    )
    ZMQChannelsWebsocketConnection._on_error(jupyter_s, "iopub", given, [])
    assert "secret" not in str(given)
    page = SimpleNamespace(undone={})
    for kind, content in (("error", {"ename": "Broken"}), ("stream", {"text": "printed"})):
        assert channels.ChannelsHandler.write_message(page, spoken(kind, content)) is None
    assert "Broken" in caplog.text and "printed" in caplog.text


def test_a_kernel_takes_no_more_memory_than_it_may():
    if not bounds.STATM.exists():
        pytest.skip("the system enforces no such limit")
    tried = "try: bytearray(400 << 20)\nexcept MemoryError: print('no')"
    code = f"from widgets.server.bounds import bound; bound(200)\nbytearray(50 << 20)\n{tried}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "no\n"


NOW = 10_000.0  # of a clock that begins when the machine does


class Running(dict):
    """Kernels that a watch looks at."""

    def __init__(self, **kernel):
        here = {"alone_since": NOW} | kernel.pop("reader", {})
        self.one = kernels.Reader("192.0.2.1", "k", **here)
        given = {
            "busy_since": 0.0,
            "alive": True,
            "provisioner": SimpleNamespace(pid=None),
        } | kernel
        self.kernel = SimpleNamespace(**given, interrupted=0)
        self.kernel.is_alive = lambda: given["alive"]
        self.kernel.interrupt_kernel = self.interrupt
        super().__init__(k=self.kernel)
        self.taken = {"k": self.one}

    def get_kernel(self, _):
        return self.kernel

    def interrupt(self):
        self.kernel.interrupted += 1

    async def leave(self, kernel_id):
        self.pop(kernel_id)
        self.taken.pop(kernel_id)


def looked_at(**kernel):
    """Whether a kernel still runs after two looks at it, and how often it was interrupted."""
    running = Running(**kernel)
    one = watch.Watch(running, idle_seconds=5, change_seconds=30, mib=900)

    async def look():
        for _ in range(2):
            if running:
                await one._look_at(running.one)

    in_a_loop(look())
    return bool(running), running.kernel.interrupted


def ago(seconds):
    return NOW - seconds


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: NOW))


@pytest.mark.parametrize(
    ("kernel", "runs"),
    [
        ({"reader": {"spoke": True, "sockets": {1}, "alone_since": ago(900)}}, (True, 0)),
        ({"reader": {"spoke": True, "alone_since": ago(4)}}, (True, 0)),
        ({"reader": {"spoke": True, "alone_since": ago(6)}}, (False, 0)),
        ({"reader": {"spoke": True, "alone_since": ago(6)}, "busy_since": ago(3)}, (False, 0)),
        ({"reader": {"alone_since": ago(20)}}, (True, 0)),
        ({"reader": {"alone_since": ago(61)}}, (False, 0)),
        ({"busy_since": ago(29)}, (True, 0)),
        ({"busy_since": ago(31)}, (True, 1)),
        ({"busy_since": ago(40)}, (False, 0)),
        ({"alive": False}, (False, 0)),
    ],
)
def test_a_kernel_ends_when_nobody_needs_it_or_it_does_not_come_back(clock, kernel, runs):
    assert looked_at(**kernel) == runs


@pytest.mark.parametrize(("mib", "runs"), [(899, True), (901, False)])
def test_a_kernel_that_grew_too_big_ends(clock, monkeypatch, mib, runs):
    monkeypatch.setattr(watch, "resident_mib", lambda _: mib)
    assert looked_at() == (runs, 0)


@pytest.mark.parametrize(
    ("problem", "said"),
    [(MemoryError, "memory"), (KeyboardInterrupt, "long"), (KeyError, "a fault of ours")],
)
@pytest.mark.parametrize("where", ["while it is read", "while it is shown"])
def test_a_file_that_asks_too_much_is_put_away(problem, said, where):
    def fails(*_, **__):
        raise problem

    told, mine = [], Calculator("validate")
    plain = vars(mine._calculator)
    shown = SimpleNamespace(**plain | {"view": fails})
    with_file = fails if where == "while it is read" else lambda *_, **__: shown
    mine._calculator = SimpleNamespace(**plain | {"with_file": with_file})
    part = {"file": {"name": "mine.csv", "part": 0, "parts": 1}}
    assert mine.message(part, [b"metric,value\n"], told.append) == {}
    assert said in told[0]["file"]["problem"]
    assert mine.set({"state": {"values": {}}})["view"]["name"] == "validate"


@pytest.mark.parametrize(
    ("problem", "said"), [(MemoryError, "memory"), (KeyboardInterrupt, "long")]
)
@pytest.mark.parametrize("where", ["check", "view"])
def test_inputs_that_ask_too_much_lead_back_to_the_start(problem, said, where):
    mine = Calculator("vram")
    form, view = mine._calculator.FORM, mine._calculator.view

    def heavy(state, *rest):
        if state != form.defaults():
            raise problem
        return view(state)

    light = SimpleNamespace(
        **{name: getattr(form, name) for name in ("name", "fields", "defaults", "query")},
        check=heavy if where == "check" else form.check,
    )
    changed = {"FORM": light, "view": heavy if where == "view" else view}
    mine._calculator = SimpleNamespace(**vars(mine._calculator) | changed)
    shown = mine.set({"state": {"values": {"users": 7}, "seq": 3}})["view"]
    assert said in shown["messages"][0]["text"] and shown["seq"] == 3


def test_a_page_keeps_its_websocket_however_many_come_after_it(small, reader):
    port = urlsplit(small).port
    held = [enters(port) for _ in range(settings.Settings().connections_each + 1)]
    assert is_closed(held[0])
    assert reader.move({"users": 5})["query"]


def test_who_hangs_up_leaves_the_seats_to_others(small):
    address = urlsplit(small)
    request = f"GET /apps/vram HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
    for _ in range(12):
        with socket.create_connection((address.hostname, address.port)) as one:
            one.sendall(request)
            time.sleep(0.05)
    Reader(small, "vram", source="127.0.0.2").leave()
    wait_until(lambda: health(small)["sessions"] == 0, 20)


@pytest.mark.parametrize(("kernel", "cancelled"), [("", 1), ("k", 0)])
def test_who_hangs_up_while_he_waits_leaves_the_queue(kernel, cancelled):
    """A page that is being made is finished: its kernel ends with it."""
    handler, done = object.__new__(handlers.AppHandler), []
    handler.making = SimpleNamespace(cancel=lambda: done.append("cancelled"))
    handler.arrival = kernels.Reader(kernel_id=kernel)
    handler.on_connection_close()
    assert len(done) == cancelled


@pytest.mark.parametrize("problem", [StreamClosedError, asyncio.CancelledError])
def test_a_page_that_nobody_waits_for_any_more_gives_its_kernel_back(monkeypatch, problem):
    left = []

    async def make(handler, name):
        handler.arrival = kernels.Reader(kernel_id="k")
        raise problem

    async def leave(kernel_id):
        left.append(kernel_id)

    async def has_room(*_):
        return True

    monkeypatch.setattr(handlers.AppHandler, "_has_room", has_room)
    monkeypatch.setattr(handlers.AppHandler, "_make", make)
    monkeypatch.setattr(handlers.AppHandler, "kernel_manager", SimpleNamespace(leave=leave))
    handler = object.__new__(handlers.AppHandler)
    handler.request, handler.application = asks().request, asks()
    handler.request.remote_ip = "192.0.2.1"
    in_a_loop(handler.get("vram"))
    assert left == ["k"]


def test_a_seat_goes_first_to_who_has_fewest():
    async def hand_out():
        pool = kernels.Kernels(connection_dir="/nowhere")
        pool.fill = lambda: None
        pool.taken = {"a": kernels.Reader("greedy", "a")}
        for address in ("greedy", "greedy", "modest"):
            pool.queue.append(kernels.Reader(address, given=asyncio.Future()))
            pool.arriving.append(pool.queue[-1])
        pool.waiting.append(("k", None))
        pool._hand_out()
        return [one.address for one in pool.queue]

    assert in_a_loop(hand_out()) == ["greedy", "greedy"]


def test_who_leaves_the_queue_leaves_his_kernel_to_the_next():
    async def come_and_go():
        pool = kernels.Kernels(connection_dir="/nowhere")
        pool.fill = lambda: None
        with pool.arrival("hasty") as hasty:
            waits = asyncio.create_task(pool.reserve(hasty))
            await asyncio.sleep(0)
            waits.cancel()
            await asyncio.sleep(0)
        assert not pool.queue and not pool.seated()
        pool.waiting.append(("k", None))
        with pool.arrival("hasty") as hasty:
            await pool.reserve(hasty)
            assert not pool.waiting
        return pool.waiting

    assert in_a_loop(come_and_go()) == [("k", None)]


def test_who_leaves_as_a_kernel_is_handed_to_him_gives_it_back():
    async def come_and_go():
        pool = kernels.Kernels(connection_dir="/nowhere")
        pool.fill = lambda: None
        with pool.arrival("hasty") as hasty:
            waits = asyncio.create_task(pool.reserve(hasty))
            await asyncio.sleep(0)
            pool._take_back(("k", None))
            waits.cancel()
            await asyncio.sleep(0)
        return pool.waiting

    assert in_a_loop(come_and_go()) == [("k", None)]


def test_a_page_that_never_spoke_makes_room(clock):
    running = Running(reader={"alone_since": ago(watch.SILENT_AT_LEAST_SECONDS + 1)})
    one = watch.Watch(running, 5, 30, 900)
    in_a_loop(one.make_room("198.51.100.1"))
    assert running, "he took nobody else's seat"
    in_a_loop(one.make_room())
    assert not running
    spoke = Running(reader={"spoke": True, "alone_since": ago(900)})
    in_a_loop(watch.Watch(spoke, 5, 30, 900).make_room())
    assert spoke


def asks(behind_proxy=False, embed=(), **headers):
    headers = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    settings = {"behind_proxy": behind_proxy, "embed": embed}
    return SimpleNamespace(request=SimpleNamespace(headers=headers), settings=settings)


@pytest.mark.parametrize(
    ("site", "shown_as", "embed", "opens"),
    [
        ("cross-site", "image", (), False),
        ("same-site", "script", (), False),
        ("cross-site", "iframe", (), False),
        ("cross-site", "iframe", ("https://wiki.example.com",), True),
        ("cross-site", "document", (), True),
        ("same-origin", "empty", (), True),
        ("none", "document", (), True),
    ],
)
def test_an_app_opens_as_a_page_alone(site, shown_as, embed, opens):
    handler = asks(embed=embed, Sec_Fetch_Site=site, Sec_Fetch_Dest=shown_as)
    assert visitors.opens_a_page(handler) == opens
    assert visitors.opens_a_page(asks())
    assert not visitors.opens_a_page(asks(Sec_Purpose="prefetch;prerender"))


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8866", True),
        ("localhost", True),
        ("[::1]:8866", True),
        ("192.0.2.7", True),
        ("Wiki.Example.com:80", True),
        ("wiki.example.com.", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_a_strange_name_leads_nowhere(host, ours):
    strange = visitors.StrangeHost(["wiki.example.com"], behind_proxy=False)
    assert (strange.match(asks(Host=host).request) is None) == ours
    proxied = visitors.StrangeHost(["wiki.example.com"], behind_proxy=True)
    told = asks(Host="127.0.0.1", X_Forwarded_Host=f"127.0.0.1, {host}").request
    assert (proxied.match(told) is None) == ours
    assert visitors.StrangeHost([], behind_proxy=True).match(told) is None


def test_what_the_server_gives_away(small, reader):
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    assert ask(small, "/apps/vram", **image)[0] == 403
    for path in ("/book/intro.html", "/apps/vram", "/vendor/plotly.min.js", "/healthz"):
        assert ask(small, path, Host="evil.example")[0] == 421
    assert b"Disallow: /apps/" in ask(small, "/robots.txt")[2]
    status, headers, _ = ask(small, "/apps/vram", source="127.0.0.3")
    assert status == 200
    assert "Set-Cookie" not in headers
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            assert reader.kernel not in " ".join(one.cmdline())
