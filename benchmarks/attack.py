"""What one visitor can do to the service: each attack against a served copy of its own.

    python benchmarks/attack.py [memory files upload seat arrivals names]

Everything stays on 127.0.0.1 and within a minute an attack. The attacker comes from 127.0.0.1, and
a second reader from 127.0.0.2: he reads a page of the book twice a second, and opens a calculator
and moves an input every few seconds. The exit status is 1 where a target is missed.
"""

import argparse
import contextlib
import http.client
import json
import resource
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from websockets.exceptions import WebSocketException

from benchmarks.load import Reader, health, own_server

ROOT = Path(__file__).parents[1]
SECOND = "127.0.0.2"
TARGETS = {"server_mib": 400, "kernel_mib": 1024, "page_s": 2, "seats_s": 10}
LOST = (OSError, RuntimeError, WebSocketException, http.client.HTTPException, AttributeError)
FILES_OF_A_SHELL = 1024  # `ulimit -n` on most machines
UPLOAD_BYTES, PART_BYTES = 19_800_000, 1_000_000


@dataclass
class Seen:
    """What an attack did, as the machine and a second reader saw it."""

    server_mib: float = 0
    kernel_mib: float = 0
    page_s: float = 0
    app_s: float = 0
    seats_s: float = 0
    refused: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def missed(self):
        """The targets that are missed."""
        found = [f"{name} {getattr(self, name):.1f}" for name in TARGETS
                 if getattr(self, name) > TARGETS[name]]  # fmt: skip
        return [*found, *self.refused]


@contextlib.contextmanager
def served():
    """A server of its own with the files that a shell allows: its address, process and log."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (FILES_OF_A_SHELL, hard))
    with own_server(stderr=subprocess.PIPE, preexec_fn=few) as (site, server):
        log = []
        threading.Thread(target=lambda: log.extend(server.stderr), daemon=True).start()
        yield site, psutil.Process(server.pid), log


class Watcher:
    """Measures memory, and reads and calculates from another address, until it is left."""

    def __init__(self, site, server):
        self.site, self.server, self.seen, self.over = site, server, Seen(), threading.Event()
        self.threads = [
            threading.Thread(target=one) for one in (self._weigh, self._read, self._calculate)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self.seen

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    def _weigh(self):
        while not self.over.wait(0.1):
            with contextlib.suppress(psutil.Error):
                self.seen.server_mib = max(self.seen.server_mib, mib(self.server))
                for kernel in self.server.children():
                    with contextlib.suppress(psutil.Error):
                        self.seen.kernel_mib = max(self.seen.kernel_mib, mib(kernel))

    def _read(self):
        while not self.over.wait(0.5):
            began = time.monotonic()
            try:
                status = ask(self.site, "/book/intro.html", source=SECOND)[0]
            except LOST as problem:
                status = type(problem).__name__
            if status != 200:
                self.seen.refused.append(f"the second reader's page: {status}")
            self.seen.page_s = max(self.seen.page_s, time.monotonic() - began)

    def _calculate(self):
        while not self.over.wait(3):
            began = time.monotonic()
            try:
                reader = Reader(self.site, "vram", source=SECOND)
                reader.attach()
                reader.move({"users": 5})
                reader.leave()
            except LOST as problem:
                self.seen.refused.append(f"the second reader's calculator: {problem!r:.100}")
            self.seen.app_s = max(self.seen.app_s, time.monotonic() - began)


def mib(process):
    """Resident memory [MiB]."""
    return process.memory_info().rss / 2**20


def ask(site, path, source=None, **headers):
    """The answer to a request: its status, headers and content."""
    whence = (source, 0) if source else None
    connection = http.client.HTTPConnection(urlsplit(site).netloc, None, 30, whence)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def memory(site, seen):
    """Twenty websockets to a kernel of one's own that ask for its widgets and never read."""
    reader, sockets = Reader(site, "vram"), []
    reader.attach()
    for _ in range(20):
        with contextlib.suppress(*LOST):
            sockets.append(reader.connect(uuid.uuid4().hex, max_queue=1))
    seen.notes.append(f"{1 + len(sockets)} websockets to one kernel")
    ends = time.monotonic() + 25
    comm = {"comm_id": "all", "target_name": "jupyter.widget.control", "data": {}}
    wants = {"comm_id": "all", "data": {"method": "request_states"}}

    def flood(one):
        with contextlib.suppress(*LOST):
            reader.say("comm_open", comm, socket=one)
            while time.monotonic() < ends:
                reader.say("comm_msg", wants, socket=one)

    in_threads(flood, [reader.socket, *sockets])
    cut_off(one.socket for one in [reader.socket, *sockets])


def files(site, seen):
    """Websockets and silent connections, more than there may be open files."""
    reader, held = Reader(site, "vram"), []
    for _ in range(104):
        with contextlib.suppress(*LOST):
            held.append(reader.connect(uuid.uuid4().hex).socket)
    seen.notes.append(f"{len(held)} websockets")
    address = urlsplit(site)
    for _ in range(1050):
        with contextlib.suppress(OSError):
            held.append(socket.create_connection((address.hostname, address.port), timeout=1))
    time.sleep(15)
    cut_off([reader.socket.socket, *held])


