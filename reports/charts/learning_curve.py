"""Learning curve: accuracy against the number of training texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import seaborn

from reports.charts.canvas import MUTED, STYLES, SURFACE, Label, blank, heading, hover, plain_axes, svg_text
from reports.charts.styles import DASHED
from reports.text.wording import count, interval, percent

if TYPE_CHECKING:
    import pandas as pd

COLOUR, MARKER = STYLES["mean"]


def learning_curve(frame: pd.DataFrame, floor: float, label: Label) -> str:
    """Draw the accuracy on a scale of doublings of the training texts, with the majority's as a dashed line.

    Args:
        frame: Columns train_texts, accuracy, lower, upper; one row a size.
        floor: Accuracy of the majority class.
        label: Text alternative of the drawing.

    Returns:
        The drawing as an SVG element.
    """
    sizes, accuracy = frame["train_texts"], 100 * frame["accuracy"]
    with blank(440, 270) as figure:
        axes = plain_axes(figure, left=40, right=24, top=30, bottom=46)
        axes.set_xscale("log")
        seaborn.lineplot(
            x=sizes,
            y=accuracy,
            color=COLOUR,
            marker=MARKER,
            markersize=6,
            markeredgecolor=SURFACE,
            linewidth=2,
            errorbar=None,
            ax=axes,
        )
        axes.axhline(100 * floor, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=1)
        axes.fill_between(sizes, 100 * frame["lower"], 100 * frame["upper"], color=COLOUR, alpha=0.16, linewidth=0)
        texts = list[str]()
        for row in frame.itertuples():
            limits = interval((row.lower, row.upper))
            texts.append(f"{count(row.train_texts)} texts: {percent(row.accuracy)} ({limits})")
        hover(axes, sizes, accuracy, texts)
        # Every second size has a label, the largest one included.
        labelled = sorted(sizes)[::-1][::2][::-1]
        axes.set_xticks(labelled, [f"{size:,}" for size in labelled])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("training texts")
        axes.set_ylabel("")
        heading(axes, "right on test, %")
        return svg_text(figure, label)
