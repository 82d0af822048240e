"""Attributions as cards: one for each text, its words in colours of one scale for the page."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from probes.results.result import Attribution
from reports.blocks import Card, Entry, Word
from reports.lookup import View
from reports.text import wording
from reports.text.wording import clean, count, decimal, listing, name, percent, place, plural, pooling, signed

LEVELS = 8
"""Shades on each side of zero."""
LONGEST_WORD = 200
STRONGEST = 4
FAINT = 0.005
"""Logits under which a word's score rounds to 0.00: it is not called strong."""
PALE = 0.05
"""Least logits of the fullest colour: a page whose words move nothing stays pale."""
NOTHING = 0.0005
"""Score that is written as 0.000."""
LONGEST_REST = 240
"""Characters shown of what the encoder did not read."""
LONGEST_TEXT = 600
"""Characters of a text that no entry shows word by word."""


@dataclass(frozen=True)
class Beside:
    """What tables say of single texts, by label column and row of the test split."""

    agreement: Mapping[tuple[str | None, int | None], float] = field(default_factory=dict)
    """Rank correlation of the two heads."""
    settled: Mapping[tuple[str | None, int | None, str | None], int] = field(default_factory=dict)
    """With a pooling at the end: layer from which on its probes agree."""

    @classmethod
    def of(cls, view: View) -> Beside:
        """From the tables of a result, where there are any."""
        heads, depths = (view.table(key) for key in ("explained_head_agreement", "prediction_depth"))
        if heads is not None and "task" not in heads:
            heads = None  # of several heads, pair by pair: no one number a text
        return cls(
            {} if heads is None else {(r.task, r.text_id): float(r.correlation) for r in heads.itertuples()},
            {} if depths is None else {(r.task, r.text_id, r.pooling): int(r.depth) for r in depths.itertuples()},
        )


def scales(attributions: Sequence[Attribution]) -> dict[str, float]:
    """Method -> its scale: of methods that score in other units than logits none would pale the others."""
    return {m: scale(a for a in attributions if a.method == m) for m in dict.fromkeys(a.method for a in attributions)}


def scale(attributions: Iterable[Attribution]) -> float:
    """Score, in the explained unit, at which a word has its fullest colour: 1 % of the page's words reach further."""
    scores = [np.abs(a.word_scores[np.isfinite(a.word_scores)]) for a in attributions]
    found = np.concatenate([np.zeros(1), *scores])
    return max(PALE, float(np.quantile(found[found > 0], 0.99))) if (found > 0).any() else 1.0


def cards(
    attributions: Sequence[Attribution], full: float, *, random_pooler: bool, beside: Beside | None = None
) -> tuple[Card, ...]:
    """One card a text, in the order they were explained; several heads or places of one text share it."""
    found = beside or Beside()
    return tuple(_card(group, full, found, random_pooler=random_pooler) for group in by_text(attributions))


def by_text(attributions: Iterable[Attribution]) -> Iterable[list[Attribution]]:
    """The attributions of each text."""
    groups: dict[tuple[int | None, str, str | None], list[Attribution]] = {}
    for attribution in attributions:
        groups.setdefault((attribution.text_id, attribution.text, attribution.pair), []).append(attribution)
    return groups.values()


def _card(group: Sequence[Attribution], full: float, beside: Beside, *, random_pooler: bool) -> Card:
    first = group[0]
    probability = first.probabilities.get(first.predicted)
    agreed = beside.agreement.get((first.task, first.text_id))
    return Card(
        place="" if first.text_id is None else f"test text {first.text_id}",
        label="" if first.label is None else name(first.label),
        predicted=name(first.predicted),
        probability=percent(probability),
        correct=None if first.label is None else first.label == first.predicted,
        certainty=probability or 0.0,
        entries=tuple(_entry(own, full, random_pooler=random_pooler) for own in followed(group)),
        text=clean(" ".join(filter(None, (first.text, first.pair))), LONGEST_TEXT)
        if all(a.states_layer is not None for a in group)
        else "",
        agreement="" if agreed is None else f"Rank correlation of the two heads' scores: {decimal(agreed, 2)}.",
        delta=max((abs(a.convergence_delta) for a in group if a.convergence_delta is not None), default=0.0),
        depth=beside.settled.get((first.task, first.text_id, first.pooling)),
    )


def followed(group: Iterable[Attribution]) -> list[list[Attribution]]:
    """One list a decision: its explanation, then those of the same class by other layers, poolings and methods."""
    found: dict[tuple[object, ...], list[Attribution]] = {}
    for a in group:
        key = (a.model, a.head, a.target, a.unit, a.against, a.states_layer, a.words, a.tokens)
        found.setdefault(key, []).append(a)
    return list(found.values())


