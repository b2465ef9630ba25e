"""The calculators' front end in a browser, with the widget itself as its kernel."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests import axe
from tests.conftest import faded
from tests.widgets.inputs import CONFIGS
from widgets import session
from widgets.form import versions
from widgets.host import FRONT, Calculator
from widgets.page import static_html
from widgets.pages.bundle import NPM
from widgets.session import CALCULATORS

pytestmark = pytest.mark.browser
SITE = "http://calculator.test"
PLOTLY = NPM / "plotly.js-basic-dist-min" / "plotly-basic.min.js"  # the one that our pages load
# The model of anywidget's front-end specification, with the kernel a function call away.
SHIM = """
import calculator from "/front/calculator.js";
const first = JSON.parse(document.getElementById("first").textContent);
const traits = { ...first, state: {} };
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
    await window.held;
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
        path = path.removeprefix("/vendor")
        if path == "/front/calculator.js":  # joined, as a notebook has it
            return route.fulfill(body=Calculator._esm, content_type="text/javascript")
        if path.startswith("/front/"):
            return route.fulfill(path=FRONT / path.removeprefix("/front/"))
        if path == "/plotly.min.js":
            return route.fulfill(path=PLOTLY)
        self.faults.append(f"asked for {route.request.url}")
        return route.abort()

    def live(self, name, query="", meta=True, inputs=(), standing=""):
        """Open a calculator whose kernel is a widget in this process."""
        calculator = Calculator(name, query, inputs)

        def answer(state):
            calculator.state = state
            return _traits(calculator)

        self.page.expose_function("answer", answer)
        head = '<meta name="llmcap-plotly" content="/plotly.min.js">' if meta else ""
        first = f'<script id="first" type="application/json">{_json(calculator)}</script>'
        path = f"/apps/{name}"
        self.pages[path] = html(f'{first}<div id="here">{standing}</div>', SHIM, head)
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
    return {name: getattr(calculator, name) for name in ("view", "lists", "inputs", "site")}


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


# The clipboard takes secure pages alone, so the one of these pages is their own.
CLIPBOARD = """Object.defineProperty(navigator, "clipboard",
{ value: { writeText: async (text) => { window.clip = text; } } })"""

FOLDED = "[...document.querySelectorAll('details')].map((one) => one.open)"


@pytest.fixture(scope="module", params=CALCULATORS)
def opened(browser, request):
    """Each calculator's first view in a page that several tests look at, and none changes."""
    here = Site(browser)
    here.page.add_init_script(CLIPBOARD)
    here.view = here.live(request.param).view
    here.page.evaluate(f"window.folded = {FOLDED}")
    yield here
    here.context.close()
    assert here.faults == []


@pytest.fixture
def first(opened):
    """The same; its window, paper, theme and folds are given back as they were."""
    yield opened
    page = opened.page
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.evaluate("delete document.documentElement.dataset.theme")
    page.evaluate("document.querySelectorAll('details').forEach((d, i) => d.open = folded[i])")


def test_draws_its_first_view_with_a_chart_and_no_fault(first):
    shown = first.page.inner_text("main")
    for item in first.view["headline"]:
        assert item["value"] in shown
    assert first.view["status"]["text"] in shown
    assert first.page.locator(".lc-plot .main-svg").count()
    assert first.faults == []


def test_every_input_has_a_name(first):
    here = first
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
    here.page.evaluate("() => { window.held = new Promise((done) => { window.release = done; }); }")
    here.page.focus("input[type=range][name=users]")
    for _ in range(20):
        here.page.keyboard.press("ArrowRight")
    here.page.evaluate("window.release()")
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
    assert box.input_value() == "many"  # it stays until it is put right


def test_undo_reset_and_the_address(site):
    here = site()
    here.live("cliff", f"v={versions.FORM}&users=4")
    here.choose("gpu", "h200 sxm")
    here.answered(1)
    here.page.wait_for_url(f"**/apps/cliff?v={versions.FORM}&gpu=h200-sxm&users=4&k=*")
    here.page.click("[data-act=undo]")
    here.page.wait_for_url(f"**/apps/cliff?v={versions.FORM}&users=4&k=*")
    here.page.click("[data-act=reset]")
    here.page.wait_for_url(f"**/apps/cliff?v={versions.FORM}&k=*")
    assert here.page.input_value("input[type=text][name=users]") == "16"


