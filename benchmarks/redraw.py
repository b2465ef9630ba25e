"""How soon a change is drawn: every calculator in a real browser, served by Voila.

    python benchmarks/redraw.py [--site ADDRESS] [--moves 60] [--only NAME ...]

A move is one step of a slider; where there is none, one number typed or one choice made. The
clock starts at the input event. It is read when the page has painted the answer's numbers, and
again when it has painted its chart, which comes in a later frame: then all of it stands. A drag
moves a slider at the pace of the screen without waiting: `sent` is how many of its states went to
the kernel, `behind` how long after the last movement the last answer stood.
Without `--site` a server of its own is started. The exit status is 1 when a p95 is over the
target. Read the load first: on a busy machine every figure is that machine's, not ours.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.load import own_server  # noqa: E402
from widgets.host import Calculator  # noqa: E402
from widgets.pages import chromium  # noqa: E402
from widgets.session import CALCULATORS  # noqa: E402

TARGET_MS = 100
DRAG_MOVES = 90
# In the page: what one move is, and when it is drawn.
SCRIPT = """
// Not the picture of the first answer, which the page has until then. No data-seq: it is drawn.
const root = () => document.querySelector(".lc:not(.first *)");
const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const range = () => root().querySelector("input[type=range]");
const entry = () => root().querySelector(".lc-inputs .lc-entry input");

function step(i) {
  const node = range() || entry() || root().querySelector(".lc-inputs select");
  if (node.type === "range") {
    const last = Number(node.max);
    const at = i % (2 * last);
    node.value = at > last ? 2 * last - at : at;
    node.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (node.nodeName === "SELECT") {
    node.selectedIndex = i % node.options.length;
    node.dispatchEvent(new Event("change", { bubbles: true }));
  } else {
    node.value = String(1000 + 10 * i);
    node.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

async function drawn(after) {
  const until = performance.now() + 20000;
  while (!(Number(root().dataset.seq) > after)) {
    if (performance.now() > until) throw new Error("no answer");
    await new Promise((done) => {
      const watch = new MutationObserver(() => { watch.disconnect(); done(); });
      watch.observe(root(), { attributes: true, attributeFilter: ["data-seq"] });
      setTimeout(done, 500);
    });
  }
}

// In a frame that paints them: asked for before the page asks for the frame of its chart.
async function numbersPainted(after) {
  do await new Promise(requestAnimationFrame); while (!(Number(root().dataset.said) > after));
  await new Promise((done) => setTimeout(done));
}

async function settled() {
  const until = performance.now() + 20000;
  while (root().dataset.seq === undefined) {
    if (performance.now() > until) throw new Error("no answer");
    await sleep(20);
  }
  return Number(root().dataset.seq);
}

window.moves = async (count) => {
  const [numbers, charts] = [[], []];
  for (let i = 1; i <= count; i += 1) {
    const before = await settled();
    const start = performance.now();
    step(i);
    const first = numbersPainted(before).then(() => numbers.push(performance.now() - start));
    await drawn(before);
    await painted();
    charts.push(performance.now() - start);
    await first;
    await sleep(60);
  }
  return { numbers, charts };
};

window.drag = async (count) => {
  if (!range()) return null;
  const before = await settled();
  for (let i = 1; i <= count; i += 1) {
    step(i);
    await new Promise(requestAnimationFrame);
  }
  const end = performance.now();
  do await sleep(500); while (performance.now() - window.lastDrawn < 1000);
  return { sent: Number(root().dataset.seq) - before, behind: Math.max(window.lastDrawn - end, 0) };
};

new MutationObserver(() => { window.lastDrawn = performance.now(); })
  .observe(root(), { attributes: true, attributeFilter: ["data-seq"] });
"""


def kernel_ms(name, moves=20):
    """Time a state in, a view out, without a browser: median [ms], and the message's size [kB]."""
    calculator, times = Calculator(name), []
    numbers = [c["name"] for c in calculator.view["controls"] if "entry" in c]
    for i in range(moves):
        values = {numbers[0]: 1000 + i} if numbers else {"v": i}
        start = time.perf_counter()
        calculator.state = {"values": values, "seq": i + 1}
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times), len(json.dumps(calculator.view)) / 1e3


def measure(page, address, name, moves):
    """Open one calculator and move it: times to `numbers` and `charts` [ms], and a drag."""
    page.goto(f"{address}/apps/{name}")
    page.wait_for_selector(".lc[data-seq]", timeout=60_000)
    page.wait_for_timeout(1500)  # what a page does once is no part of a move
    page.evaluate(SCRIPT)
    page.evaluate("window.moves(5)")
    return page.evaluate(f"window.moves({moves})"), page.evaluate(f"window.drag({DRAG_MOVES})")


def show(name, times, dragged):
    """Print one calculator's line and give its p95 to the painted chart [ms]."""
    numbers, charts = sorted(times["numbers"]), sorted(times["charts"])
    at = min(round(0.95 * len(charts)), len(charts) - 1)
    kernel, size = kernel_ms(name)
    drag = f"{dragged['sent']:4} {dragged['behind']:7.0f}" if dragged else "   -       -"
    cuts = "".join(
        f" {statistics.median(one):6.0f} {one[at]:6.0f} {one[-1]:6.0f} "
        for one in (numbers, charts)
    )
    print(f"{name:12}{cuts}{kernel:8.1f} {size:6.1f}  {drag}", flush=True)
    return charts[at]


def main(argv=None):
    """Measure every calculator and print p50, p95 and the longest, of numbers and of charts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", help="a running server; one of its own when left out")
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--only", nargs="*", choices=CALCULATORS, default=list(CALCULATORS))
    args = parser.parse_args(argv)
    load = os.getloadavg()[0]
    print(f"load {load:.1f} on {os.cpu_count()} cores; target: p95 within {TARGET_MS} ms")
    print("             numbers painted, ms   chart painted, ms")
    head = "    p50    p95    max " * 2
    print(f"calculator  {head}  kernel     kB  sent  behind, ms", flush=True)
    server = contextlib.nullcontext((args.site, None)) if args.site else own_server()
    with server as (address, _), sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        worst = 0
        for name in args.only:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            worst = max(worst, show(name, *measure(page, address, name, args.moves)))
            page.close()
        browser.close()
    return int(worst > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
