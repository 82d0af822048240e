"""Scores of the probes: predictions and confusions make the score, and a drop from validation is beyond chance."""

from types import SimpleNamespace

import pytest

from analyses.subjects.probing.scores import drop_claims


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
