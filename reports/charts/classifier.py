"""Frames about fine-tuned classifiers to figures, drawn by seaborn: what is read against what is used; lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import seaborn

from reports.charts.attributions import LETTER, MOST_TICKS, WIDE
from reports.charts.canvas import (
    GAP,
    GRID,
    INK,
    MUTED,
    OTHERS,
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
from reports.text.wording import decimal, model, name, pooling, reading, short_head

if TYPE_CHECKING:
    import pandas as pd

NUMBERED = 15.0
"""Pixels across a point that carries its layer's number."""
DASHED, DOTTED = (0, (5, 4)), (0, (1, 2))


@dataclass(frozen=True)
class Style:
    """How a line is named and drawn."""

    shown: str
    colour: str
    marker: str = "o"
    floor: bool = False
    """Grey and dotted, without markers: something to compare with."""
    dashed: bool = False


def of_models(keys: list[str]) -> dict[str, Style]:
    """The look of encoders before and after fine-tuning; a head has the colour of the vector it reads."""
    fixed = {"pretrained": (INK, "o"), "untrained": (MUTED, "o"), **STYLES}
    others = [key for key in keys if key not in fixed]
    looks = {key: fixed.get(key) or OTHERS[others.index(key) % len(OTHERS)] for key in keys}
    return {key: Style(model(key), *look, floor=key == "untrained") for key, look in looks.items()}


def of_heads(keys: list[str]) -> dict[str, Style]:
    """The same, called by the head alone."""
    return {key: Style(short_head(key), style.colour, style.marker) for key, style in of_models(keys).items()}


def used_map(
    points: pd.DataFrame, controls: pd.DataFrame, label: Label, *, shown: str, reach: tuple[float, float]
) -> str:
    """What the head loses without the label (up) against what a probe reads of it (right), a point a place.

    Args:
        points: pooling, layer, bits, lost, lower, upper; one row a place; losses in percentage points.
        controls: eraser (`random` or `shuffled`), bits, lost; one row a place and repeat.
        label: Its text alternative.
        shown: What is lost, and by whom.
        reach: Lowest and highest loss of several drawings side by side, which share a scale.
    """
    keys = list(dict.fromkeys(points["pooling"]))
    styles = {key: STYLES.get(key, OTHERS[i % len(OTHERS)]) for i, key in enumerate(keys)}
    with blank(WIDE, 350) as figure:
        axes = plain_axes(figure, left=44, right=18, top=30, bottom=78)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.axhline(0, color=MUTED, linewidth=1, zorder=1)
        random = controls.loc[controls["eraser"] == "random", "accuracy_loss"]
        if len(random):
            axes.axhspan(random.min(), random.max(), color=MUTED, alpha=0.22, linewidth=0, zorder=0)
            axes.fill_between([], [], [], color=MUTED, alpha=0.22, linewidth=0, label="random")
        shuffled = controls[controls["eraser"] == "shuffled"]
        if len(shuffled):
            look: Any = {"color": MUTED, "markersize": 5, "markeredgewidth": 1.2, "label": "shuffled label"}
            axes.plot(shuffled["bits"], shuffled["accuracy_loss"], "x", zorder=2, **look)
        for key in keys:
            own = points[points["pooling"] == key].sort_values("layer")
            axes.plot(own["bits"], own["accuracy_loss"], color=styles[key][0], linewidth=1.2, alpha=0.5, zorder=2)
            axes.vlines(own["bits"], own["lower"], own["upper"], color=styles[key][0], linewidth=1.4, zorder=3)
            axes.plot([], [], styles[key][1], color=styles[key][0], markersize=8, label=pooling(key))
        seaborn.scatterplot(
            data=points.sort_values("layer"),
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
        for row in points.sort_values("layer").itertuples():
            at: Any = {"ha": "center", "va": "center_baseline", "fontsize": 10.5, "zorder": 5}
            axes.text(row.bits, row.accuracy_loss, str(row.layer), color=SURFACE, **at)
        told = [
            f"{reading(f'{pooling(r.pooling)}, layer {r.layer}', r.accuracy_loss, (r.lower, r.upper), 1)} points lost, "
            f"{decimal(r.bits, 2)} bits read"
            for r in points.itertuples()
        ]
        hover(axes, points["bits"], points["accuracy_loss"], told, size=NUMBERED)
        axes.margins(x=0.06)
        room = 0.08 * (reach[1] - reach[0] or 1.0)
        axes.set_ylim(reach[0] - room, reach[1] + room)
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel("bits of the label that a probe reads there")
        axes.set_ylabel("")
        heading(axes, shown)
        handles, _ = axes.get_legend_handles_labels()
        handles = [*handles[len(handles) - len(keys) :], *handles[: len(handles) - len(keys)][::-1]]
        axes.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(-0.1, -0.17),
            ncols=4,
            frameon=False,
            handletextpad=0.5,
            handlelength=1.2,
            columnspacing=1.4,
            borderpad=0,
        )
        return svg_text(figure, label)


