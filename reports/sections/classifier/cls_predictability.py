"""Content of [CLS]: its predictability from the other tokens, and what attention adds to it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts.canvas import MUTED
from reports.charts.lines import LineOptions
from reports.charts.styles import Style, styles_of_models
from reports.lookup import View, item, value
from reports.sections.classifier.gradient_flow import share_bars, shares_table, token_shares
from reports.sections.classifier.line_charts import (
    ChartWords,
    line_chart,
    points_by_layer,
    rows_by_group,
    two_digits,
)
from reports.text import wording
from reports.text.wording import (
    between,
    count,
    decimal,
    interval,
    listing,
    name,
    percent,
    sentence,
)

_WAYS = {
    "cls from content": "[CLS], foretold from the mean of the content tokens",
    "content from cls": "The mean of the content tokens, foretold from [CLS]",
}
"""Direction -> which vector is predicted, and from which."""


def section(view: View) -> Section | None:
    """Return the predictability of [CLS] by layer, and what attention adds to it."""
    parts = [part for part in (_predictability(view), _attention(view), token_shares(view)) if part is not None]
    return Section("How [CLS] fills", "fills", tuple(predictability_sentences(view)), tuple(parts)) if parts else None


def predictability_sentences(view: View) -> Iterator[str]:
    """Yield how well the content tokens predict [CLS], before and after fine-tuning, beside an untrained encoder."""
    claims = view.stated("cls_predictability")
    before = next((claim for claim in claims if item(claim, "model") == "pretrained"), None)
    if before is not None:
        yield _highest_sentence(view, before)
        yield _last_sentence(view, before)
    fine_tuned = (*wording.READS, "checkpoint")
    after = list[str]()
    for claim in claims:
        model = item(claim, "model")
        if model in fine_tuned:
            after.append(f"{wording.head(model)} {_r2(view, claim, 'last_r2')}")
    if after:
        yield f"After fine-tuning, at the last layer: {listing(after)}."


def _highest_sentence(view: View, claim: Claim) -> str:
    """Return from which layer on [CLS] is predicted, and where R² is highest."""
    first_layer = item(claim, "first_layer")
    start = "At no layer" if first_layer is None else f"From layer {first_layer} on"
    table = view.table("cls_predictability")
    over = "" if table is None else f", on {count(table['n'].max())} texts"
    best_layer = item(claim, "best_layer")
    highest = _r2(view, claim, "best_r2", layer=best_layer)
    return (
        f"{start} more than half of what varies in [CLS] can be foretold from the mean of the text's own tokens "
        f"(held-out R²{over}; highest, {highest}, at layer {best_layer})."
    )


def _last_sentence(view: View, claim: Claim) -> str:
    """Return R² at the last layer, beside an untrained encoder and shuffled pairs."""
    untrained = value(claim, "untrained_last_r2")
    shuffled = value(claim, "shuffled_last")
    references = list[str]()
    if not math.isnan(untrained):
        random = _r2(view, claim, "untrained_last_r2", model="untrained")
        references.append(f"{random} in an untrained encoder")
    if not math.isnan(shuffled):
        references.append(f"{decimal(shuffled, 2)} for shuffled pairs")
    comparison = f", {listing(references)}" if references else ""
    sentence = f"At the last layer R² is {_r2(view, claim, 'last_r2')}{comparison}"
    if untrained >= value(claim, "last_r2"):
        return f"{sentence}: random weights fill it as far; that it fills is no sign of training."
    return f"{sentence}."


def _r2(view: View, claim: Claim, key: str, *, model: object = None, layer: object = None) -> str:
    """Return an R² of a claim with its interval, by default that of the claim's own model at the last layer."""
    site = {
        "model": model or item(claim, "model"),
        "layer": view.result.provenance.n_layers if layer is None else layer,
    }
    limits = view.limits("cls_predictability", direction="cls from content", **site)
    ends = between(limits)
    r2 = decimal(value(claim, key), 2)
    return r2 if ends == wording.MISSING else f"{r2} ({ends})"