def test_undo_is_undone_and_the_keyboard_does_both(site):
    here = site()
    here.live("vram", "users=4")
    here.page.focus("input[type=range][name=users]")
    here.page.keyboard.press("ArrowRight")
    here.answered(1)
    shown = "input[type=text][name=users]"
    assert here.page.input_value(shown) == "5"
    here.page.keyboard.press("Control+z")
    here.answered(2)
    assert here.page.input_value(shown) == "4"
    assert here.page.get_attribute("[data-act=undo]", "aria-disabled") == "true"
    here.page.keyboard.press("Control+Shift+z")
    here.answered(3)
    assert here.page.input_value(shown) == "5"
    here.page.click("[data-act=undo]")
    here.answered(4)
    here.page.focus(shown)
    here.page.keyboard.press("Control+y")
    assert here.page.evaluate("window.asked.length") == 4  # a box of text keeps its own Undo


def test_a_long_list_is_searched_with_the_keyboard(site):
    here = site()
    here.live("vram")
    box = here.page.locator("input[role=combobox][name=model]")
    before = box.input_value()
    box.focus()
    here.page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-expanded") == "true"
    active = here.page.locator(f"#{box.get_attribute('aria-activedescendant')}")
    assert active.inner_text() == before and active.is_visible()
    box.fill("qwen3 coder")
    options = here.page.locator("[role=option]:visible")
    assert 0 < options.count() < 10
    assert all("coder" in words.lower() for words in options.all_inner_texts())
    here.page.keyboard.press("Escape")
    assert box.input_value() == before and not options.count()
    box.fill("Qwen3 8B")
    here.page.keyboard.press("Enter")
    here.answered(1)
    assert here.page.evaluate("window.asked[0].values.model") == "qwen3-8b"
    assert here.page.evaluate("document.activeElement.name") == "model"
    box.fill("meta-llama/Llama-3.1-70B")
    here.page.keyboard.press("Enter")
    here.answered(2)
    assert box.input_value() == before
    box.fill("lamma-3.1-70b")
    here.page.keyboard.press("Enter")
    here.answered(3)
    assert "llama-3.1-70b" in here.page.inner_text(".lc-messages")


NAMES = {
    "Qwen3-32B": "qwen3-32b",
    "Qwen/Qwen3-32B": "qwen3-32b",
    "qwen3_32b": "qwen3-32b",
    "Llama-3.3-70B": "llama-3.3-70b",
    "llama3.3 70b": "llama-3.3-70b",
    "gpt-oss-120b": "gpt-oss-120b",
}


def test_a_name_is_found_in_any_spelling(site):
    here = site()
    here.live("vram")
    for seq, words in enumerate(NAMES, 1):
        here.choose("model", words)
        here.answered(seq)
    found = here.page.evaluate("window.asked.map((one) => one.values.model)")
    assert found == list(NAMES.values())
    here.choose("gpu", "A100-80GB")
    here.answered(len(NAMES) + 1)
    assert here.page.evaluate("window.asked.at(-1).values.gpu") == "a100-sxm-80gb"


def test_what_is_in_no_list_is_looked_up_beside_near_names_and_refused_aloud(site):
    here = site()
    here.live("vram")
    box = here.page.locator("input[role=combobox][name=model]")
    before = box.input_value()
    box.fill("Llama-3.3-71B")
    options = here.page.locator("[role=option]:visible").all_inner_texts()
    assert options[0].startswith("Look up") and any("Llama 3.3 70B" in one for one in options[1:])
    box.fill("nothing")
    here.page.focus("select[name=tp]")  # left without a choice
    here.answered(1)
    assert box.input_value() == before
    assert "'nothing' is not known" in here.page.inner_text(".lc-messages")
    box.fill("qwen3-32b")
    here.page.focus("select[name=tp]")
    here.answered(2)
    assert here.page.evaluate("window.asked[1].values.model") == "qwen3-32b"


