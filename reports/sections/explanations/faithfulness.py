"""Faithfulness: erasure of the tokens ranked first, perturbation curves and infidelity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Table, columns
from reports.charts import dots, lines
from reports.charts.canvas import Label
from reports.lookup import MISSING_MEAN, Mean, View, by_head, item, means_by_group, text, value
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, name, percent, plural, sentence

if TYPE_CHECKING:
    import pandas as pd

ANSWERS = {"above": "Yes.", "below": "No.", "cannot_tell": "Cannot tell."}
"""Outcome -> the answer to a check's question."""
ERASURES = {
    "comprehensiveness": "without the first tokens: more is better",
    "sufficiency": "with the first tokens alone: less is better",
}
"""Measure -> its group in the chart."""
CURVE_ANSWERS = {"both": "On average, yes.", "one": "In one of the two.", "neither": "On average, no."}
"""Outcome -> the answer to whether the curves are better than those of a random order."""
Means = Mapping[str, Mapping[str, Mean]]
"""Method -> measure -> mean."""


def answer(claim: Claim) -> str:
    """Return `Yes.`, `No.` or `Cannot tell.`"""
    return ANSWERS.get(claim.outcome, f"{sentence(name(claim.outcome))}.")


# Erasure of the tokens ranked first


def erasure(view: View) -> Part | None:
    """Return comprehensiveness and sufficiency of each method, beside random orders."""
    sentences = list[str]()
    drawings = list[Drawing]()
    rows = list[tuple[str, ...]]()
    for task in view.tasks:
        claims = view.claims("faithfulness", task)
        sentences += [view.about(task, sentence) for sentence in _erasure_sentences(claims)]
        for head, means in _means_by_head(view, "faithfulness_means", task).items():
            subject = view.drawing_subject(task, head)
            drawings.append(_erasure_chart(means, f"faithful-{len(drawings) + 1}", subject))
            for method, by_measure in means.items():
                rows.append((*view.row_subject(task, head), *_erasure_cells(method, by_measure)))
    if not sentences and not rows:
        return None
    meaning = (
        "Taken out: the 1, 5, 10, 20 and 50 % of a text's own tokens that score highest (one at least), each replaced "
        "by the mask token, where there is one; mean over the five. Broken texts confuse any classifier, so random "
        "tokens cost something too: only what goes beyond them counts."
    )
    tables = (_erasure_table(view, rows),) if rows else ()
    title = "Do the tokens ranked first matter?"
    return Part(title, tuple(sentences), tuple(drawings), tables, notes=(meaning,))


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
    """Return the probability that the explained class loses without the tokens ranked first."""
    names = ("comprehensiveness", "random_comprehensiveness", "sufficiency", "random_sufficiency")
    losses = [wording.points(value(claim, name)).lstrip("+") for name in names]
    comprehensiveness, random_comprehensiveness, sufficiency, random_sufficiency = losses
    doubt = ", not told apart" if claim.outcome == "cannot_tell" else ""
    by_method = f" by {wording.method(text(claim, 'method'))}" if "method" in claim.numbers else ""
    return (
        f"{answer(claim)} Over {plural(int(value(claim, 'n')), 'text')}: without the tokens ranked first{by_method}, "
        f"{wording.head(text(claim, 'head'))} gives the explained class {comprehensiveness} points less probability; "
        f"without as many at random, {random_comprehensiveness} points less (95 % interval of the difference "
        f"{interval(claim.interval)}{doubt}). "
        f"With nothing but these tokens it gives {sufficiency} points less, with random ones {random_sufficiency}."
    )


def _other_methods(claims: Sequence[Claim], head: object) -> str:
    """Return the same answer for the other methods, one phrase an outcome."""
    phrases = list[str]()
    for outcome, verdict in (("above", "yes"), ("cannot_tell", "cannot tell"), ("below", "no")):
        methods = [wording.method(item(claim, "method")) for claim in claims if claim.outcome == outcome]
        if methods:
            phrases.append(f"{verdict} by {listing(methods)}")
    return f"Other ways to explain {wording.head(head)}: {'; '.join(phrases)}."


def _erasure_cells(method: str, means: Mapping[str, Mean]) -> list[str]:
    measures = ("comprehensiveness", "random_comprehensiveness", "sufficiency", "random_sufficiency")
    losses = [wording.points(means[measure].value).lstrip("+") for measure in measures]
    log_odds = [decimal(means[measure].value, 2) for measure in ("log_odds", "random_log_odds")]
    difference = interval(means["comprehensiveness_difference"].interval)
    n_texts = count(means["comprehensiveness"].n)
    return [wording.method(method), n_texts, *losses[:2], difference, *losses[2:], *log_odds]


