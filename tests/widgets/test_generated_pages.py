"""The pages written from the kernel say what the kernel says now."""

import re

import pytest

from llmcap_kernel import catalog
from widgets.pages import build, catalogue_page, notation

PAGES = {"notation": notation, "catalogue": catalogue_page}


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_current(name):
    path = build.ROOT / "book" / f"{name}.md"
    assert path.read_text() == PAGES[name].text(), f"run python -m {PAGES[name].__name__}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_written_once(tmp_path, name):
    path = tmp_path / "page.md"
    assert PAGES[name].write(path)
    assert not PAGES[name].write(path)


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_table_has_its_cells(name):
    columns = None
    for line in PAGES[name].text().splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            columns = columns or cells
            assert cells == columns, line
        else:
            columns = None


def test_notation_has_the_names_the_chapters_use():
    units = {entry.name: entry.unit for entry in notation.entries()}
    assert units["kv_pool_bytes"] == "bytes"
    assert units["bandwidth_bytes_s"] == "bytes/s"
    assert units["itl_s"] == units["ttft_mean_s"] == "s"
    assert units["output_tok_s"] == units["tok_s_user"] == "tok/s"
    assert units["context_tokens"] == "tokens"
    assert units["usd_h"] == "USD/h"


def test_a_name_has_one_unit():
    units = {}
    for entry in notation.entries():
        units.setdefault(entry.name, set()).add(entry.unit)
    assert not {name: found for name, found in units.items() if len(found) > 1}


def test_the_catalogue_page_leaves_nothing_out():
    page = catalogue_page.text()
    for name in (*catalog.models(), *catalog.gpus(), *catalog.engines()):
        assert f'={name}">{name}</a> |' in page
    assert page.count("/h") >= len(catalog.table("prices")["price"])
