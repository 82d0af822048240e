"""Baseline bias: closed forms, parity with the predictions of attributions, and the choice of `auto`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import Encoder, FittedProbe, InputError, ProbeHead, attribute
from probes.attribution.baseline_bias import (
    LENGTHS,
    MAX_BASELINE_BIAS,
    baseline_bias,
    baseline_biases,
    choose_baseline,
    mean_baseline_biases,
)
from probes.attribution.baselines import available_baselines
from probes.data.texts import Texts
from tests.support.encoders.models import HIDDEN, build_model

EVEN = {n: [1 / n] * n for n in (2, 3, 47)}


def peaked(n, top):
    """The first class has `top`, the others share the rest."""
    return [top, *[(1 - top) / (n - 1)] * (n - 1)]


@pytest.mark.parametrize("n", EVEN)
@pytest.mark.parametrize("top", [0.0, 0.4, 0.5, 0.74, 0.76, 1.0])
def test_the_bias_towards_one_of_equal_classes_is_its_difference_from_equal_chances(n, top):
    assert baseline_bias(peaked(n, top), EVEN[n]) == pytest.approx(abs(top - 1 / n))


@pytest.mark.parametrize(
    ("predicted", "prior", "distance"),
    [
        ([0.9, 0.1], [0.9, 0.1], 0.0),  # the class shares
        ([0.5, 0.5], [0.9, 0.1], 0.0),  # equal chances
        ([0.7, 0.3], [0.9, 0.1], 0.2),
        ([0.1, 0.9], [0.9, 0.1], 0.4),  # nearer to equal chances than to the shares
        ([1.0, 0.0], [0.9, 0.1], 0.1),  # always the majority
        ([0.2, 0.2, 0.6], [0.6, 0.2, 0.2], 4 / 15),
        ([0.6, 0.4, 0.0], [0.5, 0.3, 0.2], 0.2),
        (peaked(47, 0.8), peaked(47, 0.6), 0.2),
        (peaked(47, 0.3), peaked(47, 0.6), 0.3 - 1 / 47),
    ],
)
def test_the_bias_is_the_distance_to_the_nearer_of_class_shares_and_equal_chances(predicted, prior, distance):
    assert baseline_bias(predicted, prior) == pytest.approx(distance)


def test_a_balanced_binary_head_may_predict_three_quarters_at_its_baseline():
    assert baseline_bias([0.75, 0.25], [0.5, 0.5]) <= MAX_BASELINE_BIAS
    assert baseline_bias([0.7501, 0.2499], [0.5, 0.5]) > MAX_BASELINE_BIAS


shares = st.lists(st.floats(0.01, 1), min_size=6, max_size=6).map(lambda weights: np.array(weights) / sum(weights))


@given(shares, shares)
def test_the_bias_is_the_largest_difference_of_any_set_of_classes_in_any_order(predicted, prior):
    sets = np.array([[i >> bit & 1 for bit in range(6)] for i in range(64)])
    expected = min(np.abs(sets @ (predicted - reference)).max() for reference in (prior, np.full(6, 1 / 6)))
    bias = baseline_bias(predicted, prior)
    assert bias == pytest.approx(expected, abs=1e-12)
    assert 0 <= bias <= 1
    assert baseline_bias(predicted[::-1], prior[::-1]) == pytest.approx(bias, abs=1e-12)


@pytest.mark.parametrize(
    ("predicted", "prior", "message"),
    [
        ([0.5, 0.5], [1.0], "lengths differ: probabilities has 2, prior has 1"),
        ([], [], "probabilities must be 0 or more and sum to 1"),
        ([0.5, 0.6], [0.5, 0.5], r"probabilities must be .* found \[0\.5, 0\.6\]"),
        ([1.5, -0.5], [0.5, 0.5], "probabilities must be 0 or more"),
        ([float("nan"), 1], [0.5, 0.5], "probabilities must be 0 or more"),
        ([0.5, 0.5], [30, 70], "prior must be 0 or more and sum to 1"),
    ],
)
def test_probabilities_and_prior_that_are_no_distribution_are_refused(predicted, prior, message):
    with pytest.raises(InputError, match=message):
        baseline_bias(predicted, prior)


def test_a_probe_with_zero_weights_predicts_its_bias_at_the_baseline(bert):
    from probes import FittedProbe, ProbeHead, attribute
    from tests.support.encoders.models import HIDDEN

    for bias, near in (([0.0, 1.0], True), ([0.0, 1.2], False)):  # 73 %, 77 %
        probe = FittedProbe(np.zeros((2, HIDDEN), dtype=np.float32), np.array(bias, dtype=np.float32))
        (attribution,) = attribute(
            ProbeHead(bert, probe, layer=1, pooling="mean"), ["the film was good"], method="occlusion"
        )
        probabilities = list(attribution.baseline_probabilities.values())
        assert probabilities[1] == pytest.approx(1 / (1 + np.exp(-bias[1])))
        assert (baseline_bias(probabilities, [0.5, 0.5]) <= MAX_BASELINE_BIAS) is near


@pytest.mark.parametrize("layer", [0, 2])
def test_baseline_biases_are_those_of_the_baseline_predictions_of_attributions(layer):
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((3, HIDDEN)).astype(np.float32), np.zeros(3, dtype=np.float32))
    encoder, texts, prior = Encoder(*build_model("bert")), ["the film was very good", "dull"], [0.5, 0.3, 0.2]
    head = ProbeHead(encoder, probe, layer=layer, pooling="mean")
    biases = baseline_biases(head, texts, prior=prior)
    assert list(biases) == list(available_baselines(encoder))
    for name in ("pad", "mask", "zero", "mean"):
        attributions = attribute(head, texts, baseline=name, method="occlusion")
        expected = [baseline_bias(list(a.baseline_probabilities.values()), prior) for a in attributions]
        np.testing.assert_allclose(biases[name], expected, atol=1e-6)
    assert ((biases["sampled"] >= 0) & (biases["sampled"] <= 1)).all()


def test_texts_with_special_tokens_alone_have_no_sampled_baseline():
    probe = FittedProbe(np.eye(2, HIDDEN, dtype=np.float32), np.zeros(2, dtype=np.float32))
    head = ProbeHead(Encoder(*build_model("bert")), probe, layer=1, pooling="mean")
    assert "sampled" not in baseline_biases(head, [""], prior=[0.5, 0.5])


def probe_head(encoder=None, *, seed=0, layer=2, prior=None, n=2, scale=1.0):
    rng = np.random.default_rng(seed)
    weight = (scale * rng.standard_normal((n, HIDDEN))).astype(np.float32)
    probe = FittedProbe(weight, np.zeros(n, np.float32), prior=prior)
    return ProbeHead(encoder or Encoder(*build_model("bert")), probe, layer=layer, pooling="mean")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("paired", [False, True])
def test_auto_is_the_baseline_with_the_smallest_mean_bias_over_lengths(seed, paired):
    head, prior = probe_head(seed=seed), [0.7, 0.3]
    texts = [" ".join(["film"] * n) for n in LENGTHS]  # a baseline keeps nothing of them but their lengths
    texts = Texts(texts, texts if paired else None)
    expected = {}
    for name in ("pad", "mask", "zero", "mean"):
        attributions = attribute(head, texts, baseline=name, method="occlusion")
        expected[name] = np.mean([baseline_bias(list(a.baseline_probabilities.values()), prior) for a in attributions])
    biases = mean_baseline_biases([head], prior=prior, paired=paired)
    assert list(biases) == list(expected)
    np.testing.assert_allclose(list(biases.values()), list(expected.values()), atol=1e-5)
    chosen = choose_baseline([head], prior=prior, paired=paired)
    assert chosen == min(expected, key=expected.get)
    (a,) = attribute(head, Texts(["a dull plot"], ["bad"] if paired else None), prior=prior, method="occlusion")
    assert a.baseline == chosen


def test_auto_depends_on_the_head_and_averages_several_heads():
    encoder = Encoder(*build_model("bert"))
    heads = [probe_head(encoder, seed=seed, scale=3.0) for seed in range(8)]
    assert len({choose_baseline([head]) for head in heads}) > 1
    biases = [mean_baseline_biases([head]) for head in heads]
    mean_biases = mean_baseline_biases(heads)
    for name in mean_biases:
        assert mean_biases[name] == pytest.approx(np.mean([head_biases[name] for head_biases in biases]))
    with pytest.raises(InputError, match="there is no head"):
        choose_baseline([])


def test_auto_uses_the_class_shares_that_a_probe_was_trained_on(tmp_path):
    from probes import LogisticProbe, load_probes
    from probes.logistic.persistence import pack_probes

    labels = np.repeat([0, 1], [36, 4])
    features = np.random.default_rng(0).standard_normal((40, HIDDEN))
    probe = LogisticProbe(c=1e-4).fit(features, labels, n_classes=2)
    assert probe.prior == (0.9, 0.1)
    (tmp_path / "probes.safetensors").write_bytes(pack_probes({"label/mean/2": probe}, {"weights": None}))
    (loaded,) = load_probes(tmp_path / "probes.safetensors")[0].values()
    assert loaded.prior == probe.prior
    head = ProbeHead(Encoder(*build_model("bert")), loaded, layer=2, pooling="mean")
    assert mean_baseline_biases([head]) == mean_baseline_biases([head], prior=[0.9, 0.1])
    assert mean_baseline_biases([head]) != mean_baseline_biases([head], prior=[0.5, 0.5])


def test_the_first_available_one_of_equal_baselines_is_chosen():
    head = probe_head(scale=0.0)
    assert choose_baseline([head]) == "pad"
    head.encoder.tokenizer.pad_token = None
    assert choose_baseline([head]) == "mask"
