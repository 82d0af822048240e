"""Attribution checks: the section that says whether the explanations hold up, one part for each check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reports.blocks import Part, Section
from reports.lookup import View, item
from reports.sections.explanations import (
    attributions,
    baselines,
    faithfulness,
    planted_shortcut,
    plausibility,
    randomisation,
)
from reports.text import wording
from reports.text.wording import listing

OPENINGS = {"for": "Speaks for them:", "against": "Speaks against them:", "open": "Cannot be told:"}
"""Side on which a check counts -> the beginning of its sentence."""
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
"""Claim and outcome -> side on which it counts, and the words for it."""


def section(view: View) -> Section | None:
    """Return every check that was made, and their summary."""
    parts = tuple(part for check in CHECKS.values() if (part := check(view)) is not None)
    if not parts:
        return None
    verdict = list[str]()
    for task in view.tasks:
        verdict += [view.about(task, sentence) for sentence in _summary(view, task)]
    notes = (
        "Adding up shows that the scores are computed well, not that they are the whole reason of a decision.",
        "An explanation can fail a check; none proves it.",
    )
    return Section("Do the explanations hold?", "trust", tuple(verdict), parts, notes)


def _summary(view: View, task: str) -> Iterator[str]:
    """Yield a sentence for each side on which checks of a label column count."""
    phrases: dict[str, list[str]] = {side: [] for side in OPENINGS}
    for kind in dict.fromkeys(kind for kind, _ in STANDING):
        outcomes = _outcomes_by_head(view, kind, task)
        differ = len(set(outcomes.values())) > 1
        for head, outcome in outcomes.items() if differ else list(outcomes.items())[:1]:
            if (kind, outcome) in STANDING:
                side, phrase = STANDING[kind, outcome]
                phrases[side].append(f"{phrase} ({wording.head(head)})" if differ else phrase)
    for side, opening in OPENINGS.items():
        if phrases[side]:
            yield f"{opening} {listing(phrases[side])}."


def _outcomes_by_head(view: View, kind: str, task: str) -> dict[str, str]:
    """Return the outcome of a check for each head, by the method that was explained with: a head's first claim."""
    if kind == "convergence" and not attributions.have_sums(view):
        return {}
    if kind == "planted_shortcut":
        if view.claim(kind, task) is None:
            return {}
        return {"None": planted_shortcut.outcome_of_hits(view, task) or "not_learned"}
    outcomes: dict[str, str] = {}
    for claim in (*view.claims(kind), *view.claims(kind, task)):
        head = "None" if "head" not in claim.numbers else str(item(claim, "head"))
        outcomes.setdefault(head, claim.outcome)
    return outcomes


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
"""Check -> the function that makes its part of the section, in this order."""
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
