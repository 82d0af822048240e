"""Fixtures of the tests of features."""

import numpy as np
import pytest

from probes import Encoder
from tests.support.encoders.models import WORDS


@pytest.fixture
def texts():
    """23 texts of 0 to 12 words."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS[:20], size=n)) for n in rng.integers(0, 13, size=22)] + [""]


@pytest.fixture
def calls(monkeypatch):
    """Number of texts in each batch that an encoder ran."""
    seen, states = [], Encoder.states

    def counted(self, batch, *args, **options):
        seen.append(len(batch))
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", counted)
    return seen
