"""Heads: probes and models that explain, told apart by what they compute."""

import numpy as np

from probes import Encoder, FittedProbe, ProbeHead
from probes.heads.heads import head_fingerprint
from tests.support.encoders.models import build_model


def test_probes_that_subtract_other_centers_are_other_heads():
    encoder = Encoder(*build_model("bert"))
    parts = np.ones((2, encoder.hidden), dtype=np.float32), np.zeros(2, dtype=np.float32)
    centers = [None, *(np.full(encoder.hidden, value, dtype=np.float32) for value in (0, 1, 1))]
    heads = [ProbeHead(encoder, FittedProbe(*parts, center=center), layer=1, pooling="mean") for center in centers]
    fingerprints = list(map(head_fingerprint, heads))
    assert len(set(fingerprints)) == 3
    assert fingerprints[2] == fingerprints[3]
