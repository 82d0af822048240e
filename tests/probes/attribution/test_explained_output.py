"""The explained output: a logit or a probability of a class, or the difference of two."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from probes import ProbeHead, attribute
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


def test_a_probability_is_explained_in_its_own_unit(bert):
    head = ProbeHead(bert, probe(3), layer=2, pooling="cls")
    for logit, chance in zip(attribute(head, TEXTS), attribute(head, TEXTS, unit="probability"), strict=True):
        assert chance.unit == "probability"
        assert chance.output == pytest.approx(chance.probabilities[chance.target])
        assert chance.baseline_output == pytest.approx(chance.baseline_probabilities[chance.target])
        assert chance.scores.sum() == pytest.approx(chance.output - chance.baseline_output, abs=0.0051)
        assert logit.unit == "logit"
        assert chance.probabilities == pytest.approx(logit.probabilities)


def test_a_contrast_is_the_difference_of_two_classes(bert):
    head = ProbeHead(bert, probe(3), layer=2, pooling="cls")
    contrasts = attribute(head, TEXTS, targets="2", against="0", tolerance=1e-6)
    target_only, against_only = (attribute(head, TEXTS, targets=name, tolerance=1e-6) for name in ("2", "0"))
    for a, b, c in zip(contrasts, target_only, against_only, strict=True):
        np.testing.assert_allclose(a.scores, b.scores - c.scores, atol=1e-4)
        assert a.output == pytest.approx(b.output - c.output, abs=1e-5)
        assert (a.target, a.against) == ("2", "0")


def test_each_text_can_be_explained_against_a_class_of_its_own(bert):
    head = ProbeHead(bert, probe(3), layer=2, pooling="cls")
    of_each = attribute(head, TEXTS, targets="2", against=["0", "1", "0"])
    for text, a, against in zip(TEXTS, of_each, ("0", "1", "0"), strict=True):
        (alone,) = attribute(head, [text], targets="2", against=against)
        assert (a.target, a.against) == ("2", against)
        np.testing.assert_allclose(a.scores, alone.scores, atol=1e-5)


def test_against_a_class_the_likeliest_other_is_explained(bert):
    head = ProbeHead(bert, probe(3), layer=2, pooling="cls")
    plain = attribute(head, TEXTS)
    against = plain[0].predicted
    (attribution,) = attribute(head, TEXTS[:1], against=against)
    ranked = sorted(plain[0].probabilities, key=plain[0].probabilities.__getitem__)
    assert attribution.target == ranked[-2]
    assert attribution.output < 0


def test_the_baselines_own_prediction_is_kept(bert):
    head = ProbeHead(bert, probe(3), layer=2, pooling="cls")
    (attribution,) = attribute(head, TEXTS[:1], baseline="mask")
    text = "[MASK] " * (len(attribution.tokens) - 2)
    ids = torch.tensor([[bert.tokenizer.cls_token_id, *[bert.tokenizer.mask_token_id] * len(text.split())]])
    ids = torch.cat([ids, torch.tensor([[bert.tokenizer.sep_token_id]])], dim=1)
    with torch.no_grad():
        hidden = bert.model(ids, output_hidden_states=True).hidden_states[2][0, 0].numpy()
    expected = softmax(probe(3).logits(hidden[None])[0])
    np.testing.assert_allclose(list(attribution.baseline_probabilities.values()), expected, atol=1e-6)
