"""Erasure: what a classifier loses when the label is erased from a vector, against what a probe reads of it there."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.checks import SMALLEST_EFFECT
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
    rows = None if table is None else table[table["label"] == (table["label"].iloc[0] if task is None else task)]
    if rows is None or not (rows["eraser"] == "leace").any():
        return ()
    head, of_head = by_head(rows)[0]
    return tuple(_maps(head, str(of_head["label"].iloc[0]), of_head, anchor, _loss_limits(of_head)))


def section(view: View) -> Section | None:
    """Return the erasure maps of all heads and labels, with their controls."""
    erasures, parts = view.table("erasure"), list[Part]()
    if erasures is None or not (erasures["eraser"] == "leace").any():
        return None
    labels, sentences = list(dict.fromkeys(erasures["label"])), [*verdict(view), *cost_sentences(view)]
    for label in labels:
        drawings, rows = list[Drawing](), list[tuple[str, ...]]()
        several = len(labels) > 1
        of_label = erasures[erasures["label"] == label]
        reach = _loss_limits(of_label)
        for head, of_head in by_head(of_label):
            anchor = f"used-{len(parts) + 1}-{len(drawings) + 1}"
            drawings += _maps(head, str(label), of_head, anchor, reach)
            rows += _site_rows(head, of_head)
        caption = "Without the label, by place. “Random subspaces”: lowest to highest draw, in points."
        table = Table(caption, rows=tuple(rows), folded=True, **columns(*_HEADING, numeric=_HEADING[2:]))
        parts.append(Part(f"Erased: {name(label)}" if several else None, (), tuple(drawings), (table,)))
    notes = (
        wording.BRACKETS,
        OTHERS,
        "Erased by LEACE, fitted on the training texts: the smallest change after which no linear classifier tells the "
        "label of those texts. Of [CLS] that one state is changed, of the mean every token's, by the same affine map.",
        "Grey band: subspaces of equal rank and equal mean displacement, drawn at random. Crosses: the same for a "
        "label shuffled over the texts. Damage alone, whatever is erased, would look like them.",
    )
    return Section("Encoded, and used?", "used", (*sentences, *unused_sentence(erasures)), tuple(parts), notes)


def verdict(view: View) -> Iterator[str]:
    """Yield whether the label is used, in one sentence, from the outcomes of all heads."""
    claims = view.stated("erasure")
    outcomes = {c.outcome for c in claims}
    if outcomes == {"above"}:
        yield "Yes: erased where that costs most, it is missed more than what is erased at random."
    elif claims and "above" not in outcomes:
        yield "Cannot tell: erasing it costs no more than erasing at random, as far as these texts tell."
    elif claims:
        above, undecided = (
            listing(
                dict.fromkeys(
                    _head_and_label(c, several=len(_labels(claims)) > 1)
                    for c in claims
                    if (c.outcome == "above") == is_above
                )
            )
            for is_above in (True, False)
        )
        yield f"In part: it is missed by {above}; cannot tell that it is by {undecided}."


def _head_and_label(claim: Claim, *, several: bool) -> str:
    """Return the head, and the label where there are several, that a claim is about."""
    label = f" ({name(item(claim, 'label'))})" if several else ""
    return f"{wording.head(item(claim, 'head'))}{label}"


def _labels(claims: list[Claim]) -> list[object]:
    return list(dict.fromkeys(item(c, "label") for c in claims))


def cost_sentences(view: View) -> Iterator[str]:
    """Yield the accuracy that erasure costs each head at most, a sentence for each outcome and label."""
    claims = view.stated("erasure")
    for label in _labels(claims):
        of_label = [c for c in claims if item(c, "label") == label]
        label_name = name(label) if len(_labels(claims)) > 1 else "the label"
        for outcome, start in _OUTCOMES.items():
            if with_outcome := [c for c in of_label if c.outcome == outcome]:
                yield f"{start} {label_name} where that costs most takes {listing(map(_cost, with_outcome))}."
        random, shuffled = ([value(c, key) for c in of_label] for key in ("random", "shuffled"))
        if any(loss == loss for loss in (*random, *shuffled)):
            yield (
                f"Random subspaces of equal rank and displacement cost {_loss_range(random)} points there, a shuffled "
                f"label {_loss_range(shuffled)}."
            )


def _cost(claim: Claim) -> str:
    """Return `38.6 points from the [CLS] head ([CLS] of layer 6, 0.61 bits read; 35.5 to 40.9 ...)`."""
    return (
        f"{points(value(claim, 'accuracy_loss')).lstrip('+')} points from {wording.head(item(claim, 'head'))} "
        f"({_site(claim)}, {decimal(value(claim, 'v_information'), 2)} bits read; {interval(claim.interval)} more than "
        "random subspaces)"
    )


def _loss_range(losses: list[float]) -> str:
    """Return one loss, or the lowest and the highest, in points."""
    measured = sorted(loss for loss in losses if loss == loss)
    return (
        " to ".join(dict.fromkeys(points(loss).lstrip("+") for loss in (*measured[:1], *measured[-1:])))
        or wording.MISSING
    )


def _site(claim: Claim) -> str:
    return f"{wording.pooling(str(item(claim, 'pooling')))} of layer {name(item(claim, 'layer'))}"


def unused_sentence(erasures: pd.DataFrame) -> Iterator[str]:
    """Yield at how many sites a probe reads the label although its erasure costs no more than random erasure."""
    heads_by_share: dict[str, list[str]] = {}
    label = erasures["label"].iloc[0]
    label_name = name(label) if erasures["label"].nunique() > 1 else "the label"
    for head, of_head in by_head(erasures[erasures["label"] == label]):
        places, unused = _readable_sites(of_head)
        if places:
            heads_by_share.setdefault(f"at {count(len(unused))} of {plural(len(places), 'place')}", []).append(
                wording.head(head)
            )
    if heads_by_share:
        where = listing(f"{times} for {listing(heads)}" for times, heads in heads_by_share.items())
        yield (
            f"Encoded is not always used: {where}, a probe reads {label_name} and erasing it costs no more than random "
            "subspaces do, as far as these texts tell."
        )


def _readable_sites(erasures: pd.DataFrame) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the sites where a probe reads the label, and those where its erasure is not told from random ones."""
    random = erasures[erasures["eraser"] == "random"].groupby(["pooling", "layer"])["accuracy_loss"].max()
    places, idle = list[tuple[str, int]](), list[tuple[str, int]]()
    for row in erasures[erasures["eraser"] == "leace"].itertuples():
        if row.v_lower > SMALLEST_EFFECT:
            place = (str(row.pooling), int(row.layer))
            places.append(place)
            idle += [place] if row.lower <= max(0.0, float(random.get(place, 0.0))) else []
    return places, idle


