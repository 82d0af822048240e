"""Frames to SVG text: drawn by seaborn on matplotlib's `Figure` objects, coloured by the page's CSS variables.

Nothing here touches pyplot or leaves a setting behind. Every drawing is made with placeholder colours, which become
CSS variables, so that one drawing serves the light and the dark page; its ids begin with its own name, so that
several share a page. Texts stay texts.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import seaborn
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from reports.wording import POOLINGS, legal, name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

INK, MUTED, GRID, SURFACE = "#010101", "#010102", "#010103", "#010104"
RAMP = tuple(f"#0201{level:02x}" for level in range(1, 10))
LOW_TEXT, HIGH_TEXT = "#010105", "#010106"
STYLES = {"cls": ("#030101", "o"), "mean": ("#030102", "s"), "pooler": ("#030103", "D"), "last": ("#030104", "^")}
OTHERS = (("#030105", "v"), ("#030106", "P"), ("#030107", "X"))
COLOURS = {
    INK: "var(--ink, #1b1f24)",
    MUTED: "var(--muted, #57606a)",
    GRID: "var(--line, #d5dae0)",
    SURFACE: "var(--surface, #fff)",
    LOW_TEXT: "var(--ramp-low, #10202e)",
    HIGH_TEXT: "var(--ramp-high, #fff)",
    **{colour: f"var(--ramp-{level}, #888)" for level, colour in enumerate(RAMP, start=1)},
    **{colour: f"var(--{key}, #555)" for key, (colour, _) in STYLES.items()},
    **{colour: f"var(--other-{i}, #555)" for i, (colour, _) in enumerate(OTHERS, start=1)},
}
"""Placeholder -> what the page paints: a CSS variable, with a colour for a drawing saved on its own."""

SIZE = 13.5
"""Font size; a drawing's unit is one CSS pixel at its natural size."""
GAP = 16.0
RIGHT_OF_CURVES = 152.0
DARK_TEXT_UP_TO = 4
"""Levels of the ramp, counted from 0, that carry dark text on the light page."""


@dataclass(frozen=True)
class Label:
    """What a reader who does not see the drawing gets, and the drawing's name on the page."""

    anchor: str
    title: str
    description: str


def layer_curves(
    frame: pd.DataFrame, floors: Mapping[str, float], label: Label, *, best: tuple[str, int] | None, random_pooler: bool
) -> str:
    """Accuracy by layer: a line with its interval band for each pooling, a dashed line for each floor.

    Args:
        frame: pooling, layer, value, lower, upper; one row a point.
        floors: Name as shown -> accuracy.
        label: Its text alternative.
        best: Pooling and layer to ring.
        random_pooler: The pooler was never trained: dashed, and called so.
    """
    data = frame.assign(value=100 * frame["value"], lower=100 * frame["lower"], upper=100 * frame["upper"])
    styles = _styles(data["pooling"])
    with _drawing(440, 310) as figure:
        axes = _axes(figure, left=40, right=RIGHT_OF_CURVES, top=30, bottom=46)
        ends: list[tuple[float, str, str]] = []
        for key, rows in data.groupby("pooling", sort=False):
            colour, _ = styles[key]
            points = rows.sort_values("layer")
            axes.fill_between(points["layer"], points["lower"], points["upper"], color=colour, alpha=0.16, linewidth=0)
            shown = "random pooler" if key == "pooler" and random_pooler else POOLINGS.get(key, key)
            ends.append((float(points["value"].iloc[-1]), name(shown, 14), colour))
        _lines(axes, data, "value", styles, dashed=["pooler"] if random_pooler else [])
        for shown, value in floors.items():
            axes.axhline(100 * value, color=MUTED, linewidth=1.2, linestyle=(0, (5, 4)), zorder=1)
            ends.append((100 * value, f"{name(shown, 14)} {100 * value:.1f}", MUTED))
        if best is not None:
            ring = data[(data["pooling"] == best[0]) & (data["layer"] == best[1])]
            axes.plot(
                ring["layer"], ring["value"], "o", markersize=14, fillstyle="none", color=INK, markeredgewidth=1.6
            )
        _ticks(axes, sorted(set(data["layer"])))
        _heading(axes, "right on test, %")
        _name_ends(axes, ends, last=float(data["layer"].max()))
        return _svg(figure, label)


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
    with _drawing(width, height) as figure:
        axes = _axes(figure, left=64, right=8, top=28, bottom=6)
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
        return _svg(figure, label)


