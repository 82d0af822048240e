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
    shares = view.table("gradient_shares")
    embeddings = view.table("embedding_gradients")
    drawings = list[Drawing]()
    tables = list[Table]()
    quantity = "share of the loss gradient, %"
    for number, (head, of_head) in enumerate(by_head(shares), start=1):
        title = f"Share of the loss gradient by kind of token and layer, {wording.head(head)}"
        drawings += share_bars(of_head, f"entry-{number}", title, wording.short_head(head), quantity=quantity)
    if shares is not None:
        tables.append(shares_table(shares, "head", "Share of the summed norms of the loss gradient; 95 % intervals."))
    if embeddings is not None:
        tables.append(_embedding_table(embeddings))
    if not tables:
        return None
    notes = (
        wording.BRACKETS,
        "The gradient of the loss at a token's hidden state says how the loss would change were that state moved. Its "
        "norms are summed over a text's tokens; a bar shows which kinds of token hold how much of that sum.",
        "Backwards, attention spreads it: what enters at one token reaches, a block below, every token that it read.",
    )
    sentences = tuple(gradient_sentences(view))
    part = Part(None, (), tuple(drawings), tuple(tables))
    return Section("Where the loss enters", "entry", sentences, (part,), notes)


def gradient_sentences(view: View) -> Iterator[str]:
    """Yield the share of the gradient at [CLS] at the last layer, and its shares at the layers below."""
    claims = view.stated("gradient_shares")
    last = view.result.provenance.n_layers
    if not claims:
        return
    tops = [f"{last_share(view, claim)} with {wording.head(item(claim, 'head'))}" for claim in claims]
    yield f"Of the loss gradient at the last layer, [CLS] gets {listing(tops)}."
    below = list[str]()
    for end, layer, key in (("one layer below", last - 1, "below"), ("at layer 0", 0, "first")):
        cls = _shares(view, claims, f"{key}_cls", layer, "[CLS]")
        content = _shares(view, claims, f"{key}_content", layer, "content")
        below.append(f"{end} [CLS] has {cls} of it, content tokens {content}")
    order = " (heads in the same order)" if len(claims) > 1 else ""
    yield f"On its way down attention spreads it: {'; '.join(below)}{order}."


def last_share(view: View, claim: Claim) -> str:
    """Return the share of [CLS] in the gradient at the last layer, with its interval where it has a width."""
    last = view.result.provenance.n_layers
    share = percent(value(claim, "last_cls"))
    limits = view.limits("gradient_shares", head=item(claim, "head"), layer=last, kind="[CLS]")
    if limits is None:
        return share
    lower, upper = limits
    return share if lower == upper else f"{share} ({interval(limits)})"


def _shares(view: View, claims: list[Claim], key: str, layer: int, kind: str) -> str:
    """Return the same share of several claims with its intervals, once where they are equal."""
    shares = list[str]()
    for claim in claims:
        limits = view.limits("gradient_shares", head=item(claim, "head"), layer=layer, kind=kind)
        brackets = "" if limits is None else f" ({interval(limits)})"
        shares.append(f"{percent(value(claim, key))}{brackets}")
    return shares[0] if len(set(shares)) == 1 else listing(shares)


def _embedding_table(rows: pd.DataFrame) -> Table:
    """Return the gradient at the embedding of [CLS] beside those of other tokens."""
    heads = list(dict.fromkeys(rows["head"]))
    cells = dict[str, dict[str, str]]()
    for row in rows.itertuples():
        norms = f"{decimal(row.norm)} ({decimal(row.per_occurrence, 4)})"
        if row.row.startswith("largest") and isinstance(row.token, str):
            norms += f" “{name(row.token, 20)}”"
        cells.setdefault(str(row.row), {})[row.head] = norms
    lines = list[tuple[str, ...]]()
    for row_name, norms_by_head in cells.items():
        lines.append((name(row_name), *(norms_by_head.get(head, wording.MISSING) for head in heads)))
    heading = ("row of the input embeddings", *map(wording.short_head, heads))
    caption = "Norm of the gradient gathered at the input embeddings; in brackets, for each occurrence of the token."
    return Table(caption, rows=tuple(lines), **columns(*heading, numeric=heading[1:]))


def share_bars(
    table: pd.DataFrame, anchor: str, title: str, called: str, *, quantity: str, across: str = ""
) -> Iterator[Drawing]:
    """Yield a bar for each layer, divided by kinds of token; nothing for a single layer or without a share above 0."""
    wide = table.pivot_table(index="layer", columns="kind", values="share", aggfunc="mean").fillna(0.0)
    has_shares = bool((wide.to_numpy() > 0).any())
    if len(wide) < 2 or not has_shares:
        return
    descriptions = list[str]()
    for layer, shares in wide.iterrows():
        parts = ", ".join(f"{name(kind)} {percent(float(share))}" for kind, share in shares.items())
        descriptions.append(f"layer {layer}: {parts}")
    label = Label(anchor, title, f"{'; '.join(descriptions)}.")
    svg = stacked_bars.stacked_bars(table, label, quantity=f"{called}: {quantity}", x_title=across)
    yield Drawing(svg, f"{title}.")


def shares_table(table: pd.DataFrame, whose: str, caption: str) -> Table:
    """Return a table with a row for each encoder or head and layer, and a column for each kind of token."""
    present = list(dict.fromkeys(table["kind"]))
    kinds = [kind for kind in reversed(TOKEN_KINDS) if kind in present]
    kinds += [kind for kind in present if kind not in TOKEN_KINDS]
    shares_by_layer = dict[tuple[object, object], dict[str, str]]()
    has_limits = "lower" in table
    for row in table.itertuples():
        share = percent(row.share)
        if has_limits:
            share += f" ({interval((row.lower, row.upper))})"
        key = (getattr(row, whose), row.layer)
        shares_by_layer.setdefault(key, {})[row.kind] = share
    name_of = wording.short_head if whose == "head" else wording.model
    rows = list[tuple[str, ...]]()
    for (encoder, layer), shares in shares_by_layer.items():
        cells = [shares.get(kind, wording.MISSING) for kind in kinds]
        rows.append((sentence(name_of(encoder)), str(layer), *cells))
    heading = ("head" if whose == "head" else "encoder", "layer", *map(name, kinds))
    return Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[1:]))


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
