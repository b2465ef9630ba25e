"""The book and its apps from one process on one port: ``python -m widgets.serve``.

============  ==================================================================
``/``         the book, as built in ``_build/html``
``/apps``     the list of the apps
``/apps/x``   ``book/apps/x.ipynb`` as a Voila page; its query string is its state
``/healthz``  ``ok``, and how many readers' kernels run
============  ==================================================================

Nothing else of the repository can be fetched, and no notebook outside ``book/apps`` can be run.
"""

import argparse
import asyncio
import json
import logging
import shutil
import signal
import socket
import sys
from pathlib import Path

from tornado.web import HTTPError, RequestHandler, StaticFileHandler
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler

from widgets import build

APPS = build.ROOT / "book" / "apps"
TEMPLATE = Path(__file__).parent / "voila_template"
# Of Voila's own addresses, the ones its script and its kernels need. Left out: the file browser,
# the contents service, raw files, and rendering by path.
VOILA_ROUTES = (
    "/api/kernels/",
    "/voila/static/",
    "/voila/labextensions/",
    "/voila/api/themes/",
    "/voila/query/",
)
# Of the JupyterLab extensions on the machine, those that an app page loads.
EXTENSIONS = (
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
)
START_SECONDS = 60
REASONS = {404: ("Not found", "There is no such page."), 503: ("All seats are taken", None)}


def app_names() -> list[str]:
    """The apps that can be opened: the notebooks of ``book/apps``."""
    return sorted(p.stem for p in APPS.glob("*.ipynb"))


def app_titles() -> dict[str, str]:
    """The apps with the title that each notebook gives itself."""
    read = {name: json.loads((APPS / f"{name}.ipynb").read_text("utf-8")) for name in app_names()}
    return {name: notebook["metadata"].get("title", name) for name, notebook in read.items()}


class Page(RequestHandler):
    """What our own handlers share: an error is a short page, never a traceback."""

    def write_error(self, status_code: int, **kwargs) -> None:
        title, text = REASONS.get(status_code, ("Something went wrong", "Please try again."))
        self.message(title, text or "", status_code)

    def message(self, title: str, text: str, status: int = 200) -> None:
        """Answer with a short page that also lists the apps."""
        page = self.settings["voila_jinja2_env"].get_template("message.html")
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page.render(title=title, text=text, apps=app_titles()))


class BookHandler(Page, StaticFileHandler):
    """The built book."""

    def set_extra_headers(self, path: str) -> None:
        # A rebuilt page must show at the next visit; the entity tag still spares the transfer.
        self.set_header("Cache-Control", "no-cache")


class AppListHandler(Page):
    """The list of the apps."""

    def get(self) -> None:
        self.message("Apps", "The calculators of the book, each on a page of its own.")


class HealthHandler(RequestHandler):
    """For a load balancer or a test: the process answers."""

    def get(self) -> None:
        self.write({"status": "ok", "sessions": sessions(self.settings["kernel_manager"])})


class AppHandler(Page, TornadoVoilaHandler):
    """One app, with a kernel of its own for each reader, up to the number of seats."""

    async def get(self, name: str) -> None:
        if name not in app_names():
            raise HTTPError(404)
        # Counting the kernels and starting one more is one step: without the lock, readers who
        # come together would all find the last seat free.
        async with self.settings["door"]:
            if sessions(self.kernel_manager) >= self.settings["seats"]:
                return self._turn_away()
            parts = self.get_generator(path=f"{name}.ipynb")
            self.write(await anext(parts))
        try:
            # When a kernel dies under it, Voila would send signs of life for ever.
            async with asyncio.timeout(START_SECONDS):
                async for part in parts:
                    self.write(part)
                    await self.flush()
        except TimeoutError:
            self.finish('<p role="alert">The calculator could not start. Please reload.</p>')

    def _turn_away(self) -> None:
        minutes = round(self.settings["idle_seconds"] / 60) or 1
        self.set_header("Retry-After", "60")
        self.message(
            "All seats are taken",
            f"Each reader of an app has a process of its own, and all {self.settings['seats']} are "
            f"in use. One is freed within {minutes} min of a page being closed. The book works "
            "meanwhile.",
            503,
        )


class GoodbyeHandler(VoilaShutdownKernelHandler):
    """A page that is closed ends its kernel."""

    def check_xsrf_cookie(self) -> None:
        """Let the browser's farewell in: it carries no token, and the id cannot be guessed."""

    async def post(self, kernel_id: str) -> None:
        if kernel_id not in self.kernel_manager:
            raise HTTPError(404)
        await super().post(kernel_id)


