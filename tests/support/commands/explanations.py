"""Decisions explained again, and rows of the tables of their checks."""

from analyses.attribute import table_functions
from analyses.context.explanations.explainer import Explainer
from analyses.context.explanations.explanations import explain_decisions


def explain_again(explanations, settings):
    """The decisions of the same probes, explained by other flags."""
    return explain_decisions(Explainer.prepare(explanations.explainer.results, settings))


def rows_of(explanations, table):
    """The rows of a table, of all cases."""
    compute_rows = table_functions()[table]
    return [row for case in explanations.cases for row in compute_rows(explanations, case)]


def content_scores(a):
    return a.scores[a.offsets[:, 0] >= 0]
