"""The readers' kernels: some wait warm, and whoever comes gets one of them.

Voila's own pool holds rendered pages, so it needs kernels of their own for every app. Here a kernel
waits with the calculators imported, and whichever app is opened next runs its notebook in it.
"""

import asyncio
import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.kernelmanager import (
    AsyncMappingKernelManager,
    ServerKernelManager,
)
from nbclient.util import ensure_async
from traitlets import Int

START_SECONDS = 60
START_TRIES = 3
STARTS_AT_ONCE = 2 * max(2, os.cpu_count() or 1)  # more of them would all come later
TELL_SECONDS = 5  # for a kernel that is warm this takes milliseconds
# A burst of readers is served first; then the kernels they took are replaced.
REFILL_SECONDS = 1
# What takes long in a new kernel, and the memory it may have. The views are left to their reader:
# one of them reads files that cost more memory and time than all the others.
WARM = "from widgets import host; from widgets.server.bounds import bound; bound({})"
TOLD = "import os; os.environ['QUERY_STRING'] = {!r}"


@dataclass(eq=False)
class Reader:
    """A reader: his page is being made, then it was sent, then it speaks to its kernel.

    Attributes
    ----------
    address : str
        Where he comes from.
    kernel_id : str
        His kernel; empty until he has one.
    spoke : bool
        Whether his page has said anything: that takes the seat.
    alone_since : float
        When his page was sent, or its last websocket closed.
    sockets : set
        The websockets of his page.
    given : asyncio.Future
        The kernel he waits for.
    reserved : tuple
        The one he got, until Voila asks for it.
    tries : int
        Kernels that could not start while he was the next.
    """

    address: str = ""
    kernel_id: str = ""
    spoke: bool = False
    alone_since: float = field(default_factory=time.monotonic)
    sockets: set = field(default_factory=set)
    given: asyncio.Future | None = None
    reserved: tuple[str, Any] | None = None
    tries: int = 0


# Whose page is being made: Voila starts its kernel and passes no request along.
ARRIVAL = ContextVar("ARRIVAL", default=Reader())  # noqa: B039 - replaced, never changed


class Kernel(ServerKernelManager):
    """A kernel whose id is not on its command line, which all users of the machine can read."""

    # Jupyter looks for this here when a kernel reports an error, and finds it elsewhere.
    traceback_replacement_message = ""
    busy_since = 0.0  # when it began on what it is doing; 0 while it rests

    def __init__(self, **kwargs):
        folder = Path(kwargs.pop("connection_file", "")).parent
        super().__init__(connection_file=str(folder / f"{secrets.token_hex(8)}.json"), **kwargs)
        self.observe(self._begin_or_end, "execution_state")

    def _begin_or_end(self, change) -> None:
        self.busy_since = time.monotonic() if change["new"] == "busy" else 0.0


