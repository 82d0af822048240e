"""Contrasts of two classes with opposite logits, without a new integral."""

import dataclasses

import numpy as np
import pytest
import torch

from probes import FittedProbe, LogisticProbe, ModelHead, ProbeHead, attribute
from probes.attribution.contrasts import contrast_with_opposite, has_opposite_logits
from probes.attribution.methods import METHODS
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


@pytest.fixture
def head(bert):
    half = probe(1)
    both = FittedProbe(np.concatenate([-half.weight, half.weight]), np.concatenate([-half.bias, half.bias]))
    return ProbeHead(bert, both, layer=2, pooling="mean", class_names=("negative", "positive"))


def test_fitted_probes_of_two_classes_have_opposite_logits(bert, three_classes):
    features, labels = three_classes
    hidden = np.random.default_rng(0).normal(size=(len(labels), bert.hidden)).astype(np.float32)
    hidden[:, : features.shape[1]] += features
    for n_classes, is_opposite in ((2, True), (3, False)):
        fitted = LogisticProbe().fit(hidden, labels % n_classes, n_classes=n_classes)
        assert has_opposite_logits(ProbeHead(bert, fitted, layer=1, pooling="mean")) == is_opposite


def test_other_heads_of_two_classes_have_not(bert, bert_classifier):
    assert not has_opposite_logits(ProbeHead(bert, probe(2), layer=1, pooling="mean"))
    assert not has_opposite_logits(ModelHead(bert_classifier))


def test_a_bias_that_is_not_opposite_is_seen(head):
    assert has_opposite_logits(head)
    head.bias = head.bias + torch.tensor([0.0, 0.5])
    assert not has_opposite_logits(head)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "random"])
def test_it_is_what_the_method_gives_for_the_difference(head, method):
    options = {"method": method, "baseline": "mask", "tolerance": 1e-4}
    single = attribute(head, TEXTS, targets="positive", **options)
    explained = attribute(head, TEXTS, targets="positive", against="negative", **options)
    for a, wanted in zip(single, explained, strict=True):
        contrast = contrast_with_opposite(a, "negative")
        assert (contrast.target, contrast.against, contrast.unit) == ("positive", "negative", "logit")
        np.testing.assert_allclose(contrast.scores, wanted.scores, atol=1e-4)
        np.testing.assert_allclose(contrast.word_scores, wanted.word_scores, atol=1e-4)
        assert contrast.output == pytest.approx(wanted.output, abs=1e-5)
        assert contrast.baseline_output == pytest.approx(wanted.baseline_output, abs=1e-5)
        assert contrast.converged == wanted.converged
        if wanted.convergence_delta is not None:
            difference = contrast.output - contrast.baseline_output
            assert contrast.convergence_delta == pytest.approx(contrast.scores.sum() - difference, abs=1e-6)


def test_a_delta_that_is_twice_as_large_must_still_be_accepted(head):
    (a,) = attribute(head, TEXTS[:1], targets="positive", baseline="mask")
    near = dataclasses.replace(a, output=0.1, baseline_output=0.0, convergence_delta=0.004, converged=True)
    assert contrast_with_opposite(near, "negative") is None
    small = dataclasses.replace(near, convergence_delta=0.002)
    assert contrast_with_opposite(small, "negative").converged
    failed = dataclasses.replace(a, output=0.1, baseline_output=0.0, convergence_delta=0.4, converged=False)
    assert contrast_with_opposite(failed, "negative").converged is False
