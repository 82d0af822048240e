"""Interventions: a layer's states are edited and the forward pass continues, to measure what the head loses.

A head may read from other tokens what is removed from one vector: its loss is the loss through that vector alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from probes.encoder.tokenization import Encoded
    from probes.heads.heads import Head
    from probes.probing.sites import ExampleSplits

ERASED = ("cls", "mean")
"""Poolings whose vectors a label is erased from: [CLS], or every token alike."""
STATES = 500
"""Most training texts whose token states give the mean states and the distance that an erasure moves them."""


@dataclass(frozen=True, eq=False)
class InterventionInputs:
    """A head, the texts that it reads, and the features of its encoder."""

    name: str
    """Name of the head in tables."""
    head: Head
    features: ExampleSplits
    """The splits with the features of the head's encoder."""
    texts: Encoded
    """(texts,) tokenised texts that the head reads."""
    labels: NDArray[np.int64]
    """(texts,) class ids of the head's label column."""
    train: Encoded
    """Tokenised training texts whose states are read, at most `STATES`."""
    layers: Sequence[int]
    """Layers whose states are edited."""
    seed: int
    progress: bool


def loss_columns(accuracy_loss: NDArray[Any], information_loss: NDArray[Any]) -> dict[str, Any]:
    """Return the columns of a table about losses: means over texts with their 95 % intervals.

    Args:
        accuracy_loss: (texts,) hits before an intervention minus hits after it.
        information_loss: (texts,) bits of the log probability of the label before minus after it.
    """
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_interval

    accuracy_interval = mean_interval(accuracy_loss, bounds=HIT_DIFFERENCES)
    information_interval = mean_interval(information_loss)
    return {
        "accuracy_loss": float(accuracy_loss.mean()),
        "lower": accuracy_interval[0],
        "upper": accuracy_interval[1],
        "information_loss": float(information_loss.mean()),
        "bits_lower": information_interval[0],
        "bits_upper": information_interval[1],
        "n": len(accuracy_loss),
    }
