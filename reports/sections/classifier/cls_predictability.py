"""Content of [CLS]: its predictability from the other tokens, and what attention adds to it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import lines
from reports.charts.canvas import MUTED, Label
from reports.charts.lines import LineOptions
from reports.charts.styles import Style, styles_of_models
from reports.lookup import View, item, value
from reports.sections.classifier.gradient_flow import share_bars, shares_table, token_shares
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
    before = next((c for c in claims if item(c, "model") == "pretrained"), None)
    if before is not None:
        first, least = item(before, "first_layer"), "more than half of what varies in [CLS]"
        n = view.table("cls_predictability")
        over = "" if n is None else f", on {count(n['n'].max())} texts"
        starts = f"From layer {first} on" if first is not None else "At no layer"
        yield (
            f"{starts} {least} can be foretold from the mean of the text's own tokens (held-out R²{over}; highest, "
            f"{_r2(view, before, 'best_r2', layer=item(before, 'best_layer'))}, at layer "
            f"{item(before, 'best_layer')})."
        )
        last, untrained = value(before, "last_r2"), value(before, "untrained_last_r2")
        end = f"At the last layer R² is {_r2(view, before, 'last_r2')}"
        random = _r2(view, before, "untrained_last_r2", model="untrained")
        references = [f"{random} in an untrained encoder"] if untrained == untrained else []
        if (shuffled := value(before, "shuffled_last")) == shuffled:
            references.append(f"{decimal(shuffled, 2)} for shuffled pairs")
        end += f", {listing(references)}" if references else ""
        yield end + (
            ": random weights fill it as far; that it fills is no sign of training." if untrained >= last else "."
        )
    after = [c for c in claims if item(c, "model") in wording.READS or item(c, "model") == "checkpoint"]
    if after:
        by_model = (f"{wording.head(item(c, 'model'))} {_r2(view, c, 'last_r2')}" for c in after)
        yield f"After fine-tuning, at the last layer: {listing(by_model)}."


def _r2(view: View, claim: Claim, key: str, *, model: object = None, layer: object = None) -> str:
    """Return an R² of a claim with its interval, by default that of the claim's own model at the last layer."""
    at = {
        "model": model or item(claim, "model"),
        "layer": view.result.provenance.n_layers if layer is None else layer,
    }
    ends = between(view.limits("cls_predictability", direction="cls from content", **at))
    return decimal(value(claim, key), 2) + ("" if ends == wording.MISSING else f" ({ends})")


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
    drawings = list[Drawing]()
    for i, (direction, of_direction) in enumerate(predictability.groupby("direction", sort=False), start=1):
        measured = of_direction[of_direction["r2"].notna()]
        if measured["layer"].nunique() < 2:
            continue
        frame = measured.rename(columns={"model": "series", "layer": "x", "r2": "value"})[["series", "x", "value"]]
        chance = of_direction.groupby("layer", as_index=False)["shuffled"].mean().dropna()
        shuffled = chance.rename(columns={"layer": "x", "shuffled": "value"}).assign(series="shuffled")
        styles = styles_of_models(frame["series"])
        styles["shuffled"] = Style("shuffled pairs", MUTED, floor="dotted")
        descriptions = (f"{styles[r.series].name} layer {r.x} {decimal(r.value, 2)}" for r in frame.itertuples())
        label = Label(
            f"fills-{i}", f"R² by layer: {_WAYS.get(str(direction), name(direction))}", f"{'; '.join(descriptions)}."
        )
        svg = lines.lines(pd.concat([frame, shuffled]), styles, label, LineOptions("R² on held-out texts"))
        drawings.append(Drawing(svg, f"{_WAYS.get(str(direction), sentence(name(direction)))}."))
    rows = tuple(
        (
            sentence(wording.model(r.model)),
            name(r.direction),
            str(r.layer),
            decimal(r.r2),
            decimal(r.shuffled),
            count(r.n),
        )
        for r in predictability.itertuples()
    )
    heading = ("encoder", "foretold", "layer", "R²", "shuffled pairs", "texts")
    table = Table(
        "By ridge regression, a mean over dimensions.", rows=rows, folded=True, **columns(*heading, numeric=heading[2:])
    )
    note = (
        "R² is the share of the variance between texts that ridge regression foretells on held-out texts, a mean over "
        "the vector's dimensions. At layer 0 [CLS] does not vary: there is nothing to foretell."
    )
    return Part("Does the content of the text stand in it?", (), tuple(drawings), (table,), notes=(note,))


def _attention(view: View) -> Part | None:
    """Return the share that attention adds to [CLS] from each kind of token, by block."""
    contributions, drawings = view.table("attention_contributions"), list[Drawing]()
    if contributions is None:
        return None
    for i, (model, of_model) in enumerate(contributions.groupby("model", sort=False), start=1):
        title = f"What each kind of token adds to [CLS], by block, {wording.model(model)}"
        quantity = "share added to [CLS], %"
        drawings += share_bars(of_model, f"added-{i}", title, wording.model(model), quantity=quantity, across="block")
    table = shares_table(contributions, "model", "Share of the summed norms of what each token adds; 95 % intervals.")
    note = (
        "Norms of the vectors that attention moves, not attention weights: a token may be attended to and bring next "
        "to nothing (Kobayashi et al. 2020). Layer l is here the l-th block."
    )
    return Part(
        "What does attention add to it?", tuple(attention_sentences(view)), tuple(drawings), (table,), notes=(note,)
    )
