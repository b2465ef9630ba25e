"""The readers' kernels: some wait warm, and each hears only what a calculator's page says.

Voila's own pool holds rendered pages, so it needs kernels of their own for every app. Here a kernel
waits with the calculators imported, and whichever app is opened next runs its notebook in it.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import json
import os
import struct
import subprocess
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from nbclient.util import ensure_async
from tornado.web import HTTPError
from traitlets import Int
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

START_SECONDS = 60
START_TRIES = 3
TELL_SECONDS = 5  # for a kernel that is warm this takes milliseconds
# A burst of readers is served first; then the kernels they took are replaced.
REFILL_SECONDS = 1
# What takes long in a new kernel. The views are left to their reader: one of them reads files that
# cost more memory and time than all the others.
WARM = "from widgets import host"
TOLD = "import os; os.environ['QUERY_STRING'] = {!r}"

PROTOCOL = "v1.kernel.websocket.jupyter.org"
# What a page with widgets says: it asks for the kernel and its widgets, and moves a widget.
# Running code, completing it, looking into it, its history and a restart are not among these.
SAYS = {"kernel_info_request", "comm_info_request", "comm_open", "comm_msg", "comm_close"}
# A page opens one comm, through which it asks for the widgets that the notebook made.
CONTROL = "jupyter.widget.control"
# And what it hears. Left out: what a kernel prints, and errors with their tracebacks.
HEARS = {
    "status",
    "kernel_info_reply",
    "comm_info_reply",
    "comm_open",
    "comm_msg",
    "comm_close",
}
MAX_MESSAGE_BYTES = 2 << 20  # a file is sent in pieces of 1 MiB
MAX_BUFFERS = 16
MAX_TEXT = 100  # characters of an identifier
# A connection may send a burst, then so much a second; what comes faster waits, nothing is lost.
BURST, PER_SECOND, BYTES_PER_UNIT = 200, 100, 100_000


@dataclass
class Arrival:
    """A reader whose page is being made, and his kernel once it has started."""

    address: str = ""
    kernel_id: str = ""


# Whose page is being made: Voila starts its kernel and passes no request along.
ARRIVAL = ContextVar("ARRIVAL", default=Arrival())  # noqa: B039 - replaced, never changed


class Kernels(AsyncMappingKernelManager):
    """Kernels for readers, some of them started before their reader comes."""

    ready = Int(0, config=True, help="kernels that wait for a reader")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.waiting: list[asyncio.Task] = []
        self.arriving: list[Arrival] = []  # readers whose kernel is not counted yet
        self.taken: dict[str, str] = {}  # kernels, and the addresses of their readers

    def warm(self) -> int:
        """Kernels that can be taken at once."""
        return sum(task.done() and not task.exception() for task in self.waiting)

    def seated(self) -> list[str]:
        """The address of each reader: those with a kernel, and those who have just come."""
        running = set(self.list_kernel_ids())
        self.taken = {one: address for one, address in self.taken.items() if one in running}
        return [*self.taken.values(), *(one.address for one in self.arriving)]

    @contextlib.contextmanager
    def arrival(self, address: str) -> Iterator[Arrival]:
        """Count a reader before his kernel is: who come together do not all find the last seat."""
        one = Arrival(address)
        self.arriving.append(one)
        before = ARRIVAL.set(one)
        try:
            yield one
        finally:
            ARRIVAL.reset(before)
            self.arriving.remove(one)

    def has_reader(self, kernel_id: str) -> bool:
        """Whether a kernel runs and belongs to a reader."""
        return kernel_id in self.taken and kernel_id in self

    async def leave(self, kernel_id: str) -> None:
        """End a reader's kernel. A page may say farewell twice, so the first has it alone."""
        if self.has_reader(kernel_id):
            del self.taken[kernel_id]
            await self._end(kernel_id)

    def fill(self) -> None:
        """Start kernels until enough wait."""
        while len(self.waiting) < self.ready:
            self.waiting.append(asyncio.create_task(self._start_warm()))

    async def start_kernel(self, **kwargs):  # type: ignore[override]
        """Give a reader a kernel that knows the query of his page.

        One may die as it starts, say when another program takes a port that was found for it, so
        another is tried.
        """
        one, query = ARRIVAL.get(), kwargs["env"]["QUERY_STRING"]
        for _ in range(START_TRIES):
            if not self.waiting:
                self.waiting.append(asyncio.create_task(self._start_warm()))
            if kernel_id := await self._from_waiting(query):
                one.kernel_id = kernel_id
                self.taken[kernel_id] = one.address
                asyncio.get_running_loop().call_later(REFILL_SECONDS, self.fill)
                return kernel_id
        raise RuntimeError(f"{START_TRIES} kernels in a row could not start")

    async def _from_waiting(self, query: str) -> str | None:
        while self.waiting:
            # The first that is warm, else the one that has been starting for longest.
            self.waiting.sort(key=lambda task: not task.done())
            try:
                kernel_id, client = await self.waiting.pop(0)
            except RuntimeError:  # it could not start
                continue
            told = await self._run(client, TOLD.format(query), TELL_SECONDS)
            client.stop_channels()
            if told:
                return kernel_id
            await self._end(kernel_id)  # it died while it waited
        return None

    async def _start_warm(self):
        """Start a kernel and import the calculators: its id, and what talks to it."""
        kernel_id = await self._start(kernel_name=self.default_kernel_name, path="")
        client: Any = self.get_kernel(kernel_id).client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=START_SECONDS)
        except RuntimeError:
            client.stop_channels()
            await self._end(kernel_id)
            raise
        await self._run(client, WARM, START_SECONDS)
        return kernel_id, client

    async def _run(self, client, code: str, seconds: float) -> bool:
        try:
            reply = await client.execute(
                code, silent=True, store_history=False, reply=True, timeout=seconds
            )
        except TimeoutError:
            return False
        return reply["content"]["status"] == "ok"

    async def _end(self, kernel_id: str) -> None:
        if kernel_id in self:
            await ensure_async(self.shutdown_kernel(kernel_id, now=True))

    async def _start(self, **kwargs) -> str:
        # Kernels keep no history on disk, run no one's IPython start-up files, and print nowhere:
        # what a stranger sends must not end up on the console of the server.
        env = kwargs.pop("env", os.environ) | {"IPYTHONDIR": str(Path(self.connection_dir) / "ipy")}
        return await super().start_kernel(
            env=env,
            extra_arguments=["--HistoryManager.enabled=False"],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **kwargs,
        )

    async def cull_kernel_if_idle(self, kernel_id: str):
        """End a kernel that no page is connected to, unless it waits for its reader."""
        if kernel_id in self.taken:
            await super().cull_kernel_if_idle(kernel_id)

    async def stop(self) -> None:
        """End every kernel, also those that are still starting."""
        waiting, self.waiting, self.ready = self.waiting, [], 0
        for started in await asyncio.gather(*waiting, return_exceptions=True):
            if not isinstance(started, BaseException):
                started[1].stop_channels()
        await self.shutdown_all(now=True)


