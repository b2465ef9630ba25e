"""How soon the static book is alive, how heavy it is, and how quickly it answers: a real browser.

    python benchmarks/live.py [--times 5] [--moves 60]

The built book lies under a path of `python -m http.server`, as anybody may host it. Cold is a new
browser profile, warm its second page. The clock starts when the page is asked for and stops when
the calculator takes inputs. Beside it stands an empty page that only starts Pyodide. A slider's
answer is painted in two frames: its numbers, then its chart; both are timed from the input. Weights
are what the book's own server sends, packed. The exit status is 1 when a target is missed. Read the
load first: on a busy machine every figure is that machine's, not ours.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import redraw  # noqa: E402
from benchmarks.load import own_server  # noqa: E402
from widgets.pages import build, chromium  # noqa: E402
from widgets.pages.served import served  # noqa: E402

CHAPTERS = ("1-law", "2-bandwidth", "3-capacity", "4-toolbox", "5-design")
TARGETS = {
    "cold, s": 3.5,
    "warm, s": 1.5,
    "cold / empty Pyodide": 1.4,
    "slider to numbers, p95 ms": 50,
    "slider to chart, p95 ms": 50,
    "layout shift": 0.02,
    "heaviest chapter, kB": 600,
    "first paint, s": 0.6,
}
LIVE = "section.lc[data-live]"
EMPTY_PAGE = """<!doctype html><title>empty</title><script type="module">
const code = `import { loadPyodide } from "PYODIDE/pyodide.mjs";
  const python = await loadPyodide({ indexURL: "PYODIDE/" });
  postMessage(python.runPython("1 + 1"));`;
const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })),
  { type: "module" });
worker.onmessage = () => document.body.setAttribute("data-ready", "");
</script><body></body>"""
WATCH = """
window.moved = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.moved += one.value;
}).observe({ type: "layout-shift", buffered: true });
"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


@contextlib.contextmanager
def plain_files():
    """The built book under a path of a plain file server, with an empty Pyodide page beside it."""
    build.ensure()
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(build.SITE, Path(folder) / "book")
        os.symlink(ROOT / "node_modules" / "pyodide", Path(folder) / "pyodide")
        with served(folder) as address:
            page = EMPTY_PAGE.replace("PYODIDE", f"{address}/pyodide")
            (Path(folder) / "empty.html").write_text(page)
            yield address


def seconds(page, address, ready):
    """Open a page and wait for what it becomes [s]."""
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(ready, state="attached", timeout=120_000)
    return time.perf_counter() - start


def starts(browser, address, times):
    """Cold and warm starts of a calculator, and of an empty Pyodide page [s]."""
    cold, warm, empty, moved = [], [], [], []
    for _ in range(times):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        empty.append(seconds(page, f"{address}/empty.html", "body[data-ready]"))
        context.close()
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.add_init_script(WATCH)
        cold.append(seconds(page, f"{address}/book/apps/calculate/", LIVE))
        page.wait_for_selector(".lc-plot .main-svg")
        page.wait_for_timeout(3000)  # what is kept for the next visit is being written
        moved.append(page.evaluate("window.moved"))
        page.close()
        warm.append(seconds(context.new_page(), f"{address}/book/apps/calculate/", LIVE))
        context.close()
    middle = statistics.median
    return {
        "cold, s": middle(cold),
        "warm, s": middle(warm),
        "cold / empty Pyodide": middle(c / e for c, e in zip(cold, empty, strict=True)),
        "layout shift": max(moved),
    }


def redraws(browser, address, moves):
    """From an input to painted numbers and to the painted chart, over sliders: worst p95 [ms]."""
    worst = {"numbers": 0.0, "charts": 0.0}
    for name in ("calculate", "vram", "cliff"):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        times, _ = redraw.measure(page, f"{address}/book", name, moves)
        for what, took in times.items():
            worst[what] = max(worst[what], sorted(took)[round(0.95 * len(took)) - 1])
        page.close()
    return {
        "slider to numbers, p95 ms": worst["numbers"],
        "slider to chart, p95 ms": worst["charts"],
    }


def weights(browser):
    """What a chapter transfers until it is complete and readable [kB], and its first paint [s]."""
    heaviest, paints = 0.0, []
    with own_server() as (address, _):
        for name in CHAPTERS:
            context = browser.new_context(service_workers="block")
            page = context.new_page()
            session = context.new_cdp_session(page)
            session.send("Network.enable")
            sizes: list[float] = []
            session.on(
                "Network.loadingFinished", lambda e, s=sizes: s.append(e["encodedDataLength"])
            )
            page.goto(f"{address}/book/{name}.html", wait_until="networkidle")
            paints.append(page.evaluate(PAINT))
            heaviest = max(heaviest, sum(sizes) / 1e3)
            context.close()
    return {"heaviest chapter, kB": heaviest, "first paint, s": statistics.median(paints)}


def measured(times=5, moves=60):
    """Every figure of `TARGETS`, by a browser of its own."""
    with plain_files() as address, sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        seen = starts(browser, address, times)
        seen |= redraws(browser, address, moves) | weights(browser)
        browser.close()
    return seen


def main(argv=None):
    """Measure, and print each figure beside its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--moves", type=int, default=60)
    args = parser.parse_args(argv)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    seen = measured(args.times, args.moves)
    for name, target in TARGETS.items():
        print(f"{name:26} {seen[name]:8.3g}   target {target:g}")
    print(f"load {os.getloadavg()[0]:.1f}")
    return int(any(seen[name] > target for name, target in TARGETS.items()))


if __name__ == "__main__":
    sys.exit(main())
