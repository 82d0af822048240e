"""Bootstrap resamplings of examples, as counts of how often each example is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from probes.sequences import Float64Array, FloatArray, Int64Array

N_RESAMPLES = 2000
"""Resamplings behind every bootstrap interval."""
MAX_ENTRIES = 2**23
"""Entries of the arrays that are in memory at once while examples are resampled."""


def resampling_counts(
    n: int,
    rng: np.random.Generator,
    *,
    width: int,
    n_resamples: int = N_RESAMPLES,
) -> Iterator[tuple[slice, Int64Array]]:
    """Draw resamplings of n examples with replacement, a few at a time.

    The width decides how many are in memory at once and nothing else: the same generator draws the same resamplings.

    Args:
        n: Number of examples, which is also the size of a resampling.
        rng: Random number generator to draw with.
        width: Number of entries that one example takes for one resampling; a larger one makes the chunks smaller.
        n_resamples: Number of resamplings.

    Yields:
        The positions of a chunk among all resamplings, and its (resamples, examples) counts.
    """
    chunk_size = max(1, MAX_ENTRIES // width)
    for start in range(0, n_resamples, chunk_size):
        stop = min(start + chunk_size, n_resamples)
        size = stop - start
        # One call of bincount counts all rows: each row has a range of n ids to itself.
        offsets = n * np.arange(size)[:, None]
        draws = rng.integers(n, size=(size, n)) + offsets
        counts = np.bincount(draws.ravel(), minlength=size * n)
        yield slice(start, stop), counts.reshape(size, n)


def resampled_means(values: FloatArray, seed: int) -> Float64Array:
    """Draw the means of (examples, columns) values over resamplings, in each of which the columns stay paired.

    Args:
        values: (examples, columns) values; one example or more.
        seed: Seed of the resampling.

    Returns:
        (resamples, columns) means.
    """
    n, n_columns = values.shape
    means = np.empty((N_RESAMPLES, n_columns))
    for chunk, counts in resampling_counts(n, np.random.default_rng(seed), width=n):
        means[chunk] = counts @ values / n
    return means
