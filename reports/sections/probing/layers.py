"""Accuracy by layer and pooling: heat maps on one scale, and validation beside test accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from reports.blocks import Drawing, LegendEntry, Panels, Part, Section
from reports.charts import dots, matrices
from reports.charts.canvas import Label
from reports.charts.panels import shared_limits
from reports.lookup import View, rows_at_site, text, value
from reports.sections.probing import scores
from reports.text import wording
from reports.text.wording import confidence, count, decimal, interval, name, percent, points

NOTES = (
    "Decodable does not mean used: probing does not show what the model relies on.",
    "Tied with the best: the simultaneous 95 % CI of the difference in test accuracy contains 0.",
    "95 % CIs: Wilson intervals over the test texts; only those that name the training sample include its variance.",
)


def section(view: View) -> Section | None:
    """Return the test accuracy of every layer and pooling, of all label columns on one scale."""
    curves = {task: curve for task in view.tasks if (curve := view.curve(task)) is not None}
    if not curves:
        return None
    verdict = [
        view.about(
            task,
            " ".join(
                _sentences(
                    view,
                    task,
                    curve,
                )
            ),
        )
        for task, curve in curves.items()
    ]
    verdict += [view.about(task, sentence) for task in curves for sentence in _drop(view, task)]
    verdict += [view.about(task, sentence) for task in curves for sentence in _resampled(view, task)]
    verdict += [view.about(task, sentence) for task in curves for sentence in _all_layers(view, task)]
    rows = (_heat_maps(view, curves), _dumbbells(view, curves))
    tables = list(scores.metric_table(view, curves))
    for task in curves:
        tables.append(scores.probe_table(view, task))
        tables += scores.resampling_table(view, task)
    tables += scores.all_layers_table(view)
    part = Part(panels=_side_by_side([row for row in rows if row is not None]), tables=tuple(tables))
    change = f"The CI of the change from {view.chooser} to test allows for the choice among all candidates."
    choice = f"Best: lowest log loss {view.choosing}."
    further_notes = (*_resampling_note(view), *_all_layers_note(view), *view.lens())
    notes = (choice, *NOTES, change, *further_notes)
    return Section(
        "Accuracy by layer and pooling",
        "layers",
        tuple(verdict),
        (part,),
        notes,
    )


def _side_by_side(rows: Sequence[Panels]) -> tuple[Panels, ...]:
    """Return rows of panels, in one row where each has a single drawing."""
    if len(rows) < 2 or any(len(row.drawings) > 1 for row in rows):
        return tuple(rows)
    drawings = tuple(row.drawings[0] for row in rows)
    caption = " ".join(row.caption for row in rows)
    return (
        Panels(
            drawings,
            caption,
            rows[0].legend,
        ),
    )


def _sentences(view: View, task: str, curve: pd.DataFrame) -> Iterator[str]:
    """Yield the best probe with its test and validation accuracy, and how many other probes are tied with it."""
    best = view.best(task)
    score = view.best_score(task)
    if best is None or score is None:
        yield f"{wording.plural(len(curve), 'probe')}."
        return
    pooling, layer = best
    vector = wording.pooling(pooling, random_pooler=view.random_pooler)
    opening = f"Selected {view.choosing}" if view.claim("best_site", task) is not None else "Probe"
    bounds = f"[95\u00a0% CI {confidence(score.interval).strip('[]')}]"
    sentence = f"{opening}: {vector}, layer\u00a0{layer}, test accuracy {percent(score.accuracy)} {bounds}"
    if tied := view.claim("tied", task):
        n_others = wording.plural(int(value(tied, "n_sites")), "other site")
        sentence += f"; {count(value(tied, 'n_tied'))} of {n_others} tied with it"
    yield f"{sentence}."
    if better := view.claim("better_than_best", task):
        yield f"Higher on test: {wording.places(text(better, 'sites'), random_pooler=view.random_pooler)}."


def _drop(view: View, task: str) -> Iterator[str]:
    """Yield the difference of test and validation accuracy, where the choice of the best probe does not explain it."""
    claim = view.claim("validation_drop", task)
    if claim is None or claim.outcome == "cannot_tell":
        return
    difference = points(value(claim, "difference"))
    bounds = confidence(claim.interval, before=" ")
    subject = view.chooser[:1].upper() + view.chooser[1:]
    reason = f"although selection favours {view.chooser}"
    if claim.outcome == "below":
        reason = "more than selection explains"
    yield f"{subject} to test {difference} points{bounds}, {reason}."


def _resampled(view: View, task: str) -> Iterator[str]:
    """Yield in how many resampled training sets the best site is best or tied, and how far its accuracy moves."""
    claim = view.claim("training_resampling", task)
    if claim is None:
        return
    layer = int(value(claim, "layer"))
    where = wording.site(text(claim, "pooling"), layer, random_pooler=view.random_pooler)
    n_tied = count(value(claim, "n_best_or_tied"))
    n_refits = count(value(claim, "n_refits"))
    accuracies = interval((value(claim, "refit_lowest"), value(claim, "refit_highest")))
    bounds = confidence(claim.interval, before=" ")
    yield (
        f"{wording.sentence(where)} is best or tied in {n_tied} of {n_refits} resampled training sets: accuracy there "
        f"{accuracies}\u00a0%, 95\u00a0% CI with training and test sampling{bounds}."
    )


def _all_layers(view: View, task: str) -> Iterator[str]:
    """Yield the accuracy of the probe on all layers of the best site's pooling, and its difference from the best."""
    claim = view.claim("all_layers", task)
    if claim is None:
        return
    vector = wording.pooling(text(claim, "pooling"), random_pooler=view.random_pooler)
    accuracy = percent(value(claim, "accuracy"))
    difference = points(value(claim, "difference"))
    bounds = confidence(claim.interval, before=" ")
    yield f"All layers of {vector} together: {accuracy}, {difference} points{bounds} over the best layer."


