"""What the studies of a sweep found, as tidy tables: one row a place, a text or a training size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probes.controls.control_tasks import ControlTask, Memorised, memorising
from probes.controls.information import information
from probes.controls.prediction_depth import Refitted, prediction_depth, refitting, reliability
from probes.probing.sites import Site, Study
from probes.probing.sweep_result import Sweep
from probes.statistics.intervals import mean_intervals, wilson_interval

if TYPE_CHECKING:
    import pandas as pd


def usual_studies(controls: Mapping[str, ControlTask], *, seed: int) -> dict[str, Study]:
    """The studies that go with every sweep.

    Args:
        controls: Label column -> its control task, where there is a valid one.
        seed: Of the resampled training sets.
    """
    return {"information": information, "control": memorising(controls), "depth": refitting(seed=seed)}


def information_table(sweep: Sweep) -> pd.DataFrame:
    """Bits of the label that each place gives away.

    V-information is how many bits an example the probe saves against one that sees no features: the difference of their
    log losses on test, with its paired 95 % interval. Codelengths are in bits an example, over the training examples.

    Source: Xu et al. (2020), arXiv:2002.10689; Voita & Titov (2020), arXiv:2003.12298.
    """
    rows = []
    for (task, point), found in sweep.studies["information"].items():
        code, own = found.codelength, sweep.tasks[task]
        n = code.ends[-1]
        saved = own.test["majority"]["log_loss"] - own.test[point]["log_loss"]
        lower, upper = own.resampled.difference("log_loss", own.column("majority"), own.column(point))
        bits = (each / math.log(2) for each in (saved, lower, upper))
        codes = (code.total / n, code.prior / n, code.uniform / n, code.compression, code.prior_compression)
        rows.append((task, point.pooling, point.layer, *bits, *codes))
    names = "v_information lower upper codelength prior_codelength uniform_codelength compression prior_compression"
    return _frame(rows, "task pooling layer", names)


def sizes_table(sweep: Sweep) -> pd.DataFrame:
    """Test accuracy, its 95 % interval (Wilson) and log loss (nats) of each place by number of training examples."""
    rows = [
        (task, point.pooling, point.layer, size.examples, size.c, size.accuracy, *limits, size.log_loss)
        for (task, point), found in sweep.studies["information"].items()
        for size in found.sizes
        for limits in [wilson_interval(size.accuracy, len(sweep.tasks[task].labels))]
    ]
    return _frame(rows, "task pooling layer", "train_texts c accuracy lower upper log_loss")


def control_table(sweep: Sweep, controls: Mapping[str, ControlTask]) -> pd.DataFrame:
    """Accuracy on control tasks beside the real one on the same texts, and selectivity with its 95 % interval.

    Source: Hewitt & Liang (2019), arXiv:1909.03368.
    """
    rows: list[tuple[Any, ...]] = []
    for task, control in controls.items():
        own: list[tuple[Site, Memorised]] = [
            (point, found) for (name, point), found in sweep.studies["control"].items() if name == task
        ]
        gaps = np.stack([found.gaps for _, found in own], axis=1)
        for (point, found), limits in zip(own, mean_intervals(gaps, seed=sweep.seed), strict=True):
            real, n = float(found.real_hits.mean()), len(found.real_hits)
            spread = (found.accuracies.mean(), found.accuracies.min(), found.accuracies.max(), control.majority.mean())
            shares = (real, found.selectivity, *limits, n, n / len(control.scored))
            rows.append((task, point.pooling, point.layer, *spread, *shares))
    names = "control_accuracy lowest highest control_majority accuracy selectivity lower upper n share_scored"
    return _frame(rows, "task pooling layer", names)


def texts_table(sweep: Sweep) -> pd.DataFrame:
    """For each test text and place, the probability of its label, and its pointwise V-information in bits.

    Source: Ethayarajh et al. (2022), arXiv:2110.08420.
    """
    import pandas as pd

    frames = []
    for (task, point), found in sweep.studies["depth"].items():
        own = sweep.tasks[task]
        rows = np.arange(len(own.labels)), own.labels
        saved = (own.predictions[point].log_prob[rows] - own.predictions["majority"].log_prob[rows]) / math.log(2)
        base = {"task": task, "pooling": point.pooling, "layer": point.layer, "text_id": np.arange(len(saved))}
        right = found.predicted == own.labels
        frames.append(pd.DataFrame({**base, "probability": found.probability, "pvi": saved, "correct": right}))
    return pd.concat(frames, ignore_index=True).round(5)


def depth_tables(sweep: Sweep) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prediction depth of each test text in each pooling, and how reliable the depths are.

    `refit_mean` and `refit_sd` are over refits on resampled training texts: the noise that a difference between texts
    must exceed. Layers at which all training texts have one vector, as [CLS] at layer 0, are left out: there every text
    gets the most frequent class, and would count as decided where that is its own. `n_constant` counts them; a pooling
    of which no layer is left has no rows.
    """
    texts: list[tuple[Any, ...]] = []
    poolings: list[tuple[Any, ...]] = []
    for task, pooling, all_layers, all_found in _curves(sweep):
        varies = np.array([each.varies for each in all_found])
        layers, found = all_layers[varies], [each for each in all_found if each.varies]
        if not found:
            continue
        depth = layers[prediction_depth(np.stack([each.predicted for each in found]))]
        refits = np.stack([each.refits for each in found], axis=1)  # (refits, layers, texts)
        rows = np.stack([prediction_depth(each) for each in refits])
        again = layers[rows]
        texts += [
            (task, pooling, i, int(own), float(mean), float(sd))
            for i, (own, mean, sd) in enumerate(zip(depth, again.mean(axis=0), again.std(axis=0), strict=True))
        ]
        trust = reliability(rows)
        poolings.append(
            (
                task,
                pooling,
                float(depth.mean()),
                trust.correlation,
                trust.same,
                trust.by_chance,
                len(depth),
                int((~varies).sum()),
            )
        )
    depths = _frame(texts, "task pooling text_id", "depth refit_mean refit_sd")
    trusts = _frame(poolings, "task pooling", "mean_depth correlation same_depth by_chance n n_constant")
    whole, real = ["text_id", "depth", "n", "n_constant"], ["refit_mean", "refit_sd", "mean_depth", "correlation"]
    kinds = dict.fromkeys(whole, "int64") | dict.fromkeys([*real, "same_depth", "by_chance"], "float64")
    # Without rows a column would have no type.
    return (
        depths.astype({name: kind for name, kind in kinds.items() if name in depths}),
        trusts.astype({name: kind for name, kind in kinds.items() if name in trusts}),
    )


def _curves(sweep: Sweep) -> Iterator[tuple[str, str, NDArray[np.int64], list[Refitted]]]:
    """Label column, pooling, its layers in order, and what was found at each."""
    found: dict[tuple[str, str], dict[int, Refitted]] = {}
    for (task, point), each in sweep.studies["depth"].items():
        found.setdefault((task, point.pooling), {})[point.layer] = each
    for (task, pooling), by_layer in found.items():
        layers = sorted(by_layer)
        yield task, pooling, np.array(layers), [by_layer[layer] for layer in layers]


def _frame(rows: list[tuple[Any, ...]], keys: str, values: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=[*keys.split(), *values.split()])
