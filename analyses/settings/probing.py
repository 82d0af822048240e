"""Flags of the floors and controls of probes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeSettings:
    """Floors and controls, with which the accuracy of a probe is compared."""

    controls: bool = True
    """Measure the controls: control tasks with selectivity, V-information, online codelength (MDL), learning curves,
    20 resampled training sets, prediction depth, a probe on all layers together, the minimum detectable difference by
    planted signals, and linear CKA between layers."""
    untrained: int = 3
    """Number of untrained encoders (the same architecture with random weights, one seed each) whose probes are a
    floor. Each needs one more extraction of features; 0 leaves this floor out."""


NO_CONTROLS = ProbeSettings(controls=False, untrained=0)
