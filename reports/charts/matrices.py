"""Matrices in shades: accuracy by layer and pooling, similarity of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

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
    from matplotlib.axes import Axes

MOST_SPELT = 9
"""Largest number of layers whose numbers have room for a leading zero."""
MOST_NUMBERED = 13
"""Largest number of layers whose numbers can be read in their cells."""
DARK_TEXT_UP_TO = 4
"""Highest level of the ramp, from 0, that carries dark text on the light page."""


def layer_heat_map(
    frame: pd.DataFrame,
    label: Label,
    *,
    scale: tuple[float, float],
    best: tuple[str, int] | None,
    tied: Sequence[tuple[str, int]],
    random_pooler: bool,
) -> str:
    """Draw the accuracy of every layer (down) and pooling (across), in numbers and in shades.

    Args:
        frame: Columns pooling, layer, value; one row a site.
        label: Text alternative of the drawing.
        scale: Accuracies with the palest and the darkest shade, the same in all panels of a row.
        best: Site with a solid frame.
        tied: Sites with a dashed frame.
        random_pooler: Whether the pooler was never trained, and is called so.

    Returns:
        The drawing as an SVG element.
    """
    poolings = list(dict.fromkeys(frame["pooling"]))
    table = 100 * frame.pivot(index="layer", columns="pooling", values="value")[poolings]
    layers = list(table.index)
    row_height = 23 if len(layers) <= MOST_NUMBERED else 20
    width = 62 + 80 * len(poolings)
    names = [_pooling_name(pooling, random_pooler=random_pooler) for pooling in poolings]
    head = 28 if all("\n" not in text for text in names) else 40
    height = head + 6 + row_height * len(layers)
    with blank(width, height) as figure:
        axes = plain_axes(figure, left=56, right=6, top=head, bottom=6)
        values = table.to_numpy()
        texts = [[f"{value:.1f}" for value in row] for row in values]
        low, high = scale
        text_colours = draw_shades(axes, values, texts, low=100 * low, high=100 * high)
        axes.set_xticks(middles(len(poolings)), names)
        axes.set_yticks(middles(len(layers)), [f"layer {layer}" for layer in layers], rotation=0)
        framed_sites = [*tied] if best is None else [*tied, best]
        for site in framed_sites:
            pooling, layer = site
            if pooling not in poolings or layer not in layers:
                continue
            column = poolings.index(pooling)
            row = layers.index(layer)
            _draw_frame(axes, column, row, text_colours[row][column], dashed=site != best)
        return svg_text(figure, label)


def accuracy_scale(frames: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """Return the lowest and the highest accuracy of the sites whose vectors differ between texts.

    Args:
        frames: Columns pooling, layer, value; one row a site.
    """
    frame = pd.concat(frames)
    # [CLS] at layer 0 is the same for all texts: were it the lowest shade, the others would hardly differ.
    reads_cls = frame["pooling"].isin(["cls", "pooler"])
    is_constant = (frame["layer"] == 0) & reads_cls
    varying = frame["value"] if is_constant.all() else frame.loc[~is_constant, "value"]
    return float(varying.min()), float(varying.max())


def _pooling_name(pooling: str, *, random_pooler: bool) -> str:
    if pooling == "pooler" and random_pooler:
        return "untrained\npooler"
    return name(POOLINGS.get(pooling, pooling), 13)


def middles(n_cells: int) -> NDArray[np.float64]:
    """Return the middles of cells of width 1."""
    return np.arange(n_cells, dtype=np.float64) + 0.5


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
    n_layers = len(layers)
    cell_width, cell_height = _cell_size(n_layers)
    # However many layers there are, the drawing fits a phone, or beside two others.
    matrix_width = cell_width * n_layers
    width = max(250, 46 + matrix_width)
    height = 42 + cell_height * n_layers
    with blank(width, height) as figure:
        axes = plain_axes(figure, left=40, right=width - 40 - matrix_width, top=36, bottom=6)
        axes.grid(visible=False)
        text_colours = draw_shades(axes, values, _similarity_texts(values), low=low, high=1.0)
        _describe_pairs(axes, values, layers, size=0.9 * min(cell_width, cell_height))
        if n_layers <= MOST_NUMBERED:
            for row, column in np.argwhere(np.isnan(values)):
                axes.text(column + 0.5, row + 0.5, "–", color=MUTED, ha="center", va="center")
        step = 1 + (n_layers - 1) // MOST_NUMBERED
        positions = middles(n_layers)[::step]
        axes.set_xticks(positions, layers[::step], rotation=0)
        axes.set_yticks(positions, layers[::step], rotation=0)
        axes.annotate("layer", (0.0, 1.0), (-8, 9), "axes fraction", "offset pixels", color=MUTED, ha="right")
        if framed is not None:
            colour = text_colours[framed + 1][framed]
            _draw_frame(axes, framed, framed + 1, colour, dashed=False)
        return svg_text(figure, label)


def _similarity_texts(values: NDArray[np.float64]) -> list[list[str]]:
    """Return the similarities in as many digits as there is room for."""
    n_layers = len(values)
    rows = list[list[str]]()
    for row in values:
        texts = ["" for _ in row]
        if n_layers <= MOST_NUMBERED:
            texts = [f"{value:.2f}" for value in row]
        if n_layers > MOST_SPELT:
            texts = [text.removeprefix("0").replace("1.00", "1") for text in texts]
        rows.append(texts)
    return rows


def _describe_pairs(axes: Axes, values: NDArray[np.float64], layers: Sequence[str], *, size: float) -> None:
    """Describe each cell that has a value."""
    rows, columns = np.nonzero(np.isfinite(values))
    descriptions = list[str]()
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        descriptions.append(f"layers {layers[row]} and {layers[column]}: {values[row, column]:.3f}")
    hover(axes, columns + 0.5, rows + 0.5, descriptions, size=size)


def _cell_size(n_layers: int) -> tuple[float, float]:
    """Return width and height of a cell in pixels."""
    if n_layers <= MOST_SPELT:
        return 44, 33
    if n_layers <= MOST_NUMBERED:
        return 28, 24
    return 360 / n_layers, 360 / n_layers


def draw_shades(axes: Axes, values: Any, texts: Sequence[Sequence[str]], *, low: float, high: float) -> list[list[str]]:
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
    colours = _text_colours(np.asarray(values), low=low, high=high)
    for text, colour in zip(axes.texts, colours[np.isfinite(values)], strict=True):
        text.set_color(colour)
        text.set_fontsize(SIZE - 0.5)
    text_colours: list[list[str]] = colours.tolist()
    return text_colours


def _text_colours(values: NDArray[np.float64], *, low: float, high: float) -> NDArray[np.object_]:
    """Return the colour of text that can be read on the shade of each cell."""
    width = (high - low) or 1
    shares = np.nan_to_num((values - low) / width)
    levels = np.clip(shares * len(RAMP), 0, len(RAMP) - 1).astype(int)
    needs_dark_text = (levels <= DARK_TEXT_UP_TO) | np.isnan(values)
    return np.where(needs_dark_text, LOW_TEXT, HIGH_TEXT).astype(object)


def _draw_frame(axes: Axes, column: int, row: int, colour: str, *, dashed: bool) -> None:
    """Draw a frame inside a cell, in the colour of its text."""
    left = column + 0.05
    right = column + 0.95
    top = row + 0.09
    bottom = row + 0.91
    x = [left, right, right, left, left]
    y = [top, top, bottom, bottom, top]
    line: dict[str, Any] = {"linewidth": 2.4, "linestyle": "-"}
    if dashed:
        line = {"linewidth": 1.3, "linestyle": (0, (3, 2))}
    axes.plot(x, y, color=colour, zorder=6, **line)
