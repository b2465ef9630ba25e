"""How the server packs what it sends, and how long a browser may keep it."""

import gzip
import http.client
import re
from urllib.parse import urlsplit

import pytest

from widgets.pages import build, policy

CHAPTER = "/book/1-law.html"


def ask(site, path, method="GET", **headers):
    """One answer: status, headers, and the bytes as they came."""
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=120)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def style_sheet() -> str:
    return next(f"/_static/{p.name}" for p in (build.SITE / "_static").glob("book-*.css"))


@pytest.mark.parametrize(
    ("accepts", "sent"),
    [
        ("br, gzip", "br"),
        ("gzip", "gzip"),
        ("gzip, br;q=0", "gzip"),
        ("br;q=0.1", "br"),
        ("identity", None),
        ("", None),
    ],
)
def test_a_page_comes_packed_as_the_browser_takes_it(site, accepts, sent):
    status, headers, body = ask(site, CHAPTER, Accept_Encoding=accepts)
    plain = (build.SITE / CHAPTER[1:]).read_bytes()
    assert status == 200
    assert headers["Content-Encoding"] == sent
    assert headers["Content-Type"] == "text/html"
    assert headers["Vary"] == "Accept-Encoding"
    assert int(headers["Content-Length"]) == len(body)
    if sent is None:
        assert body == plain
    else:
        assert len(body) < len(plain) / 4
    if sent == "gzip":
        assert gzip.decompress(body) == plain


def test_each_packing_has_a_tag_of_its_own_and_is_not_sent_twice(site):
    tags = {ask(site, CHAPTER, Accept_Encoding=how)[1]["Etag"] for how in ("br", "gzip", "")}
    assert len(tags) == 3
    tag = ask(site, CHAPTER, Accept_Encoding="br")[1]["Etag"]
    status, headers, body = ask(site, CHAPTER, Accept_Encoding="br", If_None_Match=tag)
    assert (status, body) == (304, b"")
    assert headers["Vary"] == "Accept-Encoding"
    assert ask(site, CHAPTER, Accept_Encoding="gzip", If_None_Match=tag)[0] == 200


@pytest.mark.parametrize("accepts", ["br, gzip", ""])
def test_a_head_says_what_a_get_would_send(site, accepts):
    _, whole, body = ask(site, CHAPTER, Accept_Encoding=accepts)
    status, headers, nothing = ask(site, CHAPTER, "HEAD", Accept_Encoding=accepts)
    assert (status, nothing) == (200, b"")
    assert int(headers["Content-Length"]) == len(body)
    for name in ("Etag", "Content-Encoding", "Content-Type", "Cache-Control"):
        assert headers[name] == whole[name]


def test_a_range_counts_the_bytes_of_the_file_itself(site):
    plain = (build.SITE / style_sheet()[1:]).read_bytes()
    for accepts in ("br, gzip", ""):
        status, headers, body = ask(
            site, style_sheet(), Accept_Encoding=accepts, Range="bytes=100-299"
        )
        assert (status, body) == (206, plain[100:300])
        assert headers["Content-Encoding"] is None
        assert headers["Content-Range"] == f"bytes 100-299/{len(plain)}"
    told = ask(site, style_sheet(), Range="bytes=0-9", If_Range='"another version"')
    assert (told[0], told[2]) == (200, plain)
    assert ask(site, style_sheet(), Range=f"bytes={len(plain)}-")[0] == 416


def test_what_is_named_by_its_content_is_kept_and_a_page_is_asked_for_again(site):
    page = (build.SITE / CHAPTER[1:]).read_text("utf-8")
    named = re.findall(r'(?:href|src)="\.\./(_static/[^"]+-\w+\.\w+)"', page)
    assert len(named) >= 4  # the style sheet, the script, two fonts
    for address in named:
        kept = ask(site, f"/{address}")[1]["Cache-Control"]
        assert kept == "public, max-age=31536000, immutable", address
    for address in (CHAPTER, "/search.html?v=9eb32ce0", "/vendor/plotly.min.js", "/index.html"):
        assert ask(site, address)[1]["Cache-Control"] == "no-cache"


def test_what_is_made_for_one_reader_is_packed_too(site):
    _, headers, body = ask(site, "/apps/vram", Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert b"<main>" in gzip.decompress(body)


def test_the_server_says_the_policy_that_the_page_says(site):
    stated = policy.stated((build.SITE / CHAPTER[1:]).read_text("utf-8"))
    sent = ask(site, CHAPTER)[1]["Content-Security-Policy"]
    assert sent == f"{stated}; frame-ancestors 'self'"
