"""Representation geometry, whatever the labels: spread, anisotropy and similarity of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.blocks import Drawing, Panels, Part, Section
from reports.charts import lines, panels
from reports.charts.canvas import Label
from reports.charts.panels import PanelOptions, shared_limits
from reports.lookup import View, value
from reports.sections.probing import cka
from reports.sections.small_multiples import description, legend, pooling_styles
from reports.text import wording
from reports.text.wording import decimal, listing, sample_size

if TYPE_CHECKING:
    import pandas as pd

CONSTANT = 1 - 1e-9
"""Anisotropy from which on all texts have one vector, as they have in [CLS] at layer 0."""


NOTES = (
    "Relative spread: root mean square distance of the texts' vectors from their mean, divided by its norm.",
    "Anisotropy: mean cosine between the vectors of different texts; 0 where directions are spread evenly, 1 where all "
    "point one way (Ethayarajh 2019).",
    "Linear CKA: 1 where two layers place the texts alike, up to rotation and scale (Kornblith et al. 2019). Its "
    "floor is the mean with the texts of one layer permuted.",
)


def section(view: View) -> Section | None:
    """Return spread and anisotropy of the vectors by layer, and how alike the layers are."""
    parts = [part for part in (_spread(view), cka.part(view)) if part is not None]
    sentences = list[str]()
    claim = view.claim("cls_spread")
    if claim is not None:
        first_layer = int(value(claim, "first_layer"))
        last_spread = decimal(value(claim, "last_spread"), 2)
        sentences.append(
            "[CLS] is the same vector for every text at layer 0; its text-specific content arrives through attention, "
            f"from layer {first_layer} on (relative spread at the last layer {last_spread})."
        )
    sentences += cka.largest_change(view)
    if not parts and not sentences:
        return None
    verdict = (" ".join(sentences),) if sentences else ()
    notes = (*NOTES, *_constant_cls(view))
    return Section("Representation geometry", "encoder", verdict, tuple(parts), notes, folded=True)


def _constant_cls(view: View) -> tuple[str, ...]:
    """Return that the check of [CLS] at layer 0 passed, where it did for every label column."""
    outcomes = [claim.outcome for claim in view.every("constant_cls")]
    if set(outcomes) != {"holds"}:
        return ()
    return ("Check passed: at layer 0 the [CLS] vector is constant, and its probe predicts one class for every text.",)


def _spread(view: View) -> Part | None:
    """Return spread and anisotropy by layer."""
    spreads = view.table("cls_spread")
    cosines = view.table("anisotropy")
    drawings = list[Drawing]()
    if spreads is not None and spreads["layer"].nunique() > 1:
        phrases = list[str]()
        for row in spreads.itertuples():
            phrases.append(f"{row.pooling} layer {row.layer}: {decimal(row.relative_spread, 4)}")
        label = Label("spread", "Relative spread of the texts' vectors by layer", f"{'; '.join(phrases)}.")
        svg = lines.spread_by_layer(spreads, label)
        drawings.append(Drawing(svg, "Relative spread by layer, in powers of ten."))
    rows_of_panels = _anisotropy_panels(view, cosines)
    sentences = _directions(view, cosines)
    if not drawings and not rows_of_panels and not sentences:
        return None
    return Part(None, sentences, tuple(drawings), panels=rows_of_panels)


def _anisotropy_panels(view: View, cosines: pd.DataFrame | None) -> tuple[Panels, ...]:
    """Return anisotropy by layer; nothing for a single layer."""
    if cosines is None or cosines["layer"].nunique() < 2:
        return ()
    frame = cosines.rename(columns={"pooling": "series", "layer": "x", "anisotropy": "value"})
    styles = pooling_styles(view, frame["series"])
    options = PanelOptions(shared_limits([frame], 0.0), zero=True, digits=2)
    label = Label("anisotropy", "Anisotropy by layer", description(frame, styles, options))
    drawing = Drawing(panels.panel(frame, styles, label, options), "")
    caption = "Anisotropy (mean cosine between different texts) by layer. Dashed: 0."
    return (Panels((drawing,), caption, legend(styles)),)


def _directions(view: View, cosines: pd.DataFrame | None) -> tuple[str, ...]:
    """Return where anisotropy is lowest and where it is highest, for each vector."""
    ends = []
    telling = () if cosines is None else cosines[cosines["anisotropy"] < CONSTANT].groupby("pooling", sort=False)
    for key, rows in telling:
        low, high = (rows.loc[rows["anisotropy"].agg(which)] for which in ("idxmin", "idxmax"))
        at = [f"{decimal(row['anisotropy'])} (layer\u00a0{row['layer']})" for row in (low, high)]
        ends.append(f"{wording.pooling(str(key), random_pooler=view.random_pooler)} {' to '.join(dict.fromkeys(at))}")
    constant = cosines is not None and len(cosines) and bool((cosines["anisotropy"] >= CONSTANT).any())
    aside = " without the layers where all texts have one vector" if constant else ""
    sample = sample_size(view.n_test_texts)
    return (f"Anisotropy{aside}{sample}: {listing(ends)}.",) if ends else ()
