"""What a stranger may send: 10 000 queries, states and messages, most of them without a browser."""

import http.client
import json
import random
import string
from urllib.parse import quote, urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from benchmarks.load import Reader
from widgets.host import Calculator
from widgets.server.messages import SAYS, Refused, admit
from widgets.session import CALCULATORS, safe_view

QUERIES, VIEWS, STATES, MESSAGES, REQUESTS, SPOKEN = 6000, 25, 30, 3500, 250, 250
FAULT = "a fault of ours"
TEXTS = [
    "", " ", "0", "-1", "1e999", "-1e-999", "nan", "inf", "9" * 400, "0x10", "1_000", "8k", "1.5M",
    "NaN", "null", "true", "[]", "{}", '{"a":1}', "[[[[[[1]]]]]]", "1;drop", "../../etc/passwd",
    "<script>alert(1)</script>", "{{7*7}}", "${7*7}", "%00", "\x00", "\ud800", "\u202e", "é" * 90,
    "llama-3.1-70b", "h100-sxm", "fp8", "vllm", "sglang", "deepseek-v3", "x" * 5000, "a&b=c", "%",
    '{"architectures":["LlamaForCausalLM"],"hidden_size":-1}',
    "__import__('os')", "\r\nSet-Cookie:",
]  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 2**63, 10**400, 1e308, -0.0, float("nan"), float("inf"), "",
    [], {}, [None], {"a": {"b": []}}, "8k", "x" * 5000, [[[[]]]],
]  # fmt: skip


def texts(draw, form):
    """A text of the list, a value that the form takes, or noise."""
    kind = draw.randrange(4)
    if kind == 0:
        return "".join(draw.choices(string.printable, k=draw.randrange(30)))
    field = draw.choice(form.fields)
    if kind == 1 and field.names:
        return str(draw.choice(list(field.names())))
    if kind == 2:
        return str(draw.choice([field.low, field.high, field.low - 1, field.high + 1, 10**9]))
    return draw.choice(TEXTS)


def some_query(draw, form):
    """A query: names of the form and others, values of all kinds, sometimes broken as a whole."""
    parts = []
    for _ in range(draw.randrange(8)):
        name = draw.choice(form.fields).name if draw.random() < 0.8 else draw.choice(TEXTS)
        value = texts(draw, form)
        value = quote(value, errors="replace") if draw.random() < 0.6 else value
        parts.append(f"{name}{draw.choice(['=', '=', '=', '', '=='])}{value}")
    return draw.choice(["&", "&", "&", ";", "&&"]).join(parts)


def some_state(draw, form):
    """What a page would write into the widget, and what no page would."""
    if draw.random() < 0.2:
        return draw.choice([*VALUES, {"values": draw.choice(VALUES)}])
    names = [field.name for field in form.fields] + ["", "nope", 3]
    values = {
        draw.choice(names): draw.choice([*VALUES, texts(draw, form)])
        for _ in range(draw.randrange(6))
    }
    return {"values": values, "seq": draw.choice(VALUES), "client": draw.choice(VALUES)}


