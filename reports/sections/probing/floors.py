"""Floors: the best site beside reference scores without a trained encoder."""

from __future__ import annotations

from collections.abc import Sequence

from probes.results.result import Claim
from reports.blocks import Part, Section, Table, columns
from reports.lookup import View, text, value
from reports.sections.probing.planted_signals import limits
from reports.sections.probing.scores import LUCK
from reports.text import wording
from reports.text.wording import (
    interval,
    listing,
    name,
    percent,
)


def section(view: View) -> Section | None:
    """Return the best site of each label column beside its floors."""
    rows, outcomes = [], {"above": "above", "below": "below", "cannot_tell": "cannot tell"}
    verdict, met = [], set[object]()
    for task in view.tasks:
        claims = view.claims("floor", task)
        for claim in claims:
            met.add(text(claim, "floor"))
            floor = wording.floor(text(claim, "floor"))
            gap = wording.points(value(claim, "difference"))
            verdict_cell = outcomes.get(claim.outcome, name(claim.outcome))
            row = (floor, percent(value(claim, "accuracy")), gap, interval(claim.interval), verdict_cell)
            rows.append((name(task), *row) if len(view.tasks) > 1 else row)
        if claims:
            verdict.append(view.about(task, _standing(claims)))
    if not rows:
        return None
    heading = ("compared with", "it is right on", "best place minus it", "95 % interval", "so")
    about = ("task",) if len(view.tasks) > 1 else ()
    caption = "Test accuracy; differences in percentage points, paired over the same test texts."
    if "control" in met:
        caption += " Random labels: of the texts whose type occurs in training, as is the best place's share there."
    table = Table(caption, rows=tuple(rows), **columns(*about, *heading, numeric=heading[1:4]))
    embeddings = (
        "layer 0 holds words before any attention"
        if "layer_0_mean" in met
        else "the mean of the embeddings (layer 0), words before any attention, was not read, or is the best itself"
    )
    notes = (
        "A score means little alone. Always answering the most frequent class of the training texts needs no text; a "
        f"bag of words sees which words occur but not their order; {embeddings}.",
        LUCK,
        *(view.about(task, limit) for task in view.tasks for limit in limits(view, task)),
    )
    return Section("Against the floors", "floors", tuple(verdict), (Part(tables=(table,)),), notes)


def _standing(claims: Sequence[Claim]) -> str:
    """Return how the best site compares with all its floors."""
    kinds = (("above", "is above"), ("cannot_tell", "cannot be told apart from"), ("below", "is below"))
    phrases = [
        f"{verb} {listing(wording.floor(text(c, 'floor')) for c in with_outcome)}"
        for outcome, verb in kinds
        if (with_outcome := [c for c in claims if c.outcome == outcome])
    ]
    return f"The best place {listing(phrases)}."