class Refused(ValueError):
    """A message that no page of ours sends."""


def admit(message) -> None:
    """Let a message through to the kernel, or refuse it.

    Parameters
    ----------
    message : bytes or str
        What came over the websocket, from anyone.

    Raises
    ------
    Refused
        When it is not of the protocol, or none of those that a page sends.
    """
    try:
        channel, header, parent, metadata, content, *_ = _parts(message)
        parts = [json.loads(part) for part in (header, parent, metadata, content)]
    except (ValueError, RecursionError, struct.error) as problem:
        raise Refused(str(problem)) from None
    if channel != b"shell" or not all(isinstance(part, dict) for part in parts):
        raise Refused("not a message to the shell")
    said, _, _, content = parts
    for name in ("msg_id", "msg_type", "session", "username", "version"):
        if not isinstance(said.get(name), str) or len(said[name]) > MAX_TEXT:
            raise Refused(f"{name} is not a short text")
    if said["msg_type"] not in SAYS:
        raise Refused(f"{said['msg_type']} is not for pages")
    if said["msg_type"] == "comm_open" and content.get("target_name") != CONTROL:
        raise Refused("a page makes no widgets")


def _parts(message) -> list[bytes]:
    """Cut a message at its offsets, which jupyter_server would believe whatever they are."""
    if not isinstance(message, bytes):
        raise Refused("text")
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= 6 + MAX_BUFFERS:
        raise Refused("an odd number of parts")
    offsets = struct.unpack_from(f"<{count}Q", message, 8)
    if (
        offsets[0] != 8 * (count + 1)
        or offsets[-1] != len(message)
        or list(offsets) != sorted(offsets)
    ):
        raise Refused("parts out of order")
    return [message[a:b] for a, b in itertools.pairwise(offsets)]


