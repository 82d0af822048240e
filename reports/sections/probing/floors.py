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


def floors(view: View) -> Section | None:
    """Against the floors."""
    rows, outcomes = [], {"above": "above", "below": "below", "cannot_tell": "cannot tell"}
    verdict, met = [], set[object]()
    for task in view.tasks:
        claims = view.claims("floor", task)
        for claim in claims:
            met.add(text(claim, "floor"))
            floor = wording.floor(text(claim, "floor"))
            gap = wording.points(value(claim, "difference"))
            so = outcomes.get(claim.outcome, name(claim.outcome))
            row = (floor, percent(value(claim, "accuracy")), gap, interval(claim.interval), so)
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
        *(view.about(task, said) for task in view.tasks for said in limits(view, task)),
    )
    return Section("Against the floors", "floors", tuple(verdict), (Part(tables=(table,)),), notes)


def _standing(claims: Sequence[Claim]) -> str:
    """How the best place stands against all its floors."""
    kinds = (("above", "is above"), ("cannot_tell", "cannot be told apart from"), ("below", "is below"))
    found = [
        f"{verb} {listing(wording.floor(text(c, 'floor')) for c in own)}"
        for outcome, verb in kinds
        if (own := [c for c in claims if c.outcome == outcome])
    ]
    return f"The best place {listing(found)}."
