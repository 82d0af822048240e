"""Faithfulness: what the head loses without the tokens that an attribution ranks first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import InputError, side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ExplanationSubject

SHARES = np.linspace(0, 1, 21)
"""Shares of a text's own tokens at which the curves of texts of any length are read."""


def faithfulness(explanations: Explanations, case: Case) -> Rows:
    """Yield the losses where tokens are removed in each method's order, and in random orders."""
    from probes.attribution_checks.faithfulness import faithfulness as measure_faithfulness

    # One call for all methods: sets of tokens that several orders remove are computed once.
    attributions = case.all_attributions
    measurements = measure_faithfulness(
        case.head,
        attributions,
        replacement=_replacement(explanations, case),
        seed=explanations.job.output.seed,
        encoded=explanations.explainer.encode(case.rows),
        progress=explanations.job.progress,
    )
    if not any(np.isfinite(measurement.scores.comprehensiveness) for measurement in measurements):
        raise InputError("no text has tokens left when some are removed")
    for attribution, measurement in zip(attributions, measurements, strict=True):
        scores_of_order = {"attribution": measurement.scores}
        for i, random_scores in enumerate(measurement.random_scores):
            scores_of_order[f"random {i}"] = random_scores
        for order, scores in scores_of_order.items():
            yield {
                "task": case.task,
                "head": case.head.kind,
                "layer": case.head.layer,
                "pooling": case.head.pooling,
                "method": attribution.method,
                "baseline": attribution.baseline,
                "text_id": attribution.text_id,
                "order": order,
                **dataclasses.asdict(scores),
            }


def perturbation_curves(explanations: Explanations, case: Case) -> Rows:
    """Yield the mean deletion and insertion curves of each method and of a random order."""
    from probes.attribution_checks.faithfulness import perturbation_curves as measure_curves

    explainer = explanations.explainer
    random_scores = explainer.explain(case.task, case.head, case.rows, method="random", targets=case.targets)
    for method, attributions in {**case.by_method, "random": random_scores}.items():
        curves = measure_curves(
            case.head,
            attributions,
            replacement=_replacement(explanations, case),
            encoded=explainer.encode(case.rows),
            progress=explanations.job.progress,
        )
        curves = [curve for curve in curves if len(curve.deletion) > 1]
        if not curves:
            continue
        deletion = _mean_curve([curve.deletion for curve in curves])
        insertion = _mean_curve([curve.insertion for curve in curves])
        for i, share in enumerate(SHARES.tolist()):
            yield {
                "task": case.task,
                "head": case.head.kind,
                "method": method,
                "share": share,
                "deletion": float(deletion[i]),
                "insertion": float(insertion[i]),
                "n": len(curves),
            }


def _mean_curve(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of curves of different lengths at `SHARES`."""
    interpolated = [np.interp(SHARES, np.linspace(0, 1, len(curve)), curve) for curve in curves]
    mean_curve: NDArray[np.float64] = np.mean(interpolated, axis=0)
    return mean_curve


def _replacement(explanations: Explanations, case: Case) -> str:
    from probes.attribution_checks.token_replacement import default_replacement

    replacement = explanations.settings.replacement
    return default_replacement(explanations.explainer.encoder, case.head) if replacement == "auto" else replacement


def claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield mean comprehensiveness and sufficiency of each head and method, and of random orders."""
    if "faithfulness" in tables:
        yield from _faithfulness_claims(tables["faithfulness"])
    if "perturbation_curves" in tables:
        yield from curve_claims(tables["perturbation_curves"])


def _faithfulness_claims(table: pd.DataFrame) -> Iterator[Claim]:
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_interval

    metrics = ["comprehensiveness", "sufficiency"]
    measured = table.dropna(subset="comprehensiveness")
    for (task, head, method), rows in measured.groupby(["task", "head", "method"], sort=False):
        is_attribution = rows["order"] == "attribution"
        means = rows[is_attribution].groupby("text_id")[metrics].mean()
        random_means = rows[~is_attribution].groupby("text_id")[metrics].mean()
        differences = (means - random_means)["comprehensiveness"]
        interval = mean_interval(differences, bounds=HIT_DIFFERENCES)
        numbers: dict[str, Any] = {"head": head, "method": method, "n": len(means)}
        for metric in metrics:
            numbers[metric] = float(means[metric].mean())
            numbers[f"random_{metric}"] = float(random_means[metric].mean())
        yield Claim("faithfulness", side_of_zero(*interval), str(task), numbers, interval)


def curve_claims(table: pd.DataFrame) -> Iterator[Claim]:
    """Yield the mean probability along each method's curves, and whether they are better than those of a random order.

    Args:
        table: Table `perturbation_curves`.
    """
    measured = table.dropna(subset=["deletion", "insertion"])
    for (task, head), rows in measured.groupby(["task", "head"], sort=False):
        means = rows.groupby("method", sort=False)[["deletion", "insertion"]].mean()
        mean_of_method = means.to_dict("index")
        random = mean_of_method.get("random")
        for method, mean in mean_of_method.items():
            outcome = "measured"
            if method != "random" and random is not None:
                outcome = _curve_outcome(mean, random)
            numbers: dict[str, Any] = {
                "head": str(head),
                "method": str(method),
                "deletion": mean["deletion"],
                "insertion": mean["insertion"],
                "n": int(rows["n"].iloc[0]),
            }
            yield Claim("perturbation_curves", outcome, str(task), numbers)


def _curve_outcome(mean: Mapping[Any, float], random: Mapping[Any, float]) -> str:
    """Return how many of a method's two curves are better than those of a random order."""
    falls_sooner = mean["deletion"] < random["deletion"]
    rises_sooner = mean["insertion"] > random["insertion"]
    if falls_sooner and rises_sooner:
        return "both"
    if falls_sooner or rises_sooner:
        return "one"
    return "neither"


SUBJECT: ExplanationSubject = Subject(
    tables={
        "faithfulness": faithfulness,
        "perturbation_curves": perturbation_curves,
    },
    claims=claims,
)
