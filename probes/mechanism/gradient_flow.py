"""Gradient shares: the norm of the loss gradient at each token's hidden state, and at each row of the embeddings.

The gradient reaches a token's state at the head's layer only if the head reads that token, and lower states through
attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from probes.devices import on_float64_device
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.tokenization import Encoded, TextInput
from probes.heads.class_labels import LabelInput, label_ids
from probes.heads.heads import Head, check_head
from probes.mechanism.token_shares import KINDS, TokenShares, kinds_per_text
from probes.progress import progress_bar
from probes.sequences import BoolArray, Float64Array, Int64Array, IntegerArray
from probes.statistics.intervals import N_FOLDS

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class RowGradients:
    """Gradients that texts leave at the rows of the input embedding table, for the rows that occur in the texts."""

    ids: Int64Array
    """(rows,) token ids, increasing."""
    tokens: tuple[str, ...]
    """(rows,) the tokens of the ids."""
    kinds: Int64Array
    """(rows,) index into `KINDS`."""
    counts: Int64Array
    """(rows,) occurrences in all texts."""
    norms: Float64Array
    """(rows,) norm of the gradient of the texts' summed loss: gradients of several occurrences may cancel in it."""
    sum_of_norms: Float64Array
    """(rows,) summed norms of the gradients of single occurrences: `norms` if all of them had the same direction."""
    norms_without_fold: Float64Array
    """(folds, rows) `norms` of all texts but one fold of them, for a jackknife: of 20 folds, or of fewer texts."""

    @property
    def per_occurrence(self) -> Float64Array:
        """(rows,) `norms` divided by the number of occurrences."""
        return np.asarray(self.norms / self.counts)

    def of_kind(self, kind: str) -> BoolArray:
        """Return (rows,) which rows are tokens of a kind: `[CLS]` is one row, `content` many."""
        return np.asarray(self.kinds == KINDS.index(kind))


def gradient_shares(
    head: Head,
    texts: TextInput,
    *,
    labels: LabelInput,
    progress: bool = False,
) -> TokenShares:
    """Measure the gradient of each text's loss at each of its tokens' states, at every layer up to the head's.

    At the head's layer a head on cls or pooler has the whole gradient at [CLS], and a head on mean an equal part at
    each of n tokens, 1/n of the sum. Below that layer it has spread through attention. A share says where a change of
    a state would lower the loss, and not what the decision depends on.

    Args:
        head: `ProbeHead` or `ModelHead`; its encoder computes in float32 here.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        labels: (texts,) ids or names of the head's classes.
        progress: Show a bar on stderr.

    Returns:
        Norms at layers 0 to the head's, over hidden dimensions, of the gradient of the cross-entropy in nats. A text
        whose loss is so near 0 that its gradient is 0 has shares of nan.

    Raises:
        InputError: Lengths differ, or a label is none of the head's classes.
    """
    encoded, labels = _encoded_texts_and_labels(head, texts, labels)
    top_layer = head.encoder.n_layers if head.layer is None else head.layer
    layers = tuple(range(top_layer + 1))

    def norms_of_batch(replica: Head, batch: Batch, rows: Int64Array) -> list[Float64Array]:
        return _state_gradient_norms(replica, batch, labels[rows], layers)

    sizes = [np.empty(0)] * len(labels)
    for rows, batch_norms in _over_batches(head, encoded, norms_of_batch, "gradients", progress=progress):
        for row, text_norms in zip(rows.tolist(), batch_norms, strict=True):
            n_tokens = len(encoded.ids[row])
            sizes[row] = text_norms[:, :n_tokens].copy()
    return TokenShares(layers, tuple(sizes), kinds_per_text(head.encoder, encoded))


def _state_gradient_norms(head: Head, batch: Batch, labels: Int64Array, layers: Sequence[int]) -> list[Float64Array]:
    """Return for each text of a batch (layers, seq) norms of the loss gradient at its token states."""
    # Forward pass that keeps the states of every layer. Some heads read texts one by one: a layer's states are then
    # several tensors, of one text each.
    states: list[list[Tensor]] = [[] for _ in layers]
    overwrite = {layer: partial(_store_state, states[layer]) for layer in layers}
    loss = _summed_loss(head.logits(batch, overwrite=overwrite), labels)

    # Backward pass to all of these states at once.
    flat_states = [tensor for layer_states in states for tensor in layer_states]
    gradients = iter(torch.autograd.grad(loss, flat_states))

    # Norm over hidden dimensions, then layers of a text together.
    norms_by_layer: list[list[Float64Array]] = []
    for layer_states in states:
        tensor_norms = [_norms(next(gradients)) for _ in layer_states]
        norms_by_layer.append([text_norms for norms in tensor_norms for text_norms in norms])
    return [np.stack(text_norms) for text_norms in zip(*norms_by_layer, strict=True)]


