"""The floor of an untrained encoder: what the architecture alone lets a probe read, before anything was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import choose
from probes.classifiers import DEFAULT_CS, PROBES, ROUGH, select_probe
from probes.places import Examples, Point
from probes.uncertainty import Predictions


@dataclass(frozen=True, eq=False)
class Floor:
    """A probe on an untrained encoder's vectors."""

    task: str
    point: Point
    c: float
    predictions: Predictions
    """Of the test examples."""


def untrained_floor(
    train: Examples,
    validation: Examples,
    test: Examples,
    *,
    n_classes: dict[str, int],
    layers: Sequence[int],
    probe: str = "logistic",
    cs: Sequence[float] = DEFAULT_CS,
    device: str = "cpu",
) -> list[Floor]:
    """Probes on an untrained encoder: at every layer and pooling, as on the trained one, but for the choice of penalty.

    The penalty is chosen on validation at the lowest, the middle and the highest layer; the layers between take that of
    the nearest of them (of two equally near, the lower one's): what random layers hold changes little from one to the
    next.

    Args:
        train: Features `{"mean": array}` of shape (layers, examples, hidden), and labels.
        validation: The same.
        test: The same; read once.
        n_classes: Label column -> classes of the task.
        layers: Which to read.
        probe: Name from `probes.classifiers.PROBES`.
        cs: Inverse penalty strengths, increasing.
        device: Where probes are fitted.
    """
    kind = choose("probe", probe, PROBES)
    order = sorted(layers)
    tuned = sorted({order[0], order[(len(order) - 1) // 2], order[-1]})
    found = []
    for pooling in train.features:
        chosen: dict[tuple[str, int], float] = {}
        for layer in [*tuned, *(layer for layer in order if layer not in tuned)]:
            fitter = kind.on(train.features[pooling][layer], device=device)
            unseen = test.features[pooling][layer]
            for task, k in n_classes.items():
                y = train.labels[task]
                if layer in tuned:
                    held_out = validation.features[pooling][layer]
                    fitted = select_probe(fitter.path(y, cs, n_classes=k), held_out, validation.labels[task]).probe
                    chosen[task, layer] = fitted.c
                else:
                    near = min(tuned, key=lambda other: abs(other - layer))
                    (fitted,) = fitter.fits(np.asarray(y)[None], (chosen[task, near],), n_classes=k, tol=ROUGH)
                predictions = Predictions.of(fitted.log_prob(unseen))
                found.append(Floor(task, Point(pooling, layer), fitted.c, predictions))
    return sorted(found, key=lambda floor: (floor.task, floor.point.pooling, floor.point.layer))
