"""The interval with training and test sampling: closed forms, and its coverage by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from probes import InputError, LogisticProbe
from probes.statistics.intervals import wilson_interval
from probes.statistics.training_variance import training_and_test_interval


@pytest.mark.parametrize("accuracy", [0.0, 0.62, 1.0])
def test_without_variance_over_training_samples_it_is_wilsons(accuracy):
    assert training_and_test_interval(accuracy, 200, np.full(20, 0.6)) == wilson_interval(accuracy, 200)


def test_for_many_test_examples_it_is_students_interval_of_the_variance_of_the_refits():
    refits = np.random.default_rng(0).normal(0.75, 0.02, size=20)
    lower, upper = training_and_test_interval(0.77, 10**9, refits)
    half_width = t.ppf(0.975, 19) * refits.std(ddof=1)
    assert (upper - lower) / 2 == pytest.approx(half_width, rel=0.01)
    assert lower < 0.77 < upper


def test_equal_variances_from_both_samples_double_the_variance():
    n, accuracy = 4000, 0.8
    deviation = math.sqrt(accuracy * (1 - accuracy) / n)
    refits = accuracy + deviation * np.tile([-1.0, 1.0], 500)
    lower, upper = training_and_test_interval(accuracy, n, refits)
    wilson_lower, wilson_upper = wilson_interval(accuracy, n)
    assert (upper - lower) / (wilson_upper - wilson_lower) == pytest.approx(math.sqrt(2), rel=0.01)


@pytest.mark.parametrize("accuracy", [0.0, 0.03, 0.5, 1.0])
def test_it_holds_wilsons_interval_and_stays_within_0_and_1(accuracy):
    refits = np.clip(np.random.default_rng(1).normal(accuracy, 0.03, size=20), 0, 1)
    lower, upper = training_and_test_interval(accuracy, 300, refits)
    wilson_lower, wilson_upper = wilson_interval(accuracy, 300)
    assert 0 <= lower <= wilson_lower
    assert wilson_upper <= upper <= 1


def test_a_single_refit_shows_no_variance_and_is_refused():
    with pytest.raises(InputError, match="two refits"):
        training_and_test_interval(0.5, 100, np.array([0.5]))


def gaussian_classes(rng, n, shift):
    """Draw labels and features of two classes whose means lie at plus and minus `shift`."""
    labels = rng.integers(2, size=n)
    signs = 2 * labels - 1
    noise = rng.standard_normal((n, len(shift)))
    return labels, (noise + signs[:, None] * shift).astype(np.float32)


def simulated_intervals(n_train, n_test, hidden, distance, c, seed):
    """Return a probe's expected accuracy in closed form, its interval with both samples, and Wilson's."""
    rng = np.random.default_rng((n_train, n_test, hidden, seed))
    shift = np.zeros(hidden)
    shift[0] = distance / 2
    labels, features = gaussian_classes(rng, n_train, shift)
    test_labels, test_features = gaussian_classes(rng, n_test, shift)
    fitter = LogisticProbe().prepare(features)
    (probe,) = fitter.fit_many(labels[None], (c,), n_classes=2)
    counts = rng.multinomial(n_train, np.full(n_train, 1 / n_train), size=20).astype(np.float32)
    refits = fitter.fit_many(np.tile(labels, (20, 1)), (c,) * 20, n_classes=2, weights=counts, start=probe, tol=1e-5)
    refit_accuracies = np.array([(refit.predict(test_features) == test_labels).mean() for refit in refits])
    accuracy = float((probe.predict(test_features) == test_labels).mean())
    # The logit of a text of either class is normal.
    weight = probe.weight[1] - probe.weight[0]
    origin, at_shift = probe.log_prob(np.stack([np.zeros(hidden), shift]).astype(np.float32))
    bias = origin[1] - origin[0]
    reach = at_shift[1] - at_shift[0] - bias
    length = np.linalg.norm(weight)
    truth = (norm.cdf((reach + bias) / length) + norm.cdf((reach - bias) / length)) / 2
    interval = training_and_test_interval(accuracy, n_test, refit_accuracies)
    return truth, interval, wilson_interval(accuracy, n_test)


def coverage(n_simulations, *setting):
    """Return the shares of the simulations in which the mean accuracy lies in the interval, and in Wilson's."""
    simulations = [simulated_intervals(*setting, seed) for seed in range(n_simulations)]
    mean = np.mean([truth for truth, _, _ in simulations])
    covered = [lower <= mean <= upper for _, (lower, upper), _ in simulations]
    covered_by_wilson = [lower <= mean <= upper for _, _, (lower, upper) in simulations]
    return float(np.mean(covered)), float(np.mean(covered_by_wilson))


def test_it_holds_the_mean_accuracy_over_training_samples_where_wilsons_does_not():
    covered, covered_by_wilson = coverage(120, 50, 1000, 50, 2.0, 1.0)
    assert covered > 0.88
    assert covered_by_wilson < 0.8


@pytest.mark.soak
@pytest.mark.parametrize("n_test", [200, 1000])
@pytest.mark.parametrize(("n_train", "c"), [(50, 0.01), (50, 1.0), (200, 0.01), (1000, 0.01)])
@pytest.mark.parametrize(("hidden", "distance"), [(10, 1.5), (50, 2.0)])
def test_it_holds_the_mean_accuracy_in_most_samples_of_any_size(hidden, distance, n_train, c, n_test):
    covered, covered_by_wilson = coverage(1000, n_train, n_test, hidden, distance, c)
    setting = f"{n_train} training, {n_test} test examples, {hidden} dimensions, C {c:g}"
    print(f"{setting}: {covered:.1%}, Wilson's {covered_by_wilson:.1%}")
    assert covered > 0.88
