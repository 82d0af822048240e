"""Erasure: what a classifier loses when the label is erased from a vector, against what a probe reads of it there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, LegendEntry, Panels, Part, Section, Table, columns
from reports.charts import erasure_map
from reports.charts.canvas import Label
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import Style
from reports.lookup import View, by_head, item, n_of_claims, n_of_table, value
from reports.sections.classifier.panel_rows import RowWords, line_row
from reports.sections.small_multiples import in_points, legend, pooling_styles
from reports.text import wording
from reports.text.wording import confidence, count, decimal, listing, name, plural, points, sample_size, sentence

NOTES = (
    "Erasure by LEACE, fitted on the training texts: the smallest change after which no linear classifier predicts the "
    "label of those texts. For [CLS] that one state is changed; for mean every token's state, by the same affine map.",
    "Random subspaces have equal rank and equal mean displacement; shuffled: LEACE for a label that is shuffled over "
    "the texts. Damage by any erasure would be as large.",
    "Each loss is the loss through that vector only. A head may read the label again from other tokens, whose states "
    "are unchanged: a small loss does not show that the head never uses it.",
    "The most sensitive site is chosen on the same texts, so that its loss is overestimated somewhat.",
)
_HEADING = (
    *("head", "vector", "layer", "V-information, bits", "95 % CI (bits)", "loss, points", "95 % CI (points)"),
    *("random, lowest to highest", "shuffled", "log loss added, bits"),
)


def map_rows(view: View, anchor: str, task: str | None = None) -> tuple[Panels, ...]:
    """Return the erasure maps of all heads for one label column as a row; none where nothing was erased.

    Args:
        view: Result.
        anchor: Beginning of the drawings' names on the page.
        task: Label column that was erased; the first one when None.
    """
    table = view.table("erasure")
    if table is None:
        return ()
    label = table["label"].iloc[0] if task is None else task
    return _map_row(view, str(label), table[table["label"] == label], anchor)


def _has_leace(erasures: pd.DataFrame) -> bool:
    return bool((erasures["eraser"] == "leace").any())


def section(view: View) -> Section | None:
    """Return the losses by layer of all heads and labels; and the maps that the first screen does not draw."""
    erasures = view.table("erasure")
    if erasures is None or not _has_leace(erasures):
        return None
    parts = list[Part]()
    has_several = erasures["label"].nunique() > 1
    for number, (label, rows) in enumerate(erasures.groupby("label", sort=False), start=1):
        heading = f"Erased: {name(label)}" if has_several else None
        maps = () if number == 1 else _map_row(view, str(label), rows, f"map-{number}")
        panels = (*_layer_row(view, rows, f"used-{number}"), *maps)
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
                yield sentence(f"{subject}{opening} {listed}{sample}.")


OPENINGS = {
    "above": "the label is used: erasing it at the most sensitive site lowers test accuracy by",
    "cannot_tell": "not significantly more than random subspaces: erasing it lowers test accuracy by",
    "below": "less than random subspaces: erasing it lowers test accuracy by",
}
"""Outcome against random subspaces -> the beginning of the sentence on the heads that have it."""


def _cost(claim: Claim) -> str:
    """Return `38.6 points for the [CLS] head ([CLS], layer 6; random 0.4, difference +38.2 [95 % CI 35.5, 40.9])`."""
    loss = value(claim, "accuracy_loss")
    random = value(claim, "random")
    comparison = ""
    if not math.isnan(random):
        limits = confidence(claim.interval, before=" ")
        random_loss = wording.unsigned_points(random)
        difference = points(loss - random)
        comparison = f"; random {random_loss}, difference {difference}{limits}"
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
            f"Decodable is not always used: where a probe decodes {label_name}, its erasure costs no more than the "
            f"largest random subspace at {shares}."
        )


def _layer_row(view: View, erasures: pd.DataFrame, anchor: str) -> tuple[Panels, ...]:
    """Return the loss by layer, a panel for each head; the ground is grey up to the largest loss by random erasure."""
    measured = erasures[erasures["accuracy_loss"].notna()]
    names = {"pooling": "series", "layer": "x", "accuracy_loss": "value"}
    frame = in_points(measured.rename(columns=names))
    is_leace = frame["eraser"] == "leace"
    random = frame.loc[frame["eraser"] == "random", "value"]
    largest = float(random.max()) if len(random) else None
    frames = {wording.short_head(head): rows for head, rows in by_head(frame[is_leace])}
    ground = ""
    floors = list[float]()
    if largest is not None:
        floors.append(largest)
        loss = decimal(largest, 1)
        ground = f" Grey: up to the largest loss by a random subspace, {loss}."
    sample = sample_size(n_of_table(measured))
    words = RowWords(
        anchor,
        "Loss of test accuracy by layer where the label is erased, points",
        f"Loss of test accuracy (points) where the label is erased at one layer{sample}. Bands: 95 % CI.{ground}",
    )
    limits = shared_limits(frames.values(), 0.0, *floors)
    options = PanelOptions(limits, floor=largest, zero=largest is None)
    return line_row(frames, pooling_styles(view, frame["series"]), options, words)


def _map_row(view: View, erased_label: str, erasures: pd.DataFrame, anchor: str) -> tuple[Panels, ...]:
    """Return a map for each head with two sites or more, on one scale."""
    measured = erasures[erasures["v_information"].notna() & erasures["accuracy_loss"].notna()]
    frame = in_points(measured, ("accuracy_loss", "lower", "upper")).rename(columns={"v_information": "bits"})
    is_leace = frame["eraser"] == "leace"
    if not is_leace.any():
        return ()
    sites = frame[is_leace].rename(columns={"accuracy_loss": "value"})
    limits = shared_limits([sites], 0.0, *frame.loc[~is_leace & _is_control(frame), "accuracy_loss"])
    styles = pooling_styles(view, frame["pooling"])
    drawings = list[Drawing]()
    most_bits = float(frame["bits"].max())
    for number, (head, of_head) in enumerate(by_head(frame), start=1):
        map_anchor = f"{anchor}-{number}"
        drawing = _map(head, erased_label, of_head, map_anchor, styles, limits, most_bits)
        if drawing is not None:
            drawings.append(drawing)
    if not drawings:
        return ()
    sample = sample_size(n_of_table(frame))
    caption = (
        "Up: loss of test accuracy (points) where the label is erased at a site (LEACE)"
        f"{sample}; right: V-information of the label there. Numbers: layers. Upright lines: "
        "95 % CI."
    )
    controls = (LegendEntry("muted", "random (band), shuffled (crosses)"),)
    return (Panels(tuple(drawings), caption, (*legend(styles), *controls)),)


def _is_control(erasures: pd.DataFrame) -> pd.Series[bool]:
    return erasures["eraser"].isin(["random", "shuffled"])


def _map(
    head: str,
    erased_label: str,
    erasures: pd.DataFrame,
    anchor: str,
    styles: Mapping[str, Style],
    limits: tuple[float, float],
    most_bits: float,
) -> Drawing | None:
    """Return one head's map; None where fewer than two sites were erased."""
    sites = erasures[erasures["eraser"] == "leace"]
    if len(sites) < 2:
        return None
    descriptions = list[str]()
    for row in sites.itertuples():
        pooling = wording.pooling(row.pooling)
        bits = decimal(row.bits, 2)
        descriptions.append(f"{pooling} layer {row.layer}: {bits} bits, {row.accuracy_loss:.1f} points lost.")
    label_name = name(erased_label)
    head_name = wording.head(head)
    title = f"Loss without {label_name} against V-information by site, {head_name}"
    label = Label(anchor, title, " ".join(descriptions))
    controls = erasures[_is_control(erasures)]
    svg = erasure_map.erasure_map(sites, controls, styles, label, limits=limits, most_bits=most_bits)
    return Drawing(svg, sentence(wording.short_head(head)))


def _table(erasures: pd.DataFrame) -> Table:
    """Return every number, a row for each head and site."""
    rows = list[tuple[str, ...]]()
    for head, of_head in by_head(erasures):
        rows += _site_rows(head, of_head)
    caption = "Where the label is erased; losses in points."
    shape = columns(*_HEADING, numeric=_HEADING[2:])
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
        yield (
            sentence(wording.short_head(head)),
            wording.pooling(row.pooling),
            str(row.layer),
            decimal(row.v_information, 2),
            confidence((row.v_lower, row.v_upper), scale=1, digits=2),
            points(row.accuracy_loss),
            confidence((row.lower, row.upper)),
            wording.interval(random_range),
            points(shuffled_mean),
            decimal(row.information_loss, 2),
        )


def _control_losses(erasures: pd.DataFrame, eraser: str) -> dict[tuple[str, int], pd.Series[float]]:
    """Return site -> losses by the draws of a control."""
    losses_by_site: dict[tuple[str, int], pd.Series[float]] = {}
    of_eraser = erasures[erasures["eraser"] == eraser]
    for (pooling, layer), rows in of_eraser.groupby(["pooling", "layer"]):
        losses_by_site[pooling, layer] = rows["accuracy_loss"]
    return losses_by_site
