"""Plausibility: agreement of an attribution with human rationales, compared with random orders.

A rationale is the reason for people. A head may have another reason, which a faithful attribution should show.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.attribution.words import group_words
from probes.checks import MOST_DRAWS, MOST_SEED, InputError, check_same_length, whole_number
from probes.results.result import Attribution
from probes.sequences import check_instances, item_list
from probes.statistics.metrics import average_precision

Span = tuple[int, int]
"""First and last + 1 character of a part of the first text."""
RANDOM_ORDERS = 20
N_PERMUTATIONS = 200
"""Permutations of a text's token scores, with which the word of the highest score is compared."""


@dataclass(frozen=True)
class RationaleOverlap:
    """Overlap of the highest-scored tokens of one text with its rationale."""

    f1: float
    """Token F1 of the first tokens; their share of the text is the mean share of the rationales over the texts."""
    iou: float
    """Intersection over union of the same first tokens and the rationale."""
    auprc: float
    """Area under the precision-recall curve: mean precision at the tokens of the rationale. It needs no cut-off."""


@dataclass(frozen=True)
class Plausibility:
    """Overlap of one attribution with the rationale of its text."""

    scores: RationaleOverlap
    """Overlap of the attribution's order of the tokens."""
    random_scores: RationaleOverlap
    """Mean overlap of random orders of the tokens."""
    n_rationale_tokens: int
    """Tokens in the rationale."""
    n_tokens: int
    """Tokens that are not special, those of a second text included."""


def plausibility(
    attributions: Iterable[Attribution],
    spans: Iterable[Iterable[Span]],
    *,
    random_orders: int = RANDOM_ORDERS,
    seed: int = 0,
) -> list[Plausibility | None]:
    """Compute token F1, intersection over union and area under the precision-recall curve against rationales.

    Args:
        attributions: (texts,) attributions. A higher score is a larger contribution to the class; between equal scores
            the first token counts as higher.
        spans: (texts,) spans of the rationale in the first text. A token is in the rationale if it shares a character
            with a span that is no blank. Tokens of a second text are never in the rationale.
        random_orders: Random orders of each text's tokens.
        seed: Seed of the random orders.

    Returns:
        One value a text; None where no token is in the rationale.

    Raises:
        InputError: Lengths differ, a span is empty or outside its text, or there is no random order.

    Source: DeYoung et al. (2020), ERASER, arXiv:1911.03429.
    """
    attributions = check_instances(attributions, Attribution, "attributions")
    rationales = [_checked_spans(row, text_spans) for row, text_spans in enumerate(item_list(spans, "spans", "spans"))]
    check_same_length(attributions=attributions, spans=rationales)
    random_orders = whole_number(random_orders, "random_orders", most=MOST_DRAWS)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    if random_orders < 1:
        raise InputError(f"the floor needs 1 random order or more, found {random_orders}")
    masks = [_rationale_mask(a, rationale) for a, rationale in zip(attributions, rationales, strict=True)]
    # Cut-off: the mean share of the rationales.
    shares = [mask.mean() for mask in masks if mask.any()]
    mean_share = float(np.mean(shares or [0.0]))
    rng = np.random.default_rng(seed)
    values: list[Plausibility | None] = []
    for a, mask in zip(attributions, masks, strict=True):
        if not mask.any():
            values.append(None)
            continue
        n_tokens = len(mask)
        n_first = max(1, round(mean_share * n_tokens))
        # Overlap of random orders, then of the attribution.
        random_overlaps = [_overlap(rng.permutation(n_tokens), mask, n_first) for _ in range(random_orders)]
        scores = a.scores[a.offsets[:, 0] >= 0]
        overlap = _overlap(scores, mask, n_first)
        values.append(Plausibility(overlap, _mean_overlap(random_overlaps), int(mask.sum()), n_tokens))
    return values


