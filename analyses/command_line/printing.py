"""Lines on stdout and stderr that survive a closed pipe, a full disk and a terminal without the letters of a path."""

from __future__ import annotations

import contextlib
import io
import os
import sys


def show(line: str) -> None:
    """Write a line to stdout and flush it.

    A character that the encoding of stdout lacks is written in the bytes of the file system, so that paths stay valid.

    Raises:
        OSError: The reader of stdout has closed it, or the disk is full.
    """
    if sys.stdout is None:
        return
    try:
        print(line, flush=True)
    except UnicodeEncodeError:
        sys.stdout.buffer.write(os.fsencode(line) + b"\n")
        sys.stdout.flush()


def tell(line: str) -> None:
    """Write a line to stderr; do nothing if nobody reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def discard_stdout() -> None:
    """Discard the unwritten lines of stdout, so that Python does not try to write them at exit."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
