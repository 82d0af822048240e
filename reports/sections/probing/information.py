"""Information: V-information and online codelength by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions, shared_limits
from reports.lookup import View, value
from reports.sections.small_multiples import panels_of_tasks, pooling_styles
from reports.text import wording
from reports.text.wording import decimal, name

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTES = (
    "V-information is the log loss that the probe saves on the test texts, compared with a probe that sees no text. It "
    "can be below 0.",
    "Online codelength (MDL): the training labels are sent in blocks, and each block is coded with a probe trained on "
    "the blocks before it. Without the vectors, a block is coded with the class frequencies of the blocks before it. "
    "Compression is the codelength without the vectors divided by that with them.",
    "The two need not agree: codelength is about the training texts, V-information about the test texts.",
)


def section(view: View) -> Section | None:
    """Return V-information and codelength by layer and pooling, of all label columns on one scale."""
    tables = {task: rows for task in view.tasks if (rows := view.table("information", task)) is not None}
    if not tables:
        return None
    claims = {task: claim for task in view.tasks if (claim := view.claim("information", task)) is not None}
    verdict = tuple(view.about(task, _sentence(claim) + _remark(view, task)) for task, claim in claims.items())
    row = _panels(view, tables)
    all_probes = tuple(_table(view, task, rows) for task, rows in tables.items())
    part = Part(panels=() if row is None else (row,), tables=all_probes)
    return Section("Information: V-information and MDL", "information", verdict, (part,), NOTES)


def _sentence(claim: Claim) -> str:
    """Return the information at the best site."""
    bounds = claim.interval or (float("nan"),) * 2
    compression = value(claim, "compression")
    return (
        f"V-information {decimal(value(claim, 'v_information'))} bits per text [95 % CI {decimal(bounds[0])}, "
        f"{decimal(bounds[1])}]. Online codelength (MDL) {decimal(value(claim, 'codelength'))} bits per label "
        f"with the vectors, {decimal(value(claim, 'prior_codelength'))} without: compression "
        f"{decimal(compression, 2)}×."
    )


def _remark(view: View, task: str) -> str:
    """Return that V-information and codelength disagree, where they do."""
    agreement = view.claim("information_agreement", task)
    if agreement is None or agreement.outcome == "agree":
        return ""
    return " V-information and MDL disagree: treat as inconclusive."


def _panels(view: View, tables: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return V-information by layer."""
    frames = {
        task: rows.rename(columns={"pooling": "series", "layer": "x", "v_information": "value"})
        for task, rows in tables.items()
    }
    limits = shared_limits(frames.values(), 0.0)
    return panels_of_tasks(
        view,
        frames,
        pooling_styles(view, pd.concat([frame["series"] for frame in frames.values()])),
        PanelOptions(limits, zero=True, digits=3),
        anchor="information",
        quantity="V-information by layer, bits per text",
        caption="V-information (bits per text) by layer. Bands: 95 % CI. Dashed: 0.",
    )


def _table(view: View, task: str, rows: pd.DataFrame) -> Table:
    """Return every number of a label column, a row for each site."""
    heading = ("vector", "layer", "V-information", "95 % CI", "codelength", "without vectors", "compression")
    cells = tuple(
        (
            wording.pooling(r.pooling, random_pooler=view.random_pooler),
            str(r.layer),
            decimal(r.v_information),
            f"{decimal(r.lower)} to {decimal(r.upper)}",
            decimal(r.codelength),
            decimal(r.prior_codelength),
            f"{decimal(r.compression, 2)}×",
        )
        for r in rows.itertuples()
    )
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    table_summary = f"All {len(rows)} sites{subject}"
    return Table(
        "Bits per text.", rows=cells, folded=True, summary=table_summary, **columns(*heading, numeric=heading[1:])
    )
