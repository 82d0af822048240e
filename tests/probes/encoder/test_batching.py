"""Batches of texts of like length, and the loop over them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probes.encoder.batching import batches, over_batches
from probes.encoder.encoder import Encoder
from probes.progress import progress_bar
from tests.support.encoders.models import build_model

TEXTS = [" ".join(["film"] * n) for n in (3, 9, 1, 6, 9, 2, 4)]


@pytest.fixture(scope="module")
def encoder():
    return Encoder(*build_model("bert"))


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("budget", [1, 16, 1000])
def test_every_text_is_worked_on_once_longest_first_and_counted(encoder, budget, gradients):
    encoded = encoder.encode(TEXTS)
    modes = set()

    def longest(replica, rows):
        modes.add((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        return replica.batch(encoded, rows).mask.shape[1]

    with torch.no_grad(), progress_bar(len(TEXTS), "texts", visible=False) as bar:
        results = list(over_batches(encoder, encoded, longest, budget=budget, gradients=gradients, bar=bar))
    assert sorted(np.concatenate([rows for rows, _ in results]).tolist()) == list(range(len(TEXTS)))
    assert [length for _, length in results] == [encoded.lengths[rows].max() for rows, _ in results]
    assert [length for _, length in results] == sorted((length for _, length in results), reverse=True)
    assert modes == {(gradients, not gradients)}


def test_no_texts_are_no_batches(encoder):
    assert list(over_batches(encoder, encoder.encode([]), lambda _replica, rows: rows)) == []


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(1, 200), st.none() | st.integers(1, 50))
def test_batches_hold_every_row_once_within_the_budget_longest_first(lengths, budget, min_tokens):
    lengths = np.array(lengths)
    row_batches = list(batches(lengths, budget, min_tokens))
    assert sorted(np.concatenate(row_batches).tolist()) == list(range(len(lengths)))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= budget for rows in row_batches)
    longest = [lengths[rows].max() for rows in row_batches]
    assert longest == sorted(longest, reverse=True)


def test_batches_of_like_length_pad_less_than_the_order_of_the_texts():
    lengths = np.random.default_rng(0).integers(3, 60, size=500)
    ours = sum(len(rows) * lengths[rows].max() for rows in batches(lengths, 512))
    plain = sum(len(rows) * rows.max() for rows in np.array_split(lengths, 500 // 16))
    assert lengths.sum() <= ours < 1.1 * lengths.sum() < plain


def test_the_last_batches_are_cut_small_so_that_none_waits_long_for_another():
    lengths = np.full(400, 10)
    assert [len(rows) for rows in batches(lengths, 800)] == [80] * 5
    sizes = [len(rows) for rows in batches(lengths, 800, 100)]
    assert sizes[0] == 80
    assert min(sizes[:-1]) == 10
    assert sizes == sorted(sizes, reverse=True)
    assert all(10 * size <= max(100, sum(sizes[i:]) * 10 / 4) for i, size in enumerate(sizes))
