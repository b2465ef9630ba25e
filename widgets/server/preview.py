"""The picture of a shared link: the deployment, its verdict, numbers and one card's memory.

It is drawn from the view that the page itself shows. `widgets.pages.card` drew the picture of every
other address, and of a link that names no deployment.
"""

import asyncio
import logging
import re
import unicodedata
from functools import cache
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, ImageColor, ImageDraw, ImageFont

from llmcap_kernel import capacity, design
from llmcap_kernel.explain import GIB, digits
from widgets import named, session
from widgets.calculators import columns
from widgets.form import meaning
from widgets.form.characters import whole_text
from widgets.pages import heads
from widgets.pictures import front

LOG = logging.getLogger(__name__)
KEPT = 64  # pictures, each some 80 kB
# Pictures that are drawn or were drawn just now: of one address, and in all.
MOST_EACH, MOST, JUST_NOW_S = 4, 16, 3
WIDTH, HEIGHT = heads.CARD_SIZE
EDGE, GAP = 48, 40
LAST = WIDTH - EDGE  # where lines end
FOOT = HEIGHT - 58  # where the key of the colours stands
LEADING = 1.25  # sizes of a text from line to line
NUMBERS = 3  # of one deployment; of several, one of each
CLIFF_TOKENS = 8000  # of a user, where the calculator asks for no context
WIDGETS = Path(__file__).parents[1]
SHEETS = (WIDGETS / "front" / "calculator.css", WIDGETS / "front" / "ask.css")
COLOUR = re.compile(r"--lc-([\w-]+): light-dark\((#\w+), #\w+\)")
# One card's memory in the colours of the first page, and what is written on them.
FILLS = {"weights": "mark-1", "activations": "mark-2", "host": "mark-3", "link": "mark-8",
         "cache": "mark-4", "room": "room", "missing": "bad-ground", "kept": "panel"}  # fmt: skip
INKS = {"room": "text", "missing": "bad", "kept": "quiet"}
KINDS = {"weights": "weights", "activations": "activations", "host": "runtime",
         "link": "CUDA graphs", "cache": "users", "room": "room for more",
         "missing": "users without room", "kept": "kept free"}  # fmt: skip
ROOM = 0.18  # of the cache's colour on the ground, as `color-mix` of the first page has it
ICON = WIDGETS.parent / "book" / heads.ICON
LARGE = 10  # px of the mark as it is drawn, to one of its file


class Desk:
    """Pictures drawn one after the other, and kept for whoever asks again.

    A picture takes 50 ms of a core and no seat, so it is few that one address, and all of them,
    may ask for at once.
    """

    def __init__(self):
        self._kept: dict[tuple[str, str], bytes | None] = {}
        self._asked: list[str] = []  # the address of each that is drawn or was just now
        self._turn = asyncio.Lock()

    async def picture(self, address: str, name: str, query: str) -> bytes | None:
        """Give the picture of a link; None where it has none, or this is not the time for it."""
        if (name, query) in self._kept:
            return self._kept[name, query]
        if self._asked.count(address) >= MOST_EACH or len(self._asked) >= MOST:
            return None
        self._asked.append(address)
        try:
            async with self._turn:
                drawn = await asyncio.to_thread(_png_or_none, name, query)
        finally:
            asyncio.get_running_loop().call_later(JUST_NOW_S, self._asked.remove, address)
        self._kept[name, query] = drawn
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return drawn


def _png_or_none(name, query):
    try:
        return png(name, query)
    except Exception:
        LOG.exception("no picture of %s?%s", name, query)
        return None


