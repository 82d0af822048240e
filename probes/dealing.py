"""Texts dealt out to the sides of a split, whole units of texts at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TRIES = 16
"""Dealings of whole groups of which the best is kept, where there are few groups."""
FEW = 1000
"""Groups that are few: with more, one dealing is as good as another."""
MOVES = 100
"""Groups that change sides after a dealing, at most."""


def units_of(texts: Sequence[str], pairs: Sequence[str] | None, groups: Sequence[str] | None) -> NDArray[np.int64]:
    """(rows,) ids from 0 in order of appearance: rows of one id share a text with its pair, or a group.

    Sharing carries over: two groups with one text in common are one unit.
    """
    ids: dict[object, int] = {}
    unit = [ids.setdefault(key, len(ids)) for key in zip(texts, pairs or [""] * len(texts), strict=True)]
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
        shares: Of the sides that are held out.
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
