"""Datasets that are matched by their classes, and splits of any of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import InputError, TextDataset, make_splits
from probes.data.texts import Texts
from tests.support.datasets.labelled_datasets import COMMON, dataset


def test_classes_of_given_datasets_are_matched_by_their_names():
    train, test = dataset(["a", "b", "c"] * 20), dataset(["c", "b"] * 10, prefix="new")
    assert test.class_names["label"] == ("b", "c")
    splits = make_splits(train, test=test)
    assert splits.class_names["label"] == ("a", "b", "c")
    assert [splits.class_names["label"][i] for i in splits.test.labels("label")] == ["c", "b"] * 10
    assert splits.test.dataset.class_names == splits.train.dataset.class_names
    more = make_splits(train, test=dataset(["d", "b", "d"], prefix="new"))
    assert more.class_names["label"] == ("a", "b", "c", "d")
    assert "No train text of label has the class 'd'." in more.notes


@pytest.mark.parametrize(
    ("further_datasets", "message"),
    [
        ({"test": ["a", "b"]}, "test must be a TextDataset, found list; make one by TextDataset.of"),
        ({"test": dataset({"other": [0, 1]})}, "train and test have different label columns: label and other"),
        ({"validation": dataset([])}, "validation has no texts"),
    ],
)
def test_datasets_that_do_not_match_are_an_error_of_one_line(further_datasets, message):
    with pytest.raises(InputError, match=message):
        make_splits(dataset(COMMON), **further_datasets)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abcdefghijklmnopqrs"), st.sampled_from("xy"), st.integers(0, 12), st.integers(0, 3)),
        min_size=12,
        max_size=80,
    ),
    paired=st.booleans(),
    grouped=st.booleans(),
    fold=st.booleans(),
    stratify=st.sampled_from([(), ("u",), ("u", "v")]),
    seed=st.integers(0, 99),
)
def test_splits_of_any_datasets_are_a_partition_of_whole_units(rows, paired, grouped, fold, stratify, seed):
    texts, pairs, groups, ids = zip(*rows, strict=True)
    text_dataset = TextDataset.of(
        Texts(texts, pairs if paired else None),
        {"u": [i // 2 for i in ids], "v": [i % 2 for i in ids]},
        groups=groups if grouped else None,
    )
    try:
        splits = make_splits(text_dataset, stratify=stratify, fold=fold, drop_rare=True, seed=seed)
    except InputError:
        return
    whole = splits.train.dataset
    assert sorted(np.concatenate([split.rows for _, split in splits.items()])) == list(range(len(whole.texts)))
    assert (splits.validation is None) == fold
    for (_, one), (_, other_split) in itertools.combinations(splits.items(), 2):
        assert not set(one.texts.keys) & set(other_split.texts.keys)
        assert not grouped or not set(one.groups) & set(other_split.groups)
    assert splits.leakage.exact == 0
    for task in whole.labels:
        assert len(set(splits.train.labels(task))) >= 2
