"""Attributions on the page: their tolerance, and whether they find the words that decide."""

import dataclasses

from probes.results.result import Claim
from reports import render_report, warnings
from tests.support.pages.reader import Page
from tests.support.pages.sections import without_tables, words_of
from tests.support.results.probed import result


def test_explanations_are_told_with_their_tolerance_and_what_chance_would_find():
    numbers = {"hits": 0.44, "n": 50, "random": 0.169}
    analysis = result()
    hit = Claim("deciding_words", "above", "sentiment", numbers, (0.312, 0.577))
    words = Page(render_report(dataclasses.replace(analysis, claims=(*analysis.claims, hit)))).words.replace(
        "\u00a0", " "
    )
    assert "within 1.0 % of it (or 0.005 logit where that is more); largest convergence delta 0.020 logit" in words
    rest = words[words.index("Top word: in 44.0 % [95 % CI 31.2 to 57.7] of 50 explained texts") :]
    assert "is one known to decide the label; with permuted token scores 16.9 %" in rest
    marked = dataclasses.replace(analysis, claims=(*analysis.claims, hit), settings={"data": {"rationales": "why"}})
    assert "is one that annotators marked" in Page(render_report(marked)).words


def test_a_method_without_a_sum_is_not_said_to_miss_it():
    analysis = result(converged=False)
    free = [
        dataclasses.replace(a, method="occlusion", convergence_delta=None, converged=None)
        for a in analysis.attributions
    ]
    analysis = dataclasses.replace(analysis, attributions=tuple(free))
    words = words_of(render_report(without_tables(analysis)), "trust")
    assert "Completeness does not apply" in words
    assert "add up:" not in words
    assert not any("converge" in care for care in warnings(analysis))


def test_an_explanation_without_a_label_column_names_its_head_alone():
    analysis = result()
    first, *others = analysis.attributions
    unnamed = dataclasses.replace(analysis, attributions=(dataclasses.replace(first, task=None), *others))
    words = words_of(render_report(unnamed), "explained")
    assert "(sentiment)" in words
    assert "no label column" in words
    assert "None" not in words
