"""Token shares: how much of a probe's decision, of a gradient or of an attribution lies at each kind of token.

A state at layer l > 0 holds something of every token of its text: it is a position in the network, not an input word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from probes.checks import InputError, check_instance
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.pooling import POOLINGS, LayerStates
from probes.encoder.tokenization import Encoded, TextInput
from probes.heads.class_labels import named_class_ids
from probes.heads.heads import ProbeHead
from probes.results.result import Attribution
from probes.sequences import Float64Array, Int64Array, check_instances

RELATIVE_TOLERANCE = 1e-4
"""Largest error of a weighted sum in float32, as a share of the summands' sizes."""
KINDS = ("[CLS]", "[SEP]", "other special", "punctuation", "content")


@dataclass(frozen=True, eq=False)
class TokenShares:
    """A size for each token of each text at several layers, and the share of their sum on each kind of token."""

    layers: tuple[int, ...]
    sizes: tuple[Float64Array, ...]
    """(layers, seq) for each text, none below 0."""
    kinds: tuple[Int64Array, ...]
    """(seq,) for each text, index into `KINDS`."""

    @cached_property
    def shares(self) -> Float64Array:
        """(layers, texts, kinds) shares of each text, for intervals; nan where all its sizes are 0."""
        n_texts = len(self.sizes)
        shares = np.empty((len(self.layers), n_texts, len(KINDS)))
        for text in range(n_texts):
            kinds = self.kinds[text]
            shares[:, text] = [shares_by_kind(layer_sizes, kinds) for layer_sizes in self.sizes[text]]
        return shares

    @property
    def counts(self) -> Int64Array:
        """(texts, kinds) tokens of each kind: a kind of many tokens may hold much while each token holds little."""
        counts = [np.bincount(kinds, minlength=len(KINDS)) for kinds in self.kinds]
        return np.array(counts).reshape(-1, len(KINDS))

    @property
    def mean(self) -> Float64Array:
        """(layers, kinds) mean over the texts that have shares; nan where none has."""
        is_finite = np.isfinite(self.shares)
        sums = np.where(is_finite, self.shares, 0.0).sum(axis=1)
        n_texts = is_finite.sum(axis=1)
        undefined = np.full(sums.shape, np.nan)
        return np.asarray(np.divide(sums, n_texts, out=undefined, where=n_texts > 0))


def direct_scores(
    heads: Iterable[ProbeHead],
    texts: TextInput,
    *,
    targets: Iterable[str | int] | str | int,
) -> list[Float64Array]:
    """Decompose the logit of a class into a score of each token's state, for probes at several layers.

    A probe that reads a weighted sum of the states, as mean, cls, content and last do, has the logit
    sum over tokens of a_t w·h_t, plus a constant (its bias less w·center): the addends are the scores, exactly. One
    forward pass a text serves all probes.

    Args:
        heads: Probes on one encoder.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        targets: (texts,) ids or names of the classes, or one for all.

    Returns:
        (heads, seq) scores for each text, in logits.

    Raises:
        InputError: A probe's pooling is no weighted sum of the states, the encoders or classes differ, or a class does
            not exist.
    """
    heads = check_instances(heads, ProbeHead, "heads")
    _check_comparable(heads)
    encoder = heads[0].encoder
    encoded = encoder.encode(texts)
    class_ids = named_class_ids(targets, heads[0].class_names, len(encoded), "targets")
    target_ids = np.array(class_ids, dtype=np.int64)

    def scores_of_batch(replica: Encoder, rows: Int64Array) -> Float64Array:
        batch = replica.batch(encoded, rows)
        return _batch_scores(replica, batch, heads, target_ids[rows])

    scores = [np.empty(0)] * len(encoded)
    for rows, batch_scores in over_batches(encoder, encoded, scores_of_batch):
        for row, text_scores in zip(rows.tolist(), batch_scores, strict=True):
            n_tokens = len(encoded.ids[row])
            scores[row] = text_scores[:, :n_tokens]
    return scores


def _check_comparable(heads: Sequence[ProbeHead]) -> None:
    """Raise unless the probes read linear poolings of one encoder and have the same classes."""
    if not heads:
        raise InputError("there is no probe to explain")
    for head in heads:
        if head.encoder is not heads[0].encoder:
            raise InputError("the probes read different encoders; explain them separately")
        if head.pooling == "pooler":
            raise _not_linear(head.pooling)
        if head.class_names != heads[0].class_names:
            raise InputError("the probes have different classes; explain them separately")


def _batch_scores(encoder: Encoder, batch: Batch, heads: Sequence[ProbeHead], target_ids: Int64Array) -> Float64Array:
    """Return (batch, heads, seq) scores of the token states."""
    layers = sorted({head.layer for head in heads})
    states = encoder.states(batch, layers)
    targets = torch.from_numpy(target_ids).to(batch.mask.device)

    # Weight of each token in each pooling; it is the same at every layer.
    any_states = states[layers[0]]
    pooling_weights = {head.pooling: _token_weights(any_states, head.pooling) for head in heads}

    # Logit of each state alone, times its weight in the pooling.
    scores = []
    for head in heads:
        weights = pooling_weights[head.pooling]
        _check_linear(states[head.layer], head.pooling, weights)
        hidden = states[head.layer].hidden.float()
        state_logits = torch.einsum("bth,bh->bt", hidden, head.weight[targets])
        scores.append(state_logits * weights)
    stacked_scores = torch.stack(scores, dim=1)
    return np.asarray(stacked_scores.cpu().double().numpy())