def test_enter_in_a_box_whose_list_is_shut_asks_nothing(site):
    """It names what is there, which may be a pasted model that no list has."""
    here = site()
    here.live("vram")
    here.page.focus("input[role=combobox][name=model]")
    here.page.keyboard.press("Enter")
    here.page.keyboard.press("Tab")
    assert here.page.evaluate("window.asked") == []


def test_a_long_list_is_chosen_from_with_the_mouse(site):
    here = site()
    here.live("vram")
    here.page.click("input[role=combobox][name=gpu]")
    here.page.click("[role=option][data-option=h200-sxm]")
    here.answered(1)
    assert here.page.input_value("input[role=combobox][name=gpu]").startswith("H200 SXM")


SHORT = {
    "h200": "h200-sxm",
    "h100": "h100-sxm",
    "a100": "a100-sxm-80gb",
    "b200": "b200-sxm",
    "l4": "l4",
    "a10": "a10",
    "m4": "apple-m4",
    "4090": "rtx-4090",
}


def test_a_short_name_finds_the_card_that_is_meant_first(site):
    here = site()
    here.live("vram", "gpu=t4")
    for seq, words in enumerate(SHORT, 1):
        here.choose("gpu", words)
        here.answered(seq)
    found = here.page.evaluate("window.asked.map((one) => one.values.gpu)")
    assert found == list(SHORT.values())


def test_a_config_is_pasted_refused_kept_and_taken_away(site):
    here = site()
    calculator = here.live("vram")
    here.page.click("summary:text('Paste a config.json')")
    area = here.page.locator("textarea[name=config]")
    area.fill('{"model_type": "llama"}')  # what comes whole is used as it comes
    here.answered(1)
    assert "hidden_size" in here.page.inner_text(".lc-messages")
    assert area.input_value() == '{"model_type": "llama"}'  # what was pasted is not lost
    area.fill(CONFIGS[0])  # a whole file is used as it comes
    here.answered(2)
    assert " 8.19B, pasted" in here.page.input_value("input[name=model]")
    assert "config=" in calculator.view["query"]
    here.choose("model", "llama 3.1 70b")
    here.answered(3)
    assert "config=" not in calculator.view["query"]
    assert area.input_value() == ""


# As people have them: white space, names of a class, and a format of its own.
AWQ = json.dumps(
    json.loads(CONFIGS[0])
    | {"rope_scaling": {"type": "yarn", "factor": 4.0}}
    | {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}},
    indent=2,
)


def test_a_config_that_is_pasted_brings_its_format_and_stays_as_it_was(site):
    here = site()
    calculator = here.live("vram")
    here.page.click("summary:text('Paste a config.json')")
    here.page.evaluate(
        """(text) => {
          const area = document.querySelector("textarea[name=config]");
          area.dispatchEvent(new ClipboardEvent("paste", { bubbles: true }));
          area.value = text; // and then both events of a keyboard
          const more = { bubbles: true, inputType: "insertFromPaste" };
          area.dispatchEvent(new InputEvent("input", more));
        }""",
        AWQ,
    )
    here.answered(1)
    here.page.wait_for_timeout(100)
    assert here.page.evaluate("window.asked.length") == 1
    assert here.page.input_value("input[name=weights]").startswith("INT4 AWQ")
    assert here.page.input_value("textarea[name=config]") == AWQ
    here.choose("weights", "fp8")
    here.answered(2)
    assert "weights=fp8" in calculator.view["query"]
    assert here.page.input_value("textarea[name=config]") == AWQ
    here.page.click("[data-act=undo]")
    here.page.click("[data-act=undo]")
    here.page.wait_for_function("!document.querySelector('textarea[name=config]').value")


def test_a_format_follows_though_an_input_changes_before_the_answer(site):
    here = site()
    calculator = here.live("vram")
    here.page.evaluate("() => { window.held = new Promise((done) => { window.release = done; }); }")
    here.choose("model", "gpt-oss 120b")
    here.page.fill("input[type=text][name=users]", "5")
    here.page.keyboard.press("Tab")
    here.page.evaluate("window.release()")
    here.answered(2)
    state = {c["name"]: c["value"] for c in calculator.view["controls"]}
    assert (state["model"], state["users"], state["weights"]) == ("gpt-oss-120b", 5, "mxfp4")


