"""The first screen: answer, floors and ties in words, curves with their floors, and what a reader must know first."""

import dataclasses
import re

import pytest

from probes.results.result import Claim
from reports import render_report
from tests.support.pages.reader import Page
from tests.support.results.probed import result


def test_the_verdict_names_place_score_interval_floors_and_ties(page):
    words = Page(page).words.replace("\u00a0", " ")
    assert (
        "Read best from the mean vector of layer 4: 78.0 % of 896 test texts right (95 % interval 75.0 to 81.0)."
        in words
    )
    assert (
        "Tied with it, not told apart where all places are compared at once: mean of layers 3 and 5; [CLS] of layer 4."
        in words
    )
    assert "These test texts cannot tell it from a bag of words, which is right on 77.0 %" in words
    assert "28.0 points (-1.0 to 31.0) above".replace("-", "−") in words
    assert "not above a bag of words" in words


@pytest.mark.parametrize(
    ("outcome", "difference", "bounds", "sentence"),
    [
        ("above", 0.051, (0.032, 0.07), "It is 5.1 points (3.2 to 7.0) above the model's own classifier."),
        ("below", -0.051, (-0.07, -0.032), "It is 5.1 points (3.2 to 7.0) below the model's own classifier."),
        ("cannot_tell", -0.01, (-0.03, 0.01), "difference −1.0 points (−3.0 to 1.0)."),
    ],
)
def test_a_difference_reads_in_its_own_direction(outcome, difference, bounds, sentence):
    floor = Claim("floor", outcome, "t", {"floor": "model_head", "accuracy": 0.8, "difference": difference}, bounds)
    best = Claim("best_site", "measured", "t", {"pooling": "cls", "layer": 2, "accuracy": 0.8, "n": 10}, (0.7, 0.9))
    analysis = dataclasses.replace(result(), tables={}, attributions=(), claims=(best, floor))
    assert sentence in Page(render_report(analysis)).words


def test_warnings_stand_before_the_sections():
    analysis = result(notes=("12 rows have no text.",), converged=False)
    cut = Claim("truncated", "measured", numbers={"n": 3, "total": 2688, "max_length": 512})
    beaten = Claim("better_than_best", "above", "sentiment", {"sites": "cls 5"})
    wrong = Claim("constant_cls", "fails", "topic", {"accuracy": 0.6, "majority": 0.5, "max_range": 0.1})
    claims = [claim for claim in analysis.claims if (claim.id, claim.task) != ("constant_cls", "topic")]
    analysis = dataclasses.replace(analysis, claims=(*claims, cut, beaten, wrong))
    words = Page(render_report(analysis)).words
    cares = words[words.index("Before you use") : words.index("Layers and vectors At")]
    for expected in (
        "12 rows have no text.",
        "3 of 2,688 texts are longer than 512 tokens",
        "4 explanations did not converge",
        "[CLS] of layer 5 did better on test",
        "topic: the check on [CLS] at layer 0 fails",
    ):
        assert expected in cares
    assert words.count("not converged") >= 4
    assert "Check passed" not in words


def test_the_badge_parts_what_is_below_from_what_cannot_be_told():
    numbers = {"accuracy": 0.9, "difference": -0.1}
    floors = [
        Claim("floor", outcome, "t", {"floor": floor, **numbers}, (-0.2, 0.0))
        for floor, outcome in (("bag_of_words", "below"), ("majority", "cannot_tell"))
    ]
    best = Claim("best_site", "measured", "t", {"pooling": "cls", "layer": 2, "accuracy": 0.8, "n": 10}, (0.7, 0.9))
    analysis = dataclasses.replace(result(), tables={}, attributions=(), claims=(best, *floors))
    assert (
        "below a bag of words, not above always answering the most frequent class"
        in Page(render_report(analysis)).words
    )


def test_floors_appear_in_every_curve(page):
    for curve in re.findall(r"<svg[^>]*answer-\d-title.*?</svg>", page, flags=re.S):
        assert "majority 50.0" in curve
        assert "bag of words 77.0" in curve
        assert "stroke-dasharray" in curve


def test_a_random_pooler_is_dashed_labelled_and_explained():
    analysis = result(random_pooler=True)
    curve = re.search(r"<svg[^>]*answer-1-title.*?</svg>", render_report(analysis), flags=re.S)[0]
    dashed = [style for style in re.findall(r'style="([^"]*)"', curve) if "--pooler" in style and "dasharray" in style]
    assert dashed
    assert ">random pooler<" in curve
    assert "never trained (its bias is exactly zero)" in render_report(analysis)


def test_a_trained_pooler_is_called_a_lens_and_drawn_solid(page):
    curve = re.search(r"<svg[^>]*answer-1-title.*?</svg>", page, flags=re.S)[0]
    assert not [s for s in re.findall(r'style="([^"]*)"', curve) if "--pooler" in s and "dasharray" in s]
    assert page.count("trained head used as a lens") >= 3
