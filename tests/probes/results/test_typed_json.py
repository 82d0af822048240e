"""Values of JSON against the types of the dataclass that they become."""

import dataclasses
import json

import numpy as np
import pytest

from probes import Claim
from probes.results.typed_json import MisfitError, check_nesting, fields, parse_json, plain


def test_settings_nest_as_deep_as_a_page_can_show():
    deep = current = []
    for _ in range(100):
        current.append([])
        current = current[0]
    with pytest.raises(MisfitError, match="nested too deep"):
        check_nesting(deep, "settings")


def test_a_field_of_another_name_is_told():
    with pytest.raises(MisfitError, match="x must be an object"):
        fields(Claim, [], "x")


@dataclasses.dataclass(frozen=True)
class Values:
    number: float
    names: tuple[str, ...]
    span: tuple[int, int] | None = None


def test_lists_become_tuples_and_missing_defaults_stay_missing():
    assert fields(Values, {"number": 1, "names": ["a"], "span": [0, 2]}, "x") == {
        "number": 1,
        "names": ("a",),
        "span": (0, 2),
    }
    assert Values(**fields(Values, {"number": 0.5, "names": []}, "x")) == Values(0.5, ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": True}, "x.number must be a finite number up to 1e30, found True"),
        ({"number": None}, "x.number must be a finite number up to 1e30, found None"),
        ({"number": float("inf")}, "x.number must be a finite number up to 1e30, found inf"),
        ({"names": "ab"}, "x.names must be a list, found 'ab'"),
        ({"names": ["a", 1]}, r"x.names\[1\] must be text, found 1"),
        ({"span": [0, 1, 2]}, "x.span must be a list of 2"),
        ({"span": [0, 2**63]}, r"x.span\[1\] must be a whole number"),
        ({"more": 1}, "x has no field 'more'"),
    ],
)
def test_a_value_of_another_type_is_named_by_its_field(change, message):
    with pytest.raises(MisfitError, match=message):
        fields(Values, {"number": 1.0, "names": ["a"], **change}, "x")


def test_a_required_field_that_is_missing_is_named():
    with pytest.raises(MisfitError, match="x lacks 'names'"):
        fields(Values, {"number": 1.0}, "x")


def test_null_is_a_number_only_where_numbers_may_be_lost():
    assert np.isnan(fields(Values, {"number": None, "names": []}, "x", lost_numbers=True)["number"])


@pytest.mark.parametrize("content", [b'{"a": NaN}', b'{"a": 1, "a": 2}', b"{", b"\xff", b"[" * 100_000])
def test_loose_json_is_refused(content):
    with pytest.raises(MisfitError):
        parse_json(content)


def test_values_become_plain_ones_that_json_holds():
    value = {1: np.array([1.5, np.nan]), "a": (np.int64(2), {True}), "b": float("inf"), "c": np.float32(0.5)}
    assert plain(value) == {"1": [1.5, None], "a": [2, [True]], "b": None, "c": 0.5}
    assert json.loads(json.dumps(plain(value))) == plain(value)
