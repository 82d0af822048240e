"""Outcomes that a page reports, as analyses decide them: reliable words, better curves, unused sites."""

import math

import pandas as pd
import pytest

from analyses.subjects.classifier.erasure import erasure_claims, label_use, unused_site_claims
from analyses.subjects.explanations.faithfulness import curve_claims
from analyses.subjects.explanations.word_means import is_reliable
from probes.checks import SMALLEST_EFFECT


@pytest.mark.parametrize(
    ("lower", "upper", "n_texts", "expected"),
    [
        (0.1, 0.3, 2, True),
        (-0.3, -0.1, 2, True),
        (-0.1, 0.3, 2, False),
        (-0.1, 0.3, 3, True),
        (SMALLEST_EFFECT, 0.3, 2, False),
        (math.nan, math.nan, 1, False),
    ],
)
def test_a_word_is_reliable_where_its_interval_leaves_out_0_or_three_texts_hold_it(lower, upper, n_texts, expected):
    assert is_reliable(lower, upper, n_texts) is expected


@pytest.mark.parametrize(
    ("v_lower", "excess_lower", "expected"),
    [
        (0.2, 0.05, "used"),
        (0.2, 0.0, "unused"),
        (0.2, -0.05, "unused"),
        (0.2, math.nan, "unused"),
        (0.0, 0.05, "not_decodable"),
        (math.nan, 0.05, "not_decodable"),
    ],
)
def test_a_label_is_used_where_it_is_decodable_and_its_erasure_costs_more_than_that_of_shuffled_labels(
    v_lower, excess_lower, expected
):
    assert label_use(v_lower=v_lower, excess_lower=excess_lower) == expected
    row = {"head": "cls", "label": "sentiment", "pooling": "mean", "layer": 1, "eraser": "leace", "use": expected}
    (claim,) = unused_site_claims(pd.DataFrame([row]), task="sentiment")
    counts = {"used": (1, 0), "unused": (1, 1), "not_decodable": (0, 0)}
    assert (claim.numbers["n_readable"], claim.numbers["n_unused"]) == counts[expected]
    assert (claim.task, claim.numbers["head"], claim.numbers["label"]) == ("sentiment", "cls", "sentiment")


def erasure_table(*sites):
    """Rows of the table at sites with (loss by the label, loss by shuffled labels, use)."""
    rows = []
    for layer, (loss, control, use) in enumerate(sites):
        site = {"head": "cls", "label": "topic", "pooling": "cls", "layer": layer, "n": 100, "v_information": 0.2}
        site |= {"random": 0.0, "strength": 1.5}
        rows += [
            {**site, "eraser": "leace", "accuracy_loss": loss, "use": use},
            {
                **site,
                "eraser": "mean shuffled",
                "accuracy_loss": control,
                "lower": control - 0.05,
                "upper": control + 0.05,
            },
            {
                **site,
                "eraser": "leace - shuffled",
                "accuracy_loss": loss - control,
                "simultaneous_lower": loss - control - 0.1,
                "simultaneous_upper": loss - control + 0.1,
            },
            {**site, "eraser": "random", "accuracy_loss": 0.0},
        ]
    return pd.DataFrame(rows)


def test_the_most_sensitive_site_is_the_decodable_one_that_loses_most_beyond_its_control():
    sites = ((0.92, 0.78, "used"), (0.5, 0.01, "used"), (0.9, 0.0, "not_decodable"))
    (claim,) = erasure_claims(erasure_table(*sites), task="label")
    assert (claim.numbers["layer"], claim.outcome) == (1, "above")
    assert claim.numbers["difference"] == pytest.approx(0.49)
    assert claim.interval == pytest.approx((0.39, 0.59))
    assert claim.numbers["shuffled_outcome"] == "cannot_tell"


@pytest.mark.parametrize(("control", "expected"), [(0.78, "above"), (0.04, "cannot_tell"), (-0.2, "below")])
def test_an_erasure_is_called_destructive_where_shuffled_labels_cost_accuracy(control, expected):
    (claim,) = erasure_claims(erasure_table((0.92, control, "used")), task="label")
    assert claim.numbers["shuffled_outcome"] == expected


def test_a_label_that_no_site_holds_is_not_tested_for_use():
    (claim,) = erasure_claims(erasure_table((0.9, 0.0, "not_decodable")), task="label")
    assert (claim.outcome, claim.interval) == ("not_decodable", None)


def curves(deletion, insertion, **random):
    points = {"occlusion": (deletion, insertion), **random}
    rows = []
    for method, (fall, rise) in points.items():
        for share, fell, rose in zip((0.0, 0.5, 1.0), fall, rise, strict=True):
            rows.append(("sentiment", "probe", method, share, fell, rose, 24))
    return pd.DataFrame(rows, columns="task head method share deletion insertion n".split())


RANDOM = ((0.9, 0.6, 0.3), (0.3, 0.6, 0.9))


@pytest.mark.parametrize(
    ("deletion", "insertion", "outcome"),
    [
        ((0.9, 0.4, 0.3), (0.3, 0.8, 0.9), "both"),
        ((0.9, 0.4, 0.3), (0.3, 0.6, 0.9), "one"),
        ((0.9, 0.6, 0.3), (0.3, 0.8, 0.9), "one"),
        ((0.9, 0.6, 0.3), (0.3, 0.6, 0.9), "neither"),
    ],
)
def test_curves_are_better_where_deletion_lies_below_random_and_insertion_above(deletion, insertion, outcome):
    claim, random = curve_claims(curves(deletion, insertion, random=RANDOM))
    assert (claim.outcome, random.outcome) == (outcome, "measured")
    assert claim.numbers["deletion"] == pytest.approx(sum(deletion) / 3)
    assert claim.numbers["insertion"] == pytest.approx(sum(insertion) / 3)
    assert (claim.numbers["method"], random.numbers["method"]) == ("occlusion", "random")
    assert claim.numbers["n"] == 24


def test_curves_without_a_random_order_are_measured_and_not_compared():
    (claim,) = curve_claims(curves((0.9, 0.4, 0.3), (0.3, 0.8, 0.9)))
    assert claim.outcome == "measured"


def test_curves_without_a_number_support_no_claim():
    table = curves((0.9, 0.4, 0.3), (0.3, 0.8, 0.9)).assign(deletion=math.nan)
    assert list(curve_claims(table)) == []
