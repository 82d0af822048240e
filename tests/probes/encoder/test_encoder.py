"""Hidden states and logits against the plain transformers model: layers, batches, pairs and embeddings."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from probes import Encoder, InputError
from probes.data.texts import Texts
from tests.support.encoders.hidden_states import (
    TEXTS,
    WITH_TYPES,
    encoder_of,
    exactly,
    hidden_states,
    hooks_and_modes,
    plain_inputs,
    plain_states,
)
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, WORDS, build_model

PAIRS = ("a movie", "the plot was fine and the actor dull", "of", "in the scene")


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_one_layer_more_than_there_are_blocks(family):
    assert encoder_of(family).n_layers == LAYERS
    assert len(plain_states(family, TEXTS[0])) == LAYERS + 1


@pytest.mark.parametrize("family", FAMILIES)
def test_all_layers_together_are_the_plain_models_hidden_states(family):
    for text in TEXTS:
        states, _ = hidden_states(encoder_of(family), [text])
        assert list(states) == list(range(LAYERS + 1))
        for layer, expected in enumerate(plain_states(family, text)):
            exactly(states[layer][0], expected)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_asked_alone_is_the_plain_models(family, layer):
    states, _ = hidden_states(encoder_of(family), TEXTS[:1], [layer])
    assert list(states) == [layer]
    exactly(states[layer][0], plain_states(family, TEXTS[0])[layer])


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_differ_from_each_other(family):
    states = plain_states(family, TEXTS[0])
    for below, above in itertools.pairwise(states):
        assert (above - below).abs().max() > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_come_in_the_order_asked_for(family):
    states, _ = hidden_states(encoder_of(family), TEXTS[:1], [2, 0])
    assert list(states) == [2, 0]
    exactly(states[2][0], plain_states(family, TEXTS[0])[2])


def test_the_encoder_of_a_classifier_is_read(bert_classifier):
    states, batch = hidden_states(bert_classifier, TEXTS[:1])
    with torch.inference_mode():
        expected = bert_classifier.model.bert(**batch.inputs, output_hidden_states=True).hidden_states
    for layer in range(LAYERS + 1):
        exactly(states[layer], expected[layer])


@pytest.mark.parametrize("layer", [-1, LAYERS + 1])
def test_a_layer_that_is_not_there_is_refused(bert, layer):
    with pytest.raises(InputError, match=f"unknown layer {layer}.*known: 0, 1, 2, 3"):
        bert.check_layers([0, layer])


def test_the_classifier_is_given_back_after_its_logits(bert_classifier):
    bert_classifier.model.train()
    before = hooks_and_modes(bert_classifier.model)
    batch = bert_classifier.batch(bert_classifier.encode(TEXTS), range(4))
    bert_classifier.logits(batch, embeddings=bert_classifier.embed(batch))
    assert hooks_and_modes(bert_classifier.model) == before


def test_dropout_does_not_act_on_a_model_in_training_mode():
    encoder = Encoder(*build_model("bert"))
    encoder.model.train()
    plain = encoder.model(**plain_inputs("bert", encoder, TEXTS[0])).last_hidden_state[0]
    assert (plain - plain_states("bert", TEXTS[0])[LAYERS]).abs().max() > 0.1
    states, _ = hidden_states(encoder, TEXTS[:1])
    exactly(states[LAYERS][0], plain_states("bert", TEXTS[0])[LAYERS])


@pytest.mark.parametrize("family", FAMILIES)
def test_states_do_not_depend_on_padding_or_on_the_batch(family):
    states, _ = hidden_states(encoder_of(family), TEXTS)
    for row, text in enumerate(TEXTS):
        for layer, alone in enumerate(plain_states(family, text)):
            torch.testing.assert_close(states[layer][row, : len(alone)], alone, atol=1e-5, rtol=0)


def test_padding_that_is_attended_to_does_move_the_states():
    encoder = encoder_of("bert")
    _, batch = hidden_states(encoder, TEXTS)
    with torch.inference_mode():
        wrong = encoder.model(**{**batch.inputs, "attention_mask": torch.ones_like(batch.mask)}).last_hidden_state
    assert (wrong[1, :3] - plain_states("bert", TEXTS[1])[LAYERS]).abs().max() > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_that_pads_on_the_left_changes_nothing(family):
    model, tokenizer = build_model(family)
    tokenizer.padding_side = "left"
    states, _ = hidden_states(Encoder(model, tokenizer), TEXTS, [LAYERS])
    torch.testing.assert_close(states[LAYERS], hidden_states(encoder_of(family), TEXTS, [LAYERS])[0][LAYERS])


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_the_plain_models(family):
    states, _ = hidden_states(encoder_of(family), TEXTS, pairs=PAIRS)
    for row, (text, pair) in enumerate(zip(TEXTS, PAIRS, strict=True)):
        for layer, alone in enumerate(plain_states(family, text, pair)):
            torch.testing.assert_close(states[layer][row, : len(alone)], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", sorted(WITH_TYPES - {"xlnet"}))
def test_the_sides_of_a_pair_have_two_token_types_and_the_model_sees_them(family):
    encoder = encoder_of(family)
    encoded = encoder.encode(Texts(["the film"], ["was good"]))
    assert encoded.types[0].tolist() == [0, 0, 0, 0, 1, 1, 1]
    batch = encoder.batch(encoded, [0])
    blind = {**batch.inputs, "token_type_ids": torch.zeros_like(batch.mask)}
    with torch.inference_mode():
        seen = encoder.states(batch, [0])[0].hidden
        unseen = encoder.model(**blind, output_hidden_states=True).hidden_states[0]
    assert ((seen - unseen).abs().amax(dim=-1)[0] > 0.01).tolist() == [False] * 4 + [True] * 3


def test_xlnet_sees_the_sides_of_a_pair_by_comparing_them():
    encoder = encoder_of("xlnet")
    encoded = encoder.encode(Texts(["the film"], ["was good"]))
    assert encoded.types[0].tolist() == [0, 0, 0, 1, 1, 1, 2]
    batch = encoder.batch(encoded, [0])
    blind = {**batch.inputs, "token_type_ids": torch.zeros_like(batch.mask)}
    with torch.inference_mode():
        seen = encoder.states(batch, [0, 1])
        unseen = encoder.model(**blind, output_hidden_states=True).hidden_states
    exactly(seen[0].hidden, unseen[0])
    assert (seen[1].hidden - unseen[1]).abs().max() > 0.01


def test_a_row_of_a_batch_is_its_text_alone(bert):
    row = bert.batch(bert.encode(TEXTS), range(4)).row(1)
    assert row.inputs["input_ids"].tolist() == [bert.encode(TEXTS).ids[1].tolist()]
    with torch.inference_mode():
        exactly(bert.states(row, [LAYERS])[LAYERS].hidden[0], plain_states("bert", TEXTS[1])[LAYERS])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_texts_own_embeddings_give_the_same_states(family):
    encoder = encoder_of(family)
    expected, batch = hidden_states(encoder, TEXTS)
    states, _ = hidden_states(encoder, TEXTS, embeddings=encoder.embed(batch))
    for layer in range(LAYERS + 1):
        exactly(states[layer], expected[layer])


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_the_embeddings_of_real_tokens_only(family):
    encoder = encoder_of(family)
    batch = encoder.batch(encoder.encode(TEXTS[:2]), [0, 1])
    embeddings = encoder.embed(batch).detach().requires_grad_()
    states = encoder.states(batch, [LAYERS], embeddings=embeddings)[LAYERS]
    weights = torch.arange(HIDDEN, dtype=torch.float32) * batch.mask.unsqueeze(-1)
    (gradient,) = torch.autograd.grad((states.hidden * weights).sum(), embeddings)
    assert (gradient.abs().amax(dim=-1) > 0).long().tolist() == batch.mask.tolist()


@pytest.mark.parametrize(
    ("family", "model_pad", "tokenizer_pad"),
    [(family, "own", "own") for family in FAMILIES]
    + [("gpt2", None, "[PAD]"), ("gpt2", None, None), ("gpt2", 1, "[PAD]"), ("gpt2", 1, None)],
)
def test_logits_are_the_plain_models_for_each_text_alone(family, model_pad, tokenizer_pad):
    model, tokenizer = build_model(family, "AutoModelForSequenceClassification", num_labels=3)
    if model_pad != "own":
        model.config.pad_token_id, tokenizer.pad_token = model_pad, tokenizer_pad
    encoder = Encoder(model, tokenizer)
    batch = encoder.batch(encoder.encode(TEXTS), range(4))
    with torch.inference_mode():
        alone = [model(**plain_inputs(family, encoder, text)).logits for text in TEXTS]
        torch.testing.assert_close(encoder.logits(batch), torch.cat(alone), atol=1e-5, rtol=0)
        embedded_logits = encoder.logits(batch, embeddings=encoder.embed(batch))
        torch.testing.assert_close(embedded_logits, torch.cat(alone), atol=1e-5, rtol=0)


def test_a_pad_token_that_the_head_does_not_know_does_change_a_padded_batchs_logits():
    model, tokenizer = build_model("gpt2", "AutoModelForSequenceClassification")
    model.config.pad_token_id = 1
    padded = tokenizer(list(TEXTS), return_tensors="pt", padding=True, return_token_type_ids=False)
    with torch.inference_mode():
        alone = model(**plain_inputs("gpt2", SimpleNamespace(tokenizer=tokenizer), TEXTS[1])).logits
        assert (model(**padded).logits[1] - alone[0]).abs().max() > 0.05


def test_logits_of_an_encoder_without_a_head_are_refused(bert):
    with pytest.raises(InputError, match="BertModel has no classification head"):
        bert.logits(bert.batch(bert.encode(TEXTS), [0]))


def test_class_names_are_in_the_order_of_the_logits(bert, bert_classifier):
    assert bert_classifier.class_names == ("negative", "positive")
    assert bert.class_names == ()


def test_bfloat16_is_near_float32_and_leaves_the_model_in_float32(bert):
    half = bert.with_dtype("bfloat16")
    exact, _ = hidden_states(bert, TEXTS)
    states, _ = hidden_states(half, TEXTS)
    assert 0 < (states[LAYERS].float() - exact[LAYERS]).abs().max() < 0.2
    assert half.model is bert.model
    assert (bert.dtype, half.dtype) == ("float32", "bfloat16")
    assert {p.dtype for p in bert.model.parameters()} == {torch.float32}


def test_an_unknown_dtype_is_refused(bert):
    with pytest.raises(InputError, match=r"unknown dtype 'float64'.*known: float32, bfloat16"):
        Encoder(bert.model, bert.tokenizer, dtype="float64")
    with pytest.raises(InputError, match="unknown dtype 'int8'"):
        bert.with_dtype("int8")


def test_the_packaged_encoders_states_are_the_plain_models(packaged):
    texts = ["A gripping film.", "dull", f"{' '.join(WORDS[:9])} [SEP] unaffable"]
    states, _ = hidden_states(packaged, texts, range(7))
    for row, text in enumerate(texts):
        inputs = packaged.tokenizer(text, return_tensors="pt", split_special_tokens=True)
        with torch.inference_mode():
            expected = packaged.model(**inputs, output_hidden_states=True).hidden_states
        for layer in range(7):
            alone = expected[layer][0]
            torch.testing.assert_close(states[layer][row, : len(alone)], alone, atol=1e-5, rtol=0)


def test_states_of_no_layer_are_refused(bert):
    with pytest.raises(InputError, match="no layer to read"):
        bert.states(bert.batch(bert.encode(["a film"]), [0]), [])


def test_the_models_head_refuses_an_overwrite_of_a_layer_that_is_not_there(bert_classifier):
    batch = bert_classifier.batch(bert_classifier.encode(["a film"]), [0])
    with pytest.raises(InputError, match="unknown layer 7"):
        bert_classifier.logits(batch, overwrite={7: lambda states: states})