def test_a_config_that_is_dropped_is_as_good_as_pasted(site):
    here = site()
    here.live("vram")
    drop = """(text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "config.json"));
      const more = { dataTransfer: data, bubbles: true, cancelable: true };
      return !document.querySelector("section.lc").dispatchEvent(new DragEvent("drop", more));
    }"""
    assert here.page.evaluate(drop, AWQ)
    here.answered(1)
    assert here.page.input_value("input[name=weights]").startswith("INT4 AWQ")


def test_a_preset_is_one_click_and_one_undo(site):
    here = site()
    calculator = here.live("vram")
    before = calculator.view["query"]
    here.page.click("text=A chat service")
    here.answered(1)
    assert here.page.get_attribute("[data-act=preset] >> text=A chat service", "aria-pressed")
    assert not here.page.locator(".lc-hint").count()
    here.page.click("[data-act=undo]")
    here.answered(2)
    assert calculator.view["query"] == before


def test_the_menu_opens_and_closes_with_the_keyboard(site):
    here = site()
    here.live("vram")
    here.page.focus(".lc-share summary")
    here.page.keyboard.press("Enter")
    assert here.page.is_visible("[data-act=copy]")
    here.page.keyboard.press("Tab")
    assert here.page.evaluate("document.activeElement.dataset.act") == "copy"
    here.page.keyboard.press("Escape")
    assert not here.page.is_visible("[data-act=copy]")
    assert here.page.evaluate("document.activeElement.matches('.lc-share summary')")


AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def broken(page, **rules):
    """What axe finds in a page but for its contrast."""
    only = {"type": "tag", "values": AXE_TAGS}
    return nodes(axe.structure(page, runOnly=only, rules=rules))


def nodes(found):
    return [f"{v['id']}: {n['html']}" for v in found for n in v["nodes"]]


def test_axe_finds_nothing(first):
    page = first.page
    page.evaluate(
        "for (const one of document.querySelectorAll('.lc-body details')) one.open = true"
    )
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
            faded(page)
            assert nodes(axe.contrast(page)) == [], f"{scheme} at {width}"
        assert broken(page) == [], f"at {width}"  # no theme moves a node


def test_axe_finds_nothing_in_what_pops_up(site):
    here = site()
    here.live("vram")
    here.page.click(".lc-share summary")
    here.page.locator("input[role=combobox]").first.press("ArrowDown")
    # What lies under an open list is not there to be hit.
    assert broken(here.page, **{"target-size": {"enabled": False}}) == []
    assert nodes(axe.contrast(here.page)) == []


def test_a_printed_page_has_its_inputs_as_text_and_no_buttons(site):
    here = site(color_scheme="dark")
    here.live("vram")
    here.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    here.page.emulate_media(media="print")
    assert not here.page.locator("button:visible, input[type=range]:visible").count()
    assert here.page.locator(".lc-plot .main-svg").first.is_visible()
    border = "getComputedStyle(document.querySelector('select[name=tp]')).borderTopWidth"
    assert here.page.evaluate(border) == "0px"
    ink = here.page.evaluate("document.querySelector('.lc-plot').layout.font.color")
    assert max(int(n) for n in re.findall(r"\d+", ink)[:3]) < 100


def test_paper_has_one_column_and_no_input_lies_on_another(first):
    here = first
    here.page.emulate_media(media="print")
    for width in (700, 1000):  # upright and lying, on either side of a narrow screen
        here.page.set_viewport_size({"width": width, "height": 1000})
        assert here.page.locator(".lc-status").bounding_box()["width"] > 0.9 * (width - 32)
        boxes = here.page.evaluate(
            """() => [...document.querySelectorAll(".lc-inputs > *")].map((node) => {
            const box = node.getBoundingClientRect();
            return [node.scrollWidth - node.clientWidth, box.left, box.right]; })"""
        )
        for over, left, right in boxes:
            assert over <= 1 and left >= 0 and right <= width


