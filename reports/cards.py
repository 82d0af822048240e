"""Attributions as cards: one for each text, its words in colours on one scale for the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from probes.results.notebook import strongest_words, text_gap
from probes.results.result import Attribution
from reports.blocks import Card, Entry, Word
from reports.lookup import View
from reports.output_bars import OutputRange, output_bar
from reports.text import wording
from reports.text.wording import clean, count, decimal, listing, name, percent, place, plural, pooling, signed

LEVELS = 8
"""Number of shades on each side of zero."""
LONGEST_WORD = 200
"""Characters of a word that are printed."""
LEAST_LISTED = 0.005
"""Absolute score below which two digits print 0.00; such a word is not listed as strong."""
FAINT = 0.0005
"""Absolute score below which three digits print 0.000."""
LONGEST_REST = 240
"""Characters printed of the part of a text that the encoder did not read."""
LONGEST_TEXT = 600
"""Characters of a text that no entry prints word by word."""


@dataclass(frozen=True)
class TextNumbers:
    """Numbers about single texts, by label column and row of the test split."""

    head_agreement: Mapping[tuple[str | None, int | None], float] = field(default_factory=dict)
    """Rank correlation of the scores of the two heads."""
    prediction_depth: Mapping[tuple[str | None, int | None, str | None], int] = field(default_factory=dict)
    """Prediction depth; the key ends with the pooling."""

    @classmethod
    def of(cls, view: View) -> TextNumbers:
        """Return the numbers of a result's tables; empty where it has no such table."""
        correlations = {}
        agreement = view.table("explained_head_agreement")
        if agreement is not None:
            for row in agreement.itertuples():
                correlations[row.task, row.text_id] = float(row.correlation)
        depths = {}
        prediction_depth = view.table("prediction_depth")
        if prediction_depth is not None:
            for row in prediction_depth.itertuples():
                depths[row.task, row.text_id, row.pooling] = int(row.depth)
        return cls(correlations, depths)


def cards(
    attributions: Sequence[Attribution],
    full_score: float,
    *,
    random_pooler: bool,
    contrast_score: float | None = None,
    numbers: TextNumbers | None = None,
    ranges: Mapping[str, OutputRange] | None = None,
) -> tuple[Card, ...]:
    """Return one card for each text, in the order of explanation; explanations of the same text share a card.

    Args:
        attributions: Attributions of one label column.
        full_score: Absolute score with the fullest colour.
        random_pooler: Whether the pooler was never trained.
        contrast_score: The same for differences of two classes; `full_score` when None.
        numbers: Numbers about single texts that stand on their cards.
        ranges: Unit -> range of the outputs of the page; no bar is drawn when None.
    """
    text_numbers = numbers or TextNumbers()
    style = _Style(full_score, contrast_score or full_score, random_pooler, ranges or {})
    return tuple(_card(group, style, text_numbers) for group in by_text(attributions))


@dataclass(frozen=True)
class _Style:
    """How the cards of a page are drawn."""

    full_score: float
    """Absolute score with the fullest colour."""
    contrast_score: float
    """The same for differences of two classes."""
    random_pooler: bool
    ranges: Mapping[str, OutputRange]


def by_text(attributions: Iterable[Attribution]) -> Iterable[list[Attribution]]:
    """Return the attributions of each text."""
    groups: dict[tuple[int | None, str, str | None], list[Attribution]] = {}
    for attribution in attributions:
        key = (attribution.text_id, attribution.text, attribution.pair)
        groups.setdefault(key, []).append(attribution)
    return groups.values()


def by_decision(group: Iterable[Attribution]) -> list[list[Attribution]]:
    """Return the attributions of each decision on a text: they differ in layer, pooling, method or baseline."""
    decisions: dict[tuple[object, ...], list[Attribution]] = {}
    for a in group:
        key = (a.model, a.head, a.target, a.unit, a.against, a.states_layer, a.words, a.tokens)
        decisions.setdefault(key, []).append(a)
    return list(decisions.values())


