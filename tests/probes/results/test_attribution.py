"""The attribution of one text, written as JSON and read back."""

import dataclasses
import json

import numpy as np
import pytest

from probes import Attribution
from probes.results.attribution import attribution_of
from probes.results.typed_json import MisfitError
from tests.support.results.smallest import ATTRIBUTION

SAID = ATTRIBUTION.to_json()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("text", None, "explanation.text must be text, found None"),
        ("tokens", "abcd", "explanation.tokens must be a list"),
        ("tokens", ["a"], "lengths differ: tokens has 1"),
        ("tokens", [1, 2, 3, 4], r"explanation.tokens\[0\] must be text"),
        ("scores", [0.0, "x", 0.0, 0.0], r"scores\[1\] must be a finite number up to 1e30, found 'x'"),
        ("scores", [0.0, -1e31, 0.0, 0.0], r"scores\[1\] must be a finite number up to 1e30, found -1e\+31"),
        ("output", 1e308, r"output must be a finite number up to 1e30"),
        ("scores", None, "scores must be a list"),
        ("offsets", [[0, 0]] * 4, r"offsets\[0\] must be a list of 3"),
        ("offsets", [[0, 0, 999]] * 4, r"offsets\[0\] must be inside the text or the pair"),
        ("offsets", [[1, 0, 1]] * 4, r"offsets\[0\] must be inside"),
        ("offsets", [[0, 2, 1]] * 4, r"offsets\[0\] must be inside"),
        ("offsets", [[2, 0, 0]] * 4, r"offsets\[0\] must be inside"),
        ("offsets", [[0, 0, 10**400]] * 4, r"offsets\[0\]\[2\] must be a whole number"),
        ("probabilities", [0.5], "explanation.probabilities must be an object"),
        ("probabilities", {"NA": "x"}, "explanation.probabilities.NA must be a finite number"),
        ("converged", 1, "explanation.converged must be true or false or null"),
        ("layer", 2.5, "explanation.layer must be a whole number or null"),
        ("surprise", 1, "explanation has no field 'surprise'"),
    ],
)
def test_an_explanation_of_other_fields_is_refused(field, value, message):
    with pytest.raises(MisfitError, match=message):
        Attribution.from_json({**SAID, field: value})


@pytest.mark.parametrize("field", ["text", "tokens", "scores", "word_offsets", "head"])
def test_an_explanation_lacks_no_field(field):
    with pytest.raises(MisfitError, match=field):
        Attribution.from_json({key: value for key, value in SAID.items() if key != field})


def test_a_number_that_was_not_finite_is_read_as_none(tmp_path):
    lost = dataclasses.replace(
        ATTRIBUTION, output=np.inf, scores=ATTRIBUTION.scores * np.nan, probabilities={"NA": np.nan}
    )
    back = Attribution.from_json(json.loads(json.dumps(lost.to_json())))
    assert np.isnan(back.output)
    assert np.isnan(back.scores).all()
    assert np.isnan(back.probabilities["NA"])


@pytest.mark.parametrize("field", ["probabilities", "baseline_probabilities"])
@pytest.mark.parametrize("probability", [-0.1, 1.1, 1e30])
def test_a_probability_of_an_explanation_lies_from_0_to_1(field, probability):
    with pytest.raises(MisfitError, match=rf"{field}\.NA must be a probability from 0 to 1"):
        attribution_of({**SAID, field: {"NA": probability}}, 12)
    for possible in (0, 1, None):
        assert attribution_of({**SAID, field: {"NA": possible}}, 12)


def test_an_attribution_names_its_model_and_one_written_before_has_none():
    assert ATTRIBUTION.model is None
    values = dataclasses.replace(ATTRIBUTION, model="cls").to_json()
    assert Attribution.from_json(values).model == "cls"
    del values["model"]
    assert Attribution.from_json(values).model is None
