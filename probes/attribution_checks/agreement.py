"""Agreement of two attributions of one text: rank correlation of the tokens, and the word with the highest score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_instance
from probes.results.result import Attribution

MIN_TOKENS = 3
"""Tokens that a rank correlation needs: two tokens have two orders, which agree or not by chance."""


def spearman(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    """Compute Spearman's rank correlation, where tied values share their mean rank.

    Args:
        first: (n,) values.
        second: (n,) values.

    Returns:
        Correlation from -1 to 1; nan for fewer than `MIN_TOKENS` values, and where all values of one side are equal.

    Source: Spearman (1904), American Journal of Psychology 15.
    """
    if len(first) < MIN_TOKENS:
        return math.nan
    first_ranks = _centred_ranks(first)
    second_ranks = _centred_ranks(second)
    # Correlation of the centred ranks.
    covariance = first_ranks @ second_ranks
    first_variance = first_ranks @ first_ranks
    second_variance = second_ranks @ second_ranks
    spread = math.sqrt(first_variance * second_variance)
    return float(covariance) / spread if spread > 0 else math.nan


def token_agreement(first: Attribution, second: Attribution) -> float:
    """Compute the rank correlation of two attributions over the tokens of a text that are not special.

    Args:
        first: Attribution of a text.
        second: Attribution of the same text, by another method or of another head.

    Returns:
        Correlation from -1 to 1; nan for fewer than 3 tokens, and where all scores are equal.

    Raises:
        InputError: The attributions have different tokens.
    """
    check_instance(first, Attribution, "first")
    check_instance(second, Attribution, "second")
    if first.tokens != second.tokens:
        raise InputError("two attributions can be compared only if they have the same tokens")
    is_content = first.offsets[:, 0] >= 0
    return spearman(first.scores[is_content], second.scores[is_content])


def same_top(first: Attribution, second: Attribution) -> bool:
    """Return whether both attributions score the same word of the text highest; of equal words the first counts."""
    is_content = first.word_offsets[:, 0] >= 0
    if not is_content.any():
        return False
    first_top = np.argmax(first.word_scores[is_content])
    second_top = np.argmax(second.word_scores[is_content])
    return bool(first_top == second_top)


def _centred_ranks(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the (n,) ranks minus their mean; tied values share their mean rank."""
    _, group_of_value, counts = np.unique(values, return_inverse=True, return_counts=True)
    # Mean rank of each group of tied values.
    ranks_of_groups = counts.cumsum() - (counts - 1) / 2
    mean_rank = (len(values) + 1) / 2
    return np.asarray(ranks_of_groups[group_of_value] - mean_rank)
