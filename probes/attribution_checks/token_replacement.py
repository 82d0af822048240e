"""Predictions of a head where tokens of explained texts are replaced or deleted.

Token ids are replaced; no text is joined and tokenised again. Special tokens stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.attribution.baselines import has_token, missing_token_reason, table_size
from probes.checks import InputError, check_instance, choose
from probes.data.texts import Texts
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, log_prob
from probes.results.result import Attribution

Positions = NDArray[np.int64]
"""Positions of tokens in their text."""


@dataclass(frozen=True, eq=False)
class TokenRow:
    """Tokens of one text, as in `Encoded`."""

    ids: NDArray[np.int64]
    """(seq,) token ids."""
    types: NDArray[np.int64]
    """(seq,) token types."""
    special: NDArray[np.bool_]
    """(seq,) True on special tokens."""

    @property
    def key(self) -> bytes:
        """Bytes that are equal for equal rows."""
        return self.ids.tobytes() + self.types.tobytes() + self.special.tobytes()


# Replacements


def _replace_by(name: str) -> Callable[[TokenRow, Positions, Encoder], TokenRow]:
    """Make the function that replaces tokens by the token `mask` or `pad`."""

    def replace(row: TokenRow, positions: Positions, encoder: Encoder) -> TokenRow:
        if not has_token(encoder, name):
            reason = missing_token_reason(encoder, name)
            raise InputError(f"replacement {name!r} needs a {name} token and {reason}; use delete")
        ids = row.ids.copy()
        ids[positions] = getattr(encoder.tokenizer, f"{name}_token_id")
        return TokenRow(ids, row.types, row.special)

    return replace


def _delete(row: TokenRow, positions: Positions, _encoder: Encoder) -> TokenRow:
    n_tokens = len(row.ids)
    if len(positions) == n_tokens:
        raise InputError(
            "deleting all tokens leaves an empty input, as this tokenizer adds no special tokens; use mask or pad"
        )
    remaining = np.setdiff1d(np.arange(n_tokens), positions)
    return TokenRow(row.ids[remaining], row.types[remaining], row.special[remaining])


REPLACEMENTS: Mapping[str, Callable[[TokenRow, Positions, Encoder], TokenRow]] = {
    "mask": _replace_by("mask"),
    "pad": _replace_by("pad"),
    "delete": _delete,
}
"""Replacement name -> function that replaces tokens.

