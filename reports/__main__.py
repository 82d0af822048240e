"""`python -m reports RESULT_DIR [RESULT_DIR ...]`: draw the page of finished result folders again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from probes.checks import InputError
from reports import write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw each folder's page and print its path; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m reports", description="Draw the report of result folders again.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="RESULT_DIR", help="a folder that an analysis wrote")
    try:
        for folder in parser.parse_args(arguments).folders:
            print(write_report(folder).resolve())
    except (InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
