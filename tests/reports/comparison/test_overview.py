"""The first screen of a comparison: takeaway, table, and what differs between the runs."""

import pytest

from reports.blocks import Badge
from reports.comparison import overview
from reports.comparison.provenance import Facts
from reports.comparison.side_by_side import Together
from tests.support.results.compared import judged, right, with_data, with_train
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result


def screen(results):
    together = Together.of(results)
    return overview.summary(together, Facts(together))


def takeaway(results):
    return " ".join(screen(results).takeaway).replace("\u00a0", " ")


def badges(results):
    return {row.name: row.badge for row in screen(results).rows}


def test_the_takeaway_says_which_of_two_is_above_by_how_much(three):
    big, small, _ = three
    (pair,) = Together.of([big, small]).pairs("sentiment")
    low, high = (f"{100 * end:.1f}" for end in pair.interval)
    sentence = f"big is above small by 10.0 points [{low}, {high}] on sentiment."
    assert takeaway([big, small]) == takeaway([small, big]) == sentence


def test_a_difference_whose_interval_holds_zero_is_not_significant(three):
    _, small, other = three
    text = takeaway([other, small])
    assert text.startswith("other and small are not significantly different on sentiment (+0.4 points [−")
    assert badges([other, small])["sentiment"] == Badge("Not significantly different", "none")


def test_the_difference_in_the_table_is_the_second_run_minus_the_first(three):
    big, small, _ = three
    for results, value in (([big, small], "−10.0"), ([small, big], "+10.0")):
        summary = screen(results)
        (row,) = summary.rows
        assert row.cells[-1].value == value
        first, second = (analysis.provenance.model for analysis in results)
        assert summary.columns[-1] == f"{second}\u2009−\u2009{first}, points [95\u00a0%\u00a0CI]"
        assert [cell.value for cell in row.cells[:2]] == [
            f"{80 if run == 'big' else 70}.0\u00a0%" for run in (first, second)
        ]


def test_a_badge_is_green_only_where_the_training_texts_are_the_same(three):
    big, small, _ = three
    assert badges([big, small])["sentiment"] == Badge("big higher", "good")
    fewer = with_train(small, rows=500)
    badge = badges([big, fewer])["sentiment"]
    assert (badge.text, badge.tone) == ("big higher, unequal training", "poor")
    assert badge.reason == "Training sizes differ: 896 (big) and 500 (small)."
    assert "Training sizes differ: 896 (big) and 500 (small). A difference may be due to that alone." in takeaway(
        [big, fewer]
    )
    assert "The training texts are not the same." in takeaway([big, with_train(small, texts="0" * 64)])


def test_several_runs_are_compared_with_the_highest(three):
    text = takeaway(three)
    assert text.startswith("On sentiment big has the highest test accuracy (80.0 %), above small by 10.0 points [")
    assert " and other by 10.5 points [" in text
    assert {name: badge.text for name, badge in badges(three).items()} == {
        "big": "Highest",
        "small": "Lower",
        "other": "Lower",
    }
    assert [row.name for row in screen(three).rows] == ["big", "small", "other"]


def test_several_runs_with_unequal_training_have_no_green_badge(three):
    big, small, other = three
    badge = badges([big, small, with_train(other, rows=100)])["big"]
    assert (badge.text, badge.tone) == ("Highest, unequal training", "poor")


def test_many_runs_that_are_tied_are_counted():
    results = [judged(right(0.7 - 0.001 * i, i), model=f"m{i}") for i in range(6)]
    text = takeaway(results)
    assert "m0 has the highest test accuracy (70.0 %), " in text
    assert "not significantly different from m1, m2, m3 and 2 other runs." in text
    assert badges(results)["m0"].text == "Highest, tied"
    assert badges(results)["m5"].text == "Tied"


def test_runs_with_the_same_accuracy_are_all_highest():
    results = [judged(right(0.7, i), model=f"m{i}") for i in range(3)]
    assert "On sentiment m0, m1 and m2 have the highest test accuracy (70.0 %)." in takeaway(results)


def test_each_label_column_is_a_row_of_two_runs_and_a_group_of_several():
    results = [result(model=model) for model in "abc"]
    assert [row.name for row in screen(results[:2]).rows] == ["sentiment", "topic"]
    assert [row.group for row in screen(results).rows] == ["sentiment", "", "", "topic", "", ""]


@pytest.mark.parametrize("change", [{"texts": "0" * 64}, {"texts": ""}])
def test_runs_with_other_test_texts_have_their_scores_and_the_reason(three, change):
    results = [three[0], with_data(three[1], **change)]
    text = takeaway(results)
    assert text.startswith("There is no paired difference on sentiment, since ")
    assert text.endswith("Test accuracy: big 80.0 % [75.0, 81.0] and small 70.0 % [75.0, 81.0].")
    assert screen(results).columns[1:] == tuple(f"{run}: test accuracy [95\u00a0%\u00a0CI]" for run in ("big", "small"))
    assert badges(results)["sentiment"].text == "Not paired"
    assert "not compared text by text" in overview.heading(Together.of(results)).facts


def test_runs_without_a_common_task_say_which_tasks_each_has():
    results = [judged(right(0.8), model="a"), judged(right(0.7), task="topic", model="b")]
    text = takeaway(results)
    assert text.startswith(
        "The runs have no task in common, so that there is nothing to compare. a: sentiment. b: topic."
    )
    assert not screen(results).rows


def test_runs_of_heads_have_their_frozen_probes_in_the_table():
    results = [tuned(model="first"), tuned(model="second")]
    assert "first was made by heads, which does not save which texts are classified correctly" in takeaway(results)
    (row,) = screen(results).rows
    assert [cell.value for cell in row.cells[:2]] == ["83.4\u00a0%", "83.4\u00a0%"]


def test_what_differs_stands_on_the_first_screen_and_the_rest_is_counted(three):
    big, small, _ = three
    (table,) = screen([big, with_train(small, rows=500)]).further
    facts = {row.name: [cell.interval for cell in row.cells] for row in table.rows}
    assert facts["train texts"] == ["896", "500"]
    assert facts["model"] == ["big", "small"]
    assert table.columns == ("what differs", "big", "small")
    assert "Identical: 1 setting and " in table.caption
    (grouped,) = screen([*three, judged(right(0.6), model="further")]).further
    assert [cell.interval for row in grouped.rows for cell in row.cells] == [
        "big (big); small (small); other (other); further (further)"
    ]


def test_the_title_names_a_few_runs_and_counts_the_others():
    together = Together.of([judged(right(0.7, i), model=f"m{i}") for i in range(5)])
    heading = overview.heading(together)
    assert heading.title == "How do m0, m1, m2 and 2 more runs differ?"
    assert heading.facts == ("5 models", "task “sentiment”", "the same 896 test texts, compared text by text")
