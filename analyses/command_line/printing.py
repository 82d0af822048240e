"""Lines on stdout and stderr that survive a closed pipe, a full disk and a terminal without the letters of a path."""

from __future__ import annotations

import contextlib
import io
import os
import sys


def show(line: str) -> None:
    """Write a line to stdout, now.

    A character that the encoding of stdout lacks is written in the bytes of the file system, so that a path stays the
    path that it is.

    Raises:
        OSError: Nobody reads it, or the disk is full.
    """
    if sys.stdout is None:
        return
    try:
        print(line, flush=True)
    except UnicodeEncodeError:
        sys.stdout.buffer.write(os.fsencode(line) + b"\n")
        sys.stdout.flush()


def tell(line: str) -> None:
    """Write a line to stderr, where somebody reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def discard_stdout() -> None:
    """Send what stdout still holds nowhere, so that Python does not try again at its end."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
