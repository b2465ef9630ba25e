"""The scripts a built page loads: copied from installed packages, so no page asks another host.

Also a Sphinx extension (``_config.yml`` names it) that puts them beside the built pages, under
``vendor/``. They stay out of ``_static/``: Jupyter Book adds every script there to every page.
"""

import shutil
from pathlib import Path

from widgets.pages import apps, bundle

FRONT = Path(__file__).parents[1] / "front"


def vendor_files() -> dict[str, Path]:
    """Files of the ``vendor/`` folder under names that stay, and where they come from.

    Returns
    -------
    dict of str to pathlib.Path
        Name under ``vendor/`` to the file to copy.
    """
    return {
        # The server's pages of the apps name these.
        "front/calculator.css": FRONT / "calculator.css",
        "front/top.css": FRONT / "top.css",
        "plotly.min.js": bundle.NPM / "plotly.js-basic-dist-min" / "plotly-basic.min.js",
    }


def _bundle(app) -> None:
    """Write what pages load before the first page names it."""
    if app.builder.format != "html":
        return
    names = bundle.Bundle(Path(app.outdir) / "vendor").names
    app.add_js_file(f"../vendor/{names['page.js']}", type="module")
    for style in bundle.STYLES:
        app.add_css_file(f"../vendor/{names[style]}")


def _copy_vendor_files(app, error) -> None:
    if error or app.builder.format != "html":
        return
    for name, source in vendor_files().items():
        target = Path(app.outdir) / "vendor" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _mend_bibliography(app, pagename, templatename, context, doctree) -> None:
    """A list may hold items only: docutils still writes a role that later rules took out."""
    if "doc-biblioentry" in context.get("body", ""):
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app) -> dict:
    """Register with Sphinx."""
    app.connect("builder-inited", _bundle)
    app.connect("html-collect-pages", apps.collect_pages)
    app.connect("html-page-context", apps.add_head)
    app.connect("html-page-context", _mend_bibliography)
    app.connect("build-finished", _copy_vendor_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
