"""Elements of a page: tables that are opened together."""

import pytest

from reports.blocks import Part, Table, joined_summaries


@pytest.mark.parametrize(
    ("summaries", "text"),
    [
        (["All 3 probes for a", "All 3 probes for b", "All 3 probes for c"], "All 3 probes for a, b and c"),
        (["All numbers", "All numbers"], "All numbers (2 tables)"),
        (["Precision of a", "Confused pairs of a", "Precision of b"], "Precision of a, and 2 more tables"),
        ([f"Sizes for {name}" for name in "abcde"], "Sizes for a, and 4 more tables"),
    ],
)
def test_tables_that_are_opened_together_are_named_once(summaries, text):
    assert joined_summaries(summaries) == text


def test_tables_are_opened_together_only_where_all_are_folded():
    folded = Table("", ("a",), (), folded=True, summary="All x for a")
    other = Table("", ("a",), (), folded=True, summary="All x for b")
    assert Part(tables=(folded, other)).fold == "All x for a and b"
    assert Part(tables=(folded,)).fold == ""
    assert Part(tables=(folded, Table("", ("a",), ()))).fold == ""