def _loss_limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the lowest and the highest loss, intervals included, in points."""
    return 100 * float(rows[["accuracy_loss", "lower"]].min().min()), 100 * float(
        rows[["accuracy_loss", "upper"]].max().max()
    )


def _maps(
    head: str, erased_label: str, erasures: pd.DataFrame, anchor: str, reach: tuple[float, float]
) -> Iterator[Drawing]:
    """Yield one head's map, where more than one site was erased."""
    frame = erasures.assign(
        bits=erasures["v_information"], **{key: 100 * erasures[key] for key in ("accuracy_loss", "lower", "upper")}
    )
    frame = frame[frame["bits"].notna() & frame["accuracy_loss"].notna()]
    leace, controls = frame[frame["eraser"] == "leace"], frame[frame["eraser"] != "leace"]
    if len(leace) < 2:
        return
    descriptions = [
        f"{wording.pooling(r.pooling)} layer {r.layer}: {decimal(r.bits, 2)} bits read, "
        f"{r.accuracy_loss:.1f} points lost"
        for r in leace.itertuples()
    ]
    who = wording.head(head)
    title = f"What {who} loses without {name(erased_label)}, against what a probe reads of it, by place"
    label = Label(anchor, title, f"{'; '.join(descriptions)}.")
    svg = erasure_map.erasure_map(
        leace, controls, label, quantity=f"{wording.short_head(head)}: points lost without it", limits=reach
    )
    yield Drawing(svg, f"{sentence(who)}. Numbers: layers. Upright lines: 95 % intervals.")


def _site_rows(head: str, erasures: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield a row for each site."""
    losses_by_eraser = {
        key: rows.groupby(["pooling", "layer"])["accuracy_loss"] for key, rows in erasures.groupby("eraser")
    }
    ends = losses_by_eraser["random"].agg(["min", "max"]) if "random" in losses_by_eraser else None
    means = losses_by_eraser["shuffled"].mean() if "shuffled" in losses_by_eraser else {}
    for r in erasures[erasures["eraser"] == "leace"].itertuples():
        place = (r.pooling, r.layer)
        limits = None if ends is None or place not in ends.index else tuple(ends.loc[place])
        yield (
            sentence(wording.short_head(head)),
            wording.pooling(r.pooling),
            str(r.layer),
            decimal(r.v_information),
            between((r.v_lower, r.v_upper), 3),
            points(r.accuracy_loss),
            interval((r.lower, r.upper)),
            interval(limits),
            points(means.get(place)),
            decimal(r.information_loss),
        )
