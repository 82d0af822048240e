"""Stacked bars: shares reach the whole, and keep their room."""

import re

import numpy as np
import pandas as pd

from reports.charts.canvas import Label
from reports.charts.stacked_bars import stacked_bars


def test_bars_of_shares_keep_their_room_beside_a_long_name():
    frame = pd.DataFrame({"layer": [0, 1], "kind": "k" * 400, "share": 1.0})
    assert "<svg" in stacked_bars(frame, Label("s", "t", "d"))


def test_bars_of_shares_reach_the_whole():
    rows = [(layer, kind, share) for layer in (0, 1, 2) for kind, share in (("content", 0.7), ("[CLS]", 0.3))]
    svg = stacked_bars(pd.DataFrame(rows, columns=["layer", "kind", "share"]), Label("s", "t", "d"))
    heights: dict[str, list[float]] = {"--ramp-4": [], "--cls": []}
    for path, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg):
        for key, heights_of_colour in heights.items():
            if f"fill: var({key}" in style:
                ys = [float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
                heights_of_colour.append(max(ys) - min(ys))
    assert len(heights["--cls"]) == len(heights["--ramp-4"]) == 3
    np.testing.assert_allclose(np.array(heights["--ramp-4"]) / np.array(heights["--cls"]), 7 / 3, rtol=1e-4)
