"""Erasure: what a classifier loses when the label is erased from a vector, against what a probe reads of it there."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import erasure_map
from reports.charts.canvas import Label
from reports.lookup import View, by_head, item, value
from reports.text import wording
from reports.text.wording import (
    between,
    count,
    decimal,
    interval,
    listing,
    name,
    plural,
    points,
    sentence,
    unsigned_points,
)

OTHERS = (
    "The height of a point is the loss through that vector only. A head may read the label again from other tokens, "
    "whose states were left as they were: a low point does not show that the head never uses it."
)
_HEADING = (
    *("head", "vector", "layer", "bits read", "its 95 % interval", "points lost", "95 % interval"),
    *("random subspaces", "shuffled label", "log loss added, bits"),
)
_OUTCOMES = {
    "above": "Erasing",
    "below": "Less than by chance: erasing",
    "cannot_tell": "Cannot tell it from chance: erasing",
}


def first_map(view: View, anchor: str, task: str | None = None) -> tuple[Drawing, ...]:
    """Return the erasure map of the first head for one label column, as the drawing of the first screen."""
    table = view.table("erasure")
    if table is None:
        return ()
    label = table["label"].iloc[0] if task is None else task
    rows = table[table["label"] == label]
    if not _has_leace(rows):
        return ()
    head, of_head = by_head(rows)[0]
    return tuple(_maps(head, str(label), of_head, anchor, _loss_limits(of_head)))


def _has_leace(erasures: pd.DataFrame) -> bool:
    return bool((erasures["eraser"] == "leace").any())


def section(view: View) -> Section | None:
    """Return the erasure maps of all heads and labels, with their controls."""
    erasures = view.table("erasure")
    if erasures is None or not _has_leace(erasures):
        return None
    parts = list[Part]()
    has_several = erasures["label"].nunique() > 1
    for number, (label, rows) in enumerate(erasures.groupby("label", sort=False), start=1):
        heading = f"Erased: {name(label)}" if has_several else None
        parts.append(_part(heading, str(label), rows, f"used-{number}"))
    notes = (
        wording.BRACKETS,
        OTHERS,
        "Erased by LEACE, fitted on the training texts: the smallest change after which no linear classifier tells the "
        "label of those texts. Of [CLS] that one state is changed, of the mean every token's, by the same affine map.",
        "Grey band: subspaces of equal rank and equal mean displacement, drawn at random. Crosses: the same for a "
        "label shuffled over the texts. Damage alone, whatever is erased, would look like them.",
    )
    sentences = (*verdict(view), *cost_sentences(view), *unused_sentence(view))
    return Section("Encoded, and used?", "used", sentences, tuple(parts), notes)


def _part(heading: str | None, label: str, erasures: pd.DataFrame, anchor: str) -> Part:
    """Return the maps of all heads for one label, on one scale, and a table of its sites."""
    limits = _loss_limits(erasures)
    drawings = list[Drawing]()
    rows = list[tuple[str, ...]]()
    for head, of_head in by_head(erasures):
        drawings += _maps(head, label, of_head, f"{anchor}-{len(drawings) + 1}", limits)
        rows += _site_rows(head, of_head)
    caption = "Without the label, by place. “Random subspaces”: lowest to highest draw, in points."
    table = Table(caption, rows=tuple(rows), folded=True, **columns(*_HEADING, numeric=_HEADING[2:]))
    return Part(heading, (), tuple(drawings), (table,))


def verdict(view: View) -> Iterator[str]:
    """Yield whether the label is used, in one sentence, from the outcomes of all heads."""
    claims = view.stated("erasure")
    has_several = len(_labels(claims)) > 1
    used = list[str]()
    undecided = list[str]()
    for claim in claims:
        subject = _head_and_label(claim, several=has_several)
        heads = used if claim.outcome == "above" else undecided
        if subject not in heads:
            heads.append(subject)
    if used and undecided:
        yield f"In part: it is missed by {listing(used)}; cannot tell that it is by {listing(undecided)}."
    elif used:
        yield "Yes: erased where that costs most, it is missed more than what is erased at random."
    elif undecided:
        yield "Cannot tell: erasing it costs no more than erasing at random, as far as these texts tell."


def _head_and_label(claim: Claim, *, several: bool) -> str:
    """Return the head, and the label where there are several, that a claim is about."""
    label = f" ({name(item(claim, 'label'))})" if several else ""
    return f"{wording.head(item(claim, 'head'))}{label}"


def _labels(claims: list[Claim]) -> list[object]:
    return list(dict.fromkeys(item(claim, "label") for claim in claims))


def cost_sentences(view: View) -> Iterator[str]:
    """Yield the accuracy that erasure costs each head at most, a sentence for each outcome and label."""
    claims = view.stated("erasure")
    labels = _labels(claims)
    for label in labels:
        of_label = [claim for claim in claims if item(claim, "label") == label]
        label_name = name(label) if len(labels) > 1 else "the label"
        for outcome, start in _OUTCOMES.items():
            costs = [_cost(claim) for claim in of_label if claim.outcome == outcome]
            if costs:
                yield f"{start} {label_name} where that costs most takes {listing(costs)}."
        random = [value(claim, "random") for claim in of_label]
        shuffled = [value(claim, "shuffled") for claim in of_label]
        if any(not math.isnan(loss) for loss in (*random, *shuffled)):
            yield (
                f"Random subspaces of equal rank and displacement cost {_loss_range(random)} points there, a shuffled "
                f"label {_loss_range(shuffled)}."
            )


def _cost(claim: Claim) -> str:
    """Return `38.6 points from the [CLS] head ([CLS] of layer 6, 0.61 bits read; 35.5 to 40.9 ...)`."""
    loss = unsigned_points(value(claim, "accuracy_loss"))
    bits = decimal(value(claim, "v_information"), 2)
    return (
        f"{loss} points from {wording.head(item(claim, 'head'))} ({_site(claim)}, {bits} bits read; "
        f"{interval(claim.interval)} more than random subspaces)"
    )


def _loss_range(losses: list[float]) -> str:
    """Return one loss, or the lowest and the highest, in points."""
    measured = [loss for loss in losses if not math.isnan(loss)]
    if not measured:
        return wording.MISSING
    ends = [unsigned_points(loss) for loss in (min(measured), max(measured))]
    return " to ".join(dict.fromkeys(ends))


def _site(claim: Claim) -> str:
    return f"{wording.pooling(str(item(claim, 'pooling')))} of layer {name(item(claim, 'layer'))}"


def unused_sentence(view: View) -> Iterator[str]:
    """Yield at how many sites a probe reads the first label although its erasure costs no more than random erasure."""
    claims = view.stated("unused_sites")
    heads_by_share = dict[str, list[str]]()
    labels = _labels(claims)
    for claim in claims:
        n_readable = int(value(claim, "n_readable"))
        if n_readable and item(claim, "label") == labels[0]:
            share = f"at {count(value(claim, 'n_unused'))} of {plural(n_readable, 'place')}"
            heads_by_share.setdefault(share, []).append(wording.head(item(claim, "head")))
    if heads_by_share:
        where = listing(f"{share} for {listing(heads)}" for share, heads in heads_by_share.items())
        label_name = name(labels[0]) if len(labels) > 1 else "the label"
        yield (
            f"Encoded is not always used: {where}, a probe reads {label_name} and erasing it costs no more than random "
            "subspaces do, as far as these texts tell."
        )


def _loss_limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the lowest and the highest loss, intervals included, in points."""
    lowest = rows[["accuracy_loss", "lower"]].min().min()
    highest = rows[["accuracy_loss", "upper"]].max().max()
    return 100 * float(lowest), 100 * float(highest)


