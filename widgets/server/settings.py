"""The settings of the server: `serve.toml`, and the flags that win over it."""

import re
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

from llmcap_kernel.refuse import BadInput, number, one_of, shown

FILE = Path(__file__).parents[2] / "serve.toml"
# A site as a browser names it. What embeds us goes into a header, so nothing else may be in it.
ORIGIN = re.compile(r"https?://[\w.-]+(:\d+)?")
NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
BASE = re.compile(r"/([\w.~-]+/)*")


@dataclass(frozen=True)
class Settings:
    """How the server listens and what it lets in.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
        Port to listen on.
    base : str
        The path readers see in front of ours, behind a reverse proxy.
    behind_proxy : bool
        Whether the X-Forwarded headers are believed.
    embed : tuple of str
        Other sites that may show our pages in a frame.
    hosts : tuple of str
        Names that lead here, besides addresses and localhost.
    connections : int
        Connections at the same time.
    connections_each : int
        Of these, how many may come from one address.
    seats : int
        Readers of apps at the same time.
    seats_each : int
        Of these, how many may come from one address.
    idle_seconds : int
        How long a kernel outlives its page [s].
    change_seconds : int
        How long a kernel may work on one change [s].
    kernel_mib : int
        Memory that a kernel may have [MiB].
    ready : int
        Kernels that wait for a reader.

    Raises
    ------
    BadInput
        When a setting is not what it takes.

    Examples
    --------
    >>> Settings(base="tools/llmcap").base
    '/tools/llmcap/'
    """

    host: str = "127.0.0.1"
    port: int = 8866
    base: str = "/"
    behind_proxy: bool = False
    hosts: tuple = ()
    embed: tuple = ()
    connections: int = 500
    connections_each: int = 100
    seats: int = 20
    seats_each: int = 10
    idle_seconds: int = 8
    change_seconds: int = 60
    kernel_mib: int = 900
    ready: int = 2

    def __post_init__(self):
        for name, low, high in (
            ("port", 1, 65_535),
            ("seats", 1, 10_000),
            ("seats_each", 1, 10_000),
            ("connections", 10, 100_000),
            ("connections_each", 1, 100_000),
            ("idle_seconds", 1, 86_400),
            ("change_seconds", 1, 86_400),
            ("kernel_mib", 200, 1_000_000),
            ("ready", 0, 1000),
        ):
            number(name, getattr(self, name), low, high, whole=True)
        if not isinstance(self.host, str) or not self.host:
            raise BadInput("host", f"host is {shown(self.host)}: it takes an address.")
        if not isinstance(self.behind_proxy, bool):
            got = shown(self.behind_proxy)
            raise BadInput("behind_proxy", f"behind_proxy is {got}: it takes true or false.")
        object.__setattr__(self, "base", _base(self.base))
        object.__setattr__(self, "embed", _sites(self.embed))
        object.__setattr__(self, "hosts", _names(self.hosts))


def _base(given):
    path = f"/{given.strip('/')}/".replace("//", "/") if isinstance(given, str) else ""
    if not BASE.fullmatch(path):
        raise BadInput("base", f"base is {shown(given)}: it takes a path such as /tools/llmcap/.")
    return path


def _sites(given):
    for site in given if isinstance(given, list | tuple) else [given]:
        if not isinstance(site, str) or not ORIGIN.fullmatch(site):
            takes = "sites such as https://wiki.example.com"
            raise BadInput("embed", f"embed is {shown(site)}: it takes a list of {takes}.")
    return tuple(given)


def _names(given):
    for name in given if isinstance(given, list | tuple) else [given]:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            takes = "a list of names such as llmcap.example.com"
            raise BadInput("hosts", f"hosts is {shown(name)}: it takes {takes}.")
    return tuple(given)


def read(path=None, **flags):
    """Read the settings.

    Parameters
    ----------
    path : pathlib.Path, optional
        A TOML file; when left out, `serve.toml` beside the Makefile, if it is there.
    **flags
        Settings that win over the file; None leaves a setting to the file.

    Returns
    -------
    Settings
        The settings.

    Raises
    ------
    BadInput
        When the file cannot be read, has a name that is no setting, or a value is not taken.
    """
    given = {}
    if path or FILE.exists():
        try:
            given = tomllib.loads((path or FILE).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
            raise BadInput("config", f"config {path or FILE}: {problem}.") from None
    known = [field.name for field in fields(Settings)]
    for name in given:
        one_of("setting", name, known)
    given_flags = {name: value for name, value in flags.items() if value is not None}
    return replace(Settings(**given), **given_flags)
