"""Agreement of two attributions of a text, against SciPy's rank correlation."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from probes import Encoder, FittedProbe, InputError, ProbeHead, attribute
from probes.attribution_checks.agreement import same_top, spearman, token_agreement
from tests.support.encoders.models import HIDDEN, build_model


def test_rank_correlations_equal_scipys_with_and_without_ties():
    rng = np.random.default_rng(0)
    for n in (3, 4, 10, 100):
        for high in (3, 1000):
            first, second = rng.integers(high, size=(2, n)).astype(float)
            if len(set(first)) > 1 and len(set(second)) > 1:
                assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
            assert spearman(np.arange(n) * 1.0, np.exp(np.arange(n))) == 1
            assert spearman(np.arange(n) * 1.0, -np.arange(n) * 1.0) == -1
    assert math.isnan(spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    assert math.isnan(spearman(np.zeros(5), np.arange(5) * 1.0))
    assert math.isnan(spearman(np.empty(0), np.empty(0)))


@pytest.fixture(scope="module")
def explained():
    """Two texts by integrated gradients and by occlusion."""
    encoder = Encoder(*build_model("bert"))
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, dtype=np.float32), c=1.0)
    head, texts = ProbeHead(encoder, probe, layer=2, pooling="mean"), ["the film was very good", "a dull plot ."]
    return attribute(head, texts, targets="1"), attribute(head, texts, targets="1", method="occlusion")


def test_special_tokens_do_not_count_for_the_agreement(explained):
    for first, second in zip(*explained, strict=True):
        expected = spearmanr(first.scores[1:-1], second.scores[1:-1]).statistic
        assert token_agreement(first, second) == pytest.approx(expected)
        assert token_agreement(first, first) == 1
        assert same_top(first, first)


def test_attributions_of_different_tokens_are_refused(explained):
    with pytest.raises(InputError, match="same tokens"):
        token_agreement(explained[0][0], explained[0][1])
