"""Integrated gradients: the quadrature against closed forms, and the steps that are taken."""

import numpy as np
import pytest
import torch

from probes import ProbeHead, attribute
from probes.attribution.integrated_gradients import nested_points, quadrature_weights
from tests.support.encoders.models import LAYERS
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


@pytest.mark.parametrize("n", [2, 3, 8, 16, 17, 64])
def test_the_quadrature_is_exact_for_polynomials_and_no_further(n):
    points, weights = nested_points(n), quadrature_weights(n)
    for degree in range(n - 1):
        assert weights @ points**degree == pytest.approx(1 / (degree + 1), abs=1e-14)
    even = n + n % 2  # an odd power about the middle is exact by symmetry
    assert abs(weights @ (2 * points - 1) ** even - 1 / (even + 1)) > 1e-20
    assert points.shape == weights.shape == (n - 1,)
    assert (weights > 0).all()
    assert ((points > 0) & (points < 1)).all()
    np.testing.assert_allclose(nested_points(2 * n)[1::2], points, atol=1e-15)


def test_the_quadrature_weights_are_an_independent_implementations():
    # Closed forms of one, two and three points. Beyond, solve for the moments of the polynomials.
    np.testing.assert_allclose(quadrature_weights(2), [1], atol=1e-15)
    np.testing.assert_allclose(quadrature_weights(3), [1 / 2, 1 / 2], atol=1e-15)
    np.testing.assert_allclose(quadrature_weights(4), [1 / 3, 1 / 3, 1 / 3], atol=1e-15)
    for n in (5, 16, 32):
        moments = [0 if k % 2 else 1 / (1 - k * k) for k in range(n - 1)]
        expected = np.linalg.solve(np.polynomial.chebyshev.chebvander(2 * nested_points(n) - 1, n - 2).T, moments)
        np.testing.assert_allclose(quadrature_weights(n), expected, atol=1e-12)


def test_texts_explained_together_take_the_steps_of_each_alone(bert, monkeypatch):
    monkeypatch.setattr("probes.attribution.attribute.token_budget", lambda _encoder: 4000)
    with torch.no_grad():
        for weight in bert.model.encoder.parameters():
            weight.mul_(3)  # now the output bends along the path
    head = ProbeHead(bert, probe(), layer=LAYERS, pooling="cls")
    together = attribute(head, TEXTS, tolerance=1e-3, max_steps=128)
    assert len({a.n_steps for a in together}) > 1
    for text, attribution in zip(TEXTS, together, strict=True):
        (alone,) = attribute(head, [text], tolerance=1e-3, max_steps=128)
        assert attribution.n_steps == alone.n_steps
        assert len(attribution.scores) == len(attribution.tokens)
        np.testing.assert_allclose(attribution.scores, alone.scores, atol=1e-3)


def test_no_batch_is_larger_than_the_budget_and_texts_share_batches(bert, monkeypatch):
    seen = []

    class Counting(ProbeHead):
        def logits(self, batch, embeddings=None, overwrite=None):
            seen.append((tuple(batch.mask.shape), len({tuple(ids) for ids in batch.inputs["input_ids"].tolist()})))
            return super().logits(batch, embeddings, overwrite)

    for module in ("attribute", "batch_attribution"):
        monkeypatch.setattr(f"probes.attribution.{module}.token_budget", lambda _encoder: 400)
    texts = [*TEXTS, "bright", "good great", "dull ."]
    attribute(Counting(bert, probe(scale=1e6), layer=2, pooling="cls"), texts, tolerance=1e-9, max_steps=128)
    assert max(n * seq for (n, seq), _ in seen) <= 400
    assert max(texts for _, texts in seen) > 1


def test_doubling_the_steps_computes_the_new_points_alone(bert):
    calls = []

    class Counting(ProbeHead):
        def logits(self, batch, embeddings=None):
            calls.append(len(batch))
            return super().logits(batch, embeddings)

    # So steep that rounding alone keeps the delta above what is allowed.
    head = Counting(bert, probe(scale=1e6), layer=2, pooling="cls")
    (attribution,) = attribute(head, TEXTS[:1], tolerance=1e-9, max_steps=64, baseline="pad")
    assert attribution.n_steps == 64
    assert sum(calls) == 2 + 63  # text and baseline, then each point once


def test_a_linear_path_gives_the_closed_form(bert):
    # Without its layer norm, layer 0 is word + position + type: a mean probe's logit is linear in the word embeddings.
    bert.model.embeddings.LayerNorm = torch.nn.Identity()
    head = probe()
    (attribution,) = attribute(ProbeHead(bert, head, layer=0, pooling="mean"), TEXTS[:1], targets=["1"], baseline="pad")
    ids = bert.encode(TEXTS[:1]).ids[0]
    table = bert.model.embeddings.word_embeddings.weight.detach().numpy()
    moved = (table[ids] - table[bert.tokenizer.pad_token_id]) * (attribution.offsets[:, :1] >= 0)
    np.testing.assert_allclose(attribution.scores, moved @ head.weight[1] / len(ids), atol=1e-5)


def test_steps_double_until_the_delta_is_small_and_stop_at_the_limit(bert):
    sharp = ProbeHead(bert, probe(scale=50.0), layer=LAYERS, pooling="cls")
    few = attribute(sharp, TEXTS, max_steps=2, tolerance=1e-9)
    assert [a.n_steps for a in few] == [2] * 3
    assert not any(a.converged for a in few)
    many = attribute(sharp, TEXTS, max_steps=512)
    assert all(a.converged for a in many)
    assert all(a.n_steps in (16, 32, 64, 128, 256, 512) for a in many)
