"""Outcomes that a page reports, as analyses decide them: reliable words, better curves, unused sites."""

import math

import pandas as pd
import pytest

from analyses.subjects.classifier.erasure import label_use, unused_site_claims
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


def erased(*, v_lower, lower, random_losses):
    site = {"head": "cls", "label": "sentiment", "pooling": "mean", "layer": 1, "v_lower": v_lower}
    rows = [{**site, "eraser": "leace", "accuracy_loss": lower + 0.01, "lower": lower}]
    rows += [{**site, "eraser": "random", "accuracy_loss": loss, "lower": loss} for loss in random_losses]
    rows[0]["use"] = label_use(rows, v_lower=v_lower)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("v_lower", "lower", "random_losses", "expected"),
    [
        (0.2, 0.05, (0.01, 0.02), (1, 0)),
        (0.2, 0.02, (0.01, 0.02), (1, 1)),
        (0.2, 0.0, (-0.02, -0.01), (1, 1)),
        (0.2, 0.0, (), (1, 1)),
        (0.2, 0.01, (), (1, 0)),
        (0.0, -0.05, (0.01, 0.02), (0, 0)),
        (math.nan, -0.05, (0.01, 0.02), (0, 0)),
    ],
)
def test_a_readable_site_is_unused_where_erasure_may_cost_no_more_than_the_costliest_random_one(
    v_lower, lower, random_losses, expected
):
    table = erased(v_lower=v_lower, lower=lower, random_losses=random_losses)
    (claim,) = unused_site_claims(table, task="sentiment")
    assert (claim.numbers["n_readable"], claim.numbers["n_unused"]) == expected
    assert (claim.task, claim.numbers["head"], claim.numbers["label"]) == ("sentiment", "cls", "sentiment")


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
