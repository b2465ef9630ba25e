"""The row under a chapter's title: the notebook itself, and where else it opens.

Also a Sphinx extension (``_config.yml`` names it): its setting is ``open_in``, and every page made
from a notebook gets the row.
"""

import re
from html import escape
from urllib.parse import quote, urlencode

from sphinx.errors import ConfigError

DEFAULTS = {"repository": "", "branch": "main", "hub": ""}
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def links(path, repository="", branch="main", hub=""):
    """List where a notebook of a public repository opens.

    Parameters
    ----------
    path : str
        The notebook, from the root of the repository.
    repository : str
        Its address on GitHub; nothing is listed without one.
    branch : str
        Branch to open.
    hub : str
        Address of a JupyterHub with nbgitpuller, if there is one.

    Returns
    -------
    list of tuple of str
        A label and an address each.

    Raises
    ------
    sphinx.errors.ConfigError
        When the repository is none on GitHub.

    Examples
    --------
    >>> links("book/1-law.ipynb", "https://github.com/who/what")[0]
    ('Colab', 'https://colab.research.google.com/github/who/what/blob/main/book/1-law.ipynb')
    >>> links("book/1-law.ipynb")
    []
    """
    if not repository:
        return []
    found = GITHUB.fullmatch(repository)
    if not found:
        raise ConfigError(
            f"open_in: repository is {repository!r}; it takes https://github.com/OWNER/NAME"
        )
    name, tree = found[1], f"lab/tree/{quote(path)}"
    made = [
        ("Colab", f"https://colab.research.google.com/github/{name}/blob/{branch}/{quote(path)}"),
        ("Binder", f"https://mybinder.org/v2/gh/{name}/{branch}?{urlencode({'urlpath': tree})}"),
    ]
    if not hub:
        return made
    folder = name.partition("/")[2]
    pull = {
        "repo": f"https://github.com/{name}",
        "branch": branch,
        "urlpath": f"lab/tree/{folder}/{quote(path)}",
    }
    return [
        ("JupyterLab", f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(pull)}"),
        *made,
    ]


def row(download, found):
    """Write the row.

    Parameters
    ----------
    download : str
        Address of the notebook beside the page.
    found : list of tuple of str
        Label and address of each place, see `links`.

    Returns
    -------
    str
        One paragraph of HTML.
    """
    items = [f'<a href="{escape(download)}" download>Download the notebook</a>']
    items += [f'<a href="{escape(address)}">Open in {label}</a>' for label, address in found]
    local = "" if found else " To run it in JupyterLab on your machine: <code>make lab</code>."
    return (
        f'<p class="llmcap-open">Every cell runs in this page. {" &#183; ".join(items)}.{local}</p>'
    )


def add_row(app, pagename, templatename, context, doctree):
    """Put the row under the title of a notebook's page, as Sphinx writes it."""
    source = context.get("sourcename", "")
    if ".ipynb" not in source:
        return
    path = f"{pagename}.ipynb"
    download = context["pathto"](f"_sources/{source}", 1)
    told = row(download, links(path, **(DEFAULTS | app.config.open_in)))
    context["body"] = context["body"].replace("</h1>", f"</h1>\n{told}", 1)


def setup(app):
    """Register with Sphinx."""
    app.add_config_value("open_in", DEFAULTS, "html", dict)
    app.connect("html-page-context", add_row)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
