"""Fine-tuning: what probes read before and after, how far parameters moved, and how training went."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts.lines import LineOptions
from reports.charts.styles import styles_of_heads, styles_of_models
from reports.lookup import View, item, value
from reports.sections.classifier.line_charts import (
    ChartWords,
    line_chart,
    points_by_layer,
    rows_by_group,
    two_digits,
)
from reports.text import wording
from reports.text.wording import (
    count,
    decimal,
    interval,
    listing,
    name,
    percent,
    points,
    sentence,
)

FLOORS = ("majority", "bag_of_words")
ADAM = (
    "Adam divides each parameter's step by the size of its own gradients, so that a step hardly depends on how large "
    "they are: what the loss barely touches moves about as far as what it rests on. Equal movement is not equal "
    "importance."
)
SAME_TRAINING = "All heads begin with the same weights and see the same texts in the same order; a seed sets both."
SITE_OF_MODEL = ["model", "pooling", "layer"]
"""Columns that name a site of an encoder."""
CURVES = (
    ("validation_loss", "Log loss on validation", "log loss on validation, nats"),
    ("validation_accuracy", "Accuracy on validation", "right on validation, %"),
)
"""Column of the table of epochs, the title of its chart, and the name of the axis."""
_ROWS = {"[CLS]": "that of [CLS]", "[SEP]": "that of [SEP]", "other rows": "all others"}


def before_and_after(view: View) -> Section | None:
    """Return layer curves of the pretrained and the fine-tuned encoders, and which layers changed."""
    parts = [part for part in (_curves(view), _changed(view)) if part is not None]
    if not parts:
        return None
    notes = (
        wording.BRACKETS,
        "Every encoder is read by the same probe, fitted on its own frozen vectors. Bands: 95 % intervals over the "
        "test texts, of fine-tuned encoders a mean over seeds.",
        "A mean of pretrained states is a strong baseline: fine-tuning has to beat it, not the majority alone (Mosbach "
        "et al. 2020).",
    )
    return Section("Before and after", "tuned", tuple(change_sentences(view)), tuple(parts), notes)


def change_sentences(view: View) -> Iterator[str]:
    """Yield how much more a probe reads from the last [CLS] after fine-tuning, by head."""
    for outcome, verb in (("above", "more"), ("below", "less"), ("cannot_tell", None)):
        claims = [claim for claim in view.stated("cls_change") if claim.outcome == outcome]
        if not claims:
            continue
        accuracies = listing(map(_accuracy_after, claims))
        before = listing(dict.fromkeys(percent(value(claim, "before")) for claim in claims))
        if verb is None:
            opening = "Cannot tell whether fine-tuning changed what a probe reads from the last [CLS]"
        else:
            opening = f"From the last [CLS] a probe reads {verb} after fine-tuning"
        yield f"{opening}: right on {before} before, on {accuracies}."


def _accuracy_after(claim: Claim) -> str:
    """Return `83.0 % with the [CLS] head (+4.1 points; 2.2 to 6.0)`."""
    accuracy = percent(value(claim, "after"))
    difference = points(value(claim, "difference"))
    head = wording.head(item(claim, "head"))
    return f"{accuracy} with {head} ({difference} points; {interval(claim.interval)})"


def _curves(view: View) -> Part | None:
    """Return a drawing for each pooling: every encoder's curve, and the floors."""
    accuracy = view.table("fine_tuned_layers")
    if accuracy is None:
        return None
    is_probe = accuracy["layer"].notna() & accuracy["value"].notna()
    curves = accuracy[is_probe]
    if curves.empty:
        return None
    curves = curves.assign(layer=curves["layer"].astype(int))
    by_seed = curves.groupby(SITE_OF_MODEL, sort=False)
    means = by_seed[["value", "lower", "upper"]].mean().reset_index()
    drawings = _curve_drawings(means, _floors(accuracy))
    notes = _pooler_notes(view) if (means["pooling"] == "pooler").any() else ()
    table = _curve_table(means, by_seed["value"].agg(["min", "max"]))
    return Part("What can be read, layer by layer?", (), drawings, (table,), notes=notes)


