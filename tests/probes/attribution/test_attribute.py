"""Attributions: against Captum called plainly, from every baseline, and of the model's own head."""

import numpy as np
import pytest
import torch

from probes import Encoder, FittedProbe, InputError, ModelHead, ProbeHead, attribute
from probes.attribution.baselines import BASELINES
from tests.support.encoders.models import FAMILIES, LAYERS, build_model
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "gpt2"])
def test_special_tokens_score_exactly_zero_and_content_does_not(family):
    encoder = Encoder(*build_model(family))
    for attribution in attribute(ProbeHead(encoder, probe(), layer=2, pooling="mean"), TEXTS):
        special = attribution.offsets[:, 0] < 0
        assert (attribution.scores[special] == 0).all()
        assert (attribution.scores[~special] != 0).any()


def plain_captum(encoder, classifier, layer, text, target, n_steps):
    """(seq,) scores of a cls probe by Captum alone, and their convergence delta."""
    from captum.attr import LayerIntegratedGradients

    inputs = encoder.tokenizer(text, return_tensors="pt")
    baseline = inputs["input_ids"].clone()
    baseline[0, 1:-1] = encoder.tokenizer.pad_token_id

    def forward(ids):
        hidden = encoder.model(ids, output_hidden_states=True).hidden_states[layer]
        return hidden[:, 0] @ torch.from_numpy(classifier.weight).T + torch.from_numpy(classifier.bias)

    scores, delta = LayerIntegratedGradients(forward, encoder.model.embeddings.word_embeddings).attribute(
        inputs["input_ids"], baseline, target=int(target), n_steps=n_steps, return_convergence_delta=True
    )
    return scores.sum(dim=-1)[0].detach().numpy(), delta.item()


@pytest.mark.parametrize("layer", [1, LAYERS])
def test_scores_equal_plain_captum_on_the_embedding_layer(bert, layer):
    head = probe()
    (attribution,) = attribute(ProbeHead(bert, head, layer=layer, pooling="cls"), TEXTS[:1], baseline="pad")
    scores, delta = plain_captum(bert, head, layer, TEXTS[0], attribution.target, n_steps=64)
    assert abs(delta) < 1e-5
    assert abs(scores).max() > 0.01
    np.testing.assert_allclose(attribution.scores, scores, atol=1e-5)


def test_scores_equal_plain_captum_on_a_real_encoder_where_few_steps_do_not_suffice(packaged):
    rng = np.random.default_rng(0)
    head = FittedProbe(rng.standard_normal((2, packaged.hidden)).astype(np.float32), np.zeros(2, np.float32))
    explained = ProbeHead(packaged, head, layer=6, pooling="cls")
    text = "The plot is thin and the jokes are old, yet one great actor saves the film."
    (attribution,) = attribute(explained, [text], baseline="pad")
    (fine,) = attribute(explained, [text], tolerance=1e-9, baseline="pad")
    few, few_delta = plain_captum(packaged, head, 6, text, attribution.target, n_steps=8)
    scores, delta = plain_captum(packaged, head, 6, text, attribution.target, n_steps=128)
    change = abs(attribution.output - attribution.baseline_output)
    assert abs(delta) < 1e-3 * change < 1e-2 * change < abs(few_delta)
    assert attribution.n_steps > 16
    np.testing.assert_allclose(fine.scores, scores, atol=1e-3 * change)
    np.testing.assert_allclose(attribution.scores, scores, atol=1e-2 * change)
    assert abs(few - scores).max() > 1e-2 * change


def test_the_weights_require_gradients_again_afterwards(bert):
    frozen = bert.model.embeddings.LayerNorm.bias.requires_grad_(False)
    wanted = {name for name, weight in bert.model.named_parameters() if weight.requires_grad}
    attribute(ProbeHead(bert, probe(), layer=2, pooling="mean"), TEXTS)
    assert {name for name, weight in bert.model.named_parameters() if weight.requires_grad} == wanted
    assert len(wanted) > 10
    assert not frozen.requires_grad
    assert all(weight.grad is None for weight in bert.model.parameters())


