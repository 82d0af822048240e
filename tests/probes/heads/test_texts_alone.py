"""Heads that would read padding are given texts one by one: together, texts must give what each gives alone."""

import functools

import numpy as np
import pytest
import torch

from probes import Encoder, InputError, ModelHead, attribute
from probes.attribution_checks.faithfulness import faithfulness
from probes.attribution_checks.infidelity import infidelity
from probes.mechanism.gradient_flow import embedding_gradients, gradient_shares
from probes.mechanism.interventions import intervened_log_probs
from tests.support.encoders.models import LAYERS, build_model

TEXTS = ["the film was good", "awful"]
LAYERS_TRIED = (0, 1, LAYERS)


@functools.cache
def head_of(family):
    """A classifier that transformers itself runs on one text at a time."""
    model, tokenizer = build_model(family, "AutoModelForSequenceClassification")
    if family == "xlnet":
        assert model.config.summary_type == "last"
    else:
        model.config.pad_token_id = None
    if family == "gpt2":  # as it is published
        tokenizer.pad_token = None
    encoder = Encoder(model, tokenizer)
    assert encoder.head_needs_texts_alone
    return ModelHead(encoder)


ALONE = pytest.mark.parametrize("family", ["gpt2", "llama", "xlnet", "bert"])


def logits_of(head, text):
    """(classes,) by transformers alone."""
    encoder = head.encoder
    with torch.no_grad():
        return encoder.model(**encoder.batch(encoder.encode([text]), [0]).inputs).logits[0].double()


@ALONE
@pytest.mark.parametrize(
    ("layer", "method"), [(0, "occlusion"), (1, "integrated_gradients"), (1, "occlusion"), (LAYERS, "occlusion")]
)
def test_scores_of_token_states_are_those_of_each_text_alone_and_of_its_true_output(family, layer, method):
    head = head_of(family)
    attributions = attribute(head, TEXTS, states_layer=layer, baseline="mean", method=method)
    whole = attribute(head, TEXTS, baseline="mean", method=method)
    for text, one, alone_scores in zip(TEXTS, attributions, whole, strict=True):
        (alone,) = attribute(head, [text], states_layer=layer, baseline="mean", method=method)
        logits = logits_of(head, text)
        assert one.output == pytest.approx(logits.max().item(), abs=1e-5)
        # What stands below a layer is decided by the embeddings: both views explain one difference.
        assert one.baseline_output == pytest.approx(alone_scores.baseline_output, abs=1e-5)
        assert abs(one.output - one.baseline_output) > 1e-3
        np.testing.assert_allclose(one.scores, alone.scores, atol=1e-4)
        if method == "integrated_gradients":
            assert one.converged
            assert one.scores.sum() == pytest.approx(one.output - one.baseline_output, rel=0.011, abs=0.006)


@ALONE
@pytest.mark.parametrize("layer", [None, 1])
def test_infidelity_and_faithfulness_are_those_of_each_text_alone(family, layer):
    head = head_of(family)
    attributions = attribute(head, TEXTS, states_layer=layer, baseline="mean", method="occlusion")
    for measure in (
        lambda subset: infidelity(head, subset, samples=8),
        lambda subset: [a.scores for a in erased(head, subset)],
    ):
        together = measure(attributions)
        for a, alone_score in zip(attributions, together, strict=True):
            (alone,) = measure([a])
            np.testing.assert_allclose(
                list(vars(alone_score).values()), list(vars(alone).values()), rtol=1e-3, atol=1e-6
            )
    assert all(alone_score.zero_score_error > 1e-6 for alone_score in infidelity(head, attributions, samples=8))


def erased(head, attributions):
    return faithfulness(head, attributions, replacement="delete", random_orders=1)


@ALONE
def test_gradients_are_those_of_each_text_alone(family):
    head, labels = head_of(family), np.array([0, 1])
    together = gradient_shares(head, TEXTS, labels=labels)
    table = embedding_gradients(head, TEXTS, labels=labels)
    total = 0.0
    for row, text in enumerate(TEXTS):
        (alone,) = gradient_shares(head, [text], labels=labels[[row]]).sizes
        np.testing.assert_allclose(together.sizes[row], alone, rtol=1e-3, atol=1e-6)
        assert (together.sizes[row].sum(axis=1) > 0).all()
        total += embedding_gradients(head, [text], labels=labels[[row]]).sum_of_norms.sum()
    assert table.sum_of_norms.sum() == pytest.approx(total, rel=1e-3)


@ALONE
@pytest.mark.parametrize("layer", LAYERS_TRIED)
def test_a_function_of_the_whole_batch_meets_the_whole_batch(family, layer):
    head = head_of(family)
    encoder = head.encoder
    batch = encoder.batch(encoder.encode(TEXTS), range(len(TEXTS)))
    shapes, shift = [], torch.randn(*batch.mask.shape, encoder.hidden, generator=torch.Generator().manual_seed(0))

    def shifted(states):
        shapes.append(states.shape)
        return states + shift

    with torch.no_grad():
        together = head.logits(batch, overwrite={layer: shifted})
        fixed = head.logits(batch, overwrite={layer: encoder.states(batch, [layer])[layer].hidden + shift})
        for row in range(len(TEXTS)):
            n = int(batch.mask[row].sum())
            alone = head.logits(batch.row(row), overwrite={layer: lambda s, row=row, n=n: s + shift[[row], :n]})
            torch.testing.assert_close(together[[row]], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fixed, together, rtol=1e-4, atol=1e-5)
    assert shapes == [shift.shape]


@ALONE
def test_interventions_are_those_of_each_text_alone(family):
    head, edit = head_of(family), lambda states: states.hidden * 0.5
    together = intervened_log_probs(head, TEXTS, edits=[(1, edit)])[1]
    alone = [intervened_log_probs(head, [text], edits=[(1, edit)])[1, 0] for text in TEXTS]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("layer", LAYERS_TRIED)
def test_states_of_other_texts_are_never_put_in_the_place_of_a_batchs_own(bert, layer):
    batch = bert.batch(bert.encode(TEXTS), range(len(TEXTS)))
    other_states = bert.states(batch, [layer])[layer].hidden[:1]
    for put in (other_states, lambda _states: other_states):
        with pytest.raises(InputError, match=rf"the states of layer {layer} are \(2, .* overwrite them are \(1, "):
            bert.states(batch, [LAYERS], overwrite={layer: put})
