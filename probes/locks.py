"""A lock that one process holds on a path, and that its death releases."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from probes.checks import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CARE = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
"""Flags of `os.open`, where the system has them: follow no link, wait for no pipe."""


@contextlib.contextmanager
def locked(file: Path, purpose: str) -> Iterator[None]:
    """Hold `file`, a file of no other use, for as long as the block runs; it is deleted at the end.

    On a file system without locks nothing is held.

    Args:
        file: In a folder that exists.
        purpose: Work of another process that holds the file, for the message: `writing to 'out'`.

    Raises:
        InputError: Another process holds it, or something else stands under its name.
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
        descriptor = _opened(file)
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


def _opened(file: Path) -> int:
    """The descriptor of the file, made where there is none; it is written to, and so must be nothing else's."""
    own = False
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | sum(getattr(os, flag, 0) for flag in CARE), 0o666)
        status = os.fstat(descriptor)
        own = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
        if not own:
            os.close(descriptor)
    except OSError:
        if not file.is_symlink():
            raise
    if not own:
        raise InputError(f"{str(file)!r} is needed as a lock, and is a link or no file; delete it")
    return descriptor


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
