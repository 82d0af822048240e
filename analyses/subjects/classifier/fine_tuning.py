"""Fine-tuning: accuracy of the fine-tuned heads, and what it changes in every layer beside the frozen encoder."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.classifier.fine_tuned import PRETRAINED, FineTunedModels
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ClassifierSubject
    from probes.probing.sites import Site
    from probes.probing.sweep_result import TaskSweep

METRICS = ("accuracy", "macro_f1", "log_loss")


def fine_tuned_accuracy(models: FineTunedModels) -> Rows:
    """Yield the test scores of every head and seed."""
    from probes.statistics.bootstrap import Predictions, bootstrap

    labels = models.job.splits.test.labels(models.task)
    predictions = [Predictions.of(log_probs) for log_probs in models.test_log_probs.values()]
    scores = bootstrap(labels, predictions, seed=models.job.output.seed)
    for i, (head, seed) in enumerate(models.test_log_probs):
        for metric in METRICS:
            lower, upper = scores.interval(metric, i)
            yield {
                "head": head,
                "seed": seed,
                "metric": metric,
                "value": float(scores.estimates[metric][i]),
                "lower": lower,
                "upper": upper,
                "n": len(labels),
            }


def fine_tuning_epochs(models: FineTunedModels) -> Rows:
    """Yield the losses and the validation accuracy of every epoch."""
    for model in models.models:
        training = model.training
        if training is None:
            continue
        for epoch in training.epochs:
            is_best = epoch.epoch == training.best_epoch
            yield {
                "head": model.name,
                "seed": model.seed,
                **dataclasses.asdict(epoch),
                "best": is_best,
            }


def fine_tuned_layers(models: FineTunedModels) -> Rows:
    """Yield the test accuracy of the probes on every layer of every model, and of the floors without an encoder."""
    for name, sweep in models.sweeps.items():
        task_sweep = sweep.tasks[models.task]
        seed = models.first[name].seed if name in models.first else None
        for key, scores in task_sweep.test.items():
            row: dict[str, Any] = {"model": name, "seed": seed}
            if isinstance(key, str):
                if name != PRETRAINED:
                    continue
                row.update(model=key, seed=None, pooling=None, layer=None)
            else:
                row.update(pooling=key.pooling, layer=key.layer)
            lower, upper = task_sweep.interval(key)
            yield {**row, "value": scores["accuracy"], "lower": lower, "upper": upper, "n": len(task_sweep.labels)}


def representation_change(models: FineTunedModels) -> Rows:
    """Yield what fine-tuning changes at every site: the accuracy of its probe, and the geometry of the test texts."""
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_intervals

    before = models.sweeps[PRETRAINED].tasks[models.task]
    rng = np.random.default_rng(models.job.output.seed)
    for name in models.first:
        after = models.sweeps[name].tasks[models.task]
        sites = [site for site in before.selections if site in after.selections]
        differences = [_hits(after, site) - _hits(before, site) for site in sites]
        intervals = mean_intervals(np.stack(differences, axis=1), bounds=HIT_DIFFERENCES)
        for site, difference, (lower, upper) in zip(sites, differences, intervals, strict=True):
            yield {
                "model": name,
                "pooling": site.pooling,
                "layer": site.layer,
                "difference": float(difference.mean()),
                "lower": lower,
                "upper": upper,
                "outcome": side_of_zero(lower, upper),
                **_similarity(models, name, site, rng),
                "n": len(difference),
            }


def _similarity(models: FineTunedModels, name: str, site: Site, rng: np.random.Generator) -> dict[str, float]:
    """Return the linear CKA of a site before and after fine-tuning, and that of unrelated texts."""
    from probes.features.cka import cka_interval, linear_cka

    before = models.examples(PRETRAINED).test.features[site.pooling][site.layer]
    after = models.examples(name).test.features[site.pooling][site.layer]
    lower, upper = cka_interval(before, after)
    return {
        "cka": linear_cka(before, after),
        "cka_lower": lower,
        "cka_upper": upper,
        "cka_floor": linear_cka(before, after[rng.permutation(len(after))]),
    }


def _hits(task_sweep: TaskSweep, key: Site | str) -> NDArray[np.float64]:
    """Return (examples,) 1 where a probe predicts the label of a test text, else 0."""
    hits: NDArray[np.float64] = (task_sweep.predictions[key].predicted == task_sweep.labels).astype(np.float64)
    return hits


def parameter_change(models: FineTunedModels) -> Rows:
    """Yield how far fine-tuning moves each group of parameters."""
    from probes.heads.parameter_change import parameter_changes

    for head, model in models.first.items():
        for change in parameter_changes(models.encoders[PRETRAINED], model.head.encoder):
            # Parameters that are all zero have no norm to which a change is relative.
            relative = change.relative if math.isfinite(change.relative) else math.nan
            yield {
                "head": head,
                **dataclasses.asdict(change),
                "relative": relative,
            }


def claims(models: FineTunedModels, tables: Tables) -> Iterator[Claim]:
    """Yield the accuracy of the heads and their differences, and those from the frozen pretrained encoder."""
    if "fine_tuned_accuracy" in tables:
        yield from _accuracy_claims(models, tables["fine_tuned_accuracy"])
        yield from _difference_claims(models)
    if "fine_tuned_layers" in tables:
        yield _frozen_probe(models, tables["fine_tuned_layers"])
        yield _fine_tuning_gain(models)
        yield from _head_gains(models)
    if "representation_change" in tables:
        yield from _cls_change(models, tables["representation_change"])


def _head_hits(models: FineTunedModels, head: str) -> NDArray[np.bool_]:
    """Return (seeds, examples) whether a head predicts the label of a test text."""
    labels = models.job.splits.test.labels(models.task)
    log_probs_of_seeds = [log_probs for (name, _), log_probs in models.test_log_probs.items() if name == head]
    return np.stack([log_probs.argmax(axis=1) == labels for log_probs in log_probs_of_seeds])


def _accuracy_claims(models: FineTunedModels, table: pd.DataFrame) -> Iterator[Claim]:
    """Yield the mean test accuracy of each head over its seeds."""
    from probes.statistics.intervals import accuracy_interval

    accuracies = table[table["metric"] == "accuracy"]
    for head in models.first:
        hits = _head_hits(models, head)
        values = accuracies.loc[accuracies["head"] == head, "value"]
        numbers: dict[str, Any] = {
            "head": head,
            "accuracy": float(hits.mean()),
            "lowest": float(values.min()),
            "highest": float(values.max()),
            "n_seeds": len(hits),
            "validation_accuracy": _validation_accuracy(models, head),
            "n": hits.shape[1],
        }
        interval = accuracy_interval(hits.mean(axis=0))
        yield Claim("fine_tuned_accuracy", "measured", models.task, numbers, interval)


def _difference_claims(models: FineTunedModels) -> Iterator[Claim]:
    """Yield the difference in mean test accuracy of each pair of heads, with intervals that hold for all pairs at once.

    The page quotes the largest difference, which is picked on the same texts.
    """
    from probes.statistics.intervals import HIT_DIFFERENCES
    from probes.statistics.simultaneous import simultaneous_mean_intervals

    pairs = list(itertools.combinations(models.first, 2))
    if not pairs:
        return
    mean_hits = {head: _head_hits(models, head).mean(axis=0) for head in models.first}
    differences = [mean_hits[head] - mean_hits[other_head] for head, other_head in pairs]
    intervals = simultaneous_mean_intervals(np.stack(differences, axis=1), bounds=HIT_DIFFERENCES)
    for (head, other_head), difference, interval in zip(pairs, differences, intervals, strict=True):
        numbers: dict[str, Any] = {
            "head": head,
            "other_head": other_head,
            "difference": float(difference.mean()),
            "n_seeds": len(_head_hits(models, head)),
            "n": len(difference),
        }
        yield Claim("fine_tuned_difference", side_of_zero(*interval), models.task, numbers, interval)


def _frozen_probe(models: FineTunedModels, table: pd.DataFrame) -> Claim:
    """Return the best probe of the frozen pretrained encoder, and those of the mean and of [CLS] at its last layer."""
    task_sweep = models.sweeps[PRETRAINED].tasks[models.task]
    best = task_sweep.best
    numbers: dict[str, Any] = {
        "pooling": best.pooling,
        "layer": best.layer,
    }
    numbers["accuracy"] = task_sweep.test[best]["accuracy"]
    is_last = (table["model"] == PRETRAINED) & (table["layer"] == models.job.encoder.n_layers)
    accuracy_of_pooling = table[is_last].set_index("pooling")["value"]
    for pooling in ("mean", "cls"):
        if pooling in accuracy_of_pooling:
            numbers[f"{pooling}_last"] = float(accuracy_of_pooling[pooling])
    numbers["n"] = len(task_sweep.labels)
    return Claim("frozen_probe", "measured", models.task, numbers, task_sweep.interval(best))


def _validation_accuracy(models: FineTunedModels, head: str) -> float | None:
    """Return the mean validation accuracy of a head's best epochs; None for a checkpoint that came fine-tuned."""
    accuracies = list[float]()
    for model in models.models:
        is_trained = model.training is not None
        if model.name == head and is_trained:
            accuracies.append(model.best_validation_accuracy)
    return float(np.mean(accuracies)) if accuracies else None


