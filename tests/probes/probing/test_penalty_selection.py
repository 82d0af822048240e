"""Choice of C: on validation and by folds, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probes import FittedProbe, LogisticProbe
from probes.logistic.fitted_probe import score_probes
from probes.probing.folds import Folds
from probes.probing.penalty_selection import Sample, Trial, select_by_folds, select_probe


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