def test_what_is_folded_is_on_paper_once(first):
    """A line that unfolds a table cannot be pressed there: the table stands in its place."""
    page = first.page
    page.emulate_media(media="print")
    folded = page.locator(".lc-results > .lc-more")
    for i in range(folded.count()):
        fold = folded.nth(i)
        assert not fold.locator("summary").is_visible()
        inside = fold.locator("table, pre").first
        assert inside.evaluate("(node) => node.checkVisibility({contentVisibilityAuto: true})")
        assert inside.bounding_box()["height"] <= fold.bounding_box()["height"]


def test_a_chart_keeps_its_colours_where_the_reader_s_system_sets_all_others(site):
    here = site(forced_colors="active", color_scheme="dark")
    here.live("scorecard")
    fill = here.page.evaluate("document.querySelector('.lc-plot').layout.shapes[0].fillcolor")
    assert max(int(n) for n in re.findall(r"\d+", fill)[:3]) < 100


def copied(here, act):
    """What the clipboard holds after a choice of the menu."""
    here.page.evaluate("window.clip = null")
    here.page.click(".lc-share summary")
    here.page.click(f"[data-act={act}]")
    here.page.wait_for_function("window.clip !== null")
    here.page.wait_for_selector("text=Copied")
    return here.page.evaluate("window.clip")


def test_the_copied_link_is_absolute_and_gives_this_state(first):
    view = first.view
    assert copied(first, "copy") == f"{SITE}/apps/{view['name']}?{view['query']}"


def test_markdown_has_every_number_and_the_link(first):
    view, text = first.view, copied(first, "markdown")
    assert text.startswith(f"### {view['title']}\n") and view["status"]["text"] in text
    for item in view["headline"]:
        about = "about " if item.get("rough") else ""
        assert f"| {item['label']} | {about}{item['value']}" in text
        assert not item.get("span") or item["span"]["text"] in text
    for table in view["tables"]:
        assert f"**{table['caption']}**" in text
    assert text.rstrip().endswith(f"<{SITE}/apps/{view['name']}?{view['query']}>")
    grids = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(grids) == 1 + len(view["tables"])
    for rows in grids:
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1


def test_tables_are_saved_as_csv(first):
    here, view = first, first.view
    here.page.click(".lc-share summary")
    with here.page.expect_download() as saved:
        here.page.click("[data-act=csv]")
    assert saved.value.suggested_filename == f"llmcap-{view['name']}.csv"
    rows = list(csv.reader(Path(saved.value.path()).read_text("utf-8").splitlines()))
    for table in view["tables"]:
        at = rows.index([table["caption"]])
        assert rows[at + 1] == table["columns"]
        shown = [[" ".join(cell.split()) for cell in row] for row in table["rows"]]
        assert rows[at + 2 : at + 2 + len(shown)] == shown


def test_a_page_is_saved_that_needs_nothing_else(first, browser, tmp_path):
    here, view = first, first.view
    here.page.click(".lc-share summary")
    with here.page.expect_download() as saved:
        here.page.click("[data-act=html]")
    assert saved.value.suggested_filename == f"llmcap-{view['name']}.html"
    path = tmp_path / "card.html"
    saved.value.save_as(path)
    phone, asked = browser.new_page(viewport={"width": 360, "height": 700}), []
    phone.on("request", lambda request: asked.append(request.url))
    phone.goto(path.as_uri())
    words = " ".join(phone.inner_text("body").split())
    link, across = phone.get_attribute("a >> nth=-1", "href"), phone.evaluate(ACROSS)
    left = phone.locator("script, button, input, select").count()
    phone.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert link == f"{SITE}/apps/{view['name']}?{view['query']}" and left == 0 and across <= 360
    assert " ".join(view["status"]["text"].split()) in words
    for item in view["headline"]:
        assert item["label"] in words and item["value"] in words
    for table in view["tables"]:
        assert table["caption"].lower() in words.lower()


ACROSS = "document.documentElement.scrollWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_the_chart_is_saved_on_a_light_ground(site, kind, start, scheme):
    here = site(color_scheme=scheme)
    here.live("vram")
    here.page.click(".lc-share summary")
    with here.page.expect_download() as saved:
        here.page.click(f"[data-act={kind}]")
    content = Path(saved.value.path()).read_bytes()
    assert content.startswith(start) and len(content) > 5000
    if kind == "svg":
        text = content.decode()
        assert "rgb(255, 255, 255)" in text and "rgb(23, 32, 43)" in text  # ground and writing


