"""Colours, markers and names of what is drawn: poolings, encoders, heads, attribution methods and kinds of token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from reports.charts.canvas import HEADS, INK, MUTED, NAMES, OTHERS, RAMP, RUNS, STYLES
from reports.text import wording

LETTER = 7.2
"""Average width of a letter in pixels, at most."""
WIDTH = 404.0
"""Width of a drawing in pixels, so that a phone shows it whole."""
MOST_TICKS = 8
"""Number of tick labels that fit below a drawing of that width."""

METHODS = {
    "integrated_gradients": STYLES["cls"],
    "occlusion": STYLES["mean"],
    "gradient_shap": STYLES["pooler"],
    "direct": STYLES["last"],
    "input_x_gradient": OTHERS[0],
    "gradient_norm": OTHERS[1],
}
"""Attribution method -> colour and marker."""
TOKEN_KINDS = {
    "content": (RAMP[3], INK),
    "punctuation": (OTHERS[1][0], OTHERS[1][0]),
    "other special": (OTHERS[2][0], OTHERS[2][0]),
    "[SEP]": (STYLES["last"][0], STYLES["last"][0]),
    "[CLS]": (STYLES["cls"][0], STYLES["cls"][0]),
}
"""Kind of token, from the bottom of a bar to its top -> colour of its part, colour of its name."""
DASHED, DOTTED = (0, (5, 4)), (0, (1, 2))
"""Line styles of floors: of one number, and of one that depends on the layer."""


@dataclass(frozen=True)
class Style:
    """Name, colour, marker and line of a series."""

    name: str
    colour: str
    marker: str = "o"
    floor: Literal["dashed", "dotted"] | None = None
    """Line of a series that the others are compared with, drawn without markers; None for the others."""
    dashed: bool = False


def colour_name(colour: str) -> str:
    """Return the name of a colour in the style sheet, as in `mean` for `var(--mean, ...)`."""
    return NAMES[colour]


def styles_of_poolings(poolings: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the colour and marker of each pooling, the same in every drawing for those that are known."""
    keys = list(dict.fromkeys(poolings))
    unknown = [key for key in keys if key not in STYLES]
    return {key: STYLES.get(key) or OTHERS[unknown.index(key) % len(OTHERS)] for key in keys}


def styles_of_models(models: Iterable[str]) -> dict[str, Style]:
    """Return the styles of encoders before and after fine-tuning; heads have colours of their own."""
    fixed = {"pretrained": (INK, "o"), "untrained": (MUTED, "o"), **HEADS}
    keys = list(dict.fromkeys(models))
    unknown = [key for key in keys if key not in fixed]
    styles = dict[str, Style]()
    for key in keys:
        colour, marker = fixed.get(key) or OTHERS[unknown.index(key) % len(OTHERS)]
        styles[key] = Style(wording.model(key), colour, marker, floor="dotted" if key == "untrained" else None)
    return styles


def styles_of_heads(heads: Iterable[str]) -> dict[str, Style]:
    """Return the styles of fine-tuned heads, in the colours of their encoders."""
    styles = styles_of_models(heads)
    return {key: Style(wording.short_head(key), style.colour, style.marker) for key, style in styles.items()}


def styles_of_methods(methods: Iterable[str]) -> dict[str, Style]:
    """Return the styles of attribution methods; a random order is a dashed floor."""
    styles = dict[str, Style]()
    for key in dict.fromkeys(methods):
        colour, marker = METHODS.get(key, OTHERS[2])
        is_random = key == "random"
        colour = MUTED if is_random else colour
        styles[key] = Style(wording.method(key), colour, marker, floor="dashed" if is_random else None)
    return styles


def styles_of_runs(runs: Iterable[str]) -> dict[str, Style]:
    """Return the styles of the runs of a comparison; those beyond the number of colours are dashed."""
    styles = dict[str, Style]()
    for position, run in enumerate(runs):
        colour, marker = RUNS[position % len(RUNS)]
        styles[run] = Style(run, colour, marker, dashed=position >= len(RUNS))
    return styles