def _entry(same: Sequence[Attribution], full: float, *, random_pooler: bool) -> Entry:
    a = same[0]
    parts = [f"{'Word' if a.states_layer is None else 'The'} scores add up to {signed(float(a.scores.sum()))}"]
    if a.convergence_delta is not None and a.baseline_output is not None:
        makes = "words make" if a.states_layer is None else "states make"
        parts[0] += f" of {signed(a.output - a.baseline_output)} {a.unit}, the difference that the {makes}"
        parts.append(f"convergence delta {decimal(a.convergence_delta, 3)}")
    if a.n_steps is not None:
        parts.append(plural(a.n_steps, "step"))
    said = name(a.predicted)
    words, shown = _text(same, full) if a.states_layer is None else ((), ())
    return Entry(
        head=head(a, random_pooler=random_pooler),
        output="" if a.unit == "logit" and a.against is None else f"{name(a.unit)} of",
        target=name(a.target),
        against="" if a.against is None else name(a.against),
        words=words,
        pieces=() if words else tuple(_words(a, a.tokens, a.scores, a.offsets, full)),
        states="" if a.states_layer is None else f"token states at layer {a.states_layer}",
        strongest=_strongest(a) if a.states_layer is None else "",
        sums=", ".join(parts),
        quality=f"{said} {percent(a.probabilities.get(a.predicted))}",
        converged=a.converged is not False,
        truncated=a.truncated and not any(word.shade == "cut" for word in words),
        views=tuple(same),
        shown=shown,
        through=_through(same, random_pooler=random_pooler),
    )


def _through(same: Sequence[Attribution], *, random_pooler: bool) -> str:
    """What the probe of each layer predicts, from the lowest up, and how sure it is."""
    a = same[0]
    alike = [b for b in same if (b.pooling, b.method, b.baseline) == (a.pooling, a.method, a.baseline)]
    layers = sorted(alike, key=lambda each: each.layer or 0) if len(alike) > 1 else []
    told = [f"{b.layer} {name(b.predicted)} {percent(b.probabilities.get(b.predicted))}" for b in layers]
    called = pooling(str(a.pooling), random_pooler=random_pooler)
    return f"Predicted by each layer's probe on the {called} vector: {', '.join(told)}." if told else ""


def _text(same: Sequence[Attribution], full: float) -> tuple[tuple[Word, ...], tuple[int, ...]]:
    """The words of a text in reading order, then of each side what was not read; and which words have a score."""
    a = same[0]
    sources = {0: a.text, 1: a.pair or ""}
    ends = {side: 0 for side, source in sources.items() if source}
    for side, _, last in a.offsets.tolist():
        if side >= 0:
            ends[side] = max(ends.get(side, 0), last)
    offsets, texts = a.word_offsets.copy(), list(a.words)
    if a.truncated:
        # Of a word that was read in part, only that part carries its score.
        for i, (side, first, last) in enumerate(offsets.tolist()):
            if side >= 0 and last > ends[side] > first:
                offsets[i, 2], texts[i] = ends[side], sources[side][first : ends[side]]
    words = list(_words(a, texts, a.word_scores, offsets, full))
    # A special token that scores 0 is left out at the ends of a text, but it is what parts the two texts of a pair.
    own = np.flatnonzero(offsets[:, 0] >= 0)
    inside = range(own[0], own[-1]) if len(own) else range(0)
    scored = np.any([np.abs(each.word_scores) >= NOTHING for each in same], axis=0)
    shown = [i for i, word in enumerate(words) if word.shade != "special" or scored[i] or i in inside]
    found = [words[i] for i in shown]
    for side in sorted(ends, reverse=True) if a.truncated else ():
        if (rest := sources[side][ends[side] :]).strip():
            after = [place + 1 for place, i in enumerate(shown) if offsets[i, 0] == side]
            where = after[-1] if after else side * len(shown)
            length = f", {count(len(rest))} characters" if len(rest) > LONGEST_REST else ""
            found.insert(where, Word(clean(rest, LONGEST_REST), "", f"not seen{length}", "cut"))
        # A tokenizer that cuts on the left leaves out the beginning.
        begins = [place for place, i in enumerate(shown) if offsets[i, 0] == side]
        start = int(offsets[shown[begins[0]], 1]) if begins else 0
        if before := sources[side][:start].strip():
            length = f", {count(len(before))} characters" if len(before) > LONGEST_REST else ""
            end = before if len(before) <= LONGEST_REST else f"…{before[1 - LONGEST_REST :]}"
            found[begins[0]] = dataclasses.replace(found[begins[0]], gap=" ")
            found.insert(begins[0], Word(clean(end), " " * side, f"not seen{length}", "cut"))
    return tuple(found), tuple(shown)


def head(a: Attribution, *, random_pooler: bool) -> str:
    """`Probe on the mean vector of layer 4`, the model's own classifier, or which fine-tuned one."""
    if a.model is not None and a.model != "pretrained":
        reads = wording.READS.get(a.model)
        return f"The classifier on {reads}, fine-tuned" if reads else wording.sentence(wording.head(a.model))
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
    """The words that count most on each side, in a sentence."""
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
    return f"Strongest {sentence}." if sentence else f"No word moves it by 0.01 {name(a.unit)}."


def heads(attributions: Sequence[Attribution], *, random_pooler: bool) -> str:
    """Every head that is explained, in a phrase."""
    names = dict.fromkeys(head(a, random_pooler=random_pooler) for a in attributions)
    return listing(each[0].lower() + each[1:] for each in names)
