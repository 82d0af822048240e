"""Sections on what stands beside the scores: control tasks, information, sample efficiency, prediction depth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import probing
from reports.charts.canvas import Label
from reports.lookup import View, item, text, value
from reports.text import wording
from reports.text.wording import count, decimal, interval, listing, name, percent, plural

if TYPE_CHECKING:
    import pandas as pd


def limits(view: View, task: str) -> Iterator[str]:
    """What these test texts could not have shown."""
    found = view.claim("minimum_detectable_difference", task)
    if found is None:
        return
    n, least, usual = count(value(found, "n")), value(found, "difference"), value(found, "usual_difference")
    if math.isfinite(least):
        half = f"; for half of the places it takes {_points(usual)} or more" if math.isfinite(usual) else ""
        yield (
            f"With {n} test texts, a difference under {_points(least)} points between the best place and another "
            f"cannot be seen{half}."
        )
    if reason := item(found, "no_signal"):
        yield f"No signal of known strength could be planted, to see which would be found: {name(str(reason), 300)}."
    elif item(found, "smallest") is None:
        most = _points(value(found, "strongest_tried"))
        yield (
            "Signals of known strength were planted in these vectors, and none was found each time: not even the "
            f"strongest, which lets the best possible probe be right {most} points more often than the majority."
        )
    else:
        yield (
            f"Of signals planted in these vectors, the weakest that is found each time lets the best possible probe be "
            f"right {_points(value(found, 'smallest'))} points more often than the majority."
        )


def control(view: View) -> Section | None:
    """Read, or learnt by heart?"""
    verdict, parts = [], []
    column = (view.result.settings.get("data") or {}).get("control_type")
    kind = f"what column {name(str(column), 40)} says" if column else "the text's first word"
    exposed = "that type" if column else "a text's first word"
    for i, task in enumerate(view.tasks, start=1):
        if absent := view.claim("no_control_task", task):
            reason = name(str(item(absent, "reason") or ""), 300)
            verdict.append(view.about(task, f"No valid control task: {reason}."))
        if found := view.claim("selectivity", task):
            heart = percent(value(found, "control_accuracy"))
            verdict.append(
                view.about(
                    task,
                    f"Of the test texts whose type occurs in training{_scored(view, task)} the best probe reads the "
                    f"label of {percent(value(found, 'accuracy'))}; trained on "
                    f"random labels that hang on a text's type alone, it learns {heart} by heart (always answering the "
                    f"most frequent: {percent(value(found, 'control_majority'))}). "
                    f"Selectivity: {_points(value(found, 'selectivity'))} points (95 % interval "
                    f"{interval(found.interval)})"
                    + (", not told apart from none." if found.outcome == "cannot_tell" else "."),
                )
            )
        rows = view.table("control_tasks", task)
        if rows is None:
            continue
        curve = rows.assign(value=100 * rows["selectivity"], lower=100 * rows["lower"], upper=100 * rows["upper"])
        title = f"Selectivity by layer for {name(task)}, points"
        drawings = lines(view, curve, f"control-{i}", title, shown="selectivity, points", digits=1)
        heading = (
            "vector",
            "layer",
            "right on the label",
            "on control labels",
            "lowest, highest draw",
            "their majority",
            "selectivity",
            "95 % interval",
        )
        cells = tuple(
            (
                wording.pooling(r.pooling, random_pooler=view.random_pooler),
                str(r.layer),
                percent(r.accuracy),
                percent(r.control_accuracy),
                f"{percent(r.lowest)}, {percent(r.highest)}",
                percent(r.control_majority),
                _points(r.selectivity),
                interval((r.lower, r.upper)),
            )
            for r in rows.itertuples()
        )
        first = rows.iloc[0]
        caption = (
            f"On the {count(first['n'])} test texts ({percent(first['share_scored'])}) whose type occurs in training; "
            "selectivity in percentage points."
        )
        table = Table(caption, rows=cells, folded=True, **columns(*heading, numeric=heading[1:]))
        parts.append(Part(view.heading(task), drawings=drawings, tables=(table,)))
    notes = (
        "A control task gives all texts of one type the same label, drawn at random as often as in the real labels; a "
        f"type is {kind}. Each probe has the penalty of the real task.",
        f"A place that exposes {exposed} has low selectivity, whatever it knows of the real label.",
        "Intervals resample the test texts; how much hangs on which labels were drawn, the lowest and the highest draw "
        "show.",
    )
    return Section("Read, or learnt by heart?", "control", tuple(verdict), tuple(parts), notes) if verdict else None


def _scored(view: View, task: str) -> str:
    """How many texts a control task scores, in brackets."""
    rows = view.table("control_tasks", task)
    return "" if rows is None else f" ({count(rows['n'].iloc[0])})"


def information(view: View) -> Section | None:
    """How many bits of the label?"""
    verdict, parts = [], []
    for i, task in enumerate(view.tasks, start=1):
        if found := view.claim("information", task):
            bounds = found.interval or (float("nan"),) * 2
            verdict.append(
                view.about(
                    task,
                    f"The best place gives {decimal(value(found, 'v_information'))} bits of the label a text (95 % "
                    f"interval {decimal(bounds[0])} to {decimal(bounds[1])}). To send the training labels takes "
                    f"{decimal(value(found, 'codelength'))} bits each with its vectors at hand, "
                    f"{decimal(value(found, 'prior_codelength'))} without.",
                )
            )
        rows = view.table("information", task)
        if rows is None:
            continue
        curve = rows.rename(columns={"v_information": "value"})
        title = f"V-information by layer for {name(task)}, bits"
        drawings = lines(view, curve, f"information-{i}", title, shown="V-information, bits a text", digits=3)
        heading = ("vector", "layer", "V-information", "95 % interval", "codelength", "without vectors", "compression")
        cells = tuple(
            (
                wording.pooling(r.pooling, random_pooler=view.random_pooler),
                str(r.layer),
                decimal(r.v_information),
                f"{decimal(r.lower)} to {decimal(r.upper)}",
                decimal(r.codelength),
                decimal(r.prior_codelength),
                f"{r.compression:.2f} ({r.prior_compression:.2f} without)",
            )
            for r in rows.itertuples()
        )
        table = Table("Bits a text.", rows=cells, folded=True, **columns(*heading, numeric=heading[1:]))
        parts.append(Part(view.heading(task), drawings=drawings, tables=(table,)))
    notes = (
        "V-information: the log loss that the probe saves on test against one that sees no text. It can be below 0.",
        "Codelength: the training labels sent in blocks, each block by a probe trained on those before it; compression "
        "is against a code that takes all classes for equally likely.",
    )
    return Section("How many bits of the label?", "information", tuple(verdict), tuple(parts), notes) if parts else None


def sizes(view: View) -> Section | None:
    """How many training texts does it take?"""
    verdict, parts = [], []
    for i, task in enumerate(view.tasks, start=1):
        rows, best = view.table("learning_curve", task), view.best(task)
        if rows is None or best is None:
            continue
        own = rows[(rows["pooling"] == best[0]) & (rows["layer"] == best[1]) & rows["accuracy"].notna()]
        own = own.sort_values("train_texts")
        if len(own) < 2:
            continue
        last = own.iloc[-1]
        near = own[own["accuracy"] >= last["accuracy"] - 0.01].iloc[0]
        verdict.append(
            view.about(
                task,
                f"Trained on {count(near['train_texts'])} texts the best place is right on "
                f"{percent(near['accuracy'])}, "
                f"on all {count(last['train_texts'])} on {percent(last['accuracy'])}."
                if near["train_texts"] < last["train_texts"]
                else f"Trained on all {count(last['train_texts'])} texts the best place is right on "
                f"{percent(last['accuracy'])}, on {count(own.iloc[-2]['train_texts'])} of them on "
                f"{percent(own.iloc[-2]['accuracy'])}: it may not have levelled off.",
            )
        )
        words = "; ".join(f"{count(r.train_texts)} texts {percent(r.accuracy)}" for r in own.itertuples())
        label = Label(f"sizes-{i}", f"Test accuracy by number of training texts for {name(task)}", f"{words}.")
        floor = view.floors(task).get("majority", 0.0)
        where = wording.place(*best, random_pooler=view.random_pooler).capitalize()
        caption = f"{where}. Band: 95 % intervals. Dashed: majority."
        parts.append(Part(view.heading(task), drawings=(Drawing(probing.size_curve(own, floor, label), caption),)))
    notes = (
        "The smaller training sets are parts of the larger ones, drawn once: the left end of the curve is noisy.",
        "All places: tables/learning_curve.csv.",
    )
    return Section("How many texts does it take?", "sizes", tuple(verdict), tuple(parts), notes) if parts else None


def depth(view: View) -> Section | None:
    """From which layer on is a text's prediction settled?"""
    verdict, parts, constant = [], [], dict[str, int]()
    for task in view.tasks:
        claims, texts = view.claims("prediction_depth", task), view.table("prediction_depth", task)
        for claim in claims:
            vector = wording.pooling(text(claim, "pooling"), random_pooler=view.random_pooler)
            constant[vector] = int(claim.numbers.get("n_constant") or 0)
        said = (
            f"{percent(value(c, 'share_from_first_layer'))} in "
            f"{wording.pooling(text(c, 'pooling'), random_pooler=view.random_pooler)}"
            for c in claims
        )
        if claims:
            verdict.append(view.about(task, f"Settled at the first layer read, of the test texts: {listing(said)}."))
        if texts is None or not claims:
            continue
        heading = ("vector", "mean depth", "correlation of two refits", "same depth in both", "by chance")
        cells = tuple(
            (
                wording.pooling(text(c, "pooling"), random_pooler=view.random_pooler),
                decimal(value(c, "mean_depth"), 2),
                decimal(value(c, "correlation"), 2),
                percent(value(c, "same_depth")),
                percent(value(c, "by_chance")),
            )
            for c in claims
        )
        trust = Table("Depth, and how much of it comes again.", rows=cells, **columns(*heading, numeric=heading[1:]))
        parts.append(Part(view.heading(task), tables=(trust, _by_layer(view, texts))))
    notes: tuple[str, ...] = (
        "Prediction depth through probes: the layer from which on every probe says of a text what the last one says; "
        "an adaptation of Baldock et al. (2021), who ask nearest neighbours inside a trained classifier.",
        "The noise floor: probes refitted on resampled training texts. Where two refits hardly agree, depth tells "
        "little of a text.",
        "Every text: tables/prediction_depth.csv; its label's probability at every place, and the bits saved: "
        "tables/pointwise_information.csv.",
    )
    if left_out := [f"{plural(n, 'layer')} of {vector}" for vector, n in constant.items() if n]:
        notes += (
            f"Left out: {listing(left_out)}, where all training texts have the same vector. Every text gets the most "
            "frequent class there, which is decided for none.",
        )
    title = "From which layer on is it settled?"
    return Section(title, "depth", tuple(verdict), tuple(parts), notes) if parts else None


