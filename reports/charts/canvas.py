"""Drawings in the page's own colours: matplotlib's `Figure` objects to SVG text.

Nothing here touches pyplot or leaves a setting behind. Every drawing is made with placeholder colours, which become
CSS variables, so that one drawing serves the light and the dark page; its ids begin with its own name, so that
several share a page. Texts stay texts.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

from reports.framing import day_colours
from reports.text.wording import legal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, SURFACE = "#010101", "#010102", "#010103", "#010104"
RAMP = tuple(f"#0201{level:02x}" for level in range(1, 10))
LOW_TEXT, HIGH_TEXT = "#010105", "#010106"
STYLES = {"cls": ("#030101", "o"), "mean": ("#030102", "s"), "pooler": ("#030103", "D"), "last": ("#030104", "^")}
OTHERS = (("#030105", "v"), ("#030106", "P"), ("#030107", "X"))
HEADS = {"cls": ("#030401", "o"), "mean": ("#030402", "s"), "pooler": ("#030403", "D")}
"""Colour and marker of each fine-tuned head: no pooling and no kind of token has these colours."""
RUNS = tuple((f"#03030{i}", marker) for i, marker in enumerate("osDv^P", start=1))
"""Colour and marker of each run of a comparison: no pooling and no verdict has these colours."""
FOR, AGAINST = "#030201", "#030202"
"""Scores for a class and against it, as in the explained texts: no pooling has these colours."""
NAMES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "line",
    SURFACE: "surface",
    LOW_TEXT: "ramp-low",
    HIGH_TEXT: "ramp-high",
    FOR: "for-line",
    AGAINST: "against-line",
    **{colour: f"ramp-{level}" for level, colour in enumerate(RAMP, start=1)},
    **{colour: key for key, (colour, _) in STYLES.items()},
    **{colour: f"other-{i}" for i, (colour, _) in enumerate(OTHERS, start=1)},
    **{colour: f"head-{key}" for key, (colour, _) in HEADS.items()},
    **{colour: f"run-{i}" for i, (colour, _) in enumerate(RUNS, start=1)},
}
"""Placeholder -> name of the colour in the style sheet."""
COLOURS = {colour: f"var(--{key}, {day_colours()[key]})" for colour, key in NAMES.items()}
"""Placeholder -> what the page paints: a CSS variable, with the light page's colour for a drawing that stands alone."""

SIZE = 13.5
"""Font size; a drawing's unit is one CSS pixel at its natural size."""
GAP = 16.0
TOLD = "told:"


@dataclass(frozen=True)
class Label:
    """Text alternative of a drawing, and its anchor on the page."""

    anchor: str
    title: str
    description: str


@contextmanager
def blank(width: float, height: float) -> Iterator[Figure]:
    """Yield a blank figure of that many CSS pixels, with matplotlib's own defaults whatever the user's settings are."""
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


def plain_axes(figure: Figure, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Return axes with these margins, in pixels, and nothing painted behind them."""
    width, height = figure.get_size_inches() * 72
    figure.patch.set_visible(False)
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height))
    axes.patch.set_visible(False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=5)
    return axes


def ticks(axes: Axes, layers: Sequence[int]) -> None:
    """Label at most thirteen layers, the first and the last included where they fit."""
    axes.set_xticks(list(layers)[:: 1 + (len(layers) - 1) // 13])
    axes.set_xlim(layers[0] - 0.3, layers[-1] + 0.3)
    axes.set_xlabel("layer (0 = embeddings)" if layers[0] == 0 else "layer")
    axes.set_ylabel("")


def heading(axes: Axes, text: str) -> None:
    """Write the quantity of the y axis above it, where it is read without turning the head."""
    axes.annotate(text, (0, 1), (-34, 12), "axes fraction", "offset pixels", color=MUTED)


def name_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], *, last: float) -> None:
    """Write names at the right end of lines, moved apart where they would overlap."""
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


def hover(
    axes: Axes,
    x: Iterable[float],
    y: Iterable[float],
    texts: Iterable[str],
    *,
    size: float = 14,
    marker: str = "o",
    attributes: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Add the text that appears where one points at each of these positions; nothing is painted there.

    Args:
        axes: Axes with the positions.
        x: Positions across.
        y: Positions up.
        texts: Text of each position.
        size: Width of the area around each position, in pixels.
        marker: Shape of this area, as in matplotlib.
        attributes: Attributes of each position for the script of the page, such as `data-task`; none when None.
    """
    all_texts = list(texts)
    spots = axes.scatter(list(x), list(y), s=size**2, color=SURFACE, marker=marker, linewidths=0, zorder=9)
    # An address of no kind that exists: the only words that a point of a drawing can carry into its SVG.
    addresses = list[str]()
    for text, pairs in zip(all_texts, attributes or [{}] * len(all_texts), strict=True):
        parts = (quote(text), *(f"{key}={quote(value)}" for key, value in pairs.items()))
        addresses.append(f"{TOLD}{'&'.join(parts)}")
    spots.set_urls(addresses)


def _apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Return increasing positions, each at least `GAP` above the previous one, inside [low, high] where they fit."""
    placed: list[float] = []
    for position in wanted:
        placed.append(max(position, placed[-1] + GAP if placed else low))
    ceiling = high
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - GAP
    return placed


def svg_text(figure: Figure, label: Label) -> str:
    """Return the figure as an SVG element that can stand beside others in one page."""
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
    _tell(root)
    _slim(root)
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


def _tell(root: ElementTree.Element) -> None:
    """Turn each point's address into its title and attributes, and leave nothing of it to be seen."""
    for parent in list(root.iter()):
        for index, link in enumerate(parent):
            address = link.attrib.get("href", "")
            if link.tag == "a" and address.startswith(TOLD):
                text, *pairs = address.removeprefix(TOLD).split("&")
                point = ElementTree.Element("g", {"class": "point", "fill": "#000", "fill-opacity": "0"})
                for pair in pairs:
                    key, _, value = pair.partition("=")
                    point.attrib[key] = legal(unquote(value))
                title = ElementTree.SubElement(point, "title")
                title.text = legal(unquote(text))
                for mark in link:
                    mark.attrib.pop("style", None)
                    point.append(mark)
                parent[index] = point


def _slim(root: ElementTree.Element) -> None:
    """Leave out ids that nothing refers to, groups that hold nothing, and turns by no angle."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    wanted = {match for value in values for match in re.findall(r"^#(.+)|url\(#(.+?)\)", value) for match in match}
    for element in list(root.iter()):
        if element.attrib.get("id") not in wanted:
            element.attrib.pop("id", None)
        if element.attrib.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        for child in [group for group in element if group.tag == "g" and not len(group)]:
            element.remove(child)


def _own(key: str, value: str, anchor: str) -> str:
    """Return an attribute with ids of this figure only, the page's colours and the page's font."""
    if key == "id":
        return f"{anchor}-{value}"
    if value.startswith("#") and key.endswith("href"):
        return f"#{anchor}-{value[1:]}"
    value = re.sub(r"url\(#([^)]*)\)", rf"url(#{anchor}-\1)", value)
    # Written apart or in one, as matplotlib's version has it.
    value = re.sub(r"font-family: [^;]*;? ?", "", re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value))
    return re.sub(r"#0[123]0[0-9a-f]{3}\b", lambda match: COLOURS.get(match[0], match[0]), value)
