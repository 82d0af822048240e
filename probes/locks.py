"""Locks on files, which one process holds and which its death releases."""

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

OPEN_FLAGS = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
"""Flags of `os.open`, where the system has them: follow no link, wait for no pipe."""


@contextlib.contextmanager
def file_lock(file: Path, purpose: str) -> Iterator[None]:
    """Lock a file that has no other use while the block runs; it is deleted at the end.

    On a file system without locks, other processes are not kept out.

    Args:
        file: File to lock, in a folder that exists; it is created where it does not exist.
        purpose: Work of the process that holds the lock, for the message: `writing to 'out'`.

    Raises:
        InputError: Another process holds the lock, or the path is a link or no file.
        OSError: The file cannot be created or written, for instance because the disk is full; the message names it.
    """
    try:
        descriptor = _open_locked(file, purpose)
    except OSError as error:
        raise OSError(f"cannot write {str(file)!r}: {error.strerror or error}") from error
    _locked_files.add(file)
    try:
        yield
    finally:
        _locked_files.discard(file)
        with contextlib.suppress(OSError):  # Windows deletes no open file
            file.unlink()
        os.close(descriptor)
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                file.unlink()


def delete_lock_files() -> None:
    """Delete the files of all locks of this process, which is about to end without leaving its blocks."""
    for file in tuple(_locked_files):
        with contextlib.suppress(OSError):
            file.unlink()


_locked_files: set[Path] = set()
"""Files of the locks that this process holds."""


def _open_locked(file: Path, purpose: str) -> int:
    """Return the descriptor of the file, open and locked, with the process's number in it."""
    while True:
        descriptor = _open(file)
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            process = f" (process {holder})" if holder.isdecimal() else ""
            raise InputError(
                f"another run{process} is {purpose}; wait until it has finished, or name another folder"
            ) from error
        if os.fstat(descriptor).st_nlink:  # else its last holder deleted it before this process locked it
            _write_holder(file, descriptor)
            return descriptor
        os.close(descriptor)


def _write_holder(file: Path, descriptor: int) -> None:
    """Write the number of this process into a locked file; where that fails, delete the file and release the lock."""
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except OSError:
        with contextlib.suppress(OSError):
            file.unlink()
        os.close(descriptor)
        raise


def _read_holder(descriptor: int) -> str:
    """Read the number of the process that holds a lock; empty where the system cannot read a locked file."""
    if not hasattr(os, "pread"):
        return ""
    return os.pread(descriptor, 20, 0).decode(errors="replace").strip()


def _open(file: Path) -> int:
    """Open the file, creating it where it does not exist; a lock file has no links, since it is written to."""
    flags = os.O_RDWR | os.O_CREAT
    for name in OPEN_FLAGS:
        flags |= getattr(os, name, 0)
    is_lock_file = False
    try:
        descriptor = os.open(file, flags, 0o666)
        status = os.fstat(descriptor)
        is_lock_file = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
        if not is_lock_file:
            os.close(descriptor)
    except OSError:
        if not (file.is_symlink() or file.is_dir()):
            raise
    if not is_lock_file:
        raise InputError(f"{str(file)!r} is needed as a lock file, but is not a regular file; delete it")
    return descriptor


def _lock(descriptor: int) -> None:
    """Lock an open file without waiting.

    Raises:
        BlockingIOError: Another process holds the lock.
    """
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except PermissionError as error:  # Windows reports another process's lock as missing permission
        raise BlockingIOError(str(error)) from error
    except OSError:  # a file system without locks
        return
