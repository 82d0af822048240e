"""How alike two ways of scoring one text's tokens are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.results.result import Attribution

LEAST_TOKENS = 3
"""Of a text of its own: two tokens have two orders, and agree or not by the toss of a coin."""


def spearman(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Correlation of ranks, those that tie sharing their mean; nan of fewer than `LEAST_TOKENS`, or of all alike.

    Source: Spearman (1904), American Journal of Psychology 15.
    """
    if len(one) < LEAST_TOKENS:
        return math.nan
    a, b = _centred_ranks(one), _centred_ranks(other)
    spread = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / spread if spread > 0 else math.nan


def token_agreement(one: Attribution, other: Attribution) -> float:
    """Rank correlation of two attributions of a text over its own tokens; nan as of `spearman`.

    Raises:
        InputError: They are of different tokens.
    """
    if one.tokens != other.tokens:
        raise InputError("two attributions can be compared only where they are of the same tokens")
    own = one.offsets[:, 0] >= 0
    return spearman(one.scores[own], other.scores[own])


def same_top(one: Attribution, other: Attribution) -> bool:
    """Whether both score the same word of the text highest; of equal ones the earlier."""
    own = one.word_offsets[:, 0] >= 0
    return bool(own.any()) and int(np.argmax(one.word_scores[own])) == int(np.argmax(other.word_scores[own]))


def _centred_ranks(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]
    return np.asarray(ranks - (len(values) + 1) / 2)
