"""Matrices in shades: accuracy by layer and pooling, confusion of classes, similarity of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn
from matplotlib.colors import ListedColormap

from reports.charts.canvas import (
    HIGH_TEXT,
    LOW_TEXT,
    MUTED,
    RAMP,
    SIZE,
    SURFACE,
    Label,
    blank,
    hover,
    plain_axes,
    svg_text,
)
from reports.text.wording import POOLINGS, name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_SPELT = 9
"""Largest number of layers whose numbers have room for a leading zero."""
MOST_NUMBERED = 13
"""Largest number of layers whose numbers can be read in their cells."""
DARK_TEXT_UP_TO = 4
"""Highest level of the ramp, from 0, that carries dark text on the light page."""
FEW_CLASSES = 4
"""Largest number of classes whose names are written without a slant."""


def layer_heat_map(
    frame: pd.DataFrame,
    label: Label,
    *,
    best: tuple[str, int] | None,
    tied: Sequence[tuple[str, int]],
    random_pooler: bool,
) -> str:
    """Draw the accuracy of every layer (down) and pooling (across), in numbers and in shades.

    Args:
        frame: Columns pooling, layer, value; one row a site.
        label: Text alternative of the drawing.
        best: Site with a solid frame.
        tied: Sites with a dashed frame.
        random_pooler: Whether the pooler was never trained, and is called so.

    Returns:
        The drawing as an SVG element.
    """
    keys = list(dict.fromkeys(frame["pooling"]))
    table = 100 * frame.pivot(index="layer", columns="pooling", values="value")[keys]
    width, height = 72 + 92 * len(keys), 34 + 28 * len(table)
    with blank(width, height) as figure:
        axes = plain_axes(figure, left=64, right=8, top=28, bottom=6)
        texts = [[f"{value:.1f}" for value in row] for row in table.to_numpy()]
        # [CLS] at layer 0 is the same for all texts: were it the lowest shade, the others would hardly differ.
        is_constant = (frame["layer"] == 0) & frame["pooling"].isin(["cls", "pooler"])
        varying = frame.loc[~is_constant, "value"] if not is_constant.all() else frame["value"]
        low, high = 100 * float(varying.min()), 100 * float(varying.max())
        text_colours = _draw_shades(axes, table.to_numpy(), texts, low=low, high=high)
        names = ["random pooler" if key == "pooler" and random_pooler else POOLINGS.get(key, key) for key in keys]
        axes.set_xticks(np.arange(len(keys)) + 0.5, [name(text, 13) for text in names])
        axes.set_yticks(np.arange(len(table)) + 0.5, [f"layer {layer}" for layer in table.index], rotation=0)
        layers = list(table.index)
        for site in [*tied, *([best] if best else [])]:
            pooling, layer = site
            if pooling in keys and layer in layers:
                column, row = keys.index(pooling), layers.index(layer)
                _draw_frame(axes, column, row, text_colours[row][column], dashed=site != best)
        return svg_text(figure, label)


def confusion_matrix(frame: pd.DataFrame, classes: Sequence[str], label: Label) -> str:
    """Draw the share of each true class (down) that was given each class (across), with counts.

    Args:
        frame: Columns label, predicted, count; one row a pair, and none for pairs that never occur.
        classes: Names in their order, those in `frame` included.
        label: Text alternative of the drawing.

    Returns:
        The drawing as an SVG element.
    """
    table = frame.pivot_table(index="label", columns="predicted", values="count", aggfunc="sum", sort=False)
    counts = table.reindex(index=classes, columns=classes).fillna(0).to_numpy(dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name(text, 14) for text in classes]
    is_small = len(classes) <= FEW_CLASSES
    side = max(76, 9 * max(map(len, names)) + 12) if is_small else 56
    right, top = (6, 56) if is_small else (70, 108)
    width = 114 + right + side * len(classes)
    height = top + 8 + (46 if is_small else 40) * len(classes)
    with blank(max(300, width), height) as figure:
        axes = plain_axes(figure, left=114, right=max(right, 300 - width + right), top=top, bottom=8)
        _draw_shades(axes, shares, _confusion_texts(shares, counts), low=0.0, high=1.0)
        slant: dict[str, Any] = {} if is_small else {"rotation": 35, "rotation_mode": "anchor", "ha": "left"}
        axes.set_xticks(np.arange(len(classes)) + 0.5, names, **slant)
        axes.set_yticks(np.arange(len(classes)) + 0.5, names, rotation=0)
        corner: Any = {"xy": (0.0, 1.0), "xycoords": "axes fraction", "textcoords": "offset pixels", "color": MUTED}
        axes.annotate("predicted", xytext=(0, top - 16), **corner)
        axes.annotate("true class", xytext=(-8, 8), ha="right", **corner)
        return svg_text(figure, label)


def _confusion_texts(shares: Any, counts: Any) -> list[list[str]]:
    """Return the share in per cent and the count below it, for each cell."""
    rows = list[list[str]]()
    for row_of_shares, row_of_counts in zip(shares, counts, strict=True):
        cells = zip(row_of_shares, row_of_counts, strict=True)
        rows.append([f"{100 * share:.0f} %\n{count:,.0f}" for share, count in cells])
    return rows


def layer_pairs(table: pd.DataFrame, label: Label, *, low: float, framed: int | None) -> str:
    """Draw how alike every two layers are, from 0 to 1, in shades, and in numbers where there is room for them.

    Args:
        table: (layers, layers) similarity, layers down and across in one order; nan where it is not known.
        label: Text alternative of the drawing.
        low: Similarity with the palest shade; 1 has the darkest.
        framed: Row of a layer, from 0, that is framed together with the next one.

    Returns:
        The drawing as an SVG element.
    """
    values = table.to_numpy(dtype=float)
    layers = [str(layer) for layer in table.index]
    is_numbered, is_spelt = len(layers) <= MOST_NUMBERED, len(layers) <= MOST_SPELT
    cell_width, cell_height = _cell_size(len(layers))
    # However many layers there are, the drawing fits a phone, or beside two others.
    width = max(250, 46 + cell_width * len(layers))
    with blank(width, 42 + cell_height * len(layers)) as figure:
        axes = plain_axes(figure, left=40, right=width - 40 - cell_width * len(layers), top=36, bottom=6)
        axes.grid(visible=False)
        texts = [[f"{value:.2f}" if is_numbered else "" for value in row] for row in values]
        if not is_spelt:
            texts = [[text.removeprefix("0").replace("1.00", "1") for text in row] for row in texts]
        text_colours = _draw_shades(axes, values, texts, low=low, high=1.0)
        rows, columns = np.nonzero(np.isfinite(values))
        pairs = zip(rows, columns, strict=True)
        descriptions = [f"layers {layers[i]} and {layers[j]}: {values[i, j]:.3f}" for i, j in pairs]
        hover(axes, columns + 0.5, rows + 0.5, descriptions, size=min(cell_width, cell_height) * 0.9)
        for row, column in np.argwhere(np.isnan(values)) if is_numbered else ():
            axes.text(column + 0.5, row + 0.5, "–", color=MUTED, ha="center", va="center")
        step = 1 + (len(layers) - 1) // MOST_NUMBERED
        positions = np.arange(0, len(layers), step) + 0.5
        axes.set_xticks(positions, layers[::step], rotation=0)
        axes.set_yticks(positions, layers[::step], rotation=0)
        axes.annotate("layer", (0.0, 1.0), (-8, 9), "axes fraction", "offset pixels", color=MUTED, ha="right")
        if framed is not None:
            _draw_frame(axes, framed, framed + 1, text_colours[framed + 1][framed], dashed=False)
        return svg_text(figure, label)


def _cell_size(n_layers: int) -> tuple[float, float]:
    """Return width and height of a cell in pixels."""
    if n_layers <= MOST_SPELT:
        return 44, 33
    if n_layers <= MOST_NUMBERED:
        return 28, 24
    return 360 / n_layers, 360 / n_layers


def _draw_shades(
    axes: Axes, values: Any, texts: Sequence[Sequence[str]], *, low: float, high: float
) -> list[list[str]]:
    """Draw a matrix in the page's shades with a text in each cell; return the colour of each text."""
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
    # Level of each cell on the ramp, and whether dark text can be read on it.
    share = np.nan_to_num((np.asarray(values) - low) / ((high - low) or 1))
    levels = np.clip(share * len(RAMP), 0, len(RAMP) - 1).astype(int)
    needs_dark_text = (levels <= DARK_TEXT_UP_TO) | np.isnan(values)
    for text, is_dark in zip(axes.texts, needs_dark_text[np.isfinite(values)], strict=True):
        text.set_color(LOW_TEXT if is_dark else HIGH_TEXT)
        text.set_fontsize(SIZE - 0.5)
    return [[LOW_TEXT if is_dark else HIGH_TEXT for is_dark in row] for row in needs_dark_text]


def _draw_frame(axes: Axes, column: int, row: int, colour: str, *, dashed: bool) -> None:
    """Draw a frame inside a cell, in the colour of its text."""
    left, right = column + 0.05, column + 0.95
    top, bottom = row + 0.09, row + 0.91
    corners = ([left, right, right, left, left], [top, top, bottom, bottom, top])
    width, line = (1.3, (0, (3, 2))) if dashed else (2.4, "-")
    axes.plot(*corners, color=colour, linewidth=width, linestyle=line, zorder=6)
