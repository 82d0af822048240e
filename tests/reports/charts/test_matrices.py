"""Matrices: shades and numbers of the heat map and the pairs of layers."""

import re

import numpy as np
import pandas as pd
import pytest

from reports.charts import matrices
from reports.charts.canvas import Label


def test_the_shades_of_the_heat_map_leave_out_the_layer_that_says_nothing():
    frame = pd.DataFrame({"pooling": ["cls"] * 3, "layer": [0, 1, 2], "value": [0.5, 0.8, 0.82]})
    svg = matrices.layer_heat_map(frame, Label("heat", "t", "d"), best=None, tied=[], random_pooler=False)
    assert re.findall(r"fill: var\(--ramp-(\d)", svg) == ["1", "1", "9"]
    mean_svg = matrices.layer_heat_map(
        frame.assign(pooling="mean"), Label("heat", "t", "d"), best=None, tied=[], random_pooler=False
    )
    assert re.findall(r"fill: var\(--ramp-(\d)", mean_svg) == ["1", "9", "9"]


@pytest.mark.parametrize(("layers", "cells"), [(9, {"0.25", "1.00"}), (13, {".25", "1"}), (14, set()), (30, set())])
def test_numbers_of_pairs_get_shorter_and_then_leave_as_the_layers_grow(layers, cells):
    table = pd.DataFrame(np.where(np.eye(layers), 1.0, 0.25), index=range(40, 40 + layers))
    svg = matrices.layer_pairs(table, Label("c", "t", "d"), low=0.25, framed=3)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {text for text in texts if text not in {str(layer) for layer in table.index}} == {*cells, "layer"}
    assert "40" in texts
    assert float(re.search(r"--width: (\d+)px", svg)[1]) <= 446
