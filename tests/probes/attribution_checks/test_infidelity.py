"""Infidelity: closed forms of linear heads, plain loops over the same sets, and Captum on whole embeddings."""

import dataclasses
import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from probes import Encoder, InputError, ModelHead, ProbeHead, attribute
from probes.attribution.baselines import BASELINES
from probes.attribution_checks.infidelity import SAMPLES, infidelity, subsets
from probes.data.texts import Texts
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, build_model
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "", "we very dull it is a bright scene ! [MASK] good great bad"]
PAIRS = ["bad", "", "the plot was fine", "good music"]


def linear(encoder):
    """A probe on the mean of layer 0 without its layer norm: linear in the input embeddings."""
    encoder.model.embeddings.LayerNorm = torch.nn.Identity()
    return ProbeHead(encoder, probe(), layer=0, pooling="mean")


def sets_of(a, seed=0, n=SAMPLES):
    positions = np.flatnonzero(a.offsets[:, 0] >= 0)
    return subsets(len(a.tokens), positions, n, seed=[seed, zlib.crc32("\n".join(a.tokens).encode())])


@pytest.mark.parametrize("baseline", [name for name in BASELINES if name != "sampled"])
def test_exact_scores_of_a_linear_head_have_no_error_and_random_scores_have(bert, baseline):
    head = linear(bert)
    exact = attribute(head, TEXTS, targets="1", method="occlusion", baseline=baseline)
    random_attributions = attribute(head, TEXTS, targets="1", method="random")
    measured = infidelity(head, exact)
    measured_random = infidelity(head, random_attributions, baseline=baseline)
    for exact_infidelity, random_infidelity, a in zip(measured, measured_random, exact, strict=True):
        assert exact_infidelity.n_tokens == random_infidelity.n_tokens == len(a.tokens) - 2
        if not exact_infidelity.n_tokens:
            errors = (exact_infidelity.error, exact_infidelity.scaled_error, exact_infidelity.zero_score_error)
            assert all(math.isnan(error) for error in errors)
            continue
        assert exact_infidelity.zero_score_error == random_infidelity.zero_score_error > 1e-5
        assert exact_infidelity.error < 1e-6 * exact_infidelity.zero_score_error
        assert exact_infidelity.scaled_error < 1e-6 * exact_infidelity.zero_score_error
        assert random_infidelity.error > exact_infidelity.zero_score_error
        if exact_infidelity.n_tokens > 1:
            assert (
                0.05 * exact_infidelity.zero_score_error
                < random_infidelity.scaled_error
                <= exact_infidelity.zero_score_error
            )


def test_the_scaled_error_does_not_depend_on_a_factor_of_the_scores(bert):
    head = linear(bert)
    (a,) = attribute(head, TEXTS[:1], method="integrated_gradients")
    (plain,), (times,) = infidelity(head, [a]), infidelity(head, [replace(a, scores=-3 * a.scores)])
    assert times.error == pytest.approx(16 * plain.zero_score_error, rel=1e-3)
    assert plain.scaled_error == pytest.approx(times.scaled_error, abs=1e-9)
    (none,) = infidelity(head, [replace(a, scores=0 * a.scores)])
    assert none.error == none.scaled_error == none.zero_score_error == plain.zero_score_error


