"""Resampled training sets: refits by hand, the choice of the best site in each, and ties by the rule of the sweep."""

import numpy as np
import pytest

from probes import Examples, InputError, LogisticProbe, Site, SweepOptions, sweep_probes
from probes.controls.training_resampling import RefitResult, refit_study, resampled_scores
from probes.statistics.metrics import log_loss


def test_refits_have_one_training_sample_at_all_layers_and_agree_where_the_signal_is():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=900)
    noise = rng.standard_normal((2, 900, 5))
    noise[1, :, 0] += 4 * (2 * y - 1)
    x = noise.astype(np.float32)
    parts = [Examples({"mean": x[:, r]}, {"label": y[r]}) for r in (slice(500), slice(500, 700), slice(700, 900))]
    sweep = sweep_probes(*parts, options=SweepOptions(studies={"resampling": refit_study(4)}))
    blind, clear = (result for _, result in sorted(sweep.studies["resampling"].items()))
    assert blind.refit_predictions.shape == (4, 200)
    assert (clear.refit_predictions == clear.predictions).mean() > 0.99
    assert 0.5 < (blind.refit_predictions == blind.predictions).mean() < 0.99
    assert clear.label_probability.mean() > 0.98
    expected = np.mean(clear.predictions == y[700:])
    assert expected == sweep.tasks["label"].test[list(sweep.tasks["label"].selections)[1]]["accuracy"]


def test_refits_on_the_same_features_are_the_same_at_every_layer():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 4)).astype(np.float32), rng.integers(2, size=300)
    part = Examples({"mean": np.stack([x, x])}, {"label": y})
    results = list(
        sweep_probes(part, part, part, options=SweepOptions(studies={"resampling": refit_study(3)}))
        .studies["resampling"]
        .values()
    )
    np.testing.assert_array_equal(results[0].refit_predictions, results[1].refit_predictions)
    assert (results[0].refit_predictions[0] != results[0].refit_predictions[1]).any()


