"""Fixtures of the tests of results."""

import pytest

from tests.support.saved_results import PLAIN


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    return PLAIN.save(tmp_path / "inner" / "made")