def _card(group: Sequence[Attribution], style: _Style, numbers: TextNumbers) -> Card:
    first = group[0]
    probability = first.probabilities.get(first.predicted)
    entries = [_entry(decision, style) for decision in _in_order(by_decision(group))]
    deltas = [abs(a.convergence_delta) for a in group if a.convergence_delta is not None]
    return Card(
        number="" if first.text_id is None else str(first.text_id),
        label="" if first.label is None else name(first.label),
        predicted=name(first.predicted),
        probability=percent(probability),
        correct=is_correct(first),
        certainty=probability or 0.0,
        entries=tuple(entries),
        text=_unscored_text(group),
        agreement=_agreement(first, numbers),
        delta=max(deltas, default=0.0),
        depth=numbers.prediction_depth.get((first.task, first.text_id, first.pooling)),
    )


def _in_order(decisions: Sequence[list[Attribution]]) -> list[list[Attribution]]:
    """Return the decisions by head: first an error's predicted class minus the true one, then the predicted class."""
    by_head = dict[tuple[object, ...], list[list[Attribution]]]()
    for decision in decisions:
        a = decision[0]
        by_head.setdefault((a.model, a.head, a.states_layer), []).append(decision)
    ordered = list[list[Attribution]]()
    for of_head in by_head.values():
        ordered += sorted(of_head, key=_rank)
    return ordered


def _rank(decision: Sequence[Attribution]) -> int:
    """Return the position of a decision among those of its head."""
    a = decision[0]
    if explains_error(a):
        return 0
    return 1 if a.target == a.predicted and a.against is None else 2


def explains_error(a: Attribution) -> bool:
    """Return whether a text is explained for another class minus the true one: for an error, the predicted class."""
    return a.against is not None and a.against == a.label


def is_correct(a: Attribution) -> bool | None:
    """Return whether the predicted class is the label; None where there is no label."""
    return None if a.label is None else a.label == a.predicted


def _unscored_text(group: Sequence[Attribution]) -> str:
    """Return the text, or text and pair, where states alone are explained; empty where words are."""
    first = group[0]
    if any(a.states_layer is None for a in group):
        return ""
    text = " ".join(filter(None, (first.text, first.pair)))
    return clean(text, LONGEST_TEXT)


def _agreement(a: Attribution, numbers: TextNumbers) -> str:
    """Return how alike the two heads rank the tokens of a text; empty where it was not measured."""
    correlation = numbers.head_agreement.get((a.task, a.text_id))
    if correlation is None:
        return ""
    return f"Rank correlation of the two heads' scores: {decimal(correlation, 2)}."


def _entry(decision: Sequence[Attribution], style: _Style) -> Entry:
    a = decision[0]
    full_score = style.full_score if a.against is None else style.contrast_score
    words: tuple[Word, ...] = ()
    word_rows: tuple[int, ...] = ()
    states = ""
    strongest = ""
    if a.states_layer is None:
        words, word_rows = _words_of_text(decision, full_score)
        strongest = _strongest(a)
    else:
        states = f"token states at layer {a.states_layer}"
    pieces = () if words else tuple(_words(a, a.tokens, a.scores, a.offsets, full_score))
    shows_cut = any(word.shade == "cut" for word in words)
    return Entry(
        head=head_name(a, random_pooler=style.random_pooler),
        output="" if a.unit == "logit" else f"{name(a.unit)} of",
        target=name(a.target),
        against="" if a.against is None else name(a.against),
        words=words,
        pieces=pieces,
        states=states,
        strongest=strongest,
        sums=_sums(a),
        predicted=name(a.predicted),
        probability=percent(a.probabilities.get(a.predicted)),
        correct=is_correct(a),
        converged=a.converged is not False,
        truncated=a.truncated and not shows_cut,
        attributions=tuple(decision),
        word_rows=word_rows,
        by_layer=_predictions_by_layer(decision, random_pooler=style.random_pooler),
        bar=output_bar(a, style.ranges),
    )


def _prediction(a: Attribution) -> str:
    """Return the predicted class and its probability."""
    probability = a.probabilities.get(a.predicted)
    return f"{name(a.predicted)} {percent(probability)}"


