"""Attribution by token type: the share of each kind of token, for the token states of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import TOKEN_KINDS, Style
from reports.lookup import View, by_head
from reports.sections.explanations.attributions import explained_layer
from reports.sections.small_multiples import panels_of_tasks
from reports.text import wording
from reports.text.wording import count, listing, name, percent

NOTES = (
    "Token states are positions in the network, not input words: above the embeddings each state holds something of "
    "every token. At the input [CLS] and [SEP] are 0 by construction: text and baseline share them.",
    "The logit of a probe on a mean is a sum over the tokens' states, so that the shares of each layer's own probe are "
    "exact.",
)
SMALLEST_SHARE = 0.005
"""Share from which on a kind of token is named in a sentence."""
QUANTITY = "Share of absolute attribution by token type (%)"


@dataclass(frozen=True)
class Explained:
    """Shares of what was explained: a decision through the layers, or each layer's own probe."""

    name: str
    rows: pd.DataFrame
    """Columns layer, kind, share and n."""
    is_exact: bool
    """Whether it is each layer's own probe."""
    site: str = ""
    """Explained site, as in `the mean vector of layer 4`; empty where no probe is explained."""
    layer: int | None = None
    """Layer of the explained site; None where the decision is read at the last layer of states."""

    @property
    def shares(self) -> pd.DataFrame:
        """(layers, kinds) shares."""
        wide = self.rows.pivot_table(index="layer", columns="kind", values="share", aggfunc="mean").fillna(0.0)
        wide.index = wide.index.astype(int)
        return wide


def section(view: View) -> Section | None:
    """Return the share of each kind of token in the attribution, by layer of token states."""
    verdict = list[str]()
    frames = dict[str, pd.DataFrame]()
    tables = list[Table]()
    for task in view.tasks:
        explained = list(_explained(view, task))
        if not explained:
            continue
        decisions = [shares for shares in explained if not shares.is_exact] or explained
        verdict += [view.about(task, _sentence(decision)) for decision in decisions]
        frames[task] = _frame(decisions[0])
        tables.append(_table(view, task, explained))
    if not tables:
        return None
    row = _panels(view, frames)
    part = Part(panels=() if row is None else (row,), tables=tuple(tables))
    return Section("Attribution by token type", "states", tuple(verdict), (part,), NOTES, folded=True)


def _explained(view: View, task: str) -> Iterator[Explained]:
    """Yield the shares of each head of a label column: of its decisions, and of each layer's own probe."""
    for head, rows_of_head in by_head(view.table("token_shares", task)):
        for (pooling, method), rows in rows_of_head.groupby(["pooling", "method"], sort=False, dropna=False):
            if method == "direct":
                yield _own_probes(view, task, str(pooling), rows)
                continue
            for layer, rows_of_layer in rows.groupby("probe_layer", sort=False, dropna=False):
                head_name = wording.head(head)
                if head == "probe" and layer == layer:
                    site = wording.place(str(pooling), int(layer), random_pooler=view.random_pooler)
                    head_name = f"the probe on {site}"
                yield Explained(head_name, rows_of_layer, is_exact=False)


def _own_probes(view: View, task: str, pooling: str, rows: pd.DataFrame) -> Explained:
    """Return the exact shares of each layer's own probe, with the site that is explained."""
    vector = wording.pooling(pooling, random_pooler=view.random_pooler)
    probes = f"each layer's own probe ({vector})"
    layer = explained_layer(view, task)
    if layer is None:
        return Explained(probes, rows, is_exact=True)
    site = wording.place(pooling, layer, random_pooler=view.random_pooler)
    return Explained(probes, rows, is_exact=True, site=site, layer=layer)


def _sentence(explained: Explained) -> str:
    """Return the share of each kind of token at the explained layer; without one, at the last layer of states."""
    shares = explained.shares
    layer = shares.index[-1]
    subject = explained.name
    if explained.layer in shares.index:
        layer = explained.layer
        subject = f"the probe on {explained.site}"
    at_layer = shares.loc[layer].sort_values(ascending=False)
    phrases = list[str]()
    for kind, share in at_layer.items():
        if share >= SMALLEST_SHARE:
            phrases.append(f"{_kind(str(kind))} {percent(share)}")
    n_texts = count(explained.rows["n"].max())
    return f"Share of absolute attribution of {subject}, states of layer {layer}: {listing(phrases)} (n = {n_texts})."


def _kind(kind: str) -> str:
    return {"content": "content tokens", "other special": "other special tokens"}.get(kind, kind)


def _frame(explained: Explained) -> pd.DataFrame:
    """Return the shares of all kinds but content in per cent, as series by layer."""
    shares = 100 * explained.shares.drop(columns="content", errors="ignore")
    shares.columns.name = "series"
    long = shares.stack().rename("value").reset_index()
    return long.rename(columns={"layer": "x"})


def _panels(view: View, frames: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return the shares of all kinds but content by layer."""
    styles = {kind: Style(_kind(kind), colour) for kind, (_, colour) in TOKEN_KINDS.items() if kind != "content"}
    all_rows = pd.concat(frames.values())
    if all_rows.empty:
        return None
    limits = shared_limits([all_rows], 0.0)
    return panels_of_tasks(
        view,
        {task: frame for task, frame in frames.items() if len(frame)},
        styles,
        PanelOptions(limits),
        anchor="states",
        quantity=QUANTITY,
        caption=f"{QUANTITY} by layer of token states; the rest is content tokens.",
    )


def _table(view: View, task: str, explained: Sequence[Explained]) -> Table:
    """Return every share of a label column."""
    kinds = list(reversed(TOKEN_KINDS))
    rows = list[tuple[str, ...]]()
    for shares in explained:
        for layer, row in shares.shares.iterrows():
            cells = [percent(float(row.get(kind, 0.0))) for kind in kinds]
            rows.append((shares.name, str(layer), *cells))
    heading = ("explained", "layer of states", *kinds)
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    shape = columns(*heading, numeric=heading[1:])
    return Table(
        "Share of absolute attribution.", rows=tuple(rows), folded=True, summary=f"All shares{subject}", **shape
    )
