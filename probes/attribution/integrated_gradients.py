"""The integral of gradients along straight paths, by as few gradients as a tolerance needs.

Gradients are Captum's. Its own integral would begin anew with every doubling of the steps; these points nest, so that a
doubling computes the new half alone. Points of several texts share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

FIRST_STEPS = 16


@dataclass(frozen=True, eq=False)
class Path:
    """Straight ways to one text."""

    end: Tensor
    """(1, seq, dim) where they end."""
    starts: Tensor
    """(starts, seq, dim); the integrals from them are averaged."""
    change: float
    """Output at the end minus its mean at the starts: what the scores must sum to."""
    allowed: float
    """How far from it they may lie."""


def integrate(
    output: Callable[[Tensor, Tensor], Tensor], paths: Sequence[Path], *, max_steps: int, budget: int
) -> list[tuple[NDArray[np.float64], int]]:
    """For each path (seq,) integrated gradients, and the steps that brought their sum near enough, or the most.

    Args:
        output: (n, seq, dim) entries, and (n,) which path each is of -> (n,). Entries are padded to the longest path's
            seq; where there is padding it is 0 and changes nothing.
        paths: Of like length.
        max_steps: Where the doubling ends; n steps, 2 or more, take n - 1 gradients a start.
        budget: Tokens of a batch, or one entry.
    """
    from captum.attr import Saliency

    captum, longest, n_starts = Saliency(output), max(path.end.shape[1] for path in paths), len(paths[0].starts)
    ends, starts = padded([path.end for path in paths])[:, 0], padded([path.starts for path in paths])

    def along(which: Sequence[int], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(which, points, longest) derivative of the output along the paths, on average over the starts, by token."""
        steps = torch.from_numpy(points).to(ends).reshape(-1, 1, 1)
        counts = torch.tensor(which), torch.arange(len(points)), torch.arange(n_starts)
        rows, found = torch.cartesian_prod(*counts).to(ends.device), []
        for some in torch.split(rows, max(1, budget // longest)):
            path, point, start = some.T
            begin = starts[path, start]
            way = ends[path] - begin
            entries = (begin + steps[point] * way).requires_grad_()
            gradients = captum.attribute(entries, abs=False, additional_forward_args=path)
            found.append((gradients * way).sum(dim=-1))
        shape = len(which), len(points), n_starts, longest
        return np.asarray(torch.cat(found).cpu().double().reshape(shape).mean(dim=2).numpy())

    done: dict[int, tuple[NDArray[np.float64], int]] = {}
    left, n_steps = np.arange(len(paths)), max(2, min(FIRST_STEPS, max_steps))
    known = along(left.tolist(), nested_points(n_steps))
    while True:
        scores = np.einsum("p,nps->ns", quadrature_weights(n_steps), known)
        for i, own in zip(left.tolist(), scores, strict=True):
            if abs(own.sum() - paths[i].change) <= paths[i].allowed or n_steps * 2 > max_steps:
                done[i] = own[: paths[i].end.shape[1]].copy(), n_steps
        going = np.array([i not in done for i in left])
        if not going.any():
            return [done[i] for i in range(len(paths))]
        left, known, n_steps = left[going], known[going], n_steps * 2
        between = along(left.tolist(), nested_points(n_steps)[::2])
        known = np.insert(known, range(known.shape[1] + 1), between, axis=1)


def padded(entries: Sequence[Tensor]) -> Tensor:
    """(texts, n, longest, dim) of (n, seq, dim) of each text, with zeros behind."""
    longest = max(some.shape[1] for some in entries)
    return torch.stack([pad(some, (0, 0, 0, longest - some.shape[1])) for some in entries])


def nested_points(n: int) -> NDArray[np.float64]:
    """(n - 1,) points inside [0, 1], for n of at least 2; every second one of 2n, from the second on, is one of n.

    Source: Fejér (1933), Mathematische Zeitschrift 37: the second of his rules.
    """
    return np.asarray((1 - np.cos(np.pi * np.arange(1, n) / n)) / 2)


def quadrature_weights(n: int) -> NDArray[np.float64]:
    """(n - 1,) weights of `nested_points` under which polynomials up to degree n - 2 integrate exactly; they sum to 1.

    Source: Waldvogel (2006), BIT Numerical Mathematics 46.
    """
    angle, odd = np.pi * np.arange(1, n) / n, np.arange(1, n, 2)
    return np.asarray(2 * np.sin(angle) / n * (np.sin(np.outer(angle, odd)) / odd).sum(axis=1))
