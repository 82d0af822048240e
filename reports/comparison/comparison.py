"""Several results as one page: the answer in words, curves, tables, and what differs between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from probes.statistics.paired_difference import PairedDifference
from reports.blocks import Answer, Part, Section, Table, columns
from reports.comparison import curves
from reports.comparison.side_by_side import Together
from reports.lookup import View, item, value
from reports.sections import caveats
from reports.sections.probing import best_site
from reports.sections.probing.best_site import Best
from reports.sections.provenance import MOST_TASKS, Heading
from reports.text import wording
from reports.text.wording import count, interval, listing, name, percent, plural, points, unsigned_points

MOST_NAMED = 3
"""Results that the title names."""
OUTCOMES = {"above": "above", "below": "below", "cannot_tell": "not significantly different"}
"""Outcome of a paired difference -> its cell in the table."""
LUCK = (
    "Intervals resample the test texts; they leave out the variance of the training sample, so that the same model "
    "trained or probed on other texts could score differently."
)


def heading(together: Together) -> Heading:
    """Return the names of the results, and the label columns that they share."""
    names = list(together.views)
    results = names[:MOST_NAMED]
    if len(names) > MOST_NAMED:
        results.append(f"{len(names) - MOST_NAMED} more")
    models = {name(view.result.provenance.model, 60) for view in together.views.values()}
    tasks = together.shared_tasks
    task_names = [f"“{name(task, 40)}”" for task in tasks[:MOST_TASKS]]
    if len(tasks) > MOST_TASKS:
        task_names.append(f"{len(tasks) - MOST_TASKS} more")
    facts = (
        plural(len(names), "result"),
        plural(len(models), "model"),
        f"compared on {listing(task_names)}" if task_names else "no label column in common",
    )
    return Heading(f"{listing(results)}, side by side", facts)


def answers(together: Together) -> tuple[Answer, ...]:
    """Return which result is best, for each label column that several have a score on."""
    shared = together.shared_tasks
    if shared:
        return tuple(_answer(together, task, f"answer-{i}") for i, task in enumerate(shared, start=1))
    sentences = ["Label columns:"]
    for result, view in together.views.items():
        task_names = dict.fromkeys(name(task, 40) for task in view.tasks)
        sentences.append(f"{result}: {listing(task_names) or 'none'}.")
    headline = "No label column has a score in two of these results, so none can be called the better one."
    return (Answer("Nothing in common", "", headline, tuple(sentences), "", None),)


def _answer(together: Together, task: str, anchor: str) -> Answer:
    sites = together.best(task)
    top = next(iter(sites))
    pairs = [pair for pair in together.pairs(task) if pair.result == top]
    paired = [pair for pair in pairs if not pair.missing]
    headline, standing, good = _headline(sites, paired)
    badges = dict.fromkeys(filter(None, (caveats.standing(together.views[result]) for result in sites)))
    if badges:
        standing = listing(badges)
        good = False
    sentences = (
        *_caveats(together, sites),
        *_against(paired, sites),
        *_unpaired(pairs, sites),
        *_tuned(together, task),
    )
    poolings = {result: site.pooling for result, site in sites.items()}
    vector = "own best"
    if len(set(poolings.values())) == 1:
        vector = wording.pooling(sites[top].pooling, random_pooler=curves.never_trained(together, poolings))
    drawing = curves.accuracy_chart(together, task, poolings, anchor, vector)
    drawings = () if drawing is None else (drawing,)
    return Answer(name(task), percent(sites[top].accuracy), headline, sentences, standing, good, drawings)


def _headline(sites: Mapping[str, Best], paired: Sequence[PairedDifference]) -> tuple[str, str, bool | None]:
    """Return which result is best, the outcome in a few words, and whether it is above all others.

    Args:
        sites: Result -> its best site, the highest test accuracy first.
        paired: Differences between the first result and those that it can be compared with.
    """
    top, *other_results = sites
    best = sites[top]
    score = percent(best.accuracy)
    limits = f"[95 % CI {interval(best.bounds)}], n = {count(best.n)}, from {best.where}"
    highest = [result for result, site in sites.items() if site.accuracy == best.accuracy]
    verb = "has" if len(highest) == 1 else "have"
    claim = f"{listing(highest)} {verb} the highest test accuracy"
    undecided = [pair.other_result for pair in paired if pair.outcome == "cannot_tell"]
    if len(paired) < len(other_results):
        return f"{claim}: {score} {limits}.", "", None
    if undecided:
        names = listing(undecided, "or") if len(undecided) < MOST_NAMED else f"{len(undecided)} others"
        return (
            f"The best result is undecided. {claim}: {score} {limits}.",
            f"not significantly different from {names}",
            False,
        )
    return f"Best: {top}, test accuracy {score} {limits}.", f"above {listing(other_results)}", True


def _caveats(together: Together, sites: Mapping[str, Best]) -> Iterator[str]:
    """Yield the caveats of each result's score."""
    for result in sites:
        view = together.views[result]
        for caveat in (*caveats.leaked(view), *caveats.unknown(view)):
            yield f"{result}: {caveat}"


