"""Facts that differ between results, and those that are equal in all."""

import dataclasses

from reports import compare_reports
from reports.comparison import provenance
from reports.comparison.provenance import Facts
from reports.comparison.side_by_side import Together
from tests.support.pages.reader import Page
from tests.support.results.compared import with_train


def words(html):
    return Page(html).words.replace("\u00a0", " ")


def facts_of(results):
    return Facts(Together.of(results))


def test_what_is_equal_is_one_sentence_and_what_differs_is_a_table(three):
    origin = dataclasses.replace(three[1].provenance, seed=7, versions={"python": "3.11.7", "torch": "2.14.0"})
    settings = {"data": {"label": ["sentiment"], "limit": 5, "drop": True, "poolings": ["cls", "mean"]}}
    second = dataclasses.replace(three[1], provenance=origin, settings=settings)
    first = dataclasses.replace(
        three[0], settings={"data": {"label": ["sentiment"], "limit": None, "drop": False, "poolings": ["mean"]}}
    )
    html = compare_reports([first, second])
    text_of_page = words(html[html.index('<section id="provenance"') :])
    assert "architecture, revision, size, longest input" in text_of_page
    assert "seed 0 7" in text_of_page
    assert "version of torch 2.13.0 2.14.0" in text_of_page
    assert "version of python" not in text_of_page
    assert "setting data.limit not given 5" in text_of_page
    assert "setting data.drop no yes" in text_of_page
    assert "setting data.poolings mean cls, mean" in text_of_page
    assert "1 setting, 1 version and " in text_of_page
    assert "small layerprobe run --train train.csv" in text_of_page


def test_facts_and_settings_stand_before_fingerprints_and_versions(three):
    origin = dataclasses.replace(
        three[1].provenance, versions={"python": "3.11.7", "torch": "2.14.0"}, weights="0" * 64
    )
    second = with_train(dataclasses.replace(three[1], provenance=origin, settings={"n": 1}), rows=5, texts="1" * 64)
    first = dataclasses.replace(three[0], settings={"n": 2})
    assert [fact.name for fact in facts_of([first, second]).differing] == [
        "train texts",
        "model",
        "setting n",
        "weights fingerprint",
        "train texts fingerprint",
        "version of torch",
    ]


def test_what_an_analysis_never_asks_is_no_difference(three):
    second = dataclasses.replace(three[1], settings={"explaining": {"steps": 8}})
    assert "setting explaining.steps" not in [fact.name for fact in facts_of([three[0], second]).differing]


def test_unequal_training_is_about_the_results_that_are_compared(three):
    facts = facts_of([three[0], three[1], with_train(three[2], rows=10)])
    assert facts.unequal_training(("big", "small")) == ""
    assert facts.unequal_training(("big", "other")) == "Training sizes differ: 896 (big) and 10 (other)."


def test_the_commands_of_all_runs_are_folded(three):
    *_, commands = provenance.section(facts_of(three)).parts
    (table,) = commands.tables
    assert table.folded
    assert [row[0] for row in table.rows] == ["big", "small", "other"]
