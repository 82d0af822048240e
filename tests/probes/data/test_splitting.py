"""Splits held out of one dataset, or made of several."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import InputError, TextDataset, make_splits
from tests.support.datasets.labelled_files import dataset


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.integers(0, 2)), min_size=30, max_size=80),
    st.integers(0, 5),
)
def test_held_out_splits_are_a_partition_without_shared_texts(rows, seed):
    texts = [f"{letter}{i if i % 3 else ''}" for i, (letter, _) in enumerate(rows)]
    labels = np.array([label for _, label in rows])
    counts = np.bincount(labels, minlength=3)
    if (counts < 2).any():
        return
    splits = make_splits(dataset(labels, texts, ("0", "1", "2")), seed=seed)
    sides = [split.rows for _, split in splits.items()]
    assert sorted(np.concatenate(sides)) == list(range(len(rows)))
    kinds = [{texts[row] for row in side} for side in sides]
    assert all(not a & b for a, b in itertools.combinations(kinds, 2))


def test_held_out_splits_are_stratified_and_seeded():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    first, same, second = (make_splits(dataset(labels), seed=seed) for seed in (0, 0, 1))
    for name, share in {"train": 0.7, "validation": 0.15, "test": 0.15}.items():
        split = getattr(first, name)
        np.testing.assert_array_equal(np.bincount(split.labels("label")), np.round(share * np.array([600, 300, 100])))
        np.testing.assert_array_equal(split.rows, getattr(same, name).rows)
    assert not np.array_equal(first.test.rows, second.test.rows)


def test_small_classes_stay_in_train_and_reach_test_when_they_can():
    labels = np.repeat([0, 1, 2], [50, 2, 3])
    splits = make_splits(dataset(labels))
    assert set(splits.train.labels("label")) == {0, 1, 2}
    assert any("No test text of label has the class '1'" in note for note in splits.notes)


def test_only_missing_splits_are_held_out():
    whole, test = dataset([0, 1] * 50), dataset([0, 1] * 5, [f"other {i}" for i in range(10)])
    splits = make_splits(whole, test=test)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (84, 16, 10)
    assert splits.train.dataset is splits.validation.dataset is not splits.test.dataset


def test_texts_in_two_datasets_are_counted():
    train, test = dataset([0, 1] * 10), dataset([0, 1], ["text 3", "new"])
    notes = make_splits(train, dataset([0, 1], ["u", "v"]), test).notes
    assert notes[0].startswith("1 of 2 test texts also occur in an earlier split")


def test_a_class_without_training_texts_is_a_note():
    names = ("0", "1", "2")
    notes = make_splits(
        dataset([0, 1] * 5, None, names), dataset([0, 1], "ab", names), dataset([2, 2, 0], "cde", names)
    ).notes
    assert "No train text of label has the class '2'." in notes


def by_plain_loop(texts, labels, seed):
    """The splits of ungrouped texts, one class and one text at a time; a repeated text is of its rarest class."""
    rarest = {}
    for text, label in zip(texts, labels, strict=True):
        if text not in rarest or labels.count(label) < labels.count(rarest[text]):
            rarest[text] = label
    units = list(dict.fromkeys(texts))
    rng = np.random.default_rng(seed)
    side = dict.fromkeys(units, "train")
    for label in sorted(set(rarest.values())):
        members = list(rng.permutation([i for i, text in enumerate(units) if rarest[text] == label]))
        wanted = max(round(0.15 * len(members)), 1)
        for name in ("validation", "test"):
            for _ in range(wanted):
                if len(members) > 1:
                    side[units[members.pop(0)]] = name
    return [[i for i, text in enumerate(texts) if side[text] == name] for name in ("train", "validation", "test")]


@pytest.mark.parametrize("seed", range(5))
def test_without_groups_each_class_is_held_out_by_itself(seed):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([rng.choice(4, p=[0.6, 0.3, 0.07, 0.03], size=150), np.arange(4), np.arange(4)])
    texts = [f"text {rng.integers(120)}" for _ in labels]
    splits = make_splits(dataset(labels, texts), seed=seed)
    assert [split.rows.tolist() for _, split in splits.items()] == by_plain_loop(texts, labels.tolist(), seed)


def test_without_groups_the_rows_of_a_seed_never_change():
    splits = make_splits(dataset([0, 1] * 20), seed=7)
    assert splits.validation.rows.tolist() == [1, 6, 9, 16, 24, 33]
    assert splits.test.rows.tolist() == [13, 25, 26, 28, 29, 32]


def grouped(n=120, groups=30, seed=0):
    """A dataset whose texts repeat, within a group and across."""
    rng = np.random.default_rng(seed)
    texts = [f"text {i if i % 24 else rng.integers(n)}" for i in range(n)]
    names = [f"author {rng.integers(groups)}" for _ in range(n)]
    return TextDataset.of(texts, {"label": ["a", "b", "b"] * (n // 3)}, groups=names)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 60))
def test_held_out_splits_share_no_group_and_no_text(seed, groups):
    text_dataset = grouped(groups=groups, seed=seed)
    splits = make_splits(text_dataset, seed=seed)
    parts = [split for _, split in splits.items()]
    assert sorted(np.concatenate([part.rows for part in parts])) == list(range(120))
    for first, second in itertools.combinations(parts, 2):
        assert not set(first.groups) & set(second.groups)
        assert not set(first.texts.first) & set(second.texts.first)
    assert set(splits.train.labels("label")) == {0, 1}


def test_a_group_too_large_to_hold_out_is_a_note_where_little_is_left():
    labels = {"label": ["a", "b"] * 50}
    for large, notes in ((70, 0), (92, 2)):
        groups = ["large"] * large + [f"small {i // 2}" for i in range(large, 100)]
        splits = make_splits(TextDataset.of([f"text {i}" for i in range(100)], labels, groups=groups))
        assert set(splits.train.groups) >= {"large"}
        assert sum("a group is not divided" in note for note in splits.notes) == notes
    assert splits.notes[:2] == (
        "4 % of the texts are held out for validation instead of 15 %, because a group is not divided.",
        "4 % of the texts are held out for test instead of 15 %, because a group is not divided.",
    )


def test_without_a_group_column_groups_are_divided():
    text_dataset = grouped()
    splits = make_splits(TextDataset.of(text_dataset.texts.first, {"label": text_dataset.labels["label"]}))
    sides = [{text_dataset.groups[row] for row in split.rows} for _, split in splits.items()]
    assert sides[0] & sides[2]


def test_groups_in_two_datasets_are_counted():
    def some(texts, groups):
        return TextDataset.of(texts, {"label": ["a", "b"] * (len(texts) // 2)}, groups=list(groups))

    train = some([f"t{i}" for i in range(6)], "uuvvww")
    notes = make_splits(train, some(["v0", "v1"], "xy"), some(["s0", "s1", "s2", "t0"], "uxzz")).notes
    assert notes[:2] == (
        "1 of 4 test texts also occur in an earlier split; accuracy on them may be inflated.",
        "2 of 4 test texts belong to a group that also occurs in an earlier split; accuracy on them may be inflated.",
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("x" * 8, r"all texts belong to one group \('x'\), so that no validation split can be held out; use smaller"),
        ("xxxxyyyy", "2 groups are too few to hold out a validation split and keep every class in train; use smaller"),
        ("xyxyzwzw", "4 groups are too few"),  # each class has two groups, and keeps one
    ],
)
def test_too_few_groups_are_an_error(groups, message):
    labels = ["a", "b"] * 4 if groups != "xyxyzwzw" else ["a", "b", "a", "b", "c", "d", "c", "d"]
    text_dataset = TextDataset.of([f"t{i}" for i in range(8)], {"label": labels}, groups=list(groups))
    with pytest.raises(InputError, match=message):
        make_splits(text_dataset)


def test_a_task_to_stratify_by_must_exist():
    with pytest.raises(InputError, match="unknown label column 'lable'"):
        make_splits(dataset([0, 1] * 20), stratify=["lable"])


def test_groups_that_share_a_text_count_as_one():
    text_dataset = TextDataset.of(
        ["t0", "t1", "t2", "t3", "t2", "t0"], {"label": ["a", "b"] * 3}, groups=list("uvwxxv")
    )
    with pytest.raises(InputError, match=r"4 groups \(2 after joining those that share a text\) are too few"):
        make_splits(text_dataset)
