"""The identity of a pooling: features of one function are never taken for those of another."""

import enum
import functools
import os

import numpy as np
import pytest
import torch

from probes import InputError, extract_features
from probes.encoder.pooling import POOLINGS, pooling_identity


def scaled(factor=2.0, *, const="3.0", shift=0.0):
    """A pooling of the caller's own, of which everything can be changed."""
    source = (
        f"def scaled(states, times=1.0):\n    return (lambda h: h * {const})(mean(states)) * factor * times + SHIFT\n"
    )
    exec(f"def outer(factor):\n    {source.replace(chr(10), chr(10) + '    ')}\n    return scaled", names := {})
    names |= {"mean": POOLINGS["mean"], "SHIFT": shift}
    return names["outer"](factor)


def with_default(times):
    function = scaled()
    function.__defaults__ = (times,)
    return function


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, states):
        return POOLINGS["mean"](states) * self.factor


@pytest.mark.parametrize(
    ("changed", "ratio"),
    [
        (scaled(4.0), 4 / 2),
        (scaled(const="5.0"), 5 / 3),
        (with_default(7.0), 7.0),
        (functools.partial(scaled(), times=3.0), 3.0),
        (Scale(2.0), 2 / 6),
        (Scale(torch.tensor(3.0)), 3 / 6),
        (lambda states: POOLINGS["mean"](states), 1 / 6),
    ],
    ids=["closure", "constant inside", "default", "partial", "object", "tensor", "lambda"],
)
def test_a_changed_pooling_of_the_same_name_is_extracted_anew(bert, texts, tmp_path, monkeypatch, changed, ratio):
    def read_with(function):
        monkeypatch.setitem(POOLINGS, "scaled", function)
        return extract_features(bert, texts, poolings="scaled", layers=1, cache=str(tmp_path)).read("scaled", 1)

    first = read_with(scaled())
    np.testing.assert_allclose(read_with(changed), first * ratio, rtol=1e-4, atol=1e-6)
    with monkeypatch.context() as watched:  # the same function, made again, is found again
        watched.setattr("probes.features.extraction.pool_into", lambda *args: pytest.fail("extracted again"))
        np.testing.assert_array_equal(read_with(scaled()), first)


def test_a_global_variable_that_a_pooling_names_is_part_of_it(bert, texts, tmp_path, monkeypatch):
    features = []
    for shift in (0.0, 1.0):
        monkeypatch.setitem(POOLINGS, "shifted", scaled(shift=shift))
        store = extract_features(bert, texts, poolings=["shifted"], layers=[1], cache=tmp_path)
        features.append(store.read("shifted", 1))
    np.testing.assert_allclose(features[1] - features[0], 1.0, atol=1e-5)


def test_another_function_in_the_place_of_a_built_in_pooling_shares_no_vectors_with_it(
    bert, texts, tmp_path, monkeypatch
):
    plain = extract_features(bert, texts, poolings=["mean"], layers=[1], cache=tmp_path).read("mean", 1)
    with monkeypatch.context() as replaced:
        replaced.setitem(POOLINGS, "mean", lambda states: states.hidden[:, 0].float())
        other_features = extract_features(bert, texts, poolings=["mean"], layers=[1], cache=tmp_path).read("mean", 1)
    assert not np.allclose(plain, other_features)
    again = extract_features(bert, texts, poolings=["mean"], layers=[1], cache=tmp_path).read("mean", 1)
    np.testing.assert_array_equal(again, plain)


def times_of(kind, value):
    """A pooling that takes its factor from a member, or from the class of a class."""
    if kind == "enum":
        member = enum.IntEnum("Factor", {"MEMBER": value}).MEMBER
        return lambda states: states.hidden[:, 0] * member
    meta = type("Meta", (type,), {"factor": value})
    kind_of_value = meta("Made", (), {})
    return lambda states: states.hidden[:, 0] * kind_of_value.factor


@pytest.mark.parametrize("kind", ["enum", "class of a class"])
def test_a_factor_is_part_of_a_pooling_wherever_it_stands(kind, monkeypatch):
    identities = []
    for value in (2, 2, 3):
        monkeypatch.setitem(POOLINGS, "scaled", times_of(kind, value))
        identities.append(pooling_identity("scaled"))
    assert identities[0] == identities[1] != identities[2]


READS_BESIDE = {
    "a file": lambda states: states.hidden[:, 0] * float(open("factor").read()),  # noqa: PTH123, SIM115
    "its own text": lambda states: states.hidden[:, 0] * eval("1.0"),
    "names": lambda states: states.hidden[:, 0] * globals()["FACTOR"],
    "the environment": lambda states: states.hidden[:, 0] * float(os.environ["FACTOR"]),
    "the environment, by a function": lambda states: states.hidden[:, 0] * float(os.getenv("FACTOR", "1")),
}


@pytest.mark.parametrize("pooling", READS_BESIDE.values(), ids=READS_BESIDE)
def test_a_pooling_that_reads_what_its_code_does_not_name_is_refused(pooling, monkeypatch):
    monkeypatch.setitem(POOLINGS, "beside", pooling)
    with pytest.raises(InputError, match="'beside' cannot be stored on disk"):
        pooling_identity("beside")


def test_a_pooling_whose_content_cannot_be_told_is_refused_before_the_work(bert, texts, tmp_path, monkeypatch):
    draws = np.random.default_rng(0)
    monkeypatch.setitem(POOLINGS, "noisy", lambda states: states.hidden[:, 0] + float(draws.standard_normal()))
    with pytest.raises(InputError, match=r"'noisy' cannot be stored on disk.* draws is numpy.*Generator"):
        extract_features(bert, texts, poolings=["noisy"], cache=tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(POOLINGS, "../x", Scale(1))
    with pytest.raises(InputError, match="must be letters, digits"):
        extract_features(bert, texts, poolings=["../x"], cache=tmp_path)