def png(name: str, query: str) -> bytes | None:
    """Draw the picture of a link.

    Parameters
    ----------
    name : str
        Of the calculator.
    query : str
        Its inputs as the address spells them.

    Returns
    -------
    bytes or None
        A PNG; None where the link has no deployment, or one without an answer.
    """
    view = heads.asked(name, query)
    # a search names no deployment of its own
    names = set(session.CALCULATORS[name].FORM.by_name) if view else set()
    if view is None or not heads.is_answered(view) or not names & {"gpu", "a.gpu"}:
        return None
    sheet, books = Sheet(), _books(name, query)
    y = _verdict(sheet, _head(sheet, view), view["status"])
    if view.get("groups"):
        _columns(sheet, y, view["headline"], books)
    else:
        _numbers(sheet, y, _first_known(view["headline"]))
        _memory(sheet, books[0])
    return sheet.png()


def _first_known(items):
    """Numbers with an interval before those without, in the order of the page."""
    chosen = sorted(items, key=lambda item: "span" not in item)[:NUMBERS]
    return [item for item in items if item in chosen]


def _books(name, query):
    """One card's memory of each deployment that a link asks about."""
    form = session.CALCULATORS[name].FORM
    state, _ = form.parse(whole_text(query))
    if "columns" in state:
        load, built = meaning.load(state), columns.deployments(form, state)[0].values()
        return [capacity.workload_ledger(d, load) for d in built]
    d = meaning.deployment(state)
    if "in" not in state:
        tokens = state.get("ctx", min(CLIFF_TOKENS, d.model.max_context_tokens))
        return [capacity.ledger(d, context_tokens=tokens, concurrency=state["users"])]
    load = meaning.load(state)
    if state["users"] is None:
        load = design.most_users_load(d, load, meaning.limits(state))
    return [capacity.workload_ledger(d, load)]


# ---- what stands where, from the top to the foot -------------------------------------------


def _head(sheet, view):
    """The mark, the calculator's name and whose deployment it is: where that ends."""
    sheet.paste(EDGE, 34, _mark(40))
    sheet.text(EDGE + 54, 37, "llmcap", 32, bold=True)
    sheet.text(LAST, 44, view["title"], 25, "quiet", anchor="ra")
    return sheet.lines(EDGE, 94, named.deployment(view), LAST - EDGE, (46, 42, 38, 34), 30) + 12


def _verdict(sheet, y, status):
    """The verdict in its colour: where it ends."""
    level, said, width = status["level"], heads.shortened(status["text"]), LAST - EDGE - 44
    lines, size = sheet.wrapped(said, width, (), 26)
    height = LEADING * size * len(lines) + 20
    sheet.rect(EDGE, y, LAST - EDGE, height, f"{level}-ground", radius=6)
    sheet.rect(EDGE, y, 6, height, level)
    sheet.lines(EDGE + 24, y + 9, said, width, (), 26, level)
    return y + height + 22


def _numbers(sheet, y, items):
    """Numbers side by side, each over its interval."""
    for x, width, item in _side_by_side(items):
        sheet.fitted(x, y, item["label"], width, 24, "quiet")
        _number(sheet, x, y + 32, width, item)


def _columns(sheet, y, items, books):
    """A number of each deployment over its card's memory, side by side."""
    parts = [front.memory(one) for one in books]
    for (x, width, item), ours, one in zip(_side_by_side(items), parts, books, strict=True):
        cards, _, model = item["label"].partition(": ")
        sheet.fitted(x, y, cards, width, 27, bold=True)
        sheet.fitted(x, y + 35, model, width, 22, "quiet")
        _number(sheet, x, y + 64, width, item)
        _bar(sheet, x, FOOT - 50, width, 34, ours, one.visible_bytes)
    sheet.text(EDGE, FOOT - 86, "One card's memory, to scale", 20, "quiet")
    _marks(sheet, FOOT - 86)
    kinds = {kind for each in parts for kind, _, _ in each}
    _key(sheet, FOOT, [(kind, KINDS[kind]) for kind in FILLS if kind in kinds])


