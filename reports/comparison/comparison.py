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
"""Results on one plot: as many as can be told apart."""
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
    """What is compared, in a line, and the label columns that are shared."""
    names = list(together.views)
    rest = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    shared = [task for task, found in together.tasks.items() if len(found) > 1]
    told = [f"“{name(task, 40)}”" for task in shared[:MOST_TASKS]]
    told += [f"{len(shared) - MOST_TASKS} more"] if len(shared) > MOST_TASKS else []
    models = dict.fromkeys(name(view.result.provenance.model, 60) for view in together.views.values())
    facts = (
        plural(len(names), "result"),
        plural(len(models), "model"),
        f"compared on {listing(told)}" if told else "no label column in common",
    )
    return Heading(f"{listing([*names[:MOST_NAMED], *rest])}, side by side", facts)


def answers(together: Together) -> tuple[Answer, ...]:
    """Which result is best, a block for each label column that several have a score on."""
    shared = [task for task, found in together.tasks.items() if len(found) > 1]
    if shared:
        return tuple(_answer(together, task, f"answer-{i}") for i, task in enumerate(shared, start=1))
    own = [
        f"{shown}: {listing(dict.fromkeys(name(task, 40) for task in view.tasks)) or 'none'}."
        for shown, view in together.views.items()
    ]
    said = "No label column has a score in two of these results, so none can be called the better one."
    return (Answer("Nothing in common", "", said, ("Label columns:", *own), "", None),)


def _answer(together: Together, task: str, anchor: str) -> Answer:
    found = together.best(task)
    top, *others = found
    pairs = [pair for pair in together.pairs(task) if pair.result == top]
    known = [pair for pair in pairs if not pair.missing]
    unsure = [pair.other_result for pair in known if pair.outcome == "cannot_tell"]
    score = f"{percent(found[top].accuracy)} of {count(found[top].n)} test texts right, from {found[top].where}"
    level = [shown for shown, own in found.items() if own.accuracy == found[top].accuracy]
    highest = f"{listing(level)} {'has' if len(level) == 1 else 'have'} the highest score"
    standing, good = "", None
    if len(known) < len(others):
        headline = f"{highest}: {score} (95 % interval {interval(found[top].bounds)})."
    elif unsure:
        headline = f"Cannot tell which is best. {highest}: {score}."
        standing, good = (
            f"not told apart from {listing(unsure, 'or') if len(unsure) < MOST_NAMED else f'{len(unsure)} others'}",
            False,
        )
    else:
        headline = f"{top} is read best: {score} (95 % interval {interval(found[top].bounds)})."
        standing, good = f"above {listing(others)}", True
    sentences = [*_caveats(together, found), *_against(known, found), *_unpaired(pairs, found)]
    sentences += _tuned(together, task)
    if badges := dict.fromkeys(filter(None, (caveats.standing(together.views[shown]) for shown in found))):
        standing, good = listing(badges), False
    each = {shown: own.pooling for shown, own in found.items()}
    same = len(set(each.values())) == 1
    vector = wording.pooling(found[top].pooling, random_pooler=_never_trained(together, each)) if same else "own best"
    drawing = _drawing(together, task, each, anchor, vector)
    drawings = () if drawing is None else (drawing,)
    return Answer(name(task), percent(found[top].accuracy), headline, tuple(sentences), standing, good, drawings)


def _caveats(together: Together, found: Mapping[str, Best]) -> Iterator[str]:
    """The caveats of each result's score."""
    for shown in found:
        view = together.views[shown]
        for said in (*caveats.leaked(view), *caveats.unknown(view)):
            yield f"{shown}: {said.removeprefix('But ')}"


def _against(known: Sequence[PairedDifference], found: Mapping[str, Best]) -> Iterator[str]:
    """How far the highest is above each of the others, over the same texts."""
    above = [
        f"{unsigned_points(pair.difference)}{'' if i else ' points'} ({interval(pair.interval)}) above "
        f"{pair.other_result}"
        for i, pair in enumerate(pair for pair in known if pair.outcome == "above")
    ]
    unsure = [
        f"{pair.other_result}, which is right on {percent(found[pair.other_result].accuracy)} (difference "
        f"{points(pair.difference)}{'' if i else ' points'}, {interval(pair.interval)})"
        for i, pair in enumerate(pair for pair in known if pair.outcome == "cannot_tell")
    ]
    if unsure:
        yield f"Cannot tell it from {'; nor from '.join(unsure)}."
    if above:
        yield f"Over the same test texts it is {listing(above)}."


