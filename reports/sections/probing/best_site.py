"""The best site of a label column: its score, floors, selectivity and codelength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reports.lookup import Score, View, rows_at_site, text, value
from reports.text import wording
from reports.text.wording import MISSING, decimal, interval, name, percent, points

FLOORS = ("majority", "bag_of_words", "untrained", "control", "model_head")
"""Floors in the order of a table; others follow."""


@dataclass(frozen=True)
class Best:
    """The best site of a label column, and its test scores."""

    pooling: str
    layer: int
    where: str
    """The site in a few words, as in `mean, layer 4`."""
    accuracy: float
    bounds: tuple[float, float] | None
    n: int
    """Test texts."""
    macro_f1: float = math.nan
    floors: Mapping[str, float] = field(default_factory=dict)
    """Floor -> its test accuracy, at this site where it depends on the layer."""
    selectivity: float = math.nan
    codelength: float = math.nan
    """Bits a training text to send its label to someone who has the vectors."""

    @classmethod
    def of(cls, view: View, task: str) -> Best | None:
        """Return the site chosen without the test texts; for `heads`, the best frozen probe; None without scores."""
        frozen = next((claim for claim in view.stated("frozen_probe") if claim.task == task), None)
        if frozen is not None and view.claim("best_site", task) is None:
            best: tuple[str, int] | None = (text(frozen, "pooling"), int(value(frozen, "layer")))
            score: Score | None = Score(value(frozen, "accuracy"), frozen.interval, value(frozen, "n"))
        else:
            best = view.best(task)
            score = view.best_score(task)
        if best is None or score is None:
            return None
        pooling, layer = best
        vector = wording.pooling(pooling, random_pooler=view.random_pooler)
        return cls(
            pooling=pooling,
            layer=layer,
            where=f"{vector}, layer\u00a0{layer}",
            accuracy=score.accuracy,
            bounds=score.interval,
            n=0 if math.isnan(score.n) else int(score.n),
            macro_f1=_macro_f1(view, task, best),
            floors=_floors(view, task, best),
            selectivity=_number_at_site(view, "control_tasks", task, best, "selectivity"),
            codelength=_number_at_site(view, "information", task, best, "codelength"),
        )


def cells(bests: Sequence[Best]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the headings of columns with a number in any row, and a row of cells for each site."""
    extra_columns = {"macro F1": [percent(best.macro_f1) for best in bests]}
    for floor in _floor_order(bests):
        heading = wording.SHORT_FLOORS.get(floor, name(floor, 24))
        extra_columns[heading] = [percent(best.floors.get(floor)) for best in bests]
    extra_columns["selectivity (points)"] = [points(best.selectivity) for best in bests]
    extra_columns["codelength (bits per label)"] = [decimal(best.codelength, 2) for best in bests]
    headings = ["best probe", "test accuracy", "95 % CI"]
    rows = [[best.where, percent(best.accuracy), interval(best.bounds)] for best in bests]
    for heading, column in extra_columns.items():
        if all(cell == MISSING for cell in column):
            continue
        headings.append(heading)
        for row, cell in zip(rows, column, strict=True):
            row.append(cell)
    return tuple(headings), [tuple(row) for row in rows]


def _floor_order(bests: Sequence[Best]) -> list[str]:
    """Return the floors that any site has, in the order of a table."""
    present = {floor for best in bests for floor in best.floors}
    known = [floor for floor in FLOORS if floor in present]
    return known + sorted(present.difference(known))


def _floors(view: View, task: str, best: tuple[str, int]) -> dict[str, float]:
    """Return floor -> its test accuracy, at the best site where it depends on the layer."""
    pooling, layer = best
    floors = view.floors(task)
    for floor, by_layer in view.layer_floors(task, pooling).items():
        if layer in by_layer:
            floors[floor] = by_layer[layer]
    return floors


def _macro_f1(view: View, task: str, best: tuple[str, int]) -> float:
    scores = view.scores(task, "macro_f1")
    if scores is None:
        claim = view.claim("best_site", task)
        return math.nan if claim is None else value(claim, "macro_f1")
    rows = rows_at_site(scores[scores["probe"] == "logistic"], best)
    return float(rows["value"].iloc[0]) if len(rows) else math.nan


def _number_at_site(view: View, key: str, task: str, best: tuple[str, int], column: str) -> float:
    """Return a number of a table at that site; not a number where there is none."""
    table = view.table(key, task)
    if table is None or not {"pooling", "layer", column} <= set(table.columns):
        return math.nan
    rows = rows_at_site(table, best)
    return float(rows[column].iloc[0]) if len(rows) else math.nan
