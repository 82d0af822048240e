"""Linear CKA between the layers of a vector: which neighbours are least alike, and every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.blocks import Drawing, Part, Table, columns
from reports.charts import matrices
from reports.charts.canvas import Label
from reports.lookup import View
from reports.text import wording
from reports.text.wording import decimal, listing

if TYPE_CHECKING:
    import pandas as pd


def part(view: View) -> Part | None:
    """Return the CKA of neighbouring layers that are least alike in each vector, then that of every pair."""
    similarities = view.table("cka")
    if similarities is None or similarities["layer"].nunique() < 2:
        return None
    of_other_layers = similarities[(similarities["layer"] != similarities["other_layer"]) & similarities["cka"].notna()]
    if not len(of_other_layers):
        return None
    changes: dict[tuple[int, int], list[str]] = {}
    drawings: list[Drawing] = []
    for key, rows in similarities.groupby("pooling", sort=False):
        called = wording.pooling(str(key), random_pooler=view.random_pooler)
        layers = sorted({*rows["layer"].tolist(), *rows["other_layer"].tolist()})
        table = rows.pivot(index="layer", columns="other_layer", values="cka").reindex(index=layers, columns=layers)
        steps = np.diagonal(table.to_numpy(), 1)
        weakest = None if np.isnan(steps).all() else int(np.nanargmin(steps))
        descriptions = [
            f"layers {a} and {b} {decimal(s, 2)}" for a, b, s in zip(layers, layers[1:], steps, strict=False)
        ]
        description = f"Neighbours: {'; '.join(descriptions)}. All numbers follow in the table."
        label = Label(f"cka-{len(drawings) + 1}", f"Linear CKA between layers, {called}", description)
        caption = f"{called[:1].upper()}{called[1:]}."
        if weakest is not None:
            pair = layers[weakest], layers[weakest + 1]
            changes.setdefault(pair, []).append(f"{called} {decimal(float(steps[weakest]), 2)}")
            caption += f" Framed: layers {pair[0]} and {pair[1]}, the least alike of all neighbours."
        if table.isna().any(axis=None):
            caption += " –: the same vector for every text."
        low = float(of_other_layers["cka"].min())
        if len(layers) > matrices.MOST_NUMBERED:
            caption += f" Shades: from {decimal(low, 2)}, the faintest, to 1."
        svg = matrices.layer_pairs(table, label, low=low, framed=weakest)
        drawings.append(Drawing(svg, caption))
    sentences = []
    if changes:
        between = (f"between layers {a} and {b} (CKA of {listing(names)})" for (a, b), names in changes.items())
        sentences.append(f"From one layer to the next the vectors change most {listing(between)}.")
    meaning = "Linear CKA: 1 where two layers place the texts alike, up to rotation and scale (Kornblith et al. 2019)."
    if "floor" in of_other_layers and of_other_layers["floor"].notna().any():
        least, most = (decimal(float(of_other_layers["floor"].agg(which))) for which in ("min", "max"))
        reach = least if least == most else f"{least} to {most}"
        meaning += (
            f" Unrelated vectors of this many texts would reach {reach}: the mean with one layer's texts shuffled."
        )
    return Part(
        "Which layers are alike?", (*sentences, meaning), tuple(drawings), (_similarity_table(view, similarities),)
    )


def _similarity_table(view: View, similarities: pd.DataFrame) -> Table:
    """Return every CKA with its floor, layers down and across."""
    layers = sorted(set(similarities["layer"]))
    floored = "floor" in similarities
    floors = similarities["floor"] if floored else np.full(len(similarities), np.nan)
    cells = {
        (r.pooling, r.layer, r.other_layer): decimal(r.cka) + (f" ({decimal(floor)})" if np.isfinite(floor) else "")
        for r, floor in zip(similarities.itertuples(), floors, strict=True)
    }
    rows = tuple(
        (
            wording.pooling(key, random_pooler=view.random_pooler),
            str(layer),
            *(cells.get((key, layer, other_layer), wording.MISSING) for other_layer in layers),
        )
        for key in dict.fromkeys(similarities["pooling"])
        for layer in layers
    )
    heading = ("vector", "layer", *(f"layer {layer}" for layer in layers))
    caption = f"Linear CKA of every two layers{'; in brackets what unrelated vectors would reach' * floored}."
    return Table(caption, rows=rows, folded=True, **columns(*heading, numeric=heading[1:]))
