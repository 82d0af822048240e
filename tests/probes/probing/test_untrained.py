"""The untrained floor: as the trained encoder's probes, but for where the penalty is chosen."""

import numpy as np
import pytest

from probes import Examples
from probes.logistic.fitting import LogisticProbe
from probes.probing.penalty_selection import DEFAULT_CS, select_probe
from probes.probing.sites import ExampleSplits, Site
from probes.probing.untrained import untrained_floors


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