def attention_sentences(view: View) -> Iterator[str]:
    """Yield the share that attention adds to [CLS] from itself and from content, in the first and the last block."""
    for claim in view.stated("attention_contributions", model="pretrained"):
        last = view.result.provenance.n_layers
        own_shares = [
            f"{percent(value(claim, key))}{_bounds(view, layer, '[CLS]')}"
            for key, layer in (("own_share_first", 1), ("own_share_last", last))
        ]
        content = f"{percent(value(claim, 'content_share_last'))}{_bounds(view, last, 'content')}"
        yield (
            f"Of what attention adds to [CLS] its own state makes {own_shares[0]} in the first block and "
            f"{own_shares[1]} in the last, where content tokens make {content}."
        )


def _bounds(view: View, layer: int, kind: str) -> str:
    bounds = view.limits("attention_contributions", model="pretrained", layer=layer, kind=kind)
    return "" if bounds is None else f" ({interval(bounds)})"


def _predictability(view: View) -> Part | None:
    """Return R² in both directions, by layer."""
    predictability = view.table("cls_predictability")
    if predictability is None:
        return None
    directions = rows_by_group(predictability, "direction", "r2")
    drawings = [_r2_chart(number, direction, rows, predictability) for number, direction, rows in directions]
    rows = list[tuple[str, ...]]()
    for row in predictability.itertuples():
        cells = (
            sentence(wording.model(row.model)),
            name(row.direction),
            str(row.layer),
            decimal(row.r2),
            decimal(row.shuffled),
            count(row.n),
        )
        rows.append(cells)
    heading = ("encoder", "foretold", "layer", "R²", "shuffled pairs", "texts")
    shape = columns(*heading, numeric=heading[2:])
    table = Table("By ridge regression, a mean over dimensions.", rows=tuple(rows), folded=True, **shape)
    note = (
        "R² is the share of the variance between texts that ridge regression foretells on held-out texts, a mean over "
        "the vector's dimensions. At layer 0 [CLS] does not vary: there is nothing to foretell."
    )
    return Part("Does the content of the text stand in it?", (), tuple(drawings), (table,), notes=(note,))


def _r2_chart(number: int, direction: str, rows: pd.DataFrame, predictability: pd.DataFrame) -> Drawing:
    """Return R² by layer in one direction, with that of shuffled pairs as a floor."""
    points = points_by_layer(rows, "r2")
    of_direction = predictability[predictability["direction"] == direction]
    chance = of_direction.groupby("layer", as_index=False)["shuffled"].mean().dropna()
    shuffled = chance.rename(columns={"layer": "x", "shuffled": "value"}).assign(series="shuffled")
    styles = styles_of_models(points["series"])
    styles["shuffled"] = Style("shuffled pairs", MUTED, floor="dotted")
    direction_name = name(direction)
    words = ChartWords(
        anchor=f"fills-{number}",
        title=f"R² by layer: {_WAYS.get(direction, direction_name)}",
        caption=f"{_WAYS.get(direction, sentence(direction_name))}.",
    )
    options = LineOptions("R² on held-out texts")
    return line_chart(points, styles, words, options, write=two_digits, reference=shuffled)


def _attention(view: View) -> Part | None:
    """Return the share that attention adds to [CLS] from each kind of token, by block."""
    contributions = view.table("attention_contributions")
    if contributions is None:
        return None
    drawings = list[Drawing]()
    for number, (model, rows) in enumerate(contributions.groupby("model", sort=False), start=1):
        encoder = wording.model(model)
        title = f"What each kind of token adds to [CLS], by block, {encoder}"
        quantity = "share added to [CLS], %"
        drawings += share_bars(rows, f"added-{number}", title, encoder, quantity=quantity, across="block")
    table = shares_table(contributions, "model", "Share of the summed norms of what each token adds; 95 % intervals.")
    note = (
        "Norms of the vectors that attention moves, not attention weights: a token may be attended to and bring next "
        "to nothing (Kobayashi et al. 2020). Layer l is here the l-th block."
    )
    sentences = tuple(attention_sentences(view))
    return Part("What does attention add to it?", sentences, tuple(drawings), (table,), notes=(note,))
