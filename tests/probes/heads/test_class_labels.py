"""Ids of a head's classes from ids or names."""

import numpy as np
import pytest
import torch

from probes import InputError
from probes.heads.class_labels import class_id, label_ids, named_class_ids

NAMES = ("negative", "positive")


@pytest.mark.parametrize("label", [1, np.int64(1), "positive"])
def test_a_class_is_given_by_its_id_or_its_name(label):
    assert class_id(label, NAMES) == 1


def test_a_number_that_is_no_id_may_be_a_name():
    assert class_id(5, ("5", "7")) == 0


def test_a_number_that_is_an_id_and_another_classs_name_is_refused():
    assert class_id(0, ("0", "1")) == 0
    with pytest.raises(InputError, match="class 0 is the id of '1' and also the name of another class; give the name"):
        class_id(0, ("1", "0"))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (2, r"lie in \[0, 2\), found 2"),
        (-1, "found -1"),
        ("positiv", "unknown class 'positiv'.*positive"),
        (True, "True"),
    ],
)
def test_a_class_that_does_not_exist_is_refused(label, message):
    with pytest.raises(InputError, match=message):
        class_id(label, NAMES)


def test_one_class_stands_for_all_texts_and_a_list_for_one_each():
    assert named_class_ids("positive", NAMES, 3) == [1, 1, 1]
    assert named_class_ids(["positive", 0, np.int64(1)], NAMES, 3) == [1, 0, 1]
    assert named_class_ids(torch.tensor([1, 0]), NAMES, 2) == [1, 0]
    assert named_class_ids([], NAMES, 0) == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["positive"], "lengths differ: texts has 2, labels has 1"),
        ({"positive", "negative"}, "must be a class, or a list of one class per text, found set"),
        ([None, 1], "must be names or ids of classes, found None"),
        ([0.5, 1], "found 0.5"),
    ],
)
def test_labels_that_are_not_one_a_text_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        named_class_ids(labels, NAMES, 2)


def test_labels_that_are_all_numbers_are_ids_also_where_classes_are_called_by_numbers():
    np.testing.assert_array_equal(label_ids([0, 1, 1], ("1", "0"), 3), [0, 1, 1])
    np.testing.assert_array_equal(label_ids(["1", "0"], ("1", "0"), 2), [0, 1])
    with pytest.raises(InputError, match=r"\[0, 2\)"):
        label_ids([0, 2], NAMES, 2)
    with pytest.raises(InputError, match="must be a list of one class per text, found str"):
        label_ids("positive", NAMES, 1)
