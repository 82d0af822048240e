"""Training: accuracy of the fine-tuned heads, their differences, and losses by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import Style, styles_of_heads
from reports.lookup import View, item, n_of_claims, value
from reports.sections.classifier.panel_rows import RowWords, line_drawings
from reports.sections.small_multiples import in_points, legend
from reports.text import wording
from reports.text.wording import confidence, count, decimal, name, percent, points, sample_size, sentence

SAME_TRAINING = "All heads begin with the same weights and see the same texts in the same order; a seed sets both."
POOLED = (
    "The standard classifier of BERT reads the pooled output: tanh of one linear layer over the last hidden state of "
    "[CLS], and of no other token."
)
CURVES = (
    ("validation_loss", "Validation loss, nats"),
    ("validation_accuracy", "Validation accuracy, %"),
)
"""Column of the table of epochs -> the heading of its chart."""
VERBS = {"above": "exceeds", "below": "is below", "cannot_tell": "does not differ significantly from"}


def section(view: View) -> Section | None:
    """Return the differences of the heads, their test scores, and loss and accuracy by epoch and seed."""
    epochs = view.table("fine_tuning_epochs")
    sentences = tuple(difference_sentences(view))
    tables = list[Table]()
    panels: tuple[Panels, ...] = ()
    scores = _scores(view)
    if scores is not None:
        tables.append(scores)
    if epochs is not None:
        tables.append(_epoch_table(epochs))
        panels = _panels(epochs)
    if not tables and not sentences:
        return None
    part = Part(panels=panels, tables=tuple(tables))
    return Section("Test accuracy of the heads", "training", sentences, (part,), _notes(view))


def _notes(view: View) -> tuple[str, ...]:
    """Return what the pooler head reads, and what the runs have in common."""
    epochs = view.table("fine_tuning_epochs")
    heads = {item(claim, "head") for claim in view.stated("fine_tuned_accuracy")}
    notes = list[str]()
    if "pooler" in heads:
        notes.append(POOLED)
        random = view.claim("random_pooler")
        if random is not None:
            reason = name(str(item(random, "reason") or ""), 300)
            notes.append(f"The pooler of this encoder is untrained ({reason}): fine-tuning begins from random weights.")
    if epochs is not None and epochs["head"].nunique() > 1:
        notes.append(SAME_TRAINING)
    return tuple(notes)


def difference_sentences(view: View) -> Iterator[str]:
    """Yield which heads differ, a sentence for each outcome."""
    claims = view.stated("fine_tuned_difference")
    sample = sample_size(n_of_claims(claims))
    for outcome, verb in VERBS.items():
        phrases = [_difference(claim, verb) for claim in claims if claim.outcome == outcome]
        if phrases:
            yield sentence(f"{'; '.join(phrases)}{sample}.")


def _difference(claim: Claim, verb: str) -> str:
    """Return `the [CLS] head exceeds the pooler head by +2.8 points [95 % CI 0.6, 5.0]`."""
    head = wording.head(item(claim, "head"))
    other_head = wording.head(item(claim, "other_head"))
    difference = points(value(claim, "difference"))
    return f"{head} {verb} {other_head} ({difference} points{confidence(claim.interval, before=' ')})"


def _panels(epochs: pd.DataFrame) -> tuple[Panels, ...]:
    """Return loss and accuracy on validation over the epochs, a line for each head and seed."""
    styles = styles_of_heads(epochs["head"])
    runs = dict[str, Style]()
    series = epochs["head"].astype(str) + " " + epochs["seed"].astype(str)
    for run, head in zip(series, epochs["head"], strict=True):
        runs[run] = styles[head]
    drawings = list[Drawing]()
    for column, heading in CURVES:
        names = {"epoch": "x", column: "value"}
        frame = epochs.assign(series=series)
        frame = frame.rename(columns=names)
        if column.endswith("accuracy"):
            frame = in_points(frame, ("value",))
        measured = frame.loc[frame["value"].notna(), ["series", "x", "value"]]
        anchor = column.replace("_", "-")
        words = RowWords(f"training-{anchor}", "By epoch", "")
        limits = shared_limits([measured])
        options = PanelOptions(limits, x_title="epoch", digits=2)
        drawings += line_drawings({heading: measured}, runs, options, words)
    n_seeds = epochs["seed"].nunique()
    caption = "By epoch." if n_seeds == 1 else f"By epoch, a line for each of {n_seeds} seeds."
    return (Panels(tuple(drawings), caption, legend(styles)),) if drawings else ()


def _epoch_table(epochs: pd.DataFrame) -> Table:
    """Return the numbers of every epoch."""
    rows = list[tuple[str, ...]]()
    for row in epochs.itertuples():
        cells = (
            sentence(wording.short_head(row.head)),
            str(row.seed),
            str(row.epoch),
            decimal(row.train_loss),
            decimal(row.validation_loss),
            percent(row.validation_accuracy),
            "kept" if row.best else "",
            decimal(row.seconds, 0),
        )
        rows.append(cells)
    heading = ("head", "seed", "epoch", "training loss", "validation loss", "validation accuracy", "", "seconds")
    numeric = [text for text in heading[1:] if text]
    return Table("", rows=tuple(rows), folded=True, summary="All epochs", **columns(*heading, numeric=numeric))


def _scores(view: View) -> Table | None:
    """Return the test scores, a row for each head and seed."""
    scores = view.table("fine_tuned_accuracy")
    if scores is None:
        return None
    cells = dict[tuple[str, Any], dict[str, str]]()
    for row in scores.itertuples():
        is_share = row.metric in wording.SHARES
        score = percent(row.value) if is_share else decimal(row.value)
        if row.metric == "accuracy":
            limits = (row.lower, row.upper)
            score += confidence(limits, before=" ")
        run = (row.head, row.seed)
        by_metric = cells.setdefault(run, {})
        by_metric[row.metric] = score
    metrics = list(dict.fromkeys(scores["metric"]))
    rows = list[tuple[str, ...]]()
    for (head, seed), by_metric in cells.items():
        metric_cells = [by_metric.get(metric, wording.MISSING) for metric in metrics]
        rows.append((sentence(wording.short_head(head)), str(seed), *metric_cells))
    metric_names = [wording.METRICS.get(metric, name(metric)) for metric in metrics]
    heading = ("head", "seed", *metric_names)
    caption = f"On test, n = {count(scores['n'].max())}; in brackets 95 % CI."
    return Table(
        caption,
        rows=tuple(rows),
        folded=True,
        summary="Test scores of every seed",
        **columns(*heading, numeric=heading[1:]),
    )
