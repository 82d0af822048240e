"""Attribution checks as counts: how many times each was passed."""

from __future__ import annotations

from probes.results.result import Claim
from reports.blocks import CheckCount
from reports.lookup import View, item, text
from reports.sections.explanations.attribution_checks import COUNTED, MEASURES, OUTCOMES
from reports.text import wording
from reports.text.wording import listing, name


def check_counts(view: View) -> tuple[CheckCount, ...]:
    """Return each check that was made, with the number of times that it was passed and what it was not passed for."""
    claims_by_check = dict[str, list[Claim]]()
    for claim in view.every("attribution_check"):
        if claim.outcome in COUNTED:
            claims_by_check.setdefault(text(claim, "check"), []).append(claim)
    counts = list[CheckCount]()
    for check in MEASURES:
        claims = claims_by_check.get(check, [])
        failed = [claim for claim in claims if claim.outcome != "passed"]
        if claims:
            counts.append(CheckCount(_name(check), len(claims) - len(failed), len(claims), _failures(view, failed)))
    return tuple(counts)


def _name(check: str) -> str:
    """Return the name of a check without its unit and its better direction."""
    title = MEASURES[check].title.partition(",")[0].rstrip(" ↑↓")
    return title[:1].lower() + title[1:]


def _failures(view: View, claims: list[Claim]) -> str:
    """Return the outcomes of a check that was not passed, each after what it was not passed for."""
    subjects_by_outcome = dict[str, list[str]]()
    for claim in claims:
        subjects_by_outcome.setdefault(OUTCOMES[claim.outcome], []).append(_subject(view, claim))
    phrases = list[str]()
    for outcome, subjects in subjects_by_outcome.items():
        listed = listing(filter(None, subjects))
        phrases.append(f"{listed} {outcome}".strip())
    return "; ".join(phrases)


def _subject(view: View, claim: Claim) -> str:
    """Return the label column and the head of a check, where there are several."""
    names = list[str]()
    if claim.task is not None and len(view.tasks) > 1:
        names.append(name(claim.task, 40))
    heads = {item(other, "head") for other in view.every("attribution_check") if item(other, "head")}
    if len(heads) > 1 and item(claim, "head"):
        names.append(wording.short_head(item(claim, "head")))
    return " ".join(names)
