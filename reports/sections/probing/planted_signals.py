"""Planted signals: differences that these test texts could not have shown."""

from __future__ import annotations

import math
from collections.abc import Iterator

from reports.lookup import View, item, value
from reports.text.wording import (
    count,
    name,
    unsigned_points,
)


def limits(view: View, task: str) -> Iterator[str]:
    """Yield the differences that these test texts could not have shown."""
    claim = view.claim("minimum_detectable_difference", task)
    if claim is None:
        return
    n, least, usual = count(value(claim, "n")), value(claim, "difference"), value(claim, "usual_difference")
    if math.isfinite(least):
        half = f"; for half of the places it takes {unsigned_points(usual)} or more" if math.isfinite(usual) else ""
        yield (
            f"With {n} test texts, a difference under {unsigned_points(least)} points between the best place and "
            f"another cannot be seen{half}."
        )
    if reason := item(claim, "no_signal"):
        yield f"No signal of known strength could be planted, to see which would be found: {name(str(reason), 300)}."
    elif item(claim, "smallest") is None:
        most = unsigned_points(value(claim, "strongest_tried"))
        yield (
            "Signals of known strength were planted in these vectors, and none was found each time: not even the "
            f"strongest, which lets the best possible probe be right {most} points more often than the majority."
        )
    else:
        yield (
            f"Of signals planted in these vectors, the weakest that is found each time lets the best possible probe be "
            f"right {unsigned_points(value(claim, 'smallest'))} points more often than the majority."
        )
