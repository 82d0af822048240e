"""Texts to padded tensors of token ids, with what later steps need to know of each token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.checks import InputError, check_instance, short_repr
from probes.data.texts import Texts, row_numbers
from probes.encoder.special_tokens import NAMED_TOKENS, placed_ids
from probes.sequences import class_ids


@dataclass(frozen=True, eq=False)
class Encoded:
    """Tokenised texts, not padded."""

    ids: tuple[NDArray[np.int64], ...]
    """Per text, (seq,) token ids."""
    types: tuple[NDArray[np.int64], ...]
    """Per text, (seq,) token types: which side of a pair."""
    special: tuple[NDArray[np.bool_], ...]
    """Per text, (seq,) True on the special tokens that the tokenizer added."""
    truncated: NDArray[np.bool_]
    """(texts,) True where the text was longer than the encoder reads."""
    encodings: Any
    """Per text, the tokenizer's own record."""
    texts: Texts | None = None
    """The texts themselves; None where only token ids were given."""
    tokenizer: Any = None
    """The tokenizer that gave the tokens; None where only token ids were given."""
    max_length: int | None = None
    """Tokens read of a text, at most."""

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of_ids(cls, ids: Sequence[NDArray[np.int64]]) -> Encoded:
        """Texts that are given as (seq,) token ids, none of them special."""
        types = tuple(np.zeros_like(row) for row in ids)
        special = tuple(np.zeros(len(row), dtype=bool) for row in ids)
        return cls(tuple(ids), types, special, np.zeros(len(ids), dtype=bool), ())

    @property
    def sources(self) -> Texts:
        """The texts themselves.

        Raises:
            InputError: Only token ids were given.
        """
        if self.texts is None:
            raise InputError("these are token ids without texts; pass the texts, or what Encoder.encode returns")
        return self.texts

    def take(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Encoded:
        """Return the tokenised texts of these rows, in the order of `rows`.

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
    def lengths(self) -> NDArray[np.int64]:
        """(texts,) tokens of each text."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    def offsets(self, row: int) -> NDArray[np.int64]:
        """(seq, 3) segment (0 text, 1 pair, -1 special token), first and last + 1 character of each token of a text."""
        record = self.encodings[row]
        places = zip(self.special[row], record.sequence_ids, record.offsets, strict=True)
        rows = [(-1, 0, 0) if special else (side or 0, *span) for special, side, span in places]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)


