"""The integral of gradients along straight paths, by as few gradients as a tolerance needs.

Gradients are Captum's. Its own integral would begin anew with every doubling of the steps; these points nest, so that a
doubling computes the new half alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FIRST_STEPS = 16


def integrate(
    output: Callable[[Tensor], Tensor],
    end: Tensor,
    starts: Tensor,
    *,
    change: float,
    allowed: float,
    max_steps: int,
    at_once: int,
) -> tuple[NDArray[np.float64], int]:
    """(seq,) integrated gradients, and the steps that brought their sum within `allowed` of `change`, or the most.

    Args:
        output: (n, seq, dim) -> (n,)
        end: (1, seq, dim) where every path ends.
        starts: (paths, seq, dim) where they start; their integrals are averaged.
        change: Output at the end minus its mean at the starts: what the scores must sum to.
        allowed: How far from it they may lie.
        max_steps: Where the doubling ends; n steps take n + 1 gradients a path.
        at_once: Points of a batch.
    """
    from captum.attr import Saliency

    captum, paths = Saliency(output), end - starts

    def along(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(points, seq) derivative of the output along the paths, on average, by token."""
        found = []
        steps = torch.from_numpy(points).to(end).repeat_interleave(len(starts)).reshape(-1, 1, 1)
        begin, way = starts.repeat(len(points), 1, 1), paths.repeat(len(points), 1, 1)
        for rows in torch.split(torch.arange(len(steps), device=end.device), at_once):
            entries = (begin[rows] + steps[rows] * way[rows]).requires_grad_()
            gradients = captum.attribute(entries, abs=False)
            found.append((gradients * way[rows]).sum(dim=-1).double().cpu().numpy())
        return np.asarray(np.concatenate(found).reshape(len(points), len(starts), -1).mean(axis=1))

    n_steps = min(FIRST_STEPS, max_steps)
    known = along(nested_points(n_steps))
    while True:
        scores = quadrature_weights(n_steps) @ known
        if abs(scores.sum() - change) <= allowed or n_steps * 2 > max_steps:
            return scores, n_steps
        n_steps *= 2
        between = along(nested_points(n_steps)[1::2])
        known = np.insert(known, range(1, len(known)), between, axis=0)


def nested_points(n: int) -> NDArray[np.float64]:
    """(n + 1,) points in [0, 1], both ends included; every second one of 2n is one of n.

    Source: Clenshaw & Curtis (1960), Numerische Mathematik 2.
    """
    return np.asarray((1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2)


def quadrature_weights(n: int) -> NDArray[np.float64]:
    """(n + 1,) weights of `nested_points` under which polynomials up to degree n integrate exactly; they sum to 1.

    Source: Waldvogel (2006), BIT Numerical Mathematics 46.
    """
    k, j = np.arange(n + 1), np.arange(1, n // 2 + 1)
    halved = np.where(2 * j == n, 0.5, 1.0)  # the highest cosine of an even n counts half
    terms = 2 * halved * np.cos(2 * np.pi * np.outer(k, j) / n) / (4 * j**2 - 1)
    ends = np.where((k == 0) | (k == n), 0.5, 1.0)
    return np.asarray(ends * (1 - terms.sum(axis=1)) / n)
