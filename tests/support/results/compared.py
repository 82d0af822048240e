"""Made-up results that were judged on the same texts, each saying of every text whether it has it right."""

import dataclasses

import numpy as np
import pandas as pd

from probes.results.result import AnalysisResult
from tests.support.results.probed import N, result

BEST = ("mean", 4)
"""The place that the made-up result chose."""


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
    columns = {"text": [f"text {i}" for i in ids], "label": np.array(["negative", "positive"], dtype=object)[ids % 2]}
    frames = [
        pd.DataFrame(
            {"task": task, "pooling": pooling, "layer": layer, "text_id": ids, **columns, "correct": is_correct}
        )
        for pooling, layer, is_correct in ((*BEST, hits), ("cls", 4, ~hits))
    ]
    # Rows come as they were written; what tells them apart is their number.
    texts = pd.concat(frames).sample(frac=1, random_state=0)
    return dataclasses.replace(base, claims=tuple(claims), tables={**base.tables, "predictions": texts})


def with_data(analysis: AnalysisResult, **test) -> AnalysisResult:
    """The same result, its test split described otherwise."""
    data = {**analysis.provenance.data, "test": {**analysis.provenance.data["test"], **test}}
    return dataclasses.replace(analysis, provenance=dataclasses.replace(analysis.provenance, data=data))
