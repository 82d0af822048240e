"""Information about the label that a probe extracts: online codelength, and the learning curve of its prefixes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import InputError, check_same_length, whole_number
from probes.logistic.fitted_probe import FittedProbe, score_probes
from probes.logistic.fitting import MOST_CLASSES, LogisticFitter, LogisticProbe
from probes.probing.class_prior import smoothed_prior_log_probs
from probes.probing.penalty_selection import DEFAULT_CS, Sample
from probes.probing.sites import ProbedSite
from probes.sequences import (
    BoolArray,
    FloatArray,
    IntegerArray,
    check_labels,
    class_ids,
    finite_features,
    item_list,
    penalty_list,
)

FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Ends of the blocks, as fractions of the examples."""
TOLERANCE = 1e-4
"""Tolerance of the prefixes' fits, in nats an example. It changes a codelength by 3 bits in ten thousand at the median;
where two penalties are nearly equal the other one may be chosen, which changes it by up to 6 in a thousand, about as
much as another order of the examples does."""
MOST_EXAMPLES_TOGETHER = 1024
"""Largest prefix that is fitted together with shorter ones."""


@dataclass(frozen=True)
class Codelength:
    """Bits to transmit the labels, block by block, to a receiver who has the features."""

    ends: tuple[int, ...]
    """(blocks,) number of examples transmitted at the end of each block."""
    bits: tuple[float, ...]
    """(blocks,)"""
    prior_bits: tuple[float, ...]
    """(blocks,) bits of a code without features, from the class frequencies of the blocks before."""
    n_classes: int

    @property
    def total(self) -> float:
        """Bits of all blocks."""
        return math.fsum(self.bits)

    @property
    def prior(self) -> float:
        """Bits of all blocks by the code without features."""
        return math.fsum(self.prior_bits)

    @property
    def uniform(self) -> float:
        """Bits of all blocks by the uniform code."""
        return uniform_codelength(self.ends[-1], self.n_classes)

    @property
    def compression(self) -> float:
        """Codelength of the code without features divided by this codelength; nan for a single class."""
        return self.prior / self.total if self.total else math.nan

    @property
    def uniform_compression(self) -> float:
        """Uniform codelength divided by this codelength, as Voita & Titov report it; nan for a single class.

        For unbalanced labels it exceeds 1 without any information in the features.
        """
        return self.uniform / self.total if self.total else math.nan


@dataclass(frozen=True, eq=False)
class LearningCurvePoint:
    """Test scores of a probe fitted on the first training examples."""

    examples: int
    """Number of training examples."""
    c: float
    """C with the lowest log loss on validation; without a validation split the C selected on all training examples."""
    correct: BoolArray
    """(test examples,) whether the probe classifies each one correctly."""
    log_loss: float
    """Log loss on test, in nats."""

    @property
    def accuracy(self) -> float:
        """Test accuracy."""
        return float(self.correct.mean())


@dataclass(frozen=True)
class InformationResult:
    """Codelength and learning curve at one site."""

    codelength: Codelength
    learning_curve: tuple[LearningCurvePoint, ...]
    converged: bool
    """Whether the probes of all prefixes reached their tolerance."""


@dataclass(frozen=True, eq=False)
class _Prefix:
    """Probes fitted on the first training examples."""

    size: int
    """Number of training examples."""
    probes: list[FittedProbe]
    """One probe for each C."""


def uniform_codelength(n: int, n_classes: int) -> float:
    """Return the bits to transmit n labels by a code in which every class is equally likely."""
    return n * math.log2(n_classes)


def online_codelength(
    features: FloatArray,
    labels: IntegerArray,
    *,
    n_classes: int,
    cs: Sequence[float] = DEFAULT_CS,
    fractions: Sequence[float] = FRACTIONS,
) -> Codelength:
    """Compute the bits needed to transmit the labels to a receiver who has the features.

    Examples are coded in the order given: the first block with a uniform code, every later block with a probe fitted on
    all blocks before it. The order matters, so shuffle first. The C of a block is the one that would have transmitted
    the blocks before it in the fewest bits, which sender and receiver both know; the first probe has the strongest
    penalty. Features are standardised over all examples, because the receiver has them too.

    Args:
        features: (examples, hidden) pooled features of one layer.
        labels: (examples,) class ids in [0, n_classes).
        n_classes: Number of classes of the task, which may exceed the number in this sample.
        cs: Inverse penalty strengths, increasing.
        fractions: Block ends as increasing fractions of the examples; the last one is 1.

    Returns:
        Bits by block; `total` is their sum, and `compression` the codelength without features divided by it.

    Raises:
        InputError: Lengths differ, there are no penalties, or `fractions` do not increase to 1.

    Source: Voita & Titov (2020), online code, arXiv:2003.12298.
    """
    cs = penalty_list(cs)
    fractions = item_list(fractions, "fractions", "shares")
    features = finite_features(features)
    labels = class_ids(labels)
    check_same_length(features=features, labels=labels)
    n_classes = whole_number(n_classes, "n_classes", least=1, most=MOST_CLASSES)
    check_labels(labels, n_classes)
    if not len(labels):
        raise InputError("features have no examples, so that there are no labels to transmit")
    fitter = LogisticProbe().prepare(features)
    ends = block_ends(fractions, len(labels))
    codelength, _ = _encode(fitter, Sample(features, labels), ends, cs, n_classes)
    return codelength


