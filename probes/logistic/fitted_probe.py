"""Fitted probes: the logits of all classes as one affine map of the features, and scores of several probes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_fields
from probes.sequences import BoolArray, Float64Array, FloatArray, Int64Array, IntegerArray, feature_array
from probes.statistics.standardisation import CHUNK_ROWS

MOST_LOGITS = 2**20
"""Logits in memory at once while several probes are scored."""


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """Logits of all classes as one affine map of the raw features: (features - center) @ weight.T + bias.

    The scale of the standardisation is folded into the weights. The mean is not folded into the bias: where it is
    thousands of times the standard deviation, as in [CLS] of low layers, the two products would cancel to rounding.
    """

    weight: NDArray[np.float32] = field(repr=False)
    """(classes, hidden)"""
    bias: NDArray[np.float32] = field(repr=False)
    """(classes,)"""
    c: float = float("nan")
    """Inverse penalty strength with which it was fitted."""
    converged: bool = True
    """Whether the solver reached its tolerance."""
    center: NDArray[np.float32] | None = field(default=None, repr=False)
    """(hidden,) vector that is subtracted from the features first; None for zero."""
    prior: tuple[float, ...] | None = None
    """(classes,) shares of the classes among the training examples; None where they are unknown."""
    encoder: str | None = None
    """Fingerprint of the encoder whose features it was fitted on, see `Encoder.fingerprint`; None where unknown."""

    def __post_init__(self) -> None:
        check_fields(self)
        weight_shape = self.weight.shape
        center_shape = None if self.center is None else self.center.shape
        bias_fits = self.bias.shape == weight_shape[:1]
        center_fits = center_shape in (None, weight_shape[1:])
        if len(weight_shape) != 2 or not bias_fits or not center_fits:
            raise InputError(
                f"a probe's weight must be (classes, hidden), its bias (classes,) and its center (hidden,) or None, "
                f"found {weight_shape}, {self.bias.shape} and {center_shape}"
            )

    def __repr__(self) -> str:
        n_classes, hidden = self.weight.shape
        return f"FittedProbe({n_classes} classes, {hidden} dimensions, c={self.c:g}, converged={self.converged})"

    def logits(self, features: Any) -> NDArray[np.float32]:
        """Compute the (examples, classes) logits; a probe of two classes has two logits.

        Args:
            features: (examples, hidden) features; may be sparse.

        Raises:
            InputError: The features are not numbers of shape (examples, hidden) with the probe's hidden size.
        """
        is_sparse = hasattr(features, "tocsr")
        if not is_sparse:
            features = feature_array(features)
        hidden = self.weight.shape[1]
        if features.ndim != 2 or features.shape[1] != hidden:
            raise InputError(f"the probe reads {hidden} dimensions, the features have shape {features.shape}")
        if self.center is None:
            return np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)
        if is_sparse:
            center_logits = self.weight.astype(np.float64) @ self.center
            return np.asarray(features @ self.weight.T + (self.bias - center_logits), dtype=np.float32)
        shape = (len(features), len(self.bias))
        logits = np.empty(shape, dtype=np.float32)
        for start in range(0, len(features), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            centred = features[rows] - self.center
            logits[rows] = centred @ self.weight.T
        return np.add(logits, self.bias, out=logits, casting="same_kind")

    def log_prob(self, features: Any) -> Float64Array:
        """Compute the (examples, classes) natural logarithms of the class probabilities."""
        return log_softmax(self.logits(features))

    def predict(self, features: Any) -> Int64Array:
        """Predict the (examples,) class ids."""
        return np.asarray(self.logits(features).argmax(axis=1))


def score_probes(
    probes: Sequence[FittedProbe], features: FloatArray, labels: IntegerArray
) -> tuple[Float64Array, BoolArray]:
    """Score several probes of the same classes on the same features together.

    Args:
        probes: Probes to score.
        features: (examples, hidden) features.
        labels: (examples,) class ids.

    Returns:
        (probes, examples) natural logarithm of the probability of the label, and (probes, examples) whether the label
        is predicted.
    """
    import torch

    # Stack the probes' weights, with one center for all of them.
    center = probes[0].center
    weights = [probe.weight for probe in probes]
    biases = [_bias_with_center(probe, center) for probe in probes]
    weight = torch.from_numpy(np.concatenate(weights))
    bias = torch.from_numpy(np.concatenate(biases))
    shape = (len(probes), len(labels))
    log_probs = np.empty(shape)
    correct = np.empty(shape, dtype=bool)
    step = max(1, MOST_LOGITS // len(weight))
    for start in range(0, len(labels), step):
        rows = slice(start, start + step)
        # PyTorch takes no array that is read-only or has negative strides; only such arrays are copied.
        centred = features[rows] if center is None else features[rows] - center
        x = torch.from_numpy(np.require(centred, probes[0].weight.dtype, ["C", "W"]))
        y = torch.from_numpy(np.require(labels[rows], np.int64, ["C", "W"]))
        # Logits of all probes by one matrix product: (probes, classes, examples).
        stacked_logits = torch.addmm(bias[:, None], weight, x.T)
        logits = stacked_logits.view(len(probes), -1, len(y))
        label_index = y.expand(len(probes), 1, -1)
        all_log_probs = logits.double().log_softmax(dim=1)
        label_log_probs = all_log_probs.gather(1, label_index)
        log_probs[:, rows] = label_log_probs[:, 0].numpy()
        correct[:, rows] = (logits.max(dim=1).indices == y).numpy()
    return log_probs, correct


def _bias_with_center(probe: FittedProbe, center: NDArray[np.float32] | None) -> FloatArray:
    """Return the (classes,) biases for features from which another center is subtracted than the probe's own."""
    if probe.center is center:
        return probe.bias
    new_center = 0.0 if center is None else center
    old_center = 0.0 if probe.center is None else probe.center.astype(np.float64)
    shift = np.broadcast_to(new_center - old_center, probe.weight.shape[1:])
    return np.asarray(probe.bias + probe.weight @ shift, probe.bias.dtype)


def log_softmax(logits: FloatArray) -> Float64Array:
    """Convert (..., classes) logits to natural logarithms of probabilities."""
    shifted = logits.astype(np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(total))
