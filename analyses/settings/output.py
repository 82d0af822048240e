"""Flags of the output: folder, formats, seed and progress."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class OutputSettings:
    """Where results are written, and what is shown meanwhile."""

    out: Path = Path("layerprobe-result")
    """Folder of the result; an earlier result there is replaced."""
    format: tuple[Literal["html", "json", "csv", "markdown"], ...] = ("html",)
    """Files made from the result: html is the page report.html; json is report.json, one file with claims, notes,
    provenance and all tables for programs; csv is attributions.csv, one row for the score of each word; markdown is
    summary.md, thirty lines for a pull request or model card. The result itself (result.json, tables/*.csv,
    attributions.jsonl) is always written."""
    seed: int = 0
    """Seed of every random draw: splits, limits, resampling."""
    quiet: bool = False
    """Show no progress and no notes on stderr. The report has the notes, too."""
