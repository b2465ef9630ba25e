"""The scripts a built page loads: copied from installed packages, so no page asks another host.

Also a Sphinx extension (``_config.yml`` names it) that puts them beside the built pages, under
``vendor/``. They stay out of ``_static/``: Jupyter Book adds every script there to every page.
"""

import shutil
from pathlib import Path

FRONT = Path(__file__).parents[1] / "front"
NODE_MODULES = Path(__file__).parents[2] / "node_modules"


def vendor_files() -> dict[str, Path]:
    """Every file of the ``vendor/`` folder and where it comes from.

    Returns
    -------
    dict of str to pathlib.Path
        Name under ``vendor/`` to the file to copy.
    """
    front = {f"front/{p.relative_to(FRONT).as_posix()}": p for p in FRONT.rglob("*.*")}
    return front | {
        "plotly.min.js": NODE_MODULES / "plotly.js-basic-dist-min" / "plotly-basic.min.js",
    }


def _copy_vendor_files(app, error) -> None:
    if error or app.builder.format != "html":
        return
    for name, source in vendor_files().items():
        target = Path(app.outdir) / "vendor" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _add_icon(app, pagename, templatename, context, doctree) -> None:
    """An empty icon, as the apps have: without it every browser asks for one and is refused."""
    context["metatags"] = context.get("metatags", "") + '<link rel="icon" href="data:,">\n'


def _mend_bibliography(app, pagename, templatename, context, doctree) -> None:
    """A list may hold items only: docutils still writes a role that later rules took out."""
    if "doc-biblioentry" in context.get("body", ""):
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app) -> dict:
    """Register with Sphinx."""
    app.connect("html-page-context", _add_icon)
    app.connect("html-page-context", _mend_bibliography)
    app.connect("build-finished", _copy_vendor_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
