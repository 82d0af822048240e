"""Faithfulness: erasure of the tokens ranked first, perturbation curves and infidelity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probes.results.result import Claim
from reports.blocks import Drawing, Panels, Part, Table, columns
from reports.charts import dots, lines
from reports.charts.canvas import Label
from reports.charts.panels import shared_limits
from reports.lookup import MISSING_MEAN, Mean, View, by_head, item, means_by_group, text, value
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, name, percent, plural, sentence

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {
    "comprehensiveness": "Comprehensiveness (higher is better)",
    "sufficiency": "Sufficiency (lower is better)",
}
"""Measure -> heading of its facet in the figure."""
COMPARISONS = {
    "above": "above random",
    "below": "below random",
    "cannot_tell": "not significantly different from random",
}
"""Outcome -> how a method compares with random orders."""
CURVE_COMPARISONS = {
    "both": "both better than in random order",
    "one": "one of the two better than in random order",
    "neither": "neither better than in random order",
}
"""Outcome -> how the curves compare with those of a random order."""
Means = Mapping[str, Mapping[str, Mean]]
"""Method -> measure -> mean."""


# Comprehensiveness and sufficiency


def erasure(view: View) -> Part | None:
    """Return comprehensiveness and sufficiency of each method, beside random orders."""
    sentences = list[str]()
    rows = list[tuple[str, ...]]()
    points = list[dict[str, Any]]()
    for task in view.tasks:
        claims = view.claims("faithfulness", task)
        sentences += [view.about(task, sentence) for sentence in _erasure_sentences(claims)]
        means_by_head = _means_by_head(view, "faithfulness_means", task)
        for head, means in means_by_head.items():
            for method, by_measure in means.items():
                row = _row_name(view, task, head if len(means_by_head) > 1 else "", method if len(means) > 1 else "")
                points += _points(row, by_measure)
                rows.append((*view.row_subject(task, head), *_erasure_cells(method, by_measure)))
    if not sentences and not rows:
        return None
    tables = (_erasure_table(view, rows),) if rows else ()
    facets = (_facets(points),) if points else ()
    return Part(sentences=tuple(sentences), tables=tables, panels=facets)


def _row_name(view: View, task: str, head: str, method: str) -> str:
    """Return the name of a row of the figure: what distinguishes it from the other rows."""
    parts = [name(task)] if len(view.tasks) > 1 else []
    if head:
        parts.append(wording.short_head(head))
    if method:
        parts.append(wording.method(method))
    return ", ".join(parts) or name(task)


def _means_by_head(view: View, table: str, task: str) -> dict[str, dict[str, dict[str, Mean]]]:
    """Return head -> method -> measure -> mean, without methods of which nothing was measured."""
    means: dict[str, dict[str, dict[str, Mean]]] = {}
    for (head, method), by_measure in means_by_group(view.table(table, task), "head", "method").items():
        if any(mean.n for mean in by_measure.values()):
            means.setdefault(str(head), {})[str(method)] = by_measure
    return means


def _erasure_sentences(claims: Sequence[Claim]) -> list[str]:
    """Return the answer for the method explained with, then for the other methods, of each head."""
    sentences = list[str]()
    for head in dict.fromkeys(text(claim, "head") for claim in claims):
        first, *other_claims = [claim for claim in claims if text(claim, "head") == head]
        sentences.append(_erasure_sentence(first))
        if other_claims:
            sentences.append(_other_methods(other_claims, head))
    return sentences


def _erasure_sentence(claim: Claim) -> str:
    """Return comprehensiveness and sufficiency beside those of random tokens."""
    names = ("comprehensiveness", "random_comprehensiveness", "sufficiency", "random_sufficiency")
    losses = [wording.unsigned_points(value(claim, name)) for name in names]
    comprehensiveness, random_comprehensiveness, sufficiency, random_sufficiency = losses
    by_method = f", {wording.method(text(claim, 'method'))}" if "method" in claim.numbers else ""
    return (
        f"Comprehensiveness of {wording.head(text(claim, 'head'))}{by_method}: {comprehensiveness} points, random "
        f"tokens {random_comprehensiveness} (difference [95 % CI {interval(claim.interval)}], "
        f"n = {count(value(claim, 'n'))}). Sufficiency {sufficiency} points, random tokens {random_sufficiency}."
    )


def _other_methods(claims: Sequence[Claim], head: object) -> str:
    """Return how the comprehensiveness of the other methods compares with that of random tokens, by outcome."""
    phrases = list[str]()
    for outcome, comparison in COMPARISONS.items():
        methods = [wording.method(item(claim, "method")) for claim in claims if claim.outcome == outcome]
        if methods:
            phrases.append(f"{comparison}: {listing(methods)}")
    return f"Comprehensiveness of {wording.head(head)} by other methods: {'; '.join(phrases)}."


def _erasure_cells(method: str, means: Mapping[str, Mean]) -> list[str]:
    measures = ("comprehensiveness", "random_comprehensiveness", "sufficiency", "random_sufficiency")
    losses = [wording.unsigned_points(means[measure].value) for measure in measures]
    log_odds = [decimal(means[measure].value, 2) for measure in ("log_odds", "random_log_odds")]
    difference = interval(means["comprehensiveness_difference"].interval)
    n_texts = count(means["comprehensiveness"].n)
    return [wording.method(method), n_texts, *losses[:2], difference, *losses[2:], *log_odds]


def _erasure_table(view: View, rows: list[tuple[str, ...]]) -> Table:
    heading = (
        *view.subject_columns,
        "method",
        "texts",
        "comprehensiveness, points",
        "random tokens",
        "95 % CI of the difference",
        "sufficiency, points",
        "random tokens, sufficiency",
        "log-odds, nats",
        "random tokens, log-odds",
    )
    caption = "Means over the texts and over 1 to 50 % of their tokens; every text and order: tables/faithfulness.csv."
    shape = columns(*heading, numeric=heading[-8:])
    return Table(caption, rows=tuple(rows), folded=True, summary="Comprehensiveness and sufficiency", **shape)


def _points(row: str, means: Mapping[str, Mean]) -> Iterator[dict[str, Any]]:
    """Yield both measures of a method, beside those of random tokens, in percentage points."""
    for measure in MEASURES:
        point: dict[str, Any] = {"group": "", "row": row, "measure": measure}
        point |= _in_points(means[measure], ("value", "lower", "upper"))
        point |= _in_points(means[f"random_{measure}"], ("floor", "floor_lower", "floor_upper"))
        yield point


def _facets(points: Sequence[dict[str, Any]]) -> Panels:
    """Return a facet for each measure, a row for each label column, head and method, on one scale."""
    import pandas as pd

    frame = pd.DataFrame(points)
    ends = ("value", "lower", "upper", "floor", "floor_lower", "floor_upper")
    limits = shared_limits([frame.rename(columns={end: "value"})[["value"]] for end in ends], 0.0)
    drawings = list[Drawing]()
    for number, (measure, heading) in enumerate(MEASURES.items(), start=1):
        rows = frame[frame["measure"] == measure]
        descriptions = [
            f"{row.row}: {decimal(row.value, 1)}, random tokens {decimal(row.floor, 1)}" for row in rows.itertuples()
        ]
        label = Label(f"faithful-{number}", heading, f"{'; '.join(descriptions)}.")
        svg = dots.dots(rows, label, quantity="drop in predicted probability, points", limits=limits)
        drawings.append(Drawing(svg, heading))
    return Panels(
        tuple(drawings), "Drop in the predicted probability, points. Lines: 95 % CI. Grey ticks: random tokens."
    )


def _in_points(mean: Mean, names: tuple[str, str, str]) -> dict[str, Any]:
    """Return a mean and its interval in percentage points, under three names."""
    lower, upper = mean.interval
    return dict(zip(names, (100 * mean.value, 100 * lower, 100 * upper), strict=True))


# Perturbation curves


def curves(view: View) -> Part | None:
    """Return deletion and insertion curves of each method, and of a random order."""
    sentences = list[str]()
    drawings = list[Drawing]()
    rows = list[tuple[str, ...]]()
    for task in view.tasks:
        claims = view.claims("perturbation_curves", task)
        for head, of_head in by_head(view.table("perturbation_curves", task)):
            measured = of_head.dropna(subset=["deletion", "insertion"])
            if measured.empty:
                continue
            claims_of_head = [claim for claim in claims if text(claim, "head") == head]
            if verdict := _curves_sentence(claims_of_head):
                sentences.append(view.about(task, verdict))
            drawings += _curve_charts(measured, len(drawings) // 2 + 1, view.drawing_subject(task, head))
            rows += [(*view.row_subject(task, head), *_curve_cells(claim)) for claim in claims_of_head]
    if not drawings:
        return None
    heading = (*view.subject_columns, "method", "deletion, mean probability", "insertion, mean probability", "texts")
    caption = "Mean probability of the explained class along each curve; every point: tables/perturbation_curves.csv."
    shape = columns(*heading, numeric=heading[-3:])
    table = Table(caption, rows=tuple(rows), folded=True, summary="Deletion and insertion curves", **shape)
    return Part(sentences=tuple(sentences), drawings=tuple(drawings), tables=(table,) if rows else ())


def _curve_cells(claim: Claim) -> tuple[str, ...]:
    method = wording.method(text(claim, "method"))
    deletion = percent(value(claim, "deletion"))
    insertion = percent(value(claim, "insertion"))
    return method, deletion, insertion, count(value(claim, "n"))


def _curves_sentence(claims: Sequence[Claim]) -> str:
    """Return how the first method's curves compare with those of a random order; empty without one of them."""
    by_method = {text(claim, "method"): claim for claim in claims}
    random = by_method.pop("random", None)
    if random is None or not by_method:
        return ""
    method, claim = next(iter(by_method.items()))
    if claim.outcome not in CURVE_COMPARISONS:
        return ""
    head = wording.head(text(claim, "head"))
    return (
        f"Deletion and insertion curves of {head}, {wording.method(method)}: mean probability "
        f"{percent(value(claim, 'deletion'))} as tokens are deleted (random order "
        f"{percent(value(random, 'deletion'))}; lower is better), {percent(value(claim, 'insertion'))} "
        f"as they are inserted (random order {percent(value(random, 'insertion'))}; higher is better): "
        f"{CURVE_COMPARISONS[claim.outcome]}. Means over "
        f"{plural(int(value(claim, 'n')), 'text')}, without a CI."
    )


