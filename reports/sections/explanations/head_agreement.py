"""Agreement of the explained heads: whether the probe and the model's own classifier rank the tokens alike."""

from __future__ import annotations

from reports.lookup import View, value
from reports.text.wording import between, decimal, plural, sentence


def agreement_sentence(view: View, task: str) -> str:
    """Return how alike the two heads rank a text's tokens; empty where only one head is explained."""
    claim = view.claim("explained_head_agreement", task)
    if claim is None:
        return ""
    correlation = (
        f"rank correlation {decimal(value(claim, 'correlation'), 2)} on average (95 % interval "
        f"{between(claim.interval)}, {plural(int(value(claim, 'n')), 'text')})"
    )
    heads = "the probe and the model's own classifier"
    if claim.outcome == "above":
        return f"{sentence(heads)} rest on like tokens: {correlation}; 1 would be the same ranking."
    if claim.outcome == "below":
        return f"{sentence(heads)} rest on different tokens: {correlation}; what one ranks first, the other ranks last."
    return f"Cannot tell whether {heads} rest on like tokens: {correlation}."
