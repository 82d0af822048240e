"""Do the explanations hold? Their checks, each a question with its answer, numbers and picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from probes.results.result import Claim
from reports.blocks import Part, Section, Table, columns
from reports.lookup import Mean, View, by_head, item, value
from reports.sections.explanations import faithfulness, known_causes
from reports.text import wording
from reports.text.wording import between, count, decimal, listing, name, percent, plural, sentence

SPEAKS = {"for": "Speaks for them:", "against": "Speaks against them:", "open": "Cannot be told:"}
STANDING: Mapping[tuple[str, str], tuple[str, str]] = {
    ("convergence", "holds"): ("for", "their scores add up"),
    ("convergence", "fails"): ("against", "some scores do not add up"),
    ("baseline_bias", "uninformed"): ("for", "the baseline leans to no class"),
    ("baseline_bias", "informed"): ("against", "the baseline itself leans to a class"),
    ("faithfulness", "above"): ("for", "the tokens ranked first matter more than random ones"),
    ("faithfulness", "below"): ("against", "the tokens ranked first matter less than random ones"),
    ("faithfulness", "cannot_tell"): ("open", "whether the tokens ranked first matter more than random ones"),
    ("plausibility", "above"): ("for", "marked reasons are found"),
    ("plausibility", "below"): ("against", "marked reasons are ranked behind"),
    ("plausibility", "cannot_tell"): ("open", "whether marked reasons are found"),
    ("deciding_words", "above"): ("for", "words known to decide are found"),
    ("deciding_words", "cannot_tell"): ("open", "whether words known to decide are found"),
    ("planted_shortcut", "above"): ("for", "a planted shortcut is found"),
    ("planted_shortcut", "below"): ("against", "a planted shortcut is not found"),
    ("planted_shortcut", "cannot_tell"): ("open", "whether a planted shortcut is found"),
    ("planted_shortcut", "not_learned"): ("open", "whether a planted shortcut would be found, as none was learned"),
    ("parameter_randomisation", "changes"): ("for", "they change with the encoder's weights"),
    ("parameter_randomisation", "unchanged"): ("against", "they stay when the encoder's weights are random"),
    ("parameter_randomisation", "cannot_tell"): ("open", "whether they change with the encoder's weights"),
}
"""Claim and outcome -> on which side it counts, and in which words."""


def trust(view: View) -> Section | None:
    """Whether the explanations hold."""
    parts = tuple(part for check in CHECKS.values() if (part := check(view)) is not None)
    if not parts:
        return None
    verdict = [view.about(task, said) for task in view.tasks for said in _summary(view, task)]
    notes = [
        "Adding up shows that the scores are computed well, not that they are the whole reason of a decision.",
        "An explanation can fail a check; none proves it.",
    ]
    return Section("Do the explanations hold?", "trust", tuple(verdict), parts, tuple(notes))


def _summary(view: View, task: str) -> Iterator[str]:
    """What the checks of a label column come to, a sentence a side."""
    sides: dict[str, list[str]] = {side: [] for side in SPEAKS}
    for kind in dict.fromkeys(kind for kind, _ in STANDING):
        outcomes: dict[str, str] = {}
        for claim in (*view.claims(kind), *view.claims(kind, task)):
            if kind == "convergence" and not summed(view):
                continue
            outcome = (
                (known_causes.found_shortcut(view, task) or "not_learned")
                if kind == "planted_shortcut"
                else claim.outcome
            )
            # The first of a head's is of the method that was explained with.
            outcomes.setdefault(str(claim.numbers.get("head")), outcome)
        for head, outcome in outcomes.items() if len(set(outcomes.values())) > 1 else list(outcomes.items())[:1]:
            if (kind, outcome) in STANDING:
                side, words = STANDING[kind, outcome]
                sides[side].append(f"{words} ({wording.head(head)})" if len(set(outcomes.values())) > 1 else words)
    for side, found in sides.items():
        if found:
            yield f"{SPEAKS[side]} {listing(found)}."


def summed(view: View) -> bool:
    """Whether the method's scores have a sum to meet."""
    found = view.result.attributions
    return not found or any(a.convergence_delta is not None for a in found)


def _sums(view: View) -> Part | None:
    """Do the scores add up?"""
    sums, sentences, rows = view.claim("convergence"), [], []
    for key in dict.fromkeys((a.task, a.model or a.head, a.method, a.baseline) for a in view.result.attributions):
        own = [a for a in view.result.attributions if (a.task, a.model or a.head, a.method, a.baseline) == key]
        deltas = [abs(a.convergence_delta) for a in own if a.convergence_delta is not None]
        steps = [a.n_steps for a in own if a.n_steps is not None]
        good = count(sum(a.converged is not False for a in own)) if deltas else wording.MISSING
        worst, usual = (decimal(max(deltas)) if deltas else "–"), (f"{np.median(steps):g}" if steps else "–")
        names = [name(part or "–").replace("_", " ") for part in key]
        rows.append((*names, count(len(own)), good, usual, worst))
    if not rows and sums is None:
        return None
    if not summed(view):
        sentences.append("This method's scores have no sum to meet: the check does not apply.")
    elif sums is not None:
        n, holding = int(value(sums, "n")), int(value(sums, "n_converged"))
        sentences.append(
            f"{'All' if holding == n else count(holding) + ' of'} {count(n)} explanations add up: their scores sum to "
            f"the difference they explain within {percent(value(sums, 'tolerance'))} of it (or "
            f"{decimal(value(sums, 'smallest'))} logit where that is more); the largest error is "
            f"{decimal(value(sums, 'max_abs_delta'))} logit."
        )
    heading = (
        "task",
        "head",
        "method",
        "baseline",
        "explained",
        "converged",
        "steps (median)",
        "largest error, logit",
    )
    table = Table("Convergence.", rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[4:]))
    return Part("Do the scores add up?", tuple(sentences), tables=(table,) if rows else ())


