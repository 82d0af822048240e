"""The first screen: what was found in words, and what a reader must know before using a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from probes.results.result import AnalysisResult, Claim
from reports.blocks import Answer, Drawing
from reports.charts import layer_lines
from reports.charts.canvas import Label
from reports.lookup import View, item, text, value
from reports.sections import caveats
from reports.sections.classifier import erasure, questions
from reports.sections.explanations import attributions, baselines
from reports.text import wording
from reports.text.wording import SHORT_FLOORS, count, interval, listing, name, percent, place, plural

if TYPE_CHECKING:
    import pandas as pd


def answers(result: AnalysisResult, *, drawn: bool = True) -> tuple[Answer, ...]:
    """Return the first screen, a block for each label column; without its curves where not `drawn`."""
    view = View(result)
    if (head_answer := questions.answer(view)) is not None:
        head_answer = dataclasses.replace(head_answer, drawings=erasure.first_map(view, "answer-used") if drawn else ())
        return (caveats.with_caveats(view, head_answer),)
    anchors = [f"answer-{i}" if drawn else None for i in range(1, 1 + len(view.tasks))]
    task_answers = (_answer(view, task, anchor) for task, anchor in zip(view.tasks, anchors, strict=True))
    return tuple(caveats.with_caveats(view, answer) for answer in task_answers)


def _answer(view: View, task: str, anchor: str | None) -> Answer:
    best, curve, explained = view.best(task), view.curve(task), sum(a.task == task for a in view.result.attributions)
    claim = view.claim("best_site", task)
    row = None
    if best is not None and curve is not None:
        rows = curve[(curve["pooling"] == best[0]) & (curve["layer"] == best[1])]
        row = rows.iloc[0] if len(rows) else None
    sentences = [*_floor_sentences(view.claims("floor", task)), *_tie_sentences(view, task)]
    if claim is not None and best is not None:
        score, bounds, n = value(claim, "accuracy"), claim.interval, value(claim, "n")
        opening = f"Read best from {place(*best, random_pooler=view.random_pooler)}"
    elif row is not None and best is not None:
        score, bounds, n = float(row["value"]), (float(row["lower"]), float(row["upper"])), float(row["n"])
        opening = f"Read from {place(*best, random_pooler=view.random_pooler)}"
        floors = view.floors(task).items()
        references = listing(
            f"{SHORT_FLOORS.get(floor, name(floor))} {percent(accuracy)}" for floor, accuracy in floors
        )
        sentences += [f"To compare with: {references}."] if references else []
    else:
        return Answer(name(task), "", f"{plural(explained, 'decision')} explained, word by word.", (), "", None)
    headline = f"{opening}: {percent(score)} of {count(n)} test texts right (95 % interval {interval(bounds)})."
    floors_met = [c for c in view.claims("floor", task) if text(c, "floor") != "model_head"]
    missed = [
        f"{verb} {listing(floor_names, 'or')}"
        for outcome, verb in (("below", "below"), ("cannot_tell", "not above"))
        if (floor_names := [wording.floor(text(claim, "floor")) for claim in floors_met if claim.outcome == outcome])
    ]
    standing = ", ".join(missed) or ("above every floor" if floors_met else "")
    drawings = list[Drawing]()
    if anchor is not None and curve is not None and curve["layer"].nunique() > 1:
        drawings.append(_curves(view, task, curve, anchor))
    if anchor is not None:
        drawings += erasure.first_map(view, f"{anchor}-used", task)
    good = not missed if floors_met else None
    return Answer(name(task), percent(score), headline, tuple(sentences), standing, good, tuple(drawings))


def _floor_sentences(claims: list[Claim]) -> Iterator[str]:
    """Yield the difference from each floor with its interval."""
    above = list[str]()
    for claim in claims:
        floor = wording.floor(text(claim, "floor"))
        gap, bounds = value(claim, "difference"), claim.interval
        if claim.outcome == "above":
            unit = "" if above else " points"
            above.append(f"{wording.points(gap).lstrip('+')}{unit} ({interval(bounds)}) above {floor}")
        elif claim.outcome == "below":
            turned = None if bounds is None else (-bounds[1], -bounds[0])
            yield f"It is {wording.points(-gap).lstrip('+')} points ({interval(turned)}) below {floor}."
        else:
            yield (
                f"These test texts cannot tell it from {floor}, which is right on "
                f"{percent(value(claim, 'accuracy'))}: difference {wording.points(gap)} points ({interval(bounds)})."
            )
    if above:
        yield f"It is {listing(above)}."


def _tie_sentences(view: View, task: str) -> Iterator[str]:
    """Yield which other sites are tied with the best one, or better."""
    if tied := view.claim("tied", task):
        n = int(value(tied, "n_sites"))
        if tied.outcome == "tied":
            names = wording.places(text(tied, "sites"), random_pooler=view.random_pooler)
            yield f"Tied with it, not told apart where all places are compared at once: {names}."
        elif n and view.claim("better_than_best", task) is None:
            yield f"The other {count(n)} places are worse, by more than chance in the test texts explains."
    if beaten := view.claim("better_than_best", task):
        names = wording.places(text(beaten, "sites"), random_pooler=view.random_pooler)
        chooser = f"{view.chooser[:1].upper()}{view.chooser[1:]}"
        yield f"On test, better than this choice: {names}. {chooser} chose otherwise, and the choice is not revised."


def _curves(view: View, task: str, curve: pd.DataFrame, anchor: str) -> Drawing:
    floors = {SHORT_FLOORS.get(floor, floor): score for floor, score in view.floors(task).items()}
    for claim in view.claims("floor", task):  # a point of a curve, whose height is a floor
        if text(claim, "floor") == "layer_0_mean":
            floors[SHORT_FLOORS["layer_0_mean"]] = value(claim, "accuracy")
    best = view.best(task) if view.claim("best_site", task) else None
    scores_by_floor = view.layer_floors(task, best[0]) if best else {}
    layer_floors = {SHORT_FLOORS.get(floor, floor): scores for floor, scores in scores_by_floor.items()}
    lines = [
        f"{wording.pooling(str(key), random_pooler=view.random_pooler)}: "
        + ", ".join(
            f"layer {layer} {percent(score)}" for layer, score in zip(rows["layer"], rows["value"], strict=True)
        )
        for key, rows in curve.groupby("pooling", sort=False)
    ]
    lines += [f"{name(floor)}: {percent(score)}" for floor, score in floors.items()]
    lines += [
        f"{name(floor)}: " + ", ".join(f"layer {layer} {percent(score)}" for layer, score in scores.items())
        for floor, scores in layer_floors.items()
    ]
    label = Label(anchor, f"Test accuracy by layer for {name(task)}", ". ".join(lines) + ".")
    caption = "Bands: 95 % intervals. Grey: floors. " + (f"Ring: lowest log loss {view.choosing}. " if best else "")
    caption += "Control labels: of the texts whose type occurs in training. " if "control" in scores_by_floor else ""
    svg = layer_lines.layer_curves(
        curve, floors, label, layer_floors=layer_floors, best=best, random_pooler=view.random_pooler
    )
    random = "Dashed line: a pooler that was never trained."
    return Drawing(svg, caption + (random if view.random_pooler else " ".join(view.lens(task))))


def cares(result: AnalysisResult) -> tuple[str, ...]:
    """Return the warnings that a reader must know before using a number."""
    view = View(result)
    sentences = list(caveats.cares(view))
    for task in view.tasks:
        if (beaten := view.claim("better_than_best", task)) is not None:
            points = wording.places(text(beaten, "sites"), random_pooler=view.random_pooler)
            sentences.append(view.about(task, f"{points} did better on test than the place that {view.chooser} chose."))
        if (start := view.claim("constant_cls", task)) is not None and start.outcome == "fails":
            sentences.append(
                f"{name(task)}: the check on [CLS] at layer 0 fails. It should be the same vector for every text, its "
                f"probe at the majority rate; it is at {percent(value(start, 'accuracy'))}. Distrust the numbers."
            )
    if (cut := view.claim("truncated")) is not None:
        n_cut, total, most = (count(value(cut, key)) for key in ("n", "total", "max_length"))
        is_, its = ("is", "its") if n_cut == "1" else ("are", "their")
        sentences.append(
            f"{n_cut} of {total} texts {is_} longer than {most} tokens; the encoder read only {its} beginning."
        )
    sentences += filter(None, [attributions.convergence_care(view)])
    sentences += baselines.cares(view)
    sentences += view.lens() if view.random_pooler else ()
    sentences += [f"No pooler curve: {name(str(item(c, 'reason') or ''), 300)}." for c in view.claims("no_pooler")]
    sentences += [f"No [CLS] curve: {name(str(item(c, 'reason') or ''), 300)}." for c in view.claims("no_cls")]
    return (*sentences, *(name(note, 1000) for note in result.notes))
