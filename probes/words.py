"""Words of the original text: what blanks part, found by characters and never by joining tokens again."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def group_words(
    sides: Sequence[str], offsets: NDArray[np.int64], tokens: Sequence[str], *, truncated: bool = False
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Tokens gathered into the words that they are pieces of.

    Args:
        sides: The original text, or text and pair.
        offsets: (seq, 3) segment and characters of each token, as in `Attribution`.
        tokens: (seq,)
        truncated: Whether the encoder read a part only: a word that it read a part of is cut to that.

    Returns:
        Words of the original texts that hold a token, and special tokens, in reading order; their (words, 3) offsets;
        and (seq,) the word of each token. Where a token reaches over several words, these are one.
    """
    rows: list[tuple[int, int, int]] = [tuple(row) for row in offsets.tolist()]
    spans = [
        _joined(text, [(first, last) for at, first, last in rows if at == side], truncated=truncated)
        for side, text in enumerate(sides)
    ]
    words: list[str] = []
    places: list[tuple[int, int, int]] = []
    member = np.zeros(len(tokens), dtype=np.int64)
    for i, (side, first, last) in enumerate(rows):
        if side < 0:
            words.append(tokens[i])
            places.append((-1, 0, 0))
        else:
            # A piece may begin with the blank before its word.
            begin = next((c for c in range(first, last) if not sides[side][c].isspace()), first)
            at = bisect_right(spans[side], begin, key=lambda span: span[1])
            start, end = spans[side][at] if at < len(spans[side]) else (first, last)
            if not places or places[-1] != (side, start, end):
                words.append(sides[side][start:end])
                places.append((side, start, end))
        member[i] = len(words) - 1
    return tuple(words), np.array(places, dtype=np.int64).reshape(-1, 3), member


def _joined(text: str, pieces: Sequence[tuple[int, int]], *, truncated: bool) -> list[tuple[int, int]]:
    """The words of a text, those that one token reaches over as one; cut to what was read."""
    spans = list(word_spans(text))
    ends = [end for _, end in spans]
    reached = list(range(len(spans)))
    """For each word, the last one that a token of it reaches."""
    read = []
    for first, last in pieces:
        own = [c for c in range(first, last) if not text[c].isspace()]
        if own:
            read += [own[0], own[-1]]
            at = bisect_right(ends, own[0])
            reached[at] = max(reached[at], bisect_right(ends, own[-1]))
    found: list[tuple[int, int]] = []
    until = -1
    for at, (start, end) in enumerate(spans):
        if at <= until:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
        until = max(until, reached[at])
    if truncated and read:
        begin, stop = min(read), max(read) + 1
        while stop < len(text) and _is_mark(text[stop]):  # tokenizers drop it, but it is part of what they read
            stop += 1
        found = [(max(start, begin), min(end, stop)) for start, end in found if start < stop and end > begin]
    return found


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """First and last + 1 character of each word: what blanks part, punctuation at its ends apart, CJK by character."""
    for chunk in re.finditer(r"\S+", text):
        start, end = chunk.span()
        # A combining mark goes with what it stands on: an accent, a voicing mark, the variant of an emoji.
        starts = [i for i in range(start, end) if i == start or not _is_mark(text[i])]
        kinds = "".join(_kind(text[i]) for i in starts)
        starts.append(end)
        lead = len(kinds) - len(kinds.lstrip("m"))
        tail = max(lead, len(kinds.rstrip("m")))
        begin = 0
        for i in range(1, len(kinds) + 1):
            if i in (lead, tail, len(kinds)) or (lead < i < tail and "c" in (kinds[i - 1], kinds[i])):
                yield starts[begin], starts[i]
                begin = i


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _kind(character: str) -> str:
    """`m` for punctuation, symbols and joiners, `c` for scripts written without blanks, `w` for the rest."""
    if unicodedata.category(character)[0] in "PS" or unicodedata.category(character) == "Cf":
        return "m"
    blocks = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
    return "c" if any(first <= ord(character) <= last for first, last in blocks) else "w"
