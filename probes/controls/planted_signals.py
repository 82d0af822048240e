"""Planted signals: labels of known predictability, to measure the smallest signal that a probe recovers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import InputError, is_above_zero
from probes.logistic.fitting import LogisticFitter, LogisticProbe
from probes.parallel import limited_cores
from probes.probing.penalty_selection import APPROXIMATE_TOLERANCE, DEFAULT_CS, Sample
from probes.sequences import Float64Array, FloatArray, Int64Array, IntegerArray
from probes.statistics.intervals import HIT_DIFFERENCES, mean_intervals

GAINS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
"""Gains of the best possible accuracy over the majority class."""
N_REPEATS = 3
BISECTION_STEPS = 60
HELD_OUT_SHARE = 6
"""One in this many training examples is held out where there is no validation split."""


@dataclass(frozen=True)
class PlantedSignal:
    """Signal of known strength, and the gain that probes measured."""

    gain: float
    """Best possible accuracy on the planted labels minus that of the majority class, before any text is drawn."""
    measured_gains: tuple[float, ...]
    """(repeats,) test accuracy of the probe minus that of the majority class, in each draw of the labels."""
    recovered: tuple[bool, ...]
    """(repeats,) whether the 95 % interval of that difference lies above 0."""


@dataclass(frozen=True)
class PlantingOptions:
    """Settings of `plant_signals`."""

    cs: Sequence[float] = DEFAULT_CS
    """Inverse penalty strengths, increasing."""
    gains: Sequence[float] = GAINS
    """Strengths of the signals; those that lead to an accuracy of 1 or more are left out."""
    repeats: int = N_REPEATS
    """Draws of the labels for each strength."""
    seed: int = 0
    """Seed of directions, marks and labels."""


def smallest_recovered_gain(signals: Sequence[PlantedSignal]) -> float | None:
    """Return the smallest gain that was recovered in every repeat, as were all larger gains; None if there is none."""
    smallest = None
    for signal in sorted(signals, key=lambda signal: -signal.gain):
        if not all(signal.recovered):
            break
        smallest = signal.gain
    return smallest


def obstacle_to_planting(
    labels: IntegerArray, hidden: int, *, n_classes: int, smallest_gain: float = GAINS[0]
) -> str | None:
    """Return the reason why no signal can be planted in features with these training labels, or None.

    Args:
        labels: (examples,) class ids of the training texts.
        hidden: Dimensions of the features.
        n_classes: Number of classes of the task.
        smallest_gain: Strength of the weakest signal.
    """
    top_share = np.bincount(labels).max() / len(labels)
    if top_share == 1:
        return "the training texts have only one class"
    if n_classes > hidden:
        return f"{hidden} dimensions are too few to plant signals for {n_classes} classes"
    if top_share + smallest_gain >= 1:
        return (
            f"the most frequent class has {top_share:.1%} of the training texts, and the weakest signal adds "
            f"{smallest_gain:.0%}"
        )
    return None


def plant_signals(
    train: Sample,
    validation: Sample | None,
    test: Sample,
    *,
    n_classes: int,
    options: PlantingOptions | None = None,
) -> list[PlantedSignal]:
    """Plant signals of known strength in real features, and fit probes on them as on a real label.

    Each vector gets a mark: its component along a few random directions is replaced by the code of a random class, in
    the size that the features have in a random direction. The labels are drawn anew: the marked class with a
    probability that gives the strength, else any class with its share of the real labels. Nothing else in the features
    predicts the labels, so that the best possible accuracy is known. C is selected on validation, in the first repeat.

    Args:
        train: Training features of one site with the real labels.
        validation: Validation features; None holds out a sixth of the training examples.
        test: Test features.
        n_classes: Number of classes of the task.
        options: Settings; None takes the defaults of `PlantingOptions`.

    Raises:
        InputError: There is an `obstacle_to_planting`.
    """
    options = PlantingOptions() if options is None else options
    rng = np.random.default_rng(options.seed)
    hidden = train.features.shape[1]
    # Class shares of all training labels: the examples held out below may leave too few of the rare classes.
    class_counts = np.bincount(train.labels, minlength=n_classes)
    prior = class_counts / len(train.labels)
    smallest_gain = min(options.gains)
    if reason := obstacle_to_planting(train.labels, hidden, n_classes=n_classes, smallest_gain=smallest_gain):
        raise InputError(f"no signal can be planted: {reason}")
    if validation is None:
        train, validation = _hold_out(train, rng)
    samples = (train, validation, test)
    # Probability of the marked class for each gain.
    gains = [gain for gain in sorted(options.gains) if prior.max() + gain < 1]
    mark_probabilities = [_mark_probability(prior, gain) for gain in gains]
    # Marks, orthonormal directions for their codes, and labels.
    marks = []
    for sample in samples:
        marks.append(rng.choice(n_classes, size=len(sample.labels), p=prior))
    random_directions = rng.standard_normal((hidden, n_classes))
    directions = np.linalg.qr(random_directions)[0].astype(np.float32)
    labels = []
    for split_marks in marks:
        labels.append(_draw_labels(split_marks, prior, mark_probabilities, options.repeats, rng))
    # Mean standard deviation of the features in a random direction.
    variances = train.features.var(axis=0, dtype=np.float64)
    size = np.sqrt(variances.mean())
    with limited_cores(train.features.nbytes):
        features = []
        for sample, split_marks in zip(samples, marks, strict=True):
            features.append(_replace_by_marks(sample.features, split_marks, directions, size))
        fitter = LogisticProbe().prepare(features[0])
        # Select C for each gain on validation, in the first repeat.
        first_labels = [split_labels[:, 0] for split_labels in labels]
        validation_sample = Sample(features[1], first_labels[1])
        selected_cs = _select_cs(fitter, first_labels[0], validation_sample, options.cs, n_classes=n_classes)
        # Fit all repeats with the selected C.
        fit_labels = labels[0].reshape(-1, len(train.labels))
        fit_cs = np.repeat(selected_cs, options.repeats)
        probes = fitter.fit_many(fit_labels, fit_cs.tolist(), n_classes=n_classes, tol=APPROXIMATE_TOLERANCE)
    # Test accuracy of the probe minus that of the majority class, text by text.
    differences = []
    all_test_labels = labels[2].reshape(-1, len(test.labels))
    for probe, train_labels, test_labels in zip(probes, fit_labels, all_test_labels, strict=True):
        top_class = np.bincount(train_labels).argmax()
        correct = probe.predict(features[2]) == test_labels
        differences.append(correct.astype(float) - (test_labels == top_class))
    return _measured_signals(gains, np.stack(differences, axis=1), options)


def best_accuracy(prior: FloatArray, mark_probability: float) -> float:
    """Compute the best possible accuracy for someone who knows the marks.

    The label is the mark with the mark probability, and else drawn from the prior, as is the mark. If the mark is c,
    the label is c with probability m + (1 - m) prior[c] and another class k with (1 - m) prior[k]; the best prediction
    is the likelier of c and the most frequent class.

    Args:
        prior: (classes,) class probabilities.
        mark_probability: Probability m with which the label is the mark.
    """
    marked_class = mark_probability + (1 - mark_probability) * prior
    top_class = (1 - mark_probability) * prior.max()
    best_prediction = np.maximum(marked_class, top_class)
    return float((prior * best_prediction).sum())


def _mark_probability(prior: Float64Array, gain: float) -> float:
    """Return the mark probability that leads to a gain over the majority class, by bisection."""
    low = 0.0
    high = 1.0
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        if best_accuracy(prior, middle) - prior.max() < gain:
            low = middle
        else:
            high = middle
    return high


def _hold_out(train: Sample, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """Divide the training examples into those that remain and those that are held out."""
    order = rng.permutation(len(train.labels))
    n_held_out = len(train.labels) // HELD_OUT_SHARE
    held_out = order[:n_held_out]
    remaining = order[n_held_out:]
    return (
        Sample(train.features[remaining], train.labels[remaining]),
        Sample(train.features[held_out], train.labels[held_out]),
    )


def _draw_labels(
    marks: Int64Array, prior: Float64Array, mark_probabilities: Sequence[float], repeats: int, rng: np.random.Generator
) -> Int64Array:
    """Draw (gains, repeats, examples) labels: the mark with the mark probability, else a class from the prior."""
    shape = (len(mark_probabilities), repeats, len(marks))
    labels = np.empty(shape, np.int64)
    for i, mark_probability in enumerate(mark_probabilities):
        for repeat in range(repeats):
            random_classes = rng.choice(len(prior), size=len(marks), p=prior)
            is_mark = rng.random(len(marks)) < mark_probability
            labels[i, repeat] = np.where(is_mark, marks, random_classes)
    return labels


def _replace_by_marks(features: FloatArray, marks: Int64Array, directions: FloatArray, size: float) -> FloatArray:
    """Replace the component of the features along the directions by the code of the marks.

    Args:
        features: (examples, hidden) features.
        marks: (examples,) class ids.
        directions: (hidden, classes) orthonormal directions.
        size: Standard deviation of the code, approximately.
    """
    remainder = features - (features @ directions) @ directions.T
    # A one-hot code has a variance of p (1 - p) in each direction: about a quarter among few classes.
    code = 2 * size * directions[:, marks].T
    return np.asarray(remainder + code, dtype=np.float32)


def _select_cs(
    fitter: LogisticFitter, labels: Int64Array, validation: Sample, cs: Sequence[float], *, n_classes: int
) -> list[float]:
    """Select C for each gain by its log loss on validation; labels are (gains, examples)."""
    n_gains = len(labels)
    fit_labels = np.repeat(labels, len(cs), axis=0)
    fit_cs = [*cs] * n_gains
    probes = fitter.fit_many(fit_labels, fit_cs, n_classes=n_classes, tol=APPROXIMATE_TOLERANCE)
    validation_labels = np.repeat(validation.labels, len(cs), axis=0)
    rows = np.arange(validation_labels.shape[1])
    losses = []
    for probe, probe_labels in zip(probes, validation_labels, strict=True):
        log_probs = probe.log_prob(validation.features)
        losses.append(-log_probs[rows, probe_labels].mean())
    losses_by_gain = np.reshape(losses, (n_gains, len(cs)))
    return [cs[i] for i in losses_by_gain.argmin(axis=1)]


def _measured_signals(
    gains: Sequence[float], differences: Float64Array, options: PlantingOptions
) -> list[PlantedSignal]:
    """Return the signals with their measured gains, from (examples, gains x repeats) differences."""
    shape = (len(gains), options.repeats)
    measured_gains = differences.mean(axis=0).reshape(shape)
    intervals = mean_intervals(differences, bounds=HIT_DIFFERENCES)
    lower_limits = [lower for lower, _ in intervals]
    lower_limits_by_gain = np.reshape(lower_limits, shape)
    signals = []
    for i, gain in enumerate(gains):
        recovered = tuple(is_above_zero(lower) for lower in lower_limits_by_gain[i])
        gains_of_repeats = tuple(measured_gains[i].tolist())
        signals.append(PlantedSignal(gain, gains_of_repeats, recovered))
    return signals
