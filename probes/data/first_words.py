"""The first word of a text, by which a control task tells texts apart."""

from __future__ import annotations

import string
import unicodedata

JOINERS = "'\N{RIGHT SINGLE QUOTATION MARK}-\N{HYPHEN}._\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""What holds a word together: don't, well-known, U.S, first_name, 3.14, and joined letters of other scripts."""


def first_word(text: str) -> str:
    """The first word in lower case, without the quotes and punctuation around it; a text without words as it stands."""

    def is_inside(i: int) -> bool:
        # Z, C and P are spaces, controls and punctuation; ` $ + < = > ^ | ~ are symbols to Unicode, not to a reader.
        return i < len(text) and text[i] not in string.punctuation and unicodedata.category(text[i])[0] not in "ZCP"

    start = next((i for i in range(len(text)) if is_inside(i)), None)
    if start is None:
        return text.strip()
    end = start + 1
    while is_inside(end) or (is_inside(end + 1) and text[end] in JOINERS):
        end += 1
    return text[start:end].lower()