def confusion_matrix(frame: pd.DataFrame, label: Label) -> str:
    """Share of each true class (down) that was given each class (across), with counts.

    Args:
        frame: label, predicted, count; one row a pair.
        label: Its text alternative.
    """
    table = frame.pivot_table(index="label", columns="predicted", values="count", aggfunc="sum", sort=False)
    classes = [each for each in table.index if each in table.columns]
    counts = table.loc[classes, classes].fillna(0).to_numpy(dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name(each, 14) for each in classes]
    few = len(classes) <= 4
    side = max(76, 9 * max(map(len, names)) + 12) if few else 56
    right, top = (6, 56) if few else (70, 108)
    width, height = 114 + right + side * len(classes), top + 8 + (46 if few else 40) * len(classes)
    with _drawing(max(300, width), height) as figure:
        axes = _axes(figure, left=114, right=max(right, 300 - width + right), top=top, bottom=8)
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
        return _svg(figure, label)


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
    with _drawing(440, 270) as figure:
        axes = _axes(figure, left=48, right=RIGHT_OF_CURVES - 52, top=30, bottom=46)
        axes.set_yscale("log")
        axes.set_ylim(lowest / 1.6, max(1.0, 1.6 * data["shown"].max()))
        _lines(axes, data, "shown", styles)
        for _, row in data[data["relative_spread"] == 0].iterrows():
            axes.plot(row["layer"], lowest, "o", markersize=9, color=SURFACE, markeredgecolor=INK, zorder=5)
            axes.annotate("exactly 0", (row["layer"], lowest), (9, -4), "data", "offset pixels", color=INK)
        exponents = np.arange(np.log10(lowest) + 1, np.log10(axes.get_ylim()[1]) + 0.01)
        axes.set_yticks(10.0**exponents, [f"{10.0**power:g}" for power in exponents])
        axes.set_yticks([], minor=True)
        _ticks(axes, sorted(set(data["layer"])))
        _heading(axes, "spread of the texts' vectors, relative to their mean")
        last = data.sort_values("layer").groupby("pooling", sort=False).tail(1)
        ends = [
            (row.shown, name(POOLINGS.get(row.pooling, row.pooling), 12), styles[row.pooling][0])
            for row in last.itertuples()
        ]
        _name_ends(axes, ends, last=float(data["layer"].max()))
        return _svg(figure, label)


