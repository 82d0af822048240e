"""`layerprobe report RESULT_DIR [RESULT_DIR ...]`: draw a finished result folder again, or compare several."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import layerprobe
from probes.checks import InputError
from reports import FORMATS, write, write_comparison

COMPARISON = Path("comparison.html")
PAGES = (".html", ".htm")


def main(arguments: Sequence[str] | None = None, prog: str = "python -m reports") -> int:
    """Draw the folder's report, or one page for several folders, and print paths; returns the exit status.

    Args:
        arguments: Words of the command line; those of this process when None.
        prog: How the command is called, in its help and its errors.

    Returns:
        0 where the pages are written, 1 after an error, which is printed on one line.
    """
    about = "Draw the report of a finished result again, or one page that compares several results."
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("folders", nargs="+", type=Path, metavar="RESULT_DIR", help="folder of a finished run")
    files = ", ".join(f"{key} is {name}" for key, (name, _) in FORMATS.items())
    one = f"files to write into the folder of a single result: {files} (default: html)"
    parser.add_argument("--format", nargs="+", choices=FORMATS, help=one)
    several = f"HTML file of the comparison of several results (default: {COMPARISON})"
    parser.add_argument("--out", type=Path, metavar="FILE", help=several)
    options = parser.parse_args(arguments)
    try:
        # Every page is written before anything is printed, which may fail on its own account.
        paths = _written(options.folders, options.format, options.out)
    except InputError as error:
        _tell(str(error))
        return 1
    except OSError as error:
        _tell(str(error))
        return 1
    return _print_paths([path.resolve() for path in paths])


def _print_paths(paths: Sequence[Path]) -> int:
    """Print a path a line, in the bytes of the file system where stdout cannot encode it; returns the exit status."""
    if sys.stdout is None:
        return 0
    try:
        for path in paths:
            try:
                print(path)
            except UnicodeEncodeError:
                sys.stdout.flush()
                sys.stdout.buffer.write(os.fsencode(path) + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe: the pages are written
        _discard_output()
    except OSError as error:
        _discard_output()
        _tell(f"cannot write to stdout: {error.strerror or error}; the pages are written")
        return 1
    return 0


def _discard_output() -> None:
    """Send what is still to be printed nowhere, so that the interpreter does not fail over it when it ends."""
    stream = sys.__stdout__
    if stream is not None and sys.stdout is stream:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tell(error: str) -> None:
    with contextlib.suppress(OSError):
        print(f"error: {' '.join(error.split())}", file=sys.stderr)


def _written(folders: Sequence[Path], formats: Sequence[str] | None, out: Path | None) -> tuple[Path, ...]:
    # A flag that would go unheeded is a mistake.
    if len(folders) == 1:
        if out is not None:
            raise InputError(
                "--out names the comparison of several results; the report of one is written into its own folder"
            )
        return write(folders[0], formats or ("html",))
    if formats is not None:
        raise InputError("--format has no meaning for several results; their comparison is an HTML page")
    if out is not None and out.suffix.lower() not in PAGES:
        raise InputError(f"--out must name an HTML file, found {str(out)!r}")
    return (write_comparison(folders, out or COMPARISON),)


if __name__ == "__main__":
    sys.argv[1:1] = ["report"]
    layerprobe.command()
