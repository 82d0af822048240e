"""Prediction depth: the layer from which on the probes give a text the class of the last one."""

from __future__ import annotations

import pandas as pd

from reports.blocks import Part, Section, Table, columns
from reports.lookup import View, text, value
from reports.text import wording
from reports.text.wording import (
    decimal,
    listing,
    percent,
    plural,
)


def section(view: View) -> Section | None:
    """Return prediction depth and its reliability, of each label column."""
    verdict, parts, constant = [], [], dict[str, int]()
    for task in view.tasks:
        claims, texts = view.claims("prediction_depth", task), view.table("prediction_depth", task)
        for claim in claims:
            vector = wording.pooling(text(claim, "pooling"), random_pooler=view.random_pooler)
            constant[vector] = int(claim.numbers.get("n_constant") or 0)
        shares = (
            f"{percent(value(c, 'share_from_first_layer'))} in "
            f"{wording.pooling(text(c, 'pooling'), random_pooler=view.random_pooler)}"
            for c in claims
        )
        if claims:
            verdict.append(view.about(task, f"Settled at the first layer read, of the test texts: {listing(shares)}."))
        if texts is None or not claims:
            continue
        heading = ("vector", "mean depth", "correlation of two refits", "same depth in both", "by chance")
        cells = tuple(
            (
                wording.pooling(text(c, "pooling"), random_pooler=view.random_pooler),
                decimal(value(c, "mean_depth"), 2),
                decimal(value(c, "correlation"), 2),
                percent(value(c, "same_depth")),
                percent(value(c, "by_chance")),
            )
            for c in claims
        )
        trust = Table("Depth, and how much of it comes again.", rows=cells, **columns(*heading, numeric=heading[1:]))
        parts.append(Part(view.heading(task), tables=(trust, _by_layer(view, texts))))
    notes: tuple[str, ...] = (
        "Prediction depth through probes: the layer from which on every probe says of a text what the last one says; "
        "an adaptation of Baldock et al. (2021), who ask nearest neighbours inside a trained classifier.",
        "The noise floor: probes refitted on resampled training texts. Where two refits hardly agree, depth tells "
        "little of a text.",
        "Every text: tables/prediction_depth.csv; its label's probability at every place, and the bits saved: "
        "tables/pointwise_information.csv.",
    )
    if left_out := [f"{plural(n, 'layer')} of {vector}" for vector, n in constant.items() if n]:
        notes += (
            f"Left out: {listing(left_out)}, where all training texts have the same vector. Every text gets the most "
            "frequent class there, which is decided for none.",
        )
    title = "From which layer on is it settled?"
    return Section(title, "depth", tuple(verdict), tuple(parts), notes) if parts else None


def _by_layer(view: View, texts: pd.DataFrame) -> Table:
    """Return the share of texts with each depth, a row for each vector."""
    layers = sorted(set(texts["depth"]))
    shares = texts.groupby("pooling", sort=False)["depth"].value_counts(normalize=True)
    heading = ("vector", *(f"layer {layer}" for layer in layers))
    cells = tuple(
        (
            wording.pooling(key, random_pooler=view.random_pooler),
            *(percent(float(shares.get((key, layer), 0.0))) for layer in layers),
        )
        for key in dict.fromkeys(texts["pooling"])
    )
    return Table(
        "Share of the test texts that settle at each layer.", rows=cells, **columns(*heading, numeric=heading[1:])
    )
