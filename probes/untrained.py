"""The floor of an untrained encoder: what the architecture alone lets a probe read, before anything was learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import choose
from probes.classifiers import DEFAULT_CS, PROBES, ROUGH, Folds, select_by_folds, select_probe
from probes.places import Examples, Point
from probes.threads import abreast, side_by_side
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
    validation: Examples | None,
    test: Examples,
    *,
    n_classes: dict[str, int],
    layers: Sequence[int],
    probe: str = "logistic",
    cs: Sequence[float] = DEFAULT_CS,
    folds: Mapping[str, Folds] | None = None,
    device: str = "cpu",
) -> list[Floor]:
    """Probes on an untrained encoder: at every layer and pooling, as on the trained one, but for the choice of penalty.

    The penalty is chosen on validation at the lowest, the middle and the highest layer; the layers between take that of
    the nearest of them (of two equally near, the lower one's): what random layers hold changes little from one to the
    next.

    Args:
        train: Features `{"mean": array}` of shape (layers, examples, hidden), and labels.
        validation: The same; None where folds choose.
        test: The same; read once.
        n_classes: Label column -> classes of the task.
        layers: Which to read.
        probe: Name from `probes.classifiers.PROBES`.
        cs: Inverse penalty strengths, increasing.
        folds: Label column -> parts of the training examples that choose the penalty where there is no validation.
        device: Where probes are fitted.
    """
    kind = choose("probe", probe, PROBES)
    order = sorted(layers)
    tuned = sorted({order[0], order[(len(order) - 1) // 2], order[-1]})

    def fit(point: Point) -> list[Floor]:
        """The probes of all label columns at one point."""
        pooling, layer = point.pooling, point.layer
        fitter, done = kind.on(train.features[pooling][layer], device=device), []
        for task, k in n_classes.items():
            y = train.labels[task]
            if layer in tuned and validation is not None:
                held_out = validation.features[pooling][layer]
                probes = fitter.fits(np.tile(y, (len(cs), 1)), cs, n_classes=k, tol=ROUGH)
                fitted = select_probe(probes, held_out, validation.labels[task]).probe
            elif layer in tuned:
                x, parts = train.features[pooling][layer], (folds or {})[task]
                fitted = select_by_folds(kind, x, y, parts, cs, n_classes=k, device=device)[0].probe
            else:
                near = min(tuned, key=lambda other: abs(other - layer))
                c = chosen[task, Point(pooling, near)]
                (fitted,) = fitter.fits(np.asarray(y)[None], (c,), n_classes=k, tol=ROUGH)
            done.append(Floor(task, point, fitted.c, Predictions.of(fitted.log_prob(test.features[pooling][layer]))))
        return done

    first = train.features[next(iter(train.features))][order[0]]
    with side_by_side(abreast(2 * first.nbytes, device)) as run:
        chosen: dict[tuple[str, Point], float] = {}
        found: list[Floor] = []
        for some in (tuned, [layer for layer in order if layer not in tuned]):
            points = [Point(pooling, layer) for pooling in train.features for layer in some]
            found += [floor for floors in run(fit, points) for floor in floors]
            chosen |= {(floor.task, floor.point): floor.c for floor in found}
    return sorted(found, key=lambda floor: (floor.task, floor.point.pooling, floor.point.layer))
