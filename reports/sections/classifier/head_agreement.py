"""Do the heads look at the same tokens? How alike they rank them, and whether each ranking is faithful."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.checks import side_of_zero
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import attributions
from reports.charts.canvas import Label
from reports.lookup import Mean, View, by_head, item, value
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, percent, plural, sentence


def same(view: View) -> Section | None:
    """Rank correlations of every two heads, and what each decision loses without its first tokens."""
    parts = [part for part in (_pairs(view), _faithful(view)) if part is not None]
    if not parts:
        return None
    notes = (
        wording.BRACKETS,
        "Two heads may be right on the same texts for different tokens. Compared is the order of a text's own tokens "
        "by integrated gradients, both for the class that the first head named predicts; special tokens are left out.",
    )
    return Section("The same tokens?", "same", (*alike(view), *faithful(view)), tuple(parts), notes)


def alike(view: View) -> Iterator[str]:
    """What every two heads have in common, a sentence an outcome."""
    starts = {
        "above": "They rank a text's tokens alike",
        "below": "They rank a text's tokens against each other",
        "cannot_tell": "Cannot tell whether they rank a text's tokens alike",
    }
    for outcome, start in starts.items():
        claims = [c for c in view.stated("fine_tuned_head_agreement") if c.outcome == outcome]
        told = (
            f"{_pair(item(c, 'head'), item(c, 'other_head'))} {decimal(value(c, 'correlation'), 2)} "
            f"({between(c.interval)})"
            for c in claims
        )
        if claims:
            n = value(claims[0], "n")
            over = f" over {plural(int(n), 'text')}" if n == n else ""
            yield f"{start}, by rank correlations{over}: {listing(told)}."


def _pair(one: object, other: object) -> str:
    return f"{wording.pooling(str(one))} and {wording.pooling(str(other))}"


def _pairs(view: View) -> Part | None:
    """A dot for each pair; all pairs as a matrix."""
    found = view.table("fine_tuned_head_agreement")
    if found is None or not {"head", "other_head"} <= set(found.columns):
        return None
    means = {
        (str(one), str(other)): Mean.of(own["correlation"])
        for (one, other), own in found.groupby(["head", "other_head"], sort=False)
    }
    frame = pd.DataFrame(
        {
            "group": sentence(wording.short_head(one)),
            "row": wording.short_head(other),
            "value": mean.value,
            "lower": mean.bounds[0],
            "upper": mean.bounds[1],
        }
        for (one, other), mean in means.items()
    )
    told = (f"{_pair(*pair)} {decimal(mean.value, 2)} ({between(mean.bounds)})" for pair, mean in means.items())
    label = Label("same-1", "Rank correlation of every two heads", f"{'; '.join(told)}.")
    svg = attributions.dots(frame, label, shown="rank correlation")
    drawing = Drawing(svg, "1: the same order of a text's tokens. Lines: 95 % intervals over texts.")
    keys = list(dict.fromkeys(each for pair in means for each in pair))
    cells = {pair: decimal(mean.value, 2) for pair, mean in means.items()}
    cells |= {(other, one): cell for (one, other), cell in cells.items()} | {(key, key): "1" for key in keys}
    rows = tuple(
        (sentence(wording.short_head(one)), *(cells.get((one, other), wording.MISSING) for other in keys))
        for one in keys
    )
    heading = ("", *map(wording.short_head, keys))
    n = count(max(mean.n for mean in means.values()))
    table = Table(f"Rank correlation, means over {n} texts.", rows=rows, **columns(*heading, numeric=heading[1:]))
    return Part("How alike do they rank?", (), (drawing,), (table,))


def _gaps(view: View) -> Iterator[tuple[str, Mean, Mean, Mean, Mean, Mean]]:
    """Head -> comprehensiveness, that of random orders, their difference; sufficiency, that of random orders."""
    for head, own in by_head(view.table("fine_tuned_faithfulness")):
        real = own[own["order"] == "attribution"].set_index("text_id")
        random = own[own["order"] != "attribution"].groupby("text_id")[["comprehensiveness", "sufficiency"]].mean()
        random = random.reindex(real.index)
        lost, by_chance = real["comprehensiveness"], random["comprehensiveness"]
        kept = Mean.of(real["sufficiency"]), Mean.of(random["sufficiency"])
        yield head, Mean.of(lost), Mean.of(by_chance), Mean.of(lost - by_chance), *kept


def faithful(view: View) -> Iterator[str]:
    """Whether each head's decision rests on the tokens ranked first."""
    told: dict[str, list[str]] = {outcome: [] for outcome in _RESTS}
    for head, _, _, gap, _, _ in _gaps(view):
        outcome = side_of_zero(*gap.bounds)
        told[outcome].append(f"{wording.points(gap.value)} for {wording.head(head)} ({interval(gap.bounds)})")
    for outcome, start in _RESTS.items():
        if told[outcome]:
            yield f"{start}: {listing(told[outcome])}, in points of the explained class's probability."


_RESTS = {
    "above": "Without the tokens ranked first more is lost than without random ones",
    "cannot_tell": "Cannot tell whether more is lost without the tokens ranked first than without random ones",
    "below": "Without the tokens ranked first less is lost than without random ones",
}


def _faithful(view: View) -> Part | None:
    """A row a head."""
    rows = tuple(
        (
            sentence(wording.short_head(head)),
            percent(lost.value),
            percent(chance.value),
            interval(gap.bounds),
            percent(kept.value),
            percent(random.value),
            count(lost.n),
        )
        for head, lost, chance, gap, kept, random in _gaps(view)
    )
    if not rows:
        return None
    heading = (
        *("head", "lost without the first tokens", "without random ones", "95 % interval of the difference"),
        *("lost with only those", "with only random ones", "texts"),
    )
    table = Table("Probability of the explained class.", rows=rows, **columns(*heading, numeric=heading[1:]))
    return Part("Is each ranking faithful?", (), tables=(table,))
