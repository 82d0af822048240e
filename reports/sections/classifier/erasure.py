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
    "Erasure by LEACE, fitted on the training texts: the smallest change after which no linear classifier predicts the "
    "label of those texts. For [CLS] that one state is changed; for mean every token's state, by the same affine map.",
    "Random subspaces have equal rank and equal mean displacement; shuffled: LEACE for a label that is shuffled over "
    "the texts. Damage by any erasure would be as large.",
    "A loss can exceed the distance to the majority class: the changed state then leads to wrong predictions.",
    f"{SIGN} Each loss is the loss through that vector only. A head may read the label again from other tokens, whose "
    "states are unchanged: a small loss does not show that the head never uses it.",
    "The most sensitive site is chosen on the same texts, so that its loss is overestimated somewhat.",
)
_HEADING = (
    *("head", "vector", "layer", "V-information, bits", "95 % CI (bits)", "loss, points", "95 % CI (points)"),
    *("random, lowest to highest", "shuffled", "log loss added, bits"),
)
USES = {"used": "yes", "unused": "no", "not_decodable": "not decodable"}
"""Whether a head uses a label at a site -> cell of the table."""
RANDOM = "random "
"""Beginning of the series of losses by random subspaces."""
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
        n_texts = n_of_claims(of_label)
        sample = sample_size(n_texts)
        for outcome, opening in OPENINGS.items():
            costs = [_cost(claim) for claim in of_label if claim.outcome == outcome]
            listed = listing(costs)
            if costs:
                yield sentence(f"{subject}{opening}: {listed}{sample}.")


OPENINGS = {
    "above": "the label is used: loss of test accuracy by erasing it at the most sensitive site",
    "cannot_tell": "the loss by erasing the label does not differ significantly from that by random subspaces",
    "below": "erasing the label costs less than random subspaces: loss of test accuracy",
}
"""Outcome against random subspaces -> the beginning of the sentence on the heads that have it."""


def _cost(claim: Claim) -> str:
    """Return `38.6 points for the [CLS] head ([CLS], layer 6; minus random subspaces 38.2 [35.5, 40.9])`."""
    loss = value(claim, "accuracy_loss")
    random = value(claim, "random")
    comparison = ""
    if not math.isnan(random):
        limits = confidence(claim.interval, before=" ")
        excess = wording.unsigned_points(loss - random)
        comparison = f"; minus random subspaces {excess}{limits}"
    head = wording.head(item(claim, "head"))
    head_loss = wording.unsigned_points(loss)
    return f"{head_loss} points for {head} ({site(claim)}{comparison})"


def site(claim: Claim) -> str:
    """Return the site of a claim as `[CLS], layer 6`."""
    pooling = wording.pooling(str(item(claim, "pooling")))
    layer = name(item(claim, "layer"))
    return f"{pooling}, layer {layer}"


def unused_sentence(view: View) -> Iterator[str]:
    """Yield at how many sites a probe reads the first label although its erasure costs no more than random erasure."""
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
            f"shown to cost more than random subspaces at {shares} (“no” in the table: the 95 % CI of the loss reaches "
            "down to the largest loss by a random subspace at the same site, or to 0)."
        )


def _layer_row(view: View, erasures: pd.DataFrame, anchor: str) -> tuple[Panels, ...]:
    """Return the loss by layer, a panel for each head, beside the largest loss by a random subspace at each site."""
    measured = erasures[erasures["accuracy_loss"].notna()]
    names = {"pooling": "series", "layer": "x", "accuracy_loss": "value"}
    frame = in_points(measured.rename(columns=names))
    is_leace = frame["eraser"] == "leace"
    is_random = frame["eraser"] == "random"
    random = frame[is_random].groupby(["head", "series", "x"], sort=False)["value"].max().reset_index()
    random["series"] = RANDOM + random["series"].astype(str)
    columns_of_line = ["head", "series", "x", "value", "lower", "upper"]
    lines = frame.loc[is_leace, columns_of_line]
    styles = pooling_styles(view, frame["series"])
    reference = ""
    if len(random):
        lines = pd.concat([lines, random])
        styles |= _random_styles(styles)
        reference = " Dashed: largest loss by a random subspace at the same layer and vector."
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


def _random_styles(styles: Mapping[str, Style]) -> dict[str, Style]:
    """Return the styles of the losses by random subspaces: that of the same vector, dashed."""
    dashed = dict[str, Style]()
    for key, style in styles.items():
        dashed[RANDOM + key] = Style(f"{style.name}, random", style.colour, floor="dashed")
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
    random = _control_losses(erasures, "random")
    shuffled = _control_losses(erasures, "shuffled")
    for row in erasures[erasures["eraser"] == "leace"].itertuples():
        key = (row.pooling, row.layer)
        random_losses = random.get(key)
        random_range = None
        if random_losses is not None:
            random_range = (random_losses.min(), random_losses.max())
        shuffled_losses = shuffled.get(key)
        shuffled_mean = None if shuffled_losses is None else shuffled_losses.mean()
        use = (USES.get(str(row.use), MISSING),) if "use" in erasures else ()
        yield (
            sentence(wording.short_head(head)),
            wording.pooling(row.pooling),
            str(row.layer),
            two_digits(row.v_information),
            confidence((row.v_lower, row.v_upper), scale=1, digits=2),
            unsigned_points(row.accuracy_loss),
            confidence((row.lower, row.upper)),
            wording.interval(random_range),
            unsigned_points(shuffled_mean),
            two_digits(row.information_loss),
            *use,
        )


def _control_losses(erasures: pd.DataFrame, eraser: str) -> dict[tuple[str, int], pd.Series[float]]:
    """Return site -> losses by the draws of a control."""
    losses_by_site: dict[tuple[str, int], pd.Series[float]] = {}
    of_eraser = erasures[erasures["eraser"] == eraser]
    for (pooling, layer), rows in of_eraser.groupby(["pooling", "layer"]):
        losses_by_site[pooling, layer] = rows["accuracy_loss"]
    return losses_by_site
