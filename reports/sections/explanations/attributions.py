"""Attributions: the section of explained texts, their convergence, deciding words, and the explanation by layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from probes.results.result import Attribution, Claim
from reports import cards
from reports.blocks import Card, Part, Section, Table, columns
from reports.colour_scales import Scales, scale_key
from reports.colour_scales import scales as colour_scales
from reports.lookup import Mean, View, means_by_group, value
from reports.output_bars import OutputRange, output_ranges
from reports.sections.explanations import head_agreement
from reports.sections.explanations.explorer import explorer, scale_text
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, name, percent, plural


def section(view: View) -> Section | None:
    """Return the explained texts of all label columns, with one explorer."""
    attributions = view.result.attributions
    if not attributions:
        nothing = "No text was explained: there are no scores of words to show."
        return Section("Explained texts", "explained", (nothing,)) if _was_requested(view) else None
    scales = colour_scales([a for a in attributions if a.states_layer is None] or attributions)
    ranges = output_ranges(attributions)
    text_cards = _cards(view, scales, ranges)
    choices = explorer(
        text_cards, scales, ranges, random_pooler=view.random_pooler, agreement=view.explanation_agreement
    )
    tasks = [task for task in dict.fromkeys(a.task for a in attributions) if task is not None]
    verdict = [_count_sentence(view, text_cards)]
    tables = list[Table]()
    for task in tasks:
        agreement = head_agreement.agreement_sentence(view, task)
        if agreement:
            verdict.append(view.about(task, agreement))
        tables += _layer_table(view, task)
    parts = [Part(None, (_explained_output(view),), cards=text_cards, explorer=choices)]
    if tables:
        parts.append(Part(tables=tuple(tables)))
    notes = _notes(attributions, scales)
    tag = count(len(text_cards))
    return Section("Explained texts", "explained", tuple(verdict), tuple(parts), tuple(notes), tag)


def _was_requested(view: View) -> bool:
    """Return whether the settings ask for explanations."""
    settings = view.result.settings.get("explain")
    n_texts = settings.get("attribute") if isinstance(settings, dict) else None
    return view.result.name == "attribute" or (isinstance(n_texts, int) and n_texts > 0)


NO_TASK = "no label column"
"""Name of the texts of research code whose explanations name no label column, beside those that do."""


def _cards(view: View, scales: Scales, ranges: Mapping[str, OutputRange]) -> tuple[Card, ...]:
    """Return the cards of all label columns, each with its name on the page."""
    attributions = view.result.attributions
    method, _ = first_key = next(iter(scales))
    first_scale = scales[first_key]
    numbers = cards.TextNumbers.of(view)
    tasks = list(dict.fromkeys(a.task for a in attributions))
    anchors = set[str]()
    page_cards = list[Card]()
    for task_number, task in enumerate(tasks):
        of_task = [a for a in attributions if a.task == task]
        task_name = "" if len(tasks) == 1 else NO_TASK if task is None else name(task)
        task_cards = cards.cards(
            of_task,
            first_scale,
            random_pooler=view.random_pooler,
            contrast_score=scales.get((method, True)),
            numbers=numbers,
            ranges=ranges,
        )
        for card in task_cards:
            anchor = _anchor(card, task_number, anchors)
            page_cards.append(dataclasses.replace(card, task=task_name, task_number=task_number, anchor=anchor))
    return tuple(page_cards)


def _anchor(card: Card, task_number: int, anchors: set[str]) -> str:
    """Return a name for a card that no other element of the page has."""
    stem = f"text-{task_number + 1}-{card.number or 'x'}"
    anchor = stem
    while anchor in anchors:
        anchor = f"{stem}-{len(anchors)}"
    anchors.add(anchor)
    return anchor


def _count_sentence(view: View, text_cards: Sequence[Card]) -> str:
    """Return how many texts are explained, and how many of them the head shown first misclassifies."""
    attributions = view.result.attributions
    n_wrong = sum(card.correct is False for card in text_cards)
    n_correct = sum(card.correct is True for card in text_cards)
    by_head = ""
    if len({a.model for a in attributions}) > 1:
        head = cards.head_names(attributions[:1], random_pooler=view.random_pooler)
        by_head = f" by {head}"
    is_sample = view.result.name == "heads"
    choice = "a random sample" if is_sample else "selected, not a random sample"
    texts = plural(len(text_cards), "test text")
    if n_wrong + n_correct == 0:
        return f"{texts} ({choice})."
    errors = plural(n_wrong, "error")
    return f"{texts}: {errors}, {count(n_correct)} correct{by_head} ({choice})."


def _explained_output(view: View) -> str:
    """Return the method and the heads that are explained, and the output that the scores belong to."""
    attributions = view.result.attributions
    explains_classes = any(a.against is None for a in attributions)
    of_errors = {a for a in attributions if explains_classes and cards.explains_error(a)}
    of_classes = [a for a in attributions if a not in of_errors]
    outputs = list[str]()
    for unit, has_contrast in dict.fromkeys((a.unit, a.against is not None) for a in of_classes):
        output = name(unit)
        phrase = f"the {output} of the class shown"
        if has_contrast:
            phrase = f"the difference of two classes' {output}"
        outputs.append(phrase)
    errors = ""
    if of_errors:
        errors = "; for errors, to that of the predicted class minus that of the true class"
    method = wording.sentence(wording.method(attributions[0].method))
    heads = _explained_heads(view)
    return f"{method} on {heads}. Scores are contributions to {listing(outputs, 'or')}{errors}."


def _explained_heads(view: View) -> str:
    """Return the heads that are explained, by label column where there are several."""
    by_task = dict[str | None, list[Attribution]]()
    for a in view.result.attributions:
        by_task.setdefault(a.task, []).append(a)
    phrases = list[str]()
    for task, of_task in by_task.items():
        decisions = [decision[0] for group in cards.by_text(of_task) for decision in cards.by_decision(group)]
        heads = cards.head_names(decisions, random_pooler=view.random_pooler)
        if heads.startswith("probe"):
            heads = f"the {heads}"
        phrases.append(f"{heads} ({name(task)})" if len(by_task) > 1 and task is not None else heads)
    return "; ".join(phrases)


def _notes(attributions: Sequence[Attribution], scales: Scales) -> list[str]:
    """Return how to read colours, scores and the explorer."""
    first = attributions[0]
    further = ""
    differences = (first.method, True)
    if differences in scales and scale_key(first) != differences:
        further = f"; of differences of two classes ±{scales[differences]:.2f}"
    if len({method for method, _ in scales}) > 1:
        further += "; each further method has a scale of its own"
    scale = scale_text(scales, first)
    units = listing(dict.fromkeys(name(a.unit) for a in attributions), "or")
    notes = [
        f"Colour scale: ±{scale} (99th percentile), shared by all texts{further}.",
        "Special tokens at the ends of a text whose scores are all 0 appear only among the subword tokens.",
        f"A score is a word's contribution to the {units} of a class, relative to the baseline; it does not say "
        "whether the label is correct.",
    ]
    if any(a.states_layer is not None for a in attributions):
        notes.append(
            "Token states mix information from all tokens, so that no word of the text is coloured by their scores."
        )
    return notes


# The explanation by layer


def explained_layer(view: View, task: str) -> int | None:
    """Return the layer whose probe is explained."""
    for a in view.result.attributions:
        if a.task == task and a.head == "probe":
            return a.layer
    return None


def _layer_means(view: View, task: str) -> dict[int, dict[str, Mean]]:
    """Return layer -> measure -> mean over the explained texts."""
    means = means_by_group(view.table("attributions_by_layer_means", task), "layer")
    return {int(layer): by_measure for (layer,), by_measure in sorted(means.items())}


def _layer_sentence(view: View, task: str) -> str:
    """Return at which layers the tokens are ranked most and least alike; empty where one layer is explained."""
    explained = explained_layer(view, task)
    correlations = dict[int, Mean]()
    for layer, by_measure in _layer_means(view, task).items():
        correlation = by_measure["correlation"]
        if layer != explained and correlation.n:
            correlations[layer] = correlation
    if not correlations or explained is None:
        return ""
    ranked = sorted(correlations, key=lambda layer: correlations[layer].value)
    least = ranked[0]
    most = ranked[-1]
    sentence = f"Attribution rankings of layer {explained} agree most with {_layer_phrase(most, correlations[most])}"
    if most != least:
        sentence += f" and least with {_layer_phrase(least, correlations[least])}"
    return f"{sentence}."


def _layer_phrase(layer: int, correlation: Mean) -> str:
    bounds = between(correlation.interval)
    return f"layer {layer} (Spearman {decimal(correlation.value, 2)}, 95 % CI {bounds})"


def _layer_table(view: View, task: str) -> tuple[Table, ...]:
    """Return the means over the explained texts, a row for each layer."""
    explained = explained_layer(view, task)
    rows = list[tuple[str, ...]]()
    for layer, means in _layer_means(view, task).items():
        correlation = means["correlation"]
        mark = " (explained)" if layer == explained else ""
        row = (
            f"{layer}{mark}",
            decimal(correlation.value, 2),
            between(correlation.interval),
            percent(means["same_class"].value),
            percent(means["probability"].value),
            count(correlation.n),
        )
        rows.append(row)
    if not rows:
        return ()
    heading = ("layer", "Spearman", "95 % CI", "same class", "mean probability", "texts")
    source = "Means over the explained texts; every text: tables/attributions_by_layer.csv."
    caption = f"{_layer_sentence(view, task)} {source}".strip()
    shape = columns(*heading, numeric=heading[1:])
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    return (Table(caption, rows=tuple(rows), folded=True, summary=f"Attributions by layer{subject}", **shape),)


# Convergence


def have_sums(view: View) -> bool:
    """Return whether the scores of any explanation have a sum that they should reach."""
    attributions = view.result.attributions
    return not attributions or any(a.convergence_delta is not None for a in attributions)


def convergence(view: View) -> Part | None:
    """Return whether the scores sum to the difference that they explain."""
    claim = view.claim("convergence")
    rows = _convergence_rows(view.result.attributions)
    if not rows and claim is None:
        return None
    sentences = list[str]()
    if not have_sums(view):
        sentences.append("Completeness does not apply: the scores of this method do not sum to an output difference.")
    elif claim is not None:
        sentences.append(_convergence_sentence(claim))
    names = ("task", "head", "method", "baseline", "output", "explained", "converged", "steps (median)")
    heading = (*names, "largest error")
    shape = columns(*heading, numeric=heading[5:])
    table = Table("Convergence.", rows=tuple(rows), folded=True, summary="Completeness", **shape)
    return Part(sentences=tuple(sentences), tables=(table,) if rows else ())


def _convergence_sentence(claim: Claim) -> str:
    """Return how many explanations converged, and the largest convergence delta."""
    n = int(value(claim, "n"))
    n_converged = int(value(claim, "n_converged"))
    share = "All" if n_converged == n else f"{count(n_converged)} of"
    tolerance = percent(value(claim, "tolerance"))
    smallest = decimal(value(claim, "smallest"))
    largest = decimal(value(claim, "max_abs_delta"))
    return (
        f"Completeness: {share.lower()} {count(n)} attributions sum to the output difference within {tolerance} of it "
        f"(or {smallest} logit where that is more); largest convergence delta {largest} logit."
    )


def _convergence_rows(attributions: Sequence[Attribution]) -> list[tuple[str, ...]]:
    """Return a row for each label column, head, method, baseline and kind of output."""
    groups: dict[tuple[str | None, ...], list[Attribution]] = {}
    for a in attributions:
        output = a.unit if a.against is None else f"{a.unit} difference"
        names = (a.task, a.model or a.head, a.method, a.baseline, output)
        groups.setdefault(names, []).append(a)
    rows = list[tuple[str, ...]]()
    for source, group in groups.items():
        cells = [name(part or wording.MISSING).replace("_", " ") for part in source]
        rows.append((*cells, count(len(group)), *_convergence_cells(group)))
    return rows


def _convergence_cells(group: Sequence[Attribution]) -> tuple[str, str, str]:
    """Return the number of explanations that converged, the median number of steps, and the largest delta."""
    n_converged = wording.MISSING
    largest = wording.MISSING
    median_steps = wording.MISSING
    deltas = [abs(a.convergence_delta) for a in group if a.convergence_delta is not None]
    if deltas:
        n_converged = count(sum(a.converged is not False for a in group))
        largest = decimal(max(deltas))
    steps = [a.n_steps for a in group if a.n_steps is not None]
    if steps:
        median_steps = f"{np.median(steps):g}"
    return n_converged, median_steps, largest


def convergence_care(view: View) -> str:
    """Return how many explanations did not converge; empty where all did."""
    claim = view.claim("convergence")
    if claim is None or claim.outcome != "fails" or not have_sums(view):
        return ""
    n = int(value(claim, "n") - value(claim, "n_converged"))
    verb = "is" if n == 1 else "are"
    return f"{plural(n, 'explanation')} did not converge and {verb} marked so."


# Deciding words


def deciding_words(view: View, task: str) -> str:
    """Return how often the word with the highest score is one that decides the label; empty where none is known."""
    claim = view.claim("deciding_words", task)
    if claim is None:
        return ""
    data = view.result.settings.get("data") or {}
    reason = "that annotators marked" if data.get("rationales") else "known to decide the label"
    hits = percent(value(claim, "hits"))
    random = percent(value(claim, "random"))
    n_texts = plural(int(value(claim, "n")), "explained text")
    return (
        f"Top word: in {hits} [95 % CI {interval(claim.interval)}] of {n_texts}, the word with the highest score is "
        f"one {reason}; with permuted token scores {random}."
    )