def _maps(
    head: str, erased_label: str, erasures: pd.DataFrame, anchor: str, reach: tuple[float, float]
) -> Iterator[Drawing]:
    """Yield one head's map, where more than one site was erased."""
    measured = erasures[erasures["v_information"].notna() & erasures["accuracy_loss"].notna()]
    in_points = {column: 100 * measured[column] for column in ("accuracy_loss", "lower", "upper")}
    frame = measured.assign(bits=measured["v_information"], **in_points)
    is_leace = frame["eraser"] == "leace"
    sites = frame[is_leace]
    if len(sites) < 2:
        return
    descriptions = list[str]()
    for row in sites.itertuples():
        site = f"{wording.pooling(row.pooling)} layer {row.layer}"
        descriptions.append(f"{site}: {decimal(row.bits, 2)} bits read, {row.accuracy_loss:.1f} points lost")
    head_name = wording.head(head)
    title = f"What {head_name} loses without {name(erased_label)}, against what a probe reads of it, by place"
    label = Label(anchor, title, f"{'; '.join(descriptions)}.")
    quantity = f"{wording.short_head(head)}: points lost without it"
    svg = erasure_map.erasure_map(sites, frame[~is_leace], label, quantity=quantity, limits=reach)
    yield Drawing(svg, f"{sentence(head_name)}. Numbers: layers. Upright lines: 95 % intervals.")


def _site_rows(head: str, erasures: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield a row for each site."""
    random = _control_losses(erasures, "random")
    shuffled = _control_losses(erasures, "shuffled")
    for row in erasures[erasures["eraser"] == "leace"].itertuples():
        site = (row.pooling, row.layer)
        random_losses = random.get(site)
        shuffled_losses = shuffled.get(site)
        yield (
            sentence(wording.short_head(head)),
            wording.pooling(row.pooling),
            str(row.layer),
            decimal(row.v_information),
            between((row.v_lower, row.v_upper), 3),
            points(row.accuracy_loss),
            interval((row.lower, row.upper)),
            interval(None if random_losses is None else (random_losses.min(), random_losses.max())),
            points(None if shuffled_losses is None else shuffled_losses.mean()),
            decimal(row.information_loss),
        )


def _control_losses(erasures: pd.DataFrame, eraser: str) -> dict[tuple[str, int], pd.Series[float]]:
    """Return site -> losses by the draws of a control."""
    losses_by_site: dict[tuple[str, int], pd.Series[float]] = {}
    for (pooling, layer), rows in erasures[erasures["eraser"] == eraser].groupby(["pooling", "layer"]):
        losses_by_site[pooling, layer] = rows["accuracy_loss"]
    return losses_by_site
