"""Agreement of the two heads of a text on the page."""

import pytest

from reports.lookup import View
from reports.sections.explanations.head_agreement import CONCLUSIONS, agreement_sentence
from tests.support.pages.sections import words_of
from tests.support.results.explained import checked


def test_the_two_heads_of_a_text_are_told_by_their_correlation(checked_page):
    correlation = checked().tables["explained_head_agreement"]["correlation"].iloc[0]
    words = words_of(checked_page, "explained")
    assert f"Rank correlation of the two heads' scores: {correlation:.2f}." in words
    assert f"{CONCLUSIONS['above']}: rank correlation 0.58 [95 % CI 0.47 to 0.69], n = 24." in words


@pytest.mark.parametrize("outcome", CONCLUSIONS)
def test_whether_the_heads_agree_is_stated_by_its_outcome(outcome):
    analysis = checked(explained_head_agreement=outcome)
    assert CONCLUSIONS[outcome] in agreement_sentence(View(analysis), "sentiment")
