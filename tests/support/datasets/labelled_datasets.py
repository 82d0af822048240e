"""Small datasets with given labels."""

from probes import TextDataset
from probes.data.texts import Texts


def dataset(labels, second=None, *, prefix="text", **columns):
    """Texts that all differ."""
    n = len(next(iter(labels.values()))) if isinstance(labels, dict) else len(labels)
    return TextDataset.of(Texts([f"{prefix} {i}" for i in range(n)], second), labels, **columns)


COMMON = ["good", "bad"] * 30