@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("kind", ["probe", "model"])
@pytest.mark.parametrize(("unit", "against"), [("logit", None), ("probability", 1)])
def test_infidelity_is_that_of_a_plain_loop_over_ids(bert, bert_classifier, kind, pairs, unit, against):
    head = ModelHead(bert_classifier) if kind == "model" else ProbeHead(bert, probe(3), layer=2, pooling="mean")
    encoder, names = head.encoder, head.class_names
    attributions = attribute(
        head, Texts(TEXTS, pairs), targets=names[0], against=against and names[against], unit=unit, baseline="mask"
    )

    def outputs(rows, types):
        inputs = {"input_ids": torch.tensor(rows), "token_type_ids": torch.tensor([types] * len(rows))}
        with torch.no_grad():
            predicted = encoder.model(**inputs, output_hidden_states=True)
        logits = (
            predicted.logits.double()
            if kind == "model"
            else probe(3).logits(predicted.hidden_states[2].mean(dim=1).numpy())
        )
        values = softmax(logits, axis=1) if unit == "probability" else np.asarray(logits)
        return values[:, 0] - (0 if against is None else values[:, against])

    for a, measured in zip(attributions, infidelity(head, attributions, seed=7, samples=16), strict=True):
        sides = ([a.text],) if a.pair is None else ([a.text], [a.pair])
        record = encoder.tokenizer(*sides, split_special_tokens=True, return_token_type_ids=True)
        (ids,), (types,) = record["input_ids"], record["token_type_ids"]
        if not measured.n_tokens:
            continue
        sets = sets_of(a, seed=7, n=16)
        masked_ids = [
            [encoder.tokenizer.mask_token_id if gone else i for i, gone in zip(ids, row, strict=True)] for row in sets
        ]
        predicted, differences = (
            np.array([a.scores[row].sum() for row in sets]),
            outputs([ids], types) - outputs(masked_ids, types),
        )
        factor = (predicted * differences).sum() / (predicted**2).sum()
        assert measured.error == pytest.approx(np.mean((predicted - differences) ** 2), rel=1e-3, abs=1e-8)
        assert measured.scaled_error == pytest.approx(
            np.mean((factor * predicted - differences) ** 2), rel=1e-3, abs=1e-8
        )
        assert measured.zero_score_error == pytest.approx(np.mean(differences**2), rel=1e-3, abs=1e-8)
        assert measured.n_tokens == len(ids) - (2 if a.pair is None else 3)


def test_infidelity_equals_captums_on_embeddings_with_scores_divided_over_dimensions(bert):
    from captum.metrics import infidelity as captum

    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    (a,) = attribute(head, TEXTS[:1], targets="1", baseline="pad")
    table = bert.model.embeddings.word_embeddings.weight.detach()
    inputs = table[torch.from_numpy(bert.encode(TEXTS[:1]).ids[0])].unsqueeze(0)
    taken = torch.from_numpy(sets_of(a, n=20)).unsqueeze(-1).expand(-1, -1, HIDDEN)

    def forward(embeddings):
        hidden = bert.model(inputs_embeds=embeddings, output_hidden_states=True).hidden_states[2]
        return hidden[:, 0] @ torch.from_numpy(head.weight.numpy()[1]) + float(probe().bias[1])

    def perturb(many):
        return taken.float(), torch.where(taken, table[bert.tokenizer.pad_token_id], many)

    spread = torch.from_numpy(a.scores / HIDDEN).float().reshape(1, -1, 1).expand(1, -1, HIDDEN)
    (measured,) = infidelity(head, [a], samples=20)
    for value, normalize in ((measured.error, False), (measured.scaled_error, True)):
        expected = captum(forward, perturb, inputs, spread, n_perturb_samples=20, normalize=normalize)
        assert value == pytest.approx(float(expected), rel=1e-3)
    assert measured.error > 1e-4


