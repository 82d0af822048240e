"""Errors by class: confusion matrix, F1 of each class, and the F1 by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.blocks import Drawing, Panels, Part, Section, Table
from reports.charts import confusion_matrix, panels
from reports.charts.canvas import Label
from reports.charts.panels import PanelOptions, shared_limits
from reports.lookup import View
from reports.sections.errors import class_tables
from reports.sections.errors.explained_cells import cell_links
from reports.sections.small_multiples import description, legend, pooling_styles
from reports.text import wording
from reports.text.wording import count, name, percent, plural

if TYPE_CHECKING:
    from reports.charts.styles import Style

MOST_CLASSES = 12
"""Classes up to which a confusion matrix can be read; above, the most confused pairs are listed."""
MOST_PANELS = 12
"""Small panels of F1 by layer, over all label columns."""
NOTE = "Each row of a confusion matrix sums to 100 %. An empty cell: no such text. Lines: 95 % CI of F1."


@dataclass(frozen=True)
class ClassErrors:
    """Errors of the probe of a label column; a table that is missing is empty."""

    f1: pd.DataFrame
    """Columns class, value, lower, upper and n: the F1 of each class that test texts have."""
    recall: pd.DataFrame
    """The same columns: the recall of each class."""
    counts: pd.DataFrame
    """Columns label, predicted and count."""
    classes: tuple[str, ...]
    """Classes in the order of their scores."""


def section(view: View) -> Section | None:
    """Return the errors by class of each label column, all in one row."""
    errors_by_task = dict[str, ClassErrors]()
    for task in view.tasks:
        errors = _errors(view, task)
        if len(errors.f1) or len(errors.counts):
            errors_by_task[task] = errors
    if not errors_by_task:
        return None
    verdict = tuple(view.about(task, _sentence(errors)) for task, errors in errors_by_task.items())
    rows = list[Panels]()
    for build in (_matrices, _f1_by_layer):
        row = build(view, errors_by_task)
        if row is not None:
            rows.append(row)
    tables = list[Table]()
    for task, errors in errors_by_task.items():
        subject = f" of {name(task)}" if len(view.tasks) > 1 else ""
        tables += class_tables.class_scores(view, task, subject)
        if len(errors.classes) > 2:
            tables += class_tables.confused_pairs(errors.counts, subject)
    part = Part(panels=tuple(rows), tables=tuple(tables))
    notes = (NOTE, *class_tables.file_notes(view))
    return Section("Errors by class", "errors", verdict, (part,), notes)


def _errors(view: View, task: str) -> ClassErrors:
    """Return the F1 and the confusion counts of a label column's probe."""
    scores = class_tables.scores_of_probe(view, task)
    measured = scores[scores["n"] > 0]
    f1 = measured[measured["metric"] == "f1"]
    recall = measured[measured["metric"] == "recall"]
    counts = class_tables.counts_of_probe(view, task)
    # In the order of their scores' rows: a pair that never occurs has no row among the counts.
    classes = dict.fromkeys([*scores["class"], *counts["label"], *counts["predicted"]])
    return ClassErrors(f1, recall, counts, tuple(classes))


def _sentence(errors: ClassErrors) -> str:
    """Return the classes with the lowest recall and the lowest F1, and the most confused pair."""
    sentences = list[str]()
    recall = _lowest(errors.recall)
    f1 = _lowest(errors.f1)
    if recall is not None and f1 is not None and recall["class"] == f1["class"]:
        scores = f"{_score(recall)} and {_score(f1)}"
        sentences.append(f"Lowest recall and F1: {name(f1['class'])}, {scores}, n\u00a0=\u00a0{count(f1['n'])}.")
    else:
        for measure, lowest in (("recall", recall), ("F1", f1)):
            if lowest is not None:
                n_texts = f"n\u00a0=\u00a0{count(lowest['n'])}"
                sentences.append(f"Lowest {measure}: {name(lowest['class'])} {_score(lowest)}, {n_texts}.")
    pairs = class_tables.ranked_errors(errors.counts)
    if len(pairs):
        pair = pairs.iloc[0]
        n_texts = plural(int(pair["count"]), "text")
        label = name(pair["label"])
        predicted = name(pair["predicted"])
        sentences.append(f"Most confused: {label} → {predicted} ({n_texts}).")
    return " ".join(sentences) or "No errors."


def _lowest(scores: pd.DataFrame) -> pd.Series[Any] | None:
    """Return the row of the class with the lowest score; None where none was measured."""
    measured = scores[scores["value"].notna()]
    ranked = measured.sort_values("value", ascending=False, kind="stable")
    return None if ranked.empty else ranked.iloc[-1]


