"""The first screen of a comparison: takeaway, a row for each label column or run, and what differs between the runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from probes.statistics.paired_difference import PairedDifference
from reports.blocks import Badge, Summary, SummaryCell, SummaryRow, SummaryTable
from reports.charts import strips
from reports.comparison.provenance import Facts
from reports.comparison.side_by_side import Together
from reports.sections import caveats
from reports.sections.probing.best_site import Best
from reports.sections.provenance import Heading
from reports.text.wording import (
    confidence,
    count,
    listing,
    name,
    percent,
    plural,
    points,
    short_model,
    unsigned_points,
)

MOST_NAMED = 3
"""Runs that the title names, and differences that a sentence lists."""
MOST_TASKS = 4
"""Label columns that a sentence names."""
MOST_FACTS = 6
"""Rows of the first screen about what differs."""
MOST_COLUMNS = 3
"""Runs that have a column each in the table of what differs."""
LONGEST_FACT = 48
"""Characters of a value in that table."""
INTERVAL = "[95\u00a0%\u00a0CI]"
ACCURACY = f"test accuracy {INTERVAL}"
MINUS = "\u2009−\u2009"
GUIDE = (
    "Each run is represented by its best site, which its validation texts (or folds) selected; the test texts select "
    "nothing.",
    "Difference: test accuracies subtracted, paired over the same test texts, so that the difficulty of a text "
    "cancels. Its 95 % CI is a bootstrap over these texts; where it contains 0, the runs are not significantly "
    "different. Several pairs of a task have simultaneous CIs.",
    "The CIs leave out the variance from the training sample: the same model probed on other training texts could "
    "score differently. Each run's page says by how much, over resampled training sets.",
    "A badge is green only where the runs had the same training texts.",
)
"""How to read the first screen."""


def heading(together: Together) -> Heading:
    """Return the question with the names of the runs, then models, label columns and test texts in a few words."""
    names = list(together.views)
    named = names[:MOST_NAMED]
    if len(names) > MOST_NAMED:
        named.append(f"{len(names) - MOST_NAMED} more runs")
    parts = (
        _models(together),
        _tasks(together),
        _test_texts(together),
    )
    return Heading(f"How do {listing(named)} differ?", tuple(filter(None, parts)))


def _models(together: Together) -> str:
    """Return the models, or how many there are, with their size where it is the same."""
    origins = [view.result.provenance for view in together.views.values()]
    models = list(dict.fromkeys(short_model(origin.model) for origin in origins))
    sizes = {(origin.n_layers, origin.hidden) for origin in origins}
    if len(models) > 1:
        return plural(len(models), "model")
    if len(sizes) > 1:
        return models[0]
    ((n_layers, hidden),) = sizes
    return f"{models[0]}, {plural(n_layers, 'layer')} × {count(hidden)}"


def _tasks(together: Together) -> str:
    """Return the label columns that runs share."""
    shared = together.shared_tasks
    if not shared:
        return "no task in common"
    tasks = [f"“{name(task, 40)}”" for task in shared[:MOST_TASKS]]
    if len(shared) > MOST_TASKS:
        tasks.append(f"{len(shared) - MOST_TASKS} more")
    return f"{'task' if len(shared) == 1 else 'tasks'} {listing(tasks)}"


def _test_texts(together: Together) -> str:
    """Return whether the runs were tested on the same texts."""
    pairs = [pair for task in together.shared_tasks for pair in together.pairs(task)]
    if not pairs:
        return ""
    paired = [pair for pair in pairs if not pair.missing]
    if len(paired) == len(pairs):
        return f"the same {count(paired[0].n)} test texts, compared text by text"
    return "some compared text by text" if paired else "not compared text by text"


def summary(together: Together, facts: Facts) -> Summary:
    """Return the first screen."""
    is_shared = bool(together.shared_tasks)
    rows = tuple(_rows_of_pair(together, facts) if together.is_pair else _rows_of_runs(together, facts))
    takeaway = list(_openings(together))
    if not _invalid(together, list(together.views)):
        takeaway += _takeaway(together, facts)
    return Summary(
        takeaway=tuple(takeaway),
        columns=tuple(_columns(together)) if rows else (),
        rows=rows,
        further=tuple(_what_differs(together, facts)),
        guide=GUIDE if is_shared else (),
    )


def _openings(together: Together) -> Iterator[str]:
    """Yield what makes the scores of a run worthless."""
    for result, view in together.views.items():
        for opening in caveats.openings(view):
            yield f"{result}: {opening}"


# The takeaway


def _takeaway(together: Together, facts: Facts) -> Iterator[str]:
    """Yield which run is above which, by how much, and whether their training texts explain it."""
    shared = together.shared_tasks
    if not shared:
        yield "The runs have no task in common, so that there is nothing to compare."
        for result, view in together.views.items():
            tasks = dict.fromkeys(name(task, 40) for task in view.tasks)
            yield f"{result}: {listing(tasks) or 'no task'}."
        return
    if together.is_pair:
        yield from _takeaway_of_pair(together)
    else:
        for task in shared[:MOST_TASKS]:
            yield _takeaway_of_runs(together, task)
        if len(shared) > MOST_TASKS:
            yield f"{plural(len(shared) - MOST_TASKS, 'further task')} below."
    if unequal := facts.unequal_training(tuple(together.views)):
        yield f"{unequal} A difference may be due to that alone."


def _takeaway_of_pair(together: Together) -> Iterator[str]:
    """Yield a sentence for each run that is above the other, then one for the label columns where neither is."""
    pairs = {task: pair for task in together.shared_tasks for pair in together.differences(task).values()}
    first, second = together.views
    for winner, loser, outcome in ((second, first, "above"), (first, second, "below")):
        phrases = [
            f"{_by(pair if outcome == 'above' else pair.reversed())} on {name(task, 40)}"
            for task, pair in pairs.items()
            if pair.outcome == outcome
        ]
        if phrases:
            yield f"{winner} is above {loser} by {_shortened(phrases, 'task')}."
    tied = {task: pair for task, pair in pairs.items() if pair.outcome == "cannot_tell" and not pair.missing}
    if tied:
        phrases = [
            f"{name(task, 40)} ({points(pair.difference)} points{confidence(pair.interval, before=' ')})"
            for task, pair in tied.items()
        ]
        yield f"{first} and {second} are not significantly different on {_shortened(phrases, 'task')}."
    yield from _unpaired(together, pairs)


def _by(pair: PairedDifference) -> str:
    """Return a positive difference with its interval, as in `2.1 points [0.4, 3.9]`."""
    return f"{unsigned_points(pair.difference)} points{confidence(pair.interval, before=' ')}"


def _shortened(phrases: Sequence[str], noun: str) -> str:
    """Return the first phrases, and how many more there are."""
    listed = list(phrases[:MOST_TASKS])
    if len(phrases) > MOST_TASKS:
        listed.append(plural(len(phrases) - MOST_TASKS, f"further {noun}"))
    return listing(listed)


def _unpaired(together: Together, pairs: Mapping[str, PairedDifference]) -> Iterator[str]:
    """Yield the accuracies of label columns without a paired difference, in a sentence for each reason."""
    tasks_by_reason = dict[str, list[str]]()
    for task, pair in pairs.items():
        if pair.missing:
            tasks_by_reason.setdefault(pair.missing, []).append(task)
    for reason, tasks in tasks_by_reason.items():
        tasks_listed = _shortened([name(task, 40) for task in tasks], "task")
        scores = ""
        if len(tasks) == 1:
            phrases = [
                f"{result} {percent(site.accuracy)}{confidence(site.bounds, before=' ')}"
                for result, site in together.best(tasks[0]).items()
            ]
            scores = f" Test accuracy: {listing(phrases)}."
        yield f"There is no paired difference on {tasks_listed}, since {reason}.{scores}"


def _takeaway_of_runs(together: Together, task: str) -> str:
    """Return which of several runs has the highest accuracy, and how the others compare with it."""
    sites = together.best(task)
    top = next(iter(sites))
    highest = [result for result, site in sites.items() if site.accuracy == sites[top].accuracy]
    differences = {result: pair.reversed() for result, pair in together.differences(task).items()}
    verb = "has" if len(highest) == 1 else "have"
    clauses = [
        f"On {name(task, 40)} {listing(highest)} {verb} the highest test accuracy ({percent(sites[top].accuracy)})"
    ]
    above = [f"{result} by {_by(pair)}" for result, pair in differences.items() if pair.outcome == "above"]
    tied = [
        result
        for result, pair in differences.items()
        if pair.outcome == "cannot_tell" and not pair.missing and result not in highest
    ]
    missing = [result for result, pair in differences.items() if pair.missing]
    if above:
        clauses.append(f"above {_some(above)}")
    if tied:
        clauses.append(f"not significantly different from {_some(tied)}")
    if missing:
        clauses.append(f"not paired with {_some(missing)}")
    return f"{', '.join(clauses)}."


def _some(phrases: Sequence[str]) -> str:
    """Return a few phrases, or the first ones and how many others there are."""
    listed = list(phrases[:MOST_NAMED])
    if len(phrases) > MOST_NAMED:
        listed.append(plural(len(phrases) - MOST_NAMED, "other run"))
    return listing(listed)


# The table


def _columns(together: Together) -> Iterator[str]:
    """Yield the headings of the table."""
    if together.is_pair:
        first, second = together.views
        yield from ("task", f"{first}: {ACCURACY}", f"{second}: {ACCURACY}")
        minuend = f"{second}{MINUS}{first}"
    else:
        yield from ("run", "best site", ACCURACY)
        minuend = "minus the highest"
    if _is_any_paired(together):
        end = _scale(together)
        yield from (f"{points(-end)[:-2]} to {points(end)[:-2]} points", f"{minuend}, points {INTERVAL}")


def _is_any_paired(together: Together) -> bool:
    """Return whether any difference is known, so that the table has columns for differences."""
    return any(not pair.missing for task in together.shared_tasks for pair in together.pairs(task))


def _scale(together: Together) -> float:
    """Return the end of the scale of all differences."""
    ends = list[float]()
    for task in together.shared_tasks:
        for pair in together.differences(task).values():
            if not pair.missing:
                ends += [pair.difference, *pair.interval]
    return strips.difference_scale(ends)


def _rows_of_pair(together: Together, facts: Facts) -> Iterator[SummaryRow]:
    """Yield a row for each label column of two runs."""
    for number, task in enumerate(together.shared_tasks, start=1):
        sites = together.best(task)
        (pair,) = together.differences(task).values()
        scores = [_score_cell(sites[result], note=sites[result].where) for result in together.views]
        cells = (*scores, *_difference_cells(together, pair, f"difference-{number}"))
        yield SummaryRow(name(task), _badge_of_pair(together, facts, pair), (), cells)


def _rows_of_runs(together: Together, facts: Facts) -> Iterator[SummaryRow]:
    """Yield a row for each run, under the name of each label column."""
    for number, task in enumerate(together.shared_tasks, start=1):
        sites = together.best(task)
        differences = together.differences(task)
        for position, (result, site) in enumerate(sites.items(), start=1):
            cells = [SummaryCell("", site.where), _score_cell(site)]
            if result in differences:
                anchor = f"difference-{number}-{position}"
                cells += _difference_cells(together, differences[result], anchor)
                badge = _badge_of_run(together, differences[result])
            else:
                cells += [SummaryCell(""), SummaryCell("highest")] if _is_any_paired(together) else []
                badge = _badge_of_highest(together, facts, tuple(differences.values()))
            group = "" if position > 1 or len(together.shared_tasks) == 1 else name(task)
            yield SummaryRow(result, badge, (), tuple(cells), group=group)


def _score_cell(site: Best, note: str = "") -> SummaryCell:
    return SummaryCell(percent(site.accuracy), confidence(site.bounds, before=" ").strip(), note)


def _difference_cells(together: Together, pair: PairedDifference, anchor: str) -> tuple[SummaryCell, ...]:
    """Return a difference as a drawing and as a number; nothing where no difference of the table is known."""
    if not _is_any_paired(together):
        return ()
    if pair.missing:
        return SummaryCell(""), SummaryCell("n/a", "not paired")
    drawing = strips.difference_strip(pair.difference, pair.interval, _scale(together), anchor=anchor)
    number = SummaryCell(points(pair.difference), confidence(pair.interval))
    return SummaryCell("", svg=drawing), number


def _invalid(together: Together, results: Sequence[str]) -> str:
    """Return why a score of these results is no test; empty where all are."""
    return next(filter(None, (caveats.invalid_test(together.views[result]) for result in results)), "")


def _badge_of_pair(together: Together, facts: Facts, pair: PairedDifference) -> Badge:
    """Return the verdict on two runs."""
    if invalid := _invalid(together, list(together.views)):
        return Badge("Not a test", "poor", invalid)
    if pair.missing:
        return Badge("Not paired", "none", pair.missing)
    if pair.outcome == "cannot_tell":
        return Badge("Not significantly different", "none")
    winner = pair.result if pair.outcome == "above" else pair.other_result
    if unequal := facts.unequal_training(tuple(together.views)):
        return Badge(f"{winner} higher, {UNEQUAL}", "poor", unequal)
    return Badge(f"{winner} higher", "good")


UNEQUAL = "unequal training"


def _badge_of_highest(together: Together, facts: Facts, pairs: Sequence[PairedDifference]) -> Badge:
    """Return the verdict on the run with the highest accuracy, from the others' differences from it."""
    results = [pair.result for pair in pairs] + [pair.other_result for pair in pairs]
    if invalid := _invalid(together, results):
        return Badge("Not a test", "poor", invalid)
    if any(pair.missing for pair in pairs):
        return Badge("Highest", "none", "not every run is paired with it")
    if any(pair.outcome == "cannot_tell" for pair in pairs):
        return Badge("Highest, tied", "none")
    if unequal := facts.unequal_training(results):
        return Badge(f"Highest, {UNEQUAL}", "poor", unequal)
    return Badge("Highest", "good")


