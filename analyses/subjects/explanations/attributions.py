"""Attributions: whether they converge, whether they find the deciding words, and how they differ between layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.explanations.check_outcomes import convergence_claims
from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import is_above_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.subject import ExplanationSubject

Span = tuple[int, int]
"""First and last + 1 character of a rationale."""


def attributions_by_layer(explanations: Explanations, case: Case) -> Rows:
    """Yield, for the probe of every layer, the rank correlation with the explained probe's scores on each text."""
    from probes.attribution_checks.agreement import token_agreement

    if case.head.layer is None:
        return
    attribution_of_text = {attribution.text_id: attribution for attribution in case.attributions}
    for attribution in (*case.attributions, *explanations.by_layer.get(case.task, ())):
        explained = attribution_of_text[attribution.text_id]
        yield {
            "task": case.task,
            "pooling": attribution.pooling,
            "layer": attribution.layer,
            "text_id": attribution.text_id,
            "predicted": attribution.predicted,
            "probability": attribution.probabilities[attribution.target],
            "correlation": token_agreement(explained, attribution),
            "same_class": attribution.predicted == explained.predicted,
        }


def claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield whether the integrals converge, and whether the highest score falls on a word that decides the label."""
    method = explanations.settings.method
    yield from convergence_claims([a for a in explanations.attributions if a.method == method])
    for case in explanations.cases:
        rationales = explanations.job.splits.test.dataset.rationales.get(case.task)
        if rationales is not None and case.head.kind == "probe":
            yield from _deciding_words(explanations, case, rationales)


def _deciding_words(explanations: Explanations, case: Case, rationales: Sequence[Sequence[Span]]) -> Iterator[Claim]:
    """Yield how often the word with the highest score overlaps a rationale, also when token scores are permuted."""
    from probes.attribution_checks.plausibility import permuted_hit_rate
    from probes.statistics.intervals import wilson_interval

    test = explanations.job.splits.test
    hits = []
    permuted_hits = []
    for row, attribution in zip(case.rows.tolist(), case.attributions, strict=True):
        is_content = attribution.word_offsets[:, 0] >= 0
        is_deciding = _overlaps(attribution.word_offsets, rationales[test.rows[row]])
        if is_deciding.any():
            top_word = np.argmax(np.where(is_content, attribution.word_scores, -np.inf))
            hits.append(bool(is_deciding[top_word]))
            permuted_hits.append(permuted_hit_rate(attribution, is_deciding, seed=row))
    if not hits:
        return
    share = float(np.mean(hits))
    random_share = float(np.mean(permuted_hits))
    lower, upper = wilson_interval(share, len(hits))
    numbers: dict[str, Any] = {"hits": share, "n": len(hits), "random": random_share}
    outcome = "above" if is_above_zero(lower - random_share) else "cannot_tell"
    yield Claim("deciding_words", outcome, case.task, numbers, (lower, upper))


def _overlaps(word_offsets: NDArray[np.int64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Return (words,) whether a word of the first text overlaps a span."""
    overlaps = np.zeros(len(word_offsets), dtype=bool)
    for first, end in spans:
        side, word_first, word_end = word_offsets.T
        overlaps |= (side == 0) & (word_first < end) & (first < word_end)
    return overlaps


SUBJECT: ExplanationSubject = Subject(tables={"attributions_by_layer": attributions_by_layer}, claims=claims)
