"""Attribution methods: against Captum called plainly, closed forms and brute force; units, contrasts, token states."""

import numpy as np
import pytest
import torch

from probes import ModelHead, ProbeHead, attribute
from probes.attribution.baselines import BASELINES
from probes.attribution.methods import METHODS
from tests.support.encoders.models import LAYERS
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


def embeddings(encoder, text):
    with torch.no_grad():
        batch = encoder.batch(encoder.encode([text]), [0])
        return batch, encoder.embed(batch)


def linear(encoder):
    """A probe on layer 0 of a model without its layer norm: its logit is linear in the word embeddings."""
    encoder.model.embeddings.LayerNorm = torch.nn.Identity()
    return ProbeHead(encoder, probe(), layer=0, pooling="mean")


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_shap", "occlusion"])
@pytest.mark.parametrize("baseline", [name for name in BASELINES if name != "sampled"])
def test_scores_of_a_linear_model_are_weight_times_input_difference(bert, method, baseline):
    head = linear(bert)
    (attribution,) = attribute(head, TEXTS[:1], targets="1", method=method, baseline=baseline)
    ids, table = bert.encode(TEXTS[:1]).ids[0], bert.model.embeddings.word_embeddings.weight.detach().numpy()
    base = {
        "pad": table[bert.tokenizer.pad_token_id],
        "mask": table[bert.tokenizer.mask_token_id],
        "zero": 0,
        "mean": table.mean(axis=0),
    }[baseline]
    moved = (table[ids] - base) * (attribution.offsets[:, :1] >= 0)
    np.testing.assert_allclose(attribution.scores, moved @ probe().weight[1] / len(ids), atol=1e-5)
    assert attribution.baseline == baseline


def test_input_x_gradient_and_gradient_norm_of_a_linear_model_are_the_closed_form(bert):
    head = linear(bert)
    ids, table = bert.encode(TEXTS[:1]).ids[0], bert.model.embeddings.word_embeddings.weight.detach().numpy()
    (product,) = attribute(head, TEXTS[:1], targets="1", method="input_x_gradient")
    np.testing.assert_allclose(product.scores, table[ids] @ probe().weight[1] / len(ids), atol=1e-5)
    (norm,) = attribute(head, TEXTS[:1], targets="1", method="gradient_norm")
    np.testing.assert_allclose(norm.scores, np.linalg.norm(probe().weight[1]) / len(ids), atol=1e-6)
    for attribution in (product, norm):
        assert attribution.baseline == "none"
        assert attribution.baseline_output is None
        assert attribution.convergence_delta is None
        assert attribution.converged is None


def test_occlusion_is_the_output_difference_of_replacing_one_token(bert):
    head, text = ProbeHead(bert, probe(), layer=LAYERS, pooling="mean"), TEXTS[0]
    (attribution,) = attribute(head, [text], targets="1", method="occlusion", baseline="mask")
    ids, expected = bert.encode([text]).ids[0], []
    for i in range(len(ids)):
        replaced_ids = ids.copy()
        if 0 < i < len(ids) - 1:
            replaced_ids[i] = bert.tokenizer.mask_token_id
        with torch.no_grad():
            inputs = {"input_ids": torch.from_numpy(np.stack([ids, replaced_ids]))}
            hidden = bert.model(**inputs, output_hidden_states=True).hidden_states[LAYERS].mean(dim=1).numpy()
        logits = hidden @ probe().weight[1]
        expected.append(logits[0] - logits[1])
    np.testing.assert_allclose(attribution.scores, expected, atol=1e-5)
    assert abs(attribution.scores).max() > 0.01


def test_gradient_shap_is_reproducible_and_restores_the_global_generators(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    expected = np.random.random(), torch.rand(1).item()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    first, again = (attribute(head, TEXTS, method="gradient_shap", seed=1) for _ in range(2))
    assert (np.random.random(), torch.rand(1).item()) == expected  # noqa: NPY002
    reseeded = attribute(head, TEXTS, method="gradient_shap", seed=2)
    for a, b, c in zip(first, again, reseeded, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert abs(a.scores - c.scores).max() > 0


def test_gradient_shap_approximates_integrated_gradients(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    (exact,), (sampled,) = (attribute(head, TEXTS[2:], method=m) for m in ("integrated_gradients", "gradient_shap"))
    assert abs(sampled.scores - exact.scores).max() < 0.2 * abs(exact.scores).max()


def test_random_scores_are_zero_on_special_tokens_and_reproducible(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    first, again = (attribute(head, TEXTS, method="random", seed=4) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert (a.scores[a.offsets[:, 0] < 0] == 0).all()
        assert (a.scores[a.offsets[:, 0] >= 0] != 0).all()
    assert first[0].scores[1] != first[2].scores[1]


@pytest.mark.parametrize("method", [name for name in METHODS if name != "direct"])
def test_a_text_has_the_same_scores_alone_and_among_others(bert, method):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    together = attribute(head, TEXTS, method=method)
    (alone,) = attribute(head, TEXTS[:1], method=method)
    np.testing.assert_allclose(together[0].scores, alone.scores, atol=1e-6)


def test_scores_of_token_states_equal_captums_layer_integrated_gradients(bert):
    from captum.attr import LayerIntegratedGradients

    head, text = ProbeHead(bert, probe(), layer=LAYERS, pooling="cls"), TEXTS[0]
    (attribution,) = attribute(head, [text], targets="1", states_layer=1, baseline="pad", tolerance=1e-6)
    batch, _ = embeddings(bert, text)
    ids = batch.inputs["input_ids"]
    base = torch.where(batch.special.bool(), ids, bert.tokenizer.pad_token_id)

    def forward(tokens):
        hidden = bert.model(tokens, output_hidden_states=True).hidden_states[LAYERS][:, 0]
        return hidden @ torch.from_numpy(probe().weight[1]) + float(probe().bias[1])

    captum = LayerIntegratedGradients(forward, bert.model.encoder.layer[0])
    scores = captum.attribute(ids, baselines=base, n_steps=64).sum(dim=-1)[0].detach().numpy()
    assert abs(scores).max() > 0.01
    assert abs(scores[0]) > 1e-4  # a state of [CLS] holds something of the text
    np.testing.assert_allclose(attribution.scores, scores, atol=1e-4)


def test_the_models_own_head_has_token_states_too(bert_classifier):
    attributions = attribute(ModelHead(bert_classifier), TEXTS, states_layer=1)
    assert all(a.converged and a.states_layer == 1 for a in attributions)
    assert any(abs(a.scores[0]) > 1e-6 for a in attributions)
