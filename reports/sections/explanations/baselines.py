"""Baselines of explanations: whether they are neutral, and how much the ranking of tokens depends on them."""

from __future__ import annotations

from collections.abc import Iterator

from probes.results.result import Claim
from reports.blocks import Part, Table, columns
from reports.lookup import View, item, means_by_group, value
from reports.text import wording
from reports.text.wording import between, count, decimal, percent, plural


def bias(view: View) -> Part | None:
    """Return whether each head is neutral at its baseline."""
    sentences = list[str]()
    for task in view.tasks:
        sentences += [view.about(task, bias_sentence(claim)) for claim in view.claims("baseline_bias", task)]
    return Part(sentences=tuple(sentences)) if sentences else None


def bias_sentence(claim: Claim) -> str:
    """Return what the head predicts at the baseline, and what follows for the scores."""
    n_texts = int(value(claim, "n"))
    n_informed = int(value(claim, "n_informed"))
    baseline = item(claim, "baseline")
    head = wording.head(item(claim, "head"))
    distance = f"mean total variation {decimal(value(claim, 'distance'), 2)}"
    if claim.outcome == "informed":
        return (
            f"The baseline of the attributions is not neutral: with {wording.baseline(baseline)}, {head} already "
            f"favours a class in {count(n_informed)} of {plural(n_texts, 'text')} ({distance}{_alternative(claim)}). "
            f"{_none_is_neutral(claim)}Scores explain only the change from that prediction."
        )
    return (
        f"The baseline of the attributions is neutral: with {wording.baseline(baseline)}, {head} predicts about the "
        f"class shares in training, or equal shares, in {count(n_texts - n_informed)} of {plural(n_texts, 'text')} "
        f"({distance})."
    )


def neutral_alternative(claim: Claim) -> str:
    """Return the baseline to use instead of the one that is not neutral; empty where no other is neutral."""
    nearest = item(claim, "nearest")
    if not nearest or nearest == item(claim, "baseline") or _exceeds_limit(claim):
        return ""
    return str(nearest)


def _exceeds_limit(claim: Claim) -> bool:
    """Return whether even the most neutral baseline is not neutral."""
    return value(claim, "nearest_distance") > value(claim, "limit")


def _alternative(claim: Claim) -> str:
    """Return the neutral baseline to use instead, in the parentheses of a sentence; empty where there is none."""
    nearest = neutral_alternative(claim)
    if not nearest:
        return ""
    distance = decimal(value(claim, "nearest_distance"), 2)
    return f"; best alternative, {wording.baseline(nearest)}: {distance}, --baseline {nearest}"


def _none_is_neutral(claim: Claim) -> str:
    """Return that no available baseline is neutral, with the nearest one; empty where one is, or it is not known."""
    if not _exceeds_limit(claim):
        return ""
    nearest = wording.baseline(item(claim, "nearest"))
    distance = decimal(value(claim, "nearest_distance"), 2)
    limit = decimal(value(claim, "limit"), 2)
    return f"No available baseline is neutral (limit {limit}; the nearest, {nearest}: {distance}). "


def agreement(view: View) -> Part | None:
    """Return how alike the attributions from different baselines rank a text's tokens."""
    sentences = list[str]()
    rows = list[tuple[str, ...]]()
    for task in view.tasks:
        claims = view.claims("baseline_agreement", task)
        sentences += [view.about(task, _agreement_sentence(claim)) for claim in claims]
        rows += _agreement_rows(view, task)
    if not sentences and not rows:
        return None
    names = (*view.subject_columns, "method", "baseline", "other baseline", "rank correlation", "95 % CI")
    heading = (*names, "same top word", "texts")
    caption = "Every two baselines, means over the texts."
    shape = columns(*heading, numeric=heading[-4:])
    table = Table(caption, rows=tuple(rows), folded=True, summary="Agreement between baselines", **shape)
    return Part(sentences=tuple(sentences), tables=(table,) if rows else ())


def _agreement_sentence(claim: Claim) -> str:
    return (
        f"Agreement between {count(value(claim, 'n_baselines'))} baselines, {wording.method(item(claim, 'method'))} "
        f"for {wording.head(item(claim, 'head'))}: rank correlation {decimal(value(claim, 'correlation'), 2)} [95 % CI "
        f"{between(claim.interval)}], n = {count(value(claim, 'n'))}; same top word in "
        f"{percent(value(claim, 'same_top'))}. Lowest with {wording.baseline(item(claim, 'lowest'))}: "
        f"{decimal(value(claim, 'lowest_correlation'), 2)}."
    )


def _agreement_rows(view: View, task: str) -> Iterator[tuple[str, ...]]:
    table = view.table("baseline_agreement_means", task)
    for key, means in means_by_group(table, "head", "method", "baseline", "other_baseline").items():
        head, method, baseline, other_baseline = key
        correlation, same_top = means["correlation"], means["same_top"]
        yield (
            *view.row_subject(task, head),
            wording.method(method),
            wording.baseline(baseline),
            wording.baseline(other_baseline),
            decimal(correlation.value, 2),
            between(correlation.interval),
            percent(same_top.value),
            count(correlation.n),
        )
