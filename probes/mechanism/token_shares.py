"""Token states: where in a layer's states a probe's decision lies, and how much of anything each kind of token holds.

A state at layer l > 0 holds something of every token of its text: these are places in the network, not input words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from probes.checks import InputError
from probes.data.texts import Texts
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.pooling import POOLINGS, LayerStates
from probes.encoder.tokenization import Encoded
from probes.heads.heads import ProbeHead, named_class_ids
from probes.results.result import Attribution
from probes.sequences import check_instances

ROUNDING = 1e-4
"""Share of the summands' sizes by which a weighted sum in float32 may be off."""
KINDS = ("[CLS]", "[SEP]", "other special", "punctuation", "content")


@dataclass(frozen=True, eq=False)
class TokenShares:
    """A size for each token of each text at several layers, and what share of their sum each kind of token holds."""

    layers: tuple[int, ...]
    sizes: tuple[NDArray[np.float64], ...]
    """Per text (layers, seq), none below 0."""
    kinds: tuple[NDArray[np.int64], ...]
    """Per text (seq,) index into `KINDS`."""

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """(layers, texts, kinds) each text's shares, for intervals; nan where all its sizes are 0."""
        found = np.empty((len(self.layers), len(self.sizes), len(KINDS)))
        for text, (sizes, kind) in enumerate(zip(self.sizes, self.kinds, strict=True)):
            found[:, text] = [shares_by_kind(some, kind) for some in sizes]
        return found

    @property
    def counts(self) -> NDArray[np.int64]:
        """(texts, kinds) tokens of each kind: a kind of many tokens may hold much while each holds little."""
        return np.array([np.bincount(kind, minlength=len(KINDS)) for kind in self.kinds]).reshape(-1, len(KINDS))

    @property
    def mean(self) -> NDArray[np.float64]:
        """(layers, kinds) mean over the texts that have shares; nan where none has."""
        known = np.isfinite(self.shares)
        sums, n = np.where(known, self.shares, 0.0).sum(axis=1), known.sum(axis=1)
        return np.asarray(np.divide(sums, n, out=np.full(sums.shape, np.nan), where=n > 0))


