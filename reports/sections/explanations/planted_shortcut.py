"""Planted shortcut: whether explanations rank a word first that is known to decide a probe's predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Table, columns
from reports.charts import dots
from reports.charts.canvas import Label
from reports.lookup import View, item, text, value
from reports.text import wording
from reports.text.wording import count, interval, name, percent, sentence

if TYPE_CHECKING:
    import pandas as pd

RANK_NAMES = {1: "ranked first", 3: "in the top 3", 5: "in the top 5"}
"""Number of first ranks that count as a hit -> its group in the chart."""
LEARNED = 95
"""Per cent of the predictions that must follow a planted word for the shortcut to count as learnt."""


def part(view: View) -> Part | None:
    """Return how often each method ranks the planted word among the first, beside chance."""
    sentences = list[str]()
    drawings = list[Drawing]()
    rows = list[tuple[str, ...]]()
    for task in view.tasks:
        claim = view.claim("planted_shortcut", task)
        if claim is None:
            continue
        if claim.outcome != "valid":
            sentences.append(view.about(task, _not_learned(claim)))
            continue
        hits, table = view.claim("planted_shortcut_hits", task), view.table("planted_shortcut", task)
        if hits is None or table is None:
            continue
        measured = table.dropna(subset=["hits", "lower", "upper", "chance"])
        if measured.empty:
            continue
        sentences.append(view.about(task, _learned(claim, hits)))
        subject = name(task) if len(view.tasks) > 1 else ""
        drawings.append(_chart(measured, f"planted-{len(drawings) + 1}", subject))
        rows += _rows(measured, (name(task),) if len(view.tasks) > 1 else ())
    if not sentences:
        return None
    task_column = ("task",) if len(view.tasks) > 1 else ()
    heading = (*task_column, "method", "ranks", "hits", "95 % CI", "random order", "texts")
    shape = columns(*heading, numeric=heading[-4:])
    table = Table("Hits, %.", rows=tuple(rows), folded=True, summary="Planted shortcut", **shape)
    return Part(sentences=tuple(sentences), drawings=tuple(drawings), tables=(table,) if rows else ())


def _experiment(claim: Claim) -> str:
    """Return what was planted and which probe was trained on it."""
    words = name(str(item(claim, "words") or ""), 120)
    site = wording.place(text(claim, "pooling"), int(value(claim, "layer")))
    return f"Planted shortcut: a probe on {site} was trained on labels that a planted word decides ({words})"


def _flipped(claim: Claim) -> str:
    """Return the share of predictions that follow the planted word, as `98.0 % of its predictions (n = 80)`."""
    return f"{percent(value(claim, 'flipped'))} of its predictions (n = {count(value(claim, 'n'))})"


def _not_learned(claim: Claim) -> str:
    return (
        f"{_experiment(claim)}; not learned: only {_flipped(claim)} follow the word when it is swapped, {LEARNED} % "
        "are required. Ranks of the word would mean nothing and are not shown."
    )


def _learned(claim: Claim, hits: Claim) -> str:
    method = sentence(wording.method(item(hits, "method")))
    share = f"{percent(value(hits, 'hits'))} [95 % CI {interval(hits.interval)}]"
    return (
        f"{_experiment(claim)}; {_flipped(claim)} follow the word when it is swapped. {method} ranks it first in "
        f"{share} of the texts, random order in {percent(value(hits, 'chance'))}."
    )


def _rows(table: pd.DataFrame, task_cells: tuple[str, ...]) -> list[tuple[str, ...]]:
    rows = list[tuple[str, ...]]()
    for row in table.itertuples():
        ranks = f"top {row.k}" if row.k > 1 else "first"
        limits = interval((row.lower, row.upper))
        cells = (wording.method(row.method), ranks, percent(row.hits), limits, percent(row.chance), count(row.n))
        rows.append((*task_cells, *cells))
    return rows


def _chart(table: pd.DataFrame, anchor: str, subject: str) -> Drawing:
    """Return hit rates of each method, beside chance."""
    data = table.sort_values("k", kind="stable")
    data = data.assign(
        group=[RANK_NAMES.get(int(k), f"in the top {int(k)}") for k in data["k"]],
        row=[wording.method(method) for method in data["method"]],
        note=[f"{100 * share:.0f} %" for share in data["hits"]],
        value=100 * data["hits"],
        lower=100 * data["lower"],
        upper=100 * data["upper"],
        floor=100 * data["chance"],
    )
    descriptions = (f"{row.row}, {row.group}: {row.note}, random order {row.floor:.0f} %" for row in data.itertuples())
    title = f"How often each method finds the planted word {subject}".rstrip()
    label = Label(anchor, title, f"{'; '.join(descriptions)}.")
    svg = dots.dots(data, label, quantity="% of the texts")
    about = f", {subject}" if subject else ""
    return Drawing(svg, f"Planted shortcut{about}: rank of the planted word. Lines: 95 % CI. Grey ticks: random order.")
