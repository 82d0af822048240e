"""The chosen place of a label column: its score, and the numbers that stand beside it there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.lookup import View, text, value
from reports.text import wording
from reports.text.wording import MISSING, decimal, interval, name, percent, points

FLOORS = ("majority", "bag_of_words", "untrained", "control", "model_head")
"""Floors in the order of a table; others follow."""


@dataclass(frozen=True)
class Best:
    """The chosen place of a label column, and its test scores."""

    pooling: str
    layer: int
    where: str
    """The place in a few words, as in `mean, layer 4`."""
    accuracy: float
    bounds: tuple[float, float] | None
    n: int
    """Test texts."""
    macro_f1: float = math.nan
    floors: Mapping[str, float] = field(default_factory=dict)
    """Floor -> its test accuracy, at this place where it depends on the layer."""
    selectivity: float = math.nan
    codelength: float = math.nan
    """Bits a training text to send its label to someone who has the vectors."""

    @classmethod
    def of(cls, view: View, task: str) -> Best | None:
        """Return the site chosen without the test texts; for `heads`, the best frozen probe; None without scores."""
        best, claim = view.best(task), view.claim("best_site", task)
        frozen = next((c for c in view.stated("frozen_probe") if c.task == task), None)
        if claim is None and frozen is not None:
            claim, best = frozen, (text(frozen, "pooling"), int(value(frozen, "layer")))
        if best is None:
            return None
        if claim is not None:
            accuracy, bounds, n = value(claim, "accuracy"), claim.interval, value(claim, "n")
        else:
            curve = view.curve(task)
            rows = None if curve is None else curve[(curve["pooling"] == best[0]) & (curve["layer"] == best[1])]
            if rows is None or not len(rows):
                return None
            row = rows.iloc[0]
            accuracy, bounds, n = float(row["value"]), (float(row["lower"]), float(row["upper"])), float(row["n"])
        layer_floors = view.layer_floors(task, best[0]).items()
        floors = view.floors(task) | {key: by_layer[best[1]] for key, by_layer in layer_floors if best[1] in by_layer}
        vector = wording.pooling(best[0], random_pooler=view.random_pooler)
        return cls(
            pooling=best[0],
            layer=best[1],
            where=f"{vector}, layer\u00a0{best[1]}",
            accuracy=accuracy,
            bounds=bounds,
            n=int(n) if n == n else 0,
            macro_f1=_macro_f1(view, task, best),
            floors=floors,
            selectivity=_number_at_site(view, "control_tasks", task, best, "selectivity"),
            codelength=_number_at_site(view, "information", task, best, "codelength"),
        )


def cells(sites: Mapping[str, Best]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the headings of columns with a number in any row, and a row of cells for each site."""
    floors = [key for key in FLOORS if any(key in best.floors for best in sites.values())]
    floors += sorted({key for best in sites.values() for key in best.floors} - set(floors))
    extra = {
        "macro F1": {key: percent(best.macro_f1) for key, best in sites.items()},
        **{
            wording.SHORT_FLOORS.get(floor, name(floor, 24)): {
                key: percent(best.floors.get(floor)) for key, best in sites.items()
            }
            for floor in floors
        },
        "selectivity, points, of texts of a known type": {key: points(best.selectivity) for key, best in sites.items()},
        "codelength, bits a text": {key: decimal(best.codelength, 2) for key, best in sites.items()},
    }
    columns_with_values = {
        heading: cells_of_column
        for heading, cells_of_column in extra.items()
        if any(cell != MISSING for cell in cells_of_column.values())
    }
    rows = [
        (
            best.where,
            percent(best.accuracy),
            interval(best.bounds),
            *(cells_of_column[key] for cells_of_column in columns_with_values.values()),
        )
        for key, best in sites.items()
    ]
    return ("best place", "right on test", "95 % interval", *columns_with_values), rows


def _macro_f1(view: View, task: str, best: tuple[str, int]) -> float:
    scores = view.scores(task, "macro_f1")
    if scores is None:
        claim = view.claim("best_site", task)
        return math.nan if claim is None else value(claim, "macro_f1")
    rows = scores[
        (scores["probe"] == "logistic") & (scores["pooling"] == best[0]) & (scores["layer"] == best[1]).fillna(False)
    ]
    return float(rows["value"].iloc[0]) if len(rows) else math.nan


def _number_at_site(view: View, key: str, task: str, best: tuple[str, int], column: str) -> float:
    """Return a number of a table at that site; not a number where there is none."""
    table = view.table(key, task)
    if table is None or not {"pooling", "layer", column} <= set(table.columns):
        return math.nan
    rows = table[(table["pooling"] == best[0]) & (table["layer"] == best[1])]
    return float(rows[column].iloc[0]) if len(rows) else math.nan