def _curve_charts(table: pd.DataFrame, number: int, subject: str) -> Iterator[Drawing]:
    """Yield the chart of deletion and the chart of insertion."""
    for curve, verb in (("deletion", "deleted"), ("insertion", "inserted")):
        x_title = f"share of the tokens {verb}, %"
        yield _curve_chart(table, curve, x_title, f"{curve}-{number}", subject)


def _curve_chart(table: pd.DataFrame, curve: str, x_title: str, anchor: str, subject: str) -> Drawing:
    """Return the mean probability of the explained class, a line for each method."""
    data = table.assign(x=100 * table["share"], value=100 * table[curve])
    descriptions = list[str]()
    for method, rows in data.groupby("method", sort=False):
        values = rows["value"].tolist()
        middle = values[len(values) // 2]
        course = f"from {values[0]:.0f} % over {middle:.0f} % to {values[-1]:.0f} %"
        descriptions.append(f"{wording.method(method)} {course}")
    title = f"Mean probability of the explained class by {x_title}, {subject}"
    svg = lines.method_lines(
        data[["method", "x", "value"]],
        Label(anchor, title, f"{'; '.join(descriptions)}."),
        quantity="mean probability of the explained class, %",
        x_title=x_title,
        tick_names={float(x): f"{x:.0f}" for x in (0, 25, 50, 75, 100)},
    )
    criterion = "Lower is better." if curve == "deletion" else "Higher is better."
    return Drawing(svg, f"{sentence(subject)}. {criterion} Dashed: random order. Means over the texts, without a CI.")


# Infidelity


def infidelity(view: View) -> Part | None:
    """Return the mean infidelity of each method."""
    sentences = list[str]()
    rows = list[tuple[str, ...]]()
    for task in view.tasks:
        means = _means_by_head(view, "infidelity_means", task)
        for head, by_method in means.items():
            for method, by_measure in by_method.items():
                mean = by_measure["value"]
                cells = (wording.method(method), decimal(mean.value), between(mean.interval, 3), count(mean.n))
                rows.append((*view.row_subject(task, head), *cells))
        for claim in view.claims("infidelity", task):
            of_head = means.get(text(claim, "head"), {})
            sentences.append(view.about(task, _infidelity_sentence(claim, of_head)))
    if not sentences and not rows:
        return None
    heading = (*view.subject_columns, "method", "infidelity", "95 % CI", "texts")
    shape = columns(*heading, numeric=heading[-3:])
    table = Table("Lower is better.", rows=tuple(rows), folded=True, summary="Infidelity", **shape)
    return Part(sentences=tuple(sentences), tables=(table,) if rows else ())


def _infidelity_sentence(claim: Claim, means: Means) -> str:
    """Return the lowest infidelity, and whether it is distinguishable from the next one."""
    opening = (
        f"Infidelity of {wording.head(item(claim, 'head'))}, {wording.method(item(claim, 'method'))}: "
        f"{decimal(value(claim, 'infidelity'))} [95 % CI {between(claim.interval, 3)}], n = {count(value(claim, 'n'))}"
    )
    other_method = str(claim.numbers.get("other_method", ""))
    if claim.outcome == "measured" or not other_method:
        return f"{opening}; it can be interpreted only beside that of another method."
    other_mean = means[other_method]["value"] if other_method in means else MISSING_MEAN
    comparison = f"{wording.method(other_method)} {decimal(other_mean.value)} [{between(other_mean.interval, 3)}]"
    if claim.outcome == "below":
        return f"{opening}; {comparison}: the lowest of all methods."
    return f"{opening}; {comparison}: not significantly different, the CIs overlap."