@contextmanager
def _drawing(width: float, height: float) -> Iterator[Figure]:
    """A blank figure of that many CSS pixels, drawn with matplotlib's own defaults whatever the user's are."""
    settings: Any = {key: value for key, value in matplotlib.rcParamsDefault.items() if key.startswith(_KINDS)}
    settings |= {
        "svg.fonttype": "none",
        # A class called `$x$` is that text, not a formula.
        "text.parse_math": False,
        "text.usetex": False,
        "font.size": SIZE,
        "axes.edgecolor": GRID,
        "axes.labelcolor": MUTED,
        "text.color": INK,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.unicode_minus": True,
        "path.simplify": False,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The browser has fonts for scripts that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield Figure(figsize=(width / 72, height / 72), dpi=72)


_KINDS = tuple(
    "axes. figure. font. grid. hatch. image. legend. lines. markers. patch. path. savefig. svg. text. xaxis. xtick. "
    "yaxis. ytick.".split()
)
"""Settings of how things look; the others choose windows and files."""


def _axes(figure: Figure, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Axes with those margins, in pixels, and nothing painted behind them."""
    width, height = figure.get_size_inches() * 72
    figure.patch.set_visible(False)
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height))
    axes.patch.set_visible(False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=5)
    return axes


def _styles(poolings: pd.Series[str]) -> dict[str, tuple[str, str]]:
    """Pooling -> colour and marker: the same on every figure for those that are known."""
    found = list(dict.fromkeys(poolings))
    others = [key for key in found if key not in STYLES]
    return {key: STYLES.get(key) or OTHERS[others.index(key) % len(OTHERS)] for key in found}


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


def _ticks(axes: Axes, layers: Sequence[int]) -> None:
    """At most thirteen layers named, the first and the last among them where they fit."""
    axes.set_xticks(list(layers)[:: 1 + (len(layers) - 1) // 13])
    axes.set_xlim(layers[0] - 0.3, layers[-1] + 0.3)
    axes.set_xlabel("layer (0 = embeddings)" if layers[0] == 0 else "layer")
    axes.set_ylabel("")


def _heading(axes: Axes, text: str) -> None:
    """What the y axis shows, above it: readable without turning the head."""
    axes.annotate(text, (0, 1), (-34, 12), "axes fraction", "offset pixels", color=MUTED)


def _name_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], *, last: float) -> None:
    """Names at the right end of lines, moved apart where they would overlap."""
    low, high = (axes.transAxes.transform((0, share))[1] for share in (0, 1))
    order = sorted(range(len(ends)), key=lambda i: ends[i][0])
    wanted = [axes.transData.transform((last, ends[i][0]))[1] for i in order]
    across = axes.transAxes.transform((1, 0))[0]
    for i, start, y in zip(order, wanted, _apart(wanted, low, high), strict=True):
        _, text, colour = ends[i]
        points = axes.transAxes.inverted().transform([(across - 2, start), (across + 9, y)])
        axes.plot(*points.T, color=colour, linewidth=0.9, transform=axes.transAxes, clip_on=False)
        place = axes.transAxes.inverted().transform((across + 12, y))
        axes.text(float(place[0]), float(place[1]), text, color=colour, va="center_baseline", transform=axes.transAxes)


def _apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Increasing positions, each at least `GAP` above the one before, inside [low, high] where they fit."""
    placed: list[float] = []
    for position in wanted:
        placed.append(max(position, placed[-1] + GAP if placed else low))
    ceiling = high
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - GAP
    return placed


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


def _svg(figure: Figure, label: Label) -> str:
    """The figure as an SVG element that several of its kind can stand beside in one page."""
    with matplotlib.rc_context({"svg.hashsalt": label.anchor}):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(file.getvalue())
    width = float(root.attrib["viewBox"].split()[2])
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            element.attrib[key.rpartition("}")[2]] = _own(key, element.attrib.pop(key), label.anchor)
    for unused in root.findall("metadata"):
        root.remove(unused)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    titles = {"title": legal(label.title), "desc": legal(label.description)}
    for index, (kind, text) in enumerate(titles.items()):
        element = ElementTree.Element(kind, id=f"{label.anchor}-{kind}")
        element.text = text
        root.insert(index, element)
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "role": "img",
        "aria-labelledby": f"{label.anchor}-title {label.anchor}-desc",
        "style": f"--width: {width:.0f}px",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _own(key: str, value: str, anchor: str) -> str:
    """An attribute with ids that are this figure's own, the page's colours and the page's font."""
    if key == "id":
        return f"{anchor}-{value}"
    if value.startswith("#") and key.endswith("href"):
        return f"#{anchor}-{value[1:]}"
    value = re.sub(r"url\(#([^)]*)\)", rf"url(#{anchor}-\1)", value)
    value = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value)
    return re.sub(r"#0[123]0[0-9a-f]{3}\b", lambda found: COLOURS.get(found[0], found[0]), value)