def _sums(a: Attribution) -> str:
    """Return the method, baseline, steps, convergence delta, and the sum of the scores."""
    parts = [wording.sentence(wording.method(a.method)), f"baseline: {wording.baseline(a.baseline)}"]
    if a.n_steps is not None:
        parts.append(plural(a.n_steps, "step"))
    total = f"scores sum to {signed(float(a.scores.sum()))}"
    if a.convergence_delta is not None and a.baseline_output is not None:
        parts.append(f"convergence delta {signed(a.convergence_delta, 3)}")
        total += f" (output difference {signed(a.output - a.baseline_output)})"
    parts.append(f"{total} {name(a.unit)}")
    return "; ".join(parts)


def _predictions_by_layer(decision: Sequence[Attribution], *, random_pooler: bool) -> str:
    """Return the prediction of each layer's probe with its probability; empty where one layer is explained."""
    a = decision[0]
    source = (a.pooling, a.method, a.baseline)
    of_source = [b for b in decision if (b.pooling, b.method, b.baseline) == source]
    if len(of_source) < 2:
        return ""
    of_source.sort(key=lambda attribution: attribution.layer or 0)
    predictions = [f"{b.layer} {_prediction(b)}" for b in of_source]
    vector = pooling(str(a.pooling), random_pooler=random_pooler)
    return f"Predicted by each layer's probe on the {vector} vector: {', '.join(predictions)}."


def head_name(a: Attribution, *, random_pooler: bool) -> str:
    """Return `Probe on the mean vector of layer 4`, the model's own classifier, or `Pooler head`."""
    if a.model is not None and a.model != "pretrained":
        if a.model in wording.READS:
            return wording.sentence(wording.HEADS[a.model].removeprefix("the "))
        return wording.sentence(wording.head(a.model))
    if a.head == "model" or a.layer is None or a.pooling is None:
        return "The model's own classifier"
    return f"Probe on {place(a.pooling, a.layer, random_pooler=random_pooler)}"


def head_names(attributions: Sequence[Attribution], *, random_pooler: bool) -> str:
    """Return every head that is explained, in a phrase."""
    return listing(dict.fromkeys(_head_phrase(a, random_pooler=random_pooler) for a in attributions))


def _head_phrase(a: Attribution, *, random_pooler: bool) -> str:
    """Return the name of a head within a sentence."""
    if a.model in wording.READS:
        return wording.HEADS[a.model]
    title = head_name(a, random_pooler=random_pooler)
    return title[0].lower() + title[1:]


# The words of a text


def _words_of_text(decision: Sequence[Attribution], full_score: float) -> tuple[tuple[Word, ...], tuple[int, ...]]:
    """Return the words of a text in reading order with what was not read, and the rows of the words that have a score.

    Args:
        decision: Attributions of one decision; the first one colours the words.
        full_score: Absolute score with the fullest colour.
    """
    a = decision[0]
    sources = {0: a.text, 1: a.pair or ""}
    ends = _ends_of_read_text(a, sources)
    texts, offsets = _read_words(a, sources, ends)
    words = list(_words(a, texts, a.word_scores, offsets, full_score))
    rows = _printed_rows(decision, words, offsets)
    printed = [words[row] for row in rows]
    if a.truncated:
        for side in sorted(ends, reverse=True):
            _insert_unread(printed, rows, offsets, side, sources[side], ends[side])
    return tuple(printed), tuple(rows)


def _ends_of_read_text(a: Attribution, sources: Mapping[int, str]) -> dict[int, int]:
    """Return segment -> end of the last token in it, for the segments that have a text."""
    ends = {side: 0 for side, source in sources.items() if source}
    for side, _, last in a.offsets.tolist():
        if side >= 0:
            ends[side] = max(ends.get(side, 0), last)
    return ends


