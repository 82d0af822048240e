"""The canvas: labels at the ends of lines stand apart."""

import numpy as np

from reports.charts import canvas


def test_labels_at_line_ends_do_not_overlap():
    placed = canvas._apart([10.0, 11.0, 12.0, 200.0], 0.0, 210.0)
    assert np.diff(placed).min() >= canvas.GAP
    assert np.diff(canvas._apart([208.0, 209.0, 210.0], 0.0, 210.0)).min() >= canvas.GAP
