"""Whether a baseline's own prediction is near one made without a text."""

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
    is_unbiased,
    mean_baseline_biases,
)
from probes.attribution.baselines import available_baselines
from probes.data.texts import Texts
from tests.support.models import HIDDEN, build_model

EVEN = {n: [1 / n] * n for n in (2, 3, 47)}


def peaked(n, top):
    """The first class has `top`, the others share the rest."""
    return [top, *[(1 - top) / (n - 1)] * (n - 1)]


@pytest.mark.parametrize("n", EVEN)
@pytest.mark.parametrize("top", [0.0, 0.4, 0.5, 0.74, 0.76, 1.0])
def test_one_class_that_stands_out_of_equal_ones_lies_by_as_much_as_it_is_likelier(n, top):
    assert baseline_bias(peaked(n, top), EVEN[n]) == pytest.approx(abs(top - 1 / n))
    assert is_unbiased(peaked(n, top), EVEN[n]) == (abs(top - 1 / n) <= 0.25)


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
def test_the_nearer_of_class_shares_and_equal_chances_counts(predicted, prior, distance):
    assert baseline_bias(predicted, prior) == pytest.approx(distance)
    assert is_unbiased(predicted, prior) == (distance <= MAX_BASELINE_BIAS)


def test_the_limit_itself_is_uninformed_and_a_hair_beyond_is_not():
    assert is_unbiased([0.75, 0.25], [0.5, 0.5])
    assert not is_unbiased([0.7501, 0.2499], [0.5, 0.5])


shares = st.lists(st.floats(0.01, 1), min_size=6, max_size=6).map(lambda found: np.array(found) / sum(found))


@given(shares, shares)
def test_it_is_the_most_by_which_any_set_of_classes_differs_and_classes_have_no_order(predicted, prior):
    sets = np.array([[i >> bit & 1 for bit in range(6)] for i in range(64)])
    expected = min(np.abs(sets @ (predicted - other)).max() for other in (prior, np.full(6, 1 / 6)))
    found = baseline_bias(predicted, prior)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 <= found <= 1
    assert baseline_bias(predicted[::-1], prior[::-1]) == pytest.approx(found, abs=1e-12)


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
def test_what_is_no_distribution_is_refused(predicted, prior, message):
    with pytest.raises(InputError, match=message):
        baseline_bias(predicted, prior)


def test_a_probe_that_a_baseline_does_not_move_predicts_by_its_bias(bert):
    from probes import FittedProbe, ProbeHead, attribute
    from tests.support.models import HIDDEN

    for bias, near in (([0.0, 1.0], True), ([0.0, 1.2], False)):  # 73 %, 77 %
        probe = FittedProbe(np.zeros((2, HIDDEN), dtype=np.float32), np.array(bias, dtype=np.float32))
        (found,) = attribute(ProbeHead(bert, probe, layer=1, pooling="mean"), ["the film was good"], method="occlusion")
        own = list(found.baseline_probabilities.values())
        assert own[1] == pytest.approx(1 / (1 + np.exp(-bias[1])))
        assert is_unbiased(own, [0.5, 0.5]) is near


@pytest.mark.parametrize("layer", [0, 2])
def test_what_a_head_says_of_each_baseline_is_what_attributions_start_from(layer):
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((3, HIDDEN)).astype(np.float32), np.zeros(3, dtype=np.float32))
    encoder, texts, prior = Encoder(*build_model("bert")), ["the film was very good", "dull"], [0.5, 0.3, 0.2]
    head = ProbeHead(encoder, probe, layer=layer, pooling="mean")
    found = baseline_biases(head, texts, prior=prior)
    assert list(found) == list(available_baselines(encoder))
    for name in ("pad", "mask", "zero", "mean"):
        begun = attribute(head, texts, baseline=name, method="occlusion")
        wanted = [baseline_bias(list(a.baseline_probabilities.values()), prior) for a in begun]
        np.testing.assert_allclose(found[name], wanted, atol=1e-6)
    assert ((found["sampled"] >= 0) & (found["sampled"] <= 1)).all()


def test_texts_without_tokens_of_their_own_have_nothing_to_sample():
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
def test_auto_is_the_baseline_of_the_lowest_mean_distance_over_lengths(seed, paired):
    head, prior = probe_head(seed=seed), [0.7, 0.3]
    texts = [" ".join(["film"] * n) for n in LENGTHS]  # a baseline keeps nothing of them but their lengths
    texts = Texts(texts, texts if paired else None)
    wanted = {}
    for name in ("pad", "mask", "zero", "mean"):
        begun = attribute(head, texts, baseline=name, method="occlusion")
        wanted[name] = np.mean([baseline_bias(list(a.baseline_probabilities.values()), prior) for a in begun])
    found = mean_baseline_biases([head], prior=prior, paired=paired)
    assert list(found) == list(wanted)
    np.testing.assert_allclose(list(found.values()), list(wanted.values()), atol=1e-5)
    chosen = choose_baseline([head], prior=prior, paired=paired)
    assert chosen == min(wanted, key=wanted.get)
    (a,) = attribute(head, Texts(["a dull plot"], ["bad"] if paired else None), prior=prior, method="occlusion")
    assert a.baseline == chosen


def test_auto_is_another_for_other_heads_and_several_are_averaged():
    encoder = Encoder(*build_model("bert"))
    heads = [probe_head(encoder, seed=seed, scale=3.0) for seed in range(8)]
    assert len({choose_baseline([head]) for head in heads}) > 1
    far = [mean_baseline_biases([head]) for head in heads]
    together = mean_baseline_biases(heads)
    for name in together:
        assert together[name] == pytest.approx(np.mean([own[name] for own in far]))
    with pytest.raises(InputError, match="there is no head"):
        choose_baseline([])


def test_a_probe_knows_the_shares_that_it_was_trained_on_and_auto_goes_by_them(tmp_path):
    from probes import LogisticProbe, load_probes
    from probes.probing.persistence import pack_probes

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


def test_of_baselines_that_say_the_same_the_first_is_chosen_and_one_that_cannot_be_had_is_not():
    head = probe_head(scale=0.0)
    assert choose_baseline([head]) == "pad"
    head.encoder.tokenizer.pad_token = None
    assert choose_baseline([head]) == "mask"
