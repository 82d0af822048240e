"""Bars from the output at the baseline to the output at the text: what the scores of a text add up to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from probes.results.result import Attribution
from reports.blocks import OutputBar
from reports.text.wording import name, signed


@dataclass(frozen=True)
class OutputRange:
    """Lowest and highest output of one unit on a page, zero included."""

    lowest: float
    highest: float

    def position(self, output: float) -> float:
        """Return where an output lies in the range, from 0 to 100."""
        span = self.highest - self.lowest
        share = (output - self.lowest) / span if span > 0 else 0.0
        return round(100 * min(1.0, max(0.0, share)), 1)


def output_ranges(attributions: Sequence[Attribution]) -> dict[str, OutputRange]:
    """Return unit -> range of all outputs at texts and baselines."""
    outputs_by_unit = dict[str, list[float]]()
    for a in attributions:
        outputs = outputs_by_unit.setdefault(a.unit, [0.0])
        for output in (a.output, a.baseline_output):
            if output is not None and math.isfinite(output):
                outputs.append(output)
    return {unit: OutputRange(min(outputs), max(outputs)) for unit, outputs in outputs_by_unit.items()}


def output_bar(a: Attribution, ranges: Mapping[str, OutputRange]) -> OutputBar | None:
    """Return the bar of an attribution; None for a method without a baseline."""
    if a.unit not in ranges or a.baseline_output is None:
        return None
    if not math.isfinite(a.output) or not math.isfinite(a.baseline_output):
        return None
    unit_range = ranges[a.unit]
    return OutputBar(
        zero=unit_range.position(0.0),
        baseline=unit_range.position(a.baseline_output),
        output=unit_range.position(a.output),
        description=f"{name(a.unit)} {signed(a.baseline_output)} at the baseline, {signed(a.output)} at the text",
    )
