"""Token shares on the page."""

import re

from tests.support.pages.sections import words_of


def test_states_are_said_to_be_places_and_the_special_tokens_of_the_input_to_be_zero(checked_page):
    words = words_of(checked_page, "states")
    assert (
        "Of the score of the probe on the mean vector of layer 4, the states of layer 4 hold: content words 51.0 %"
        in words
    )
    assert "At layer 0 it was [CLS] 0.0 % and [SEP] 0.0 %." in words
    assert "These are places in the network, not input words" in words
    assert "At the input [CLS] and [SEP] are 0 by construction" in words
    assert len(re.findall(r"<svg[^>]*states-\d-\d-title", checked_page)) == 3
