"""Ablation: at which layers a head needs [CLS], or the text's own tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.classifier.fine_tuned import FineTunedModels
from analyses.context.interventions import InterventionInputs, loss_columns
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import is_above_zero, side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from analyses.context.subject import ClassifierSubject


def ablation(models: FineTunedModels) -> Rows:
    """Yield what each head loses where [CLS], or every token of the text itself, is replaced by its mean."""
    for name in models.first:
        yield from ablation_rows(models.intervention_inputs(name))


def ablation_rows(inputs: InterventionInputs) -> Rows:
    """Yield what a head loses where [CLS], or every token of the text itself, is replaced by its mean in a layer."""
    from probes.mechanism.interventions import intervened_log_probs, mean_ablation, mean_states
    from probes.statistics.intervals import HIT_DIFFERENCES
    from probes.statistics.simultaneous import simultaneous_mean_intervals

    # Edits: one for each kind of token and layer.
    means = mean_states(inputs.head.encoder, inputs.train)
    mean_of_kind = {"[CLS]": ("cls", means.cls), "content": ("content", means.content)}
    sites = []
    edits = []
    for kind, (pooling, mean) in mean_of_kind.items():
        if mean is None:
            continue
        for layer in inputs.layers:
            sites.append((kind, layer))
            edits.append((layer, mean_ablation(mean[layer], pooling)))
    # Predictions: without an edit first, then with each of them.
    log_probs = intervened_log_probs(inputs.head, inputs.texts, edits=edits, progress=inputs.progress)
    hits = (log_probs.argmax(axis=2) == inputs.labels).astype(float)
    texts = np.arange(len(inputs.labels))
    bits: NDArray[np.float64] = log_probs[:, texts, inputs.labels] / math.log(2)
    # Losses: what each edit takes from the predictions, with intervals that hold at all layers of a kind at once.
    for kind in mean_of_kind:
        edits_of_kind = [i for i, (edited, _) in enumerate(sites, start=1) if edited == kind]
        losses = [hits[0] - hits[i] for i in edits_of_kind]
        limits_of_edits = (
            simultaneous_mean_intervals(np.stack(losses, axis=1), bounds=HIT_DIFFERENCES) if losses else []
        )
        for i, loss, (lower, upper) in zip(edits_of_kind, losses, limits_of_edits, strict=True):
            columns: dict[str, Any] = {
                "head": inputs.name,
                "replacement": kind,
                "layer": sites[i - 1][1],
                "accuracy": float(hits[i].mean()),
                "simultaneous_lower": lower,
                "simultaneous_upper": upper,
            }
            yield {**columns, **loss_columns(loss, bits[0] - bits[i])}


def claims(models: FineTunedModels, tables: Tables) -> Iterator[Claim]:
    """Yield the losses of each head by kind of token, the first layer with a certain loss, and that at the last."""
    if "ablation" not in tables:
        return
    for (head, kind), rows in tables["ablation"].groupby(["head", "replacement"], sort=False):
        numbers = _loss_numbers(str(head), str(kind), rows)
        yield Claim("ablation", "measured", models.task, numbers)
        yield _last_layer_claim(models.task, numbers, rows)


def _last_layer_claim(task: str, numbers: dict[str, Any], rows: pd.DataFrame) -> Claim:
    """Return whether the loss at the last layer differs from 0."""
    last = rows.loc[rows["layer"].idxmax()]
    lower = float(last["lower"])
    upper = float(last["upper"])
    interval = (lower, upper)
    shared = {key: numbers[key] for key in ("head", "replacement", "first_layer", "n")}
    loss = {
        "layer": int(last["layer"]),
        "accuracy_loss": float(last["accuracy_loss"]),
    }
    return Claim("last_layer_ablation", side_of_zero(*interval), task, {**shared, **loss}, interval)


def _loss_numbers(head: str, kind: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Return the losses of accuracy at the first, the last and the most affected layer.

    The first layer with a loss above 0 is picked among all; its interval is one that holds for all of them at once.
    """
    by_layer = rows.sort_values("layer").set_index("layer")
    losses = by_layer["accuracy_loss"]
    certain_layers = losses.index[by_layer["simultaneous_lower"].map(is_above_zero)]
    return {
        "head": head,
        "replacement": kind,
        "at_zero": float(losses.get(0, np.nan)),
        "largest": float(losses.max()),
        "largest_layer": int(losses.idxmax()),
        "first_layer": int(certain_layers[0]) if len(certain_layers) else None,
        "at_last": float(losses.iloc[-1]),
        "n": int(by_layer["n"].max()),
    }


SUBJECT: ClassifierSubject = Subject(tables={"ablation": ablation}, claims=claims)