def direct_scores(
    heads: Iterable[ProbeHead],
    texts: Texts | Encoded | Iterable[str],
    *,
    targets: Iterable[str | int] | str | int,
) -> list[NDArray[np.float64]]:
    """What each token's state adds to the logit of a class, for probes at several layers, by one forward pass a text.

    A probe that reads a weighted sum of the states, as mean, cls, content and last do, has the logit
    sum over tokens of a_t w·h_t, plus a constant (its bias less w·center): the addends are the scores, exactly.

    Args:
        heads: Probes on one encoder.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        targets: (texts,) ids or names of the classes, or one for all.

    Returns:
        For each text (heads, seq), in logits.

    Raises:
        InputError: A probe's pooling is no weighted sum of the states, the encoders or classes differ, or a class does
            not exist.
    """
    heads = check_instances(heads, ProbeHead, "heads")
    if not heads:
        raise InputError("there is no probe to explain")
    encoder, layers = heads[0].encoder, sorted({head.layer for head in heads})
    for head in heads:
        if head.encoder is not encoder:
            raise InputError("the probes read different encoders; explain them one by one")
        if head.pooling == "pooler":
            raise _not_linear(head.pooling)
        if head.class_names != heads[0].class_names:
            raise InputError("the probes have different classes; explain them one by one")
    encoded = encoder.encode(texts)
    ids = named_class_ids(targets, heads[0].class_names, len(encoded), "targets")
    weights = [head.weight for head in heads]

    def score(runner: Encoder, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        batch = runner.batch(encoded, rows)
        states = runner.states(batch, layers)
        chosen = torch.tensor([ids[row] for row in rows], device=batch.mask.device)
        shares = {pooling: _shares(states[layers[0]], pooling) for pooling in {head.pooling for head in heads}}
        for head in heads:
            _check_linear(states[head.layer], head.pooling, shares[head.pooling])
        parts = [
            torch.einsum("bth,bh->bt", states[head.layer].hidden.float(), weight[chosen]) * shares[head.pooling]
            for head, weight in zip(heads, weights, strict=True)
        ]
        return np.asarray(torch.stack(parts, dim=1).cpu().double().numpy())

    scores = [np.empty(0)] * len(encoded)
    for rows, batch_scores in over_batches(encoder, encoded, score):
        for row, text_scores in zip(rows.tolist(), batch_scores, strict=True):
            scores[row] = text_scores[:, : len(encoded.ids[row])]
    return scores


def _shares(states: LayerStates, pooling: str) -> torch.Tensor:
    """(batch, seq) the weight of each token in a pooling that is a weighted sum: what it makes of the unit vectors."""
    n, seq = states.mask.shape
    unit = torch.eye(seq, device=states.mask.device).expand(n, seq, seq)
    try:
        weights = POOLINGS[pooling](replace(states, hidden=unit))
    except RuntimeError as error:  # a pooling that needs vectors of the model's own size
        raise _not_linear(pooling) from error
    if weights.shape != (n, seq):
        raise _not_linear(pooling)
    return weights


def _check_linear(states: LayerStates, pooling: str, shares: torch.Tensor) -> None:
    """Raise unless a pooling of these states is the weighted sum of them: poolings of a user's own can be anything."""
    hidden, pooled = states.hidden.float(), POOLINGS[pooling](states)
    missed = (torch.einsum("bt,bth->bh", shares, hidden) - pooled).abs()
    size = torch.einsum("bt,bth->bh", shares.abs(), hidden.abs()) + pooled.abs()
    if bool((missed > ROUNDING * size).any()):
        raise _not_linear(pooling)


def _not_linear(pooling: str) -> InputError:
    return InputError(
        f"a probe on {pooling!r} is not linear in token states: its vector is no weighted sum of them, as of cls, "
        "mean, content and last; explain it by integrated_gradients"
    )


def kinds(tokens: Sequence[str], offsets: NDArray[np.int64], *, cls: str | None, sep: str | None) -> NDArray[np.int64]:
    """(seq,) index into `KINDS` of each token.

    Args:
        tokens: (seq,) as in `Attribution`.
        offsets: (seq, 3) as in `Attribution`.
        cls: The tokenizer's name of [CLS].
        sep: The tokenizer's name of [SEP].
    """
    special = {cls: 0, sep: 1}
    found = []
    for token, (side, *_) in zip(tokens, offsets, strict=True):
        if side < 0:
            found.append(special.get(token, 2))
        else:
            bare = token.lstrip("#▁Ġ") or token
            found.append(3 if all(unicodedata.category(c)[0] in "PS" for c in bare) else 4)
    return np.array(found, dtype=np.int64)


def kinds_of(encoder: Encoder, encoded: Encoded) -> tuple[NDArray[np.int64], ...]:
    """Per text (seq,) index into `KINDS` of each token."""
    tokenizer, found = encoder.tokenizer, []
    for row, ids in enumerate(encoded.ids):
        tokens = tokenizer.convert_ids_to_tokens(ids)
        found.append(kinds(tokens, encoded.offsets(row), cls=tokenizer.cls_token, sep=tokenizer.sep_token))
    return tuple(found)


def shares_by_kind(scores: NDArray[np.float64], kind: NDArray[np.int64]) -> NDArray[np.float64]:
    """(kinds,) share of the absolute score on each kind of token; nan where all scores are 0."""
    size = np.abs(scores)
    total = size.sum()
    held = np.bincount(kind, weights=size, minlength=len(KINDS))
    return np.asarray(held / total if total > 0 else np.full(len(KINDS), np.nan))


def shares(attribution: Attribution, encoder: Encoder) -> NDArray[np.float64]:
    """(kinds,) share of an attribution's absolute score on each kind of token."""
    names = encoder.tokenizer.cls_token, encoder.tokenizer.sep_token
    kind = kinds(attribution.tokens, attribution.offsets, cls=names[0], sep=names[1])
    return shares_by_kind(attribution.scores, kind)
