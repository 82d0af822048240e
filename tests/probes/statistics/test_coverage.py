"""Whether a 95 % interval holds the true score 95 % of the time, by simulation."""

import numpy as np
import pytest

from probes.statistics.bootstrap import Predictions, bootstrap
from probes.statistics.metrics import METRICS

SIMULATIONS = 2000
EXAMPLES = 1000
COVERED = ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "auroc", "log_loss")
"""Not the calibration error, which a sample puts too high: no promise is made of it, its coverage is only printed."""


@pytest.mark.soak
@pytest.mark.parametrize("n_classes", [2, 3])
def test_intervals_hold_the_score_of_the_population(n_classes):
    """The samples are drawn, with replacement, from 20,000 examples: their scores are the true ones, exactly."""
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.3, 0.2])[:n_classes]
    labels = rng.choice(n_classes, size=20_000, p=shares / shares.sum())
    logits = 2.2 * (rng.standard_normal((20_000, n_classes)) + 1.5 * np.eye(n_classes)[labels])  # too sure of itself
    log_prob = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    truth = {name: metric(labels, log_prob) for name, metric in METRICS.items()}
    assert 0.7 < truth["accuracy"] < 0.9
    covered = dict.fromkeys(METRICS, 0)
    for simulation in range(SIMULATIONS):
        rows = np.random.default_rng((1, simulation)).integers(len(labels), size=EXAMPLES)
        resampled = bootstrap(labels[rows], [Predictions.of(log_prob[rows])], resamples=1000, seed=simulation)
        for name, value in truth.items():
            lower, upper = resampled.interval(name, 0)
            covered[name] += lower <= value <= upper
    coverage = {name: count / SIMULATIONS for name, count in covered.items()}
    print(f"{n_classes} classes, {EXAMPLES} examples, coverage of 95 % intervals:", coverage)
    # Three standard deviations of a share of .95 of 2,000 simulations are .0146.
    reach = 3 * np.sqrt(0.95 * 0.05 / SIMULATIONS)
    for name in COVERED:
        assert abs(coverage[name] - 0.95) < reach, (name, coverage[name])
