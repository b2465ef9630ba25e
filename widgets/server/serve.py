"""The book and its apps from one process on one port: ``python -m widgets.server``.

============  ==================================================================
``/``         the book, as built in ``_build/html``
``/apps``     the list of the apps
``/apps/x``   ``book/apps/x.ipynb`` as a Voila page; its query string is its state
``/x``        leads to ``/apps/x``, with its query
``/healthz``  ``ok``, how many readers' kernels run, and how many wait warm
============  ==================================================================

Nothing else of the repository can be fetched, and no notebook outside ``book/apps`` can be run.
All of it may lie under a path of a reverse proxy, which may keep that path or strip it.
"""

import argparse
import asyncio
import functools
import logging
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, OutputTransform, RequestHandler
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from llmcap_kernel.refuse import BadInput
from widgets.pages import build, heads, policy
from widgets.pages.apps import TEMPLATES, site_map
from widgets.server import (
    channels,
    connections,
    files,
    kernels,
    log,
    messages,
    preview,
    settings,
    visitors,
)
from widgets.server.watch import Watch

APPS = build.ROOT / "book" / "apps"
FIRST_PAGE = "book/intro.html"
TRY_AGAIN_SECONDS = 10  # for those who found no seat
PREVIEW_SECONDS = 3600  # a later version of the constants draws another picture
PING_SECONDS = 10  # a page that does not answer three of them has gone
TEMPLATE = Path(__file__).parent / "voila_template"
# Of Voila's own addresses, the scripts of its page. Left out: the file browser, the contents
# service, raw files, and rendering by path. Kernels have handlers of our own.
VOILA_ROUTES = ("/voila/static/",)
KERNEL = r"/api/kernels/(\w+-\w+-\w+-\w+-\w+)"
# Of the JupyterLab extensions on the machine, those that an app page loads.
EXTENSIONS = (
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
)


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


class Site(Voila):
    """Voila with the book at ``/`` and the apps at ``/apps``."""

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths[:0] = [str(TEMPLATE), str(TEMPLATES)]

    def init_handlers(self) -> list:
        """The addresses that are answered, with or without the path of a reverse proxy."""
        names = "|".join(map(re.escape, app_names()))
        app = {
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
        }
        book = {"path": self.tornado_settings["book"], "default_filename": "index.html"}
        extensions = "|".join(map(re.escape, EXTENSIONS))
        under = re.escape(self.base_url.rstrip("/"))
        ours = [
            (r".*%00.*", NowhereHandler),
            *(h for h in super().init_handlers() if h[0].startswith(VOILA_ROUTES)),
            # A new version of an extension has files of new names, so a browser may keep these.
            (
                rf"/voila/labextensions/((?:{extensions})/.*)",
                files.FoundFiles,
                {"path": self.labextensions_path},
            ),
            (KERNEL, channels.KernelHandler),
            (rf"{KERNEL}/channels", channels.ChannelsHandler),
            (r"/voila/api/shutdown/([\w-]+)", channels.GoodbyeHandler),
            (r"/healthz", HealthHandler),
            (r"/robots\.txt", RobotsHandler),
            (r"/apps/?", AppListHandler),
            (r"/apps/([\w-]+)/?", AppHandler, app),
            (r"/apps/([\w-]+)\.png", PreviewHandler),
            (rf"/({names})/?", ShortcutHandler),
            (r"/(.*)", BookHandler, book),
        ]
        routes = [(f"(?:{under})?{route}", *rest) for route, *rest in ours]
        strange = visitors.StrangeHost(
            self.tornado_settings["hosts"], self.tornado_settings["behind_proxy"]
        )
        return [(strange, StrangeHostHandler), (f"(?:{under})?/?", HomeHandler), *routes]

    def listen(self) -> None:
        """Listen on the one port; Voila's own tries others, and blocks."""
        told = self.app.settings
        headers = functools.partial(SafetyHeaders, embed=told["embed"])
        self.app.transforms += [headers, files.Gzip]  # type: ignore[list-item]
        proxied = told["behind_proxy"]  # all come from the proxy's address then
        each = 0 if proxied else told["connections_each"]
        door = connections.Door(self.app, most=told["connections"], each=each, xheaders=proxied)
        door.listen(self.port, self.ip)
        self.server = told["door"] = door
        running = self.kernel_manager
        told["watch"] = Watch(
            running, told["idle_seconds"], told["change_seconds"], told["kernel_mib"]
        )
        self.watching = asyncio.create_task(told["watch"].look())
        running.fill()

    async def serve(self, say) -> None:
        """Answer requests until SIGINT or SIGTERM, then end every kernel."""
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        self.start()
        here = f"http://{f'[{self.ip}]' if ':' in self.ip else self.ip}:{self.port}"
        say(f"the apps are at {here}/apps; Ctrl-C stops")
        say(f"read the book at {here}/")
        await stopped.wait()
        say("stopping")
        self.server.stop()
        self.watching.cancel()
        await self.kernel_manager.stop()
        shutil.rmtree(self.connection_dir, ignore_errors=True)


