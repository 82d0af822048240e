"""Faithfulness: how far a head's prediction depends on the tokens that an attribution ranks first.

The first tokens are replaced, or kept alone. The encoder was not trained on such texts, so a part of every loss of
probability comes from the replacement itself. Random orders of the tokens measure this part.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.attribution_checks.token_replacement import REPLACEMENTS, Positions, replaced_log_probs
from probes.checks import MOST_DRAWS, MOST_SEED, InputError, choose, whole_number
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, check_head
from probes.results.result import Attribution
from probes.sequences import check_instances, item_list

FRACTIONS = (0.01, 0.05, 0.10, 0.20, 0.50)
"""Shares of a text's tokens that are replaced."""
RANDOM_ORDERS = 5


@dataclass(frozen=True)
class FaithfulnessScores:
    """Changes of the explained class for one order of a text's tokens, as means over the fractions."""

    comprehensiveness: float
    """Probability lost without the first tokens; high where the prediction depends on them."""
    sufficiency: float
    """Probability lost with the first tokens alone; low where they suffice for the prediction."""
    log_odds: float
    """Change of the log probability, in nats, without the first tokens; low where the prediction depends on them."""


@dataclass(frozen=True)
class Faithfulness:
    """Faithfulness scores of one attribution and of random orders."""

    scores: FaithfulnessScores
    """Scores of the attribution's order."""
    random_scores: tuple[FaithfulnessScores, ...]
    """Scores of each random order."""
    n_tokens: int
    """Tokens that can be replaced, which are those that are not special."""


@dataclass(frozen=True, eq=False)
class PerturbationCurves:
    """Probability of the explained class as a text's tokens are deleted and inserted one after the other."""

    deletion: NDArray[np.float64]
    """(tokens + 1,) from the whole text to none of its tokens."""
    insertion: NDArray[np.float64]
    """(tokens + 1,) from none of its tokens to the whole text."""


def faithfulness(
    head: Head,
    attributions: Iterable[Attribution],
    *,
    fractions: Iterable[float] = FRACTIONS,
    replacement: str = "mask",
    random_orders: int = RANDOM_ORDERS,
    seed: int = 0,
    encoded: Encoded | None = None,
    progress: bool = False,
) -> list[Faithfulness]:
    """Compute comprehensiveness, sufficiency and log-odds of each attribution and of random orders.

    Special tokens stay. For a text with n other tokens and a fraction p, the first tokens are the max(1, ceil(p n))
    tokens with the highest scores. Every score is the mean over the fractions; ERASER divides the same sum by the
    number of fractions plus one. The class is the attribution's target.

    Args:
        head: Head that was explained.
        attributions: Attributions of its decisions. A higher score is a larger contribution to the class; between equal
            scores the first token counts as higher.
        fractions: Shares of a text's tokens, in (0, 1].
        replacement: Name from `probes.attribution_checks.token_replacement.REPLACEMENTS`.
        random_orders: Random orders of each text's tokens. They depend only on the seed and the text, so that the
            attributions of a text by several methods in one call share them at no further cost.
        seed: Seed of the random orders.
        encoded: Return value of `Encoder.encode` for the explained texts, in any order; they are tokenised again when
            None.
        progress: Show a bar on stderr.

    Returns:
        One value a text. All scores are nan where a text has only special tokens, and where `delete` would leave no
        token, as for a text of one token with a tokenizer that adds no special tokens.

    Raises:
        InputError: A fraction, replacement or class does not exist, the head does not read the replacement, or a text
            has other tokens than when it was explained.

    Source: DeYoung et al. (2020), ERASER, arXiv:1911.03429; log-odds: Shrikumar et al. (2017), arXiv:1704.02685.
    """
    check_head(head)
    attributions = check_instances(attributions, Attribution, "attributions")
    shares = _checked_fractions(fractions)
    random_orders = whole_number(random_orders, "random_orders", most=MOST_DRAWS)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    choose("replacement", replacement, REPLACEMENTS)
    # For each text: the whole text, then for each order and fraction without the first tokens and with them alone.
    position_sets = []
    for a in attributions:
        orders = [_order_by_score(a), *_random_orders(a, random_orders, seed)]
        parts = _parts(orders, shares)
        nothing_left = replacement == "delete" and any(len(part) == len(a.tokens) for part in parts)
        no_positions = orders[0][:0]
        position_sets.append([no_positions] if nothing_left else [no_positions, *parts])
    log_probs = replaced_log_probs(
        head, attributions, position_sets, replacement=replacement, encoded=encoded, progress=progress
    )
    values = []
    for a, text_log_probs in zip(attributions, log_probs, strict=True):
        n_tokens = len(_content_positions(a))
        scores = [FaithfulnessScores(math.nan, math.nan, math.nan)] * (1 + random_orders)
        if n_tokens and len(text_log_probs) > 1:
            whole = text_log_probs[0]
            by_order = text_log_probs[1:].reshape(1 + random_orders, len(shares), 2)
            scores = [_faithfulness_scores(whole, parts) for parts in by_order]
        values.append(Faithfulness(scores[0], tuple(scores[1:]), n_tokens))
    return values


