"""Result folders to one self-contained HTML file, or to a few lines of Markdown, without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.results.result import AnalysisResult
    from reports.export.notebook import Drawings, Page

__all__ = [
    "FORMATS",
    "compare_reports",
    "drawings",
    "markdown",
    "page",
    "render_report",
    "warnings",
    "write",
    "write_comparison",
    "write_report",
]


def render_report(result: AnalysisResult) -> str:
    """Return the page of a result: one HTML document that needs nothing but a browser."""
    # Drawing libraries take seconds to import and are not needed to name this package.
    from reports.export.html import render

    return render(result)


def compare_reports(results: Sequence[Path | AnalysisResult]) -> str:
    """Return one page for several results or result folders: models, checkpoints or datasets side by side.

    Raises:
        InputError: There are fewer than two, one is there twice, or a folder holds no result.
    """
    from reports.comparison.side_by_side import Together
    from reports.export.html import render_comparison

    return render_comparison(Together.of(results))


def markdown(result: AnalysisResult) -> str:
    """Return a result in at most thirty lines of Markdown, for a pull request or a model card."""
    from reports.export.markdown import summary

    return summary(result)


def warnings(result: AnalysisResult) -> tuple[str, ...]:
    """Return the caveats that a reader must know before using a number; the page shows them too."""
    from reports.lookup import View
    from reports.sections.caveats import sentences

    return sentences(View(result))


def drawings(result: AnalysisResult) -> Drawings:
    """Return the page's drawings by name; each displays itself in a notebook."""
    from reports.export.notebook import Drawings

    return Drawings.of(result)


def page(*results: AnalysisResult) -> Page:
    """Return the whole page for a notebook; for several results, the page that compares them."""
    from reports.export.notebook import Page

    return Page(render_report(*results) if len(results) == 1 else compare_reports(results))


def write_report(folder: Path) -> Path:
    """Draw the page of a result folder into it, as `report.html`; an earlier page is replaced whole.

    Raises:
        InputError: `folder` is not a result folder.
        OSError: The page cannot be written; an earlier one stays.
    """
    return write(folder, ("html",))[0]


def write(folder: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write a result folder's content into it again, in each of these formats; earlier files are replaced whole.

    Raises:
        InputError: `folder` is not a result folder, or a format is not among `FORMATS`.
        OSError: A file cannot be written; an earlier one stays.
    """
    from probes.checks import choose
    from probes.results.result import AnalysisResult

    chosen = {key: choose("format", key, FORMATS) for key in formats}
    result = AnalysisResult.load(folder)
    rights = (folder / "result.json").stat().st_mode & 0o777
    return tuple(_put(folder / name, make(result), rights) for name, make in chosen.values())


def write_comparison(folders: Sequence[Path], target: Path) -> Path:
    """Write the page of several result folders; an earlier one is replaced whole.

    Raises:
        InputError: A folder holds no result, one is there twice, or there are fewer than two.
        OSError: The page cannot be written; an earlier one stays.
    """
    return _put(target, compare_reports(folders))


def _put(target: Path, text: str, rights: int | None = None) -> Path:
    """Write a file of a page, in a folder that exists."""
    if not target.parent.is_dir():
        from probes.checks import InputError

        raise InputError(f"there is no folder {str(target.parent)!r} to write {target.name} into")
    from probes.atomic_write import write_atomically

    write_atomically(target, text.encode(), permissions=rights)
    return target


def _records(result: AnalysisResult) -> str:
    from reports.export.data import records

    return records(result)


def _words(result: AnalysisResult) -> str:
    from reports.export.data import word_rows

    return word_rows(result)


FORMATS: Mapping[str, tuple[str, Callable[[AnalysisResult], str]]] = {
    "html": ("report.html", render_report),
    "json": ("report.json", _records),
    "csv": ("attributions.csv", _words),
    "markdown": ("summary.md", markdown),
}
"""Format -> its file in the result folder, and what makes it; `analyses.settings.output` names the same ones."""
