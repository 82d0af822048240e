"""Batches of texts of like length, and the one loop over them for all forward passes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import numpy as np
import torch

from probes.encoder.encoder import Encoder
from probes.encoder.replicas import MAX_REPLICAS, replica_map
from probes.encoder.tokenization import Encoded
from probes.progress import Bar
from probes.sequences import Int64Array, IntegerArray

R = TypeVar("R")

BATCH_TOKENS = {"cpu": 768, "cuda": 32768}
"""Device kind -> tokens of a batch. On a CPU the hidden states of all layers then stay in its cache until pooling."""


class BatchLoop(Protocol):
    """Work on every batch of tokenised texts."""

    def __call__(self, encoded: Encoded, work: Callable[[Encoder, Int64Array], R], /) -> Iterator[tuple[Int64Array, R]]:
        """Yield the row numbers of each batch with what `work` returns for them, longest texts first.

        Args:
            encoded: Tokenised texts.
            work: Function of an encoder that no other thread uses, and of the rows of a batch.
        """
        ...


@contextlib.contextmanager
def batch_loop(
    encoder: Encoder,
    *,
    budget: int | None = None,
    min_tokens: int | None = None,
    gradients: bool = False,
    max_replicas: int = MAX_REPLICAS,
) -> Iterator[BatchLoop]:
    """Open a loop over batches, which works on several of them in parallel.

    Args:
        encoder: Encoder that runs the batches; replicas of it, which share its weights, run others at the same time.
        budget: Tokens of a batch, padding included; that of the device when None.
        min_tokens: Tokens of the smallest of the last batches, as in `batches`.
        gradients: Record gradients. Without them the passes run in inference mode, on packed linear layers.
        max_replicas: Largest number of batches at the same time.
    """
    budget = token_budget(encoder) if budget is None else budget
    gradient_mode = torch.enable_grad if gradients else torch.inference_mode
    # Linear layers are packed before the encoder is copied: replicas share the packed weights.
    packing = contextlib.nullcontext() if gradients else encoder.packed_linear_layers(budget)
    with packing, replica_map(encoder, max_replicas=max_replicas) as run:

        def loop(encoded: Encoded, work: Callable[[Encoder, Int64Array], R], /) -> Iterator[tuple[Int64Array, R]]:
            def result_of(rows: Int64Array, replica: Encoder) -> tuple[Int64Array, R]:
                with gradient_mode():
                    return rows, work(replica, rows)

            row_batches = batches(encoded.lengths, budget, min_tokens, mixed=encoder.takes_padding)
            return run(result_of, row_batches)

        yield loop


def over_batches(
    encoder: Encoder,
    encoded: Encoded,
    work: Callable[[Encoder, Int64Array], R],
    *,
    budget: int | None = None,
    gradients: bool = False,
    bar: Bar | None = None,
) -> Iterator[tuple[Int64Array, R]]:
    """Work on texts in batches of like length, and yield the rows and the result of each batch in their order.

    Args:
        encoder: Encoder that runs the batches, several of them in parallel.
        encoded: Tokenised texts.
        work: Function of an encoder that no other thread uses, and of the rows of a batch.
        budget: Tokens of a batch, padding included; that of the device when None.
        gradients: Record gradients. Without them the passes run in inference mode, on packed linear layers.
        bar: Progress bar that counts the texts.
    """
    budget = token_budget(encoder) if budget is None else budget
    n_batches = sum(1 for _ in batches(encoded.lengths, budget, mixed=encoder.takes_padding))
    max_replicas = n_batches if gradients else MAX_REPLICAS
    with batch_loop(encoder, budget=budget, gradients=gradients, max_replicas=max_replicas) as loop:
        for rows, result in loop(encoded, work):
            if bar is not None:
                bar.update(len(rows))
            yield rows, result


def token_budget(encoder: Encoder) -> int:
    """Return the tokens of a batch for the encoder's device."""
    return BATCH_TOKENS.get(encoder.device.type, BATCH_TOKENS["cpu"])


def batches(
    lengths: IntegerArray, budget: int, min_tokens: int | None = None, *, mixed: bool = True
) -> Iterator[Int64Array]:
    """Yield row numbers in batches of like length, at most `budget` tokens each with padding, or one text.

    The longest texts come first, so that a batch that does not fit in memory fails at once.

    Args:
        lengths: (texts,) tokens of each text.
        budget: Tokens of a batch.
        min_tokens: Tokens of the smallest batch: the last batches become smaller down to it, so that parallel threads
            end at nearly the same time. All batches have the budget when None.
        mixed: Whether texts of several lengths can share a batch, as in `Encoder.takes_padding`.
    """
    order = np.argsort(-lengths, kind="stable")
    tokens_left = int(lengths.sum())
    start = 0
    while start < len(order):
        # As many texts as fit when padded to the longest, which comes first.
        longest = int(lengths[order[start]])
        n_tokens = budget if min_tokens is None else min(budget, max(min_tokens, tokens_left // 4))
        n_texts = max(1, n_tokens // longest)
        if not mixed:
            candidates = order[start : start + n_texts]
            n_texts = int((lengths[candidates] == longest).sum())
        rows = order[start : start + n_texts]
        yield rows
        tokens_left -= int(lengths[rows].sum())
        start += n_texts
