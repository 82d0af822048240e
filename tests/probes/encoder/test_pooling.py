"""Poolings against closed forms, the models' own poolers and sentence-transformers; what padding may not change."""

import dataclasses

import numpy as np
import pytest
import torch

from probes import Encoder, InputError, LayerStates
from probes.checkpoints.checkpoints import packaged_folder
from probes.encoder.pooling import POOLINGS, cls, content, last, mean, pooler
from tests.support.models import FAMILIES, LAYERS, build_model

TEXTS = ("the film was not good .", "awful", "we very dull it is a bright scene ! good great bad")


def states(seq=4, pad=0, *, left=False, special=False):
    """Two equal-length texts with `pad` places of padding that hold other numbers."""
    hidden = torch.randn(2, seq + pad, 8, generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(seq + pad) < seq).long().expand(2, -1)
    if left:
        hidden, mask = hidden.roll(pad, dims=1), mask.roll(pad, dims=1)
    first = torch.full((2,), pad if left else 0)
    ends = mask * torch.isin(mask.cumsum(1), torch.tensor([1, seq]))
    return LayerStates(hidden, mask, cls_index=first, special=ends if special else None)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize(("seq", "pad"), [(1, 0), (1, 4), (3, 2), (6, 1)])
@pytest.mark.parametrize("pooling", [cls, mean, last])
def test_padding_on_either_side_never_changes_a_vector(pooling, seq, pad, left):
    bare = states(seq + pad)
    bare = LayerStates(bare.hidden[:, :seq], torch.ones(2, seq), cls_index=torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(pooling(states(seq, pad, left=left)), pooling(bare))


def test_a_mean_that_ignores_the_mask_would_differ():
    padded = states(3, 2)
    assert (padded.hidden.mean(dim=1) - mean(padded)).abs().max() > 0.1


def test_poolings_are_their_closed_forms():
    found = states(5, 2, special=True)
    torch.testing.assert_close(cls(found), found.hidden[:, 0])
    torch.testing.assert_close(last(found), found.hidden[:, 4])
    torch.testing.assert_close(mean(found), found.hidden[:, :5].mean(dim=1))
    torch.testing.assert_close(content(found), found.hidden[:, 1:4].mean(dim=1))


def test_cls_is_read_where_it_is_not_first():
    moved = dataclasses.replace(states(4), cls_index=torch.tensor([3, 1]))
    torch.testing.assert_close(cls(moved), torch.stack([moved.hidden[0, 3], moved.hidden[1, 1]]))


@pytest.mark.parametrize("name", ["cls", "mean", "last", "content"])
def test_poolings_of_bfloat16_states_are_computed_in_float32(name):
    exact = states(6, 3, special=True)
    half = dataclasses.replace(exact, hidden=exact.hidden.bfloat16())
    assert POOLINGS[name](half).dtype == torch.float32
    wide = dataclasses.replace(half, hidden=half.hidden.float())
    torch.testing.assert_close(POOLINGS[name](half), POOLINGS[name](wide), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["cls", "mean", "last", "content"])
def test_gradients_reach_the_pooled_tokens_and_no_padding(name):
    found = states(4, 2, special=True)
    hidden = found.hidden.clone().requires_grad_()
    POOLINGS[name](dataclasses.replace(found, hidden=hidden)).sum().backward()
    reached = hidden.grad.abs().sum(dim=(0, 2)) > 0
    expected = {"cls": [0], "mean": [0, 1, 2, 3], "last": [3], "content": [1, 2]}[name]
    assert reached.nonzero().flatten().tolist() == expected


def test_what_a_model_or_a_text_lacks_is_refused():
    found = states(2, 1, special=True)
    with pytest.raises(InputError, match=r"adds no \[CLS\] token"):
        cls(dataclasses.replace(found, cls_index=None))
    with pytest.raises(InputError, match="no pooler"):
        pooler(found)
    with pytest.raises(InputError, match="which tokens are special"):
        content(dataclasses.replace(found, special=None))
    with pytest.raises(InputError, match="no token to average"):
        content(found)  # nothing but special tokens
    nothing = dataclasses.replace(found, mask=torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(InputError, match="no token to average"):
        mean(nothing)
    with pytest.raises(InputError, match="no token to take the last of"):
        last(nothing)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f in ("bert", "roberta", "albert", "mpnet")])
def test_the_pooler_of_the_last_layer_is_the_models_own_output(family):
    encoder = Encoder(*build_model(family))
    batch = encoder.batch(encoder.encode(TEXTS), range(3))
    with torch.inference_mode():
        found = encoder.states(batch, [1, LAYERS])
        expected = encoder.model(**batch.inputs).pooler_output
    torch.testing.assert_close(pooler(found[LAYERS]), expected, atol=1e-6, rtol=0)
    assert (pooler(found[1]) - expected).abs().max() > 0.01


def test_mean_of_the_packaged_encoder_is_sentence_transformers_unnormalised_mean(packaged):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    folder = str(packaged_folder())
    transformer = modules.Transformer(folder, max_seq_length=packaged.max_length)
    rival = SentenceTransformer(
        modules=[transformer, modules.Pooling(packaged.hidden, pooling_mode="mean")], device="cpu"
    )
    expected = rival.encode(list(TEXTS), normalize_embeddings=False, show_progress_bar=False)
    batch = packaged.batch(packaged.encode(TEXTS), range(3))
    with torch.inference_mode():
        found = mean(packaged.states(batch, [6])[6]).numpy()
    assert not np.allclose(np.linalg.norm(expected, axis=1), 1, atol=0.01)
    np.testing.assert_allclose(found, expected, atol=1e-5)
