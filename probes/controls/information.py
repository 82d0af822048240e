"""How many bits of the label a probe extracts: online codelength, and accuracy against training size along the way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.probing.floors import smoothed_prior_log_probs
from probes.probing.logistic import FittedProbe, LogisticFitter, LogisticProbe, score_probes
from probes.probing.selection import DEFAULT_CS
from probes.probing.sites import ProbedSite
from probes.sequences import class_ids, finite_features, item_list, penalty_list

FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Ends of the blocks, as shares of the examples."""
TOLERANCE = 1e-4
"""Of the prefixes' fits, in nats an example. It moves a codelength by 3 bits in ten thousand at the median; where two
penalties are nearly as good the other may be chosen, and it is up to 6 in a thousand, about what another order does."""
TOGETHER = 1024
"""Prefixes up to that many examples are fitted together."""


@dataclass(frozen=True)
class Codelength:
    """Bits to send the labels, block by block, to someone who holds the features."""

    ends: tuple[int, ...]
    """(blocks,) examples sent when the block ends."""
    bits: tuple[float, ...]
    """(blocks,)"""
    prior_bits: tuple[float, ...]
    """(blocks,) of a code that sees no features, only how often each class has come so far."""
    n_classes: int

    @property
    def total(self) -> float:
        """Bits in all."""
        return math.fsum(self.bits)

    @property
    def prior(self) -> float:
        """Bits in all of the code that sees no features."""
        return math.fsum(self.prior_bits)

    @property
    def uniform(self) -> float:
        """Bits in all of a code that takes every class for equally likely."""
        return uniform_codelength(self.ends[-1], self.n_classes)

    @property
    def compression(self) -> float:
        """Uniform codelength divided by this one."""
        return self.uniform / self.total

    @property
    def prior_compression(self) -> float:
        """Uniform codelength divided by that of the code that sees no features: unbalanced labels have it above 1."""
        return self.uniform / self.prior


@dataclass(frozen=True)
class Size:
    """How well the label is read after so many training examples."""

    examples: int
    c: float
    """Chosen by log loss on validation; that of all training examples where there is none."""
    accuracy: float
    """On test."""
    log_loss: float
    """On test, in nats."""


@dataclass(frozen=True)
class Information:
    """What `information` finds at one place."""

    codelength: Codelength
    sizes: tuple[Size, ...]
    converged: bool
    """Whether every prefix's probes reached their tolerance."""


def uniform_codelength(n: int, n_classes: int) -> float:
    """Bits to send n labels by a code that takes every class for equally likely."""
    return n * math.log2(n_classes)


def online_codelength(
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    *,
    n_classes: int,
    cs: Sequence[float] = DEFAULT_CS,
    fractions: Sequence[float] = FRACTIONS,
) -> Codelength:
    """Bits needed to send the labels to someone who holds the features.

    Examples are coded in the order given: the first block with a uniform code, each later block with a probe fitted on
    everything before it. Shuffle first; the order changes the result. A block's penalty is the one that would have sent
    the blocks before it in the fewest bits, which sender and receiver both know; the first probe's is the strongest.
    Features are standardised over all examples: the receiver holds them too.

    Args:
        features: (examples, hidden) pooled features of one layer.
        labels: (examples,) class ids in [0, n_classes).
        n_classes: Classes of the task, not of this sample.
        cs: Inverse penalty strengths, increasing.
        fractions: Increasing block ends, as shares of the examples; the last is 1.

    Raises:
        InputError: Lengths differ, there are no penalties, or `fractions` do not increase to 1.

    Source: Voita & Titov (2020), online code, arXiv:2003.12298.
    """
    cs, fractions = penalty_list(cs), item_list(fractions, "fractions", "shares")
    features, labels = finite_features(features), class_ids(labels)
    check_same_length(features=features, labels=labels)
    return _code(LogisticProbe().prepare(features), features, labels, n_classes, cs, fractions)[0]


