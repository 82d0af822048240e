"""Words of the original texts, found by characters between blanks and not by joining tokens."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

CharacterSpan = tuple[int, int]
"""First and last + 1 character of a part of a text."""


def group_words(
    sides: Sequence[str], offsets: NDArray[np.int64], tokens: Sequence[str], *, truncated: bool = False
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Group tokens into the words that they are pieces of.

    Args:
        sides: The original text, or text and pair.
        offsets: (seq, 3) segment and characters of each token, as in `Attribution`.
        tokens: (seq,) tokens, special tokens included.
        truncated: Whether the encoder read only a part of the texts; a word that it read in part is cut to that part.

    Returns:
        Words of the original texts that hold a token, and special tokens, in reading order; their (words, 3) offsets;
        and (seq,) the row of each token's word. Where a token spans several words, these count as one word.
    """
    token_offsets: list[tuple[int, int, int]] = [tuple(row) for row in offsets.tolist()]
    spans_of_sides = []
    for side, text in enumerate(sides):
        pieces = [(first, last) for segment, first, last in token_offsets if segment == side]
        spans_of_sides.append(_spans_of_pieces(text, pieces, truncated=truncated))
    words: list[str] = []
    word_offsets: list[tuple[int, int, int]] = []
    word_of_token = np.zeros(len(tokens), dtype=np.int64)
    for i, (side, first, last) in enumerate(token_offsets):
        if side < 0:
            words.append(tokens[i])
            word_offsets.append((-1, 0, 0))
        else:
            start, end = _word_at(sides[side], spans_of_sides[side], (first, last))
            is_new_word = not word_offsets or word_offsets[-1] != (side, start, end)
            if is_new_word:
                words.append(sides[side][start:end])
                word_offsets.append((side, start, end))
        word_of_token[i] = len(words) - 1
    offset_rows = np.array(word_offsets, dtype=np.int64).reshape(-1, 3)
    return tuple(words), offset_rows, word_of_token


def _word_at(text: str, spans: Sequence[CharacterSpan], piece: CharacterSpan) -> CharacterSpan:
    """Return the span of the word that a piece is part of; the piece itself after the last word."""
    inside = _characters(text, piece)  # a piece may begin with the blank before its word
    begin = inside[0] if inside else piece[0]
    word = bisect_right(spans, begin, key=lambda span: span[1])
    return spans[word] if word < len(spans) else piece


def _characters(text: str, piece: CharacterSpan) -> list[int]:
    """Return the positions of the characters of a piece that are no blanks."""
    return [i for i in range(*piece) if not text[i].isspace()]


def _spans_of_pieces(text: str, pieces: Sequence[CharacterSpan], *, truncated: bool) -> list[CharacterSpan]:
    """Return the spans of the words of a text; words spanned by one piece are joined.

    Args:
        text: The original text.
        pieces: Characters of the tokens of this text.
        truncated: Whether to cut the words to the part that the tokens hold.
    """
    spans = list(word_spans(text))
    ends = [end for _, end in spans]
    last_joined = list(range(len(spans)))  # for each word, the last word that one of its pieces spans
    positions = []
    for piece in pieces:
        inside = _characters(text, piece)
        if inside:
            positions += [inside[0], inside[-1]]
            first_word = bisect_right(ends, inside[0])
            last_word = bisect_right(ends, inside[-1])
            last_joined[first_word] = max(last_joined[first_word], last_word)
    joined = _join_spans(spans, last_joined)
    if truncated and positions:
        return _cut_spans(text, joined, min(positions), max(positions) + 1)
    return joined


def _join_spans(spans: Sequence[CharacterSpan], last_joined: Sequence[int]) -> list[CharacterSpan]:
    """Join each word with the words after it, up to the last one that a piece of it spans."""
    joined: list[CharacterSpan] = []
    last_of_group = -1
    for word, (start, end) in enumerate(spans):
        if word <= last_of_group:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
        last_of_group = max(last_of_group, last_joined[word])
    return joined


