"""Plausibility: whether explanations rank the words first that people marked as the reason."""

from __future__ import annotations

from probes.results.result import Claim
from reports.blocks import Part, Table, columns
from reports.lookup import Mean, View, item, means_by_group, value
from reports.sections.explanations.attributions import deciding_words
from reports.sections.explanations.faithfulness import answer
from reports.text import wording
from reports.text.wording import between, count, decimal, plural

MEASURES = {"auprc": "precision and recall", "f1": "F1", "iou": "overlap (IoU)"}
"""Measure of plausibility -> its column in the table."""


def part(view: View) -> Part | None:
    """Return the agreement of each method with the marked words, beside random orders."""
    sentences = list[str]()
    rows = list[tuple[str, ...]]()
    has_deciding_words = False
    for task in view.tasks:
        claims = view.claims("plausibility", task)
        sentences += [view.about(task, _claim_sentence(claim)) for claim in claims]
        if sentence := deciding_words(view, task):
            has_deciding_words = True
            sentences.append(view.about(task, sentence))
        means = means_by_group(view.table("plausibility_means", task), "head", "method")
        for (head, method), by_measure in means.items():
            rows.append((*view.row_subject(task, head), wording.method(method), *_cells(by_measure)))
    if not sentences and not rows:
        return None
    table = _table(view, rows)
    meaning = (
        "What was marked is the reason for people. The classifier may have another, which an explanation should "
        "then find."
    )
    notes = (meaning,) if rows or not has_deciding_words else ()
    return Part("Does it find the marked reasons?", tuple(sentences), tables=(table,) if rows else (), notes=notes)


def _claim_sentence(claim: Claim) -> str:
    """Return where the marked tokens stand in the ranking, beside random orders."""
    names = ("auprc", "random_auprc", "f1", "random_f1")
    auprc, random_auprc, f1, random_f1 = (decimal(value(claim, name), 2) for name in names)
    n_texts = plural(int(value(claim, "n")), "text")
    doubt = ", not told apart" if claim.outcome == "cannot_tell" else ""
    return (
        f"{answer(claim)} In {n_texts} with words that somebody marked as the reason, "
        f"{wording.method(item(claim, 'method'))} of {wording.head(item(claim, 'head'))} finds them with a "
        f"mean precision of {auprc}, random orders with {random_auprc} (area under the curve of precision and recall; "
        f"95 % interval of the difference {between(claim.interval)}{doubt}); F1 {f1} against {random_f1}."
    )


def _cells(means: dict[str, Mean]) -> list[str]:
    """Return the number of texts, then each measure with its interval and that of random orders."""
    cells = [count(max(mean.n for mean in means.values()))]
    for measure in MEASURES:
        mean, random = means[measure], means[f"random_{measure}"]
        cells += [f"{decimal(mean.value, 2)} ({between(mean.interval)})", decimal(random.value, 2)]
    return cells


def _table(view: View, rows: list[tuple[str, ...]]) -> Table:
    names = list[str]()
    for name in MEASURES.values():
        names += [name, f"{name}, random"]
    heading = (*view.subject_columns, "method", "texts", *names)
    caption = "Means over the texts that have marked words, with 95 % intervals; random orders beside them."
    shape = columns(*heading, numeric=heading[-7:])
    return Table(caption, rows=tuple(rows), folded=True, **shape)
