"""Interventions: a plain loop over texts, known truths about ablations, and probes on features erased by hand."""

import csv
import itertools
import math

import numpy as np
import pytest
import torch

from probes import Encoder, FittedProbe, InputError, LayerStates, LogisticProbe, ModelHead, ProbeHead
from probes.data.texts import Texts
from probes.encoder.pooling import POOLINGS
from probes.features.extraction import pool_texts
from probes.mechanism.interventions import (
    POSITIONS,
    erasing,
    intervened_log_prob,
    intervened_log_probs,
    mean_ablation,
    mean_states,
    sample_states,
    used,
    used_table,
)
from probes.mechanism.leace import Erasure, erasures
from probes.probing.sites import Point
from tests.conftest import FAMILIES, HIDDEN, LAYERS, build_model

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! [MASK] good great bad", "greatly"]
PAIRS = ["bad", "the actor was dull", "the plot was fine", "good music"]
SOME = ["bert", "roberta", "deberta-v2", "xlnet", "gpt2"]
"""Families: with and without token types, with relative positions, [CLS] last, without [CLS] and texts alone."""


def probe(n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return FittedProbe(*(rng.standard_normal(shape).astype(np.float32) for shape in ((n_classes, HIDDEN), n_classes)))


def heads(family):
    """The model's own head and a probe's."""
    model = ModelHead(Encoder(*build_model(family, "AutoModelForSequenceClassification", num_labels=3)))
    return model, ProbeHead(Encoder(*build_model(family)), probe(), layer=2, pooling="mean")


def map_of(rank=2, seed=0):
    rng = np.random.default_rng(seed)
    right, left = rng.standard_normal((HIDDEN, rank)) / 4, rng.standard_normal((rank, HIDDEN))
    return Erasure(right, left, rng.standard_normal(HIDDEN))


def one_by_one(head, pairs, layer, edit):
    """(texts, classes) log probabilities, each text by itself in a whole forward pass."""
    encoder, found = head.encoder, []
    encoded = encoder.encode(Texts(TEXTS, pairs))
    for row in range(len(TEXTS)):
        batch = encoder.batch(encoded, [row])

        def put(hidden, batch=batch):
            return edit(LayerStates(hidden, batch.mask, batch.cls_index, batch.special))

        with torch.inference_mode():
            found.append(torch.log_softmax(head.logits(batch, overwrite={layer: put}).double(), dim=1)[0].numpy())
    return np.stack(found)


def data_rows(data, split, n):
    with (data / "sst2" / f"{split}.csv").open(encoding="utf-8") as file:
        rows = list(itertools.islice(csv.DictReader(file), n))
    return [row["text"] for row in rows], np.array([row["label"] == "positive" for row in rows], dtype=np.int64)


# The mechanism


@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("family", SOME)
def test_an_edit_is_what_a_whole_pass_of_each_text_alone_makes_of_it(family, pairs):
    for head in heads(family):
        layers = range(LAYERS + 1 if head.layer is None else head.layer + 1)
        edits = [(layer, erasing(map_of(), "mean")) for layer in layers]
        plain, *found = intervened_log_probs(head, Texts(TEXTS, pairs), edits=edits)
        np.testing.assert_allclose(plain, one_by_one(head, pairs, 0, lambda states: states.hidden), atol=1e-5)
        for (layer, edit), edited in zip(edits, found, strict=True):
            np.testing.assert_allclose(edited, one_by_one(head, pairs, layer, edit), atol=1e-5)
            assert abs(edited - plain).max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_that_changes_nothing_changes_nothing(family):
    for head in heads(family):
        edits = [(layer, lambda states: states.hidden) for layer in (0, 2)]
        plain, *found = intervened_log_probs(head, TEXTS, edits=edits)
        for edited in found:
            np.testing.assert_allclose(edited, plain, atol=1e-6)
        assert abs(plain - plain[:1]).max() > 1e-3


def test_edits_do_not_act_on_each_other(bert_classifier):
    head = ModelHead(bert_classifier)
    edits = [(layer, erasing(map_of(seed=i), pooling)) for i, (layer, pooling) in enumerate([(2, "cls"), (0, "mean")])]
    both = intervened_log_probs(head, TEXTS, edits=[*edits, edits[0]])
    for (layer, edit), found in zip(edits, both[1:], strict=False):
        np.testing.assert_allclose(found, intervened_log_prob(head, TEXTS, layer=layer, edit=edit), atol=1e-6)
    np.testing.assert_array_equal(both[3], both[1])
    assert abs(both[1] - both[2]).max() > 1e-3


def test_what_else_is_in_a_batch_never_changes_an_edited_text(bert_classifier):
    head, edit = ModelHead(bert_classifier), erasing(map_of(), "mean")
    whole = intervened_log_prob(head, TEXTS, layer=1, edit=edit)
    alone = [intervened_log_prob(head, [text], layer=1, edit=edit)[0] for text in TEXTS]
    np.testing.assert_allclose(whole, alone, atol=1e-6)


def test_an_encoder_in_bfloat16_is_read_in_float32(bert_classifier):
    half, edit = bert_classifier.with_dtype("bfloat16"), erasing(map_of(), "mean")
    found = intervened_log_prob(ModelHead(half), TEXTS, layer=1, edit=edit)
    np.testing.assert_array_equal(found, intervened_log_prob(ModelHead(bert_classifier), TEXTS, layer=1, edit=edit))
    assert half.dtype == "bfloat16"


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_the_model_is_given_back_as_it_came_also_after_an_exception(family):
    def state(model):
        hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), m.training) for m in model.modules()]
        return hooks, ["forward" in vars(m) for m in model.modules()]

    def broken(_states):
        raise RuntimeError("no")

    head, _ = heads(family)
    head.encoder.model.train()
    before = state(head.encoder.model)
    intervened_log_prob(head, TEXTS, layer=1, edit=erasing(map_of(), "mean"))
    assert state(head.encoder.model) == before
    with pytest.raises(RuntimeError, match="no"):
        intervened_log_prob(head, TEXTS, layer=1, edit=broken)
    assert state(head.encoder.model) == before


