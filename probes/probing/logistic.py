"""Logistic-regression probes on frozen features, each one affine map once fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_fields, check_same_length, finite_number, whole_number
from probes.sequences import check_labels, class_ids, feature_array, finite_features, penalty_list

if TYPE_CHECKING:
    from probes.probing.solver import Design, Solution

SIDE_BY_SIDE = 64
"""Columns of weights that are fitted together; from there on the products of matrices gain no more."""

MOST_CLASSES = 2**24
"""Classes that a probe can have: the weights of more would fill the memory."""
SCORED = 2**20
"""Logits held while several probes are scored."""
CHUNK = 256
"""Rows squared, or scored by several probes, at once: few enough for a core's cache."""

SPREADS = (1e-30, 1e100)
"""Within which the largest standard deviation must lie: weights of smaller ones overflow in float32, and the squares of
larger ones in float64."""
TINY = 1e-6
"""Relative spread under which a dimension is rounding noise; standardising would blow it up to full size."""
ROUNDING = 2.0**-22
"""Largest spread as a share of the largest mean, under which whole vectors are one vector but for rounding: products of
float32 are off by that, also in dimensions whose own mean is small."""


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """Logits of all classes as one affine map of the raw features: (features - center) @ weight.T + bias.

    The scale of the standardisation is folded into the weights. The mean is not folded into the bias: where it is
    thousands of times the spread, as in [CLS] of low layers, the two products would cancel to rounding.
    """

    weight: NDArray[np.float32] = field(repr=False)
    """(classes, hidden)"""
    bias: NDArray[np.float32] = field(repr=False)
    """(classes,)"""
    c: float = float("nan")
    converged: bool = True
    center: NDArray[np.float32] | None = field(default=None, repr=False)
    """(hidden,) what is subtracted from the features first; nothing when None."""
    prior: tuple[float, ...] | None = None
    """(classes,) shares of the classes among the training examples, where they are known."""
    encoder: str | None = None
    """Fingerprint of the encoder whose features it was fitted on, where that is known: see `Encoder.fingerprint`."""

    def __post_init__(self) -> None:
        check_fields(self)
        shapes = self.weight.shape, self.bias.shape, None if self.center is None else self.center.shape
        fit = len(shapes[0]) == 2 and shapes[1] == shapes[0][:1] and shapes[2] in (None, shapes[0][1:])
        if not fit:
            raise InputError(
                f"a probe's weight must be (classes, hidden), its bias (classes,) and its center (hidden,) or None, "
                f"found {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )

    def __repr__(self) -> str:
        classes, hidden = self.weight.shape
        return f"FittedProbe({classes} classes, {hidden} dimensions, c={self.c:g}, converged={self.converged})"

    def logits(self, features: Any) -> NDArray[np.float32]:
        """(examples, classes); two classes have two logits, like any other number. Features may be sparse.

        Raises:
            InputError: The features are not numbers of shape (examples, hidden), with the probe's own hidden size.
        """
        sparse = hasattr(features, "tocsr")
        x = features if sparse else feature_array(features)
        if x.ndim != 2 or x.shape[1] != self.weight.shape[1]:
            raise InputError(f"the probe reads {self.weight.shape[1]} dimensions, the features have shape {x.shape}")
        if self.center is None or sparse:
            bias = self.bias if self.center is None else self.bias - self.weight.astype(np.float64) @ self.center
            return np.asarray(x @ self.weight.T + bias, dtype=np.float32)
        out = np.empty((len(x), len(self.bias)), dtype=np.float32)
        for start in range(0, len(x), CHUNK):
            rows = slice(start, start + CHUNK)
            out[rows] = (x[rows] - self.center) @ self.weight.T
        return np.add(out, self.bias, out=out, casting="same_kind")

    def log_prob(self, features: Any) -> NDArray[np.float64]:
        """(examples, classes) natural logarithms of the class probabilities."""
        return log_softmax(self.logits(features))

    def predict(self, features: Any) -> NDArray[np.int64]:
        """(examples,) class ids."""
        return np.asarray(self.logits(features).argmax(axis=1))


@dataclass(frozen=True)
class LogisticProbe:
    """Multinomial logistic regression on standardised features, with an L2 penalty on the weights, the bias free."""

    c: float = 1.0
    """Inverse penalty strength, as in scikit-learn."""
    max_iter: int = 1000
    tol: float = 1e-7
    """Nats an example: no step is taken that is foretold to lower the training loss by less."""

    def __post_init__(self) -> None:
        penalty_list((self.c,))
        whole_number(self.max_iter, "max_iter", least=1)
        finite_number(self.tol, "tol")

    def fit(
        self, features: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], *, n_classes: int
    ) -> FittedProbe:
        """Fit with the probe's own `c`.

        Args:
            features: (examples, hidden), in float32 or float64, and computed with in that.
            labels: (examples,) class ids in [0, n_classes).
            n_classes: Classes of the task. One that `labels` do not show still gets a finite logit, such that its
                average log odds on the training examples are those of 1 to examples + 1.

        Returns:
            A `FittedProbe`; its `converged` says whether the solver reached its tolerance.

        Raises:
            InputError: Lengths differ, there is no example, a label is no class id, or a value is not finite.
        """
        return next(self.on(features).path(labels, (self.c,), n_classes=n_classes))

    def on(self, features: NDArray[np.floating[Any]], *, device: str = "cpu") -> LogisticFitter:
        """Standardise (examples, hidden) features once, for any number of fits; the standardisation is folded back."""
        from probes.devices import float64_device
        from probes.probing.solver import Design

        features = finite_features(features)
        if not len(features):
            raise InputError("a probe needs at least one example")
        shift, scale = standardisation(features)
        place = str(float64_device(device))  # the loss is summed in it
        return LogisticFitter(self, Design.of(features, shift, scale, device=place))


