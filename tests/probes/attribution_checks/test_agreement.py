"""How alike two ways of scoring a text's tokens are, against SciPy's rank correlation."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from probes import Encoder, FittedProbe, InputError, ProbeHead, attribute
from probes.attribution_checks.agreement import same_top, spearman, token_agreement
from tests.support.models import HIDDEN, build_model


def test_correlations_of_ranks_are_scipys_with_ties_too():
    rng = np.random.default_rng(0)
    for n in (3, 4, 10, 100):
        for high in (3, 1000):
            one, other = rng.integers(high, size=(2, n)).astype(float)
            if len(set(one)) > 1 and len(set(other)) > 1:
                assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
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


def test_special_tokens_have_no_part_in_the_agreement(explained):
    for one, other in zip(*explained, strict=True):
        wanted = spearmanr(one.scores[1:-1], other.scores[1:-1]).statistic
        assert token_agreement(one, other) == pytest.approx(wanted)
        assert token_agreement(one, one) == 1
        assert same_top(one, one)


def test_attributions_of_other_tokens_are_not_compared(explained):
    with pytest.raises(InputError, match="same tokens"):
        token_agreement(explained[0][0], explained[0][1])
