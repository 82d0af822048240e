"""Confusion matrix: the shares of each true class, with the F1 of the classes in the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
NARROWEST_CELL = 46.0
WIDEST_CELL = 100.0
"""Width of a cell in pixels: as wide as the longest name, between these."""
NAME_GAP = 24.0
"""Pixels between names in neighbouring columns, also where they are of wide letters."""
LONGEST_NAME = 14
LONGEST_SMALL_NAME = 9
"""Characters of a class name, and of one in a row of several matrices."""
HEAD = 46.0
SLANTED_HEAD = 116.0
"""Pixels above the matrix, with names that fit their columns and with names that are slanted."""
FOOT = 24.0
SUPPORT_WIDTH = 46.0
F1_WIDTH = 92.0
"""Pixels for the numbers of texts, and for the axis of F1, at the right of the matrix."""
SLANTED_RIGHT = 70.0
"""Pixels that the last of the slanted names needs at the right of the matrix."""
RIGHT = 14.0
ABOVE: Any = "axes fraction"
AT_ROW: Any = ("axes fraction", "data")


@dataclass(frozen=True)
class _Layout:
    """Sizes of the drawing in pixels."""

    names: Sequence[str]
    has_scores: bool
    least_width: float = 0.0
    """Width of the widest matrix of its row, so that all are drawn on one scale."""

    @property
    def name_width(self) -> float:
        return LETTER * max(map(len, self.names))

    @property
    def cell_width(self) -> float:
        widest = min(self.name_width + NAME_GAP, WIDEST_CELL)
        return max(NARROWEST_CELL, widest)

    @property
    def is_slanted(self) -> bool:
        return self.name_width > self.cell_width

    @property
    def left(self) -> float:
        return self.name_width + 14

    @property
    def top(self) -> float:
        return SLANTED_HEAD if self.is_slanted else HEAD

    @property
    def matrix_width(self) -> float:
        return self.cell_width * len(self.names)

    @property
    def right(self) -> float:
        right = SUPPORT_WIDTH
        if self.has_scores:
            right += F1_WIDTH + RIGHT
        return max(right, SLANTED_RIGHT) if self.is_slanted else right

    @property
    def own_width(self) -> float:
        return self.left + self.matrix_width + self.right

    @property
    def width(self) -> float:
        return max(self.own_width, self.least_width)

    @property
    def right_of_matrix(self) -> float:
        """Pixels from the matrix to the right edge."""
        return self.width - self.left - self.matrix_width

    @property
    def height(self) -> float:
        return self.top + CELL_HEIGHT * len(self.names) + FOOT


def common_width(classes_of_matrices: Sequence[Sequence[str]], *, has_scores: bool) -> float:
    """Return the width of the widest of several matrices in a row.

    Args:
        classes_of_matrices: Classes of each matrix.
        has_scores: Whether F1 is drawn beside them.
    """
    longest = _longest_name(len(classes_of_matrices))
    widths = list[float]()
    for classes in classes_of_matrices:
        names = [name(text, longest) for text in classes]
        widths.append(_Layout(names, has_scores).own_width)
    return max(widths, default=0.0)


def _longest_name(n_matrices: int) -> int:
    """Return the number of characters that a class name may have in a row of so many matrices."""
    return LONGEST_NAME if n_matrices == 1 else LONGEST_SMALL_NAME


def confusion_matrix(
    counts: pd.DataFrame,
    classes: Sequence[str],
    label: Label,
    *,
    scores: pd.DataFrame | None = None,
    links: Mapping[tuple[str, str], Mapping[str, str]] | None = None,
    n_matrices: int = 1,
    least_width: float = 0.0,
) -> str:
    """Draw the share of each true class (down) predicted as each class (across), with the counts; then support and F1.

    Args:
        counts: Columns label, predicted, count; a pair without a row was never predicted.
        classes: Names in their order, those in `counts` included.
        label: Text alternative of the drawing.
        scores: Columns class, value, lower and upper: F1 with its interval; None leaves it out.
        links: True and predicted class -> attributes of the cell, by which the script of the page lists its texts.
        n_matrices: Number of matrices in the row of this one.
        least_width: Their `common_width`.

    Returns:
        The drawing as an SVG element.
    """
    matrix = _counts_matrix(counts, classes)
    names = [name(text, _longest_name(n_matrices)) for text in classes]
    layout = _Layout(names, scores is not None, least_width)
    with blank(layout.width, layout.height) as figure:
        axes = plain_axes(figure, left=layout.left, right=layout.right_of_matrix, top=layout.top, bottom=FOOT)
        _draw_matrix(axes, matrix, classes, links or {})
        _name_classes(axes, layout)
        _write_support(axes, matrix.sum(axis=1), layout)
        if scores is not None:
            left = layout.left + layout.matrix_width + SUPPORT_WIDTH
            right = layout.width - left - F1_WIDTH
            score_axes = plain_axes(figure, left=left, right=right, top=layout.top, bottom=FOOT)
            score_of_class = scores.set_index("class").reindex(list(classes))
            _draw_f1(score_axes, score_of_class, layout)
        return svg_text(figure, label)


def _counts_matrix(counts: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the (true classes, predicted classes) numbers of texts."""
    table = counts.pivot_table(index="label", columns="predicted", values="count", aggfunc="sum", sort=False)
    all_pairs = table.reindex(index=classes, columns=classes)
    matrix: NDArray[np.float64] = all_pairs.fillna(0).to_numpy(dtype=float)
    return matrix


