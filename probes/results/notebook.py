"""Scored words as HTML for notebooks: no script, no style sheet, every text escaped.

Colours are translucent over those of the notebook, so that text stays readable on light and on dark backgrounds.
"""

from __future__ import annotations

import html
import itertools
import math
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FOR = (0, 114, 190)
"""Red, green and blue of a score for the class."""
AGAINST = (226, 110, 0)
"""Red, green and blue of a score against the class."""
MOST_OPACITY = 0.6
"""Opacity of the strongest word's colour."""
LEAST_SHARE = 0.06
"""Share of the strongest score below which a word has no colour."""
N_STRONGEST = 4
"""Number of words for and against the class that are listed with their scores."""
FAINT = 0.0005
"""Absolute score below which three digits print 0; rounding errors reach that far, and get no colour."""
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the text around them."""


def scored_text(
    facts: Mapping[str, str],
    sides: Sequence[str],
    words: Sequence[str],
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> str:
    """Return HTML with every word at its position in the text, coloured by its score on a scale centred on zero.

    Words for the class have a blue background and a solid line below, words against it an orange background and a
    dotted line. Each word has its score as a tooltip, and the strongest words are listed below the text.

    Args:
        facts: Name -> value of each fact above the text.
        sides: The original text, or text and pair.
        words: (words,) in reading order, special tokens included.
        scores: (words,) signed scores.
        offsets: (words, 3) segment and characters of each word, as in `Attribution`.
    """
    largest = float(np.abs(scores[np.isfinite(scores)]).max(initial=0.0))
    # Each text has a direction of writing, so that the pair gets a block of its own.
    first_of_pair = np.flatnonzero(offsets.reshape(-1, 3)[:, 0] == 1)[:1].tolist()
    blocks = [
        _words_in_text(sides, words[first:last], scores[first:last], offsets[first:last], largest)
        for first, last in itertools.pairwise([0, *first_of_pair, len(words)])
    ]
    style = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:2;font-size:1.1em"
    text = "".join(f'<div dir="auto" style="{style}">{block}</div>' for block in blocks)
    heading = [f"{_escaped(name)} <b>{_isolated(value)}</b>" for name, value in facts.items()]
    return (
        '<div style="max-width:48rem;line-height:1.5">'
        f'<div style="font-size:.9em">{" &middot; ".join(heading)}</div>'
        f"{text}"
        f'<div style="font-size:.9em">{_colour_scale(largest)}</div>'
        f'<div style="font-size:.9em">{_strongest_words(words, scores)}</div></div>'
    )


def signed(score: float) -> str:
    """Format a score as `+0.123`, `−0.123` with a minus sign, or `0.000`."""
    return "0.000" if abs(score) < FAINT else f"{score:+.3f}".replace("-", "−")


def _words_in_text(
    sides: Sequence[str], words: Sequence[str], scores: NDArray[np.float64], offsets: NDArray[np.int64], largest: float
) -> str:
    """Return the words together with the characters between them."""
    pieces = list[str]()
    previous: tuple[int, int] | None = None
    for word, score, (side, first, last) in zip(words, scores.tolist(), offsets.tolist(), strict=True):
        pieces.append(_escaped(text_gap(sides, previous, side, first)))
        pieces.append(_word(word, score, largest, is_special=side < 0))
        previous = (side, last)
    return "".join(pieces)


def text_gap(sides: Sequence[str], previous: tuple[int, int] | None, side: int, first: int) -> str:
    """Return the characters between the end of the previous word and the start of the next one.

    Args:
        sides: The original text, or text and pair.
        previous: Segment and end of the previous word; None before the first word.
        side: Segment of the next word; negative for a special token.
        first: Start of the next word.
    """
    space = "" if previous is None else " "
    if side < 0:
        return space
    text = sides[min(side, len(sides) - 1)]
    if previous is not None and previous[0] == side:
        return text[previous[1] : first]
    return space + text[:first]


def _word(word: str, score: float, largest: float, *, is_special: bool) -> str:
    declarations = ["opacity:.65", "font-size:.8em"] if is_special else []
    if largest >= FAINT and abs(score) >= LEAST_SHARE * largest:
        colour, line = (FOR, "solid") if score > 0 else (AGAINST, "dotted")
        red, green, blue = colour
        opacity = MOST_OPACITY * abs(score) / largest
        declarations += [
            f"background:rgba({red},{green},{blue},{opacity:.3f})",
            f"border-bottom:2px {line} rgb({red},{green},{blue})",
            "border-radius:3px",
            "padding:.05em .1em",
        ]
    # A special token is isolated from the direction of writing; words are not, or each would be laid out alone.
    return marked_word(word, title=signed(score), style=";".join(declarations), is_isolated=is_special)


def marked_word(text: str, *, title: str, shade: str = "", style: str = "", is_isolated: bool = False) -> str:
    """Return a word as an HTML element, for notebooks and for pages; every text is escaped.

    Args:
        text: The word.
        title: Tooltip; empty for none.
        shade: Class of the style sheet that colours the word; empty for none.
        style: Declarations that colour the word where there is no style sheet; empty for none.
        is_isolated: Whether the word is isolated from the direction of writing around it.
    """
    tag = "bdi" if is_isolated else "span"
    attributes = {"class": shade, "title": title, "style": style}
    written = "".join(f' {name}="{_escaped(value)}"' for name, value in attributes.items() if value)
    return f"<{tag}{written}>{_escaped(text)}</{tag}>"


def _colour_scale(largest: float) -> str:
    if largest < FAINT:
        return "no word has a score that differs from 0.000"
    ends = [f"rgba({red},{green},{blue},{MOST_OPACITY})" for red, green, blue in (AGAINST, FOR)]
    background = f"background:linear-gradient(to right,{ends[0]},transparent,{ends[1]})"
    return (
        f'<span style="border-bottom:2px dotted rgb{AGAINST}">against {signed(-largest)}</span> '
        f'<span style="display:inline-block;width:8em;height:.8em;{background}"></span> '
        f'<span style="border-bottom:2px solid rgb{FOR}">for {signed(largest)}</span>'
    )


def _strongest_words(words: Sequence[str], scores: NDArray[np.float64]) -> str:
    """List the words with the highest and the lowest scores."""
    lists = []
    for side, strongest in strongest_words(words, scores, least=FAINT).items():
        listed = ", ".join(f"{_isolated(word)} {signed(score)}" for word, score in strongest)
        if listed:
            lists.append(f"strongest {side}: {listed}")
    return "; ".join(lists)


def strongest_words(
    words: Sequence[str], scores: NDArray[np.float64], *, least: float
) -> dict[str, list[tuple[str, float]]]:
    """Return the words with the highest scores (`for`) and the lowest ones (`against`), the strongest first.

    Args:
        words: (words,) in reading order.
        scores: (words,) signed scores; words whose score is not finite are left out.
        least: Absolute score from which on a word is listed.
    """
    ranked = [(word, score) for word, score in zip(words, scores.tolist(), strict=True) if math.isfinite(score)]
    ranked.sort(key=lambda pair: -pair[1])
    positive = [pair for pair in ranked if pair[1] >= least]
    negative = [pair for pair in reversed(ranked) if pair[1] <= -least]
    return {"for": positive[:N_STRONGEST], "against": negative[:N_STRONGEST]}


def _isolated(text: str) -> str:
    """Escape a text and isolate it, so that its direction of writing does not reorder the line around it."""
    return f"<bdi>{_escaped(text)}</bdi>"


def _escaped(text: str) -> str:
    """Escape a text; characters that no page may hold or that would reorder it become a replacement character."""
    return html.escape("".join("\ufffd" if _is_unfit(character) else character for character in text))


def _is_unfit(character: str) -> bool:
    category = unicodedata.category(character)
    is_control = category == "Cc" and character not in "\t\n\r"
    return character in _REORDERING or category == "Cs" or is_control


def head_line(kind: str, model: str, class_names: Sequence[str], pooling: str | None, layer: int | None) -> str:
    """Describe a head in one line: its site and model, the number of its classes, and their first names."""
    site = "own head" if pooling is None else f"{pooling} at layer {layer}"
    names = ", ".join(class_names[:5])[:60]
    more = "" if names == ", ".join(class_names) else ", ..."
    return f"{kind}({site} of {model!r}, {len(class_names)} classes: {names}{more})"