def make_site(chosen: settings.Settings, book: Path) -> Site:
    """The configured server.

    Parameters
    ----------
    chosen : settings.Settings
        How it listens and what it lets in.
    book : pathlib.Path
        The built book.
    """
    config = Config(
        {
            "VoilaConfiguration": {
                "allow_template_override": "NO",
                "allow_theme_override": "NO",
                "extension_allowlist": list(EXTENSIONS),
                # Voila's sign of life is a script in the page, which our pages may not run.
                "http_keep_alive_timeout": 2 * kernels.START_SECONDS,
                "multi_kernel_manager_class": kernels.Kernels,
                "resources": site_map(),  # what the head of each page leads to
                "show_tracebacks": False,
                "strip_sources": True,
            },
            "Kernels": {"ready": chosen.ready, "kernel_mib": chosen.kernel_mib},
            "MappingKernelManager": {
                "allow_tracebacks": False,
                "buffer_offline_messages": False,  # they would wait in memory for a page that left
                "kernel_manager_class": "widgets.server.kernels.Kernel",
            },
            "KernelManager": {
                # Any user of the machine can connect to the ports between us and a kernel.
                "transport_encryption": "auto",
                "autorestart": False,  # a kernel without its widgets is of no use to a page
            },
            # Dropping some would lose the word that a message is done; connections are bounded.
            "ZMQChannelsWebsocketConnection": {"limit_rate": False},
        }
    )
    site = Site(
        base_url=chosen.base,
        config=config,
        config_file_paths=[],  # a reader's own Voila settings do not apply here
        identity_provider_class=visitors.Anyone,
        ip=chosen.host,
        log_level=logging.ERROR,
        open_browser=False,
        port=chosen.port,
        root_dir=str(APPS),
        server_url="/",
        tornado_settings={
            "behind_proxy": chosen.behind_proxy,
            "book": str(book),
            "change_seconds": chosen.change_seconds,
            "connections": connections.room(chosen.connections, chosen.seats + chosen.ready),
            "connections_each": chosen.connections_each,
            "desk": preview.Desk(),
            "embed": chosen.embed,
            # A proxy leads here by names of its own choice, unless some are named.
            "hosts": chosen.hosts if chosen.behind_proxy else (*chosen.hosts, chosen.host),
            "idle_seconds": chosen.idle_seconds,
            "kernel_mib": chosen.kernel_mib,
            "seats": chosen.seats,
            "seats_each": chosen.seats_each,
            "websocket_max_message_size": messages.MAX_MESSAGE_BYTES,
            "ws_ping_interval": 1000 * PING_SECONDS,
            "xsrf_cookies": True,
        },
    )
    # A mistyped address, a broken request or a full house is no event; a fault is logged apart.
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    site.initialize([])
    log.spare(site.log)
    return site


def say(line: str) -> None:
    """Tell the reader what is being done."""
    print(f"llmcap: {line}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Build the book if need be, then serve it and the apps until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m widgets.server",
        description=main.__doc__,
        epilog="What no flag says is read from serve.toml, where each setting is explained.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="instead of serve.toml")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int)
    parser.add_argument("--base", metavar="PATH", help="path behind a reverse proxy")
    parser.add_argument("--behind-proxy", action="store_true", default=None)
    parser.add_argument("--embed", action="append", metavar="SITE", help="who may frame the pages")
    parser.add_argument("--seats", type=int, help="readers of apps at once")
    parser.add_argument("--seats-each", type=int, help="of these for one address")
    parser.add_argument("--idle", type=int, dest="idle_seconds", metavar="SECONDS")
    parser.add_argument("--ready", type=int, help="kernels kept warm")
    args = vars(parser.parse_args(argv))
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        chosen = settings.read(args.pop("config"), **args)
        _claim(chosen.host, chosen.port)
        build.ensure(say)
        with build.served_copy() as book:
            asyncio.run(make_site(chosen, book).serve(say))
    except BadInput as problem:
        raise SystemExit(f"llmcap: {problem}") from None
    except KeyboardInterrupt:
        return 130
    return 0


def _claim(host: str, port: int) -> None:
    """Stop before the long build if the port is taken."""
    try:
        family, kind, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        reason = f"cannot listen on {host}:{port} ({error.strerror})"
        raise SystemExit(f"llmcap: {reason}; try another: make serve PORT=8867") from None


if __name__ == "__main__":
    sys.exit(main())