def _memory(sheet, books):
    """Where one card's memory goes, to scale, at the foot."""
    parts = front.memory(books)
    said = f"One card's {digits(books.visible_bytes / GIB, 3)} GiB, to scale"
    sheet.text(EDGE, FOOT - 90, said, 20, "quiet")
    _marks(sheet, FOOT - 90)
    _bar(sheet, EDGE, FOOT - 58, LAST - EDGE, 44, parts, books.visible_bytes)
    _key(sheet, FOOT, [(kind, f"{name} {digits(size / GIB, 3)}") for kind, name, size in parts])


def _side_by_side(items):
    """Where each stands, and how wide it may be."""
    width = (LAST - EDGE + GAP) / max(len(items), NUMBERS) - GAP
    return [(EDGE + i * (width + GAP), width, item) for i, item in enumerate(items)]


def _number(sheet, x, y, width, item):
    """A number, its interval in words, and both on a line from zero."""
    room = width - (sheet.width(f" {item['unit']}", 28) if item["unit"] else 0)
    end = sheet.fitted(x, y, item["value"], room, 62, bold=True)
    sheet.text(end + 10, y + 30, item["unit"], 28, "quiet")
    span = item.get("span")
    if not span:
        sheet.fitted(x, y + 76, item["note"].partition(";")[0], width, 22, "quiet")
        return
    at = {name: x + place / 100 * (width - 4) for name, place in span["at"].items()}
    sheet.fitted(x, y + 76, f"{span['text'].partition(',')[0]}, four times in five", width, 22)
    sheet.rect(x, y + 118, width, 3, "rule")
    sheet.rect(at["low"], y + 112, at["high"] - at["low"], 15, "interval")
    if "limit" in at:
        sheet.rect(at["limit"], y + 106, 3, 27, "bad")
    sheet.rect(at["value"] - 1, y + 106, 4, 27, "text")
    if "ceiling" in at:
        sheet.ring(at["ceiling"], y + 119.5, 6)


def _marks(sheet, y):
    """What stands on the lines under the numbers, at the end of a line."""
    x = LAST - sheet.width("spec sheet", 20) - sheet.width("limit", 20) - 54
    sheet.ring(x, y + 12, 6)
    x = sheet.text(x + 14, y, "spec sheet", 20, "quiet") + 24
    sheet.rect(x, y, 3, 24, "bad")
    sheet.text(x + 12, y, "limit", 20, "quiet")


def _bar(sheet, x, y, width, height, parts, visible_bytes):
    """One card's memory, each part as wide as it is large; what is missing stands beyond."""
    total = sum(size for _, _, size in parts)
    for kind, name, size in parts:
        wide = width * size / total
        sheet.rect(x, y, wide, height, FILLS[kind])
        if sheet.width(name, 20) + 16 < wide and height > 40:
            sheet.text(x + 10, y + height / 2, name, 20, INKS.get(kind, "ground"), anchor="lm")
        x += wide
    if total > 1.001 * visible_bytes:
        end = x - width * (1 - visible_bytes / total)
        sheet.rect(end - 1, y - 8, 3, height + 16, "bad")


def _key(sheet, y, named_kinds):
    """What the colours of a bar are."""
    size = next(n for n in (21, 19, 17, 15) if _key_width(sheet, named_kinds, n) < LAST - EDGE)
    x = EDGE
    for kind, words in named_kinds:
        sheet.rect(x, y + 5, 15, 15, "edge", radius=2)
        sheet.rect(x + 1, y + 6, 13, 13, FILLS[kind], radius=2)
        x = sheet.text(x + 23, y, words, size, "quiet") + 26


def _key_width(sheet, named_kinds, size):
    return sum(sheet.width(words, size) + 49 for _, words in named_kinds) - 26


# ---- what a picture is made of -------------------------------------------------------------


@cache
def _colours():
    """The light colours of the first page's style sheets, by name."""
    text = "".join(sheet.read_text("utf-8") for sheet in SHEETS)
    first = reversed(COLOUR.findall(text))  # a theme of high contrast has its own below
    known = {name: ImageColor.getrgb(colour) for name, colour in first}
    pairs = zip(known[FILLS["cache"]], known["ground"], strict=True)
    return known | {"room": tuple(round(ROOM * a + (1 - ROOM) * b) for a, b in pairs)}