def _read_words(
    a: Attribution, sources: Mapping[int, str], ends: Mapping[int, int]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the words and their offsets; a word that was read in part is cut, as only that part carries its score."""
    offsets, texts = a.word_offsets.copy(), list(a.words)
    if not a.truncated:
        return texts, offsets
    for row, (side, first, last) in enumerate(offsets.tolist()):
        if side >= 0 and last > ends[side] > first:
            offsets[row, 2] = ends[side]
            texts[row] = sources[side][first : ends[side]]
    return texts, offsets


def _printed_rows(decision: Sequence[Attribution], words: Sequence[Word], offsets: NDArray[np.int64]) -> list[int]:
    """Return the rows of all words but special tokens at the ends of a text that score 0 in every attribution.

    A special token inside is printed, as it parts the two texts of a pair.
    """
    is_in_text = offsets[:, 0] >= 0
    text_rows = np.flatnonzero(is_in_text)
    first = text_rows[0] if len(text_rows) else 0
    last = text_rows[-1] if len(text_rows) else 0
    is_scored = np.any([np.abs(a.word_scores) >= FAINT for a in decision], axis=0)
    rows = list[int]()
    for row, word in enumerate(words):
        is_inside = first <= row < last
        if word.shade != "special" or is_scored[row] or is_inside:
            rows.append(row)
    return rows


def _insert_unread(
    printed: list[Word], rows: Sequence[int], offsets: NDArray[np.int64], side: int, source: str, end: int
) -> None:
    """Insert the end of a text that was not read after its words, and the beginning before them."""
    positions = [position for position, row in enumerate(rows) if offsets[row, 0] == side]
    rest = source[end:]
    if rest.strip():
        after = positions[-1] + 1 if positions else side * len(rows)
        printed.insert(after, _unread(rest, clean(rest, LONGEST_REST), gap=""))
    if not positions:
        return
    # A tokenizer that truncates on the left leaves out the beginning.
    before = positions[0]
    start = int(offsets[rows[before], 1])
    beginning = source[:start].strip()
    if beginning:
        visible = beginning
        if len(beginning) > LONGEST_REST:
            visible = f"…{beginning[1 - LONGEST_REST :]}"
        printed[before] = dataclasses.replace(printed[before], gap=" ")
        printed.insert(before, _unread(beginning, clean(visible), gap=" " * side))


def _unread(text: str, visible: str, *, gap: str) -> Word:
    """Return a part of a text that was not read, as a word."""
    length = f", {count(len(text))} characters" if len(text) > LONGEST_REST else ""
    return Word(visible, gap, f"not seen{length}", "cut")


def _words(
    a: Attribution, texts: Sequence[str], scores: Iterable[float], offsets: Iterable[Sequence[int]], full_score: float
) -> Iterator[Word]:
    """Yield each word with its score, its shade and the characters between it and the word before."""
    sources = (a.text, a.pair or "")
    previous: tuple[int, int] | None = None
    for text, score, (side, first, last) in zip(texts, scores, map(list, offsets), strict=True):
        gap = text_gap(sources, previous, side, first)
        if side >= 0:
            previous = (side, last)
        shade = "special" if side < 0 else _shade(score, full_score)
        yield Word(clean(text, LONGEST_WORD), clean(gap, LONGEST_WORD), signed(score, 3), shade)


def _shade(score: float, full_score: float) -> str:
    """Return the level of a score on the scale, `p1` to `p8` or `n1` to `n8`; empty near zero."""
    if not np.isfinite(score):
        return ""
    share = abs(score) / full_score
    level = min(LEVELS, int(np.ceil(LEVELS * share - 0.5)))
    if level <= 0:
        return ""
    side = "p" if score > 0 else "n"
    return f"{side}{level}"


def _strongest(a: Attribution) -> str:
    """Return the words with the highest and the lowest scores."""
    lists = list[str]()
    for words in strongest_words(a.words, a.word_scores, least=LEAST_LISTED).values():
        listed = ", ".join(f"{signed(score)} {name(word, 30)}" for word, score in words)
        if listed:
            lists.append(listed)
    if not lists:
        return f"No word moves it by 0.01 {name(a.unit)}."
    return f"Top words: {' / '.join(lists)}"
