"""Planted signals: the smallest difference that the test texts can show, and the weakest signal that is recovered."""

from __future__ import annotations

import math
from collections.abc import Iterator

from probes.results.result import Claim
from reports.lookup import View, item, value
from reports.text.wording import count, listing, name, points, unsigned_points


def sentences(view: View) -> Iterator[str]:
    """Yield the minimum detectable differences of all label columns, then the outcomes of their power checks."""
    claims = dict[str, Claim]()
    for task in view.tasks:
        claim = view.claim("minimum_detectable_difference", task)
        if claim is not None:
            claims[task] = claim
    differences = [
        _difference(
            view,
            task,
            claim,
        )
        for task, claim in claims.items()
    ]
    if measured := list(filter(None, differences)):
        numbers = {count(value(claim, "n")) for claim in claims.values()}
        n = f"n\u00a0= {numbers.pop()}, " if len(numbers) == 1 else ""
        yield f"Minimum detectable difference ({n}80\u00a0% power): {', '.join(measured)}."
    # Label columns with the same outcome share a sentence.
    tasks_by_outcome = dict[str, list[str]]()
    for task, claim in claims.items():
        tasks_by_outcome.setdefault(_power(claim), []).append(name(task))
    for outcome, names in tasks_by_outcome.items():
        subject = "" if len(tasks_by_outcome) == 1 else f" for {listing(names)}"
        yield f"Power check{subject}: {outcome}."


def _difference(view: View, task: str, claim: Claim) -> str:
    """Return the minimum detectable difference of a label column; empty where it is not known."""
    detectable = value(claim, "difference")
    if not math.isfinite(detectable):
        return ""
    subject = f"{name(task)} " if len(view.tasks) > 1 else ""
    smallest = unsigned_points(value(claim, "smallest_difference"))
    return f"{subject}{unsigned_points(detectable)} points (smallest significant difference {smallest})"


def _power(claim: Claim) -> str:
    """Return which planted signals were recovered."""
    if reason := item(claim, "no_signal"):
        return f"not possible, since {name(str(reason), 300)}"
    repeats = value(claim, "repeats")
    every = f"all {count(repeats)} repeats" if math.isfinite(repeats) else "every repeat"
    if item(claim, "smallest") is None:
        strongest = points(value(claim, "strongest_tried"))
        recovered = value(claim, "strongest_recovered")
        is_counted = math.isfinite(recovered)
        outcome = (
            f"recovered in {count(recovered)} of {count(repeats)} repeats"
            if is_counted
            else f"not recovered in {every}"
        )
        return f"the strongest planted signal, {strongest} points over the majority class, was {outcome}"
    weakest = points(value(claim, "smallest"))
    return f"the weakest planted signal recovered in {every} is worth {weakest} points over the majority class"
