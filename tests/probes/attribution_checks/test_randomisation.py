"""Parameter randomisation: the levels, the correlations, and that the encoder itself never changes."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from probes import Encoder, InputError, LogisticProbe, ModelHead, ProbeHead, attribute
from probes.attribution.attribute import attribute_with
from probes.attribution_checks.randomisation import _randomisation_levels, parameter_randomisation
from probes.data.controlled import controlled_sentences
from probes.data.texts import Texts
from probes.features.in_memory import pool_texts
from tests.support.encoders.models import FAMILIES, LAYERS, build_model
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "", "we very dull it is a bright scene ! good great bad"]
HEAD = "AutoModelForSequenceClassification"


def states(encoder, text=TEXTS[0]):
    batch = encoder.batch(encoder.encode([text]), [0])
    with torch.no_grad():
        states_of_layers = encoder.states(batch, range(encoder.n_layers + 1))
    return [states_of_layers[layer].hidden.numpy() for layer in range(encoder.n_layers + 1)]


def parameters(encoder):
    return {name: value.clone() for name, value in encoder.model.state_dict().items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_levels_go_from_the_top_down_and_end_at_the_untrained_encoder(family):
    encoder = Encoder(*build_model(family))
    head, before, intact = ProbeHead(encoder, probe(), layer=2, pooling="mean"), parameters(encoder), states(encoder)
    copy = encoder.clone()
    *upper_levels, last_level = _randomisation_levels(head, copy, 0)
    is_shared = family == "albert"
    assert [level.name for level in upper_levels] == (["blocks"] if is_shared else ["block 2", "block 1"])
    assert last_level.name == "embeddings"
    for unchanged, level in zip([0] if is_shared else [1, 0], upper_levels, strict=True):
        level.randomise()
        changed_states = states(copy)
        for layer in range(unchanged + 1):
            np.testing.assert_array_equal(changed_states[layer], intact[layer])
        for layer in range(unchanged + 1, LAYERS + 1):
            assert np.abs(changed_states[layer] - intact[layer]).max() > 1e-3
    last_level.randomise()
    for random_states, untrained_states in zip(states(copy), states(encoder.untrained(0)), strict=True):
        np.testing.assert_array_equal(random_states, untrained_states)
    after = parameters(encoder)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_models_own_head_is_the_first_level(family):
    encoder = Encoder(*build_model(family, HEAD))
    head = ModelHead(encoder)
    copy = encoder.clone()
    fingerprint = encoder.fingerprint()
    head_level, *lower_levels = _randomisation_levels(head, copy, 0)
    assert head_level.name == "head"
    trained = parameters(copy)
    head_level.randomise()
    changed = {name for name, value in copy.model.state_dict().items() if not torch.equal(value, trained[name])}
    prefix = f"{encoder.model.base_model_prefix}."
    pooler_prefix = f"{prefix}pooler"
    assert changed
    assert all(not name.startswith(prefix) or name.startswith(pooler_prefix) for name in changed)
    if encoder.has_pooler:
        assert any(name.startswith(pooler_prefix) for name in changed)
    for random_states, intact_states in zip(states(copy), states(encoder), strict=True):
        np.testing.assert_array_equal(random_states, intact_states)
    for level in lower_levels:
        level.randomise()
    matrices = {name for name, value in copy.model.named_parameters() if value.ndim > 1}
    assert all(not torch.equal(copy.model.state_dict()[name], trained[name]) for name in matrices)
    assert encoder.fingerprint() == fingerprint


@pytest.mark.parametrize("kind", ["probe", "pooler", "model"])
def test_the_scores_compared_are_those_of_attribute_on_each_encoder(bert_classifier, kind):
    encoder = bert_classifier
    heads = {
        "probe": lambda encoder: ProbeHead(encoder, probe(), layer=2, pooling="mean"),
        "pooler": lambda encoder: ProbeHead(encoder, probe(), layer=1, pooling="pooler"),
        "model": ModelHead,
    }
    head = heads[kind](encoder)
    encoder.model.requires_grad_(True)
    before, weights = encoder.fingerprint(), parameters(encoder)
    measured = parameter_randomisation(head, TEXTS, seed=3, method="integrated_gradients")
    middle = {"probe": ("block 2", "block 1"), "pooler": ("head", "block 1"), "model": ("head",)}[kind]
    middle += ("block 3", "block 2", "block 1") if kind == "model" else ()
    assert measured.levels == ("intact", *middle, "embeddings")
    intact, content = attribute(head, TEXTS, seed=3), slice(1, -1)
    if kind != "model":  # the last level is the untrained encoder itself
        last = attribute(heads[kind](encoder.untrained(3)), TEXTS, seed=3, targets=[a.target for a in intact])
        for row, (a, b) in enumerate(zip(intact, last, strict=True)):
            if len(a.tokens) > 4:
                for correlations, view in (
                    (measured.correlation, lambda x: x),
                    (measured.absolute_correlation, np.abs),
                ):
                    expected = spearmanr(view(a.scores[content]), view(b.scores[content])).statistic
                    assert correlations[-1, row] == pytest.approx(expected, abs=1e-9)
    np.testing.assert_array_equal(measured.n_tokens, [6, 1, 0, 12])
    assert np.isnan(measured.correlation[:, 1:3]).all()
    assert (measured.correlation[0, [0, 3]] == 1).all()
    assert (measured.absolute_correlation[0, [0, 3]] == 1).all()
    assert np.abs(measured.correlation[1:, [0, 3]]).max() < 1
    assert encoder.fingerprint() == before
    assert all(torch.equal(value, weights[name]) for name, value in encoder.model.state_dict().items())
    assert all(parameter.requires_grad for parameter in encoder.model.parameters())


def test_a_copy_without_replaced_modules_has_equal_scores(bert):
    originals, copies = (attribute(ProbeHead(e, probe(), layer=2, pooling="cls"), TEXTS) for e in (bert, bert.clone()))
    for a, b in zip(originals, copies, strict=True):
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-6)


def test_a_method_that_ignores_the_model_keeps_a_correlation_of_one_at_every_level(bert):
    head = ProbeHead(bert, probe(), layer=LAYERS, pooling="mean")
    measured = parameter_randomisation(head, TEXTS, method="random", seed=1)
    assert len(measured.levels) == LAYERS + 2
    assert (measured.correlation[:, [0, 3]] == 1).all()
    assert (measured.absolute_correlation[:, [0, 3]] == 1).all()


def test_the_class_explained_stays_that_of_the_intact_head(bert, monkeypatch):
    from probes.attribution_checks import randomisation as module

    head, targets = ProbeHead(bert, probe(3), layer=2, pooling="mean"), []

    def recorded(*arguments, **options):
        explained = attribute_with(*arguments, **options)
        targets.append([(a.target, a.against, a.unit, a.baseline) for a in explained])
        return explained

    monkeypatch.setattr(module, "attribute_with", recorded)
    texts = Texts(TEXTS, TEXTS[::-1])
    measured = parameter_randomisation(
        head, texts, against="1", unit="probability", baseline="zero", method="occlusion"
    )
    assert len(targets) == len(measured.levels) == 4
    assert all(level_targets == targets[0] for level_targets in targets)
    np.testing.assert_array_equal(measured.n_tokens, [18, 1, 1, 18])


def test_the_same_seed_gives_the_same_and_another_does_not(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, reseeded = (parameter_randomisation(head, TEXTS, method="occlusion", seed=seed) for seed in (0, 0, 1))
    assert torch.rand(1) == expected
    np.testing.assert_array_equal(first.correlation, again.correlation)
    assert not np.array_equal(first.correlation, reseeded.correlation, equal_nan=True)


def test_no_texts_and_a_probe_on_the_embeddings(bert):
    head = ProbeHead(bert, probe(), layer=0, pooling="cls")
    assert parameter_randomisation(head, []).correlation.shape == (2, 0)
    measured = parameter_randomisation(
        head, TEXTS
    )  # [CLS] at layer 0 is the same vector whatever the text: no score differs
    assert measured.levels == ("intact", "embeddings")
    assert np.isnan(measured.correlation).all()


def test_an_encoder_that_is_the_untrained_one_is_refused(bert):
    head = ProbeHead(bert.untrained(0), probe(), layer=2, pooling="mean")
    with pytest.raises(InputError, match="another seed"):
        parameter_randomisation(head, TEXTS, seed=0)


def test_integrated_gradients_lose_their_order_on_the_real_encoder(packaged):
    train, test = controlled_sentences("train"), controlled_sentences("test")
    task, rows = "sentiment", slice(0, 120)
    names, labels = np.unique(train.labels[task][rows], return_inverse=True)
    features = pool_texts(packaged, packaged.encode(train.texts[rows]), ["mean"], [2])["mean"][0]
    fitted = LogisticProbe(c=0.1).fit(features, labels, n_classes=len(names))
    before = packaged.fingerprint()
    head = ProbeHead(packaged, fitted, layer=2, pooling="mean", class_names=names.tolist())
    measured = parameter_randomisation(head, test.texts[:8], max_steps=16)
    means, absolute = measured.correlation.mean(axis=1), measured.absolute_correlation.mean(axis=1)
    for level, mean, size in zip(measured.levels, means, absolute, strict=True):
        print(f"{task}, mean at layer 2, {level}: {mean:.2f} signed, {size:.2f} absolute")
    assert means[0] == 1
    assert means[-1] < 0.5
    assert absolute[-1] < 0.5
    assert packaged.fingerprint() == before
