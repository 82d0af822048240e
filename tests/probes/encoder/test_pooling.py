"""Poolings against closed forms, the models' own poolers and sentence-transformers; what padding may not change."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from probes import Encoder, InputError, LayerStates
from probes.checkpoints.checkpoints import packaged_folder
from probes.encoder.pooling import POOLINGS, cls, content, last, mean, pooler
from tests.support.encoders.hidden_states import (
    TEXTS,
    WITH_CLS,
    encoder_of,
)
from tests.support.encoders.models import FAMILIES, LAYERS, build_model

POOLED_TEXTS = ("the film was not good .", "awful", "we very dull it is a bright scene ! good great bad")


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
    layer_states = states(5, 2, special=True)
    torch.testing.assert_close(cls(layer_states), layer_states.hidden[:, 0])
    torch.testing.assert_close(last(layer_states), layer_states.hidden[:, 4])
    torch.testing.assert_close(mean(layer_states), layer_states.hidden[:, :5].mean(dim=1))
    torch.testing.assert_close(content(layer_states), layer_states.hidden[:, 1:4].mean(dim=1))


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
    layer_states = states(4, 2, special=True)
    hidden = layer_states.hidden.clone().requires_grad_()
    POOLINGS[name](dataclasses.replace(layer_states, hidden=hidden)).sum().backward()
    reached = hidden.grad.abs().sum(dim=(0, 2)) > 0
    expected = {"cls": [0], "mean": [0, 1, 2, 3], "last": [3], "content": [1, 2]}[name]
    assert reached.nonzero().flatten().tolist() == expected


def test_what_a_model_or_a_text_lacks_is_refused():
    layer_states = states(2, 1, special=True)
    with pytest.raises(InputError, match=r"adds no \[CLS\] token"):
        cls(dataclasses.replace(layer_states, cls_index=None))
    with pytest.raises(InputError, match="no pooler"):
        pooler(layer_states)
    with pytest.raises(InputError, match="which tokens are special"):
        content(dataclasses.replace(layer_states, special=None))
    with pytest.raises(InputError, match="no tokens, so that their mean"):
        content(layer_states)  # nothing but special tokens
    nothing = dataclasses.replace(layer_states, mask=torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(InputError, match="no tokens, so that their mean"):
        mean(nothing)
    with pytest.raises(InputError, match="no tokens, so that pooling last"):
        last(nothing)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f in ("bert", "roberta", "albert", "mpnet")])
def test_the_pooler_of_the_last_layer_is_the_models_own_output(family):
    encoder = Encoder(*build_model(family))
    batch = encoder.batch(encoder.encode(POOLED_TEXTS), range(3))
    with torch.inference_mode():
        states_of_layers = encoder.states(batch, [1, LAYERS])
        expected = encoder.model(**batch.inputs).pooler_output
    torch.testing.assert_close(pooler(states_of_layers[LAYERS]), expected, atol=1e-6, rtol=0)
    assert (pooler(states_of_layers[1]) - expected).abs().max() > 0.01


def test_mean_of_the_packaged_encoder_is_sentence_transformers_unnormalised_mean(packaged):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    folder = str(packaged_folder())
    transformer = modules.Transformer(folder, max_seq_length=packaged.max_length)
    rival = SentenceTransformer(
        modules=[transformer, modules.Pooling(packaged.hidden, pooling_mode="mean")], device="cpu"
    )
    expected = rival.encode(list(POOLED_TEXTS), normalize_embeddings=False, show_progress_bar=False)
    batch = packaged.batch(packaged.encode(POOLED_TEXTS), range(3))
    with torch.inference_mode():
        means = mean(packaged.states(batch, [6])[6]).numpy()
    assert not np.allclose(np.linalg.norm(expected, axis=1), 1, atol=0.01)
    np.testing.assert_allclose(means, expected, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "albert", "mpnet"])
def test_a_pooler_whose_bias_is_zero_was_never_trained(family):
    model, tokenizer = build_model(family)
    assert not Encoder(model, tokenizer).random_pooler
    linear = model.pooler if isinstance(model.pooler, nn.Linear) else model.pooler.dense
    with torch.no_grad():
        linear.bias.zero_()
    assert Encoder(model, tokenizer).random_pooler


def test_a_fresh_model_has_a_random_pooler():
    from transformers import BertModel

    config, tokenizer = FAMILIES["bert"]()
    assert Encoder(BertModel(config), tokenizer).random_pooler


def test_a_model_without_a_pooler_has_no_random_one():
    assert not encoder_of("distilbert").random_pooler


@pytest.mark.parametrize(
    ("family", "auto", "has"),
    [
        ("bert", "AutoModel", True),
        ("roberta", "AutoModel", True),
        ("albert", "AutoModel", True),
        ("mpnet", "AutoModel", True),
        ("distilbert", "AutoModel", False),
        ("electra", "AutoModel", False),
        ("deberta-v2", "AutoModel", False),
        ("bert", "AutoModelForSequenceClassification", True),
        ("albert", "AutoModelForSequenceClassification", True),
        ("roberta", "AutoModelForSequenceClassification", False),
    ],
)
def test_poolings_are_those_that_the_model_can_give(family, auto, has):
    poolings = Encoder(*build_model(family, auto)).poolings
    assert poolings == tuple(p for p in ("cls", "mean", "pooler", "last", "content") if has or p != "pooler")


def test_a_decoder_gives_neither_cls_nor_pooler():
    assert encoder_of("gpt2").poolings == ("mean", "last", "content")
    assert encoder_of("gpt2").usual_poolings == ("last", "mean")
    assert encoder_of("distilbert").usual_poolings == ("cls", "mean")
    assert encoder_of("bert").usual_poolings == ("cls", "mean", "pooler")
    with pytest.raises(InputError, match=r"adds no \[CLS\] token, so that pooling 'cls' is not available"):
        encoder_of("gpt2").check_poolings(["mean", "cls"])


def test_an_unknown_pooling_is_refused_with_the_known_ones(bert):
    with pytest.raises(InputError, match="unknown pooling 'avg'; known: cls, mean, pooler, last, content"):
        bert.check_poolings(["avg"])


def test_a_tokenizer_that_knows_a_cls_and_adds_none_gives_no_cls_pooling():
    model, tokenizer = build_model("bert")
    tokenizer.backend_tokenizer.post_processor = None
    encoder = Encoder(model, tokenizer)
    assert "cls" not in encoder.usual_poolings
    with pytest.raises(InputError, match=r"adds no \[CLS\] token"):
        encoder.check_poolings(["cls"])


def test_a_half_precision_model_from_memory_pools(bert):
    encoder = Encoder(bert.model.to(torch.bfloat16), bert.tokenizer)
    batch = encoder.batch(encoder.encode(TEXTS), range(len(TEXTS)))
    with torch.inference_mode():
        assert pooler(encoder.states(batch, [LAYERS])[LAYERS]).dtype is torch.float32


@pytest.mark.parametrize("auto", ["AutoModel", "AutoModelForSequenceClassification"])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_gives_its_poolings_and_an_error_lists_them(family, auto):
    encoder = Encoder(*build_model(family, auto))
    pooled = {"bert", "roberta", "xlm-roberta", "albert", "mpnet"} if auto == "AutoModel" else {"bert", "albert"}
    expected = {"mean", "last", "content"} | ({"cls"} if family in WITH_CLS else set())
    expected |= {"pooler"} if family in pooled else set()
    assert set(encoder.poolings) == expected
    for pooling in POOLINGS:
        if pooling in expected:
            encoder.check_poolings([pooling])
        else:
            with pytest.raises(
                InputError,
                match=f"so that pooling '{pooling}' is not available; available: {', '.join(encoder.poolings)}$",
            ):
                encoder.check_poolings([pooling])
