"""Interventions against a plain loop over texts, and facts about ablations that hold for every model."""

import numpy as np
import pytest
import torch

from probes import Encoder, FittedProbe, InputError, LayerStates, ModelHead, ProbeHead
from probes.data.texts import Texts
from probes.encoder.pooling import POOLINGS
from probes.mechanism.interventions import (
    POSITIONS,
    erasure_edit,
    intervened_log_probs,
    mean_ablation,
    mean_states,
    sample_states,
)
from probes.mechanism.leace import Erasure
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, build_model

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! [MASK] good great bad", "greatly"]
PAIRS = ["bad", "the actor was dull", "the plot was fine", "good music"]
FIVE_FAMILIES = ["bert", "roberta", "deberta-v2", "xlnet", "gpt2"]
"""Families: with and without token types, with relative positions, [CLS] last, without [CLS] and texts alone."""


def probe(n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return FittedProbe(*(rng.standard_normal(shape).astype(np.float32) for shape in ((n_classes, HIDDEN), n_classes)))


def two_heads(family):
    """The model's own head and a probe's."""
    model = ModelHead(Encoder(*build_model(family, "AutoModelForSequenceClassification", num_labels=3)))
    return model, ProbeHead(Encoder(*build_model(family)), probe(), layer=2, pooling="mean")


def map_of(rank=2, seed=0):
    rng = np.random.default_rng(seed)
    right, left = rng.standard_normal((HIDDEN, rank)) / 4, rng.standard_normal((rank, HIDDEN))
    return Erasure(right, left, rng.standard_normal(HIDDEN))


def one_by_one(head, pairs, layer, edit):
    """(texts, classes) log probabilities, each text by itself in a whole forward pass."""
    encoder = head.encoder
    log_probs = []
    encoded = encoder.encode(Texts(TEXTS, pairs))
    for row in range(len(TEXTS)):
        batch = encoder.batch(encoded, [row])

        def overwrite(hidden, batch=batch):
            return edit(LayerStates(hidden, batch.mask, batch.cls_index, batch.special))

        with torch.inference_mode():
            logits = head.logits(batch, overwrite={layer: overwrite}).double()
        log_probs.append(torch.log_softmax(logits, dim=1)[0].numpy())
    return np.stack(log_probs)


def edited_log_prob(head, texts, layer, edit):
    """(texts, classes) log probabilities under one edit."""
    return intervened_log_probs(head, texts, edits=[(layer, edit)])[1]


# The mechanism


@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("family", FIVE_FAMILIES)
def test_an_edit_gives_the_result_of_a_whole_pass_of_each_text_alone(family, pairs):
    for head in two_heads(family):
        layers = range(LAYERS + 1 if head.layer is None else head.layer + 1)
        edits = [(layer, erasure_edit(map_of(), "mean")) for layer in layers]
        plain, *edited_by_layer = intervened_log_probs(head, Texts(TEXTS, pairs), edits=edits)
        np.testing.assert_allclose(plain, one_by_one(head, pairs, 0, lambda states: states.hidden), atol=1e-5)
        for (layer, edit), edited in zip(edits, edited_by_layer, strict=True):
            np.testing.assert_allclose(edited, one_by_one(head, pairs, layer, edit), atol=1e-5)
            assert abs(edited - plain).max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_that_changes_nothing_changes_nothing(family):
    for head in two_heads(family):
        edits = [(layer, lambda states: states.hidden) for layer in (0, 2)]
        plain, *edited_by_layer = intervened_log_probs(head, TEXTS, edits=edits)
        for edited in edited_by_layer:
            np.testing.assert_allclose(edited, plain, atol=1e-6)
        assert abs(plain - plain[:1]).max() > 1e-3


def test_edits_do_not_act_on_each_other(bert_classifier):
    head = ModelHead(bert_classifier)
    edits = [
        (layer, erasure_edit(map_of(seed=i), pooling)) for i, (layer, pooling) in enumerate([(2, "cls"), (0, "mean")])
    ]
    both = intervened_log_probs(head, TEXTS, edits=[*edits, edits[0]])
    for (layer, edit), edited in zip(edits, both[1:], strict=False):
        np.testing.assert_allclose(edited, edited_log_prob(head, TEXTS, layer, edit), atol=1e-6)
    np.testing.assert_array_equal(both[3], both[1])
    assert abs(both[1] - both[2]).max() > 1e-3


def test_an_edited_text_does_not_depend_on_the_rest_of_its_batch(bert_classifier):
    head, edit = ModelHead(bert_classifier), erasure_edit(map_of(), "mean")
    whole = edited_log_prob(head, TEXTS, 1, edit)
    alone = [edited_log_prob(head, [text], 1, edit)[0] for text in TEXTS]
    np.testing.assert_allclose(whole, alone, atol=1e-6)


def test_an_encoder_in_bfloat16_is_read_in_float32(bert_classifier):
    half, edit = bert_classifier.with_dtype("bfloat16"), erasure_edit(map_of(), "mean")
    edited = edited_log_prob(ModelHead(half), TEXTS, 1, edit)
    np.testing.assert_array_equal(edited, edited_log_prob(ModelHead(bert_classifier), TEXTS, 1, edit))
    assert half.dtype == "bfloat16"


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_the_model_is_left_as_it_was_also_after_an_exception(family):
    def state(model):
        hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), m.training) for m in model.modules()]
        return hooks, ["forward" in vars(m) for m in model.modules()]

    def broken(_states):
        raise RuntimeError("no")

    head, _ = two_heads(family)
    head.encoder.model.train()
    before = state(head.encoder.model)
    edited_log_prob(head, TEXTS, 1, erasure_edit(map_of(), "mean"))
    assert state(head.encoder.model) == before
    with pytest.raises(RuntimeError, match="no"):
        edited_log_prob(head, TEXTS, 1, broken)
    assert state(head.encoder.model) == before


