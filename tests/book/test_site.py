"""What pages do beyond their text: search, anchors, tables, terms, and being shared."""

import re

import pytest

from tests.book.test_pages import overflow, pages, serious_faults
from widgets.pages import build, heads, pdf
from widgets.session import Calculator

SENTENCES = {
    # asked: a page that must be found, and words of the sentence shown beside it
    "MLA": ("Glossary", "latent"),
    "binding constraint": ("5. The design", "binding constraint"),
    "H200": ("4. The toolbox", "H200"),
    "compare": ("5. The design", "ompare"),
}


@pytest.mark.browser
@pytest.mark.parametrize("asked", SENTENCES)
def test_the_search_shows_sentences_and_no_code(visit, asked):
    title, words = SENTENCES[asked]
    page = visit(f"/search.html?q={asked}")
    results = page.locator("#search-results li", has=page.locator(".context"))
    results.filter(has_text=title).filter(has_text=words).first.wait_for()
    for text in page.locator("#search-results .context").all_inner_texts():
        assert not re.search(r"\bimport \w|\w\(\w+=|print\(|catalog\.\w+\(", text), text
    assert not serious_faults(page)


@pytest.mark.browser
def test_a_page_opened_after_a_search_stands_as_it_was_built(visit):
    """The theme marked the words in pictures and calculators too, where that ended in an error."""
    page = visit("/search.html?q=cache")
    page.locator("#search-results .context .highlighted").first.wait_for()
    page.goto("/book/3-capacity.html")
    page.wait_for_timeout(500)  # it did so a moment after the page was there
    assert page.locator(".highlighted, .highlight-link").count() == 0


def test_the_search_finds_a_calculator_by_its_name(visit):
    page = visit("/search.html?q=compare")
    link = page.locator(".lt-found a")
    assert link.inner_text() == "Compare"
    assert link.get_attribute("href").endswith("apps/compare")


@pytest.mark.browser
def test_a_search_for_a_model_or_a_card_is_put_to_a_calculator(visit):
    page = visit("/search.html?q=Qwen3-32B+on+two+H200")
    page.locator(".lt-ask a", has_text="VRAM").click()
    page.wait_for_url(re.compile("/apps/vram.*model=qwen3-32b&gpu=h200-sxm&tp=2"))
    page.locator(".lc-receipt:visible", has_text="Read: Qwen3 32B, 2x H200").wait_for()
    assert visit("/search.html?q=roofline").locator(".lt-ask").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("config.json", {"Calculate", "VRAM and concurrency"}),
        ("benchmark file", {"Validate"}),
        ("launch command", {"Calculate"}),
    ],
)
def test_the_search_finds_a_tool_by_what_is_brought_to_it(visit, asked, found):
    page = visit(f"/search.html?q={asked}")
    assert set(page.locator(".lt-found a").all_inner_texts()) == found
    for item in page.locator(".lt-found li").all_inner_texts():
        assert ": " in item  # with what it does


