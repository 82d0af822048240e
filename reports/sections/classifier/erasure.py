"""Erasure: what a classifier loses when the label is erased from a vector, against what a probe reads of it there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import Style
from reports.lookup import View, by_head, item, n_of_claims, n_of_table, value
from reports.sections.classifier.ablation import two_digits
from reports.sections.classifier.panel_rows import RowWords, line_row
from reports.sections.small_multiples import in_points, pooling_styles
from reports.text import wording
from reports.text.wording import (
    MISSING,
    confidence,
    count,
    listing,
    name,
    plural,
    sample_size,
    sentence,
    unsigned_points,
)

SIGN = "Losses are points of test accuracy; a loss below 0 is a gain."
NOTES = (
    "Erasure by LEACE, fitted on the training texts with a shrunk covariance: after it no linear classifier predicts "
    "the label of those texts. For [CLS] that one state is changed; for mean every token's state, by the same affine "
    "map.",
    "Control: LEACE for labels that are shuffled over the texts (mean of several draws). Where it costs accuracy "
    "itself, the erasure is destructive, and the loss by the label is judged by the difference alone.",
    "Used: V-information on the label above 0, and the loss by the label minus that by the control above 0, by a 95 % "
    "CI that holds for all sites of a head and label at once; the most sensitive site may therefore be quoted. Heads "
    "and labels are not corrected for.",
    "Random subspace: equal rank, scaled to move the states equally far. Strength 1 would remove the parts along it; "
    "above 1 they are reversed, above 2 also enlarged.",
    "A loss can exceed the distance to the majority class: the changed state then leads to wrong predictions.",
    f"{SIGN} Each loss is the loss through that vector only. A head may read the label again from other tokens, whose "
    "states are unchanged: a small loss does not show that the head never uses it.",
)
_HEADING = (
    *("head", "vector", "layer", "V-information, bits", "95 % CI (bits)", "loss, points", "95 % CI (points)"),
    *("shuffled labels", "loss minus shuffled", "simultaneous 95 % CI", "random (strength)", "log loss added, bits"),
)
USES = {"used": "yes", "unused": "no", "not_decodable": "not decodable"}
"""Whether a head uses a label at a site -> cell of the table."""
CONTROL = "control "
"""Beginning of the series of losses by shuffled labels."""
PANEL_HEIGHT = 184.0
"""Pixels of a panel, so that the first screen is whole on a laptop."""


def loss_rows(view: View, anchor: str) -> tuple[Panels, ...]:
    """Return the losses by layer for the first label that was erased, as a row; none where nothing was erased.

    Args:
        view: Result.
        anchor: Beginning of the drawings' names on the page.
    """
    table = view.table("erasure")
    if table is None or not _has_leace(table):
        return ()
    is_first = table["label"] == table["label"].iloc[0]
    return _layer_row(view, table[is_first], anchor)


def _has_leace(erasures: pd.DataFrame) -> bool:
    return bool((erasures["eraser"] == "leace").any())


def section(view: View) -> Section | None:
    """Return the losses by layer of all heads and labels, without the figure that the first screen draws."""
    erasures = view.table("erasure")
    if erasures is None or not _has_leace(erasures):
        return None
    parts = list[Part]()
    has_several = erasures["label"].nunique() > 1
    is_drawn_first = bool(view.stated("fine_tuned_accuracy"))
    for number, (label, rows) in enumerate(erasures.groupby("label", sort=False), start=1):
        heading = f"Erased: {name(label)}" if has_several else None
        is_drawn = is_drawn_first and number == 1
        panels = () if is_drawn else _layer_row(view, rows, f"used-{number}")
        parts.append(Part(heading, panels=panels, tables=(_table(rows),)))
    sentences = (*verdict(view), *unused_sentence(view))
    return Section("Is the label used? Erasure (LEACE)", "used", sentences, tuple(parts), NOTES)


def verdict(view: View) -> Iterator[str]:
    """Yield what the erasure of each label costs the heads where it costs most, a sentence for each outcome."""
    claims = view.stated("erasure")
    labels = list(dict.fromkeys(item(claim, "label") for claim in claims))
    for label in labels:
        of_label = [claim for claim in claims if item(claim, "label") == label]
        subject = f"{name(label)}: " if len(labels) > 1 else ""
        n_texts = n_of_claims([claim for claim in of_label if claim.outcome in OPENINGS])
        sample = sample_size(n_texts)
        for outcome, opening in OPENINGS.items():
            costs = [_cost(claim) for claim in of_label if claim.outcome == outcome]
            listed = listing(costs)
            if costs:
                yield sentence(f"{subject}{opening}: {listed}{sample}.")
        heads = [wording.head(item(claim, "head")) for claim in of_label if claim.outcome == "not_decodable"]
        if heads:
            yield sentence(f"{subject}use is not tested for {listing(heads)}: no site has V-information above 0.")


OPENINGS = {
    "above": "the label is used: loss of test accuracy by erasing it at the most sensitive site",
    "cannot_tell": "the loss by erasing the label does not differ significantly from that by shuffled labels",
    "below": "erasing the label costs less than erasing shuffled labels: loss of test accuracy",
}
"""Outcome against shuffled labels -> the beginning of the sentence on the heads that have it."""


def _cost(claim: Claim) -> str:
    """Return `38.6 points for the [CLS] head ([CLS], layer 6; minus shuffled labels 38.2 [35.5, 40.9])`."""
    head = wording.head(item(claim, "head"))
    loss = wording.unsigned_points(value(claim, "accuracy_loss"))
    excess = wording.unsigned_points(value(claim, "difference"))
    limits = confidence(claim.interval, before=" ")
    destruction = ""
    if item(claim, "shuffled_outcome") == "above":
        cost = wording.unsigned_points(value(claim, "shuffled"))
        destruction = f"; the erasure itself is destructive here: shuffled labels cost {cost}"
    return f"{loss} points for {head} ({site(claim)}; minus shuffled labels {excess}{limits}{destruction})"


def site(claim: Claim) -> str:
    """Return the site of a claim as `[CLS], layer 6`."""
    pooling = wording.pooling(str(item(claim, "pooling")))
    layer = name(item(claim, "layer"))
    return f"{pooling}, layer {layer}"


def unused_sentence(view: View) -> Iterator[str]:
    """Yield at how many sites a probe reads the first label although its erasure is not shown to cost more."""
    claims = view.stated("unused_sites")
    heads_by_share = dict[str, list[str]]()
    labels = list(dict.fromkeys(item(claim, "label") for claim in claims))
    for claim in claims:
        n_readable = int(value(claim, "n_readable"))
        is_first = item(claim, "label") == labels[0]
        if n_readable and is_first:
            n_unused = count(value(claim, "n_unused"))
            sites = plural(n_readable, "site")
            head = wording.head(item(claim, "head"))
            heads = heads_by_share.setdefault(f"{n_unused} of {sites}", [])
            heads.append(head)
    if heads_by_share:
        phrases = list[str]()
        for share, heads in heads_by_share.items():
            listed = listing(heads)
            phrases.append(f"{share} for {listed}")
        shares = listing(phrases)
        label_name = name(labels[0]) if len(labels) > 1 else "the label"
        yield (
            f"Decodable is not always used: of the sites where a probe decodes {label_name}, erasing it is not "
            f"shown to cost more than erasing shuffled labels at {shares} (“no” in the table)."
        )


def _layer_row(view: View, erasures: pd.DataFrame, anchor: str) -> tuple[Panels, ...]:
    """Return the loss by layer, a panel for each head, beside that by shuffled labels at each site."""
    measured = erasures[erasures["accuracy_loss"].notna()]
    names = {"pooling": "series", "layer": "x", "accuracy_loss": "value"}
    frame = in_points(measured.rename(columns=names))
    is_leace = frame["eraser"] == "leace"
    control = frame.loc[frame["eraser"] == "mean shuffled", ["head", "series", "x", "value"]]
    columns_of_line = ["head", "series", "x", "value", "lower", "upper"]
    lines = frame.loc[is_leace, columns_of_line]
    styles = pooling_styles(view, frame["series"])
    reference = ""
    if len(control):
        names_of_control = CONTROL + control["series"].astype(str)
        lines = pd.concat([lines, control.assign(series=names_of_control)])
        styles |= _control_styles(styles)
        reference = " Dashed: mean loss by shuffled labels."
    frames = {wording.short_head(head): rows for head, rows in by_head(lines)}
    sample = sample_size(n_of_table(measured))
    words = RowWords(
        anchor,
        "Loss of test accuracy by layer where the label is erased, points",
        f"Loss of test accuracy (points) where the label is erased at one layer (LEACE){sample}. Bands: 95 % "
        f"CI.{reference}",
    )
    options = PanelOptions(shared_limits(frames.values(), 0.0), height=PANEL_HEIGHT)
    return line_row(frames, styles, options, words)


def _control_styles(styles: Mapping[str, Style]) -> dict[str, Style]:
    """Return the styles of the losses by shuffled labels: that of the same vector, dashed."""
    dashed = dict[str, Style]()
    for key, style in styles.items():
        dashed[CONTROL + key] = Style(f"{style.name}, shuffled", style.colour, floor="dashed")
    return dashed


def _table(erasures: pd.DataFrame) -> Table:
    """Return every number, a row for each head and site."""
    rows = list[tuple[str, ...]]()
    for head, of_head in by_head(erasures):
        rows += _site_rows(head, of_head)
    caption = f"Where the label is erased. {SIGN}"
    heading = (*_HEADING, "used") if "use" in erasures else _HEADING
    shape = columns(*heading, numeric=_HEADING[2:])
    return Table(caption, rows=tuple(rows), folded=True, summary=f"All {plural(len(rows), 'site')}", **shape)


def _site_rows(head: str, erasures: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield a row for each site."""
    by_eraser = {str(eraser): rows.set_index(["pooling", "layer"]) for eraser, rows in erasures.groupby("eraser")}
    erased = by_eraser.get("leace")
    for row in () if erased is None else erased.reset_index().itertuples():
        key = (row.pooling, row.layer)
        control = _at_site(by_eraser.get("mean shuffled"), key)
        excess = _at_site(by_eraser.get("leace - shuffled"), key)
        limits = [excess.get(f"simultaneous_{end}", math.nan) for end in ("lower", "upper")]
        random = _at_site(by_eraser.get("random"), key)
        use = (USES.get(str(row.use), MISSING),) if "use" in erasures else ()
        yield (
            sentence(wording.short_head(head)),
            wording.pooling(row.pooling),
            str(row.layer),
            two_digits(row.v_information),
            confidence((row.v_lower, row.v_upper), scale=1, digits=2),
            unsigned_points(row.accuracy_loss),
            confidence((row.lower, row.upper)),
            unsigned_points(control.get("accuracy_loss")),
            unsigned_points(excess.get("accuracy_loss")),
            confidence(limits),
            _with_strength(random),
            two_digits(row.information_loss),
            *use,
        )


def _at_site(rows: pd.DataFrame | None, site: tuple[str, int]) -> Mapping[str, float]:
    """Return the mean numbers of an eraser's draws at a site; none where it was not measured there."""
    if rows is None or site not in rows.index:
        return {}
    means: dict[str, float] = rows.loc[[site]].mean(numeric_only=True).astype(float).to_dict()
    return means


def _with_strength(random: Mapping[str, float]) -> str:
    """Return the loss by random subspaces with their strength, as `0.4 (1.8)`."""
    loss = unsigned_points(random.get("accuracy_loss"))
    strength = random.get("strength", math.nan)
    return loss if math.isnan(strength) else f"{loss} ({strength:.1f})"
