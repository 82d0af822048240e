"""Mean scores of words over texts drawn at random, by the class that is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.context.explanations.explanations import Case, Explanations, explain_sample
from analyses.context.subject import Rows, Subject

if TYPE_CHECKING:
    from analyses.context.subject import ExplanationSubject


def word_means(explanations: Explanations, case: Case) -> Rows:
    """Yield the mean score of every word that is frequent among the sampled texts."""
    from probes.attribution.word_means import word_means as mean_table

    table = mean_table(explain_sample(explanations, case))
    for row in table.to_dict("records"):
        columns = {str(name): value for name, value in row.items() if name != "task"}
        yield {"task": case.task, "head": case.head.kind, **columns}


SUBJECT: ExplanationSubject = Subject(tables={"word_means": word_means})
