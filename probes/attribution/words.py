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


WITHOUT_BLANKS = (
    (0x0E00, 0x0EFF),  # Thai and Lao
    (0x1000, 0x109F),  # Burmese, with its extensions below
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x1AAF),  # Tai Le, New Tai Lue, Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x3040, 0x30FF),  # Japanese syllables
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Chinese characters
    (0x4E00, 0x9FFF),
    (0xA980, 0xA9FF),  # Javanese
    (0xAA60, 0xAADF),  # Tai Viet
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # Japanese syllables of half width
    (0x20000, 0x323AF),
)
"""First and last character of the scripts that set no blank between words: there, what is written as one is a word."""
TAKES_NEXT = frozenset("\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4\u1039\u17d2\u1a60\u1b44\ua9c0")
"""Vowels written before their consonant (Thai, Lao), and signs that stack the next consonant under the last one."""
FOLLOWS = frozenset("\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3\u0ebd\uff9e\uff9f")
"""Vowels (Thai, Lao) and voicing marks (Japanese of half width) that are letters, and belong to the one before."""
ATTACHED = frozenset("\u0e33\u0eb3\uff9e\uff9f")
"""Those of them that belong to whatever stands before, by Unicode's rule of grapheme clusters."""
EXTENDING = frozenset("\u200c\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
"""Joiners, and the skin tones of emoji: like marks they belong to what they stand behind, though Unicode calls them
format characters and symbols."""
SYLLABLE_END = frozenset("\u0f0b\u0f0c")
"""Tibetan writes them after every syllable, and blanks after sentences only."""


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """First and last + 1 character of each word: what blanks part, with the punctuation at its ends apart.

    In scripts that are written without blanks between words, each character with what is written around it is a word:
    marks, vowels and stacked consonants stay with the letter that they belong to. No grapheme cluster is ever divided.
    """
    for chunk in re.finditer(r"\S+", text):
        start, end = chunk.span()
        starts = [i for i in range(start, end) if i == start or _starts_cluster(text[i - 1], text[i])]
        kinds = "".join(_kind(text[i]) for i in starts)
        starts.append(end)
        lead = len(kinds) - len(kinds.lstrip("m"))
        tail = max(lead, len(kinds.rstrip("m")))
        begin = 0
        for i in range(1, len(kinds) + 1):
            inner = lead < i < tail and ("c" in (kinds[i - 1], kinds[i]) or kinds[i - 1] == "s")
            if i in (lead, tail, len(kinds)) or inner:
                yield starts[begin], starts[i]
                begin = i


def _starts_cluster(before: str, character: str) -> bool:
    """Whether a character does not belong to what is written before it."""
    # A combining mark goes with what it stands on: an accent, a voicing mark, the variant of an emoji.
    if _is_mark(character) or character in ATTACHED:
        return False
    if character in FOLLOWS:
        return _kind(before) != "c" and not _is_mark(before)
    return not (before in TAKES_NEXT and _kind(character) == "c")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in EXTENDING


def _kind(character: str) -> str:
    """`m` for punctuation, symbols and joiners, `c` for scripts without blanks, `s` for ends of syllables, `w` else."""
    category = unicodedata.category(character)
    if character in SYLLABLE_END:
        return "s"
    if category[0] in "PS" or category == "Cf":
        return "m"
    if category == "Nd":
        return "w"
    return "c" if any(first <= ord(character) <= last for first, last in WITHOUT_BLANKS) else "w"
