"""Fine-tuning: what probes read before and after, how far parameters moved, and how training went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from probes.checks import SMALLEST_EFFECT
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import lines
from reports.charts.canvas import Label
from reports.charts.lines import LineOptions
from reports.charts.styles import styles_of_heads, styles_of_models
from reports.lookup import View, item, value
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
    sides = {"above": "more", "below": "less"}
    for outcome in (*sides, "cannot_tell"):
        claims = [c for c in view.stated("cls_change") if c.outcome == outcome]
        accuracies = listing(
            f"{percent(value(c, 'after'))} with {wording.head(item(c, 'head'))} "
            f"({points(value(c, 'difference'))} points; {interval(c.interval)})"
            for c in claims
        )
        before = listing(dict.fromkeys(percent(value(c, "before")) for c in claims))
        if claims and outcome in sides:
            yield (
                f"From the last [CLS] a probe reads {sides[outcome]} after fine-tuning: right on {before} before, on "
                f"{accuracies}."
            )
        elif claims:
            yield (
                "Cannot tell whether fine-tuning changed what a probe reads from the last [CLS]: right on "
                f"{before} before, on {accuracies}."
            )


def _curves(view: View) -> Part | None:
    """Return a drawing for each pooling: every encoder's curve, and the floors."""
    accuracy = view.table("fine_tuned_layers")
    if accuracy is None:
        return None
    floors = {
        wording.SHORT_FLOORS[key]: 100 * float(accuracy.loc[accuracy["model"] == key, "value"].iloc[0])
        for key in FLOORS
        if (accuracy["model"] == key).any()
    }
    is_probe = accuracy["layer"].notna() & accuracy["value"].notna()
    curves = accuracy[is_probe].assign(layer=lambda rows: rows["layer"].astype(int))
    if not len(curves):
        return None
    names = "model pooling layer".split()
    means = curves.groupby(names, sort=False, as_index=False)[["value", "lower", "upper"]].mean()
    frame = means.rename(columns={"model": "series", "layer": "x"})
    frame[["value", "lower", "upper"]] *= 100
    reach = min(frame["value"].min(), *floors.values()), max(frame["value"].max(), *floors.values())
    drawings, styles = list[Drawing](), styles_of_models(frame["series"])
    for i, (pooling, of_pooling) in enumerate(frame.groupby("pooling", sort=False), start=1):
        if of_pooling["x"].nunique() < 2:
            continue
        vector = wording.pooling(str(pooling))
        descriptions = [f"{styles[r.series].name} layer {r.x} {r.value:.1f} %" for r in of_pooling.itertuples()]
        descriptions += [f"{floor} {score:.1f} %" for floor, score in floors.items()]
        label = Label(f"tuned-{i}", f"Test accuracy by layer before and after, {vector}", f"{'; '.join(descriptions)}.")
        svg = lines.lines(
            of_pooling, styles, label, LineOptions(f"{vector}: right on test, %", floors=floors, limits=reach)
        )
        reads = wording.READS.get(str(pooling), vector)
        drawings.append(Drawing(svg, f"Probes on {reads}. Bands: 95 % intervals. Grey: floors."))
    seeds = curves.groupby(names, sort=False)["value"].agg(["min", "max"])
    rows = tuple(
        (
            sentence(wording.model(r.model)),
            wording.pooling(r.pooling),
            str(r.layer),
            percent(r.value),
            interval((r.lower, r.upper)),
            interval(tuple(seeds.loc[(r.model, r.pooling, r.layer)])),
        )
        for r in means.itertuples()
    )
    notes = list[str]()
    if (means["pooling"] == "pooler").any():
        last = view.result.provenance.n_layers
        notes.append(f"The pooler below layer {last} is its last layer's, used as a lens on the [CLS] of that layer.")
        notes += ["Before fine-tuning it is a random layer: it was never trained."] if view.random_pooler else []
    heading = ("encoder", "vector", "layer", "right on test", "95 % interval", "lowest, highest seed")
    shape = columns(*heading, numeric=heading[2:])
    table = Table("Probes before and after, means over seeds.", rows=rows, folded=True, **shape)
    return Part("What can be read, layer by layer?", (), tuple(drawings), (table,), notes=tuple(notes))


