"""Probes and floors: classifiers fitted on frozen features, each one affine map once fitted."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_features, check_labels, check_same_length

DEFAULT_CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the L2 penalty, strong to weak, as scikit-learn counts them (on a sum over examples)."""
BAG_OF_WORDS_CS = (0.1, 1.0, 10.0, 100.0)
"""TF-IDF rows have length 1, not one unit in each dimension: they need a weaker penalty."""

TINY = 1e-6
"""Relative spread under which a dimension is rounding noise; standardising would blow it up to full size."""


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """Logits of all classes as one affine map of the raw features; the standardisation is folded in."""

    weight: NDArray[np.float32]
    """(classes, hidden)"""
    bias: NDArray[np.float32]
    """(classes,)"""
    c: float = float("nan")
    converged: bool = True

    def logits(self, features: Any) -> NDArray[np.float32]:
        """(examples, classes); two classes have two logits, like any other number. Features may be sparse."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)

    def log_prob(self, features: Any) -> NDArray[np.float64]:
        """(examples, classes) natural logarithms of the class probabilities."""
        return log_softmax(self.logits(features))

    def predict(self, features: Any) -> NDArray[np.int64]:
        """(examples,) class ids."""
        return np.asarray(self.logits(features).argmax(axis=1))


class Probe(Protocol):
    """Anything that fits (examples, hidden) features along a path of penalties."""

    def path(
        self, features: Any, labels: NDArray[np.integer[Any]], cs: Sequence[float], *, n_classes: int
    ) -> Iterator[FittedProbe]:
        """One fitted probe for each of `cs`, in their order."""
        ...


@dataclass(frozen=True)
class LogisticProbe:
    """Multinomial logistic regression with an L2 penalty on the weights, the bias free."""

    c: float = 1.0
    """Inverse penalty strength, as in scikit-learn."""
    standardise: bool = True
    """Scale each dimension to unit variance on the training examples first, and fold that into the weights."""
    max_iter: int = 200
    tol: float = 1e-4

    def fit(self, features: Any, labels: NDArray[np.integer[Any]], *, n_classes: int) -> FittedProbe:
        """Fit with the probe's own `c`.

        Args:
            features: (examples, hidden), in float32 or float64; sparse where `standardise` is off.
            labels: (examples,) class ids in [0, n_classes).
            n_classes: Classes of the task. One that `labels` do not show still gets a finite logit, such that its
                average probability on the training examples is about 1 / (examples + 1).

        Returns:
            A `FittedProbe`; its `converged` says whether the solver reached its tolerance.

        Raises:
            InputError: Lengths differ, there is no example, or a value is not finite.
        """
        return next(self.path(features, labels, (self.c,), n_classes=n_classes))

    def path(
        self, features: Any, labels: NDArray[np.integer[Any]], cs: Sequence[float], *, n_classes: int
    ) -> Iterator[FittedProbe]:
        """Fit for each of `cs` in turn, each started from the one before: go from strong penalties to weak ones."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        check_same_length(features=np.empty(features.shape[0]), labels=labels)
        check_labels(labels, n_classes)
        if not len(labels):
            raise InputError("a probe needs at least one example")
        if self.standardise:
            check_features(features)
            shift, scale = standardisation(features)
            x = ((features - shift) / scale).astype(features.dtype)
        else:
            shift, scale = np.zeros(features.shape[1]), np.ones(features.shape[1])
            x = features
        seen = np.unique(labels)
        # newton-cg on float32 reaches the optimum of lbfgs 2 to 10 times sooner on features like these.
        model = LogisticRegression(solver="newton-cg", max_iter=self.max_iter, tol=self.tol, warm_start=True)
        for c in cs:
            converged = True
            if len(seen) == 1:
                weight, bias = np.zeros((1, x.shape[1])), np.zeros(1)
            else:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    model.set_params(C=c).fit(x, labels)
                converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
                weight, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
                if len(seen) == 2:  # one row for the second class: share it out, the softmax is the same
                    weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.stack([-bias[0], bias[0]]) / 2
            full_weight = np.zeros((n_classes, x.shape[1]))
            full_weight[seen] = weight
            full_bias = np.full(n_classes, _absent_logit(x, weight, bias) if len(seen) < n_classes else 0.0)
            full_bias[seen] = bias
            folded = full_weight / scale
            yield FittedProbe(
                weight=folded.astype(np.float32),
                bias=(full_bias - folded @ shift).astype(np.float32),
                c=float(c),
                converged=converged,
            )


@dataclass(frozen=True)
class Trial:
    """One point of a path of penalties."""

    c: float
    validation_log_loss: float
    """In nats."""
    converged: bool


@dataclass(frozen=True, eq=False)
class Selection:
    """The probe with the lowest validation log loss, and what it was chosen from."""

    probe: FittedProbe
    trials: tuple[Trial, ...]