def _against(paired: Sequence[PairedDifference], sites: Mapping[str, Best]) -> Iterator[str]:
    """Yield how far the highest score is above each of the others, over the same texts."""
    above = list[str]()
    undecided = list[str]()
    for pair in paired:
        limits = interval(pair.interval)
        if pair.outcome == "above":
            unit = "" if above else " points"
            above.append(f"{unsigned_points(pair.difference)}{unit} ({limits}) above {pair.other_result}")
        elif pair.outcome == "cannot_tell":
            unit = "" if undecided else " points"
            accuracy = percent(sites[pair.other_result].accuracy)
            difference = f"{points(pair.difference)}{unit}, {limits}"
            undecided.append(f"{pair.other_result}, with test accuracy {accuracy} (difference {difference})")
    if undecided:
        yield f"Not significantly different from {'; nor from '.join(undecided)}."
    if above:
        yield f"Over the same test texts it is {listing(above)}."


def _unpaired(pairs: Sequence[PairedDifference], sites: Mapping[str, Best]) -> Iterator[str]:
    """Yield scores without a paired difference, and the reason."""
    results_by_reason = dict[str, list[str]]()
    for pair in pairs:
        if pair.missing:
            results_by_reason.setdefault(pair.missing, []).append(pair.other_result)
    for reason, results in results_by_reason.items():
        scores = list[str]()
        for result in results:
            site = sites[result]
            scores.append(f"{result} {percent(site.accuracy)} ({interval(site.bounds)})")
        yield f"No paired difference with {listing(scores)}: {reason}."


def _tuned(together: Together, task: str) -> Iterator[str]:
    """Yield the accuracy of the best fine-tuned head of each result."""
    scores = list[str]()
    for result, view in together.views.items():
        claims = [claim for claim in view.stated("fine_tuned_accuracy") if claim.task == task]
        if claims:
            top = max(claims, key=lambda claim: value(claim, "accuracy"))
            head = wording.head(item(top, "head"))
            accuracy = percent(value(top, "accuracy"))
            scores.append(f"{head} of {result} {accuracy} ({interval(top.interval)})")
    if scores:
        yield f"Fine-tuned, the highest head of each: {listing(scores)}."


def sections(together: Together) -> tuple[Section, ...]:
    """Return every section that these results have something for."""
    builders = (_scores, _differences, curves.section, _heads, _notes)
    candidates = [build(together) for build in builders]
    return tuple(section for section in candidates if section is not None)


def _scores(together: Together) -> Section | None:
    """Return the best site of each result, a table for each label column."""
    parts = list[Part]()
    for task in together.tasks:
        sites = together.best(task)
        site_columns, rows = best_site.cells(sites)
        table_rows = tuple((result, *row) for result, row in zip(sites, rows, strict=True))
        table = Table(
            "Each result at its best site, selected without its test texts; floors as test accuracy.",
            rows=table_rows,
            **columns("result", *site_columns, numeric=site_columns[1:]),
        )
        parts.append(Part(together.heading(task), tables=(table,)))
    if not parts:
        return None
    notes = (
        "A score means little beside another one that had other texts or other classes; floors say how far each is "
        "from what needs no encoder.",
        LUCK,
    )
    return Section("Best sites", "scores", (), tuple(parts), notes)


