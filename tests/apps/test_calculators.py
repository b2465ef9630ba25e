"""The calculators' front end in a browser, with the widget itself as its kernel."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from widgets.host import CALCULATORS, FRONT, Calculator
from widgets.page import static_html

pytestmark = pytest.mark.browser
SITE = "http://calculator.test"
PLOTLY = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"
# The model of anywidget's front-end specification, with the kernel a function call away.
SHIM = """
import calculator from "/front/calculator.js";
const first = JSON.parse(document.getElementById("first").textContent);
const traits = { view: first.view, lists: first.lists, state: {} };
const heard = new Map();
const fire = (name, ...args) => [...(heard.get(name) || [])].forEach((act) => act(...args));
const model = {
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; },
  on: (name, act) => heard.set(name, [...(heard.get(name) || []), act]),
  off: (name, act) => heard.set(name, (heard.get(name) || []).filter((one) => one !== act)),
  send: (content) => { window.sent.push(content); },
  save_changes: async () => {
    window.asked.push(structuredClone(traits.state));
    await new Promise((done) => setTimeout(done, window.delay || 0));
    Object.assign(traits, await window.answer(traits.state));
    fire("change:view");
  },
};
window.sent = [];
window.asked = [];
window.stop = calculator.render({ model, el: document.getElementById("here") });
"""


def html(body, script, head=""):
    """A page with the front end's style and one module script."""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/front/calculator.css">{head}
