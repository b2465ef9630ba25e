"""What is done to the pages after they are built, without a browser."""

import base64
import hashlib

import pytest

from widgets.pages import icons, light, math, pack, policy, stacked

HEAD = '<html data-content_root="" data-theme="auto"><head><meta charset="utf-8" />'


def test_only_the_scripts_that_stand_in_a_page_are_named_in_its_policy():
    page = (
        "<script>let a = 1;</script><script src='x.js'></script>"
        "<script type='application/json'>{}</script><script type='module'>let b;</script>"
    )
    said = policy.of_page(page)
    for script in ("let a = 1;", "let b;"):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in said
    assert said.count("sha256-") == 2
    assert policy.stated(policy.with_policy(page)) == said


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ('<script src="_static/new.js"></script>', "does not know _static/new.js"),
        ('<button onclick="act()"></button>', "a script in an attribute"),
    ],
)
def test_what_a_page_may_not_bring_stops_the_build(tmp_path, body, wrong):
    path = tmp_path / "page.html"
    path.write_text(f"{HEAD}</head><body>{body}</body></html>")
    with pytest.raises(ValueError, match=wrong):
        light.Page(path).strip(tmp_path / "_static", None)


def test_an_icon_keeps_what_stands_beside_it(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "styles").mkdir()
    (tmp_path / icons.SCRIPT).write_text('{list:[512,256,["list-old"],"f03a","M40 48"]}')
    (tmp_path / icons.THEME_STYLES).write_text(
        "{--pst-icon-admonition-tip:var(--pst-icon-list-old)}"
    )
    drawn = icons.Icons(tmp_path)
    made = drawn.drawn(
        '<i class="theme-switch fa-solid fa-list fa-lg" data-mode="auto" title="x"></i>'
    )
    assert 'class="svg-icon theme-switch fa-lg" aria-hidden="true" data-mode="auto"' in made
    assert 'viewBox="0 0 512 256"' in made and 'd="M40 48"' in made and "title" not in made
    assert drawn.css().startswith(".admonition.tip > .admonition-title::after { mask-image: url(")


def test_a_formula_that_cannot_be_read_is_told():
    setter = math.Setter()
    try:
        assert "<mfrac>" in setter.set(r"\frac{a}{b}", True)
        with pytest.raises(ValueError, match="frac"):
            setter.set(r"\frac{a", True)
    finally:
        setter.stop()


def test_files_are_packed_once_and_again_when_they_change(tmp_path):
    large, small, picture = (tmp_path / name for name in ("a.html", "b.html", "c.png"))
    large.write_text("word " * 1000)
    small.write_text("word")
    picture.write_bytes(b"\0" * 5000)
    pack.write(tmp_path)
    packed = sorted(p.name for p in tmp_path.iterdir())
    assert packed == ["a.html", "a.html.br", "a.html.gz", "b.html", "c.png"]
    first = (tmp_path / "a.html.br").stat().st_mtime_ns
    pack.write(tmp_path)
    assert (tmp_path / "a.html.br").stat().st_mtime_ns == first


def test_a_short_cell_shares_a_line_where_it_fits_with_its_column_s_name():
    """Half a phone holds 20 characters: "weights / cache" and "FP8 / FP8" are 24 and broke."""
    heads = "".join(f"<th>{name}</th>" for name in ("", "cards", "model", "weights / cache"))
    cells = "".join(f"<td>{text}</td>" for text in ("A", "1x H100", "Llama", "FP8 / FP8"))
    page = f'<table class="table"><tr>{heads}</tr><tr>{cells}</tr></table>'
    brief = stacked.stacked(page).split("<td")[1:]
    assert ["lt-brief" in cell for cell in brief] == [False, True, True, False]


def test_a_short_cell_with_no_neighbour_has_a_line_of_its_own():
    """It would end half way, where the next card's ends at the edge."""
    heads = "".join(f"<th>{name}</th>" for name in "abcde")
    long = "two of them that share a layer"
    for cells, short in (
        (("A", long, "x", "y", "z"), [False, False, True, True, False]),
        (("A", "x", long, "y", "z"), [False, False, False, True, True]),
    ):
        row = "".join(f"<td>{text}</td>" for text in cells)
        page = f'<table class="table"><tr>{heads}</tr><tr>{row}</tr></table>'
        made = stacked.stacked(page).split("<td")[1:]
        assert ["lt-brief" in cell for cell in made] == short