def _token_weights(states: LayerStates, pooling: str) -> torch.Tensor:
    """Return (batch, seq) the weight of each token in a pooling that is a weighted sum.

    The pooling of unit vectors gives the weights.
    """
    n_texts, seq = states.mask.shape
    identity = torch.eye(seq, device=states.mask.device)
    unit_vectors = identity.expand(n_texts, seq, seq)
    try:
        weights = POOLINGS[pooling](replace(states, hidden=unit_vectors))
    except RuntimeError as error:  # a pooling that needs vectors of the model's own size
        raise _not_linear(pooling) from error
    if weights.shape != (n_texts, seq):
        raise _not_linear(pooling)
    return weights


def _check_linear(states: LayerStates, pooling: str, token_weights: torch.Tensor) -> None:
    """Raise unless a pooling of these states is the weighted sum of them: poolings of a user's own can be anything."""
    hidden = states.hidden.float()
    pooled = POOLINGS[pooling](states)
    weighted_sum = torch.einsum("bt,bth->bh", token_weights, hidden)
    error = (weighted_sum - pooled).abs()
    summed_sizes = torch.einsum("bt,bth->bh", token_weights.abs(), hidden.abs())
    tolerance = RELATIVE_TOLERANCE * (summed_sizes + pooled.abs())
    if bool((error > tolerance).any()):
        raise _not_linear(pooling)


def _not_linear(pooling: str) -> InputError:
    return InputError(
        f"a probe on {pooling!r} is not linear in token states: its vector is not a weighted sum of them; use cls, "
        "mean, content or last, or explain it by integrated_gradients"
    )


def token_kinds(tokens: Sequence[str], offsets: Int64Array, *, cls: str | None, sep: str | None) -> Int64Array:
    """Return (seq,) the kind of each token as an index into `KINDS`.

    Args:
        tokens: (seq,) tokens as the encoder read them, special tokens included.
        offsets: (seq, 3) segment (-1 for a special token), first and last + 1 character of each token.
        cls: The tokenizer's name of [CLS].
        sep: The tokenizer's name of [SEP].
    """
    special_kinds = {cls: KINDS.index("[CLS]"), sep: KINDS.index("[SEP]")}
    kinds = []
    for token, (segment, *_) in zip(tokens, offsets, strict=True):
        if segment < 0:
            kinds.append(special_kinds.get(token, KINDS.index("other special")))
        elif _is_punctuation(token):
            kinds.append(KINDS.index("punctuation"))
        else:
            kinds.append(KINDS.index("content"))
    return np.array(kinds, dtype=np.int64)


def _is_punctuation(token: str) -> bool:
    """Return whether a token has punctuation and symbols only, besides the marks of a word's start or continuation."""
    characters = token.lstrip("#▁Ġ") or token
    return all(unicodedata.category(character)[0] in "PS" for character in characters)


def kinds_per_text(encoder: Encoder, encoded: Encoded) -> tuple[Int64Array, ...]:
    """Return for each text (seq,) the kind of each token as an index into `KINDS`."""
    tokenizer = encoder.tokenizer
    kinds = []
    for row, ids in enumerate(encoded.ids):
        tokens = tokenizer.convert_ids_to_tokens(ids)
        offsets = encoded.offsets(row)
        kinds.append(token_kinds(tokens, offsets, cls=tokenizer.cls_token, sep=tokenizer.sep_token))
    return tuple(kinds)


def shares_by_kind(scores: Float64Array, kinds: Int64Array) -> Float64Array:
    """Return (kinds,) share of the absolute score on each kind of token; nan where all scores are 0.

    Args:
        scores: (seq,) scores of the tokens of a text.
        kinds: (seq,) index into `KINDS` of each token.
    """
    sizes = np.abs(scores)
    total = sizes.sum()
    if not total > 0:
        return np.full(len(KINDS), np.nan)
    sums = np.bincount(kinds, weights=sizes, minlength=len(KINDS))
    return np.asarray(sums / total)


def attribution_shares(attribution: Attribution, encoder: Encoder) -> Float64Array:
    """Return (kinds,) share of an attribution's absolute score on each kind of token; nan where all scores are 0.

    Args:
        attribution: Attribution of one text.
        encoder: Encoder that read the text, whose tokenizer names [CLS] and [SEP].

    Returns:
        Shares in the order of `KINDS`: [CLS], [SEP], other special tokens, punctuation, content.

    Raises:
        InputError: An argument is of another kind.
    """
    check_instance(attribution, Attribution, "attribution")
    check_instance(encoder, Encoder, "encoder")
    tokenizer = encoder.tokenizer
    kinds = token_kinds(attribution.tokens, attribution.offsets, cls=tokenizer.cls_token, sep=tokenizer.sep_token)
    return shares_by_kind(attribution.scores, kinds)
