"""What an attribution starts from: the same text with every token that is not special taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probes.checks import InputError, choose
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Batch, Encoded

SAMPLES = 5
"""Texts that `sampled` draws for each explained one."""
CHUNK = 8192
"""Rows of the embedding table in memory at once, where they have to be computed."""
AUTO = "auto"
"""The baseline at which a head says least: see `probes.attribution.baseline_bias.choose_baseline`."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Tokens to draw from: those of some texts, one text after the other."""

    ids: NDArray[np.int64]

    @classmethod
    def of(cls, encoded: Encoded) -> Pool:
        """The tokens of the texts themselves, without the special ones."""
        own = [ids[~special] for ids, special in zip(encoded.ids, encoded.special, strict=True)]
        return cls(np.concatenate([np.empty(0, dtype=np.int64), *own]))

    def draw(self, n: int, length: int, seed: int) -> NDArray[np.int64]:
        """(n, length) stretches of the texts, each beginning anywhere; over the end it goes on at the beginning."""
        if not len(self.ids):
            raise InputError("baseline 'sampled' needs texts with tokens to draw from")
        first = np.random.default_rng(seed).integers(len(self.ids), size=n)
        return np.asarray(self.ids[(first[:, None] + np.arange(length)) % len(self.ids)])


def baseline_name(encoder: Encoder, name: str) -> str:
    """The name itself, where this encoder can have such a baseline; `auto` it always can.

    Raises:
        InputError: It does not exist, or needs a token that the tokenizer lacks.
    """
    choose("baseline", name, {AUTO: None, **BASELINES})
    if name in ("pad", "mask") and not has_token(encoder, name):
        raise InputError(f"baseline {name!r} needs a {name} token and {lack_of(encoder, name)}; use zero or mean")
    return name


def baseline_names(encoder: Encoder) -> Sequence[str]:
    """Every baseline that this encoder can have."""
    return tuple(name for name in BASELINES if name not in ("pad", "mask") or has_token(encoder, name))


def has_token(encoder: Encoder, name: str) -> bool:
    """Whether there is a token `pad` or `mask`, with an embedding: one added late may have none."""
    index = getattr(encoder.tokenizer, f"{name}_token_id")
    return index is not None and index < table_size(encoder)


def lack_of(encoder: Encoder, name: str) -> str:
    """Why `has_token` is false, for messages."""
    has_id = getattr(encoder.tokenizer, f"{name}_token_id") is not None
    return "this model has no embedding for it" if has_id else "this tokenizer has none"


def table_size(encoder: Encoder) -> int:
    """Rows of the input embedding table."""
    return int(encoder.base.get_input_embeddings().weight.shape[0])


def starts(name: str, encoder: Encoder, batch: Batch, pool: Pool, seed: int) -> Tensor:
    """(baselines, seq, embedding) input embeddings of the one text of `batch` with its own tokens replaced."""
    inputs = encoder.embed(batch)
    return torch.where(batch.special.bool().unsqueeze(-1), inputs, BASELINES[name](encoder, inputs, pool, seed))


def _embedded(encoder: Encoder, ids: NDArray[np.int64]) -> Tensor:
    return encoder.embed_ids(torch.from_numpy(ids).to(encoder.device))


def _token(encoder: Encoder, name: str) -> Tensor:
    return _embedded(encoder, np.array([getattr(encoder.tokenizer, f"{name}_token_id")]))[0]


def _mean(encoder: Encoder) -> Tensor:
    """(embedding,) mean embedding over the vocabulary."""
    module = encoder.base.get_input_embeddings()
    if type(module) is nn.Embedding:  # what it gives is its table
        return module.weight.mean(dim=0)
    size, total = table_size(encoder), torch.zeros((), device=encoder.device)
    for first in range(0, size, CHUNK):
        rows = torch.arange(first, min(size, first + CHUNK), device=encoder.device)
        total = total + encoder.embed_ids(rows).sum(dim=0)
    return total / size


def _sampled(encoder: Encoder, inputs: Tensor, pool: Pool, seed: int) -> Tensor:
    return _embedded(encoder, pool.draw(SAMPLES, inputs.shape[1], seed))


BASELINES: Mapping[str, Callable[[Encoder, Tensor, Pool, int], Tensor]] = {
    "pad": lambda encoder, _inputs, _pool, _seed: _token(encoder, "pad"),
    "mask": lambda encoder, _inputs, _pool, _seed: _token(encoder, "mask"),
    "zero": lambda _encoder, inputs, _pool, _seed: torch.zeros_like(inputs),
    "mean": lambda encoder, _inputs, _pool, _seed: _mean(encoder),
    "sampled": _sampled,
}
"""Baseline name -> the input embeddings put in the place of a text's own tokens, of one baseline or of several."""
