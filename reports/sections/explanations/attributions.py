"""Attributions: the section of explained texts, their convergence, deciding words, and the explanation by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from probes.results.result import Attribution, Claim
from reports import cards
from reports.blocks import Part, Section, Table, columns
from reports.lookup import Mean, View, means_by_group, value
from reports.sections.explanations import head_agreement
from reports.sections.explanations.explorer import explorer
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, name, percent, plural


def section(view: View) -> Section | None:
    """Return a card for each explained text, by label column."""
    attributions = view.result.attributions
    if not attributions:
        nothing = "No text was explained: there are no scores of words to show."
        return Section("Explained texts", "explained", (nothing,)) if _was_requested(view) else None
    scales = cards.scales([a for a in attributions if a.states_layer is None] or attributions)
    verdict = list[str]()
    parts = list[Part]()
    for task in dict.fromkeys(a.task for a in attributions):
        of_task = [a for a in attributions if a.task == task]
        part = _part(view, task, of_task, scales)
        parts.append(part)
        for text in _sentences(view, task, of_task, part):
            verdict.append(text if task is None else view.about(task, text))
    notes = _notes(attributions, scales)
    return Section("Explained texts", "explained", tuple(verdict), tuple(parts), tuple(notes))


def _was_requested(view: View) -> bool:
    """Return whether the settings ask for explanations."""
    settings = view.result.settings.get("explain")
    n_texts = settings.get("attribute") if isinstance(settings, dict) else None
    return view.result.name == "attribute" or (isinstance(n_texts, int) and n_texts > 0)


def _part(view: View, task: str | None, attributions: Sequence[Attribution], scales: Mapping[str, float]) -> Part:
    """Return the cards of a label column, with the explorer's data."""
    first_scale = next(iter(scales.values()))
    numbers = cards.TextNumbers.of(view)
    text_cards = cards.cards(attributions, first_scale, random_pooler=view.random_pooler, numbers=numbers)
    choices = explorer(text_cards, scales, random_pooler=view.random_pooler, agreement=view.explanation_agreement)
    decisions = list[Attribution]()
    for group in cards.by_text(attributions):
        decisions += [decision[0] for decision in cards.by_decision(group)]
    heads = cards.head_names(decisions, random_pooler=view.random_pooler)
    return Part(
        None if task is None else view.heading(task),
        (f"Explained: {heads}. {_explained_output(attributions)}",),
        tables=() if task is None else _layer_table(view, task),
        cards=text_cards,
        explorer=choices,
    )


def _sentences(view: View, task: str | None, attributions: Sequence[Attribution], part: Part) -> list[str]:
    """Return how many texts are explained, whether the heads agree, and how the explanation depends on the layer."""
    n_wrong = sum(card.correct is False for card in part.cards)
    by_head = ""
    models = {a.model for a in attributions}
    if len(models) > 1:
        head = cards.head_names(attributions[:1], random_pooler=view.random_pooler)
        by_head = f" by {head}"
    n_texts = plural(len(part.cards), "text")
    sentences = [f"{n_texts} explained, {count(n_wrong)} of them misclassified{by_head}."]
    if task is not None:
        sentences += [head_agreement.agreement_sentence(view, task), _layer_sentence(view, task)]
    return [sentence for sentence in sentences if sentence]


def _explained_output(attributions: Sequence[Attribution]) -> str:
    """Return what the scores of a label column are scores of."""
    phrases = list[str]()
    outputs = dict.fromkeys((a.unit, a.against is not None) for a in attributions)
    for unit, has_contrast in outputs:
        output = name(unit)
        phrase = f"the {output} of the class named under the text"
        if has_contrast:
            phrase = f"the {output} of the class named first under the text minus the {output} of the one named second"
        phrases.append(phrase)
    return f"Every score belongs to {listing(phrases, 'or')}."


def _notes(attributions: Sequence[Attribution], scales: Mapping[str, float]) -> list[str]:
    units = listing(dict.fromkeys(name(a.unit) for a in attributions), "or")
    first_scale = next(iter(scales.values()))
    further = "; each further method has a scale of its own" if len(scales) > 1 else ""
    notes = [
        f"Fullest colour: {first_scale:.2f} {units} or more, on one scale for the whole page, centred on "
        f"zero{further}.",
        "Special tokens that score exactly 0 at the ends of a text stand among the pieces only.",
        "The texts are chosen to show errors and extremes; they are not a sample of all texts.",
        f"A score says what the class's {units} owes to a word, compared with the baseline; it says nothing of the "
        "label.",
    ]
    if any(a.states_layer is not None for a in attributions):
        notes.append(
            "Token states are places in the network: each holds something of every token, so that no word of the text "
            "is coloured by its score."
        )
    return notes


# The explanation by layer


def _explained_layer(view: View, task: str) -> int | None:
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
    """Return at which layers the tokens are ranked least and most alike; empty where one layer is explained."""
    explained = _explained_layer(view, task)
    means = _layer_means(view, task)
    correlations = dict[int, float]()
    for layer, by_measure in means.items():
        correlation = by_measure["correlation"]
        if layer != explained and correlation.n:
            correlations[layer] = correlation.value
    if not correlations or explained is None:
        return ""
    ranked = sorted(correlations, key=correlations.__getitem__)
    least = ranked[0]
    most = ranked[-1]
    opening = f"Through the layers: compared with layer {explained}, the tokens are ranked least alike at"
    extremes = _layer_phrase(least, means[least])
    if most != least:
        extremes += f", most alike at {_layer_phrase(most, means[most])}"
    return f"{opening} {extremes}."


def _layer_phrase(layer: int, means: Mapping[str, Mean]) -> str:
    correlation = means["correlation"]
    rank_correlation = (
        f"rank correlation {decimal(correlation.value, 2)}, 95 % interval {between(correlation.interval)}"
    )
    same_class = percent(means["same_class"].value)
    n_texts = plural(correlation.n, "text")
    return f"layer {layer} ({rank_correlation}; {same_class} of {n_texts} get the same class there)"


def _layer_table(view: View, task: str) -> tuple[Table, ...]:
    """Return the means over the explained texts, a row for each layer."""
    explained = _explained_layer(view, task)
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
    heading = ("layer", "rank correlation", "95 % interval", "same class", "its mean probability", "texts")
    caption = (
        "Means over the explained texts, beside the layer explained; every text: tables/attributions_by_layer.csv."
    )
    shape = columns(*heading, numeric=heading[1:])
    return (Table(caption, rows=tuple(rows), folded=True, summary="Through the layers", **shape),)


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
    names = ("task", "head", "method", "baseline", "explained", "converged", "steps (median)")
    heading = (*names, "largest error, logit")
    shape = columns(*heading, numeric=heading[4:])
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
    """Return a row for each label column, head, method and baseline."""
    groups: dict[tuple[str | None, ...], list[Attribution]] = {}
    for a in attributions:
        names = (a.task, a.model or a.head, a.method, a.baseline)
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
        f"one {reason}; random word {random}."
    )
