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
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.parallel import check_stopped
from probes.probing.preconditioning import Products, Rotation, Whitening

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
STAY = 0.6
"""Share of the problems that must still search, else those that are done are left out."""


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

    def fold(self, solution: Solution) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
        """(columns, hidden) weights, (columns,) biases, and (hidden,) what is subtracted from the features first.

        It is the mean in float32; the biases hold what it loses by rounding.
        """
        folded = solution.weight.astype(np.float64) / self.scale
        return folded, solution.bias - folded @ (self.shift - self.center), self.center

    @cached_property
    def center(self) -> NDArray[np.float32]:
        """(hidden,) the mean, in float32."""
        return self.shift.astype(np.float32)

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


@torch.inference_mode()  # small problems are all overhead, of which it takes a tenth away
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
    found, done = whole.cpu().numpy(), converged.cpu().numpy()
    return [Solution(w[:, :-1], w[:, -1], bool(ok)) for w, ok in zip(found, done, strict=True)]


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
    """(problems, examples) class ids; of two classes 1 for the first and -1 for the second, as numbers like `z`'s."""
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
        targets = 1 - 2 * targets.to(z.dtype) if n_classes == 2 else targets
        return cls(z, frame, turned, targets, share, penalty, step, point / step)

    def of_some(self, kept: Tensor) -> Self:
        """Those of the problems, by a mask."""
        share = self.share if len(self.share) == 1 else self.share[kept]
        some = {name: getattr(self, name)[kept] for name in ("targets", "penalty", "step", "start")}
        return replace(self, share=share, **some)

    def at(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Loss (problems,) in float64 and gradient, like `u`."""
        problems, columns, _ = u.shape
        both = (u * self.step).flatten(0, 1)
        weight, bias = both[:, :-1], both[:, -1:]
        elsewhere = None if self.turned else self.frame
        if elsewhere is not None:
            weight = elsewhere.weights(weight)
        # Where a search begins there may be no weights yet: a product is saved.
        logits = torch.addmm(bias, weight, self.z.T) if weight.any() else bias.repeat(1, len(self.z))
        if columns == 1:
            wrong = logits.mul_(self.targets)
            losses = torch.logaddexp(wrong, wrong.new_zeros(1))  # softplus, in a third of the time
            residual = wrong.sigmoid_().mul_(self.targets).mul_(self.share)
        else:
            own, logits = self.targets.unsqueeze(1), logits.view(problems, columns, -1)
            normaliser = logits.logsumexp(dim=1, keepdim=True)
            losses = (normaliser - logits.gather(1, own)).squeeze(1)
            residual = logits.sub_(normaliser).exp_()
            residual.scatter_add_(1, own, residual.new_full((1, 1, 1), -1.0).expand(own.shape))
            residual = residual.mul_(self.share.unsqueeze(1)).flatten(0, 1)
        penalty = self.penalty.repeat_interleave(columns).unsqueeze(1)
        of_weight = (residual @ self.z).addcmul_(weight, penalty)
        if elsewhere is not None:
            of_weight = elsewhere.gradient(of_weight)
        gradient = torch.cat([of_weight, residual.sum(dim=1, keepdim=True)], dim=1).view(u.shape)
        loss = losses.mul_(self.share).sum(dim=1, dtype=torch.float64)
        size = weight.square().view(problems, -1).sum(dim=1, dtype=torch.float64)
        return loss.add_(size.mul_(self.penalty), alpha=0.5), gradient.mul_(self.step)


@dataclass(frozen=True, eq=False)
class _Moves:
    """The last steps and how the gradient changed along each, both over the root of their inner product.

    Where rounding hides the curvature of a step, both are 0, and the step says nothing.
    """

    pairs: Tensor
    """(problems, 2, moves, size) steps, and changes."""

    def and_then(self, step: Tensor, change: Tensor) -> Self:
        """With one more, at most `MEMORY` in all."""
        product = _dot(step, change)
        root = torch.where(product > 0, product.rsqrt(), 0.0).view(-1, 1, 1)
        pair = torch.stack([step.flatten(1), change.flatten(1)], dim=1).mul_(root)
        return replace(self, pairs=torch.cat([self.pairs[:, :, 1 - MEMORY :], pair.unsqueeze(2)], dim=2))

    def of_some(self, kept: Tensor) -> Self:
        """Those of the problems, by a mask."""
        return replace(self, pairs=self.pairs[kept])

    def direction(self, gradient: Tensor) -> Tensor:
        """Minus the gradient times the inverse curvature that the moves tell.

        What the two-loop recursion gives, by a few products of matrices instead of one of vectors for each loop: on
        many small problems those are all overhead.

        Source: Byrd, Nocedal & Schnabel (1994), Mathematical Programming 63, theorem 2.2.
        """
        m = self.pairs.shape[2]
        if not m:
            return -gradient
        rows = torch.cat([self.pairs.flatten(1, 2), gradient.flatten(1).unsqueeze(1)], dim=1)
        inner = rows[:, : 2 * m] @ rows[:, m:].mT
        upper, steps, changes = inner[:, :m, :m], inner[:, :m, m:], inner[:, m:]
        last = changes[:, m - 1 :, m - 1 : m]
        size = torch.where(last > 0, 1 / last, 1.0)
        of_changes = torch.linalg.solve_triangular(upper, steps, upper=True, unitriangular=True)
        mixed = of_changes + size * (changes[:, :, :m] @ of_changes - changes[:, :, m:])
        of_steps = torch.linalg.solve_triangular(upper.mT, mixed, upper=False, unitriangular=True)
        shares = torch.cat([-of_steps, size * of_changes, -size], dim=1)
        return (shares.mT @ rows).view(gradient.shape)


def _minimise(task: _Losses, *, tol: float, max_iter: int) -> tuple[Tensor, Tensor]:
    """All problems step together, each with its own memory and step length; one that overflows has not converged.

    Those that are done rest until they are many enough to leave them out, which costs copies of the others.
    """
    x, live = task.start, torch.arange(len(task.start), device=task.start.device)
    end, converged = x.clone(), torch.zeros_like(live, dtype=torch.bool)
    left, lost = ~converged, converged.clone()
    loss, gradient = task.at(x)
    moves = _Moves(x.new_empty((len(x), 2, 0, x[0].numel())))
    for _ in range(max_iter):
        check_stopped()
        direction = moves.direction(gradient)
        slope = _dot(direction, gradient)
        lost = lost | (left & ~slope.isfinite())  # where numbers overflow there is nothing to search, and no end
        left = left & ~lost & (slope < -2 * tol)  # along a Newton direction the loss falls by half the slope
        count = int(left.sum())
        if not count:
            break
        if count <= STAY * len(left):
            end[live], converged[live] = x, ~left & ~lost
            live, loss, slope = live[left], loss[left], slope[left]
            x, gradient, direction = x[left], gradient[left], direction[left]
            task, moves, lost, left = task.of_some(left), moves.of_some(left), lost[left], left[left]
        elif count < len(left):
            direction, slope = direction * left[:, None, None], slope * left
        new_x, loss, new_gradient = _search(task, x, loss, direction, slope)
        moves = moves.and_then(new_x - x, new_gradient - gradient)
        x, gradient = new_x, new_gradient
    end[live], converged[live] = x, ~left & ~lost
    return end, converged


def _search(task: _Losses, x: Tensor, loss: Tensor, direction: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A lower point along each problem's direction, its loss and gradient: the whole step, else a half, a quarter."""
    length = torch.ones_like(slope)
    new_x = x + direction
    new_loss, new_gradient = task.at(new_x)
    slack = torch.finfo(x.dtype).eps / 10 * loss.abs()  # the logits tell no smaller difference
    for _ in range(HALVINGS):
        high = (slope < 0) & ~(new_loss <= loss + 1e-4 * length * slope + slack)  # those that rest have no slope
        if not high.any():
            break
        length[high] /= 2
        new_x[high] = x[high] + length[high][:, None, None] * direction[high]
        new_loss[high], new_gradient[high] = task.of_some(high).at(new_x[high])
    return new_x, new_loss, new_gradient


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(problems,) inner products of (problems, columns, hidden + 1)."""
    return (a * b).sum(dim=(1, 2))
