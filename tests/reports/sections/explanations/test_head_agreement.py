"""Agreement of the two heads of a text on the page."""

import pytest

from tests.support.pages.sections import section_of, words_of
from tests.support.results.explained import checked


def test_the_two_heads_of_a_text_are_told_by_their_correlation(checked_page):
    correlation = checked().tables["explained_head_agreement"]["correlation"].iloc[0]
    words = words_of(checked_page, "explained")
    assert f"Rank correlation of the two heads' scores: {correlation:.2f}." in words
    assert "rest on like tokens: rank correlation 0.58 on average (95 % interval 0.47 to 0.69, 24 texts)" in words


@pytest.mark.parametrize(
    ("outcome", "phrase"),
    [("above", "rest on like tokens"), ("below", "rest on different tokens"), ("cannot_tell", "Cannot tell whether")],
)
def test_whether_the_heads_agree_is_told_by_its_outcome(outcome, phrase):
    assert phrase in section_of(checked(explained_head_agreement=outcome), "explained").verdict[1]
