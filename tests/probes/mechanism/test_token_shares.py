"""Direct scores of token states against layer integrated gradients, and their shares by kind of token."""

import numpy as np
import pytest

from probes import Encoder, InputError, ModelHead, ProbeHead, attribute
from probes.mechanism.token_shares import KINDS, attribution_shares, direct_scores, shares_by_kind, token_kinds
from tests.support.encoders.models import LAYERS
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


@pytest.mark.parametrize("pooling", ["cls", "mean", "content", "last"])
@pytest.mark.parametrize("layer", [1, LAYERS])
def test_direct_scores_equal_layer_integrated_gradients_and_sum_to_the_logit(bert, pooling, layer):
    head = ProbeHead(bert, probe(), layer=layer, pooling=pooling)
    direct = attribute(head, TEXTS, targets="1", method="direct")
    (batched,) = [direct_scores([head], TEXTS, targets=[1] * 3)]
    for a, scores in zip(direct, batched, strict=True):
        assert a.states_layer == layer
        assert a.baseline_output == pytest.approx(float(probe().bias[1]), abs=1e-6)
        assert a.scores.sum() == pytest.approx(a.output - a.baseline_output, abs=1e-5)
        assert a.converged
        np.testing.assert_allclose(scores[0], a.scores, atol=1e-5)
    states = attribute(head, TEXTS, targets="1", states_layer=layer, baseline="zero")
    for a, b in zip(direct, states, strict=True):  # the baseline text has states of its own: they are taken off
        assert b.scores.sum() == pytest.approx(b.output - b.baseline_output, abs=1e-4)
        assert a.output == pytest.approx(b.output, abs=1e-6)


def test_direct_scores_of_all_layers_take_one_forward_pass_a_text(bert, monkeypatch):
    heads = [ProbeHead(bert, probe(seed=layer), layer=layer, pooling="mean") for layer in range(LAYERS + 1)]
    expected = [attribute(head, TEXTS, targets="1", method="direct") for head in heads]
    calls, states = [], Encoder.states

    def counted(self, batch, layers, **options):
        calls.append(len(batch))
        return states(self, batch, layers, **options)

    monkeypatch.setattr(Encoder, "states", counted)
    layer_scores = direct_scores(heads, TEXTS, targets=[1] * 3)
    assert sum(calls) == len(TEXTS)
    for i, scores in enumerate(layer_scores):
        assert scores.shape == (LAYERS + 1, len(expected[0][i].tokens))
        for scores_of_layer, layer in zip(scores, expected, strict=True):
            np.testing.assert_allclose(scores_of_layer, layer[i].scores, atol=1e-5)


def test_a_cls_probe_has_all_its_direct_score_on_cls(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    (attribution,) = attribute(head, TEXTS[:1], method="direct")
    np.testing.assert_array_equal(attribution_shares(attribution, bert), [1, 0, 0, 0, 0])
    (mean,) = attribute(ProbeHead(bert, probe(), layer=2, pooling="mean"), TEXTS[:1], method="direct")
    assert (attribution_shares(mean, bert)[[0, 1, 3, 4]] > 0).all()
    assert attribution_shares(mean, bert).sum() == pytest.approx(1)


def test_kinds_of_tokens_are_told_by_place_and_letters(bert):
    tokens = ["[CLS]", "good", "##s", "!", "#", "[SEP]", "[", "CLS", "]", "<x>"]
    offsets = np.array([[-1, 0, 0], *[[0, 0, 1]] * 4, [-1, 0, 0], *[[1, 0, 1]] * 3, [-1, 0, 0]])
    kinds = [KINDS[i] for i in token_kinds(tokens, offsets, cls="[CLS]", sep="[SEP]")]
    content, mark = "content", "punctuation"
    assert kinds == ["[CLS]", content, content, mark, mark, "[SEP]", mark, content, mark, "other special"]
    assert np.isnan(shares_by_kind(np.zeros(3), np.array([0, 1, 4]))).all()


def test_at_the_input_special_tokens_hold_nothing(bert):
    (attribution,) = attribute(ProbeHead(bert, probe(), layer=2, pooling="cls"), TEXTS[:1])
    assert (attribution_shares(attribution, bert)[:3] == 0).all()


def test_what_does_not_fit_together_is_refused(bert, bert_classifier):
    head = ProbeHead(bert, probe(), layer=1, pooling="pooler")
    with pytest.raises(InputError, match="'direct' explains logits of a probe that is linear"):
        attribute(head, TEXTS, method="direct")
    with pytest.raises(InputError, match="not linear in token states"):
        direct_scores([head], TEXTS, targets=[0] * 3)
    with pytest.raises(InputError, match="'direct' explains"):
        attribute(ModelHead(bert_classifier), TEXTS, method="direct")
    with pytest.raises(InputError, match="states of layer 2 do not reach it"):
        attribute(head, TEXTS, states_layer=2)
    with pytest.raises(InputError, match="'0' cannot be explained against itself"):
        attribute(head, TEXTS, targets="0", against="0")
    with pytest.raises(InputError, match="unknown class '7'"):
        attribute(head, TEXTS, against="7")
    with pytest.raises(InputError, match="unknown unit 'odds'; known: logit, probability"):
        attribute(head, TEXTS, unit="odds")
