"""Several results as one page: the answer in words, curves, tables, and what differs between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from probes.statistics.paired_difference import PairedDifference
from reports.blocks import Answer, Drawing, Part, Section, Table, columns
from reports.charts import lines
from reports.charts.canvas import OTHERS, STYLES, Label
from reports.charts.lines import LineOptions
from reports.charts.styles import Style
from reports.comparison.side_by_side import Together
from reports.lookup import View, item, value
from reports.sections import caveats
from reports.sections.overview import cares
from reports.sections.probing import best_site
from reports.sections.probing.best_site import Best
from reports.sections.provenance import MOST_TASKS, Heading
from reports.text import wording
from reports.text.wording import SHORT_FLOORS, count, interval, listing, name, percent, plural, points, unsigned_points

LOOKS = (*STYLES.values(), *OTHERS)
"""Colour and marker of the first results; those after them have the same ones again, dashed."""
MOST_DRAWN = 14
"""Most results on one plot, so that their lines stay distinguishable."""
MOST_FLOORS = 4
"""Floors that are lines of a plot; the table has all."""
LONGEST_END = 18
MOST_NAMED = 3
"""Results that the title names."""
FLOORS = ("majority", "bag_of_words", "model_head")
"""Floors that do not depend on the layer."""
LUCK = (
    "Intervals resample the test texts; they leave out the luck of the training sample, so that the same model trained "
    "or probed on other texts could stand elsewhere."
)


def heading(together: Together) -> Heading:
    """Return the names of the results, and the label columns that they share."""
    names = list(together.views)
    rest = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    shared = [task for task, results in together.tasks.items() if len(results) > 1]
    task_names = [f"“{name(task, 40)}”" for task in shared[:MOST_TASKS]]
    task_names += [f"{len(shared) - MOST_TASKS} more"] if len(shared) > MOST_TASKS else []
    models = dict.fromkeys(name(view.result.provenance.model, 60) for view in together.views.values())
    facts = (
        plural(len(names), "result"),
        plural(len(models), "model"),
        f"compared on {listing(task_names)}" if task_names else "no label column in common",
    )
    return Heading(f"{listing([*names[:MOST_NAMED], *rest])}, side by side", facts)


def answers(together: Together) -> tuple[Answer, ...]:
    """Return which result is best, for each label column that several have a score on."""
    shared = [task for task, results in together.tasks.items() if len(results) > 1]
    if shared:
        return tuple(_answer(together, task, f"answer-{i}") for i, task in enumerate(shared, start=1))
    task_lists = [
        f"{result}: {listing(dict.fromkeys(name(task, 40) for task in view.tasks)) or 'none'}."
        for result, view in together.views.items()
    ]
    headline = "No label column has a score in two of these results, so none can be called the better one."
    return (Answer("Nothing in common", "", headline, ("Label columns:", *task_lists), "", None),)


def _answer(together: Together, task: str, anchor: str) -> Answer:
    sites = together.best(task)
    top, *other_results = sites
    pairs = [pair for pair in together.pairs(task) if pair.result == top]
    paired = [pair for pair in pairs if not pair.missing]
    undecided = [pair.other_result for pair in paired if pair.outcome == "cannot_tell"]
    score = f"{percent(sites[top].accuracy)} of {count(sites[top].n)} test texts right, from {sites[top].where}"
    level = [result for result, site in sites.items() if site.accuracy == sites[top].accuracy]
    highest = f"{listing(level)} {'has' if len(level) == 1 else 'have'} the highest score"
    standing, good = "", None
    if len(paired) < len(other_results):
        headline = f"{highest}: {score} (95 % interval {interval(sites[top].bounds)})."
    elif undecided:
        headline = f"Cannot tell which is best. {highest}: {score}."
        names = listing(undecided, "or") if len(undecided) < MOST_NAMED else f"{len(undecided)} others"
        standing = f"not told apart from {names}"
        good = False
    else:
        headline = f"{top} is read best: {score} (95 % interval {interval(sites[top].bounds)})."
        standing, good = f"above {listing(other_results)}", True
    sentences = [*_caveats(together, sites), *_against(paired, sites), *_unpaired(pairs, sites)]
    sentences += _tuned(together, task)
    if badges := dict.fromkeys(filter(None, (caveats.standing(together.views[result]) for result in sites))):
        standing, good = listing(badges), False
    poolings = {result: site.pooling for result, site in sites.items()}
    is_shared = len(set(poolings.values())) == 1
    vector = (
        wording.pooling(sites[top].pooling, random_pooler=_never_trained(together, poolings))
        if is_shared
        else "own best"
    )
    drawing = _drawing(together, task, poolings, anchor, vector)
    drawings = () if drawing is None else (drawing,)
    return Answer(name(task), percent(sites[top].accuracy), headline, tuple(sentences), standing, good, drawings)


def _caveats(together: Together, sites: Mapping[str, Best]) -> Iterator[str]:
    """Yield the caveats of each result's score."""
    for result in sites:
        view = together.views[result]
        for caveat in (*caveats.leaked(view), *caveats.unknown(view)):
            yield f"{result}: {caveat.removeprefix('But ')}"