def noise_splits(seed=0):
    """Two layers with a weak signal in five dimensions: 120 training, 60 validation and 80 test examples."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=260)
    features = rng.standard_normal((2, 260, 5)).astype(np.float32)
    features[:, :, 0] += labels
    rows = (slice(120), slice(120, 180), slice(180, 260))
    return [Examples({"mean": features[:, r]}, {"label": labels[r]}) for r in rows]


def refit_results(splits, n=3, folds=False):
    """Return the sweep and the results of its first site."""
    train, validation, test = splits
    options = SweepOptions(studies={"resampling": refit_study(n)})
    sweep = sweep_probes(train, None if folds else validation, test, options=options)
    return sweep, sweep.studies["resampling"]["label", Site("mean", 0)]


def bootstrap_rows(n_train, n):
    """Return the rows of each bootstrap sample, as the study draws them, in the order of the training examples."""
    order = np.random.default_rng(0).permutation(n_train)
    counts = np.random.default_rng(0).multinomial(n_train, np.full(n_train, 1 / n_train), size=n)
    return [(np.repeat(order, row), order[row == 0]) for row in counts]


@pytest.mark.parametrize("folds", [False, True])
def test_the_loss_of_a_refit_is_that_of_a_probe_fitted_on_the_repeated_examples(folds):
    splits = noise_splits()
    sweep, result = refit_results(splits, folds=folds)
    train, validation, test = splits
    c = sweep.tasks["label"].selections[Site("mean", 0)].probe.c
    for refit, (rows, left_out) in enumerate(bootstrap_rows(120, 3)):
        # The refits keep the standardisation of all training examples.
        mean, deviation = train.features["mean"][0].mean(axis=0), train.features["mean"][0].std(axis=0)
        x, x_validation, x_test = ((split.features["mean"][0] - mean) / deviation for split in splits)
        unstandardised = LogisticProbe(c=c, tol=1e-9).prepare(x)
        (probe,) = unstandardised.fit_many(
            train.labels["label"][None], (c,), n_classes=2, weights=np.bincount(rows, minlength=120)[None]
        )
        held_out = (
            (x[left_out], train.labels["label"][left_out]) if folds else (x_validation, validation.labels["label"])
        )
        expected = log_loss(held_out[1], probe.log_prob(held_out[0]))
        assert result.refit_losses[refit] == pytest.approx(expected, abs=2e-3)
        assert (result.refit_predictions[refit] == probe.predict(x_test)).mean() > 0.97
    assert len(test.labels["label"]) == result.refit_predictions.shape[1]


def test_copies_of_one_unit_are_drawn_together_so_that_no_copy_of_a_left_out_example_is_trained_on():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(2, size=60), 3)
    features = np.repeat(rng.standard_normal((1, 60, 40)), 3, axis=1).astype(np.float32)
    losses = {}
    for name, units in {"copies": None, "units": np.repeat(np.arange(60), 3)}.items():
        train = Examples({"mean": features}, {"label": labels}, units=units)
        options = SweepOptions(cs=(1.0,), studies={"resampling": refit_study(20)})
        (result,) = sweep_probes(train, None, train, options=options).studies["resampling"].values()
        losses[name] = result.refit_losses.mean()
    # The labels are noise: nothing can be known of an example that no probe was trained on.
    assert losses["copies"] < np.log(2) < losses["units"] - 0.2


def made_results(hits_by_site, losses_by_site):
    """Return site -> a result with these (refits, examples) hits of label 1 and (refits,) losses."""
    results = {}
    for site, hits in hits_by_site.items():
        hits = np.asarray(hits, dtype=np.uint8)
        results[site] = RefitResult(np.ones(hits.shape[1]), hits[0], hits, np.asarray(losses_by_site[site]), True)
    return results


def test_the_best_site_of_each_resampled_set_has_its_lowest_loss_and_ties_follow_test():
    rng = np.random.default_rng(0)
    n = 400
    good, bad = rng.random((3, n)) < 0.9, rng.random((3, n)) < 0.5
    first, second, third = Site("mean", 1), Site("mean", 2), Site("cls", 1)
    hits = {first: good, second: np.roll(good, 1, axis=1), third: bad}
    losses = {first: [0.3, 0.5, 0.9], second: [0.4, 0.4, 0.8], third: [0.9, 0.9, 0.1]}
    scores = resampled_scores(made_results(hits, losses), np.ones(n, dtype=int))
    assert scores.is_chosen.tolist() == [[True, False, False], [False, True, False], [False, False, True]]
    # A site is never below a worse one that validation chose: it counts as best or tied there.
    assert scores.is_tied.tolist() == [[True, True, False], [True, True, False], [True, True, True]]
    np.testing.assert_allclose(scores.accuracies[:, 0], good.mean(axis=1))


def test_an_ineligible_pooling_is_never_the_best_of_a_resampled_set():
    hits = np.ones((2, 50))
    sites = {Site("pooler", 1): hits, Site("mean", 1): hits}
    results = made_results(sites, {Site("pooler", 1): [0.1, 0.1], Site("mean", 1): [0.5, np.inf]})
    scores = resampled_scores(results, np.ones(50, dtype=int), ineligible=("pooler",))
    assert scores.is_chosen.tolist() == [[False, True], [False, True]]
    with pytest.raises(InputError, match="no site is eligible"):
        resampled_scores(results, np.ones(50, dtype=int), ineligible=("pooler", "mean"))


def test_ties_in_a_set_that_holds_every_example_once_are_those_of_the_sweep():
    """With the predictions of the selected probes as the only refit, the sites and their ties are the sweep's."""
    rng = np.random.default_rng(3)
    labels = rng.integers(2, size=700)
    features = rng.standard_normal((4, 700, 6)).astype(np.float32)
    features[:, :, 0] += np.array([0.3, 0.8, 1.4, 1.5])[:, None] * labels
    parts = [
        Examples({"mean": features[:, r]}, {"label": labels[r]}) for r in (slice(300), slice(300, 400), slice(400, 700))
    ]
    task = sweep_probes(*parts).tasks["label"]
    results = {}
    for site in task.selections:
        predicted = task.predictions[site].predicted
        loss = np.array([task.validation[site]["log_loss"]])
        results[site] = RefitResult(np.ones(300), predicted, predicted[None], loss, True)
    scores = resampled_scores(results, task.labels)
    assert scores.sites[int(scores.is_chosen[0].argmax())] == task.best
    is_below = [upper < 0 for _, _, _, upper in task.differences()]
    assert any(is_below)
    assert (~scores.is_tied[0]).tolist() == is_below
