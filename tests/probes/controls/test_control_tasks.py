"""Control tasks: labels by type alone, like the real ones in balance, and what probes make of them."""

import numpy as np
import pytest
import scipy.optimize

from probes import Examples, SweepOptions, TextDataset, make_splits, sweep_probes
from probes.controls.control_tasks import (
    MOST_SHARE_DIFFERENCE,
    NoControlTaskError,
    control_task_study,
    draw_control_task,
    draw_control_tasks,
    is_informative,
)

TYPES = tuple(f"w{i}" for i in range(40))


@pytest.fixture
def texts():
    """Types of training and test texts, evenly used; two test types do not occur in training."""
    rng = np.random.default_rng(0)
    train, test = rng.choice(40, size=800), rng.choice(40, size=200)
    return [TYPES[i] for i in train], [*(TYPES[i] for i in test), "new", "newer"], rng.integers(2, size=800)


def test_texts_of_one_type_have_one_label_in_training_and_test(texts):
    train, test, labels = texts
    control = draw_control_task(train, test, labels, n_classes=2)
    assert control.train.shape == (5, 800)
    for draw in range(5):
        label = dict(zip(train, control.train[draw], strict=True))
        assert all(label[kind] == drawn_label for kind, drawn_label in zip(train, control.train[draw], strict=True))
        labels_of_known_types = [
            (label[kind], drawn_label)
            for kind, drawn_label in zip(test, control.test[draw], strict=True)
            if kind in label
        ]
        assert all(a == b for a, b in labels_of_known_types)
    assert len({row.tobytes() for row in control.train}) == 5


def test_types_that_training_lacks_are_not_scored(texts):
    control = draw_control_task(*texts, n_classes=2)
    np.testing.assert_array_equal(control.scored, [True] * 200 + [False] * 2)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_draws_are_as_balanced_as_the_real_labels(texts, share):
    train, test, _ = texts
    labels = (np.arange(800) < 800 * share).astype(int)
    control = draw_control_task(train, test, labels, n_classes=2)
    shares = [max(np.bincount(row)) / 800 for row in control.train]
    assert all(abs(control_share - share) <= MOST_SHARE_DIFFERENCE for control_share in shares)
    top = [np.bincount(row).argmax() for row in control.train]
    expected = [(row[:200] == i).mean() for row, i in zip(control.test, top, strict=True)]
    np.testing.assert_allclose(control.majority, expected)


def test_a_type_that_most_texts_share_leaves_no_valid_control():
    train = ["what"] * 59 + [f"w{i}" for i in range(41)]
    with pytest.raises(
        NoControlTaskError, match=r"59 % of the training texts have the type “what”, .* \(largest class 25 %\)"
    ):
        draw_control_task(train, train, np.arange(100) % 4, n_classes=4)


def test_control_labels_that_equal_the_real_labels_up_to_names_are_refused():
    train, labels = ["a"] * 50 + ["b"] * 50, np.repeat([0, 1], 50)
    with pytest.raises(NoControlTaskError, match="the input types determine the real labels"):
        draw_control_task(train, train, labels, n_classes=2)


def test_no_two_draws_are_alike():
    train = list("abcd" * 25)
    # Six ways are balanced, and each of them is another one with renamed classes.
    with pytest.raises(NoControlTaskError, match="too few ways to assign labels to 4 input types"):
        draw_control_task(train, train, np.random.default_rng(0).permutation(np.arange(100) % 2), n_classes=2)


def test_test_texts_of_other_types_alone_leave_nothing_to_score():
    labels = np.random.default_rng(0).integers(2, size=200)
    train = [f"w{i % 20}" for i in range(200)]
    for n_known in (0, 9):
        test = ["x"] * 5 + train[:n_known]
        with pytest.raises(NoControlTaskError, match=f"only {n_known} of {5 + n_known} test texts have an input type"):
            draw_control_task(train, test, labels, n_classes=2)
    assert draw_control_task(train, ["x"] * 5 + train[:10], labels, n_classes=2).scored.sum() == 10


def test_types_that_determine_the_label_make_no_control_task():
    labels = np.arange(600) % 6
    kinds = [f"kind {i}" for i in labels]
    with pytest.raises(NoControlTaskError, match="the input types determine the real labels"):
        draw_control_task(kinds, kinds, labels, n_classes=6)
    parts = [f"{kind}, part {i // 6 % 5}" for i, kind in enumerate(kinds)]
    labels[:60] = 0  # some types have two labels now
    assert len(draw_control_task(parts, parts, labels, n_classes=6).train) == 5


def test_the_draws_depend_on_the_seed_alone(texts):
    first, again, other_seed = (draw_control_task(*texts, n_classes=2, seed=seed).train for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other_seed).any()


