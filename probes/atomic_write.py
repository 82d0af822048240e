"""Files that appear under their name only when all of their content is on disk.

The content goes to a part file beside the path, which is then renamed. A writer holds a lock on its part file, so that
files of killed writers can be told from those of running ones and deleted.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from glob import escape
from pathlib import Path
from socket import gethostname
from typing import BinaryIO
from uuid import uuid4

if sys.platform != "win32":  # on Windows a killed writer's part file stays until its folder is deleted
    import fcntl

PART_SUFFIX = ".part"
RETRY_DELAYS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds to wait before each further attempt to replace a file that another process has open."""


def write_atomically(path: Path, content: bytes, *, permissions: int | None = None) -> None:
    """Write a file, replacing an earlier one, so that a reader never sees a part of it.

    Args:
        path: File to write, in a folder that exists.
        content: All of its content.
        permissions: Mode bits of the file; the process's default for new files when None.

    Raises:
        OSError: It cannot be written; the message names the path, no part file remains, an earlier file stays.
    """
    try:
        _write(path, content, permissions)
    except OSError as error:
        raise OSError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def delete_abandoned_parts(folder: Path) -> None:
    """Delete the part files that killed writers of this machine left in a folder; running writers hold a lock."""
    if sys.platform == "win32":
        return
    for part in folder.glob(f".*.{escape(gethostname())}.*{PART_SUFFIX}"):
        with contextlib.suppress(OSError), part.open("rb") as abandoned:
            fcntl.flock(abandoned, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)


def _write(path: Path, content: bytes, permissions: int | None) -> None:
    file, part = _new_part(path)
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if permissions is not None:
                part.chmod(permissions)
            if sys.platform != "win32":  # while the lock is held
                _replace(part, path, content)
        if sys.platform == "win32":  # Windows renames no open file
            _replace(part, path, content)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _new_part(path: Path) -> tuple[BinaryIO, Path]:
    """Open and lock a new file beside `path`: any process may delete a part file without a running writer's lock."""
    while True:
        # Files of `tempfile` are readable by their owner alone, and a cache may belong to a group.
        part = path.with_name(f".{path.name}.{gethostname()}.{uuid4().hex}{PART_SUFFIX}")
        file = part.open("xb")
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if not os.fstat(file.fileno()).st_nlink:  # deleted by another process before it was locked
                file.close()
                continue
        return file, part


def _replace(part: Path, path: Path, content: bytes) -> None:
    """Rename `part`, which holds `content`, to `path`.

    Windows does not replace a file that another process has open. Where the open file has the same content, another
    process has finished it, and nothing is left to do; otherwise the attempt is repeated until its reader closes it.

    Raises:
        PermissionError: The content differs, and the file cannot be replaced.
    """
    for delay in (*RETRY_DELAYS, None):
        try:
            part.replace(path)
            return
        except PermissionError:
            if path.is_file() and path.read_bytes() == content:
                part.unlink()
                return
            if delay is None or not path.exists():  # the refusal has another reason than a reader
                raise
            time.sleep(delay)
