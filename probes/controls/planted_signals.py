"""The smallest signal that would have been found: known ones are planted, and the probe looks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, is_above_zero
from probes.parallel import limited_cores
from probes.probing.logistic import LogisticProbe
from probes.probing.selection import APPROXIMATE_TOLERANCE, DEFAULT_CS, Sample
from probes.statistics.intervals import mean_intervals

GAINS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12)
"""Of the best possible accuracy over always answering the most frequent class."""
REPEATS = 3


@dataclass(frozen=True)
class PlantedSignal:
    """A signal of known strength, and what the probe made of it."""

    gain: float
    """Best possible accuracy on the planted labels minus the majority's, before any text is drawn."""
    found: tuple[float, ...]
    """(repeats,) test accuracy of the probe minus the majority's, each with labels of its own."""
    recovered: tuple[bool, ...]
    """(repeats,) whether the 95 % interval of that difference lies above 0."""


def smallest_recovered(planted: Sequence[PlantedSignal]) -> float | None:
    """The weakest gain that was recovered in every repeat, as was every stronger one; None where there is none."""
    least = None
    for signal in sorted(planted, key=lambda each: -each.gain):
        if not all(signal.recovered):
            break
        least = signal.gain
    return least


def no_room(labels: NDArray[np.integer[Any]], hidden: int, *, n_classes: int, weakest: float = GAINS[0]) -> str | None:
    """Why no signal can be planted in features of `hidden` dimensions with these training labels, if none can."""
    top = np.bincount(labels).max() / len(labels)
    if top == 1:
        return "the training texts show one class only"
    if n_classes > hidden:
        return f"{n_classes} classes have no room for marks in {hidden} dimensions"
    if top + weakest >= 1:
        return f"the most frequent class has {top:.1%} of the training texts, and the weakest signal adds {weakest:.0%}"
    return None


def plant(
    train: Sample,
    validation: Sample | None,
    test: Sample,
    *,
    n_classes: int,
    cs: Sequence[float] = DEFAULT_CS,
    gains: Sequence[float] = GAINS,
    repeats: int = REPEATS,
    seed: int = 0,
) -> list[PlantedSignal]:
    """Plant signals of known strength in real features and look for them as for a real label.

    Each vector gets a mark: its part along a few random directions is replaced by the code of a class drawn at random,
    of the size that the features have in a random direction. The labels are drawn anew: the marked class with a chance
    that gives the strength, else any class, as often as it comes in the real labels. Nothing else in the features tells
    them, so the best possible accuracy is known. Penalties are chosen on validation, in the first repeat.

    Args:
        train: Features of one place, with the real labels.
        validation: The same of the validation examples; a sixth of the training ones when None.
        test: The same of the test examples.
        n_classes: Classes of the task.
        cs: Inverse penalty strengths, increasing.
        gains: Strengths. One that leads above an accuracy of 1 is left out.
        repeats: Labellings of each strength.
        seed: Of the directions, marks and labels.

    Raises:
        InputError: There is `no_room` for a signal.
    """
    rng = np.random.default_rng(seed)
    hidden = train.features.shape[1]
    # Of all training labels: what is split off below may leave the rest too few of the rare ones.
    prior = np.bincount(train.labels, minlength=n_classes) / len(train.labels)
    if reason := no_room(train.labels, hidden, n_classes=n_classes, weakest=min(gains)):
        raise InputError(f"no signal can be planted: {reason}")
    if validation is None:
        held_out, rest = np.split(rng.permutation(len(train.labels)), [len(train.labels) // 6])
        train, validation = (Sample(train.features[rows], train.labels[rows]) for rows in (rest, held_out))
    splits = train, validation, test
    gains = [gain for gain in sorted(gains) if prior.max() + gain < 1]
    chances = [_chance(prior, gain) for gain in gains]
    marks = [rng.choice(n_classes, size=len(split.labels), p=prior) for split in splits]
    directions = np.linalg.qr(rng.standard_normal((hidden, n_classes)))[0].astype(np.float32)
    size = np.sqrt(train.features.var(axis=0, dtype=np.float64).mean())
    # Of each split, labels of every gain, repeat and example.
    labels = [np.array([[_labels(m, prior, chance, rng) for _ in range(repeats)] for chance in chances]) for m in marks]
    flat = [each.reshape(-1, each.shape[-1]) for each in labels]
    with limited_cores(train.features.nbytes):
        features = [_marked(s.features, m, directions, size) for s, m in zip(splits, marks, strict=True)]
        fitter, firsts = LogisticProbe().prepare(features[0]), np.repeat(labels[0][:, 0], len(cs), axis=0)
        probes = fitter.fit_many(firsts, [*cs] * len(gains), n_classes=n_classes, tol=APPROXIMATE_TOLERANCE)
        unseen = np.repeat(labels[1][:, 0], len(cs), axis=0)
        losses = [_loss(p.log_prob(features[1]), y) for p, y in zip(probes, unseen, strict=True)]
        best = [cs[i] for i in np.reshape(losses, (len(gains), len(cs))).argmin(axis=1)]
        probes = fitter.fit_many(
            flat[0], [c for c in best for _ in range(repeats)], n_classes=n_classes, tol=APPROXIMATE_TOLERANCE
        )
    right = np.stack([p.predict(features[2]) == y for p, y in zip(probes, flat[2], strict=True)], axis=1)
    usual = np.stack([y == np.bincount(x).argmax() for x, y in zip(flat[0], flat[2], strict=True)], axis=1)
    above = right.astype(float) - usual
    lower = np.array([limits[0] for limits in mean_intervals(above, seed=seed)]).reshape(len(gains), repeats)
    found = above.mean(axis=0).reshape(len(gains), repeats)
    return [
        PlantedSignal(gain, tuple(map(float, found[i])), tuple(map(is_above_zero, lower[i])))
        for i, gain in enumerate(gains)
    ]


def best_accuracy(prior: NDArray[np.floating[Any]], chance: float) -> float:
    """Of a label that is the mark with that chance and else drawn from the prior, like the mark: what knowing it gives.

    Knowing the mark c, the label is c with probability chance + (1 - chance) prior[c], and another class k with
    (1 - chance) prior[k]; the best answer is the likelier of c and the most frequent class.
    """
    own = chance + (1 - chance) * prior
    return float((prior * np.maximum(own, (1 - chance) * prior.max())).sum())


def _chance(prior: NDArray[np.float64], gain: float) -> float:
    """The chance that gives that gain over the majority, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if best_accuracy(prior, middle) - prior.max() < gain:
            low = middle
        else:
            high = middle
    return high


def _marked(
    features: NDArray[np.floating[Any]], marks: NDArray[np.int64], directions: NDArray[np.float32], size: float
) -> NDArray[np.float32]:
    """Features whose part along the directions is replaced by the marks' code, of that standard deviation or so."""
    rest = features - (features @ directions) @ directions.T
    # One hot has a variance of p(1 - p) in each direction; among few classes that is a quarter or so.
    return np.asarray(rest + 2 * size * directions[:, marks].T, dtype=np.float32)


def _labels(
    marks: NDArray[np.int64], prior: NDArray[np.float64], chance: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    drawn = rng.choice(len(prior), size=len(marks), p=prior)
    return np.where(rng.random(len(marks)) < chance, marks, drawn)


def _loss(log_prob: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float(-log_prob[np.arange(len(labels)), labels].mean())
