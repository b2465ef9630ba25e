"""The picture of a shared link: what stands in it, and what one visitor may ask for."""

import asyncio
import re
import threading
import urllib.request
from io import BytesIO

import pytest
from PIL import Image

from tests.apps.test_one_visitor import in_a_loop
from widgets.pages import build, heads
from widgets.server import preview
from widgets.session import CALCULATORS, Calculator

WITH_DEPLOYMENT = ("calculate", "vram", "cliff", "scorecard", "compare")


def opened(name, query):
    return Image.open(BytesIO(preview.png(name, query)))


def length(picture, y, colour):
    """How many pixels of a line have a colour."""
    return sum(picture.getpixel((x, y)) == colour for x in range(picture.width))


@pytest.mark.parametrize("name", WITH_DEPLOYMENT)
def test_a_deployment_has_a_picture_of_the_size_that_is_told(name):
    assert opened(name, "users=3").size == heads.CARD_SIZE == (1200, 630)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("calculate", ""),
        ("calculate", "model=no-such-model"),
        ("calculate", "tp=3000"),
        ("compare", "a.gpu=nothing"),
        ("design", "users=3"),
        ("validate", "source=x"),
        ("no-such-app", "tp=2"),
    ],
)
def test_a_link_without_an_answer_has_none(name, query):
    assert preview.png(name, query) is None


def test_the_memory_is_to_scale():
    """An H100 gives out 79.2 GiB; the engine takes 90% of it, and leaves the rest."""
    picture = opened("vram", "tp=2&users=8")
    kept = length(picture, preview.FOOT - 55, (0xF5, 0xF7, 0xF9))  # --lc-panel, above its word
    assert kept / (picture.width - 2 * preview.EDGE) == pytest.approx(0.1, abs=0.002)


def test_what_has_no_room_stands_beyond_the_end_of_the_card():
    """All users need 162 GiB of 71.3: the card ends where 79.2 of 170 are drawn."""
    picture = opened("vram", "tp=2&users=200")
    y, end = preview.FOOT - 64, (0xB3, 0x26, 0x1E)  # --lc-bad, above the bar
    at = [x for x in range(picture.width) if picture.getpixel((x, y)) == end]
    needed = 162 + 79.2 - 71.3
    assert at[0] == pytest.approx(preview.EDGE + 1104 * 79.2 / needed, abs=5)


def test_the_colours_are_those_of_the_first_page():
    css = "".join(sheet.read_text() for sheet in preview.SHEETS)
    named = dict(re.findall(r"\.lf-ask \.lf-(\w+) \{ --lf: var\(--lc-([\w-]+)\)", css))
    assert named == {kind: name for kind, name in preview.FILLS.items() if kind != "room"}
    share = re.search(r"\.lf-room \{ --lf: color-mix\(in srgb, var\(--lc-mark-4\) (\d+)%", css)
    assert float(share[1]) / 100 == preview.ROOM


@pytest.mark.parametrize(
    "text", ["a" * 400, "\u6a21\u578b " * 50, "\u00dcber Br\u00fccke \u00d7 2", ""]
)
def test_a_name_of_any_length_and_alphabet_stays_inside(text):
    sheet = preview.Sheet()
    assert sheet.fitted(10, 10, text, 300, 24) <= 310
    lines, size = sheet.wrapped(text, 300, (46, 42), 30)
    assert len(lines) <= 2
    assert all(sheet.width(line, size) <= 300 for line in lines)


def test_an_own_model_may_have_any_name():
    config = '{"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32,'
    config += '"num_hidden_layers": 32, "intermediate_size": 14336, "vocab_size": 128256,'
    config += '"num_key_value_heads": 8, "_name_or_path": "\\u6a21\\ud800"}'
    state = CALCULATORS["calculate"].FORM.check({"config": config})[0]
    query = CALCULATORS["calculate"].FORM.query(state)
    assert Calculator("calculate", query).view["headline"]
    assert preview.png("calculate", query)


# ---- as it is served -----------------------------------------------------------------------


def test_a_page_s_picture_is_there(site):
    asked = heads.with_answer(
        "<title>Calculate - llmcap</title>", "calculate", "gpu=mi300x&tp=1", f"{site}/"
    )
    told = dict(re.findall(r'property="og:image(:?\w*)" content="([^"]+)"', asked))
    assert (told[":width"], told[":height"]) == ("1200", "630")
    assert told[":alt"].startswith("Llama 3.1 70B in FP8 on 1 x Instinct MI300X: ")
    with urllib.request.urlopen(told[""].replace("&amp;", "&"), timeout=60) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert "max-age" in answer.headers["Cache-Control"]
        assert answer.read() == preview.png("calculate", "gpu=mi300x&tp=1")


@pytest.mark.parametrize("path", ["calculate.png?model=x", "design.png?users=3", "nothing.png"])
def test_a_link_without_an_answer_shows_the_book_s(site, path):
    with urllib.request.urlopen(f"{site}/apps/{path}", timeout=60) as answer:
        assert answer.url == f"{site}/{heads.CARD}"
        assert answer.read() == (build.SITE / heads.CARD).read_bytes()


# ---- what one visitor may ask for ----------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch):
    """The pictures that were drawn, and how many at once at the most."""
    links, at_once, most = [], [], [0]

    def draw(name, query):
        at_once.append(query)
        most[0] = max(most[0], len(at_once))
        threading.Event().wait(0.01)
        at_once.remove(query)
        links.append(query)
        return query.encode()

    monkeypatch.setattr(preview, "png", draw)
    return links, most


def test_one_address_and_all_may_ask_for_few_pictures(drawn):
    links, most = drawn

    async def ask():
        desk = preview.Desk()
        one = [desk.picture("192.0.2.1", "vram", f"users={n}") for n in range(20)]
        others = [desk.picture(f"198.51.100.{n}", "vram", f"ctx={n}") for n in range(100)]
        return await asyncio.gather(*one, *others)

    given = in_a_loop(ask())
    assert [bool(each) for each in given[:5]] == [True] * 4 + [False]
    assert sum(map(bool, given)) == len(links) == preview.MOST
    assert most[0] == 1


def test_a_picture_is_drawn_once_and_few_are_kept(drawn, monkeypatch):
    links, _ = drawn
    monkeypatch.setattr(preview, "JUST_NOW_S", 0)

    async def ask():
        desk = preview.Desk()
        for n in (*range(preview.KEPT), 5, 6):
            assert await desk.picture("192.0.2.1", "vram", f"users={n}")
            await asyncio.sleep(0)
        await desk.picture("192.0.2.1", "vram", "one=more")
        return desk

    desk = in_a_loop(ask())
    assert len(links) == preview.KEPT + 1
    assert len(desk._kept) == preview.KEPT


def test_a_fault_is_no_picture(monkeypatch, caplog):
    monkeypatch.setattr(preview, "png", lambda name, query: 1 / 0)

    async def ask():
        return await preview.Desk().picture("192.0.2.1", "vram", "tp=2")

    assert in_a_loop(ask()) is None
    assert "ZeroDivisionError" in caplog.text
