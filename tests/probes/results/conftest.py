"""Fixtures of the tests of results."""

import pytest

from tests.support.results.smallest import PLAIN


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    return PLAIN.save(tmp_path / "inner" / "made")
