"""Texts dealt out to the sides of a split, whole units of texts at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.data.texts import Texts

TRIES = 16
"""Dealings of whole groups of which the best is kept, where there are few groups."""
FEW = 1000
"""Groups that are few: with more, one dealing is as good as another."""
MOVES = 100
"""Groups that change sides after a dealing, at most."""


def units_of(texts: Texts, groups: Sequence[str] | None) -> NDArray[np.int64]:
    """(rows,) ids from 0 in order of appearance: rows of one id share a text with its pair, or a group.

    Sharing carries over: two groups with one text in common are one unit.
    """
    ids: dict[object, int] = {}
    unit = [ids.setdefault(key, len(ids)) for key in texts.keys]
    if groups is not None:
        above = list(range(len(ids)))

        def top(node: int) -> int:
            while above[node] != node:
                above[node] = node = above[above[node]]
            return node

        first: dict[str, int] = {}
        for node, group in zip(unit, groups, strict=True):
            above[top(node)] = top(first.setdefault(group, node))
        ids = {}
        unit = [ids.setdefault(top(node), len(ids)) for node in unit]
    return np.array(unit, dtype=np.int64)


def deal_classes(label: NDArray[np.int64], shares: Sequence[float], rng: np.random.Generator) -> NDArray[np.int64]:
    """(units,) sides, 0 being train, of units with one class each.

    scikit-learn's stratified splitters refuse a class with fewer texts than folds; a long tail of small classes is
    usual here, so each class is dealt out by itself.
    """
    side = np.zeros(len(label), dtype=np.int64)
    for class_id in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == class_id))
        start = 0
        for i, share in enumerate(shares, start=1):
            # One each as soon as there are enough, but the last one stays in train.
            n = min(max(round(share * len(members)), 1), len(members) - start - 1)
            side[members[start : start + n]] = i
            start += n
    return side


def deal_units(counts: NDArray[np.float64], shares: Sequence[float], rng: np.random.Generator) -> NDArray[np.int64]:
    """(units,) sides, 0 being train, of units that hold texts of several classes; a side is empty where none fits it.

    What is made small is sum((held - wanted)^2 / wanted) over sides and classes, the number of texts counting as much
    as all classes together: large units first, each to the side that it suits best, then single units to better sides.
    scikit-learn's StratifiedGroupKFold makes equal folds only, and lets a class leave the training side.

    Args:
        counts: (units, classes) texts; every unit and every class has some.
        shares: Shares of the sides that are held out.
        rng: Orders units of like size.
    """
    load = np.column_stack([counts, counts.shape[1] * counts.sum(axis=1)])
    wanted = np.array([1 - sum(shares), *shares])[:, None] * load.sum(axis=0)
    best, least = np.zeros(len(counts), dtype=np.int64), np.inf
    for _ in range(TRIES if len(counts) <= FEW else 1):
        side = _improved(_dealt(counts, load, wanted, rng), counts, load, wanted)
        held = np.stack([load[side == i].sum(axis=0) for i in range(len(wanted))])
        misfit = ((held - wanted) ** 2 / wanted).sum()
        if held.any(axis=1).all() and misfit < least:
            best, least = side, misfit
    return best


def _dealt(
    counts: NDArray[np.float64], load: NDArray[np.float64], wanted: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """One dealing; a class's last unit goes to train where no other of it is there."""
    has = counts > 0
    undealt, trained = has.sum(axis=0), np.zeros(has.shape[1], dtype=bool)
    held = np.zeros_like(wanted)
    side = np.zeros(len(counts), dtype=np.int64)
    order = rng.permutation(len(counts))
    for unit in order[np.argsort(-np.floor(np.log2(counts.sum(axis=1)[order])), kind="stable")]:
        undealt -= has[unit]
        rise = ((2 * (held - wanted) + load[unit]) * load[unit] / wanted).sum(axis=1)
        side[unit] = 0 if (has[unit] & (undealt == 0) & ~trained).any() else rise.argmin()
        trained |= has[unit] & (side[unit] == 0)
        held[side[unit]] += load[unit]
    return side


