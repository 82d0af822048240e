"""LEACE against its closed form and probes fitted again, and how fair its controls are."""

import csv
import itertools
import sys

import numpy as np
import pytest

from probes import InputError, LogisticProbe
from probes.features.in_memory import pool_texts
from probes.mechanism import leace as leace_module
from probes.mechanism.leace import Erasure, erasures, leace, random_erasure
from probes.parallel import parallel_map
from probes.statistics.standardisation import standardisation

pytest.importorskip("concept_erasure", reason="the extra erasure is not installed")


def classes(n_classes=2, examples=600, hidden=12, seed=0):
    """(examples, hidden) correlated features whose mean depends on the class, far from the origin; and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, examples, p=np.arange(1, n_classes + 1) / sum(range(n_classes + 1)))
    features = rng.standard_normal((examples, hidden)) + 1.5 * rng.standard_normal((n_classes, hidden))[labels]
    return (features @ rng.standard_normal((hidden, hidden)) + 20).astype(np.float32), labels


def closed_form(features, labels):
    """(examples, hidden) by theorem 4.3: whiten, project off the whitened covariance with the labels, take back."""
    x = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    z = (labels[:, None] == np.unique(labels)).astype(np.float64)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    is_positive = values > values.max() * 1e-12
    root = np.sqrt(values[is_positive])
    whiten, back = (
        vectors[:, is_positive] / root @ vectors[:, is_positive].T,
        vectors[:, is_positive] * root @ vectors[:, is_positive].T,
    )
    shared = whiten @ (x.T @ (z - z.mean(axis=0)))
    return features - x @ whiten @ (shared @ np.linalg.pinv(shared, rcond=1e-9)) @ back


def refitted(features, labels):
    """A probe on standardised features: its accuracy on them, and its largest weight."""
    mean, scale = standardisation(features)
    z = (features - mean) / scale
    with parallel_map(1) as run:
        (probe,) = run(lambda y: LogisticProbe().fit(z, y, n_classes=y.max() + 1), [labels])
    return (probe.predict(z) == labels).mean(), abs(probe.weight).max()


def majority(labels):
    return np.bincount(labels).max() / len(labels)


@pytest.mark.parametrize("examples", [8, 600])
@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_leace_is_its_closed_form(n_classes, examples):
    x, y = classes(n_classes, examples)
    erasure = leace(x, y, n_classes=n_classes, shrinkage=False)
    assert erasure.rank == len(np.unique(y)) - 1
    np.testing.assert_allclose(erasure(x), closed_form(x, y), atol=1e-6)
    assert erasure.displacement(x) > 0.1


@pytest.mark.parametrize("n_classes", [2, 6])
def test_a_probe_refitted_after_erasure_knows_the_majority_only(n_classes):
    x, y = classes(n_classes)
    accuracy, weight = refitted(x, y)
    assert accuracy > majority(y) + 0.2
    assert weight > 0.3
    erased = leace(x, y, n_classes=n_classes)(x)
    accuracy, weight = refitted(erased, y)
    assert accuracy == majority(y)
    assert weight < 1e-4
    means = np.stack([erased[y == label].mean(axis=0) for label in range(n_classes)])
    np.testing.assert_allclose(means, np.broadcast_to(x.mean(axis=0, dtype=np.float64), means.shape), atol=1e-9)


def test_no_other_map_that_gives_all_classes_one_mean_moves_features_less():
    x, y = classes(3)
    erasure = leace(x, y, n_classes=3, shrinkage=False)
    means = np.stack([x[y == label].mean(axis=0, dtype=np.float64) for label in range(3)])
    away = np.linalg.qr((means[1:] - means[0]).T)[0]
    orthogonal = Erasure(away, away.T, x.mean(axis=0, dtype=np.float64))
    for map_ in (erasure, orthogonal):
        assert np.ptp([map_(x)[y == c].mean(axis=0) for c in range(3)], axis=0).max() < 1e-5
    squares = [np.square(map_(x) - x).sum(axis=1).mean() for map_ in (erasure, orthogonal)]
    assert squares[0] < 0.95 * squares[1]


@pytest.mark.parametrize("n_classes", [2, 20])
def test_shrinkage_erases_a_label_from_few_examples_without_moving_others_far(n_classes):
    rng = np.random.default_rng(0)
    scale = np.geomspace(3, 0.03, 64)  # most directions are narrow, as those of means of many tokens
    x = rng.standard_normal((4 * n_classes + 60, 64)) * scale
    y = np.arange(len(x)) % n_classes
    unseen = rng.standard_normal((500, 64)) * 3  # tokens vary in all directions
    plain, shrunk = (leace(x, y, n_classes=n_classes, shrinkage=shrinkage) for shrinkage in (False, True))
    for erasure in (plain, shrunk):
        means = np.stack([erasure(x)[y == label].mean(axis=0) for label in range(n_classes)])
        np.testing.assert_allclose(means, np.broadcast_to(x.mean(axis=0), means.shape), atol=1e-8)
    assert shrunk.displacement(unseen) < 0.7 * plain.displacement(unseen)


def test_the_strength_of_a_removal_is_1_and_that_of_a_random_subspace_is_its_scale():
    x, y = classes(3)
    maps = erasures(x, y, n_classes=3)
    assert maps.leace.strength == pytest.approx(1)
    (control,) = maps.random
    along = (x - control.centre) @ control.right
    np.testing.assert_allclose((control(x) - control.centre) @ control.right, (1 - control.strength) * along, atol=1e-6)
    assert np.isnan(erasures(x, np.zeros_like(y), n_classes=3).leace.strength)


def test_erasure_of_one_label_leaves_another():
    x, y = classes(2)
    second_label = (np.arange(len(y)) % 2).astype(np.int64)
    x[:, 3] += 8 * second_label
    erased = leace(x, y, n_classes=2)(x)
    assert refitted(x, second_label)[0] > 0.9
    assert refitted(erased, second_label)[0] > 0.9


def test_dimensions_that_vary_by_rounding_alone_do_not_bring_the_label_back():
    x, y = classes(2)
    dead = np.hstack([x, np.full((len(x), 1), 7, np.float32), 1e-33 * y[:, None].astype(np.float32)])
    erasure = leace(dead, y, n_classes=2)
    np.testing.assert_allclose(erasure(dead)[:, :-2], leace(x, y, n_classes=2)(x), atol=1e-9)
    np.testing.assert_array_equal(erasure(dead)[:, -2:], dead[:, -2:])
    assert refitted(erasure(dead), y)[0] == majority(y)
    control = random_erasure(erasure, dead)
    np.testing.assert_array_equal(control(dead)[:, -2:], dead[:, -2:])


def test_a_direction_that_varies_by_rounding_alone_is_not_blown_up(monkeypatch):
    x, y = classes(2)
    x = x.astype(np.float64) - x.mean(axis=1, keepdims=True) + 20  # as a layer norm leaves them: one sum for all
    once, again = (x * (1 + 6e-8 * np.random.default_rng(seed).standard_normal(x.shape)) for seed in (1, 2))
    erasure = leace(once, y, n_classes=2, shrinkage=False)
    monkeypatch.setattr(leace_module, "LEAST_RELATIVE_DEVIATION", 0.0)
    plain = leace(once, y, n_classes=2, shrinkage=False)
    apart = [np.linalg.norm(map_(again) - map_(once), axis=1).max() for map_ in (erasure, plain)]
    assert apart[0] < 1e-3 * erasure.displacement(once) < 1e-2 * plain.displacement(once) < apart[1]
    assert refitted(erasure(once), y) == (majority(y), pytest.approx(0, abs=1e-4))


def test_where_there_is_nothing_to_erase_nothing_moves():
    x, y = classes(2)
    same = np.tile(x[:1], (len(x), 1))
    for features, labels in ((same, y), (x, np.zeros_like(y))):
        maps = erasures(features, labels, n_classes=2)
        for control in (maps.leace, *maps.random, *maps.shuffled):
            assert control.rank == 0
            np.testing.assert_array_equal(control(features), features)
            assert control.displacement(features) == 0


def test_a_class_that_is_not_there_takes_no_direction():
    x, y = classes(3)
    erasure = leace(x, y, n_classes=5)
    assert erasure.rank == 2
    np.testing.assert_allclose(erasure(x), leace(x, y, n_classes=3)(x), atol=1e-9)


def test_what_the_map_makes_of_tokens_has_the_mean_that_it_makes_of_their_mean():
    x, y = classes(3)
    erasure = leace(x, y, n_classes=3)
    tokens = np.random.default_rng(1).standard_normal((5, 7, 12)) * 9
    np.testing.assert_allclose(erasure(tokens).mean(axis=1), erasure(tokens.mean(axis=1)), atol=1e-9)
    np.testing.assert_allclose(erasure(erasure(x)), erasure(x), atol=1e-6)


# Controls


@pytest.mark.parametrize("n_classes", [2, 4])
def test_random_subspaces_are_of_equal_rank_and_move_vectors_as_far(n_classes):
    x, y = classes(n_classes)
    tokens = np.random.default_rng(1).standard_normal((500, 12)).astype(np.float32) * 9
    for states in (None, tokens):
        moved = x if states is None else states
        maps = erasures(x, y, n_classes=n_classes, states=states, random=4)
        for control in maps.random:
            assert control.rank == maps.leace.rank == n_classes - 1
            assert control.displacement(moved) == pytest.approx(maps.leace.displacement(moved))
            np.testing.assert_allclose(control.right.T @ control.right, np.eye(control.rank), atol=1e-9)
            strength = control.left @ control.right
            np.testing.assert_allclose(strength, strength[0, 0] * np.eye(control.rank), atol=1e-9)
        overlap = [abs(a.right.T @ b.right).max() for a, b in itertools.combinations(maps.random, 2)]
        assert max(overlap) < 0.999


def test_controls_leave_the_label():
    x, y = classes(2, hidden=60)
    maps = erasures(x, y, n_classes=2)
    whole = refitted(x, y)[0]
    assert refitted(maps.leace(x), y)[0] == majority(y) < whole - 0.2
    for control in (*maps.random, *maps.shuffled):
        assert refitted(control(x), y)[0] > whole - 0.05
        assert control.displacement(x) > 0


def test_the_draws_depend_on_the_seed_alone():
    x, y = classes(3)
    first, again, other_seed = (erasures(x, y, n_classes=3, seed=seed, random=2, shuffled=2) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.leace.left, other_seed.leace.left)
    for kind in ("random", "shuffled"):
        for a, b, c in zip(*(getattr(map_, kind) for map_ in (first, again, other_seed)), strict=True):
            np.testing.assert_array_equal(a.left, b.left)
            assert abs(a.left - c.left).max() > 1e-3
    assert abs(first.random[0].left - first.random[1].left).max() > 1e-3
    assert abs(first.shuffled[0].left - first.shuffled[1].left).max() > 1e-3


def test_what_cannot_be_erased_is_refused(monkeypatch):
    x, y = classes(2)
    with pytest.raises(InputError, match="lengths differ: features has 600, labels has 599"):
        leace(x, y[1:], n_classes=2)
    with pytest.raises(InputError, match=r"labels must lie in \[0, 2\)"):
        leace(x, y + 1, n_classes=2)
    with pytest.raises(InputError, match="needs 2 examples or more, found 1"):
        leace(x[:1], y[:1], n_classes=2)
    monkeypatch.setitem(sys.modules, "concept_erasure", None)
    with pytest.raises(InputError, match="layerprobe\\[erasure\\]"):
        leace(x, y, n_classes=2)


def test_a_label_is_erased_from_a_real_encoder(packaged, data):
    with (data / "sst2" / "train.csv").open(encoding="utf-8") as file:
        rows = list(itertools.islice(csv.DictReader(file), 300))
    labels = np.array([row["label"] == "positive" for row in rows], dtype=np.int64)
    features = pool_texts(packaged, packaged.encode([row["text"] for row in rows]), ["cls", "mean"], [0, 6])
    for pooling, layers in features.items():
        for layer, x in zip((0, 6), layers, strict=True):
            erasure = leace(x, labels, n_classes=2)
            accuracy, weight = refitted(x, labels)
            after, left = refitted(erasure(x), labels)
            print(f"{pooling} {layer}: {accuracy:.3f} -> {after:.3f}, weights {weight:.2g} -> {left:.2g}")
            assert erasure.rank == (0 if (pooling, layer) == ("cls", 0) else 1)
            assert after == majority(labels)
            assert left < 1e-4
            assert not erasure.rank or (accuracy > majority(labels) + 0.2 and weight > 0.1)
