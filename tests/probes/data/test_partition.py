"""Units of texts, and their assignment to splits."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from probes.data import partition
from probes.data.partition import MANY_UNITS, assign_classes, assign_units, hold_out, unit_ids
from probes.data.texts import Texts


def rng(seed=0):
    return np.random.default_rng(seed)


SHARES = (0.15, 0.15)


def some_counts(seed, n=None, k=None):
    """(units, classes) texts, many of them none."""
    r = rng(seed)
    n, k = n or int(r.integers(3, 7)), k or int(r.integers(2, 4))
    counts = r.integers(0, 12, size=(n, k)) * (r.random((n, k)) < 0.7)
    counts[counts.sum(axis=1) == 0, 0] = 1
    return counts[:, counts.any(axis=0)].astype(float)


def misfit(counts, side):
    """The quantity that the dealing makes small; infinite where a side is empty or a class is not in train."""
    total, value = counts.sum(), 0.0
    for i, share in enumerate((1 - sum(SHARES), *SHARES)):
        held = counts[side == i]
        if not len(held) or (i == 0 and not held.any(axis=0).all()):
            return np.inf
        for c in range(counts.shape[1]):
            value += (held[:, c].sum() - share * counts[:, c].sum()) ** 2 / (share * counts[:, c].sum())
        value += counts.shape[1] * (held.sum() - share * total) ** 2 / (share * total)
    return value


def test_units_are_assigned_wherever_that_is_possible_and_mostly_in_the_best_way():
    near = []
    for seed in range(40):
        counts = some_counts(seed)
        assignments = (np.array(sides) for sides in itertools.product(range(3), repeat=len(counts)))
        best = min(misfit(counts, side) for side in assignments)
        actual = misfit(counts, assign_units(counts, SHARES, rng()))
        assert np.isfinite(actual) == np.isfinite(best)
        near += [actual / best] if np.isfinite(best) else []
    assert len(near) > 30
    assert min(near) >= 1 - 1e-9
    assert np.mean(np.array(near) < 1 + 1e-9) > 0.8
    assert np.mean(near) < 1.2


def test_two_units_or_classes_with_one_unit_each_cannot_be_assigned():
    for counts in (np.ones((2, 2)), np.eye(5), np.ones((1, 1))):
        assert (assign_units(counts, SHARES, rng()) == 0).all()
    assert sorted(assign_units(np.ones((3, 2)), SHARES, rng())) == [0, 1, 2]


def test_units_of_one_size_are_assigned_in_the_exact_shares():
    counts = np.repeat(np.eye(2), [60, 140], axis=0) * 5
    side = assign_units(counts, SHARES, rng())
    for label in (0, 1):
        n = counts[:, label].astype(bool).sum()
        assert np.bincount(side[counts[:, label] > 0]).tolist() == [round(0.7 * n), round(0.15 * n), round(0.15 * n)]


def test_a_unit_larger_than_a_share_stays_in_train_and_does_not_affect_smaller_ones():
    sizes = np.array([500, *[10] * 50])
    counts = np.column_stack([sizes * 0.4, sizes * 0.6])
    side = assign_units(counts, SHARES, rng())
    assert side[0] == 0
    assert [sizes[side == i].sum() for i in range(3)] == [700, 150, 150]


def test_one_split_can_be_held_out_alone():
    side = assign_units(np.ones((20, 1)), [0.15], rng())
    assert np.bincount(side).tolist() == [17, 3]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(1, 6))
def test_every_class_keeps_a_unit_in_train(seed, n, k):
    counts = some_counts(seed, n, k)
    side = assign_units(counts, SHARES, rng(seed))
    assert counts[side == 0].any(axis=0).all()
    assert set(side) in ({0}, {0, 1, 2})


@pytest.mark.parametrize("few", [MANY_UNITS, 50])
def test_classes_and_texts_come_nearer_to_their_shares_than_by_merged_folds(few, monkeypatch):
    monkeypatch.setattr(partition, "MANY_UNITS", few)
    n = 60
    ours, theirs = [], []
    for seed in range(3):
        r = rng(seed)
        sizes = np.maximum(1, r.lognormal(2.5, 1, size=n)).astype(int)
        counts = np.array([r.multinomial(size, r.dirichlet([1.0, 0.6, 0.2])) for size in sizes]).astype(float)
        group = np.repeat(np.arange(n), sizes)
        label = np.concatenate([np.repeat(np.arange(3), row.astype(int)) for row in counts])
        folds = StratifiedGroupKFold(20, shuffle=True, random_state=seed).split(label, label, group)
        merged = np.zeros(n, dtype=int)
        for fold, (_, test) in zip(range(6), folds, strict=False):
            merged[group[test]] = 1 + fold // 3  # three folds of twenty are 15 %
        for actual, side in ((ours, assign_units(counts, SHARES, rng(seed))), (theirs, merged)):
            held = np.array([counts[side == i].sum(axis=0) for i in range(3)])
            wanted = np.array([0.7, 0.15, 0.15])
            texts = np.abs(held.sum(axis=1) / held.sum() - wanted).max()
            actual.append((texts, np.abs(held / held.sum(axis=0) - wanted[:, None]).max()))
    assert np.mean(ours, axis=0)[0] < 0.003
    assert (np.mean(ours, axis=0) < np.mean(theirs, axis=0)).all()


def test_an_assignment_is_seeded():
    counts = np.ones((200, 2))
    first, same, second = (assign_units(counts, SHARES, rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, second)


def test_classes_assigned_by_themselves_keep_their_last_unit_in_train():
    label = np.repeat([0, 1, 2, 3], [40, 3, 2, 1])
    side = assign_classes(label, SHARES, rng())
    assert [np.bincount(side[label == c], minlength=3).tolist() for c in range(4)] == [
        [28, 6, 6],
        [1, 1, 1],
        [1, 1, 0],
        [1, 0, 0],
    ]


def test_texts_pairs_and_groups_make_units():
    assert unit_ids(Texts(["a", "b", "a"]), None).tolist() == [0, 1, 0]
    assert unit_ids(Texts(["a", "b", "a"], ["x", "x", "y"]), None).tolist() == [0, 1, 2]
    assert unit_ids(Texts(["a", "b", "c", "d"]), ["g", "h", "g", "i"]).tolist() == [0, 1, 0, 2]
    # One text in two groups makes them one, and so the text of the third row too.
    assert unit_ids(Texts(["a", "a", "c", "d"]), ["g", "h", "h", "i"]).tolist() == [0, 0, 0, 1]
    assert unit_ids(Texts([]), []).tolist() == []


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xy"), st.integers(0, 9)), max_size=25))
def test_units_are_those_of_repeated_merging(rows):
    unit = list(range(len(rows)))
    moved = True
    while moved:
        moved = False
        for i, j in itertools.combinations(range(len(rows)), 2):
            if (rows[i][:2] == rows[j][:2] or rows[i][2] == rows[j][2]) and unit[i] != unit[j]:
                unit[i] = unit[j] = min(unit[i], unit[j])
                moved = True
    texts, pairs, groups = ([row[part] for row in rows] for part in range(3))
    actual = unit_ids(Texts(texts, pairs), [str(group) for group in groups]).tolist()
    order = {u: i for i, u in enumerate(dict.fromkeys(unit))}
    assert actual == [order[u] for u in unit]


def test_a_class_whose_texts_are_all_repeated_with_other_labels_keeps_one_in_train():
    texts = Texts([*(f"t{i}" for i in range(40)), "t0", "t1", "t2"])
    labels = np.array([0, 1] * 20 + [2] * 3)
    units = unit_ids(texts, None)
    for seed in range(60):
        split = hold_out(units, [labels], SHARES, rng(seed), grouped=False)
        assert set(labels[split[units] == 0].tolist()) == {0, 1, 2}
