"""Mean scores of words over texts drawn at random, by the class that is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.context.explanations.explanations import Case, Explanations, explain_sample
from analyses.context.subject import Rows, Subject
from probes.checks import side_of_zero
from probes.results.schema.columns import RELIABLE_TEXTS

if TYPE_CHECKING:
    from analyses.context.subject import ExplanationSubject


def word_means(explanations: Explanations, case: Case) -> Rows:
    """Yield the mean score of every word of the sampled texts, and whether it is reliable."""
    from probes.attribution.word_means import word_means as mean_table

    table = mean_table(explain_sample(explanations, case))
    for row in table.to_dict("records"):
        columns = {str(name): value for name, value in row.items() if name != "task"}
        reliable = is_reliable(row["lower"], row["upper"], row["n_texts"])
        yield {"task": case.task, "head": case.head.kind, **columns, "reliable": reliable}


def is_reliable(lower: float, upper: float, n_texts: int) -> bool:
    """Return whether the mean of a word is informative: its interval leaves out 0, or enough texts hold the word."""
    return n_texts >= RELIABLE_TEXTS or side_of_zero(lower, upper) != "cannot_tell"


SUBJECT: ExplanationSubject = Subject(tables={"word_means": word_means})
