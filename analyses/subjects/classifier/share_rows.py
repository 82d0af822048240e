"""Rows of shares by layer and kind of token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.subject import Rows

if TYPE_CHECKING:
    from probes.mechanism.token_shares import TokenShares
    from probes.statistics.intervals import Interval


def share_rows(columns: Mapping[str, Any], token_shares: TokenShares, *, reference: TokenShares | None = None) -> Rows:
    """Yield the mean share of each kind of token in every layer, with its 95 % interval over texts.

    Args:
        columns: Columns that all rows begin with.
        token_shares: Shares of every text; texts without finite shares are left out.
        reference: Shares of the same texts in the model that this one is compared with; None where there is none.
    """
    from probes.mechanism.token_shares import KINDS

    for i, layer in enumerate(token_shares.layers):
        shares = token_shares.shares[i]
        is_finite = np.isfinite(shares).all(axis=1)
        finite = shares[is_finite]
        if not len(finite):
            continue
        differences = None
        if reference is not None:
            reference_shares = reference.shares[i]
            differences = _differences(shares, reference_shares)
        intervals = _intervals(finite, bounds=(0.0, 1.0))
        means = finite.mean(axis=0).tolist()
        for j, kind in enumerate(KINDS):
            lower, upper = intervals[j]
            row = {
                "layer": layer,
                "kind": kind,
                "share": means[j],
                "lower": lower,
                "upper": upper,
                "n": len(finite),
            }
            difference = {} if differences is None else differences[j]
            yield {**columns, **row, **difference}


def _differences(shares: NDArray[np.float64], reference_shares: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return the mean difference of each kind of token between two models, with its paired 95 % interval over texts.

    Args:
        shares: (texts, kinds) shares in one layer.
        reference_shares: (texts, kinds) shares in the same layer of the model that it is compared with.

    Returns:
        For each kind: difference, difference_lower and difference_upper; nan where no text has both shares.
    """
    from probes.statistics.intervals import HIT_DIFFERENCES

    differences = shares - reference_shares
    is_finite = np.isfinite(differences).all(axis=1)
    finite = differences[is_finite]
    names = ("difference", "difference_lower", "difference_upper")
    if not len(finite):
        return [dict.fromkeys(names, float("nan")) for _ in range(shares.shape[1])]
    intervals = _intervals(finite, bounds=HIT_DIFFERENCES)
    means = finite.mean(axis=0).tolist()
    columns = list[dict[str, float]]()
    for mean, (lower, upper) in zip(means, intervals, strict=True):
        values = (mean, lower, upper)
        columns.append(dict(zip(names, values, strict=True)))
    return columns


def _intervals(values: NDArray[np.float64], *, bounds: Interval) -> list[Interval]:
    """Return the 95 % interval of the mean of each column of (texts, kinds) shares or differences.

    A column of equal values has none: a share that is 0 or 1 in every text is so by the construction of the head.
    """
    from probes.statistics.intervals import ROUNDING, mean_intervals

    intervals = mean_intervals(values, bounds=bounds)
    for j in np.flatnonzero(np.ptp(values, axis=0) <= ROUNDING):
        intervals[j] = (float("nan"), float("nan"))
    return intervals