`pad` is attended to like any other token. Families that count positions from the tokens that are not padding, as
RoBERTa does, number the later tokens anew, and a head that reads the last token that is not padding cannot have it.
`delete` moves later tokens forward.
"""


def default_replacement(encoder: Encoder, head: Head | None = None) -> str:
    """Return `mask` where the tokenizer has it, else `pad` where `head` reads padding, else `delete`."""
    if has_token(encoder, "mask"):
        return "mask"
    is_skipped = head is not None and skips_padding(head)
    return "pad" if has_token(encoder, "pad") and not is_skipped else "delete"


def skips_padding(head: Head) -> bool:
    """Return whether the head does not read a padding token at the end of a text, even one that is attended to.

    The classifiers of most decoders read the last token that is not padding. Padding instead of the last tokens would
    move the position that is read, and not only replace the tokens. Such a head predicts the same for a text with and
    without a padding token behind it, and something else with another token there.
    """
    encoder = head.encoder
    if head.layer is not None or not has_token(encoder, "pad"):
        return False
    (ids,) = encoder.encode(["a"]).ids
    padding = encoder.tokenizer.pad_token_id
    different = next(token for token in range(table_size(encoder)) if token != padding and token not in ids)
    endings: tuple[list[int], ...] = ([], [padding], [different])
    rows = []
    for ending in endings:
        ending_ids = np.array(ending, dtype=np.int64)
        rows.append(_row_without_special(np.concatenate([ids, ending_ids])))
    plain, padded, longer = np.exp(log_prob(head, _encoded(rows)))
    ignores_padding = np.allclose(plain, padded, atol=1e-6)
    ignores_any_token = np.allclose(plain, longer, atol=1e-6)
    return bool(ignores_padding and not ignores_any_token)


def _row_without_special(ids: NDArray[np.int64]) -> TokenRow:
    return TokenRow(ids, np.zeros_like(ids), np.zeros(len(ids), dtype=bool))


# Predictions


def replaced_log_probs(
    head: Head,
    attributions: Sequence[Attribution],
    positions: Sequence[Sequence[Positions]],
    *,
    replacement: str,
    encoded: Encoded | None,
    progress: bool,
) -> list[NDArray[np.float64]]:
    """Compute the log probability of the explained class of each text, where sets of its tokens are replaced.

    Texts that are equal after the replacement are computed once.

    Args:
        head: Head that was explained.
        attributions: Explained texts and classes.
        positions: For each text, sets of positions to replace.
        replacement: Name from `REPLACEMENTS`.
        encoded: Tokens of the texts, as in `encode_explained`.
        progress: Show a bar on stderr.

    Returns:
        For each text, (sets,) log probabilities.

    Raises:
        InputError: The replacement or a class does not exist, the head does not read the replacement, or a text has
            other tokens than when it was explained.
    """
    replace = choose("replacement", replacement, REPLACEMENTS)
    if replacement == "pad" and skips_padding(head):
        raise InputError(
            "replacement 'pad' would move the token that this head reads, the last one that is not padding; use "
            + default_replacement(head.encoder, head)
        )
    class_ids = {name: class_id for class_id, name in enumerate(head.class_names)}
    targets = [choose("class", a.target, class_ids) for a in attributions]
    texts = encode_explained(head.encoder, attributions, encoded)
    # Replace tokens; equal rows share a key.
    rows: dict[bytes, TokenRow] = {}
    keys: list[list[bytes]] = []
    for i, position_sets in enumerate(positions):
        text = TokenRow(texts.ids[i], texts.types[i], texts.special[i])
        replaced = [replace(text, position_set, head.encoder) for position_set in position_sets]
        keys.append([row.key for row in replaced])
        rows.update(zip(keys[-1], replaced, strict=True))
    # Predict each row once, and look up the predictions of each text.
    log_probs = log_prob(head, _encoded(list(rows.values())), progress=progress)
    index_of_key = {key: index for index, key in enumerate(rows)}
    log_probs_of_texts = []
    for text_keys, target in zip(keys, targets, strict=True):
        indices = [index_of_key[key] for key in text_keys]
        log_probs_of_texts.append(log_probs[indices, target])
    return log_probs_of_texts


def _encoded(rows: Sequence[TokenRow]) -> Encoded:
    return Encoded(
        ids=tuple(row.ids for row in rows),
        types=tuple(row.types for row in rows),
        special=tuple(row.special for row in rows),
        truncated=np.zeros(len(rows), dtype=bool),
        encodings=(),
    )


def encode_explained(encoder: Encoder, attributions: Sequence[Attribution], encoded: Encoded | None = None) -> Encoded:
    """Return the tokens of the explained texts, a row for each attribution; equal texts are tokenised once.

    Args:
        encoder: Encoder that reads the texts.
        attributions: Explained texts.
        encoded: Return value of `Encoder.encode` for these texts, in any order; they are tokenised again when None.

    Raises:
        InputError: Only some have a second text, a text has other tokens with this encoder, or `encoded` lacks it.
    """
    texts = _explained_texts(attributions)
    row_of_key = {key: row for row, key in reversed(list(enumerate(texts.keys)))}
    if encoded is None:
        encoded = encoder.encode(texts.take(sorted(row_of_key.values())))
    encoded = encoder.encode(check_instance(encoded, Encoded, "encoded", "; make it by Encoder.encode"))
    encoded_rows = {key: row for row, key in enumerate(encoded.sources.keys)}
    for i, key in enumerate(texts.keys):
        if key not in encoded_rows:
            raise InputError(f"text {i} is not among the {len(encoded)} encoded texts; encode all explained texts")
    aligned = encoded.take([encoded_rows[key] for key in texts.keys])
    for i, (a, ids) in enumerate(zip(attributions, aligned.ids, strict=True)):
        tokens = tuple(encoder.tokenizer.convert_ids_to_tokens(ids))
        if tokens != a.tokens:
            raise InputError(
                f"text {i} has other tokens than when it was explained; use the same encoder and max_length"
            )
    return aligned


def _explained_texts(attributions: Sequence[Attribution]) -> Texts:
    second_texts = [a.pair for a in attributions if a.pair is not None]
    if second_texts and len(second_texts) < len(attributions):
        raise InputError(
            f"{len(second_texts)} of {len(attributions)} attributions have a second text; pass these separately"
        )
    return Texts([a.text for a in attributions], second_texts or None)