def upload(site, seen):
    """Files that are small to send and large to read."""
    row = b"h100-sxm,llama-3.1-8b,itl_ms,9.5,vllm,bf16,1,8,1024,128\n"
    honest = b"gpu,model,metric,value,engine,dtype,tp,concurrency,input_tokens,output_tokens\n"
    for name, text in {
        "rows of one comma": b"metric,value\n" + b",\n" * (UPLOAD_BYTES // 2),
        "empty tables": b"[" + b"{}," * (UPLOAD_BYTES // 3) + b"{}]",
        "an honest 400 000 rows": (honest + 350_000 * row)[:UPLOAD_BYTES],
        "numbers": b"[" + b"0," * (UPLOAD_BYTES // 2) + b"0]",
    }.items():
        began = time.monotonic()
        with contextlib.suppress(*LOST):
            reader = Reader(site, "validate")
            reader.attach()
            said = send(reader, text)
            seen.notes.append(f"{name}: {time.monotonic() - began:.1f} s, {said}")
            reader.leave()


def send(reader, text, wait_s=45):
    """Send a file as a page does, and give what is said of it."""
    parts = [text[at : at + PART_BYTES] for at in range(0, len(text), PART_BYTES)]
    for at, part in enumerate(parts):
        told = {"file": {"name": "mine", "part": at, "parts": len(parts)}}
        data = {"method": "custom", "content": told}
        reader.say("comm_msg", {"comm_id": reader.model, "data": data}, buffers=[part])

    def answer(kind, content):
        told = content.get("data", {}).get("content", {}).get("file", {})
        return (told.get("problem") or told.get("done")) if kind == "comm_msg" else None

    try:
        return reader.heard(answer, wait_s)
    except LOST as problem:
        return type(problem).__name__


def seat(site, seen):
    """A file of 4 MB with many benchmarks in it; then the page goes away without a word."""
    reader = Reader(site, "validate")
    reader.attach()
    deep: dict[str, object] = {
        "a": {str(n): {"b": {str(m): {} for m in range(30)}} for n in range(600)}
    }
    text = json.dumps({**deep, "benchmarks": [{"metrics": {"x": 1}}] * 150_000}).encode()
    threading.Thread(target=send, args=(reader, text[:4_000_000]), daemon=True).start()
    time.sleep(3)
    cut_off([reader.socket.socket])


def arrivals(site, seen):
    """Requests for apps that hang up at once, and images of another site that point there."""
    address = urlsplit(site)
    request = f"GET /apps/vram HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
    for _ in range(20):
        with socket.create_connection((address.hostname, address.port)) as one:
            one.sendall(request)
            time.sleep(0.05)
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"}
    seen.notes.append(f"images: {sorted({ask(site, '/apps/vram', **image)[0] for _ in range(10)})}")


def names(site, seen):
    """A name that somebody else owns, cookies, and what all users of the machine can read."""
    strange = ask(site, "/book/intro.html", Host="rebound.example")[0]
    seen.notes.append(f"a strange name gives {strange}")
    reader = Reader(site, "vram")
    cookies = ask(site, "/apps/vram")[1].get_all("Set-Cookie") or []
    seen.notes.append(f"cookies: {len(cookies)}")
    listed = any(reader.kernel in " ".join(one.cmdline()) for one in all_processes())
    seen.notes.append(f"kernel ids in the process list: {'yes' if listed else 'no'}")
    reader.leave()
    if strange == 200 or cookies or listed:
        seen.refused.append("; ".join(seen.notes))


def all_processes():
    """The processes whose command line can be read."""
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            one.cmdline()
            yield one


def in_threads(work, given):
    """Do a work for each of what is given, all at once."""
    threads = [threading.Thread(target=work, args=(one,), daemon=True) for one in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)


def cut_off(sockets):
    """End connections as a machine does that is switched off, without a word."""
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
            one.close()


def seats_free_after(site, most_s=60):
    """How long until only the second reader may have a seat [s]."""
    began = time.monotonic()
    while health(site).get("sessions", 9) > 1 and time.monotonic() - began < most_s:
        time.sleep(0.2)
    return time.monotonic() - began


ATTACKS = {one.__name__: one for one in (memory, files, upload, seat, arrivals, names)}


def attack(name):
    """Run an attack against a server of its own, and give what was seen."""
    with served() as (site, server, log), Watcher(site, server) as seen:
        time.sleep(2)
        ATTACKS[name](site, seen)
        seen.seats_s = seats_free_after(site)
        time.sleep(3)
        seen.notes.append(f"log {sum(map(len, log)) / 1e3:.1f} kB")
    return seen


def main():
    """Run the attacks, print what they did, and give 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="attack", choices=[[], *ATTACKS], default=[])
    failed = False
    for name in parser.parse_args().names or ATTACKS:
        seen = attack(name)
        print(
            f"{name}: server {seen.server_mib:.0f} MiB, kernel {seen.kernel_mib:.0f} MiB, second "
            f"reader's page {seen.page_s:.1f} s and calculator {seen.app_s:.1f} s, seats back "
            f"after {seen.seats_s:.1f} s",
            *seen.notes,
            *(f"MISSED {one}" for one in sorted(set(seen.missed()))),
            sep="\n  ",
            flush=True,
        )
        failed = failed or bool(seen.missed())
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
