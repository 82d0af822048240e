"""Kinds of probes, the choice of a penalty, and the floors that see no encoder."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, as_path, check_same_length
from probes.data.folds import assign_folds
from probes.probing.logistic import FittedProbe, LogisticProbe, log_softmax, whole_probe
from probes.randomness import preserved_random_state
from probes.sequences import class_ids, finite_features

DEFAULT_CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the L2 penalty, strong to weak, as scikit-learn counts them (on a sum over examples)."""
ROUGH = 1e-5
"""Tolerance, in nats an example, of fits that count on average: floors, controls, resampled training sets."""
MOST_WEIGHTS = 2**23
"""Weights of a bag of words, one for each word and class; the solver holds some ten numbers for each."""
NO_FINITE_LOSS = (
    "no probe gives a finite log loss on the held-out examples: their features are so large that its logits overflow"
)
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
        start: FittedProbe | None = None,
        tol: float | None = None,
    ) -> list[FittedProbe]:
        """Several fits at once: `labels` and `weights` (fits, examples), `cs` (fits,); `tol` if not the probe's own.

        `start` is a probe that lies near all of them, where one is known.
        """
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

    Args:
        path: Probes of increasing `c`; of equally good ones the first, with the strongest penalty, is chosen.
        features: (examples, hidden) of the held-out examples; may be sparse.
        labels: (examples,) theirs.

    Raises:
        InputError: Lengths differ, or there is nothing to choose from.
    """
    if not hasattr(features, "tocsr"):  # sparse ones are made here, of words
        features = finite_features(features, name="validation features")
    labels = class_ids(labels, name="validation labels")
    check_same_length(validation_features=range(features.shape[0]), validation_labels=labels)
    trials: list[Trial] = []
    best, least = None, math.inf
    for fitted in path:
        log_prob = fitted.log_prob(features)
        loss = float(-log_prob[np.arange(len(labels)), labels].mean())
        trials.append(Trial(fitted.c, loss, fitted.converged))
        if loss < least:
            best, least = fitted, loss
    if not trials:
        raise InputError("no penalty strength was given to choose from")
    if best is None:
        raise InputError(NO_FINITE_LOSS)
    return Selection(best, tuple(trials))


@dataclass(frozen=True, eq=False)
class Folds:
    """A partition of the training examples, each part held out in turn."""

    parts: tuple[NDArray[np.int64], ...]
    """Rows of each part."""

    @classmethod
    def of(
        cls, labels: NDArray[np.integer[Any]], units: NDArray[np.integer[Any]] | None = None, *, n: int, seed: int = 0
    ) -> Folds:
        """Parts in which each class has about its share, and no unit stands in two.

        Args:
            labels: (examples,) class ids.
            units: (examples,) ids of what must stay together, such as duplicates; None for each by itself.
            n: Parts.
            seed: Of the order.

        Raises:
            InputError: `n` is below 2, or there are fewer units.
        """
        check_same_length(labels=labels, units=units)
        unit = np.arange(len(labels)) if units is None else np.unique(units, return_inverse=True)[1]
        check_folds(n, int(unit.max(initial=-1)) + 1)
        part = assign_folds(labels, unit, n, np.random.default_rng(seed))
        rows = np.argsort(part, kind="stable")
        return cls(tuple(np.split(rows, np.cumsum(np.bincount(part, minlength=n))[:-1])))


def check_folds(n: int, units: int) -> None:
    """Raise unless so many units can be parted into `n` folds."""
    if n < 2:
        raise InputError(f"folds must be 2 or more, found {n}")
    if units < 2:
        raise InputError("folds need two texts or more that are not all duplicates or of one group")
    if n > units:
        raise InputError(
            f"{n} folds are more than the {units} training texts, those that are duplicates or of one group taken as "
            f"one; ask for {units} or fewer"
        )


def select_by_folds(
    probe: Probe,
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    folds: Folds,
    cs: Sequence[float],
    *,
    n_classes: int,
    device: str = "cpu",
) -> tuple[Selection, NDArray[np.float64]]:
    """The probe whose penalty gives the lowest log loss over held-out parts, fitted on all training examples.

    Standardisation is fitted on the rest of the examples, for each part anew.

    Returns:
        The selection, and (examples, classes) log probabilities of each example by the probe that had not seen it.
    """
    n = len(labels)
    log_probs = np.empty((len(cs), n, n_classes))
    converged = np.ones(len(cs), dtype=bool)
    for held_out in folds.parts:
        rest = np.setdiff1d(np.arange(n), held_out)
        fitter = probe.on(features[rest], device=device)
        for i, fitted in enumerate(fitter.path(labels[rest], cs, n_classes=n_classes)):
            log_probs[i, held_out] = fitted.log_prob(features[held_out])
            converged[i] &= fitted.converged
    losses = -log_probs[:, np.arange(n), labels].mean(axis=1)
    if not np.isfinite(losses).any():
        raise InputError(NO_FINITE_LOSS)
    best = int(np.nanargmin(losses))
    (chosen,) = probe.on(features, device=device).fits(labels[None], (cs[best],), n_classes=n_classes)
    trials = (Trial(float(c), float(loss), bool(ok)) for c, loss, ok in zip(cs, losses, converged, strict=True))
    return Selection(chosen, tuple(trials)), log_probs[best]


def uninformed(labels: NDArray[np.integer[Any]], *, n_classes: int) -> NDArray[np.float64]:
    """(classes,) log probabilities of the probe that sees no features: what one fitted on a constant vector says.

    A class that `labels` do not show has odds of 1 to examples + 1, as with any probe.
    """
    counts = np.bincount(labels, minlength=n_classes)
    logits = np.where(counts > 0, np.log(np.maximum(counts, 1) / len(labels)), -np.log(len(labels) + 1))
    return log_softmax(logits)


def majority(labels: NDArray[np.integer[Any]], *, n_classes: int) -> NDArray[np.float64]:
    """(classes,) log probabilities of a classifier that knows the training labels alone, add-one smoothed."""
    counts = np.bincount(labels, minlength=n_classes) + 1.0
    return np.asarray(np.log(counts / counts.sum()))


def bag_of_words(
    train: tuple[Sequence[str], NDArray[np.integer[Any]]],
    validation: tuple[Sequence[str], NDArray[np.integer[Any]]] | Folds,
    test: Sequence[str],
    *,
    n_classes: int,
) -> tuple[NDArray[np.float64], int | None]:
    """Logistic regression on TF-IDF words, C chosen alike: what it says on `test`, and how many words it was left.

    Returns:
        (examples, classes) log probabilities; and the number of words where the rarest were left out, as a weight for
        each word and class would be more than `MOST_WEIGHTS`, else None.
    """
    from probes.parallel import limited_cores

    texts, labels = train
    with limited_cores(0):  # products with sparse rows: OpenBLAS would start its threads for the vectors between them
        words, path = _word_path(texts, labels, n_classes=n_classes)
        most = words.max_features if len(words.vocabulary_) == words.max_features else None
        if not isinstance(validation, Folds):
            chosen = select_probe(path, words.transform(validation[0]), validation[1])
            return chosen.probe.log_prob(words.transform(test)), most
        losses = np.zeros(len(BAG_OF_WORDS_CS))
        for held_out in validation.parts:
            rest = np.setdiff1d(np.arange(len(labels)), held_out)
            known, own_path = _word_path([texts[i] for i in rest], labels[rest], n_classes=n_classes)
            unseen = known.transform([texts[i] for i in held_out])
            for i, fitted in enumerate(own_path):
                losses[i] -= fitted.log_prob(unseen)[np.arange(len(held_out)), labels[held_out]].sum()
        best = next(itertools.islice(path, int(losses.argmin()), None))
        return best.log_prob(words.transform(test)), most


def _word_path(
    texts: Sequence[str], labels: NDArray[np.integer[Any]], *, n_classes: int
) -> tuple[Any, Iterator[FittedProbe]]:
    """The words of some texts, and probes on them."""
    with preserved_random_state():
        from sklearn.feature_extraction.text import TfidfVectorizer

    # Single characters count as words too: "?" aside, "I" or "a" can carry a label.
    words = TfidfVectorizer(
        token_pattern=r"(?u)\b\w+\b|[^\w\s]",
        sublinear_tf=True,
        dtype=np.float64,
        max_features=max(1, MOST_WEIGHTS // n_classes),
    )
    return words, _sparse_path(words.fit_transform(texts), labels, BAG_OF_WORDS_CS, n_classes=n_classes)


def _sparse_path(
    features: Any, labels: NDArray[np.integer[Any]], cs: Sequence[float], *, n_classes: int
) -> Iterator[FittedProbe]:
    """Probes on sparse features that are not standardised, each started from the one before."""
    with preserved_random_state():
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
        f"{name}/{part}": getattr(fitted, part)
        for name, fitted in probes.items()
        for part in ("weight", "bias", "center")
        if getattr(fitted, part) is not None
    }
    about = {
        **info,
        "c": {name: fitted.c for name, fitted in probes.items()},
        "converged": {name: fitted.converged for name, fitted in probes.items()},
        "prior": {name: fitted.prior for name, fitted in probes.items() if fitted.prior is not None},
    }
    return bytes(save(tensors, metadata={"layerprobe": json.dumps(about, sort_keys=True)}))


def load_probes(path: Path | str) -> tuple[dict[str, FittedProbe], dict[str, Any]]:
    """The probes of a result folder's `probes.safetensors`, by the name `task/pooling/layer`, and its metadata.

    Each probe carries the fingerprint of the encoder that it was fitted on, and the shares of the training labels.
    Files of 0.1.0 have no centers: there the mean of the features is folded into the biases.

    Raises:
        InputError: The file is missing or not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    path = as_path(path, name="path")
    try:
        with safe_open(path, framework="numpy") as tensors:
            info = json.loads((tensors.metadata() or {})["layerprobe"])
            priors = info.get("prior", {})
            keys = set(tensors.keys())
            names = {key.rpartition("/")[0] for key in keys}
            tensor = tensors.get_tensor
            return {
                name: FittedProbe(
                    tensor(f"{name}/weight"),
                    tensor(f"{name}/bias"),
                    c=info["c"][name],
                    converged=info["converged"][name],
                    center=tensor(f"{name}/center") if f"{name}/center" in keys else None,
                    prior=tuple(map(float, priors[name])) if name in priors else None,
                    encoder=info.get("weights"),
                )
                for name in sorted(names)
            }, info
    except InputError as error:
        raise InputError(f"cannot read probes from {str(path)!r}: {error}") from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot read probes from {str(path)!r}: {error}") from error


PROBES: dict[str, Probe] = {"logistic": LogisticProbe()}
