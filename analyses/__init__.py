"""Analyses that the command line runs: every module of this folder with a `Settings` and a `run` is one.

Research code calls `describe_sweep`: it makes of a sweep what `layerprobe layers` makes of its own, a result to save.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyses.sweep import describe_sweep

__all__ = ["describe_sweep"]


def __getattr__(name: str) -> Any:
    if name != "describe_sweep":
        raise AttributeError(f"module 'analyses' has no attribute {name!r}")
    from analyses.sweep import describe_sweep  # loads torch

    return describe_sweep


def __dir__() -> list[str]:
    return sorted(__all__)
