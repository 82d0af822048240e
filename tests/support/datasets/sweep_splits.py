"""Splits with features of several layers, for sweeps of probes."""

import numpy as np

from probes import Examples


def split(seed, n=240, *, texts=True):
    """Layers 0 to 3 of two poolings; the signal grows with depth, faster in `mean`; `cls` at layer 0 is constant."""
    rng = np.random.default_rng(seed)
    labels = {"three": rng.integers(3, size=n), "two": rng.integers(2, size=n)}
    features = {}
    for pooling, strength in {"cls": 0.5, "mean": 1.0}.items():
        layers = rng.standard_normal((4, n, 8)).astype(np.float32)
        for layer in range(4):
            layers[layer, :, :3] += layer * strength * np.eye(3)[labels["three"]]
            layers[layer, :, 3] += layer * strength * labels["two"]
        features[pooling] = layers
    features["cls"][0] = 0.5
    return Examples(
        features, labels, [f"word{a} word{b}" for a, b in zip(*labels.values(), strict=True)] if texts else None
    )
