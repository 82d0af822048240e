"""A few hundred of the mutations that `make fuzz` makes, drawn in every form but the page, and some of them with it."""

import pytest

from tests import fuzz


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with fuzz.remembered():
        yield folder, fuzz.save_bases(folder)


@pytest.mark.parametrize("first", range(0, 240, 60))
def test_a_mutated_result_is_refused_in_one_line_or_told(saved, first):
    folder, bases = saved
    outcomes = [
        fuzz.attack(seed, bases, folder, ("json", "csv", "markdown"), several=False)
        for seed in range(first, first + 60)
    ]
    assert {"refused", "drawn"} == set(outcomes)


def test_a_mutated_result_is_refused_in_one_line_or_drawn(saved):
    folder, bases = saved
    small = {"two": bases["two"]}
    outcomes = [fuzz.attack(seed, small, folder, ("html",)) for seed in range(1000, 1030)]
    assert {"refused", "drawn"} == set(outcomes)


def test_what_is_not_mutated_is_drawn(saved):
    folder, bases = saved
    assert all(fuzz.report([str(folder / name), "--format", "markdown"]) == 0 for name in bases)
