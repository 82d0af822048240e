"""Lines by layer: drawn alike whatever is set outside."""

import matplotlib
import pandas as pd

from reports.charts import layer_lines
from reports.charts.canvas import Label


def test_drawing_leaves_no_setting_behind_and_heeds_none():
    frame = pd.DataFrame({"pooling": "mean", "layer": [0, 1], "value": [0.5, 0.6], "lower": 0.4, "upper": 0.7})

    def draw():
        return layer_lines.layer_lines(frame, Label("c", "t", "d"), quantity="cosine", random_pooler=False)

    plain = draw()
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        assert draw() == plain
        assert dict(matplotlib.rcParams) == before
