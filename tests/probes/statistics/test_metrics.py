"""Scores: against scikit-learn, plain loops and closed forms."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from probes import InputError
from probes.statistics.metrics import (
    METRICS,
    N_BINS,
    average_precision,
    calibration_bins,
    class_auroc,
    confusion,
    per_class,
    precision_recall_f1,
)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def case(n_classes, *, absent=0, tied=False, n=60):
    """Labels without the last `absent` classes, and log probabilities, with many equal rows where `tied`."""
    rng = np.random.default_rng(n_classes)
    labels = rng.integers(n_classes - absent, size=n)
    logits = rng.standard_normal((n, n_classes)) + np.eye(n_classes)[labels]
    return labels, log_softmax(np.round(logits)).round(9) if tied else log_softmax(logits)


CASES = [case(k, absent=a, tied=t) for k in (2, 3, 7) for a in (0, 1) if k > 2 or not a for t in (False, True)]


@pytest.mark.parametrize(("labels", "log_prob"), CASES)
def test_scores_are_those_of_scikit_learn(labels, log_prob):
    predicted, probabilities = log_prob.argmax(axis=1), np.exp(log_prob)
    classes = np.arange(log_prob.shape[1])
    recall = [(predicted[labels == c] == c).mean() for c in np.unique(labels)]
    curves = [sk.roc_auc_score(labels == c, probabilities[:, c]) for c in np.unique(labels)]
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "balanced_accuracy": np.mean(recall),
        "macro_f1": sk.f1_score(labels, predicted, average="macro", zero_division=0),
        "mcc": sk.matthews_corrcoef(labels, predicted),
        "auroc": np.mean(curves),
        "log_loss": sk.log_loss(labels, probabilities, labels=classes),
    }
    values = {name: METRICS[name](labels, log_prob) for name in expected}
    assert values == pytest.approx(expected, rel=1e-9)
    if set(predicted) <= set(labels):
        assert values["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    if len(np.unique(labels)) == len(classes):
        scores = probabilities[:, 1] if len(classes) == 2 else probabilities
        options = {} if len(classes) == 2 else {"multi_class": "ovr"}
        assert sk.roc_auc_score(labels, scores, **options) == pytest.approx(values["auroc"])


def test_the_cases_include_ties_and_a_class_that_is_predicted_only():
    assert any(len(np.unique(log_prob[:, 0])) < len(labels) / 2 for labels, log_prob in CASES)
    assert any(set(log_prob.argmax(axis=1)) - set(labels) for labels, log_prob in CASES)


@pytest.mark.parametrize(("labels", "log_prob"), CASES)
def test_the_points_of_a_reliability_diagram_are_those_of_scikit_learn(labels, log_prob):
    confidence = np.exp(log_prob).max(axis=1)
    is_correct = log_prob.argmax(axis=1) == labels
    accuracy, mean_confidence = calibration_curve(is_correct, np.minimum(confidence, 1), n_bins=N_BINS)
    bins = calibration_bins(labels, log_prob)
    has_examples = bins["count"] > 0
    np.testing.assert_allclose(bins["confidence"][has_examples], mean_confidence)
    np.testing.assert_allclose((bins["correct"][has_examples] / bins["count"][has_examples]), accuracy)
    assert np.isnan(bins["confidence"][~has_examples]).all()
    assert bins["count"].sum() == len(labels)


@pytest.mark.parametrize(("labels", "log_prob"), CASES)
def test_the_calibration_error_is_the_weighted_distance_of_the_points_from_the_diagonal(labels, log_prob):
    bins = calibration_bins(labels, log_prob)
    distances = np.abs(bins["correct"] - bins["count"] * np.nan_to_num(bins["confidence"]))
    assert METRICS["ece"](labels, log_prob) == pytest.approx(distances.sum() / len(labels))


def test_a_bin_of_confidence_holds_its_upper_edge():
    bins = calibration_bins(np.array([0, 0]), np.log([[0.6, 0.4], [0.61, 0.39]]))
    assert np.flatnonzero(bins["count"]).tolist() == [8, 9], "the ninth of fifteen bins ends at 0.6"


def test_scores_of_classes_need_the_predictions_alone():
    labels, log_prob = case(3, absent=1)
    expected = per_class(labels, log_prob)
    scores = precision_recall_f1(labels, log_prob.argmax(axis=1), 3)
    assert set(scores) == set(expected) - {"auroc"}
    for name, values in scores.items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize(("labels", "log_prob"), CASES)
def test_auroc_is_the_share_of_correctly_ranked_pairs(labels, log_prob):
    scores = log_prob[:, [1, 0]] - log_prob if log_prob.shape[1] == 2 else -log_prob
    shares = []
    for c in np.unique(labels):
        pairs = [(a, b) for a in -scores[labels == c, c] for b in -scores[labels != c, c]]
        shares.append(np.mean([(a > b) + (a == b) / 2 for a, b in pairs]))
    np.testing.assert_allclose(class_auroc(labels, log_prob)[np.unique(labels)], shares)
    assert METRICS["auroc"](labels, log_prob) == pytest.approx(np.mean(shares))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3, 200])
def test_auroc_of_each_class_is_that_of_scikit_learn_with_ties_and_absent_classes(n_classes, dtype):
    rng = np.random.default_rng(n_classes)
    labels = rng.integers(max(2, n_classes - 20), size=500)
    log_prob = log_softmax(rng.integers(4, size=(500, n_classes)).astype(dtype))
    exact = log_prob.astype(np.float64)
    scores = exact - exact[:, ::-1] if n_classes == 2 else exact
    assert len(np.unique(scores[:, 0])) < 500
    expected = np.full(n_classes, np.nan)
    for c in np.unique(labels):
        expected[c] = sk.roc_auc_score(labels == c, scores[:, c])
    assert np.isnan(expected).any() == (n_classes > 2)
    np.testing.assert_allclose(class_auroc(labels, log_prob), expected, rtol=1e-12)


def test_auroc_counts_ties_with_scores_that_are_not_finite():
    log_prob = np.array([[-np.inf, 0.0, -1.0], [-np.inf, -1.0, 0.0], [0.0, -np.inf, -np.inf], [-1.0, 0.0, -np.inf]])
    np.testing.assert_array_equal(class_auroc(np.array([0, 1, 2, 0]), log_prob), [0.375, 1 / 3, 1 / 6])


def test_auroc_distinguishes_probabilities_that_round_to_one():
    logits = np.array([40.0, 41.0, 42.0, 43.0])
    log_prob = log_softmax(np.stack([np.zeros(4), logits], axis=1))
    labels = np.array([0, 1, 0, 1])
    assert len(np.unique(log_prob[:, 1])) == 1
    assert METRICS["auroc"](labels, log_prob) == 0.75
    with np.errstate(divide="ignore"):
        certain = np.log(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
    assert METRICS["auroc"](np.array([0, 1, 1]), certain) == 1


@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_class_alone_has_scores_but_no_auroc(n_classes):
    labels, log_prob = np.zeros(4, dtype=int), np.log(np.full((4, n_classes), 1 / n_classes))
    values = {name: metric(labels, log_prob) for name, metric in METRICS.items()}
    assert np.isnan(values.pop("auroc"))
    assert values == pytest.approx(
        {
            "accuracy": 1,
            "balanced_accuracy": 1,
            "macro_f1": 1,
            "mcc": 0,
            "log_loss": np.log(n_classes),
            "ece": 1 - 1 / n_classes,
        }
    )


def test_a_constant_prediction_scores_at_chance():
    labels = np.array([0, 0, 0, 1, 2])
    log_prob = np.tile(np.log([0.6, 0.2, 0.2]), (5, 1))
    values = {name: metric(labels, log_prob) for name, metric in METRICS.items()}
    assert values["balanced_accuracy"] == pytest.approx(1 / 3)
    assert (values["accuracy"], values["mcc"], values["auroc"]) == (0.6, 0, 0.5)
    assert values["ece"] == pytest.approx(0)


def test_scores_of_known_predictions():
    labels = np.array([0, 0, 1, 2])
    log_prob = np.log(np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.7, 0.1], [0.7, 0.2, 0.1]]))
    values = {name: metric(labels, log_prob) for name, metric in METRICS.items()}
    assert values["accuracy"] == 0.5
    assert values["balanced_accuracy"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert values["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert values["mcc"] == pytest.approx((2 * 4 - 6) / np.sqrt((16 - 8) * (16 - 6)))
    assert values["log_loss"] == pytest.approx(-np.log([0.7, 0.2, 0.7, 0.1]).mean())
    assert values["ece"] == pytest.approx(0.2)
    np.testing.assert_allclose(class_auroc(labels, log_prob), [0.5, 2.5 / 3, 0.5])


@pytest.mark.parametrize(("labels", "log_prob"), CASES)
def test_calibration_error_is_that_of_a_plain_loop(labels, log_prob):
    confidence, right = np.exp(log_prob).max(axis=1), log_prob.argmax(axis=1) == labels
    error = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert METRICS["ece"](labels, log_prob) == pytest.approx(error)


def test_full_confidence_is_in_the_last_bin():
    with np.errstate(divide="ignore"):
        log_prob = np.log(np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert METRICS["ece"](np.array([0, 1]), log_prob) == 0.5


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_examples_and_the_names_of_classes_do_not_matter(name):
    labels, log_prob = case(3)
    order, names = np.random.default_rng(0).permutation(60), np.array([2, 0, 1])
    shuffled = METRICS[name](names[labels[order]], log_prob[order][:, np.argsort(names)])
    assert shuffled == pytest.approx(METRICS[name](labels, log_prob))


@pytest.mark.parametrize(("labels", "log_prob"), CASES)
def test_scores_of_each_class_are_those_of_scikit_learn(labels, log_prob):
    predicted, classes = log_prob.argmax(axis=1), np.arange(log_prob.shape[1])
    values = per_class(labels, log_prob)
    expected = sk.precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    for name, expected_values in zip(("precision", "recall", "f1", "count"), expected, strict=True):
        np.testing.assert_array_equal(values[name], expected_values)
    assert values["count"].sum() == len(labels)
    np.testing.assert_array_equal(np.isnan(values["auroc"]), values["count"] == 0)
    assert np.nanmean(values["auroc"]) == METRICS["auroc"](labels, log_prob)


def test_scores_and_confusion_of_an_absent_class():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    values = per_class(labels, np.log([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1]]))
    np.testing.assert_allclose(values["precision"], [1, 0.5, 0])
    np.testing.assert_allclose(values["recall"], [0.5, 1, 0])
    np.testing.assert_array_equal(values["count"], [2, 1, 0])
    np.testing.assert_array_equal(values["auroc"], [1, 1, np.nan])
    pairs = [tuple(row) for row in np.stack(confusion(labels, predicted), axis=1).tolist()]
    assert pairs == [(0, 0, 1), (0, 1, 1), (1, 1, 1)]  # label, prediction, count


@pytest.mark.parametrize("levels", [3, 1000])
@pytest.mark.parametrize("n_positive", [1, 7, 20])
def test_average_precision_is_the_mean_precision_at_positive_examples(levels, n_positive):
    rng = np.random.default_rng(n_positive)
    scores, positive = rng.integers(levels, size=20), rng.permutation(20) < n_positive
    assert (len(set(scores.tolist())) < 20) == (levels == 3)
    precision = [positive[scores >= score].mean() for score in scores[positive]]
    precision_area = average_precision(scores, positive)
    assert precision_area == pytest.approx(np.mean(precision))
    assert precision_area == sk.average_precision_score(positive, scores)
    order = rng.permutation(20)
    assert average_precision(np.exp(scores[order] / 1000), positive[order]) == pytest.approx(precision_area)


def test_average_precision_of_known_scores():
    positive = np.array([True, False, True, False])
    assert average_precision(np.array([4, 3, 2, 1]), positive) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([4, 2, 3, 1]), positive) == 1
    assert average_precision(np.zeros(4), positive) == 0.5
    assert average_precision(np.arange(4), np.ones(4, dtype=bool)) == 1
    assert np.isnan(average_precision(np.arange(4), np.zeros(4, dtype=bool)))
    assert np.isnan(average_precision(np.empty(0), np.empty(0, dtype=bool)))
    with pytest.raises(InputError, match="lengths differ"):
        average_precision(np.arange(3), positive)


def test_labels_that_do_not_fit_are_errors():
    log_prob = np.log(np.full((2, 2), 0.5))
    for name in ("auroc", "log_loss"):
        with pytest.raises(InputError, match=r"\[0, 2\)"):
            METRICS[name](np.array([0, 2]), log_prob)
    for name in ("auroc", "ece"):
        with pytest.raises(InputError, match="lengths differ"):
            METRICS[name](np.array([0, 1, 1]), log_prob)


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_takes_lists_and_tensors_of_numbers(metric):
    labels, log_prob = np.array([0, 1, 1, 0]), np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    expected = METRICS[metric](labels, log_prob)
    assert METRICS[metric](labels.tolist(), log_prob.tolist()) == expected
    assert METRICS[metric](torch.tensor(labels), torch.tensor(log_prob)) == expected


@pytest.mark.parametrize("metric", [*METRICS.values(), class_auroc, per_class])
@pytest.mark.parametrize(
    ("labels", "log_prob", "message"),
    [
        (["a", "b"], np.zeros((2, 2)), "labels must be class ids from 0, found 'a'"),
        ([0, 2], np.zeros((2, 2)), r"labels must lie in \[0, 2\), found 0 to 2"),
        ([0, 1, 1], np.zeros((2, 2)), "lengths differ: labels has 3, log_prob has 2"),
        ([0, 1], np.zeros(2), r"log probabilities must be \(examples, classes\)"),
        ([0, 1], [[0.0, 0.0], [0.0, np.nan]], "log probabilities are not numbers, first in row 1"),
        ([], np.zeros((0, 2)), "needs one example"),
        ([0.5, 1], np.zeros((2, 2)), "labels must be one axis of integers"),
    ],
)
def test_inputs_without_a_score_are_refused_in_one_line(metric, labels, log_prob, message):
    with pytest.raises(InputError, match=message) as raised:
        metric(labels, log_prob)
    assert "\n" not in str(raised.value)
