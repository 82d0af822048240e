"""A finished file put in its place, also where the system refuses that while somebody reads the old one."""

from __future__ import annotations

import time
from pathlib import Path

WAITS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between tries."""


def put_in_place(part: Path, path: Path, content: bytes) -> None:
    """Rename `part`, which holds `content`, to `path`.

    Windows replaces no file that is open elsewhere. Where the file there is the same, another process has finished it
    and nothing is left to do; otherwise its reader is waited for.

    Raises:
        PermissionError: The file is another one, and cannot be replaced.
    """
    for wait in (*WAITS, None):
        try:
            part.replace(path)
            return
        except PermissionError:
            if path.is_file() and path.read_bytes() == content:
                part.unlink()
                return
            if wait is None or not path.exists():  # nobody reads what is not there
                raise
            time.sleep(wait)
