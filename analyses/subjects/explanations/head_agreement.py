"""Agreement of the explained heads: whether the checkpoint's own classifier ranks tokens as the probe does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.subject import ExplanationSubject


def explained_head_agreement(explanations: Explanations, case: Case) -> Rows:
    """Yield the rank correlation of the classifier's scores with the probe's, both for the class of the probe."""
    from probes.attribution_checks.agreement import token_agreement

    if case.head.kind != "model":
        return
    for probe_case in explanations.cases:
        if probe_case.task != case.task or probe_case.head.kind != "probe":
            continue
        attributions = case.attributions
        if case.targets != probe_case.targets:
            explain = explanations.explainer.explain
            attributions = explain(case.task, case.head, case.rows, targets=probe_case.targets)
        for probe_attribution, attribution in zip(probe_case.attributions, attributions, strict=True):
            correlation = token_agreement(probe_attribution, attribution)
            yield {"task": case.task, "text_id": attribution.text_id, "correlation": correlation}


def claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield the mean rank correlation of the two heads on each label column."""
    from probes.statistics.intervals import CORRELATIONS, mean_interval

    if "explained_head_agreement" not in tables:
        return
    for task, rows in tables["explained_head_agreement"].groupby("task", sort=False):
        correlations = rows["correlation"].dropna()
        if len(correlations):
            interval = mean_interval(correlations, bounds=CORRELATIONS)
            numbers: dict[str, Any] = {"correlation": float(correlations.mean()), "n": len(correlations)}
            yield Claim("explained_head_agreement", side_of_zero(*interval), str(task), numbers, interval)


SUBJECT: ExplanationSubject = Subject(tables={"explained_head_agreement": explained_head_agreement}, claims=claims)
