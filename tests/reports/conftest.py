"""Pages that several files of tests read, drawn once in each process."""

import pytest

from reports import render_report
from tests.support.results.explained import checked
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result


@pytest.fixture(scope="session")
def page():
    """The page of a result of `run`."""
    return render_report(result())


@pytest.fixture(scope="session")
def checked_page():
    """The page of a result whose explanations were checked in every way."""
    return render_report(checked())


@pytest.fixture(scope="session")
def fine_tuned():
    """A result of `heads`."""
    return tuned()


@pytest.fixture(scope="session")
def fine_tuned_page(fine_tuned):
    """The page of a result of `heads`."""
    return render_report(fine_tuned)
