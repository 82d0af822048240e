"""Tables of classes: scores with support, and the most confused pairs."""

import pandas as pd
import pytest

from reports.lookup import View
from reports.sections.errors import class_tables
from tests.support.pages.sections import TASK, with_tables
from tests.support.results.probed import result


@pytest.mark.parametrize("has_head", [True, False])
def test_the_models_own_classifier_is_named_only_where_there_is_one(has_head):
    analysis = result()
    counts = analysis.tables["confusion"]
    extra = counts.assign(probe="model_head") if has_head else counts.iloc[:0]
    notes = class_tables.file_notes(View(with_tables(analysis, confusion=pd.concat([counts, extra]))))
    assert any("the model's own classifier" in note for note in notes) == has_head


def test_pairs_are_counts_and_shares_of_the_true_class():
    counts = pd.DataFrame({"label": ["a", "a", "b"], "predicted": ["a", "b", "b"], "count": [3, 1, 4]})
    (table,) = class_tables.confused_pairs(counts, "")
    assert table.rows == (("a", "b", "1", "25.0\u00a0%"),)
    assert class_tables.confused_pairs(counts[counts["label"] == counts["predicted"]], "") == ()


def test_a_row_of_scores_holds_the_support_of_its_class():
    (table,) = class_tables.class_scores(View(result()), TASK, "")
    assert table.columns[:2] == ("class", "n")
    assert [row[:2] for row in table.rows] == [("negative", "896"), ("positive", "896")]
