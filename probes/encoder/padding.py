"""Padding: rows of tokenised texts as one batch of tensors, padded on the right, whatever the tokenizer's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probes.checks import InputError, check_instance, short_repr
from probes.encoder.tokenization import Encoded
from probes.sequences import Int64Array, IntegerArray, class_ids


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded token tensors on the encoder's device."""

    inputs: Mapping[str, Tensor]
    """Arguments of the model's forward, each (batch, seq)."""
    special: Tensor
    """(batch, seq) 1 on the special tokens that the tokenizer added."""
    cls_index: Tensor | None
    """(batch,) position of the [CLS] that the tokenizer added; None where it adds none."""

    @property
    def mask(self) -> Tensor:
        """(batch, seq) 1 on tokens, 0 on padding."""
        return self.inputs["attention_mask"]

    def __len__(self) -> int:
        return len(self.mask)

    def tile(self, times: int) -> Batch:
        """Return the whole batch several times, one text for every point of a path."""
        rows = torch.arange(len(self), device=self.mask.device)
        return self.take(rows.repeat(times))

    def tiled_to(self, embeddings: Tensor) -> Batch:
        """Return the whole batch as many times as embeddings hold its texts.

        Captum's integrated gradients and ablations evaluate several points of every text at once, in this order.

        Args:
            embeddings: (points * batch, seq, embedding), all texts for the first point first.

        Raises:
            InputError: The shape is not that of a multiple of the batch.
        """
        n_texts, seq = self.mask.shape
        n_rows = embeddings.shape[0] if embeddings.ndim == 3 else 0
        if not n_rows or n_rows % n_texts or embeddings.shape[1] != seq:
            raise InputError(
                f"a batch of {n_texts} texts of {seq} tokens takes embeddings of shape ({n_texts}, {seq}, dim), or of "
                f"a multiple of {n_texts} rows, found {tuple(embeddings.shape)}"
            )
        return self if n_rows == n_texts else self.tile(n_rows // n_texts)

    def take(self, rows: Tensor) -> Batch:
        """Return the texts of (n,) rows, which may repeat."""
        inputs = {name: tensor[rows] for name, tensor in self.inputs.items()}
        cls_index = None if self.cls_index is None else self.cls_index[rows]
        return Batch(inputs, self.special[rows], cls_index)

    def row(self, i: int) -> Batch:
        """Return a batch of one text, without its padding."""
        rows = slice(i, i + 1)
        n_tokens = int(self.mask[i].sum())
        inputs = {name: tensor[rows, :n_tokens] for name, tensor in self.inputs.items()}
        cls_index = None if self.cls_index is None else self.cls_index[rows]
        return Batch(inputs, self.special[rows, :n_tokens], cls_index)


def tiled(batch: Batch, embeddings: Tensor | None) -> Batch:
    """Return a batch as many times as the embeddings that replace its own hold its texts.

    Raises:
        InputError: An argument is of another type, or the shapes do not fit.
    """
    check_instance(batch, Batch, "batch", "; make one by Encoder.batch")
    if embeddings is None:
        return batch
    check_instance(embeddings, Tensor, "embeddings")
    return batch.tiled_to(embeddings)


def check_rows(encoded: Encoded, rows: Sequence[int] | IntegerArray, family: str | None) -> IntegerArray:
    """Return row numbers of encoded texts that can share a batch, as an array.

    Args:
        encoded: Tokenised texts.
        rows: Row numbers, counted from 0.
        family: Name of a family in which padding changes a text's states, so that the texts must have one length; None
            for any other.

    Raises:
        InputError: `encoded` is of another type, a row does not exist, or lengths differ.
    """
    check_instance(encoded, Encoded, "encoded", "; make it by Encoder.encode")
    n_texts = len(encoded)
    numbers = class_ids(rows, name="rows")
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= n_texts:
        raise InputError(
            f"rows must be one or more of the {n_texts} encoded texts, counted from 0, found {short_repr(rows)}"
        )
    lengths = set() if family is None else {len(encoded.ids[row]) for row in numbers}
    if len(lengths) > 1:
        raise InputError(
            f"padding changes the output of {family} for a text, so a batch must have texts of one length, found "
            f"lengths {min(lengths)} to {max(lengths)}; take rows of one length at a time"
        )
    return numbers


def pad(
    tokenizer: Any,
    encoded: Encoded,
    rows: Sequence[int] | IntegerArray,
    *,
    types: bool,
    device: torch.device,
    pad_id: int,
) -> Batch:
    """Pad texts on the right, as one batch.

    Args:
        tokenizer: Tokenizer of the texts.
        encoded: Tokenised texts.
        rows: Row numbers of the batch's texts.
        types: Whether the model takes token types.
        device: Device of the tensors.
        pad_id: Id of any token that has an embedding; it is under the mask.
    """
    shape = (len(rows), max(len(encoded.ids[row]) for row in rows))
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    token_types = np.zeros(shape, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    special = np.zeros(shape, dtype=np.int64)
    for i, row in enumerate(rows):
        n_tokens = len(encoded.ids[row])
        input_ids[i, :n_tokens] = encoded.ids[row]
        token_types[i, :n_tokens] = encoded.types[row]
        mask[i, :n_tokens] = 1
        special[i, :n_tokens] = encoded.special[row]
    inputs = {"input_ids": _on_device(input_ids, device), "attention_mask": _on_device(mask, device)}
    if types:
        inputs["token_type_ids"] = _on_device(token_types, device)

    # The [CLS] that the tokenizer added, not one that a text contains.
    is_cls = (input_ids == tokenizer.cls_token_id) & (special == 1)
    has_cls = bool(is_cls.any(axis=1).all())
    cls_index = _on_device(is_cls.argmax(axis=1), device) if has_cls else None
    return Batch(inputs, _on_device(special, device), cls_index)


def _on_device(array: Int64Array, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    if device.type == "cuda":  # a copy from pinned memory does not block the device
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
