"""The untrained floor: as the trained encoder's probes, but for where the penalty is chosen."""

import numpy as np
import pytest

from probes import Examples
from probes.logistic.fitting import LogisticProbe
from probes.probing.folds import Folds
from probes.probing.penalty_selection import DEFAULT_CS, select_probe
from probes.probing.sites import ExampleSplits, Site
from probes.probing.untrained import best_probes, untrained_floors


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(0)
    examples = []
    for n in (200, 100, 150):
        y = rng.integers(2, size=n)
        x = rng.standard_normal((5, n, 6)).astype(np.float32)
        x[:, :, 0] += 0.7 * (2 * y - 1)
        examples.append(Examples({"mean": x, "cls": x[:, :, :3]}, {"label": y}))
    return examples


def floors(*encoders, layers=range(5)):
    return untrained_floors([ExampleSplits(*splits) for splits in encoders], n_classes={"label": 2}, layers=layers)


def test_every_layer_and_pooling_has_its_floor(splits):
    (probes,) = floors(splits)
    assert [floor.site for floor in probes] == [Site(pooling, i) for pooling in ("cls", "mean") for i in range(5)]


def test_the_penalty_is_chosen_at_the_lowest_middle_and_highest_layer_and_taken_from_the_nearest(splits):
    train, validation, test = splits
    probes = {f.site: f for f in floors(splits)[0]}
    y = [split.labels["label"] for split in splits]
    tuned = {}
    for layer in (0, 2, 4):
        path = LogisticProbe().prepare(train.features["mean"][layer]).fit_path(y[0], DEFAULT_CS, n_classes=2)
        tuned[layer] = select_probe(path, validation.features["mean"][layer], y[1]).probe
        floor = probes[Site("mean", layer)]
        assert floor.c == tuned[layer].c
        np.testing.assert_array_equal(floor.predictions.predicted, tuned[layer].predict(test.features["mean"][layer]))
    best = best_probes(list(probes.values()))["label"].site
    assert best not in (Site("mean", 1), Site("mean", 3))
    assert probes[Site("mean", 1)].c == tuned[0].c
    assert probes[Site("mean", 3)].c == tuned[2].c
    alone = LogisticProbe(c=tuned[2].c).fit(train.features["mean"][3], y[0], n_classes=2)
    np.testing.assert_array_equal(
        probes[Site("mean", 3)].predictions.predicted, alone.predict(test.features["mean"][3])
    )


def test_c_is_selected_at_a_single_layer(splits):
    ((first, second),) = floors(splits, layers=(3,))
    assert (first.site, second.site) == (Site("cls", 3), Site("mean", 3))


def test_each_of_several_encoders_has_the_floor_that_it_has_alone(splits):
    negated = [Examples({p: -2 * x[::-1] for p, x in s.features.items()}, s.labels) for s in splits]
    for together, alone in zip(floors(splits, negated, splits), (splits, negated, splits), strict=True):
        for a, b in zip(together, floors(alone)[0], strict=True):
            assert (a.site, a.c) == (b.site, b.c)
            np.testing.assert_array_equal(a.predictions.log_prob, b.predictions.log_prob)
    assert floors() == []


def test_the_best_site_of_an_encoder_has_a_penalty_of_its_own(splits):
    stronger = []
    for split in splits:
        features = {pooling: x.copy() for pooling, x in split.features.items()}
        features["mean"][3, :, 1] += 2 * split.labels["label"]  # between two layers at which C is selected
        stronger.append(Examples(features, split.labels))
    train, validation, _ = stronger
    (probes,) = floors(stronger)
    best = best_probes(probes)["label"]
    assert best.site == Site("mean", 3)
    path = LogisticProbe().prepare(train.features["mean"][3]).fit_path(train.labels["label"], DEFAULT_CS, n_classes=2)
    selection = select_probe(path, validation.features["mean"][3], validation.labels["label"])
    assert best.c == selection.probe.c
    losses = [trial.validation_log_loss for trial in selection.trials]
    assert best.validation_log_loss == pytest.approx(min(losses), abs=1e-3)
    others = [probe.validation_log_loss for probe in probes if probe.site != best.site]
    assert best.validation_log_loss < min(others)


def test_without_a_validation_split_the_best_site_is_one_at_which_c_was_selected_by_folds(splits):
    train, _, test = splits
    labels = train.labels["label"]
    folds = {"label": Folds.of(labels, n=3)}
    encoders = [ExampleSplits(train, None, test)]
    (probes,) = untrained_floors(encoders, n_classes={"label": 2}, layers=range(5), folds=folds)
    assert {probe.site.layer for probe in probes if not np.isnan(probe.validation_log_loss)} == {0, 2, 4}
    assert best_probes(probes)["label"].site.layer in (0, 2, 4)
