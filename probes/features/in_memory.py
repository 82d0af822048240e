"""Pooled features of texts in memory, in batches as large as memory has room for."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probes.checks import InputError
from probes.encoder.batching import BatchLoop, batch_loop, token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.pooling import POOLINGS
from probes.encoder.tokenization import Encoded
from probes.sequences import Int64Array

OnTextsDone = Callable[[int], object]
"""Callback with the number of texts that were just finished."""
MIN_BATCH_DIVISOR = 8
"""On a CPU the last batches of a shard shrink to this fraction of a batch."""


class MemoryWarning(UserWarning):
    """Batches were smaller than requested, to fit in memory."""


def pool_texts(
    encoder: Encoder,
    encoded: Encoded,
    poolings: Sequence[str],
    layers: Sequence[int],
    *,
    batch_tokens: int | None = None,
    on_texts_done: OnTextsDone = int,
) -> dict[str, NDArray[np.float32]]:
    """Compute pooled features in memory.

    A batch that does not fit in memory is halved, as are later ones of its size.

    Args:
        encoder: Encoder, which computes in its own dtype.
        encoded: Tokenised texts.
        poolings: Names from `probes.encoder.pooling.POOLINGS`.
        layers: Layers in [0, n_layers].
        batch_tokens: Tokens of a batch, padding included; that of the device when None.
        on_texts_done: Callback with the number of texts that were just finished.

    Returns:
        Pooling -> (layers, examples, hidden) in float32, in the order of `encoded`.

    Raises:
        InputError: A single text does not fit in memory.

    Warns:
        MemoryWarning: A batch did not fit in memory.
    """
    memory_limit = MemoryLimit(batch_tokens or token_budget(encoder))
    shape = (len(poolings), len(layers), len(encoded.ids), encoder.hidden)
    features = np.empty(shape, dtype=np.float32)
    with open_loop(encoder, memory_limit) as loop:
        pool_into(loop, encoded, poolings, layers, memory_limit, on_texts_done, features)
    memory_limit.warn(encoder)
    return dict(zip(poolings, features, strict=True))


@dataclass(eq=False)
class MemoryLimit:
    """Batch sizes that fit in memory, as far as earlier batches have shown."""

    budget: int
    """Tokens of a batch, where it fits."""
    max_tokens: int = 0
    """Tokens of the largest batch that is tried; the budget until a batch does not fit."""
    failed_tokens: int = 0
    """Tokens of the largest batch that did not fit; 0 where all did."""

    def __post_init__(self) -> None:
        self.max_tokens = self.max_tokens or self.budget

    def record_failure(self, tokens: int) -> None:
        """Lower the limit after a batch of so many tokens did not fit."""
        self.max_tokens = min(self.max_tokens, tokens // 2)
        self.failed_tokens = max(self.failed_tokens, tokens)

    def warn(self, encoder: Encoder) -> None:
        """Warn where a batch did not fit."""
        if self.failed_tokens:
            warnings.warn(
                f"A batch of {self.failed_tokens} tokens did not fit in the memory of {encoder.device}, so that "
                f"batches had at most {self.max_tokens}; features may differ by rounding from those of a run with "
                "more memory.",
                MemoryWarning,
                stacklevel=3,
            )


def open_loop(encoder: Encoder, memory_limit: MemoryLimit) -> contextlib.AbstractContextManager[BatchLoop]:
    """Open the loop over batches of the size that fits; on a CPU the last batches are small."""
    min_tokens = memory_limit.budget // MIN_BATCH_DIVISOR if encoder.device.type == "cpu" else None
    return batch_loop(encoder, budget=memory_limit.budget, min_tokens=min_tokens)


def pool_into(
    loop: BatchLoop,
    encoded: Encoded,
    poolings: Sequence[str],
    layers: Sequence[int],
    memory_limit: MemoryLimit,
    on_texts_done: OnTextsDone,
    features: NDArray[np.float32],
) -> None:
    """Fill an array with (poolings, layers, examples, hidden) features, and halve batches that do not fit in memory."""

    def pool_batch(replica: Encoder, batch_rows: Int64Array) -> None:
        remaining = [batch_rows]
        while remaining:  # no recursion: a function that refers to itself would hold the features until a collection
            rows = remaining.pop()
            n_tokens = len(rows) * int(encoded.lengths[rows].max())
            if len(rows) == 1 or n_tokens <= memory_limit.max_tokens:
                try:
                    features[:, :, rows] = _pooled_vectors(replica, replica.batch(encoded, rows), poolings, layers)
                    continue
                except (RuntimeError, MemoryError) as error:
                    if not _is_out_of_memory(error):
                        raise
                    if len(rows) == 1:
                        memory = f"the memory of {replica.device}"
                        raise InputError(
                            f"a text of {n_tokens} tokens does not fit in {memory}; set --max-length (max_length)"
                        ) from error
                    memory_limit.record_failure(n_tokens)
            remaining += np.array_split(rows, 2)

    for rows, _ in loop(encoded, pool_batch):
        on_texts_done(len(rows))


def _pooled_vectors(
    encoder: Encoder, batch: Batch, poolings: Sequence[str], layers: Sequence[int]
) -> NDArray[np.float32]:
    """Return (poolings, layers, batch, hidden) pooled vectors of a batch."""
    states = encoder.states(batch, layers)
    vectors = [torch.stack([POOLINGS[pooling](states[layer]) for layer in layers]) for pooling in poolings]
    return torch.stack(vectors).cpu().numpy()


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    # On a CPU PyTorch has no class of exceptions for it.
    message = str(error)
    return "can't allocate memory" in message or "not enough memory" in message
