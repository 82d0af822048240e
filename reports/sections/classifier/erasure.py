"""Erasure: what a classifier loses when the label is erased from a vector, against what a probe reads of it there."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.checks import SMALLEST_EFFECT
from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts.canvas import Label
from reports.charts.erasure_map import erasure_map
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


def first(view: View, anchor: str, task: str | None = None) -> tuple[Drawing, ...]:
    """The map of the first head for a label column, or for what it was trained on: one figure for the first screen."""
    found = view.table("erasure")
    rows = None if found is None else found[found["label"] == (found["label"].iloc[0] if task is None else task)]
    if rows is None or not (rows["eraser"] == "leace").any():
        return ()
    head, own = by_head(rows)[0]
    return tuple(_map(head, str(own["label"].iloc[0]), own, anchor, _reach(own)))


def used(view: View) -> Section | None:
    """The map of what is encoded against what is used, with its controls."""
    found, parts = view.table("erasure"), list[Part]()
    if found is None or not (found["eraser"] == "leace").any():
        return None
    labels, said = list(dict.fromkeys(found["label"])), [*short(view), *erased(view)]
    for label in labels:
        drawings, rows = list[Drawing](), list[tuple[str, ...]]()
        several = len(labels) > 1
        shown = found[found["label"] == label]
        reach = _reach(shown)
        for head, own in by_head(shown):
            anchor = f"used-{len(parts) + 1}-{len(drawings) + 1}"
            drawings += _map(head, str(label), own, anchor, reach)
            rows += _places(head, own)
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
    return Section("Encoded, and used?", "used", (*said, *idle(found)), tuple(parts), notes)


def short(view: View) -> Iterator[str]:
    """Whether the label is used, in one sentence, from the outcomes of all heads."""
    claims = view.stated("erasure")
    outcomes = {c.outcome for c in claims}
    if outcomes == {"above"}:
        yield "Yes: erased where that costs most, it is missed more than what is erased at random."
    elif claims and "above" not in outcomes:
        yield "Cannot tell: erasing it costs no more than erasing at random, as far as these texts tell."
    elif claims:
        above, others = (
            listing(
                dict.fromkeys(
                    _user(c, several=len(_labels(claims)) > 1) for c in claims if (c.outcome == "above") == so
                )
            )
            for so in (True, False)
        )
        yield f"In part: it is missed by {above}; cannot tell that it is by {others}."


def _user(claim: Claim, *, several: bool) -> str:
    """Whose use of a label a claim is about."""
    label = f" ({name(item(claim, 'label'))})" if several else ""
    return f"{wording.head(item(claim, 'head'))}{label}"


def _labels(claims: list[Claim]) -> list[object]:
    return list(dict.fromkeys(item(c, "label") for c in claims))


def erased(view: View) -> Iterator[str]:
    """What erasing costs each head where it costs most, a sentence for each outcome and label."""
    claims = view.stated("erasure")
    for label in _labels(claims):
        own = [c for c in claims if item(c, "label") == label]
        what = name(label) if len(_labels(claims)) > 1 else "the label"
        for outcome, start in _OUTCOMES.items():
            if some := [c for c in own if c.outcome == outcome]:
                yield f"{start} {what} where that costs most takes {listing(map(_cost, some))}."
        random, shuffled = ([value(c, key) for c in own] for key in ("random", "shuffled"))
        if any(each == each for each in (*random, *shuffled)):
            yield (
                f"Random subspaces of equal rank and displacement cost {_span(random)} points there, a shuffled label "
                f"{_span(shuffled)}."
            )


def _cost(claim: Claim) -> str:
    """`38.6 points from the [CLS] head ([CLS] of layer 6, 0.61 bits read; 35.5 to 40.9 more than random subspaces)`."""
    return (
        f"{points(value(claim, 'accuracy_loss')).lstrip('+')} points from {wording.head(item(claim, 'head'))} "
        f"({_at(claim)}, {decimal(value(claim, 'v_information'), 2)} bits read; {interval(claim.interval)} more than "
        "random subspaces)"
    )


def _span(losses: list[float]) -> str:
    """One number, or the lowest and the highest, in points."""
    found = sorted(each for each in losses if each == each)
    return " to ".join(dict.fromkeys(points(each).lstrip("+") for each in (*found[:1], *found[-1:]))) or wording.MISSING


def _at(claim: Claim) -> str:
    return f"{wording.pooling(str(item(claim, 'pooling')))} of layer {name(item(claim, 'layer'))}"


def idle(found: pd.DataFrame) -> Iterator[str]:
    """At how many places the label is read by a probe, and not told to be used."""
    told: dict[str, list[str]] = {}
    label = found["label"].iloc[0]
    what = name(label) if found["label"].nunique() > 1 else "the label"
    for head, own in by_head(found[found["label"] == label]):
        places, unused = _read_places(own)
        if places:
            told.setdefault(f"at {count(len(unused))} of {plural(len(places), 'place')}", []).append(wording.head(head))
    if told:
        where = listing(f"{times} for {listing(heads)}" for times, heads in told.items())
        yield (
            f"Encoded is not always used: {where}, a probe reads {what} and erasing it costs no more than random "
            "subspaces do, as far as these texts tell."
        )


def _read_places(own: pd.DataFrame) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Places where a probe reads the label, and those of them where erasing it is not told from random subspaces."""
    random = own[own["eraser"] == "random"].groupby(["pooling", "layer"])["accuracy_loss"].max()
    places, idle = list[tuple[str, int]](), list[tuple[str, int]]()
    for row in own[own["eraser"] == "leace"].itertuples():
        if row.v_lower > SMALLEST_EFFECT:
            place = (str(row.pooling), int(row.layer))
            places.append(place)
            idle += [place] if row.lower <= max(0.0, float(random.get(place, 0.0))) else []
    return places, idle


