"""Ablation on the page."""

import dataclasses

from reports import render_report
from tests.support.results.fine_tuned import tuned


def test_a_head_that_loses_nothing_anywhere_is_drawn_all_the_same():
    analysis = tuned()
    table = analysis.tables["ablation"].assign(accuracy_loss=0.0, lower=0.0, upper=0.0)
    assert "What is lost without it?" in render_report(
        dataclasses.replace(analysis, tables={**analysis.tables, "ablation": table})
    )