def _changed(view: View) -> Part | None:
    """Return the accuracy gained and the CKA to the pretrained layer."""
    changes = view.table("representation_change")
    if changes is None:
        return None
    drawings = list[Drawing]()
    for i, (pooling, rows_of_group) in enumerate(changes.groupby("pooling", sort=False), start=1):
        measured = rows_of_group[rows_of_group["cka"].notna()]
        if measured["layer"].nunique() < 2:
            continue
        vector = wording.pooling(str(pooling))
        frame = measured.rename(columns={"model": "series", "layer": "x", "cka": "value"})[["series", "x", "value"]]
        styles = styles_of_models(frame["series"])
        descriptions = (f"{styles[r.series].name} layer {r.x} {decimal(r.value, 2)}" for r in frame.itertuples())
        label = Label(f"changed-{i}", f"Linear CKA to the pretrained layer, {vector}", f"{'; '.join(descriptions)}.")
        low = float(measured["cka_floor"].mean())
        floors = {"unrelated": low} if low == low else {}
        svg = lines.lines(
            frame,
            styles,
            label,
            LineOptions(f"{vector}: CKA to the pretrained", floors=floors, limits=(0.0, 1.0)),
        )
        drawings.append(Drawing(svg, f"{sentence(vector)}: 1 where the layer places the texts as before."))
    rows = tuple(
        (
            sentence(wording.model(r.model)),
            wording.pooling(r.pooling),
            str(r.layer),
            points(r.difference),
            interval((r.lower, r.upper)),
            decimal(r.cka),
            decimal(r.cka_floor),
        )
        for r in changes.itertuples()
    )
    heading = ("encoder", "vector", "layer", "points gained", "95 % interval", "CKA", "unrelated vectors")
    caption = "Each layer beside the same layer before fine-tuning."
    table = Table(caption, rows=rows, folded=True, **columns(*heading, numeric=heading[2:]))
    firm = changes[(changes["lower"] > SMALLEST_EFFECT) & (changes["pooling"] == "cls")]
    where = [
        f"with {wording.head(key)} from {wording.places(', '.join(f'cls {layer}' for layer in rows_of_group['layer']))}"
        for key, rows_of_group in firm.groupby("model", sort=False)
    ]
    sentences = (f"More can be read than before, by 95 % intervals, {'; '.join(where)}.",) if where else ()
    return Part("Which layers changed?", sentences, tuple(drawings), (table,))


def parameter_change(view: View) -> Section | None:
    """Return how far each group of parameters moved, relative to its norm."""
    changes = view.table("parameter_change")
    if changes is None:
        return None
    whole = changes[changes["part"].isna()]
    blocks = whole[whole["block"].notna() & whole["relative"].notna()]
    drawings = list[Drawing]()
    if len(blocks) and blocks["block"].nunique() > 1:
        frame = blocks.rename(columns={"head": "series", "block": "x"}).assign(
            value=lambda rows: 100 * rows["relative"]
        )
        frame = frame[["series", "x", "value"]].astype({"x": int})
        styles = styles_of_heads(frame["series"])
        descriptions = (f"{styles[r.series].name} block {r.x} {r.value:.2f} %" for r in frame.itertuples())
        label = Label(
            "moved-1", "How far each block's parameters moved, in per cent of their norm", f"{'; '.join(descriptions)}."
        )
        svg = lines.lines(frame, styles, label, LineOptions("|change| / |weight|, %", x_title="block"))
        drawings.append(Drawing(svg, "All parameters of a block together."))
    tables = [_groups(changes[changes["block"].isna()], "|change| / |weight|.", folded=False)]
    if changes["block"].notna().any():
        tables.append(_groups(changes[changes["block"].notna()], "The blocks, part by part.", folded=True))
    sentences = tuple(_whole(whole))
    return Section("How far it moved", "moved", sentences, (Part(None, (), tuple(drawings), tuple(tables)),), (ADAM,))


def _whole(whole: pd.DataFrame) -> Iterator[str]:
    """Yield how far the whole encoder moved, by head."""
    rows = whole[whole["group"] == "whole encoder"]
    movements = [f"{_moved(r.relative)} with {wording.head(r.head)}" for r in rows.itertuples()]
    if movements and not rows["relative"].any():
        yield "The encoder was left as it is: no parameter of it moved."
    elif movements:
        yield f"Fine-tuning moved the encoder's parameters by {listing(movements)}, relative to their norm."


def _moved(relative: float) -> str:
    return wording.MISSING if relative != relative else f"{100 * relative:.2f}\u00a0%"


