"""A number by layer and pooling as a drawing with its description."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.blocks import Drawing
from reports.charts import layer_lines
from reports.charts.canvas import Label
from reports.lookup import View
from reports.text import wording
from reports.text.wording import (
    decimal,
)


def layer_drawing(
    view: View,
    curve: pd.DataFrame,
    anchor: str,
    title: str,
    *,
    quantity: str,
    digits: int,
    caption: str = "Bands: 95 % intervals. Dashed grey: none.",
) -> tuple[Drawing, ...]:
    """Return a number by layer and pooling as a drawing; nothing for a single layer."""
    if curve["layer"].nunique() < 2:
        return ()
    words: list[str] = []
    for key, of_pooling in curve.groupby("pooling", sort=False):
        called = wording.pooling(str(key), random_pooler=view.random_pooler)
        numbers: Any = zip(of_pooling["layer"], of_pooling["value"], strict=True)
        words.append(f"{called}: " + ", ".join(f"layer {layer} {decimal(number, digits)}" for layer, number in numbers))
    label = Label(anchor, title, "; ".join(words) + ".")
    return (
        Drawing(layer_lines.layer_lines(curve, label, quantity=quantity, random_pooler=view.random_pooler), caption),
    )
