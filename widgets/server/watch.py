"""What ends a reader's kernel: its page has gone, it works too long, it is too big, it has died."""

import asyncio
import time

import psutil
from nbclient.util import ensure_async
from tornado.web import HTTPError

from .kernels import Kernels, Reader
from .log import LOG

EVERY_SECONDS = 1
# A page that was sent and never spoke: on a slow line its scripts take a while. It holds no seat,
# so it goes earlier when somebody else needs one.
SILENT_SECONDS, SILENT_AT_LEAST_SECONDS = 60, 8
# After it was interrupted: a calculator then says that it took too long, and is there again.
GRACE_SECONDS = 5


class Watch:
    """Looks at every reader's kernel once a second.

    Parameters
    ----------
    running : Kernels
        The kernels.
    idle_seconds : float
        How long one outlives its page [s].
    change_seconds : float
        How long one may work on one change [s].
    mib : float
        Its memory [MiB].
    """

    def __init__(self, running: Kernels, idle_seconds: float, change_seconds: float, mib: float):
        self.running = running
        self.idle_seconds, self.change_seconds, self.mib = idle_seconds, change_seconds, mib
        self.interrupted: dict[str, float] = {}  # kernels, and what they were doing since

    async def look(self) -> None:
        """Look until the server stops."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            for one in list(self.running.taken.values()):
                try:
                    await self._look_at(one)
                except (HTTPError, KeyError, RuntimeError, psutil.Error) as problem:
                    LOG.error("a kernel could not be looked at: %s", problem)

    async def _look_at(self, one: Reader) -> None:
        if not (why := await self._why_it_ends(one)):
            return
        if why != GONE:
            LOG.error("a reader's kernel ends: %s", why)
        await self.running.leave(one.kernel_id)

    async def _why_it_ends(self, one: Reader) -> str:
        if one.kernel_id not in self.running:
            return GONE
        kernel = self.running.get_kernel(one.kernel_id)
        if not await ensure_async(kernel.is_alive()):
            return "it died"
        if not one.sockets and alone(one) > (self.idle_seconds if one.spoke else SILENT_SECONDS):
            return GONE
        if (size := resident_mib(kernel)) > self.mib:
            return f"it has {size:,.0f} MiB, and one may have {self.mib:,.0f}"
        return await self._works_too_long(one.kernel_id, kernel)

    async def _works_too_long(self, kernel_id: str, kernel) -> str:
        begun = kernel.busy_since
        worked = time.monotonic() - begun if begun else 0
        if worked <= self.change_seconds:
            self.interrupted.pop(kernel_id, None)
            return ""
        if worked > self.change_seconds + GRACE_SECONDS:
            self.interrupted.pop(kernel_id, None)
            return f"it worked for {worked:.0f} s on one change"
        if self.interrupted.get(kernel_id) != begun:
            self.interrupted[kernel_id] = begun
            await ensure_async(kernel.interrupt_kernel())
        return ""

    async def make_room(self, address: str | None = None) -> None:
        """End the page that has been silent for longest, if any has been for long enough.

        Parameters
        ----------
        address : str, optional
            Of this visitor alone.
        """
        silent = [
            one
            for one in self.running.taken.values()
            if not one.spoke and (address is None or one.address == address)
        ]
        oldest = max(silent, key=alone, default=None)
        if oldest and alone(oldest) > SILENT_AT_LEAST_SECONDS:
            await self.running.leave(oldest.kernel_id)


GONE = "its page has gone"


def alone(one: Reader) -> float:
    """How long ago a page was sent, or went away [s]."""
    return time.monotonic() - one.alone_since


def resident_mib(kernel) -> float:
    """The memory of a kernel [MiB]; 0 when it cannot be seen."""
    pid = getattr(kernel.provisioner, "pid", None)
    return psutil.Process(pid).memory_info().rss / 2**20 if pid else 0.0
