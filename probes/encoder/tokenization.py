"""Tokenisation: texts to token ids, with the offsets and kinds of tokens for later steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from probes.checks import InputError
from probes.data.texts import Texts, row_numbers
from probes.encoder.special_tokens import NAMED_TOKENS, placed_ids
from probes.sequences import BoolArray, Int64Array, IntegerArray


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
                raise InputError(
                    f"text {first + row} contains a lone surrogate, which is not valid Unicode; remove it"
                ) from error
        raise
    ids = tuple(np.asarray(row, dtype=np.int64) for row in encoded["input_ids"])
    for row, tokens in enumerate(ids):
        if not len(tokens):
            raise InputError(
                f"text {first + row} ({texts.first[row]!r}) has no tokens, and this tokenizer adds no special tokens; "
                "leave it out"
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