def test_a_formula_in_a_cell_stays_text_for_a_spreadsheet(site):
    here = site()
    here.live("vram")
    made = here.page.evaluate(
        """async () => {
        const { csv } = await import("/front/calculator.js");
        const cells = ["=1+1", "-2+3+cmd|' /C calc'!A0", "-4.2", "+1,234", "@a", "-", "-1-1"];
        const here = document.querySelectorAll(".lc-results td");
        cells.forEach((text, at) => { here[at].textContent = text; });
        return csv(document.querySelector(".lc")); }"""
    )
    cells = [cell for row in csv.reader(made.splitlines()) for cell in row]
    for text in ("'=1+1", "'-2+3+cmd|' /C calc'!A0", "-4.2", "+1,234", "'@a", "-", "'-1-1"):
        assert text in cells


def test_a_kernel_that_does_not_answer_is_said_aloud_until_it_does(site):
    here = site()
    here.live("vram")
    here.page.evaluate("() => { window.held = new Promise((done) => { window.release = done; }); }")
    here.page.focus("input[type=range][name=users]")
    here.page.keyboard.press("ArrowRight")
    here.page.wait_for_selector("[role=alert]:has-text('The kernel does not answer')")
    here.page.evaluate("window.release()")
    here.answered(1)
    here.page.wait_for_selector("[role=alert]", state="detached")


def test_after_an_answer_that_never_came_the_next_change_is_asked_all_the_same(site):
    """Its message was lost, or the Python of the page ended and another has started."""
    here = site()
    here.page.clock.install()
    here.live("vram")
    here.page.evaluate("void (window.held = new Promise(() => {}))")
    here.page.select_option("select[name=tp]", "2")
    here.page.clock.fast_forward(25_000)
    here.page.wait_for_selector(".lc-late")
    here.page.evaluate("window.held = null")
    here.page.select_option("select[name=tp]", "4")
    here.answered(2)
    assert here.page.evaluate("window.asked.map((one) => one.values.tp)") == ["2", "4"]
    assert not here.page.locator(".lc-late").count()


def test_what_was_asked_and_not_answered_becomes_an_address(site):
    here = site()
    here.live("vram", "users=4")
    made = here.page.evaluate(
        """async () => {
        const { askedAddress } = await import("/front/calculator.js");
        const view = JSON.parse(document.getElementById("first").textContent).view;
        return [askedAddress(view, { values: { users: 9, gpu: "h200-sxm" } }),
          askedAddress(view, { query: "ctx=9k" }), askedAddress(view, { values: {} }),
          askedAddress(view, null)]; }"""
    )
    asked = Calculator("vram", made[0]).view
    assert {c["name"]: c["value"] for c in asked["controls"]}["users"] == 9
    assert "gpu=h200-sxm" in asked["query"] and not asked["messages"]
    assert made[1:3] == ["ctx=9k", ""] and "users=4" in made[3]


def test_the_chart_is_asked_of_the_kernel_where_the_page_has_none(site):
    here = site()
    here.live("vram", meta=False)
    here.page.wait_for_function("window.sent.length === 1")
    assert here.page.evaluate("window.sent[0]") == {"need": "plotly"}


def test_nothing_overflows_a_phone(first):
    first.page.set_viewport_size({"width": 390, "height": 844})
    first.page.wait_for_function("document.querySelector('.lc-plot .main-svg').clientWidth < 390")
    assert first.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert first.page.evaluate(SIDEWAYS) == []


# what is wider than its place once it is unfolded
SIDEWAYS = """() => {
  const folds = [...document.querySelectorAll(".lc-body details:not([open])")];
  for (const one of folds) one.open = true;
  const wide = [...document.querySelectorAll(".lc-table")]
    .filter((table) => table.scrollWidth > table.clientWidth + 1);
  for (const one of folds) one.open = false;
  return wide.map((table) => table.ariaLabel);
}"""


