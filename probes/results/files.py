"""Result folders on disk: plain names, safe reading of files, and the replacement of one folder by another."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from probes.checks import InputError, check_writable, short_repr
from probes.results.typed_json import MisfitError, parse_json

SUMMARY = "result.json"
"""File with the settings, claims and provenance of a result, and the list of its files."""
TABLES = "tables"
"""Folder of the tables."""
ATTRIBUTIONS = "attributions.jsonl"
"""File of the attributions, one a line."""
REDRAWN = ("report.html", "report.json", "attributions.csv", "summary.md")
"""Files that `reports` writes into a result folder."""
SET_ASIDE = ".old"
"""Ending of the name under which an earlier result lies while a new one takes its place."""
MOST_BYTES = 4 * 1024**3
"""Largest size of a file of a result."""
MOST_SUMMARY_BYTES = 256 * 1024**2
LONGEST_NAME = 150
_FORBIDDEN = frozenset('/\\:*?"<>|')
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", "conin$", "conout$", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10)))
)


def check_names(names: Iterable[object], kind: str, reserved: Iterable[str] = ()) -> None:
    """Raise unless all names are plain file names on every system, and no two name the same file.

    Args:
        names: Names of files or tables.
        kind: Noun for them in messages.
        reserved: Names that must not be used.

    Raises:
        MisfitError: A name is not plain, is reserved, or differs from another one in case alone.
    """
    taken = {_folded(name): name for name in reserved}
    for name in names:
        reason = _fault(name)
        if reason:
            raise MisfitError(f"the {kind} name {short_repr(name)} {reason}; use letters, digits, - and _")
        key = _folded(str(name))
        if key in taken:
            raise MisfitError(f"the {kind} name {short_repr(name)} is already used, by {taken[key]!r}")
        taken[key] = str(name)


def _fault(name: object) -> str:
    """Return why a name is not a plain file name; empty for a plain one."""
    if not isinstance(name, str):
        return "is not text"
    if not name:
        return "is empty"
    if name.startswith("."):
        return "begins with a dot"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a blank or a dot"
    if not name.isprintable() or _FORBIDDEN & set(name):
        return "has a character that is not allowed in a file name"
    if len(name.encode("utf-8")) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} bytes"
    if name.partition(".")[0].strip().casefold() in _DEVICES:
        return "is the name of a device"
    return ""


def _folded(name: str) -> str:
    """Return a form that is equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def read_bytes(folder: Path, name: str, max_bytes: int = MOST_BYTES) -> bytes:
    """Read a regular file of a result folder; links, devices, pipes and folders are refused.

    Args:
        folder: Folder of the result.
        name: Path of the file in it, with `/` between its parts.
        max_bytes: Largest size that is read.

    Raises:
        InputError: The file is missing, is not a regular file, is too large, or cannot be read.
    """
    path = folder.joinpath(*name.split("/"))
    try:
        for parent in path.parents:
            is_inside = parent != folder and folder in parent.parents
            if is_inside and not stat.S_ISDIR(parent.lstat().st_mode):
                raise InputError(f"{str(parent)!r} is not a folder but a link; a result contains no links")
        if not stat.S_ISREG(path.lstat().st_mode):
            raise InputError(
                f"{str(path)!r} is not a regular file; a result contains no links, devices, pipes or folders"
            )
        # If the file becomes a pipe or a link meanwhile, do not wait for it and do not follow it.
        flags = ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY", "O_CLOEXEC")
        descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{str(path)!r} is not a regular file")
            if status.st_size > max_bytes:
                raise InputError(
                    f"{str(path)!r} is damaged: it has {status.st_size:,} bytes, and at most {max_bytes:,} are allowed"
                )
            return file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise InputError(f"{str(path)!r} is missing, so that the result is damaged; run the analysis again") from error
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def digest(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Read `result.json`; return None where it is not the summary of a result.

    Raises:
        InputError: The file cannot be read.
    """
    content = read_bytes(folder, SUMMARY, MOST_SUMMARY_BYTES)
    try:
        summary = parse_json(content)
    except MisfitError:
        return None
    is_summary = isinstance(summary, dict) and {"format", "provenance", "files", "tables"} <= set(summary)
    return summary if is_summary else None


def check_replaceable(folder: Path) -> None:
    """Raise unless a folder is absent, empty, or holds an earlier result alone, so that it may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file; name a folder for the result")
    path = folder.resolve()
    if path == Path.cwd() or path.is_mount():
        raise InputError(f"{str(folder)!r} cannot be replaced; name a folder inside it")
    if path.is_dir():
        _check_earlier(folder, path)
    check_writable(path.parent)


def _check_earlier(folder: Path, resolved: Path) -> None:
    """Raise unless a folder is empty or an earlier result, and all of its content may be removed.

    Args:
        folder: The folder as the user named it.
        resolved: The same without links.
    """
    try:
        contents = sorted(path.name for path in resolved.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {str(folder)!r}: {error.strerror}; name another folder") from error
    if contents:
        summary = read_summary(resolved) if SUMMARY in contents else None
        if summary is None:
            raise InputError(f"{str(folder)!r} exists and contains no earlier result; name another folder or empty it")
        foreign = next(_foreign_entries(resolved, summary), None)
        if foreign is not None:
            raise InputError(
                f"{str(folder)!r} contains an earlier result and also {foreign!r}; move {foreign!r} away or name "
                "another folder"
            )
    for inner in (resolved, resolved / TABLES):
        if inner.is_dir() and not os.access(inner, os.R_OK | os.W_OK | os.X_OK):
            raise InputError(
                f"the earlier result in {str(folder)!r} cannot be removed: no permission to change {str(inner)!r}; "
                "name another folder"
            )


def _foreign_entries(folder: Path, summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the entries of a result folder that are not files of the result."""
    files, tables = (summary[key] if isinstance(summary[key], list | dict) else () for key in ("files", "tables"))
    result_files = {SUMMARY, ATTRIBUTIONS, *REDRAWN, *map(str, files)}
    table_files = {f"{table}.csv" for table in tables}
    for path in sorted(folder.iterdir()):
        if path.name == TABLES and path.is_dir() and not path.is_symlink():
            inner_paths = sorted(path.iterdir())
            yield from (f"{TABLES}/{inner.name}" for inner in inner_paths if not _is_listed(inner, table_files))
        elif not _is_listed(path, result_files):
            yield path.name


def _is_listed(path: Path, names: set[str]) -> bool:
    return path.name in names and (path.is_file() or path.is_symlink())


def interrupted_replacement(folder: Path) -> Replacement | None:
    """Find the replacement of a result that ended half-way: the earlier one set aside, and no new one in its place.

    A process that is killed between the two renames of `put_in_place` leaves this behind.

    Args:
        folder: Folder of the result; where it holds anything, nothing is missing from it.
    """
    folder = folder.resolve()
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{32}}{re.escape(SET_ASIDE)}")
    try:
        if folder.exists() and not _is_empty_folder(folder):
            return None
        earlier_folders = [path for path in folder.parent.iterdir() if pattern.fullmatch(path.name)]
    except OSError:  # a folder that cannot be read holds nothing that can be put back
        return None
    replacements = []
    for earlier in earlier_folders:
        # After the second rename the new result is no longer there, and the earlier one is waste.
        new = earlier.with_name(earlier.name.removesuffix(SET_ASIDE))
        if (earlier / SUMMARY).is_file() and (new / SUMMARY).is_file():
            replacements.append(Replacement(folder, earlier, new))
    # Of several, the last that began: renaming changes the time of a folder's status.
    return max(replacements, key=lambda replacement: replacement.earlier.stat().st_ctime_ns, default=None)


@dataclass(frozen=True)
class Replacement:
    """Replacement of a result by a new one that ended between its two renames."""

    folder: Path
    """Folder of the result, which is absent or empty."""
    earlier: Path
    """Folder with the earlier result."""
    new: Path
    """Folder with the new result, which had been written and read back."""

    def __str__(self) -> str:
        """Describe where the results are, as a clause."""
        return (
            f"a run was interrupted while it replaced this result: the earlier result is in {str(self.earlier)!r}, the "
            f"new one, which is complete, in {str(self.new)!r}"
        )

    def undo(self) -> str:
        """Put the earlier result back in its place, and describe that in a clause; the new one stays where it is.

        Raises:
            InputError: The folder cannot be renamed.
        """
        try:
            if self.folder.is_dir():
                self.folder.rmdir()
            self.earlier.rename(self.folder)
        except OSError as error:
            raise InputError(f"{self}; rename one of them, which failed ({error.strerror or error})") from error
        return (
            f"a run was interrupted while it replaced the result in {str(self.folder)!r}: the earlier result was "
            f"restored, and the new one, which is complete, is in {str(self.new)!r}"
        )


def _is_empty_folder(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def put_in_place(folder: Path, write: Callable[[Path], None], read: Callable[[Path], object]) -> Path:
    """Write a folder under a temporary name, read it back, then replace an earlier result by it.

    Raises:
        InputError: `folder` exists and must not be replaced, or the new folder cannot be read back.
        OSError: The folder cannot be written; an earlier result stays, and no other file.

    See `interrupted_replacement` for what remains where the process is killed between the two renames.
    """
    check_replaceable(folder)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.{uuid4().hex}")  # a folder of tempfile is readable by its owner alone
    earlier = part.with_name(f"{part.name}{SET_ASIDE}")
    part.mkdir()
    try:
        write(part)
        _read_back(part, folder, read)
        try:
            if folder.exists():
                folder.rename(earlier)
            part.rename(folder)
        except BaseException:
            if earlier.exists() and not folder.exists():
                earlier.rename(folder)
            raise
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if earlier.exists():
        _remove(earlier, folder)
    return folder


def _read_back(part: Path, folder: Path, read: Callable[[Path], object]) -> None:
    """Read the new folder; where that fails, rename and keep it, because it may hold hours of work."""
    try:
        read(part)
    except InputError as error:
        aside = folder.with_name(f"{folder.name}.unreadable-{uuid4().hex[:8]}")
        part.rename(aside)
        raise InputError(
            f"what was written cannot be read again, and is in {str(aside)!r}: "
            + str(error).replace(str(part), str(aside))
        ) from error


def _remove(earlier: Path, folder: Path) -> None:
    """Remove the earlier result that `folder` has replaced."""
    try:
        shutil.rmtree(earlier)
    except OSError as error:
        raise InputError(
            f"the result is in {str(folder)!r}, but the earlier one could not be removed "
            f"({error.strerror or error}); delete {str(earlier)!r}"
        ) from error
