"""The floor of an untrained encoder: what the architecture alone lets a probe read, before anything was learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import choose
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.selection import DEFAULT_CS, PROBES, ROUGH, Folds, select_by_folds, select_probe
from probes.probing.sites import Point, Read
from probes.statistics.bootstrap import Predictions


@dataclass(frozen=True, eq=False)
class Floor:
    """A probe on an untrained encoder's vectors."""

    task: str
    point: Point
    c: float
    predictions: Predictions
    """Of the test examples."""


def untrained_floors(
    encoders: Sequence[Read],
    *,
    n_classes: dict[str, int],
    layers: Sequence[int],
    probe: str = "logistic",
    cs: Sequence[float] = DEFAULT_CS,
    folds: Mapping[str, Folds] | None = None,
    device: str = "cpu",
) -> list[list[Floor]]:
    """Probes on untrained encoders: at every layer and pooling, as on the trained one, but for the choice of penalty.

    The penalty is chosen on validation at the lowest, the middle and the highest layer; the layers between take that of
    the nearest of them (of two equally near, the lower one's): what random layers hold changes little from one to the
    next. The places of all encoders are dealt to the cores together, none of which then waits at the end of each.

    Args:
        encoders: The splits as each of them shows them: features `{"mean": array}` of shape (layers, examples, hidden),
            and labels. Test is read once.
        n_classes: Label column -> classes of the task.
        layers: Which to read.
        probe: Name from `probes.probing.selection.PROBES`.
        cs: Inverse penalty strengths, increasing.
        folds: Label column -> parts of the training examples that choose the penalty where there is no validation.
        device: Where probes are fitted.

    Returns:
        Of each encoder its probes, by label column, pooling and layer.
    """
    if not encoders:
        return []
    kind = choose("probe", probe, PROBES)
    order = sorted(layers)
    tuned = sorted({order[0], order[(len(order) - 1) // 2], order[-1]})

    def fit(place: tuple[int, Point]) -> list[Floor]:
        """The probes of all label columns at one point of one encoder."""
        i, point = place
        read, pooling, layer = encoders[i], point.pooling, point.layer
        x = read.train.features[pooling][layer]
        unseen = read.validation.features[pooling][layer] if layer in tuned and read.validation is not None else None
        fitter, done = kind.on(x, device=device), []
        for task, k in n_classes.items():
            y = read.train.labels[task]
            if layer in tuned and read.validation is not None and unseen is not None:
                probes = fitter.fits(np.tile(y, (len(cs), 1)), cs, n_classes=k, tol=ROUGH)
                fitted = select_probe(probes, unseen, read.validation.labels[task]).probe
            elif layer in tuned:
                fitted = select_by_folds(kind, x, y, (folds or {})[task], cs, n_classes=k, device=device)[0].probe
            else:
                near = min(tuned, key=lambda other: abs(other - layer))
                c = chosen[i, task, Point(pooling, near)]
                (fitted,) = fitter.fits(np.asarray(y)[None], (c,), n_classes=k, tol=ROUGH)
            log_prob = fitted.log_prob(read.test.features[pooling][layer])
            done.append(Floor(task, point, fitted.c, Predictions.of(log_prob)))
        return done

    poolings = tuple(encoders[0].train.features)
    first = encoders[0].train.features[poolings[0]][order[0]]
    chosen: dict[tuple[int, str, Point], float] = {}
    found: list[list[Floor]] = [[] for _ in encoders]
    with parallel_map(n_parallel_tasks(2 * first.nbytes, device)) as run:
        for some in (tuned, [layer for layer in order if layer not in tuned]):
            places = [(i, Point(p, layer)) for i in range(len(encoders)) for p in poolings for layer in some]
            for (i, point), floors in zip(places, run(fit, places), strict=True):
                found[i] += floors
                chosen |= {(i, floor.task, point): floor.c for floor in floors}
    return [sorted(each, key=lambda floor: (floor.task, floor.point.pooling, floor.point.layer)) for each in found]
