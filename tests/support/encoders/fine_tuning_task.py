"""A task that a tiny encoder learns in a few steps: whether a text says good or bad."""

import numpy as np

from probes import Encoder
from probes.heads.fine_tuning import LabelledTexts
from probes.heads.trainer import TrainingSettings
from tests.support.encoders.models import build_model

CLASSES = ("negative", "positive")
SETTINGS = TrainingSettings(epochs=4, patience=4, batch_size=8, learning_rate=1e-2, dtype="float32")
NEUTRAL_WORDS = "the a film movie was it very actor plot".split()


def labelled(train=96, validation=40):
    """Training and validation texts, the same every time."""
    rng = np.random.default_rng(0)
    parts = []
    for n in (train, validation):
        labels = rng.integers(2, size=n)
        texts = (("good" if label else "bad", *rng.choice(NEUTRAL_WORDS, size=rng.integers(1, 6))) for label in labels)
        parts.append(LabelledTexts(tuple(" ".join(text) for text in texts), labels))
    return parts


def tiny_encoder(family="bert", **changes):
    """A tiny random encoder."""
    return Encoder(*build_model(family), device="cpu", **changes)
