"""A result folder to one self-contained HTML file, without torch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.results import AnalysisResult

__all__ = ["render_report", "warnings", "write_report"]


def render_report(result: AnalysisResult) -> str:
    """The page of a result: one HTML document that needs nothing but a browser."""
    # Drawing libraries take seconds to import and are not needed to name this package.
    from reports.render import render

    return render(result)


def warnings(result: AnalysisResult) -> tuple[str, ...]:
    """What a reader must know before using a number, a sentence each; the page shows them too."""
    from reports.answers import cares

    return cares(result)


def write_report(folder: Path) -> Path:
    """Draw the page of a result folder into it, as `report.html`; an earlier page is replaced whole.

    Raises:
        InputError: `folder` is not a result folder.
        OSError: The page cannot be written; an earlier one stays.
    """
    from probes.results import AnalysisResult

    page = render_report(AnalysisResult.load(folder))
    target = folder / "report.html"
    handle, part = tempfile.mkstemp(prefix=".report.", suffix=".html", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(page)
        # A temporary file is its owner's alone; the page takes the rights of the result beside it.
        Path(part).chmod((folder / "result.json").stat().st_mode & 0o777)
        Path(part).replace(target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return target
