"""Counts of resampled examples."""

import numpy as np
import pytest

from probes.statistics import resampling
from probes.statistics.resampling import resampling_counts


def all_counts(**options):
    return np.concatenate([counts for _, counts in resampling_counts(7, np.random.default_rng(3), **options)])


def test_counts_are_those_of_the_examples_that_the_generator_draws():
    counts = all_counts(width=7, n_resamples=11)
    draws = np.random.default_rng(3).integers(7, size=(11, 7))
    np.testing.assert_array_equal(counts, [np.bincount(row, minlength=7) for row in draws])


@pytest.mark.parametrize("width", [1, 4, 10**9])
def test_the_size_of_a_chunk_does_not_change_the_resamplings(monkeypatch, width):
    whole = all_counts(width=1, n_resamples=11)
    monkeypatch.setattr(resampling, "MAX_ENTRIES", 12)
    np.testing.assert_array_equal(all_counts(width=width, n_resamples=11), whole)


def test_chunks_follow_each_other_without_a_gap():
    chunks = [
        chunk
        for chunk, _ in resampling_counts(
            7, np.random.default_rng(3), width=resampling.MAX_ENTRIES // 4, n_resamples=10
        )
    ]
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(0, 4), (4, 8), (8, 10)]
