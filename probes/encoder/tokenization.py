"""Tokenisation: texts to padded tensors of token ids, with the offsets and kinds of tokens for later steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probes.checks import InputError, check_instance, short_repr
from probes.data.texts import Texts, row_numbers
from probes.encoder.special_tokens import NAMED_TOKENS, placed_ids
from probes.sequences import BoolArray, Int64Array, IntegerArray, class_ids


@dataclass(frozen=True, eq=False)
class Encoded:
    """Tokenised texts, not padded."""

    ids: tuple[Int64Array, ...]
    """(seq,) token ids of each text."""
    types: tuple[Int64Array, ...]
    """(seq,) token types of each text: the side of a pair."""
    special: tuple[BoolArray, ...]
    """(seq,) mask of each text, True on the special tokens that the tokenizer added."""
    truncated: BoolArray
    """(texts,) True where the text was longer than `max_length`."""
    encodings: Any
    """Record of the tokenizer for each text."""
    texts: Texts | None = None
    """Texts that were tokenised; None where only token ids were given."""
    tokenizer: Any = None
    """Tokenizer of the texts; None where only token ids were given."""
    max_length: int | None = None
    """Largest number of tokens read of a text."""

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of_ids(cls, ids: Sequence[Int64Array]) -> Encoded:
        """Return texts from (seq,) token ids, none of them special."""
        types = tuple(np.zeros_like(row) for row in ids)
        special = tuple(np.zeros(len(row), dtype=bool) for row in ids)
        return cls(tuple(ids), types, special, np.zeros(len(ids), dtype=bool), ())

    @property
    def sources(self) -> Texts:
        """Texts that were tokenised.

        Raises:
            InputError: Only token ids were given.
        """
        if self.texts is None:
            raise InputError("these are token ids without texts; pass the texts, or what Encoder.encode returns")
        return self.texts

    def take(self, rows: Sequence[int] | IntegerArray) -> Encoded:
        """Return the tokenised texts of rows, in their order.

        Raises:
            InputError: A row does not exist, or `rows` is a mask and holds no row numbers.
        """
        numbers = row_numbers(rows, len(self))
        order = numbers.tolist()
        return replace(
            self,
            ids=tuple(self.ids[row] for row in order),
            types=tuple(self.types[row] for row in order),
            special=tuple(self.special[row] for row in order),
            truncated=self.truncated[numbers],
            encodings=tuple(self.encodings[row] for row in order) if len(self.encodings) else (),
            texts=None if self.texts is None else self.texts.take(numbers),
        )

    @property
    def lengths(self) -> Int64Array:
        """(texts,) tokens of each text."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    def offsets(self, row: int) -> Int64Array:
        """Return (seq, 3) the segment of each token of a text, and its first and last + 1 character.

        The segment is 0 for the text, 1 for its pair, and -1 for a special token.
        """
        record = self.encodings[row]
        offsets = []
        for special, segment, span in zip(self.special[row], record.sequence_ids, record.offsets, strict=True):
            offsets.append((-1, 0, 0) if special else (segment or 0, *span))
        return np.array(offsets, dtype=np.int64).reshape(-1, 3)


def concatenate(parts: Sequence[Encoded]) -> Encoded:
    """Concatenate texts that were tokenised part by part, without the tokenizer's records."""
    return Encoded(
        ids=tuple(ids for part in parts for ids in part.ids),
        types=tuple(types for part in parts for types in part.types),
        special=tuple(special for part in parts for special in part.special),
        truncated=np.concatenate([part.truncated for part in parts]),
        encodings=(),
    )


TextInput = Texts | Encoded | Iterable[str]
"""Texts as functions take them: a list or column of texts, `Texts`, which can hold pairs, or tokenised texts."""


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


def check_tokens(tokenizer: Any, n_embeddings: int, name: str) -> None:
    """Raise unless every token that can occur in a text has an embedding.

    A special token that the tokenizer adds to no text needs none: padding is under the mask.

    Args:
        tokenizer: Tokenizer of the model.
        n_embeddings: Rows of the model's embedding table.
        name: Name of the model in messages.

    Raises:
        InputError: A token has no embedding, as when tokens were added and the model was not resized.
    """
    missing_ids = {token: i for token, i in tokenizer.get_vocab().items() if i >= n_embeddings}
    if not missing_ids:
        return
    never_in_texts = _ids_never_in_texts(tokenizer)
    tokens = [token for token, i in missing_ids.items() if i not in never_in_texts]
    if tokens:
        tokens.sort(key=missing_ids.__getitem__)
        first_tokens = ", ".join(map(repr, tokens[:3]))
        more = f", ... ({len(tokens)} in all)" if len(tokens) > 3 else ""
        raise InputError(
            f"the tokenizer of {name} has tokens beyond the model's {n_embeddings} embeddings: {first_tokens}{more}; "
            "use the tokenizer that the model was trained with, or resize the model "
            "(model.resize_token_embeddings(len(tokenizer))), train it and save it again"
        )


