"""Pooled features in memory: batches that do not fit are halved."""

import numpy as np
import pytest

from probes import Encoder
from probes.features.in_memory import MemoryWarning, pool_texts
from tests.support.encoders.models import LAYERS


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_of_its_size_are_not_tried(bert, monkeypatch):
    states, sizes, encoded = Encoder.states, [], bert.encode(["the film was good"] * 60)
    expected = pool_texts(bert, encoded, ["mean"], [LAYERS])["mean"]

    def small(self, batch, *args, **options):
        sizes.append(batch.mask.numel())
        if sizes[-1] > 80:
            raise MemoryError
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", small)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    with pytest.warns(MemoryWarning, match="did not fit in the memory of cpu"):
        features = pool_texts(bert, encoded, ["mean"], [LAYERS], batch_tokens=160)["mean"]
    assert sum(size > 80 for size in sizes) == 1
    np.testing.assert_allclose(features, expected, atol=1e-6)
