"""Frames about explanations to figures, drawn by seaborn: dots in rows, lines by name, shares by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import seaborn

from reports.charts.canvas import (
    GRID,
    INK,
    MUTED,
    OTHERS,
    RAMP,
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
from reports.text.wording import method, name, percent, reading

if TYPE_CHECKING:
    import pandas as pd

FOR, AGAINST = STYLES["cls"][0], STYLES["mean"][0]
"""The hues of the explained texts: blue for a class, orange against it."""
METHODS = {
    "integrated_gradients": STYLES["cls"],
    "occlusion": STYLES["mean"],
    "gradient_shap": STYLES["pooler"],
    "direct": STYLES["last"],
    "input_x_gradient": OTHERS[0],
    "gradient_norm": OTHERS[1],
}
KINDS = {
    "content": (RAMP[3], INK),
    "punctuation": (OTHERS[1][0],) * 2,
    "other special": (OTHERS[2][0],) * 2,
    "[SEP]": (STYLES["last"][0],) * 2,
    "[CLS]": (STYLES["cls"][0],) * 2,
}
"""Kind of token, from the bottom of a bar to its top -> colours of its part and of its name."""
ROW, GROUP = 24.0, 30.0
"""Pixels that a row takes, and the name of a group above its rows."""
LETTER = 7.2
"""Pixels of a letter, at most, on average over a name."""
WIDE = 404.0
"""Pixels of a figure, so that a phone shows it whole."""
LONGEST_NAME, LONGEST_NOTE = 22, 18
MOST_TICKS = 8


def dots(frame: pd.DataFrame, label: Label, *, shown: str) -> str:
    """A dot with its interval in each row, and a tick where a floor stands; rows in groups, each under its name.

    Args:
        frame: group, row, value, lower, upper, and where they apply: floor, floor_lower, floor_upper; note, a few
            words at the right; weak, drawn hollow. Rows are named from the top.
        label: Its text alternative.
        shown: What the numbers are.
    """
    names = [name(text, LONGEST_NAME) for text in frame["row"]]
    notes = [name(text, LONGEST_NOTE) for text in frame["note"]] if "note" in frame else [""] * len(frame)
    left, right = (12 + LETTER * max(map(len, texts)) for texts in (names, notes))
    places, headings, reached = [], [], 0.0
    for i, group in enumerate(frame["group"]):
        if group and (i == 0 or group != frame["group"].iloc[i - 1]):
            headings.append((reached + GROUP - 12, name(group, 60)))
            reached += GROUP
        places.append(reached + ROW / 2)
        reached += ROW
    with blank(WIDE, reached + 42) as figure:
        axes = plain_axes(figure, left=left, right=max(right, 14), top=2, bottom=40)
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_ylim(reached, 0)
        floored = "floor" in frame
        heights = [place - 4 if floored else place for place in places]
        values = frame["value"].to_numpy(dtype=float)
        colours = [AGAINST if floored is False and value < 0 else FOR for value in values]
        axes.hlines(heights, frame["lower"], frame["upper"], color=colours, linewidth=2)
        if floored:
            below = [place + 5 for place in places]
            if "floor_lower" in frame:
                axes.hlines(below, frame["floor_lower"], frame["floor_upper"], color=MUTED, linewidth=1.2)
            axes.plot(frame["floor"], below, "|", color=MUTED, markersize=9, markeredgewidth=2)
        weak = frame["weak"].to_numpy(dtype=bool) if "weak" in frame else [False] * len(frame)
        seaborn.scatterplot(
            x=values,
            y=heights,
            color=[SURFACE if hollow else colour for hollow, colour in zip(weak, colours, strict=True)],
            edgecolor=[colour if hollow else SURFACE for hollow, colour in zip(weak, colours, strict=True)],
            linewidth=1.4,
            s=56,
            zorder=4,
            legend=False,
            ax=axes,
        )
        limits = frame[["lower", "upper"]].to_numpy()
        rows = zip(frame["row"], values, limits, strict=True)
        hover(axes, values, heights, [reading(name(row, 60), value, ends) for row, value, ends in rows])
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        axes.set_yticks(places, names)
        for height, text in headings:
            behind = {"facecolor": SURFACE, "edgecolor": "none", "pad": 2.5}
            across = ("axes fraction", "data")
            axes.annotate(text, (0, height), (4 - left, 0), across, "offset pixels", color=MUTED, bbox=behind)
        for place, text in zip(places, notes, strict=True):
            axes.annotate(
                text, (1, place), (10, 0), ("axes fraction", "data"), "offset pixels", color=MUTED, va="center_baseline"
            )
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(shown)
        axes.set_ylabel("")
        return svg_text(figure, label)


def lines(frame: pd.DataFrame, label: Label, *, shown: str, across: str, named: Mapping[float, str]) -> str:
    """A line for each method, with a band where there are limits; `random` is a dashed grey floor.

    Args:
        frame: method, x, value, and lower and upper of a band.
        label: Its text alternative.
        shown: What the numbers are.
        across: What x is.
        named: Some x -> how it is written under the axis.
    """
    data, ends = frame.sort_values("x", kind="stable"), []
    keys = [key for key in dict.fromkeys(data["method"]) if key != "random"]
    styles = {key: METHODS.get(key, OTHERS[2]) for key in keys}
    longest = max(len(method(key)) for key in dict.fromkeys(data["method"]))
    with blank(WIDE, 270) as figure:
        axes = plain_axes(figure, left=44, right=24 + LETTER * longest, top=30, bottom=46)
        for key, rows in data.groupby("method", sort=False):
            colour = styles[key][0] if key in styles else MUTED
            if "lower" in rows:
                axes.fill_between(rows["x"], rows["lower"], rows["upper"], color=colour, alpha=0.16, linewidth=0)
            if key == "random":
                axes.plot(rows["x"], rows["value"], color=MUTED, linewidth=1.4, linestyle=(0, (5, 4)), zorder=1)
            ends.append((float(rows["value"].iloc[-1]), method(key), colour))
            limits = rows[["lower", "upper"]].to_numpy() if "lower" in rows else [None] * len(rows)
            numbers = zip(rows["x"], rows["value"], limits, strict=True)
            told = [reading(f"{method(key)}, {named.get(x, f'{x:g}')}", value, each) for x, value, each in numbers]
            hover(axes, rows["x"], rows["value"], told)
        if keys:
            seaborn.lineplot(
                data=data[data["method"] != "random"],
                x="x",
                y="value",
                hue="method",
                style="method",
                palette={key: colour for key, (colour, _) in styles.items()},
                markers={key: marker for key, (_, marker) in styles.items()},
                dashes=dict.fromkeys(styles, ""),
                markersize=5 if data["x"].nunique() > MOST_TICKS else 6,
                markeredgecolor=SURFACE,
                linewidth=2,
                estimator=None,
                errorbar=None,
                legend=False,
                ax=axes,
            )
        places = sorted(named)
        crowded = sum(len(text) + 2 for text in named.values()) * LETTER > axes.get_window_extent().width
        step = 2 + (len(places) - 1) // MOST_TICKS if crowded else 1
        # The last is always named; one that stands less than a step before it leaves it the room.
        kept = [each for i, each in enumerate(places) if i % step == 0 and i <= len(places) - 1 - step] + places[-1:]
        axes.set_xticks(kept, [named[place] for place in kept])
        axes.set_xlabel(across)
        axes.set_ylabel("")
        heading(axes, shown)
        name_ends(axes, ends, last=float(data["x"].max()))
        return svg_text(figure, label)


def shares(
    frame: pd.DataFrame, label: Label, *, shown: str = "share of the absolute score, %", across: str = ""
) -> str:
    """A bar a layer, parted by kinds of token, from 0 to 100 %.

    Args:
        frame: layer, kind, share; the shares of a layer sum to 1.
        label: Its text alternative.
        shown: What the numbers are.
        across: What a bar is, where it is no layer.
    """
    found = set(frame.loc[frame["share"] > 0, "kind"])
    kinds = [kind for kind in KINDS if kind in found] + sorted(found - set(KINDS))
    colours = {kind: KINDS.get(kind, (OTHERS[0][0],) * 2) for kind in kinds}
    data = frame[frame["kind"].isin(kinds)].assign(layer=frame["layer"].astype(int), share=100 * frame["share"])
    layers = sorted(set(data["layer"]))
    names = {kind: name(kind, 14) for kind in kinds}
    with blank(WIDE, 270) as figure:
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
        ticks(axes, layers)
        axes.set_xlabel(across or axes.get_xlabel())
        axes.set_xlim(layers[0] - 0.6, layers[-1] + 0.6)
        axes.set_ylim(0, 100)
        heading(axes, shown)
        table = data.pivot_table(index="layer", columns="kind", values="share", aggfunc="sum", sort=False)[
            kinds
        ].fillna(0)
        middles = table.cumsum(axis=1) - table / 2
        for kind in kinds:
            told = [f"{name(kind, 24)}, {layer}: {percent(share / 100)}" for layer, share in table[kind].items()]
            hover(axes, table.index, middles[kind], told)
        last = data[data["layer"] == layers[-1]].groupby("kind")["share"].sum()
        ends, reached = [], 0.0
        for kind in kinds:
            share = float(last.get(kind, 0.0))
            ends.append((reached + share / 2, names[kind], colours[kind][1]))
            reached += share
        name_ends(axes, ends, last=float(layers[-1]))
        return svg_text(figure, label)