def _unpaired(pairs: Sequence[PairedDifference], found: Mapping[str, Best]) -> Iterator[str]:
    """Scores that no paired difference stands beside, and why."""
    reasons = dict[str, list[str]]()
    for pair in pairs:
        if pair.missing:
            reasons.setdefault(pair.missing, []).append(pair.other_result)
    for reason, others in reasons.items():
        scores = listing(
            f"{other} {percent(found[other].accuracy)} ({interval(found[other].bounds)})" for other in others
        )
        yield f"No paired difference with {scores}: {reason}."


def _tuned(together: Together, task: str) -> Iterator[str]:
    """What fine-tuned heads reach, beside the probes of their own results."""
    scores = list[str]()
    for shown, view in together.views.items():
        claims = [c for c in view.stated("fine_tuned_accuracy") if c.task == task]
        if claims:
            top = max(claims, key=lambda claim: value(claim, "accuracy"))
            head = wording.head(item(top, "head"))
            scores.append(f"{head} of {shown} {percent(value(top, 'accuracy'))} ({interval(top.interval)})")
    if scores:
        yield f"Fine-tuned, the highest head of each: {listing(scores)}."


def sections(together: Together) -> tuple[Section, ...]:
    """Every section that these results have something for."""
    made = (_scores(together), _differences(together), _curves(together), _heads(together), _notes(together))
    return tuple(section for section in made if section is not None)


def _scores(together: Together) -> Section | None:
    """The chosen place of each result, a table for each label column."""
    parts = []
    for task in together.tasks:
        found = together.best(task)
        shown, rows = best_site.cells(found)
        table_rows = tuple((key, *row) for key, row in zip(found, rows, strict=True))
        table = Table(
            "Each at the place that was chosen without its test texts; floors as shares of test texts right.",
            rows=table_rows,
            **columns("result", *shown, numeric=shown[1:]),
        )
        parts.append(Part(name(task) if len(together.tasks) > 1 else None, tables=(table,)))
    notes = (
        "A score means little beside another one that had other texts or other classes; floors say how far each is "
        "from what needs no encoder.",
        LUCK,
    )
    return Section("Best places", "scores", (), tuple(parts), notes) if parts else None


def _differences(together: Together) -> Section | None:
    """Every two results over the same test texts."""
    parts, n_known = [], 0
    outcomes = {"above": "above", "below": "below", "cannot_tell": "cannot tell"}
    for task, results in together.tasks.items():
        if len(results) < 2:
            continue
        pairs = together.pairs(task)
        known = [pair for pair in pairs if not pair.missing]
        n_known += len(known)
        rows = tuple(
            (pair.result, pair.other_result, points(pair.difference), interval(pair.interval), outcomes[pair.outcome])
            for pair in known
        )
        shown = ("result", "minus", "points", "95 % interval", "so")
        at_once = f"; the {count(len(known))} intervals hold at once" if len(known) > 1 else ""
        caption = f"Test accuracy, paired over {count(known[0].n)} texts{at_once}." if known else ""
        tables = [Table(caption, rows=rows, **columns(*shown, numeric=shown[2:4]))] if rows else []
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
    """One plot for each label column and vector, with a line for each result."""
    parts, shared = [], [task for task, results in together.tasks.items() if len(results) > 1]
    # A label column of one result alone is drawn in its own report.
    for i, task in enumerate(shared or together.tasks, start=1):
        curves = [curve for shown in together.tasks[task] if (curve := _curve(together.views[shown], task)) is not None]
        poolings = dict.fromkeys(str(key) for curve in curves for key in curve["pooling"])
        # What is side by side has one scale.
        ends = [100 * float(end) for curve in curves for key in ("lower", "upper", "value") for end in curve[key]]
        ends += [100 * each for shown in together.tasks[task] for each in together.views[shown].floors(task).values()]
        measured = [end for end in ends if math.isfinite(end)]
        reach = (min(measured), max(measured)) if curves else None
        drawings = []
        for j, key in enumerate(poolings, start=1):
            each = dict.fromkeys(together.tasks[task], key)
            vector = wording.pooling(key, random_pooler=_never_trained(together, each))
            drawings.append(_drawing(together, task, each, f"curves-{i}-{j}", vector, reach=reach))
        if any(drawings):
            told = tuple(drawing for drawing in drawings if drawing is not None)
            parts.append(Part(name(task) if len(together.tasks) > 1 else None, drawings=told))
    depths = {view.result.provenance.n_layers for view in together.views.values()}
    said = dict[str, list[str]]()
    for shown, view in together.views.items():
        for note in view.lens():
            said.setdefault(note, []).append(shown)
    everyone = len(together.views)
    notes = [note if len(names) == everyone else f"{listing(names)}: {note}" for note, names in said.items()]
    if len(depths) > 1:
        notes.append("Layers of encoders of unlike depth are counted from the input: they are not the same layers.")
    return Section("Layer by layer", "curves", (), tuple(parts), tuple(notes)) if parts else None