def said_kind(message: bytes) -> str:
    """The type of a message from a kernel."""
    return json.loads(_parts(message)[1])["msg_type"]


def address(handler) -> str:
    """Whose request it is, as far as the network tells: an IPv4 address, or an IPv6 network.

    One who has IPv6 has a whole network of addresses to come from.
    """
    told = handler.request.remote_ip
    if handler.settings["behind_proxy"]:
        # Our proxy wrote the last one; what stands before it anyone may have written.
        told = handler.request.headers.get("X-Forwarded-For", told).rpartition(",")[2].strip()
    try:
        ip = ipaddress.ip_address(told)
    except ValueError:
        return ""  # those who have none share their seats
    if ip.version == 4 or ip.ipv4_mapped:
        return str(ip if ip.version == 4 else ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))


def same_site(handler) -> bool:
    """Whether a request comes from a page of ours, as far as a browser tells."""
    headers = handler.request.headers
    host = headers.get("Host")
    if handler.settings["behind_proxy"]:
        host = headers.get("X-Forwarded-Host", host)
    origin = headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == (host or "").lower()


def find(handler, kernel_id: str) -> None:
    """Refuse a request for a kernel that no reader has."""
    if not handler.settings["kernel_manager"].has_reader(kernel_id):
        raise HTTPError(404)


class ChannelsHandler(VoilaKernelWebsocketHandler):
    """The websocket between a page and its kernel, and the only way to it."""

    free_at = 0.0  # when everything sent so far would have come at the allowed rate

    def check_origin(self, origin: str | None = None) -> bool:
        """Refuse the pages of other sites."""
        return same_site(self)

    async def get(self, kernel_id: str) -> None:
        find(self, kernel_id)
        if not self.check_origin():  # before Jupyter lets a newcomer replace an open connection
            raise HTTPError(403)
        if PROTOCOL not in self.request.headers.get("Sec-WebSocket-Protocol", ""):
            raise HTTPError(400)
        await super().get(kernel_id=kernel_id)

    async def on_message(self, message) -> None:
        """Pass on what a page may say. What it may not is dropped without a word."""
        await self._pace(len(message))
        with contextlib.suppress(Refused):
            admit(message)
            if self.connection:  # the page may have left while the message waited
                super().on_message(message)

    async def _pace(self, size: int) -> None:
        now = asyncio.get_running_loop().time()
        units = 1 + size / BYTES_PER_UNIT
        self.free_at = max(self.free_at, now - BURST / PER_SECOND) + units / PER_SECOND
        if self.free_at > now:
            await asyncio.sleep(self.free_at - now)

    def write_message(self, message, binary: bool = False):
        """Pass on what a page needs to hear."""
        if said_kind(message) in HEARS:
            return super().write_message(message, binary)
        return None


class KernelHandler(APIHandler):
    """Whether a page's kernel is there. Nothing can be done to it here."""

    def get(self, kernel_id: str) -> None:
        find(self, kernel_id)
        self.finish({"id": kernel_id, "name": "python3"})


class GoodbyeHandler(APIHandler):
    """A page that is closed ends its kernel."""

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """Refuse the pages of other sites."""
        return same_site(self)

    def check_xsrf_cookie(self) -> None:
        """Let the browser's farewell in: it carries no token, and the id cannot be guessed."""
        if not same_site(self):
            raise HTTPError(403)

    async def post(self, kernel_id: str) -> None:
        await self.settings["kernel_manager"].leave(kernel_id)
        self.set_status(204)  # whatever was there: whoever guesses ids learns nothing
        self.finish()
