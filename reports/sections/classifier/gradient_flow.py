"""Gradient flow: the loss gradient by kind of token and at the input embeddings, and the decision by kind of token."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import stacked_bars
from reports.charts.canvas import Label
from reports.charts.styles import TOKEN_KINDS
from reports.lookup import View, by_head, item, value
from reports.text import wording
from reports.text.wording import (
    decimal,
    interval,
    listing,
    name,
    percent,
    sentence,
)


def section(view: View) -> Section | None:
    """Return the share of the loss gradient at each kind of token, by layer."""
    shares, rows = view.table("gradient_shares"), view.table("embedding_gradients")
    drawings, tables = list[Drawing](), list[Table]()
    for i, (head, of_head) in enumerate(by_head(shares), start=1):
        title = f"Share of the loss gradient by kind of token and layer, {wording.head(head)}"
        drawings += share_bars(
            of_head, f"entry-{i}", title, wording.short_head(head), quantity="share of the loss gradient, %"
        )
    if shares is not None:
        tables.append(shares_table(shares, "head", "Share of the summed norms of the loss gradient; 95 % intervals."))
    if rows is not None:
        tables.append(_rows(rows))
    if not tables:
        return None
    notes = (
        wording.BRACKETS,
        "The gradient of the loss at a token's hidden state says how the loss would change were that state moved. Its "
        "norms are summed over a text's tokens; a bar shows which kinds of token hold how much of that sum.",
        "Backwards, attention spreads it: what enters at one token reaches, a block below, every token that it read.",
    )
    sentences = tuple(gradient_sentences(view))
    return Section(
        "Where the loss enters", "entry", sentences, (Part(None, (), tuple(drawings), tuple(tables)),), notes
    )


def gradient_sentences(view: View) -> Iterator[str]:
    """Yield the share of the gradient at [CLS] at the last layer, and its shares at the layers below."""
    claims, last = view.stated("gradient_shares"), view.result.provenance.n_layers
    if not claims:
        return
    tops = list[str]()
    for claim in claims:
        bounds = view.limits("gradient_shares", head=item(claim, "head"), layer=last, kind="[CLS]")
        spread = "" if bounds is None or bounds[0] == bounds[1] else f" ({interval(bounds)})"
        tops.append(f"{percent(value(claim, 'last_cls'))}{spread} with {wording.head(item(claim, 'head'))}")
    yield f"Of the loss gradient at the last layer, [CLS] gets {listing(tops)}."
    below = (
        f"{end} [CLS] has {_shares(view, claims, cls, layer, '[CLS]')} of it, content tokens "
        f"{_shares(view, claims, content, layer, 'content')}"
        for end, layer, cls, content in (
            ("one layer below", last - 1, "below_cls", "below_content"),
            ("at layer 0", 0, "first_cls", "first_content"),
        )
    )
    order = " (heads in the same order)" if len(claims) > 1 else ""
    yield f"On its way down attention spreads it: {'; '.join(below)}{order}."


def _shares(view: View, claims: list[Claim], key: str, layer: int, kind: str) -> str:
    """Return the same share of several claims with its intervals, once where they are equal."""
    shares = list[str]()
    for claim in claims:
        bounds = view.limits("gradient_shares", head=item(claim, "head"), layer=layer, kind=kind)
        shares.append(percent(value(claim, key)) + ("" if bounds is None else f" ({interval(bounds)})"))
    return shares[0] if len(set(shares)) == 1 else listing(shares)


def _rows(rows: pd.DataFrame) -> Table:
    """Return the gradient at the embedding of [CLS] beside those of other tokens."""
    heads, cells = list(dict.fromkeys(rows["head"])), dict[str, dict[str, str]]()
    for r in rows.itertuples():
        token = f" “{name(r.token, 20)}”" if r.row.startswith("largest") and isinstance(r.token, str) else ""
        written = f"{decimal(r.norm)} ({decimal(r.per_occurrence, 4)}){token}"
        cells.setdefault(str(r.row), {})[r.head] = written
    lines = tuple(
        (name(row), *(by_head.get(head, wording.MISSING) for head in heads)) for row, by_head in cells.items()
    )
    heading = ("row of the input embeddings", *map(wording.short_head, heads))
    caption = "Norm of the gradient gathered at the input embeddings; in brackets, for each occurrence of the token."
    return Table(caption, rows=lines, **columns(*heading, numeric=heading[1:]))


def share_bars(
    table: pd.DataFrame, anchor: str, title: str, called: str, *, quantity: str, across: str = ""
) -> Iterator[Drawing]:
    """Yield a bar for each layer, divided by kinds of token; nothing for a single layer or without a share above 0."""
    wide = table.pivot_table(index="layer", columns="kind", values="share", aggfunc="mean").fillna(0.0)
    if len(wide) < 2 or not (wide.to_numpy() > 0).any():
        return
    descriptions = (
        f"layer {layer}: " + ", ".join(f"{name(kind)} {percent(float(share))}" for kind, share in shares.items())
        for layer, shares in wide.iterrows()
    )
    label = Label(anchor, title, f"{'; '.join(descriptions)}.")
    svg = stacked_bars.stacked_bars(table, label, quantity=f"{called}: {quantity}", x_title=across)
    yield Drawing(svg, f"{title}.")


def shares_table(table: pd.DataFrame, whose: str, caption: str) -> Table:
    """Return a table with a row for each encoder or head and layer, and a column for each kind of token."""
    kinds = [kind for kind in reversed(TOKEN_KINDS) if kind in set(table["kind"])]
    kinds += [kind for kind in dict.fromkeys(table["kind"]) if kind not in kinds]
    cells, limited = dict[tuple[object, object, object], str](), "lower" in table
    for r in table.itertuples():
        bounds = f" ({interval((r.lower, r.upper))})" if limited else ""
        cells[getattr(r, whose), r.layer, r.kind] = f"{percent(r.share)}{bounds}"
    called = wording.short_head if whose == "head" else wording.model
    rows = tuple(
        (sentence(called(key)), str(layer), *(cells.get((key, layer, kind), wording.MISSING) for kind in kinds))
        for key, layer in dict.fromkeys((key, layer) for key, layer, _ in cells)
    )
    heading = ("head" if whose == "head" else "encoder", "layer", *map(name, kinds))
    return Table(caption, rows=rows, folded=True, **columns(*heading, numeric=heading[1:]))


def token_shares(view: View) -> Part | None:
    """Return which kinds of token hold a head's decision, by layer."""
    by_layer = view.table("fine_tuned_token_shares")
    drawings = list[Drawing]()
    if by_layer is None:
        return None
    for i, (head, of_head) in enumerate(by_head(by_layer), start=1):
        title = f"Which kinds of token hold the decision of {wording.head(head)}, by layer"
        drawings += share_bars(of_head, f"sits-{i}", title, wording.short_head(head), quantity="share of the score, %")
    is_last_cls = (by_layer["kind"] == "[CLS]") & (by_layer["layer"] == by_layer["layer"].max())
    last = by_layer[is_last_cls]
    shares = listing(f"{percent(r.share)} for {wording.head(r.head)}" for r in last.itertuples())
    sentences = (f"Of the decision, [CLS] holds at layer {last['layer'].iloc[0]}: {shares}.",) if shares else ()
    table = shares_table(by_layer, "head", "Share of the absolute score of integrated gradients at the token states.")
    return Part("When is the decision already in it?", sentences, tuple(drawings), (table,))