def _gain(models: FineTunedModels, head: str) -> NDArray[np.float64]:
    """Return (examples,) mean hits of a head over its seeds minus those of the frozen encoder's best probe."""
    pretrained = models.sweeps[PRETRAINED]
    task_sweep = pretrained.tasks[models.task]
    hits_of_seeds = _head_hits(models, head)
    hits: NDArray[np.float64] = hits_of_seeds.mean(axis=0)
    probe_hits = _hits(task_sweep, task_sweep.best)
    return hits - probe_hits


def _fine_tuning_gain(models: FineTunedModels) -> Claim:
    """Return the accuracy of the head that is best on validation minus that of the frozen encoder's best probe."""
    validation_accuracy = dict[str, float]()
    for head in models.first:
        accuracy = _validation_accuracy(models, head)
        validation_accuracy[head] = accuracy or 0.0
    head = max(validation_accuracy, key=validation_accuracy.__getitem__)
    return _gain_claim("fine_tuning_gain", models, head)


def _head_gains(models: FineTunedModels) -> Iterator[Claim]:
    """Yield the accuracy of each head minus that of the frozen encoder's best probe."""
    for head in models.first:
        yield _gain_claim("head_gain", models, head)


def _gain_claim(kind: str, models: FineTunedModels, head: str) -> Claim:
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_interval

    differences = _gain(models, head)
    numbers: dict[str, Any] = {
        "head": head,
        "difference": float(differences.mean()),
        "n": len(differences),
    }
    interval = mean_interval(differences, bounds=HIT_DIFFERENCES)
    return Claim(kind, side_of_zero(*interval), models.task, numbers, interval)


