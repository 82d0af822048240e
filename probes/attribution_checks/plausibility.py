"""Whether an attribution finds the tokens that somebody marked as the reason, beside random orders.

What was marked is the reason for people; a head may have another, which an attribution should then find.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length, whole_number
from probes.results.result import Attribution
from probes.sequences import check_instances
from probes.statistics.metrics import average_precision

Span = tuple[int, int]
"""First and last + 1 character of the first text."""
RANDOM_ORDERS = 20


@dataclass(frozen=True)
class Overlap:
    """How well an order of one text's tokens finds those that were marked."""

    f1: float
    """Of the first tokens, as large a share of the text's as is marked on average over the texts."""
    iou: float
    """Of these too: tokens both first and marked, over those that are either."""
    auprc: float
    """Mean precision at the marked tokens; needs no choice of how many are first."""


@dataclass(frozen=True)
class Agreement:
    """Of an attribution's order, and the mean of random ones."""

    own: Overlap
    random: Overlap
    n_marked: int
    n_tokens: int
    """All but the special ones, those of a second text too."""


def rationale_agreement(
    attributions: Iterable[Attribution],
    spans: Iterable[Iterable[Span]],
    *,
    random_orders: int = RANDOM_ORDERS,
    seed: int = 0,
) -> list[Agreement | None]:
    """Token F1, intersection over union and area under the precision-recall curve of scores against marked spans.

    Args:
        attributions: (texts,) Higher scores stand for the class; of equal ones the earlier token is first.
        spans: (texts,) marked spans of the first text. A token is marked where it shares a character, no blank, with
            one. Tokens of a second text count as not marked.
        random_orders: Orders drawn for the floor of each text.
        seed: Of these.

    Returns:
        One a text; None where none of its tokens is marked.

    Raises:
        InputError: Lengths differ, a span is empty or not in its text, or there is no random order.

    Source: DeYoung et al. (2020), ERASER, arXiv:1911.03429.
    """
    attributions = check_instances(attributions, Attribution, "attributions")
    marked_spans = [_spans(row, some) for row, some in enumerate(spans)]
    check_same_length(attributions=attributions, spans=marked_spans)
    random_orders, seed = whole_number(random_orders, "random_orders"), whole_number(seed, "seed")
    if random_orders < 1:
        raise InputError(f"the floor needs 1 random order or more, found {random_orders}")
    rng, marks = (
        np.random.default_rng(seed),
        [_marked(a, own) for a, own in zip(attributions, marked_spans, strict=True)],
    )
    share = float(np.mean([marked.mean() for marked in marks if marked.any()] or [0.0]))
    found: list[Agreement | None] = []
    for a, marked in zip(attributions, marks, strict=True):
        if not marked.any():
            found.append(None)
            continue
        first = max(1, round(share * len(marked)))
        drawn = [_overlap(rng.permutation(len(marked)), marked, first) for _ in range(random_orders)]
        floor = Overlap(*np.mean([(each.f1, each.iou, each.auprc) for each in drawn], axis=0).tolist())
        own = _overlap(a.scores[a.offsets[:, 0] >= 0], marked, first)
        found.append(Agreement(own, floor, int(marked.sum()), len(marked)))
    return found


def _spans(row: int, spans: Iterable[object]) -> list[Span]:
    """The marked spans of one text, as whole numbers."""
    if isinstance(spans, str) or not isinstance(spans, Iterable):
        raise InputError(f"spans {row} must be a list of [first, last + 1], found {spans!r}")
    found = []
    for span in spans:
        ends = span.tolist() if isinstance(span, np.ndarray) else span
        if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
            raise InputError(f"spans {row}: a span must be [first, last + 1], found {span!r}")
        first, last = (whole_number(end, f"spans {row}: an end of a span", least=-sys.maxsize) for end in ends)
        found.append((first, last))
    return found


def _marked(a: Attribution, spans: Sequence[Span]) -> NDArray[np.bool_]:
    """(tokens that are not special,) whether each is marked."""
    inside = np.zeros(len(a.text), dtype=bool)
    for first, last in spans:
        if not 0 <= first < last <= len(a.text):
            raise InputError(
                f"the span ({first}, {last}) is empty or not in its text of {len(a.text)} characters: {a.text!r}"
            )
        inside[first:last] = True
    # A piece may begin with the blank before its word.
    inside &= np.array([not character.isspace() for character in a.text], dtype=bool)
    own = a.offsets[a.offsets[:, 0] >= 0].tolist()
    return np.array([side == 0 and bool(inside[first:last].any()) for side, first, last in own], dtype=bool)


def _overlap(scores: NDArray[np.number[Any]], marked: NDArray[np.bool_], first: int) -> Overlap:
    taken = np.zeros(len(marked), dtype=bool)
    taken[np.argsort(-scores, kind="stable")[:first]] = True
    both, either = int((taken & marked).sum()), int((taken | marked).sum())
    return Overlap(2 * both / (first + int(marked.sum())), both / either, average_precision(scores, marked))
