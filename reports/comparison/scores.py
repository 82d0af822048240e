"""All scores of the best sites with their floors, and those of fine-tuned heads."""

from __future__ import annotations

import math
from collections.abc import Iterator

from reports.blocks import Part, Section, Table, columns
from reports.comparison.side_by_side import Together
from reports.lookup import View, item, value
from reports.sections.probing import best_site
from reports.text import wording
from reports.text.wording import interval, listing, name, percent


def best_sites(together: Together) -> Section | None:
    """Return the best site of each run with its floors."""
    sites = {(task, result): site for task in together.tasks for result, site in together.best(task).items()}
    if not sites:
        return None
    has_tasks = len(together.tasks) > 1
    site_columns, cells = best_site.cells(list(sites.values()))
    rows = list[tuple[str, ...]]()
    for (task, result), row in zip(sites, cells, strict=True):
        rows.append((name(task), result, *row) if has_tasks else (result, *row))
    headings = ("task", "run", *site_columns) if has_tasks else ("run", *site_columns)
    caption = "Each run at its best site, selected without its test texts; floors as test accuracy."
    table = Table(caption, rows=tuple(rows), cards=True, **columns(*headings, numeric=site_columns[1:]))
    notes = (
        "Scores on other texts or other classes say little beside each other; floors say how far each is from what "
        "needs no encoder.",
    )
    return Section("Best sites and floors", "scores", (), (Part(tables=(table,)),), notes)


def heads(together: Together) -> Section | None:
    """Return the scores of fine-tuned heads, a row for each run and head."""
    rows = list[tuple[str, ...]]()
    for result, view in together.views.items():
        for claim in view.stated("fine_tuned_accuracy"):
            head = item(claim, "head")
            spread = (value(claim, "lowest"), value(claim, "highest"))
            cells = (
                result,
                wording.sentence(wording.short_head(head)),
                name(claim.task or wording.MISSING),
                percent(value(claim, "accuracy")),
                interval(claim.interval),
                interval(spread),
                percent(_macro_f1(view, head)),
            )
            rows.append(cells)
    if not rows:
        return None
    headings = ("run", "head", "task", "test accuracy", "95 % CI", "lowest to highest seed", "macro F1")
    shape = columns(*headings, numeric=headings[3:])
    table = Table("Means over seeds.", rows=tuple(rows), cards=True, **shape)
    notes = (
        "Predictions of single texts are not saved for fine-tuned heads: those of one run are compared in its own "
        "report, those of two runs by their intervals only.",
    )
    return Section("Fine-tuned classifiers", "heads", tuple(_highest_heads(together)), (Part(tables=(table,)),), notes)


def _highest_heads(together: Together) -> Iterator[str]:
    """Yield the accuracy of the best fine-tuned head of each run, in a sentence for each label column."""
    for task in together.tasks:
        scores = list[str]()
        for result, view in together.views.items():
            claims = [claim for claim in view.stated("fine_tuned_accuracy") if claim.task == task]
            if claims:
                top = max(claims, key=lambda claim: value(claim, "accuracy"))
                accuracy = percent(value(top, "accuracy"))
                limits = wording.confidence(top.interval, before=" ")
                scores.append(f"{wording.head(item(top, 'head'))} of {result} {accuracy}{limits}")
        if scores:
            heading = together.heading(task)
            start = f"{heading}: highest" if heading else "Highest"
            yield f"{start} head of each run: {listing(scores)}."


def _macro_f1(view: View, head: object) -> float:
    """Return the macro F1 of a fine-tuned head, the mean over its seeds."""
    scores = view.table("fine_tuned_accuracy")
    if scores is None:
        return math.nan
    is_macro_f1 = (scores["head"] == head) & (scores["metric"] == "macro_f1")
    return float(scores.loc[is_macro_f1, "value"].mean())
