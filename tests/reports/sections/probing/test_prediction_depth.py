"""Prediction depth on the page."""

import dataclasses

import pandas as pd

from probes.results.result import Claim
from reports.lookup import View
from reports.sections.probing import prediction_depth
from tests.support.results.probed import result


def test_how_many_layers_are_constant_may_be_unknown():
    numbers = {"pooling": "mean", "mean_depth": 1.5, "correlation": 0.4, "same_depth": 0.5, "by_chance": 0.3}
    claim = Claim(
        "prediction_depth", "measured", "sentiment", {**numbers, "share_from_first_layer": 0.25, "n_constant": None}
    )
    texts = pd.DataFrame({"task": "sentiment", "pooling": "mean", "text_id": [0, 1], "depth": [1, 2]})
    section = prediction_depth.section(
        View(dataclasses.replace(result(tables={"prediction_depth": texts}), claims=(claim,)))
    )
    assert not any("Left out" in note for note in section.notes)
