"""Choice of C: on validation and by folds, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probes import FittedProbe, InputError, LogisticProbe
from probes.logistic.fitted_probe import score_probes
from probes.probing.selection import Folds, Sample, Trial, select_by_folds, select_probe


def test_the_penalty_with_the_lowest_validation_loss_is_chosen(three_classes):
    x, y = three_classes
    cs = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
    chosen = select_probe(LogisticProbe().prepare(x[:60]).fit_path(y[:60], cs, n_classes=3), x[60:], y[60:])
    losses = {}
    for fitted in LogisticProbe().prepare(x[:60]).fit_path(y[:60], cs, n_classes=3):
        losses[fitted.c] = -fitted.log_prob(x[60:])[np.arange(60), y[60:]].mean()
    assert chosen.probe.c == min(losses, key=losses.get)
    assert {t.c: t.validation_log_loss for t in chosen.trials} == pytest.approx(losses)
    assert isinstance(chosen.trials[0], Trial)


@pytest.mark.parametrize("losses", [[3.0], [3, 2, 1], [1, 2, 0.5], [2, 2, 1, 1, 5, 1], [2, 1, 1.5, 0.5]])
def test_the_lowest_loss_wins_and_the_strongest_penalty_of_equal_losses(losses):
    x, y = np.ones((1, 1)), np.zeros(1, dtype=int)
    odds = np.log(np.expm1(losses))  # of the other class, where this is the loss
    path = [FittedProbe(np.array([[0.0], [o]]), np.zeros(2), c=float(i)) for i, o in enumerate(odds)]
    scored_losses = -score_probes(path, x, y)[0][:, 0]
    np.testing.assert_allclose(scored_losses, losses, rtol=1e-6)
    assert select_probe(path, x, y).probe.c == losses.index(min(losses))


def test_folds_keep_units_whole_and_classes_in_their_shares():
    rng = np.random.default_rng(0)
    units = rng.integers(60, size=300)
    labels = (units % 3 == 0).astype(int)
    folds = Folds.of(labels, units, n=5, seed=1)
    assert len(folds.parts) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate(folds.parts)), np.arange(300))
    assert sum(len(set(units[part])) for part in folds.parts) == len(set(units))
    shares = [labels[part].mean() for part in folds.parts]
    assert max(abs(share - labels.mean()) for share in shares) < 0.12
    alone = Folds.of(labels, None, n=5)
    assert sum(len(set(units[part])) for part in alone.parts) > len(set(units))


@pytest.mark.parametrize(
    ("labels", "units", "n", "message"),
    [
        ([0, 1, 0, 1], [0, 0, 0, 0], 5, "folds need two texts or more that are not all duplicates or of one group"),
        ([0, 1], None, 1, "folds must be 2 or more, found 1"),
        ([0, 1] * 3, None, 10**9, "1000000000 folds are more than the 6 training texts, .*; ask for 6 or fewer"),
        ([0, 1] * 3, [0, 1, 2, 0, 1, 2], 4, "4 folds are more than the 3 training texts, those that are duplicates or"),
    ],
)
def test_what_cannot_be_folded_is_refused_with_the_number_that_can(labels, units, n, message):
    with pytest.raises(InputError, match=message):
        Folds.of(np.array(labels), None if units is None else np.array(units), n=n)


def test_classes_smaller_than_the_number_of_folds_are_folded():
    labels = np.repeat(np.arange(200), 2)
    folds = Folds.of(labels, n=5)
    assert [len(part) for part in folds.parts] == [80] * 5
    assert all(len(set(labels[part])) == len(part) for part in folds.parts)


def test_selection_by_folds_is_that_of_scikit_learn(three_classes):
    x, y = three_classes[0].astype(np.float64), three_classes[1]
    folds, cs = Folds.of(y, n=4, seed=3), (1e-3, 1e-2, 0.1, 1.0, 30.0)
    probe = LogisticProbe(tol=1e-14)
    selection, log_prob = select_by_folds(probe, Sample(x, y), folds, cs, n_classes=3)
    splits = [(np.setdiff1d(np.arange(len(y)), part), part) for part in folds.parts]
    expected = []
    for c in cs:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=10_000, tol=1e-8))
        expected.append(np.log(cross_val_predict(model, x, y, cv=splits, method="predict_proba")))
    losses = [-fold_log_probs[np.arange(len(y)), y].mean() for fold_log_probs in expected]
    np.testing.assert_allclose([trial.validation_log_loss for trial in selection.trials], losses, atol=1e-5)
    best = int(np.argmin(losses))
    assert selection.probe.c == cs[best]
    np.testing.assert_allclose(log_prob, expected[best], atol=1e-4)
    whole = LogisticProbe(c=cs[best], tol=1e-14).fit(x, y, n_classes=3)
    np.testing.assert_allclose(selection.probe.log_prob(x), whole.log_prob(x), atol=1e-5)
