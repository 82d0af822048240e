"""The classes of a model's own head, matched to those of a dataset."""

import pytest

from probes import InputError
from probes.heads.head_classes import head_order, renamed_classes


@pytest.mark.parametrize(
    ("head", "dataset", "order"),
    [
        (("NEGATIVE", "Positive"), ("positive", "negative"), [1, 0]),
        (("LABEL_0", "LABEL_1", "LABEL_2"), ("0", "1", "2"), [0, 1, 2]),
        (("0", "1"), ("1", "0"), [1, 0]),
        (("yes", "YES"), ("YES", "yes"), [1, 0]),
    ],
)
def test_head_classes_are_matched_by_name(head, dataset, order):
    assert head_order(head, dataset) == order


@pytest.mark.parametrize("head", [("LABEL_0", "LABEL_1"), ("negative", "neutral"), ("negative", "neutral", "positive")])
def test_head_classes_that_are_not_the_datasets_are_refused(head):
    with pytest.raises(InputError, match="give the dataset's names with --head-classes"):
        head_order(head, ("negative", "positive"))


def test_a_head_and_a_dataset_may_write_a_name_in_two_unicode_forms():
    assert head_order(("cafe\u0301", "th\u00e9"), ("th\u00e9", "caf\u00e9")) == [1, 0]
    assert renamed_classes(("cafe\u0301", "tea"), {"caf\u00e9": "x", "tea": "the\u0301"}) == ("x", "th\u00e9")


def test_names_with_blanks_are_quoted_where_a_shell_parts_them():
    with pytest.raises(InputError, match=r"or as '1 star=1' \.\.\."):
        head_order(("1 star", "2 stars"), ("1", "2"))
