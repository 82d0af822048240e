"""Gradient flow: the loss gradient by kind of token and at the input embeddings, and attribution by kind of token."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.styles import TOKEN_KINDS
from reports.lookup import View, by_head, item, n_of_table, value
from reports.sections.classifier.panel_rows import RowWords, share_row
from reports.text import wording
from reports.text.wording import (
    confidence,
    count,
    decimal,
    listing,
    name,
    percent,
    sample_size,
    sentence,
)

NOTES = (
    "The gradient of the loss at a token's hidden state says how the loss would change were that state moved. A bar "
    "shows the share of each kind of token in the summed norms of a text's gradients.",
    "Backwards, attention spreads the gradient: below the last layer it reaches every token that was attended to.",
)


def section(view: View) -> Section | None:
    """Return the share of the loss gradient at each kind of token, by layer."""
    shares = view.table("gradient_shares")
    embeddings = view.table("embedding_gradients")
    tables = list[Table]()
    panels: tuple[Panels, ...] = ()
    if shares is not None:
        frames = {wording.short_head(head): rows for head, rows in by_head(shares)}
        caption = f"Share of the loss gradient (%), by layer{sample_size(n_of_table(shares))}."
        panels = share_row(frames, RowWords("entry", "Share of the loss gradient by token type and layer", caption))
        tables.append(
            shares_table(shares, "head", "Share of the summed norms of the loss gradient; in brackets 95 % CI.")
        )
    if embeddings is not None:
        tables.append(_embedding_table(embeddings))
    if not tables:
        return None
    sentences = (*gradient_sentences(view), *_reason_sentence(view), *_embedding_sentence(view))
    part = Part(panels=panels, tables=tuple(tables))
    return Section("Gradient flow: share of the loss gradient by token type", "entry", sentences, (part,), NOTES)


def gradient_sentences(view: View) -> Iterator[str]:
    """Yield the share of the gradient at [CLS] at the last layer and at layer 0."""
    claims = view.stated("gradient_shares")
    last = view.result.provenance.n_layers
    if not claims:
        return
    table = view.table("gradient_shares")
    sample = "" if table is None else sample_size(n_of_table(table))
    last_shares = list[str]()
    first_shares = list[str]()
    for claim in claims:
        head = wording.head(item(claim, "head"))
        share = _share(view, claim, "last_cls", last)
        last_shares.append(f"{share} with {head}")
        first_share = _share(view, claim, "first_cls", 0)
        first_shares.append(first_share)
    at_last = listing(last_shares)
    at_first = listing(first_shares)
    order = ", in the same order" if len(claims) > 1 else ""
    yield (f"Share of [CLS] in the loss gradient at layer {last}: {at_last}; at layer 0: {at_first}{order}{sample}.")


def _share(view: View, claim: Claim, key: str, layer: int) -> str:
    """Return a share of [CLS] with its interval where it has a width."""
    share = percent(value(claim, key))
    limits = view.limits("gradient_shares", head=item(claim, "head"), layer=layer, kind="[CLS]")
    has_width = limits is not None and limits[0] < limits[1]
    return f"{share}{confidence(limits, before=' ')}" if has_width else share


def _reason_sentence(view: View) -> Iterator[str]:
    """Yield whether [CLS] gains although only part of the loss enters through it, from its outcome with each head."""
    outcomes = dict[str, str]()
    for claim in view.stated("cls_change"):
        head = str(item(claim, "head"))
        outcomes[head] = claim.outcome
    through = [outcomes[head] for head in ENTERED if head in outcomes]
    mean = outcomes.get("mean")
    shares = view.stated("gradient_shares", head="mean")
    if not through or mean is None or not shares:
        return
    share = percent(value(shares[0], "last_cls"))
    reason = REASONS["above" in through, mean == "above"]
    yield reason.format(share=share, last=view.result.provenance.n_layers)


ENTERED = ("pooler", "cls", "checkpoint")
"""Heads whose loss enters through [CLS] alone."""
REASONS = {
    (True, True): (
        "[CLS] becomes more decodable with the mean head too, where it receives only {share} of the loss gradient at "
        "layer {last}, as one of the averaged tokens: a large direct share is not required."
    ),
    (True, False): (
        "[CLS] becomes more decodable where the loss enters through it alone, not significantly with the mean head, "
        "where it receives {share} of the loss gradient at layer {last}."
    ),
    (False, True): (
        "[CLS] becomes more decodable with the mean head only, where it receives {share} of the loss gradient at layer "
        "{last}, not significantly where the loss enters through it alone."
    ),
    (False, False): "With no head does [CLS] become significantly more decodable.",
}
"""Whether [CLS] gains where the loss enters through it, and with the mean head -> sentence."""


def _embedding_sentence(view: View) -> Iterator[str]:
    """Yield the gradient at the input embedding of [CLS], as a multiple of the median row's."""
    claims = view.stated("cls_embedding_gradient")
    ratios = list[str]()
    for claim in claims:
        limits = confidence(claim.interval, scale=1, digits=0, before=" ")
        per_occurrence = decimal(value(claim, "per_occurrence_ratio"), 1)
        ratio = decimal(value(claim, "ratio"), 0)
        head = wording.head(item(claim, "head"))
        ratios.append(f"{ratio}×{limits} in sum and {per_occurrence}× per occurrence with {head}")
    if ratios:
        # [CLS] occurs once in each text.
        sample = f" ({count(value(claims[0], 'occurrences'))} training texts)"
        yield (
            "Gradient at the input embedding of [CLS], which occurs in every text, relative to the median row: "
            f"{listing(ratios)}{sample}."
        )


