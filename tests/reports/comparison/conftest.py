"""Results that are compared, and the page that compares them."""

import pytest

from reports import compare_reports
from tests.support.results.compared import judged, right


@pytest.fixture(scope="session")
def three():
    """One that is clearly better, and two that cannot be told apart."""
    return [
        judged(right(0.80, 1), model="big"),
        judged(right(0.70, 2), model="small"),
        judged(right(0.695, 3), model="other"),
    ]


@pytest.fixture(scope="session")
def compared_page(three):
    """The page that compares the three."""
    return compare_reports(three)
