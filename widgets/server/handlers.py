"""What answers each address of the server: the book, the apps, their lists, health and pictures."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, OutputTransform, RequestHandler
from voila.tornado.handler import TornadoVoilaHandler

from widgets.pages import build, heads, policy
from widgets.pages.apps import site_map
from widgets.server import (
    files,
    kernels,
    visitors,
)

APPS = build.ROOT / "book" / "apps"
FIRST_PAGE = "book/intro.html"
TRY_AGAIN_SECONDS = 10  # for those who found no seat
PREVIEW_SECONDS = 3600  # a later version of the constants draws another picture


def app_names() -> list[str]:
    """The apps that can be opened: the notebooks of ``book/apps``."""
    return sorted(p.stem for p in APPS.glob("*.ipynb"))


# anywidget imports a widget's script from a blob that it makes of the text the kernel sent.
APP_SCRIPTS = "'self' blob:"


def allowed(embed=(), page: str | None = None, **changes: str) -> str:
    """Say where a page loads from, as the page itself does, and who may show it in a frame."""
    ancestors = " ".join(("'self'", *embed))
    if page:
        return f"{page}; frame-ancestors {ancestors}"
    return policy.text(frame_ancestors=ancestors, **changes)


class SafetyHeaders(OutputTransform):
    """Headers of every answer, whoever gives it: ours, Voila's, or an error of Tornado's."""

    def __init__(self, request, embed=()):
        self._embed = embed

    def transform_first_chunk(self, status_code, headers, chunk, finishing):
        """Add what the handler has not set itself."""
        headers["Referrer-Policy"] = "same-origin"  # a query is nobody else's business
        headers["X-Content-Type-Options"] = "nosniff"
        # Jupyter's own policy names frames alone.
        if not headers.get("Content-Security-Policy", "").startswith("default-src"):
            headers["Content-Security-Policy"] = allowed(self._embed)
        return status_code, headers, chunk


@functools.lru_cache(maxsize=256)
def page_policy(path: str, modified: float) -> str | None:
    """The policy that a page of the book states."""
    with open(path, encoding="utf-8") as page:
        return policy.stated(page.read(4096))


class Page(RequestHandler):
    """What our own handlers share: an error is a short page, never a traceback."""

    def write_error(self, status_code: int, **kwargs) -> None:
        if status_code == 404:
            self.message("Not found", "There is no such page.", status_code)
        else:
            self.message("Something went wrong", "Please try again.", status_code)

    def message(self, title: str, text: str, status: int = 200) -> None:
        """Answer with a short page that also lists the apps."""
        page = self.settings["voila_jinja2_env"].get_template("message.html")
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        base = self.settings["base_url"]
        self.finish(page.render(title=title, text=text, base=base, **site_map()))


class BookHandler(Page, files.PackedFiles):
    """The built book."""

    def set_extra_headers(self, path: str) -> None:
        """Say again what a page says it may load, and who may frame it."""
        super().set_extra_headers(path)
        if self.plain.endswith(".html"):
            said = page_policy(self.plain, Path(self.plain).stat().st_mtime)
            self.set_header("Content-Security-Policy", allowed(self.settings["embed"], said))


class ShortcutHandler(RequestHandler):
    """The name of an app, said without `apps`."""

    def get(self, name: str) -> None:
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.settings['base_url']}apps/{name}{query}")


class NowhereHandler(Page):
    """A path that no file can have: those who look for files would stumble over it."""

    def prepare(self) -> None:
        raise HTTPError(404)


class StrangeHostHandler(Page):
    """A name that is not ours leads nowhere."""

    def prepare(self) -> None:
        text = "The server does not know this name: whoever runs it can add it to serve.toml."
        self.message("Not here", text, 421)


class RobotsHandler(RequestHandler):
    """A crawler needs no calculator: each would start a process."""

    def get(self) -> None:
        base = self.settings["base_url"]
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"User-agent: *\nDisallow: {base}apps/\nDisallow: {base}voila/\n")


class HomeHandler(RequestHandler):
    """The path of a reverse proxy with or without its last slash, where relative links differ."""

    def get(self) -> None:
        self.redirect(f"{self.settings['base_url']}{FIRST_PAGE}")


class AppListHandler(Page):
    """The list of the apps."""

    def get(self) -> None:
        self.message("Apps", "The calculators of the book, each on a page of its own.")


class HealthHandler(RequestHandler):
    """For a load balancer or a test: the process answers, and how much room it has."""

    def get(self) -> None:
        running = self.settings["kernel_manager"]
        self.write(
            {
                "status": "ok",
                "sessions": len(running.seated()),
                "seats": self.settings["seats"],
                "warm": len(running.waiting),
                "ready": bool(running.waiting) or running.ready == 0,
            }
        )


class PreviewHandler(RequestHandler):
    """The picture of a link to an app; the one of the book where a link has none."""

    async def get(self, name: str) -> None:
        desk, reader = self.settings["desk"], visitors.address(self)
        drawn = await desk.picture(reader, name, self.request.query)
        if drawn is None:
            self.redirect(f"{self.settings['base_url']}{heads.CARD}")
            return
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", f"public, max-age={PREVIEW_SECONDS}")
        self.finish(drawn)

    head = get


class AppHandler(Page, TornadoVoilaHandler):
    """One app, with a kernel of its own for each reader, up to the number of seats."""

    arrival = kernels.Reader()
    making: asyncio.Task | None = None

    async def get(self, name: str) -> None:
        if name not in app_names():
            raise HTTPError(404)
        if not visitors.opens_a_page(self):
            raise HTTPError(403)
        if not await self._has_room(visitors.address(self)):
            return
        self.making = asyncio.current_task()
        try:
            await self._make(name)
        except (asyncio.CancelledError, StreamClosedError):
            await self.kernel_manager.leave(self.arrival.kernel_id)  # nobody waits for it any more

    def on_connection_close(self) -> None:
        """Give up the place in the queue. A page that is being made is finished, then dropped."""
        super().on_connection_close()
        if self.making and not self.arrival.kernel_id:
            self.making.cancel()

    async def _make(self, name: str) -> None:
        parts = self.get_generator(path=f"{name}.ipynb")
        with self.kernel_manager.arrival(visitors.address(self)) as self.arrival:
            await self.kernel_manager.reserve(self.arrival)
            first = await anext(parts)
        rules = allowed(self.settings["embed"], script_src=APP_SCRIPTS)
        self.set_header("Content-Security-Policy", rules)
        try:
            # When a kernel dies under it, Voila would send signs of life for ever.
            async with asyncio.timeout(kernels.START_SECONDS):
                async for part in self._named(name, first, parts):
                    self.write(part)
                    await self.flush()
            self.arrival.alone_since = time.monotonic()
        except TimeoutError:
            await self.kernel_manager.leave(self.arrival.kernel_id)
            self.finish('<p role="alert">The calculator could not start. Please reload.</p>')

    async def _named(self, name: str, head: str, parts: AsyncIterator[str]) -> AsyncIterator[str]:
        """The parts of a page, its title saying what was asked and what the answer is."""
        at = f"{self.request.protocol}://{self.request.host}{self.settings['base_url']}"
        async for part in parts:
            if head:  # a title comes in several parts
                head += part
                if "</title>" not in head:
                    continue
                query = self.request.query
                part = await asyncio.to_thread(heads.with_answer, head, name, query, at)
                head = ""
            yield part
        if head:
            yield head

    async def _has_room(self, reader: str) -> bool:
        """Whether there is a seat; else the page says so. A page that never spoke makes room."""
        most, each = self.settings["seats"], self.settings["seats_each"]
        seated, watch = self.kernel_manager.seated, self.settings["watch"]
        if seated().count(reader) >= each:
            await watch.make_room(reader)
        elif len(seated()) >= most:
            await watch.make_room()
        if len(seated()) >= most:
            text = f"Each open app has a process of its own, and all {most} are taken."
            self._turn_away("All seats are taken", text, 503)
        elif seated().count(reader) >= each:
            apps = "1 app is" if each == 1 else f"{each} apps are"
            text = f"{apps} open at your address, and one address may have no more."
            self._turn_away("Your seats are taken", text, 429)
        else:
            return True
        return False

    def _turn_away(self, title: str, text: str, status: int) -> None:
        self.set_header("Retry-After", str(TRY_AGAIN_SECONDS))
        self.set_header("Refresh", str(TRY_AGAIN_SECONDS))
        text += f" This page tries again every {TRY_AGAIN_SECONDS} s, and keeps your inputs."
        self.message(title, f"{text} The book works meanwhile.", status)