def sessions(kernel_manager) -> int:
    """Kernels given to readers: all that run, less those that wait ready in the pool."""
    waiting = {
        task.result()["kernel_id"]
        for task in pooled(kernel_manager)
        if task.done() and not task.cancelled() and not task.exception()
    }
    return len(set(kernel_manager.list_kernel_ids()) - waiting)


def pooled(kernel_manager) -> list[asyncio.Task]:
    """The tasks that start kernels ahead of readers; Voila keeps them to itself."""
    pools = getattr(kernel_manager, "_pools", {})
    return [task for pool in pools.values() for task in pool]


class Site(Voila):
    """Voila with the book at ``/`` and the apps at ``/apps``."""

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths.insert(0, str(TEMPLATE))

    def init_handlers(self) -> list:
        kept = [h for h in super().init_handlers() if h[0].startswith(VOILA_ROUTES)]
        app = {
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
        }
        return [
            *kept,
            (r"/voila/api/shutdown/([\w-]+)", GoodbyeHandler),
            (r"/healthz", HealthHandler),
            (r"/apps/?", AppListHandler),
            (r"/apps/([\w-]+)", AppHandler, app),
            (r"/(.*)", BookHandler, {"path": str(build.SITE), "default_filename": "index.html"}),
        ]

    def listen(self) -> None:
        # Voila's own tries other ports, and blocks.
        self.server = self.app.listen(self.port, self.ip)

    async def serve(self, say) -> None:
        """Answer requests until SIGINT or SIGTERM, then end every kernel."""
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        self.start()
        say(f"the apps are at http://{self.ip}:{self.port}/apps; Ctrl-C stops")
        say(f"read the book at http://{self.ip}:{self.port}/")
        await stopped.wait()
        say("stopping")
        self.server.stop()
        # Voila cannot end a kernel that is still starting.
        await asyncio.gather(*pooled(self.kernel_manager), return_exceptions=True)
        await self.kernel_manager.shutdown_all(now=True)
        shutil.rmtree(self.connection_dir, ignore_errors=True)


def make_site(host: str, port: int, seats: int, idle_seconds: int, ready: int) -> Site:
    """The configured server.

    Parameters
    ----------
    host, port : str, int
        Where to listen.
    seats : int
        Readers of apps at the same time; each has a kernel of about 100 MB.
    idle_seconds : int
        How long a kernel outlives a closed page.
    ready : int
        Kernels of each app that are started before a reader comes.
    """
    config = Config(
        {
            "VoilaConfiguration": {
                "allow_template_override": "NO",
                "allow_theme_override": "NO",
                "default_pool_size": ready,
                "extension_allowlist": list(EXTENSIONS),
                "preheat_kernel": ready > 0,
                "show_tracebacks": False,
                "strip_sources": True,
            },
            "MappingKernelManager": {
                "cull_idle_timeout": idle_seconds,
                "cull_interval": max(1, min(30, idle_seconds // 2)),
                "cull_connected": False,
            },
            # Any user of the machine can connect to the ports between this process and a kernel.
            "KernelManager": {"transport_encryption": "auto"},
        }
    )
    site = Site(
        config=config,
        config_file_paths=[],  # a reader's own Voila settings do not apply here
        ip=host,
        log_level=logging.ERROR,
        open_browser=False,
        port=port,
        root_dir=str(APPS),
        tornado_settings={"door": asyncio.Lock(), "seats": seats, "idle_seconds": idle_seconds},
    )
    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # a mistyped address is no event
    site.initialize([])
    return site


def say(line: str) -> None:
    """Tell the reader what is being done."""
    print(f"llmcap: {line}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Build the book if need be, then serve it and the apps until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m widgets.serve", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8866, help="port (%(default)s)")
    parser.add_argument("--seats", type=int, default=20, help="readers at once (%(default)s)")
    parser.add_argument("--idle", type=int, default=120, help="seconds a kernel outlives its page")
    parser.add_argument("--ready", type=int, default=1, help="kernels kept ready for each app")
    args = parser.parse_args(argv)
    try:
        _claim(args.host, args.port)
        build.ensure(say)
        asyncio.run(make_site(args.host, args.port, args.seats, args.idle, args.ready).serve(say))
    except KeyboardInterrupt:
        return 130
    return 0


def _claim(host: str, port: int) -> None:
    """Stop before the long build if the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f"cannot listen on {host}:{port} ({error.strerror})"
            raise SystemExit(f"llmcap: {reason}; try another: make serve PORT=8867") from None


if __name__ == "__main__":
    sys.exit(main())
