"""Agreement of the explained heads: whether the probe and the model's own classifier rank the tokens alike."""

from __future__ import annotations

from reports.lookup import View, value
from reports.text.wording import between, count, decimal

CONCLUSIONS = {
    "above": "rank the tokens alike",
    "below": "rank the tokens in opposite orders",
    "cannot_tell": "have rankings whose correlation is not significantly different from 0",
}
"""Outcome -> how the two rankings compare."""


def agreement_sentence(view: View, task: str) -> str:
    """Return how alike the two heads rank a text's tokens; empty where only one head is explained."""
    claim = view.claim("explained_head_agreement", task)
    if claim is None:
        return ""
    correlation = (
        f"rank correlation {decimal(value(claim, 'correlation'), 2)} [95 % CI "
        f"{between(claim.interval)}], n = {count(value(claim, 'n'))}"
    )
    conclusion = CONCLUSIONS[claim.outcome]
    return f"Attributions of the probe and of the model's own classifier {conclusion}: {correlation}."
