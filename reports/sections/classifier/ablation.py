"""Ablation: what a classifier loses when the vectors of [CLS] or of the content tokens are replaced by their mean."""

from __future__ import annotations

from collections.abc import Iterator

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import lines
from reports.charts.canvas import Label
from reports.charts.lines import LineOptions
from reports.charts.styles import styles_of_heads
from reports.lookup import View, item, value
from reports.text import wording
from reports.text.wording import (
    decimal,
    interval,
    listing,
    name,
    percent,
    points,
    sentence,
)


def section(view: View) -> Section | None:
    """Return the accuracy lost when [CLS] or the content tokens are replaced by their mean over the texts."""
    table, sentences = view.table("ablation"), tuple(loss_sentences(view))
    if table is None and not sentences:
        return None
    drawings, tables = list[Drawing](), list[Table]()
    if table is not None:
        frame = table.rename(columns={"head": "series", "layer": "x", "accuracy_loss": "value"})
        for key in ("value", "lower", "upper"):
            frame[key] = 100 * frame[key]
        reach = float(frame["lower"].min()), float(frame["upper"].max())
        measured = frame[frame["value"].notna()]
        for i, (replacement, rows_of_replacement) in enumerate(measured.groupby("replacement", sort=False), start=1):
            styles = styles_of_heads(rows_of_replacement["series"])
            if rows_of_replacement["x"].nunique() < 2:
                continue
            descriptions = (
                f"{styles[r.series].name} layer {r.x} {r.value:.1f}" for r in rows_of_replacement.itertuples()
            )
            whose = (
                "[CLS] replaced by its mean" if replacement == "[CLS]" else "all content tokens replaced by their mean"
            )
            title = f"{name(replacement)} replaced: points of accuracy lost"
            label = Label(f"without-{i}", f"Points of accuracy lost by layer, {whose}", f"{'; '.join(descriptions)}.")
            svg = lines.lines(rows_of_replacement, styles, label, LineOptions(title, limits=reach))
            drawings.append(Drawing(svg, f"{sentence(whose)}, at one layer. Bands: 95 % intervals."))
        rows = tuple(
            (
                sentence(wording.short_head(r.head)),
                name(r.replacement),
                str(r.layer),
                percent(r.accuracy),
                points(r.accuracy_loss),
                interval((r.lower, r.upper)),
                decimal(r.information_loss),
            )
            for r in table.itertuples()
        )
        heading = ("head", "replaced", "layer", "right", "points lost", "95 % interval", "log loss added, bits")
        shape = columns(*heading, numeric=heading[2:])
        tables.append(Table("Replaced by the mean over the texts.", rows=rows, folded=True, **shape))
    notes = (
        wording.BRACKETS,
        "A state is replaced by its mean over the texts at one layer, and the blocks above go on from there. What "
        "another token also holds is not lost: a small loss shows that the state was not needed, not that it is empty.",
        "At layer 0 [CLS] is its own mean: nothing can be lost there.",
    )
    return Section(
        "What is lost without it?", "without", sentences, (Part(None, (), tuple(drawings), tuple(tables)),), notes
    )


def loss_sentences(view: View) -> Iterator[str]:
    """Yield from which layer on each head needs [CLS], and what it loses with the content tokens, at both ends."""
    phrases = list[str]()
    for claim in view.stated("ablation", replacement="[CLS]"):
        head, first, layer = (item(claim, key) for key in ("head", "first_layer", "largest_layer"))
        since = "at no layer that these texts tell" if first is None else f"from layer {name(first)} on"
        most = f"at most {_lost(view, claim, 'largest', layer, ', ')}, at layer {name(layer)}"
        phrases.append(f"{wording.head(head)} {since} ({most})")
    if phrases:
        yield f"With [CLS] replaced by its mean over the texts, accuracy falls for {listing(phrases)}."
    phrases, last = [], view.result.provenance.n_layers
    for claim in view.stated("ablation", replacement="content"):
        ends = (_lost(view, claim, key, layer, " (") for key, layer in (("at_zero", 0), ("at_last", last)))
        phrases.append(f"{wording.head(item(claim, 'head'))} {' at layer 0 and '.join(ends)} at the last")
    if phrases:
        yield f"With all content tokens replaced by their mean, accuracy falls for {'; '.join(phrases)}."


def _lost(view: View, claim: Claim, key: str, layer: object, opening: str) -> str:
    """Return a loss as `by 39.0 points (37.8 to 40.2)`, with the interval where the table has one."""
    where = {"head": item(claim, "head"), "replacement": item(claim, "replacement"), "layer": layer}
    bounds = view.limits("ablation", **where)
    between = "" if bounds is None else f"{opening}{interval(bounds)}{')' * opening.endswith('(')}"
    return f"{points(value(claim, key)).lstrip('+')} points{between}"
