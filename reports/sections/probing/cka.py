"""Linear CKA between the layers of a vector: every pair, and the least alike neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.blocks import Drawing, Part, Table, columns
from reports.charts import matrices
from reports.charts.canvas import Label
from reports.lookup import View
from reports.text import wording
from reports.text.wording import decimal, listing, sample_size

if TYPE_CHECKING:
    import pandas as pd


def part(view: View) -> Part | None:
    """Return the linear CKA of every two layers of each vector, with the least alike neighbours in a frame."""
    similarities = _similarities(view)
    if similarities is None:
        return None
    is_pair = similarities["layer"] != similarities["other_layer"]
    low = float(similarities.loc[is_pair, "cka"].min())
    drawings = list[Drawing]()
    for key, rows in similarities.groupby("pooling", sort=False):
        vector = wording.pooling(str(key), random_pooler=view.random_pooler)
        drawings.append(_drawing(vector, _matrix(rows), low, anchor=f"cka-{len(drawings) + 1}"))
    sentences = _floors(view, similarities[is_pair])
    tables = (_similarity_table(view, similarities),)
    return Part("Layer similarity (linear CKA)", sentences, tuple(drawings), tables)


def largest_change(view: View) -> tuple[str, ...]:
    """Return between which neighbouring layers the vectors change most, in a sentence."""
    similarities = _similarities(view)
    if similarities is None:
        return ()
    phrases_by_pair = dict[tuple[int, int], list[str]]()
    for key, rows in similarities.groupby("pooling", sort=False):
        table = _matrix(rows)
        weakest = _weakest(table)
        if weakest is None:
            continue
        layers = list(table.index)
        vector = wording.pooling(str(key), random_pooler=view.random_pooler)
        similarity = decimal(float(table.iloc[weakest, weakest + 1]), 2)
        pair = (layers[weakest], layers[weakest + 1])
        phrases_by_pair.setdefault(pair, []).append(f"{vector} {similarity}")
    pairs = [f"{first} and {second} ({listing(names)})" for (first, second), names in phrases_by_pair.items()]
    sample = sample_size(view.n_test_texts)
    return (f"Lowest linear CKA of neighbouring layers{sample}: {listing(pairs)}.",) if pairs else ()


def _similarities(view: View) -> pd.DataFrame | None:
    """Return the rows of the vectors that were trained; None without two layers that can be compared."""
    similarities = view.table("cka")
    if similarities is None or similarities["layer"].nunique() < 2:
        return None
    if view.random_pooler:
        similarities = similarities[similarities["pooling"] != "pooler"]
    is_pair = similarities["layer"] != similarities["other_layer"]
    return similarities if similarities.loc[is_pair, "cka"].notna().any() else None


def _matrix(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the (layers, layers) similarities of a vector."""
    layers = sorted({*rows["layer"], *rows["other_layer"]})
    table = rows.pivot(index="layer", columns="other_layer", values="cka")
    return table.reindex(index=layers, columns=layers)


def _weakest(table: pd.DataFrame) -> int | None:
    """Return the row of the layer that is least like the next one; None where no neighbours are known."""
    steps = np.diagonal(table.to_numpy(), 1)
    return None if np.isnan(steps).all() else int(np.nanargmin(steps))


def _drawing(vector: str, table: pd.DataFrame, low: float, *, anchor: str) -> Drawing:
    """Return the similarity of every two layers of a vector."""
    layers = list(table.index)
    weakest = _weakest(table)
    steps = np.diagonal(table.to_numpy(), 1)
    phrases = list[str]()
    for first, second, step in zip(layers, layers[1:], steps, strict=False):
        phrases.append(f"layers {first} and {second} {decimal(step, 2)}")
    description = f"Neighbours: {'; '.join(phrases)}. All numbers follow in the table."
    caption = f"{wording.sentence(vector)}."
    if weakest is not None:
        caption += f" Framed: layers {layers[weakest]} and {layers[weakest + 1]}."
    if table.isna().any(axis=None):
        caption += " –: the same vector for every text."
    if len(layers) > matrices.MOST_NUMBERED:
        caption += f" Shades: from {decimal(low, 2)}, the faintest, to 1."
    label = Label(anchor, f"Linear CKA between layers, {vector}", description)
    return Drawing(matrices.layer_pairs(table, label, low=low, framed=weakest), caption)


def _floors(view: View, pairs: pd.DataFrame) -> tuple[str, ...]:
    """Return the range of the floors of CKA, in a sentence."""
    if "floor" not in pairs or not pairs["floor"].notna().any():
        return ()
    least = decimal(float(pairs["floor"].min()))
    most = decimal(float(pairs["floor"].max()))
    reach = least if least == most else f"{least} to {most}"
    return (f"CKA of permuted texts{sample_size(view.n_test_texts)}: {reach}.",)


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
    caption = f"Linear CKA of every two layers{'; in brackets that of permuted texts' * floored}."
    return Table(
        caption, rows=rows, folded=True, summary="All pairs of layers", **columns(*heading, numeric=heading[1:])
    )
