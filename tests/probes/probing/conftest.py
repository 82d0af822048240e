"""Fixtures of the tests of probing."""

import pytest

from probes import SweepOptions, sweep_probes
from tests.support.datasets.sweep_splits import split


@pytest.fixture(scope="module")
def sweep():
    names = {"three": ("a", "b", "c"), "two": ("no", "yes")}
    return sweep_probes(split(0), split(1), split(2), class_names=names, options=SweepOptions(model="tiny"))