def perturbation_curves(
    head: Head,
    attributions: Iterable[Attribution],
    *,
    replacement: str = "mask",
    encoded: Encoded | None = None,
    progress: bool = False,
) -> list[PerturbationCurves]:
    """Compute deletion and insertion curves, one token at a time, from the highest score to the lowest.

    Raises:
        InputError: The arguments are not those of `faithfulness`; or no token is left, as with `delete` and a tokenizer
            that adds no special tokens.

    Source: Petsiuk, Das & Saenko (2018), RISE, arXiv:1806.07421, where they are curves of pixels.
    """
    check_head(head)
    attributions = check_instances(attributions, Attribution, "attributions")
    position_sets = []
    for a in attributions:
        order = _order_by_score(a)
        parts = []
        for n_first in range(len(order) + 1):
            parts += [order[:n_first], order[n_first:]]
        position_sets.append(parts)
    log_probs = replaced_log_probs(
        head, attributions, position_sets, replacement=replacement, encoded=encoded, progress=progress
    )
    curves = []
    for text_log_probs in log_probs:
        deletion = np.exp(text_log_probs[0::2])
        insertion = np.exp(text_log_probs[1::2])
        curves.append(PerturbationCurves(deletion, insertion))
    return curves


def _checked_fractions(fractions: Any) -> list[float]:
    """Return the fractions as a list; a single fraction stands for a list of one."""
    is_single = isinstance(fractions, float | int | str)
    shares = [fractions] if is_single else item_list(fractions, "fractions", "shares")
    if not shares or not all(isinstance(share, float | int) and 0 < share <= 1 for share in shares):
        raise InputError(f"fractions must lie in (0, 1], found {tuple(shares)}")
    return shares


# Orders of tokens


def _content_positions(a: Attribution) -> Positions:
    """Return the positions of the tokens that are not special."""
    return np.flatnonzero(a.offsets[:, 0] >= 0)


def _order_by_score(a: Attribution) -> Positions:
    """Return the positions of the tokens that are not special, the highest score first."""
    positions = _content_positions(a)
    order = np.argsort(-a.scores[positions], kind="stable")
    return positions[order]


def _random_orders(a: Attribution, n: int, seed: int) -> list[Positions]:
    """Draw random orders of the tokens that are not special; they depend only on the seed and the tokens."""
    checksum = zlib.crc32("\n".join(a.tokens).encode())
    rng = np.random.default_rng([seed, checksum])
    positions = _content_positions(a)
    return [rng.permutation(positions) for _ in range(n)]


def _parts(orders: Sequence[Positions], shares: Sequence[float]) -> list[Positions]:
    """Return for each order and share the positions of the first tokens, and those of the other tokens."""
    n_tokens = len(orders[0])
    parts = []
    for order in orders:
        for share in shares:
            n_first = max(1, math.ceil(round(share * n_tokens, 9)))  # 0.28 * 25 is above 7 in floating point
            parts += [order[:n_first], order[n_first:]]
    return parts


def _faithfulness_scores(whole: float, parts: NDArray[np.float64]) -> FaithfulnessScores:
    """Compute the scores of one order.

    Args:
        whole: Log probability of the whole text.
        parts: (fractions, 2) log probabilities without the first tokens, and with them alone.
    """
    comprehensiveness, sufficiency = np.exp(whole) - np.exp(parts).mean(axis=0)
    log_odds = (parts[:, 0] - whole).mean()
    return FaithfulnessScores(float(comprehensiveness), float(sufficiency), float(log_odds))
