"""What goes into [CLS] and what comes back: the loss through it, the content in it, the decision over it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import attributions, classifier
from reports.charts.canvas import MUTED, Label
from reports.lookup import View, by_head, item, value
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, name, percent, sentence


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
    svg = attributions.shares(own, label, shown=f"{called}: {shown}", across=across)
    yield Drawing(svg, f"{title}.")


def shares_table(found: pd.DataFrame, whose: str, caption: str) -> Table:
    """A row for each encoder or head and layer, a column for each kind of token."""
    kinds = [kind for kind in reversed(attributions.KINDS) if kind in set(found["kind"])]
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


def fills(view: View) -> Section | None:
    """How [CLS] fills, by layer: content foretold from it and it from content; what attention adds to it."""
    parts = [part for part in (_foretold(view), _added(view), _sits(view)) if part is not None]
    return Section("How [CLS] fills", "fills", tuple(filling(view)), tuple(parts)) if parts else None


def filling(view: View) -> Iterator[str]:
    """How far the content foretells [CLS], before and after, and beside what an untrained encoder does."""
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
        beside = [f"{random} in an untrained encoder"] if untrained == untrained else []
        if (shuffled := value(before, "shuffled_last")) == shuffled:
            beside.append(f"{decimal(shuffled, 2)} for shuffled pairs")
        end += f", {listing(beside)}" if beside else ""
        yield end + (
            ": random weights fill it as far; that it fills is no sign of training." if untrained >= last else "."
        )
    after = [c for c in claims if item(c, "model") in wording.READS or item(c, "model") == "checkpoint"]
    if after:
        told = (f"{wording.head(item(c, 'model'))} {_r2(view, c, 'last_r2')}" for c in after)
        yield f"After fine-tuning, at the last layer: {listing(told)}."


def _r2(view: View, claim: Claim, key: str, *, model: object = None, layer: object = None) -> str:
    """How well [CLS] is foretold, of a claim's own model and at the last layer unless said, with its interval."""
    at = {
        "model": model or item(claim, "model"),
        "layer": view.result.provenance.n_layers if layer is None else layer,
    }
    ends = between(view.limits("cls_predictability", direction="cls from content", **at))
    return decimal(value(claim, key), 2) + ("" if ends == wording.MISSING else f" ({ends})")


def attending(view: View) -> Iterator[str]:
    """What attention adds to [CLS] from itself and from content, in the first and the last block."""
    for claim in view.stated("attention_contributions", model="pretrained"):
        last = view.result.provenance.n_layers
        own = [
            f"{percent(value(claim, key))}{_bounds(view, layer, '[CLS]')}"
            for key, layer in (("own_share_first", 1), ("own_share_last", last))
        ]
        content = f"{percent(value(claim, 'content_share_last'))}{_bounds(view, last, 'content')}"
        yield (
            f"Of what attention adds to [CLS] its own state makes {own[0]} in the first block and {own[1]} in the "
            f"last, where content tokens make {content}."
        )


def _bounds(view: View, layer: int, kind: str) -> str:
    bounds = view.limits("attention_contributions", model="pretrained", layer=layer, kind=kind)
    return "" if bounds is None else f" ({interval(bounds)})"


_WAYS = {
    "cls from content": "[CLS], foretold from the mean of the content tokens",
    "content from cls": "The mean of the content tokens, foretold from [CLS]",
}
"""Direction -> what is foretold from what."""


def _foretold(view: View) -> Part | None:
    """R2 in both directions, by layer."""
    found = view.table("cls_predictability")
    if found is None:
        return None
    drawings = list[Drawing]()
    for i, (way, own) in enumerate(found.groupby("direction", sort=False), start=1):
        known = own[own["r2"].notna()]
        if known["layer"].nunique() < 2:
            continue
        frame = known.rename(columns={"model": "series", "layer": "x", "r2": "value"})[["series", "x", "value"]]
        chance = own.groupby("layer", as_index=False)["shuffled"].mean().dropna()
        shuffled = chance.rename(columns={"layer": "x", "shuffled": "value"}).assign(series="shuffled")
        styles = classifier.of_models(list(dict.fromkeys(frame["series"])))
        styles["shuffled"] = classifier.Style("shuffled pairs", MUTED, floor=True)
        told = (f"{styles[r.series].shown} layer {r.x} {decimal(r.value, 2)}" for r in frame.itertuples())
        label = Label(f"fills-{i}", f"R² by layer: {_WAYS.get(str(way), name(way))}", f"{'; '.join(told)}.")
        svg = classifier.lines(pd.concat([frame, shuffled]), styles, label, shown="R² on held-out texts")
        drawings.append(Drawing(svg, f"{_WAYS.get(str(way), sentence(name(way)))}."))
    rows = tuple(
        (
            sentence(wording.model(r.model)),
            name(r.direction),
            str(r.layer),
            decimal(r.r2),
            decimal(r.shuffled),
            count(r.n),
        )
        for r in found.itertuples()
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


def _added(view: View) -> Part | None:
    """What attention adds to [CLS], by kind of token and block."""
    found, drawings = view.table("attention_contributions"), list[Drawing]()
    if found is None:
        return None
    for i, (key, own) in enumerate(found.groupby("model", sort=False), start=1):
        title = f"What each kind of token adds to [CLS], by block, {wording.model(key)}"
        shown = "share added to [CLS], %"
        drawings += stacked(own, f"added-{i}", title, wording.model(key), shown=shown, across="block")
    table = shares_table(found, "model", "Share of the summed norms of what each token adds; 95 % intervals.")
    note = (
        "Norms of the vectors that attention moves, not attention weights: a token may be attended to and bring next "
        "to nothing (Kobayashi et al. 2020). Layer l is here the l-th block."
    )
    return Part("What does attention add to it?", tuple(attending(view)), tuple(drawings), (table,), notes=(note,))


def _sits(view: View) -> Part | None:
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
