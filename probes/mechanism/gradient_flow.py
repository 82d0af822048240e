"""Where the loss enters: how large its gradient is at each token's hidden state, and at each row of the embeddings.

It reaches a token's state at the head's layer only if the head reads that token, and lower states through attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from probes.data.texts import Texts
from probes.devices import on_float64_device
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Batch, Encoded
from probes.heads.heads import Head, check_head, label_ids
from probes.mechanism.token_shares import KINDS, TokenShares, kinds_of
from probes.progress import progress_bar
from probes.statistics.intervals import N_FOLDS

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class RowGradients:
    """Gradients that texts leave at the rows of the input embedding table, for the rows that occur in them."""

    ids: NDArray[np.int64]
    """(rows,) token ids, increasing."""
    tokens: tuple[str, ...]
    """(rows,)"""
    kinds: NDArray[np.int64]
    """(rows,) index into `KINDS`."""
    counts: NDArray[np.int64]
    """(rows,) occurrences in all texts."""
    norms: NDArray[np.float64]
    """(rows,) norm of the gradient of the texts' summed loss: gradients of several occurrences may cancel in it."""
    sum_of_norms: NDArray[np.float64]
    """(rows,) of the gradients of single occurrences: what `norms` would be if all pointed one way."""
    without: NDArray[np.float64]
    """(20, rows) `norms` of all texts but each twentieth of them in turn, for a jackknife."""

    @property
    def per_occurrence(self) -> NDArray[np.float64]:
        """(rows,) `norms` by the number of occurrences."""
        return np.asarray(self.norms / self.counts)

    def of_kind(self, kind: str) -> NDArray[np.bool_]:
        """(rows,) which rows are of this kind: `[CLS]` is one row, `content` many."""
        return np.asarray(self.kinds == KINDS.index(kind))


def gradient_shares(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    labels: Iterable[str | int] | NDArray[np.integer[Any]],
    progress: bool = False,
) -> TokenShares:
    """Size of the gradient of each text's own loss at each of its tokens' states, at every layer up to the head's.

    At the head's layer, cls or pooler has all of it at [CLS], and mean the same at each of n tokens: 1/n of the sum.
    Below, it has spread as far as attention carries it. A share says where a state would be changed to lower the loss,
    not what the decision rests on.

    Args:
        head: `ProbeHead` or `ModelHead`; its encoder computes in float32 here.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        labels: (texts,) ids or names of the head's classes.
        progress: Show a bar on stderr.

    Returns:
        Layers 0 to the head's own. Sizes are the norms, over hidden dimensions, of the gradient of the cross-entropy in
        nats. A text whose loss is so near 0 that its gradient is 0 has shares of nan.

    Raises:
        InputError: Lengths differ, or a label is none of the head's classes.
    """
    encoded, labels = _checked(head, texts, labels)
    layers = tuple(range((head.encoder.n_layers if head.layer is None else head.layer) + 1))
    sizes = [np.empty(0)] * len(labels)

    def measure(own: Head, batch: Batch, rows: NDArray[np.int64]) -> None:
        # Some heads read texts one by one: a layer's states are then several tensors, of one text each.
        kept: list[list[Tensor]] = [[] for _ in layers]
        loss = _loss(
            own.logits(batch, overwrite={layer: partial(_keep, kept[layer]) for layer in layers}), labels[rows]
        )
        gradients = iter(torch.autograd.grad(loss, [state for states in kept for state in states]))
        norms = [[_norm(next(gradients)) for _ in states] for states in kept]
        by_text = zip(*([own for some in norm for own in some] for norm in norms), strict=True)
        for row, layered in zip(rows.tolist(), by_text, strict=True):
            sizes[row] = np.stack([norm[: len(encoded.ids[row])] for norm in layered])

    for _ in _over_batches(head, encoded, measure, "gradients", progress=progress):
        pass
    return TokenShares(layers, tuple(sizes), kinds_of(head.encoder, encoded))