def test_an_edit_that_does_not_reach_the_head_is_refused(bert):
    head = ProbeHead(bert, probe(), layer=1, pooling="mean")
    with pytest.raises(InputError, match="the head reads layer 1, which an edit at layer 2 does not change"):
        edited_log_prob(head, TEXTS, 2, erasure_edit(map_of(), "mean"))
    with pytest.raises(InputError, match="unknown layer 9"):
        edited_log_prob(head, TEXTS, 9, erasure_edit(map_of(), "mean"))
    with pytest.raises(InputError, match="unknown pooling 'pooler'; known: cls, mean, last, content"):
        erasure_edit(map_of(), "pooler")


@pytest.mark.parametrize("family", FIVE_FAMILIES)
@pytest.mark.parametrize("pooling", POSITIONS)
def test_the_positions_of_a_pooling_are_those_that_it_reads(family, pooling):
    encoder = Encoder(*build_model(family))
    batch = encoder.batch(encoder.encode(Texts(TEXTS, PAIRS)), range(4))
    with torch.inference_mode():
        states = encoder.states(batch, [1])[1]
        if pooling not in encoder.poolings:
            with pytest.raises(InputError, match=r"adds no \[CLS\]"):
                POSITIONS[pooling](states)
            return
        where = POSITIONS[pooling](states).unsqueeze(-1)
        before = POOLINGS[pooling](states)
        for positions, same in ((where, False), (~where, True)):
            hidden = torch.where(positions, states.hidden + 1, states.hidden)
            changed = POOLINGS[pooling](LayerStates(hidden, batch.mask, batch.cls_index, batch.special))
            torch.testing.assert_close(changed, before if same else before + 1, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["cls", "mean", "content"])
def test_an_erasure_of_states_is_the_erasure_of_their_pooled_vector(bert, pooling):
    erasure = map_of()
    batch = bert.batch(bert.encode(TEXTS), range(4))
    with torch.inference_mode():
        before = POOLINGS[pooling](bert.states(batch, [2])[2]).numpy()

        def overwrite(hidden):
            return erasure_edit(erasure, pooling)(LayerStates(hidden, batch.mask, batch.cls_index, batch.special))

        after = POOLINGS[pooling](bert.states(batch, [2], overwrite={2: overwrite})[2]).numpy()
    np.testing.assert_allclose(after, erasure(before), atol=1e-5)
    assert abs(after - before).max() > 0.1


# Mean ablation