def _cut_spans(text: str, spans: Sequence[CharacterSpan], first: int, last: int) -> list[CharacterSpan]:
    """Cut words to the part of the text that the encoder read, from `first` to before `last`."""
    while last < len(text) and _is_mark(text[last]):  # tokenizers drop a mark, but it is part of what they read
        last += 1
    inside = [(start, end) for start, end in spans if start < last and end > first]
    return [(max(start, first), min(end, last)) for start, end in inside]


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
"""First and last character of the scripts without blanks between words: there, each cluster of characters is a word."""
TAKES_NEXT = frozenset("\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4\u1039\u17d2\u1a60\u1b44\ua9c0")
"""Vowels written before their consonant (Thai, Lao), and signs that stack the next consonant under the last one."""
FOLLOWS = frozenset("\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3\u0ebd\uff9e\uff9f")
"""Vowels (Thai, Lao) and voicing marks (Japanese of half width) that are letters, and belong to the one before."""
ATTACHED = frozenset("\u0e33\u0eb3\uff9e\uff9f")
"""The signs of `FOLLOWS` that belong to any character before them, by Unicode's rule of grapheme clusters."""
EXTENDING = frozenset("\u200c\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
"""Joiners, and the skin tones of emoji: they belong to the character before them as marks do, although Unicode counts
them as format characters and symbols."""
SYLLABLE_END = frozenset("\u0f0b\u0f0c")
"""Signs that Tibetan writes after every syllable; it writes blanks after sentences only."""


def word_spans(text: str) -> Iterator[CharacterSpan]:
    """Yield the span of each word: characters between blanks, with the punctuation at both ends apart.

    In scripts that are written without blanks between words, each character is a word together with the signs written
    around it: marks, vowels and stacked consonants stay with their letter. No grapheme cluster is divided.
    """
    for chunk in re.finditer(r"\S+", text):
        start, end = chunk.span()
        starts = [i for i in range(start, end) if i == start or _starts_cluster(text[i - 1], text[i])]
        kinds = "".join(_kind(text[i]) for i in starts)
        starts.append(end)
        first = 0
        for last in _ends_of_words(kinds):
            yield starts[first], starts[last]
            first = last


def _ends_of_words(kinds: str) -> Iterator[int]:
    """Yield where the words of a chunk end, from the kinds of its clusters: see `_kind`."""
    n_clusters = len(kinds)
    # The punctuation at both ends is apart.
    lead = n_clusters - len(kinds.lstrip("m"))
    tail = max(lead, len(kinds.rstrip("m")))
    for i in range(1, n_clusters + 1):
        # Between them, scripts without blanks end a word after each cluster.
        is_between = lead < i < tail
        if is_between:
            is_apart = "c" in (kinds[i - 1], kinds[i])
            ends_word = is_apart or kinds[i - 1] == "s"
        else:
            ends_word = False
        if ends_word or i in (lead, tail, n_clusters):
            yield i


def _starts_cluster(previous: str, character: str) -> bool:
    """Return whether a character begins a cluster, and does not belong to the character before it."""
    # A combining mark belongs to the character before it: an accent, a voicing mark, the variant of an emoji.
    if _is_mark(character) or character in ATTACHED:
        return False
    if character in FOLLOWS:
        return _kind(previous) != "c" and not _is_mark(previous)
    return not (previous in TAKES_NEXT and _kind(character) == "c")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in EXTENDING


def _kind(character: str) -> str:
    """Classify a character.

    Returns:
        `m` for punctuation, symbols and joiners, `c` for scripts without blanks, `s` for ends of syllables, else `w`.
    """
    category = unicodedata.category(character)
    if character in SYLLABLE_END:
        return "s"
    if category[0] in "PS" or category == "Cf":
        return "m"
    if category == "Nd":
        return "w"
    code = ord(character)
    return "c" if any(first <= code <= last for first, last in WITHOUT_BLANKS) else "w"