def _cls_change(models: FineTunedModels, table: pd.DataFrame) -> Iterator[Claim]:
    """Yield the accuracy of a probe on the last layer's [CLS] before and after fine-tuning."""
    from probes.probing.sites import Site

    site = Site("cls", models.job.encoder.n_layers)
    before = models.sweeps[PRETRAINED].tasks[models.task].test
    rows = table[(table["pooling"] == site.pooling) & (table["layer"] == site.layer)]
    for row in rows.to_dict("records"):
        after = models.sweeps[row["model"]].tasks[models.task].test
        numbers: dict[str, Any] = {
            "head": row["model"],
            "before": before[site]["accuracy"],
            "after": after[site]["accuracy"],
        }
        for name in ("difference", "cka", "cka_lower", "cka_upper", "n"):
            numbers[name] = row[name]
        interval = (row["lower"], row["upper"])
        yield Claim("cls_change", side_of_zero(*interval), models.task, numbers, interval)


SUBJECT: ClassifierSubject = Subject(
    tables={
        "fine_tuned_accuracy": fine_tuned_accuracy,
        "fine_tuning_epochs": fine_tuning_epochs,
        "fine_tuned_layers": fine_tuned_layers,
        "representation_change": representation_change,
        "parameter_change": parameter_change,
    },
    claims=claims,
)
