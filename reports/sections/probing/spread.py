"""The encoder whatever the labels: how far apart its vectors of different texts lie, and how alike its layers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.blocks import Drawing, Part, Section, Table
from reports.charts import layer_lines
from reports.charts.canvas import Label
from reports.lookup import View, value
from reports.sections.layer_drawing import layer_drawing
from reports.sections.probing import cka
from reports.text import wording
from reports.text.wording import decimal, listing

if TYPE_CHECKING:
    import pandas as pd

CONSTANT = 1 - 1e-9
"""Anisotropy from which on all texts have one vector, as they have in [CLS] at layer 0."""


def section(view: View) -> Section | None:
    """Return how far apart the texts' vectors lie by layer, and which layers are alike."""
    verdict = []
    if moved := view.claim("cls_spread"):
        verdict.append(
            "[CLS] enters the encoder as the same vector for every text: all it later says of one was brought by "
            f"attention. It differs between texts from layer {int(value(moved, 'first_layer'))} on; at the last "
            f"layer measured, the vectors spread by {decimal(value(moved, 'last_spread'), 2)} of their mean's length."
        )
    starts = [(task, claim) for task in view.tasks if (claim := view.claim("constant_cls", task)) is not None]
    if starts and all(claim.outcome == "holds" for _, claim in starts):
        verdict.append(
            "Check passed: at layer 0 the [CLS] vector is constant, and its probe gives one answer to every text."
        )
    parts = tuple(part for part in (_spread(view), cka.part(view)) if part is not None)
    return Section("The encoder", "encoder", tuple(verdict), parts) if parts or verdict else None


def _spread(view: View) -> Part | None:
    """Return how far texts lie apart, whether they point one way, and the special tokens they share."""
    depth, cosines, tokens = (view.table(key) for key in ("cls_spread", "anisotropy", "special_tokens"))
    drawings: list[Drawing] = []
    tables: list[Table] = []
    if depth is not None and depth["layer"].nunique() > 1:
        descriptions = (f"{r.pooling} layer {r.layer}: {decimal(r.relative_spread, 4)}" for r in depth.itertuples())
        label = Label("spread", "Spread of the texts' vectors by layer", "; ".join(descriptions) + ".")
        drawings.append(
            Drawing(layer_lines.spread_by_layer(depth, label), "How far the vectors of different test texts lie apart.")
        )
    if cosines is not None:
        drawings += layer_drawing(
            view,
            cosines.rename(columns={"anisotropy": "value"}),
            "anisotropy",
            "Mean cosine between the vectors of different texts by layer",
            quantity="mean cosine between different texts",
            digits=2,
            caption="Anisotropy: 0 where directions are spread evenly, 1 where all point one way (Ethayarajh 2019).",
        )
    if tokens is not None:
        tables.append(Table.of(tokens, "Special tokens, and the length of their input embeddings."))
    frames = [frame for frame in (depth, cosines) if frame is not None]
    if frames:
        both = frames[-1] if len(frames) == 1 else frames[1].merge(frames[0], how="outer", on=["pooling", "layer"])
        named = {key: wording.pooling(key, random_pooler=view.random_pooler) for key in set(both["pooling"])}
        both = both.assign(pooling=both["pooling"].map(named)).rename(columns={"pooling": "vector"})
        caption = f"The numbers behind the figure{'s' * (len(drawings) > 1)}." if drawings else ""
        tables.append(Table.of(both, caption or "How far apart the texts' vectors lie.", folded=bool(drawings)))
    sentences = _directions(view, cosines)
    return (
        Part("How far apart do texts lie?", sentences, tuple(drawings), tuple(tables)) if tables or sentences else None
    )


def _directions(view: View, cosines: pd.DataFrame | None) -> tuple[str, ...]:
    """Return where anisotropy is lowest and where it is highest, for each vector."""
    ends = []
    telling = () if cosines is None else cosines[cosines["anisotropy"] < CONSTANT].groupby("pooling", sort=False)
    for key, rows in telling:
        low, high = (rows.loc[rows["anisotropy"].agg(which)] for which in ("idxmin", "idxmax"))
        at = [f"{decimal(row['anisotropy'])} (layer\u00a0{row['layer']})" for row in (low, high)]
        ends.append(f"{wording.pooling(str(key), random_pooler=view.random_pooler)} {' to '.join(dict.fromkeys(at))}")
    constant = cosines is not None and len(cosines) and bool((cosines["anisotropy"] >= CONSTANT).any())
    aside = ", layers aside where all texts have one vector" if constant else ""
    return (f"Mean cosine between the vectors of different texts{aside}: {listing(ends)}.",) if ends else ()
