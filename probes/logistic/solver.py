"""Many logistic regressions on the same features at once: L-BFGS in the basis of the principal components.

A probing study fits the same features again and again: for every penalty, every draw of control labels, every resampled
training set. Fits one after the other are products of a matrix and a vector, which are limited by memory bandwidth;
fits side by side are products of matrices, which run at the processor's speed. The features of a layer are so
correlated that the curvature of the loss differs by orders of magnitude between directions. In the basis of the
principal components, which leaves the L2 penalty unchanged, the curvature is nearly diagonal and known beforehand.
Weights are rotated into the basis and gradients back; the features themselves are rotated only where there are few of
them. A single fit uses a Cholesky factor of its own curvature instead of the basis. The benchmark `sweep` shows the
gain.

Source: Liu & Nocedal (1989), Mathematical Programming 45 (L-BFGS); Boehning (1992), Annals of the Institute of
Statistical Mathematics 44 (the curvature of multinomial likelihoods).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from probes.logistic.design import Design, Problems, Solution
from probes.logistic.preconditioning import Rotation, Whitening
from probes.parallel import check_stopped

MEMORY = 10
"""Steps that L-BFGS remembers."""
PRODUCTS_OF_A_FIT = 40
"""Products with the features that a usual fit takes: with fewer rows than this number times the columns of weights, it
is faster to rotate the features once."""
MOST_HALVINGS = 20
"""Halvings of a step that does not lower the loss."""
SEARCHING_SHARE = 0.6
"""Share of the problems that still search; once it is smaller, finished problems are removed from the computation."""


@torch.inference_mode()  # in small problems a tenth of the time goes into bookkeeping that this saves
def solve(
    design: Design, problems: Problems, *, start: Solution | None = None, tol: float, max_iter: int
) -> list[Solution]:
    """Minimise the penalised log loss of several regressions on one design.

    Args:
        design: Features of all problems.
        problems: Labels, penalties and example weights.
        start: Solution from which all searches start; None starts at zero weights, with biases that give each class its
            share.
        tol: Nats an example; a search ends where the decrease that L-BFGS predicts is smaller. The loss may lie a few
            times that above its minimum.
        max_iter: Largest number of steps.
    """
    losses = _Losses.of(design, problems, start)
    u, converged = _minimise(losses, tol=tol, max_iter=max_iter)
    # Back from the preconditioned coordinates to weights.
    parameters = u * losses.step
    if losses.frame is not None:
        coordinates = parameters[..., :-1]
        parameters[..., :-1] = losses.frame.weights(coordinates)
    arrays = parameters.cpu().numpy()
    flags = converged.cpu().numpy()
    solutions = []
    for array, flag in zip(arrays, flags, strict=True):
        weight = array[:, :-1]
        bias = array[:, -1]
        solutions.append(Solution(weight, bias, bool(flag)))
    return solutions


@dataclass(frozen=True, eq=False)
class _Losses:
    """Losses to minimise, as functions of u: the coordinates of the weights, and last the bias, each divided by `step`.

    The axes of problems and columns come before those of examples and hidden: with few columns and many rows, the
    reverse order is several times slower.
    """

    z: Tensor
    frame: Rotation | Whitening | None
    """Coordinates of the weights; None for the axes."""
    rotated: bool
    """Whether `z` itself is rotated, so that weights and gradients need no conversion at every step."""
    targets: Tensor
    """(problems, examples) class ids; of two classes 1 for the first and -1 for the second, in the type of `z`."""
    share: Tensor
    """(problems or 1, examples) weights of the examples; the sum over examples is 1."""
    penalty: Tensor
    """(problems,) factors of half the sum of squared weights."""
    step: Tensor
    """(problems, columns, hidden + 1) inverse square root of the curvature at the start."""
    start: Tensor
    """(problems, columns, hidden + 1) u at the start."""

    @classmethod
    def of(cls, design: Design, problems: Problems, start: Solution | None) -> Self:
        z = design.z
        n_problems, n_examples = problems.labels.shape
        labels = np.ascontiguousarray(problems.labels, dtype=np.int64)
        class_ids = torch.from_numpy(labels).to(z.device)
        # Mean loss instead of a sum: divide example weights and penalties by the total weight.
        counts = np.ones((1, n_examples))
        if problems.weights is not None:
            counts = problems.weights.astype(np.float64)
        totals = counts.sum(axis=1)
        shares = counts / totals[:, None]
        penalties = 1 / (problems.cs * totals)
        share = torch.from_numpy(shares).to(z)
        penalty = torch.from_numpy(penalties).to(z)
        # Start of the search, and variance of the residuals there.
        if start is None:
            parameters, variance = _start_at_prior(z, class_ids, share, problems)
        else:
            parameters, variance = _start_at_solution(design, start, problems)
        # Preconditioner: a Cholesky factor for a single problem of one column, else the principal components.
        frame: Rotation | Whitening | None = None
        if n_problems == problems.n_columns == 1:
            frame = design.moments.whitening(variance[0, 0], penalty[0])
        if frame is None and design.basis is not None:
            frame = Rotation(design.basis)
        # Diagonal of the curvature in these coordinates.
        bias_curvature = variance[..., None]
        if isinstance(frame, Whitening):
            weight_curvature = torch.ones_like(parameters[..., :-1])
        else:
            loss_curvature = bias_curvature * design.spectrum
            weight_curvature = loss_curvature + penalty[:, None, None]
        curvature = torch.cat([weight_curvature, bias_curvature], dim=2)
        step = curvature.rsqrt()
        if frame is not None:
            coordinates = frame.coordinates(parameters[..., :-1])
            bias = parameters[..., -1:]
            parameters = torch.cat([coordinates, bias], dim=2)
        # Rotate the features once where that is cheaper than rotating weights and gradients at every step.
        n_columns = n_problems * problems.n_columns
        rotated = isinstance(frame, Rotation) and PRODUCTS_OF_A_FIT * n_columns > n_examples
        if isinstance(frame, Rotation) and rotated:
            z = z @ frame.basis
        targets = class_ids
        if problems.n_classes == 2:
            targets = 1 - 2 * class_ids.to(z.dtype)
        return cls(z, frame, rotated, targets, share, penalty, step, parameters / step)

    def take(self, mask: Tensor) -> Self:
        """Return the losses of some of the problems, by a mask."""
        return replace(
            self,
            share=self.share if len(self.share) == 1 else self.share[mask],
            targets=self.targets[mask],
            penalty=self.penalty[mask],
            step=self.step[mask],
            start=self.start[mask],
        )

    def evaluate(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the (problems,) losses in float64, and the gradient in the shape of `u`."""
        n_problems, n_columns, _ = u.shape
        # Weights and biases of all columns, (problems x columns, hidden + 1).
        parameters = (u * self.step).flatten(0, 1)
        weight = parameters[:, :-1]
        bias = parameters[:, -1:]
        frame = None if self.rotated else self.frame
        if frame is not None:
            weight = frame.weights(weight)
        logits = self._logits(weight, bias)
        # Losses of the examples, and residuals: their derivatives by the logits, times the examples' weights.
        if n_columns == 1:
            losses, residual = self._binary_losses(logits)
        else:
            logits = logits.view(n_problems, n_columns, -1)
            losses, residual = self._multinomial_losses(logits)
        # Gradient by the chain rule, plus that of the penalty.
        penalty = self.penalty.repeat_interleave(n_columns).unsqueeze(1)
        weight_gradient = (residual @ self.z).addcmul_(weight, penalty)
        if frame is not None:
            weight_gradient = frame.gradient(weight_gradient)
        bias_gradient = residual.sum(dim=1, keepdim=True)
        gradient = torch.cat([weight_gradient, bias_gradient], dim=1)
        gradient = gradient.view(u.shape)
        # Sum over the examples, plus half the penalised squares.
        weighted_losses = losses.mul_(self.share)
        loss = weighted_losses.sum(dim=1, dtype=torch.float64)
        squares = weight.square().view(n_problems, -1)
        penalties = squares.sum(dim=1, dtype=torch.float64).mul_(self.penalty)
        loss.add_(penalties, alpha=0.5)
        gradient.mul_(self.step)
        return loss, gradient

    def _logits(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute the (problems x columns, examples) logits."""
        has_weights = weight.any()  # not at the start, which saves a product
        return torch.addmm(bias, weight, self.z.T) if has_weights else bias.repeat(1, len(self.z))

    def _binary_losses(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (problems, examples) losses and residuals of two classes; overwrites the logits."""
        signed_logits = logits.mul_(self.targets)
        losses = torch.logaddexp(signed_logits, signed_logits.new_zeros(1))  # softplus, in a third of the time
        residual = signed_logits.sigmoid_().mul_(self.targets).mul_(self.share)
        return losses, residual

    def _multinomial_losses(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (problems, examples) losses and (problems x columns, examples) residuals; overwrites the logits."""
        target_index = self.targets.unsqueeze(1)
        normaliser = logits.logsumexp(dim=1, keepdim=True)
        losses = (normaliser - logits.gather(1, target_index)).squeeze(1)
        # Softmax minus one at the label.
        residual = logits.sub_(normaliser).exp_()
        minus_one = residual.new_full((1, 1, 1), -1.0)
        residual.scatter_add_(1, target_index, minus_one.expand(target_index.shape))
        residual.mul_(self.share.unsqueeze(1))
        return losses, residual.flatten(0, 1)


def _start_at_prior(z: Tensor, class_ids: Tensor, share: Tensor, problems: Problems) -> tuple[Tensor, Tensor]:
    """Return (problems, columns, hidden + 1) zero weights with prior biases, and (problems, columns) variances."""
    columns = [1] if problems.n_classes == 2 else range(problems.n_classes)
    probabilities = []
    for column in columns:
        is_class = class_ids == column
        probabilities.append((is_class * share).sum(dim=1))
    probability = torch.stack(probabilities, dim=1)
    # Zero weights, and the biases that give each class its share.
    n_parameters = z.shape[1] + 1
    parameters = z.new_zeros((len(problems.labels), len(columns), n_parameters))
    bias = torch.logit(probability) if problems.n_classes == 2 else probability.log()
    parameters[..., -1] = bias
    variance = probability * (1 - probability)
    return parameters, variance


def _start_at_solution(design: Design, start: Solution, problems: Problems) -> tuple[Tensor, Tensor]:
    """Return (problems, columns, hidden + 1) parameters of a solution, and (problems, columns) variances there."""
    n_problems, n_examples = problems.labels.shape
    logits = design.logits(start)
    probability = torch.sigmoid(logits) if problems.n_classes == 2 else logits.softmax(dim=1)
    variance = (probability * (1 - probability)).mean(dim=0)
    variance = variance.clamp(min=1 / n_examples**2)
    bias_column = start.bias[:, None]
    array = np.concatenate([start.weight, bias_column], axis=1)
    parameters = torch.from_numpy(array).to(design.z)
    return parameters.expand(n_problems, -1, -1), variance.expand(n_problems, -1)


@dataclass(frozen=True, eq=False)
class _Memory:
    """Last steps and changes of the gradient along them, both divided by the square root of their inner product.

    Where rounding hides the curvature of a step, both are 0, so that the step has no influence.
    """

    pairs: Tensor
    """(problems, 2, steps, size) steps, and changes of the gradient."""

    def append(self, step: Tensor, change: Tensor) -> Self:
        """Return the memory with one more step, of at most `MEMORY` steps."""
        product = _inner_products(step, change)
        inverse_root = torch.where(product > 0, product.rsqrt(), 0.0)
        flat_step = step.flatten(1)
        flat_change = change.flatten(1)
        pair = torch.stack([flat_step, flat_change], dim=1)
        pair.mul_(inverse_root.view(-1, 1, 1))
        recent_pairs = self.pairs[:, :, 1 - MEMORY :]
        pairs = torch.cat([recent_pairs, pair.unsqueeze(2)], dim=2)
        return replace(self, pairs=pairs)

    def take(self, mask: Tensor) -> Self:
        """Return the memory of some of the problems, by a mask."""
        return replace(self, pairs=self.pairs[mask])

    def direction(self, gradient: Tensor) -> Tensor:
        """Compute minus the inverse curvature, as the remembered steps show it, times the gradient.

        The result is that of the two-loop recursion. The compact representation takes a few products of matrices
        instead of one product of vectors a loop, whose overhead would dominate in many small problems.

        Source: Byrd, Nocedal & Schnabel (1994), Mathematical Programming 63, theorem 2.2.
        """
        n_steps = self.pairs.shape[2]
        if not n_steps:
            return -gradient
        # Inner products of steps, changes and gradient.
        pair_rows = self.pairs.flatten(1, 2)
        gradient_row = gradient.flatten(1).unsqueeze(1)
        rows = torch.cat([pair_rows, gradient_row], dim=1)
        inner = rows[:, : 2 * n_steps] @ rows[:, n_steps:].mT
        steps_by_changes = inner[:, :n_steps, :n_steps]
        steps_by_gradient = inner[:, :n_steps, n_steps:]
        changes_by_all = inner[:, n_steps:]
        # Scale of the initial inverse curvature, from the last step.
        last_square = changes_by_all[:, n_steps - 1 :, n_steps - 1 : n_steps]
        scale = torch.where(last_square > 0, 1 / last_square, 1.0)
        # First loop: backward substitution with the upper triangle of steps by changes.
        change_factors = torch.linalg.solve_triangular(
            steps_by_changes, steps_by_gradient, upper=True, unitriangular=True
        )
        # Initial inverse curvature.
        changes_by_changes = changes_by_all[:, :, :n_steps]
        changes_by_gradient = changes_by_all[:, :, n_steps:]
        projected_gradient = changes_by_changes @ change_factors - changes_by_gradient
        mixed = change_factors + scale * projected_gradient
        # Second loop: forward substitution.
        step_factors = torch.linalg.solve_triangular(steps_by_changes.mT, mixed, upper=False, unitriangular=True)
        factors = torch.cat([-step_factors, scale * change_factors, -scale], dim=1)
        return (factors.mT @ rows).view(gradient.shape)


def _minimise(losses: _Losses, *, tol: float, max_iter: int) -> tuple[Tensor, Tensor]:
    """Minimise all losses together, each with its own memory and step length.

    Finished problems take steps of length zero until enough of them are finished to remove them, because removing
    copies all other problems. A problem whose numbers overflow has not converged.

    Returns:
        (problems, columns, hidden + 1) u at the end, and (problems,) whether each search converged.
    """
    u = losses.start
    remaining = torch.arange(len(u), device=u.device)
    final_u = u.clone()
    converged = torch.zeros_like(remaining, dtype=torch.bool)
    searching = ~converged
    overflowed = converged.clone()
    loss, gradient = losses.evaluate(u)
    n_parameters = u[0].numel()
    memory = _Memory(u.new_empty((len(u), 2, 0, n_parameters)))
    for _ in range(max_iter):
        check_stopped()
        # Quasi-Newton direction and its slope.
        direction = memory.direction(gradient)
        slope = _inner_products(direction, gradient)
        # Stopping rule: along a Newton direction the loss falls by half the slope.
        overflowed = overflowed | (searching & ~slope.isfinite())
        searching = searching & ~overflowed & (slope < -2 * tol)
        n_searching = int(searching.sum())
        if not n_searching:
            break
        if n_searching <= SEARCHING_SHARE * len(searching):
            # Store the finished problems and remove them.
            final_u[remaining] = u
            converged[remaining] = ~searching & ~overflowed
            remaining = remaining[searching]
            losses = losses.take(searching)
            memory = memory.take(searching)
            u = u[searching]
            loss = loss[searching]
            gradient = gradient[searching]
            direction = direction[searching]
            slope = slope[searching]
            overflowed = overflowed[searching]
            searching = searching[searching]
        elif n_searching < len(searching):
            # Finished problems take a step of length zero.
            direction = direction * searching[:, None, None]
            slope = slope * searching
        new_u, loss, new_gradient = _line_search(losses, u, loss, direction, slope)
        memory = memory.append(new_u - u, new_gradient - gradient)
        u = new_u
        gradient = new_gradient
    final_u[remaining] = u
    converged[remaining] = ~searching & ~overflowed
    return final_u, converged


def _line_search(
    losses: _Losses, u: Tensor, loss: Tensor, direction: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Find a lower point along each problem's direction by halving the step.

    Returns:
        The new u, its (problems,) losses, and its gradient.
    """
    length = torch.ones_like(slope)
    new_u = u + direction
    new_loss, new_gradient = losses.evaluate(new_u)
    rounding = torch.finfo(u.dtype).eps / 10 * loss.abs()  # the logits resolve no smaller difference
    for _ in range(MOST_HALVINGS):
        # Armijo condition of the problems that still search; finished problems have slope zero.
        bound = loss + 1e-4 * length * slope + rounding
        too_high = (slope < 0) & ~(new_loss <= bound)
        if not too_high.any():
            break
        # Halve the step of the others and evaluate their losses anew.
        length[too_high] /= 2
        step_length = length[too_high][:, None, None]
        shorter_u = u[too_high] + step_length * direction[too_high]
        shorter_loss, shorter_gradient = losses.take(too_high).evaluate(shorter_u)
        new_u[too_high] = shorter_u
        new_loss[too_high] = shorter_loss
        new_gradient[too_high] = shorter_gradient
    return new_u, new_loss, new_gradient


def _inner_products(a: Tensor, b: Tensor) -> Tensor:
    """Compute (problems,) inner products of two (problems, columns, hidden + 1) tensors."""
    return (a * b).sum(dim=(1, 2))
