"""What the tests of several apps share."""

import pytest

from tests.apps.test_calculators import Site


@pytest.fixture
def here(browser):
    made = Site(browser, viewport={"width": 1280, "height": 900})
    yield made
    made.context.close()
    assert made.faults == []
