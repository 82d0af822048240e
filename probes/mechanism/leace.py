"""LEACE: erasure of a label from features, which moves them least, and controls that move them as far."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from probes.checks import MOST_DRAWS, MOST_SEED, InputError, check_kind, check_same_length, whole_number
from probes.logistic.fitting import MOST_CLASSES
from probes.parallel import n_parallel_tasks, parallel_map
from probes.sequences import Float64Array, FloatArray, IntegerArray, check_labels, class_ids, finite_features
from probes.statistics.standardisation import LEAST_RELATIVE_DEVIATION, moments

T = TypeVar("T", Float64Array, Tensor)

SINGULAR_VALUE_TOLERANCE = 1e-8
"""Correlations of a label with a whitened direction below this are rounding: one-hot labels have one too many."""


@dataclass(frozen=True, eq=False)
class Erasure:
    """An affine map, x - (x - centre) right left, which removes from a vector its part in a few directions."""

    right: Float64Array
    """(hidden, rank) factor that reads the directions."""
    left: Float64Array
    """(rank, hidden) factor that is subtracted."""
    centre: Float64Array
    """(hidden,) fixed point of the map: the mean of the vectors it was fitted on."""

    @property
    def rank(self) -> int:
        """Number of erased directions; 0 where nothing is erased."""
        return len(self.left)

    @property
    def strength(self) -> float:
        """Mean factor by which parts along the directions shrink: 1 removes them, 2 reverses them; nan for rank 0."""
        return float(np.trace(self.left @ self.right)) / self.rank if self.rank else float("nan")

    def __call__(self, features: FloatArray) -> Float64Array:
        """Return (..., hidden) erased features in float64."""
        precise: Float64Array = features.astype(np.float64)
        return erase(precise, self.centre, self.right, self.left)

    def displacement(self, features: FloatArray) -> float:
        """Return the mean distance that (examples, hidden) features are moved."""
        distances = np.linalg.norm(self(features) - features, axis=1)
        return float(distances.mean())


@dataclass(frozen=True, eq=False)
class Erasures:
    """The erasure of a label at one site, and its controls."""

    leace: Erasure
    """LEACE of the label."""
    random: tuple[Erasure, ...]
    """Random subspaces of as many dimensions, scaled so that they move vectors as far on average."""
    shuffled: tuple[Erasure, ...]
    """LEACE of the label permuted over the examples: what a direction of no meaning costs, fitted in the same way."""


def leace(features: FloatArray, labels: IntegerArray, *, n_classes: int, shrinkage: bool = True) -> Erasure:
    """Fit the affine map that moves features least and leaves no linear trace of a label in them.

    On the features it is fitted on, every class then has the same mean, so that no linear classifier beats the majority
    there. On others of the same kind it holds as far as their class means differ in the same way. Dimensions that vary
    by rounding alone stay as they are.

    Args:
        features: (examples, hidden) features of one layer and pooling.
        labels: (examples,) class ids in [0, n_classes).
        n_classes: Classes of the task; k of them take out k - 1 directions.
        shrinkage: Whether the covariance is shrunk towards a multiple of the identity. Without it the map moves the
            features it is fitted on least; fitted on few examples, it takes directions for narrow in which others
            vary, and destroys those. All classes have the same mean either way.

    Returns:
        Erasure with one direction fewer than there are classes among the labels.

    Raises:
        InputError: Lengths differ, there are fewer than 2 examples, a value is not finite, or the extra `erasure` is
            not installed.

    Source: Belrose et al. (2023), LEACE, arXiv:2306.03819, by their package, without its bound on the trace of the
    result, which would give up the guarantee; Bodnar et al. (2014), arXiv:1308.2608, for the shrinkage.
    """
    features = finite_features(features)
    labels = class_ids(labels)
    check_same_length(features=features, labels=labels)
    n_classes = whole_number(n_classes, "n_classes", least=1, most=MOST_CLASSES)
    check_kind(bool, shrinkage=shrinkage)
    check_labels(labels, n_classes)
    if len(features) < 2:
        raise InputError(f"erasure needs 2 examples or more, found {len(features)}")

    # Centre the features, without the dimensions that do not vary.
    hidden = features.shape[1]
    centre, deviation = moments(features)
    varying = np.flatnonzero(deviation)
    if not len(varying):
        no_directions = np.zeros((hidden, 0))
        return Erasure(no_directions, no_directions.T, centre)
    centred = torch.from_numpy(features[:, varying] - centre[varying])

    # Behind a layer norm a direction varies by rounding alone. Whitened, it would be as good as any, and on the same
    # texts in other batches it is another; a variance of the size of rounding takes its weight, not the guarantee.
    rounding = LEAST_RELATIVE_DEVIATION * float(np.hypot(centre, deviation).max())

    # One column a class: with ids as a column LEACE would erase one direction whatever the number of classes.
    one_hot = torch.from_numpy(np.eye(n_classes)[labels])
    with parallel_map(1) as run:  # numpy's waiting threads can make PyTorch's eigenvectors a hundred times slower
        ((right_factor, left_factor),) = run(
            lambda z: _leace_factors(centred, z, rounding**2, shrinkage=shrinkage), [one_hot]
        )

    # Factors in all dimensions, zero where the features do not vary.
    rank = len(left_factor)
    right = np.zeros((hidden, rank))
    right[varying] = right_factor
    left = np.zeros((rank, hidden))
    left[:, varying] = left_factor
    return Erasure(right, left, centre)


def _leace_factors(
    x: Tensor, z: Tensor, rounding_variance: float, *, shrinkage: bool
) -> tuple[Float64Array, Float64Array]:
    """Return the (hidden, rank) and (rank, hidden) factors of the part that LEACE removes.

    Args:
        x: (examples, hidden) centred features.
        z: (examples, classes) one-hot labels.
        rounding_variance: Variance of rounding, added to that of every direction.
        shrinkage: Whether the covariance is shrunk.
    """
    try:
        with warnings.catch_warnings():
            # The package compiles one function in a way that newer releases of torch warn of.
            warnings.filterwarnings("ignore", "`torch.jit.script` is", DeprecationWarning)
            from concept_erasure import LeaceFitter
    except ModuleNotFoundError as error:
        raise InputError("LEACE erasure needs concept-erasure; pip install 'layerprobe[erasure]'") from error
    n_examples, hidden = x.shape
    fitter = LeaceFitter(
        hidden,
        z.shape[1],
        shrinkage=shrinkage,
        constrain_cov_trace=False,
        svd_tol=SINGULAR_VALUE_TOLERANCE,
        dtype=x.dtype,
    )
    fitter = fitter.update(x, z)

    # The fitter holds the covariance as a sum over examples.
    identity = torch.eye(hidden, dtype=x.dtype)
    fitter.sigma_xx_ += (n_examples - 1) * rounding_variance * identity
    eraser = fitter.eraser
    has_direction = eraser.proj_left.norm(dim=0) > 0
    right = eraser.proj_right[has_direction].T
    left = eraser.proj_left[:, has_direction].T
    return right.numpy(), left.numpy()


def random_erasure(reference: Erasure, features: FloatArray, *, seed: int = 0) -> Erasure:
    """Erase a random subspace of the reference's rank, as strongly as the reference moves vectors.

    With V the (hidden, rank) orthonormal basis of a Gaussian draw, x goes to x - s (x - centre) V V', with s such that
    the mean distance moved is that of the reference on the same features. It usually lies above 1: random directions
    hold little of what varies, and the part along them is then reversed, above 2 also enlarged, rather than removed.
    Such a map shows what a displacement of this size costs, not what a removal of equal rank costs.

    Args:
        reference: Erasure whose rank and displacement are matched.
        features: (examples, hidden) vectors that will be moved: pooled vectors, or token states.
        seed: Seed of the draw.

    Returns:
        Erasure with the reference's centre.
    """
    features = finite_features(features)
    _, deviation = moments(features)
    is_varying = deviation[:, None] > 0

    # Orthonormal basis of a random subspace of the dimensions that vary.
    rng = np.random.default_rng(seed)
    gaussian = rng.standard_normal((len(deviation), reference.rank))
    orthonormal, _ = np.linalg.qr(gaussian * is_varying)
    basis = orthonormal * is_varying

    # Strength at which the displacement is that of the reference.
    projection = Erasure(basis, basis.T, reference.centre)
    displacement = projection.displacement(features) if reference.rank else 0.0
    strength = reference.displacement(features) / displacement if displacement else 0.0
    return Erasure(basis, strength * basis.T, reference.centre)


def erasures(
    features: FloatArray,
    labels: IntegerArray,
    *,
    n_classes: int,
    states: FloatArray | None = None,
    random: int = 1,
    shuffled: int = 3,
    seed: int = 0,
) -> Erasures:
    """Fit LEACE of a label at one site, and its controls: LEACE of permuted labels, and random subspaces.

    Args:
        features: (examples, hidden) training features of one layer and pooling.
        labels: (examples,) class ids of the label column to erase: the head's own, or any other.
        n_classes: Classes of that column.
        states: (states, hidden) vectors that the maps will be applied to, from `sample_states`, where these are not the
            features: tokens differ far more than their means do. Displacements are matched on these.
        random: Number of random subspaces.
        shuffled: Number of permuted labels.
        seed: Seed of all draws.

    Returns:
        The erasure of the label, and its controls.

    Raises:
        InputError: Lengths differ, there are fewer than 2 examples, a value is not finite, or the extra `erasure` is
            not installed.

    Source: Elazar et al. (2021), Amnesic Probing, arXiv:2006.00995, for controls of this kind.
    """
    features = finite_features(features)
    labels = class_ids(labels)
    states = features if states is None else finite_features(states, name="states")
    if states.shape[1] != features.shape[1]:
        raise InputError(f"states have {states.shape[1]} dimensions, features {features.shape[1]}")
    random = whole_number(random, "random", most=MOST_DRAWS)
    shuffled = whole_number(shuffled, "shuffled", most=MOST_DRAWS)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    rng = np.random.default_rng([seed, 1])
    random_seeds = rng.integers(2**31, size=random).tolist()
    shuffled_labels = [rng.permutation(labels) for _ in range(shuffled)]
    n_bytes = 3 * features.shape[0] * features.shape[1] * 8

    def fit_leace(label_column: IntegerArray) -> Erasure:
        return leace(features, label_column, n_classes=n_classes)

    with parallel_map(n_parallel_tasks(n_bytes, "cpu")) as run:
        label_erasure, *shuffled_erasures = run(fit_leace, [labels, *shuffled_labels])

        def draw_random(random_seed: int) -> Erasure:
            return random_erasure(label_erasure, states, seed=random_seed)

        random_erasures = list(run(draw_random, random_seeds))
    return Erasures(label_erasure, tuple(random_erasures), tuple(shuffled_erasures))


def erase(x: T, centre: T, right: T, left: T) -> T:
    """Apply the map of an `Erasure` to (..., hidden) arrays or tensors."""
    return x - ((x - centre) @ right) @ left
