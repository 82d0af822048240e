"""A score among the floors, or a difference around 0, on one line: drawings for a cell of a table."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping

from reports.charts.canvas import COLOURS, GRID, INK, MUTED, SURFACE
from reports.text.wording import confidence, legal, percent, points

WIDTH, HEIGHT = 132.0, 26.0
MARGIN = 7.0
"""Free pixels at both ends, so that a dot at an end of the scale is whole."""


def strip_scale(accuracies: list[float]) -> tuple[float, float]:
    """Return the lowest and highest accuracy of the scale that all strips of a table share, in whole tenths."""
    finite = [accuracy for accuracy in accuracies if math.isfinite(accuracy)]
    low = math.floor(10 * min(finite, default=0.0)) / 10
    high = math.ceil(10 * max(finite, default=1.0)) / 10
    return (low, high) if low < high else (max(0.0, low - 0.1), min(1.0, high + 0.1))


def strip(
    accuracy: float,
    interval: tuple[float, float] | None,
    floors: Mapping[str, float],
    scale: tuple[float, float],
    *,
    colour: str,
    anchor: str,
) -> str:
    """Draw the floors as ticks, and the score as a dot on its 95 % interval.

    Args:
        accuracy: Test accuracy.
        interval: Its 95 % confidence interval.
        floors: Name of each floor -> its test accuracy.
        scale: Lowest and highest accuracy, see `strip_scale`.
        colour: Placeholder of the dot's colour.
        anchor: Name of the drawing on the page.

    Returns:
        The drawing as an SVG element.
    """
    middle = HEIGHT / 2
    dot = COLOURS[colour]
    marks = [_line(MARGIN, middle, WIDTH - MARGIN, middle, COLOURS[GRID], 1.5)]
    for name, floor in floors.items():
        if math.isfinite(floor):
            x = _position(floor, scale)
            title = f"<title>{_escaped(f'{name} {percent(floor)}')}</title>"
            tick = _line(x, middle - 7, x, middle + 7, COLOURS[MUTED], 2)
            area = f'<rect x="{x - 4:.1f}" y="0" width="8" height="{HEIGHT:g}" fill-opacity="0"/>'
            marks.append(f'<g class="point">{title}{tick}{area}</g>')
    if interval is not None and all(map(math.isfinite, interval)):
        lower, upper = interval
        marks.append(_line(_position(lower, scale), middle, _position(upper, scale), middle, dot, 3))
    if math.isfinite(accuracy):
        circle = f'<circle cx="{_position(accuracy, scale):.1f}" cy="{middle:g}" r="5.5" style="fill: {dot}"/>'
        marks.append(f"<g><title>{_escaped(f'probe {percent(accuracy)}')}</title>{circle}</g>")
    numbers = ", ".join(f"{name} {percent(floor)}" for name, floor in floors.items())
    label = f"{anchor}-title {anchor}-desc"
    titles = (
        f'<title id="{anchor}-title">Test accuracy {percent(accuracy)} among the floors</title>'
        f'<desc id="{anchor}-desc">Floors: {_escaped(numbers or "none")}.</desc>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="strip" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-labelledby="{label}">{titles}{"".join(marks)}</svg>'
    )


def difference_scale(differences: list[float]) -> float:
    """Return the end of the scale that all difference strips of a table share: a whole number of points, as a share."""
    finite = [abs(difference) for difference in differences if math.isfinite(difference)]
    return max(1, math.ceil(100 * max(finite, default=0.0))) / 100


def difference_strip(difference: float, interval: tuple[float, float], end: float, *, anchor: str) -> str:
    """Draw a difference as a dot on its 95 % interval, with a tick at 0; the dot is hollow where the interval holds 0.

    Args:
        difference: Difference of two shares.
        interval: Its 95 % confidence interval.
        end: End of the scale, which goes from minus this number to it; see `difference_scale`.
        anchor: Name of the drawing on the page.

    Returns:
        The drawing as an SVG element.
    """
    middle = HEIGHT / 2
    scale = (-end, end)
    dot = COLOURS[INK]
    zero = _position(0.0, scale)
    marks = [
        _line(MARGIN, middle, WIDTH - MARGIN, middle, COLOURS[GRID], 1.5),
        _line(zero, middle - 9, zero, middle + 9, COLOURS[MUTED], 1.5),
    ]
    lower, upper = interval
    if math.isfinite(lower) and math.isfinite(upper):
        marks.append(_line(_position(lower, scale), middle, _position(upper, scale), middle, dot, 3))
    if math.isfinite(difference):
        face = COLOURS[SURFACE] if lower <= 0 <= upper else dot
        centre = f'cx="{_position(difference, scale):.1f}" cy="{middle:g}"'
        marks.append(f'<circle {centre} r="5" style="fill: {face}; stroke: {dot}; stroke-width: 2"/>')
    titles = (
        f'<title id="{anchor}-title">Difference {points(difference)} points</title>'
        f'<desc id="{anchor}-desc">95 % CI {confidence(interval)}.</desc>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="strip" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-labelledby="{anchor}-title {anchor}-desc">{titles}{"".join(marks)}</svg>'
    )


def _position(accuracy: float, scale: tuple[float, float]) -> float:
    """Return the x of an accuracy, inside the drawing."""
    low, high = scale
    share = min(1.0, max(0.0, (accuracy - low) / (high - low)))
    return MARGIN + share * (WIDTH - 2 * MARGIN)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}" style="stroke: {colour}; stroke-width: {width:g}"/>'
    )


def _escaped(text: str) -> str:
    return html.escape(legal(text))
