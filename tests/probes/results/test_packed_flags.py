"""Flags packed into hexadecimal digits."""

import numpy as np
import pytest

from probes.checks import InputError
from probes.results.packed_flags import pack_flags, unpack_flags


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 500])
def test_flags_are_read_as_they_were_written(n):
    flags = np.random.default_rng(n).random(n) < 0.5
    np.testing.assert_array_equal(unpack_flags(pack_flags(flags), n), flags)


def test_the_first_flag_is_the_highest_bit():
    assert pack_flags(np.array([True, False, False, True, True])) == "98"


@pytest.mark.parametrize(("digits", "n"), [("98", 9), ("9898", 8), ("9", 4), ("zz", 8), ("", 1)])
def test_what_holds_another_number_of_flags_is_refused(digits, n):
    with pytest.raises(InputError):
        unpack_flags(digits, n)
