"""Texts that several results explain, side by side: the same words, coloured by what each rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probes.results.result import Attribution
from reports.blocks import Card
from reports.cards import cards
from reports.charts.styles import colour_name
from reports.colour_scales import scale
from reports.comparison.side_by_side import Together
from reports.text import wording
from reports.text.wording import count, listing, name, plural

MOST_TEXTS = 30


@dataclass(frozen=True)
class SharedText:
    """A text that several results explain."""

    task: str
    label: str
    agree: bool
    """All predict the same class."""
    readings: tuple[tuple[str, str, Card], ...]
    """Run, name of its colour, and its explanation of the text."""


@dataclass(frozen=True)
class SharedTexts:
    """All texts that several results explain."""

    title: str
    sentences: tuple[str, ...]
    texts: tuple[SharedText, ...]
    notes: tuple[str, ...]


def shared(together: Together) -> SharedTexts | None:
    """Return texts that two results or more explain, those with different predictions first; None without any."""
    by_text = dict[tuple[str, str, str | None], dict[str, list[Attribution]]]()
    for result, view in together.views.items():
        for a in view.result.attributions:
            if a.task is not None and a.states_layer is None:
                by_text.setdefault((a.task, a.text, a.pair), {}).setdefault(result, []).append(a)
    groups = {key: by_result for key, by_result in by_text.items() if len(by_result) > 1}
    if not groups:
        return None
    explained = [
        attributions[0] for by_result in groups.values() for attributions in by_result.values()
    ]  # further methods have other scales
    full = {unit: scale([a for a in explained if a.unit == unit]) for unit in dict.fromkeys(a.unit for a in explained)}
    several = len({task for task, _, _ in groups}) > 1
    texts = [
        _shared_text(together, name(task) if several else "", by_result, full)
        for (task, _, _), by_result in groups.items()
    ]
    texts.sort(key=lambda text: text.agree)
    apart = sum(not text.agree for text in texts)
    verdict = f"of {count(apart)} they predict different classes" if apart else "they predict the same class of each"
    scope = "both runs" if together.is_pair else "several runs"
    sentences = (f"{plural(len(texts), 'text')} {'is' if len(texts) == 1 else 'are'} explained in {scope}; {verdict}.",)
    scales = listing(f"{size:.2f} {name(unit)}" for unit, size in full.items())
    notes = [
        f"Fullest colour: {scales} or more, on one scale for all runs, centred on zero. A score belongs to the "
        "class named under the words, by the method and from the baseline of its own run.",
        "Each run chose which texts to explain, errors and extremes first; those that two chose are no random sample.",
    ]
    if len(texts) > MOST_TEXTS:
        notes.append(f"The first {count(MOST_TEXTS)} of {count(len(texts))} texts; each report has all of its own.")
    ways = {(a.method, a.baseline) for a in explained}
    if len(ways) > 1:
        results_by_method = dict[tuple[str, str], list[str]]()
        for by_result in groups.values():
            for result, attributions in by_result.items():
                names = results_by_method.setdefault((attributions[0].method, attributions[0].baseline), [])
                names += [] if result in names else [result]
        by = (
            f"{listing(names)} by {wording.method(m)} from {wording.baseline(b)}"
            for (m, b), names in results_by_method.items()
        )
        notes.append(f"Not all were explained alike: {'; '.join(by)}.")
    return SharedTexts(f"Texts explained in {scope}", sentences, tuple(texts[:MOST_TEXTS]), tuple(notes))


def _shared_text(
    together: Together, task: str, by_result: dict[str, list[Attribution]], full: dict[str, float]
) -> SharedText:
    first = [attributions[0] for attributions in by_result.values()]
    labels = dict.fromkeys(a.label for a in first if a.label is not None)
    return SharedText(
        task=task,
        label=listing((name(label) for label in labels), "or"),
        agree=len({a.predicted for a in first}) == 1,
        readings=tuple(
            (result, colour_name(together.styles[result].colour), _card(together, result, attributions, full))
            for result, attributions in by_result.items()
        ),
    )


def _card(together: Together, result: str, attributions: Sequence[Attribution], full: dict[str, float]) -> Card:
    """Return one result's first explanation of a text."""
    random = together.views[result].random_pooler
    # Row numbers belong to the result, and may differ: the text alone tells which it is.
    (card, *_) = cards(attributions[:1], full[attributions[0].unit], random_pooler=random)
    return card
