"""The file control of the page of evidence, in a browser with the widget as its kernel."""

import pytest

from tests.book.test_pages import serious_faults
from tests.kernel.results.test_clients import FILES
from tests.kernel.test_startup import K00139, K29
from widgets.calculators import validate

from . import test_calculators

pytestmark = pytest.mark.browser
GOOD = (
    "id,model,gpu,engine,weight_dtype,concurrency,input_tokens,output_tokens,metric,value\n"
    "mine,llama-3.1-8b,H100 SXM,vLLM,bf16,1,1000,100,itl_ms,7.5\n"
)
VLLM = (FILES / "vllm_serve.json").read_text("utf-8")
# The model sends buffers to the kernel, and hears from it, as a Jupyter comm does.
SENDS = test_calculators.SHIM.replace(
    "send: (content) => { window.sent.push(content); },",
    """send: async (content, callbacks, buffers) => {
    window.sent.push(content);
    const bytes = (buffers || []).map((one) => [...new Uint8Array(one)]);
    const [next, told] = await window.heard(content, bytes);
    Object.assign(traits, next);
    fire("change:view");
    told.forEach((one) => fire("msg:custom", one, []));
  },""",
)


@pytest.fixture
def here(browser, monkeypatch):
    monkeypatch.setattr(test_calculators, "SHIM", SENDS)
    site = test_calculators.Site(browser)

    def heard(content, buffers):
        told = []
        calculator.send = lambda content, buffers=None: told.append(content)
        calculator._handle_custom_msg(content, [bytes(one) for one in buffers])
        return test_calculators._traits(calculator), told

    site.page.expose_function("heard", heard)
    calculator = site.live("validate")
    yield site
    site.context.close()
    assert site.faults == []


def choose(site, content, name="mine.csv"):
    file = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    site.page.set_input_files("input[type=file]", file)


def test_a_file_is_drawn_beside_the_rows_and_taken_away_again(here):
    choose(here, GOOD)
    here.page.wait_for_selector("text=Your file, mine.csv")
    assert "mine.csv, 1 row" in here.page.inner_text(".lc-file")
    here.page.wait_for_function(
        "document.querySelector('.lc-plot').data?.some((t) => t.name.startsWith('yours'))"
    )
    assert here.page.inner_text(".lc-status").startswith("Your 1 row: median error ")
    here.page.click("[data-act=nofile]")
    here.page.wait_for_selector("text=Your file, mine.csv", state="detached")


def test_the_drop_area_comes_first_and_an_example_is_a_click_away(here):
    """And the card that a client's file leaves out is asked for inside it."""
    page = here.page
    band = page.locator(".lc-yours").bounding_box()
    assert band["y"] + band["height"] < page.locator(".lc-status").bounding_box()["y"]
    assert "vllm bench" in page.inner_text(".lc-yours")
    page.click("text=Try an example")
    page.wait_for_selector(".lc-status:has-text('Your 16 rows: median error ')")
    page.click(".lc-yours >> text=Remove")
    page.wait_for_selector(".lc-status:has-text('are predicted within')")
    choose(here, VLLM, "serve.json")
    page.wait_for_selector(".lc-status:has-text('the card is not stated')")
    here.choose("file.gpu", "h200")
    page.wait_for_selector(".lc-status:has-text('Your 3 rows: median error ')")
    assert page.input_value(".lc-yours input[name='file.gpu']").startswith("H200 SXM")
    assert serious_faults(page) == ""


def test_a_file_of_another_kind_is_told_beside_the_button(here):
    choose(here, "hello", "notes.txt")
    here.page.wait_for_selector(".lc-file-said.lc-error:has-text('begins with')")


def test_a_file_that_is_too_big_never_leaves_the_page(here, tmp_path):
    big = tmp_path / "big.csv"
    with big.open("wb") as file:
        file.truncate(20_000_001)
    here.page.set_input_files("input[type=file]", big)
    here.page.wait_for_selector(".lc-file-said:has-text('more than 20 MB')")
    assert not [m for m in here.page.evaluate("window.sent") if "file" in m]


def test_a_file_that_changes_while_it_is_read_is_told(here):
    here.page.evaluate(
        """() => { Blob.prototype.arrayBuffer = async () => {
        throw new DOMException("it changed", "NotReadableError"); }; }"""
    )
    choose(here, GOOD)
    here.page.wait_for_selector(".lc-file-said.lc-error:has-text('changed or went away')")
    assert not here.page.locator("[aria-busy]").count()


def move(site, *metrics):
    for seq, metric in enumerate(metrics, 1):
        site.page.select_option("select[name=metric]", metric)
        site.answered(seq)


def test_a_change_of_every_tick_is_drawn_once(here):
    here.page.evaluate("""() => {
      window.drawn = 0;
      document.querySelector(".lc-plot").on("plotly_beforeplot", () => { window.drawn += 1; });
    }""")
    listed = "options => options.map(option => option.value)"
    metrics = here.page.eval_on_selector_all("select[name=metric] option", listed)
    metrics.remove(validate.FORM.defaults()["metric"])
    move(here, *metrics)
    assert here.page.evaluate("window.drawn") == len(metrics) > 4


def test_a_table_that_says_the_same_is_left_alone(here):
    last = ".lc-table[aria-label^='Source by source'] caption"
    here.page.eval_on_selector(last, "(caption) => { caption.textContent = 'left alone'; }")
    move(here, "room")
    assert here.page.text_content(last) == "left alone"
    assert "Room for users" in here.page.inner_text(".lc-table tr.lc-high")


def test_a_log_is_pasted_and_completed_beside_the_file(here):
    here.page.click("summary:has-text('Or paste its text')")
    here.page.fill(".lc-file textarea", K29)
    here.page.click("[data-act=usetext]")
    here.page.wait_for_selector("text=does not name the card")
    here.choose("file.gpu", "rtx 3090")
    here.page.wait_for_selector("text=Term by term")
    assert "It started, and the ledger says so." in here.page.inner_text(".lc-status")
    assert here.page.input_value(".lc-file textarea") == ""
    here.page.click("[data-act=nofile]")
    here.page.wait_for_selector("text=Source by source")


def test_what_is_pasted_with_the_keyboard_is_used_at_once(here):
    here.page.click("summary:has-text('Or paste its text')")
    here.page.evaluate(
        """(text) => {
          const area = document.querySelector(".lc-file textarea");
          area.value = text;
          area.dispatchEvent(new ClipboardEvent("paste", { bubbles: true }));
        }""",
        K00139,
    )
    here.page.wait_for_selector("text=Term by term")
    here.page.wait_for_function(
        "document.querySelector('.lc-plot').data?.some((t) => t.y[0] === 'Logged')"
    )


def test_a_log_that_is_dropped_is_as_good_as_chosen(here):
    drop = """(text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "vllm.log"));
      const event = (kind) => new DragEvent(kind, { dataTransfer: data, bubbles: true,
        cancelable: true });
      const root = document.querySelector("section.lc");
      const taken = [!root.dispatchEvent(event("dragover")), root.matches("[data-drop]")];
      return [...taken, !root.dispatchEvent(event("drop")), !root.matches("[data-drop]")];
    }"""
    assert here.page.evaluate(drop, K00139) == [True] * 4
    here.page.wait_for_selector("text=vllm.log, a start-up log of vLLM 0.19.0")
