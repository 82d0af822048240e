"""What the library takes as texts, and the one line for what it does not."""

import numpy as np
import pandas as pd
import pytest

from probes.checks import InputError, side_of_zero
from probes.sequences import text_list

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
def test_an_entry_that_is_no_text_is_named_by_its_place(entry, words):
    for texts in (["a", entry], ("a", entry), pd.Series(["a", entry], index=[5, 1], dtype=object)):
        with pytest.raises(InputError) as refusal:
            text_list(texts)
        assert str(refusal.value) == words


def test_entries_of_another_name_and_of_a_later_part_are_called_so():
    with pytest.raises(InputError, match=r"^pair 41 is None, not text$"):
        text_list(["a", None], "pairs", first=40)


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
def test_what_is_no_list_of_texts_is_refused_in_one_line(texts):
    with pytest.raises(InputError, match=r"^texts must be a list of texts, found ") as refusal:
        text_list(texts)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("limits", "side"),
    [
        ((0.1, 0.2), "above"),
        ((-0.2, -0.1), "below"),
        ((-0.1, 0.1), "cannot_tell"),
        ((0.0, 0.1), "cannot_tell"),
        ((4e-8, 5e-8), "cannot_tell"),  # bits that rounding gives to a constant vector
        ((-5e-8, -4e-8), "cannot_tell"),
        ((2e-6, 3e-6), "above"),
        ((float("nan"), float("nan")), "cannot_tell"),
    ],
)
def test_an_interval_lies_on_a_side_of_zero_by_more_than_rounding(limits, side):
    assert side_of_zero(*limits) == side