@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet", "gpt2"])
def test_mean_states_are_those_of_a_plain_loop(family, pairs):
    encoder = Encoder(*build_model(family))
    encoded = encoder.encode(Texts(TEXTS, pairs))
    cls_states, content_states = [], []
    for row in range(len(TEXTS)):
        batch = encoder.batch(encoded, [row])
        with torch.inference_mode():
            states = encoder.states(batch, range(LAYERS + 1))
        hidden = torch.stack([states[layer].hidden[0] for layer in range(LAYERS + 1)]).double().numpy()
        content_states.append(hidden[:, ~encoded.special[row]])
        if batch.cls_index is not None:
            cls_states.append(hidden[:, int(batch.cls_index)])
    means = mean_states(encoder, Texts(TEXTS, pairs))
    np.testing.assert_allclose(means.content, np.concatenate(content_states, axis=1).mean(axis=1), atol=1e-6)
    if family == "gpt2":
        assert means.cls is None
    else:
        np.testing.assert_allclose(means.cls, np.mean(cls_states, axis=0), atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_ablation_of_cls_loses_nothing_at_layer_0_and_everything_at_the_last_layer(family):
    head, _ = two_heads(family)
    means = mean_states(head.encoder, TEXTS)
    edits = [(layer, mean_ablation(means.cls[layer], "cls")) for layer in range(LAYERS + 1)]
    plain, *edited_by_layer = intervened_log_probs(head, TEXTS, edits=edits)
    np.testing.assert_allclose(edited_by_layer[0], plain, atol=1e-5)
    np.testing.assert_allclose(
        edited_by_layer[LAYERS], np.broadcast_to(edited_by_layer[LAYERS][:1], plain.shape), atol=1e-6
    )
    assert abs(plain - plain[:1]).max() > 0.01
    for edited in edited_by_layer[1:LAYERS]:
        assert abs(edited - plain).max() > 1e-3
        assert abs(edited - edited[:1]).max() > 1e-3


def test_ablation_of_content_at_the_last_layer_costs_a_cls_head_nothing_and_a_content_probe_everything(bert_classifier):
    means = mean_states(bert_classifier, TEXTS)
    last, first = ((layer, mean_ablation(means.content[layer], "content")) for layer in (LAYERS, 0))
    plain, at_last, at_first = intervened_log_probs(ModelHead(bert_classifier), TEXTS, edits=[last, first])
    np.testing.assert_allclose(at_last, plain, atol=1e-6)
    assert abs(at_first - plain).max() > 0.01
    head = ProbeHead(bert_classifier, probe(), layer=LAYERS, pooling="content")
    plain, at_last = intervened_log_probs(head, TEXTS, edits=[last])
    np.testing.assert_allclose(at_last, np.broadcast_to(at_last[:1], plain.shape), atol=1e-5)
    assert abs(plain - plain[:1]).max() > 0.1


def test_a_text_without_tokens_of_its_own_has_nothing_to_ablate(bert_classifier):
    means = mean_states(bert_classifier, [*TEXTS, ""])
    np.testing.assert_allclose(means.content, mean_states(bert_classifier, TEXTS).content, atol=1e-6)
    edit = mean_ablation(means.content[1], "content")
    plain, edited = intervened_log_probs(ModelHead(bert_classifier), [*TEXTS, ""], edits=[(1, edit)])
    np.testing.assert_allclose(edited[-1], plain[-1], atol=1e-6)
    with pytest.raises(InputError, match="no texts"):
        mean_states(bert_classifier, [])


@pytest.mark.parametrize("pooling", ["cls", "mean", "content"])
def test_sampled_states_are_states_of_the_texts_the_same_at_every_layer(bert, pooling):
    many_states, three_states = (
        sample_states(bert, Texts(TEXTS, PAIRS), pooling=pooling, layers=[0, 2], n=n, seed=1) for n in (1000, 3)
    )
    batch = bert.batch(bert.encode(Texts(TEXTS, PAIRS)), range(4))
    with torch.inference_mode():
        states = bert.states(batch, [0, 2])
    positions = POSITIONS[pooling](states[0])
    expected = np.concatenate([states[layer].hidden[positions].numpy() for layer in (0, 2)], axis=1)
    many, few = (np.concatenate([states[0], states[2]], axis=1) for states in (many_states, three_states))
    assert many.shape == expected.shape
    distances = np.linalg.norm(many[:, None] - expected, axis=2)
    assert (distances.min(axis=0) < 1e-4).all()
    assert (distances.min(axis=1) < 1e-4).all()
    assert len(few) == 3
    assert (np.linalg.norm(few[:, None] - expected, axis=2).min(axis=1) < 1e-4).all()