@cache
def _mark(size):
    """The mark of a browser's tab, drawn large and made small: Pillow's corners have no shades."""
    drawn = Image.new("RGB", (32 * LARGE, 32 * LARGE), _colours()["ground"])
    draw = ImageDraw.Draw(drawn)
    for rect in ElementTree.parse(ICON).getroot():
        x, y, width, height, radius = (
            LARGE * float(rect.get(name, 0)) for name in ("x", "y", "width", "height", "rx")
        )
        draw.rounded_rectangle((x, y, x + width, y + height), radius, fill=rect.get("fill"))
    return drawn.resize((size, size), Image.Resampling.LANCZOS)


@cache
def _font(size):
    """The sans serif that comes with Pillow."""
    return ImageFont.load_default(size)


def _plain(text):
    """A text in the letters that the font has, those of ASCII: a reader's own name may have any."""
    text = text.replace("\u00d7", "x").replace("\u00b5", "u")
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


class Sheet:
    """A picture, and what can be drawn on it: places in pixels, colours by name."""

    def __init__(self):
        self._image = Image.new("RGB", (WIDTH, HEIGHT), _colours()["ground"])
        self._draw = ImageDraw.Draw(self._image)

    def png(self):
        """The picture as bytes."""
        out = BytesIO()
        self._image.save(out, "PNG")
        return out.getvalue()

    def paste(self, x, y, picture):
        """Put a picture on it."""
        self._image.paste(picture, (x, y))

    def rect(self, x, y, width, height, colour, radius=0):
        """Fill a rectangle."""
        if width >= 0.5:
            box = (x, y, max(x + width - 1, x), y + height - 1)
            self._draw.rounded_rectangle(box, radius, fill=_colours()[colour])

    def ring(self, x, y, radius):
        """Draw a hollow dot."""
        box = (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, fill=_colours()["ground"], outline=_colours()["text"], width=3)

    def text(self, x, y, text, size, colour="text", bold=False, anchor="la"):
        """Write a line, and tell where it ends."""
        text, heavy = _plain(text), size / 60 if bold else 0  # the font has one weight
        self._draw.text((x, y), text, _colours()[colour], _font(size), anchor, stroke_width=heavy)
        return x + _font(size).getlength(text)

    def width(self, text, size):
        """How wide a line is."""
        return _font(size).getlength(_plain(text))

    def fitted(self, x, y, text, width, size, colour="text", bold=False):
        """Write a line, smaller or cut off where it has no room, and tell where it ends."""
        small = next(
            (n for n in range(size, round(0.7 * size), -2) if self.width(text, n) <= width), 0
        )
        if not small:
            small = round(0.7 * size)
            text = self._cut(text, width, small)
        return self.text(x, y + 0.8 * (size - small), text, small, colour, bold)

    def wrapped(self, text, width, sizes, small):
        """Fit a text into one line of the largest size, or into two small ones."""
        for size in sizes:
            if self.width(text, size) <= width:
                return [text], size
        first, *rest = self._broken(text, width, small)
        lines = filter(None, (first, " ".join(rest)))
        return [self._cut(line, width, small) for line in lines], small

    def lines(self, x, y, text, width, sizes, small, colour="text"):
        """Write a text as `wrapped` breaks it, and tell where it ends."""
        lines, size = self.wrapped(text, width, sizes, small)
        for line in lines:
            self.text(x, y, line, size, colour, bold=True)
            y += LEADING * size
        return y

    def _broken(self, text, width, size):
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if not lines[-1] or self.width(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def _cut(self, text, width, size):
        """The text, or as much of it as has room before three dots."""
        if self.width(text, size) <= width:
            return text
        while text and self.width(f"{text}...", size) > width:
            text = text[:-1]
        return f"{text}..."
