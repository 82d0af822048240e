"""Ablation: what a classifier loses when the vectors of [CLS] or of the content tokens are replaced by their mean."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import styles_of_heads
from reports.lookup import View, item, n_of_claims, n_of_table, value
from reports.sections.classifier.panel_rows import RowWords, line_row
from reports.sections.small_multiples import in_points
from reports.text import wording
from reports.text.wording import confidence, decimal, listing, percent, plural, sample_size, sentence

NOTES = (
    "A state is replaced by its mean over the texts at one layer, and the blocks above continue from there. What other "
    "tokens also hold is not lost: a small loss shows that the state was not needed, not that it is empty.",
    "At layer 0 [CLS] is its own mean: nothing can be lost there. Losses are points of test accuracy; a loss below 0 "
    "is a gain.",
    "Tokens that are not replaced may hold the label too, and the blocks above may copy it back to those that are: the "
    "loss need not fall from layer to layer.",
    "The first layer with a significant loss is picked by 95 % CIs that hold for all layers of a head at once.",
)
REPLACED = {"[CLS]": "[CLS] ablated", "content": "content tokens ablated"}
"""Kind of token that is replaced by its mean -> the heading of its panel."""
_HEADING = ("head", "ablated", "layer", "test accuracy", "loss, points", "95 % CI", "log loss added, bits")


def section(view: View) -> Section | None:
    """Return the accuracy lost when [CLS] or the content tokens are replaced by their mean over the texts."""
    table = view.table("ablation")
    sentences = (*cls_sentences(view), *_content_sentences(view))
    if table is None:
        part = Part()
        return Section("Mean ablation", "without", sentences, (part,), NOTES) if sentences else None
    part = Part(panels=_panels(table), tables=(_table(table),))
    return Section("Mean ablation", "without", sentences, (part,), NOTES)


def _panels(table: pd.DataFrame) -> tuple[Panels, ...]:
    """Return the loss by layer, a panel for each kind of token that is ablated."""
    names = {"head": "series", "layer": "x", "accuracy_loss": "value"}
    frame = in_points(table.rename(columns=names))
    frames = {REPLACED.get(str(key), str(key)): rows for key, rows in frame.groupby("replacement", sort=False)}
    words = RowWords(
        "without",
        "Loss of test accuracy by layer, points",
        f"Loss of test accuracy (points) by layer{sample_size(n_of_table(table))}. Bands: 95 % CI. Dashed: 0.",
    )
    options = PanelOptions(shared_limits(frames.values(), 0.0), zero=True)
    return line_row(frames, styles_of_heads(frame["series"]), options, words)


def _table(table: pd.DataFrame) -> Table:
    """Return every number, a row for each head, kind of token and layer."""
    rows = list[tuple[str, ...]]()
    for row in table.itertuples():
        cells = (
            sentence(wording.short_head(row.head)),
            wording.name(row.replacement),
            str(row.layer),
            percent(row.accuracy),
            wording.unsigned_points(row.accuracy_loss),
            confidence((row.lower, row.upper)),
            two_digits(row.information_loss),
        )
        rows.append(cells)
    shape = columns(*_HEADING, numeric=_HEADING[2:])
    summary = f"All {plural(len(rows), 'loss')}"
    return Table("Replaced by the mean over the texts.", rows=tuple(rows), folded=True, summary=summary, **shape)


def two_digits(number: float) -> str:
    """Return a number with two digits after the point, for a column of a table."""
    return decimal(round(number, 2), 2)


def cls_sentences(view: View) -> Iterator[str]:
    """Yield what each head loses without [CLS] at the last layer, and from which layer on it loses anything."""
    claims = view.stated("ablation", replacement="[CLS]")
    if not claims:
        return
    last = view.result.provenance.n_layers
    phrases = list[str]()
    for claim in claims:
        loss = _loss(view, claim, "at_last", last)
        head = wording.head(item(claim, "head"))
        phrases.append(f"{loss} for {head}")
    losses = listing(phrases)
    last_claims = view.stated("last_layer_ablation", replacement="[CLS]")
    n_texts = n_of_claims([*claims, *last_claims])
    sample = sample_size(n_texts)
    yield f"Loss of test accuracy by replacing [CLS] by its mean at layer {last}: {losses}{sample}."
    first_layers = dict[object, list[str]]()
    for claim in claims:
        first_layer = item(claim, "first_layer")
        heads = first_layers.setdefault(first_layer, [])
        heads.append(wording.head(item(claim, "head")))
    phrases = []
    for layer, heads in first_layers.items():
        where = "at no layer" if layer is None else f"from layer {wording.name(layer)} on"
        phrases.append(f"{where} for {listing(heads)}")
    yield f"The loss is significantly above 0 {'; '.join(phrases)}."


def _content_sentences(view: View) -> Iterator[str]:
    """Yield what each head loses without the content tokens, at the first and at the last layer."""
    claims = view.stated("ablation", replacement="content")
    last = view.result.provenance.n_layers
    phrases = list[str]()
    for claim in claims:
        first_loss = _loss(view, claim, "at_zero", 0)
        last_loss = _loss(view, claim, "at_last", last)
        head = wording.head(item(claim, "head"))
        phrases.append(f"{first_loss} at layer 0 and {last_loss} at layer {last} for {head}")
    if phrases:
        yield f"Loss by replacing all content tokens by their mean: {'; '.join(phrases)}."


def _loss(view: View, claim: Claim, key: str, layer: int) -> str:
    """Return a loss as `39.0 points [37.8, 40.2]`."""
    site = {"head": item(claim, "head"), "replacement": item(claim, "replacement"), "layer": layer}
    limits = view.limits("ablation", **site)
    return f"{wording.unsigned_points(value(claim, key))} points{confidence(limits, before=' ')}"