def embedding_gradients(
    head: Head,
    texts: TextInput,
    *,
    labels: LabelInput,
    progress: bool = False,
) -> RowGradients:
    """Compute the gradient of the texts' summed loss with respect to each row of the input embedding table.

    [CLS] and [SEP] occur in every text, a word in few: compare sums together with the number of occurrences. The memory
    needed is a float32 vector for each row that occurs, and for each fold of the texts in which it does.

    Args:
        head: `ProbeHead` or `ModelHead`; its encoder computes in float32 here.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        labels: (texts,) ids or names of the head's classes.
        progress: Show a bar on stderr.

    Returns:
        Gradients of the rows that occur in the texts, in nats per unit of the embeddings.

    Raises:
        InputError: Lengths differ, or a label is none of the head's classes.
    """
    encoded, labels = _encoded_texts_and_labels(head, texts, labels)
    index = _RowIndex(encoded)
    gradients, sum_of_norms = _sums_by_row_and_fold(head, encoded, labels, index, progress=progress)

    # Sum over folds for each row of the table.
    total = torch.zeros(len(index.ids), gradients.shape[1])
    total.index_add_(0, torch.from_numpy(index.row_of_pair), gradients)

    kinds = kinds_per_text(head.encoder, encoded)
    kind_of_occurrence = np.concatenate(kinds) if kinds else np.empty(0, dtype=np.int64)
    tokens = head.encoder.tokenizer.convert_ids_to_tokens(index.ids)
    return RowGradients(
        ids=index.ids,
        tokens=tuple(tokens),
        kinds=kind_of_occurrence[index.first_occurrence],
        counts=index.counts,
        norms=_norms(total),
        sum_of_norms=sum_of_norms,
        norms_without_fold=_norms_without_fold(total, gradients, index),
    )


