"""Baselines of attributions: input embeddings that replace the tokens of a text that are not special."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probes.checks import InputError, choose
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.tokenization import Encoded

SAMPLES = 5
"""Baseline texts that `sampled` draws for each explained text."""
MAX_EMBEDDING_ROWS = 8192
"""Rows of the embedding table in memory at once, where the embedding module computes them."""
AUTO = "auto"
"""The baseline with the smallest bias: see `probes.attribution.baseline_bias.choose_baseline`."""
TOKEN_BASELINES = ("pad", "mask")
"""Baselines that need a special token of the tokenizer."""


@dataclass(frozen=True, eq=False)
class ReferenceTokens:
    """Tokens of reference texts, from which the baseline `sampled` is drawn."""

    ids: NDArray[np.int64]
    """(tokens,) token ids without special tokens, one text after the other."""

    @classmethod
    def of(cls, encoded: Encoded) -> ReferenceTokens:
        """Take the tokens of the texts, without the special ones."""
        no_ids = np.empty(0, dtype=np.int64)
        ids_of_texts = [no_ids]
        for ids, special in zip(encoded.ids, encoded.special, strict=True):
            ids_of_texts.append(ids[~special])
        return cls(np.concatenate(ids_of_texts))

    def draw(self, n: int, length: int, seed: int) -> NDArray[np.int64]:
        """Draw stretches of consecutive tokens; a stretch that reaches the end goes on at the beginning.

        Returns:
            (n, length) token ids.

        Raises:
            InputError: There are no tokens.
        """
        n_tokens = len(self.ids)
        if not n_tokens:
            raise InputError("baseline 'sampled' needs texts with tokens to draw from")
        starts = np.random.default_rng(seed).integers(n_tokens, size=n)
        positions = starts[:, None] + np.arange(length)
        return np.asarray(self.ids[positions % n_tokens])


# Names


def check_baseline(encoder: Encoder, name: str) -> str:
    """Return the name of a baseline that this encoder can have; `auto` is always one.

    Raises:
        InputError: The baseline does not exist, or it needs a token that the tokenizer lacks.
    """
    choose("baseline", name, {AUTO: None, **BASELINES})
    if name in TOKEN_BASELINES and not has_token(encoder, name):
        reason = missing_token_reason(encoder, name)
        raise InputError(f"baseline {name!r} needs a {name} token and {reason}; use zero or mean")
    return name


def available_baselines(encoder: Encoder) -> Sequence[str]:
    """Return the names of the baselines that this encoder can have."""
    return tuple(name for name in BASELINES if name not in TOKEN_BASELINES or has_token(encoder, name))


def has_token(encoder: Encoder, name: str) -> bool:
    """Return whether there is a token `pad` or `mask` with an embedding; a token added later may have none."""
    token_id = _token_id(encoder, name)
    return token_id is not None and token_id < table_size(encoder)


def missing_token_reason(encoder: Encoder, name: str) -> str:
    """Return why `has_token` is false, as a part of a message."""
    if _token_id(encoder, name) is None:
        return "this tokenizer has none"
    return "this model has no embedding for it"


def table_size(encoder: Encoder) -> int:
    """Return the number of rows of the input embedding table."""
    table = encoder.base.get_input_embeddings().weight
    return int(table.shape[0])


def _token_id(encoder: Encoder, name: str) -> int | None:
    token_id: int | None = getattr(encoder.tokenizer, f"{name}_token_id")
    return token_id


# Embeddings


def baseline_embeddings(name: str, encoder: Encoder, batch: Batch, references: ReferenceTokens, seed: int) -> Tensor:
    """Compute the input embeddings of the baselines of one text; special tokens keep those of the text.

    Args:
        name: Name from `BASELINES`.
        encoder: Encoder that embeds the tokens.
        batch: Batch of the one text.
        references: Tokens that `sampled` draws from.
        seed: Seed of these draws.

    Returns:
        (baselines, seq, embedding) input embeddings.
    """
    inputs = encoder.embed(batch)
    replacements = BASELINES[name](encoder, inputs, references, seed)
    is_special = batch.special.bool().unsqueeze(-1)
    return torch.where(is_special, inputs, replacements)


def _embed(encoder: Encoder, ids: NDArray[np.int64]) -> Tensor:
    return encoder.embed_ids(torch.from_numpy(ids).to(encoder.device))


def _token_embedding(encoder: Encoder, name: str) -> Tensor:
    """Return the (embedding,) embedding of the token `pad` or `mask`."""
    token_ids = np.array([_token_id(encoder, name)])
    return _embed(encoder, token_ids)[0]


def _pad(encoder: Encoder, _inputs: Tensor, _references: ReferenceTokens, _seed: int) -> Tensor:
    return _token_embedding(encoder, "pad")


def _mask(encoder: Encoder, _inputs: Tensor, _references: ReferenceTokens, _seed: int) -> Tensor:
    return _token_embedding(encoder, "mask")


def _zero(_encoder: Encoder, inputs: Tensor, _references: ReferenceTokens, _seed: int) -> Tensor:
    return torch.zeros_like(inputs)


def _mean(encoder: Encoder, _inputs: Tensor, _references: ReferenceTokens, _seed: int) -> Tensor:
    """Compute the (embedding,) mean embedding over the vocabulary."""
    module = encoder.base.get_input_embeddings()
    if type(module) is nn.Embedding:  # its output is its table
        return module.weight.mean(dim=0)
    n_rows = table_size(encoder)
    total = torch.zeros((), device=encoder.device)
    for first in range(0, n_rows, MAX_EMBEDDING_ROWS):
        last = min(n_rows, first + MAX_EMBEDDING_ROWS)
        ids = torch.arange(first, last, device=encoder.device)
        total = total + encoder.embed_ids(ids).sum(dim=0)
    return total / n_rows


def _sampled(encoder: Encoder, inputs: Tensor, references: ReferenceTokens, seed: int) -> Tensor:
    length = inputs.shape[1]
    return _embed(encoder, references.draw(SAMPLES, length, seed))


BASELINES: Mapping[str, Callable[[Encoder, Tensor, ReferenceTokens, int], Tensor]] = {
    "pad": _pad,
    "mask": _mask,
    "zero": _zero,
    "mean": _mean,
    "sampled": _sampled,
}
"""Baseline name -> the input embeddings that replace a text's tokens, for one baseline or several."""
