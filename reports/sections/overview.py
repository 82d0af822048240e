"""The first screen: the takeaway in words, a row for each label column, accuracy by layer, and attribution checks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from probes.results.result import AnalysisResult, Claim
from reports.blocks import Badge, Panels, Summary, SummaryCell, SummaryRow, Table, columns
from reports.charts import strips
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import styles_of_poolings
from reports.lookup import View, item, rows_at_site, text, value
from reports.sections import caveats
from reports.sections.check_counts import check_counts
from reports.sections.class_names import MOST_CLASSES, class_counts, class_names
from reports.sections.classifier import answer
from reports.sections.small_multiples import in_points, panels_of_tasks, pooling_styles
from reports.text import wording
from reports.text.wording import (
    MISSING,
    SHORT_FLOORS,
    confidence,
    count,
    decimal,
    listing,
    name,
    percent,
    plural,
    points,
)

if TYPE_CHECKING:
    from reports.lookup import Score

COLUMNS = (
    "task",
    "best site",
    "test accuracy [95 % CI]",
    "{low:.0f} to {high:.0f}\u00a0%",
    "gain over best floor, points [95 % CI]",
    "MDL compression",
    "selectivity,\u00a0points [95 % CI]",
)
"""Headings of the table; the fourth is the scale of the drawings."""
NOT_FLOORS = ("control", "model_head")
"""Reference scores that are no floor."""
LONGEST_EXAMPLE = 64
"""Characters of an example text."""
EXAMPLE_STEP = 7
"""Texts between the examples of two label columns, so that they differ where texts come in pairs."""
PANEL_HEIGHT = 160.0
"""Pixels of a panel, so that the first screen is whole on a laptop."""
MOST_PAIRS = 3
"""Pairs of confused classes that are listed."""
VERDICTS = {"decodable": "linearly decodable, above every floor", "above_floors": "above every floor"}
"""Outcome of the evidence -> what is said of all label columns with it."""
GUIDE = (
    "The encoder is frozen. At each layer a logistic-regression probe predicts the label from the text's vector; its "
    "test accuracy shows how linearly decodable the label is there. Decodable does not mean used by the model.",
    "Decodable: test accuracy above every floor (95 % CI of the gain above 0), MDL compression above 1.05, "
    "V-information above 0, and a gain over the majority class at least as large as the planted signals that the power "
    "check misses: smaller gains are overestimated where they are found. Weak evidence: above every floor, but one of "
    "the other three says otherwise. Not shown: not above every floor.",
    "MDL compression: online codelength of the labels without the vectors (class frequencies alone) divided by that "
    "with them. Selectivity: accuracy minus accuracy on the control task, in which all texts of one type (such as the "
    "same first word) have the same random label. It does not enter the badge.",
    "Ticks: floors. Dot: probe, with its 95 % CI. Floors: majority class, bag of words, layer-0 mean, and an untrained "
    "encoder at the same site.",
)
"""How to read the first screen of a probing result."""


def summary(result: AnalysisResult, *, drawn: bool = True) -> Summary:
    """Return the first screen; without drawings where not `drawn`."""
    view = View(result)
    heads = answer.summary(view, drawn=drawn)
    if heads is not None:
        return _with_caveats(view, heads)
    probed = [task for task in view.tasks if view.best_score(task) is not None]
    if probed:
        return _with_caveats(view, _of_probes(view, probed, drawn=drawn))
    n_explained = len({(a.task, a.text) for a in result.attributions})
    takeaway = (f"{plural(n_explained, 'text')} explained, word by word.",)
    return _with_caveats(view, Summary(takeaway, checks=check_counts(view)))


def _with_caveats(view: View, screen: Summary) -> Summary:
    """Return a first screen that says first what makes its scores worthless; then no badge stays."""
    takeaway = (*caveats.openings(view), *screen.takeaway)
    rows = screen.rows
    if caveats.invalid_test(view):
        rows = tuple(dataclasses.replace(row, badge=Badge("Not a test", "poor")) for row in rows)
    return dataclasses.replace(screen, takeaway=takeaway, rows=rows)


def _of_probes(view: View, tasks: list[str], *, drawn: bool) -> Summary:
    """Return the first screen of probing."""
    low, high = scale = _scale(view, tasks)
    takeaway = () if caveats.invalid_test(view) else tuple(_takeaway(view, tasks))
    screen = Summary(
        takeaway=takeaway,
        columns=tuple(column.format(low=100 * low, high=100 * high) for column in COLUMNS),
        rows=tuple(_rows(view, tasks, scale)),
        checks=check_counts(view),
        guide=GUIDE,
    )
    if not drawn:
        return screen
    panels = _panels(view, tasks)
    tables = _class_tables(view, tasks[0]) if len(tasks) == 1 else ()
    return dataclasses.replace(screen, panels=() if panels is None else (panels,), tables=tables)


def _takeaway(view: View, tasks: list[str]) -> Iterator[str]:
    """Yield what the badges say, in a sentence for each outcome."""
    by_outcome = dict[str, list[str]]()
    for task in tasks:
        claim = view.claim("evidence", task)
        by_outcome.setdefault("" if claim is None else claim.outcome, []).append(task)
    for outcome, verb in VERDICTS.items():
        if names := by_outcome.get(outcome):
            be = "is" if len(names) == 1 else "are"
            subject = wording.sentence(listing(name(task, 40) for task in names))
            yield f"{subject} {be} {verb}: {_scores(view, names)}{_weak_spots(view, names)}."
    for task in by_outcome.get("weak", ()):
        claim = view.claim("evidence", task)
        doubts = "" if claim is None else f", but {_doubts(claim)}"
        yield f"For {name(task, 40)} the evidence is weak: {_scores(view, [task])}{doubts}."
    for task in by_outcome.get("not_shown", ()):
        claim = view.claim("evidence", task)
        missed = "the best floor" if claim is None else _missed(claim)
        subject = wording.sentence(name(task, 40))
        yield f"{subject} is not shown to be decodable: {_scores(view, [task])}, not above {missed}."
    if names := by_outcome.get(""):
        subject = wording.sentence(listing(name(task, 40) for task in names))
        yield f"{subject}: {_scores(view, names)}."


def _scores(view: View, tasks: list[str]) -> str:
    """Return test accuracy and site of each label column."""
    phrases = list[str]()
    for task in tasks:
        score = view.best_score(task)
        best = view.best(task)
        if score is None or best is None:
            continue
        pooling, layer = best
        vector = wording.pooling(pooling, random_pooler=view.random_pooler)
        start = "" if len(view.tasks) > 1 else "test accuracy "
        phrases.append(f"{start}{percent(score.accuracy)} ({vector}, layer\u00a0{layer})")
    return listing(phrases)


def _weak_spots(view: View, tasks: list[str]) -> str:
    """Return the label columns whose accuracy on long texts is not above the best floor on all texts."""
    phrases = list[str]()
    for task in tasks:
        evidence = view.claim("evidence", task)
        effect = view.claim("length_effect", task)
        if evidence is None or effect is None or not caveats.long_texts(view, task):
            continue
        if value(effect, "longest_accuracy") <= value(evidence, "accuracy"):
            subject = f"{name(task, 24)} " if len(tasks) > 1 else ""
            longest = percent(value(effect, "longest_accuracy"))
            phrases.append(f"{subject}{longest} on long texts")
    return f"; but {listing(phrases)}" if phrases else ""


def _doubts(claim: Claim) -> str:
    """Return the doubts about the evidence."""
    phrases = list[str]()
    for doubt in filter(None, text(claim, "doubts").split(", ")):
        phrase = wording.DOUBTS.get(doubt, name(doubt))
        if doubt == "compression":
            phrase += f" ({decimal(value(claim, 'compression'), 2)}×)"
        phrases.append(phrase)
    return listing(phrases)


def _missed(claim: Claim) -> str:
    """Return the floors that the best site is not above."""
    return listing((wording.floor(floor) for floor in text(claim, "missed").split(", ")), "or")


def _scale(view: View, tasks: list[str]) -> tuple[float, float]:
    """Return the accuracies between which the drawings of all rows lie."""
    accuracies = list[float]()
    for task in tasks:
        accuracies += _floors(view, task).values()
        if (score := view.best_score(task)) is not None:
            accuracies += [score.accuracy, *(score.interval or ())]
    return strips.strip_scale(accuracies)


def _rows(view: View, tasks: list[str], scale: tuple[float, float]) -> Iterator[SummaryRow]:
    """Yield the row of each label column."""
    for position, task in enumerate(tasks):
        best = view.best(task)
        score = view.best_score(task)
        if best is None or score is None:
            continue
        pooling, layer = best
        colour, _ = styles_of_poolings([pooling])[pooling]
        drawing = strips.strip(
            score.accuracy, score.interval, _floors(view, task), scale, colour=colour, anchor=f"strip-{position + 1}"
        )
        cells = (
            SummaryCell(wording.site(pooling, layer, random_pooler=view.random_pooler)),
            _accuracy_cell(score),
            SummaryCell("", svg=drawing),
            _gain_cell(view, task),
            _compression_cell(view, task),
            _selectivity_cell(view, task),
        )
        yield SummaryRow(name(task), _badge(view, task), tuple(_task_lines(view, task, position)), cells)


def _floors(view: View, task: str) -> dict[str, float]:
    """Return the name of each floor of the best site and its test accuracy."""
    floors = dict[str, float]()
    for claim in view.claims("floor", task):
        floor = text(claim, "floor")
        if floor not in NOT_FLOORS:
            floors[SHORT_FLOORS.get(floor, name(floor, 24))] = value(claim, "accuracy")
    if not floors:
        for floor, accuracy in view.floors(task).items():
            if floor not in NOT_FLOORS:
                floors[SHORT_FLOORS.get(floor, name(floor, 24))] = accuracy
    return floors


def _badge(view: View, task: str) -> Badge | None:
    """Return the verdict on a label column, as its claim has it."""
    claim = view.claim("evidence", task)
    if claim is None:
        return None
    reason = ""
    if claim.outcome == "weak":
        reason = _doubts(claim)
    elif claim.outcome == "not_shown":
        reason = f"not above {_missed(claim)}"
    elif claim.outcome == "above_floors":
        reason = "MDL not measured"
    words = wording.EVIDENCE.get(claim.outcome, name(claim.outcome))
    is_good = claim.outcome in ("decodable", "above_floors")
    return Badge(words, "good" if is_good else "poor", reason)


def _task_lines(view: View, task: str, position: int) -> Iterator[str]:
    """Yield the class names, and an example text with its label, another one for each label column."""
    if names := class_names(view, task):
        yield names
    predictions = view.table("predictions", task)
    if predictions is not None and {"text", "label"} <= set(predictions.columns):
        correct = predictions[predictions["correct"].fillna(False).astype(bool)]
        lengths = correct["text"].astype(str).str.len()
        short = correct[(lengths > 0) & (lengths <= LONGEST_EXAMPLE)]
        examples = short if len(short) else correct
        if len(examples):
            row = examples.iloc[EXAMPLE_STEP * position % len(examples)]
            yield f"e.g. “{name(row['text'], LONGEST_EXAMPLE)}” → {name(row['label'], 24)}"
    if long_texts := caveats.long_texts(view, task):
        yield long_texts


def _accuracy_cell(score: Score) -> SummaryCell:
    n_texts = "" if math.isnan(score.n) else f"n = {count(score.n)}"
    return SummaryCell(percent(score.accuracy), confidence(score.interval, before=" ").strip(), n_texts)


def _gain_cell(view: View, task: str) -> SummaryCell:
    """Return the gain over the floor with the highest accuracy."""
    claim = view.claim("evidence", task)
    if claim is None:
        return SummaryCell(MISSING)
    floor = text(claim, "floor")
    floor_name = SHORT_FLOORS.get(floor, name(floor, 24))
    if seeds := item(claim, "seeds"):
        floor_name += f" ({plural(int(seeds), 'seed')})"
    note = f"vs {floor_name} {percent(value(claim, 'accuracy'))}"
    return SummaryCell(points(value(claim, "difference")), confidence(claim.interval, before=" ").strip(), note)


def _compression_cell(view: View, task: str) -> SummaryCell:
    claim = view.claim("evidence", task)
    if claim is None or item(claim, "compression") is None:
        return SummaryCell("n/a", note="not measured")
    return SummaryCell(f"{decimal(value(claim, 'compression'), 2)}×")


def _selectivity_cell(view: View, task: str) -> SummaryCell:
    """Return the selectivity, or the reason why there is none."""
    claim = view.claim("selectivity", task)
    if claim is not None and claim.outcome == "uninformative":
        return SummaryCell("n/a", note=f"only {plural(int(value(claim, 'n_types')), 'type')}", see="control")
    if claim is not None:
        control = f"control task {percent(value(claim, 'control_accuracy'))}"
        return SummaryCell(points(value(claim, "selectivity")), confidence(claim.interval, before=" ").strip(), control)
    if view.claim("no_control_task", task) is None:
        return SummaryCell("n/a", note="not measured")
    return SummaryCell("n/a", note="no valid control task", see="floors")


def _panels(view: View, tasks: list[str]) -> Panels | None:
    """Return test accuracy by layer, with the best floor as a grey area and a ring at the best site."""
    frames = dict[str, pd.DataFrame]()
    for task in tasks:
        curve = view.curve(task)
        if curve is None:
            continue
        if view.random_pooler:
            curve = curve[curve["pooling"] != "pooler"]
        frame = curve.rename(columns={"pooling": "series", "layer": "x"})[["series", "x", "value", "lower", "upper"]]
        frames[task] = in_points(frame)
    if not frames:
        return None
    best_floors = {task: 100 * max(floors.values()) for task in frames if (floors := _floors(view, task))}
    limits = shared_limits(frames.values(), *best_floors.values())

    def options(task: str) -> PanelOptions:
        best = view.best(task) if view.claim("best_site", task) is not None else None
        ring = None if best is None else (best[0], float(best[1]))
        return PanelOptions(limits, floor=best_floors.get(task), ring=ring, height=PANEL_HEIGHT)

    return panels_of_tasks(
        view,
        frames,
        pooling_styles(view, pd.concat([frame["series"] for frame in frames.values()])),
        options,
        anchor="accuracy",
        quantity="Test accuracy (%) by layer",
        caption=_panels_caption(view),
    )


def _panels_caption(view: View) -> str:
    """Return how to read the panels."""
    caption = "Test accuracy (%) by layer. Bands: 95 % CI. Grey: best floor."
    if any(view.claim("best_site", task) for task in view.tasks):
        caption += f" Ring: selected {view.choosing} (log loss)."
    return caption


def _class_tables(view: View, task: str) -> tuple[Table, ...]:
    """Return the classes with their texts, and the pairs that are confused most."""
    tables = list[Table]()
    train = class_counts(view, task, "train")
    test = class_counts(view, task, "test")
    rows = [(name(key, 24), count(train.get(key, math.nan)), count(n)) for key, n in list(test.items())[:MOST_CLASSES]]
    if rows:
        rest = len(test) - len(rows)
        caption = "Texts of each class." if rest == 0 else f"Texts of each class; {plural(rest, 'further class')}."
        heading = ("class", "train", "test")
        tables.append(Table(caption, rows=tuple(rows), **columns(*heading, numeric=heading[1:])))
    confusion = view.table("confusion", task)
    best = view.best(task)
    if confusion is None or best is None:
        return tuple(tables)
    of_best = rows_at_site(confusion[confusion["probe"] == "logistic"], best)
    wrong = of_best[(of_best["label"] != of_best["predicted"]) & (of_best["count"] > 0)]
    most = wrong.sort_values("count", ascending=False, kind="stable").head(MOST_PAIRS)
    columns_of_pairs = zip(most["label"], most["predicted"], most["count"], strict=True)
    pairs = tuple((name(label, 24), name(predicted, 24), count(n)) for label, predicted, n in columns_of_pairs)
    if pairs:
        heading = ("true class", "predicted", "texts")
        tables.append(Table("Most confused pairs.", rows=pairs, **columns(*heading, numeric=("texts",))))
    return tuple(tables)
