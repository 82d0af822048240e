"""Agreement of attributions between heads: rank correlations of the tokens, and the faithfulness of each ranking."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table
from reports.charts import dots
from reports.charts.canvas import Label
from reports.lookup import View, n_of_claims, text, value
from reports.text import wording
from reports.text.wording import confidence, count, decimal, listing, plural, points, sample_size, sentence

NOTES = (
    "Two heads may be correct on the same texts for different tokens. Compared is the order of a text's own tokens by "
    "integrated gradients, both for the class that the first head named predicts; special tokens are left out.",
)


def section(view: View) -> Section | None:
    """Return rank correlations of every two heads, and the faithfulness of each head's ranking."""
    drawings = _correlations(view)
    tables = _faithfulness(view)
    if not drawings and not tables:
        return None
    sentences = (*agreement_sentences(view), *faithfulness_sentences(view))
    part = Part(drawings=drawings, tables=tables)
    return Section("Agreement of attributions between heads", "same", sentences, (part,), NOTES)


def agreement_sentences(view: View) -> Iterator[str]:
    """Yield the rank correlation of every two heads, a sentence for each outcome."""
    for outcome, ending in ENDINGS.items():
        claims = [c for c in view.stated("fine_tuned_head_agreement") if c.outcome == outcome]
        pairs = list[str]()
        for claim in claims:
            limits = confidence(claim.interval, scale=1, digits=2, before=" ")
            pairs.append(f"{_pair(claim)} {decimal(value(claim, 'correlation'), 2)}{limits}")
        if pairs:
            n = n_of_claims(claims)
            over = f" ({plural(int(n), 'text')})" if n == n else ""
            yield f"Spearman correlation of token rankings{over}{ending}: {listing(pairs)}."


ENDINGS = {"above": "", "below": ", opposite rankings", "cannot_tell": ", not significantly different from 0"}
"""Outcome -> the end of the words before the correlations that have it."""


def _pair(claim: Claim) -> str:
    """Return the two heads of a claim as `pooler and [CLS]`."""
    heads = (text(claim, "head"), text(claim, "other_head"))
    return listing(wording.pooling(head) for head in heads)


def _correlations(view: View) -> tuple[Drawing, ...]:
    """Return a dot for each pair of heads."""
    claims = view.stated("fine_tuned_head_agreement")
    if not claims:
        return ()
    rows = list[dict[str, object]]()
    descriptions = list[str]()
    for claim in claims:
        correlation = value(claim, "correlation")
        lower, upper = claim.interval or (float("nan"), float("nan"))
        rows.append({"group": "", "row": _pair(claim), "value": correlation, "lower": lower, "upper": upper})
        limits = confidence(claim.interval, scale=1, digits=2, before=" ")
        descriptions.append(f"{_pair(claim)} {decimal(correlation, 2)}{limits}")
    label = Label("same-1", "Rank correlation of every two heads", f"{'; '.join(descriptions)}.")
    svg = dots.dots(pd.DataFrame(rows), label, quantity="Spearman correlation")
    return (Drawing(svg, f"Mean over texts{sample_size(n_of_claims(claims))}. Lines: 95 % CI."),)


def faithfulness_sentences(view: View) -> Iterator[str]:
    """Yield whether removing the tokens ranked first costs each head more than removing random ones."""
    for outcome, opening in OPENINGS.items():
        claims = [claim for claim in view.stated("fine_tuned_faithfulness") if claim.outcome == outcome]
        differences = list[str]()
        for claim in claims:
            limits = confidence(claim.interval, before=" ")
            head = wording.head(text(claim, "head"))
            difference = points(value(claim, "difference"))
            differences.append(f"{difference} points{limits} for {head}")
        if differences:
            n_texts = n_of_claims(claims)
            few = "; as a check inconclusive" if _is_inconclusive(view) else ""
            sample = sample_size(n_texts)
            yield f"{opening} (difference of the predicted probability): {listing(differences)}{sample}{few}."


def _is_inconclusive(view: View) -> bool:
    """Return whether a check of comprehensiveness could not be decided, as with few texts."""
    checks = [claim for claim in view.every("attribution_check") if text(claim, "check") == "comprehensiveness"]
    return any(claim.outcome == "inconclusive" for claim in checks)


OPENINGS = {
    "above": "Comprehensiveness exceeds that of random tokens",
    "cannot_tell": "Comprehensiveness not significantly different from that of random tokens",
    "below": "Comprehensiveness is below that of random tokens",
}
"""Outcome -> the beginning of the sentence about the heads that have it."""


def _faithfulness(view: View) -> tuple[Table, ...]:
    """Return a table with a row for each head."""
    rows = list[tuple[str, ...]]()
    for claim in view.stated("fine_tuned_faithfulness"):
        row = (
            sentence(wording.short_head(text(claim, "head"))),
            wording.unsigned_points(value(claim, "comprehensiveness")),
            wording.unsigned_points(value(claim, "random_comprehensiveness")),
            points(value(claim, "difference")),
            confidence(claim.interval),
            wording.unsigned_points(value(claim, "sufficiency")),
            wording.unsigned_points(value(claim, "random_sufficiency")),
            count(value(claim, "n")),
        )
        rows.append(row)
    if not rows:
        return ()
    heading = (
        *("head", "comprehensiveness", "random", "difference", "95 % CI"),
        *("sufficiency", "random", "texts"),
    )
    numeric = frozenset(range(1, len(heading)))
    caption = "Drop of the predicted probability, points."
    return (Table(caption, heading, tuple(rows), numeric),)