def _reach(rows: pd.DataFrame) -> tuple[float, float]:
    """Lowest and highest loss with its interval, in points."""
    return 100 * float(rows[["accuracy_loss", "lower"]].min().min()), 100 * float(
        rows[["accuracy_loss", "upper"]].max().max()
    )


def _map(head: str, erased_label: str, own: pd.DataFrame, anchor: str, reach: tuple[float, float]) -> Iterator[Drawing]:
    """One head's map, where more than one place was erased."""
    frame = own.assign(
        bits=own["v_information"], **{key: 100 * own[key] for key in ("accuracy_loss", "lower", "upper")}
    )
    frame = frame[frame["bits"].notna() & frame["accuracy_loss"].notna()]
    leace, controls = frame[frame["eraser"] == "leace"], frame[frame["eraser"] != "leace"]
    if len(leace) < 2:
        return
    told = [
        f"{wording.pooling(r.pooling)} layer {r.layer}: {decimal(r.bits, 2)} bits read, "
        f"{r.accuracy_loss:.1f} points lost"
        for r in leace.itertuples()
    ]
    who = wording.head(head)
    title = f"What {who} loses without {name(erased_label)}, against what a probe reads of it, by place"
    label = Label(anchor, title, f"{'; '.join(told)}.")
    svg = erasure_map(
        leace, controls, label, quantity=f"{wording.short_head(head)}: points lost without it", limits=reach
    )
    yield Drawing(svg, f"{sentence(who)}. Numbers: layers. Upright lines: 95 % intervals.")


def _places(head: str, own: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """A row for each place."""
    beside = {key: rows.groupby(["pooling", "layer"])["accuracy_loss"] for key, rows in own.groupby("eraser")}
    ends = beside["random"].agg(["min", "max"]) if "random" in beside else None
    means = beside["shuffled"].mean() if "shuffled" in beside else {}
    for r in own[own["eraser"] == "leace"].itertuples():
        place = (r.pooling, r.layer)
        drawn = None if ends is None or place not in ends.index else tuple(ends.loc[place])
        yield (
            sentence(wording.short_head(head)),
            wording.pooling(r.pooling),
            str(r.layer),
            decimal(r.v_information),
            between((r.v_lower, r.v_upper), 3),
            points(r.accuracy_loss),
            interval((r.lower, r.upper)),
            interval(drawn),
            points(means.get(place)),
            decimal(r.information_loss),
        )
