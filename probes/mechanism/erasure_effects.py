"""Erasure effects: how much a head loses where a label is erased from its states, beside controls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from probes.checks import MOST_SEED, check_instance, check_kind, whole_number
from probes.devices import on_float64_device
from probes.encoder.pooling import LayerStates
from probes.encoder.tokenization import TextInput
from probes.heads.class_labels import LabelInput, label_ids
from probes.heads.heads import Head, check_head
from probes.mechanism.interventions import POSITIONS, Edit, erasure_edit, intervened_log_probs
from probes.mechanism.leace import Erasure, Erasures
from probes.probing.sites import Site
from probes.sequences import Float64Array, Int64Array


@dataclass(frozen=True, eq=False)
class InterventionLoss:
    """Loss of a head by one edit, for each text."""

    accuracy_loss: Int64Array
    """(texts,) 1 where the prediction is correct only without the edit, -1 where only with it, 0 elsewhere."""
    information_loss: Float64Array
    """(texts,) log2 probability of the label without the edit minus that with it, in bits."""
    rank: int
    """Number of erased directions."""
    strength: float
    """Mean factor by which parts along the directions shrink; see `Erasure.strength`."""
    displacement: float
    """Mean distance that the states at the edited positions were moved."""


@dataclass(frozen=True, eq=False)
class ErasureEffect:
    """Losses of a head where a label is erased from one layer and pooling, and under the controls."""

    rows: Int64Array
    """(texts,) row numbers of the texts among those given."""
    erased: InterventionLoss
    random: tuple[InterventionLoss, ...]
    shuffled: tuple[InterventionLoss, ...]


def erasure_effects(
    head: Head,
    texts: TextInput,
    *,
    labels: LabelInput,
    erasures: Mapping[Site, Erasures],
    n_texts: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> dict[Site, ErasureEffect]:
    """Measure what a head loses by each erasure and each of its controls, in one sweep over the texts.

    An edit at layer l costs (n_layers - l) / n_layers of a forward pass over the texts, and one pass comes on top;
    an erasure of rank 0 costs nothing.

    Args:
        head: Head whose decisions are examined.
        texts: (texts,) texts that no erasure was fitted on: a list or column, `Texts`, which can hold pairs, or what
            `Encoder.encode` returns.
        labels: (texts,) ids or names of the head's own classes.
        erasures: Site -> the erasures of one label there, the head's or another.
        n_texts: Number of texts to draw; all when None.
        seed: Seed of that draw.
        progress: Show a bar on stderr.

    Returns:
        Site -> the losses there.

    Raises:
        InputError: Lengths differ, there are no texts, a label is no class, a pooling or layer does not exist, or the
            layer lies above the one that the head reads.
    """
    check_head(head)
    _check_erasures(erasures)
    encoded = head.encoder.encode(texts)
    labels = label_ids(labels, head.class_names, len(encoded))
    rows = _sampled_rows(len(encoded), n_texts, seed)

    # One edit for each map that erases something.
    edits: list[_MeasuredEdit] = []
    for site, site_erasures in erasures.items():
        for erasure in _all_maps(site_erasures):
            if erasure.rank:
                edits.append(_MeasuredEdit(erasure_edit(erasure, site.pooling), site))
    log_probs = intervened_log_probs(
        head,
        encoded.take(rows),
        edits=[(edit.site.layer, edit) for edit in edits],
        progress=progress,
    )

    # Losses against the pass without an edit.
    target = labels[rows]
    predictions = log_probs.argmax(axis=2)
    is_correct = (predictions == target).astype(np.int64)
    target_log_probs = log_probs[:, np.arange(len(rows)), target]
    bits = target_log_probs / math.log(2)
    accuracy_losses = is_correct[0] - is_correct[1:]
    information_losses = bits[0] - bits[1:]
    edit_losses = iter(zip(accuracy_losses, information_losses, edits, strict=True))

    def loss_by(erasure: Erasure) -> InterventionLoss:
        if not erasure.rank:
            no_accuracy_loss = np.zeros_like(is_correct[0])
            no_information_loss = np.zeros_like(bits[0])
            return InterventionLoss(no_accuracy_loss, no_information_loss, 0, erasure.strength, displacement=0.0)
        accuracy_loss, information_loss, edit = next(edit_losses)
        return InterventionLoss(accuracy_loss, information_loss, erasure.rank, erasure.strength, edit.displacement)

    # In the order of the edits: each map of a site takes the next losses.
    effects = {}
    for site, site_erasures in erasures.items():
        erased = loss_by(site_erasures.leace)
        random = tuple(loss_by(erasure) for erasure in site_erasures.random)
        shuffled = tuple(loss_by(erasure) for erasure in site_erasures.shuffled)
        effects[site] = ErasureEffect(rows, erased, random, shuffled)
    return effects


def _check_erasures(erasures: Mapping[Site, Erasures]) -> None:
    """Raise unless erasures are a mapping from sites."""
    check_kind(Mapping, erasures=erasures)
    for site, site_erasures in erasures.items():
        check_instance(site, Site, "erasures: a site")
        check_instance(site_erasures, Erasures, f"erasures at {site}")


def _sampled_rows(n_available: int, n_texts: int | None, seed: int) -> Int64Array:
    """Return the row numbers of a random sample of texts in their order, or of all."""
    n_texts = None if n_texts is None else whole_number(n_texts, "n_texts", least=1)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    if n_texts is None or n_texts >= n_available:
        return np.arange(n_available)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_available, n_texts, replace=False))


def _all_maps(erasures: Erasures) -> Iterator[Erasure]:
    """Yield the erasure of the label, then its controls."""
    yield erasures.leace
    yield from erasures.random
    yield from erasures.shuffled


class _MeasuredEdit:
    """An edit at a site that also measures how far it moves states."""

    def __init__(self, edit: Edit, site: Site) -> None:
        self.site = site
        self._edit = edit
        self._batch_distances: list[float] = []
        self._batch_counts: list[int] = []

    def __call__(self, states: LayerStates) -> Tensor:
        edited = self._edit(states)
        distances = (edited - states.hidden).norm(dim=-1)
        distances = distances[POSITIONS[self.site.pooling](states)]
        batch_distance = on_float64_device(distances).sum(dtype=torch.float64)
        self._batch_distances.append(float(batch_distance))
        self._batch_counts.append(len(distances))
        return edited

    @property
    def displacement(self) -> float:
        """Mean distance that states were moved."""
        # Threads end in any order; an exact sum is the same in all of them.
        n_states = sum(self._batch_counts)
        return math.fsum(self._batch_distances) / max(1, n_states)
