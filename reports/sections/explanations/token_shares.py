"""Token shares: which kinds of token hold the score, for the token states of each layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import stacked_bars
from reports.charts.canvas import Label
from reports.charts.styles import TOKEN_KINDS
from reports.lookup import View, by_head
from reports.text import wording
from reports.text.wording import (
    listing,
    percent,
    plural,
    sentence,
)


def section(view: View) -> Section | None:
    """Return which kinds of token hold the score, by layer of token states."""
    verdict, parts, integrated, exact = list[str](), list[Part](), False, False
    for task in view.tasks:
        drawings, rows = list[Drawing](), list[tuple[str, ...]]()
        for head, of_head in by_head(view.table("token_shares", task)):
            panels = list(_panels(view, head, of_head))
            for follows, called, panel in panels:
                integrated, exact = integrated or follows, exact or not follows
                wide = panel.pivot_table(index="layer", columns="kind", values="share", aggfunc="mean").fillna(0.0)
                wide.index = wide.index.astype(int)
                if follows or not any(panel_follows for panel_follows, *_ in panels):
                    verdict.append(view.about(task, _sentence(called, wide, int(panel["n"].max()))))
                if len(wide) > 1 and (wide.to_numpy() > 0).any():
                    anchor = f"states-{len(parts) + 1}-{len(drawings) + 1}"
                    drawings.append(_chart(panel, wide, anchor, called))
                rows += [
                    (
                        called,
                        str(layer),
                        *(percent(float(shares.get(kind, 0.0))) for kind in reversed(TOKEN_KINDS)),
                    )
                    for layer, shares in wide.iterrows()
                ]
        if rows:
            heading = ("explained", "states of layer", *reversed(TOKEN_KINDS))
            table = Table(
                "Share of the absolute score.", rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[1:])
            )
            parts.append(Part(view.heading(task), (), tuple(drawings), (table,)))
    if not parts:
        return None
    notes = [
        "These are places in the network, not input words: above the embeddings each state holds something of every "
        "token."
    ]
    if integrated:
        notes.append(
            "At the input [CLS] and [SEP] are 0 by construction: text and baseline share them. What they hold "
            "at a layer above, attention has brought there."
        )
    if exact:
        notes.append(
            "Each layer's own probe is read exactly: the logit of a probe on a mean is a sum over the tokens' states. "
            "It starts from nothing at all, so that [CLS] and [SEP] count at layer 0 too."
        )
    return Section("Where the decision sits", "states", tuple(verdict), tuple(parts), tuple(notes))


def _panels(view: View, head: str, table: pd.DataFrame) -> Iterator[tuple[bool, str, pd.DataFrame]]:
    """Yield rows that share a chart: whether they follow one decision down, the name of the explained, and the rows."""
    for (pooling, method), of_method in table.groupby(["pooling", "method"], sort=False, dropna=False):
        vector = wording.pooling(str(pooling), random_pooler=view.random_pooler)
        if method == "direct":
            yield False, f"each layer's own probe on the {vector} vector", of_method
            continue
        for layer, rows in of_method.groupby("probe_layer", sort=False, dropna=False):
            at = wording.place(str(pooling), int(layer), random_pooler=view.random_pooler) if layer == layer else ""
            yield True, f"the probe on {at}" if head == "probe" and at else wording.head(head), rows


def _sentence(called: str, wide: pd.DataFrame, n: int) -> str:
    """Return which kinds of token hold the score at the last layer of states, and at the first."""
    last, first = wide.iloc[-1].sort_values(ascending=False), wide.iloc[0]
    top = [f"{_kind(str(kind))} {percent(share)}" for kind, share in last.items() if share >= 0.005]
    held = f"{listing(top)} (mean over {plural(n, 'text')})"
    sentences = f"Of the score of {called}, the states of layer {wide.index[-1]} hold: {held}."
    if len(wide) > 1:
        names = [kind for kind in ("[CLS]", "[SEP]") if kind in wide]
        early = listing(f"{kind} {percent(float(first[kind]))}" for kind in names)
        if early:
            sentences += f" At layer {wide.index[0]} it was {early}."
    return sentences


def _kind(kind: str) -> str:
    return {"content": "content words", "other special": "other special tokens"}.get(kind, kind)


def _chart(panel: pd.DataFrame, wide: pd.DataFrame, anchor: str, called: str) -> Drawing:
    """Return a bar for each layer of states."""
    description = "; ".join(
        f"layer {layer}: " + ", ".join(f"{kind} {percent(float(share))}" for kind, share in shares.items())
        for layer, shares in wide.iterrows()
    )
    label = Label(anchor, f"Which kinds of token hold the score, by layer, {called}", f"{description}.")
    data: Any = panel.groupby(["layer", "kind"], as_index=False)["share"].mean()
    return Drawing(stacked_bars.stacked_bars(data, label), f"{sentence(called)}.")