class _RowIndex:
    """Index of the rows of the embedding table that occur in texts, and of the folds in which they do."""

    def __init__(self, encoded: Encoded) -> None:
        token_ids = np.concatenate(encoded.ids) if encoded.ids else np.empty(0, dtype=np.int64)
        ids, first_occurrence, counts = np.unique(token_ids, return_index=True, return_counts=True)
        self.ids: Int64Array = ids
        """(rows,) token ids, increasing."""
        self.first_occurrence: Int64Array = first_occurrence
        """(rows,) position of the id's first occurrence in all texts, one behind the other."""
        self.counts: Int64Array = counts
        """(rows,) occurrences in all texts."""
        text_order = np.random.default_rng(0).permutation(len(encoded))
        self.n_folds = min(N_FOLDS, len(encoded))
        """Number of folds, none of which is empty."""
        self.fold_of_text: Int64Array = text_order % max(1, self.n_folds)
        """(texts,) fold of each text."""
        folds = np.repeat(self.fold_of_text, encoded.lengths)
        self._pair_codes = np.unique(self._codes(token_ids, folds))

    @property
    def n_pairs(self) -> int:
        """Number of pairs of a row and a fold that occur together."""
        return len(self._pair_codes)

    @cached_property
    def row_of_pair(self) -> Int64Array:
        """(pairs,) row of each pair of a row and a fold that occur together."""
        return np.asarray(self._pair_codes // N_FOLDS)

    @cached_property
    def fold_of_pair(self) -> Int64Array:
        """(pairs,) fold of each pair of a row and a fold that occur together."""
        return np.asarray(self._pair_codes % N_FOLDS)

    def pairs(self, token_ids: Int64Array, folds: Int64Array) -> Int64Array:
        """Return (tokens,) the pair that each token of a fold belongs to."""
        codes = self._codes(token_ids, folds)
        return np.searchsorted(self._pair_codes, codes).astype(np.int64)

    def _codes(self, token_ids: Int64Array, folds: Int64Array) -> Int64Array:
        """Return (tokens,) one number for the row and the fold of each token: row * N_FOLDS + fold."""
        rows = np.searchsorted(self.ids, token_ids)
        return np.asarray(rows * N_FOLDS + folds)


def _sums_by_row_and_fold(
    head: Head, encoded: Encoded, labels: Int64Array, index: _RowIndex, *, progress: bool
) -> tuple[Tensor, Float64Array]:
    """Sum the gradients at the input embeddings over the occurrences of each row.

    Returns:
        (pairs, hidden) summed gradients for each pair of a row and a fold, and (rows,) summed norms of the gradients of
        single occurrences.
    """

    def sums_of_batch(replica: Head, batch: Batch, rows: Int64Array) -> tuple[Int64Array, Tensor, Float64Array]:
        # Gradient at the embedding of every token that is not padding, (tokens, hidden).
        embeddings = replica.encoder.embed(batch).detach().requires_grad_()
        loss = _summed_loss(replica.logits(batch, embeddings), labels[rows])
        (gradient,) = torch.autograd.grad(loss, [embeddings])
        is_token = batch.mask.bool()
        token_gradients = gradient[is_token].cpu()

        # Pair of row and fold of each token.
        token_ids = batch.inputs["input_ids"][is_token].cpu().numpy()
        lengths = is_token.sum(dim=1).cpu().numpy()
        folds = np.repeat(index.fold_of_text[rows], lengths)
        token_pairs = index.pairs(token_ids, folds)
        pairs, pair_of_token = np.unique(token_pairs, return_inverse=True)

        # Sums over the tokens of a pair in this batch.
        gradients = torch.zeros(len(pairs), token_gradients.shape[1])
        gradients.index_add_(0, torch.from_numpy(pair_of_token), token_gradients)
        sums_of_norms = np.bincount(pair_of_token, _norms(token_gradients))
        return pairs, gradients, sums_of_norms.astype(np.float64)

    gradients = torch.empty(0, 0)
    sum_of_norms = np.zeros(len(index.ids))
    # Batches are added up here, in their order, since threads end in any order.
    results = _over_batches(head, encoded, sums_of_batch, "embedding gradients", progress=progress)
    for _, (pairs, batch_gradients, batch_norms) in results:
        if not len(gradients):
            gradients = torch.zeros(index.n_pairs, batch_gradients.shape[1])
        gradients.index_add_(0, torch.from_numpy(pairs), batch_gradients)
        np.add.at(sum_of_norms, index.row_of_pair[pairs], batch_norms)
    return gradients, sum_of_norms


def _norms_without_fold(total: Tensor, gradients: Tensor, index: _RowIndex) -> Float64Array:
    """Return (folds, rows) norms of the total without the gradients of each fold in turn."""
    norms = np.tile(_norms(total), (index.n_folds, 1))
    for fold in range(index.n_folds):
        pairs = np.flatnonzero(index.fold_of_pair == fold)
        rows = index.row_of_pair[pairs]
        row_total = total[torch.from_numpy(rows)]
        fold_part = gradients[torch.from_numpy(pairs)]
        norms[fold, rows] = _norms(row_total - fold_part)
    return norms


def _encoded_texts_and_labels(head: Head, texts: TextInput, labels: object) -> tuple[Encoded, Int64Array]:
    """Return the tokenised texts, and their class ids."""
    check_head(head)
    encoded = head.encoder.encode(texts)
    return encoded, label_ids(labels, head.class_names, len(encoded))


def _over_batches(
    head: Head,
    encoded: Encoded,
    work: Callable[[Head, Batch, Int64Array], R],
    name: str,
    *,
    progress: bool,
) -> Iterator[tuple[Int64Array, R]]:
    """Yield the rows of each batch and the result of `work` for them, with gradients recorded.

    Args:
        head: Head whose loss is differentiated.
        encoded: Tokenised texts.
        work: Function of the head with an encoder that no other thread uses, a batch, and the rows of its texts.
        name: Name of the progress bar.
        progress: Show a bar on stderr.
    """
    encoder = head.encoder.with_dtype("float32")

    def result_of(replica: Encoder, rows: Int64Array) -> R:
        batch = replica.batch(encoded, rows)
        return work(head.with_encoder(replica), batch, rows)

    with progress_bar(len(encoded.ids), name, visible=progress) as bar:
        yield from over_batches(encoder, encoded, result_of, gradients=True, bar=bar)


def _summed_loss(logits: Tensor, labels: IntegerArray) -> Tensor:
    """Return the summed cross-entropy; texts of a batch do not interact, so that its gradient is each text's own."""
    # From the margin, not from the probability: a certain head's rounds to 1, and its gradient to another direction.
    logits = on_float64_device(logits).double()
    target = torch.as_tensor(labels).long().to(logits.device)
    target_column = target.unsqueeze(1)
    target_logits = logits.gather(1, target_column)[:, 0]
    other_logits = logits.scatter(1, target_column, -math.inf)
    margin = other_logits.logsumexp(dim=1) - target_logits
    return functional.softplus(margin).sum()


def _store_state(states: list[Tensor], state: Tensor) -> Tensor:
    """Append a state with its gradient recorded, and return it unchanged."""
    # In place, not a copy: some families read a state a second time, past the next block.
    states.append(state if state.requires_grad else state.requires_grad_())
    return state


def _norms(vectors: Tensor) -> Float64Array:
    """Return norms over the last axis, in float64: squares of small gradients would vanish in float32."""
    norms = torch.linalg.vector_norm(on_float64_device(vectors), dim=-1, dtype=torch.float64)
    return np.asarray(norms.cpu().numpy())