def _floors(accuracy: pd.DataFrame) -> dict[str, float]:
    """Return name of a floor -> its test accuracy in per cent."""
    floors = dict[str, float]()
    for key in FLOORS:
        values = accuracy.loc[accuracy["model"] == key, "value"]
        if len(values):
            floors[wording.SHORT_FLOORS[key]] = 100 * float(values.iloc[0])
    return floors


def _curve_drawings(means: pd.DataFrame, floors: Mapping[str, float]) -> tuple[Drawing, ...]:
    """Return the test accuracy of every encoder by layer, a drawing for each pooling, on one scale."""
    frame = means.rename(columns={"model": "series"})
    frame["x"] = frame["layer"]
    frame[["value", "lower", "upper"]] *= 100
    lowest = min(frame["value"].min(), *floors.values())
    highest = max(frame["value"].max(), *floors.values())
    styles = styles_of_models(frame["series"])
    floor_words = tuple(f"{floor} {score:.1f} %" for floor, score in floors.items())
    drawings = list[Drawing]()
    for number, pooling, rows in rows_by_group(frame, "pooling", "value"):
        vector = wording.pooling(pooling)
        reads = wording.READS.get(pooling, vector)
        words = ChartWords(
            anchor=f"tuned-{number}",
            title=f"Test accuracy by layer before and after, {vector}",
            caption=f"Probes on {reads}. Bands: 95 % intervals. Grey: floors.",
            floors=floor_words,
        )
        options = LineOptions(f"{vector}: right on test, %", floors=floors, limits=(lowest, highest))
        drawings.append(line_chart(rows, styles, words, options, write=_one_digit))
    return tuple(drawings)


def _one_digit(accuracy: float) -> str:
    return f"{accuracy:.1f} %"


def _curve_table(means: pd.DataFrame, ranges: pd.DataFrame) -> Table:
    """Return the test accuracy at each site of each encoder, with the range over its seeds."""
    rows = list[tuple[str, ...]]()
    for row in means.itertuples():
        lowest, highest = ranges.loc[(row.model, row.pooling, row.layer)]
        cells = (
            sentence(wording.model(row.model)),
            wording.pooling(row.pooling),
            str(row.layer),
            percent(row.value),
            interval((row.lower, row.upper)),
            interval((lowest, highest)),
        )
        rows.append(cells)
    heading = ("encoder", "vector", "layer", "right on test", "95 % interval", "lowest, highest seed")
    shape = columns(*heading, numeric=heading[2:])
    return Table("Probes before and after, means over seeds.", rows=tuple(rows), folded=True, **shape)


def _pooler_notes(view: View) -> tuple[str, ...]:
    """Return the meaning of a pooler below the last layer, and before it was trained."""
    last = view.result.provenance.n_layers
    lens = f"The pooler below layer {last} is its last layer's, used as a lens on the [CLS] of that layer."
    if view.random_pooler:
        return (lens, "Before fine-tuning it is a random layer: it was never trained.")
    return (lens,)


def _changed(view: View) -> Part | None:
    """Return the accuracy gained and the CKA to the pretrained layer."""
    changes = view.table("representation_change")
    if changes is None:
        return None
    drawings = [_cka_chart(*group) for group in rows_by_group(changes, "pooling", "cka")]
    rows = list[tuple[str, ...]]()
    for row in changes.itertuples():
        cells = (
            sentence(wording.model(row.model)),
            wording.pooling(row.pooling),
            str(row.layer),
            points(row.difference),
            interval((row.lower, row.upper)),
            decimal(row.cka),
            decimal(row.cka_floor),
        )
        rows.append(cells)
    heading = ("encoder", "vector", "layer", "points gained", "95 % interval", "CKA", "unrelated vectors")
    caption = "Each layer beside the same layer before fine-tuning."
    table = Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[2:]))
    return Part("Which layers changed?", _gain_sentences(changes), tuple(drawings), (table,))