def embedding_gradients(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    labels: Iterable[str | int] | NDArray[np.integer[Any]],
    progress: bool = False,
) -> RowGradients:
    """Gradient of the texts' summed loss with respect to the input embedding table, row by row.

    [CLS] and [SEP] stand in every text, a word in few: compare sums with the number of occurrences beside. Held are a
    float32 vector for each row that occurs, and for each twentieth of the texts in which it does.

    Args:
        head: As for `gradient_shares`, as are the next three.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        labels: (texts,) ids or names of the head's classes.
        progress: Show a bar on stderr.

    Raises:
        InputError: As from `gradient_shares`.
    """
    encoded, labels = _checked(head, texts, labels)
    every = np.concatenate(encoded.ids) if encoded.ids else np.empty(0, dtype=np.int64)
    ids, first, counts = np.unique(every, return_index=True, return_counts=True)

    # A row of the table in each share of the texts: its place is row * N_FOLDS + share.
    dealt = np.random.default_rng(0).permutation(len(labels)) % N_FOLDS
    places = np.unique(
        np.concatenate(
            [np.searchsorted(ids, own) * N_FOLDS + share for own, share in zip(encoded.ids, dealt, strict=True)]
        )
        if len(labels)
        else np.empty(0, dtype=np.int64)
    )

    def measure(
        own: Head, batch: Batch, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Tensor, NDArray[np.float64]]:
        embeddings = own.encoder.embed(batch).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_loss(own.logits(batch, embeddings), labels[rows]), [embeddings])
        real = batch.mask.bool()
        single = gradient[real].cpu()
        shares = torch.from_numpy(dealt[rows]).unsqueeze(1).expand(real.shape)[real.cpu()].numpy()
        found = np.searchsorted(ids, batch.inputs["input_ids"][real].cpu().numpy()) * N_FOLDS + shares
        some, which = np.unique(found, return_inverse=True)
        summed = torch.zeros(len(some), single.shape[1]).index_add_(0, torch.from_numpy(which), single)
        return (
            np.searchsorted(places, some).astype(np.int64),
            summed,
            np.bincount(which, _norm(single)).astype(np.float64),
        )

    parts, sum_of_norms = torch.empty(0, 0), np.zeros(len(ids))
    # Added up here, in the order of the batches, since threads end in any order.
    for place, summed, sizes in _over_batches(head, encoded, measure, "embedding gradients", progress=progress):
        parts = parts if len(parts) else torch.zeros(len(places), summed.shape[1])
        parts.index_add_(0, torch.from_numpy(place), summed)
        np.add.at(sum_of_norms, places[place] // N_FOLDS, sizes)
    whose = places // N_FOLDS
    total = torch.zeros(len(ids), parts.shape[1]).index_add_(0, torch.from_numpy(whose), parts)
    without = np.tile(_norm(total), (N_FOLDS, 1))
    for share in range(N_FOLDS):
        own = np.flatnonzero(places % N_FOLDS == share)
        without[share, whose[own]] = _norm(total[torch.from_numpy(whose[own])] - parts[torch.from_numpy(own)])
    kinds = kinds_of(head.encoder, encoded)
    return RowGradients(
        ids=ids,
        tokens=tuple(head.encoder.tokenizer.convert_ids_to_tokens(ids)),
        kinds=np.concatenate(kinds)[first] if kinds else np.empty(0, dtype=np.int64),
        counts=counts,
        norms=_norm(total),
        sum_of_norms=sum_of_norms,
        without=without,
    )


def _checked(head: Head, texts: Texts | Encoded | Iterable[str], labels: object) -> tuple[Encoded, NDArray[np.int64]]:
    """Return the tokenised texts, and their class ids."""
    check_head(head)
    encoded = head.encoder.encode(texts)
    return encoded, label_ids(labels, head.class_names, len(encoded))


def _over_batches(
    head: Head,
    encoded: Encoded,
    work: Callable[[Head, Batch, NDArray[np.int64]], R],
    name: str,
    *,
    progress: bool,
) -> Iterator[R]:
    """What `work` makes of each batch, with gradients, given a head of its own and the numbers of the texts."""
    encoder = head.encoder.with_dtype("float32")

    def result_of(runner: Encoder, rows: NDArray[np.int64]) -> R:
        return work(head.with_encoder(runner), runner.batch(encoded, rows), rows)

    with progress_bar(len(encoded.ids), name, visible=progress) as bar:
        for _, result in over_batches(encoder, encoded, result_of, gradients=True, bar=bar):
            yield result


def _loss(logits: Tensor, labels: NDArray[np.integer[Any]]) -> Tensor:
    """Summed cross-entropy. Texts of a batch do not interact: its gradient is each text's own."""
    # By the margin, not by the probability: that of a certain head rounds to 1, and its gradient to another direction.
    logits = on_float64_device(logits).double()
    right = torch.as_tensor(labels).long().to(logits.device).unsqueeze(1)
    others = logits.scatter(1, right, float("-inf")).logsumexp(dim=1)
    return functional.softplus(others - logits.gather(1, right)[:, 0]).sum()


def _keep(kept: list[Tensor], state: Tensor) -> Tensor:
    # In place, not a copy: some families read a state a second time, past the next block.
    kept.append(state if state.requires_grad else state.requires_grad_())
    return state


def _norm(vectors: Tensor) -> NDArray[np.float64]:
    """Norms over the last axis; squares of small gradients would vanish in float32."""
    return np.asarray(torch.linalg.vector_norm(on_float64_device(vectors), dim=-1, dtype=torch.float64).cpu().numpy())
