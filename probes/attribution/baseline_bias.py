"""Baseline bias: how far a head's prediction at a baseline is from a prediction made without a text.

An attribution explains the difference between the output at the text and the output at the baseline. Where the baseline
itself predicts a class, words that contribute to this class have nothing left to add, and all words seem to contribute
to another class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.baselines import (
    AUTO,
    ReferenceTokens,
    available_baselines,
    baseline_embeddings,
    check_baseline,
)
from probes.checks import InputError, check_same_length
from probes.data.texts import Texts
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.replicas import replica_map
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head
from probes.logistic.fitted_probe import log_softmax

MAX_BASELINE_BIAS = 0.25
"""Largest bias, in total variation, of a baseline that counts as neutral.

No set of classes is then more than .25 more or less probable than without a text: for two balanced classes, one of them
may have up to 75 %.
"""
LENGTHS = (8, 16, 32, 64, 128)
"""Words of the texts that `choose_baseline` measures: a baseline keeps of a text only the number of tokens."""
DECIMALS = 6
"""Decimals to which mean biases are compared, so that rounding does not decide between equal baselines."""


def baseline_bias(probabilities: Sequence[float], prior: Sequence[float]) -> float:
    """Compute how far a prediction is from one made without a text, which is the class shares or equal chances.

    Args:
        probabilities: (classes,) predicted probabilities at a baseline.
        prior: (classes,) shares of the training labels.

    Returns:
        Total variation distance to the nearer of the two, from 0 to 1: the largest difference in the probability of any
        set of classes.

    Raises:
        InputError: Lengths differ, or one of the arguments is no distribution.
    """
    check_same_length(probabilities=probabilities, prior=prior)
    predicted = _distribution(probabilities, "probabilities")
    shares = _distribution(prior, "prior")
    equal_chances = np.full(len(shares), 1 / len(shares))
    return min(_total_variation(predicted, shares), _total_variation(predicted, equal_chances))


def _distribution(values: Sequence[float], name: str) -> NDArray[np.float64]:
    distribution = np.asarray(values, dtype=np.float64)
    sums_to_one = abs(distribution.sum() - 1) < 1e-3
    if not ((distribution >= 0).all() and sums_to_one):
        raise InputError(f"{name} must be 0 or more and sum to 1, found {distribution.tolist()!r}")
    return distribution


def _total_variation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.abs(first - second).sum() / 2)


def choose_baseline(heads: Sequence[Head], *, prior: Sequence[float] | None = None, paired: bool = False) -> str:
    """Choose the baseline that `auto` stands for: the one with the smallest mean bias.

    Candidates are `pad`, `mask`, `zero` and `mean`, where the tokenizers have the tokens. Such a baseline keeps of a
    text only its number of tokens, so the bias of a head is measured on texts of 8, 16, 32, 64 and 128 words, cut at
    the encoder's limit. It is averaged over these lengths and over the heads. Between equal baselines the first in the
    order above is chosen. The explained texts have no influence: a text has the same baseline alone and among many.

    Args:
        heads: One head, or several that are to be compared from the same baseline.
        prior: (classes,) shares of the classes without a text, as among the training labels. When None, the shares that
            a head's probe was trained on; where these are not known, equal chances.
        paired: Whether pairs of texts are explained.

    Raises:
        InputError: There is no head, or the prior is no distribution over its classes.
    """
    biases = mean_baseline_biases(heads, prior=prior, paired=paired)
    rounded_biases = {name: round(bias, DECIMALS) for name, bias in biases.items()}
    return min(rounded_biases, key=rounded_biases.__getitem__)


def mean_baseline_biases(
    heads: Sequence[Head], *, prior: Sequence[float] | None = None, paired: bool = False
) -> Mapping[str, float]:
    """Return baseline name -> the mean bias by which `choose_baseline` decides."""
    if not heads:
        raise InputError("there is no head to choose a baseline for")
    # Texts of each length: only the number of their tokens counts.
    texts_of_lengths = [" ".join(["a"] * length) for length in LENGTHS]
    texts = Texts(texts_of_lengths, texts_of_lengths if paired else None)
    names = _candidates(heads)
    # Mean over the lengths for each head, then mean over the heads.
    biases_of_heads = []
    for head in heads:
        biases = baseline_biases(head, texts, prior=_class_shares(head, prior), baselines=names)
        biases_of_heads.append([float(biases[name].mean()) for name in names])
    means = np.mean(biases_of_heads, axis=0).tolist()
    return dict(zip(names, means, strict=True))


def _candidates(heads: Sequence[Head]) -> list[str]:
    """Return the baselines without random draws that every head's encoder can have."""
    common = [name for name in available_baselines(heads[0].encoder) if name != "sampled"]
    for head in heads[1:]:
        available = available_baselines(head.encoder)
        common = [name for name in common if name in available]
    return common


