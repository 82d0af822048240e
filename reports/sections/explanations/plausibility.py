"""Plausibility: agreement of attributions with the words that annotators marked."""

from __future__ import annotations

from probes.results.result import Claim
from reports.blocks import Part, Table, columns
from reports.lookup import Mean, View, item, means_by_group, value
from reports.sections.explanations.attributions import deciding_words
from reports.text import wording
from reports.text.wording import between, count, decimal

MEASURES = {"auprc": "AUPRC", "f1": "token F1", "iou": "IoU"}
"""Measure of plausibility -> its column in the table."""


def part(view: View) -> Part | None:
    """Return the agreement of each method with the marked words, beside random orders."""
    sentences = list[str]()
    rows = list[tuple[str, ...]]()
    for task in view.tasks:
        claims = view.claims("plausibility", task)
        sentences += [view.about(task, _claim_sentence(claim)) for claim in claims]
        if sentence := deciding_words(view, task):
            sentences.append(view.about(task, sentence))
        means = means_by_group(view.table("plausibility_means", task), "head", "method")
        for (head, method), by_measure in means.items():
            rows.append((*view.row_subject(task, head), wording.method(method), *_cells(by_measure)))
    if not sentences and not rows:
        return None
    table = _table(view, rows)
    return Part(sentences=tuple(sentences), tables=(table,) if rows else ())


def _claim_sentence(claim: Claim) -> str:
    """Return the agreement with the marked tokens, beside that of random orders."""
    names = ("auprc", "random_auprc", "f1", "random_f1")
    auprc, random_auprc, f1, random_f1 = (decimal(value(claim, name), 2) for name in names)
    return (
        f"Plausibility of {wording.head(item(claim, 'head'))}, {wording.method(item(claim, 'method'))}: AUPRC {auprc}, "
        f"random order {random_auprc} (difference [95 % CI {between(claim.interval)}], n = {count(value(claim, 'n'))});"
        f" token F1 {f1}, random order {random_f1}."
    )


def _cells(means: dict[str, Mean]) -> list[str]:
    """Return the number of texts, then each measure with its interval and that of random orders."""
    cells = [count(max(mean.n for mean in means.values()))]
    for measure in MEASURES:
        mean, random = means[measure], means[f"random_{measure}"]
        cells += [f"{decimal(mean.value, 2)} [{between(mean.interval)}]", decimal(random.value, 2)]
    return cells


def _table(view: View, rows: list[tuple[str, ...]]) -> Table:
    names = list[str]()
    for name in MEASURES.values():
        names += [name, f"{name}, random order"]
    heading = (*view.subject_columns, "method", "texts", *names)
    caption = "Means over the texts with marked words [95 % CI]."
    shape = columns(*heading, numeric=heading[-7:])
    return Table(caption, rows=tuple(rows), folded=True, summary="Plausibility", **shape)
