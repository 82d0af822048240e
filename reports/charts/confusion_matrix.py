"""Confusion matrix: the shares of each true class, with the F1 of the classes in the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.charts.canvas import GRID, INK, MUTED, SURFACE, Label, blank, hover, plain_axes, svg_text
from reports.charts.matrices import draw_shades, middles
from reports.charts.styles import LETTER
from reports.text.wording import count, name, percent, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CELL_HEIGHT = 40.0
NARROWEST_CELL, WIDEST_CELL = 46.0, 84.0
"""Width of a cell in pixels: as wide as the longest name, between these."""
LONGEST_NAME = 14
"""Characters of a class name."""
HEAD, SLANTED_HEAD = 46.0, 116.0
"""Pixels above the matrix, with names that fit their columns and with names that are slanted."""
FOOT = 24.0
SUPPORT_WIDTH, F1_WIDTH = 46.0, 104.0
"""Pixels for the numbers of texts, and for the axis of F1, at the right of the matrix."""
RIGHT = 14.0


def confusion_matrix(
    counts: pd.DataFrame, classes: Sequence[str], label: Label, *, scores: pd.DataFrame | None = None
) -> str:
    """Draw the share of each true class (down) predicted as each class (across), with the counts; then support and F1.

    Args:
        counts: Columns label, predicted, count; a pair without a row was never predicted.
        classes: Names in their order, those in `counts` included.
        label: Text alternative of the drawing.
        scores: Columns class, value, lower and upper: F1 with its interval; None leaves it out.

    Returns:
        The drawing as an SVG element.
    """
    matrix = _counts_matrix(counts, classes)
    names = [name(text, LONGEST_NAME) for text in classes]
    name_width = LETTER * max(map(len, names))
    cell_width = float(np.clip(name_width + 6, NARROWEST_CELL, WIDEST_CELL))
    fits = name_width <= cell_width
    left = name_width + 14
    top = HEAD if fits else SLANTED_HEAD
    matrix_width = cell_width * len(classes)
    # The last of the slanted names reaches over the columns at the right.
    score_width = SUPPORT_WIDTH + (0 if scores is None else F1_WIDTH + RIGHT)
    right = score_width if fits else max(score_width, 70)
    width = left + matrix_width + right
    height = top + CELL_HEIGHT * len(classes) + FOOT
    with blank(width, height) as figure:
        axes = plain_axes(figure, left=left, right=right, top=top, bottom=FOOT)
        _draw_matrix(axes, matrix, classes)
        slant: dict[str, Any] = {} if fits else {"rotation": 35, "rotation_mode": "anchor", "ha": "left"}
        axes.set_xticks(middles(len(classes)), names, **slant)
        axes.set_yticks(middles(len(classes)), names, rotation=0)
        corner: Any = {"xycoords": "axes fraction", "textcoords": "offset pixels", "color": MUTED}
        axes.annotate("predicted", (0, 1), (0, top - 16), **corner)
        axes.annotate("true", (0, 1), (-8, top - 16 if fits else 8), ha="right", **corner)
        _write_support(axes, matrix.sum(axis=1), top=top)
        if scores is not None:
            score_left = left + matrix_width + SUPPORT_WIDTH
            score_axes = plain_axes(figure, left=score_left, right=width - score_left - F1_WIDTH, top=top, bottom=FOOT)
            _draw_f1(score_axes, scores.set_index("class").reindex(list(classes)), top=top)
        return svg_text(figure, label)


def _counts_matrix(counts: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the (true classes, predicted classes) numbers of texts."""
    table = counts.pivot_table(index="label", columns="predicted", values="count", aggfunc="sum", sort=False)
    matrix: NDArray[np.float64] = table.reindex(index=classes, columns=classes).fillna(0).to_numpy(dtype=float)
    return matrix


def _draw_matrix(axes: Axes, matrix: NDArray[np.float64], classes: Sequence[str]) -> None:
    """Draw the shares of the rows; a pair that was never predicted stays without a text."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    texts = [["" for _ in classes] for _ in classes]
    descriptions = list[str]()
    rows, columns = np.nonzero(matrix)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        n_texts = matrix[row, column]
        share = shares[row, column]
        texts[row][column] = f"{100 * share:.0f} %\n{n_texts:,.0f}"
        pair = f"true {name(classes[row], 40)}, predicted {name(classes[column], 40)}"
        descriptions.append(f"{pair}: {count(n_texts)} texts ({percent(share)})")
    draw_shades(axes, shares, texts, low=0.0, high=1.0)
    hover(axes, columns + 0.5, rows + 0.5, descriptions, size=0.9 * CELL_HEIGHT)


def _write_support(axes: Axes, support: NDArray[np.float64], *, top: float) -> None:
    """Write the number of texts of each true class at the right of its row."""
    beside: Any = {"textcoords": "offset pixels", "ha": "right"}
    axes.annotate("n", (1, 1), (SUPPORT_WIDTH - 8, top - 16), "axes fraction", color=MUTED, **beside)
    for height, n_texts in zip(middles(len(support)), support, strict=True):
        position = (SUPPORT_WIDTH - 8, 0)
        row_end: Any = ("axes fraction", "data")
        axes.annotate(count(n_texts), (1, height), position, row_end, color=INK, va="center_baseline", **beside)


def _draw_f1(axes: Axes, scores: pd.DataFrame, *, top: float) -> None:
    """Draw the F1 of each class with its interval, in the rows of the matrix."""
    heights = middles(len(scores))
    values = 100 * scores["value"].to_numpy(dtype=float)
    lower = 100 * scores["lower"].to_numpy(dtype=float)
    upper = 100 * scores["upper"].to_numpy(dtype=float)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(scores), 0)
    axes.set_xticks([0, 50, 100])
    axes.set_yticks([])
    axes.hlines(heights, lower, upper, color=INK, linewidth=2)
    axes.plot(values, heights, "o", color=INK, markersize=8, markeredgecolor=SURFACE, markeredgewidth=1.4, zorder=4)
    axes.annotate("F1 (%)", (0, 1), (0, top - 16), "axes fraction", textcoords="offset pixels", color=MUTED)
    texts = list[str]()
    for class_name, value, low, high in zip(scores.index, values, lower, upper, strict=True):
        texts.append(reading(f"F1 of {name(class_name, 40)}, %", value, (low, high), 1))
    hover(axes, values, heights, texts)
