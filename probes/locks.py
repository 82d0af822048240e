"""A lock that one process holds on a path, and that its death releases."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from probes.checks import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextlib.contextmanager
def locked(file: Path, purpose: str) -> Iterator[None]:
    """Hold `file`, a file of no other use, for as long as the block runs; it is deleted at the end.

    On a file system without locks nothing is held.

    Args:
        file: In a folder that exists.
        purpose: What another process is doing if it holds the file, for the message: `writing to 'out'`.

    Raises:
        InputError: Another process holds it.
        OSError: The file cannot be made.
    """
    descriptor = _held(file, purpose)
    _files.add(file)
    try:
        yield
    finally:
        _files.discard(file)
        with contextlib.suppress(OSError):  # Windows deletes no open file
            file.unlink()
        os.close(descriptor)
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                file.unlink()


def delete_held() -> None:
    """Delete the files of all locks that this process holds, which is about to end without clearing up."""
    for file in tuple(_files):
        with contextlib.suppress(OSError):
            file.unlink()


_files: set[Path] = set()
"""Of the locks that this process holds."""


def _held(file: Path, purpose: str) -> int:
    """The descriptor of the file, open and locked."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() if hasattr(os, "pread") else ""
            os.close(descriptor)
            process = f" (process {holder})" if holder.isdecimal() else ""
            raise InputError(
                f"another run{process} is {purpose} at this moment; wait for its end, or name another folder"
            ) from error
        if os.fstat(descriptor).st_nlink:  # else its last holder deleted it before it was locked here
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Lock an open file without waiting; BlockingIOError where another process holds it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except PermissionError as error:  # Windows says so where another process holds it
        raise BlockingIOError(str(error)) from error
    except OSError:  # a file system without locks
        return