@pytest.mark.parametrize("name", CALCULATORS)
def test_no_query_breaks_a_calculator(name, caplog):
    module, draw = CALCULATORS[name], random.Random(name)
    count = QUERIES // len(CALCULATORS)
    for number in range(count):
        query = some_query(draw, module.FORM)
        state, messages = module.FORM.parse(query)
        again, _ = module.FORM.parse(module.FORM.query(state))
        assert again == state, f"{query!r}: the address of a state leads back to it"
        assert all("Traceback" not in message["text"] for message in messages)
        if number % (count // VIEWS) == 0:
            view = safe_view(module, state, messages)
            assert FAULT not in str(view["messages"]), query
    assert not caplog.records


@pytest.mark.parametrize("name", CALCULATORS)
def test_no_state_breaks_a_widget(name, caplog):
    """Whatever a page writes into the widget, the view is one of the calculator's own."""
    widget, other, draw = Calculator(name), Calculator(name), random.Random(name)
    before = json.dumps(other.view)
    for _ in range(STATES):
        state = some_state(draw, CALCULATORS[name].FORM)
        widget.state = state
        json.dumps(widget.view)
        assert widget.view["name"] == name
        assert FAULT not in str(widget.view["messages"]), state
    assert json.dumps(other.view) == before, "another reader's calculator did not move"
    assert not caplog.records


def spoken(kind="comm_msg", content=None, channel=b"shell", **changes):
    """A message as a page would send it, with changes to its header."""
    header = {"msg_id": "1", "msg_type": kind, "session": "s", "username": "", "version": "5.3"}
    parts = [header | changes, {}, {}, content or {}]
    return packed([channel, *(json.dumps(part).encode() for part in parts)])


def packed(parts):
    """Parts of a message with their offsets before them."""
    count = len(parts) + 1
    ends = [8 * (count + 1)]
    for part in parts:
        ends.append(ends[-1] + len(part))
    return b"".join([n.to_bytes(8, "little") for n in (count, *ends)] + parts)


def broken(draw, message):
    """The same with bytes changed, lost or added."""
    message = bytearray(message)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(max(1, len(message)))
        change = draw.randrange(4)
        if change == 0:
            message[at : at + 1] = bytes([draw.randrange(256)])
        elif change == 1:
            del message[at : at + draw.randrange(1, 40)]
        elif change == 2:
            message[at:at] = draw.randbytes(draw.randrange(1, 20))
        else:
            message[at : at + 8] = draw.choice([b"\xff" * 8, bytes(8), b"[" * 8])
    return bytes(message)


def some_message(draw):
    """A message: of any type, whole or broken."""
    kind = draw.choice([*SAYS, "execute_request", "shutdown_request", "", "x" * 200])
    content = {draw.choice(["comm_id", "data", "target_name", "code"]): draw.choice(VALUES)}
    whole = spoken(kind, content, draw.choice([b"shell", b"shell", b"control", b"\xff"]))
    return whole if draw.random() < 0.2 else broken(draw, whole)


def test_the_door_lets_through_what_a_page_says_and_no_more():
    control = {"target_name": "jupyter.widget.control", "comm_id": "1", "data": {}}
    for kind in SAYS:
        admit(spoken(kind, control))
    for message in (
        spoken("execute_request"),
        spoken("comm_open", {"target_name": "jupyter.widget"}),
        spoken(channel=b"control"),
        spoken(msg_id=None),
        spoken(session="x" * 200),
        spoken("kernel_info_request").decode("latin1"),
        (2**60).to_bytes(8, "little"),
        packed([b"shell", b"[" * 100_000, b"{}", b"{}", b"{}"]),
        packed([b"shell", b'{"msg_type": "comm_msg"}', b"{}", b"{}", b"{}"]),
        b"",
    ):
        with pytest.raises(Refused):
            admit(message)


def test_no_message_breaks_the_door():
    draw = random.Random(0)
    for _ in range(MESSAGES):
        try:
            admit(some_message(draw))
        except Refused:
            continue


def some_path(draw, names):
    """A path to an app, to a kernel, or to nowhere."""
    pieces = ["apps", *names, "api", "kernels", "voila", "static", "book", "vendor", "..", "%2e%2e",
              "%00", "%ff", "a" * 3000, "", ".git", "nope", "channels", "shutdown"]  # fmt: skip
    noise = "".join(draw.choices(string.ascii_letters + string.digits + "%./;@:!$'()*+,~", k=12))
    path = "/" + "/".join(draw.choice([*pieces, noise]) for _ in range(draw.randrange(1, 6)))
    # A page of an app would start a kernel: these are asked for below.
    return path if path.split("?")[0].split("/")[-1] not in names else f"{path}x"


@pytest.mark.slow
def test_no_stranger_breaks_the_server_or_another_readers_page(server):
    draw = random.Random(0)
    with server("--seats", "8", "--idle", "300") as (address, process):
        victim = Reader(address, "vram", "users=3")
        before = victim.attach()
        for name in CALCULATORS:
            query = quote(some_query(draw, CALCULATORS[name].FORM), safe="&=%;")
            stranger = Reader(address, name, query)
            assert "Traceback" not in stranger.html
            assert stranger.attach()["name"] == name
            stranger.leave()
        for _ in range(REQUESTS):
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
            method = draw.choice(["GET", "GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "BREW"])
            path = some_path(draw, list(CALCULATORS))
            connection.request(method, path, headers={"Cookie": draw.choice(["", "_xsrf=1;;=;"])})
            answer = connection.getresponse()
            said = answer.read()
            # 405 and 501 would be right for a method we do not have; Tornado says 405.
            assert answer.status < 500, f"{method} {path}"
            assert b"Traceback" not in said
            connection.close()
        stranger = Reader(address, "vram")
        for _ in range(SPOKEN):
            try:
                stranger.socket.send(some_message(draw))
                stranger.move({"users": 4}) if draw.random() < 0.02 else None
            except ConnectionClosed:
                stranger = Reader(address, "vram")
        assert stranger.move({"users": 5})["query"].startswith("v=")
        moved = victim.move({"users": 3})
        same = {key for key in before if before[key] == moved.get(key)}
        assert {"headline", "status", "query", "tables", "figure"} <= same
        victim.leave()
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert "Traceback" not in said
    assert "rror" not in said
