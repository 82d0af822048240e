"""Checks of arguments: the message names the value, the valid choices and a remedy."""

import numpy as np
import pytest

from probes.checks import (
    InputError,
    check_kind,
    check_same_length,
    check_writable,
    choose,
    finite_number,
    short_repr,
    side_of_zero,
    whole_number,
)


def test_an_unknown_name_is_answered_with_the_most_similar_one_and_all_of_them():
    assert choose("pooling", "cls", {"cls": 1}) == 1
    with pytest.raises(InputError, match=r"^unknown pooling 'meen' \(did you mean 'mean'\?\); known: cls, mean$"):
        choose("pooling", "meen", {"cls": 1, "mean": 2})


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, 11])
def test_a_whole_number_lies_within_its_bounds(value):
    assert whole_number(np.int32(10), "n", least=1, most=10) == 10
    with pytest.raises(InputError, match=r"^n must be a whole number from 1 to 10, found "):
        whole_number(value, "n", least=1, most=10)


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), -0.5, "1"])
def test_a_finite_number_is_not_negative(value):
    assert finite_number(np.float32(0.5), "share") == 0.5
    with pytest.raises(InputError, match=r"^share must be a finite number of 0 or more, found "):
        finite_number(value, "share")


def test_numbers_of_numpy_are_of_pythons_kinds_and_truth_values_are_no_numbers():
    check_kind(int | None, n=np.int64(3), m=None)
    check_kind(bool, on=np.True_)
    with pytest.raises(InputError, match=r"^n must be a whole number or None, found True$"):
        check_kind(int | None, n=True)


def test_lengths_that_differ_are_named():
    check_same_length(texts=["a"], labels=[0], groups=None)
    with pytest.raises(InputError, match=r"^lengths differ: texts has 1, labels has 2$"):
        check_same_length(texts=["a"], labels=[0, 1])


def test_a_file_is_no_folder_to_write_to(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^cannot write to .*; name another folder$"):
        check_writable(tmp_path / "file")


def test_invisible_characters_are_written_as_their_codes():
    assert short_repr("\u200b") == r"'\u200b'"
    assert short_repr("x" * 100) == repr("x" * 60 + "...")


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
