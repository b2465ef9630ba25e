"""The Chromium that draws, prints, tests and times our pages."""

from llmcap_kernel.cli.sheet import find_chromium

# The machine may be a container without a sandbox of its own, and a browser that fetches its own
# updates would be counted as a page that asks another host.
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Two pages behind the address bar, which each window would load for half a second of a core.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
]


def launch(playwright, *more: str):
    """Start it.

    Parameters
    ----------
    playwright : playwright.sync_api.Playwright
        What drives it.
    *more : str
        Flags beside `FLAGS`.

    Returns
    -------
    playwright.sync_api.Browser
        The browser; Playwright's own where the machine has none.
    """
    return playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *more])
