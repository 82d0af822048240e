"""Parameter change: how far fine-tuning moved the parameters of the encoder, group by group."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions
from reports.charts.styles import styles_of_heads
from reports.lookup import View
from reports.sections.classifier.panel_rows import RowWords, line_row
from reports.sections.small_multiples import in_points
from reports.text import wording
from reports.text.wording import count, listing, name

ADAM = (
    "Adam divides each parameter's step by the size of its own gradients, so that a step hardly depends on how large "
    "they are: parameters that the loss barely touches move about as far as those that it depends on. Equal movement "
    "is not equal importance."
)
_ROWS = {"[CLS]": "that of [CLS]", "[SEP]": "that of [SEP]", "other rows": "all others"}


def section(view: View) -> Section | None:
    """Return how far each group of parameters moved, relative to its norm."""
    changes = view.table("parameter_change")
    if changes is None:
        return None
    is_block = changes["block"].notna()
    whole_groups = changes[changes["part"].isna()]
    tables = [_groups(changes[~is_block], "Norm of the change / norm before.", folded=False)]
    if is_block.any():
        tables.append(_groups(changes[is_block], "The blocks, part by part.", folded=True))
    part = Part(panels=_panels(whole_groups), tables=tuple(tables))
    sentences = tuple(_sentences(whole_groups))
    return Section("Parameter change", "moved", sentences, (part,), (ADAM,), folded=True)


def _panels(groups: pd.DataFrame) -> tuple[Panels, ...]:
    """Return how far each block moved, a line for each head; nothing for a single block."""
    blocks = groups[groups["block"].notna() & groups["relative"].notna()]
    names = {"head": "series", "block": "x", "relative": "value"}
    frame = blocks.rename(columns=names)
    frame = frame[["series", "x", "value"]]
    frame = in_points(frame, ("value",))
    if frame.empty:
        return ()
    words = RowWords(
        "moved",
        "Change of each block's parameters, per cent of their norm",
        "Frobenius norm of the change, per cent of the norm before, by block. One seed of each head, no interval.",
    )
    highest = float(frame["value"].max()) or 1.0
    options = PanelOptions((0.0, 1.1 * highest), x_title="block", digits=2)
    return line_row({"": frame}, styles_of_heads(frame["series"]), options, words)


def _sentences(whole: pd.DataFrame) -> Iterator[str]:
    """Yield how far the whole encoder moved, by head."""
    rows = whole[whole["group"] == "whole encoder"]
    movements = list[str]()
    for row in rows.itertuples():
        movement = _moved(row.relative)
        head = wording.head(row.head)
        movements.append(f"{movement} with {head}")
    if movements and not rows["relative"].any():
        yield "The encoder is frozen: none of its parameters changed."
    elif movements:
        yield f"Fine-tuning changed the encoder's parameters by {listing(movements)} of their norm (first seed)."


def _moved(relative: float) -> str:
    return wording.MISSING if math.isnan(relative) else f"{100 * relative:.2f}\u00a0%"


def _groups(changes: pd.DataFrame, caption: str, *, folded: bool) -> Table:
    """Return a table with a row for each group or part and a column for each head."""
    heads = list(dict.fromkeys(changes["head"]))
    movements = dict[str, dict[str, str]]()
    sizes = dict[str, str]()
    for row in changes.itertuples():
        group = _group_name(row)
        movements.setdefault(group, {})[row.head] = _moved(row.relative)
        sizes.setdefault(group, count(row.n_parameters))
    rows = list[tuple[str, ...]]()
    for group, by_head in movements.items():
        cells = [by_head.get(head, wording.MISSING) for head in heads]
        if folded:
            cells.insert(0, sizes[group])
        rows.append((group, *cells))
    size_column = ("how many",) if folded else ()
    heading = ("parameters", *size_column, *map(wording.short_head, heads))
    shape = columns(*heading, numeric=heading[1:])
    return Table(caption, rows=tuple(rows), folded=folded, summary=caption.rstrip("."), **shape)


def _group_name(row: Any) -> str:
    """Return the name of a row of the table of parameters: a group, a block, or a part of one."""
    has_block = row.block is not None and not math.isnan(row.block)
    block = f" {int(row.block)}" if has_block else ""
    group = f"{name(row.group)}{block}"
    if not isinstance(row.part, str):
        return group
    if has_block:
        return f"{group}, {name(row.part)}"
    # In the table of tokens the token names the row.
    return f"of them, {_ROWS.get(row.part, name(row.part))}"
