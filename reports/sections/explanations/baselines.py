"""Baselines of explanations: whether the baseline leans to a class, and how much the ranking depends on it."""

from __future__ import annotations

from collections.abc import Iterator

from probes.results.result import Claim
from reports.blocks import Part, Table, columns
from reports.lookup import View, item, means_by_group, value
from reports.text import wording
from reports.text.wording import between, count, decimal, percent, plural, sentence


def bias(view: View) -> Part | None:
    """Return whether each head leans to a class at its baseline."""
    sentences = list[str]()
    for task in view.tasks:
        sentences += [view.about(task, bias_sentence(claim)) for claim in view.claims("baseline_bias", task)]
    return Part("Does the baseline lean to a class?", tuple(sentences)) if sentences else None


def bias_sentence(claim: Claim) -> str:
    """Return what the head predicts at the baseline, and what follows for the scores."""
    n_texts, n_informed = int(value(claim, "n")), int(value(claim, "n_informed"))
    baseline, nearest = item(claim, "baseline"), item(claim, "nearest")
    texts = plural(n_texts, "text")
    opening = f"{wording.baseline(baseline)} in the place of a text's tokens"
    distance = f"mean distance {decimal(value(claim, 'distance'), 2)}, where 0 is none and 1 the most"
    head = wording.head(item(claim, "head"))
    if claim.outcome == "informed":
        if nearest and nearest != baseline:
            nearest_distance = decimal(value(claim, "nearest_distance"), 2)
            distance += f"; the least has {wording.baseline(nearest)}: {nearest_distance}"
        return (
            f"Yes. With {opening} {head} still leans to a class in {count(n_informed)} of {texts} ({distance}). Scores "
            "count from there: they leave out what the baseline already says."
        )
    return (
        f"No. With {opening} {head} says what it would say knowing nothing, near the classes' shares in training or "
        f"equal shares, in {count(n_texts - n_informed)} of {texts} ({distance})."
    )


def cares(view: View) -> Iterator[str]:
    """Yield what a reader must know before using a score: baselines that lean to a class."""
    for task in view.tasks:
        for claim in view.claims("baseline_bias", task):
            if claim.outcome == "informed":
                yield view.about(task, sentence(bias_sentence(claim).removeprefix("Yes. ")))


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
    names = (*view.subject_columns, "method", "baseline", "beside", "rank correlation", "95 % interval")
    heading = (*names, "same word first", "texts")
    caption = "Every two baselines, means over the texts."
    table = Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[-4:]))
    meaning = (
        "A score says what a word adds compared with a text that lacks it; what stands for lacking is a choice. Where "
        "the correlation is low, so is what a single ranking can tell."
    )
    title = "How much hangs on the baseline?"
    return Part(title, tuple(sentences), tables=(table,) if rows else (), notes=(meaning,))


def _agreement_sentence(claim: Claim) -> str:
    n_texts = plural(int(value(claim, "n")), "text")
    return (
        f"Started from other baselines ({count(value(claim, 'n_baselines'))} in all), "
        f"{wording.method(item(claim, 'method'))} for {wording.head(item(claim, 'head'))} ranks a "
        f"text's tokens with a correlation of {decimal(value(claim, 'correlation'), 2)} on average (95 % "
        f"interval {between(claim.interval)}, {n_texts}) to the ranking shown "
        f"here; the same word comes first in {percent(value(claim, 'same_top'))}. It agrees least with "
        f"{wording.baseline(item(claim, 'lowest'))}: {decimal(value(claim, 'lowest_correlation'), 2)}."
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