def _improved(
    side: NDArray[np.int64], counts: NDArray[np.float64], load: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The dealing after single moves, each the best there is: first to a side that is empty, then while they help."""
    has, side = counts > 0, side.copy()
    for _ in range(MOVES):
        held = np.stack([load[side == i].sum(axis=0) for i in range(len(wanted))])
        units = np.bincount(side, minlength=len(wanted))
        slope, curve = load @ (2 * (held - wanted) / wanted).T, load**2 @ (1 / wanted).T
        own = (np.arange(len(side)), side)
        change = slope + curve + (curve - slope)[own][:, None]
        change[own] = np.inf
        sole = has[side == 0].sum(axis=0) == 1
        change[(units[side] == 1) | ((side == 0) & (has & sole).any(axis=1))] = np.inf
        if not units.all():
            change[:, units > 0] = np.inf
        unit, to = np.unravel_index(change.argmin(), change.shape)
        if change[unit, to] >= (-1e-9 if units.all() else np.inf):
            break
        side[unit] = to
    return side


def deal_folds(
    labels: NDArray[np.integer[Any]], unit: NDArray[np.integer[Any]], n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(rows,) the fold of each row, from 0: every class is spread evenly, and no unit stands in two folds.

    Units of several classes come first, large ones before small ones, each to the fold that it suits best (as in
    `deal_units`; where they are few, the best of several dealings). Units of one class even out what these left, all
    units of one size at a time: the time is that of sorting the rows. scikit-learn's StratifiedGroupKFold takes a step
    in Python for each unit and fold; its StratifiedKFold knows no units and refuses classes that are all smaller than
    the number of folds.

    Args:
        labels: (rows,) class ids.
        unit: (rows,) what stays together, ids from 0 without gaps.
        n: Folds; at most as many as units.
        rng: Orders units of like size.
    """
    units = _Units.of(labels, unit)
    best, least = np.zeros(len(units.sizes), dtype=np.int64), np.inf
    several = int((units.lengths > 1).sum())
    for _ in range(min(TRIES, max(1, FEW // several)) if several else 1):
        fold, load = units.folded(n, rng)
        misfit = units.misfit(load)
        if misfit < least:
            best, least = fold, misfit
    return np.asarray(best[unit])


@dataclass(frozen=True, eq=False)
class _Units:
    """Units, and how many rows of each class they hold."""

    classes: NDArray[np.int64]
    """(entries,) class ids, unit by unit; each class that a unit holds is an entry."""
    counts: NDArray[np.int64]
    """(entries,) rows of that class in that unit."""
    first: NDArray[np.int64]
    """(units,) the first entry of each."""
    lengths: NDArray[np.int64]
    """(units,) entries of each."""
    sizes: NDArray[np.int64]
    """(units,) rows of each."""

    @classmethod
    def of(cls, labels: NDArray[np.integer[Any]], unit: NDArray[np.integer[Any]]) -> _Units:
        n_classes = int(labels.max()) + 1
        keys, counts = np.unique(unit.astype(np.int64) * n_classes + labels, return_counts=True)
        units, classes = np.divmod(keys, n_classes)
        first = np.flatnonzero(np.diff(units, prepend=-1))
        lengths = np.diff(first, append=len(units))
        return cls(classes, counts, first, lengths, np.add.reduceat(counts, first))

    def misfit(self, load: NDArray[np.float64]) -> float:
        """How far (folds, classes) rows are from even: the sum of squares over classes, and all rows as much again."""
        wanted, total = load.mean(axis=0), load.sum(axis=1)
        present = wanted > 0
        by_class = ((load - wanted)[:, present] ** 2 / wanted[present]).sum()
        return float(by_class + present.sum() * ((total - total.mean()) ** 2 / total.mean()).sum())

    def folded(self, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(units,) folds by one dealing, and (folds, classes) the rows in them."""
        load = np.zeros((n, int(self.classes.max()) + 1))
        fold = np.full(len(self.sizes), -1, dtype=np.int64)
        self._deal_several(fold, load, rng)
        self._deal_single(fold, load, rng)
        return fold, load

    def _deal_several(self, fold: NDArray[np.int64], load: NDArray[np.float64], rng: np.random.Generator) -> None:
        """Deal the units of several classes."""
        members = rng.permutation(np.flatnonzero(self.lengths > 1))
        members = members[np.argsort(-np.floor(np.log2(self.sizes[members])), kind="stable")]
        wanted = np.bincount(self.classes, self.counts, minlength=load.shape[1]) / len(load)
        total, share = np.zeros(len(load)), self.sizes.sum() / len(load)
        for member in members.tolist():
            entries = slice(self.first[member], self.first[member] + self.lengths[member])
            inside, amount, size = self.classes[entries], self.counts[entries], self.sizes[member]
            rise = ((2 * (load[:, inside] - wanted[inside]) + amount) * amount / wanted[inside]).sum(axis=1)
            rise += len(wanted) * (2 * (total - share) + size) * size / share
            fold[member] = rise.argmin()
            load[fold[member], inside] += amount
            total[fold[member]] += size

    def _deal_single(self, fold: NDArray[np.int64], load: NDArray[np.float64], rng: np.random.Generator) -> None:
        """Deal the units of one class."""
        members = rng.permutation(np.flatnonzero(self.lengths == 1))
        label, size = self.classes[self.first[members]], self.sizes[members]
        order = np.lexsort((-size, label))
        members, label, size = members[order], label[order], size[order]
        starts = np.flatnonzero((np.diff(label, prepend=-1) != 0) | (np.diff(size, prepend=0) != 0))
        total = load.sum(axis=1)
        for start, end in itertools.pairwise([*starts.tolist(), len(members)]):
            dealt = _evened(load[:, label[start]], total, int(size[start]), end - start)
            fold[members[start:end]] = dealt
            added = np.bincount(dealt, minlength=len(load)) * size[start]
            load[:, label[start]] += added
            total += added


def _evened(held: NDArray[np.float64], total: NDArray[np.float64], size: int, n_units: int) -> NDArray[np.int64]:
    """(units,) folds for units of one class and size: each goes to the fold that holds least of the class by then.

    Among equal ones it is the fold that holds least in all.
    """
    n = len(held)
    # No fold takes more than fills it up to the fullest one, and its share of the rest.
    most = np.minimum(np.floor((held.max() - held) / size) + 1 + -(-n_units // n), n_units).astype(np.int64)
    folds = np.repeat(np.arange(n), most)
    step = np.arange(len(folds)) - np.repeat(np.cumsum(most) - most, most)
    order = np.lexsort((total[folds] + size * step, held[folds] + size * step))
    return np.asarray(folds[order[:n_units]])


def hold_out(
    unit: NDArray[np.int64],
    labels: Sequence[NDArray[np.int64]],
    shares: Sequence[float],
    rng: np.random.Generator,
    *,
    grouped: bool,
) -> NDArray[np.int64]:
    """(units,) sides, 0 being train: shares of each class of each labelling, every class in train.

    Args:
        unit: (rows,) what stays together, ids from 0 without gaps.
        labels: (rows,) class ids of each labelling.
        shares: Shares of the sides that are held out.
        rng: Generator of the draw.
        grouped: Whether a unit may hold texts of several classes.
    """
    if not grouped and len(labels) == 1:
        _, first = np.unique(unit, return_index=True)
        return deal_classes(labels[0][first], shares, rng)
    columns = [np.zeros((unit.max() + 1, ids.max() + 1)) for ids in labels]
    for counts, ids in zip(columns, labels, strict=True):
        np.add.at(counts, (unit, ids), 1)
    every = np.concatenate(columns, axis=1)
    return deal_units(every[:, every.any(axis=0)], shares, rng)
