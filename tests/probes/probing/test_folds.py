"""Folds: units stay whole and classes in their shares, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from probes import InputError
from probes.probing import folds
from probes.probing.folds import Folds, assign_folds


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), min_size=2, max_size=120), st.integers(2, 12))
def test_folds_are_a_partition_of_whole_units_and_none_is_empty(rows, n):
    labels = np.array([label for label, _ in rows])
    unit = np.unique([unit for _, unit in rows], return_inverse=True)[1]
    n = min(n, int(unit.max()) + 1)
    fold = assign_folds(labels, unit, n, rng())
    assert set(fold) == set(range(n))
    assert all(len(set(fold[unit == u])) == 1 for u in range(unit.max() + 1))
    np.testing.assert_array_equal(fold, assign_folds(labels, unit, n, rng()))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=30, max_size=200), st.integers(2, 6))
def test_units_of_one_text_are_folded_as_evenly_as_by_scikit_learn(labels, n):
    labels = np.array([*labels, *[0] * n])
    fold = assign_folds(labels, np.arange(len(labels)), n, rng())
    counts = np.array([np.bincount(labels[fold == i], minlength=9) for i in range(n)])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1
    splitter = StratifiedKFold(n)
    splitter_labels = labels[np.isin(labels, np.flatnonzero(np.bincount(labels) >= n))]  # it warns of smaller classes
    theirs = [np.bincount(splitter_labels[held], minlength=9) for _, held in splitter.split(*[splitter_labels] * 2)]
    assert np.ptp(theirs, axis=0).max() <= 1


@pytest.mark.parametrize("n_groups", [25, 120])
def test_classes_of_whole_groups_come_as_near_to_their_share_of_a_fold_as_by_scikit_learn(n_groups):
    ours, theirs = [], []
    for seed in range(5):
        r = rng(seed)
        sizes = np.maximum(1, r.lognormal(1.5, 1, size=n_groups)).astype(int)
        unit = np.repeat(np.arange(n_groups), sizes)
        labels = np.concatenate([r.choice(3, size=size, p=r.dirichlet([1, 1, 0.5])) for size in sizes])
        fold = assign_folds(labels, unit, 5, r)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for gaps, parts in (
            (ours, [np.flatnonzero(fold == i) for i in range(5)]),
            (theirs, [held_out for _, held_out in splitter.split(labels, labels, unit)]),
        ):
            counts = np.array([np.bincount(labels[part], minlength=3) for part in parts])
            gaps.append(np.abs(counts / counts.sum(axis=0) - 0.2).mean())
    assert np.mean(ours) <= np.mean(theirs)


def test_units_of_one_size_and_class_are_assigned_all_at_once(monkeypatch):
    calls = []
    even_folds = folds._even_folds
    monkeypatch.setattr(folds, "_even_folds", lambda *args: calls.append(1) or even_folds(*args))
    labels = rng().integers(7, size=5000)
    assign_folds(labels, np.arange(5000), 5, rng())
    assert len(calls) == 7


def test_folds_keep_units_whole_and_classes_in_their_shares():
    rng = np.random.default_rng(0)
    units = rng.integers(60, size=300)
    labels = (units % 3 == 0).astype(int)
    parts_of_units = Folds.of(labels, units, n=5, seed=1)
    assert len(parts_of_units.parts) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate(parts_of_units.parts)), np.arange(300))
    assert sum(len(set(units[part])) for part in parts_of_units.parts) == len(set(units))
    shares = [labels[part].mean() for part in parts_of_units.parts]
    assert max(abs(share - labels.mean()) for share in shares) < 0.12
    alone = Folds.of(labels, None, n=5)
    assert sum(len(set(units[part])) for part in alone.parts) > len(set(units))


@pytest.mark.parametrize(
    ("labels", "units", "n", "message"),
    [
        ([0, 1, 0, 1], [0, 0, 0, 0], 5, "folds need two texts or more that are neither duplicates"),
        ([0, 1], None, 1, "folds must be 2 or more, found 1"),
        ([0, 1] * 3, None, 10**9, "1000000000 folds are more than the 6 training texts, .*; use 6 or fewer"),
        ([0, 1] * 3, [0, 1, 2, 0, 1, 2], 4, "4 folds are more than the 3 training texts, where duplicates"),
    ],
)
def test_what_cannot_be_folded_is_refused_with_the_number_that_can(labels, units, n, message):
    with pytest.raises(InputError, match=message):
        Folds.of(np.array(labels), None if units is None else np.array(units), n=n)


def test_classes_smaller_than_the_number_of_folds_are_folded():
    labels = np.repeat(np.arange(200), 2)
    pairs = Folds.of(labels, n=5)
    assert [len(part) for part in pairs.parts] == [80] * 5
    assert all(len(set(labels[part])) == len(part) for part in pairs.parts)
