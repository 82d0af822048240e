"""Interventions: states of a layer are edited, and the forward pass goes on to the head's predictions.

The head loses what the edited vectors alone held: it may find the same information in other tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.checks import InputError, check_instance, choose, whole_number
from probes.devices import on_float64_device
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.pooling import LayerStates
from probes.encoder.tokenization import Encoded, TextInput
from probes.heads.heads import Head, check_head, log_probs
from probes.mechanism.leace import Erasure, erase
from probes.sequences import Float64Array, FloatArray, Int64Array

Edit = Callable[[LayerStates], Tensor]
"""Function of the states of a layer for a batch that returns their replacement, a new (batch, seq, hidden) tensor."""
N_SAMPLED_STATES = 2000
"""States on which the displacement of controls is matched."""


def intervened_log_probs(
    head: Head,
    texts: TextInput,
    *,
    edits: Sequence[tuple[int, Edit]],
    progress: bool = False,
) -> Float64Array:
    """Compute a head's log probabilities without an edit, and under each of several edits by itself.

    One sweep over the texts serves all edits: an edit at layer l costs the blocks above l only. The encoder computes in
    float32, whatever its dtype, and the model is left as it was.

    Args:
        head: Any head; a probe's encoder runs up to its layer.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        edits: Layer and edit of its states.
        progress: Show a bar on stderr.

    Returns:
        (1 + edits, texts, classes) log probabilities; the first are those without an edit.

    Raises:
        InputError: There are no texts, or a layer does not exist or lies above the one that the head reads.
    """
    check_head(head)
    encoded = head.encoder.encode(texts)
    if not len(encoded):
        raise InputError("there are no texts to intervene on")
    head = head.with_encoder(head.encoder.with_dtype("float32"))
    _check_edited_layers(head, [layer for layer, _ in edits])

    def logits_of_batch(replica: Head, batch: Batch) -> list[Tensor]:
        if replica.layer is not None or not replica.encoder.head_needs_texts_alone:
            return _edited_logits(replica, batch, edits)
        logits_by_text = [_edited_logits(replica, batch.row(i), edits) for i in range(len(batch))]
        return [torch.cat(pass_logits) for pass_logits in zip(*logits_by_text, strict=True)]

    return log_probs(head, encoded, logits_of_batch, 1 + len(edits), progress=progress)


def _check_edited_layers(head: Head, layers: Sequence[int]) -> None:
    """Raise unless the layers exist and the head depends on their states."""
    head.encoder.check_layers(layers)
    for layer in layers:
        if head.layer is not None and layer > head.layer:
            raise InputError(f"the head reads layer {head.layer}, which an edit at layer {layer} does not change")


def _edited_logits(head: Head, batch: Batch, edits: Sequence[tuple[int, Edit]]) -> list[Tensor]:
    """Return (batch, classes) logits without an edit, and under each edit."""
    with head.encoder.resumable() as resume:
        logits = [head.logits(batch)]
        for layer, edit in edits:
            # Blocks below the edited layer are not computed again.
            resume(layer)
            overwrite = {layer: _overwrite_by_edit(batch, edit)}
            logits.append(head.logits(batch, overwrite=overwrite))
    return logits


def _overwrite_by_edit(batch: Batch, edit: Edit) -> Callable[[Tensor], Tensor]:
    def overwrite(hidden: Tensor) -> Tensor:
        states = LayerStates(hidden, batch.mask, batch.cls_index, batch.special)
        return edit(states).to(hidden.dtype)

    return overwrite


# Edits


def mean_ablation(centre: FloatArray, pooling: str) -> Edit:
    """Make an edit that replaces every state that a pooling reads by one vector, the mean over a dataset.

    Args:
        centre: (hidden,) mean state, as from `mean_states`.
        pooling: Name from `POSITIONS`: `cls` for [CLS], `content` for all tokens but special ones.

    Returns:
        Edit of the states of one layer.

    Raises:
        InputError: The pooling does not exist.
    """

    def mean_of_dataset(hidden: Tensor) -> Tensor:
        return torch.as_tensor(centre).to(hidden).expand_as(hidden)

    return _edit_at_positions(pooling, mean_of_dataset)


def erasure_edit(erasure: Erasure, pooling: str) -> Edit:
    """Make an edit that applies one affine map to every state that a pooling reads.

    A mean of mapped vectors is the mapped mean: on the tokens that `mean` averages the map acts as on their mean.

    Args:
        erasure: Map fitted on vectors of this layer and pooling.
        pooling: Name from `POSITIONS`.

    Returns:
        Edit of the states of one layer.

    Raises:
        InputError: The pooling does not exist.
    """

    def apply_map(hidden: Tensor) -> Tensor:
        # [CLS] of low layers varies by a thousandth of its length: in float32 the map would leave rounding.
        precise = on_float64_device(hidden).double()
        centre = torch.from_numpy(erasure.centre).to(precise.device)
        right = torch.from_numpy(erasure.right).to(precise.device)
        left = torch.from_numpy(erasure.left).to(precise.device)
        return erase(precise, centre, right, left).to(hidden)

    return _edit_at_positions(pooling, apply_map)


def _edit_at_positions(pooling: str, change: Callable[[Tensor], Tensor]) -> Edit:
    """Make an edit that changes the states that a pooling reads and leaves the rest."""
    positions_of = choose("pooling", pooling, POSITIONS)

    def edit(states: LayerStates) -> Tensor:
        positions = positions_of(states).unsqueeze(-1)
        return torch.where(positions, change(states.hidden), states.hidden)

    return edit


def _cls_positions(states: LayerStates) -> Tensor:
    if states.cls_index is None:
        raise InputError("this tokenizer adds no [CLS] token; use the pooling mean or last")
    seq = states.mask.shape[1]
    positions = torch.arange(seq, device=states.mask.device)
    return positions == states.cls_index.unsqueeze(1)


def _token_positions(states: LayerStates) -> Tensor:
    return states.mask.bool()


def _content_positions(states: LayerStates) -> Tensor:
    if states.special is None:
        raise InputError("the pooling content needs to know which tokens are special")
    return (states.mask * (1 - states.special)).bool()


def _last_positions(states: LayerStates) -> Tensor:
    seq = states.mask.shape[1]
    numbers_from_1 = torch.arange(1, seq + 1, device=states.mask.device)
    position_numbers = numbers_from_1 * states.mask
    last_number = position_numbers.max(dim=1, keepdim=True).values
    return position_numbers == last_number


POSITIONS: dict[str, Callable[[LayerStates], Tensor]] = {
    "cls": _cls_positions,
    "mean": _token_positions,
    "last": _last_positions,
    "content": _content_positions,
}
"""Pooling -> (batch, seq) True on the states that it reads; `pooler` reads [CLS] through a nonlinear map: use cls."""


# States of a dataset


@dataclass(frozen=True, eq=False)
class MeanStates:
    """Mean states of every layer over the tokens of a dataset."""

    cls: Float64Array | None
    """(layers, hidden) mean [CLS] states; None where the tokenizer adds none."""
    content: Float64Array
    """(layers, hidden) mean states of all tokens but special ones, every token counted once; nan if none."""


def mean_states(encoder: Encoder, texts: TextInput) -> MeanStates:
    """Compute mean [CLS] and content states of every layer, by one forward pass a text that stores no states.

    Args:
        encoder: Encoder to examine; it computes in float32 here, whatever its dtype.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.

    Returns:
        Means over all texts.

    Raises:
        InputError: There are no texts.
    """
    check_instance(encoder, Encoder, "encoder")
    encoded = encoder.encode(texts)
    if not len(encoded):
        raise InputError("there are no texts to average the states of")
    layers = range(encoder.n_layers + 1)
    batch_sums = _results_by_batch(encoder, encoded, layers, _sums_and_counts)
    total = np.sum(batch_sums, axis=0)
    with np.errstate(invalid="ignore"):
        means = total[..., :-1] / total[..., -1:]
    content = means[:, 0]
    cls = means[:, 1] if means.shape[1] > 1 else None
    return MeanStates(cls, content)


def _sums_and_counts(states: dict[int, LayerStates]) -> Float64Array:
    """Return (layers, 1 or 2, hidden + 1) sums of content and [CLS] states, each followed by its count."""
    embeddings = states[0]
    positions = [_content_positions(embeddings)]
    if embeddings.cls_index is not None:
        positions.append(_cls_positions(embeddings))
    hidden = embeddings.hidden.shape[-1]
    sums = np.zeros((len(states), len(positions), hidden + 1))
    for layer, layer_states in states.items():
        for i, kind_positions in enumerate(positions):
            vectors = on_float64_device(layer_states.hidden[kind_positions])
            vector_sum = vectors.sum(dim=0, dtype=torch.float64)
            sums[layer, i, :-1] = vector_sum.cpu().numpy()
            sums[layer, i, -1] = int(kind_positions.sum())
    return sums


def sample_states(
    encoder: Encoder,
    texts: TextInput,
    *,
    pooling: str,
    layers: Sequence[int],
    n: int = N_SAMPLED_STATES,
    seed: int = 0,
) -> dict[int, NDArray[np.float32]]:
    """Sample states that a pooling reads, of whole texts drawn at random: the same tokens at every layer.

    Args:
        encoder: Encoder to examine; it computes in float32 here, whatever its dtype.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        pooling: Name from `POSITIONS`.
        layers: Layers whose states are wanted.
        n: Largest number of states.
        seed: Seed of the draw of texts.

    Returns:
        Layer -> (states, hidden).

    Raises:
        InputError: There are no texts, or the pooling does not exist.
    """
    check_instance(encoder, Encoder, "encoder")
    positions_of = choose("pooling", pooling, POSITIONS)
    encoded = encoder.encode(texts)
    n = whole_number(n, "n", least=1)
    seed = whole_number(seed, "seed")
    if not len(encoded):
        raise InputError("there are no texts to take states of")

    # Draw whole texts until they have n tokens.
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(encoded))[:n]
    if pooling not in ("cls", "last"):
        n_tokens = np.cumsum(encoded.lengths[rows])
        n_texts = int(np.searchsorted(n_tokens, n)) + 1
        rows = rows[:n_texts]

    def states_of_batch(states: dict[int, LayerStates]) -> NDArray[np.float32]:
        positions = positions_of(states[layers[0]])
        vectors = [states[layer].hidden[positions].float() for layer in layers]
        return torch.stack(vectors).cpu().numpy()

    batch_states = _results_by_batch(encoder, encoded.take(rows), layers, states_of_batch)
    sample = np.concatenate(batch_states, axis=1)[:, :n]
    return dict(zip(layers, sample, strict=True))


def _results_by_batch(
    encoder: Encoder,
    encoded: Encoded,
    layers: Sequence[int],
    work: Callable[[dict[int, LayerStates]], NDArray[Any]],
) -> list[NDArray[Any]]:
    """Return the result of `work` for the states of every batch of like length, in float32, longest texts first."""
    encoder = encoder.with_dtype("float32")

    def result_of(replica: Encoder, rows: Int64Array) -> NDArray[Any]:
        states = replica.states(replica.batch(encoded, rows), layers)
        return work(states)

    return [result for _, result in over_batches(encoder, encoded, result_of)]