def _draw_matrix(
    axes: Axes,
    matrix: NDArray[np.float64],
    classes: Sequence[str],
    links: Mapping[tuple[str, str], Mapping[str, str]],
) -> None:
    """Draw the shares of the rows; a pair that was never predicted stays without a text."""
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    texts = np.full(matrix.shape, "", dtype=object)
    descriptions = list[str]()
    attributes = list[Mapping[str, str]]()
    rows, columns = np.nonzero(matrix)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        share = shares[row, column]
        n_texts = count(matrix[row, column])
        texts[row, column] = f"{100 * share:.0f} %\n{n_texts}"
        true_class = name(classes[row], 40)
        predicted = name(classes[column], 40)
        descriptions.append(f"true {true_class}, predicted {predicted}: {n_texts} texts ({percent(share)})")
        attributes.append(links.get((classes[row], classes[column]), {}))
    draw_shades(axes, shares, texts.tolist(), low=0.0, high=1.0)
    middle_columns = columns + 0.5
    size = 0.9 * CELL_HEIGHT
    hover(axes, middle_columns, rows + 0.5, descriptions, size=size, marker="s", attributes=attributes)


def _name_classes(axes: Axes, layout: _Layout) -> None:
    """Write the names of the classes, without a slant where they fit their columns."""
    positions = middles(len(layout.names))
    slant: dict[str, Any] = {}
    if layout.is_slanted:
        slant = {"rotation": 35, "rotation_mode": "anchor", "ha": "left"}
    axes.set_xticks(positions, layout.names, **slant)
    axes.set_yticks(positions, layout.names, rotation=0)
    _write_above(axes, "predicted", (0, layout.top - 16), x=0)
    true_height = 8 if layout.is_slanted else layout.top - 16
    _write_above(axes, "true", (-8, true_height), x=0, ha="right")


def _write_above(axes: Axes, text: str, offset: tuple[float, float], *, x: float, ha: str = "left") -> None:
    """Write a heading at the left or right end of the upper edge of the axes."""
    axes.annotate(text, (x, 1), offset, ABOVE, "offset pixels", color=MUTED, ha=ha)


def _write_support(axes: Axes, support: NDArray[np.float64], layout: _Layout) -> None:
    """Write the number of texts of each true class at the right of its row."""
    right = SUPPORT_WIDTH - 8
    _write_above(axes, "n", (right, layout.top - 16), x=1, ha="right")
    style: Any = {"color": INK, "ha": "right", "va": "center_baseline"}
    for height, n_texts in zip(middles(len(support)), support, strict=True):
        axes.annotate(count(n_texts), (1, height), (right, 0), AT_ROW, "offset pixels", **style)


def _draw_f1(axes: Axes, scores: pd.DataFrame, layout: _Layout) -> None:
    """Draw the F1 of each class with its interval, in the rows of the matrix."""
    heights = middles(len(scores))
    in_percent = 100 * scores[["value", "lower", "upper"]].astype(float)
    values, lower, upper = in_percent.to_numpy().T
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(scores), 0)
    axes.set_xticks([0, 50, 100])
    axes.set_yticks([])
    axes.hlines(heights, lower, upper, color=INK, linewidth=2)
    dot: Any = {"markersize": 8, "markeredgecolor": SURFACE, "markeredgewidth": 1.4}
    axes.plot(values, heights, "o", color=INK, zorder=4, **dot)
    _write_above(axes, "F1 (%)", (0, layout.top - 16), x=0)
    texts = list[str]()
    for class_name, row in in_percent.iterrows():
        subject = f"F1 of {name(class_name, 40)}, %"
        limits = (row["lower"], row["upper"])
        texts.append(reading(subject, row["value"], limits, 1))
    hover(axes, values, heights, texts)