class Kernels(AsyncMappingKernelManager):
    """Kernels for readers, some of them started before their reader comes."""

    ready = Int(0, config=True, help="kernels that wait for a reader")
    kernel_mib = Int(0, config=True, help="memory that a kernel may have [MiB]")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.waiting: list[tuple[str, Any]] = []  # warm kernels, and what talks to each
        self.starting: set[asyncio.Task] = set()
        self.ending: dict[str, asyncio.Future] = {}
        self.stopping = False
        self.queue: list[Reader] = []  # readers who wait for a kernel
        self.arriving: list[Reader] = []  # readers whose page is being made
        self.taken: dict[str, Reader] = {}  # kernels with a reader whose page was sent

    def seated(self) -> list[str]:
        """The address of each reader: those with a kernel, and those who have just come."""
        return [one.address for one in (*self.taken.values(), *self.arriving)]

    @contextlib.contextmanager
    def arrival(self, address: str) -> Iterator[Reader]:
        """Count a reader before his kernel is: who come together do not all find the last seat."""
        one = Reader(address)
        self.arriving.append(one)
        before = ARRIVAL.set(one)
        try:
            yield one
        finally:
            ARRIVAL.reset(before)
            self.arriving.remove(one)
            if one.reserved:  # he left before his page began
                self._take_back(one.reserved)
            if one.kernel_id in self:
                one.alone_since = time.monotonic()
                self.taken[one.kernel_id] = one

    def reader_of(self, kernel_id: str) -> Reader | None:
        """Whose kernel it is, while it runs; None for one that nobody has."""
        return self.taken.get(kernel_id) if kernel_id in self else None

    async def leave(self, kernel_id: str) -> None:
        """End a reader's kernel. A page may say farewell twice, so the first has it alone."""
        if one := self.taken.pop(kernel_id, None):
            for socket in list(one.sockets):
                socket.close()
            await self._end(kernel_id)

    def fill(self) -> None:
        """Start kernels for those who wait for one, and until enough wait themselves."""
        if self.stopping:
            return
        wanted = len(self.queue) + self.ready - len(self.waiting) - len(self.starting)
        for _ in range(min(wanted, STARTS_AT_ONCE - len(self.starting))):
            task = asyncio.create_task(self._start_warm())
            self.starting.add(task)
            task.add_done_callback(self._started)

    async def start_kernel(self, **kwargs):  # type: ignore[override]
        """Give a reader a kernel that knows the query of his page."""
        one, query = ARRIVAL.get(), kwargs["env"]["QUERY_STRING"]
        for _ in range(START_TRIES):
            kernel_id, client = one.reserved or await self.reserve(one)
            is_told = await self._run(client, TOLD.format(query), TELL_SECONDS)
            one.reserved = None
            client.stop_channels()
            if is_told:
                one.kernel_id = kernel_id
                return kernel_id
            await self._end(kernel_id)  # it died while it waited
        raise RuntimeError(f"{START_TRIES} kernels in a row did not answer")

    async def reserve(self, one: Reader) -> tuple[str, Any]:
        """Wait for a kernel. Who leaves meanwhile has cost nothing."""
        one.given = asyncio.get_running_loop().create_future()
        self.queue.append(one)
        self._hand_out()
        try:
            one.reserved = await one.given
            return one.reserved
        except asyncio.CancelledError:
            if one.given.done() and not one.given.cancelled():  # he left as it was handed to him
                self._take_back(one.given.result())
            raise
        finally:
            if one in self.queue:
                self.queue.remove(one)

    def _take_back(self, kernel: tuple[str, Any]) -> None:
        self.waiting.append(kernel)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give the kernels that wait to those who wait: first to who has fewest."""
        while self.waiting and self.queue:
            seated = self.seated()
            one = min(self.queue, key=lambda one: seated.count(one.address))
            self.queue.remove(one)
            if one.given and not one.given.done():
                one.given.set_result(self.waiting.pop(0))
        if self.queue:
            self.fill()
        else:
            asyncio.get_running_loop().call_later(REFILL_SECONDS, self.fill)

    def _started(self, task: asyncio.Task) -> None:
        self.starting.discard(task)
        if task.cancelled():
            return
        if not (problem := task.exception()):
            self.waiting.append(task.result())
        elif self.queue:
            # One may die as it starts, say when another program takes a port that was found for it.
            one = self.queue[0]
            one.tries += 1
            if one.tries >= START_TRIES and one.given and not one.given.done():
                self.queue.remove(one)
                one.given.set_exception(problem)
        self._hand_out()

    async def _start_warm(self) -> tuple[str, Any]:
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
        await self._run(client, WARM.format(self.kernel_mib), START_SECONDS)
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
        """End a kernel once: Jupyter fails where it is asked to while it does so already."""
        if kernel_id in self and kernel_id not in self.ending:
            end = asyncio.ensure_future(ensure_async(self.shutdown_kernel(kernel_id, now=True)))
            end.add_done_callback(lambda _: self.ending.pop(kernel_id))
            self.ending[kernel_id] = end
        if kernel_id in self.ending:
            await asyncio.shield(self.ending[kernel_id])

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

    async def stop(self) -> None:
        """End every kernel, also those that are still starting."""
        self.stopping = True
        self.queue.clear()
        await asyncio.gather(*self.starting, return_exceptions=True)
        for _, client in self.waiting:
            client.stop_channels()
        await asyncio.gather(*map(self._end, self.list_kernel_ids()))
