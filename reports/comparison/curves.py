"""Test accuracy of several results by layer, a line for each result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from reports.blocks import Drawing, Part, Section
from reports.charts import lines
from reports.charts.canvas import OTHERS, STYLES, Label
from reports.charts.lines import LineOptions
from reports.charts.styles import Style
from reports.comparison.side_by_side import Together
from reports.lookup import View
from reports.text import wording
from reports.text.wording import SHORT_FLOORS, listing, name, percent, plural

LOOKS = (*STYLES.values(), *OTHERS)
"""Colour and marker of the first results; those after them have the same ones again, dashed."""
MOST_DRAWN = 14
"""Most results on one plot, so that their lines stay distinguishable."""
MOST_FLOORS = 4
"""Floors that are lines of a plot; the table has all."""
LONGEST_END = 18
"""Characters of the name at the end of a line."""
FLOORS = ("majority", "bag_of_words", "model_head")
"""Floors that do not depend on the layer."""
COLUMNS = ["series", "x", "value", "lower", "upper"]
"""Columns of the numbers behind a chart."""


def section(together: Together) -> Section | None:
    """Return a chart for each label column and vector, with a line for each result."""
    parts = list[Part]()
    # A label column of one result alone is drawn in its own report.
    tasks = together.shared_tasks or list(together.tasks)
    for number, task in enumerate(tasks, start=1):
        drawings = tuple(_curve_drawings(together, task, f"curves-{number}"))
        if drawings:
            parts.append(Part(together.heading(task), drawings=drawings))
    if not parts:
        return None
    notes = _lens_notes(together)
    depths = {view.result.provenance.n_layers for view in together.views.values()}
    if len(depths) > 1:
        notes.append("Layers of encoders of unlike depth are counted from the input: they are not the same layers.")
    return Section("Layer by layer", "curves", (), tuple(parts), tuple(notes))


def _curve_drawings(together: Together, task: str, anchor: str) -> Iterator[Drawing]:
    """Yield a chart for each vector, all on one scale."""
    results = together.tasks[task]
    ends = list[float]()
    poolings = list[str]()
    for result in results:
        view = together.views[result]
        ends += view.floors(task).values()
        curve = _curve(view, task)
        if curve is not None:
            poolings += map(str, curve["pooling"])
            ends += curve[["lower", "upper", "value"]].to_numpy(dtype=float).ravel().tolist()
    measured = [100 * end for end in ends if math.isfinite(end)]
    for number, pooling in enumerate(dict.fromkeys(poolings), start=1):
        pooling_of_result = dict.fromkeys(results, pooling)
        vector = wording.pooling(pooling, random_pooler=never_trained(together, pooling_of_result))
        limits = (min(measured), max(measured))
        drawing = accuracy_chart(together, task, pooling_of_result, f"{anchor}-{number}", vector, reach=limits)
        if drawing is not None:
            yield drawing


def _lens_notes(together: Together) -> list[str]:
    """Return the remarks about poolers, each with the results that it belongs to where it is not about all."""
    results_by_note = dict[str, list[str]]()
    for result, view in together.views.items():
        for note in view.lens():
            results_by_note.setdefault(note, []).append(result)
    notes = list[str]()
    for note, results in results_by_note.items():
        is_shared = len(results) == len(together.views)
        notes.append(note if is_shared else f"{listing(results)}: {note}")
    return notes


def _curve(view: View, task: str) -> pd.DataFrame | None:
    """Return the test accuracy of every probe; for `heads`, on the encoder before it was fine-tuned."""
    curve = view.curve(task)
    if curve is not None:
        return curve
    layers = view.table("fine_tuned_layers")
    is_fine_tuned = any(claim.task == task for claim in view.stated("fine_tuned_accuracy"))
    if layers is None or not is_fine_tuned:
        return None
    is_measured = layers[["pooling", "layer", "value"]].notna().all(axis=1)
    before = layers[is_measured & (layers["model"] == "pretrained")]
    if before.empty:
        return None
    return before.assign(layer=before["layer"].astype(int))


def never_trained(together: Together, results: Iterable[str]) -> bool:
    """Return whether the pooler of none of the results was ever trained."""
    return all(together.views[result].random_pooler for result in results)


def accuracy_chart(
    together: Together,
    task: str,
    poolings: Mapping[str, str],
    anchor: str,
    which: str,
    *,
    reach: tuple[float, float] | None = None,
) -> Drawing | None:
    """Return test accuracy by layer, a line for each result in its pooling; None where none has two layers."""
    frames = list[pd.DataFrame]()
    styles = dict[str, Style]()
    descriptions = list[str]()
    floors = dict[str, dict[str, float]]()
    positions = {result: position for position, result in enumerate(together.views)}
    for result, pooling in poolings.items():
        view = together.views[result]
        curve = _curve(view, task)
        rows = None if curve is None else curve[curve["pooling"] == pooling]
        if rows is None or len(rows) < 2 or positions[result] >= MOST_DRAWN:
            continue
        in_percent = {column: 100 * rows[column] for column in ("value", "lower", "upper")}
        frame = rows.assign(series=result, x=rows["layer"], **in_percent)
        frames.append(frame[COLUMNS])
        is_random = pooling == "pooler" and view.random_pooler
        styles[result] = _style(result, positions[result], is_random=is_random)
        scores = view.floors(task)
        for floor in FLOORS:
            if floor in scores:
                floors.setdefault(floor, {})[result] = scores[floor]
        by_layer = [f"layer {row.layer} {percent(row.value)}" for row in rows.itertuples()]
        descriptions.append(f"{result}: {', '.join(by_layer)}")
    if not frames:
        return None
    caption = "Bands: 95 % CI."
    floor_lines = _floor_lines(floors)
    if len(floor_lines) > MOST_FLOORS:
        caption += " Floors are in the table."
        floor_lines = {}
    elif floor_lines:
        caption += f" Grey: {listing(floor_lines)}."
    n_left_out = len(poolings) - len(frames)
    if n_left_out:
        caption += f" Without such a curve, or beyond {MOST_DRAWN}: {plural(n_left_out, 'result')}."
    descriptions += [f"{floor} {score:.1f} %" for floor, score in floor_lines.items()]
    description = ". ".join(descriptions)
    label = Label(anchor, f"Test accuracy by layer for {name(task)}, {which}", f"{description}.")
    options = LineOptions(f"{which}: test accuracy (%)", floors=floor_lines, limits=reach)
    svg = lines.lines(pd.concat(frames), styles, label, options)
    return Drawing(svg, caption)


def _style(result: str, position: int, *, is_random: bool) -> Style:
    """Return the style of the result at this position; a random pooler is dashed."""
    colour, marker = LOOKS[position % len(LOOKS)]
    is_repeated = position >= len(LOOKS)
    return Style(name(result, LONGEST_END), colour, marker, dashed=is_repeated or is_random)


def _floor_lines(floors: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return floor -> accuracy in per cent: one line where all results share it, else one for each result."""
    heights = dict[str, float]()
    for floor, scores in floors.items():
        floor_name = SHORT_FLOORS.get(floor, name(floor))
        distinct = {round(score, 6) for score in scores.values()}
        if len(distinct) == 1:
            first_score = next(iter(scores.values()))
            heights[floor_name] = 100 * first_score
            continue
        for result, score in scores.items():
            heights[f"{floor_name}, {result}"] = 100 * score
    return heights