def test_blocks_above_the_probes_layer_do_not_run(bert):
    def refuse(*_args, **_options):
        raise AssertionError("a block above the probe's layer ran")

    bert.model.encoder.layer[1].forward = refuse
    attribute(ProbeHead(bert, probe(), layer=1, pooling="cls"), TEXTS)
    with pytest.raises(AssertionError, match="above"):
        attribute(ProbeHead(bert, probe(), layer=2, pooling="cls"), TEXTS)


@pytest.mark.parametrize(
    "family", ["bert", "roberta", "distilbert", "albert", "electra", "deberta-v2", "mpnet", "gpt2"]
)
def test_the_models_own_head_is_explained_completely(family):
    model, tokenizer = build_model(family, "AutoModelForSequenceClassification")
    head = ModelHead(Encoder(model, tokenizer))
    for text, attribution in zip(TEXTS, attribute(head, TEXTS), strict=True):
        inputs = tokenizer(text, return_tensors="pt")
        inputs = {k: v for k, v in inputs.items() if k != "token_type_ids" or family in ("bert", "albert", "electra")}
        with torch.no_grad():
            logits = model(**inputs).logits[0]
        assert attribution.output == pytest.approx(logits.max().item(), abs=1e-4)
        assert attribution.converged
        assert (attribution.head, attribution.layer, attribution.pooling) == ("model", None, None)


def test_targets_choose_the_explained_class(bert_classifier):
    head = ModelHead(bert_classifier)
    for name in ("negative", "positive"):
        assert {a.target for a in attribute(head, TEXTS, targets=[name] * 3)} == {name}


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_is_complete_and_starts_from_its_own_output(bert, baseline):
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    (attribution,) = attribute(head, TEXTS[:1], baseline=baseline)
    assert attribution.converged
    assert attribution.baseline == baseline
    if baseline == "mask":
        masked = " ".join(["[MASK]"] * 6)
        vector = bert.states(_plain(bert, masked), [2])[2].hidden.mean(dim=1).detach().numpy()
        logits = probe().logits(vector)[0]
        assert attribution.baseline_output == pytest.approx(logits[int(attribution.target)], abs=1e-4)


def _plain(encoder, text):
    from probes.encoder.padding import Batch

    inputs = encoder.tokenizer(text, return_tensors="pt")
    return Batch(dict(inputs), torch.zeros_like(inputs["input_ids"]), torch.tensor([0]))


def test_a_baseline_that_needs_a_missing_token_is_refused_and_auto_is_one_that_does_not():
    model, tokenizer = build_model("gpt2")
    tokenizer.pad_token = None
    head = ProbeHead(Encoder(model, tokenizer), probe(), layer=2, pooling="last")
    with pytest.raises(InputError, match="baseline 'mask' needs a mask token"):
        attribute(head, TEXTS, baseline="mask")
    assert attribute(head, TEXTS[:1])[0].baseline in ("zero", "mean")


def test_unknown_names_are_refused_with_the_known_ones(bert, bert_classifier):
    with pytest.raises(InputError, match="no classification head"):
        ModelHead(bert)
    with pytest.raises(InputError, match="unknown layer 9; known: 0, 1, 2, 3"):
        ProbeHead(bert, probe(), layer=9, pooling="cls")
    with pytest.raises(InputError, match="unknown pooling 'avg'"):
        ProbeHead(bert, probe(), layer=1, pooling="avg")
    with pytest.raises(InputError, match="unknown attribution method 'ig'; known: integrated_gradients, direct"):
        attribute(ModelHead(bert_classifier), TEXTS, method="ig")
    with pytest.raises(InputError, match="unknown class 'neutral'; known: negative, positive"):
        attribute(ModelHead(bert_classifier), TEXTS, targets=["positive", "neutral", "positive"])
    bert_classifier.config.problem_type = "multi_label_classification"
    with pytest.raises(InputError, match="predicts several classes"):
        ModelHead(bert_classifier)
