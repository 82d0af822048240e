"""Integrated gradients along straight paths, with as few gradients as a tolerance needs.

Gradients are Captum's. Captum's own integral starts anew with every doubling of the steps. The quadrature points here
are nested, so that a doubling computes only the new points. Points of several texts share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

INITIAL_STEPS = 16
"""Steps of the first quadrature, before any doubling."""


@dataclass(frozen=True, eq=False)
class Path:
    """Straight paths from the baselines of one text to the text."""

    inputs: Tensor
    """(1, seq, dim) end of the paths."""
    baselines: Tensor
    """(baselines, seq, dim) starts of the paths; the integrals from them are averaged."""
    output_difference: float
    """Output at the end minus its mean at the starts, which exact scores sum to."""
    max_delta: float
    """Largest absolute convergence delta that is accepted."""


@dataclass(frozen=True, eq=False)
class Integral:
    """Integrated gradients of one text."""

    scores: NDArray[np.float64]
    """(seq,) integrated gradients of the tokens."""
    n_steps: int
    """Steps of the quadrature; it takes n_steps - 1 gradients for each baseline."""


def integrate(
    forward: Callable[[Tensor, Tensor], Tensor], paths: Sequence[Path], *, max_steps: int, budget: int
) -> list[Integral]:
    """Integrate gradients along each path, and double the steps until the convergence delta is small enough.

    Args:
        forward: Function from (n, seq, dim) inputs, and the (n,) path of each, to (n,) outputs. Inputs are padded to
            the longest path's seq; the padding is 0 and has no influence.
        paths: Paths of similar length, with equally many baselines.
        max_steps: Limit of the doubling; the first quadrature takes 2 steps or more in any case.
        budget: Tokens of a batch; a batch holds one input at least.

    Returns:
        One integral for each path. Its delta may exceed `max_delta` where `max_steps` is reached.
    """
    derivatives = _PathDerivatives.of(forward, paths, budget)
    integrals: dict[int, Integral] = {}
    n_steps = max(2, min(INITIAL_STEPS, max_steps))
    # First quadrature: derivatives at the initial points of every path.
    open_paths = np.arange(len(paths))
    values = derivatives.at(open_paths, nested_points(n_steps))
    while True:
        # Quadrature: weighted sum of the derivatives over the points.
        scores = np.einsum("p,nps->ns", quadrature_weights(n_steps), values)
        # Convergence: accept a path whose delta is small enough, or all paths at the limit of the doubling.
        is_last = n_steps * 2 > max_steps
        for index, path_scores in zip(open_paths.tolist(), scores, strict=True):
            path = paths[index]
            delta = abs(path_scores.sum() - path.output_difference)
            if is_last or delta <= path.max_delta:
                seq = path.inputs.shape[1]
                integrals[index] = Integral(path_scores[:seq].copy(), n_steps)
        is_open = np.array([index not in integrals for index in open_paths])
        if not is_open.any():
            return [integrals[index] for index in range(len(paths))]
        # Doubling: keep the derivatives of the open paths, and compute those at the points between.
        open_paths = open_paths[is_open]
        old_values = values[is_open]
        n_steps *= 2
        new_points = nested_points(n_steps)[::2]
        new_values = derivatives.at(open_paths, new_points)
        n_old = old_values.shape[1]
        values = np.insert(old_values, range(n_old + 1), new_values, axis=1)


@dataclass(frozen=True, eq=False)
class _PathDerivatives:
    """Derivatives of the output along the paths of several texts."""

    forward: Callable[[Tensor, Tensor], Tensor]
    inputs: Tensor
    """(paths, seq, dim) ends of the paths, padded."""
    baselines: Tensor
    """(paths, baselines, seq, dim) starts of the paths, padded."""
    internal_batch_size: int
    """Inputs of a batch."""

    @classmethod
    def of(cls, forward: Callable[[Tensor, Tensor], Tensor], paths: Sequence[Path], budget: int) -> _PathDerivatives:
        """Pad the ends and starts of the paths to the longest path."""
        inputs = padded([path.inputs for path in paths])[:, 0]
        baselines = padded([path.baselines for path in paths])
        longest = inputs.shape[1]
        return cls(forward, inputs, baselines, max(1, budget // longest))

    def at(self, paths: NDArray[np.integer], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the derivative at some points of some paths, as the mean over the baselines.

        Args:
            paths: (n,) indices of paths.
            points: (points,) positions on the path, 0 at the baseline and 1 at the text.

        Returns:
            (n, points, seq) share of each token in the derivative.
        """
        from captum.attr import Saliency

        captum = Saliency(self.forward)
        n_baselines = self.baselines.shape[1]
        fractions = torch.from_numpy(points).to(self.inputs).reshape(-1, 1, 1)
        # Every combination of path, point and baseline.
        ranges = torch.from_numpy(paths), torch.arange(len(points)), torch.arange(n_baselines)
        combinations = torch.cartesian_prod(*ranges).to(self.inputs.device)
        derivatives = []
        for batch in torch.split(combinations, self.internal_batch_size):
            path, point, baseline = batch.T
            # Point on the straight path from the baseline to the text.
            starts = self.baselines[path, baseline]
            differences = self.inputs[path] - starts
            inputs = (starts + fractions[point] * differences).requires_grad_()
            # Derivative along the path: gradient times direction, summed over the dimensions of each token.
            gradients = captum.attribute(inputs, abs=False, additional_forward_args=path)
            derivatives.append((gradients * differences).sum(dim=-1))
        shape = len(paths), len(points), n_baselines, self.inputs.shape[1]
        values = torch.cat(derivatives).cpu().double().reshape(shape)
        return np.asarray(values.mean(dim=2).numpy())


def padded(tensors: Sequence[Tensor]) -> Tensor:
    """Stack (n, seq, dim) tensors of several texts as (texts, n, longest, dim), with zeros behind shorter texts."""
    longest = max(tensor.shape[1] for tensor in tensors)
    padded_tensors = []
    for tensor in tensors:
        n_missing = longest - tensor.shape[1]
        padded_tensors.append(pad(tensor, (0, 0, 0, n_missing)))
    return torch.stack(padded_tensors)


def nested_points(n: int) -> NDArray[np.float64]:
    """Compute the (n - 1,) points of Fejér's second rule inside [0, 1], for n of at least 2.

    Every second one of the points for 2n, from the second on, is a point for n.

    Source: Fejér (1933), Mathematische Zeitschrift 37.
    """
    angles = np.pi * np.arange(1, n) / n
    return np.asarray((1 - np.cos(angles)) / 2)


def quadrature_weights(n: int) -> NDArray[np.float64]:
    """Compute the (n - 1,) weights of `nested_points`, which sum to 1.

    With them polynomials up to degree n - 2 are integrated exactly.

    Source: Waldvogel (2006), BIT Numerical Mathematics 46.
    """
    angles = np.pi * np.arange(1, n) / n
    odd_numbers = np.arange(1, n, 2)
    # Sine series of the weights.
    sines = np.sin(np.outer(angles, odd_numbers))
    sums = (sines / odd_numbers).sum(axis=1)
    return np.asarray(2 * np.sin(angles) / n * sums)
