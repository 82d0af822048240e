"""The map of erasure: a point where its numbers are, and numbers of layers that cover nothing."""

import math
import re

import numpy as np
import pandas as pd

from reports.charts.canvas import Label
from reports.charts.erasure_map import NUMERAL, POINT, erasure_map, number_positions
from reports.charts.styles import Style, styles_of_poolings

CLS_STYLE = {key: Style("[CLS]", *style) for key, style in styles_of_poolings(["cls"]).items()}


def test_the_map_has_the_number_of_each_layer_near_its_point():
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
    svg = erasure_map(points, none, CLS_STYLE, Label("m", "t", "d"), limits=(-2.0, 45.0), most_bits=0.5)
    numbers = {text: (float(x), float(y)) for x, y, text in _placed(svg) if text in "01"}
    assert numbers["1"][0] > numbers["0"][0]
    assert numbers["1"][1] < numbers["0"][1], "upwards is more"


def _placed(svg):
    """x, y and words of the numbers of layers, which are centred."""
    return re.findall(r'text-anchor: middle[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', svg)


def test_the_numbers_of_points_that_lie_close_together_cover_neither_points_nor_each_other():
    rng = np.random.default_rng(0)
    close = [(100 + x, 60 + y) for x, y in rng.normal(0, 9, (8, 2))]
    apart = [(40.0 * i, 150.0) for i in range(1, 6)]
    points = [*close, *apart]
    positions = number_positions(points, ((0.0, 250.0), (0.0, 180.0)))
    for i, position in enumerate(positions):
        assert all(math.dist(position, earlier) >= NUMERAL for earlier in positions[:i])
        assert all(math.dist(position, point) >= POINT for point in points)
        assert 0 < position[0] < 250
        assert 0 < position[1] < 180


def test_a_point_without_neighbours_has_its_number_right_above_it():
    (position,) = number_positions([(50.0, 50.0)], ((0.0, 100.0), (0.0, 100.0)))
    assert position[0] == 50.0
    assert 0 < position[1] - 50.0 < 2 * NUMERAL


def test_points_for_whose_numbers_there_is_no_room_have_them_all_the_same():
    points = [(10.0, 10.0)] * 60
    assert len(number_positions(points, ((0.0, 20.0), (0.0, 20.0)))) == 60
