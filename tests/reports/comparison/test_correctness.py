"""Which texts a result classifies correctly, and what contradicts its accuracies."""

import dataclasses

import numpy as np
import pytest

from reports.comparison.correctness import hits_at_best, hits_by_site
from reports.lookup import View
from reports.sections.probing.best_site import Best
from tests.support.results.compared import BEST, right

TASK = "sentiment"


def test_the_texts_of_the_best_site_are_those_of_its_predictions(three):
    view = View(three[0])
    np.testing.assert_array_equal(hits_at_best(view, TASK, Best.of(view, TASK)), right(0.80, 1))


@pytest.mark.parametrize("damage", ["accuracy", "missing row", "row twice"])
def test_predictions_that_do_not_make_the_accuracy_are_not_used(three, damage):
    texts = three[1].tables["predictions"].sort_values(["pooling", "text_id"])
    mean = texts["pooling"] == "mean"
    if damage == "accuracy":
        texts.loc[mean, "correct"] = np.roll(~texts.loc[mean, "correct"].to_numpy(), 1)
    elif damage == "missing row":
        texts = texts[~(mean & (texts["text_id"] == 3))]
    else:
        texts.loc[mean & (texts["text_id"] == 3), "text_id"] = 4
    view = View(dataclasses.replace(three[1], tables={**three[1].tables, "predictions": texts}))
    assert (
        hits_at_best(view, TASK, Best.of(view, TASK)) == "has predictions of single texts that do not make its accuracy"
    )


def test_every_site_has_its_texts(three):
    view = View(three[0])
    hits = hits_by_site(view, TASK)
    assert len(hits) == len(view.curve(TASK)) == 21
    np.testing.assert_array_equal(hits[BEST], right(0.80, 1))


@pytest.mark.parametrize("damage", ["zz", "00", "ff" * 112])
def test_a_site_whose_texts_contradict_its_accuracy_is_left_out(three, damage):
    table = three[0].tables["correct_by_site"].copy()
    table.loc[0, "packed_correct"] = damage
    view = View(dataclasses.replace(three[0], tables={**three[0].tables, "correct_by_site": table}))
    assert len(hits_by_site(view, TASK)) == 20
