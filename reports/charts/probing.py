"""Frames to figures, drawn by seaborn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn
from matplotlib.colors import ListedColormap

from reports.charts.canvas import (
    HIGH_TEXT,
    INK,
    LOW_TEXT,
    MUTED,
    OTHERS,
    RAMP,
    SIZE,
    STYLES,
    SURFACE,
    Label,
    blank,
    heading,
    hover,
    name_ends,
    plain_axes,
    svg_text,
    ticks,
)
from reports.text.wording import POOLINGS, count, decimal, interval, name, percent, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RIGHT_OF_CURVES = 152.0
MOST_SPELT = 9
"""Layers up to which the numbers of all their pairs have room for a leading zero."""
MOST_NUMBERED = 13
"""Layers up to which the numbers of all their pairs can be read in their cells."""
DARK_TEXT_UP_TO = 4
"""Levels of the ramp, counted from 0, that carry dark text on the light page."""


def layer_curves(
    frame: pd.DataFrame,
    floors: Mapping[str, float],
    label: Label,
    *,
    beside: Mapping[str, Mapping[int, float]],
    best: tuple[str, int] | None,
    random_pooler: bool,
) -> str:
    """Accuracy by layer: a line with its interval band for each pooling, a dashed line for each floor.

    Args:
        frame: pooling, layer, value, lower, upper; one row a point.
        floors: Name as shown -> accuracy.
        beside: Name of a floor that depends on the layer, as shown -> layer -> accuracy.
        label: Its text alternative.
        best: Pooling and layer to ring.
        random_pooler: The pooler was never trained: dashed, and called so.
    """
    data = frame.assign(value=100 * frame["value"], lower=100 * frame["lower"], upper=100 * frame["upper"])
    with blank(440, 310) as figure:
        axes = plain_axes(figure, left=40, right=RIGHT_OF_CURVES, top=30, bottom=46)
        ends = _curves(axes, data, random_pooler=random_pooler, digits=1)
        for shown, value in floors.items():
            axes.axhline(100 * value, color=MUTED, linewidth=1.2, linestyle=(0, (5, 4)), zorder=1)
            ends.append((100 * value, f"{name(shown, 14)} {100 * value:.1f}", MUTED))
        for shown, values in beside.items():
            layers = sorted(values)
            heights = [100 * values[layer] for layer in layers]
            axes.plot(layers, heights, color=MUTED, linewidth=1.2, linestyle=(0, (1, 2)), zorder=1)
            hover(axes, layers, heights, [f"{shown}, layer {a}: {b:.1f}" for a, b in zip(layers, heights, strict=True)])
            ends.append((heights[-1], name(shown, 14), MUTED))
        if best is not None:
            ring = data[(data["pooling"] == best[0]) & (data["layer"] == best[1])]
            axes.plot(
                ring["layer"], ring["value"], "o", markersize=14, fillstyle="none", color=INK, markeredgewidth=1.6
            )
        ticks(axes, sorted(set(data["layer"])))
        heading(axes, "right on test, %")
        name_ends(axes, ends, last=float(data["layer"].max()))
        return svg_text(figure, label)


def layer_heat_map(
    frame: pd.DataFrame,
    label: Label,
    *,
    best: tuple[str, int] | None,
    tied: Sequence[tuple[str, int]],
    random_pooler: bool,
) -> str:
    """Accuracy of every layer (down) and pooling (across), in numbers and in shades.

    Args:
        frame: pooling, layer, value; one row a point.
        label: Its text alternative.
        best: Framed by a solid line.
        tied: Framed by dashes.
        random_pooler: The pooler was never trained, and is called so.
    """
    keys = list(dict.fromkeys(frame["pooling"]))
    table = 100 * frame.pivot(index="layer", columns="pooling", values="value")[keys]
    width, height = 72 + 92 * len(keys), 34 + 28 * len(table)
    with blank(width, height) as figure:
        axes = plain_axes(figure, left=64, right=8, top=28, bottom=6)
        numbers = [[f"{value:.1f}" for value in row] for row in table.to_numpy()]
        # [CLS] at layer 0 says nothing of any text: were it the lowest shade, the others would hardly differ.
        telling = frame["value"][(frame["layer"] > 0) | ~frame["pooling"].isin(["cls", "pooler"])]
        low, high = (100 * float(end) for end in ((telling if len(telling) else frame["value"]).agg(["min", "max"])))
        colours = _shade(axes, table.to_numpy(), numbers, low=low, high=high)
        shown = ["random pooler" if key == "pooler" and random_pooler else POOLINGS.get(key, key) for key in keys]
        axes.set_xticks(np.arange(len(keys)) + 0.5, [name(text, 13) for text in shown])
        axes.set_yticks(np.arange(len(table)) + 0.5, [f"layer {layer}" for layer in table.index], rotation=0)
        layers = list(table.index)
        for point in [*tied, *([best] if best else [])]:
            if point[0] in keys and point[1] in layers:
                column, row = keys.index(point[0]), layers.index(point[1])
                _frame(axes, column, row, colours[row][column], dashed=point != best)
        return svg_text(figure, label)


def layer_lines(frame: pd.DataFrame, label: Label, *, shown: str, random_pooler: bool) -> str:
    """Any number by layer: a line for each pooling, its interval band where it has one, and a dashed line at 0.

    Args:
        frame: pooling, layer, value, and lower, upper of a band; one row a point.
        label: Its text alternative.
        shown: What the numbers are.
        random_pooler: The pooler was never trained: dashed, and called so.
    """
    with blank(440, 270) as figure:
        axes = plain_axes(figure, left=48, right=RIGHT_OF_CURVES - 22, top=30, bottom=46)
        ends = _curves(axes, frame, random_pooler=random_pooler)
        axes.axhline(0, color=MUTED, linewidth=1.2, linestyle=(0, (5, 4)), zorder=1)
        ticks(axes, sorted(set(frame["layer"])))
        heading(axes, shown)
        name_ends(axes, ends, last=float(frame["layer"].max()))
        return svg_text(figure, label)


def size_curve(frame: pd.DataFrame, floor: float, label: Label) -> str:
    """Accuracy against the number of training texts, on a scale of doublings, with the majority's as a dashed line.

    Args:
        frame: train_texts, accuracy, and the ends of its interval, lower and upper; one row a size.
        floor: Accuracy of the majority.
        label: Its text alternative.
    """
    with blank(440, 270) as figure:
        axes = plain_axes(figure, left=40, right=24, top=30, bottom=46)
        axes.set_xscale("log")
        seaborn.lineplot(
            x=frame["train_texts"],
            y=100 * frame["accuracy"],
            color=STYLES["mean"][0],
            marker="s",
            markersize=6,
            markeredgecolor=SURFACE,
            linewidth=2,
            errorbar=None,
            ax=axes,
        )
        axes.axhline(100 * floor, color=MUTED, linewidth=1.2, linestyle=(0, (5, 4)), zorder=1)
        limits = [100 * frame[end] for end in ("lower", "upper")]
        axes.fill_between(frame["train_texts"], *limits, color=STYLES["mean"][0], alpha=0.16, linewidth=0)
        told = [
            f"{count(r.train_texts)} texts: {percent(r.accuracy)} ({interval((r.lower, r.upper))})"
            for r in frame.itertuples()
        ]
        hover(axes, frame["train_texts"], 100 * frame["accuracy"], told)
        sizes = sorted(frame["train_texts"])
        named = sizes[::-1][::2][::-1]
        axes.set_xticks(named, [f"{size:,}" for size in named])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("training texts")
        axes.set_ylabel("")
        heading(axes, "right on test, %")
        return svg_text(figure, label)


def confusion_matrix(frame: pd.DataFrame, classes: Sequence[str], label: Label) -> str:
    """Share of each true class (down) that was given each class (across), with counts.

    Args:
        frame: label, predicted, count; one row a pair, and none for pairs that never occur.
        classes: Names in their order, those that `frame` names among them.
        label: Its text alternative.
    """
    table = frame.pivot_table(index="label", columns="predicted", values="count", aggfunc="sum", sort=False)
    counts = table.reindex(index=classes, columns=classes).fillna(0).to_numpy(dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name(each, 14) for each in classes]
    few = len(classes) <= 4
    side = max(76, 9 * max(map(len, names)) + 12) if few else 56
    right, top = (6, 56) if few else (70, 108)
    width, height = 114 + right + side * len(classes), top + 8 + (46 if few else 40) * len(classes)
    with blank(max(300, width), height) as figure:
        axes = plain_axes(figure, left=114, right=max(right, 300 - width + right), top=top, bottom=8)
        texts = [
            [f"{100 * share:.0f} %\n{count:,.0f}" for share, count in zip(*rows, strict=True)]
            for rows in zip(shares, counts, strict=True)
        ]
        _shade(axes, shares, texts, low=0.0, high=1.0)
        slant: dict[str, Any] = {"rotation": 35, "rotation_mode": "anchor", "ha": "left"} if not few else {}
        axes.set_xticks(np.arange(len(classes)) + 0.5, names, **slant)
        axes.set_yticks(np.arange(len(classes)) + 0.5, names, rotation=0)
        axes.annotate("predicted", (0.0, 1.0), (0, top - 16), "axes fraction", "offset pixels", color=MUTED)
        axes.annotate("true class", (0.0, 1.0), (-8, 8), "axes fraction", "offset pixels", color=MUTED, ha="right")
        return svg_text(figure, label)


def layer_pairs(table: pd.DataFrame, label: Label, *, low: float, framed: int | None) -> str:
    """How alike every two layers are, from 0 to 1, in shades, and in numbers where there is room for them.

    Args:
        table: Layers down and across, in one order; nan where it is unknown.
        label: Its text alternative.
        low: What has the palest shade; 1 has the darkest.
        framed: Place of a layer, counted from 0, to frame beside the next one.
    """
    values, layers = table.to_numpy(dtype=float), [str(layer) for layer in table.index]
    numbered, spelt = len(layers) <= MOST_NUMBERED, len(layers) <= MOST_SPELT
    # However many the layers, the drawing fits a phone, or beside two others.
    wide, high = (44, 33) if spelt else (28, 24) if numbered else (360 / len(layers),) * 2
    width = max(250, 46 + wide * len(layers))
    with blank(width, 42 + high * len(layers)) as figure:
        axes = plain_axes(figure, left=40, right=width - 40 - wide * len(layers), top=36, bottom=6)
        axes.grid(visible=False)
        texts = [[f"{value:.2f}" if numbered else "" for value in row] for row in values]
        if not spelt:
            texts = [[text.removeprefix("0").replace("1.00", "1") for text in row] for row in texts]
        colours = _shade(axes, values, texts, low=low, high=1.0)
        rows, across = np.nonzero(np.isfinite(values))
        told = [f"layers {layers[i]} and {layers[j]}: {values[i, j]:.3f}" for i, j in zip(rows, across, strict=True)]
        hover(axes, across + 0.5, rows + 0.5, told, size=min(wide, high) * 0.9)
        for row, column in np.argwhere(np.isnan(values)) if numbered else ():
            axes.text(column + 0.5, row + 0.5, "–", color=MUTED, ha="center", va="center")
        step = 1 + (len(layers) - 1) // MOST_NUMBERED
        axes.set_xticks(np.arange(0, len(layers), step) + 0.5, layers[::step], rotation=0)
        axes.set_yticks(np.arange(0, len(layers), step) + 0.5, layers[::step], rotation=0)
        axes.annotate("layer", (0.0, 1.0), (-8, 9), "axes fraction", "offset pixels", color=MUTED, ha="right")
        if framed is not None:
            _frame(axes, framed, framed + 1, colours[framed + 1][framed], dashed=False)
        return svg_text(figure, label)


def spread_by_layer(frame: pd.DataFrame, label: Label) -> str:
    """How far the vectors of different texts lie apart, by layer, on a scale of powers of ten.

    Args:
        frame: pooling, layer, relative_spread; one row a point. A spread of exactly 0 is drawn on the floor, open.
        label: Its text alternative.
    """
    positive = frame.loc[frame["relative_spread"] > 0, "relative_spread"]
    lowest = 10.0 ** (np.floor(np.log10(positive.min())) - 1) if len(positive) else 0.01
    data = frame.assign(shown=frame["relative_spread"].clip(lower=lowest))
    styles = _styles(data["pooling"])
    with blank(440, 270) as figure:
        axes = plain_axes(figure, left=48, right=RIGHT_OF_CURVES - 52, top=30, bottom=46)
        axes.set_yscale("log")
        axes.set_ylim(lowest / 1.6, max(1.0, 1.6 * data["shown"].max()))
        _lines(axes, data, "shown", styles)
        said = [
            f"{POOLINGS.get(r.pooling, r.pooling)}, layer {r.layer}: {decimal(r.relative_spread, 4)}"
            for r in data.itertuples()
        ]
        hover(axes, data["layer"], data["shown"], said)
        for _, row in data[data["relative_spread"] == 0].iterrows():
            axes.plot(row["layer"], lowest, "o", markersize=9, color=SURFACE, markeredgecolor=INK, zorder=5)
            axes.annotate("exactly 0", (row["layer"], lowest), (9, -4), "data", "offset pixels", color=INK)
        exponents = np.arange(np.log10(lowest) + 1, np.log10(axes.get_ylim()[1]) + 0.01)
        axes.set_yticks(10.0**exponents, [f"{10.0**power:g}" for power in exponents])
        axes.set_yticks([], minor=True)
        ticks(axes, sorted(set(data["layer"])))
        heading(axes, "spread of the texts' vectors, relative to their mean")
        last = data.sort_values("layer").groupby("pooling", sort=False).tail(1)
        ends = [
            (row.shown, name(POOLINGS.get(row.pooling, row.pooling), 12), styles[row.pooling][0])
            for row in last.itertuples()
        ]
        name_ends(axes, ends, last=float(data["layer"].max()))
        return svg_text(figure, label)


def _styles(poolings: pd.Series[str]) -> dict[str, tuple[str, str]]:
    """Pooling -> colour and marker: the same on every figure for those that are known."""
    found = list(dict.fromkeys(poolings))
    others = [key for key in found if key not in STYLES]
    return {key: STYLES.get(key) or OTHERS[others.index(key) % len(OTHERS)] for key in found}


def _curves(axes: Axes, data: pd.DataFrame, *, random_pooler: bool, digits: int = 3) -> list[tuple[float, str, str]]:
    """A line by layer for each pooling, with a band where there are limits; where each ends, its name and colour."""
    styles, named = _styles(data["pooling"]), []
    for key, rows in data.groupby("pooling", sort=False):
        colour, _ = styles[key]
        points = rows.sort_values("layer")
        if "lower" in points:
            axes.fill_between(points["layer"], points["lower"], points["upper"], color=colour, alpha=0.16, linewidth=0)
        shown = "random pooler" if key == "pooler" and random_pooler else POOLINGS.get(key, key)
        named.append((float(points["value"].iloc[-1]), name(shown, 14), colour))
        limits = points[["lower", "upper"]].to_numpy() if "lower" in points else [None] * len(points)
        numbers = zip(points["layer"], points["value"], limits, strict=True)
        told = [reading(f"{name(shown, 24)}, layer {layer}", value, ends, digits) for layer, value, ends in numbers]
        hover(axes, points["layer"], points["value"], told)
    _lines(axes, data, "value", styles, dashed=["pooler"] if random_pooler else [])
    return named


def _lines(
    axes: Axes, data: pd.DataFrame, y: str, styles: Mapping[str, tuple[str, str]], dashed: Sequence[str] = ()
) -> None:
    """A line by layer for each pooling."""
    seaborn.lineplot(
        data=data,
        x="layer",
        y=y,
        hue="pooling",
        style="pooling",
        palette={key: colour for key, (colour, _) in styles.items()},
        markers={key: marker for key, (_, marker) in styles.items()},
        dashes={key: (3, 2) if key in dashed else "" for key in styles},
        markersize=6,
        markeredgecolor=SURFACE,
        linewidth=2,
        estimator=None,
        errorbar=None,
        legend=False,
        ax=axes,
    )


def _shade(axes: Axes, values: Any, texts: Sequence[Sequence[str]], *, low: float, high: float) -> list[list[str]]:
    """A heat map in the page's shades; returns the colours in which its texts can be read."""
    seaborn.heatmap(
        values,
        annot=np.array(texts, dtype=object),
        fmt="",
        cmap=ListedColormap(list(RAMP)),
        vmin=low,
        vmax=high if high > low else low + 1,
        cbar=False,
        linewidths=2,
        linecolor=SURFACE,
        ax=axes,
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=5)
    share = np.nan_to_num((np.asarray(values) - low) / ((high - low) or 1))
    levels = np.clip(share * len(RAMP), 0, len(RAMP) - 1).astype(int)
    dark = (levels <= DARK_TEXT_UP_TO) | np.isnan(values)
    for text, is_dark in zip(axes.texts, dark[np.isfinite(values)], strict=True):
        text.set_color(LOW_TEXT if is_dark else HIGH_TEXT)
        text.set_fontsize(SIZE - 0.5)
    return [[LOW_TEXT if is_dark else HIGH_TEXT for is_dark in row] for row in dark]


def _frame(axes: Axes, column: int, row: int, colour: str, *, dashed: bool) -> None:
    """A frame inside a cell, in the colour of its number."""
    left, right, top, bottom = column + 0.05, column + 0.95, row + 0.09, row + 0.91
    box = ([left, right, right, left, left], [top, top, bottom, bottom, top])
    axes.plot(*box, color=colour, linewidth=1.3 if dashed else 2.4, linestyle=(0, (3, 2)) if dashed else "-", zorder=6)
