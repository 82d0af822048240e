"""Inputs of a sweep: settings as lists, and settings that mean nothing."""

import numpy as np
import pytest

from probes import InputError, LogisticProbe, SweepOptions


def test_layers_and_penalties_become_lists_and_penalties_are_sorted_from_strong_to_weak():
    options = SweepOptions(layers=np.array([2, 0]), cs=(1.0, 0.01, 0.1), ineligible=(name for name in ["pooler"]))
    assert list(options.layers) == [2, 0]
    assert list(options.cs) == [0.01, 0.1, 1.0]
    assert list(options.ineligible) == ["pooler"]
    assert list(SweepOptions(layers=3).layers) == [3]


def test_without_layers_all_are_probed_and_no_study_is_made():
    options = SweepOptions()
    assert options.layers is None
    assert options.studies == {}


def test_studies_are_copied():
    studies = {"a": len}
    options = SweepOptions(studies=studies)
    studies["b"] = len
    assert options.studies == {"a": len}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probe": 3}, "probe must be LogisticProbe, found 3"),
        ({"cs": ()}, "no penalty strength to choose from"),
        ({"cs": (0.1, -1)}, "finite number above 0, found -1"),
        ({"folds": "5"}, "folds"),
        ({"seed": -1}, "seed"),
        ({"studies": [len]}, "studies"),
        ({"studies": {"a": 3}}, "the study 'a'"),
        ({"device": "cpu:x"}, "cpu:x"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SweepOptions(**settings)


def test_the_penalty_of_the_probe_does_not_change_the_grid():
    assert list(SweepOptions(probe=LogisticProbe(c=7.0)).cs) == list(SweepOptions().cs)