def _erasure_table(view: View, rows: list[tuple[str, ...]]) -> Table:
    heading = (
        *view.subject_columns,
        "method",
        "texts",
        "lost without the first, points",
        "without random ones",
        "95 % interval of the difference",
        "lost with the first alone, points",
        "with random ones alone",
        "log-odds without the first, nats",
        "log-odds without random ones",
    )
    caption = "Means over the texts and over 1 to 50 % of their tokens; every text and order: tables/faithfulness.csv."
    return Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[-8:]))


def _erasure_chart(means: Means, anchor: str, subject: str) -> Drawing:
    """Return a row for each measure and method: its own order, and random orders below it."""
    import pandas as pd

    points = list[dict[str, Any]]()
    for measure, group in ERASURES.items():
        for method, by_measure in means.items():
            point = {"group": group, "row": wording.method(method)}
            point |= _in_points(by_measure[measure], ("value", "lower", "upper"))
            point |= _in_points(by_measure[f"random_{measure}"], ("floor", "floor_lower", "floor_upper"))
            points.append(point)
    descriptions = [
        f"{point['row']}, {point['group']}: {decimal(point['value'], 1)}, random {decimal(point['floor'], 1)}"
        for point in points
    ]
    title = f"What erasing tokens costs {subject}, beside random orders"
    label = Label(anchor, title, f"{'; '.join(descriptions)}.")
    svg = dots.dots(pd.DataFrame(points), label, quantity="points of probability lost")
    return Drawing(svg, f"{sentence(subject)}. Lines: 95 % intervals. Grey tick: random orders.")


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
    heading = (*view.subject_columns, "method", "mean while taken out", "mean while put back", "texts")
    caption = "Mean probability of the explained class along each curve; every point: tables/perturbation_curves.csv."
    table = Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[-3:]))
    title = "Does the decision fall, and come back, sooner than by chance?"
    return Part(title, tuple(sentences), tuple(drawings), (table,) if rows else ())


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
    head = wording.head(text(claim, "head"))
    return (
        f"{CURVE_ANSWERS[claim.outcome]} As the tokens that {wording.method(method)} ranks first go one by one, "
        f"{head} gives the class {percent(value(claim, 'deletion'))} on average along the way, in "
        f"random order {percent(value(random, 'deletion'))} (the lower, the better); as they come back, "
        f"{percent(value(claim, 'insertion'))} against {percent(value(random, 'insertion'))} (the higher, the better). "
        f"Means over {plural(int(value(claim, 'n')), 'text')}, without an interval."
    )


def _curve_charts(table: pd.DataFrame, number: int, subject: str) -> Iterator[Drawing]:
    """Yield the chart of deletion and the chart of insertion."""
    for curve, verb in (("deletion", "taken out"), ("insertion", "put back")):
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
    title = f"Probability of the explained class by {x_title}, {subject}"
    svg = lines.method_lines(
        data[["method", "x", "value"]],
        Label(anchor, title, f"{'; '.join(descriptions)}."),
        quantity="probability of the explained class, %",
        x_title=x_title,
        tick_names={float(x): f"{x:.0f}" for x in (0, 25, 50, 75, 100)},
    )
    criterion = "The sooner it falls, the better." if curve == "deletion" else "The sooner it rises, the better."
    return Drawing(svg, f"{sentence(subject)}. {criterion} Dashed: random order.")


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
    heading = (*view.subject_columns, "method", "infidelity", "95 % interval", "texts")
    table = Table("Smaller is better.", rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[-3:]))
    meaning = (
        "Infidelity: the mean squared difference between what the scores say a change of the input would do to the "
        "explained output, and what it does."
    )
    return Part(
        "Do the scores foretell what a change does?",
        tuple(sentences),
        tables=(table,) if rows else (),
        notes=(meaning,),
    )


def _infidelity_sentence(claim: Claim, means: Means) -> str:
    """Return the lowest infidelity, and whether it is distinguishable from the next one."""
    opening = (
        f"Explaining {wording.head(item(claim, 'head'))}, {wording.method(item(claim, 'method'))} misses what changes "
        f"of the input do by {decimal(value(claim, 'infidelity'))} on average (95 % interval "
        f"{between(claim.interval, 3)}, {plural(int(value(claim, 'n')), 'text')})"
    )
    if claim.outcome == "measured":
        return f"{opening}; the number means little without another method beside it."
    other_method = text(claim, "other_method")
    other_mean = means[other_method]["value"] if other_method in means else MISSING_MEAN
    comparison = f"{wording.method(other_method)} by {decimal(other_mean.value)} ({between(other_mean.interval, 3)})"
    if claim.outcome == "below":
        return f"{opening}, {comparison}: the least of all methods."
    return f"{opening}, {comparison}. Cannot tell which is better: the intervals overlap."
