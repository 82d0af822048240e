"""Predictability of [CLS] from the content tokens, and of their mean from [CLS]."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.canvas import MUTED
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import Style, styles_of_models
from reports.lookup import View, item, n_of_table, value
from reports.sections.classifier.panel_rows import RowWords, line_row
from reports.text import wording
from reports.text.wording import confidence, count, decimal, listing, name, sample_size, sentence

DIRECTIONS = {
    "cls from content": "[CLS] from the content tokens",
    "content from cls": "content tokens from [CLS]",
}
"""Direction -> which vector is predicted, and from which."""
NOTES = (
    "R² is the share of the variance between texts that ridge regression predicts on held-out texts, a mean over the "
    "vector's dimensions. At layer 0 [CLS] does not vary between texts, and R² is not defined.",
)
_HEADING = ("encoder", "predicted", "layer", "R²", "shuffled pairs", "texts")


def section(view: View) -> Section | None:
    """Return R² in both directions, by layer."""
    predictability = view.table("cls_predictability")
    sentences = tuple(predictability_sentences(view))
    if predictability is None:
        return None
    part = Part(panels=_panels(predictability), tables=(_table(predictability),))
    return Section("Can [CLS] be predicted from the content tokens?", "fills", sentences, (part,), NOTES)


def predictability_sentences(view: View) -> Iterator[str]:
    """Yield how well the content tokens predict [CLS], before and after fine-tuning, beside an untrained encoder."""
    claims = view.stated("cls_predictability")
    before = next((claim for claim in claims if item(claim, "model") == "pretrained"), None)
    if before is not None:
        yield _pretrained_sentence(view, before)
    fine_tuned = (*wording.READS, "checkpoint")
    after = list[str]()
    for claim in claims:
        model = item(claim, "model")
        if model in fine_tuned:
            after.append(f"{_r2(view, claim, 'last_r2')} with {wording.head(model)}")
    if after:
        yield f"After fine-tuning, at layer {view.result.provenance.n_layers}: {listing(after)}."


def _pretrained_sentence(view: View, claim: Claim) -> str:
    """Return R² in the pretrained encoder, beside an untrained encoder and shuffled pairs."""
    table = view.table("cls_predictability")
    sample = "" if table is None else sample_size(n_of_table(table))
    best_layer = item(claim, "best_layer")
    highest = _r2(view, claim, "best_r2", layer=best_layer)
    last = view.result.provenance.n_layers
    opening = (
        f"Held-out R² of [CLS] from the mean of the content tokens in the pretrained encoder: at most {highest}, at "
        f"layer {best_layer}; {_r2(view, claim, 'last_r2')} at layer {last}{sample}"
    )
    references = list[str]()
    shuffled = value(claim, "shuffled_last")
    if not math.isnan(shuffled):
        references.append(f"shuffled pairs {decimal(round(shuffled, 2), 2)}")
    untrained = value(claim, "untrained_last_r2")
    if not math.isnan(untrained):
        reached = _r2(view, claim, "untrained_last_r2", model="untrained")
        is_as_high = untrained >= value(claim, "last_r2")
        reason = ": high predictability alone is not evidence of training" if is_as_high else ""
        references.append(f"a randomly initialised encoder of the same architecture reaches {reached}{reason}")
    return f"{'; '.join((opening, *references))}."


def _r2(view: View, claim: Claim, key: str, *, model: object = None, layer: object = None) -> str:
    """Return an R² of a claim with its interval, by default that of the claim's own model at the last layer."""
    site = {
        "model": model or item(claim, "model"),
        "layer": view.result.provenance.n_layers if layer is None else layer,
    }
    limits = view.limits("cls_predictability", direction="cls from content", **site)
    r2 = decimal(value(claim, key), 2)
    return f"{r2}{confidence(limits, scale=1, digits=2, before=' ')}"


def _panels(predictability: pd.DataFrame) -> tuple[Panels, ...]:
    """Return R² by layer, a panel for each direction, with that of shuffled pairs as a floor."""
    frames = dict[str, pd.DataFrame]()
    for direction, rows in predictability.groupby("direction", sort=False):
        chance = rows.groupby("layer", as_index=False)["shuffled"].mean().dropna()
        floor = chance.rename(columns={"layer": "x", "shuffled": "value"}).assign(series="shuffled")
        names = {"model": "series", "layer": "x", "r2": "value"}
        line = rows.rename(columns=names)
        line = line[["series", "x", "value"]]
        heading = DIRECTIONS.get(str(direction), name(direction))
        frames[heading] = pd.concat([line, floor])
    models = list(dict.fromkeys(predictability["model"]))
    styles = {**styles_of_models(models), "shuffled": Style("shuffled pairs", MUTED, floor="dashed")}
    words = RowWords(
        "fills",
        "R² by layer",
        f"R² of ridge regression on held-out texts, by layer{sample_size(n_of_table(predictability))}.",
    )
    options = PanelOptions(shared_limits(frames.values(), 0.0, 1.0), digits=2)
    return line_row(frames, styles, options, words)


def _table(predictability: pd.DataFrame) -> Table:
    """Return every number, a row for each encoder, direction and layer."""
    rows = list[tuple[str, ...]]()
    for row in predictability.itertuples():
        cells = (
            sentence(wording.model(row.model)),
            DIRECTIONS.get(str(row.direction), name(row.direction)),
            str(row.layer),
            decimal(round(row.r2, 2), 2),
            decimal(round(row.shuffled, 2), 2),
            count(row.n),
        )
        rows.append(cells)
    return Table("Held-out R².", rows=tuple(rows), folded=True, **columns(*_HEADING, numeric=_HEADING[2:]))