def _cka_chart(number: int, pooling: str, rows: pd.DataFrame) -> Drawing:
    """Return the CKA of each layer to the pretrained one, for a pooling."""
    vector = wording.pooling(pooling)
    floor = float(rows["cka_floor"].mean())
    floors = {} if math.isnan(floor) else {"unrelated": floor}
    frame = points_by_layer(rows, "cka")
    words = ChartWords(
        anchor=f"changed-{number}",
        title=f"Linear CKA to the pretrained layer, {vector}",
        caption=f"{sentence(vector)}: 1 where the layer places the texts as before.",
    )
    options = LineOptions(f"{vector}: CKA to the pretrained", floors=floors, limits=(0.0, 1.0))
    return line_chart(frame, styles_of_models(frame["series"]), words, options, write=two_digits)


def _gain_sentences(changes: pd.DataFrame) -> tuple[str, ...]:
    """Return at which layers more can be read from [CLS] than before, by head."""
    is_gain = (changes["outcome"] == "above") & (changes["pooling"] == "cls")
    phrases = list[str]()
    for model, rows in changes[is_gain].groupby("model", sort=False):
        sites = ", ".join(f"cls {layer}" for layer in rows["layer"])
        phrases.append(f"with {wording.head(model)} from {wording.places(sites)}")
    if not phrases:
        return ()
    return (f"More can be read than before, by 95 % intervals, {'; '.join(phrases)}.",)


def parameter_change(view: View) -> Section | None:
    """Return how far each group of parameters moved, relative to its norm."""
    changes = view.table("parameter_change")
    if changes is None:
        return None
    is_block = changes["block"].notna()
    whole_groups = changes[changes["part"].isna()]
    tables = [_groups(changes[~is_block], "|change| / |weight|.", folded=False)]
    if is_block.any():
        tables.append(_groups(changes[is_block], "The blocks, part by part.", folded=True))
    part = Part(None, (), _block_drawings(whole_groups), tuple(tables))
    return Section("How far it moved", "moved", tuple(_whole(whole_groups)), (part,), (ADAM,))


def _block_drawings(groups: pd.DataFrame) -> tuple[Drawing, ...]:
    """Return how far each block moved, a line for each head; nothing for a single block."""
    blocks = groups[groups["block"].notna() & groups["relative"].notna()]
    if blocks["block"].nunique() < 2:
        return ()
    frame = blocks.rename(columns={"head": "series", "block": "x"})
    frame = frame.assign(x=frame["x"].astype(int), value=100 * frame["relative"])
    words = ChartWords(
        anchor="moved-1",
        title="How far each block's parameters moved, in per cent of their norm",
        caption="All parameters of a block together.",
    )
    options = LineOptions("|change| / |weight|, %", x_title="block")
    points = frame[["series", "x", "value"]]
    return (line_chart(points, styles_of_heads(points["series"]), words, options, write=_two_digits_percent),)


def _two_digits_percent(movement: float) -> str:
    return f"{movement:.2f} %"


def _whole(whole: pd.DataFrame) -> Iterator[str]:
    """Yield how far the whole encoder moved, by head."""
    rows = whole[whole["group"] == "whole encoder"]
    movements = [f"{_moved(r.relative)} with {wording.head(r.head)}" for r in rows.itertuples()]
    if movements and not rows["relative"].any():
        yield "The encoder was left as it is: no parameter of it moved."
    elif movements:
        yield f"Fine-tuning moved the encoder's parameters by {listing(movements)}, relative to their norm."


def _moved(relative: float) -> str:
    return wording.MISSING if math.isnan(relative) else f"{100 * relative:.2f}\u00a0%"


def _groups(changes: pd.DataFrame, caption: str, *, folded: bool) -> Table:
    """Return a table with a row for each group or part and a column for each head."""
    heads = list(dict.fromkeys(changes["head"]))
    movements = dict[str, dict[str, str]]()
    sizes = dict[str, str]()
    for row in changes.itertuples():
        group = _group_name(row)
        movements.setdefault(group, {})[row.head] = _moved(row.relative)
        sizes.setdefault(group, count(row.n_parameters))
    rows = list[tuple[str, ...]]()
    for group, by_head in movements.items():
        cells = [by_head.get(head, wording.MISSING) for head in heads]
        if folded:
            cells.insert(0, sizes[group])
        rows.append((group, *cells))
    size_column = ("how many",) if folded else ()
    heading = ("parameters", *size_column, *map(wording.short_head, heads))
    shape = columns(*heading, numeric=heading[1:])
    return Table(caption, rows=tuple(rows), folded=folded, summary=caption.rstrip("."), **shape)


