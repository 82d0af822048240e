"""Calibration: the error with its interval, and the reliability diagram."""

import pandas as pd

from tests.support.pages.sections import section_of, with_tables
from tests.support.results.probed import result

BINS = pd.DataFrame(
    [(task, "mean", 4, 10 + i, 0.6 + i / 15, 0.66 + i / 15, 0.63 + i / 15, 0.7, 0.6, 0.8, 40) for task in
     ("sentiment", "topic") for i in range(3)],
    columns="task pooling layer bin lower_edge upper_edge confidence accuracy lower upper n".split(),
)  # fmt: skip


def test_the_error_of_each_task_stands_in_one_sentence_with_its_interval():
    analysis = result()
    metrics = analysis.tables["metrics"]
    is_error = (metrics["metric"] == "ece") & (metrics["layer"] == 4) & (metrics["pooling"] == "mean")
    metrics.loc[is_error, ["value", "lower", "upper"]] = 0.051, 0.03, 0.08
    section = section_of(with_tables(analysis, metrics=metrics, calibration_bins=BINS), "calibration")
    (sentence,) = section.verdict
    expected = "0.051 [95 % CI 0.030, 0.080]"
    assert sentence.replace("\u00a0", " ") == (
        f"Expected calibration error (ECE): sentiment {expected} and topic {expected}."
    )


def test_the_section_is_folded_and_has_a_diagram_and_a_table_for_each_task():
    section = section_of(with_tables(result(), calibration_bins=BINS), "calibration")
    assert section.folded
    (part,) = section.parts
    assert [drawing.caption for drawing in part.panels[0].drawings] == ["sentiment", "topic"]
    assert [len(table.rows) for table in part.tables] == [3, 3]
    assert part.tables[0].rows[0] == ("60.0 to 66.0", "63.0\u00a0%", "70.0\u00a0%", "60.0 to 80.0", "40")


def test_without_bins_there_is_no_section():
    assert section_of(result(), "calibration") is None