def test_selectivity_is_high_where_the_label_is_read_and_low_where_the_type_is():
    rng = np.random.default_rng(0)
    kinds, y = rng.choice(40, size=1600), rng.integers(2, size=1600)
    noise = rng.standard_normal((1600, 60))
    meaning, form = noise.copy(), noise.copy()
    meaning[:, 0] += 3 * (2 * y - 1)
    form[:, :40] += 6 * np.eye(40)[kinds]
    form[:, 50] += 3 * (2 * y - 1)
    rows = slice(1000), slice(1000, 1300), slice(1300, 1600)
    parts = [Examples({"mean": np.stack([meaning, form])[:, r].astype(np.float32)}, {"label": y[r]}) for r in rows]
    names = [[str(kind) for kind in kinds[r]] for r in rows]
    control = draw_control_task(names[0], names[2], y[:1000], n_classes=2)
    sweep = sweep_probes(*parts, options=SweepOptions(studies={"control": control_task_study({"label": control})}))
    means, forms = (result for _, result in sorted(sweep.studies["control"].items()))
    assert means.correct.mean() > 0.97
    assert forms.correct.mean() > 0.97
    assert abs(means.control_accuracies.mean() - 0.5) < 0.08
    assert forms.control_accuracies.mean() > 0.75
    assert means.selectivity > 0.4 > 0.25 > forms.selectivity
    np.testing.assert_allclose(means.selectivity, means.correct.mean() - means.control_accuracies.mean())


def test_selectivity_of_random_features_is_not_above_zero(texts):
    """No signal at all: selectivity is not above zero by more than chance."""
    rng = np.random.default_rng(1)
    train, test, labels = texts
    x = rng.standard_normal((1202, 20)).astype(np.float32)
    rows = slice(800), slice(800, 1000), slice(1000, 1202)
    y = [labels, rng.integers(2, size=200), rng.integers(2, size=202)]
    parts = [
        Examples({"mean": x[None, r]}, {"label": labels_of_split}) for r, labels_of_split in zip(rows, y, strict=True)
    ]
    control = draw_control_task(train, test, labels, n_classes=2)
    sweep = sweep_probes(*parts, options=SweepOptions(studies={"control": control_task_study({"label": control})}))
    (result,) = sweep.studies["control"].values()
    differences = result.differences
    assert result.selectivity <= 2 * differences.std() / np.sqrt(len(differences))


def test_a_label_column_without_a_control_has_none():
    x, y = np.random.default_rng(0).standard_normal((1, 60, 3)).astype(np.float32), np.arange(60) % 2
    parts = [Examples({"mean": x}, {"label": y})] * 3
    assert list(
        sweep_probes(*parts, options=SweepOptions(studies={"control": control_task_study({})}))
        .studies["control"]
        .values()
    ) == [None]


def test_control_tasks_of_splits_are_those_of_their_input_types_and_the_rest_have_reasons():
    kinds = np.random.default_rng(0).choice([f"kind{i}" for i in range(12)], 240)
    labels = {"task": np.arange(240) % 2, "type": [f"{kind[-1] in '13579'}" for kind in kinds]}
    dataset = TextDataset.of([f"text {i}" for i in range(240)], labels, input_types=kinds)
    splits = make_splits(dataset)
    controls = draw_control_tasks(splits, draws=3, seed=1)
    assert set(controls.tasks) == {"task"}
    assert controls.reasons == {"type": "the input types determine the real labels"}
    train = splits.train
    expected = draw_control_task(
        train.input_types, splits.test.input_types, train.labels("task"), n_classes=2, draws=3, seed=1
    )
    np.testing.assert_array_equal(controls.tasks["task"].train, expected.train)
    assert len(expected.train) == 3


@pytest.mark.parametrize(("n_types", "hidden", "expected"), [(11, 384, False), (769, 384, False), (770, 384, True)])
def test_a_control_task_of_fewer_types_than_twice_the_dimensions_is_uninformative(n_types, hidden, expected):
    assert is_informative(n_types, hidden) is expected


@pytest.mark.parametrize(("factor", "expected"), [(0.5, 1.0), (1.0, 1.0), (2.0, 0.5), (4.0, 0.0)])
def test_the_limit_is_that_of_random_labellings_that_a_linear_classifier_can_realise(factor, expected):
    """By linear programming: half of all labellings of 2 (d + 1) points are realised (Cover 1965)."""
    rng = np.random.default_rng(0)
    hidden, repeats = 12, 60
    n_types = int(factor * (hidden + 1))
    realised = 0
    for _ in range(repeats):
        points = np.column_stack([rng.standard_normal((n_types, hidden)), np.ones(n_types)])
        signs = rng.choice([-1.0, 1.0], size=n_types)
        bounds = [(None, None)] * (hidden + 1)
        separation = scipy.optimize.linprog(
            np.zeros(hidden + 1), -signs[:, None] * points, -np.ones(n_types), bounds=bounds
        )
        realised += separation.success
    assert realised / repeats == pytest.approx(expected, abs=0.17)
    assert is_informative(n_types, hidden) == (factor >= 2)