def _by_layer(view: View, texts: pd.DataFrame) -> Table:
    """Shares of texts by depth, a row a vector."""
    layers = sorted(set(texts["depth"]))
    shares = texts.groupby("pooling", sort=False)["depth"].value_counts(normalize=True)
    heading = ("vector", *(f"layer {layer}" for layer in layers))
    cells = tuple(
        (
            wording.pooling(key, random_pooler=view.random_pooler),
            *(percent(float(shares.get((key, layer), 0.0))) for layer in layers),
        )
        for key in dict.fromkeys(texts["pooling"])
    )
    return Table(
        "Share of the test texts that settle at each layer.", rows=cells, **columns(*heading, numeric=heading[1:])
    )


def lines(
    view: View,
    curve: pd.DataFrame,
    anchor: str,
    title: str,
    *,
    shown: str,
    digits: int,
    caption: str = "Bands: 95 % intervals. Dashed grey: none.",
) -> tuple[Drawing, ...]:
    """A number by layer and pooling, where there is more than one layer."""
    if curve["layer"].nunique() < 2:
        return ()
    words: list[str] = []
    for key, own in curve.groupby("pooling", sort=False):
        called = wording.pooling(str(key), random_pooler=view.random_pooler)
        numbers: Any = zip(own["layer"], own["value"], strict=True)
        words.append(f"{called}: " + ", ".join(f"layer {layer} {decimal(each, digits)}" for layer, each in numbers))
    label = Label(anchor, title, "; ".join(words) + ".")
    return (Drawing(probing.layer_lines(curve, label, shown=shown, random_pooler=view.random_pooler), caption),)


def _points(share: float) -> str:
    """A difference of shares in percentage points, without a sign where it is positive."""
    return wording.points(share).lstrip("+")