def _checked_spans(row: int, spans: Iterable[object]) -> list[Span]:
    """Return the spans of one text as whole numbers.

    Raises:
        InputError: A span is no pair of whole numbers.
    """
    if isinstance(spans, str) or not isinstance(spans, Iterable):
        raise InputError(f"spans {row} must be a list of [first, last + 1], found {spans!r}")
    checked = []
    for span in spans:
        ends = span.tolist() if isinstance(span, np.ndarray) else span
        if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
            raise InputError(f"spans {row}: a span must be [first, last + 1], found {span!r}")
        first, last = (whole_number(end, f"spans {row}: an end of a span", least=-sys.maxsize) for end in ends)
        checked.append((first, last))
    return checked


def _rationale_mask(a: Attribution, spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Return for each token that is not special whether it is in the rationale.

    Raises:
        InputError: A span is empty or outside the text.
    """
    n_characters = len(a.text)
    is_marked = np.zeros(n_characters, dtype=bool)
    for first, last in spans:
        if not 0 <= first < last <= n_characters:
            raise InputError(
                f"the span ({first}, {last}) is empty or outside its text of {n_characters} characters: {a.text!r}"
            )
        is_marked[first:last] = True
    # A token may begin with the blank before its word.
    is_marked &= np.array([not character.isspace() for character in a.text], dtype=bool)
    token_offsets = a.offsets[a.offsets[:, 0] >= 0].tolist()
    mask = []
    for segment, first, last in token_offsets:
        mask.append(segment == 0 and bool(is_marked[first:last].any()))
    return np.array(mask, dtype=bool)


def _overlap(scores: NDArray[np.number[Any]], mask: NDArray[np.bool_], n_first: int) -> RationaleOverlap:
    """Compute the overlap of the `n_first` highest-scored tokens with the rationale."""
    # First tokens in the order of the scores.
    order = np.argsort(-scores, kind="stable")
    is_first = np.zeros(len(mask), dtype=bool)
    is_first[order[:n_first]] = True
    # Intersection and union with the rationale.
    n_intersection = int((is_first & mask).sum())
    n_union = int((is_first | mask).sum())
    f1 = 2 * n_intersection / (n_first + int(mask.sum()))
    return RationaleOverlap(f1, n_intersection / n_union, average_precision(scores, mask))


def _mean_overlap(overlaps: Sequence[RationaleOverlap]) -> RationaleOverlap:
    values = [dataclasses.astuple(overlap) for overlap in overlaps]
    return RationaleOverlap(*np.mean(values, axis=0).tolist())


def permuted_hit_rate(
    attribution: Attribution, is_hit: NDArray[np.bool_], *, n_permutations: int = N_PERMUTATIONS, seed: int = 0
) -> float:
    """Compute how often the word with the highest score is a hit when the token scores are permuted.

    The score of a word is the sum of those of its tokens, so that words of several tokens have the highest score more
    often than others by chance alone. A word drawn at random would therefore be too low a reference.

    Args:
        attribution: Attribution of one text; the scores of its special tokens stay out.
        is_hit: (words,) which of its words are hits; special tokens are words too and are none.
        n_permutations: Number of permutations.
        seed: Seed of the permutations.

    Returns:
        Share of the permutations in which the word with the highest score is a hit.
    """
    sides = [attribution.text] if attribution.pair is None else [attribution.text, attribution.pair]
    _, _, word_of_token = group_words(sides, attribution.offsets, attribution.tokens, truncated=attribution.truncated)
    is_content = attribution.offsets[:, 0] >= 0
    scores = np.tile(attribution.scores[is_content], (n_permutations, 1))
    permuted_scores = np.random.default_rng(seed).permuted(scores, axis=1)
    words, column_of_token = np.unique(word_of_token[is_content], return_inverse=True)
    holds_token = column_of_token[:, None] == np.arange(len(words))
    top_words = words[(permuted_scores @ holds_token).argmax(axis=1)]
    return float(is_hit[top_words].mean())
