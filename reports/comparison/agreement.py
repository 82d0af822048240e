"""Which texts both runs classify correctly, one of them alone, or neither, with McNemar's test."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.statistics.paired_difference import PairedDifference
from reports.blocks import Part, Section, Table, columns
from reports.comparison.side_by_side import Together
from reports.lookup import View, rows_at_site
from reports.text.wording import clean, count, interval, name, p_value, percent, plural, points

OUTCOMES = {"above": "above", "below": "below", "cannot_tell": "tied"}
"""Outcome of a paired difference -> its cell in the table."""
MOST_TEXTS = 20
"""Texts that a table shows of those that one run alone classifies correctly."""
LONGEST_TEXT = 160
"""Characters of such a text."""
NOTES = (
    "Each run is at its best site. McNemar's exact test asks whether the texts that only one run classifies correctly "
    "are as often those of the first as those of the second; texts on which both agree do not enter it.",
    "The 95 % CI of a difference is a bootstrap over the same texts; it decides the badge. CIs and p-values of several "
    "pairs of a task are corrected for their number (Bonferroni).",
)


def section(together: Together) -> Section | None:
    """Return the counts of texts by which run classifies them correctly; None where no runs are paired."""
    if all(pair.missing for task in together.shared_tasks for pair in together.pairs(task)):
        return None
    parts = _of_pair(together) if together.is_pair else _of_runs(together)
    return Section("Correct by both, by one, by neither", "agreement", tuple(_sentences(together)), tuple(parts), NOTES)


def _sentences(together: Together) -> Iterator[str]:
    """Yield how many texts only one of two runs classifies correctly; the table has it of several label columns."""
    if not together.is_pair or len(together.shared_tasks) > 1:
        return
    for pair in together.differences(together.shared_tasks[0]).values():
        if pair.counts is not None:
            yield (
                f"Only {pair.result} is correct on {plural(pair.counts.first_only, 'text')}, only "
                f"{pair.other_result} on {count(pair.counts.second_only)} (McNemar's {p_value(pair.p_value)})."
            )


def _of_pair(together: Together) -> Iterator[Part]:
    """Yield one table of all label columns of two runs, then the texts on which they disagree."""
    first, second = together.views
    rows = list[tuple[str, ...]]()
    missing = list[tuple[str, ...]]()
    for task in together.shared_tasks:
        for pair in together.differences(task).values():
            if pair.counts is None:
                missing.append((name(task), pair.missing))
            else:
                rows.append((name(task), *_counts(pair.reversed()), p_value(pair.p_value)))
    tables = list[Table]()
    if rows:
        heading = ("task", "both correct", f"only {first}", f"only {second}", "both wrong", "McNemar's test")
        shape = columns(*heading, numeric=heading[1:])
        tables.append(
            Table("Test texts by which run classifies them correctly.", rows=tuple(rows), cards=True, **shape)
        )
    if missing:
        tables.append(Table("Not paired.", rows=tuple(missing), cards=True, **columns("task", "why")))
    for task in together.shared_tasks:
        tables += _disagreements(together, task)
    yield Part(tables=tuple(tables))


def _of_runs(together: Together) -> Iterator[Part]:
    """Yield a table of every two runs for each label column."""
    for task in together.shared_tasks:
        pairs = together.pairs(task)
        paired = [pair for pair in pairs if not pair.missing]
        missing = tuple((pair.result, pair.other_result, pair.missing) for pair in pairs if pair.missing)
        tables = list[Table]()
        if paired:
            tables.append(_paired_table(paired))
        if missing:
            tables.append(Table("Not paired.", rows=missing, cards=True, **columns("run", "and", "why")))
        yield Part(together.heading(task), tables=tuple(tables))


def _paired_table(paired: list[PairedDifference]) -> Table:
    """Return a row for each difference over the same test texts."""
    rows = list[tuple[str, ...]]()
    for pair in paired:
        if pair.counts is None:
            continue
        counts = pair.counts
        texts = (counts.both, counts.first_only, counts.second_only, counts.neither)
        difference = (points(pair.difference), interval(pair.interval), OUTCOMES[pair.outcome])
        runs = f"{pair.result} minus {pair.other_result}"
        rows.append((runs, *difference, *map(count, texts), p_value(pair.p_value)))
    caption = f"Test accuracy, paired over {count(paired[0].n)} texts"
    if len(paired) > 1:
        caption += f"; the {count(len(paired))} intervals hold simultaneously"
    counts_heading = ("both correct", "only the first", "only the second", "both wrong", "McNemar's test")
    heading = ("runs", "points", "95 % CI", "outcome", *counts_heading)
    numeric = ("points", "95 % CI", *counts_heading)
    return Table(f"{caption}.", rows=tuple(rows), cards=True, **columns(*heading, numeric=numeric))


def _counts(pair: PairedDifference) -> tuple[str, ...]:
    """Return the cells with the texts that both classify correctly, each one alone, and neither."""
    if pair.counts is None:
        return ()
    counts = pair.counts
    numbers = (counts.both, counts.first_only, counts.second_only, counts.neither)
    return tuple(f"{count(number)} ({percent(number / counts.n)})" for number in numbers)


def _disagreements(together: Together, task: str) -> Iterator[Table]:
    """Yield the texts that one of two runs alone classifies correctly, with what each predicts."""
    first, second = together.views
    predictions = [_predictions(together, result, task) for result in (first, second)]
    if any(pair.missing for pair in together.pairs(task)) or any(frame is None for frame in predictions):
        return
    both = pd.merge(*[frame for frame in predictions if frame is not None], on="text_id", suffixes=("", "_of_second"))
    about = f" ({name(task, 24)})" if len(together.shared_tasks) > 1 else ""
    for result, correct, wrong in ((second, "correct_of_second", "correct"), (first, "correct", "correct_of_second")):
        rows = both[both[correct] & ~both[wrong]]
        cells = list[tuple[str, ...]]()
        for row in rows.head(MOST_TEXTS).itertuples():
            one_line = " ".join(str(row.text).split())
            classes = (name(row.label), name(row.predicted), name(row.predicted_of_second))
            cells.append((clean(one_line, LONGEST_TEXT), *classes))
        if cells:
            caption = "" if len(rows) <= MOST_TEXTS else f"The first {count(MOST_TEXTS)} of {count(len(rows))} texts."
            summary = f"{plural(len(rows), 'text')} that only {result} has correct{about}"
            shape = columns("text", "true class", f"{first} predicts", f"{second} predicts")
            yield Table(caption, rows=tuple(cells), folded=True, summary=summary, cards=True, **shape)


def _predictions(together: Together, result: str, task: str) -> pd.DataFrame | None:
    """Return the predictions of a run's best site; None where they are not all known."""
    view: View = together.views[result]
    table = view.table("predictions", task)
    site = together.best(task)[result]
    wanted = ["text_id", "text", "label", "predicted", "correct"]
    if table is None or not set(wanted) <= set(table.columns):
        return None
    rows = rows_at_site(table, (site.pooling, site.layer))[wanted]
    return rows.assign(correct=rows["correct"].fillna(False).astype(bool))
