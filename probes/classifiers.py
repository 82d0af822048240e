"""Kinds of probes, the choice of a penalty, and the floors that see no encoder."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.logistic import FittedProbe, LogisticProbe, whole_probe

DEFAULT_CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the L2 penalty, strong to weak, as scikit-learn counts them (on a sum over examples)."""
ROUGH = 1e-5
"""Tolerance, in nats an example, of fits that count in sums alone: it moves a codelength by one bit in ten thousand."""
BAG_OF_WORDS_CS = (0.1, 1.0, 10.0, 100.0)
"""TF-IDF rows have length 1, not one unit in each dimension: they need a weaker penalty."""


class Fitter(Protocol):
    """Features made ready, to fit any labels of their examples on."""

    def path(self, labels: NDArray[np.integer[Any]], cs: Sequence[float], *, n_classes: int) -> Iterator[FittedProbe]:
        """One fitted probe for each of `cs`, in their order, from strong penalties to weak ones."""
        ...

    def fits(
        self,
        labels: NDArray[np.integer[Any]],
        cs: Sequence[float],
        *,
        n_classes: int,
        weights: NDArray[np.floating[Any]] | None = None,
        tol: float | None = None,
    ) -> list[FittedProbe]:
        """Several fits at once: `labels` and `weights` (fits, examples), `cs` (fits,); `tol` if not the probe's own."""
        ...

    def first(self, n: int) -> Fitter:
        """The same on the first `n` examples, standardised as all of them are."""
        ...


class Probe(Protocol):
    """A kind of classifier."""

    def on(self, features: NDArray[np.floating[Any]], *, device: str = "cpu") -> Fitter:
        """Make (examples, hidden) features ready."""
        ...


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


def select_probe(path: Iterable[FittedProbe], features: Any, labels: NDArray[np.integer[Any]]) -> Selection:
    """The probe of a path whose penalty gives the lowest log loss on validation.

    The path runs from strong to weak and ends at the first rise: along a regularisation path the validation loss falls,
    then rises, and the weakest penalties are the slowest to fit.

    Args:
        path: Probes of increasing `c`; taken as far as needed.
        features: (examples, hidden) of the held-out examples; may be sparse.
        labels: (examples,) theirs.

    Raises:
        InputError: Lengths differ, or there is nothing to choose from.
    """
    check_same_length(validation_features=np.empty(features.shape[0]), validation_labels=labels)
    trials: list[Trial] = []
    best: FittedProbe | None = None
    for fitted in path:
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
    path = _sparse_path(features, train[1], BAG_OF_WORDS_CS, n_classes=n_classes)
    chosen = select_probe(path, words.transform(validation[0]), validation[1])
    return chosen.probe.log_prob(words.transform(test))


def _sparse_path(
    features: Any, labels: NDArray[np.integer[Any]], cs: Sequence[float], *, n_classes: int
) -> Iterator[FittedProbe]:
    """Probes on sparse features that are not standardised, each started from the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    shown = np.unique(labels)
    model = LogisticRegression(solver="newton-cg", max_iter=200, warm_start=True)
    for c in cs:
        weight, bias, converged = np.zeros((1, features.shape[1])), np.zeros(1), True
        if len(shown) > 1:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.set_params(C=c).fit(features, labels)
            converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
            weight, bias = model.coef_, model.intercept_
        logits = features @ weight.T + bias if len(shown) < n_classes else None
        yield whole_probe(weight, bias, shown, n_classes, c, logits=logits, converged=converged)


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
