"""The page on hosting: its pieces, and nginx or Caddy running them on a free port."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import free_port
from widgets.pages import build

TEXT = (build.ROOT / "book" / "hosting.md").read_text("utf-8")
PAGE = re.sub(r"\\\n\s*", "", TEXT)  # what a backslash breaks is one line
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{ listen 127.0.0.1:{port}; {lines} }}
}}
"""
CADDY = """
{{
    admin off
}}
http://127.0.0.1:{port} {{
{lines}
}}
"""
RUN = {
    "nginx": (NGINX, ("-p", ".", "-e", "stderr", "-c")),
    "caddy": (CADDY, ("run", "--adapter", "caddyfile", "--config")),
}


def lines(language: str, having: str) -> str:
    """The one piece of the page in a language that has some words; none colours Caddy's."""
    pieces = re.findall(rf"```{language.replace('caddy', 'text')}\n(.*?)```", PAGE, re.S)
    (found,) = (piece for piece in pieces if having in piece)
    return found


@contextmanager
def running(name: str, given: str, folder) -> Iterator[str]:
    """The named server with lines of the page, and what it keeps in a folder: its address."""
    template, options = RUN[name]
    port = free_port()
    config = folder / "server.conf"
    config.write_text(template.format(port=port, lines=given))
    home = os.environ | {"HOME": str(folder)}
    with subprocess.Popen([name, *options, config], cwd=folder, env=home) as process:
        until = time.monotonic() + 30
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None and time.monotonic() < until, "it did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
