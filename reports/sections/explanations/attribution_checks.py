"""Attribution checks: the outcome of every check beside its result at random, and the numbers behind them, folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from probes.results.result import Claim
from reports.blocks import Part, Section, Table, columns
from reports.lookup import View, item, text, value
from reports.sections.explanations import (
    attributions,
    baselines,
    faithfulness,
    planted_shortcut,
    plausibility,
    randomisation,
)
from reports.text import wording
from reports.text.wording import count, decimal, listing, name, percent, points, unsigned_points


@dataclass(frozen=True)
class Measure:
    """How a check is named and its numbers are written."""

    title: str
    """Name of the check with the unit of its result and the better direction."""
    written: Callable[[float], str]
    """Function that writes the result."""
    reference: str
    """Name of what the result is compared with."""
    meaning: str
    """Note on what the check measures, in a sentence or two."""


def _two_digits(number: float) -> str:
    return decimal(number, 2)


MEASURES: Mapping[str, Measure] = {
    "completeness": Measure(
        "Completeness",
        percent,
        "",
        "Completeness: the scores sum to the difference between the output of the text and that of the baseline. It "
        "verifies the computation, not faithfulness.",
    ),
    "baseline_neutrality": Measure(
        "Baseline neutrality\u00a0↓",
        _two_digits,
        "limit",
        "Baseline neutrality (total variation): at the baseline the classifier predicts about the shares of the "
        "classes in training, or equal shares. Scores explain only the change from the prediction at the baseline.",
    ),
    "comprehensiveness": Measure(
        "Comprehensiveness, points\u00a0↑",
        unsigned_points,
        "random",
        "Comprehensiveness: the drop in the predicted probability when the top 1, 5, 10, 20 and 50 % of the tokens are "
        "replaced by the mask token, or by another baseline where there is none; the mean over the five.",
    ),
    "sufficiency": Measure(
        "Sufficiency, points\u00a0↓",
        unsigned_points,
        "random",
        "Sufficiency: the drop in the predicted probability when only these tokens are kept. Random tokens change the "
        "prediction too; only what exceeds them counts.",
    ),
    "deletion_curve": Measure(
        "Deletion curve\u00a0↓",
        percent,
        "random",
        "Deletion and insertion curves: the mean probability of the class as tokens are removed, or added, from the "
        "highest score to the lowest.",
    ),
    "insertion_curve": Measure("Insertion curve\u00a0↑", percent, "random", ""),
    "infidelity": Measure(
        "Infidelity\u00a0↓",
        decimal,
        "zero scores",
        "Infidelity: the mean squared difference between the change of the output that the scores predict and the one "
        "that occurs when sets of tokens are replaced.",
    ),
    "plausibility": Measure(
        "Plausibility, AUPRC\u00a0↑",
        _two_digits,
        "random",
        "Plausibility: agreement with the words that annotators marked, as the area under the precision-recall curve "
        "(AUPRC). A classifier may rely on other words; low plausibility is then no fault of the attribution.",
    ),
    "deciding_words": Measure(
        "Top word decides the label\u00a0↑",
        percent,
        "permuted",
        "Top word: the share of texts whose word with the highest score is one that is known to decide the label, or "
        "that annotators marked; beside it the share when the scores of a text's tokens are permuted.",
    ),
    "planted_shortcut": Measure(
        "Planted shortcut ranked first\u00a0↑",
        percent,
        "random",
        "Planted shortcut: a probe is trained on labels that a planted word decides; a faithful attribution ranks that "
        "word first.",
    ),
    "parameter_randomisation": Measure(
        "Parameter randomisation, ρ\u00a0↓",
        _two_digits,
        "limit",
        "Parameter randomisation: an attribution that reflects what the encoder has learned changes when the weights "
        "are random. ρ is the Spearman rank correlation with the attribution of the intact encoder.",
    ),
    "baseline_agreement": Measure(
        "Agreement between baselines, ρ",
        _two_digits,
        "",
        "Agreement between baselines: how alike the attributions from other baselines rank the tokens "
        "(ρ, Spearman rank correlation).",
    ),
}
"""Check -> its name and units, in the order of the table."""
OUTCOMES = {
    "passed": "passed",
    "weak": "weak",
    "inconclusive": "inconclusive",
    "failed": "failed",
    "not_applicable": "not applicable",
    "measured": "no test",
}
"""Outcome -> its badge."""
COUNTED = ("passed", "weak", "inconclusive", "failed")
"""Outcomes that count as a check made."""
RULE = (
    "The outcome follows from the 95 % CI of the gain over the reference. Passed: the whole CI is at least 0.05 (5 "
    "points, or 5 % of the error of scores of 0). Weak: the CI is above 0, but not by 0.05. Inconclusive: the CI "
    "includes 0, or there are fewer than 6 texts. Failed: the CI is below 0. Completeness and baseline neutrality are "
    "passed where all texts meet the criterion."
)
LIMIT = "An attribution can fail a check; passing proves nothing."
SAMPLE = "Checks are made on the explained texts. Where these were selected, intervals are about texts selected so."


def section(view: View) -> Section | None:
    """Return every check that was made, with its outcome."""
    details = [part for check in CHECKS.values() if (part := check(view)) is not None]
    claims = sorted(view.every("attribution_check"), key=_position)
    if not details and not claims:
        return None
    parts = list[Part]()
    if claims:
        parts.append(Part(tables=(_table(view, claims),)))
    if details:
        parts.append(_merged(details))
    n_passed, n_made = counts(view)
    tag = f"{n_passed}/{n_made}" if n_made else ""
    verdict = (f"{n_passed} of {n_made} checks passed.{_not_passed(view, claims)}",) if n_made else ()
    return Section("Attribution checks", "trust", verdict, tuple(parts), _notes(claims), tag)


def counts(view: View) -> tuple[int, int]:
    """Return how many checks are passed, and how many were made."""
    outcomes = Counter(claim.outcome for claim in view.every("attribution_check"))
    return outcomes["passed"], sum(outcomes[outcome] for outcome in COUNTED)


def _position(claim: Claim) -> int:
    """Return the position of a check in the table."""
    return list(MEASURES).index(text(claim, "check"))


def _not_passed(view: View, claims: Sequence[Claim]) -> str:
    """Return the checks that were not passed, in one sentence for each outcome; empty where all were passed."""
    phrases = list[str]()
    for outcome in ("failed", "inconclusive", "weak"):
        subjects = dict[str, list[str]]()
        for claim in claims:
            if claim.outcome == outcome:
                title = MEASURES[text(claim, "check")].title.partition(",")[0].strip("\u00a0↑↓").lower()
                subjects.setdefault(title, []).append("" if claim.task is None else name(claim.task))
        if subjects:
            checks = [_with_tasks(view, check, tasks) for check, tasks in subjects.items()]
            phrases.append(f" {outcome.capitalize()}: {listing(checks)}.")
    return "".join(phrases)


def _with_tasks(view: View, check: str, tasks: Sequence[str]) -> str:
    """Return a check with the label columns it is about, where the result has several."""
    named = list(dict.fromkeys(filter(None, tasks)))
    return f"{check} ({listing(named)})" if named and len(view.tasks) > 1 else check


def _table(view: View, claims: Sequence[Claim]) -> Table:
    """Return a row for each check, label column and head."""
    heads = {item(claim, "head") for claim in claims} - {None}
    names = ["check"]
    if len(view.tasks) > 1:
        names.append("task")
    if len(heads) > 1:
        names.append("head")
    heading = (*names, "outcome", "result", "reference", "gain [95 % CI]", "n")
    rows = list[tuple[str, ...]]()
    for claim in claims:
        cells = {
            "check": MEASURES[text(claim, "check")].title,
            "task": "all" if claim.task is None else name(claim.task),
            "head": _head(claim),
        }
        outcome = OUTCOMES[claim.outcome]
        rows.append((*(cells[column] for column in names), outcome, *_result_cells(claim)))
    return Table("", rows=tuple(rows), badge=len(names), **columns(*heading, numeric=heading[-2:]))


def _head(claim: Claim) -> str:
    head = item(claim, "head")
    return wording.MISSING if head is None else wording.short_head(head)


def _result_cells(claim: Claim) -> tuple[str, ...]:
    """Return the result, its reference, the gain with its interval, and the number of texts."""
    measure = MEASURES[text(claim, "check")]
    gain = value(claim, "gain")
    result = _result(claim, measure)
    gain_cell = wording.MISSING
    if item(claim, "gain") is not None:
        is_share = measure.written in (percent, unsigned_points)
        written_gain = points(gain) if is_share else wording.signed(gain, 2)
        gain_cell = f"{written_gain} {_bracketed(claim.interval, 100 if is_share else 1)}"
    reference = wording.MISSING
    if item(claim, "reference") is not None:
        reference = f"{measure.reference} {measure.written(value(claim, 'reference'))}"
    return result, reference, gain_cell, count(value(claim, "n"))


def _result(claim: Claim, measure: Measure) -> str:
    """Return the result of a check; with its interval where no gain has one."""
    check = text(claim, "check")
    n = count(value(claim, "n"))
    if check == "completeness":
        return f"{count(value(claim, 'n_holding'))} of {n}"
    written = measure.written(value(claim, "value"))
    if check == "baseline_neutrality":
        return f"{written}; neutral {count(value(claim, 'n_holding'))} of {n}"
    if claim.outcome == "not_applicable":
        return f"not learned: {written} of the predictions follow the word"
    if item(claim, "gain") is None and claim.interval is not None:
        return f"{written} {_bracketed(claim.interval, 1)}"
    return written


def _bracketed(bounds: tuple[float, float] | None, factor: float) -> str:
    """Return an interval times a factor as `[14.4, 24.2]`."""
    if bounds is None:
        return ""
    digits = 1 if factor > 1 else 2
    lower, upper = (decimal(factor * end, digits) for end in bounds)
    return f"[{lower}, {upper}]"


def _merged(details: Sequence[Part]) -> Part:
    """Return the sentences, figures and tables of all checks as one folded part."""
    sentences = tuple(sentence for part in details for sentence in part.sentences)
    drawings = tuple(drawing for part in details for drawing in part.drawings)
    tables = tuple(table for part in details for table in part.tables)
    rows = tuple(row for part in details for row in part.panels)
    return Part(
        sentences=sentences,
        drawings=drawings,
        tables=tables,
        panels=rows,
        summary="Figures, and numbers of every method",
    )


def _notes(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Return the rule of the outcomes, and what each check that was made means."""
    checks = dict.fromkeys(text(claim, "check") for claim in claims)
    meanings = [MEASURES[check].meaning for check in checks if MEASURES[check].meaning]
    return (*((RULE,) if claims else ()), *meanings, SAMPLE, LIMIT)


CHECKS: Mapping[str, Callable[[View], Part | None]] = {
    "convergence": attributions.convergence,
    "baseline_bias": baselines.bias,
    "faithfulness": faithfulness.erasure,
    "baseline_agreement": baselines.agreement,
    "infidelity": faithfulness.infidelity,
    "perturbation_curves": faithfulness.curves,
    "plausibility": plausibility.part,
    "planted_shortcut": planted_shortcut.part,
    "parameter_randomisation": randomisation.part,
}
"""Check -> the function that returns its sentences, figures and tables, in this order."""
CHECK_TABLES = (
    "faithfulness",
    "baseline_agreement",
    "infidelity",
    "perturbation_curves",
    "plausibility",
    "planted_shortcut",
    "parameter_randomisation",
)
"""Tables whose presence means that a check was made."""
TABLES = (
    *CHECK_TABLES,
    "faithfulness_means",
    "baseline_agreement_means",
    "infidelity_means",
    "plausibility_means",
    "parameter_randomisation_means",
)
"""Tables that the section draws."""
