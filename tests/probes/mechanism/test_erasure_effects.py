"""Erasure effects against probes on features erased by hand, each site alone, and a real encoder."""

import csv
import itertools
import math

import numpy as np
import pytest

from probes import InputError, LogisticProbe, ModelHead, ProbeHead
from probes.features.in_memory import pool_texts
from probes.mechanism.erasure_effects import erasure_effects
from probes.mechanism.interventions import sample_states
from probes.mechanism.leace import erasures
from probes.probing.sites import Site
from probes.statistics.intervals import mean_intervals
from tests.support.encoders.models import LAYERS

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! [MASK] good great bad", "greatly"]


def data_rows(data, split, n):
    with (data / "sst2" / f"{split}.csv").open(encoding="utf-8") as file:
        rows = list(itertools.islice(csv.DictReader(file), n))
    return [row["text"] for row in rows], np.array([row["label"] == "positive" for row in rows], dtype=np.int64)


@pytest.fixture
def labelled():
    """80 texts of two classes with words of their own, and a word that occurs in both."""
    rng = np.random.default_rng(0)
    words = ["film", "movie", "plot", "actor", "music", "scene"]
    labels = np.arange(80) % 2
    texts = []
    for label in labels:
        class_words = ("bad awful dull".split(), "good great bright".split())[label]
        texts.append(f"the {rng.choice(words)} was {rng.choice(class_words)} " + "very " * rng.integers(3))
    return texts, labels


def features_and_probe(encoder, texts, labels, pooling, layer):
    features = pool_texts(encoder, encoder.encode(texts), [pooling], [layer])[pooling][0]
    return features, LogisticProbe().fit(features, labels, n_classes=2)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_loss_of_a_probe_at_its_layer_is_its_loss_on_erased_features(bert, labelled, pooling):
    pytest.importorskip("concept_erasure")
    texts, labels = labelled
    features, probe = features_and_probe(bert, texts, labels, pooling, 2)
    head = ProbeHead(bert, probe, layer=2, pooling=pooling)
    site = Site(pooling, 2)
    maps = erasures(features, labels, n_classes=2, random=2, shuffled=2)
    effect = erasure_effects(head, texts, labels=labels, erasures={site: maps})[site]
    np.testing.assert_array_equal(effect.rows, np.arange(80))
    before, index = probe.log_prob(features), np.arange(80)
    pairs = (
        ([effect.erased], [maps.leace]),
        (effect.random, maps.random),
        (effect.shuffled, maps.shuffled),
    )
    for losses, loss_maps in pairs:
        for loss, erasure in zip(losses, loss_maps, strict=True):
            after = probe.log_prob(erasure(features))
            bits = (before - after)[index, labels] / math.log(2)
            np.testing.assert_allclose(loss.information_loss, bits, atol=1e-3)
            change = (before.argmax(axis=1) == labels).astype(int) - (after.argmax(axis=1) == labels)
            np.testing.assert_array_equal(loss.accuracy_loss, change)
            assert loss.rank == 1
            if pooling == "cls":
                assert loss.displacement == pytest.approx(erasure.displacement(features), rel=1e-3)
    # Every class then has the same mean logits: the probe is no better than chance.
    assert effect.erased.accuracy_loss.mean() > 0.3
    assert effect.erased.information_loss.mean() > 0.5
    assert (
        max(loss.information_loss.mean() for loss in (*effect.random, *effect.shuffled))
        < effect.erased.information_loss.mean()
    )


def test_displacements_matched_on_token_states_are_matched_where_tokens_are_moved(bert, labelled):
    pytest.importorskip("concept_erasure")
    texts, labels = labelled
    features, probe = features_and_probe(bert, texts, labels, "mean", 1)
    states = sample_states(bert, texts, pooling="mean", layers=[1], n=10_000)[1]
    head = ProbeHead(bert, probe, layer=1, pooling="mean")
    site = Site("mean", 1)
    by_tokens, by_means = (
        erasure_effects(
            head,
            texts,
            labels=labels,
            erasures={site: erasures(features, labels, n_classes=2, states=moved_states)},
        )[site]
        for moved_states in (states, None)
    )
    for loss in by_tokens.random:
        assert loss.displacement == pytest.approx(by_tokens.erased.displacement, rel=1e-3)
    assert any(abs(loss.displacement / by_means.erased.displacement - 1) > 0.05 for loss in by_means.random)


def test_sites_of_one_sweep_give_the_effects_of_each_alone_and_cls_at_layer_0_none(bert_classifier, labelled):
    pytest.importorskip("concept_erasure")
    texts, labels = labelled
    second_label = np.array([text.count("very") for text in texts])
    head = ModelHead(bert_classifier)
    maps = {}
    for pooling, layer in itertools.product(("cls", "mean"), (0, 2, LAYERS)):
        features, _ = features_and_probe(bert_classifier, texts, labels, pooling, layer)
        maps[Site(pooling, layer)] = erasures(features, second_label, n_classes=3, random=1)
    whole = erasure_effects(head, texts, labels=labels, erasures=maps)
    assert list(whole) == list(maps)
    for site, effect in whole.items():
        alone = erasure_effects(head, texts, labels=labels, erasures={site: maps[site]})[site]
        for a, b in zip((effect.erased, *effect.random), (alone.erased, *alone.random), strict=True):
            np.testing.assert_allclose(a.information_loss, b.information_loss, atol=1e-5)
            assert a.displacement == pytest.approx(b.displacement)
            assert (a.information_loss == 0).all() == (a.rank == 0) == (site == Site("cls", 0))
            assert a.rank in (0, 2)
    few = erasure_effects(head, texts, labels=labels, erasures=maps, n_texts=9, seed=3)
    for site, effect in few.items():
        assert len(effect.rows) == len(set(effect.rows)) == 9
        np.testing.assert_allclose(
            effect.erased.information_loss, whole[site].erased.information_loss[effect.rows], atol=1e-5
        )
    assert (few[site].rows != erasure_effects(head, texts, labels=labels, erasures=maps, n_texts=9)[site].rows).any()


def test_labels_that_do_not_fit_the_head_are_refused(bert_classifier):
    head = ModelHead(bert_classifier)
    with pytest.raises(InputError, match="lengths differ: texts has 4, labels has 3"):
        erasure_effects(head, TEXTS, labels=np.zeros(3, int), erasures={})
    with pytest.raises(InputError, match=r"labels must lie in \[0, 2\), found 2"):
        erasure_effects(head, TEXTS, labels=np.full(4, 2), erasures={})


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
    maps = {}
    for pooling, vectors in features.items():
        states = sample_states(packaged, texts, pooling=pooling, layers=layers)
        for i, layer in enumerate(layers):
            maps[Site(pooling, layer)] = erasures(vectors[i], labels, n_classes=2, states=states[layer])
    effects = erasure_effects(head, test_texts, labels=test_labels, erasures=maps)
    at_head = effects[Site("mean", 6)]
    random_information_loss = np.mean([loss.information_loss for loss in at_head.random], axis=0)
    assert at_head.erased.accuracy_loss.mean() > 0.1
    lower, _ = mean_intervals((at_head.erased.information_loss - random_information_loss)[:, None])[0]
    assert lower > 0
    assert (effects[Site("cls", 0)].erased.information_loss == 0).all()
