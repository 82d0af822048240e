"""Plausibility: whether the tokens ranked first are those that annotators marked as the reasons of the label."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.subject import ExplanationSubject

METRICS = ("auprc", "f1", "iou")


def plausibility(explanations: Explanations, case: Case) -> Rows:
    """Yield the agreement of each method's ranking with the rationales, and that of random rankings."""
    from probes.attribution_checks.plausibility import plausibility as measure_plausibility

    test = explanations.job.splits.test
    rationales = test.dataset.rationales.get(case.task)
    if rationales is None:
        return
    spans = [rationales[test.rows[row]] for row in case.rows]
    for method, attributions in case.by_method.items():
        measurements = measure_plausibility(attributions, spans, seed=explanations.job.output.seed)
        for attribution, measurement in zip(attributions, measurements, strict=True):
            if measurement is None:
                continue
            row: dict[str, Any] = {"task": case.task, "head": case.head.kind, "method": method}
            row["text_id"] = attribution.text_id
            row.update(dataclasses.asdict(measurement.scores))
            for metric, value in dataclasses.asdict(measurement.random_scores).items():
                row[f"random_{metric}"] = value
            row["n_marked"] = measurement.n_rationale_tokens
            row["n_tokens"] = measurement.n_tokens
            yield row


def claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield the mean agreement of each head and method, and that of random rankings."""
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_interval

    if "plausibility" not in tables:
        return
    table = tables["plausibility"]
    for (task, head, method), rows in table.groupby(["task", "head", "method"], sort=False):
        interval = mean_interval(rows["auprc"] - rows["random_auprc"], bounds=HIT_DIFFERENCES)
        numbers: dict[str, Any] = {"head": head, "method": method, "n": len(rows)}
        for metric in METRICS:
            numbers[metric] = float(rows[metric].mean())
            numbers[f"random_{metric}"] = float(rows[f"random_{metric}"].mean())
        yield Claim("plausibility", side_of_zero(*interval), str(task), numbers, interval)


SUBJECT: ExplanationSubject = Subject(tables={"plausibility": plausibility}, claims=claims)
