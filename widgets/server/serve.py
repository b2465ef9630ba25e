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
from pathlib import Path

from traitlets.config import Config
from voila.app import Voila

from llmcap_kernel.refuse import BadInput
from widgets.pages import build
from widgets.pages.apps import TEMPLATES, site_map
from widgets.server import (
    channels,
    connections,
    files,
    handlers,
    kernels,
    log,
    messages,
    preview,
    settings,
    visitors,
)
from widgets.server.watch import Watch

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


class Site(Voila):
    """Voila with the book at ``/`` and the apps at ``/apps``."""

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths[:0] = [str(TEMPLATE), str(TEMPLATES)]

    def init_handlers(self) -> list:
        """The addresses that are answered, with or without the path of a reverse proxy."""
        names = "|".join(map(re.escape, handlers.app_names()))
        app = {
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
        }
        book = {"path": self.tornado_settings["book"], "default_filename": "index.html"}
        extensions = "|".join(map(re.escape, EXTENSIONS))
        under = re.escape(self.base_url.rstrip("/"))
        ours = [
            (r".*%00.*", handlers.NowhereHandler),
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
            (r"/healthz", handlers.HealthHandler),
            (r"/robots\.txt", handlers.RobotsHandler),
            (r"/apps/?", handlers.AppListHandler),
            (r"/apps/([\w-]+)/?", handlers.AppHandler, app),
            (r"/apps/([\w-]+)\.png", handlers.PreviewHandler),
            (rf"/({names})/?", handlers.ShortcutHandler),
            (r"/(.*)", handlers.BookHandler, book),
        ]
        routes = [(f"(?:{under})?{route}", *rest) for route, *rest in ours]
        strange = visitors.StrangeHost(
            self.tornado_settings["hosts"], self.tornado_settings["behind_proxy"]
        )
        return [
            (strange, handlers.StrangeHostHandler),
            (f"(?:{under})?/?", handlers.HomeHandler),
            *routes,
        ]

    def listen(self) -> None:
        """Listen on the one port; Voila's own tries others, and blocks."""
        options = self.app.settings
        headers = functools.partial(handlers.SafetyHeaders, embed=options["embed"])
        self.app.transforms += [headers, files.Gzip]  # type: ignore[list-item]
        proxied = options["behind_proxy"]  # all come from the proxy's address then
        each = 0 if proxied else options["connections_each"]
        door = connections.Door(self.app, most=options["connections"], each=each, xheaders=proxied)
        door.listen(self.port, self.ip)
        self.server = options["door"] = door
        running = self.kernel_manager
        options["watch"] = Watch(
            running, options["idle_seconds"], options["change_seconds"], options["kernel_mib"]
        )
        self.watching = asyncio.create_task(options["watch"].look())
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
    site = Site(
        base_url=chosen.base,
        config=_voila(chosen),
        config_file_paths=[],  # a reader's own Voila settings do not apply here
        identity_provider_class=visitors.Anyone,
        ip=chosen.host,
        log_level=logging.ERROR,
        open_browser=False,
        port=chosen.port,
        root_dir=str(handlers.APPS),
        server_url="/",
        tornado_settings=_settings(chosen, book),
    )
    # A mistyped address, a broken request or a full house is no event; a fault is logged apart.
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    site.initialize([])
    log.spare(site.log)
    return site


def _voila(chosen: settings.Settings) -> Config:
    """What Voila and Jupyter are told."""
    return Config(
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


def _settings(chosen: settings.Settings, book: Path) -> dict:
    """What our handlers read."""
    return {
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
    }


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