def information(place: ProbedSite) -> Information:
    """Codelength at a place, and the probes of its prefixes scored on test: accuracy against training size.

    The last size is the whole of the training examples, with the probe that was chosen there.
    """
    code, prefixes = _code(place.fitter, place.train.features, place.train.labels, place.n_classes, place.cs, FRACTIONS)
    held_out, test = place.validation, place.test
    if held_out is not None:
        log_prob, _ = score_probes(
            [probe for _, probes in prefixes for probe in probes], held_out.features, held_out.labels
        )
        losses = -log_prob.mean(axis=1).reshape(len(prefixes), -1)
        chosen = [probes[int(own.argmin())] for (_, probes), own in zip(prefixes, losses, strict=True)]
    else:
        chosen = [next(probe for probe in probes if probe.c == place.selection.probe.c) for _, probes in prefixes]
    chosen.append(place.selection.probe)
    log_prob, right = score_probes(chosen, test.features, test.labels)
    ends = [*(size for size, _ in prefixes), len(place.train.labels)]
    found = zip(ends, chosen, right.mean(axis=1), -log_prob.mean(axis=1), strict=True)
    sizes = tuple(Size(n, probe.c, float(hits), float(loss)) for n, probe, hits, loss in found)
    return Information(code, sizes, all(probe.converged for _, probes in prefixes for probe in probes))


def _code(
    fitter: LogisticFitter,
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    n_classes: int,
    cs: Sequence[float],
    fractions: Sequence[float],
) -> tuple[Codelength, list[tuple[int, list[FittedProbe]]]]:
    """The codelength, and for each prefix its size and its probes, one for each of `cs`."""
    ends = block_ends(fractions, len(labels))
    first = uniform_codelength(ends[0], n_classes)
    bits, prior_bits, prefixes = [first], [first], []
    sent = np.zeros(len(cs))
    fitted = _prefix_probes(fitter, labels, ends[:-1], cs, n_classes)
    for (start, end), probes in zip(itertools.pairwise(ends), fitted, strict=True):
        known, block = labels[:start], slice(start, end)
        each = -score_probes(probes, features[block], labels[block])[0].sum(axis=1) / math.log(2)
        bits.append(float(each[sent.argmin()]))
        sent += each
        prior = smoothed_prior_log_probs(known, n_classes=n_classes)
        prior_bits.append(float(-prior[labels[block]].sum() / math.log(2)))
        prefixes.append((start, probes))
    return Codelength(tuple(ends), tuple(bits), tuple(prior_bits), n_classes), prefixes


def _prefix_probes(
    fitter: LogisticFitter, labels: NDArray[np.integer[Any]], sizes: Sequence[int], cs: Sequence[float], n_classes: int
) -> Iterator[list[FittedProbe]]:
    """For each prefix, its probes, one for each of `cs`.

    Short prefixes are fitted together, as weights of 0 and 1 on the longest of them: alone, each is all overhead.
    """
    short = [size for size in sizes if size <= TOGETHER]
    if short:
        longest = short[-1]
        counts = (np.arange(longest) < np.repeat(short, len(cs))[:, None]).astype(np.float32)
        known = np.tile(labels[:longest], (len(counts), 1))
        all_cs = [c for _ in short for c in cs]
        found = fitter.first(longest).fit_many(known, all_cs, n_classes=n_classes, weights=counts, tol=TOLERANCE)
        yield from (found[i : i + len(cs)] for i in range(0, len(found), len(cs)))
    for size in sizes[len(short) :]:
        yield fitter.first(size).fit_many(np.tile(labels[:size], (len(cs), 1)), cs, n_classes=n_classes, tol=TOLERANCE)


def block_ends(fractions: Sequence[float], n: int) -> list[int]:
    """Increasing ends of blocks of n examples; blocks that would be empty are left out.

    Raises:
        InputError: `fractions` do not increase to 1.
    """
    steps = np.diff([0.0, *fractions])
    if not len(fractions) or not (steps > 0).all() or fractions[-1] != 1:
        raise InputError(f"fractions must increase from above 0 to 1, found {tuple(fractions)}")
    return list(dict.fromkeys(max(1, round(share * n)) for share in fractions))
