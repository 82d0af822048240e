"""Several results side by side: names, pairs, and which results can be compared text by text."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from probes.checks import InputError
from probes.statistics.paired_difference import paired_interval
from reports import compare_reports
from reports.comparison.side_by_side import Together, short_names
from tests.support.results.compared import judged, right, with_data
from tests.support.results.probed import N


def test_results_whose_labels_differ_text_by_text_are_not_paired_though_each_class_is_as_frequent(three):
    table = three[1].tables["predictions"].copy()
    table.loc[table["text_id"] < 2, "label"] = np.where(
        table.loc[table["text_id"] < 2, "text_id"] == 0, "positive", "negative"
    )
    relabelled = dataclasses.replace(three[1], tables={**three[1].tables, "predictions": table})
    (same,) = Together.of([three[0], three[1]]).pairs("sentiment")
    assert not same.missing
    (pair,) = Together.of([three[0], relabelled]).pairs("sentiment")
    assert pair.missing == "their test texts are the same, but the labels are not"


def test_pairs_have_the_interval_for_as_many_pairs_as_there_are(three):
    (pair,) = (p for p in Together.of(three).pairs("sentiment") if (p.result, p.other_result) == ("big", "small"))
    gaps = right(0.80, 1).astype(float) - right(0.70, 2)
    assert pair.difference == pytest.approx(gaps.mean())
    assert pair.interval == paired_interval(gaps, 3)
    assert (pair.outcome, pair.n, pair.n_pairs) == ("above", N, 3)


def test_the_second_of_two_results_is_compared_with_the_first_and_several_with_the_highest(three):
    big, small, other = three
    (difference,) = Together.of([big, small]).differences("sentiment").values()
    assert (difference.result, difference.other_result, difference.outcome) == ("small", "big", "below")
    several = Together.of([small, other, big])
    assert several.reference("sentiment") == "big"
    assert {result: pair.outcome for result, pair in several.differences("sentiment").items()} == {
        "small": "below",
        "other": "below",
    }


def test_results_that_are_right_on_the_same_texts_are_told_apart_by_fewer():
    """Pairing counts: the same scores, with errors shared or not."""
    base = right(0.7, 1)
    more = base.copy()
    more[np.flatnonzero(~base)[:15]] = True
    (shared,) = Together.of([judged(more, model="a"), judged(base, model="b")]).pairs("sentiment")
    apart = np.random.default_rng(5).permutation(more)
    (unshared,) = Together.of([judged(apart, model="a"), judged(base, model="b")]).pairs("sentiment")
    assert shared.difference == pytest.approx(unshared.difference)
    assert (shared.outcome, unshared.outcome) == ("above", "cannot_tell")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"texts": "0" * 64}, "their test texts are not the same"),
        ({"rows": N - 1}, "their test texts are not the same"),
        ({"classes": {"sentiment": {"negative": 1, "positive": 895}}}, "but the labels are not"),
        ({"texts": ""}, "what they were tested on is not known"),
    ],
)
def test_other_test_texts_or_labels_have_no_paired_difference(three, change, reason):
    (pair,) = Together.of([three[0], with_data(three[1], **change)]).pairs("sentiment")
    assert reason in pair.missing
    assert np.isnan(pair.interval).all()


def test_a_result_without_predictions_of_single_texts_has_no_paired_difference(three):
    plain = dataclasses.replace(three[1], tables={k: v for k, v in three[1].tables.items() if k != "predictions"})
    (pair,) = Together.of([three[0], plain]).pairs("sentiment")
    assert pair.missing == "small does not say which texts it classifies correctly (tables/predictions.csv)"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/a/x", "/a/y"], ["x", "y"]),
        (["/a/result", "/b/result"], ["a/result", "b/result"]),
        (["/r/a/result", "/r/b/result", "/r/c"], ["a/result", "b/result", "r/c"]),
        (["bert", "bert", "bert"], ["bert", "bert (2)", "bert (3)"]),
        (["/a/" + "x" * 40 + "1", "/a/" + "x" * 40 + "2"], ["…" + "x" * 22 + "1", "…" + "x" * 22 + "2"]),
        (["/a/u\u202e", "/a/u\u202d"], ["u\ufffd", "u\ufffd (2)"]),
    ],
)
def test_names_are_short_and_distinct(paths, names):
    assert short_names([Path(path) for path in paths]) == names


def test_folders_and_results_in_memory_give_the_same_numbers(three, tmp_path):
    folders = [analysis.save(tmp_path / analysis.provenance.model) for analysis in three[:2]]
    assert compare_reports(folders) == compare_reports(three[:2])


def test_one_result_is_no_comparison_and_none_is_compared_with_itself(three, tmp_path):
    with pytest.raises(InputError, match="two results or more, found 1"):
        compare_reports(three[:1])
    with pytest.raises(InputError, match="there twice"):
        compare_reports([three[0], three[0]])
    folder = three[0].save(tmp_path / "a")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(InputError, match="there twice"):
        compare_reports([folder, tmp_path / "link"])