def test_what_does_not_reach_the_head_is_refused(bert):
    head = ProbeHead(bert, probe(), layer=1, pooling="mean")
    with pytest.raises(InputError, match="the head reads layer 1: nothing done at layer 2 reaches it"):
        intervened_log_prob(head, TEXTS, layer=2, edit=erasing(map_of(), "mean"))
    with pytest.raises(InputError, match="unknown layer 9"):
        intervened_log_prob(head, TEXTS, layer=9, edit=erasing(map_of(), "mean"))
    with pytest.raises(InputError, match="unknown pooling 'pooler'; known: cls, mean, last, content"):
        erasing(map_of(), "pooler")


@pytest.mark.parametrize("family", SOME)
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

        def put(hidden):
            return erasing(erasure, pooling)(LayerStates(hidden, batch.mask, batch.cls_index, batch.special))

        after = POOLINGS[pooling](bert.states(batch, [2], overwrite={2: put})[2]).numpy()
    np.testing.assert_allclose(after, erasure(before), atol=1e-5)
    assert abs(after - before).max() > 0.1


# Mean ablation


@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet", "gpt2"])
def test_mean_states_are_those_of_a_plain_loop(family, pairs):
    encoder = Encoder(*build_model(family))
    encoded = encoder.encode(Texts(TEXTS, pairs))
    first, own = [], []
    for row in range(len(TEXTS)):
        batch = encoder.batch(encoded, [row])
        with torch.inference_mode():
            states = encoder.states(batch, range(LAYERS + 1))
        hidden = torch.stack([states[layer].hidden[0] for layer in range(LAYERS + 1)]).double().numpy()
        own.append(hidden[:, ~encoded.special[row]])
        if batch.cls_index is not None:
            first.append(hidden[:, int(batch.cls_index)])
    found = mean_states(encoder, Texts(TEXTS, pairs))
    np.testing.assert_allclose(found.content, np.concatenate(own, axis=1).mean(axis=1), atol=1e-6)
    if family == "gpt2":
        assert found.cls is None
    else:
        np.testing.assert_allclose(found.cls, np.mean(first, axis=0), atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_nothing_is_lost_with_cls_at_layer_0_and_all_of_it_at_the_last_layer(family):
    head, _ = heads(family)
    means = mean_states(head.encoder, TEXTS)
    edits = [(layer, mean_ablation(means.cls[layer], "cls")) for layer in range(LAYERS + 1)]
    plain, *found = intervened_log_probs(head, TEXTS, edits=edits)
    np.testing.assert_allclose(found[0], plain, atol=1e-5)
    np.testing.assert_allclose(found[LAYERS], np.broadcast_to(found[LAYERS][:1], plain.shape), atol=1e-6)
    assert abs(plain - plain[:1]).max() > 0.01
    for edited in found[1:LAYERS]:
        assert abs(edited - plain).max() > 1e-3
        assert abs(edited - edited[:1]).max() > 1e-3


def test_a_cls_head_loses_nothing_with_content_tokens_at_the_last_layer_and_a_mean_probe_nearly_all(bert_classifier):
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
    whole, some = (
        sample_states(bert, Texts(TEXTS, PAIRS), pooling=pooling, layers=[0, 2], n=n, seed=1) for n in (1000, 3)
    )
    batch = bert.batch(bert.encode(Texts(TEXTS, PAIRS)), range(4))
    with torch.inference_mode():
        states = bert.states(batch, [0, 2])
    where = POSITIONS[pooling](states[0])
    expected = np.concatenate([states[layer].hidden[where].numpy() for layer in (0, 2)], axis=1)
    found, few = (np.concatenate([each[0], each[2]], axis=1) for each in (whole, some))
    assert found.shape == expected.shape
    distances = np.linalg.norm(found[:, None] - expected, axis=2)
    assert (distances.min(axis=0) < 1e-4).all()
    assert (distances.min(axis=1) < 1e-4).all()
    assert len(few) == 3
    assert (np.linalg.norm(few[:, None] - expected, axis=2).min(axis=1) < 1e-4).all()


# What a head uses


@pytest.fixture
def labelled():
    """80 texts of two classes with words of their own, and what else they differ in."""
    rng = np.random.default_rng(0)
    words = ["film", "movie", "plot", "actor", "music", "scene"]
    labels = np.arange(80) % 2
    texts = []
    for label in labels:
        own = ("bad awful dull".split(), "good great bright".split())[label]
        texts.append(f"the {rng.choice(words)} was {rng.choice(own)} " + "very " * rng.integers(3))
    return texts, labels


def fitted(encoder, texts, labels, pooling, layer):
    features = pool_texts(encoder, encoder.encode(texts), [pooling], [layer])[pooling][0]
    return features, LogisticProbe().fit(features, labels, n_classes=2)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_what_a_probe_loses_at_its_own_layer_is_what_it_loses_on_erased_features(bert, labelled, pooling):
    pytest.importorskip("concept_erasure")
    texts, labels = labelled
    features, own = fitted(bert, texts, labels, pooling, 2)
    head, point = ProbeHead(bert, own, layer=2, pooling=pooling), Point(pooling, 2)
    made = erasures(features, labels, n_classes=2, random=2, shuffled=2)
    found = used(head, texts, labels=labels, places={point: made})[point]
    np.testing.assert_array_equal(found.rows, np.arange(80))
    before, index = own.log_prob(features), np.arange(80)
    for losses, maps in (([found.erased], [made.own]), (found.random, made.random), (found.shuffled, made.shuffled)):
        for lost, each in zip(losses, maps, strict=True):
            after = own.log_prob(each(features))
            bits = (before - after)[index, labels] / math.log(2)
            np.testing.assert_allclose(lost.bits, bits, atol=1e-3)
            right = (before.argmax(axis=1) == labels).astype(int) - (after.argmax(axis=1) == labels)
            np.testing.assert_array_equal(lost.hits, right)
            assert lost.rank == 1
            if pooling == "cls":
                assert lost.displacement == pytest.approx(each.displacement(features), rel=1e-3)
    # Every class then has the same mean logits: what is left of the probe is no better than chance.
    assert found.erased.hits.mean() > 0.3
    assert found.erased.bits.mean() > 0.5
    assert max(lost.bits.mean() for lost in (*found.random, *found.shuffled)) < found.erased.bits.mean()


def test_displacements_matched_on_token_states_are_matched_where_tokens_are_moved(bert, labelled):
    pytest.importorskip("concept_erasure")
    texts, labels = labelled
    features, own = fitted(bert, texts, labels, "mean", 1)
    states = sample_states(bert, texts, pooling="mean", layers=[1], n=10_000)[1]
    head, point = ProbeHead(bert, own, layer=1, pooling="mean"), Point("mean", 1)
    by_tokens, by_means = (
        used(head, texts, labels=labels, places={point: erasures(features, labels, n_classes=2, states=moved)})[point]
        for moved in (states, None)
    )
    for lost in by_tokens.random:
        assert lost.displacement == pytest.approx(by_tokens.erased.displacement, rel=1e-3)
    assert any(abs(lost.displacement / by_means.erased.displacement - 1) > 0.05 for lost in by_means.random)


def test_all_places_in_one_sweep_are_each_by_itself_and_cls_at_layer_0_loses_nothing(bert_classifier, labelled):
    pytest.importorskip("concept_erasure")
    texts, labels = labelled
    other = np.array([text.count("very") for text in texts])
    head, places = ModelHead(bert_classifier), {}
    for pooling, layer in itertools.product(("cls", "mean"), (0, 2, LAYERS)):
        features, _ = fitted(bert_classifier, texts, labels, pooling, layer)
        places[Point(pooling, layer)] = erasures(features, other, n_classes=3, random=1)
    whole = used(head, texts, labels=labels, places=places)
    assert list(whole) == list(places)
    for point, found in whole.items():
        alone = used(head, texts, labels=labels, places={point: places[point]})[point]
        for a, b in zip((found.erased, *found.random), (alone.erased, *alone.random), strict=True):
            np.testing.assert_allclose(a.bits, b.bits, atol=1e-5)
            assert a.displacement == pytest.approx(b.displacement)
            assert (a.bits == 0).all() == (a.rank == 0) == (point == Point("cls", 0))
            assert a.rank in (0, 2)
    few = used(head, texts, labels=labels, places=places, n_texts=9, seed=3)
    for point, found in few.items():
        assert len(found.rows) == len(set(found.rows)) == 9
        np.testing.assert_allclose(found.erased.bits, whole[point].erased.bits[found.rows], atol=1e-5)
    assert (few[point].rows != used(head, texts, labels=labels, places=places, n_texts=9)[point].rows).any()


def test_the_table_has_the_means_and_their_paired_differences(bert, labelled):
    pytest.importorskip("concept_erasure")
    texts, labels = labelled
    features, own = fitted(bert, texts, labels, "mean", 2)
    made, point = erasures(features, labels, n_classes=2), Point("mean", 2)
    found = used(ProbeHead(bert, own, layer=2, pooling="mean"), texts, labels=labels, places={point: made})
    table = used_table(found)
    assert list(table["edit"]) == ["erased", "random", "shuffled", "erased - random", "erased - shuffled"]
    rows = table.set_index("edit")
    assert rows.loc["erased", "accuracy_lost"] == found[point].erased.hits.mean()
    assert rows.loc["random", "bits_lost"] == pytest.approx(np.mean([lost.bits for lost in found[point].random]))
    for name in ("accuracy", "bits"):
        gap = rows.loc["erased", f"{name}_lost"] - rows.loc["random", f"{name}_lost"]
        assert rows.loc["erased - random", f"{name}_lost"] == pytest.approx(gap)
        assert (rows[f"{name}_lower"] <= rows[f"{name}_lost"]).all()
        assert (rows[f"{name}_lost"] <= rows[f"{name}_upper"]).all()
    assert rows.loc["erased - random", "bits_lower"] > 0
    without = used_table(
        used(
            ProbeHead(bert, own, layer=2, pooling="mean"),
            texts,
            labels=labels,
            places={point: erasures(features, labels, n_classes=2, random=0, shuffled=0)},
        )
    )
    assert list(without["edit"]) == ["erased"]


def test_labels_that_do_not_fit_the_head_are_refused(bert_classifier):
    head = ModelHead(bert_classifier)
    with pytest.raises(InputError, match="lengths differ: texts has 4, labels has 3"):
        used(head, TEXTS, labels=np.zeros(3, int), places={})
    with pytest.raises(InputError, match=r"labels must lie in \[0, 2\), found 2"):
        used(head, TEXTS, labels=np.full(4, 2), places={})


def test_erasing_the_label_costs_a_real_probe_more_than_its_controls(packaged, data):
    pytest.importorskip("concept_erasure")
    texts, labels = data_rows(data, "train", 300)
    test_texts, test_labels = data_rows(data, "test", 100)
    layers = [0, 6]
    features = pool_texts(packaged, packaged.encode(texts), ["cls", "mean"], layers)
    head = ProbeHead(
        packaged,
        LogisticProbe(c=0.01).fit(features["mean"][-1], labels, n_classes=2),
        layer=6,
        pooling="mean",
        class_names=("negative", "positive"),
    )
    places = {}
    for pooling, vectors in features.items():
        states = sample_states(packaged, texts, pooling=pooling, layers=layers)
        for i, layer in enumerate(layers):
            made = erasures(vectors[i], labels, n_classes=2, states=states[layer])
            places[Point(pooling, layer)] = made
    found = used(head, test_texts, labels=test_labels, places=places)
    table = used_table(found)
    print(table.round(3).to_string())
    at_head = table.set_index(["pooling", "layer", "edit"]).loc[("mean", 6)]
    assert at_head.loc["erased", "accuracy_lost"] > 0.1
    assert at_head.loc["erased - random", "bits_lower"] > 0
    assert (found[Point("cls", 0)].erased.bits == 0).all()
