"""Whether a baseline says nothing of the label itself, and which one says least.

A score tells what a token adds to what the baseline has said. Where that is a class already, words that speak for this
class have nothing left to add, and all words seem to speak for another.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from probes.baselines import Pool, baseline_names, starts
from probes.checks import InputError, check_same_length
from probes.encoder import Encoder
from probes.heads import Head
from probes.logistic import log_softmax
from probes.runners import runners

UNINFORMED = 0.25
"""How far, in total variation, a baseline's own prediction may lie from one made without a text."""


def lean(probabilities: Sequence[float], prior: Sequence[float]) -> float:
    """How far a prediction lies from one made without a text: that of class shares, or of equal chances.

    An attribution explains how the output changes from its baseline on. Where the baseline itself speaks for a class,
    what speaks for that class in the text is not seen.

    Args:
        probabilities: (classes,) predicted at a baseline.
        prior: (classes,) shares of the training labels.

    Returns:
        The total variation distance to the nearer of the two, from 0 to 1: the most by which the probability of any set
        of classes differs.

    Raises:
        InputError: Lengths differ, or one of them is no distribution.
    """
    check_same_length(probabilities=probabilities, prior=prior)
    predicted, shares = np.asarray(probabilities, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    for name, given in (("probabilities", predicted), ("prior", shares)):
        if not ((given >= 0).all() and abs(given.sum() - 1) < 1e-3):
            raise InputError(f"{name} must be 0 or more and sum to 1, found {given.tolist()!r}")
    return min(float(np.abs(predicted - other).sum() / 2) for other in (shares, np.full(len(shares), 1 / len(shares))))


def uninformed(probabilities: Sequence[float], prior: Sequence[float]) -> bool:
    """Whether a baseline's own prediction is near one made without a text; see `lean`.

    At most `UNINFORMED`: no class, nor any set of classes, is then more than .25 likelier or less likely than without a
    text. A baseline of a balanced task with two classes may thus predict up to 75 % for one of them.
    """
    return lean(probabilities, prior) <= UNINFORMED


def leans(
    head: Head, texts: Sequence[str], pairs: Sequence[str] | None = None, *, prior: Sequence[float], seed: int = 0
) -> Mapping[str, NDArray[np.float64]]:
    """Baseline -> (texts,) how far what the head says of it is from saying nothing, by one forward pass a text.

    Of the texts that `sampled` draws the mean prediction counts, as in an attribution.

    Args:
        head: That will be explained.
        texts: (texts,)
        pairs: (texts,) second texts, or None.
        prior: (classes,) shares of the training labels.
        seed: Of what `sampled` draws.
    """
    encoder, names = head.encoder, baseline_names(head.encoder)
    encoded = encoder.encode(texts, pairs)
    pool = Pool.of(encoded)
    able = [name for name in names if name != "sampled" or len(pool.ids)]

    @torch.inference_mode()
    def measure(row: int, runner: Encoder) -> list[float]:
        own = copy.copy(head)
        own.encoder = runner
        batch = runner.batch(encoded, [row])
        begun = [starts(name, runner, batch, pool, seed + row) for name in able]
        entries = torch.cat([each.expand(-1, *batch.special.shape[1:], -1) for each in begun])
        chances = np.exp(log_softmax(own.logits(batch.tile(len(entries)), entries).cpu().numpy()))
        parts = np.split(chances, np.cumsum([len(each) for each in begun])[:-1])
        return [lean(part.mean(axis=0).tolist(), prior) for part in parts]

    with runners(encoder) as run:
        found = np.array(list(run(measure, range(len(texts))))).reshape(len(texts), len(able))
    return dict(zip(able, found.T, strict=True))
