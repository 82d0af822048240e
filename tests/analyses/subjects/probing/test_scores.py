"""Scores of the probes: predictions and confusions make the score, and a drop from validation is beyond chance."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analyses.subjects.probing.scores import calibration_bins, class_scores, correct_by_site, drop_claims
from probes.probing.sites import Site
from probes.results.packed_flags import unpack_flags
from probes.results.schema.checks import check_table
from probes.statistics.bootstrap import Predictions
from probes.statistics.metrics import ece


def test_what_is_predicted_of_each_text_makes_the_score_and_the_confusions_of_the_best_place(result):
    predictions = result.tables["predictions"]
    (best,) = (claim for claim in result.claims if claim.id == "best_site")
    assert list(predictions["text_id"]) == list(range(best.numbers["n"]))
    assert (predictions["correct"] == (predictions["label"] == predictions["predicted"])).all()
    assert predictions["correct"].mean() == pytest.approx(best.numbers["accuracy"])
    assert predictions["probability"].between(0.5, 1).all()
    counts = result.tables["confusion"].query("probe == 'logistic'")
    pairs = predictions.groupby(["label", "predicted"]).size()
    counted = counts[counts["count"] > 0]
    assert {(r.label, r.predicted): r.count_ for r in counted.rename(columns={"count": "count_"}).itertuples()} == dict(
        pairs
    )


N = 1000


def results(validation, test, *, n_sites, n_penalties=5, has_validation=True):
    """Results of a label column whose best site has these accuracies on as many texts."""
    trials = (None,) * n_penalties
    task_sweep = SimpleNamespace(
        best="site 0",
        validation={"site 0": {"accuracy": validation}},
        test={"site 0": {"accuracy": test}},
        selections={f"site {i}": SimpleNamespace(trials=trials) for i in range(n_sites)},
    )
    splits = SimpleNamespace(train=range(N), validation=range(N) if has_validation else None, test=range(N))
    return SimpleNamespace(splits=splits, sweep=SimpleNamespace(tasks={"label": task_sweep}))


@pytest.mark.parametrize("has_validation", [False, True])
def test_a_drop_that_the_choice_among_many_probes_explains_cannot_be_told(has_validation):
    for n_sites, outcome in ((1, "below"), (39, "cannot_tell")):
        (claim,) = drop_claims(results(0.8, 0.75, n_sites=n_sites, has_validation=has_validation))
        assert claim.outcome == outcome


def test_a_drop_beyond_the_choice_is_below_with_the_number_of_probes():
    (claim,) = drop_claims(results(0.8, 0.7, n_sites=39))
    assert claim.outcome == "below"
    assert claim.numbers["difference"] == pytest.approx(-0.1)
    assert claim.numbers["n_candidates"] == 195


def test_a_rise_is_not_explained_by_the_choice():
    (rise,) = drop_claims(results(0.75, 0.8, n_sites=39))
    (small_rise,) = drop_claims(results(0.79, 0.8, n_sites=39))
    assert (rise.outcome, small_rise.outcome) == ("above", "cannot_tell")


SITES = (Site("cls", 0), Site("mean", 3))


@pytest.fixture(scope="module")
def sweep():
    """A label column of three classes, the last without a text, and predictions at two sites."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=80)
    predictions = {}
    for i, site in enumerate(SITES):
        logits = rng.standard_normal((80, 3)) + 2 * i * np.eye(3)[labels]
        log_prob = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        predictions[site] = Predictions.of(log_prob)
    return SimpleNamespace(
        class_names=("a", "b", "c"), labels=labels, predictions=predictions, selections=SITES, best=SITES[1]
    )


@pytest.fixture(scope="module")
def measurements(sweep):
    return SimpleNamespace(sweep=SimpleNamespace(tasks={"label": sweep}))


def test_every_class_has_its_scores_at_every_site(measurements, sweep):
    table = check_table("class_scores", class_scores(measurements), n_layers=3)
    for site in SITES:
        rows = table[(table["pooling"] == site.pooling) & (table["layer"] == site.layer)]
        counts = pd.crosstab(
            pd.Categorical(sweep.labels, [0, 1, 2]),
            pd.Categorical(sweep.predictions[site].predicted, [0, 1, 2]),
            dropna=False,
        ).to_numpy()
        correct = np.diag(counts)
        np.testing.assert_array_equal(rows["n"], counts.sum(axis=1))
        np.testing.assert_allclose(rows["f1"], 2 * correct / (counts.sum(axis=0) + counts.sum(axis=1)))
        np.testing.assert_allclose(rows["recall"][:2], (correct / np.maximum(counts.sum(axis=1), 1))[:2])
        assert ((rows["lower"] <= rows["f1"]) & (rows["f1"] <= rows["upper"])).all()


def test_the_texts_that_each_site_has_correct_make_its_accuracy(measurements, sweep):
    table = check_table("correct_by_site", correct_by_site(measurements), n_layers=3)
    assert len(table) == len(SITES)
    for site, row in zip(SITES, table.itertuples(), strict=True):
        hits = unpack_flags(row.packed_correct, row.n)
        assert (row.pooling, row.layer) == (site.pooling, site.layer)
        np.testing.assert_array_equal(hits, sweep.predictions[site].predicted == sweep.labels)


def test_bins_of_confidence_make_the_calibration_error_of_the_best_site(measurements, sweep):
    table = check_table("calibration_bins", calibration_bins(measurements), n_layers=3)
    assert set(zip(table["pooling"], table["layer"], strict=True)) == {("mean", 3)}
    assert table["n"].sum() == 80
    error = (table["n"] * (table["accuracy"] - table["confidence"]).abs()).sum() / 80
    assert error == pytest.approx(ece(sweep.labels, sweep.predictions[SITES[1]].log_prob))
    assert table["confidence"].between(table["lower_edge"], table["upper_edge"]).all()
    assert ((table["lower"] <= table["accuracy"]) & (table["accuracy"] <= table["upper"])).all()
