"""Infidelity: how far scores are from predicting what a head loses where sets of tokens are replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ExplanationSubject


def infidelity(explanations: Explanations, case: Case) -> Rows:
    """Yield how far each method's scores are from predicting the losses where sets of tokens are replaced."""
    from probes.attribution_checks.infidelity import infidelity as measure_infidelity

    for method, attributions in case.by_method.items():
        measurements = measure_infidelity(
            case.head,
            attributions,
            baseline=explanations.explainer.baseline[case.task],  # one for all methods, also for those without
            seed=explanations.job.output.seed,
            encoded=explanations.explainer.encode(case.rows),
            progress=explanations.job.progress,
        )
        for attribution, measurement in zip(attributions, measurements, strict=True):
            yield {
                "task": case.task,
                "head": case.head.kind,
                "method": method,
                "text_id": attribution.text_id,
                "value": measurement.error,
                "scaled": measurement.scaled_error,
                "silent": measurement.zero_score_error,
                "n_tokens": measurement.n_tokens,
            }


def infidelity_claims(means: pd.DataFrame) -> Iterator[Claim]:
    """Yield whether the lowest infidelity of a head differs from the next one by more than its sampling error."""
    for (task, head), rows in means.groupby(["task", "head"], sort=False):
        measured = rows[(rows["method"] != "random") & rows["value"].notna()]
        ranked = measured.sort_values("value", kind="stable").to_dict("records")
        if not ranked:
            continue
        lowest = ranked[0]
        numbers = {"head": head, "method": lowest["method"], "infidelity": lowest["value"], "n": lowest["n"]}
        outcome = "measured"
        if len(ranked) > 1:
            following = ranked[1]
            numbers["other_method"] = following["method"]
            outcome = "below" if lowest["upper"] < following["lower"] else "cannot_tell"
        yield Claim("infidelity", outcome, str(task), numbers, (lowest["lower"], lowest["upper"]))


def claims(_: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield the claims of the table of means, where infidelity was measured."""
    if "infidelity_means" in tables:
        yield from infidelity_claims(tables["infidelity_means"])


SUBJECT: ExplanationSubject = Subject(tables={"infidelity": infidelity}, claims=claims)
