"""Made-up results that were judged on the same texts, each with the texts that it classifies correctly."""

import dataclasses

import numpy as np
import pandas as pd

from probes.results.packed_flags import pack_flags
from probes.results.result import AnalysisResult
from tests.support.results.probed import N, result

BEST = ("mean", 4)
"""The site that the made-up result chose."""


def right(share: float, seed: int = 0) -> np.ndarray:
    """Which of the texts are right, so many that it makes the share."""
    wanted = np.arange(N) < round(share * N)
    return np.random.default_rng(seed).permutation(wanted)


def judged(hits: np.ndarray, *, task: str = "sentiment", **options) -> AnalysisResult:
    """A result of one label column whose chosen probe has these texts right."""
    base = result(tasks={task: ("negative", "positive")}, **options)
    claims = [
        dataclasses.replace(c, numbers={**c.numbers, "accuracy": float(hits.mean()), "n": len(hits)})
        if c.id == "best_site"
        else c
        for c in base.claims
    ]
    ids = np.arange(len(hits))
    labels = np.array(["negative", "positive"], dtype=object)
    columns = {"text": [f"text {i}" for i in ids], "label": labels[ids % 2]}
    frames = [
        pd.DataFrame(
            {
                **{"task": task, "pooling": pooling, "layer": layer, "text_id": ids, **columns},
                **{"predicted": labels[(ids + ~is_correct) % 2], "correct": is_correct},
            }
        )
        for pooling, layer, is_correct in ((*BEST, hits), ("cls", 4, ~hits))
    ]
    # Rows come as they were written; what tells them apart is their number.
    texts = pd.concat(frames).sample(frac=1, random_state=0)
    metrics, correct_by_site = _with_hits_by_site(base.tables["metrics"], task, hits)
    tables = {**base.tables, "metrics": metrics, "predictions": texts, "correct_by_site": correct_by_site}
    return dataclasses.replace(base, claims=tuple(claims), tables=tables)


def _with_hits_by_site(metrics: pd.DataFrame, task: str, hits: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The scores, with test accuracies of as many texts as each site has right, and these texts themselves."""
    metrics = metrics.copy()
    is_site = (metrics["probe"] == "logistic") & (metrics["split"] == "test") & (metrics["metric"] == "accuracy")
    rows = []
    for row in metrics[is_site].itertuples():
        site = (row.pooling, int(row.layer))
        # Other sites differ from the chosen one on a few texts.
        changed = np.random.default_rng(len(rows)).random(len(hits)) < 0.05 * abs(row.layer - BEST[1])
        hits_of_site = hits if site == BEST else hits ^ changed
        accuracy = float(hits_of_site.mean())
        metrics.loc[row.Index, ["value", "lower", "upper"]] = [accuracy, accuracy - 0.03, accuracy + 0.03]
        rows.append((task, *site, pack_flags(hits_of_site), len(hits)))
    return metrics, pd.DataFrame(rows, columns=["task", "pooling", "layer", "packed_correct", "n"])


def with_data(analysis: AnalysisResult, **test) -> AnalysisResult:
    """The same result, its test split described otherwise."""
    data = {**analysis.provenance.data, "test": {**analysis.provenance.data["test"], **test}}
    return dataclasses.replace(analysis, provenance=dataclasses.replace(analysis.provenance, data=data))


def with_train(analysis: AnalysisResult, **train) -> AnalysisResult:
    """The same result, its training split described otherwise."""
    data = {**analysis.provenance.data, "train": {**analysis.provenance.data["train"], **train}}
    return dataclasses.replace(analysis, provenance=dataclasses.replace(analysis.provenance, data=data))