def _groups(changes: pd.DataFrame, caption: str, *, folded: bool) -> Table:
    """Return a table with a row for each group or part and a column for each head."""
    heads, rows = list(dict.fromkeys(changes["head"])), dict[str, dict[str, str]]()
    sizes = dict[str, str]()
    for r in changes.itertuples():
        block = f" {int(r.block)}" if r.block == r.block and r.block is not None else ""
        key = f"{name(r.group)}{block}"
        if isinstance(r.part, str):
            # Rows of the table of tokens are told apart by the token.
            key = f"{key}, {name(r.part)}" if block else f"of them, {_ROWS.get(r.part, name(r.part))}"
        rows.setdefault(key, {})[r.head] = _moved(r.relative)
        sizes.setdefault(key, count(r.n_parameters))
    cells = tuple(
        (key, *([sizes[key]] if folded else []), *(moved.get(head, wording.MISSING) for head in heads))
        for key, moved in rows.items()
    )
    heading = ("parameters", *(("how many",) if folded else ()), *map(wording.short_head, heads))
    return Table(
        caption, rows=cells, folded=folded, summary=caption.rstrip("."), **columns(*heading, numeric=heading[1:])
    )


def training(view: View) -> Section | None:
    """Return loss and accuracy by epoch and seed."""
    epochs, scores = view.table("fine_tuning_epochs"), _scores(view)
    drawings, tables = ((), ()) if epochs is None else _epochs(epochs)
    tables = tables if scores is None else (scores, *tables)
    if not tables:
        return None
    part = Part(None, (), drawings, tables)
    same = epochs is not None and epochs["head"].nunique() > 1
    notes = ("All heads begin with the same weights and see the same texts in the same order; a seed sets both.",)
    return Section("Training", "training", (), (part,), notes if same else ())


def _epochs(epochs: pd.DataFrame) -> tuple[tuple[Drawing, ...], tuple[Table, ...]]:
    """Return loss and accuracy over the epochs, and the numbers of every epoch."""
    drawings = list[Drawing]()
    styles = styles_of_heads(epochs["head"])
    for key, quantity, title in (
        ("validation_loss", "log loss on validation, nats", "Log loss on validation"),
        ("validation_accuracy", "right on validation, %", "Accuracy on validation"),
    ):
        frame = epochs.rename(columns={"head": "series", "epoch": "x", "seed": "unit"})
        frame = frame.assign(value=frame[key] * (100 if key.endswith("accuracy") else 1))
        frame = frame.loc[frame["value"].notna(), ["series", "x", "unit", "value"]]
        if frame["x"].nunique() < 2:
            continue
        descriptions = (
            f"{styles[r.series].name} seed {r.unit} epoch {r.x} {decimal(r.value)}" for r in frame.itertuples()
        )
        label = Label(f"training-{len(drawings) + 1}", f"{title} by epoch", f"{'; '.join(descriptions)}.")
        svg = lines.lines(frame, styles, label, LineOptions(quantity, x_title="epoch"))
        drawings.append(Drawing(svg, "Thin: seeds. Thick: their mean, as far as all of them went."))
    rows = tuple(
        (
            sentence(wording.short_head(r.head)),
            str(r.seed),
            str(r.epoch),
            decimal(r.train_loss),
            decimal(r.validation_loss),
            percent(r.validation_accuracy),
            "kept" if r.best else "",
            decimal(r.seconds, 0),
        )
        for r in epochs.itertuples()
    )
    heading = ("head", "seed", "epoch", "training loss", "validation loss", "right on validation", "", "seconds")
    shape = columns(*heading, numeric=[text for text in heading[1:] if text])
    return tuple(drawings), (Table("Every epoch.", rows=rows, folded=True, **shape),)


def _scores(view: View) -> Table | None:
    """Return the test scores, a row for each head and seed."""
    scores = view.table("fine_tuned_accuracy")
    if scores is None:
        return None
    cells = dict[tuple[str, Any], dict[str, str]]()
    for r in scores.itertuples():
        written = percent(r.value) if r.metric in wording.SHARES else decimal(r.value)
        bounds = f" ({interval((r.lower, r.upper))})" if r.metric == "accuracy" else ""
        cells.setdefault((r.head, r.seed), {})[r.metric] = f"{written}{bounds}"
    metrics = list(dict.fromkeys(scores["metric"]))
    rows = tuple(
        (sentence(wording.short_head(head)), str(seed), *(by_metric.get(metric, wording.MISSING) for metric in metrics))
        for (head, seed), by_metric in cells.items()
    )
    heading = ("head", "seed", *(wording.METRICS.get(metric, name(metric)) for metric in metrics))
    caption = f"On test; 95 % intervals over {count(scores['n'].max())} texts."
    return Table(caption, rows=rows, **columns(*heading, numeric=heading[1:]))