def _against(paired: Sequence[PairedDifference], sites: Mapping[str, Best]) -> Iterator[str]:
    """Yield how far the highest score is above each of the others, over the same texts."""
    above = [
        f"{unsigned_points(pair.difference)}{'' if i else ' points'} ({interval(pair.interval)}) above "
        f"{pair.other_result}"
        for i, pair in enumerate(pair for pair in paired if pair.outcome == "above")
    ]
    undecided = [
        f"{pair.other_result}, which is right on {percent(sites[pair.other_result].accuracy)} (difference "
        f"{points(pair.difference)}{'' if i else ' points'}, {interval(pair.interval)})"
        for i, pair in enumerate(pair for pair in paired if pair.outcome == "cannot_tell")
    ]
    if undecided:
        yield f"Cannot tell it from {'; nor from '.join(undecided)}."
    if above:
        yield f"Over the same test texts it is {listing(above)}."


def _unpaired(pairs: Sequence[PairedDifference], sites: Mapping[str, Best]) -> Iterator[str]:
    """Yield scores without a paired difference, and the reason."""
    reasons = dict[str, list[str]]()
    for pair in pairs:
        if pair.missing:
            reasons.setdefault(pair.missing, []).append(pair.other_result)
    for reason, results in reasons.items():
        scores = listing(
            f"{result} {percent(sites[result].accuracy)} ({interval(sites[result].bounds)})" for result in results
        )
        yield f"No paired difference with {scores}: {reason}."


def _tuned(together: Together, task: str) -> Iterator[str]:
    """Yield the accuracy of the best fine-tuned head of each result."""
    scores = list[str]()
    for result, view in together.views.items():
        claims = [c for c in view.stated("fine_tuned_accuracy") if c.task == task]
        if claims:
            top = max(claims, key=lambda claim: value(claim, "accuracy"))
            head = wording.head(item(top, "head"))
            scores.append(f"{head} of {result} {percent(value(top, 'accuracy'))} ({interval(top.interval)})")
    if scores:
        yield f"Fine-tuned, the highest head of each: {listing(scores)}."


def sections(together: Together) -> tuple[Section, ...]:
    """Return every section that these results have something for."""
    candidates = (_scores(together), _differences(together), _curves(together), _heads(together), _notes(together))
    return tuple(section for section in candidates if section is not None)


def _scores(together: Together) -> Section | None:
    """Return the best site of each result, a table for each label column."""
    parts = []
    for task in together.tasks:
        sites = together.best(task)
        site_columns, rows = best_site.cells(sites)
        table_rows = tuple((key, *row) for key, row in zip(sites, rows, strict=True))
        table = Table(
            "Each at the place that was chosen without its test texts; floors as shares of test texts right.",
            rows=table_rows,
            **columns("result", *site_columns, numeric=site_columns[1:]),
        )
        parts.append(Part(name(task) if len(together.tasks) > 1 else None, tables=(table,)))
    notes = (
        "A score means little beside another one that had other texts or other classes; floors say how far each is "
        "from what needs no encoder.",
        LUCK,
    )
    return Section("Best places", "scores", (), tuple(parts), notes) if parts else None


