"""Scored words as a piece of HTML that stands in any notebook: no script, no style sheet, every text escaped.

Colours are translucent over whatever the page's own are, so that its ink stays readable on light and on dark ones.
"""

from __future__ import annotations

import html
import itertools
import math
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FOR, AGAINST = (0, 114, 190), (226, 110, 0)
"""Red, green, blue of what speaks for the class, and against it."""
MOST = 0.6
"""Opacity of the strongest word's colour."""
LEAST = 0.06
"""Share of the strongest score under which a word is left plain."""
STRONGEST = 4
"""Words on each side that are named with their scores."""
FAINT = 0.0005
"""Scores under which a word's would be written as 0: rounding alone gets there, and gets no colour."""
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def scored_text(
    facts: Mapping[str, str],
    sides: Sequence[str],
    words: Sequence[str],
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> str:
    """The words where they stand in their texts, coloured by score on a scale centred on zero.

    What speaks for the class has a blue ground and a solid line under it, what speaks against it an orange ground and a
    dotted line. Every word carries its score as a tooltip, and the strongest ones are named below.

    Args:
        facts: Name -> what is said above the text.
        sides: The original text, or text and pair.
        words: (words,) in reading order, special tokens among them.
        scores: (words,)
        offsets: (words, 3) segment and characters of each word, as in `Attribution`.
    """
    finite = np.abs(scores[np.isfinite(scores)])
    full = float(finite.max(initial=0.0))
    second = np.flatnonzero(offsets.reshape(-1, 3)[:, 0] == 1)[
        :1
    ].tolist()  # each text has its own direction of writing
    flows = [
        _flow(sides, words[first:last], scores[first:last], offsets[first:last], full)
        for first, last in itertools.pairwise([0, *second, len(words)])
    ]
    style = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:2;font-size:1.1em"
    text = "".join(f'<div dir="auto" style="{style}">{flow}</div>' for flow in flows)
    parts = [f"{_shown(name)} <b>{_alone(value)}</b>" for name, value in facts.items()]
    return (
        '<div style="max-width:48rem;line-height:1.5">'
        f'<div style="font-size:.9em">{" &middot; ".join(parts)}</div>'
        f"{text}"
        f'<div style="font-size:.9em">{_key(full)}</div>'
        f'<div style="font-size:.9em">{_strongest(words, scores)}</div></div>'
    )


def signed(score: float) -> str:
    """`+0.123`, `−0.123` with a minus that is one, or `0.000`."""
    return "0.000" if abs(score) < FAINT else f"{score:+.3f}".replace("-", "−")


def _flow(
    sides: Sequence[str], words: Sequence[str], scores: NDArray[np.float64], offsets: NDArray[np.int64], full: float
) -> str:
    """The words with what stands between them, so that the text reads as it was written."""
    found, before = list[str](), None
    for word, score, (side, first, last) in zip(words, scores.tolist(), offsets.tolist(), strict=True):
        gap = "" if before is None else " "
        if side >= 0:
            start, joint = (before[1], "") if before is not None and before[0] == side else (0, gap)
            gap = joint + sides[min(side, len(sides) - 1)][start:first]
        before = (side, last)
        found.append(_shown(gap) + _word(word, score, full, special=side < 0))
    return "".join(found)


def _word(word: str, score: float, full: float, *, special: bool) -> str:
    style = ["opacity:.65", "font-size:.8em"] if special else []
    if full >= FAINT and abs(score) >= LEAST * full:
        colour, line = (FOR, "solid") if score > 0 else (AGAINST, "dotted")
        red, green, blue = colour
        style += [
            f"background:rgba({red},{green},{blue},{MOST * abs(score) / full:.3f})",
            f"border-bottom:2px {line} rgb({red},{green},{blue})",
            "border-radius:3px",
            "padding:.05em .1em",
        ]
    # A special token is kept out of the direction of writing; words are not, or each would stand by itself in it.
    tag = "bdi" if special else "span"
    return f'<{tag} title="{signed(score)}" style="{";".join(style)}">{_shown(word)}</{tag}>'


def _key(full: float) -> str:
    if full < FAINT:
        return "no word has a score that differs from 0.000"
    ends = [f"rgba({red},{green},{blue},{MOST})" for red, green, blue in (AGAINST, FOR)]
    ground = f"background:linear-gradient(to right,{ends[0]},transparent,{ends[1]})"
    return (
        f'<span style="border-bottom:2px dotted rgb{AGAINST}">against {signed(-full)}</span> '
        f'<span style="display:inline-block;width:8em;height:.8em;{ground}"></span> '
        f'<span style="border-bottom:2px solid rgb{FOR}">for {signed(full)}</span>'
    )


def _strongest(words: Sequence[str], scores: NDArray[np.float64]) -> str:
    """The words that count most on each side, with their scores."""
    ranked = [(score, word) for score, word in zip(scores.tolist(), words, strict=True) if math.isfinite(score)]
    ranked.sort(key=lambda each: -each[0])
    sides = {
        "for": [each for each in ranked if each[0] >= FAINT][:STRONGEST],
        "against": [each for each in ranked[::-1] if each[0] <= -FAINT][:STRONGEST],
    }
    named = {side: ", ".join(f"{_alone(word)} {signed(score)}" for score, word in some) for side, some in sides.items()}
    return "; ".join(f"strongest {side}: {some}" for side, some in named.items() if some)


def _alone(text: str) -> str:
    """A name inside a line of ours, which its direction of writing does not turn round."""
    return f"<bdi>{_shown(text)}</bdi>"


def _shown(text: str) -> str:
    """Escaped; what no page may hold, or what would reorder the text around it, as a replacement character."""
    return html.escape("".join("\ufffd" if _is_unfit(character) else character for character in text))


def _is_unfit(character: str) -> bool:
    kind = unicodedata.category(character)
    return character in _REORDERING or kind == "Cs" or (kind == "Cc" and character not in "\t\n\r")


def head_line(kind: str, model: str, class_names: Sequence[str], pooling: str | None, layer: int | None) -> str:
    """A head in one line: what it reads of which model, how many classes it has, and the first of their names."""
    site = "own head" if pooling is None else f"{pooling} at layer {layer}"
    names = ", ".join(class_names[:5])[:60]
    more = "" if names == ", ".join(class_names) else ", ..."
    return f"{kind}({site} of {model!r}, {len(class_names)} classes: {names}{more})"
