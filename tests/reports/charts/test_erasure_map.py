"""The map of erasure: a point where its numbers are."""

import re

import pandas as pd

from reports.charts.canvas import Label
from reports.charts.erasure_map import erasure_map


def test_the_map_has_a_point_for_each_place_where_it_belongs():
    points = pd.DataFrame(
        {
            "pooling": ["cls", "cls"],
            "layer": [0, 1],
            "bits": [0.0, 0.5],
            "accuracy_loss": [0.0, 40.0],
            "lower": -1,
            "upper": 41,
        }
    )
    none = pd.DataFrame({"eraser": [], "bits": [], "accuracy_loss": []})
    svg = erasure_map(points, none, Label("m", "t", "d"), quantity="lost", limits=(0.0, 40.0))
    numbers = {text: (float(x), float(y)) for x, y, text in _placed(svg) if text in "01"}
    assert numbers["1"][0] > numbers["0"][0]
    assert numbers["1"][1] < numbers["0"][1], "upwards is more"
    assert ">random<" not in svg
    assert ">shuffled label<" not in svg


def _placed(svg):
    """x, y and words of the texts inside markers, which are centred."""
    return re.findall(r'text-anchor: middle[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', svg)
