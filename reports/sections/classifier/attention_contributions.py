"""Attention contributions: the share of each kind of token in what attention adds to [CLS]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from reports.blocks import Drawing, Panels, Part, Section
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import styles_of_models
from reports.lookup import View, n_of_table, value
from reports.sections.classifier.gradient_flow import shares_table
from reports.sections.classifier.panel_rows import RowWords, kind_legend, line_drawings, share_drawings
from reports.sections.small_multiples import in_points, legend
from reports.text import wording
from reports.text.wording import confidence, name, percent, sample_size

NOTES = (
    "Norms of the vectors that attention moves, not attention weights: a token may be attended to and contribute next "
    "to nothing (Kobayashi et al. 2020). Block l is the l-th block of the encoder.",
)
COMPARED_KINDS = ("[CLS]", "content")
"""Kinds of token whose change by fine-tuning is drawn; the table has all."""
PRETRAINED = "pretrained"


def section(view: View) -> Section | None:
    """Return the shares in the pretrained encoder, and what fine-tuning changes of them."""
    contributions = view.table("attention_contributions")
    if contributions is None:
        return None
    table = shares_table(
        contributions, "model", "Share of the summed norms of what each token adds; in brackets 95 % CI."
    )
    part = Part(panels=_panels(contributions), tables=(table,))
    return Section("Attention contributions to [CLS]", "attention", tuple(attention_sentences(view)), (part,), NOTES)


def attention_sentences(view: View) -> Iterator[str]:
    """Yield the share that attention adds to [CLS] from itself and from content, in the first and the last block."""
    table = view.table("attention_contributions")
    for claim in view.stated("attention_contributions", model=PRETRAINED):
        last = view.result.provenance.n_layers
        first_share = f"{percent(value(claim, 'own_share_first'))}{_limits(view, 1, '[CLS]')}"
        last_share = f"{percent(value(claim, 'own_share_last'))}{_limits(view, last, '[CLS]')}"
        content_share = f"{percent(value(claim, 'content_share_last'))}{_limits(view, last, 'content')}"
        sample = "" if table is None else sample_size(n_of_table(table))
        yield (
            f"Of what attention adds to [CLS] in the pretrained encoder, its own state contributes {first_share} in "
            f"block 1 and {last_share} in block {last}, where content tokens contribute {content_share}{sample}."
        )


def _limits(view: View, layer: int, kind: str) -> str:
    limits = view.limits("attention_contributions", model=PRETRAINED, layer=layer, kind=kind)
    return confidence(limits, before=" ")


def _panels(contributions: pd.DataFrame) -> tuple[Panels, ...]:
    """Return the shares in one encoder as bars, the pretrained one where it is there, and the changes as lines."""
    models = list(dict.fromkeys(contributions["model"]))
    reference = PRETRAINED if PRETRAINED in models else models[0]
    shares = {f"{wording.model(reference)} (%)": contributions[contributions["model"] == reference]}
    words = RowWords("added", "Share of what attention adds to [CLS], by block", "")
    bars = share_drawings(shares, words, x_title="block")
    changes = _changes(contributions)
    lines = _change_drawings(changes)
    if not bars and not lines:
        return ()
    caption = f"Share of what attention adds to [CLS], by block{sample_size(n_of_table(contributions))}."
    entries = list(kind_legend(shares)) if bars else []
    if lines:
        caption += " Lines: share minus that in the pretrained encoder, paired by text; bands: 95 % CI."
        entries += legend(styles_of_models(pd.concat(changes.values())["series"]))
    return (Panels((*bars, *lines), caption, tuple(entries)),)


def _changes(contributions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return heading of a panel -> differences of the fine-tuned encoders from the pretrained one, in points."""
    names = {
        "model": "series",
        "layer": "x",
        "difference": "value",
        "difference_lower": "lower",
        "difference_upper": "upper",
    }
    if not {*names} <= set(contributions):
        return {}
    is_compared = contributions["difference"].notna() & (contributions["model"] != "untrained")
    frame = contributions.loc[is_compared, [*names, "kind"]].rename(columns=names)
    frame = in_points(frame)
    changes = dict[str, pd.DataFrame]()
    for kind in COMPARED_KINDS:
        rows = frame[frame["kind"] == kind]
        if len(rows):
            changes[f"{name(kind)}, change (points)"] = rows
    return changes


def _change_drawings(changes: Mapping[str, pd.DataFrame]) -> tuple[Drawing, ...]:
    if not changes:
        return ()
    words = RowWords("changed-share", "Change of the share of what attention adds to [CLS], by block", "")
    options = PanelOptions(shared_limits(changes.values(), 0.0), x_title="block", zero=True)
    styles = styles_of_models(pd.concat(changes.values())["series"])
    return line_drawings(changes, styles, options, words)
