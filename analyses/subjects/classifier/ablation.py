"""Ablation: at which layers a head needs [CLS], or the text's own tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.interventions import InterventionInputs, loss_columns
from analyses.context.subject import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ablation_rows(inputs: InterventionInputs) -> Rows:
    """Yield what a head loses where [CLS], or every token of the text itself, is replaced by its mean in a layer."""
    from probes.mechanism.interventions import intervened_log_probs, mean_ablation, mean_states

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
    # Losses: what each edit takes from the predictions.
    for i, (kind, layer) in enumerate(sites, start=1):
        columns: dict[str, Any] = {"head": inputs.name, "replacement": kind, "layer": layer}
        columns["accuracy"] = float(hits[i].mean())
        yield {**columns, **loss_columns(hits[0] - hits[i], bits[0] - bits[i], seed=inputs.seed)}
