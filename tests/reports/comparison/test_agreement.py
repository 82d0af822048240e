"""Texts that both runs classify correctly, one of them alone, or neither."""

from probes.statistics.paired_difference import PairedCounts
from reports.comparison import agreement
from reports.comparison.side_by_side import Together
from tests.support.results.compared import right, with_data
from tests.support.results.probed import N


def section(results):
    return agreement.section(Together.of(results))


def plain(cell):
    return cell.replace("\u00a0", " ")


def test_two_runs_have_a_row_with_the_four_counts_and_mcnemars_p(three):
    first, second = right(0.80, 1), right(0.70, 2)
    counts = PairedCounts.of(first, second)
    (part,) = section(three[:2]).parts
    table = part.tables[0]
    assert table.columns == ("task", "both correct", "only big", "only small", "both wrong", "McNemar's test")
    numbers = (counts.both, counts.first_only, counts.second_only, counts.neither)
    cells = [f"{number} ({100 * number / N:.1f} %)" for number in numbers]
    assert [plain(cell) for cell in table.rows[0]] == ["sentiment", *cells, "p < 0.001"]
    (sentence,) = section(three[:2]).verdict
    assert plain(sentence) == (
        f"Only small is correct on {counts.second_only} texts, only big on {counts.first_only} (McNemar's p < 0.001)."
    )


def test_the_texts_that_one_run_alone_classifies_correctly_are_folded(three):
    (part,) = section(three[:2]).parts
    _, only_small, only_big = part.tables
    n_only_small = int((~right(0.80, 1) & right(0.70, 2)).sum())
    assert only_small.summary == f"{n_only_small} texts that only small has correct"
    assert only_big.folded
    text, true_class, by_big, by_small = only_small.rows[0]
    assert text.startswith("text ")
    assert true_class == by_small != by_big


def test_several_runs_have_a_row_for_each_pair(three):
    (part,) = section(three).parts
    (table,) = part.tables
    assert [row[0] for row in table.rows] == ["big minus small", "big minus other", "small minus other"]
    assert [row[3] for row in table.rows] == ["above", "above", "tied"]
    assert all(sum(map(int, row[4:8])) == N for row in table.rows)
    assert "the 3 intervals hold simultaneously" in table.caption


def test_runs_of_which_one_is_not_paired_say_why(three):
    (part,) = section([*three[:2], with_data(three[2], texts="0" * 64)]).parts
    paired, missing = part.tables
    assert [row[0] for row in paired.rows] == ["big minus small"]
    assert ("big", "other", "their test texts are not the same") in missing.rows


def test_runs_of_which_none_is_paired_have_no_section(three):
    assert section([three[0], with_data(three[1], texts="0" * 64)]) is None
