"""Random vectors of texts, rotations of them, and vectors at equal distances."""

import numpy as np


def cloud(examples=50, hidden=6, seed=0, *, shift=0.0):
    return np.random.default_rng(seed).standard_normal((examples, hidden)) + shift


def rotation(hidden, seed=9):
    return np.linalg.qr(cloud(hidden, hidden, seed))[0]


def simplex(n):
    """n unit vectors, every two at the cosine -1 / (n - 1)."""
    return np.eye(n) - 1 / n