@dataclass(frozen=True, eq=False)
class LogisticFitter:
    """Features of one place, standardised, on which logistic probes are fitted."""

    probe: LogisticProbe
    design: Design

    def first(self, n: int) -> LogisticFitter:
        """The same on the first `n` examples, standardised as all of them are."""
        return LogisticFitter(self.probe, self.design.first(n))

    def path(self, labels: NDArray[np.integer[Any]], cs: Sequence[float], *, n_classes: int) -> Iterator[FittedProbe]:
        """One fitted probe for each of `cs`: go from strong penalties to weak ones.

        Where there are many classes each fit starts from the one before; of two or a few classes, several penalties at
        once are faster.

        Raises:
            InputError: Lengths differ, or a label is no class.
        """
        labels = class_ids(labels)
        self._check(labels, n_classes)
        size, start = _together(len(np.unique(labels))), None
        for first in range(0, len(cs), size):
            some = cs[first : first + size]
            solutions = self._solve(np.tile(labels, (len(some), 1)), some, None, start, self.probe.tol)
            for c, solution in zip(some, solutions, strict=True):
                yield self._fold(solution, labels, np.ones(len(labels), dtype=bool), n_classes, c)
            start = solutions[-1]

    def fits(
        self,
        labels: NDArray[np.integer[Any]],
        cs: Sequence[float],
        *,
        n_classes: int,
        weights: NDArray[np.floating[Any]] | None = None,
        start: FittedProbe | None = None,
        tol: float | None = None,
    ) -> list[FittedProbe]:
        """Several fits at once.

        Args:
            labels: (fits, examples) class ids.
            cs: (fits,) inverse penalty strengths.
            n_classes: Classes of the task.
            weights: (fits, examples) how often each example counts; once when None.
            start: Where they begin: a probe on the same features that lies near them.
            tol: In the place of the probe's own.

        Raises:
            InputError: Lengths differ, or a label is no class.
        """
        check_same_length(labels=labels, cs=cs, weights=weights)
        labels = np.stack([class_ids(row) for row in labels])
        for row in labels:
            self._check(row, n_classes)
        kept = np.ones(labels.shape, dtype=bool) if weights is None else weights > 0
        shown = [tuple(np.flatnonzero(np.bincount(row[own])).tolist()) for row, own in zip(labels, kept, strict=True)]
        found: dict[int, FittedProbe] = {}
        for classes in dict.fromkeys(shown):
            same = [i for i, own in enumerate(shown) if own == classes]
            size = _together(len(classes))
            for some in (same[start : start + size] for start in range(0, len(same), size)):
                counts = None if weights is None else weights[some]
                begin = None if start is None or len(classes) == 1 else self._unfold(start, classes)
                solutions = self._solve(labels[some], [cs[i] for i in some], counts, begin, tol or self.probe.tol)
                for i, solution in zip(some, solutions, strict=True):
                    found[i] = self._fold(solution, labels[i], kept[i], n_classes, cs[i])
        return [found[i] for i in range(len(labels))]

    def _check(self, labels: NDArray[np.integer[Any]], n_classes: int) -> None:
        whole_number(n_classes, "n_classes", least=1, most=MOST_CLASSES)
        check_same_length(features=self.design.z, labels=labels)
        check_labels(labels, n_classes)

    def _solve(
        self,
        labels: NDArray[np.integer[Any]],
        cs: Sequence[float],
        weights: NDArray[np.floating[Any]] | None,
        start: Solution | None,
        tol: float,
    ) -> list[Solution]:
        """Regressions that all show the same classes, which are numbered anew."""
        from probes.probing.solver import Solution, solve

        shown = np.unique(labels[0] if weights is None else labels[0][weights[0] > 0])
        if len(shown) == 1:
            hidden = self.design.z.shape[1]
            return [Solution(np.zeros((1, hidden)), np.zeros(1), converged=True)] * len(cs)
        # An example that counts for nothing may have a class that is not shown.
        ids = np.searchsorted(shown, labels).clip(max=len(shown) - 1)
        return solve(
            self.design,
            ids,
            np.asarray(cs, dtype=float),
            n_classes=len(shown),
            weights=weights,
            start=start,
            tol=tol,
            max_iter=self.probe.max_iter,
        )

    def _unfold(self, probe: FittedProbe, shown: Sequence[int]) -> Solution:
        """The part of a probe that tells the shown classes apart, on the standardised features."""
        from probes.probing.solver import Solution

        weight, bias = (part[list(shown)].astype(np.float64) for part in (probe.weight, probe.bias))
        if len(shown) == 2:
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        center = 0.0 if probe.center is None else probe.center
        return Solution(weight * self.design.scale, bias + weight @ (self.design.shift - center), converged=True)

    def _fold(
        self, solution: Solution, labels: NDArray[np.integer[Any]], kept: NDArray[np.bool_], n_classes: int, c: float
    ) -> FittedProbe:
        """A solution on the features as they came; `kept` are the examples that count."""
        counts = np.bincount(labels[kept], minlength=n_classes)
        shown = np.flatnonzero(counts)
        logits = self.design.logits(solution).cpu().numpy()[kept] if len(shown) < n_classes else None
        weight, bias, center = self.design.fold(solution)
        probe = whole_probe(
            weight, bias, shown, n_classes, c, logits=logits, converged=solution.converged, center=center
        )
        return replace(probe, prior=tuple((counts / max(1, counts.sum())).tolist()))