def _differences(together: Together) -> Section | None:
    """Return the differences of every two results over the same test texts."""
    parts, n_known = [], 0
    outcomes = {"above": "above", "below": "below", "cannot_tell": "cannot tell"}
    for task, results in together.tasks.items():
        if len(results) < 2:
            continue
        pairs = together.pairs(task)
        paired = [pair for pair in pairs if not pair.missing]
        n_known += len(paired)
        rows = tuple(
            (pair.result, pair.other_result, points(pair.difference), interval(pair.interval), outcomes[pair.outcome])
            for pair in paired
        )
        heading = ("result", "minus", "points", "95 % interval", "so")
        at_once = f"; the {count(len(paired))} intervals hold at once" if len(paired) > 1 else ""
        caption = f"Test accuracy, paired over {count(paired[0].n)} texts{at_once}." if paired else ""
        tables = [Table(caption, rows=rows, **columns(*heading, numeric=heading[2:4]))] if rows else []
        missing = tuple((pair.result, pair.other_result, pair.missing) for pair in pairs if pair.missing)
        if missing:
            tables.append(Table("No paired difference.", rows=missing, **columns("result", "and", "why")))
        parts.append(Part(name(task) if len(together.tasks) > 1 else None, tables=tuple(tables)))
    if not parts:
        return None
    verdict = "Each text is read by both results, so that what is hard for both does not count."
    notes = (
        "The interval comes from drawing the test texts again with replacement, the same for both. Where it holds 0 "
        "these texts cannot tell the two apart.",
        "Each result is at its own chosen place. The order is that of the test scores.",
    )
    return Section("Paired differences", "differences", (verdict,) if n_known else (), tuple(parts), notes)


def _curves(together: Together) -> Section | None:
    """Return a chart for each label column and vector, with a line for each result."""
    parts, shared = [], [task for task, results in together.tasks.items() if len(results) > 1]
    # A label column of one result alone is drawn in its own report.
    for i, task in enumerate(shared or together.tasks, start=1):
        curves = [
            curve for result in together.tasks[task] if (curve := _curve(together.views[result], task)) is not None
        ]
        poolings = dict.fromkeys(str(key) for curve in curves for key in curve["pooling"])
        # What is side by side has one scale.
        ends = [100 * float(end) for curve in curves for key in ("lower", "upper", "value") for end in curve[key]]
        ends += [
            100 * accuracy
            for result in together.tasks[task]
            for accuracy in together.views[result].floors(task).values()
        ]
        measured = [end for end in ends if math.isfinite(end)]
        reach = (min(measured), max(measured)) if curves else None
        drawings = []
        for j, key in enumerate(poolings, start=1):
            pooling_of_result = dict.fromkeys(together.tasks[task], key)
            vector = wording.pooling(key, random_pooler=_never_trained(together, pooling_of_result))
            drawings.append(_drawing(together, task, pooling_of_result, f"curves-{i}-{j}", vector, reach=reach))
        if any(drawings):
            non_empty = tuple(drawing for drawing in drawings if drawing is not None)
            parts.append(Part(name(task) if len(together.tasks) > 1 else None, drawings=non_empty))
    depths = {view.result.provenance.n_layers for view in together.views.values()}
    results_of_note = dict[str, list[str]]()
    for result, view in together.views.items():
        for note in view.lens():
            results_of_note.setdefault(note, []).append(result)
    everyone = len(together.views)
    notes = [note if len(names) == everyone else f"{listing(names)}: {note}" for note, names in results_of_note.items()]
    if len(depths) > 1:
        notes.append("Layers of encoders of unlike depth are counted from the input: they are not the same layers.")
    return Section("Layer by layer", "curves", (), tuple(parts), tuple(notes)) if parts else None


def _curve(view: View, task: str) -> pd.DataFrame | None:
    """Return the test accuracy of every probe; for `heads`, on the encoder before it was fine-tuned."""
    curve, tuned = view.curve(task), view.table("fine_tuned_layers")
    if curve is not None or tuned is None or not any(c.task == task for c in view.stated("fine_tuned_accuracy")):
        return curve
    measured = tuned[["pooling", "layer", "value"]].notna().all(axis=1)
    before = tuned[(tuned["model"] == "pretrained") & measured]
    return before.assign(layer=before["layer"].astype(int)) if len(before) else None


def _never_trained(together: Together, results: Iterable[str]) -> bool:
    """Return whether the pooler of none of the results was ever trained."""
    return all(together.views[result].random_pooler for result in results)


