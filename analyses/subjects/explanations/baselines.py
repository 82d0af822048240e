"""Baselines: what the head predicts at them, and how much the ranking of tokens depends on the choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.explanations.explainer import Explainer
    from analyses.context.subject import ExplanationSubject


def baseline_agreement(explanations: Explanations, case: Case) -> Rows:
    """Yield, for every further baseline, the agreement of its scores with those of the baseline that is used."""
    from probes.attribution_checks.agreement import same_top, token_agreement

    explainer = explanations.explainer
    for other_baseline in explainer.baselines(case.task)[1:]:
        other_attributions = explainer.explain(
            case.task, case.head, case.rows, baseline=other_baseline, targets=case.targets
        )
        for attribution, other_attribution in zip(case.attributions, other_attributions, strict=True):
            yield {
                "task": case.task,
                "head": case.head.kind,
                "method": attribution.method,
                "baseline": attribution.baseline,
                "other_baseline": other_baseline,
                "text_id": attribution.text_id,
                "correlation": token_agreement(attribution, other_attribution),
                "same_top": same_top(attribution, other_attribution),
            }


def claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield the bias of the baseline of each head, and how far rankings by other baselines agree."""
    biases_of_task: dict[str, Mapping[str, float]] = {}
    for case in explanations.cases:
        distances = _distances(explanations, case)
        if distances:
            if case.task not in biases_of_task:
                biases_of_task[case.task] = _mean_biases(explanations.explainer, case.task)
            yield _baseline_bias(explanations, case, np.array(distances), biases_of_task[case.task])
    if "baseline_agreement" in tables:
        yield from _agreement_claims(tables["baseline_agreement"])


def _distances(explanations: Explanations, case: Case) -> list[float]:
    """Return, for each text, the distance of the prediction at the baseline from the class shares."""
    from probes.attribution.baseline_bias import baseline_bias

    prior = explanations.explainer.class_shares(case.task)
    distances = []
    for attribution in case.attributions:
        if attribution.baseline_probabilities:
            probabilities = [attribution.baseline_probabilities[name] for name in case.head.class_names]
            distances.append(baseline_bias(probabilities, prior))
    return distances


def _mean_biases(explainer: Explainer, task: str) -> dict[str, float]:
    """Return the bias of every baseline, a mean over the explained texts and the heads."""
    from probes.attribution.baseline_bias import baseline_biases

    encoded = explainer.encode(explainer.rows[task])
    prior = explainer.class_shares(task)
    biases_of_heads = [
        baseline_biases(head, encoded, prior=prior, seed=explainer.job.output.seed) for head in explainer.heads[task]
    ]
    return {name: float(np.mean([biases[name] for biases in biases_of_heads])) for name in biases_of_heads[0]}


def _baseline_bias(
    explanations: Explanations, case: Case, distances: np.ndarray[Any, Any], mean_biases: Mapping[str, float]
) -> Claim:
    """Return how far the baseline's prediction is from the class shares, and the baseline that is nearest to them."""
    from probes.attribution.baseline_bias import MAX_BASELINE_BIAS

    n_informed = int((distances > MAX_BASELINE_BIAS).sum())
    nearest = min(mean_biases, key=mean_biases.__getitem__)
    numbers: dict[str, Any] = {
        "head": case.head.kind,
        "baseline": case.attributions[0].baseline,
        "n": len(distances),
        "n_informed": n_informed,
        "distance": float(distances.mean()),
        "nearest": nearest,
        "nearest_distance": mean_biases[nearest],
        "limit": MAX_BASELINE_BIAS,
    }
    if explanations.settings.baseline == "auto":
        numbers["chosen_for"] = explanations.explainer.heads[case.task][0].kind
    return Claim("baseline_bias", "informed" if n_informed else "uninformed", case.task, numbers)


def _agreement_claims(table: pd.DataFrame) -> Iterator[Claim]:
    """Yield the mean rank correlation between baselines, and the baseline with the lowest one."""
    from probes.statistics.intervals import CORRELATIONS, mean_interval

    for (task, head, method), rows in table.groupby(["task", "head", "method"], sort=False):
        text_means = rows.groupby("text_id")["correlation"].mean().dropna()
        if not len(text_means):
            continue
        baseline_means = rows.groupby("other_baseline")["correlation"].mean()
        numbers: dict[str, Any] = {
            "head": head,
            "method": method,
            "n_baselines": 1 + len(baseline_means),
            "n": len(text_means),
            "correlation": float(text_means.mean()),
            "same_top": float(rows["same_top"].mean()),
            "lowest": str(baseline_means.idxmin()),
            "lowest_correlation": float(baseline_means.min()),
        }
        yield Claim(
            "baseline_agreement", "measured", str(task), numbers, mean_interval(text_means, bounds=CORRELATIONS)
        )


SUBJECT: ExplanationSubject = Subject(tables={"baseline_agreement": baseline_agreement}, claims=claims)
