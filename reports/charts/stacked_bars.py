"""Stacked bars: the share of each kind of token, a bar for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import seaborn

from reports.charts.canvas import OTHERS, SURFACE, Label, blank, heading, hover, name_ends, plain_axes, svg_text, ticks
from reports.charts.panels import HEIGHT
from reports.charts.panels import WIDTH as PANEL_WIDTH
from reports.charts.styles import LETTER, TOKEN_KINDS, WIDTH
from reports.text.wording import name, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_BARS = 13
"""Bars that are labelled each; of more, every second or third is."""


def stacked_bars(
    frame: pd.DataFrame, label: Label, *, quantity: str = "share of the absolute score, %", x_title: str = ""
) -> str:
    """Draw a bar for each layer, divided by kinds of token, from 0 to 100 %.

    Args:
        frame: Columns layer, kind, share; the shares of a layer sum to 1.
        label: Text alternative of the drawing.
        quantity: Name of the numbers, above the axis.
        x_title: Name of a bar; empty where it is a layer.

    Returns:
        The drawing as an SVG element.
    """
    present = set(frame.loc[frame["share"] > 0, "kind"])
    kinds = [kind for kind in TOKEN_KINDS if kind in present] + sorted(present - set(TOKEN_KINDS))
    plain = (OTHERS[0][0], OTHERS[0][0])
    colours = {kind: TOKEN_KINDS.get(kind, plain) for kind in kinds}
    data = frame[frame["kind"].isin(kinds)]
    data = data.assign(layer=data["layer"].astype(int), share=100 * data["share"])
    names = {kind: name(kind, 14) for kind in kinds}
    with blank(WIDTH, 270) as figure:
        axes = plain_axes(figure, left=40, right=30 + LETTER * max(map(len, names.values())), top=30, bottom=46)
        seaborn.histplot(
            data=data,
            x="layer",
            weights="share",
            hue="kind",
            hue_order=kinds[::-1],
            palette={kind: colour for kind, (colour, _) in colours.items()},
            multiple="stack",
            discrete=True,
            shrink=0.84,
            alpha=1,
            edgecolor=SURFACE,
            linewidth=1.2,
            legend=False,
            ax=axes,
        )
        layers = sorted(set(data["layer"]))
        ticks(axes, layers)
        axes.set_xlabel(x_title or axes.get_xlabel())
        axes.set_xlim(layers[0] - 0.6, layers[-1] + 0.6)
        axes.set_ylim(0, 100)
        heading(axes, quantity)
        table = data.pivot_table(index="layer", columns="kind", values="share", aggfunc="sum", sort=False)
        table = table[kinds].fillna(0)
        middles = table.cumsum(axis=1) - table / 2
        _describe(axes, table, middles)
        ends = [(float(middles[kind].loc[layers[-1]]), names[kind], colours[kind][1]) for kind in kinds]
        name_ends(axes, ends, last=float(layers[-1]))
        return svg_text(figure, label)


def stacked_panel(frame: pd.DataFrame, kinds: Sequence[str], label: Label, *, x_title: str) -> str:
    """Draw a small chart with a bar for each layer, divided by kinds of token, from 0 to 100 %.

    Args:
        frame: Columns layer, kind, share; the shares of a layer sum to 1.
        kinds: Kinds from the bottom of a bar to its top. A share of 0 is not drawn.
        label: Text alternative of the drawing.
        x_title: Name of a bar, below the axis.

    Returns:
        The drawing as an SVG element.
    """
    layers_of_rows = frame["layer"].astype(int)
    data = frame.assign(layer=layers_of_rows, share=100 * frame["share"])
    shares = data.pivot_table(index="layer", columns="kind", values="share", aggfunc="sum")
    table = shares.reindex(columns=list(kinds))
    table = table.fillna(0.0)
    tops = table.cumsum(axis=1)
    with blank(PANEL_WIDTH, HEIGHT) as figure:
        axes = plain_axes(figure, left=38, right=10, top=12, bottom=38)
        for kind in kinds:
            heights = table[kind]
            bottoms = tops[kind] - heights
            is_drawn = heights > 0
            _draw_kind(axes, kind, heights[is_drawn], bottoms[is_drawn], x_title)
        layers = list(table.index)
        step = 1 + (len(layers) - 1) // MOST_BARS
        axes.set_xticks(layers[::step])
        axes.set_xlabel(x_title, labelpad=2)
        axes.set_xlim(layers[0] - 0.6, layers[-1] + 0.6)
        axes.set_ylim(0, 100)
        return svg_text(figure, label)


def _draw_kind(axes: Axes, kind: str, heights: pd.Series[float], bottoms: pd.Series[float], x_title: str) -> None:
    """Draw the parts of a kind of token in all bars, and the texts that appear where one points at them."""
    layers = heights.index
    axes.bar(
        layers,
        heights,
        bottom=bottoms,
        width=0.84,
        color=kind_colour(kind),
        edgecolor=SURFACE,
        linewidth=1,
        zorder=2,
    )
    kind_name = name(kind, 24)
    texts = list[str]()
    for layer, height in heights.items():
        share = percent(height / 100)
        texts.append(f"{kind_name}, {x_title} {layer}: {share}")
    middles = bottoms + heights / 2
    hover(axes, layers, middles, texts)


def kind_colour(kind: str) -> str:
    """Return the colour of a kind of token."""
    colour, _ = TOKEN_KINDS.get(kind, OTHERS[0])
    return colour


def _describe(axes: Axes, table: pd.DataFrame, middles: pd.DataFrame) -> None:
    """Describe each part of each bar in its middle."""
    for kind in table.columns:
        texts = [f"{name(kind, 24)}, {layer}: {percent(share / 100)}" for layer, share in table[kind].items()]
        hover(axes, table.index, middles[kind], texts)