def _differences(together: Together) -> Section | None:
    """Return the differences of every two results over the same test texts."""
    parts = list[Part]()
    n_paired = 0
    for task in together.shared_tasks:
        pairs = together.pairs(task)
        paired = [pair for pair in pairs if not pair.missing]
        missing = [pair for pair in pairs if pair.missing]
        n_paired += len(paired)
        tables = list[Table]()
        if paired:
            tables.append(_paired_table(paired))
        if missing:
            rows = tuple((pair.result, pair.other_result, pair.missing) for pair in missing)
            tables.append(Table("No paired difference.", rows=rows, **columns("result", "and", "why")))
        parts.append(Part(together.heading(task), tables=tuple(tables)))
    if not parts:
        return None
    verdict = ("Paired by text: the difficulty of a text cancels.",) if n_paired else ()
    notes = (
        "The interval is a bootstrap over the test texts, the same for both. Where it holds 0, "
        "the two are not significantly different.",
        "Each result is at its own best site. The order is that of the test scores.",
    )
    return Section("Paired differences", "differences", verdict, tuple(parts), notes)


def _paired_table(paired: Sequence[PairedDifference]) -> Table:
    """Return a row for each difference over the same test texts."""
    rows = list[tuple[str, ...]]()
    for pair in paired:
        difference = points(pair.difference)
        limits = interval(pair.interval)
        rows.append((pair.result, pair.other_result, difference, limits, OUTCOMES[pair.outcome]))
    caption = f"Test accuracy, paired over {count(paired[0].n)} texts"
    if len(paired) > 1:
        caption += f"; the {count(len(paired))} intervals hold at once"
    heading = ("result", "minus", "points", "95 % CI", "outcome")
    return Table(f"{caption}.", rows=tuple(rows), **columns(*heading, numeric=heading[2:4]))


def _heads(together: Together) -> Section | None:
    """Return the scores of fine-tuned heads, a row for each result and head."""
    rows = list[tuple[str, ...]]()
    for result, view in together.views.items():
        for claim in view.stated("fine_tuned_accuracy"):
            head = item(claim, "head")
            spread = (value(claim, "lowest"), value(claim, "highest"))
            cells = (
                result,
                wording.sentence(wording.short_head(head)),
                name(claim.task or wording.MISSING),
                percent(value(claim, "accuracy")),
                interval(claim.interval),
                interval(spread),
                percent(_macro_f1(view, head)),
            )
            rows.append(cells)
    if not rows:
        return None
    heads = ("result", "head", "label column", "test accuracy", "95 % CI", "lowest to highest seed", "macro F1")
    table = Table("Means over seeds.", rows=tuple(rows), **columns(*heads, numeric=heads[3:]))
    notes = (
        "A result of heads keeps no answer of single texts: heads of one result are compared in its own report, those "
        "of two results by their intervals only.",
    )
    return Section("Fine-tuned classifiers", "heads", (), (Part(tables=(table,)),), notes)


def _macro_f1(view: View, head: object) -> float:
    """Return the macro F1 of a fine-tuned head, the mean over its seeds."""
    scores = view.table("fine_tuned_accuracy")
    if scores is None:
        return math.nan
    is_macro_f1 = (scores["head"] == head) & (scores["metric"] == "macro_f1")
    return float(scores.loc[is_macro_f1, "value"].mean())


def _notes(together: Together) -> Section | None:
    """Return the warnings of each result; those of all results stand there once."""
    notes_of_result = {result: caveats.sentences(view) for result, view in together.views.items()}
    first, *further = notes_of_result.values()
    shared = tuple(note for note in first if all(note in notes for notes in further))
    parts = list[Part]()
    if shared:
        parts.append(Part("All of them", shared))
    for result, notes in notes_of_result.items():
        rest = tuple(note for note in notes if note not in shared)
        if rest:
            parts.append(Part(result, rest))
    return Section("Caveats", "notes", (), tuple(parts)) if parts else None