def information(probed_site: ProbedSite) -> InformationResult:
    """Compute the online codelength at a site, and score the probes of its prefixes on test.

    The last point of the learning curve is the probe that was selected on all training examples.

    Args:
        probed_site: Site and label column.
    """
    train = probed_site.train
    ends = block_ends(FRACTIONS, len(train.labels))
    codelength, prefixes = _encode(probed_site.fitter, train, ends, probed_site.cs, probed_site.n_classes)
    # One probe a training size: choose C on validation, as for the selected probe.
    chosen_probes = _choose_prefix_probes(prefixes, probed_site)
    chosen_probes.append(probed_site.selection.probe)
    sizes = [prefix.size for prefix in prefixes]
    sizes.append(len(train.labels))
    # Score them on test.
    test = probed_site.test
    log_probs, correct = score_probes(chosen_probes, test.features, test.labels)
    log_losses = -log_probs.mean(axis=1)
    learning_curve = []
    for i, probe in enumerate(chosen_probes):
        log_loss = float(log_losses[i])
        learning_curve.append(LearningCurvePoint(sizes[i], probe.c, correct[i], log_loss))
    converged = all(probe.converged for prefix in prefixes for probe in prefix.probes)
    return InformationResult(codelength, tuple(learning_curve), converged)


def _choose_prefix_probes(prefixes: Sequence[_Prefix], probed_site: ProbedSite) -> list[FittedProbe]:
    """Choose one probe of each prefix by its log loss on validation, else the one with the selected C."""
    validation = probed_site.validation
    if validation is None:
        selected_c = probed_site.selection.probe.c
        index = probed_site.cs.index(selected_c)
        return [prefix.probes[index] for prefix in prefixes]
    probes = [probe for prefix in prefixes for probe in prefix.probes]
    log_probs, _ = score_probes(probes, validation.features, validation.labels)
    losses = -log_probs.mean(axis=1)
    best = losses.reshape(len(prefixes), -1).argmin(axis=1)
    chosen = []
    for prefix, i in zip(prefixes, best.tolist(), strict=True):
        chosen.append(prefix.probes[i])
    return chosen


def _encode(
    fitter: LogisticFitter, train: Sample, ends: Sequence[int], cs: Sequence[float], n_classes: int
) -> tuple[Codelength, list[_Prefix]]:
    """Return the codelength of the labels, and the probes fitted on each prefix."""
    # First block: uniform code.
    uniform_bits = uniform_codelength(ends[0], n_classes)
    bits = [uniform_bits]
    prior_bits = [uniform_bits]
    prefixes = []
    total_bits_by_c = np.zeros(len(cs))
    probes_by_prefix = _fit_prefixes(fitter, train.labels, ends[:-1], cs, n_classes)
    for (start, end), probes in zip(itertools.pairwise(ends), probes_by_prefix, strict=True):
        # Later blocks: the probes fitted on all blocks before, with the C that was shortest on them.
        block_labels = train.labels[start:end]
        log_probs, _ = score_probes(probes, train.features[start:end], block_labels)
        bits_by_c = -log_probs.sum(axis=1) / math.log(2)
        bits.append(float(bits_by_c[total_bits_by_c.argmin()]))
        total_bits_by_c += bits_by_c
        # Code without features: class frequencies of the blocks before.
        prior = smoothed_prior_log_probs(train.labels[:start], n_classes=n_classes)
        prior_nats = -prior[block_labels].sum()
        prior_bits.append(float(prior_nats / math.log(2)))
        prefixes.append(_Prefix(start, probes))
    codelength = Codelength(tuple(ends), tuple(bits), tuple(prior_bits), n_classes)
    return codelength, prefixes


def _fit_prefixes(
    fitter: LogisticFitter, labels: IntegerArray, sizes: Sequence[int], cs: Sequence[float], n_classes: int
) -> Iterator[list[FittedProbe]]:
    """Yield the probes of each prefix, one for each C.

    Short prefixes are fitted together, as weights of 0 and 1 on the longest of them, because the overhead of a fit
    would dominate in each of them alone.
    """
    short_sizes = [size for size in sizes if size <= MOST_EXAMPLES_TOGETHER]
    if short_sizes:
        longest = short_sizes[-1]
        fit_sizes = np.repeat(short_sizes, len(cs))
        is_in_prefix = np.arange(longest) < fit_sizes[:, None]
        weights = is_in_prefix.astype(np.float32)
        fit_labels = np.tile(labels[:longest], (len(fit_sizes), 1))
        fit_cs = [c for _ in short_sizes for c in cs]
        probes = fitter.first(longest).fit_many(fit_labels, fit_cs, n_classes=n_classes, weights=weights, tol=TOLERANCE)
        for start in range(0, len(probes), len(cs)):
            yield probes[start : start + len(cs)]
    for size in sizes[len(short_sizes) :]:
        fit_labels = np.tile(labels[:size], (len(cs), 1))
        yield fitter.first(size).fit_many(fit_labels, cs, n_classes=n_classes, tol=TOLERANCE)


def block_ends(fractions: Sequence[float], n: int) -> list[int]:
    """Return the increasing ends of blocks of n examples, without blocks that would be empty.

    Args:
        fractions: Block ends as increasing fractions of the examples; the last one is 1.
        n: Number of examples.

    Raises:
        InputError: `fractions` do not increase to 1.
    """
    are_numbers = all(isinstance(fraction, int | float) for fraction in fractions)
    steps = np.diff([0.0, *fractions]) if are_numbers else np.zeros(1)
    if not len(fractions) or not (steps > 0).all() or fractions[-1] != 1:
        raise InputError(f"fractions must increase from above 0 to 1, found {tuple(fractions)}")
    ends = [max(1, round(fraction * n)) for fraction in fractions]
    return list(dict.fromkeys(ends))
