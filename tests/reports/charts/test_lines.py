"""Lines: the mean of several seeds as far as all of them go."""

import pandas as pd

from reports.charts import lines
from reports.charts.canvas import Label
from reports.charts.lines import LineOptions
from reports.charts.styles import styles_of_heads


def test_a_thick_line_is_the_mean_of_the_units_as_far_as_all_went():
    frame = pd.DataFrame({"series": "cls", "x": [1, 2, 1], "unit": [0, 0, 1], "value": [0.5, 0.9, 0.7]})
    svg = lines.lines(frame, styles_of_heads(["cls"]), Label("l", "t", "d"), LineOptions("s", x_title="epoch"))
    assert svg.count("stroke-width: 2;") <= 1
    assert ">epoch<" in svg
    assert ">[CLS]\u00a0head<" in svg
