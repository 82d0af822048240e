"""Bounds of the numbers that flags take; a number outside is refused before any work."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from probes.checks import MOST_STEPS, InputError

MOST_TEXTS = 10**12
"""A number of texts that no dataset has."""


@dataclass(frozen=True)
class Bounds:
    """The range of a flag's number, its ends included."""

    lower: float
    upper: float
    above: bool = False
    """Exclude the lower end."""

    def __contains__(self, value: float) -> bool:
        return (self.lower < value if self.above else self.lower <= value) and value <= self.upper

    def fault(self, value: float) -> str:
        """Return the bound that a value outside violates, in words."""
        if value > self.upper:
            return f"at most {_plain(self.upper)}"
        return f"above {_plain(self.lower)}" if self.above else f"{_plain(self.lower)} or more"


def check_bounds(settings: Any) -> None:
    """Check every number of an analysis's settings, or of a group of them, against its bounds.

    Raises:
        InputError: A number lies outside; the flag, its bounds and the number are named.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            check_bounds(value)
            continue
        bounds = BOUNDS.get(field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if bounds is not None and isinstance(number, int | float) and number not in bounds:
                flag = f"--{field.name.replace('_', '-')}"
                raise InputError(f"{flag} must be {bounds.fault(number)}, found {_plain(number)}")


def _plain(number: float) -> str:
    if isinstance(number, float) and not (math.isfinite(number) and number == int(number) and abs(number) < 1e16):
        return f"{number:g}"
    text = str(int(number))
    return text if len(text) <= 30 else f"a number of {len(text.lstrip('-'))} digits"


BOUNDS: dict[str, Bounds] = {
    "limit": Bounds(1, MOST_TEXTS),
    "folds": Bounds(2, MOST_TEXTS),
    "layer": Bounds(0, 10_000),
    "layers": Bounds(0, 10_000),
    "max_length": Bounds(1, 1_000_000),
    "workers": Bounds(1, 100_000),
    "untrained": Bounds(0, 1000),
    "seed": Bounds(0, 2**32 - 1),
    "attribute": Bounds(0, MOST_TEXTS),
    "words": Bounds(0, MOST_TEXTS),
    "erase": Bounds(0, MOST_TEXTS),
    "max_steps": Bounds(1, MOST_STEPS),
    "seeds": Bounds(1, 1000),
    "epochs": Bounds(1, 10_000),
    "batch_size": Bounds(1, 1_000_000),
    "learning_rate": Bounds(0, 1, above=True),
    "measured": Bounds(2, MOST_TEXTS),
    "explained": Bounds(0, MOST_TEXTS),
}
"""Field of a flag -> its bounds. A tighter bound, such as a model's number of layers, is checked later."""
