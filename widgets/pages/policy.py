"""What a page may load and from where: its own site alone.

Every built page says so itself, so that it holds wherever the folder is served; our server says
it again in a header.
"""

import base64
import hashlib
import re
from html.parser import HTMLParser

# Styles are written into pages by KaTeX, Plotly and JupyterLab, so these may stand inline; a
# script may not, but for those a page was built with, which are named by their digest.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'wasm-unsafe-eval'",  # Python in the page is WebAssembly
    "worker-src": "'self'",
    "connect-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",  # icons of the style sheets; a chart saved as a picture
    "font-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
STATED = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
# What a script element may say it is; any other type is data, which no browser runs.
RUN = {"", "module", "text/javascript", "importmap", "speculationrules"}


class InlineScripts(HTMLParser):
    """The scripts that stand in a page itself.

    Parameters
    ----------
    html : str
        The page.
    """

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.scripts: list[str] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        """Note where a script begins."""
        named = dict(attributes)
        runs = (named.get("type") or "").lower() in RUN
        self._inside = tag == "script" and runs and "src" not in named

    def handle_data(self, data):
        """Note its text."""
        if self._inside:
            self.scripts.append(data)

    def handle_endtag(self, tag):
        """Note where it ends."""
        self._inside = False


def text(**changes: str) -> str:
    """Write a policy.

    Parameters
    ----------
    **changes : str
        Rules that are added or said otherwise, with underscores for hyphens.

    Returns
    -------
    str
        As the header has it.

    Examples
    --------
    >>> text(frame_ancestors="'self'").split("; ")[-1]
    "frame-ancestors 'self'"
    """
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}" for name, value in (POLICY | named).items())


def of_page(html: str) -> str:
    """Write the policy of one page: its own inline scripts may run, and no other.

    Parameters
    ----------
    html : str
        The page.

    Returns
    -------
    str
        As the header has it.
    """
    scripts = {script.encode() for script in InlineScripts(html).scripts}
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    named = sorted(f"'sha256-{digest}'" for digest in digests)
    return text(script_src=" ".join((POLICY["script-src"], *named)))


def stated(html: str) -> str | None:
    """Read the policy that a page states.

    Parameters
    ----------
    html : str
        The page, or its beginning.

    Returns
    -------
    str or None
        The policy; None when it states none.
    """
    found = STATED.search(html)
    return found[1] if found else None


def with_policy(html: str) -> str:
    """State a page's policy in the page, before anything that it holds for.

    Parameters
    ----------
    html : str
        The page.

    Returns
    -------
    str
        The page with its policy.
    """
    meta = f'<meta http-equiv="Content-Security-Policy" content="{of_page(html)}">'
    charset = re.search(r"<meta charset=[^>]*>", html)
    if charset:
        return html[: charset.end()] + f"\n    {meta}" + html[charset.end() :]
    return meta + html
