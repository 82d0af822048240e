"""The first screen: what was found in words, and what a reader must know before using a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
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
    head_answer = questions.answer(view)
    if head_answer is not None:
        drawings = erasure.first_map(view, "answer-used") if drawn else ()
        return (caveats.with_caveats(view, dataclasses.replace(head_answer, drawings=drawings)),)
    task_answers = list[Answer]()
    for number, task in enumerate(view.tasks, start=1):
        answer = _answer(view, task, f"answer-{number}" if drawn else None)
        task_answers.append(caveats.with_caveats(view, answer))
    return tuple(task_answers)


def _answer(view: View, task: str, anchor: str | None) -> Answer:
    best = view.best(task)
    score = view.best_score(task)
    if best is None or score is None:
        n_explained = sum(a.task == task for a in view.result.attributions)
        return Answer(name(task), "", f"{plural(n_explained, 'decision')} explained, word by word.", (), "", None)
    site = place(*best, random_pooler=view.random_pooler)
    sentences = [*_floor_sentences(view.claims("floor", task)), *_tie_sentences(view, task)]
    if view.claim("best_site", task) is not None:
        opening = f"Read best from {site}"
    else:
        opening = f"Read from {site}"
        sentences += _references(view, task)
    accuracy = percent(score.accuracy)
    limits = interval(score.interval)
    headline = f"{opening}: {accuracy} of {count(score.n)} test texts right (95 % interval {limits})."
    standing, good = _standing(view, task)
    drawings = () if anchor is None else _drawings(view, task, anchor)
    return Answer(name(task), accuracy, headline, tuple(sentences), standing, good, drawings)


def _references(view: View, task: str) -> Iterator[str]:
    """Yield the accuracy of the floors, in one sentence."""
    phrases = list[str]()
    for floor, accuracy in view.floors(task).items():
        floor_name = SHORT_FLOORS.get(floor, name(floor))
        phrases.append(f"{floor_name} {percent(accuracy)}")
    if phrases:
        yield f"To compare with: {listing(phrases)}."


def _standing(view: View, task: str) -> tuple[str, bool | None]:
    """Return how the score stands against the floors in a few words, and whether it is above all of them."""
    floors_by_outcome = dict[str, list[str]]()
    for claim in view.claims("floor", task):
        floor = text(claim, "floor")
        if floor != "model_head":
            floors_by_outcome.setdefault(claim.outcome, []).append(wording.floor(floor))
    if not floors_by_outcome:
        return "", None
    missed = list[str]()
    for outcome, verb in (("below", "below"), ("cannot_tell", "not above")):
        if outcome in floors_by_outcome:
            missed.append(f"{verb} {listing(floors_by_outcome[outcome], 'or')}")
    if missed:
        return ", ".join(missed), False
    return "above every floor", True


def _drawings(view: View, task: str, anchor: str) -> tuple[Drawing, ...]:
    """Return the curves of a label column, where there are several layers, and its erasure map."""
    maps = erasure.first_map(view, f"{anchor}-used", task)
    curve = view.curve(task)
    if curve is None or curve["layer"].nunique() < 2:
        return maps
    return (_curves(view, task, curve, anchor), *maps)


def _floor_sentences(claims: list[Claim]) -> Iterator[str]:
    """Yield the difference from each floor with its interval."""
    above = list[str]()
    for claim in claims:
        floor = wording.floor(text(claim, "floor"))
        difference = value(claim, "difference")
        limits = claim.interval
        if claim.outcome == "above":
            unit = "" if above else " points"
            above.append(f"{wording.unsigned_points(difference)}{unit} ({interval(limits)}) above {floor}")
        elif claim.outcome == "below":
            turned = None if limits is None else (-limits[1], -limits[0])
            yield f"It is {wording.unsigned_points(-difference)} points ({interval(turned)}) below {floor}."
        else:
            accuracy = percent(value(claim, "accuracy"))
            yield (
                f"These test texts cannot tell it from {floor}, which is right on {accuracy}: difference "
                f"{wording.points(difference)} points ({interval(limits)})."
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
    """Return test accuracy by layer, with every floor; the best site has a ring."""
    floors = {SHORT_FLOORS.get(floor, floor): score for floor, score in view.floors(task).items()}
    for claim in view.claims("floor", task):
        # A point of a curve, whose height is a floor.
        if text(claim, "floor") == "layer_0_mean":
            floors[SHORT_FLOORS["layer_0_mean"]] = value(claim, "accuracy")
    best = view.best(task) if view.claim("best_site", task) else None
    layer_floors = dict[str, dict[int, float]]()
    caption = "Bands: 95 % intervals. Grey: floors. "
    if best is not None:
        caption += f"Ring: lowest log loss {view.choosing}. "
        for floor, by_layer in view.layer_floors(task, best[0]).items():
            layer_floors[SHORT_FLOORS.get(floor, floor)] = by_layer
            if floor == "control":
                caption += "Control labels: of the texts whose type occurs in training. "
    if view.random_pooler:
        caption += "Dashed line: a pooler that was never trained."
    else:
        caption += " ".join(view.lens(task))
    lines = list[str]()
    for pooling, rows in curve.groupby("pooling", sort=False):
        vector = wording.pooling(str(pooling), random_pooler=view.random_pooler)
        accuracy_by_layer = dict(zip(rows["layer"], rows["value"], strict=True))
        lines.append(f"{vector}: {_listed_layers(accuracy_by_layer)}")
    lines += [f"{name(floor)}: {percent(score)}" for floor, score in floors.items()]
    lines += [f"{name(floor)}: {_listed_layers(by_layer)}" for floor, by_layer in layer_floors.items()]
    description = ". ".join(lines)
    label = Label(anchor, f"Test accuracy by layer for {name(task)}", f"{description}.")
    svg = layer_lines.layer_curves(
        curve, floors, label, layer_floors=layer_floors, best=best, random_pooler=view.random_pooler
    )
    return Drawing(svg, caption)


def _listed_layers(by_layer: Mapping[int, float]) -> str:
    """Return `layer 0 50.1 %, layer 1 72.4 %`."""
    return ", ".join(f"layer {layer} {percent(score)}" for layer, score in by_layer.items())


def cares(result: AnalysisResult) -> tuple[str, ...]:
    """Return the warnings that a reader must know before using a number."""
    view = View(result)
    sentences = list(caveats.cares(view))
    for task in view.tasks:
        sentences += _task_cares(view, task)
    cut = view.claim("truncated")
    if cut is not None:
        sentences.append(_truncation(cut))
    sentences += filter(None, [attributions.convergence_care(view)])
    sentences += baselines.cares(view)
    if view.random_pooler:
        sentences += view.lens()
    sentences += [f"No pooler curve: {_reason(claim)}." for claim in view.claims("no_pooler")]
    sentences += [f"No [CLS] curve: {_reason(claim)}." for claim in view.claims("no_cls")]
    sentences += [name(note, 1000) for note in result.notes]
    return tuple(sentences)


def _task_cares(view: View, task: str) -> Iterator[str]:
    """Yield the warnings about one label column."""
    better = view.claim("better_than_best", task)
    if better is not None:
        sites = wording.places(text(better, "sites"), random_pooler=view.random_pooler)
        yield view.about(task, f"{sites} did better on test than the place that {view.chooser} chose.")
    constant = view.claim("constant_cls", task)
    if constant is not None and constant.outcome == "fails":
        yield (
            f"{name(task)}: the check on [CLS] at layer 0 fails. It should be the same vector for every text, its "
            f"probe at the majority rate; it is at {percent(value(constant, 'accuracy'))}. Distrust the numbers."
        )


def _truncation(claim: Claim) -> str:
    """Return how many texts the encoder read in part."""
    n_cut = count(value(claim, "n"))
    total = count(value(claim, "total"))
    most = count(value(claim, "max_length"))
    verb, pronoun = ("is", "its") if n_cut == "1" else ("are", "their")
    return f"{n_cut} of {total} texts {verb} longer than {most} tokens; the encoder read only {pronoun} beginning."


def _reason(claim: Claim) -> str:
    return name(str(item(claim, "reason") or ""), 300)