def test_the_error_of_one_token_is_the_squared_convergence_delta(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="cls")
    (a,) = attribute(head, ["awful"], max_steps=1, tolerance=0)
    (measured,) = infidelity(head, [a])
    assert abs(a.convergence_delta) > 1e-3
    assert measured.error == pytest.approx(a.convergence_delta**2, rel=1e-3)
    assert measured.scaled_error == pytest.approx(0, abs=1e-12)
    assert measured.zero_score_error == pytest.approx((a.output - a.baseline_output) ** 2, rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_measured_and_special_tokens_stay(family):
    encoder = Encoder(*build_model(family))
    head = ProbeHead(encoder, probe(), layer=LAYERS, pooling="mean")
    attributions = attribute(head, TEXTS[:2])
    for a, measured in zip(attributions, infidelity(head, attributions, samples=16), strict=True):
        assert measured.n_tokens == (a.offsets[:, 0] >= 0).sum()
        assert 0 <= measured.scaled_error <= measured.zero_score_error
        assert measured.scaled_error <= measured.error * (1 + 1e-9)


def test_direct_scores_of_token_states_are_exact_and_special_tokens_are_replaced_too(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    direct = attribute(head, TEXTS, method="direct")
    for a, measured in zip(direct, infidelity(head, direct), strict=True):
        assert measured.n_tokens == len(a.tokens)
        assert measured.error < 1e-6 * measured.zero_score_error
    layer = attribute(head, TEXTS, states_layer=2)  # the pad text's states take their place: linear, so exact as well
    for measured in infidelity(head, layer):
        assert math.isnan(measured.error) or measured.error < 1e-5 * measured.zero_score_error
    below = infidelity(head, attribute(head, TEXTS, states_layer=1))
    assert below[0].error > 1e-3 * below[0].zero_score_error


def test_sets_have_every_size_as_often_and_every_token_as_often():
    movable = np.array([1, 2, 4, 5])
    taken = subsets(7, movable, 40_000, seed=[0])
    assert not taken[:, [0, 3, 6]].any()
    sizes = np.bincount(taken.sum(axis=1)) / len(taken)
    np.testing.assert_allclose(sizes, [0, 0.25, 0.25, 0.25, 0.25], atol=0.01)
    np.testing.assert_allclose(taken[:, movable].mean(axis=0), 2.5 / 4, atol=0.01)
    pairs = taken[taken.sum(axis=1) == 2][:, movable]
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    assert len(kinds) == 6
    np.testing.assert_allclose(counts / counts.sum(), 1 / 6, atol=0.015)


def test_the_sets_depend_on_the_seed_and_the_text_alone_and_the_generators_stay(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    attributions = attribute(head, TEXTS, method="occlusion")
    gradient_norms = attribute(head, TEXTS, method="gradient_norm", targets=[a.target for a in attributions])
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    expected = torch.rand(1), np.random.random()  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    first, again, seeded = (infidelity(head, attributions, seed=seed) for seed in (0, 0, 1))
    assert (torch.rand(1), np.random.random()) == expected  # noqa: NPY002
    assert list(map(repr, first)) == list(map(repr, again))
    assert first[0].zero_score_error != seeded[0].zero_score_error
    for occlusion_infidelity, norm_infidelity in zip(first, infidelity(head, gradient_norms[::-1])[::-1], strict=True):
        assert norm_infidelity.zero_score_error == pytest.approx(occlusion_infidelity.zero_score_error, nan_ok=True)
    (alone,) = infidelity(head, attributions[3:])
    assert dataclasses.astuple(alone) == pytest.approx(dataclasses.astuple(first[3]), rel=1e-6)


def test_a_small_token_budget_changes_nothing(bert, monkeypatch):
    from probes.attribution_checks import infidelity as module

    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    attributions = attribute(head, TEXTS)
    whole = infidelity(head, attributions)
    monkeypatch.setattr(module, "token_budget", lambda _encoder: 20)
    for a, b in zip(whole, infidelity(head, attributions), strict=True):
        assert dataclasses.astuple(a) == pytest.approx(dataclasses.astuple(b), rel=1e-4, nan_ok=True)


def test_what_does_not_fit_is_refused(bert):
    head = ProbeHead(bert, probe(), layer=1, pooling="mean")
    attributions = attribute(head, TEXTS[:2])
    assert infidelity(head, []) == []
    with pytest.raises(InputError, match="needs 1 set of tokens or more, found 0"):
        infidelity(head, attributions, samples=0)
    with pytest.raises(InputError, match="cannot use the baseline 'sampled'"):
        infidelity(head, attribute(head, TEXTS[:2], baseline="sampled"))
    with pytest.raises(InputError, match="unknown baseline 'none'"):
        infidelity(head, attributions, baseline="none")
    with pytest.raises(InputError, match="unknown class '7'"):
        infidelity(head, [replace(attributions[0], target="7")])
    with pytest.raises(InputError, match="unknown class '8'"):
        infidelity(head, [replace(attributions[0], against="8")])
    with pytest.raises(InputError, match="text 0 has other tokens than when it was explained"):
        infidelity(head, [replace(attributions[0], text="the film was not bad .")])
