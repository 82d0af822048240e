"""Many logistic regressions on the same features at once: L-BFGS in the basis of the principal components.

A probing study fits the same features again and again, for every penalty, every draw of control labels, every
resampling. One after the other, each fit is a series of products of a matrix and a vector, which wait for memory; side
by side they are products of matrices, which run at the processor's speed. And the features of a layer are so correlated
that the curvature of the loss differs by orders of magnitude between directions. In the basis of the principal
components, to which the L2 penalty is blind, it is nearly diagonal and known beforehand; weights are turned into it and
gradients back, the features stay as they are unless there are few. A fit that stands alone has no use for a basis that
is right for every penalty: a Cholesky factor does for its own. The benchmark `sweep` shows what this gains.

Source: Liu & Nocedal (1989), Mathematical Programming 45 (L-BFGS); Boehning (1992), Annals of the Institute of
Statistical Mathematics 44 (the curvature of multinomial likelihoods).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.frames import Products, Rotation, Whitening

BASIS_ROWS = 4096
"""Rows that the principal components are taken from, or 4 for each of them; they set the pace, not the solution."""
BASIS_HIDDEN = 2048
"""Widest features that are turned into that basis; with wider ones it costs more than it gains."""
CHUNK = 2048
"""Rows standardised at once."""
BAND = 96
"""Columns whose products with those after them are taken at once."""
MEMORY = 10
"""Steps that L-BFGS remembers."""
PRODUCTS = 40
"""With the features that a usual fit takes: with fewer rows than these times the columns, it pays to turn the rows."""
HALVINGS = 20
"""Of a step that does not lower the loss."""


@dataclass(frozen=True, eq=False)
class Design:
    """Standardised features, and the basis of their principal components."""

    z: Tensor
    """(examples, hidden) in float32, or in float64 where the features are."""
    products: Products
    """Of about `BASIS_ROWS` rows."""
    shift: NDArray[np.float64]
    """(hidden,) what standardising subtracts."""
    scale: NDArray[np.float64]
    """(hidden,) what it divides by."""

    @property
    def spectrum(self) -> Tensor:
        """(hidden,) mean square of `z` along each vector of the basis, about."""
        return self.products.components[0]

    @property
    def basis(self) -> Tensor | None:
        """(hidden, hidden) a vector of the basis in each column; None for the axes."""
        return self.products.components[1]

    @classmethod
    def of(
        cls,
        features: NDArray[np.floating[Any]],
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
        *,
        device: str = "cpu",
    ) -> Self:
        """From (examples, hidden) features; one copy of them is made, and no second."""
        n, hidden = features.shape
        kind = np.float64 if features.dtype == np.float64 else np.float32
        z = torch.empty((n, hidden), dtype=torch.float64 if kind is np.float64 else torch.float32, device=device)
        shift, scale = (part.astype(kind).astype(np.float64) for part in (shift, scale))  # what is folded back exactly
        centre, divisor = (torch.from_numpy(part).to(z) for part in (shift, scale))
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            part = torch.from_numpy(np.ascontiguousarray(features[rows], dtype=kind)).to(device)
            torch.sub(part, centre, out=z[rows]).div_(divisor)
        if hidden > BASIS_HIDDEN:
            return cls(z, Products(z.square().mean(dim=0)), shift, scale)
        some = z[:: -(-n // max(BASIS_ROWS, 4 * hidden))]
        products = z.new_empty((hidden, hidden))
        for start in range(0, hidden, BAND):  # it is symmetric: what lies below the band is a copy
            band = products[start : start + BAND, start:]
            torch.mm(some[:, start : start + BAND].T, some[:, start:], out=band)
            products[start + BAND :, start : start + BAND] = band[:, BAND:].T
        return cls(z, Products(products.div_(len(some))), shift, scale)

    def first(self, n: int) -> Self:
        """The first `n` examples, standardised as all of them are."""
        return replace(self, z=self.z[:n])

    def fold(self, solution: Solution) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(columns, hidden) weights and (columns,) biases for the features as they came."""
        folded = solution.weight.astype(np.float64) / self.scale
        return folded, solution.bias - folded @ self.shift

    def logits(self, solution: Solution) -> Tensor:
        """(examples, columns)"""
        weight, bias = (torch.from_numpy(part).to(self.z) for part in (solution.weight, solution.bias))
        return self.z @ weight.T + bias


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a regression ended."""

    weight: NDArray[Any]
    """(columns, hidden) of the design's `z`: of two classes one column, the second's logit; else one a class."""
    bias: NDArray[Any]
    """(columns,)"""
    converged: bool


def solve(
    design: Design,
    labels: NDArray[np.integer[Any]],
    cs: NDArray[np.float64],
    *,
    n_classes: int,
    weights: NDArray[np.floating[Any]] | None = None,
    start: Solution | None = None,
    tol: float,
    max_iter: int,
) -> list[Solution]:
    """Minimise the penalised log loss of several regressions on one design.

    Args:
        design: Features of all of them.
        labels: (problems, examples) class ids; every class occurs in every problem.
        cs: (problems,) inverse penalty strengths on a sum over examples, as in scikit-learn; the bias is free.
        n_classes: 2 or more.
        weights: (problems, examples) how often each example counts; once when None.
        start: Where all of them begin; without it at no weights, and biases that give each class its share.
        tol: Nats an example; the search ends where the curvature that its last steps met foretells a smaller gain.
            The loss may lie some times that above its minimum.
        max_iter: Steps at most.
    """
    losses = _Losses.of(design, labels, cs, n_classes, weights, start)
    u, converged = _minimise(losses, tol=tol, max_iter=max_iter)
    whole = u * losses.step
    if losses.frame is not None:
        whole[..., :-1] = losses.frame.weights(whole[..., :-1])
    found = whole.cpu().numpy()
    return [Solution(w[:, :-1], w[:, -1], bool(ok)) for w, ok in zip(found, converged.tolist(), strict=True)]


@dataclass(frozen=True, eq=False)
class _Losses:
    """The losses to minimise, as functions of u: the weights in a frame and, last, the bias, each over its `step`.

    Problems and columns stand before examples and hidden: a few columns times many rows is several times slower the
    other way round.
    """

    z: Tensor
    frame: Rotation | Whitening | None
    """None for the axes."""
    turned: bool
    """Whether `z` itself is in the frame, so that weights and gradients need not be turned each time."""
    targets: Tensor
    """(problems, examples) class ids."""
    share: Tensor
    """(problems or 1, examples) what each example counts; sums to 1 over the examples."""
    penalty: Tensor
    """(problems,) of half the sum of squared weights."""
    step: Tensor
    """(problems, columns, hidden + 1) one over the root of the curvature where the search begins."""
    start: Tensor
    """(problems, columns, hidden + 1) the u where it begins."""

    @classmethod
    def of(
        cls,
        design: Design,
        labels: NDArray[np.integer[Any]],
        cs: NDArray[np.float64],
        n_classes: int,
        weights: NDArray[np.floating[Any]] | None,
        begin: Solution | None,
    ) -> Self:
        z, (problems, n) = design.z, labels.shape
        targets = torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64)).to(z.device)
        counts = np.ones((1, n)) if weights is None else weights.astype(np.float64)
        sizes = counts.sum(axis=1)
        share = torch.from_numpy(counts / sizes[:, None]).to(z)
        penalty = torch.from_numpy(1 / (cs * sizes)).to(z)
        columns = [1] if n_classes == 2 else range(n_classes)
        if begin is None:
            chance = torch.stack([((targets == c) * share).sum(dim=1) for c in columns], dim=1)
            point = z.new_zeros((problems, len(columns), z.shape[1] + 1))
            point[..., -1] = torch.logit(chance) if n_classes == 2 else chance.log()
            variance = chance * (1 - chance)
        else:
            logits = design.logits(begin)
            p = torch.sigmoid(logits) if n_classes == 2 else logits.softmax(dim=1)
            variance = (p * (1 - p)).mean(dim=0).clamp(min=1 / n**2).expand(problems, -1)
            whole = np.concatenate([begin.weight, begin.bias[:, None]], axis=1)
            point = torch.from_numpy(whole).to(z).expand(problems, -1, -1)
        frame: Rotation | Whitening | None = None
        if problems == len(columns) == 1:
            frame = design.products.whitening(variance[0, 0], penalty[0])
        if frame is not None:
            of_weights = torch.ones_like(point[..., :-1])
        else:
            frame = None if design.basis is None else Rotation(design.basis)
            of_weights = variance[..., None] * design.spectrum + penalty[:, None, None]
        curvature = torch.cat([of_weights, variance[..., None]], dim=2)
        if frame is not None:
            point = torch.cat([frame.coordinates(point[..., :-1]), point[..., -1:]], dim=2)
        step = curvature.rsqrt()
        turned = isinstance(frame, Rotation) and PRODUCTS * problems * len(columns) > n
        if isinstance(frame, Rotation) and turned:
            z = z @ frame.basis
        return cls(z, frame, turned, targets, share, penalty, step, point / step)

    def at(self, u: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Loss (problems,) in float64 and gradient, like `u`, of the problems `which`."""
        step, penalty, targets = self.step[which], self.penalty[which], self.targets[which]
        share = self.share if len(self.share) == 1 else self.share[which]
        both = u * step
        weight = both[..., :-1]
        if self.frame is not None and not self.turned:
            weight = self.frame.weights(weight)
        bias = both[..., -1:]
        if weight.any():
            logits = (weight.flatten(0, 1) @ self.z.T).view(*u.shape[:2], -1) + bias
        else:  # as where a search begins: a product is saved
            logits = bias.repeat(1, 1, len(self.z))
        if u.shape[1] == 1:
            logit, y = logits[:, 0], targets.to(logits.dtype)
            losses = torch.nn.functional.softplus(logit) - y * logit
            residual = (torch.sigmoid(logit) - y).unsqueeze(1)
        else:
            own = targets.unsqueeze(1)
            normaliser = logits.logsumexp(dim=1, keepdim=True)
            losses = (normaliser - logits.gather(1, own)).squeeze(1)
            residual = logits.sub_(normaliser).exp_()
            residual.scatter_add_(1, own, residual.new_full((1, 1, 1), -1.0).expand(own.shape))
        residual *= share.unsqueeze(1)
        gradient = torch.empty_like(u)
        of_weight = (residual.flatten(0, 1) @ self.z).view(weight.shape) + penalty[:, None, None] * weight
        gradient[..., :-1] = of_weight if self.frame is None or self.turned else self.frame.gradient(of_weight)
        gradient[..., -1] = residual.sum(dim=2)
        loss = (losses * share).sum(dim=1, dtype=torch.float64)
        loss += penalty * weight.square().sum(dim=(1, 2), dtype=torch.float64) / 2
        return loss, gradient.mul_(step)