def select_probe(
    probe: Probe,
    train: tuple[Any, NDArray[np.integer[Any]]],
    validation: tuple[Any, NDArray[np.integer[Any]]],
    *,
    n_classes: int,
    cs: Sequence[float] = DEFAULT_CS,
) -> Selection:
    """The probe whose penalty gives the lowest log loss on validation.

    The path runs from strong to weak and ends at the first rise: along a regularisation path the validation loss falls,
    then rises, and the weakest penalties are the slowest to fit.

    Args:
        probe: What to fit.
        train: Features (examples, hidden) and labels (examples,).
        validation: The same for the held-out examples.
        n_classes: Classes of the task.
        cs: Inverse penalty strengths, increasing.
    """
    features, labels = validation
    check_same_length(validation_features=np.empty(features.shape[0]), validation_labels=labels)
    trials: list[Trial] = []
    best: FittedProbe | None = None
    for fitted in probe.path(*train, cs, n_classes=n_classes):
        log_prob = fitted.log_prob(features)
        loss = float(-log_prob[np.arange(len(labels)), labels].mean())
        rises = bool(trials) and loss > min(t.validation_log_loss for t in trials)
        trials.append(Trial(fitted.c, loss, fitted.converged))
        if rises:
            break
        best = fitted
    if best is None:
        raise InputError("no penalty strength was given to choose from")
    return Selection(best, tuple(trials))


def majority(labels: NDArray[np.integer[Any]], *, n_classes: int) -> NDArray[np.float64]:
    """(classes,) log probabilities of a classifier that knows the training labels alone, add-one smoothed."""
    counts = np.bincount(labels, minlength=n_classes) + 1.0
    return np.asarray(np.log(counts / counts.sum()))


def bag_of_words(
    train: tuple[Sequence[str], NDArray[np.integer[Any]]],
    validation: tuple[Sequence[str], NDArray[np.integer[Any]]],
    test: Sequence[str],
    *,
    n_classes: int,
) -> NDArray[np.float64]:
    """(examples, classes) log probabilities on `test` of logistic regression on TF-IDF words, C chosen alike."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Single characters count as words too: "?" aside, "I" or "a" can carry a label.
    words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b|[^\w\s]", sublinear_tf=True, dtype=np.float64)
    features = words.fit_transform(train[0])
    probe = LogisticProbe(standardise=False)
    held_out = (words.transform(validation[0]), validation[1])
    chosen = select_probe(probe, (features, train[1]), held_out, n_classes=n_classes, cs=BAG_OF_WORDS_CS)
    return chosen.probe.log_prob(words.transform(test))


def standardisation(features: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(hidden,) mean and (hidden,) scale, which is 1 for a dimension that varies by rounding alone."""
    mean = features.mean(axis=0, dtype=np.float64)
    scale = features.std(axis=0, dtype=np.float64)
    floor = TINY * np.maximum(np.abs(mean), scale.max(initial=0.0))
    return mean, np.where(scale > floor, scale, 1.0)


def log_softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(examples, classes) logits to natural log probabilities."""
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=1, keepdims=True)))


def _absent_logit(x: Any, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> float:
    logits = np.asarray(x @ weight.T + bias)
    top = logits.max(axis=1)
    normaliser = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(normaliser.mean() - np.log(len(logits) + 1))


def pack_probes(probes: Mapping[str, FittedProbe], info: Mapping[str, Any]) -> bytes:
    """A safetensors file of fitted probes by name; `info` goes into its metadata as JSON."""
    from safetensors.numpy import save

    tensors = {
        f"{name}/{part}": getattr(fitted, part) for name, fitted in probes.items() for part in ("weight", "bias")
    }
    about = {
        **info,
        "c": {name: fitted.c for name, fitted in probes.items()},
        "converged": {name: fitted.converged for name, fitted in probes.items()},
    }
    return bytes(save(tensors, metadata={"layerprobe": json.dumps(about, sort_keys=True)}))


def load_probes(path: Path) -> tuple[dict[str, FittedProbe], dict[str, Any]]:
    """The probes of a result folder's `probes.safetensors`, by the name `task/pooling/layer`, and its metadata.

    Raises:
        InputError: The file is missing or not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as tensors:
            info = json.loads((tensors.metadata() or {})["layerprobe"])
            names = {key.rpartition("/")[0] for key in tensors.keys()}  # noqa: SIM118 - not a mapping
            tensor = tensors.get_tensor
            return {
                name: FittedProbe(
                    tensor(f"{name}/weight"),
                    tensor(f"{name}/bias"),
                    c=info["c"][name],
                    converged=info["converged"][name],
                )
                for name in sorted(names)
            }, info
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"cannot read probes from {str(path)!r}: {error}") from error


PROBES: dict[str, Probe] = {"logistic": LogisticProbe()}
