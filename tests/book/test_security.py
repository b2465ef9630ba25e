"""The page on security: its numbers are the code's, and what is brought along has its licence."""

import json

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.evidence import results
from llmcap_kernel.evidence.results import documents, tables
from widgets.calculators import own_rows
from widgets.form import upload
from widgets.pages import build, licences
from widgets.server import channels, connections, log, preview, settings, watch

PAGE = (build.ROOT / "book" / "security.md").read_text("utf-8")


@pytest.mark.parametrize(
    "said",
    [
        f"{upload.MAX_BYTES // 10**6} MB, {tables.MAX_LINES:,} lines, {own_rows.MOST:,} rows, "
        f"{results.MAX_CELLS // 10**6} million cells, {documents.MAX_VALUES // 10**6} million "
        f"values or {documents.MAX_TABLES:,} tables of JSON",
        f"{log.LINES_A_MINUTE} entries a minute, {log.LONGEST:,} characters",
        f"{connections.MAX_UNSENT_BYTES >> 20} MiB; a page",
        f"closed after {connections.SILENT_SECONDS} s, and so is one that takes nothing of what",
        f"after {watch.SILENT_SECONDS} s, or after {watch.SILENT_AT_LEAST_SECONDS} s",
        f"{preview.MOST_EACH} within {preview.JUST_NOW_S} s for one address and "
        f"{preview.MOST} in all",
        {2: "two websockets each"}[channels.MAX_SOCKETS],
    ],
)
def test_a_limit_is_the_code_s(said):
    assert said in PAGE


def test_what_the_page_says_in_one_number_is_one_in_the_code():
    assert connections.UNREAD_SECONDS == connections.SILENT_SECONDS
    default = settings.Settings()
    assert f"Two addresses can take all {default.seats} by default" in " ".join(PAGE.split())
    assert default.seats == 2 * default.seats_each


def test_every_package_that_pages_load_has_its_licence_beside_it(tmp_path):
    licences.write(tmp_path / "licences.txt")
    text = (tmp_path / "licences.txt").read_text("utf-8")
    asked = json.loads((build.ROOT / "package.json").read_text("utf-8"))["dependencies"]
    for name, version in asked.items():
        assert f"== {name} {version}: " in text
    assert text.count("Permission is hereby granted") > 20


def test_configs_say_whose_they_are():
    assert "remain under the terms" in (catalog.FOLDER / "configs" / "README.md").read_text("utf-8")
