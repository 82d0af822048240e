"""Batches of texts of like length, and the one loop over them that forward passes go through."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from probes.encoder.encoder import Encoder
from probes.encoder.replicas import MAX_RUNNERS, runners
from probes.encoder.tokenization import Encoded
from probes.progress import Bar

R = TypeVar("R")

BATCH_TOKENS = {"cpu": 768, "cuda": 32768}
"""Device kind -> tokens of a batch. On a CPU the hidden states of all layers then stay in its cache until pooled."""


class BatchLoop(Protocol):
    """Work on every batch of tokenised texts."""

    def __call__(
        self, encoded: Encoded, work: Callable[[Encoder, NDArray[np.int64]], R], /
    ) -> Iterator[tuple[NDArray[np.int64], R]]:
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
    least: int | None = None,
    gradients: bool = False,
    most: int = MAX_RUNNERS,
) -> Iterator[BatchLoop]:
    """Open a loop over batches, which works on several of them side by side.

    Args:
        encoder: Runs the batches; twins of it, which share its weights, run others at the same time.
        budget: Tokens of a batch, padding included; what suits the device when None.
        least: Tokens of the last batches, as in `batches`.
        gradients: Record gradients. Without them the passes run in inference mode, on packed linear layers.
        most: Batches at the same time, at most.
    """
    budget = token_budget(encoder) if budget is None else budget
    mode = torch.enable_grad if gradients else torch.inference_mode
    # Linear layers are packed before twins are made: twins share what is packed.
    layers = contextlib.nullcontext() if gradients else encoder.packed(budget)
    with layers, runners(encoder, most=most) as run:

        def loop(
            encoded: Encoded, work: Callable[[Encoder, NDArray[np.int64]], R], /
        ) -> Iterator[tuple[NDArray[np.int64], R]]:
            def result_of(rows: NDArray[np.int64], runner: Encoder) -> tuple[NDArray[np.int64], R]:
                with mode():
                    return rows, work(runner, rows)

            return run(result_of, batches(encoded.lengths, budget, least, mixed=encoder.takes_padding))

        yield loop


def over_batches(
    encoder: Encoder,
    encoded: Encoded,
    work: Callable[[Encoder, NDArray[np.int64]], R],
    *,
    budget: int | None = None,
    gradients: bool = False,
    bar: Bar | None = None,
) -> Iterator[tuple[NDArray[np.int64], R]]:
    """Work on texts in batches of like length, and yield the rows and the result of each batch in their order.

    Args:
        encoder: Runs the batches, several of them side by side.
        encoded: Tokenised texts.
        work: Function of an encoder that no other thread uses, and of the rows of a batch.
        budget: Tokens of a batch, padding included; what suits the device when None.
        gradients: Record gradients. Without them the passes run in inference mode, on packed linear layers.
        bar: Progress bar that counts the texts.
    """
    budget = token_budget(encoder) if budget is None else budget
    n_batches = sum(1 for _ in batches(encoded.lengths, budget, mixed=encoder.takes_padding))
    most = n_batches if gradients else MAX_RUNNERS
    with batch_loop(encoder, budget=budget, gradients=gradients, most=most) as loop:
        for rows, result in loop(encoded, work):
            if bar is not None:
                bar.update(len(rows))
            yield rows, result


def token_budget(encoder: Encoder) -> int:
    """Return the tokens of a batch that suit the encoder's device."""
    return BATCH_TOKENS.get(encoder.device.type, BATCH_TOKENS["cpu"])


def batches(
    lengths: NDArray[np.integer[Any]], budget: int, least: int | None = None, *, mixed: bool = True
) -> Iterator[NDArray[np.int64]]:
    """Yield row numbers in batches of like length, at most `budget` tokens each with padding, or one text.

    The longest texts come first, so that a batch that does not fit in memory fails at once.

    Args:
        lengths: (texts,) tokens of each text.
        budget: Tokens of a batch.
        least: Where given, the last batches are smaller and smaller, down to this number of tokens: threads that work
            side by side then end at nearly the same time.
        mixed: Whether texts of several lengths can share a batch, as `Encoder.takes_padding` says.
    """
    order = np.argsort(-lengths, kind="stable")
    tokens_left = int(lengths.sum())
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        tokens = budget if least is None else min(budget, max(least, tokens_left // 4))
        stop = start + max(1, tokens // longest)
        if not mixed:
            stop = min(stop, start + int((lengths[order[start:stop]] == longest).sum()))
        yield order[start:stop]
        tokens_left -= int(lengths[order[start:stop]].sum())
        start = stop