<style>body {{ margin: 0; padding: 16px; }} html[data-theme=dark] body {{ background: #14181d; }}
</style></head><body><main>{body}</main><script type="module">{script}</script></body></html>"""


class Site:
    """Pages served from memory; every other address is a fault."""

    def __init__(self, browser, **context):
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.faults = []
        self.pages = {}
        self.page.route("**/*", self._serve)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _serve(self, route):
        path = route.request.url.removeprefix(SITE).partition("?")[0]
        if path in self.pages:
            return route.fulfill(body=self.pages[path], content_type="text/html")
        if path.startswith("/front/"):
            return route.fulfill(path=FRONT / path.removeprefix("/front/"))
        if path == "/plotly.min.js":
            return route.fulfill(path=PLOTLY)
        self.faults.append(f"asked for {route.request.url}")
        return route.abort()

    def live(self, name, query="", meta=True):
        """Open a calculator whose kernel is a widget in this process."""
        calculator = Calculator(name, query)

        def answer(state):
            calculator.state = state
            return _traits(calculator)

        self.page.expose_function("answer", answer)
        head = '<meta name="llmcap-plotly" content="/plotly.min.js">' if meta else ""
        first = f'<script id="first" type="application/json">{_json(calculator)}</script>'
        path = f"/apps/{name}"
        self.pages[path] = html(f'{first}<div id="here"></div>', SHIM, head)
        self.page.goto(f"{SITE}{path}{'?' if query else ''}{query}")
        self.page.wait_for_selector(".lc[data-seq]" if meta else ".lc")
        return calculator

    def choose(self, name, words):
        """Search a long list and take what it finds first."""
        box = self.page.locator(f"input[role=combobox][name='{name}']")
        box.click()
        box.fill(words)
        box.press("Enter")

    def answered(self, seq):
        """Wait until the answer to a change is drawn."""
        self.page.wait_for_selector(f'.lc[data-seq="{seq}"]')


def _traits(calculator):
    return {"view": calculator.view, "lists": calculator.lists}


def _json(calculator):
    return json.dumps(_traits(calculator)).replace("<", "\\u003c")


@pytest.fixture
def site(browser):
    sites = []

    def make(**context):
        sites.append(Site(browser, **context))
        return sites[-1]

    yield make
    for one in sites:
        one.context.close()
    assert [fault for one in sites for fault in one.faults] == []


@pytest.mark.parametrize("name", CALCULATORS)
def test_draws_its_first_view_with_a_chart_and_no_fault(site, name):
    here = site()
    calculator = here.live(name)
    shown = here.page.inner_text("main")
    for item in calculator.view["headline"]:
        assert item["value"] in shown
    assert calculator.view["status"]["text"] in shown
    assert here.page.locator(".lc-plot .main-svg").count()


@pytest.mark.parametrize("name", CALCULATORS)
def test_every_input_has_a_name(site, name):
    here = site()
    here.live(name)
    unnamed = here.page.evaluate(
        """() => [...document.querySelectorAll("input, select, textarea, button")].filter((node) =>
        !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()))
        .map((node) => node.outerHTML)"""
    )
    assert unnamed == []
    assert here.page.locator("[role=status][aria-live=polite]").count() == 1


def test_the_keyboard_moves_the_slider_and_the_answer_is_drawn(site):
    here = site()
    calculator = here.live("vram")
    before = here.page.inner_text(".lc-status")
    here.page.focus("input[type=range][name=ctx]")
    here.page.keyboard.press("ArrowLeft")
    here.answered(1)
    asked = here.page.evaluate("window.asked[0]")
    assert asked["seq"] == 1 and asked["values"]["ctx"] < 8000
    assert here.page.inner_text(".lc-status") != before
    assert here.page.evaluate("document.activeElement.name") == "ctx"
    assert calculator.view["seq"] == 1
    assert here.page.get_attribute("input[type=range][name=ctx]", "aria-valuetext").endswith(
        " tokens"
    )


def test_dragging_sends_only_the_newest_state(site):
    here = site()
    here.live("vram")
    here.page.evaluate("window.delay = 150")
    here.page.focus("input[type=range][name=users]")
    for _ in range(20):
        here.page.keyboard.press("ArrowRight")
    here.page.wait_for_function("window.asked.length === 2")
    here.answered(2)
    last = here.page.evaluate("window.asked[1].values.users")
    assert here.page.input_value("input[type=text][name=users]") == f"{last:,}"
    assert here.page.evaluate("window.asked.length") == 2


def test_a_typed_value_may_be_short_or_wrong(site):
    here = site()
    here.live("vram")
    box = here.page.locator("input[type=text][name=ctx]")
    box.fill("32k")
    box.press("Enter")
    here.answered(1)
    assert box.input_value() == "32,000"
    box.fill("many")
    box.press("Enter")
    here.answered(2)
    assert box.get_attribute("aria-invalid") == "true"
    assert "'many'" in here.page.inner_text(".lc-messages")
    assert box.input_value() == "32,000"


def test_undo_reset_and_the_address(site):
    here = site()
    here.live("cliff", "users=4")
    here.choose("gpu", "h200 sxm")
    here.answered(1)
    here.page.wait_for_url("**/apps/cliff?v=1&gpu=h200-sxm&users=4")
    here.page.click("[data-act=undo]")
    here.page.wait_for_url("**/apps/cliff?v=1&users=4")
    here.page.click("[data-act=reset]")
    here.page.wait_for_url("**/apps/cliff?v=1")
    assert here.page.input_value("input[type=text][name=users]") == "16"


def test_copy_link_gives_this_state(site):
    here = site(permissions=["clipboard-read", "clipboard-write"])
    here.live("vram", "ctx=32k")
    here.page.click("[data-act=copy]")
    here.page.wait_for_selector("text=Copied")


def test_the_chart_is_asked_of_the_kernel_where_the_page_has_none(site):
    here = site()
    here.live("vram", meta=False)
    here.page.wait_for_function("window.sent.length === 1")
    assert here.page.evaluate("window.sent[0]") == {"need": "plotly"}


@pytest.mark.parametrize("name", CALCULATORS)
def test_nothing_overflows_a_phone(site, name):
    here = site(viewport={"width": 390, "height": 844})
    here.live(name)
    assert here.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_chart_follows_the_theme(site):
    here = site(color_scheme="light")
    here.live("vram")
    colour = "() => document.querySelector('.lc-plot').layout.font.color"
    light = here.page.evaluate(colour)
    here.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    here.page.wait_for_function(f"({colour})() !== '{light}'")
    numbers = [int(n) for n in re.findall(r"\d+", here.page.evaluate(colour))]
    assert min(numbers[:3]) > 200


@pytest.mark.parametrize("name", CALCULATORS)
def test_a_page_without_a_kernel_draws_its_chart(site, name):
    here = site()
    view = Calculator(name).view
    script = 'import { drawFigures } from "/front/calculator.js";'
    script += 'drawFigures(document, "/plotly.min.js");'
    here.pages["/chapter"] = html(static_html(view), script)
    here.page.goto(f"{SITE}/chapter")
    here.page.wait_for_selector(".lc-plot .main-svg")
    assert here.page.locator("input, select, button").count() == 0


def test_the_numbers_need_no_script(site):
    here = site(java_script_enabled=False)
    view = Calculator("vram").view
    here.pages["/chapter"] = html(static_html(view), "")
    here.page.goto(f"{SITE}/chapter")
    assert view["headline"][0]["value"] in here.page.inner_text(".lc-headline")
    assert not here.page.locator(".lc-figure").is_visible()
