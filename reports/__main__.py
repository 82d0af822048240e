"""`python -m reports RESULT_DIR [RESULT_DIR ...]`: draw a finished result folder again, or compare several."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from probes.checks import InputError
from reports import FORMATS, write, write_comparison

COMPARISON = Path("comparison.html")
PAGES = (".html", ".htm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the folder's report, or one page for several folders, and print paths; returns the exit status."""
    about = "Draw the report of a result folder again; of several folders, one page that compares them."
    parser = argparse.ArgumentParser(prog="python -m reports", description=about)
    parser.add_argument("folders", nargs="+", type=Path, metavar="RESULT_DIR", help="a folder that an analysis wrote")
    files = ", ".join(f"{key}: {name}" for key, (name, _) in FORMATS.items())
    parser.add_argument("--format", nargs="+", choices=FORMATS, help=f"of one folder: {files}; html when not given")
    parser.add_argument("--out", type=Path, help=f"of several: where their page goes; {COMPARISON} when not given")
    asked = parser.parse_args(arguments)
    try:
        for path in _written(asked.folders, asked.format, asked.out):
            print(path.resolve())
    except (InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _written(folders: Sequence[Path], formats: Sequence[str] | None, out: Path | None) -> tuple[Path, ...]:
    # A flag that would go unheeded is a mistake.
    if len(folders) == 1:
        if out is not None:
            raise InputError("--out names the page of several folders; the report of one is written into it")
        return write(folders[0], formats or ("html",))
    if formats is not None:
        raise InputError("--format has no meaning for several folders; their comparison is an HTML page")
    if out is not None and out.suffix.lower() not in PAGES:
        raise InputError(f"--out must name an HTML file, found {str(out)!r}")
    return (write_comparison(folders, out or COMPARISON),)


if __name__ == "__main__":
    sys.exit(main())