@pytest.mark.browser
def test_a_mark_beside_a_heading_copies_its_address(visit):
    page = visit("/book/1-law.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("document.querySelectorAll('h2 .headerlink')[1].click()")
    page.get_by_text("Anchor copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url and "#" in copied


@pytest.mark.browser
def test_a_long_table_is_filtered_sorted_and_opens_a_calculator(visit):
    page = visit("/book/catalogue.html", width=390)
    models = page.locator("#models")
    assert page.evaluate("document.body.scrollHeight") < 5_000  # its lists are folded on a phone
    models.locator("summary").click()
    models.get_by_role("searchbox").fill("llama-3.1 8b")
    rows = models.locator("tbody tr:not([hidden])")
    assert rows.count() == 1
    assert (
        rows.locator("a").first.get_attribute("href") == "../apps/calculate?tp=1&model=llama-3.1-8b"
    )
    models.get_by_role("searchbox").fill("llama-3.1")
    models.get_by_role("button", name="parameters").click()
    assert models.locator("[aria-sort]").get_attribute("aria-sort") == "ascending"
    sizes = [float(text.split()[0]) for text in rows.locator("td:nth-child(2)").all_inner_texts()]
    assert sizes == sorted(sizes) and len(sizes) > 2
    assert overflow(page) <= 0


@pytest.mark.browser
@pytest.mark.parametrize("width", [800, 1280])
def test_no_list_of_the_catalogue_scrolls_sideways_once_it_is_unfolded(visit, width):
    page = visit("/book/catalogue.html", width=width)
    wide = """() => {
      for (const fold of document.querySelectorAll("article details")) fold.open = true;
      return [...document.querySelectorAll("article table")]
        .filter((table) => table.scrollWidth > table.parentElement.clientWidth)
        .map((table) => table.querySelector("th").innerText); }"""
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("path", pages())
def test_a_page_says_what_it_is_when_it_is_shared(site, path):
    text = (build.SITE / path.removeprefix("/")).read_text("utf-8")
    said = dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)"', text))
    assert len(said["description"]) > 30
    assert said["og:description"] == said["description"]
    assert said["og:title"] in text.partition("</title>")[0]
    picture = (build.SITE / path.removeprefix("/")).parent / said["og:image"]
    assert picture.resolve().read_bytes().startswith(b"\x89PNG")
    assert (build.SITE / "_static" / "favicon.svg").exists()


def test_descriptions_and_titles_are_each_page_s_own(site):
    found = [
        re.findall(r'name="description" content="([^"]*)"', (build.SITE / p[1:]).read_text("utf-8"))
        for p in pages()
    ]
    assert len({one for each in found for one in each}) == len(pages())


def test_programs_find_every_page(site):
    text = (build.SITE / "llms.txt").read_text("utf-8")
    listed = re.findall(r"\]\(([^)]+)\)", text)
    assert {path[1:] for path in pages()} <= set(listed)
    for path in listed:
        assert (build.SITE / path).exists()


def test_with_an_address_shared_links_are_whole():
    given = heads.tags("T", "Said.", "book/1-law.html", "../", "https://a.test/books")
    assert 'property="og:url" content="https://a.test/books/book/1-law.html"' in given
    assert 'property="og:image" content="https://a.test/books/_static/card.png"' in given
    assert '<link rel="canonical" href="https://a.test/books/book/1-law.html">' in given


PLAIN = '<head><title>Calculate - llmcap</title>\n<link rel="icon" href="/x.svg">\n</head>'


def test_a_shared_calculator_says_its_deployment_and_its_answer():
    query = "gpu=mi300x&tp=1&weights=fp8"
    page = heads.with_answer(PLAIN, "calculate", query, "https://a.test/")
    speed = Calculator("calculate", query).view["headline"][0]["value"]
    title = f"Llama 3.1 70B in FP8 on 1 x Instinct MI300X: {speed} tok/s"
    assert f"<title>{title} - llmcap</title>" in page
    assert f'property="og:title" content="{title}"' in page
    said = re.search(r'property="og:description" content="([^"]+)"', page)
    assert said and said[1].startswith("It ")
    assert 'property="og:url" content="https://a.test/apps/calculate?' in page
    assert re.findall(r'rel="icon" href="([^"]+)"', page) == ["../_static/favicon.svg"]


def test_what_a_stranger_puts_into_an_address_stays_text():
    page = heads.with_answer(PLAIN, "calculate", "gpu=%3Cscript%3E&model=%22%3E", "https://a.test/")
    assert "<script" not in page and page.count("<title>") == 1


@pytest.mark.parametrize(("name", "query"), [("calculate", ""), ("validate", "gpu=h100-sxm")])
def test_a_page_without_a_deployment_says_what_it_is(name, query):
    assert heads.with_answer(PLAIN, name, query, "https://a.test/") == PLAIN


def test_the_first_use_of_a_term_has_its_definition(site):
    text = (build.SITE / "book" / "1-law.html").read_text("utf-8")
    terms = re.findall(
        r'<a title="([^"]+)" class="reference internal" href="[^"]*#term-KV-cache"', text
    )
    assert len(terms) == 1 and "keys and values" in terms[0].lower()


@pytest.mark.browser
def test_a_printed_chapter_is_complete(visit, site, tmp_path):
    """What unfolds is unfolded: solutions, numbers of pictures, hints; nothing to press is left."""
    from pypdf import PdfReader

    page = visit("/healthz")
    (tmp_path / "one.pdf").write_bytes(pdf.printed(page, f"{site}/book/vendor-numbers.html"))
    text = "\n".join(sheet.extract_text() for sheet in PdfReader(tmp_path / "one.pdf").pages)
    for words in ("Three rates of one card", "Price of B", "Put one beside the law"):
        assert words in " ".join(text.split()), words
    assert "Save as" not in text


@pytest.mark.browser
def test_the_cheat_sheet_is_one_printed_page(visit, site, tmp_path):
    from pypdf import PdfReader

    page = visit("/healthz")
    (tmp_path / "one.pdf").write_bytes(pdf.printed(page, f"{site}/book/cheat-sheet.html"))
    (sheet,) = PdfReader(tmp_path / "one.pdf").pages
    text = " ".join(sheet.extract_text().split())
    for words in ("bytes of a decode step", "mi300x", "deepseek-v3", "Before you trust a number"):
        assert words in text, words
