"""Attribution checks as counts: how many times each was passed."""

from __future__ import annotations

from probes.results.result import Claim
from reports.blocks import CheckCount
from reports.lookup import View, item, text
from reports.sections.explanations.attribution_checks import COUNTED, MEASURES, OUTCOMES
from reports.text import wording
from reports.text.wording import name


def check_counts(view: View) -> tuple[CheckCount, ...]:
    """Return each check that was made, with the number of times that it was passed and what it was not passed for."""
    claims_by_check = dict[str, list[Claim]]()
    for claim in view.every("attribution_check"):
        if claim.outcome in COUNTED:
            claims_by_check.setdefault(text(claim, "check"), []).append(claim)
    counts = list[CheckCount]()
    for check in MEASURES:
        claims = claims_by_check.get(check, [])
        failed = [_failure(view, claim) for claim in claims if claim.outcome != "passed"]
        if claims:
            counts.append(CheckCount(_name(check), len(claims) - len(failed), len(claims), "; ".join(failed)))
    return tuple(counts)


def _name(check: str) -> str:
    """Return the name of a check without its unit and its better direction."""
    title = MEASURES[check].title.partition(",")[0].rstrip(" ↑↓")
    return title[:1].lower() + title[1:]


def _failure(view: View, claim: Claim) -> str:
    """Return for what a check was not passed, and its outcome."""
    subjects = list[str]()
    if claim.task is not None and len(view.tasks) > 1:
        subjects.append(name(claim.task, 40))
    heads = {item(other, "head") for other in view.every("attribution_check") if item(other, "head")}
    if len(heads) > 1 and item(claim, "head"):
        subjects.append(wording.short_head(item(claim, "head")))
    return " ".join((*subjects, OUTCOMES[claim.outcome]))
