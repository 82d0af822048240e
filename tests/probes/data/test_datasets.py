"""Datasets in memory: columns, classes, units and input types."""

import itertools

import numpy as np
import pytest

from probes import InputError, TextDataset
from probes.data.datasets import Split
from probes.data.labels import sort_names
from probes.data.texts import Texts


def test_a_dataset_from_plain_lists_names_its_classes_in_order():
    dataset = TextDataset.of(Texts(["a", "b", "c"], ["d", "e", "f"]), {"n": [10, 9, 10], "s": ["x", "y", "x"]})
    assert dataset.class_names == {"n": ("9", "10"), "s": ("x", "y")}
    assert dataset.labels["n"].tolist() == [1, 0, 1]
    assert dataset.texts == Texts(["a", "b", "c"], ["d", "e", "f"])
    named = TextDataset.of(["a"], {"s": ["y"]}, class_names={"s": ("x", "y")})
    assert named.labels["s"].tolist() == [1]
    with pytest.raises(InputError, match="unknown class of 's' 'z'; known: x, y"):
        TextDataset.of(["a"], {"s": ["z"]}, class_names={"s": ("x", "y")})
    with pytest.raises(InputError, match="lengths differ"):
        TextDataset.of(["a", "b"], {"s": ["z"]})


def test_classes_that_are_one_number_in_two_writings_have_one_order():
    assert {sort_names(order) for order in itertools.permutations(["1", "01", "001", "2"])} == {("001", "01", "1", "2")}


class Counted(tuple):
    """A tuple that counts how often one of its items is taken."""

    taken = 0

    def __getitem__(self, row):
        type(self).taken += 1
        return super().__getitem__(row)


@pytest.mark.parametrize("name", ["groups", "input_types"])
def test_columns_of_a_split_are_put_together_once(name):
    columns = {"groups": list("ggghhh"), "input_types": list("stusst")}
    text_dataset = TextDataset.of(list("abcdef"), {"label": [0, 1] * 3}, **columns)
    split = Split(text_dataset, np.array([0, 2, 3, 5]))
    Counted.taken = 0
    object.__setattr__(text_dataset, name, Counted(getattr(text_dataset, name)))
    actual = [getattr(split, name)[i] for i in range(4) for _ in range(50)]
    assert actual[::50] == [getattr(text_dataset, name)[row] for row in (0, 2, 3, 5)]
    assert Counted.taken == 8


def test_texts_of_a_split_are_one_value_however_often_they_are_read():
    text_dataset = TextDataset.of(Texts(list("abcdef"), list("uvwxyz")), {"label": [0, 1] * 3})
    split = Split(text_dataset, np.array([0, 2, 3, 5]))
    assert split.texts is split.texts
    assert split.texts == Texts(list("acdf"), list("uwxz"))


def test_units_of_a_split_keep_texts_pairs_and_groups_together():
    texts, pairs = ["a", "b", "a", "c"], ["x", "x", "y", "x"]
    labels = {"label": [0, 1, 0, 1]}
    rows = np.array([0, 2, 3])
    assert Split(TextDataset.of(texts, labels), rows).units.tolist() == [0, 0, 1]
    assert Split(TextDataset.of(Texts(texts, pairs), labels), rows).units.tolist() == [0, 1, 2]
    both = TextDataset.of(Texts(texts, pairs), labels, groups=[1, 2, 3, 1])
    assert Split(both, rows).units.tolist() == [0, 1, 0]
    assert Split(both, rows).groups == ("1", "3", "1")
    with pytest.raises(InputError, match=r"lengths differ: .*groups has 1"):
        TextDataset.of(texts, labels, groups=[1])


@pytest.mark.parametrize("name", ["texts", "pairs", "groups", "input_types"])
def test_a_label_column_may_have_the_name_of_another_column(name):
    assert TextDataset.of(["a", "b"], {name: ["x", "y"]}).labels[name].tolist() == [0, 1]
