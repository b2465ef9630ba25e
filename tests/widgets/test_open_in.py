"""The row under a chapter's title."""

import pytest
from sphinx.errors import ConfigError

from widgets.pages import open_in

HOME = "https://github.com/who/what"


def test_without_a_repository_there_is_the_notebook_and_how_to_run_it():
    told = open_in.row("../_sources/book/1-law.ipynb", open_in.links("book/1-law.ipynb"))
    assert 'href="../_sources/book/1-law.ipynb" download' in told
    assert "make lab" in told
    assert "http" not in told


def test_a_repository_opens_in_colab_and_binder():
    found = dict(open_in.links("book/1-law.ipynb", HOME, "main"))
    assert list(found) == ["Colab", "Binder"]
    assert found["Colab"].endswith("/github/who/what/blob/main/book/1-law.ipynb")
    assert found["Binder"].endswith("/gh/who/what/main?urlpath=lab%2Ftree%2Fbook%2F1-law.ipynb")
    assert "make lab" not in open_in.row("x", list(found.items()))


def test_a_hub_comes_first():
    found = open_in.links("book/1-law.ipynb", f"{HOME}.git", hub="https://hub.example.org/")
    label, address = found[0]
    assert label == "JupyterLab"
    assert address.startswith("https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A%2F")
    assert address.endswith("urlpath=lab%2Ftree%2Fwhat%2Fbook%2F1-law.ipynb")


@pytest.mark.parametrize("address", ["github.com/who/what", "https://example.org/who/what", "x"])
def test_another_address_is_refused_in_one_sentence(address):
    with pytest.raises(ConfigError, match=r"it takes https://github\.com/OWNER/NAME"):
        open_in.links("book/1-law.ipynb", address)