def _drawing(
    together: Together,
    task: str,
    poolings: Mapping[str, str],
    anchor: str,
    which: str,
    *,
    reach: tuple[float, float] | None = None,
) -> Drawing | None:
    """Return test accuracy by layer, a line for each result in its pooling; None where none has two layers."""
    frames, styles, described = list[pd.DataFrame](), dict[str, Style](), list[str]()
    floors = dict[str, dict[str, float]]()
    everyone = list(together.views)
    for result, key in poolings.items():
        view, place = together.views[result], everyone.index(result)
        curve = _curve(view, task)
        rows = None if curve is None else curve[curve["pooling"] == key]
        if rows is None or len(rows) < 2 or place >= MOST_DRAWN:
            continue
        in_percent = {column: 100 * rows[column] for column in ("value", "lower", "upper")}
        frames.append(rows.assign(series=result, x=rows["layer"], **in_percent)[[*_COLUMNS]])
        colour, marker = LOOKS[place % len(LOOKS)]
        dashed = place >= len(LOOKS) or (key == "pooler" and view.random_pooler)
        styles[result] = Style(name(result, LONGEST_END), colour, marker, dashed=dashed)
        for floor in FLOORS:
            if floor in (scores := view.floors(task)):
                floors.setdefault(floor, {})[result] = scores[floor]
        scores_by_layer = (
            f"layer {layer} {percent(score)}" for layer, score in zip(rows["layer"], rows["value"], strict=True)
        )
        described.append(f"{result}: {', '.join(scores_by_layer)}")
    if not frames:
        return None
    floor_lines = _floor_lines(floors)
    drawn_floors = floor_lines if len(floor_lines) <= MOST_FLOORS else {}
    described += [f"{floor} {score:.1f} %" for floor, score in drawn_floors.items()]
    label = Label(anchor, f"Test accuracy by layer for {name(task)}, {which}", ". ".join(described) + ".")
    over = f"{which}: right on test, %"
    svg = lines.lines(pd.concat(frames), styles, label, LineOptions(over, floors=drawn_floors, limits=reach))
    grey = f" Grey: {listing(drawn_floors)}." if drawn_floors else " Floors are in the table." if floor_lines else ""
    left_out = len(poolings) - len(frames)
    rest = f" Without such a curve, or beyond {MOST_DRAWN}: {plural(left_out, 'result')}." if left_out else ""
    return Drawing(svg, f"Bands: 95 % intervals.{grey}{rest}")


_COLUMNS = ("series", "x", "value", "lower", "upper")


def _floor_lines(floors: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return floor -> accuracy in per cent: one line where all results share it, else one for each result."""
    heights = dict[str, float]()
    for floor, scores in floors.items():
        floor_name = SHORT_FLOORS.get(floor, name(floor))
        shared = len({round(score, 6) for score in scores.values()}) == 1
        for result, score in list(scores.items())[: 1 if shared else None]:
            heights[floor_name if shared else f"{floor_name}, {result}"] = 100 * score
    return heights


def _heads(together: Together) -> Section | None:
    """Return the scores of fine-tuned heads, a row for each result and head."""
    rows = []
    for result, view in together.views.items():
        accuracies = view.table("fine_tuned_accuracy")
        for claim in view.stated("fine_tuned_accuracy"):
            head, f1 = item(claim, "head"), float("nan")
            if accuracies is not None:
                macro_f1 = accuracies[(accuracies["head"] == head) & (accuracies["metric"] == "macro_f1")]
                f1 = float(macro_f1["value"].mean())
            spread = (value(claim, "lowest"), value(claim, "highest"))
            rows.append(
                (
                    result,
                    wording.sentence(wording.short_head(head)),
                    name(claim.task or wording.MISSING),
                    percent(value(claim, "accuracy")),
                    interval(claim.interval),
                    interval(spread),
                    percent(f1),
                )
            )
    if not rows:
        return None
    heads = ("result", "head", "label column", "right on test", "95 % interval", "lowest to highest seed", "macro F1")
    table = Table("Means over seeds.", rows=tuple(rows), **columns(*heads, numeric=heads[3:]))
    notes = (
        "A result of heads keeps no answer of single texts: heads of one result are compared in its own report, those "
        "of two results by their intervals only.",
    )
    return Section("Fine-tuned classifiers", "heads", (), (Part(tables=(table,)),), notes)


def _notes(together: Together) -> Section | None:
    """Return the warnings of each result; those of all results stand there once."""
    notes_of_result = {result: cares(view.result) for result, view in together.views.items()}
    first, *further = notes_of_result.values()
    shared = tuple(note for note in first if all(note in notes for notes in further))
    parts = [Part("All of them", shared)] if shared else []
    for result, notes in notes_of_result.items():
        if rest := tuple(note for note in notes if note not in shared):
            parts.append(Part(result, rest))
    return Section("Before you use a number", "notes", (), tuple(parts)) if parts else None
