"""Words of the original text: what blanks part, found by characters and never by joining tokens again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def group_words(
    sides: Sequence[str], offsets: NDArray[np.int64], tokens: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Tokens gathered into the words that they are pieces of.

    Args:
        sides: The original text, or text and pair.
        offsets: (seq, 3) segment and characters of each token, as in `Attribution`.
        tokens: (seq,)

    Returns:
        Words of the original texts that hold a token, and special tokens, in reading order; their (words, 3) offsets;
        and (seq,) the word of each token.
    """
    spans = [list(word_spans(text)) for text in sides]
    words: list[str] = []
    places: list[tuple[int, int, int]] = []
    member = np.zeros(len(tokens), dtype=np.int64)
    for i, (side, first, last) in enumerate(offsets):
        if side < 0:
            words.append(tokens[i])
            places.append((-1, 0, 0))
        else:
            # A piece may begin with the blank before its word.
            begin = next((c for c in range(first, last) if not sides[side][c].isspace()), first)
            start, end = next((s for s in spans[side] if s[1] > begin), (first, last))
            if not places or places[-1] != (side, start, end):
                words.append(sides[side][start:end])
                places.append((int(side), start, end))
        member[i] = len(words) - 1
    return tuple(words), np.array(places, dtype=np.int64).reshape(-1, 3), member


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """First and last + 1 character of each word: what blanks part, marks at its ends apart, CJK by character."""
    start = 0
    while start < len(text):
        if text[start].isspace():
            start += 1
            continue
        end = start
        while end < len(text) and not text[end].isspace():
            end += 1
        kinds = "".join(_kind(character) for character in text[start:end])
        lead = len(kinds) - len(kinds.lstrip("m"))
        tail = max(lead, len(kinds.rstrip("m")))
        begin = start
        for i in range(1, len(kinds) + 1):
            if i in (lead, tail, len(kinds)) or (lead < i < tail and "c" in (kinds[i - 1], kinds[i])):
                if begin < start + i:
                    yield begin, start + i
                begin = start + i
        start = end


def _kind(character: str) -> str:
    """`m` for punctuation, symbols and joiners, `c` for scripts written without blanks, `w` for the rest."""
    if unicodedata.category(character)[0] in "PS" or unicodedata.category(character) == "Cf":
        return "m"
    blocks = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
    return "c" if any(first <= ord(character) <= last for first, last in blocks) else "w"
