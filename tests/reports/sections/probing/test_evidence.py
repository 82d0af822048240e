"""What the page says of what stands beside the scores: limits, control tasks, training sizes, absent classes."""

import dataclasses
import math

import pandas as pd
import pytest

from probes.results.result import Claim
from reports import render_report
from reports.lookup import View
from reports.sections.page import sections
from reports.sections.probing import planted_signals, prediction_depth
from tests.support.report_result import result

TASK = "sentiment"
ONE = {TASK: ("negative", "positive")}


def made(*claims, settings=None, **tables):
    base = result(tasks=ONE, tables=tables)
    return dataclasses.replace(base, claims=(*base.claims, *claims), settings=settings or base.settings)


def section(found, anchor):
    (own,) = (each for each in sections(found) if each.anchor == anchor)
    return own


@pytest.mark.parametrize(
    ("numbers", "sentences"),
    [
        (
            {"difference": 0.018, "usual_difference": 0.027, "smallest": 0.05},
            [
                "With 1,821 test texts, a difference under 1.8 points between the best place and another cannot be "
                "seen; for half of the places it takes 2.7 or more.",
                "Of signals planted in these vectors, the weakest that is found each time lets the best possible probe "
                "be right 5.0 points more often than the majority.",
            ],
        ),
        (
            {"difference": math.nan, "usual_difference": math.nan, "smallest": None, "strongest_tried": 0.12},
            [
                "Signals of known strength were planted in these vectors, and none was found each time: not even the "
                "strongest, which lets the best possible probe be right 12.0 points more often than the majority."
            ],
        ),
        (
            {"difference": math.nan, "usual_difference": math.nan, "no_signal": "there is no room"},
            ["No signal of known strength could be planted, to see which would be found: there is no room."],
        ),
    ],
)
def test_what_could_not_have_been_seen_is_said(numbers, sentences):
    view = View(made(Claim("minimum_detectable_difference", "measured", TASK, {**numbers, "n": 1821})))
    assert list(planted_signals.limits(view, TASK)) == sentences


def control(outcome, selectivity, **settings):
    numbers = {"control_accuracy": 0.737, "control_majority": 0.54, "accuracy": 0.737 + selectivity, "n": 300}
    limits = (selectivity - 0.02, selectivity + 0.02)
    claims = [
        Claim("selectivity", outcome, TASK, {**numbers, "selectivity": selectivity, "share_scored": 0.5}, limits),
        Claim("floor", outcome, TASK, {"floor": "control", "accuracy": 0.737, "difference": selectivity}, limits),
    ]
    return made(*claims, settings={"data": settings} if settings else None)


@pytest.mark.parametrize(
    ("outcome", "selectivity", "standing", "sentence"),
    [
        ("below", -0.083, "below random labels learnt by heart", "It is 8.3 points (6.3 to 10.3) below random labels"),
        ("cannot_tell", 0.01, "not above a bag of words or random labels learnt by heart", "These test texts cannot"),
        ("above", 0.126, "not above a bag of words", "and 12.6 (10.6 to 14.6) above random labels learnt by heart."),
    ],
)
def test_labels_learnt_by_heart_are_a_floor_of_the_first_screen(outcome, selectivity, standing, sentence):
    page = render_report(control(outcome, selectivity)).replace("\u00a0", " ")
    assert standing in page
    assert sentence in page
    (table,) = section(control(outcome, selectivity), "floors").parts[0].tables
    assert table.rows[-1][0] == "random labels learnt by heart"
    assert "Random labels: of the texts whose type occurs in training" in page


def test_a_control_is_shown_beside_its_own_majority_and_the_types_are_named():
    plain, column = (section(control("above", 0.1, **data), "control") for data in ({}, {"control_type": "speaker"}))
    assert "learns 73.7\u00a0% by heart (always answering the most frequent: 54.0\u00a0%)." in plain.verdict[0]
    assert any("a type is the text's first word." in note for note in plain.notes)
    assert any("exposes a text's first word has low selectivity" in note for note in plain.notes)
    assert any("a type is what column speaker says." in note for note in column.notes)
    assert any("exposes that type has low selectivity" in note for note in column.notes)
    assert any("the lowest and the highest draw" in note for note in plain.notes)


@pytest.mark.parametrize(
    ("accuracies", "sentence"),
    [
        ((0.6, 0.7, 0.755, 0.76), "Trained on 400 texts the best place is right on 75.5 %, on all 800 on 76.0 %."),
        (
            (0.6, 0.777, 0.763, 0.79),
            "Trained on all 800 texts the best place is right on 79.0 %, on 400 of them on 76.3 %: it may not have "
            "levelled off.",
        ),
    ],
)
def test_accuracy_by_training_size_is_told_as_it_is(accuracies, sentence):
    rows = [(TASK, "mean", 4, 100 * 2**i, 0.01, p, p - 0.03, p + 0.03, 0.5) for i, p in enumerate(accuracies)]
    table = pd.DataFrame(rows, columns="task pooling layer train_texts c accuracy lower upper log_loss".split())
    assert section(made(learning_curve=table), "sizes").verdict[0].replace("\u00a0", " ") == sentence


def test_a_class_that_no_test_text_has_is_not_the_worst_read():
    base = result(tasks={TASK: ("a", "b", "c")})
    metrics = base.tables["metrics"]
    absent = metrics["class"] == "c"
    metrics.loc[absent, ["value", "n"]] = 0.0, 0
    own = section(dataclasses.replace(base, tables={**base.tables, "metrics": metrics}), "classes")
    assert "worst b (F1" in own.verdict[0]
    assert [row[0] for row in own.parts[0].tables[0].rows] == ["a", "b"]


def test_the_mean_of_layer_0_is_a_line_of_the_first_plot_and_its_absence_is_said():
    base = made()
    assert "layer 0 mean: 62.0\u00a0%" in render_report(base)
    without = tuple(c for c in base.claims if c.numbers.get("floor") != "layer_0_mean")
    absent = dataclasses.replace(base, claims=without)
    assert "layer 0 mean:" not in render_report(absent)
    (said,) = (note for note in section(absent, "floors").notes if "A score means little alone" in note)
    assert "the mean of the embeddings (layer 0), words before any attention, was not read" in said


def test_how_many_layers_are_constant_may_be_unknown():
    numbers = {"pooling": "mean", "mean_depth": 1.5, "correlation": 0.4, "same_depth": 0.5, "by_chance": 0.3}
    claim = Claim(
        "prediction_depth", "measured", "sentiment", {**numbers, "share_from_first_layer": 0.25, "n_constant": None}
    )
    texts = pd.DataFrame({"task": "sentiment", "pooling": "mean", "text_id": [0, 1], "depth": [1, 2]})
    section = prediction_depth.section(
        View(dataclasses.replace(result(tables={"prediction_depth": texts}), claims=(claim,)))
    )
    assert not any("Left out" in note for note in section.notes)