def lines(
    frame: pd.DataFrame,
    styles: Mapping[str, Style],
    label: Label,
    *,
    shown: str,
    floors: Mapping[str, float] | None = None,
    across: str | None = None,
    reach: tuple[float, float] | None = None,
) -> str:
    """A line for each series, with a band where there are limits and thin lines where a series has several units.

    Args:
        frame: series, x, value, and where they apply: lower, upper; unit, whose mean the line is.
        styles: Series -> its look.
        label: Its text alternative.
        shown: What the numbers are.
        floors: Name as shown -> where its dashed line stands.
        across: What x is, where it is no layer.
        reach: Lowest and highest number of several drawings side by side, which then share a scale.
    """
    data = frame[frame["value"].notna()].sort_values("x", kind="stable")
    keys = [key for key in styles if key in set(data["series"])]
    longest = max(len(text) for text in (*(styles[key].shown for key in keys), *(floors or {})))
    ends = []
    with blank(WIDE, max(280.0, 76 + GAP * (len(keys) + len(floors or {})))) as figure:
        axes = plain_axes(figure, left=44, right=24 + LETTER * min(longest, 18), top=30, bottom=46)
        for key in keys:
            style, rows = styles[key], data[data["series"] == key]
            mean = rows.groupby("x", sort=True).mean(numeric_only=True)
            if "unit" in rows:  # as far as all of them went
                mean = mean[rows.groupby("x")["unit"].nunique() == rows["unit"].nunique()]
            if "lower" in rows and not style.floor:
                axes.fill_between(mean.index, mean["lower"], mean["upper"], color=style.colour, alpha=0.14, linewidth=0)
            for _, own in rows.groupby("unit") if "unit" in rows else ():
                axes.plot(own["x"], own["value"], color=style.colour, linewidth=1, alpha=0.4)
            ends.append((float(mean["value"].iloc[-1]), style.shown, style.colour))
            limits = mean[["lower", "upper"]].to_numpy() if "lower" in mean else [None] * len(mean)
            where = "layer " if across is None else f"{across} "
            numbers = zip(mean.index, mean["value"], limits, strict=True)
            told = [reading(f"{style.shown}, {where}{x:g}", value, each) for x, value, each in numbers]
            hover(axes, mean.index, mean["value"], told)
            if style.floor:
                axes.plot(mean.index, mean["value"], color=style.colour, linewidth=1.4, linestyle=DOTTED, zorder=1)
            else:
                seaborn.lineplot(
                    x=mean.index.to_numpy(),
                    y=mean["value"].to_numpy(),
                    color=style.colour,
                    marker=style.marker,
                    markersize=6,
                    markeredgecolor=SURFACE,
                    linewidth=2,
                    linestyle=DASHED if style.dashed else "-",
                    estimator=None,
                    errorbar=None,
                    ax=axes,
                )
        for text, value in (floors or {}).items():
            axes.axhline(value, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=1)
            ends.append((value, name(text, 18), MUTED))
        places = sorted({int(x) for x in data["x"]})
        if across is None:
            ticks(axes, places)
        else:
            axes.set_xticks(places[:: 1 + (len(places) - 1) // MOST_TICKS])
            axes.set_xlim(places[0] - 0.3, places[-1] + 0.3)
            axes.set_xlabel(across)
        if reach is not None:
            room = 0.05 * (reach[1] - reach[0] or 1.0)
            axes.set_ylim(reach[0] - room, reach[1] + room)
        axes.set_ylabel("")
        heading(axes, shown)
        name_ends(axes, ends, last=float(places[-1]))
        return svg_text(figure, label)