def _all_layers_note(view: View) -> tuple[str, ...]:
    """Return how the probe on all layers is made, where there is one."""
    if not view.every("all_layers"):
        return ()
    return (
        "All layers together: one probe on the concatenated, standardised vectors of all layers of the best site's "
        "pooling. It has as many times the weights, is never the best site, and shows what one layer lacks.",
    )


def _resampling_note(view: View) -> tuple[str, ...]:
    """Return how the resampled training sets are made, and how the best site is chosen in each."""
    if not view.every("training_resampling"):
        return ()
    held_out = "validation" if view.chooser == "validation" else "the training texts that the sample leaves out"
    return (
        "Resampled training sets are drawn with replacement and hold about 63 % of the distinct texts, so that their "
        "accuracies are rather too low. All sites are refitted on each, with the penalty already selected.",
        f"Best in a resampled training set: lowest log loss on {held_out}. Tied: as above, with its probes.",
        "95 % CI with training and test sampling: around the accuracy of the probe on all training texts, for the mean "
        "accuracy of probes on other samples of that size. In simulations it holds that accuracy in 90 to 99 % of the "
        "samples, least often with 50 training texts.",
    )


def _heat_maps(view: View, curves: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return a heat map for each label column, all on one scale."""
    low, high = matrices.accuracy_scale(curves.values())
    drawings = list[Drawing]()
    for number, (task, curve) in enumerate(curves.items(), start=1):
        if len(curve) < 2:
            continue
        best = view.best(task) if view.claim("best_site", task) else None
        label = Label(
            f"layers-{number}",
            f"Test accuracy by layer and pooling for {name(task)}",
            "All numbers are in the table below.",
        )
        svg = matrices.layer_heat_map(
            curve,
            label,
            scale=(low, high),
            best=best,
            tied=[site for site in _tied_sites(view, task) if site != best],
            random_pooler=view.random_pooler,
        )
        drawings.append(Drawing(svg, view.heading(task) or ""))
    if not drawings:
        return None
    caption = f"Test accuracy (%){_n(view, curves)}. Solid frame: best {view.choosing}. Dashed: tied with it on test."
    middle = (low + high) / 2
    lowest = min(curve["value"].min() for curve in curves.values())
    sign = "≤\u00a0" if lowest < low else ""
    shades = {"ramp-1": f"{sign}{percent(low)}", "ramp-5": percent(middle), "ramp-9": percent(high)}
    legend = tuple(LegendEntry(key, text, block=True) for key, text in shades.items())
    return Panels(tuple(drawings), caption, legend)


def _n(view: View, tasks: Iterable[str]) -> str:
    """Return the number of test texts, where it is the same for all label columns."""
    scores = [score for task in tasks if (score := view.best_score(task)) is not None]
    numbers = {count(score.n) for score in scores}
    return f", n\u00a0= {numbers.pop()}" if len(numbers) == 1 else ""


def _tied_sites(view: View, task: str) -> list[tuple[str, int]]:
    """Return the sites whose test accuracy is tied with that of the best one."""
    differences = view.table("differences_from_best", task)
    if differences is None:
        return []
    rows = differences[differences["tied"].fillna(False).astype(bool)]
    return list(
        zip(
            rows["pooling"],
            rows["layer"].astype(int),
            strict=True,
        )
    )


def _dumbbells(view: View, curves: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return validation beside test accuracy at the best layer of each pooling; None where nothing was selected."""
    frames = dict[str, pd.DataFrame]()
    for task, curve in curves.items():
        frame = _best_by_pooling(view, task, curve)
        if len(frame):
            frames[task] = frame
    if not frames:
        return None
    references = pd.concat([frame["reference"] for frame in frames.values()])
    limits = shared_limits(frames.values(), *references)
    drawings = list[Drawing]()
    for number, (task, frame) in enumerate(frames.items(), start=1):
        phrases = [
            f"{row.row}: test {decimal(row.value, 1)}, {row.reference_name} {decimal(row.reference, 1)}"
            for row in frame.itertuples()
        ]
        title = f"Accuracy on test and {view.choosing} for {name(task)}"
        label = Label(f"validation-{number}", title, f"{'; '.join(phrases)}.")
        svg = dots.forest(
            frame,
            label,
            limits=limits,
            x_title="accuracy (%)",
        )
        drawings.append(Drawing(svg, view.heading(task) or ""))
    caption = (
        f"Accuracy (%) at each pooling's best layer (beside its name). Dot: test, with 95 % CI. Square: {view.chooser}."
    )
    return Panels(tuple(drawings), caption)


def _best_by_pooling(view: View, task: str, curve: pd.DataFrame) -> pd.DataFrame:
    """Return validation and test accuracy at the best layer of each pooling, in per cent, the highest first."""
    rows = list[tuple[str, float, float, float, float, str]]()
    claim = view.claim("best_by_pooling", task)
    validation = view.scores(task, "accuracy", "validation")
    if claim is not None and validation is not None:
        poolings = [key.removesuffix("_layer") for key in claim.numbers if key.endswith("_layer")]
        for pooling in poolings:
            layer = int(value(claim, f"{pooling}_layer"))
            at_site = rows_at_site(curve, (pooling, layer))
            chosen = rows_at_site(validation, (pooling, layer))
            if at_site.empty or chosen.empty:
                continue
            test = 100 * at_site[["value", "lower", "upper"]].iloc[0].astype(float)
            vector = wording.pooling(pooling, random_pooler=view.random_pooler)
            reference = 100 * float(chosen["value"].iloc[0])
            rows.append((f"{vector} {layer}", test["value"], test["lower"], test["upper"], reference, view.chooser))
    frame = pd.DataFrame(rows, columns=["row", "value", "lower", "upper", "reference", "reference_name"])
    return frame.sort_values(
        "value",
        ascending=False,
        kind="stable",
    )
