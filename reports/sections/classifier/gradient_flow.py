"""Gradient flow: the loss gradient by kind of token and at the input embeddings, and the decision by kind of token."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts.canvas import Label
from reports.charts.stacked_bars import stacked_bars
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


def entry(view: View) -> Section | None:
    """Where the loss enters: the share of its gradient at each kind of token, by layer."""
    found, rows = view.table("gradient_shares"), view.table("embedding_gradients")
    drawings, tables = list[Drawing](), list[Table]()
    for i, (head, own) in enumerate(by_head(found), start=1):
        title = f"Share of the loss gradient by kind of token and layer, {wording.head(head)}"
        drawings += stacked(own, f"entry-{i}", title, wording.short_head(head), shown="share of the loss gradient, %")
    if found is not None:
        tables.append(shares_table(found, "head", "Share of the summed norms of the loss gradient; 95 % intervals."))
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
    said = tuple(entering(view))
    return Section("Where the loss enters", "entry", said, (Part(None, (), tuple(drawings), tuple(tables)),), notes)


def entering(view: View) -> Iterator[str]:
    """Which share enters at [CLS] at the last layer, and where it has gone below."""
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
    """The same share of several claims, each with its interval, written once where it is the same."""
    found = list[str]()
    for claim in claims:
        bounds = view.limits("gradient_shares", head=item(claim, "head"), layer=layer, kind=kind)
        found.append(percent(value(claim, key)) + ("" if bounds is None else f" ({interval(bounds)})"))
    return found[0] if len(set(found)) == 1 else listing(found)


def _rows(rows: pd.DataFrame) -> Table:
    """The gradient at the embedding of [CLS] beside those of other tokens."""
    heads, cells = list(dict.fromkeys(rows["head"])), dict[str, dict[str, str]]()
    for r in rows.itertuples():
        token = f" “{name(r.token, 20)}”" if r.row.startswith("largest") and isinstance(r.token, str) else ""
        written = f"{decimal(r.norm)} ({decimal(r.per_occurrence, 4)}){token}"
        cells.setdefault(str(r.row), {})[r.head] = written
    lines = tuple((name(row), *(own.get(head, wording.MISSING) for head in heads)) for row, own in cells.items())
    heading = ("row of the input embeddings", *map(wording.short_head, heads))
    caption = "Norm of the gradient gathered at the input embeddings; in brackets, for each occurrence of the token."
    return Table(caption, rows=lines, **columns(*heading, numeric=heading[1:]))


def stacked(
    own: pd.DataFrame, anchor: str, title: str, called: str, *, shown: str, across: str = ""
) -> Iterator[Drawing]:
    """A bar a layer, parted by kinds of token; none of a single layer."""
    wide = own.pivot_table(index="layer", columns="kind", values="share", aggfunc="mean").fillna(0.0)
    if len(wide) < 2:
        return
    told = (
        f"layer {layer}: " + ", ".join(f"{name(kind)} {percent(float(share))}" for kind, share in shares.items())
        for layer, shares in wide.iterrows()
    )
    label = Label(anchor, title, f"{'; '.join(told)}.")
    svg = stacked_bars(own, label, quantity=f"{called}: {shown}", x_title=across)
    yield Drawing(svg, f"{title}.")


def shares_table(found: pd.DataFrame, whose: str, caption: str) -> Table:
    """A row for each encoder or head and layer, a column for each kind of token."""
    kinds = [kind for kind in reversed(TOKEN_KINDS) if kind in set(found["kind"])]
    kinds += [kind for kind in dict.fromkeys(found["kind"]) if kind not in kinds]
    cells, limited = dict[tuple[object, object, object], str](), "lower" in found
    for r in found.itertuples():
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
    """Over which kinds of token a head's decision sits, by layer."""
    found, drawings = view.table("fine_tuned_token_shares"), list[Drawing]()
    if found is None:
        return None
    for i, (head, own) in enumerate(by_head(found), start=1):
        title = f"Which kinds of token hold the decision of {wording.head(head)}, by layer"
        drawings += stacked(own, f"sits-{i}", title, wording.short_head(head), shown="share of the score, %")
    last = found[(found["kind"] == "[CLS]") & (found["layer"] == found["layer"].max())]
    told = listing(f"{percent(r.share)} for {wording.head(r.head)}" for r in last.itertuples())
    said = (f"Of the decision, [CLS] holds at layer {last['layer'].iloc[0]}: {told}.",) if told else ()
    table = shares_table(found, "head", "Share of the absolute score of integrated gradients at the token states.")
    return Part("When is the decision already in it?", said, tuple(drawings), (table,))