def joined(parts: Sequence[Encoded]) -> Encoded:
    """Consecutive texts that were tokenised part by part, without the tokenizer's own records."""
    return Encoded(
        ids=tuple(ids for part in parts for ids in part.ids),
        types=tuple(types for part in parts for types in part.types),
        special=tuple(special for part in parts for special in part.special),
        truncated=np.concatenate([part.truncated for part in parts]),
        encodings=(),
    )


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded token tensors on the encoder's device."""

    inputs: Mapping[str, Tensor]
    """What the model's forward takes; each (batch, seq)."""
    special: Tensor
    """(batch, seq)"""
    cls_index: Tensor | None
    """(batch,)"""

    @property
    def mask(self) -> Tensor:
        """(batch, seq) 1 on tokens, 0 on padding."""
        return self.inputs["attention_mask"]

    def __len__(self) -> int:
        return len(self.mask)

    def tile(self, times: int) -> Batch:
        """The whole batch again and again: one text for every point of a path."""
        return self.take(torch.arange(len(self), device=self.mask.device).repeat(times))

    def tiled_to(self, entries: Tensor) -> Batch:
        """The batch as often as `entries` (n, seq, dim) has its texts, one whole batch after the other.

        Captum's integrated gradients and ablations give a function several points of every text at once, in this order.

        Raises:
            InputError: `entries` is not of these texts' tokens, for each of them as often as for the others.
        """
        texts, seq = self.mask.shape
        if entries.ndim != 3 or entries.shape[1] != seq or not len(entries) or len(entries) % texts:
            raise InputError(
                f"a batch of {texts} texts of {seq} tokens takes embeddings of shape ({texts}, {seq}, dim), or of a "
                f"multiple of {texts} rows, found {tuple(entries.shape)}"
            )
        return self if len(entries) == texts else self.tile(len(entries) // texts)

    def take(self, rows: Tensor) -> Batch:
        """(n,) rows, each as often as it is named."""
        taken = {name: tensor[rows] for name, tensor in self.inputs.items()}
        return Batch(taken, self.special[rows], None if self.cls_index is None else self.cls_index[rows])

    def row(self, i: int) -> Batch:
        """One text by itself, without its padding."""
        n = int(self.mask[i].sum())
        alone = {name: tensor[i : i + 1, :n] for name, tensor in self.inputs.items()}
        return Batch(alone, self.special[i : i + 1, :n], None if self.cls_index is None else self.cls_index[i : i + 1])


def check_tokens(tokenizer: Any, rows: int, name: str) -> None:
    """Raise unless every token that can stand in a text has one of the `rows` of the model's embeddings.

    A special token that the tokenizer puts into no text needs none: padding stands under the mask.

    Raises:
        InputError: There are such tokens, as when tokens were added and the model was not resized.
    """
    vocabulary = tokenizer.get_vocab()
    beyond = {token: i for token, i in vocabulary.items() if i >= rows}
    if beyond:
        placed = {
            *placed_ids(tokenizer),
            vocabulary.get(getattr(tokenizer.backend_tokenizer.model, "unk_token", None)),
        }
        unplaced = {getattr(tokenizer, f"{role}_token_id") for role in NAMED_TOKENS} - placed
        beyond = {token: i for token, i in beyond.items() if i not in unplaced}
    if beyond:
        shown = ", ".join(repr(token) for token in sorted(beyond, key=lambda token: beyond[token])[:3])
        more = f", ... ({len(beyond)} in all)" if len(beyond) > 3 else ""
        raise InputError(
            f"the tokenizer of {name} has tokens beyond the model's {rows} embeddings: {shown}{more}; "
            "use the tokenizer that the model was trained with, or resize the model "
            "(model.resize_token_embeddings(len(tokenizer))), train it and save it again"
        )


def tiled(batch: Batch, embeddings: Tensor | None) -> Batch:
    """The batch, as often as the input embeddings that take the place of its own have its texts.

    Raises:
        InputError: One of the two is something else, or they do not fit together.
    """
    batch = check_instance(batch, Batch, "batch", "; make one by Encoder.batch")
    return batch if embeddings is None else batch.tiled_to(check_instance(embeddings, Tensor, "embeddings"))


def check_rows(
    encoded: Encoded, rows: Sequence[int] | NDArray[np.integer[Any]], family: str | None
) -> NDArray[np.integer[Any]]:
    """Rows of encoded texts that can share a batch, as an array.

    Args:
        encoded: The texts.
        rows: Rows of them, counted from 0.
        family: A family to which padding is no padding, so that the rows must have one length; None for any other.

    Raises:
        InputError: `encoded` is something else, a row is not one of its texts, or lengths differ.
    """
    n = len(check_instance(encoded, Encoded, "encoded", "; make it by Encoder.encode").ids)
    numbers = class_ids(rows, name="rows")
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= n:
        raise InputError(f"rows must be one or more of the {n} encoded texts, counted from 0, found {short_repr(rows)}")
    lengths = set() if family is None else {len(encoded.ids[row]) for row in numbers}
    if len(lengths) > 1:
        raise InputError(
            f"padding changes what {family} gives for a text, so a batch holds texts of one length, found lengths "
            f"{min(lengths)} to {max(lengths)}; take rows of one length at a time"
        )
    return numbers


def ordinary_tokens(tokenizer: Any, rows: int, n: int = 16) -> NDArray[np.int64]:
    """Ids of at most `n` of the first `rows` tokens, none a special one where there are others."""
    special = set(tokenizer.all_special_ids)
    ids = np.unique(np.linspace(0, rows - 1, 2 * n + len(special)).astype(np.int64))
    return np.array([i for i in ids.tolist() if i not in special][-n:] or ids.tolist(), dtype=np.int64)


def encode(
    tokenizer: Any,
    texts: Texts | Iterable[str],
    *,
    max_length: int,
    types: bool,
    first: int = 0,
) -> Encoded:
    """Tokenise; the name of a special token that the tokenizer places itself is ordinary text inside a text.

    Args:
        tokenizer: From `probes.encoder.special_tokens.text_tokenizer`.
        texts: `Texts`, or any other ordered iterable of `str`.
        max_length: Tokens kept, special ones included.
        types: Ask for token types; a tokenizer made in code leaves them out otherwise, and pairs lose their sides.
        first: Number of the first text in messages: these may be part of a longer list.

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
            if any("\ud800" <= character <= "\udfff" for side in sides for character in side):
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


def token_counts(encoded: Encoded, unknown_ids: Sequence[int]) -> NDArray[np.int64]:
    """(texts, 2) tokens of each text without the special ones, and those of them that stand for unknown text."""
    ids, special = (np.concatenate([*arrays, np.empty(0, dtype=np.int64)]) for arrays in (encoded.ids, encoded.special))
    text = np.repeat(np.arange(len(encoded.ids)), encoded.lengths)
    own = special == 0
    unknown = own & np.isin(ids, unknown_ids)
    return np.stack([np.bincount(text[kind], minlength=len(encoded.ids)) for kind in (own, unknown)], axis=1)


def pad(
    tokenizer: Any,
    encoded: Encoded,
    rows: Sequence[int] | NDArray[np.integer[Any]],
    *,
    types: bool,
    device: torch.device,
    pad_id: int,
) -> Batch:
    """The given rows as one batch, padded on the right; `pad_id`, which stands under the mask, is any that exists."""
    seq = max(len(encoded.ids[row]) for row in rows)
    ids = np.full((len(rows), seq), pad_id, dtype=np.int64)
    sides, mask, special = (np.zeros((len(rows), seq), dtype=np.int64) for _ in range(3))
    for i, row in enumerate(rows):
        n = len(encoded.ids[row])
        ids[i, :n], sides[i, :n], special[i, :n] = encoded.ids[row], encoded.types[row], encoded.special[row]
        mask[i, :n] = 1
    inputs = {"input_ids": ids, "attention_mask": mask} | ({"token_type_ids": sides} if types else {})
    is_cls = (ids == tokenizer.cls_token_id) & (special == 1)
    index = _placed(is_cls.argmax(axis=1), device) if is_cls.any(axis=1).all() else None
    tensors = {name: _placed(array, device) for name, array in inputs.items()}
    return Batch(tensors, _placed(special, device), index)


def _placed(array: NDArray[np.int64], device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    if device.type == "cuda":  # from pinned memory the copy does not hold up what runs there
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
