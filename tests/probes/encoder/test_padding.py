"""Padding: on the right, under the mask, and gone where a text is taken by itself."""

import numpy as np
import pytest
import torch

from probes import InputError

TEXTS = ["the film was good", "bad", "a plot"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_texts_are_padded_on_the_right_whatever_the_side_of_the_tokenizer(bert, side):
    bert.tokenizer.padding_side = side
    encoded = bert.encode(TEXTS)
    batch = bert.batch(encoded, [1, 0])
    n_tokens = len(encoded.ids[1])
    assert batch.mask[0].tolist() == [1] * n_tokens + [0] * (batch.mask.shape[1] - n_tokens)
    np.testing.assert_array_equal(batch.inputs["input_ids"][0, :n_tokens], encoded.ids[1])
    assert batch.mask[1].all()
    assert batch.cls_index.tolist() == [0, 0]


def test_a_row_is_one_text_without_its_padding(bert):
    encoded = bert.encode(TEXTS)
    row = bert.batch(encoded, [0, 1, 2]).row(1)
    assert row.mask.shape == (1, len(encoded.ids[1]))
    np.testing.assert_array_equal(row.inputs["input_ids"][0], encoded.ids[1])


def test_tiled_texts_come_all_for_the_first_point_first(bert):
    batch = bert.batch(bert.encode(TEXTS), [0, 1])
    tiled = batch.tiled_to(bert.embed(batch).repeat(3, 1, 1))
    assert len(tiled) == 6
    torch.testing.assert_close(tiled.inputs["input_ids"], batch.inputs["input_ids"].repeat(3, 1))
    assert batch.tiled_to(bert.embed(batch)) is batch


@pytest.mark.parametrize("shape", [(3, 6, 4), (2, 5, 4), (0, 6, 4), (2, 6)])
def test_embeddings_of_another_number_of_texts_or_tokens_are_refused(bert, shape):
    batch = bert.batch(bert.encode(TEXTS), [0, 1])
    assert batch.mask.shape == (2, 6)
    with pytest.raises(InputError, match=r"a batch of 2 texts of 6 tokens takes embeddings of shape \(2, 6, dim\)"):
        batch.tiled_to(torch.zeros(shape))


@pytest.mark.parametrize("rows", [[], [3], [-1]])
def test_rows_that_do_not_exist_are_refused(bert, rows):
    with pytest.raises(InputError, match="rows must be one or more of the 3 encoded texts, counted from 0"):
        bert.batch(bert.encode(TEXTS), rows)