def _embedding_table(rows: pd.DataFrame) -> Table:
    """Return the gradient at the embedding of [CLS] beside those of other tokens."""
    heads = list(dict.fromkeys(rows["head"]))
    cells = dict[str, dict[str, str]]()
    for row in rows.itertuples():
        norm = decimal(row.norm)
        per_occurrence = decimal(row.per_occurrence, 4)
        norms = f"{norm} ({per_occurrence})"
        if row.row.startswith("largest") and isinstance(row.token, str):
            norms += f" “{name(row.token, 20)}”"
        cells.setdefault(str(row.row), {})[row.head] = norms
    lines = list[tuple[str, ...]]()
    for row_name, norms_by_head in cells.items():
        lines.append((name(row_name), *(norms_by_head.get(head, wording.MISSING) for head in heads)))
    heading = ("row of the input embeddings", *map(wording.short_head, heads))
    caption = "Norm of the gradient at the input embeddings; in brackets, per occurrence of the token."
    shape = columns(*heading, numeric=heading[1:])
    return Table(caption, rows=tuple(lines), folded=True, summary="Gradient at the input embeddings", **shape)


def shares_table(table: pd.DataFrame, whose: str, caption: str) -> Table:
    """Return a table with a row for each encoder or head and layer, and a column for each kind of token."""
    present = list(dict.fromkeys(table["kind"]))
    kinds = [kind for kind in reversed(TOKEN_KINDS) if kind in present]
    kinds += [kind for kind in present if kind not in TOKEN_KINDS]
    shares_by_layer = dict[tuple[object, object], dict[str, str]]()
    has_limits = "lower" in table
    for row in table.itertuples():
        share = percent(row.share)
        if has_limits and row.lower < row.upper:
            share += confidence((row.lower, row.upper), before=" ")
        key = (getattr(row, whose), row.layer)
        shares_by_layer.setdefault(key, {})[row.kind] = share
    name_of = wording.short_head if whose == "head" else wording.model
    rows = list[tuple[str, ...]]()
    for (encoder, layer), shares in shares_by_layer.items():
        cells = [shares.get(kind, wording.MISSING) for kind in kinds]
        rows.append((sentence(name_of(encoder)), str(layer), *cells))
    heading = ("head" if whose == "head" else "encoder", "layer", *map(name, kinds))
    shape = columns(*heading, numeric=heading[1:])
    return Table(caption, rows=tuple(rows), folded=True, summary="All shares", **shape)


def token_shares(view: View) -> Section | None:
    """Return the share of each kind of token in the attribution of a head's decision to the states of each layer."""
    by_layer = view.table("fine_tuned_token_shares")
    if by_layer is None:
        return None
    frames = {wording.short_head(head): rows for head, rows in by_head(by_layer)}
    caption = f"Share of the absolute attribution to the token states (%), by layer{sample_size(n_of_table(by_layer))}."
    panels = share_row(frames, RowWords("sits", "Share of the absolute attribution by token type and layer", caption))
    table = shares_table(by_layer, "head", "Share of the absolute score of integrated gradients at the token states.")
    sentences = _cls_share_sentence(view, by_layer)
    part = Part(panels=panels, tables=(table,))
    return Section("Attribution by token type", "token-types", sentences, (part,), folded=True)


def _cls_share_sentence(view: View, by_layer: pd.DataFrame) -> tuple[str, ...]:
    """Return the share of [CLS] one layer below the last and at the last, by head."""
    last = view.result.provenance.n_layers
    sentences = list[str]()
    for layer in (last - 1, last):
        rows = by_layer[(by_layer["kind"] == "[CLS]") & (by_layer["layer"] == layer)]
        phrases = list[str]()
        for row in rows.itertuples():
            share = percent(row.share)
            head = wording.head(row.head)
            phrases.append(f"{share} with {head}")
        shares = listing(phrases)
        if shares:
            sentences.append(f"at layer {layer} {shares}")
    if not sentences:
        return ()
    return (f"Share of [CLS] in the absolute attribution: {'; '.join(sentences)}{sample_size(n_of_table(by_layer))}.",)
