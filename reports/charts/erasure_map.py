"""Erasure map: what a head loses without a label against what a probe reads of it, a point for each site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import seaborn

from reports.charts.canvas import GRID, MUTED, SURFACE, Label, blank, heading, hover, plain_axes, svg_text
from reports.charts.styles import WIDTH, styles_of_poolings
from reports.text.wording import decimal, pooling, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NUMBERED = 15.0
"""Diameter in pixels of a point that carries the number of its layer."""


def erasure_map(
    sites: pd.DataFrame, controls: pd.DataFrame, label: Label, *, quantity: str, limits: tuple[float, float]
) -> str:
    """Draw the accuracy that a head loses without a label (up) against what a probe reads of the label (right).

    Args:
        sites: Columns pooling, layer, bits, accuracy_loss, lower, upper; one row a site, losses in percentage points.
        controls: Columns eraser (`random` or `shuffled`), bits, accuracy_loss; one row a site and repeat.
        label: Text alternative of the drawing.
        quantity: Name of the loss and of the head.
        limits: Lowest and highest loss of several drawings side by side, which share a scale.

    Returns:
        The drawing as an SVG element.
    """
    ordered = sites.sort_values("layer")
    styles = styles_of_poolings(sites["pooling"])
    with blank(WIDTH, 350) as figure:
        axes = plain_axes(figure, left=44, right=18, top=30, bottom=78)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.axhline(0, color=MUTED, linewidth=1, zorder=1)
        _draw_controls(axes, controls)
        _draw_sites(axes, ordered, styles)
        _describe(axes, ordered)
        axes.margins(x=0.06)
        low, high = limits
        margin = 0.08 * (high - low or 1.0)
        axes.set_ylim(low - margin, high + margin)
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel("bits of the label that a probe reads there")
        axes.set_ylabel("")
        heading(axes, quantity)
        _add_legend(axes, n_poolings=len(styles))
        return svg_text(figure, label)


def _draw_controls(axes: Axes, controls: pd.DataFrame) -> None:
    """Draw the range of random subspaces as a band, and shuffled labels as crosses."""
    random = controls.loc[controls["eraser"] == "random", "accuracy_loss"]
    if len(random):
        band: Any = {"color": MUTED, "alpha": 0.22, "linewidth": 0}
        axes.axhspan(random.min(), random.max(), zorder=0, **band)
        axes.fill_between([], [], [], label="random", **band)
    shuffled = controls[controls["eraser"] == "shuffled"]
    if len(shuffled):
        cross: Any = {"color": MUTED, "markersize": 5, "markeredgewidth": 1.2, "label": "shuffled label"}
        axes.plot(shuffled["bits"], shuffled["accuracy_loss"], "x", zorder=2, **cross)


def _draw_sites(axes: Axes, sites: pd.DataFrame, styles: dict[str, tuple[str, str]]) -> None:
    """Draw a path over the layers of each pooling, with an interval and a numbered point at each site."""
    for key, (colour, marker) in styles.items():
        path = sites[sites["pooling"] == key]
        axes.plot(path["bits"], path["accuracy_loss"], color=colour, linewidth=1.2, alpha=0.5, zorder=2)
        axes.vlines(path["bits"], path["lower"], path["upper"], color=colour, linewidth=1.4, zorder=3)
        axes.plot([], [], marker, color=colour, markersize=8, label=pooling(key))
    seaborn.scatterplot(
        data=sites,
        x="bits",
        y="accuracy_loss",
        hue="pooling",
        style="pooling",
        palette={key: colour for key, (colour, _) in styles.items()},
        markers={key: marker for key, (_, marker) in styles.items()},
        s=NUMBERED**2,
        edgecolor=SURFACE,
        linewidth=1,
        zorder=4,
        legend=False,
        ax=axes,
    )
    centred: Any = {"ha": "center", "va": "center_baseline", "fontsize": 10.5, "zorder": 5}
    for row in sites.itertuples():
        axes.text(row.bits, row.accuracy_loss, str(row.layer), color=SURFACE, **centred)


def _describe(axes: Axes, sites: pd.DataFrame) -> None:
    texts = list[str]()
    for row in sites.itertuples():
        site = f"{pooling(row.pooling)}, layer {row.layer}"
        loss = reading(site, row.accuracy_loss, (row.lower, row.upper), 1)
        texts.append(f"{loss} points lost, {decimal(row.bits, 2)} bits read")
    hover(axes, sites["bits"], sites["accuracy_loss"], texts, size=NUMBERED)


def _add_legend(axes: Axes, *, n_poolings: int) -> None:
    """Add a legend below the axes: the poolings first, then the controls."""
    handles, _ = axes.get_legend_handles_labels()
    n_controls = len(handles) - n_poolings
    axes.legend(
        handles=[*handles[n_controls:], *handles[:n_controls][::-1]],
        loc="upper left",
        bbox_to_anchor=(-0.1, -0.17),
        ncols=4,
        frameon=False,
        handletextpad=0.5,
        handlelength=1.2,
        columnspacing=1.4,
        borderpad=0,
    )
