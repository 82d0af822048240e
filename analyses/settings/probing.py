"""Flags of the reference scores of probes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeSettings:
    """Reference scores for each probe."""

    controls: bool = True
    """Measure what puts the scores into proportion: control tasks, V-information and codelength, learning curves,
    prediction depth, planted signals, and how alike the layers are."""
    untrained: int = 3
    """Number of untrained encoders, each with its own seed, whose probes are a floor. Each takes one more
    extraction."""


NO_CONTROLS = ProbeSettings(controls=False, untrained=0)