def _group_name(row: Any) -> str:
    """Return the name of a row of the table of parameters: a group, a block, or a part of one."""
    has_block = row.block is not None and not math.isnan(row.block)
    block = f" {int(row.block)}" if has_block else ""
    group = f"{name(row.group)}{block}"
    if not isinstance(row.part, str):
        return group
    if has_block:
        return f"{group}, {name(row.part)}"
    # Rows of the table of tokens are told apart by the token.
    return f"of them, {_ROWS.get(row.part, name(row.part))}"


def training(view: View) -> Section | None:
    """Return loss and accuracy by epoch and seed."""
    epochs = view.table("fine_tuning_epochs")
    scores = _scores(view)
    tables = list[Table]()
    drawings: tuple[Drawing, ...] = ()
    notes: tuple[str, ...] = ()
    if scores is not None:
        tables.append(scores)
    if epochs is not None:
        tables.append(_epoch_table(epochs))
        drawings = _epoch_drawings(epochs)
        if epochs["head"].nunique() > 1:
            notes = (SAME_TRAINING,)
    if not tables:
        return None
    part = Part(None, (), drawings, tuple(tables))
    return Section("Training", "training", (), (part,), notes)


def _epoch_drawings(epochs: pd.DataFrame) -> tuple[Drawing, ...]:
    """Return loss and accuracy on validation over the epochs."""
    styles = styles_of_heads(epochs["head"])
    drawings = list[Drawing]()
    for column, title, quantity in CURVES:
        points = epochs.rename(columns={"head": "series", "epoch": "x", "seed": "unit"})
        scale = 100 if column.endswith("accuracy") else 1
        points = points.assign(value=scale * points[column])
        points = points.loc[points["value"].notna(), ["series", "x", "unit", "value"]]
        if points["x"].nunique() < 2:
            continue
        words = ChartWords(
            anchor=f"training-{len(drawings) + 1}",
            title=f"{title} by epoch",
            caption="Thin: seeds. Thick: their mean, as far as all of them went.",
        )
        options = LineOptions(quantity, x_title="epoch")
        drawings.append(line_chart(points, styles, words, options, write=decimal))
    return tuple(drawings)


def _epoch_table(epochs: pd.DataFrame) -> Table:
    """Return the numbers of every epoch."""
    rows = list[tuple[str, ...]]()
    for row in epochs.itertuples():
        cells = (
            sentence(wording.short_head(row.head)),
            str(row.seed),
            str(row.epoch),
            decimal(row.train_loss),
            decimal(row.validation_loss),
            percent(row.validation_accuracy),
            "kept" if row.best else "",
            decimal(row.seconds, 0),
        )
        rows.append(cells)
    heading = ("head", "seed", "epoch", "training loss", "validation loss", "right on validation", "", "seconds")
    numeric = [text for text in heading[1:] if text]
    return Table("Every epoch.", rows=tuple(rows), folded=True, **columns(*heading, numeric=numeric))


def _scores(view: View) -> Table | None:
    """Return the test scores, a row for each head and seed."""
    scores = view.table("fine_tuned_accuracy")
    if scores is None:
        return None
    cells = dict[tuple[str, Any], dict[str, str]]()
    for row in scores.itertuples():
        score = percent(row.value) if row.metric in wording.SHARES else decimal(row.value)
        if row.metric == "accuracy":
            score = f"{score} ({interval((row.lower, row.upper))})"
        cells.setdefault((row.head, row.seed), {})[row.metric] = score
    metrics = list(dict.fromkeys(scores["metric"]))
    rows = list[tuple[str, ...]]()
    for (head, seed), by_metric in cells.items():
        metric_cells = [by_metric.get(metric, wording.MISSING) for metric in metrics]
        rows.append((sentence(wording.short_head(head)), str(seed), *metric_cells))
    metric_names = [wording.METRICS.get(metric, name(metric)) for metric in metrics]
    heading = ("head", "seed", *metric_names)
    caption = f"On test; 95 % intervals over {count(scores['n'].max())} texts."
    return Table(caption, rows=tuple(rows), **columns(*heading, numeric=heading[1:]))
