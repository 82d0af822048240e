"""Fitting of logistic-regression probes: one probe, a path of penalties, or many probes on the same features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from probes.checks import InputError, check_same_length, finite_number, whole_number
from probes.logistic.absent_classes import PartialProbe, expand_to_all_classes
from probes.logistic.fitted_probe import FittedProbe
from probes.sequences import BoolArray, FloatArray, IntegerArray, check_labels, class_ids, finite_features, penalty_list
from probes.statistics.standardisation import standardisation

if TYPE_CHECKING:
    from probes.logistic.design import Design, Solution

MOST_COLUMNS = 64
"""Columns of weights that are fitted together; with more columns the matrix products gain no further speed."""
MOST_CLASSES = 2**24
"""Classes that a probe can have: the weights of more classes would fill the memory."""


@dataclass(frozen=True)
class LogisticProbe:
    """Multinomial logistic regression on standardised features, with an L2 penalty on the weights but not the bias."""

    c: float = 1.0
    """Inverse penalty strength, as in scikit-learn."""
    max_iter: int = 1000
    """Largest number of solver iterations."""
    tol: float = 1e-7
    """Nats an example; the solver stops where the predicted decrease of the training loss is smaller."""

    def __post_init__(self) -> None:
        penalty_list((self.c,))
        whole_number(self.max_iter, "max_iter", least=1)
        finite_number(self.tol, "tol")

    def fit(self, features: FloatArray, labels: IntegerArray, *, n_classes: int) -> FittedProbe:
        """Fit with the probe's own `c`.

        Args:
            features: (examples, hidden) features in float32 or float64; the solver computes in that type.
            labels: (examples,) class ids in [0, n_classes).
            n_classes: Number of classes of the task. A class that does not occur in `labels` gets a finite logit: its
                average log odds on the training examples are those of 1 to examples + 1.

        Returns:
            A `FittedProbe`; its `converged` says whether the solver reached its tolerance.

        Raises:
            InputError: Lengths differ, there is no example, a label is no class id, or a value is not finite.
        """
        path = self.prepare(features).fit_path(labels, (self.c,), n_classes=n_classes)
        return next(path)

    def prepare(self, features: FloatArray, *, device: str = "cpu") -> LogisticFitter:
        """Standardise features once, for any number of fits; fitted probes read the raw features.

        Args:
            features: (examples, hidden) features of the training examples.
            device: Device on which probes are fitted.

        Raises:
            InputError: There is no example, or a value is not finite.
        """
        from probes.devices import float64_device
        from probes.logistic.design import Design

        features = finite_features(features)
        if not len(features):
            raise InputError("a probe needs at least one example")
        mean, scale = standardisation(features)
        solver_device = str(float64_device(device))  # losses are summed in float64
        return LogisticFitter(self, Design.of(features, mean, scale, device=solver_device))


@dataclass(frozen=True, eq=False)
class LogisticFitter:
    """Standardised features of one site, on which logistic probes are fitted."""

    probe: LogisticProbe
    design: Design

    def first(self, n: int) -> LogisticFitter:
        """Return the fitter on the first `n` examples, with the standardisation of all examples."""
        return LogisticFitter(self.probe, self.design.first(n))

    def fit_path(self, labels: IntegerArray, cs: Sequence[float], *, n_classes: int) -> Iterator[FittedProbe]:
        """Yield one fitted probe for each penalty, from strong penalties to weak ones.

        Several penalties are fitted together where there are few classes; each batch of fits starts from the last
        solution of the batch before.

        Args:
            labels: (examples,) class ids in [0, n_classes).
            cs: Inverse penalty strengths, increasing.
            n_classes: Number of classes of the task.

        Raises:
            InputError: Lengths differ, or a label is no class.
        """
        labels = class_ids(labels)
        self._check_labels(labels, n_classes)
        batch_size = _fits_together(len(np.unique(labels)))
        counted = np.ones(len(labels), dtype=bool)
        start: Solution | None = None
        for first in range(0, len(cs), batch_size):
            batch_cs = cs[first : first + batch_size]
            batch_labels = np.tile(labels, (len(batch_cs), 1))
            solutions = self._solve(batch_labels, batch_cs, None, start, self.probe.tol)
            for c, solution in zip(batch_cs, solutions, strict=True):
                yield self._fold(solution, labels, counted, n_classes, c)
            start = solutions[-1]

    def fit_many(
        self,
        labels: IntegerArray,
        cs: Sequence[float],
        *,
        n_classes: int,
        weights: FloatArray | None = None,
        start: FittedProbe | None = None,
        tol: float | None = None,
    ) -> list[FittedProbe]:
        """Fit several probes on the same features together.

        Args:
            labels: (fits, examples) class ids.
            cs: (fits,) inverse penalty strengths.
            n_classes: Number of classes of the task.
            weights: (fits, examples) how often each example counts; None counts each once.
            start: Probe on the same features from which all fits start; None starts without weights.
            tol: Tolerance in nats an example; None takes that of the probe.

        Raises:
            InputError: Lengths differ, or a label is no class.
        """
        check_same_length(labels=labels, cs=cs, weights=weights)
        labels = np.stack([class_ids(row) for row in labels])
        for row in labels:
            self._check_labels(row, n_classes)
        counted = np.ones(labels.shape, dtype=bool)
        if weights is not None:
            counted = weights > 0
        tol = tol or self.probe.tol
        probes: dict[int, FittedProbe] = {}
        # Only fits with the same classes can be solved together.
        for classes, fits in _fits_by_classes(labels, counted).items():
            batch_size = _fits_together(len(classes))
            solver_start = None
            if start is not None and len(classes) > 1:
                solver_start = self._unfold(start, classes)
            for first in range(0, len(fits), batch_size):
                batch = fits[first : first + batch_size]
                batch_weights = None if weights is None else weights[batch]
                batch_cs = [cs[i] for i in batch]
                solutions = self._solve(labels[batch], batch_cs, batch_weights, solver_start, tol)
                for i, solution in zip(batch, solutions, strict=True):
                    probes[i] = self._fold(solution, labels[i], counted[i], n_classes, cs[i])
        return [probes[i] for i in range(len(labels))]

    def _check_labels(self, labels: IntegerArray, n_classes: int) -> None:
        """Raise unless there is one class id for each example."""
        whole_number(n_classes, "n_classes", least=1, most=MOST_CLASSES)
        check_same_length(features=self.design.z, labels=labels)
        check_labels(labels, n_classes)

    def _solve(
        self,
        labels: IntegerArray,
        cs: Sequence[float],
        weights: FloatArray | None,
        start: Solution | None,
        tol: float,
    ) -> list[Solution]:
        """Solve regressions with the same occurring classes, after numbering these classes from 0."""
        from probes.logistic.design import Problems, Solution
        from probes.logistic.solver import solve

        counted_labels = labels[0]
        if weights is not None:
            counted_labels = counted_labels[weights[0] > 0]
        classes = np.unique(counted_labels)
        if len(classes) == 1:
            hidden = self.design.z.shape[1]
            weight = np.zeros((1, hidden))
            bias = np.zeros(1)
            return [Solution(weight, bias, converged=True)] * len(cs)
        # An example of weight 0 may have a class that does not occur: any class id does for it.
        ids = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        strengths = np.asarray(cs, dtype=float)
        problems = Problems(ids, strengths, len(classes), weights)
        return solve(self.design, problems, start=start, tol=tol, max_iter=self.probe.max_iter)

    def _unfold(self, probe: FittedProbe, classes: Sequence[int]) -> Solution:
        """Return the part of a probe that separates some classes, as weights on the standardised features."""
        from probes.logistic.design import Solution

        rows = list(classes)
        weight = probe.weight[rows].astype(np.float64)
        bias = probe.bias[rows].astype(np.float64)
        if len(classes) == 2:  # one column, the second class's logit minus the first's
            weight = weight[1:] - weight[:1]
            bias = bias[1:] - bias[:1]
        center = 0.0 if probe.center is None else probe.center
        centred_bias = bias + weight @ (self.design.shift - center)
        return Solution(weight * self.design.scale, centred_bias, converged=True)

    def _fold(
        self, solution: Solution, labels: IntegerArray, counted: BoolArray, n_classes: int, c: float
    ) -> FittedProbe:
        """Return a solution as a probe of all classes on the raw features; `counted` are the examples with a weight."""
        class_counts = np.bincount(labels[counted], minlength=n_classes)
        classes = np.flatnonzero(class_counts)
        logits = None
        if len(classes) < n_classes:
            logits = self.design.logits(solution).cpu().numpy()[counted]
        weight, bias, center = self.design.fold(solution)
        partial = PartialProbe(weight, bias, classes, logits, center)
        probe = expand_to_all_classes(partial, n_classes=n_classes, c=c, converged=solution.converged)
        shares = class_counts / max(1, class_counts.sum())
        return replace(probe, prior=tuple(shares.tolist()))


def _fits_together(n_classes: int) -> int:
    """Return the number of fits that are solved together; a fit of two classes has one column of weights."""
    n_columns = n_classes if n_classes > 2 else 1
    return max(1, MOST_COLUMNS // n_columns)


def _fits_by_classes(labels: IntegerArray, counted: BoolArray) -> dict[tuple[int, ...], list[int]]:
    """Return the occurring classes -> fits in which exactly these classes occur among the counted examples."""
    fits: dict[tuple[int, ...], list[int]] = {}
    for i, row in enumerate(labels):
        class_counts = np.bincount(row[counted[i]])
        classes = tuple(np.flatnonzero(class_counts).tolist())
        fits.setdefault(classes, []).append(i)
    return fits
