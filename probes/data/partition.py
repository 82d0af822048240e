"""Assignment of texts to splits, so that texts which belong together stay together.

A unit is a set of texts that stay together: duplicates of one text, or the texts of a group.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probes.data.texts import Texts
from probes.sequences import Float64Array, Int64Array, IntegerArray

N_TRIES = 16
"""Random assignments of which the best is taken, where there are few units."""
MANY_UNITS = 1000
"""Units above which one random assignment is as good as another."""
MAX_MOVES = 100
"""Units that change their split after an assignment, at most."""
NO_IMPROVEMENT = -1e-9
"""Change of the misfit above which a move is no improvement but rounding."""


def unit_ids(texts: Texts, groups: Sequence[str] | None) -> Int64Array:
    """Number the units of texts, so that texts which share content or a group have one id.

    Sharing is transitive: two groups with one text in common are one unit.

    Args:
        texts: Texts; duplicates are equal in both texts of a pair.
        groups: (texts,) groups, or None.

    Returns:
        (texts,) ids from 0, in order of appearance.
    """
    ids: dict[object, int] = {}
    text_ids = [ids.setdefault(key, len(ids)) for key in texts.keys]
    if groups is None:
        return np.array(text_ids, dtype=np.int64)
    # Disjoint-set forest over distinct texts: each group joins its texts.
    parents = list(range(len(ids)))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    first_by_group: dict[str, int] = {}
    for text_id, group in zip(text_ids, groups, strict=True):
        first = first_by_group.setdefault(group, text_id)
        first_root = root(first)
        parents[root(text_id)] = first_root
    # Number the sets in order of appearance.
    ids = {}
    set_ids = [ids.setdefault(root(text_id), len(ids)) for text_id in text_ids]
    return np.array(set_ids, dtype=np.int64)


def hold_out(
    units: Int64Array,
    labels: Sequence[Int64Array],
    shares: Sequence[float],
    rng: np.random.Generator,
    *,
    grouped: bool,
) -> Int64Array:
    """Assign units to train and held-out splits: a share of each class to each split, and every class to train.

    Args:
        units: (texts,) ids of units, from 0 without gaps.
        labels: (texts,) class ids of each task.
        shares: Share of the texts of each held-out split.
        rng: Random number generator.
        grouped: Whether units are groups, with texts of several classes; else they are equal texts, whose labels
            seldom differ.

    Returns:
        (units,) 0 for train, i for the i-th held-out split.
    """
    if not grouped and len(labels) == 1:
        return assign_classes(_rarest_classes(units, labels[0]), shares, rng)
    counts_by_task = []
    for class_ids in labels:
        counts = np.zeros((units.max() + 1, class_ids.max() + 1))
        np.add.at(counts, (units, class_ids), 1)
        counts_by_task.append(counts)
    counts = np.concatenate(counts_by_task, axis=1)
    occurring = counts.any(axis=0)
    return assign_units(counts[:, occurring], shares, rng)


def _rarest_classes(units: Int64Array, class_ids: Int64Array) -> Int64Array:
    """Return the (units,) class of each unit; where it has several, the one with the fewest texts.

    Such a class may have no other text that could be in train.
    """
    order = np.argsort(np.bincount(class_ids)[class_ids], kind="stable")
    _, first = np.unique(units[order], return_index=True)
    return class_ids[order][first]


def assign_classes(class_ids: Int64Array, shares: Sequence[float], rng: np.random.Generator) -> Int64Array:
    """Assign units of one class each to train and held-out splits, each class by itself.

    scikit-learn's stratified splitters refuse a class with fewer texts than folds; a long tail of small classes is
    usual in labelled texts.

    Args:
        class_ids: (units,) class ids.
        shares: Share of the units of each held-out split.
        rng: Random number generator.

    Returns:
        (units,) 0 for train, i for the i-th held-out split.
    """
    splits = np.zeros(len(class_ids), dtype=np.int64)
    for class_id in np.unique(class_ids):
        members = rng.permutation(np.flatnonzero(class_ids == class_id))
        start = 0
        for split, share in enumerate(shares, start=1):
            # One unit at least where there are enough, but the last one stays in train.
            n_wanted = max(round(share * len(members)), 1)
            n_available = len(members) - start - 1
            n = min(n_wanted, n_available)
            splits[members[start : start + n]] = split
            start += n
    return splits


def assign_units(
    counts: Float64Array,
    shares: Sequence[float],
    rng: np.random.Generator,
) -> Int64Array:
    """Assign units with texts of several classes to train and held-out splits; a split is empty where none fits it.

    The misfit to minimise is sum((assigned - wanted)^2 / wanted) over splits and classes, in which the number of texts
    counts as much as all classes together. Large units come first, each to the split with the least misfit; then single
    units move to better splits. scikit-learn's StratifiedGroupKFold makes equal folds only, and may leave train without
    a class.

    Args:
        counts: (units, classes) numbers of texts; every unit and every class has some.
        shares: Share of the texts of each held-out split.
        rng: Random number generator, for the order of units of similar size.

    Returns:
        (units,) 0 for train, i for the i-th held-out split.
    """
    n_classes = counts.shape[1]
    # The number of texts is one more column, with the weight of all classes.
    load = np.column_stack([counts, n_classes * counts.sum(axis=1)])
    split_shares = np.array([1 - sum(shares), *shares])
    wanted = split_shares[:, None] * load.sum(axis=0)
    best = np.zeros(len(counts), dtype=np.int64)
    best_misfit = np.inf
    for _ in range(N_TRIES if len(counts) <= MANY_UNITS else 1):
        splits = _assign_greedily(counts, load, wanted, rng)
        splits = _move_units(splits, counts, load, wanted)
        assigned = _assigned_load(splits, load, len(wanted))
        misfit = ((assigned - wanted) ** 2 / wanted).sum()
        if assigned.any(axis=1).all() and misfit < best_misfit:
            best = splits
            best_misfit = misfit
    return best


def _assigned_load(splits: Int64Array, load: Float64Array, n_splits: int) -> Float64Array:
    """Sum the (units, columns) load of the units of each split."""
    return np.stack([load[splits == split].sum(axis=0) for split in range(n_splits)])


def _assign_greedily(
    counts: Float64Array, load: Float64Array, wanted: Float64Array, rng: np.random.Generator
) -> Int64Array:
    """Assign units one by one, large ones first, each to the split with the least misfit.

    The last unit of a class that train still lacks goes to train.
    """
    has_class = counts > 0
    n_remaining = has_class.sum(axis=0)
    in_train = np.zeros(has_class.shape[1], dtype=bool)
    assigned = np.zeros_like(wanted)
    splits = np.zeros(len(counts), dtype=np.int64)
    order = large_first(counts.sum(axis=1), rng.permutation(len(counts)))
    for unit in order:
        n_remaining -= has_class[unit]
        is_needed_in_train = (has_class[unit] & (n_remaining == 0) & ~in_train).any()
        increase = misfit_increase(assigned, wanted, load[unit])
        splits[unit] = 0 if is_needed_in_train else increase.argmin()
        in_train |= has_class[unit] & (splits[unit] == 0)
        assigned[splits[unit]] += load[unit]
    return splits


def misfit_increase(assigned: Float64Array, wanted: Float64Array, load: Float64Array | Int64Array) -> Float64Array:
    """Compute how much the misfit of each split increases when a load is added to it.

    Args:
        assigned: (splits, columns) load of the splits.
        wanted: (splits, columns) or (columns,) wanted load.
        load: (columns,) load to add.

    Returns:
        (splits,) increases of sum((assigned - wanted)^2 / wanted).
    """
    excess = assigned - wanted
    increase_by_column = (2 * excess + load) * load / wanted
    return np.asarray(increase_by_column.sum(axis=1))


def large_first(sizes: Float64Array | IntegerArray, order: Int64Array) -> Int64Array:
    """Sort units by the power of two of their sizes, large ones first; units of similar size keep their order."""
    magnitudes = np.floor(np.log2(sizes[order]))
    return np.asarray(order[np.argsort(-magnitudes, kind="stable")])


def _move_units(splits: Int64Array, counts: Float64Array, load: Float64Array, wanted: Float64Array) -> Int64Array:
    """Move single units, each time the best move: first into empty splits, then while the misfit decreases."""
    has_class = counts > 0
    splits = splits.copy()
    for _ in range(MAX_MOVES):
        n_units = np.bincount(splits, minlength=len(wanted))
        has_empty_split = not n_units.all()
        # Change of the misfit for each unit and each split that it might move to.
        assigned = _assigned_load(splits, load, len(wanted))
        slope = load @ (2 * (assigned - wanted) / wanted).T
        curvature = load**2 @ (1 / wanted).T
        current = (np.arange(len(splits)), splits)
        change = slope + curvature + (curvature - slope)[current][:, None]
        change[current] = np.inf
        # The last unit of a split, or of a class in train, does not move.
        is_last_in_split = n_units[splits] == 1
        is_only_one_in_train = has_class[splits == 0].sum(axis=0) == 1
        is_needed_in_train = (splits == 0) & (has_class & is_only_one_in_train).any(axis=1)
        change[is_last_in_split | is_needed_in_train] = np.inf
        if has_empty_split:
            change[:, n_units > 0] = np.inf
        unit, split = np.unravel_index(change.argmin(), change.shape)
        if change[unit, split] >= (np.inf if has_empty_split else NO_IMPROVEMENT):
            break
        splits[unit] = split
    return splits