def _class_shares(head: Head, prior: Sequence[float] | None) -> Sequence[float]:
    """Return the prior, or the shares that the head's probe was trained on, or equal chances."""
    if prior is not None:
        return prior
    trained_prior: Sequence[float] | None = getattr(head, "prior", None)
    if trained_prior is not None:
        return trained_prior
    n_classes = len(head.class_names)
    return [1 / n_classes] * n_classes


def resolve_baseline(head: Head, name: str, *, prior: Sequence[float] | None = None, paired: bool = False) -> str:
    """Return the name of a baseline, where `auto` becomes the one that `choose_baseline` chooses.

    Raises:
        InputError: The baseline does not exist, or it needs a token that the tokenizer lacks.
    """
    if check_baseline(head.encoder, name) != AUTO:
        return name
    return choose_baseline([head], prior=prior, paired=paired)


def baseline_biases(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    prior: Sequence[float],
    baselines: Sequence[str] | None = None,
    seed: int = 0,
) -> Mapping[str, NDArray[np.float64]]:
    """Compute the bias of each baseline for each text, by one forward pass a text.

    Where `sampled` draws several baselines, their mean prediction counts, as in an attribution.

    Args:
        head: Head to be explained.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        prior: (classes,) shares of the training labels.
        baselines: Names of baselines; all that the encoder can have when None.
        seed: Seed of the draws of `sampled`.

    Returns:
        Baseline name -> (texts,) bias; without `sampled` where no text has a token to draw.
    """
    encoder = head.encoder
    encoded = encoder.encode(texts)
    references = ReferenceTokens.of(encoded)
    names = list(available_baselines(encoder) if baselines is None else baselines)
    if "sampled" in names and not len(references.ids):
        names.remove("sampled")

    @torch.inference_mode()
    def measure(row: int, runner: Encoder) -> list[float]:
        batch = runner.batch(encoded, [row])
        embeddings = [baseline_embeddings(name, runner, batch, references, seed + row) for name in names]
        predictions = _mean_predictions(head.with_encoder(runner), batch, embeddings)
        return [baseline_bias(prediction.tolist(), prior) for prediction in predictions]

    with replica_map(encoder) as run:
        rows = list(run(measure, range(len(encoded))))
    biases = np.array(rows).reshape(len(encoded), len(names))
    return dict(zip(names, biases.T, strict=True))


def _mean_predictions(head: Head, batch: Batch, embeddings: Sequence[Tensor]) -> list[NDArray[np.float64]]:
    """Predict the classes at each baseline of one text, in one forward pass.

    Args:
        head: Head that predicts.
        batch: Batch of the one text.
        embeddings: For each name of a baseline, (baselines, seq, embedding) input embeddings.

    Returns:
        For each name, (classes,) probabilities, averaged over its baselines.

    Raises:
        InputError: A logit is not finite.
    """
    # All baselines in one batch; a baseline of one token is repeated over the text.
    _, seq = batch.special.shape
    inputs = torch.cat([part.expand(-1, seq, -1) for part in embeddings])
    logits = head.logits(batch.tile(len(inputs)), inputs)
    if not bool(logits.isfinite().all()):
        raise InputError("the head's logits at a baseline are not finite; check the weights of the model and the probe")
    # Mean over the baselines of each name.
    probabilities = np.exp(log_softmax(logits.cpu().numpy()))
    ends = np.cumsum([len(part) for part in embeddings])
    parts = np.split(probabilities, ends[:-1])
    return [part.mean(axis=0) for part in parts]
