"""Rows of shares by layer and kind of token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.subject import Rows

if TYPE_CHECKING:
    from probes.mechanism.token_shares import TokenShares


def share_rows(columns: Mapping[str, Any], token_shares: TokenShares, *, seed: int) -> Rows:
    """Yield the mean share of each kind of token in every layer, with its 95 % interval over texts.

    Args:
        columns: Columns that all rows begin with.
        token_shares: Shares of every text; texts without finite shares are left out.
        seed: Seed of the resampling.
    """
    from probes.mechanism.token_shares import KINDS
    from probes.statistics.intervals import mean_intervals

    for layer, shares in zip(token_shares.layers, token_shares.shares, strict=True):
        finite = shares[np.isfinite(shares).all(axis=1)]
        if not len(finite):
            continue
        intervals = mean_intervals(finite, seed=seed)
        means = finite.mean(axis=0).tolist()
        for kind, mean_share, (lower, upper) in zip(KINDS, means, intervals, strict=True):
            yield {
                **columns,
                "layer": layer,
                "kind": kind,
                "share": mean_share,
                "lower": lower,
                "upper": upper,
                "n": len(finite),
            }
