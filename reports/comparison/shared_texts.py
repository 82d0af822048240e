"""Texts that several results explain, side by side: the same words, coloured by what each rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probes.results.result import Attribution
from reports.blocks import Card
from reports.comparison.side_by_side import Together
from reports.sections.explanations.cards import cards, scale
from reports.text import wording
from reports.text.wording import count, listing, name, plural

MOST_TEXTS = 30


@dataclass(frozen=True)
class Twice:
    """A text that several results explain."""

    task: str
    label: str
    agree: bool
    """All predict the same class."""
    readings: tuple[tuple[str, Card], ...]
    """Result and what it says of the text."""


@dataclass(frozen=True)
class Shared:
    """All texts that several results explain."""

    sentences: tuple[str, ...]
    texts: tuple[Twice, ...]
    notes: tuple[str, ...]


def shared(together: Together) -> Shared | None:
    """Texts explained in two results or more for one label column; those told apart first; None where there is none."""
    found = dict[tuple[str, str, str | None], dict[str, list[Attribution]]]()
    for shown, view in together.views.items():
        for a in view.result.attributions:
            if a.task is not None and a.states_layer is None:
                found.setdefault((a.task, a.text, a.pair), {}).setdefault(shown, []).append(a)
    groups = {key: own for key, own in found.items() if len(own) > 1}
    if not groups:
        return None
    explained = [each[0] for own in groups.values() for each in own.values()]  # further methods have other scales
    full = {unit: scale([a for a in explained if a.unit == unit]) for unit in dict.fromkeys(a.unit for a in explained)}
    several = len({task for task, _, _ in groups}) > 1
    made = [_twice(together, name(task) if several else "", own, full) for (task, _, _), own in groups.items()]
    made.sort(key=lambda each: each.agree)
    apart = sum(not each.agree for each in made)
    so = f"of {count(apart)} they predict different classes" if apart else "they predict the same class of each"
    sentences = (f"{plural(len(made), 'text')} {'is' if len(made) == 1 else 'are'} explained by two or more; {so}.",)
    scales = listing(f"{size:.2f} {name(unit)}" for unit, size in full.items())
    notes = [
        f"Fullest colour: {scales} or more, on one scale for all results, centred on zero. A score belongs to the "
        "class named under the words, by the method and from the baseline of its own result.",
        "Each result chose which texts to explain, errors and extremes first; those that two chose are no sample.",
    ]
    if len(made) > MOST_TEXTS:
        notes.append(f"The first {count(MOST_TEXTS)} of {count(len(made))} texts; each report has all of its own.")
    ways = {(a.method, a.baseline) for a in explained}
    if len(ways) > 1:
        told = dict[tuple[str, str], list[str]]()
        for own in groups.values():
            for shown, each in own.items():
                names = told.setdefault((each[0].method, each[0].baseline), [])
                names += [] if shown in names else [shown]
        by = (f"{listing(names)} by {wording.method(m)} from {wording.baseline(b)}" for (m, b), names in told.items())
        notes.append(f"Not all were explained alike: {'; '.join(by)}.")
    return Shared(sentences, tuple(made[:MOST_TEXTS]), tuple(notes))


def _twice(together: Together, task: str, own: dict[str, list[Attribution]], full: dict[str, float]) -> Twice:
    first = [each[0] for each in own.values()]
    labels = dict.fromkeys(a.label for a in first if a.label is not None)
    return Twice(
        task=task,
        label=listing((name(label) for label in labels), "or"),
        agree=len({a.predicted for a in first}) == 1,
        readings=tuple((shown, _card(together, shown, each, full)) for shown, each in own.items()),
    )


def _card(together: Together, shown: str, own: Sequence[Attribution], full: dict[str, float]) -> Card:
    """One result's explanation of a text, the first one it gives."""
    random = together.views[shown].random_pooler
    # Row numbers belong to the result, and may differ: the text alone tells which it is.
    (card, *_) = cards(own[:1], full[own[0].unit], random_pooler=random)
    return card
