"""Attributions as cards: one for each text, its words in colours of one scale for the page."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from probes.results import Attribution
from reports.wording import clean, decimal, listing, name, percent, place, plural, signed

LEVELS = 8
"""Shades on each side of zero."""
LONGEST_WORD = 200
STRONGEST = 4
FAINT = 0.005
"""Logits under which a word's score rounds to 0.00: it is not called strong."""
PALE = 0.05
"""Least logits of the fullest colour: a page whose words move nothing stays pale."""


@dataclass(frozen=True)
class Word:
    """A word or piece as it is shown."""

    text: str
    gap: str
    """What stands before it in the text."""
    score: str
    shade: str
    """`p1` to `p8` for the explained class, `n1` to `n8` against it, empty near zero, `special` for a special token."""


@dataclass(frozen=True)
class Entry:
    """One explanation of a card's text: by one head, at one place, for one class."""

    head: str
    target: str
    words: tuple[Word, ...]
    pieces: tuple[Word, ...]
    strongest: str
    sums: str
    quality: str
    converged: bool
    truncated: bool


@dataclass(frozen=True)
class Card:
    """One text, what is true of it, what was said of it, and why."""

    place: str
    label: str
    predicted: str
    probability: str
    correct: bool | None
    certainty: float
    entries: tuple[Entry, ...]


def scale(attributions: Iterable[Attribution]) -> float:
    """Score, in logits, at which a word has its fullest colour: 1 % of the page's words reach further."""
    scores = [np.abs(a.word_scores[np.isfinite(a.word_scores)]) for a in attributions]
    found = np.concatenate([np.zeros(1), *scores])
    return max(PALE, float(np.quantile(found[found > 0], 0.99))) if (found > 0).any() else 1.0


def cards(attributions: Sequence[Attribution], full: float, *, random_pooler: bool) -> tuple[Card, ...]:
    """One card a text, in the order they were explained; several heads or places of one text share it."""
    groups: dict[tuple[int | None, str, str | None], list[Attribution]] = {}
    for attribution in attributions:
        groups.setdefault((attribution.text_id, attribution.text, attribution.pair), []).append(attribution)
    return tuple(_card(group, full, random_pooler=random_pooler) for group in groups.values())


def _card(group: Sequence[Attribution], full: float, *, random_pooler: bool) -> Card:
    first = group[0]
    probability = first.probabilities.get(first.predicted)
    return Card(
        place="" if first.text_id is None else f"test text {first.text_id}",
        label="" if first.label is None else name(first.label),
        predicted=name(first.predicted),
        probability=percent(probability),
        correct=None if first.label is None else first.label == first.predicted,
        certainty=probability or 0.0,
        entries=tuple(_entry(a, full, random_pooler=random_pooler) for a in group),
    )


def _entry(a: Attribution, full: float, *, random_pooler: bool) -> Entry:
    parts = [f"Word scores add up to {signed(float(a.scores.sum()))}"]
    if a.convergence_delta is not None and a.baseline_output is not None:
        parts[0] += f" of {signed(a.output - a.baseline_output)} {a.unit}, the difference that the words make"
        parts.append(f"convergence delta {decimal(a.convergence_delta, 3)}")
    if a.n_steps is not None:
        parts.append(plural(a.n_steps, "step"))
    said = name(a.predicted)
    words = list(_words(a, a.words, a.word_scores, a.word_offsets, full))
    # A special token that scores 0 is left out at the ends of a text, but it is what parts the two texts of a pair.
    own = np.flatnonzero(a.word_offsets[:, 0] >= 0)
    inside = range(own[0], own[-1]) if len(own) else range(0)
    return Entry(
        head=head(a, random_pooler=random_pooler),
        target=name(a.target),
        words=tuple(w for i, w in enumerate(words) if w.shade != "special" or w.score.strip("0.") or i in inside),
        pieces=tuple(_words(a, a.tokens, a.scores, a.offsets, full)),
        strongest=_strongest(a),
        sums=", ".join(parts),
        quality=f"{said} {percent(a.probabilities.get(a.predicted))}",
        converged=a.converged is not False,
        truncated=a.truncated,
    )


def head(a: Attribution, *, random_pooler: bool) -> str:
    """`Probe on the mean vector of layer 4`, or the model's own classifier."""
    if a.head == "model" or a.layer is None or a.pooling is None:
        return "The model's own classifier"
    return f"Probe on {place(a.pooling, a.layer, random_pooler=random_pooler)}"


def _words(
    a: Attribution, texts: Sequence[str], scores: Iterable[float], offsets: Iterable[Sequence[int]], full: float
) -> Iterable[Word]:
    """The words with what stands between them, so that the text reads as it was written."""
    sources = (a.text, a.pair or "")
    before: tuple[int, int] | None = None
    for text, score, (side, first, last) in zip(texts, scores, map(list, offsets), strict=True):
        gap = " "
        if side >= 0:
            start, joint = (before[1], "") if before and before[0] == side else (0, " ")
            gap = joint + sources[min(side, 1)][start:first] if first >= start else joint
            before = (side, last)
        shade = "special" if side < 0 else _shade(score, full)
        yield Word(clean(text, LONGEST_WORD), clean(gap, LONGEST_WORD), signed(score, 3), shade)


def _shade(score: float, full: float) -> str:
    if not np.isfinite(score):
        return ""
    level = min(LEVELS, int(np.ceil(LEVELS * abs(score) / full - 0.5)))
    return f"{'p' if score > 0 else 'n'}{level}" if level > 0 else ""


def _strongest(a: Attribution) -> str:
    """The words that count most on each side, in words."""
    ranked = sorted(zip(a.word_scores.tolist(), a.words, strict=True), key=lambda pair: pair[0])
    sides = {
        "for": [pair for pair in reversed(ranked) if pair[0] >= FAINT][:STRONGEST],
        "against": [pair for pair in ranked if pair[0] <= -FAINT][:STRONGEST],
    }
    shown = (
        f"{side} it: {', '.join(f'“{name(word, 30)}” {signed(score)}' for score, word in pairs)}"
        for side, pairs in sides.items()
        if pairs
    )
    sentence = "; ".join(itertools.islice(shown, 2))
    return f"Strongest {sentence}." if sentence else "No word moves it by 0.01 logit."


def heads(attributions: Sequence[Attribution], *, random_pooler: bool) -> str:
    """Every head that is explained, in a phrase."""
    names = dict.fromkeys(head(a, random_pooler=random_pooler) for a in attributions)
    return listing(each[0].lower() + each[1:] for each in names)
