"""Floors: the gain of the best site over reference scores without a trained encoder, and what could not be shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from reports.blocks import Drawing, Panels, Part, Section, Table, columns
from reports.charts import dots
from reports.charts.canvas import Label
from reports.charts.panels import shared_limits
from reports.lookup import View, item, text, value
from reports.sections.probing import planted_signals
from reports.text import wording
from reports.text.wording import confidence, decimal, name, percent, plural, points

if TYPE_CHECKING:
    from probes.results.result import Claim

NO_FLOORS = ("control", "model_head")
"""Reference scores that are no floors: another task, and the model's own classifier."""
OUTCOMES = {"above": "above", "below": "below", "cannot_tell": "CI contains 0"}
NOTES = (
    "Majority class: always the most frequent class of the training texts. Bag of words: word counts without their "
    "order. Layer-0 mean: context-free token embeddings. Untrained encoder: the same architecture, randomly "
    "initialised, with the probe of its own best site.",
    "Each 95 % CI holds for one floor of one label column. A badge needs every floor to be exceeded, so that the "
    "number of floors makes no false one likelier; the number of label columns does.",
    "Minimum detectable difference: a true difference of this size in test accuracy between the best site and another "
    "(the median one) has a simultaneous 95 % CI that leaves out 0 with a probability of 80 %. A measured difference "
    "below the smallest significant one, beside it, cannot be told from 0 at any site.",
    "Power check: signals of known strength are planted in the vectors of the best site, and a new probe is trained on "
    "each. Weaker real signals can be missed. The minimum detectable difference takes the probes as they are and is "
    "therefore smaller.",
)


def section(view: View) -> Section | None:
    """Return the gain of each label column's best site over its floors."""
    claims = {task: rows for task in view.tasks if (rows := _claims(view, task))}
    absent = _absent_controls(view)
    if not claims and not absent:
        return None
    verdict = [
        view.about(task, sentence)
        for task, rows in claims.items()
        for sentence in _gain(
            view,
            task,
            rows,
        )
    ]
    verdict += [*planted_signals.sentences(view), *absent]
    parts = (Part(panels=(_panels(view, claims),), tables=(_table(view, claims),)),) if claims else ()
    return Section(
        "Comparison with floors",
        "floors",
        tuple(verdict),
        parts,
        NOTES,
    )


def _claims(view: View, task: str) -> list[Claim]:
    """Return the comparisons with floors, and with the model's own classifier; the control task has its own section."""
    return [claim for claim in view.claims("floor", task) if text(claim, "floor") != "control"]


def _absent_controls(view: View) -> list[str]:
    """Return why there is no control task, where no label column has one."""
    if any(view.claim("selectivity", task) for task in view.tasks):
        return []
    return list(absent_control_sentences(view))


def absent_control_sentences(view: View) -> Iterator[str]:
    """Yield why a label column has no control task."""
    for task in view.tasks:
        if claim := view.claim("no_control_task", task):
            reason = name(str(item(claim, "reason") or ""), 300)
            yield view.about(
                task, f"Control task not available: {reason}. Choose another column of types with --control-type."
            )


def _gain(view: View, task: str, claims: Sequence[Claim]) -> Iterator[str]:
    """Yield how many floors the best site is above, and its smallest gain."""
    floor_claims = [claim for claim in claims if text(claim, "floor") not in NO_FLOORS]
    if not floor_claims:
        return
    n_above = sum(claim.outcome == "above" for claim in floor_claims)
    smallest = min(floor_claims, key=lambda claim: value(claim, "difference"))
    opening = "the best site is itself the layer-0 mean; above" if view.best(task) == ("mean", 0) else "above"
    yield (
        f"{opening} {n_above} of {plural(len(floor_claims), 'floor')}; smallest gain "
        f"{points(value(smallest, 'difference'))} points{confidence(smallest.interval, before=' ')} over "
        f"{_floor_name(smallest)} ({percent(value(smallest, 'accuracy'))})."
    )


def _floor_name(claim: Claim) -> str:
    """Return the name of a floor, with the number of untrained encoders."""
    floor = text(claim, "floor")
    short_name = wording.SHORT_FLOORS.get(floor, name(floor, 18))
    seeds = item(claim, "seeds")
    return short_name if seeds is None else f"{short_name}, {plural(int(seeds), 'seed')}"


def _panels(view: View, claims: Mapping[str, Sequence[Claim]]) -> Panels:
    """Return the gains over the floors as forest plots, all on one scale."""
    frames = {task: _frame(task_claims) for task, task_claims in claims.items()}
    limits = shared_limits(frames.values(), 0.0)
    drawings = list[Drawing]()
    for number, (task, frame) in enumerate(frames.items(), start=1):
        phrases = [f"{row.row} {decimal(row.value, 1)}" for row in frame.itertuples()]
        label = Label(f"floors-{number}", f"Gain over each floor for {name(task)}, points", f"{'; '.join(phrases)}.")
        svg = dots.forest(
            frame,
            label,
            limits=limits,
            x_title="gain (points)",
            zero=True,
        )
        drawings.append(Drawing(svg, view.heading(task) or ""))
    caption = "Gain of the best probe over each floor (points), paired over the test texts. Hollow: 95 % CI contains 0."
    return Panels(tuple(drawings), caption)


def _frame(claims: Sequence[Claim]) -> pd.DataFrame:
    """Return a row for each floor, in percentage points."""
    rows = list[tuple[str, float, float, float]]()
    for claim in claims:
        lower, upper = claim.interval or (math.nan, math.nan)
        # The margin of a panel has no room for "untrained encoder" and its seeds.
        row_name = _floor_name(claim).replace("untrained encoder", "untrained")
        rows.append((row_name, 100 * value(claim, "difference"), 100 * lower, 100 * upper))
    return pd.DataFrame(rows, columns=["row", "value", "lower", "upper"])


def _table(view: View, claims: Mapping[str, Sequence[Claim]]) -> Table:
    """Return every comparison in a row."""
    about = ("task",) if len(view.tasks) > 1 else ()
    rows = list[tuple[str, ...]]()
    for task, task_claims in claims.items():
        for claim in task_claims:
            accuracy = percent(value(claim, "accuracy"))
            gain = points(value(claim, "difference"))
            result = OUTCOMES.get(claim.outcome, name(claim.outcome))
            row = (_floor_name(claim), accuracy, gain, wording.interval(claim.interval), result)
            rows.append((name(task), *row) if about else row)
    heading = ("floor", "test accuracy", "gain of the best probe (points)", "95 % CI", "result")
    summary = f"All {plural(len(rows), 'gain')} over floors"
    shape = columns(
        *about,
        *heading,
        numeric=heading[1:4],
    )
    return Table(
        "Paired over the same test texts.",
        rows=tuple(rows),
        folded=True,
        summary=summary,
        **shape,
    )
