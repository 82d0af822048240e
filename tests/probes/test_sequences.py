"""Sequences of texts from any library, and the messages for anything else."""

import numpy as np
import pandas as pd
import pytest

from probes import InputError
from probes.sequences import class_ids, feature_array, layer_list, names_list, penalty_list, text_list

TEXTS = ["a film", "", "你 好"]


def _dataset_column():
    import datasets

    return datasets.Dataset.from_dict({"text": TEXTS})["text"]


def _arrow_array():
    import pyarrow

    return pyarrow.chunked_array([TEXTS])


@pytest.mark.parametrize(
    "build",
    [
        lambda: TEXTS,
        lambda: tuple(TEXTS),
        lambda: (text for text in TEXTS),
        lambda: np.array(TEXTS),
        lambda: np.array(TEXTS, dtype=object),
        lambda: pd.Series(TEXTS, index=[7, 3, 3]),
        lambda: pd.Series(TEXTS, dtype="string", index=["x", "y", "z"]),
        lambda: pd.Series(TEXTS, dtype="category"),
        lambda: pd.Index(TEXTS),
        _dataset_column,
        _arrow_array,
    ],
    ids="list tuple generator array objects series string categories index dataset arrow".split(),
)
def test_any_ordered_sequence_of_texts_becomes_a_new_list_of_strings(build):
    texts = build()
    strings = text_list(texts)
    assert strings == TEXTS
    assert strings is not texts
    assert {type(text) for text in strings} == {str}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (None, "text 1 is None, not text"),
        (float("nan"), "text 1 is nan, not text"),
        (pd.NA, "text 1 is <NA>, not text"),
        (pd.NaT, "text 1 is NaT, not text"),
        (3, "text 1 is 3, not text"),
        (np.float32(0.5), "text 1 is np.float32(0.5), not text"),
        (b"film", "text 1 is b'film', not text; decode it first"),
        (["a"], "text 1 is ['a'], not text"),
        (True, "text 1 is True, not text"),
    ],
    ids=repr,
)
def test_an_entry_that_is_no_text_is_named_by_its_number(entry, words):
    for texts in (["a", entry], ("a", entry), pd.Series(["a", entry], index=[5, 1], dtype=object)):
        with pytest.raises(InputError) as refusal:
            text_list(texts)
        assert str(refusal.value) == words


def test_entries_of_another_name_are_called_so():
    with pytest.raises(InputError, match=r"^second text 1 is None, not text$"):
        text_list(["a", None], "second texts")


def test_a_value_that_is_very_long_is_shortened_in_the_message():
    with pytest.raises(InputError) as refusal:
        text_list([list(range(1000))])
    assert len(str(refusal.value)) < 90


@pytest.mark.parametrize(
    "texts",
    [
        "a film",
        b"a film",
        None,
        3,
        {"text": TEXTS},
        set(TEXTS),
        frozenset(TEXTS),
        pd.DataFrame({"text": TEXTS}),
        np.array([TEXTS]),
        np.array("a film"),
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_values_that_are_no_list_of_texts_are_refused_in_one_line(texts):
    with pytest.raises(InputError, match=r"^texts must be a list of texts, found ") as refusal:
        text_list(texts)
    assert "\n" not in str(refusal.value)


def test_a_single_name_or_layer_becomes_a_list_of_one():
    assert names_list("mean", "poolings") == ["mean"]
    assert layer_list(3) == [3]
    assert layer_list(np.arange(2)) == [0, 1]


def test_whole_numbers_become_features_and_words_do_not():
    assert feature_array([[1, 2]]).dtype == np.float64
    assert feature_array(np.zeros((1, 2), np.float16)).dtype == np.float16
    with pytest.raises(InputError, match="features must be numbers"):
        feature_array([["a", "b"]])


def test_class_names_are_not_class_ids():
    assert class_ids([True, False]).tolist() == [1, 0]
    with pytest.raises(InputError, match="give the names as class_names"):
        class_ids(["good", "bad"])


@pytest.mark.parametrize("cs", [[], [0.0], [float("inf")], ["1"], "1", [True]])
def test_penalty_strengths_are_finite_numbers_above_zero(cs):
    assert penalty_list([10, 1e-3]) == [1e-3, 10]
    with pytest.raises(InputError, match="above 0"):
        penalty_list(cs)
