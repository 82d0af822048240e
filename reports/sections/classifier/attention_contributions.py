"""Attention contributions: what attention adds to [CLS] from each kind of token, by block."""

from __future__ import annotations

from collections.abc import Iterator

from reports.blocks import Drawing, Part
from reports.lookup import View, value
from reports.sections.classifier.gradient_flow import share_bars, shares_table
from reports.text import wording
from reports.text.wording import interval, percent


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


def part(view: View) -> Part | None:
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