def _ids_never_in_texts(tokenizer: Any) -> set[int]:
    """Return the ids of named special tokens, such as padding, that no tokenised text contains."""
    unknown_token = getattr(tokenizer.backend_tokenizer.model, "unk_token", None)
    in_texts = {*placed_ids(tokenizer), tokenizer.get_vocab().get(unknown_token)}
    named_ids = {getattr(tokenizer, f"{role}_token_id") for role in NAMED_TOKENS}
    return named_ids - in_texts


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
            f"padding changes what {family} gives for a text, so a batch holds texts of one length, found lengths "
            f"{min(lengths)} to {max(lengths)}; take rows of one length at a time"
        )
    return numbers


def ordinary_tokens(tokenizer: Any, n_embeddings: int, n: int = 16) -> Int64Array:
    """Return the ids of at most n tokens with an embedding, without special tokens unless there are only these."""
    special_ids = set(tokenizer.all_special_ids)
    spread = np.linspace(0, n_embeddings - 1, 2 * n + len(special_ids))
    ids = np.unique(spread.astype(np.int64)).tolist()
    ordinary_ids = [i for i in ids if i not in special_ids][-n:]
    return np.array(ordinary_ids or ids, dtype=np.int64)


def encode(
    tokenizer: Any,
    texts: Texts | Iterable[str],
    *,
    max_length: int,
    types: bool,
    first: int = 0,
) -> Encoded:
    """Tokenise texts; the name of a special token that the tokenizer places itself is ordinary text inside a text.

    Args:
        tokenizer: Tokenizer from `probes.encoder.special_tokens.text_tokenizer`.
        texts: `Texts`, or any other ordered iterable of `str`.
        max_length: Largest number of tokens of a text, special ones included.
        types: Request token types; a tokenizer built in code omits them otherwise, and pairs lose their sides.
        first: Number of the first text in messages, where the texts are part of a longer list.

    Returns:
        Tokenised texts, not padded.

    Raises:
        InputError: An entry is not text, not valid Unicode (a lone surrogate), or has no tokens.
    """
    texts = Texts.of(texts)
    if not texts:
        return Encoded((), (), (), np.empty(0, dtype=bool), (), texts, tokenizer, max_length)
    try:
        encoded = tokenizer(
            *map(list, texts.sides),
            truncation=True,
            max_length=max_length,
            padding=False,
            split_special_tokens=True,
            return_token_type_ids=types,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            verbose=False,
        )
    except TypeError as error:
        for row, sides in enumerate(zip(*texts.sides, strict=True)):
            if any(map(_has_surrogate, sides)):
                raise InputError(f"text {first + row} holds a lone surrogate; it is not valid Unicode") from error
        raise
    ids = tuple(np.asarray(row, dtype=np.int64) for row in encoded["input_ids"])
    for row, tokens in enumerate(ids):
        if not len(tokens):
            raise InputError(
                f"text {first + row} ({texts.first[row]!r}) has no tokens; this tokenizer adds none of its own"
            )
    return Encoded(
        ids=ids,
        types=tuple(np.asarray(record.type_ids, dtype=np.int64) for record in encoded.encodings),
        special=tuple(np.asarray(row, dtype=bool) for row in encoded["special_tokens_mask"]),
        truncated=np.array([bool(record.overflowing) for record in encoded.encodings], dtype=bool),
        encodings=encoded.encodings,
        texts=texts,
        tokenizer=tokenizer,
        max_length=max_length,
    )


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def token_counts(encoded: Encoded, unknown_ids: Sequence[int]) -> Int64Array:
    """Return (texts, 2) the number of tokens of each text without special ones, and of those for unknown text."""
    n_texts = len(encoded)
    if not n_texts:
        return np.zeros((0, 2), dtype=np.int64)
    text_of_token = np.repeat(np.arange(n_texts), encoded.lengths)
    is_content = ~np.concatenate(encoded.special)
    is_unknown = is_content & np.isin(np.concatenate(encoded.ids), unknown_ids)
    content_counts = np.bincount(text_of_token[is_content], minlength=n_texts)
    unknown_counts = np.bincount(text_of_token[is_unknown], minlength=n_texts)
    return np.stack([content_counts, unknown_counts], axis=1)


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