@dataclass(frozen=True, eq=False)
class _Move:
    """A step that was taken, and how the gradient changed along it."""

    s: Tensor
    y: Tensor
    inverse: Tensor
    """(problems,) 1 / (s·y); 0 where rounding hides the curvature, and the move is left out."""

    def of(self, kept: Tensor) -> _Move:
        return _Move(self.s[kept], self.y[kept], self.inverse[kept])


def _minimise(task: _Losses, *, tol: float, max_iter: int) -> tuple[Tensor, Tensor]:
    """All problems step together, each with its own memory and step length; those that are done drop out."""
    end = task.start.clone()
    converged = torch.zeros(len(end), dtype=torch.bool, device=end.device)
    live = torch.arange(len(end), device=end.device)
    x = end.clone()
    loss, gradient = task.at(x, live)
    moves: list[_Move] = []
    for _ in range(max_iter):
        direction = _direction(gradient, moves)
        slope = _dot(direction, gradient)
        left = slope < -2 * tol  # along a Newton direction the loss falls by half the slope
        end[live], converged[live] = x, ~left
        if not left.any():
            break
        if not left.all():
            live, loss, slope = live[left], loss[left], slope[left]
            x, gradient, direction = x[left], gradient[left], direction[left]
            moves = [move.of(left) for move in moves]
        new_x, loss, new_gradient = _search(task, live, x, loss, direction, slope)
        s, y = new_x - x, new_gradient - gradient
        product = _dot(s, y)
        moves = [*moves[-MEMORY + 1 :], _Move(s, y, torch.where(product > 0, 1 / product, 0.0))]
        x, gradient = new_x, new_gradient
    else:
        end[live] = x
    return end, converged


