"""Who asks, and from where: a reader's address, our own pages, and the names we answer to."""

import ipaddress

from jupyter_server.auth.identity import PasswordIdentityProvider
from tornado.routing import Matcher

# A page within another. An image, a script or a style sheet that points here is none.
FRAMES = {"iframe", "frame", "embed", "object"}


class Anyone(PasswordIdentityProvider):
    """Nobody signs in here, so no cookie says who came."""

    def set_login_cookie(self, handler, user) -> None:
        """Set none: Jupyter would have the browser keep one for 30 days."""


def address(handler) -> str:
    """Whose request it is, as far as the network tells: an IPv4 address, or an IPv6 network.

    One who has IPv6 has a whole network of addresses to come from.
    """
    sender = handler.request.remote_ip
    if handler.settings["behind_proxy"]:
        # Our proxy wrote the last one; what stands before it anyone may have written.
        sender = handler.request.headers.get("X-Forwarded-For", sender).rpartition(",")[2].strip()
    return network(sender)


def network(sender: str) -> str:
    """The part of an address that is one reader's; empty for what is no address."""
    try:
        ip = ipaddress.ip_address(sender)
    except ValueError:
        return ""  # those who have none share their seats
    if ip.version == 4 or ip.ipv4_mapped:
        return str(ip if ip.version == 4 else ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))


def asked_host(request, behind_proxy: bool) -> str:
    """The name and port that a browser asked for."""
    host = request.headers.get("Host", "")
    return request.headers.get("X-Forwarded-Host", host) if behind_proxy else host


def same_site(handler) -> bool:
    """Whether a request comes from a page of ours, as far as a browser tells."""
    host = asked_host(handler.request, handler.settings["behind_proxy"])
    origin = handler.request.headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == host.lower()


def opens_a_page(handler) -> bool:
    """Whether a browser shows the answer as a page; what says nothing of it is no browser.

    A page of another site can point its images here, once for each seat, and a browser may fetch
    ahead what nobody opens.
    """
    headers = handler.request.headers
    if "prefetch" in headers.get("Sec-Purpose", headers.get("Purpose", "")):
        return False
    if headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return True  # a page of ours may well fetch another
    shown_as = headers.get("Sec-Fetch-Dest", "document")
    return shown_as == "document" or (shown_as in FRAMES and bool(handler.settings["embed"]))


class StrangeHost(Matcher):
    """Requests for a name that is not ours.

    Whoever owns a name can have it lead here, and a browser then takes his page for one of ours.

    Parameters
    ----------
    names : iterable of str
        Names that lead here, besides addresses and `localhost`.
    behind_proxy : bool
        Whether a proxy says which name was asked for; without names of ours it is believed.
    """

    def __init__(self, names, behind_proxy):
        self.names = {"localhost", *(name.lower() for name in names)}
        self.behind_proxy = behind_proxy
        self.any = behind_proxy and not names

    def match(self, request):
        """Give the handler nothing more when it is strange, and None when it is not."""
        # Of several, the last: a proxy adds its own after what the visitor wrote.
        asked = asked_host(request, self.behind_proxy).rpartition(",")[2].strip().lower()
        return None if self.any or self._is_ours(asked) else {}

    def _is_ours(self, asked: str) -> bool:
        name = asked.partition("]")[0].lstrip("[") if asked[:1] == "[" else asked.split(":")[0]
        return name.rstrip(".") in self.names or bool(network(name))
