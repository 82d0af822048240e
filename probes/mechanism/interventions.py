"""Encoded is not used: states of a layer are changed, and the head reads what the forward pass makes of them.

The head loses what the changed vectors alone held: it may find the same again in other tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.checks import InputError, check_instance, choose, whole_number
from probes.data.texts import Texts
from probes.devices import on_float64_device
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.pooling import LayerStates
from probes.encoder.tokenization import Batch, Encoded
from probes.heads.heads import Head, check_head, label_ids, log_probs
from probes.mechanism.leace import Erasure, Erasures, erased
from probes.probing.sites import Point
from probes.statistics.intervals import mean_intervals

if TYPE_CHECKING:
    import pandas as pd

Edit = Callable[[LayerStates], Tensor]
"""The states of a layer for a batch -> (batch, seq, hidden) that takes their place, a tensor of its own."""
TOKENS = 2000
"""States on which the displacement of controls is matched."""


def intervened_log_prob(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    layer: int,
    edit: Edit,
    progress: bool = False,
) -> NDArray[np.float64]:
    """(texts, classes) log probabilities of a head where `edit` changes the states of a layer; see the plural."""
    _, edited = intervened_log_probs(head, texts, edits=[(layer, edit)], progress=progress)
    return np.asarray(edited)


def intervened_log_probs(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    edits: Sequence[tuple[int, Edit]],
    progress: bool = False,
) -> NDArray[np.float64]:
    """What a head says as it is, and under each of several edits by itself.

    One sweep over the texts serves all edits: an edit at layer l costs the blocks above l only. In float32, also where
    the encoder computes in bfloat16. The model is given back as it came.

    Args:
        head: Any; a probe's encoder runs up to its layer.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        edits: Layer, and what is done there.
        progress: Show a bar on stderr.

    Returns:
        (1 + edits, texts, classes) log probabilities; the first are those of no edit.

    Raises:
        InputError: There are no texts, or a layer does not exist or lies above the one that the head reads.
    """
    check_head(head)
    encoded = head.encoder.encode(texts)
    if not len(encoded):
        raise InputError("there are no texts to intervene on")
    head = head.with_encoder(head.encoder.with_dtype("float32"))
    head.encoder.check_layers([layer for layer, _ in edits])
    for layer, _ in edits:
        if head.layer is not None and layer > head.layer:
            raise InputError(f"the head reads layer {head.layer}: nothing done at layer {layer} reaches it")

    def passes(own: Head, batch: Batch) -> list[Tensor]:
        with own.encoder.resumed() as resume:
            said = [own.logits(batch)]
            for layer, edit in edits:
                resume(layer)
                said.append(own.logits(batch, overwrite={layer: _on(batch, edit)}))
        return said

    def say(own: Head, batch: Batch) -> list[Tensor]:
        if own.layer is not None or not own.encoder.head_needs_texts_alone:
            return passes(own, batch)
        return [torch.cat(each) for each in zip(*(passes(own, batch.row(i)) for i in range(len(batch))), strict=True)]

    return log_probs(head, encoded, say, 1 + len(edits), progress=progress)


def _on(batch: Batch, edit: Edit) -> Callable[[Tensor], Tensor]:
    def overwrite(hidden: Tensor) -> Tensor:
        return edit(LayerStates(hidden, batch.mask, batch.cls_index, batch.special)).to(hidden.dtype)

    return overwrite


# Edits


def mean_ablation(centre: NDArray[np.floating[Any]], pooling: str) -> Edit:
    """Put one vector, the mean over a dataset, in the place of every state that a pooling reads.

    Args:
        centre: (hidden,), as from `mean_states`.
        pooling: Name from `POSITIONS`: `cls` for [CLS], `content` for all tokens but special ones.
    """
    return _where(pooling, lambda hidden: torch.as_tensor(centre).to(hidden).expand_as(hidden))


def erasing(erasure: Erasure, pooling: str) -> Edit:
    """Apply one affine map to every state that a pooling reads.

    A mean of mapped vectors is the mapped mean: on the tokens that `mean` averages the map acts as on their mean.

    Args:
        erasure: Fitted on vectors of this layer and pooling.
        pooling: Name from `POSITIONS`.
    """

    def change(hidden: Tensor) -> Tensor:
        # [CLS] of low layers varies by a thousandth of its length: in float32 the map would leave rounding.
        precise = on_float64_device(hidden).double()
        maps = (torch.from_numpy(each).to(precise.device) for each in (erasure.centre, erasure.right, erasure.left))
        return erased(precise, *maps).to(hidden)

    return _where(pooling, change)


def _where(pooling: str, change: Callable[[Tensor], Tensor]) -> Edit:
    reads = choose("pooling", pooling, POSITIONS)
    return lambda states: torch.where(reads(states).unsqueeze(-1), change(states.hidden), states.hidden)


def _at_cls(states: LayerStates) -> Tensor:
    if states.cls_index is None:
        raise InputError("this tokenizer adds no [CLS] token; use the pooling mean or last")
    return torch.arange(states.mask.shape[1], device=states.mask.device) == states.cls_index.unsqueeze(1)


def _at_content(states: LayerStates) -> Tensor:
    if states.special is None:
        raise InputError("the pooling content needs to know which tokens are special")
    return (states.mask * (1 - states.special)).bool()


def _at_last(states: LayerStates) -> Tensor:
    order = torch.arange(1, states.mask.shape[1] + 1, device=states.mask.device) * states.mask
    return order == order.max(dim=1, keepdim=True).values


POSITIONS: dict[str, Callable[[LayerStates], Tensor]] = {
    "cls": _at_cls,
    "mean": lambda states: states.mask.bool(),
    "last": _at_last,
    "content": _at_content,
}
"""Pooling -> (batch, seq) True on the states that it reads; `pooler` reads [CLS] through a nonlinear map: use cls."""


# States of a dataset


@dataclass(frozen=True, eq=False)
class MeanStates:
    """Mean states of every layer over the tokens of a dataset."""

    cls: NDArray[np.float64] | None
    """(layers, hidden) of [CLS]; None where the tokenizer adds none."""
    content: NDArray[np.float64]
    """(layers, hidden) of all tokens but special ones, each token counted once; nan where there is none."""


def mean_states(encoder: Encoder, texts: Texts | Encoded | Iterable[str]) -> MeanStates:
    """Mean [CLS] and content states of every layer, by one forward pass a text that keeps no states."""
    check_instance(encoder, Encoder, "encoder")
    encoded = encoder.encode(texts)
    layers = range(encoder.n_layers + 1)

    def add(states: dict[int, LayerStates]) -> NDArray[np.float64]:
        """(layers, 1 or 2, hidden + 1) sums of content and [CLS] states, each with its count."""
        first = states[layers[0]]
        where = [_at_content(first)] if first.cls_index is None else [_at_content(first), _at_cls(first)]
        out = np.zeros((len(layers), len(where), encoder.hidden + 1))
        for layer, own in states.items():
            for i, positions in enumerate(where):
                read = on_float64_device(own.hidden[positions])
                out[layer, i, :-1] = read.sum(dim=0, dtype=torch.float64).cpu().numpy()
                out[layer, i, -1] = int(positions.sum())
        return out

    if not len(encoded):
        raise InputError("there are no texts to take the mean states of")
    total = np.sum(_each_batch(encoder, encoded, layers, add), axis=0)
    with np.errstate(invalid="ignore"):
        means = total[..., :-1] / total[..., -1:]
    return MeanStates(means[:, 1] if means.shape[1] > 1 else None, means[:, 0])


def sample_states(
    encoder: Encoder,
    texts: Texts | Encoded | Iterable[str],
    *,
    pooling: str,
    layers: Sequence[int],
    n: int = TOKENS,
    seed: int = 0,
) -> dict[int, NDArray[np.float32]]:
    """Layer -> (states, hidden): up to n states that a pooling reads, of whole texts drawn at random.

    The same states of the same texts at every layer.
    """
    check_instance(encoder, Encoder, "encoder")
    reads = choose("pooling", pooling, POSITIONS)
    encoded = encoder.encode(texts)
    n, seed = whole_number(n, "n", least=1), whole_number(seed, "seed")
    if not len(encoded):
        raise InputError("there are no texts to take states of")
    order = np.random.default_rng(seed).permutation(len(encoded))[:n]
    if pooling not in ("cls", "last"):
        lengths = encoded.lengths[order]
        order = order[: int(np.searchsorted(np.cumsum(lengths), n)) + 1]

    def take(states: dict[int, LayerStates]) -> NDArray[np.float32]:
        where = reads(states[layers[0]])
        return torch.stack([states[layer].hidden[where].float() for layer in layers]).cpu().numpy()

    parts = _each_batch(encoder, encoded.take(order), layers, take)
    return dict(zip(layers, np.concatenate(parts, axis=1)[:, :n], strict=True))


def _each_batch(
    encoder: Encoder,
    encoded: Encoded,
    layers: Sequence[int],
    work: Callable[[dict[int, LayerStates]], NDArray[Any]],
) -> list[NDArray[Any]]:
    """What `work` makes of every batch of like length, in float32 and side by side, longest texts first."""
    encoder = encoder.with_dtype("float32")

    def result_of(runner: Encoder, rows: NDArray[np.int64]) -> NDArray[Any]:
        return work(runner.states(runner.batch(encoded, rows), layers))

    return [result for _, result in over_batches(encoder, encoded, result_of)]


# What a head loses


@dataclass(frozen=True, eq=False)
class Lost:
    """What a head loses of each text by one edit."""

    hits: NDArray[np.int64]
    """(texts,) right before minus right after: 1 lost, -1 won."""
    bits: NDArray[np.float64]
    """(texts,) of the label: log2 of its probability before minus after."""
    rank: int
    displacement: float
    """Mean distance that the states at the edited positions were moved."""


@dataclass(frozen=True, eq=False)
class Used:
    """What a head loses where a label is erased from one layer and pooling, beside the same under the controls."""

    rows: NDArray[np.int64]
    """(texts,) which of the texts given."""
    erased: Lost
    random: tuple[Lost, ...]
    shuffled: tuple[Lost, ...]


def used(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    labels: Iterable[str | int] | NDArray[np.integer[Any]],
    places: Mapping[Point, Erasures],
    n_texts: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> dict[Point, Used]:
    """What a head loses by each erasure and each of its controls, in one sweep over the texts.

    An edit at layer l costs (n_layers - l) / n_layers of a forward pass over the texts, and one pass comes on top; what
    takes out nothing costs nothing.

    Args:
        head: Whose decisions are looked at.
        texts: (texts,) texts that no erasure was fitted on: a list or column, `Texts`, which can hold pairs, or what
            `Encoder.encode` returns.
        labels: (texts,) ids or names of the head's own classes.
        places: Layer and pooling -> the erasures of one label there, the head's or another.
        n_texts: Take so many of them, drawn by `seed`; all when None.
        seed: Of that draw.
        progress: Show a bar on stderr.

    Raises:
        InputError: Lengths differ, there are no texts, a label is no class, a pooling or layer does not exist, or the
            layer lies above the one that the head reads.
    """
    check_head(head)
    encoded = head.encoder.encode(texts)
    labels = label_ids(labels, head.class_names, len(encoded))
    n_texts = None if n_texts is None else whole_number(n_texts, "n_texts", least=1)
    seed = whole_number(seed, "seed")
    rows = np.arange(len(encoded))
    if n_texts is not None and n_texts < len(encoded):
        rows = np.sort(np.random.default_rng(seed).choice(len(encoded), n_texts, replace=False))
    moved: list[list[tuple[float, int]]] = []
    edits: list[tuple[int, Edit]] = []
    for point, own in places.items():
        for each in (own.own, *own.random, *own.shuffled):
            if each.rank:
                moved.append([])
                edits.append((point.layer, _measured(erasing(each, point.pooling), point.pooling, moved[-1])))
    said = intervened_log_probs(head, encoded.take(rows), edits=edits, progress=progress)
    truth = labels[rows]
    right = (said.argmax(axis=2) == truth).astype(np.int64)
    bits = said[:, np.arange(len(rows)), truth] / math.log(2)
    passes = iter(zip(right[1:], bits[1:], moved, strict=True))

    def lost(erasure: Erasure) -> Lost:
        hits, log_prob, distances = next(passes) if erasure.rank else (right[0], bits[0], [])
        states = sum(n for _, n in distances)
        # Threads finish in any order; an exact sum is the same in all of them.
        distance = math.fsum(total for total, _ in distances) / max(1, states)
        return Lost(right[0] - hits, bits[0] - log_prob, erasure.rank, distance)

    return {
        point: Used(rows, lost(own.own), tuple(map(lost, own.random)), tuple(map(lost, own.shuffled)))
        for point, own in places.items()
    }


def _measured(edit: Edit, pooling: str, moved: list[tuple[float, int]]) -> Edit:
    """The same edit, which notes how far in all it moves how many states."""

    def change(states: LayerStates) -> Tensor:
        after = edit(states)
        distances = (after - states.hidden).norm(dim=-1)[POSITIONS[pooling](states)]
        moved.append((float(on_float64_device(distances).sum(dtype=torch.float64)), len(distances)))
        return after

    return change


def used_table(found: Mapping[Point, Used], *, seed: int = 0) -> pd.DataFrame:
    """What a head loses under each edit, in accuracy and in bits a text, with paired 95 % intervals.

    `edit` is erased, random or shuffled, with the mean over draws of a control; `erased - random` and
    `erased - shuffled` are the differences, the loss that is the label's own.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for point, own in found.items():
        groups = {"erased": (own.erased,), "random": own.random, "shuffled": own.shuffled}
        texts, moved = {}, {}
        for name, draws in groups.items():
            if draws:
                texts[name] = np.mean([(lost.hits, lost.bits) for lost in draws], axis=0).T
                moved[name] = float(np.mean([lost.displacement for lost in draws]))
        for name in [name for name in texts if name != "erased"]:
            texts[f"erased - {name}"] = texts["erased"] - texts[name]
        limits = iter(mean_intervals(np.concatenate(list(texts.values()), axis=1), seed=seed))
        for name, each in texts.items():
            hits, bits = (float(mean) for mean in each.mean(axis=0))
            numbers = (moved.get(name, math.nan), hits, *next(limits), bits, *next(limits), len(each))
            rows.append((point.pooling, point.layer, name, own.erased.rank, *numbers))
    columns = "accuracy_lost accuracy_lower accuracy_upper bits_lost bits_lower bits_upper n"
    return pd.DataFrame(rows, columns=["pooling", "layer", "edit", "rank", "displacement", *columns.split()])
