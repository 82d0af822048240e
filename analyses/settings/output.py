"""Flags of the output: folder, formats, seed and progress."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class OutputSettings:
    """Folder and formats of the result, random seed, and progress."""

    out: Path = Path("layerprobe-result")
    """Folder of the result. An earlier result in this folder is replaced."""
    format: tuple[Literal["html", "json", "csv", "markdown"], ...] = ("html",)
    """Files to write from the result: html is report.html, the page; json is report.json, one file for programs with
    claims, notes, provenance and all tables; csv is attributions.csv, one row for the score of each word; markdown is
    summary.md, at most thirty lines for a pull request or model card. The result itself (result.json, tables/*.csv,
    attributions.jsonl) is always written."""
    seed: int = 0
    """Seed of every random draw, such as splits, --limit and bootstrap resampling."""
    quiet: bool = False
    """Show no progress and no notes on stderr. The notes are also in the report."""
