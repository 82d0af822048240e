"""The first word of a text, which is its input type in control tasks unless others are given."""

from __future__ import annotations

import string
import unicodedata

JOINERS = "'\N{RIGHT SINGLE QUOTATION MARK}-\N{HYPHEN}._\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Characters within a word: don't, well-known, U.S, first_name, 3.14, and joined letters of other scripts."""


def first_word(text: str) -> str:
    """Return the first word in lower case, without the quotes and punctuation around it.

    A text without words is returned without the blanks around it.
    """

    def is_word_character(i: int) -> bool:
        if i >= len(text) or text[i] in string.punctuation:  # ` $ + < = > ^ | ~ are symbols to Unicode
            return False
        # Z, C and P are spaces, controls and punctuation.
        return unicodedata.category(text[i])[0] not in "ZCP"

    start = next((i for i in range(len(text)) if is_word_character(i)), None)
    if start is None:
        return text.strip()
    end = start + 1
    while is_word_character(end) or (is_word_character(end + 1) and text[end] in JOINERS):
        end += 1
    return text[start:end].lower()
