"""What is linear of a label taken out of features, moving them least; and fair controls for what that does."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.checks import InputError, check_same_length
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.logistic import TINY, moments
from probes.sequences import check_labels, class_ids, finite_features

T = TypeVar("T", NDArray[np.float64], Tensor)

SINGULAR = 1e-8
"""Under it a correlation of a label with a whitened direction is rounding: one-hot labels have one too many."""


@dataclass(frozen=True, eq=False)
class Erasure:
    """The affine map x - (x - centre) right left, which takes out of a vector what a few directions hold."""

    right: NDArray[np.float64]
    """(hidden, rank)"""
    left: NDArray[np.float64]
    """(rank, hidden)"""
    centre: NDArray[np.float64]
    """(hidden,) what stays where it is: the mean of the vectors it was fitted on."""

    @property
    def rank(self) -> int:
        """Directions taken out; 0 where nothing is."""
        return len(self.left)

    def __call__(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(..., hidden) features, erased, in float64."""
        return erased(features.astype(np.float64), self.centre, self.right, self.left)

    def displacement(self, features: NDArray[np.floating[Any]]) -> float:
        """Mean distance that (examples, hidden) features are moved."""
        return float(np.linalg.norm(self(features) - features, axis=1).mean())


@dataclass(frozen=True, eq=False)
class Erasures:
    """The erasure of a label at one place, and what it is to be held against."""

    own: Erasure
    random: tuple[Erasure, ...]
    """Random subspaces of as many dimensions, which move vectors as far on average."""
    shuffled: tuple[Erasure, ...]
    """LEACE of the label dealt out anew to the examples."""


def leace(features: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], *, n_classes: int) -> Erasure:
    """The affine map that moves features least and leaves no linear trace of a label in them.

    On the features it is fitted on, every class then has the same mean, so that no linear classifier beats the majority
    there. On others of the same kind it holds as far as their class means differ in the same way. Dimensions that vary
    by rounding alone stay as they are.

    Args:
        features: (examples, hidden) of one layer and pooling.
        labels: (examples,) class ids in [0, n_classes).
        n_classes: Classes of the task; k of them take out k - 1 directions.

    Raises:
        InputError: Lengths differ, there are fewer than 2 examples, a value is not finite, or the extra `erasure` is
            not installed.

    Source: Belrose et al. (2023), LEACE, arXiv:2306.03819; by their package, with the covariance as it is (shrinkage
    would move features further) and no bound on the trace of the result, which would give up the guarantee.
    """
    features, labels = finite_features(features), class_ids(labels)
    check_same_length(features=features, labels=labels)
    check_labels(labels, n_classes)
    if len(features) < 2:
        raise InputError(f"erasure needs 2 examples or more, found {len(features)}")
    hidden = features.shape[1]
    centre, deviation = moments(features)
    varies = np.flatnonzero(deviation)
    if not len(varies):
        return Erasure(np.zeros((hidden, 0)), np.zeros((0, hidden)), centre)
    x = torch.from_numpy(features[:, varies] - centre[varies])
    # Behind a layer norm a direction varies by rounding alone. Whitened, it would be as good as any, and on the same
    # texts in other batches it is another; a variance of the size of rounding takes its weight, not the guarantee.
    rounding = TINY * float(np.hypot(centre, deviation).max())
    # Ids in the place of columns would have but one direction erased, whatever the number of classes.
    one_hot = torch.from_numpy(np.eye(n_classes)[labels])
    with parallel_map(1) as run:  # numpy's waiting threads can make PyTorch's eigenvectors a hundred times slower
        ((into, out_of),) = run(lambda z: _projection(x, z, rounding**2), [one_hot])
    right, left = np.zeros((hidden, len(out_of))), np.zeros((len(out_of), hidden))
    right[varies], left[:, varies] = into, out_of
    return Erasure(right, left, centre)


def _projection(x: Tensor, z: Tensor, variance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(hidden, rank) and (rank, hidden) factors of what LEACE takes out of centred (examples, hidden) features."""
    try:
        with warnings.catch_warnings():
            # The package compiles one function in a way that newer releases of torch warn of.
            warnings.filterwarnings("ignore", "`torch.jit.script` is", DeprecationWarning)
            from concept_erasure import LeaceFitter
    except ModuleNotFoundError as error:
        raise InputError("erasure needs the package concept-erasure; install the extra erasure") from error
    options = {"shrinkage": False, "constrain_cov_trace": False, "svd_tol": SINGULAR, "dtype": x.dtype}
    fitter = LeaceFitter(x.shape[1], z.shape[1], **options).update(x, z)
    fitter.sigma_xx_ += (len(x) - 1) * variance * torch.eye(x.shape[1], dtype=x.dtype)
    fitted = fitter.eraser
    kept = fitted.proj_left.norm(dim=0) > 0
    return fitted.proj_right[kept].T.numpy(), fitted.proj_left[:, kept].T.numpy()


def random_erasure(like: Erasure, features: NDArray[np.floating[Any]], *, seed: int = 0) -> Erasure:
    """A random subspace of the same rank, whose part of every vector is taken out as strongly as `like` moves vectors.

    With V the (hidden, rank) orthonormal basis of a Gaussian draw, x goes to x - s (x - centre) V V', with s such that
    the mean distance moved is that of `like` on the same features. It may lie above 1: random directions hold little
    of what varies, and their part is then not just taken out but turned round.

    Args:
        like: What is to be matched.
        features: (examples, hidden) vectors that will be moved: pooled ones, or token states.
        seed: Of the draw.
    """
    features = finite_features(features)
    varies = moments(features)[1] > 0
    drawn = np.random.default_rng(seed).standard_normal((len(varies), like.rank)) * varies[:, None]
    basis = np.linalg.qr(drawn)[0] * varies[:, None]
    whole = Erasure(basis, basis.T, like.centre)
    moved = whole.displacement(features) if like.rank else 0.0
    strength = like.displacement(features) / moved if moved else 0.0
    return Erasure(basis, strength * basis.T, like.centre)


def erasures(
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    *,
    n_classes: int,
    states: NDArray[np.floating[Any]] | None = None,
    random: int = 3,
    shuffled: int = 1,
    seed: int = 0,
) -> Erasures:
    """LEACE of a label at one place, random subspaces that move states as far, and LEACE of the label shuffled.

    Args:
        features: (examples, hidden) training features of one layer and pooling.
        labels: (examples,) class ids of the label column to erase: the head's own, or any other.
        n_classes: Classes of that column.
        states: (states, hidden) what the maps will be applied to, from `sample_states`, where that is not the features:
            tokens differ far more than their means do. Displacements are matched on these.
        random: Draws of subspaces.
        shuffled: Draws of shuffled labels.
        seed: Of all draws.

    Source: Elazar et al. (2021), Amnesic Probing, arXiv:2006.00995, for controls of this kind.
    """
    moved = features if states is None else states
    rng = np.random.default_rng([seed, 1])
    seeds = [int(each) for each in rng.integers(2**31, size=random)]
    dealt = [labels, *(rng.permutation(labels) for _ in range(shuffled))]
    with parallel_map(n_parallel_tasks(3 * features.shape[0] * features.shape[1] * 8, "cpu")) as run:
        own, *others = run(lambda each: leace(features, each, n_classes=n_classes), dealt)
        drawn = run(lambda each: random_erasure(own, moved, seed=each), seeds)
        return Erasures(own, tuple(drawn), tuple(others))


def erased(x: T, centre: T, right: T, left: T) -> T:
    """The map of an `Erasure` on (..., hidden) arrays or tensors."""
    return x - ((x - centre) @ right) @ left
