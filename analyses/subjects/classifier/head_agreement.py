"""Agreement of the fine-tuned heads: whether they rank the tokens of a text alike, and how faithful each ranking is."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.classifier.fine_tuned import FineTunedModels
from analyses.context.explanations.check_outcomes import check_claims, convergence_claims
from analyses.context.explanations.means import token_removal_by_text
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import InputError, side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ClassifierSubject

FAITHFULNESS_MEASURES = ("comprehensiveness", "random_comprehensiveness", "sufficiency", "random_sufficiency")


def fine_tuned_head_agreement(models: FineTunedModels) -> Rows:
    """Yield the rank correlation of the scores of each pair of heads, both for the class that the first predicts."""
    from probes.attribution_checks.agreement import token_agreement

    for head, other_head in itertools.combinations(models.attributions, 2):
        attributions = models.attributions[head]
        other_attributions = models.attributions[other_head]
        targets = [attribution.target for attribution in attributions]
        if [attribution.target for attribution in other_attributions] != targets:
            other_attributions = models.explain(other_head, targets=targets)
        for attribution, other_attribution in zip(attributions, other_attributions, strict=True):
            row: dict[str, Any] = {
                "head": head,
                "other_head": other_head,
                "text_id": attribution.text_id,
            }
            yield {**row, "correlation": token_agreement(attribution, other_attribution)}


def fine_tuned_faithfulness(models: FineTunedModels) -> Rows:
    """Yield the losses of each head without the tokens that its explanation ranks first, and in random orders."""
    from probes.attribution_checks.faithfulness import faithfulness
    from probes.attribution_checks.token_replacement import default_replacement

    for name, attributions in models.attributions.items():
        head = models.heads[name]
        measurements = faithfulness(
            head,
            attributions,
            replacement=default_replacement(head.encoder, head),
            seed=models.job.output.seed,
            encoded=models.encoded[name],
        )
        if not any(math.isfinite(measurement.scores.comprehensiveness) for measurement in measurements):
            raise InputError(f"no text has tokens that can be removed from the input of the {name} head")
        for attribution, measurement in zip(attributions, measurements, strict=True):
            scores_of_order = {"attribution": measurement.scores}
            for i, random_scores in enumerate(measurement.random_scores):
                scores_of_order[f"random {i}"] = random_scores
            for order, scores in scores_of_order.items():
                row: dict[str, Any] = {
                    "head": name,
                    "text_id": attribution.text_id,
                    "order": order,
                }
                yield {**row, **dataclasses.asdict(scores)}


def claims(models: FineTunedModels, tables: Tables) -> Iterator[Claim]:
    """Yield the mean rank correlation of each pair of heads, the mean losses of each head, and the checks passed."""
    if "fine_tuned_head_agreement" in tables:
        yield from _agreement_claims(models, tables["fine_tuned_head_agreement"])
    checked = list(convergence_claims([a for of_head in models.attributions.values() for a in of_head]))
    if "fine_tuned_faithfulness" in tables:
        checked += _faithfulness_claims(models, tables["fine_tuned_faithfulness"])
    yield from checked
    yield from check_claims(checked, tables)


def _agreement_claims(models: FineTunedModels, table: pd.DataFrame) -> Iterator[Claim]:
    """Yield the mean rank correlation of each pair of heads."""
    from probes.statistics.intervals import CORRELATIONS, mean_interval

    for (head, other_head), rows in table.groupby(["head", "other_head"], sort=False):
        correlations = rows["correlation"].dropna().to_numpy()
        if not len(correlations):
            continue
        numbers: dict[str, Any] = {
            "head": str(head),
            "other_head": str(other_head),
        }
        numbers["correlation"] = float(correlations.mean())
        numbers["n"] = len(correlations)
        interval = mean_interval(correlations, bounds=CORRELATIONS)
        yield Claim("fine_tuned_head_agreement", side_of_zero(*interval), models.task, numbers, interval)


def _faithfulness_claims(models: FineTunedModels, table: pd.DataFrame) -> Iterator[Claim]:
    """Yield whether a head's decisions depend on the tokens ranked first more than on random ones."""
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_interval

    for head, rows in token_removal_by_text(table, ["head"]).groupby("head", sort=False):
        differences = rows["comprehensiveness_difference"].dropna().to_numpy(dtype=np.float64)
        if not len(differences):
            continue
        numbers: dict[str, Any] = {"head": str(head)}
        for measure in FAITHFULNESS_MEASURES:
            numbers[measure] = float(rows[measure].mean())
        numbers["difference"] = float(differences.mean())
        numbers["n"] = len(differences)
        interval = mean_interval(differences, bounds=HIT_DIFFERENCES)
        yield Claim("fine_tuned_faithfulness", side_of_zero(*interval), models.task, numbers, interval)


SUBJECT: ClassifierSubject = Subject(
    tables={
        "fine_tuned_head_agreement": fine_tuned_head_agreement,
        "fine_tuned_faithfulness": fine_tuned_faithfulness,
    },
    claims=claims,
)
