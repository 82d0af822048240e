"""A few hundred of the mutations that `make fuzz` makes."""

import collections

import pytest

from tests import fuzz


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with fuzz.remembered():
        yield folder, fuzz.save_bases(folder)


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_a_mutated_result_is_refused_in_one_line_or_told(saved, first):
    folder, bases = saved
    counts = collections.Counter()
    for seed in range(first, first + 5):
        outcome = fuzz.attack(seed, bases, folder, ("json", "csv", "markdown"), several=False)
        assert not outcome.fault
        counts += outcome.counts
    assert counts["refused"]
    assert counts["drawn"]


def test_a_mutated_result_is_refused_in_one_line_or_drawn(saved):
    folder, bases = saved
    outcomes = [fuzz.attack(seed, {"two": bases["two"]}, folder, ("html",)) for seed in range(1003, 1007)]
    assert not any(outcome.fault for outcome in outcomes)
    assert any(outcome.target.compared for outcome in outcomes)


def test_what_is_not_mutated_is_drawn_without_blemish(saved, capsys):
    folder, bases = saved
    for name in bases:
        assert fuzz.report([str(folder / name), "--format", "markdown", "json"]) == 0
        blemishes = [fuzz.blemishes_of(folder / name / file, bases[name]) for file in ("summary.md", "report.json")]
        assert blemishes == [[], []]