def _search(
    task: _Losses, live: Tensor, x: Tensor, loss: Tensor, direction: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A lower point along each problem's direction, its loss and gradient: the whole step, else a half, a quarter."""
    length = torch.ones_like(slope)
    new_x = x + direction
    new_loss, new_gradient = task.at(new_x, live)
    slack = torch.finfo(x.dtype).eps / 10 * loss.abs()  # the logits tell no smaller difference
    for _ in range(HALVINGS):
        high = ~(new_loss <= loss + 1e-4 * length * slope + slack)
        if not high.any():
            break
        length[high] /= 2
        new_x[high] = x[high] + length[high][:, None, None] * direction[high]
        new_loss[high], new_gradient[high] = task.at(new_x[high], live[high])
    return new_x, new_loss, new_gradient


def _direction(gradient: Tensor, moves: list[_Move]) -> Tensor:
    """Minus the gradient times the inverse curvature that the last moves tell (the two-loop recursion)."""
    q, parts = -gradient, []
    for move in reversed(moves):
        part = move.inverse * _dot(move.s, q)
        q = q - part[:, None, None] * move.y
        parts.append(part)
    if moves:
        last = moves[-1]
        q = q * torch.where(last.inverse > 0, 1 / (last.inverse * _dot(last.y, last.y)), 1.0)[:, None, None]
    for move, part in zip(moves, reversed(parts), strict=True):
        q = q + (part - move.inverse * _dot(move.y, q))[:, None, None] * move.s
    return q


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(problems,) inner products of (problems, columns, hidden + 1)."""
    return (a * b).sum(dim=(1, 2))
