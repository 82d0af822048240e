"""Small datasets with given labels."""

from probes import TextDataset
from probes.data.texts import Texts


def dataset(labels, second=None, *, prefix="text", **beside):
    """Texts that all differ."""
    n = len(next(iter(labels.values()))) if isinstance(labels, dict) else len(labels)
    return TextDataset.of(Texts([f"{prefix} {i}" for i in range(n)], second), labels, **beside)


COMMON = ["good", "bad"] * 30
