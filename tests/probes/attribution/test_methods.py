"""Attribution methods: against Captum called plainly, closed forms and brute force; units, contrasts, token states."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from probes import Encoder, FittedProbe, InputError, ModelHead, ProbeHead, attribute
from probes.attribution.baselines import BASELINES, SAMPLES, ReferenceTokens, available_baselines, baseline_embeddings
from probes.attribution.methods import METHODS
from probes.mechanism.token_shares import KINDS, attribution_shares, direct_scores, shares_by_kind, token_kinds
from tests.support.models import HIDDEN, LAYERS, build_model

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


def probe(n_classes=2, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((n_classes, HIDDEN)) * scale
    return FittedProbe(weight.astype(np.float32), rng.standard_normal(n_classes).astype(np.float32))


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
def test_of_a_linear_model_scores_are_weight_times_change_in_input(bert, method, baseline):
    head = linear(bert)
    (found,) = attribute(head, TEXTS[:1], targets="1", method=method, baseline=baseline)
    ids, table = bert.encode(TEXTS[:1]).ids[0], bert.model.embeddings.word_embeddings.weight.detach().numpy()
    base = {
        "pad": table[bert.tokenizer.pad_token_id],
        "mask": table[bert.tokenizer.mask_token_id],
        "zero": 0,
        "mean": table.mean(axis=0),
    }[baseline]
    moved = (table[ids] - base) * (found.offsets[:, :1] >= 0)
    np.testing.assert_allclose(found.scores, moved @ probe().weight[1] / len(ids), atol=1e-5)
    assert found.baseline == baseline


def test_input_x_gradient_and_gradient_norm_of_a_linear_model_are_the_closed_form(bert):
    head = linear(bert)
    ids, table = bert.encode(TEXTS[:1]).ids[0], bert.model.embeddings.word_embeddings.weight.detach().numpy()
    (product,) = attribute(head, TEXTS[:1], targets="1", method="input_x_gradient")
    np.testing.assert_allclose(product.scores, table[ids] @ probe().weight[1] / len(ids), atol=1e-5)
    (norm,) = attribute(head, TEXTS[:1], targets="1", method="gradient_norm")
    np.testing.assert_allclose(norm.scores, np.linalg.norm(probe().weight[1]) / len(ids), atol=1e-6)
    for found in (product, norm):
        assert found.baseline == "none"
        assert found.baseline_output is None
        assert found.convergence_delta is None
        assert found.converged is None


def test_occlusion_is_the_change_when_one_token_alone_is_replaced(bert):
    head, text = ProbeHead(bert, probe(), layer=LAYERS, pooling="mean"), TEXTS[0]
    (found,) = attribute(head, [text], targets="1", method="occlusion", baseline="mask")
    ids, expected = bert.encode([text]).ids[0], []
    for i in range(len(ids)):
        other = ids.copy()
        if 0 < i < len(ids) - 1:
            other[i] = bert.tokenizer.mask_token_id
        with torch.no_grad():
            inputs = {"input_ids": torch.from_numpy(np.stack([ids, other]))}
            hidden = bert.model(**inputs, output_hidden_states=True).hidden_states[LAYERS].mean(dim=1).numpy()
        logits = hidden @ probe().weight[1]
        expected.append(logits[0] - logits[1])
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    assert abs(found.scores).max() > 0.01


def test_gradient_shap_draws_the_same_again_and_leaves_the_generators_alone(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    expected = np.random.random(), torch.rand(1).item()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    first, again = (attribute(head, TEXTS, method="gradient_shap", seed=1) for _ in range(2))
    assert (np.random.random(), torch.rand(1).item()) == expected  # noqa: NPY002
    other = attribute(head, TEXTS, method="gradient_shap", seed=2)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert abs(a.scores - c.scores).max() > 0


def test_gradient_shap_comes_near_integrated_gradients(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    (exact,), (drawn,) = (attribute(head, TEXTS[2:], method=m) for m in ("integrated_gradients", "gradient_shap"))
    assert abs(drawn.scores - exact.scores).max() < 0.2 * abs(exact.scores).max()


def test_random_scores_spare_special_tokens_and_come_again(bert):
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


def test_several_baselines_are_averaged_and_each_is_a_stretch_of_the_references(bert):
    pool = ReferenceTokens.of(bert.encode(["the film was good", "awful"]))
    words = bert.tokenizer.convert_ids_to_tokens(pool.ids)
    assert words == ["the", "film", "was", "good", "awful"]
    drawn = pool.draw(50, 7, seed=0)
    for row in drawn:
        start = int(np.flatnonzero(pool.ids == row[0])[0])
        np.testing.assert_array_equal(row, np.roll(np.tile(pool.ids, 2), -start)[:7])
    assert len({tuple(row) for row in drawn}) == 5
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    (found,) = attribute(head, TEXTS[2:], baseline="sampled", references=["the film was good", "awful"])
    assert found.converged
    assert abs(found.scores.sum() - (found.output - found.baseline_output)) <= abs(found.convergence_delta) + 1e-9
    assert SAMPLES == 5
    with pytest.raises(InputError, match="needs texts with tokens to draw from"):
        attribute(head, TEXTS, baseline="sampled", references=[""])


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
    both = attribute(head, TEXTS, targets="2", against="0", tolerance=1e-6)
    one, other = (attribute(head, TEXTS, targets=name, tolerance=1e-6) for name in ("2", "0"))
    for a, b, c in zip(both, one, other, strict=True):
        np.testing.assert_allclose(a.scores, b.scores - c.scores, atol=1e-4)
        assert a.output == pytest.approx(b.output - c.output, abs=1e-5)
        assert (a.target, a.against) == ("2", "0")


def test_against_a_class_the_likeliest_other_is_explained(bert):
    head = ProbeHead(bert, probe(3), layer=2, pooling="cls")
    plain = attribute(head, TEXTS)
    against = plain[0].predicted
    (found,) = attribute(head, TEXTS[:1], against=against)
    ranked = sorted(plain[0].probabilities, key=plain[0].probabilities.__getitem__)
    assert found.target == ranked[-2]
    assert found.output < 0


def test_the_baselines_own_prediction_is_kept(bert):
    head = ProbeHead(bert, probe(3), layer=2, pooling="cls")
    (found,) = attribute(head, TEXTS[:1], baseline="mask")
    text = "[MASK] " * (len(found.tokens) - 2)
    ids = torch.tensor([[bert.tokenizer.cls_token_id, *[bert.tokenizer.mask_token_id] * len(text.split())]])
    ids = torch.cat([ids, torch.tensor([[bert.tokenizer.sep_token_id]])], dim=1)
    with torch.no_grad():
        hidden = bert.model(ids, output_hidden_states=True).hidden_states[2][0, 0].numpy()
    expected = softmax(probe(3).logits(hidden[None])[0])
    np.testing.assert_allclose(list(found.baseline_probabilities.values()), expected, atol=1e-6)


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


def test_scores_of_token_states_equal_captums_layer_integrated_gradients(bert):
    from captum.attr import LayerIntegratedGradients

    head, text = ProbeHead(bert, probe(), layer=LAYERS, pooling="cls"), TEXTS[0]
    (found,) = attribute(head, [text], targets="1", states_layer=1, baseline="pad", tolerance=1e-6)
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
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)


def test_direct_scores_of_all_layers_take_one_forward_pass_a_text(bert, monkeypatch):
    heads = [ProbeHead(bert, probe(seed=layer), layer=layer, pooling="mean") for layer in range(LAYERS + 1)]
    expected = [attribute(head, TEXTS, targets="1", method="direct") for head in heads]
    calls, states = [], Encoder.states

    def counted(self, batch, layers, **options):
        calls.append(len(batch))
        return states(self, batch, layers, **options)

    monkeypatch.setattr(Encoder, "states", counted)
    found = direct_scores(heads, TEXTS, targets=[1] * 3)
    assert sum(calls) == len(TEXTS)
    for i, scores in enumerate(found):
        assert scores.shape == (LAYERS + 1, len(expected[0][i].tokens))
        for own, layer in zip(scores, expected, strict=True):
            np.testing.assert_allclose(own, layer[i].scores, atol=1e-5)


def test_a_cls_probe_has_all_its_direct_score_on_cls(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    (found,) = attribute(head, TEXTS[:1], method="direct")
    np.testing.assert_array_equal(attribution_shares(found, bert), [1, 0, 0, 0, 0])
    (mean,) = attribute(ProbeHead(bert, probe(), layer=2, pooling="mean"), TEXTS[:1], method="direct")
    assert (attribution_shares(mean, bert)[[0, 1, 3, 4]] > 0).all()
    assert attribution_shares(mean, bert).sum() == pytest.approx(1)


def test_kinds_of_tokens_are_told_by_place_and_letters(bert):
    tokens = ["[CLS]", "good", "##s", "!", "#", "[SEP]", "[", "CLS", "]", "<x>"]
    offsets = np.array([[-1, 0, 0], *[[0, 0, 1]] * 4, [-1, 0, 0], *[[1, 0, 1]] * 3, [-1, 0, 0]])
    found = [KINDS[i] for i in token_kinds(tokens, offsets, cls="[CLS]", sep="[SEP]")]
    content, mark = "content", "punctuation"
    assert found == ["[CLS]", content, content, mark, mark, "[SEP]", mark, content, mark, "other special"]
    assert np.isnan(shares_by_kind(np.zeros(3), np.array([0, 1, 4]))).all()


def test_at_the_input_special_tokens_hold_nothing(bert):
    (found,) = attribute(ProbeHead(bert, probe(), layer=2, pooling="cls"), TEXTS[:1])
    assert (attribution_shares(found, bert)[:3] == 0).all()


def test_the_models_own_head_has_token_states_too(bert_classifier):
    found = attribute(ModelHead(bert_classifier), TEXTS, states_layer=1)
    assert all(a.converged and a.states_layer == 1 for a in found)
    assert any(abs(a.scores[0]) > 1e-6 for a in found)


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


def test_every_baseline_an_encoder_can_have_is_listed():
    assert available_baselines(Encoder(*build_model("gpt2"))) == ("pad", "zero", "mean", "sampled")


@pytest.mark.parametrize("baseline", ["pad", "mean", "sampled"])
def test_a_baseline_is_what_the_embedding_module_gives_where_it_scales_its_table(baseline, monkeypatch):
    from transformers import Gemma3TextConfig, Gemma3TextModel

    monkeypatch.setattr("probes.attribution.baselines.MAX_EMBEDDING_ROWS", 100)
    sizes = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size": 24, "head_dim": 8}
    config = Gemma3TextConfig(vocab_size=256, num_attention_heads=2, num_key_value_heads=1, pad_token_id=0, **sizes)
    encoder = Encoder(Gemma3TextModel(config).eval(), build_model("llama")[1])
    module, batch = encoder.base.get_input_embeddings(), encoder.batch(encoder.encode(["the film"]), [0])
    with torch.no_grad():
        found = baseline_embeddings(baseline, encoder, batch, ReferenceTokens(np.array([7])), seed=0)
        every = module(torch.arange(256))
        expected = {"pad": every[0], "mean": every.mean(dim=0), "sampled": every[7]}[baseline]
        assert not torch.allclose(expected, module.weight.mean(dim=0), atol=1e-3)
        assert not torch.allclose(every[7], module.weight[7])
    torch.testing.assert_close(found, expected.expand_as(found))