def _badge_of_run(together: Together, pair: PairedDifference) -> Badge:
    """Return the verdict on a run that has not the highest accuracy."""
    if invalid := _invalid(together, (pair.result,)):
        return Badge("Not a test", "poor", invalid)
    if pair.missing:
        return Badge("Not paired", "none", pair.missing)
    return Badge("Tied" if pair.outcome == "cannot_tell" else "Lower", "none")


# What differs


def _what_differs(together: Together, facts: Facts) -> Iterator[SummaryTable]:
    """Yield a table of the first facts that differ; without rows where none does."""
    important = [fact for fact in facts.differing if fact.kind in ("fact", "setting")]
    differing = (important or list(facts.differing))[:MOST_FACTS]
    has_columns = len(together.views) <= MOST_COLUMNS
    rows = list[SummaryRow]()
    for fact in differing:
        values = [name(value, LONGEST_FACT) for value in fact.values]
        if not has_columns:
            values = [_grouped(dict(zip(together.views, values, strict=True)))]
        rows.append(SummaryRow(fact.name, None, (), tuple(SummaryCell("", value) for value in values)))
    n_more = len(facts.differing) - len(rows)
    n_settings = facts.count_identical("setting")
    n_further = len(facts.identical) - n_settings
    sentences = [
        f"{plural(n_more, 'further difference')} under Provenance." if n_more else "",
        f"Identical: {listing([plural(n_settings, 'setting'), plural(n_further, 'other fact')])}.",
    ]
    columns = ("what differs", *(together.views if has_columns else ("runs",)))
    yield SummaryTable(columns, tuple(rows), " ".join(filter(None, sentences)))


def _grouped(values: Mapping[str, str]) -> str:
    """Return each value with the runs that have it."""
    results_by_value = dict[str, list[str]]()
    for result, value in values.items():
        results_by_value.setdefault(value, []).append(result)
    return "; ".join(f"{value} ({listing(results)})" for value, results in results_by_value.items())
