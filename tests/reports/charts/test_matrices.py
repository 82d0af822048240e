"""Matrices: shades and numbers of the heat map and the pairs of layers."""

import re

import numpy as np
import pandas as pd
import pytest

from reports.charts import matrices
from reports.charts.canvas import Label


def test_the_scale_of_heat_maps_leaves_out_the_layer_at_which_all_texts_have_one_vector():
    frame = pd.DataFrame({"pooling": ["cls"] * 3, "layer": [0, 1, 2], "value": [0.5, 0.8, 0.82]})
    for pooling, scale, shades in (("cls", (0.8, 0.82), ["1", "1", "9"]), ("mean", (0.5, 0.82), ["1", "9", "9"])):
        rows = frame.assign(pooling=pooling)
        assert matrices.accuracy_scale([rows]) == scale
        svg = matrices.layer_heat_map(
            rows, Label("heat", "t", "d"), scale=scale, best=None, tied=[], random_pooler=False
        )
        assert re.findall(r"fill: var\(--ramp-(\d)", svg) == shades


def test_all_heat_maps_of_a_row_have_the_scale_of_all_their_sites():
    low = pd.DataFrame({"pooling": "mean", "layer": [0, 1], "value": [0.5, 0.6]})
    high = low.assign(value=low["value"] + 0.3)
    assert matrices.accuracy_scale([low, high]) == (0.5, pytest.approx(0.9))


@pytest.mark.parametrize(("layers", "cells"), [(9, {"0.25", "1.00"}), (13, {".25", "1"}), (14, set()), (30, set())])
def test_numbers_of_pairs_get_shorter_and_then_leave_as_the_layers_grow(layers, cells):
    table = pd.DataFrame(np.where(np.eye(layers), 1.0, 0.25), index=range(40, 40 + layers))
    svg = matrices.layer_pairs(table, Label("c", "t", "d"), low=0.25, framed=3)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {text for text in texts if text not in {str(layer) for layer in table.index}} == {*cells, "layer"}
    assert "40" in texts
    assert float(re.search(r"--width: (\d+)px", svg)[1]) <= 446
