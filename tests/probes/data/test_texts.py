"""Texts and pairs of texts as one value."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from probes.checks import InputError
from probes.data.datasets import Split, TextDataset
from probes.data.texts import Texts

FIRST, SECOND = ["a film", "", "a plot"], ["good", "bad", ""]


def test_texts_are_equal_where_both_sides_are():
    pairs = Texts(FIRST, SECOND)
    assert pairs == Texts(tuple(FIRST), (text for text in SECOND))
    assert pairs == Texts(pd.Series(FIRST, index=[5, 1, 2]), np.array(SECOND))
    assert len({pairs, Texts(FIRST), Texts(SECOND, FIRST), Texts(FIRST, FIRST)}) == 4
    assert pickle.loads(pickle.dumps(pairs)) == pairs
    assert (len(pairs), pairs.paired, Texts(FIRST).paired, bool(Texts([]))) == (3, True, False, False)


def test_texts_stay_the_value_that_they_are_and_any_list_becomes_one():
    pairs = Texts(FIRST, SECOND)
    assert Texts.of(pairs) is pairs
    assert Texts.of(iter(FIRST)) == Texts(FIRST)


@pytest.mark.parametrize("rows", [[2, 0, 2], (2, 0, 2), np.array([2, 0, 2], np.int32), torch.tensor([2, 0, 2])])
def test_taken_rows_come_in_their_order_from_both_sides(rows):
    assert Texts(FIRST, SECOND).take(rows) == Texts(["a plot", "a film", "a plot"], ["", "good", ""])
    assert Texts(FIRST).take(rows) == Texts(["a plot", "a film", "a plot"])


def test_a_slice_takes_consecutive_texts_and_ends_with_them():
    pairs = Texts(FIRST, SECOND)
    assert pairs[1:] == pairs.take([1, 2])
    assert pairs[:500] == pairs
    assert pairs.take([]) == pairs[:0] == Texts([], [])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([3], r"rows must lie in \[0, 3\), found 3 to 3"),
        ([-1, 0], r"rows must lie in \[0, 3\), found -1 to 0"),
        ([True, False, True], r"found a mask of True and False; use numpy.flatnonzero\(mask\)"),
        (np.zeros(3, dtype=bool), "found a mask of True and False"),
        ([0.5], "rows must be one axis of integers"),
    ],
)
def test_rows_that_do_not_exist_and_masks_are_refused(rows, message):
    dataset = TextDataset.of(Texts(FIRST, SECOND), [0, 1, 0])
    for take in (Texts(FIRST, SECOND).take, dataset.take):
        with pytest.raises(InputError, match=message):
            take(rows)


def test_a_single_text_is_read_from_its_side():
    with pytest.raises(TypeError, match="indexed by a slice or by take"):
        Texts(FIRST)[0]
    with pytest.raises(TypeError, match="indexed by a slice or by take"):
        list(Texts(FIRST))


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((["a", None],), "^text 1 is None, not text$"),
        ((["a"], [b"b"]), "^second text 0 is b'b', not text; decode it first$"),
        ((["a", "b"], ["c"]), "^lengths differ: texts has 2, second texts has 1$"),
        (("a film",), "^texts must be a list of texts, found a single one"),
        ((["a film"], "good"), "^second texts must be a list of texts, found a single one"),
        (([("a film", "good")],), r"text 0 is \('a film', 'good'\), not text; give pairs as Texts\(first, second\)$"),
        ((Texts(FIRST),), r"texts must be a list of texts, found Texts\(3 texts\)"),
    ],
)
def test_what_is_no_text_is_refused_by_its_number(sides, message):
    with pytest.raises(InputError, match=message):
        Texts(*sides)


def test_duplicates_of_a_pair_share_both_sides():
    assert Texts(["a", "a", "a"], ["b", "b", ""]).keys == [("a", "b"), ("a", "b"), ("a", "")]
    assert Texts(["a"]).keys == [("a", "")]


def test_a_pair_is_joined_by_a_blank():
    assert Texts(FIRST, SECOND).joined == ("a film good", " bad", "a plot ")
    assert Texts(FIRST).joined == tuple(FIRST)


def test_many_rows_of_a_large_split_are_taken_without_building_the_split_for_each(monkeypatch):
    split = Split(TextDataset.of([f"text {i}" for i in range(5000)], [0, 1] * 2500), np.arange(4000))
    calls = []
    take = Texts.take
    monkeypatch.setattr(Texts, "take", lambda texts, rows: calls.append(len(rows)) or take(texts, rows))
    assert [split.texts.take([row]).first for row in range(3)] == [("text 0",), ("text 1",), ("text 2",)]
    assert calls == [4000, 1, 1, 1]


def test_texts_that_differ_have_other_fingerprints():
    lists = [
        (["a", "b"], None),
        (["b", "a"], None),
        (["ab"], None),
        (["ab", ""], None),
        (["", "ab"], None),
        (["a"], ["b"]),
        (["a"], None),
        (["a"], [""]),
        (["A"], None),
        (["a "], None),
        (["é"], None),
        (["e\u0301"], None),
    ]
    assert len({Texts(*sides).fingerprint() for sides in lists}) == len(lists)
    assert Texts(("a", "b")).fingerprint() == Texts(["a", "b"]).fingerprint()