def _score(row: pd.Series[Any]) -> str:
    """Return a score with its interval, as `70.0 % [95 % CI 60.0, 75.0]`."""
    limits = wording.confidence((row["lower"], row["upper"]), before=" ")
    bounds = limits.replace("[", "[95\u00a0% CI ")
    return f"{percent(row['value'])}{bounds}"


def _has_matrix(errors: ClassErrors) -> bool:
    """Return whether there are confusion counts, of few enough classes to be read as a matrix."""
    return len(errors.counts) > 0 and len(errors.classes) <= MOST_CLASSES


def _matrices(view: View, errors_by_task: Mapping[str, ClassErrors]) -> Panels | None:
    """Return the confusion matrix of each label column with few classes, with the F1 of the classes beside it."""
    drawings = list[Drawing]()
    in_row = {task: errors for task, errors in errors_by_task.items() if _has_matrix(errors)}
    classes_of_matrices = [errors.classes for errors in in_row.values()]
    has_scores = any(len(errors.f1) for errors in in_row.values())
    width = confusion_matrix.common_width(classes_of_matrices, has_scores=has_scores)
    for number, (task, errors) in enumerate(errors_by_task.items(), start=1):
        if task not in in_row:
            continue
        phrases = list[str]()
        for pair in class_tables.ranked_errors(errors.counts).to_dict("records"):
            label = name(pair["label"])
            predicted = name(pair["predicted"])
            phrases.append(f"{label} predicted as {predicted}: {count(pair['count'])}")
        text_of_errors = "; ".join(phrases) or "No errors"
        title = f"Confusion matrix for {name(task)}"
        alternative = Label(f"confusion-{number}", title, f"{text_of_errors}.")
        f1 = errors.f1 if len(errors.f1) else None
        links = cell_links(view, task, errors.counts)
        svg = confusion_matrix.confusion_matrix(
            errors.counts,
            errors.classes,
            alternative,
            scores=f1,
            links=links,
            n_matrices=len(in_row),
            least_width=width,
        )
        heading = view.heading(task) or ""
        drawings.append(Drawing(svg, heading))
    if not drawings:
        return None
    return Panels(tuple(drawings), "Confusion matrix on test: row % and counts; n: test texts of the class; F1 (%).")


def _f1_by_layer(view: View, errors_by_task: Mapping[str, ClassErrors]) -> Panels | None:
    """Return the F1 of each class by layer, of the classes with the lowest F1 where there are many."""
    most_classes = max(2, MOST_PANELS // len(errors_by_task))
    frames = dict[tuple[str, str], pd.DataFrame]()
    for task, errors in errors_by_task.items():
        scores = view.table("class_scores", task)
        if scores is None or scores["layer"].nunique() < 2:
            continue
        ranked = errors.f1.sort_values("value", kind="stable")
        lowest = ranked["class"].head(most_classes)
        for class_name in errors.f1["class"]:
            if class_name not in set(lowest):
                continue
            rows = scores[scores["class"] == class_name]
            values = 100 * rows["f1"]
            frames[task, class_name] = pd.DataFrame({"series": rows["pooling"], "x": rows["layer"], "value": values})
    if not frames:
        return None
    all_rows = pd.concat(frames.values())
    styles = pooling_styles(view, all_rows["series"])
    limits = shared_limits([all_rows])
    options = PanelOptions(limits, small=True)
    drawings = list[Drawing]()
    for key, frame in frames.items():
        anchor = f"class-layers-{len(drawings) + 1}"
        drawings.append(_panel(view, key, frame, styles, options, anchor=anchor))
    n_classes = sum(len(errors.f1) for errors in errors_by_task.values())
    scope = "" if n_classes == len(frames) else " Only the classes with the lowest F1."
    return Panels(tuple(drawings), f"F1 (%) of each class by layer.{scope}", legend(styles), small=True)


def _panel(
    view: View,
    key: tuple[str, str],
    frame: pd.DataFrame,
    styles: Mapping[str, Style],
    options: PanelOptions,
    *,
    anchor: str,
) -> Drawing:
    """Return the F1 of a class by layer."""
    task, class_name = key
    class_title = name(class_name, 30)
    title = f"F1 of {class_title} for {name(task)} by layer"
    label = Label(anchor, title, description(frame, styles, options))
    heading = f"{name(task, 20)}: {class_title}" if len(view.tasks) > 1 else class_title
    return Drawing(panels.panel(frame, styles, label, options), heading)
