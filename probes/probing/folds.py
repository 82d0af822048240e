"""Folds of the training examples for cross-validation: units stay together and classes are spread evenly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from probes.checks import InputError, check_same_length
from probes.data.partition import MANY_UNITS, N_TRIES, large_first, misfit_increase
from probes.sequences import Float64Array, Int64Array, IntegerArray


@dataclass(frozen=True, eq=False)
class Folds:
    """Partition of the training examples, of which every part is held out in turn."""

    parts: tuple[Int64Array, ...]
    """Rows of each part."""

    @classmethod
    def of(cls, labels: IntegerArray, units: IntegerArray | None = None, *, n: int, seed: int = 0) -> Folds:
        """Divide examples so that each class has about its share in every part and no unit is in two parts.

        Args:
            labels: (examples,) class ids.
            units: (examples,) ids of examples that stay together, such as duplicates; None for no such units.
            n: Number of parts.
            seed: Seed of the order in which units are assigned.

        Raises:
            InputError: `n` is below 2, or there are fewer units than parts.
        """
        check_same_length(labels=labels, units=units)
        unit_ids = np.arange(len(labels))
        if units is not None:
            unit_ids = np.unique(units, return_inverse=True)[1]
        check_folds(n, int(unit_ids.max(initial=-1)) + 1)
        rng = np.random.default_rng(seed)
        part_ids = assign_folds(labels, unit_ids, n, rng)
        rows = np.argsort(part_ids, kind="stable")
        part_sizes = np.bincount(part_ids, minlength=n)
        part_ends = np.cumsum(part_sizes)
        parts = np.split(rows, part_ends[:-1])
        return cls(tuple(parts))


def check_folds(n: int, units: int) -> None:
    """Raise unless this number of units can be divided into `n` folds."""
    if n < 2:
        raise InputError(f"folds must be 2 or more, found {n}")
    if units < 2:
        raise InputError("folds need two texts or more that are neither duplicates nor in one group")
    if n > units:
        raise InputError(
            f"{n} folds are more than the {units} training texts, where duplicates and texts of one group count as "
            f"one; use {units} or fewer"
        )


def assign_folds(
    labels: IntegerArray,
    units: IntegerArray,
    n_folds: int,
    rng: np.random.Generator,
) -> Int64Array:
    """Assign texts to folds: every class is spread evenly, and no unit is in two folds.

    Units of several classes come first, large ones before small ones, each to the fold with the least misfit (as in
    `assign_units`; where they are few, the best of several attempts is taken). Units of one class even out the
    differences that these leave, all units of one size at a time: the time is that of sorting the texts. scikit-learn's
    StratifiedGroupKFold takes a step in Python for each unit and fold; its StratifiedKFold has no units and refuses
    classes that are all smaller than the number of folds.

    Args:
        labels: (texts,) class ids.
        units: (texts,) ids of units, from 0 without gaps.
        n_folds: Number of folds; at most as many as units.
        rng: Random number generator, for the order of units of similar size.

    Returns:
        (texts,) folds from 0.
    """
    table = _UnitTable.of(labels, units)
    best = np.zeros(len(table.sizes), dtype=np.int64)
    best_misfit = np.inf
    n_mixed = int((table.n_entries > 1).sum())
    n_tries = min(N_TRIES, max(1, MANY_UNITS // n_mixed)) if n_mixed else 1
    for _ in range(n_tries):
        folds, load = table.assign_folds(n_folds, rng)
        misfit = table.misfit(load)
        if misfit < best_misfit:
            best = folds
            best_misfit = misfit
    return np.asarray(best[units])


@dataclass(frozen=True, eq=False)
class _UnitTable:
    """Number of texts of each class in each unit, without zeros."""

    classes: Int64Array
    """(entries,) class ids, unit by unit; each class that a unit holds is an entry."""
    counts: Int64Array
    """(entries,) texts of that class in that unit."""
    first_entries: Int64Array
    """(units,) index of the first entry of each unit."""
    n_entries: Int64Array
    """(units,) number of entries of each unit."""
    sizes: Int64Array
    """(units,) number of texts of each unit."""

    @classmethod
    def of(cls, labels: IntegerArray, units: IntegerArray) -> _UnitTable:
        n_classes = int(labels.max()) + 1
        # A key for each pair of a unit and a class.
        pair_keys = units.astype(np.int64) * n_classes + labels
        keys, counts = np.unique(pair_keys, return_counts=True)
        entry_units, classes = np.divmod(keys, n_classes)
        first_entries = np.flatnonzero(np.diff(entry_units, prepend=-1))
        n_entries = np.diff(first_entries, append=len(entry_units))
        sizes = np.add.reduceat(counts, first_entries)
        return cls(classes, counts, first_entries, n_entries, sizes)

    def misfit(self, load: Float64Array) -> float:
        """Compute how far the (folds, classes) texts of folds are from even.

        It is the sum of squares over classes, relative to the mean, and as much again for the number of texts.
        """
        wanted = load.mean(axis=0)
        total = load.sum(axis=1)
        present = wanted > 0
        class_misfit = ((load - wanted)[:, present] ** 2 / wanted[present]).sum()
        mean_size = total.mean()
        size_misfit = ((total - mean_size) ** 2 / mean_size).sum()
        return float(class_misfit + present.sum() * size_misfit)

    def assign_folds(self, n_folds: int, rng: np.random.Generator) -> tuple[Int64Array, Float64Array]:
        """Assign units to folds once.

        Returns:
            (units,) folds, and the (folds, classes) texts in them.
        """
        n_classes = int(self.classes.max()) + 1
        load = np.zeros((n_folds, n_classes))
        folds = np.full(len(self.sizes), -1, dtype=np.int64)
        self._assign_mixed_units(folds, load, rng)
        self._assign_pure_units(folds, load, rng)
        return folds, load

    def _assign_mixed_units(
        self,
        folds: Int64Array,
        load: Float64Array,
        rng: np.random.Generator,
    ) -> None:
        """Assign the units of several classes, large ones first, and add them to the load."""
        n_folds, n_classes = load.shape
        wanted = np.bincount(self.classes, self.counts, minlength=n_classes) / n_folds
        wanted_size = self.sizes.sum() / n_folds
        fold_sizes = np.zeros(n_folds)
        mixed_units = rng.permutation(np.flatnonzero(self.n_entries > 1))
        for unit in large_first(self.sizes, mixed_units).tolist():
            entries = slice(self.first_entries[unit], self.first_entries[unit] + self.n_entries[unit])
            classes = self.classes[entries]
            counts = self.counts[entries]
            size = self.sizes[unit]
            # Increase of the misfit by class, and by the number of texts.
            increase = misfit_increase(load[:, classes], wanted[classes], counts)
            increase += n_classes * (2 * (fold_sizes - wanted_size) + size) * size / wanted_size
            fold = increase.argmin()
            folds[unit] = fold
            load[fold, classes] += counts
            fold_sizes[fold] += size

    def _assign_pure_units(
        self,
        folds: Int64Array,
        load: Float64Array,
        rng: np.random.Generator,
    ) -> None:
        """Assign the units of one class, all units of one class and size at a time, and add them to the load."""
        units = rng.permutation(np.flatnonzero(self.n_entries == 1))
        classes = self.classes[self.first_entries[units]]
        sizes = self.sizes[units]
        order = np.lexsort((-sizes, classes))
        units = units[order]
        classes = classes[order]
        sizes = sizes[order]
        fold_sizes = load.sum(axis=1)
        for start, end in _runs(classes, sizes):
            class_id = classes[start]
            size = int(sizes[start])
            run_folds = _even_folds(load[:, class_id], fold_sizes, size, end - start)
            folds[units[start:end]] = run_folds
            n_texts = np.bincount(run_folds, minlength=len(load)) * size
            load[:, class_id] += n_texts
            fold_sizes += n_texts


def _runs(classes: Int64Array, sizes: Int64Array) -> Iterator[tuple[int, int]]:
    """Return start and end of every run of equal class and size."""
    is_new_class = np.diff(classes, prepend=-1) != 0
    is_new_size = np.diff(sizes, prepend=0) != 0
    starts = np.flatnonzero(is_new_class | is_new_size).tolist()
    return itertools.pairwise([*starts, len(classes)])


def _even_folds(load: Float64Array, fold_sizes: Float64Array, size: int, n_units: int) -> Int64Array:
    """Assign units of one class and size, each to the fold that then holds the fewest texts of the class.

    Among equal folds it is the one with the fewest texts in all.

    Args:
        load: (folds,) texts of the class.
        fold_sizes: (folds,) texts in all.
        size: Texts of each unit.
        n_units: Number of units.

    Returns:
        (units,) folds.
    """
    n_folds = len(load)
    # No fold takes more units than fill it up to the fullest one, and its share of the rest.
    n_to_fullest = np.floor((load.max() - load) / size) + 1
    fair_share = -(-n_units // n_folds)
    capacity = np.minimum(n_to_fullest + fair_share, n_units).astype(np.int64)
    # Candidates: the first, second, ... unit that each fold could take, in the order of its load by then.
    folds = np.repeat(np.arange(n_folds), capacity)
    first_candidates = np.cumsum(capacity) - capacity
    n_before = np.arange(len(folds)) - np.repeat(first_candidates, capacity)
    n_added = size * n_before
    order = np.lexsort((fold_sizes[folds] + n_added, load[folds] + n_added))
    return np.asarray(folds[order[:n_units]])