@pytest.mark.parametrize("name", ["compare", "validate"])
def test_every_preset_is_in_sight_on_a_phone_and_the_answer_too(site, name):
    here = site(viewport={"width": 390, "height": 844})
    here.live(name)
    seen = """() => [...document.querySelectorAll("[data-act=preset]:not([hidden])")]
      .filter((one) => one.closest(".lc-presets")).map((one) => {
        const box = one.getBoundingClientRect();
        const at = document.elementFromPoint(box.right - 6, box.y + box.height / 2);
        return box.left >= 0 && box.right <= 390 && one.contains(at); })"""
    presets = here.page.evaluate(seen)
    assert len(presets) > 4 and all(presets)
    status = here.page.locator(".lc-status").bounding_box()
    assert status["y"] + status["height"] < 844


def test_a_phone_is_scrolled_a_few_times_and_not_twenty(first):
    """The answer on the first screen; long tables are a line until somebody asks for them."""
    first.page.set_viewport_size({"width": 390, "height": 844})
    first.page.wait_for_function("document.querySelector('.lc-plot .main-svg').clientWidth < 390")
    status = first.page.locator(".lc-status").bounding_box()
    assert status["y"] + status["height"] < 844
    assert first.page.evaluate("document.documentElement.scrollHeight") < 8 * 844


def test_the_chart_follows_the_theme(site):
    here = site(color_scheme="light")
    here.live("vram")
    colour = "() => document.querySelector('.lc-plot').layout.font.color"
    light = here.page.evaluate(colour)
    here.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    here.page.wait_for_function(f"({colour})() !== '{light}'")
    numbers = [int(n) for n in re.findall(r"\d+", here.page.evaluate(colour))]
    assert min(numbers[:3]) > 200


# What a reader sees of the nodes: their names, attributes and text. A script may set a value,
# and keeps what it drew; the order of attributes says nothing.
NODES = """(root) => {
  const own = ["value", "selected", "checked", "style", "data-said", "data-seq", "data-stands"];
  const told = (node, depth) => {
    if (node.nodeType === Node.TEXT_NODE) return [`${depth} ${node.data}`];
    const has = [...node.attributes].filter((a) => !own.includes(a.name));
    const said = has.map((a) => `${a.name}=${a.value}`).sort().join(" ");
    const inside = node.matches(".lc-figure") ? [] : [...node.childNodes];
    return [`${depth} ${node.nodeName} ${said}`, ...inside.flatMap((one) => told(one, depth + 1))];
  };
  return told(root, 0);
}"""
SHOWN = [(name, ()) for name in CALCULATORS] + [
    ("vram", ("users", "ctx")),
    ("scorecard", ("users",)),
]


@pytest.mark.parametrize(("name", "inputs"), SHOWN)
def test_the_first_view_is_taken_over_node_for_node_and_nothing_moves(site, name, inputs):
    here = site(viewport={"width": 1000, "height": 900})
    static = session.Calculator(name, inputs=inputs)._repr_mimebundle_()["text/html"]
    # Here the calculator is the page, as on its own.
    static = static.replace("<h2", "<h1").replace("</h2", "</h1").replace("../apps/", "/apps/")
    here.pages["/built"] = html(f'<div id="here">{static}</div>', "")
    here.page.goto(f"{SITE}/built")
    built = here.page.locator("section.lc")
    before, size = built.evaluate(NODES), built.bounding_box()
    here.live(name, inputs=inputs, standing=static, meta=False)
    live = here.page.locator("section.lc")
    here.page.wait_for_selector("section.lc .lc-plot")
    link = f"{SITE}/apps/"
    assert [node.replace(link, "/apps/") for node in live.evaluate(NODES)] == before
    assert live.bounding_box() == size


def test_the_numbers_need_no_script(site):
    here = site(java_script_enabled=False)
    view = session.Calculator("vram").whole()
    here.pages["/chapter"] = html(static_html(view), "")
    here.page.goto(f"{SITE}/chapter")
    assert view["headline"][0]["value"] in here.page.inner_text(".lc-headline")
    assert not here.page.locator(".lc-figure").is_visible()
