"""Information: V-information and online codelength by layer."""

from __future__ import annotations

from reports.blocks import Part, Section, Table, columns
from reports.lookup import View, value
from reports.sections.probing.layer_drawing import layer_drawing
from reports.text import wording
from reports.text.wording import (
    decimal,
    name,
)


def section(view: View) -> Section | None:
    """Return V-information and codelength by layer and pooling, of each label column."""
    verdict, parts = [], []
    for i, task in enumerate(view.tasks, start=1):
        if claim := view.claim("information", task):
            bounds = claim.interval or (float("nan"),) * 2
            verdict.append(
                view.about(
                    task,
                    f"The best place gives {decimal(value(claim, 'v_information'))} bits of the label a text (95 % "
                    f"interval {decimal(bounds[0])} to {decimal(bounds[1])}). To send the training labels takes "
                    f"{decimal(value(claim, 'codelength'))} bits each with its vectors at hand, "
                    f"{decimal(value(claim, 'prior_codelength'))} without.",
                )
            )
        rows = view.table("information", task)
        if rows is None:
            continue
        curve = rows.rename(columns={"v_information": "value"})
        title = f"V-information by layer for {name(task)}, bits"
        drawings = layer_drawing(
            view, curve, f"information-{i}", title, quantity="V-information, bits a text", digits=3
        )
        heading = ("vector", "layer", "V-information", "95 % interval", "codelength", "without vectors", "compression")
        cells = tuple(
            (
                wording.pooling(r.pooling, random_pooler=view.random_pooler),
                str(r.layer),
                decimal(r.v_information),
                f"{decimal(r.lower)} to {decimal(r.upper)}",
                decimal(r.codelength),
                decimal(r.prior_codelength),
                f"{r.compression:.2f} ({r.prior_compression:.2f} without)",
            )
            for r in rows.itertuples()
        )
        table = Table("Bits a text.", rows=cells, folded=True, **columns(*heading, numeric=heading[1:]))
        parts.append(Part(view.heading(task), drawings=drawings, tables=(table,)))
    notes = (
        "V-information: the log loss that the probe saves on test against one that sees no text. It can be below 0.",
        "Codelength: the training labels sent in blocks, each block by a probe trained on those before it; compression "
        "is against a code that takes all classes for equally likely.",
    )
    return Section("How many bits of the label?", "information", tuple(verdict), tuple(parts), notes) if parts else None