def _neutral(view: View) -> Part | None:
    """Does the baseline say nothing?"""
    found = [view.about(task, leaning(claim)) for task in view.tasks for claim in view.claims("baseline_bias", task)]
    return Part("Does the baseline lean to a class?", tuple(found)) if found else None


def leaning(claim: Claim) -> str:
    """What the head says of the baseline, and what follows for the scores."""
    n, away = int(value(claim, "n")), int(value(claim, "n_informed"))
    start = f"{wording.baseline(item(claim, 'baseline'))} in the place of a text's tokens"
    apart = f"mean distance {decimal(value(claim, 'distance'), 2)}, where 0 is none and 1 the most"
    who = wording.head(item(claim, "head"))
    if claim.outcome == "informed":
        near = item(claim, "nearest")
        if near and near != item(claim, "baseline"):
            apart += f"; the least has {wording.baseline(near)}: {decimal(value(claim, 'nearest_distance'), 2)}"
        return (
            f"Yes. With {start} {who} still leans to a class in {count(away)} of {plural(n, 'text')} ({apart}). Scores "
            "count from there: they leave out what the baseline already says."
        )
    return (
        f"No. With {start} {who} says what it would say knowing nothing, near the classes' shares in training or equal "
        f"shares, in {count(n - away)} of {plural(n, 'text')} ({apart})."
    )


def _starts(view: View) -> Part | None:
    """How much hangs on the baseline?"""
    sentences, rows = list[str](), list[tuple[str, ...]]()
    for task in view.tasks:
        for claim in view.claims("baseline_agreement", task):
            said = (
                f"Started from other baselines ({count(value(claim, 'n_baselines'))} in all), "
                f"{wording.method(item(claim, 'method'))} for {wording.head(item(claim, 'head'))} ranks a "
                f"text's tokens with a correlation of {decimal(value(claim, 'correlation'), 2)} on average (95 % "
                f"interval {between(claim.interval)}, {plural(int(value(claim, 'n')), 'text')}) to the ranking shown "
                f"here; the same word comes first in {percent(value(claim, 'same_top'))}. It agrees least with "
                f"{wording.baseline(item(claim, 'lowest'))}: {decimal(value(claim, 'lowest_correlation'), 2)}."
            )
            sentences.append(view.about(task, said))
        for head, own in by_head(view.table("baseline_agreement", task)):
            for (method, start, other), part in own.groupby(["method", "baseline", "other_baseline"], sort=False):
                mean, same = Mean.of(part["correlation"]), Mean.of(part["same_top"].astype(float))
                cells = (decimal(mean.value, 2), between(mean.bounds), percent(same.value), count(mean.n))
                named = (wording.method(method), wording.baseline(start), wording.baseline(other))
                rows.append((*view.place(task, head), *named, *cells))
    if not sentences and not rows:
        return None
    heading = (*view.place_names, "method", "baseline", "beside", "rank correlation", "95 % interval")
    heading = (*heading, "same word first", "texts")
    table = Table(
        "Every two baselines, means over the texts.",
        rows=tuple(rows),
        folded=True,
        **columns(*heading, numeric=heading[-4:]),
    )
    meaning = (
        "A score says what a word adds compared with a text that lacks it; what stands for lacking is a choice. Where "
        "the correlation is low, so is what a single ranking can tell."
    )
    title = "How much hangs on the baseline?"
    return Part(title, tuple(sentences), tables=(table,) if rows else (), notes=(meaning,))


def cares(view: View) -> Iterator[str]:
    """What a reader must know before using a score."""
    for task in view.tasks:
        for claim in view.claims("baseline_bias", task):
            if claim.outcome == "informed":
                said = sentence(leaning(claim).removeprefix("Yes. "))
                yield view.about(task, said)


CHECKS: Mapping[str, Callable[[View], Part | None]] = {
    "convergence": _sums,
    "baseline_bias": _neutral,
    "faithfulness": faithfulness.faithful,
    "baseline_agreement": _starts,
    "infidelity": faithfulness.infidelity,
    "perturbation_curves": faithfulness.curves,
    "plausibility": known_causes.marked,
    "planted_shortcut": known_causes.planted,
    "parameter_randomisation": known_causes.randomised,
}
"""Check -> what makes its part of the section, in this order."""
TABLES = (
    "faithfulness",
    "baseline_agreement",
    "infidelity",
    "perturbation_curves",
    "plausibility",
    "planted_shortcut",
    "parameter_randomisation",
)
