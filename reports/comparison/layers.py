"""Differences by layer and pooling on a scale of their own, and under them the test accuracies of the runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probes.statistics.paired_difference import site_differences
from reports.blocks import Drawing, Panels, Part, Section
from reports.charts import panels
from reports.charts.canvas import INK, Label
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import Style
from reports.comparison.correctness import hits_by_site, why_not_paired
from reports.comparison.side_by_side import Together
from reports.lookup import View
from reports.sections.small_multiples import description, in_points, legend
from reports.text import wording
from reports.text.wording import confidence, listing, name, plural, points

MOST_DRAWN = 12
"""Most runs on one panel, so that their lines stay distinguishable."""
MOST_NAMED = 3
"""Runs whose differences are stated in a sentence."""
MOST_BESIDE = 2
"""Most poolings of which accuracies stand beside the differences."""
DIFFERENCE_HEIGHT, ACCURACY_HEIGHT = 170.0, 128.0
"""Pixels of a panel of differences, and of the smaller one of accuracies below it."""
NO_FLOORS = ("control", "model_head")
"""Reference scores that are no floor."""
RANDOM_POOLER = "The untrained pooler is not drawn."
NUMBERS = ["value", "lower", "upper"]


@dataclass(frozen=True, eq=False)
class LayerDifferences:
    """Differences of a run from the reference at every site of a label column, in percentage points."""

    rows: pd.DataFrame
    """Columns pooling, layer, value, lower, upper, outcome."""
    reference: str

    def count(self, outcome: str) -> int:
        """Return the number of sites with this outcome."""
        return int((self.rows["outcome"] == outcome).sum())


def section(together: Together) -> Section | None:
    """Return the differences and the accuracies by layer, a column of panels for each pooling."""
    # A label column of one run alone is drawn in its own report.
    tasks = together.shared_tasks or list(together.tasks)
    curves = {task: _curves(together, task) for task in tasks}
    curves = {task: frame for task, frame in curves.items() if frame["layer"].nunique() > 1}
    if not curves:
        return None
    differences = {task: _differences(together, task) for task in curves}
    parts = list[Part]()
    sentences = list[str]()
    for number, task in enumerate(curves, start=1):
        rows = (
            _difference_panels(together, task, differences, number),
            _accuracy_panels(together, task, curves, number, is_beside=bool(differences[task])),
        )
        stated = list(_sentences(together, differences[task]))
        heading = together.heading(task)
        sentences += [f"{heading}: {sentence}" if heading else sentence for sentence in stated]
        parts.append(Part(heading, panels=tuple(row for row in rows if row is not None)))
    if not any(differences.values()):
        sentences.append("No differences by layer: the runs cannot be paired text by text at the same layers.")
    return Section("Differences by layer", "layers", tuple(sentences), tuple(parts), tuple(_notes(together)))


def _notes(together: Together) -> Iterator[str]:
    """Yield how the intervals are made, and the remarks about poolers with the runs that they belong to."""
    yield (
        "Each difference is paired over the test texts. The CIs of one run hold for all its sites of a task "
        "simultaneously (max-T bootstrap), so that one which leaves out 0 is no chance find among many sites."
    )
    results_by_note = dict[str, list[str]]()
    for result, view in together.views.items():
        notes = [RANDOM_POOLER] if view.random_pooler else view.lens()
        for note in notes:
            results_by_note.setdefault(note, []).append(result)
    for note, results in results_by_note.items():
        is_shared = len(results) == len(together.views)
        yield note if is_shared else f"{listing(results)}: {note}"


# What is drawn


def _curves(together: Together, task: str) -> pd.DataFrame:
    """Return the test accuracy of every run at every site, in per cent: series, pooling, layer, value, lower, upper."""
    frames = [pd.DataFrame(columns=["series", "pooling", "layer", *NUMBERS])]
    for result in list(together.tasks[task])[:MOST_DRAWN]:
        view = together.views[result]
        curve = _curve(view, task)
        if curve is not None and view.random_pooler:
            curve = curve[curve["pooling"] != "pooler"]
        if curve is not None:
            frames.append(in_points(curve.assign(series=result))[frames[0].columns])
    return pd.concat([frame for frame in frames if len(frame)]) if len(frames) > 1 else frames[0]


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


def _differences(together: Together, task: str) -> Mapping[str, LayerDifferences]:
    """Return result -> its differences from the reference; without results that cannot be paired with it."""
    reference = together.reference(task)
    differences = dict[str, LayerDifferences]()
    if reference not in together.tasks[task]:
        return differences
    view = together.views[reference]
    hits_of_reference = hits_by_site(view, task)
    for result in together.tasks[task]:
        other_view = together.views[result]
        is_alike = view.result.provenance.n_layers == other_view.result.provenance.n_layers
        if result == reference or not is_alike or why_not_paired(view, other_view, task):
            continue
        hits = hits_by_site(other_view, task)
        # A pooler that was never trained is a random projection, of which no difference is worth knowing.
        is_random = view.random_pooler or other_view.random_pooler
        sites = [site for site in hits if site in hits_of_reference and not (is_random and site[0] == "pooler")]
        if not sites or len({len(hits[site]) for site in sites} | {len(hits_of_reference[site]) for site in sites}) > 1:
            continue
        measured = site_differences(
            np.stack([hits[site] for site in sites], axis=1),
            np.stack([hits_of_reference[site] for site in sites], axis=1),
        )
        rows = pd.DataFrame(sites, columns=["pooling", "layer"])
        rows = rows.assign(
            value=100 * measured.differences,
            lower=100 * measured.lower,
            upper=100 * measured.upper,
            outcome=measured.outcomes,
        )
        differences[result] = LayerDifferences(rows, reference)
    return differences


# Sentences


def _sentences(together: Together, differences: Mapping[str, LayerDifferences]) -> Iterator[str]:
    """Yield at how many sites runs are above and below the reference, and of two runs their largest difference."""
    if together.is_pair:
        for result, measured in differences.items():
            yield f"{result} is {_sides(measured)} {measured.reference}{_at(measured)}. {_largest(measured)}"
        return
    listed = list(differences.items())
    if listed:
        phrases = [f"{result} is {_sides(measured)} it{_at(measured)}" for result, measured in listed[:MOST_NAMED]]
        if len(listed) > MOST_NAMED:
            phrases.append(f"{plural(len(listed) - MOST_NAMED, 'further run')} in the panels")
        reference = listed[0][1].reference
        yield f"Compared with {reference}: {'; '.join(phrases)}."


def _sides(measured: LayerDifferences) -> str:
    """Return on which side of the reference a run is anywhere, as in `significantly above`."""
    sides = [side for side in ("above", "below") if measured.count(side)]
    return f"significantly {listing(sides)}" if sides else "not significantly different from"


def _at(measured: LayerDifferences) -> str:
    """Return at how many sites a run differs from the reference, as in ` at 3 of 14 sites`."""
    counts = [str(n) for side in ("above", "below") if (n := measured.count(side))]
    sites = plural(len(measured.rows), "site")
    return f" at {listing(counts)} of {sites}" if counts else f" at any of {sites}"


def _largest(measured: LayerDifferences) -> str:
    """Return the largest difference with its site."""
    position = int(measured.rows["value"].abs().to_numpy().argmax())
    row = measured.rows.iloc[position]
    limits = confidence((row["lower"], row["upper"]), scale=1.0, before=" ")
    site = wording.site(str(row["pooling"]), int(row["layer"]))
    return f"Largest difference: {points(row['value'] / 100)} points{limits}, {site}."


# Panels


def _poolings(frames: Iterable[pd.DataFrame]) -> list[str]:
    """Return the poolings of all frames."""
    return list(dict.fromkeys(str(pooling) for frame in frames for pooling in frame["pooling"]))


def _difference_panels(
    together: Together, task: str, differences: Mapping[str, Mapping[str, LayerDifferences]], number: int
) -> Panels | None:
    """Return a panel for each pooling with the differences from the reference around 0."""
    all_rows = [measured.rows for by_result in differences.values() for measured in by_result.values()]
    measured_here = dict(list(differences[task].items())[:MOST_DRAWN])
    if not measured_here:
        return None
    limits = shared_limits(all_rows, 0.0)
    reference = together.reference(task)
    styles = {result: together.styles[result] for result in measured_here}
    if together.is_pair:
        styles = {result: Style(f"{result} minus {reference}", INK) for result in measured_here}
    frame = pd.concat([measured.rows.assign(series=result) for result, measured in measured_here.items()])
    options = PanelOptions(limits, zero=True, height=DIFFERENCE_HEIGHT)
    subject = next(iter(measured_here)) if together.is_pair else "each run"
    caption = "" if together.is_pair else f"Each run minus {reference}."
    if number == 1:
        caption = (
            f"Difference in test accuracy (points) by layer: {subject} minus {reference}. Bands: 95 % CI, simultaneous "
            "over the sites. Dashed: no difference."
        )
    n_left_out = len(differences[task]) - len(measured_here)
    if n_left_out:
        caption += f" Not drawn: {plural(n_left_out, 'run')}."
    title = f"Difference in test accuracy by layer for {name(task)}"
    drawings = tuple(_drawings(frame, styles, options, f"differences-{number}", title))
    return Panels(drawings, caption, () if together.is_pair else legend(styles)) if drawings else None


def _accuracy_panels(
    together: Together, task: str, curves: Mapping[str, pd.DataFrame], number: int, *, is_beside: bool
) -> Panels | None:
    """Return a panel for each pooling with the test accuracy of every run, on the scale of all label columns."""
    floors = {key: _best_floor(together, key) for key in curves}
    limits = shared_limits(curves.values(), *(floor for floor in floors.values() if floor is not None))
    frame = curves[task]
    styles = {result: style for result, style in together.styles.items() if result in set(frame["series"])}
    # A few stand beside the differences, more of them below.
    is_small = is_beside and len(_poolings([frame])) <= MOST_BESIDE
    options = PanelOptions(limits, floor=floors[task], height=ACCURACY_HEIGHT, small=is_small)
    caption = ""
    if number == 1:
        caption = "Test accuracy (%) by layer. Bands: 95 % CI."
        if floors[task] is not None:
            caption += " Grey: best floor of any run."
    n_left_out = len(together.tasks[task]) - len(styles)
    if n_left_out:
        caption += f" Not drawn: {plural(n_left_out, 'run')}."
    title = f"Test accuracy by layer for {name(task)}"
    drawings = tuple(_drawings(frame, styles, options, f"curves-{number}", title))
    return Panels(drawings, caption, legend(styles), small=is_small) if drawings else None


def _best_floor(together: Together, task: str) -> float | None:
    """Return the highest floor of any run, in per cent; None where there is none."""
    floors = [
        100 * accuracy
        for result in together.tasks[task]
        for floor, accuracy in together.views[result].floors(task).items()
        if floor not in NO_FLOORS
    ]
    return max(floors, default=None)


def _drawings(
    frame: pd.DataFrame,
    styles: Mapping[str, Style],
    options: PanelOptions,
    anchor: str,
    title: str,
) -> Iterator[Drawing]:
    """Yield a panel for each pooling that has several layers."""
    for number, pooling in enumerate(_poolings([frame]), start=1):
        rows = frame[frame["pooling"] == pooling].rename(columns={"layer": "x"})
        if rows["x"].nunique() < 2:
            continue
        vector = wording.pooling(pooling)
        label = Label(f"{anchor}-{number}", f"{title}, {vector}", description(rows, styles, options))
        yield Drawing(panels.panel(rows, styles, label, options), vector)
