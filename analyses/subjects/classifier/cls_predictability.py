"""Predictability of [CLS] from the text's own tokens, and of their mean from [CLS]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.classifier.fine_tuned import UNTRAINED, FineTunedModels
from analyses.context.subject import Rows, Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.subject import ClassifierSubject

N_FITTED = 2000
"""Most training texts that a ridge regression is fitted on."""
DIRECTIONS = (("content", "cls"), ("cls", "content"))
"""Predictor and predicted vectors."""
PREDICTABLE = 0.5
"""Share of the variance of [CLS] above which a layer's [CLS] counts as predictable."""


def cls_predictability(models: FineTunedModels) -> Rows:
    """Yield how well ridge regression predicts [CLS] from the mean of the text's own tokens, and the reverse."""
    for name in models.features:
        poolings = set(models.examples(name).test.features)
        if not {"cls", "content"} <= poolings:
            continue
        for layer in models.job.layers:
            yield from _predictability_rows(models, name, layer)


def _predictability_rows(models: FineTunedModels, name: str, layer: int) -> Rows:
    from probes.mechanism.cls_predictability import predictability

    splits = models.examples(name)
    train = {pooling: splits.train.features[pooling][layer][:N_FITTED] for pooling in ("cls", "content")}
    test = {pooling: splits.test.features[pooling][layer] for pooling in ("cls", "content")}
    for x, y in DIRECTIONS:
        measurement = predictability(train[x], train[y], test_x=test[x], test_y=test[y], seed=models.job.output.seed)
        lower, upper = measurement.interval
        yield {
            "model": name,
            "direction": f"{y} from {x}",
            "layer": layer,
            "r2": measurement.mean,
            "lower": lower,
            "upper": upper,
            "shuffled": measurement.mean_floor,
            "n": len(test[x]),
        }


def claims(models: FineTunedModels, tables: Tables) -> Iterator[Claim]:
    """Yield, for each trained model, the layer at which [CLS] is most predictable and the first predictable one."""
    if "cls_predictability" not in tables:
        return
    table = tables["cls_predictability"]
    from_content = table[table["direction"] == "cls from content"].dropna(subset="r2")
    is_untrained = from_content["model"] == UNTRAINED
    untrained = from_content[is_untrained].sort_values("layer")
    for name, rows in from_content[~is_untrained].groupby("model", sort=False):
        by_layer = rows.sort_values("layer").set_index("layer")
        best_layer = by_layer["r2"].idxmax()
        predictable_layers = by_layer.index[by_layer["r2"] > PREDICTABLE]
        last = by_layer.iloc[-1]
        numbers: dict[str, Any] = {
            "model": str(name),
            "best_layer": int(best_layer),
            "best_r2": float(by_layer.at[best_layer, "r2"]),
            "last_r2": float(last["r2"]),
            "shuffled_last": float(last["shuffled"]),
            "untrained_last_r2": float(untrained["r2"].iloc[-1]) if len(untrained) else None,
            "first_layer": int(predictable_layers[0]) if len(predictable_layers) else None,
        }
        interval = (float(last["lower"]), float(last["upper"]))
        yield Claim("cls_predictability", "measured", models.task, numbers, interval)


SUBJECT: ClassifierSubject = Subject(tables={"cls_predictability": cls_predictability}, claims=claims)