def _together(n_classes: int) -> int:
    """Fits that are done side by side; of two classes each has one column."""
    return max(1, SIDE_BY_SIDE // (n_classes if n_classes > 2 else 1))


def standardisation(features: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(hidden,) mean and (hidden,) scale: the standard deviation, or, where that is rounding, the largest mean or 1.

    Rounding grows with the numbers that are rounded, so that divided by 1 it would be read where those are large.

    Raises:
        InputError: A dimension varies by so little or so much that weights for it cannot be computed.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        mean, deviation = moments(features)
    size, (least, most) = float(deviation.max(initial=0.0)), SPREADS
    if size and not least <= size <= most:
        found = f"{size:.1e}" if size < float("inf") else "more than 1e+150"
        raise InputError(
            f"features have a standard deviation of {found}, a probe takes {least:g} to {most:g}; scale them first"
        )
    return mean, np.where(deviation > 0, deviation, max(1.0, float(np.abs(mean).max(initial=0.0))))


def moments(features: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(hidden,) mean and (hidden,) standard deviation, which is 0 for a dimension that varies by rounding alone."""
    mean = features.mean(axis=0, dtype=np.float64)
    total, apart = np.zeros_like(mean), np.empty((min(CHUNK, len(features)), len(mean)))
    for start in range(0, len(features), CHUNK):  # numpy's own would hold all rows in float64
        rows = features[start : start + CHUNK]
        part = np.subtract(rows, mean, out=apart[: len(rows)])
        total += np.einsum("ij,ij->j", part, part)
    deviation = np.sqrt(total / len(features))
    if not np.isfinite(deviation).all():
        return mean, deviation
    size, largest = np.abs(mean), deviation.max(initial=0.0)
    if largest <= ROUNDING * size.max(initial=0.0):
        return mean, np.zeros_like(deviation)
    floor = TINY * np.maximum(size, largest)
    return mean, np.where(deviation > floor, deviation, 0.0)


def score(
    probes: Sequence[FittedProbe], features: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(probes, examples) natural log probability that each probe gives each label, and whether it is what it predicts.

    Args:
        probes: Of the same features and classes.
        features: (examples, hidden)
        labels: (examples,) class ids.
    """
    import torch

    center = probes[0].center
    weight = torch.from_numpy(np.concatenate([probe.weight for probe in probes]))
    bias = torch.from_numpy(np.concatenate([_bias_at(center, probe) for probe in probes]))
    shape = len(probes), len(labels)
    log_prob, right = np.empty(shape), np.empty(shape, dtype=bool)
    step = max(1, SCORED // len(weight))
    for start in range(0, len(labels), step):
        rows = slice(start, start + step)
        # PyTorch takes no array that may not be written or runs backwards; a copy is made of such alone.
        part = features[rows] if center is None else features[rows] - center
        x = torch.from_numpy(np.require(part, probes[0].weight.dtype, ["C", "W"]))
        y = torch.from_numpy(np.require(labels[rows], np.int64, ["C", "W"]))
        logits = torch.addmm(bias[:, None], weight, x.T).view(len(probes), -1, len(y))
        own = logits.double().log_softmax(dim=1).gather(1, y.expand(len(probes), 1, -1))
        log_prob[:, rows], right[:, rows] = own[:, 0].numpy(), (logits.max(dim=1).indices == y).numpy()
    return log_prob, right


def _bias_at(center: NDArray[np.float32] | None, probe: FittedProbe) -> NDArray[np.floating[Any]]:
    """(classes,) the biases of a probe whose features have `center` subtracted instead of its own."""
    if probe.center is center:
        return probe.bias
    moved = (0.0 if center is None else center) - (0.0 if probe.center is None else probe.center.astype(np.float64))
    return np.asarray(probe.bias + probe.weight @ np.broadcast_to(moved, probe.weight.shape[1:]), probe.bias.dtype)


def log_softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(..., classes) logits to natural log probabilities."""
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=-1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True)))


def whole_probe(
    weight: NDArray[Any],
    bias: NDArray[Any],
    shown: NDArray[np.integer[Any]],
    n_classes: int,
    c: float,
    *,
    logits: NDArray[Any] | None,
    converged: bool,
    center: NDArray[np.float32] | None = None,
) -> FittedProbe:
    """A probe of all classes from the weights of those that the training examples show.

    Args:
        weight: (columns, hidden); one column, the second class's logit, where two classes are shown.
        bias: (columns,)
        shown: (classes shown,) their ids.
        n_classes: Classes of the task. One that is not shown gets the logit at which its log odds on the training
            examples are, on average, those of 1 to examples + 1.
        c: For the record.
        logits: (examples, columns) on the training examples; not read where every class is shown.
        converged: For the record.
        center: (hidden,) what these weights and biases take to be subtracted from the features first; None for nothing.
    """
    if len(shown) == 2:  # share the second class's logit out, the softmax is the same
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    whole_weight, whole_bias = np.zeros((n_classes, weight.shape[1])), np.zeros(n_classes)
    if logits is not None:
        there = np.concatenate([-logits, logits], axis=1) / 2 if len(shown) == 2 else logits
        normaliser = there[:, 0] - log_softmax(there)[:, 0]
        whole_bias[:] = normaliser.mean() - np.log(len(there) + 1)
    whole_weight[shown], whole_bias[shown] = weight, bias
    weight, bias = whole_weight.astype(np.float32), whole_bias.astype(np.float32)
    return FittedProbe(weight, bias, c=float(c), converged=converged, center=center)
