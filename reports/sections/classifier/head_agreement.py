"""Do the heads look at the same tokens? How alike they rank them, and whether each ranking is faithful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import dots
from reports.charts.canvas import Label
from reports.lookup import View, text, value
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, percent, plural, sentence


def section(view: View) -> Section | None:
    """Return rank correlations of every two heads, and the faithfulness of each head's ranking."""
    parts = [part for part in (_agreement(view), _faithfulness(view)) if part is not None]
    if not parts:
        return None
    notes = (
        wording.BRACKETS,
        "Two heads may be right on the same texts for different tokens. Compared is the order of a text's own tokens "
        "by integrated gradients, both for the class that the first head named predicts; special tokens are left out.",
    )
    return Section(
        "The same tokens?", "same", (*agreement_sentences(view), *faithfulness_sentences(view)), tuple(parts), notes
    )


def agreement_sentences(view: View) -> Iterator[str]:
    """Yield how alike every two heads rank the tokens, a sentence for each outcome."""
    starts = {
        "above": "They rank a text's tokens alike",
        "below": "They rank a text's tokens against each other",
        "cannot_tell": "Cannot tell whether they rank a text's tokens alike",
    }
    for outcome, start in starts.items():
        claims = [c for c in view.stated("fine_tuned_head_agreement") if c.outcome == outcome]
        pairs = (
            f"{_pair(text(c, 'head'), text(c, 'other_head'))} {decimal(value(c, 'correlation'), 2)} "
            f"({between(c.interval)})"
            for c in claims
        )
        if claims:
            n = value(claims[0], "n")
            over = f" over {plural(int(n), 'text')}" if n == n else ""
            yield f"{start}, by rank correlations{over}: {listing(pairs)}."


def _pair(head: object, other_head: object) -> str:
    return f"{wording.pooling(str(head))} and {wording.pooling(str(other_head))}"


def _agreement(view: View) -> Part | None:
    """Return a dot for each pair of heads, and all pairs as a matrix."""
    claims = view.stated("fine_tuned_head_agreement")
    if not claims:
        return None
    pairs = {(text(claim, "head"), text(claim, "other_head")): claim for claim in claims}
    rows = list[dict[str, object]]()
    descriptions = list[str]()
    for (head, other_head), claim in pairs.items():
        correlation = value(claim, "correlation")
        lower, upper = claim.interval or (float("nan"), float("nan"))
        group, row = sentence(wording.short_head(head)), wording.short_head(other_head)
        rows.append({"group": group, "row": row, "value": correlation, "lower": lower, "upper": upper})
        descriptions.append(f"{_pair(head, other_head)} {decimal(correlation, 2)} ({between(claim.interval)})")
    label = Label("same-1", "Rank correlation of every two heads", f"{'; '.join(descriptions)}.")
    svg = dots.dots(pd.DataFrame(rows), label, quantity="rank correlation")
    drawing = Drawing(svg, "1: the same order of a text's tokens. Lines: 95 % intervals over texts.")
    return Part("How alike do they rank?", (), (drawing,), (_matrix(pairs),))


def _matrix(pairs: Mapping[tuple[str, str], Claim]) -> Table:
    """Return the correlations of all pairs as a symmetric matrix."""
    heads = list(dict.fromkeys(head for pair in pairs for head in pair))
    cells = {(head, head): "1" for head in heads}
    for (head, other_head), claim in pairs.items():
        cell = decimal(value(claim, "correlation"), 2)
        cells[head, other_head] = cell
        cells[other_head, head] = cell
    rows = list[tuple[str, ...]]()
    for head in heads:
        row = [cells.get((head, other_head), wording.MISSING) for other_head in heads]
        rows.append((sentence(wording.short_head(head)), *row))
    heading = ("", *map(wording.short_head, heads))
    n_texts = max(value(claim, "n") for claim in pairs.values())
    caption = f"Rank correlation, means over {count(n_texts)} texts."
    return Table(caption, rows=tuple(rows), **columns(*heading, numeric=heading[1:]))


def faithfulness_sentences(view: View) -> Iterator[str]:
    """Yield whether each head's decision rests on the tokens ranked first."""
    for outcome, opening in _RESTS.items():
        claims = [claim for claim in view.stated("fine_tuned_faithfulness") if claim.outcome == outcome]
        losses = [
            f"{wording.points(value(claim, 'difference'))} for {wording.head(text(claim, 'head'))} "
            f"({interval(claim.interval)})"
            for claim in claims
        ]
        if losses:
            yield f"{opening}: {listing(losses)}, in points of the explained class's probability."


_RESTS = {
    "above": "Without the tokens ranked first more is lost than without random ones",
    "cannot_tell": "Cannot tell whether more is lost without the tokens ranked first than without random ones",
    "below": "Without the tokens ranked first less is lost than without random ones",
}
"""Outcome -> the beginning of the sentence about the heads that have it."""


def _faithfulness(view: View) -> Part | None:
    """Return a table with a row for each head."""
    rows = list[tuple[str, ...]]()
    for claim in view.stated("fine_tuned_faithfulness"):
        row = (
            sentence(wording.short_head(text(claim, "head"))),
            percent(value(claim, "comprehensiveness")),
            percent(value(claim, "random_comprehensiveness")),
            interval(claim.interval),
            percent(value(claim, "sufficiency")),
            percent(value(claim, "random_sufficiency")),
            count(value(claim, "n")),
        )
        rows.append(row)
    if not rows:
        return None
    heading = (
        *("head", "lost without the first tokens", "without random ones", "95 % interval of the difference"),
        *("lost with only those", "with only random ones", "texts"),
    )
    table = Table("Probability of the explained class.", rows=tuple(rows), **columns(*heading, numeric=heading[1:]))
    return Part("Is each ranking faithful?", (), tables=(table,))
