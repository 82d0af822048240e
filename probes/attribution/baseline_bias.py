"""Whether a baseline says nothing of the label itself, and which one says least.

A score tells what a token adds to what the baseline has said. Where that is a class already, words that speak for this
class have nothing left to add, and all words seem to speak for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from probes.attribution.baselines import AUTO, Pool, baseline_name, baseline_names, starts
from probes.checks import InputError, check_same_length
from probes.data.texts import Texts
from probes.encoder.encoder import Encoder
from probes.encoder.replicas import runners
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head
from probes.probing.logistic import log_softmax

UNINFORMED = 0.25
"""How far, in total variation, a baseline's own prediction may lie from one made without a text."""
LENGTHS = (8, 16, 32, 64, 128)
"""Words of the texts that `choose_baseline` looks at: of a text, a baseline keeps the number of tokens alone."""
DECIMALS = 6
"""Share of a mean distance: baselines that differ by rounding alone are equal, and the first of them is chosen."""


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


def choose_baseline(heads: Sequence[Head], *, prior: Sequence[float] | None = None, paired: bool = False) -> str:
    """The baseline that `auto` stands for: that at which the heads say least of the label.

    Looked at are `pad`, `mask`, `zero` and `mean`, as far as the tokenizers have the tokens. All that such a baseline
    keeps of a text is how many tokens it has; so each head is asked what it predicts where texts of 8, 16, 32, 64 and
    128 words, cut at the encoder's limit, are the baseline from end to end. The distance of that prediction from one
    made without a text (see `lean`) is averaged over these lengths, and over the heads if several; the lowest mean
    wins, and of equal ones the first in the order above. The texts that are explained play no part: a text has the same
    baseline by itself as among others, on the page as in Python.

    Args:
        heads: One, or several that are to be compared from the same baseline.
        prior: (classes,) shares of the classes without a text, as among the training labels. When None those that a
            head's probe was trained on; where these are not known, equal chances alone count.
        paired: Whether pairs of texts are explained.

    Raises:
        InputError: There is no head, or the prior is no distribution over its classes.
    """
    far = baseline_distances(heads, prior=prior, paired=paired)
    return min(far, key=lambda name: round(far[name], DECIMALS))


def baseline_distances(
    heads: Sequence[Head], *, prior: Sequence[float] | None = None, paired: bool = False
) -> Mapping[str, float]:
    """Baseline -> the mean distance that `choose_baseline` goes by."""
    if not heads:
        raise InputError("there is no head to choose a baseline for")
    fillers = [" ".join(["a"] * n) for n in LENGTHS]
    texts = Texts(fillers, fillers if paired else None)
    names = [name for name in baseline_names(heads[0].encoder) if name != "sampled"]
    names = [name for name in names if all(name in baseline_names(head.encoder) for head in heads)]
    means = []
    for head in heads:
        known = prior if prior is not None else getattr(head, "prior", None)
        shares = [1 / len(head.class_names)] * len(head.class_names) if known is None else known
        found = leans(head, texts, prior=shares, baselines=names)
        means.append([float(found[name].mean()) for name in names])
    return dict(zip(names, np.mean(means, axis=0).tolist(), strict=True))


def resolved_baseline(head: Head, name: str, *, prior: Sequence[float] | None = None, paired: bool = False) -> str:
    """The baseline called `name`, with `auto` as of `choose_baseline`.

    Raises:
        InputError: It does not exist, or needs a token that the tokenizer lacks.
    """
    name = baseline_name(head.encoder, name)
    return choose_baseline([head], prior=prior, paired=paired) if name == AUTO else name


def leans(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    prior: Sequence[float],
    baselines: Sequence[str] | None = None,
    seed: int = 0,
) -> Mapping[str, NDArray[np.float64]]:
    """Baseline -> (texts,) how far what the head says of it is from saying nothing, by one forward pass a text.

    Of the texts that `sampled` draws the mean prediction counts, as in an attribution.

    Args:
        head: That will be explained.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        prior: (classes,) shares of the training labels.
        baselines: Names to look at; all that the encoder can have when None.
        seed: Of what `sampled` draws.
    """
    encoder, names = head.encoder, baseline_names(head.encoder) if baselines is None else baselines
    encoded = encoder.encode(texts)
    pool = Pool.of(encoded)
    able = [name for name in names if name != "sampled" or len(pool.ids)]

    @torch.inference_mode()
    def measure(row: int, runner: Encoder) -> list[float]:
        twin = head.with_encoder(runner)
        batch = runner.batch(encoded, [row])
        begun = [starts(name, runner, batch, pool, seed + row) for name in able]
        entries = torch.cat([each.expand(-1, *batch.special.shape[1:], -1) for each in begun])
        logits = twin.logits(batch.tile(len(entries)), entries)
        if not bool(logits.isfinite().all()):
            raise InputError("the head's logits of a baseline are not finite; look at the weights of model and probe")
        chances = np.exp(log_softmax(logits.cpu().numpy()))
        parts = np.split(chances, np.cumsum([len(each) for each in begun])[:-1])
        return [lean(part.mean(axis=0).tolist(), prior) for part in parts]

    with runners(encoder) as run:
        found = np.array(list(run(measure, range(len(encoded))))).reshape(len(encoded), len(able))
    return dict(zip(able, found.T, strict=True))