def _curve(view: View, task: str) -> pd.DataFrame | None:
    """Test accuracy of every probe; of a result of heads, of those of the encoder before it was fine-tuned."""
    curve, tuned = view.curve(task), view.table("fine_tuned_layers")
    if curve is not None or tuned is None or not any(c.task == task for c in view.stated("fine_tuned_accuracy")):
        return curve
    measured = tuned[["pooling", "layer", "value"]].notna().all(axis=1)
    before = tuned[(tuned["model"] == "pretrained") & measured]
    return before.assign(layer=before["layer"].astype(int)) if len(before) else None


def _never_trained(together: Together, results: Iterable[str]) -> bool:
    """The pooler of none of them was ever trained."""
    return all(together.views[shown].random_pooler for shown in results)


def _drawing(
    together: Together,
    task: str,
    poolings: Mapping[str, str],
    anchor: str,
    which: str,
    *,
    reach: tuple[float, float] | None = None,
) -> Drawing | None:
    """Test accuracy by layer, a line for each result in its pooling; None where none has two layers."""
    frames, styles, described = list[pd.DataFrame](), dict[str, Style](), list[str]()
    floors = dict[str, dict[str, float]]()
    everyone = list(together.views)
    for shown, key in poolings.items():
        view, place = together.views[shown], everyone.index(shown)
        curve = _curve(view, task)
        rows = None if curve is None else curve[curve["pooling"] == key]
        if rows is None or len(rows) < 2 or place >= MOST_DRAWN:
            continue
        in_percent = {column: 100 * rows[column] for column in ("value", "lower", "upper")}
        frames.append(rows.assign(series=shown, x=rows["layer"], **in_percent)[[*_COLUMNS]])
        colour, marker = LOOKS[place % len(LOOKS)]
        dashed = place >= len(LOOKS) or (key == "pooler" and view.random_pooler)
        styles[shown] = Style(name(shown, LONGEST_END), colour, marker, dashed=dashed)
        for floor in FLOORS:
            if floor in (scores := view.floors(task)):
                floors.setdefault(floor, {})[shown] = scores[floor]
        told = (f"layer {layer} {percent(score)}" for layer, score in zip(rows["layer"], rows["value"], strict=True))
        described.append(f"{shown}: {', '.join(told)}")
    if not frames:
        return None
    floor_lines = _floor_lines(floors)
    drawn = floor_lines if len(floor_lines) <= MOST_FLOORS else {}
    described += [f"{floor} {score:.1f} %" for floor, score in drawn.items()]
    label = Label(anchor, f"Test accuracy by layer for {name(task)}, {which}", ". ".join(described) + ".")
    over = f"{which}: right on test, %"
    svg = lines.lines(pd.concat(frames), styles, label, LineOptions(over, floors=drawn, limits=reach))
    grey = f" Grey: {listing(drawn)}." if drawn else " Floors are in the table." if floor_lines else ""
    left_out = len(poolings) - len(frames)
    rest = f" Without such a curve, or beyond {MOST_DRAWN}: {plural(left_out, 'result')}." if left_out else ""
    return Drawing(svg, f"Bands: 95 % intervals.{grey}{rest}")


_COLUMNS = ("series", "x", "value", "lower", "upper")


def _floor_lines(floors: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Floor as named on the plot -> accuracy in per cent; one line where all results share it, else one for each."""
    found = dict[str, float]()
    for floor, scores in floors.items():
        shown = SHORT_FLOORS.get(floor, name(floor))
        shared = len({round(score, 6) for score in scores.values()}) == 1
        for result, score in list(scores.items())[: 1 if shared else None]:
            found[shown if shared else f"{shown}, {result}"] = 100 * score
    return found


def _heads(together: Together) -> Section | None:
    """What fine-tuned heads score, a row for each result and head."""
    rows = []
    for shown, view in together.views.items():
        accuracies = view.table("fine_tuned_accuracy")
        for claim in view.stated("fine_tuned_accuracy"):
            head, f1 = item(claim, "head"), float("nan")
            if accuracies is not None:
                own = accuracies[(accuracies["head"] == head) & (accuracies["metric"] == "macro_f1")]
                f1 = float(own["value"].mean())
            spread = (value(claim, "lowest"), value(claim, "highest"))
            rows.append(
                (
                    shown,
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
    """What each result itself warns of; what all of them warn of stands there once."""
    found = {shown: cares(view.result) for shown, view in together.views.items()}
    first, *others = found.values()
    shared = tuple(note for note in first if all(note in own for own in others))
    parts = [Part("All of them", shared)] if shared else []
    for shown, own in found.items():
        if rest := tuple(note for note in own if note not in shared):
            parts.append(Part(shown, rest))
    return Section("Before you use a number", "notes", (), tuple(parts)) if parts else None
