"""Result folders on disk: plain names, files read with care, and one folder in the place of another."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from probes.checks import InputError, check_writable, short_repr
from probes.results.typed_json import MisfitError, parse_json

SUMMARY, TABLES, ATTRIBUTIONS = "result.json", "tables", "attributions.jsonl"
"""The file that says what a result holds, the folder of its tables, and the file of its explanations."""
REDRAWN = ("report.html", "report.json", "attributions.csv", "summary.md")
"""Files that `reports` makes from a result folder and puts into it."""
MOST_BYTES = 4 * 1024**3
"""Size of a file above which it is no part of a result."""
MOST_SUMMARY_BYTES = 256 * 1024**2
LONGEST_NAME = 150
_FORBIDDEN = frozenset('/\\:*?"<>|')
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", "conin$", "conout$", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10)))
)


def check_names(names: Iterable[object], kind: str, reserved: Iterable[str] = ()) -> None:
    """Raise unless every name is that of a file inside its folder, on every system, and no two share a file.

    Args:
        names: Names of files, or of tables.
        kind: Their kind in messages.
        reserved: Names that are taken.

    Raises:
        MisfitError: A name is no plain one, is taken, or differs from another in case alone.
    """
    taken = {_folded(name): name for name in reserved}
    for name in names:
        if reason := _fault(name):
            raise MisfitError(f"the {kind} name {short_repr(name)} {reason}; a name is plain: letters, digits, - and _")
        key = _folded(str(name))
        if key in taken:
            raise MisfitError(f"the {kind} name {short_repr(name)} is taken already, by {taken[key]!r}")
        taken[key] = str(name)


def _fault(name: object) -> str:
    """Why `name` is not that of a file inside its folder; empty where it is one."""
    if not isinstance(name, str):
        return "is not text"
    if not name:
        return "is empty"
    if name.startswith("."):
        return "begins with a dot"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a blank or a dot"
    if not name.isprintable() or _FORBIDDEN & set(name):
        return "holds a character that no file name may hold"
    if len(name.encode("utf-8")) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} bytes"
    if name.partition(".")[0].strip().casefold() in _DEVICES:
        return "is that of a device"
    return ""


def _folded(name: str) -> str:
    """Equal for names that one file system or another takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def read_bytes(folder: Path, name: str, most: int = MOST_BYTES) -> bytes:
    """Read a file of a result folder, which is a file: no link, device, pipe or folder.

    Args:
        folder: Folder of the result.
        name: Path of the file in it, with `/` between its parts.
        most: Size in bytes above which it is refused unread.

    Raises:
        InputError: It is missing, is no regular file, is larger, or cannot be read.
    """
    path = folder.joinpath(*name.split("/"))
    try:
        for above in [place for place in path.parents if place != folder and folder in place.parents]:
            if not stat.S_ISDIR(above.lstat().st_mode):
                raise InputError(f"{str(above)!r} is no folder of its own; a result holds no links")
        if not stat.S_ISREG(path.lstat().st_mode):
            raise InputError(f"{str(path)!r} is no file of its own; a result holds no links, devices, pipes or folders")
        # Should it become a pipe or a link meanwhile: do not wait for it, do not follow it.
        care = ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY", "O_CLOEXEC")
        descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in care))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{str(path)!r} is no file of its own")
            if status.st_size > most:
                raise InputError(
                    f"{str(path)!r} is damaged: it has {status.st_size:,} bytes, {most:,} are the most it may have"
                )
            return file.read(most + 1)
    except FileNotFoundError as error:
        raise InputError(f"{str(path)!r} is missing, so that the result is damaged; run the analysis again") from error
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Read what `result.json` says; None where it is not one of ours.

    Raises:
        InputError: It cannot be read.
    """
    content = read_bytes(folder, SUMMARY, MOST_SUMMARY_BYTES)
    try:
        summary = parse_json(content)
    except MisfitError:
        return None
    ours = isinstance(summary, dict) and {"format", "provenance", "files", "tables"} <= set(summary)
    return summary if ours else None


def check_replaceable(folder: Path) -> None:
    """Raise unless `folder` is absent, empty, or an earlier result and nothing else, so that it may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file; name a folder for the result")
    place = folder.resolve()
    if place == Path.cwd() or place.is_mount():
        raise InputError(f"{str(folder)!r} cannot be replaced as a whole; name a folder inside it")
    if place.is_dir():
        _check_earlier(folder, place)
    check_writable(place.parent)


def _check_earlier(folder: Path, place: Path) -> None:
    """Raise unless the folder at `place` is empty or an earlier result, all of whose content may be removed."""
    try:
        contents = sorted(path.name for path in place.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {str(folder)!r}: {error.strerror}; name another folder") from error
    if contents:
        summary = read_summary(place) if SUMMARY in contents else None
        if summary is None:
            raise InputError(f"{str(folder)!r} exists and holds no earlier result; name another folder or empty it")
        if foreign := next(_foreign(place, summary), None):
            raise InputError(
                f"{str(folder)!r} holds an earlier result and also {foreign!r}; move that away or name another folder"
            )
    for inner in (place, place / TABLES):
        if inner.is_dir() and not os.access(inner, os.R_OK | os.W_OK | os.X_OK):
            raise InputError(
                f"the earlier result in {str(folder)!r} cannot be removed: no right to change {str(inner)!r}; "
                "name another folder"
            )


def _foreign(place: Path, summary: Mapping[str, Any]) -> Iterator[str]:
    """Entries of a result folder that are no files of the result."""
    files, tables = (summary[key] if isinstance(summary[key], list | dict) else () for key in ("files", "tables"))
    ours = {SUMMARY, ATTRIBUTIONS, *REDRAWN, *map(str, files)}
    for path in sorted(place.iterdir()):
        if path.name == TABLES and path.is_dir() and not path.is_symlink():
            listed = {f"{table}.csv" for table in tables}
            yield from (f"{TABLES}/{inner.name}" for inner in sorted(path.iterdir()) if not _is_own(inner, listed))
        elif not _is_own(path, ours):
            yield path.name


def _is_own(path: Path, listed: set[str]) -> bool:
    return path.name in listed and (path.is_file() or path.is_symlink())


def put_in_place(folder: Path, write: Callable[[Path], None], read: Callable[[Path], object]) -> Path:
    """Write a folder whole, under a temporary name, read it back, then put it in place of an earlier result.

    Raises:
        InputError: `folder` exists and may not be replaced; or what was written cannot be read back.
        OSError: It cannot be written; nothing is left behind, and an earlier result stays.
    """
    check_replaceable(folder)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.{uuid4().hex}")  # not by tempfile: that is its owner's alone
    part.mkdir()
    try:
        write(part)
        _read_back(part, folder, read)
        earlier = folder.rename(part.with_name(f"{part.name}.old")) if folder.exists() else None
        try:
            part.rename(folder)
        except BaseException:
            if earlier is not None:
                earlier.rename(folder)
            raise
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if earlier is not None:
        _remove(earlier, folder)
    return folder


def _read_back(part: Path, folder: Path, read: Callable[[Path], object]) -> None:
    """Read what was written; where that fails, hours of work must not be lost: it stays under a name of its own."""
    try:
        read(part)
    except InputError as error:
        aside = folder.with_name(f"{folder.name}.unreadable-{uuid4().hex[:8]}")
        part.rename(aside)
        raise InputError(
            f"what was written cannot be read back, and stands in {str(aside)!r}: "
            + str(error).replace(str(part), str(aside))
        ) from error


def _remove(earlier: Path, folder: Path) -> None:
    """Remove a result that was replaced."""
    try:
        shutil.rmtree(earlier)
    except OSError as error:
        raise InputError(
            f"the result is in {str(folder)!r}, but the earlier one could not be removed "
            f"({error.strerror or error}); delete {str(earlier)!r}"
        ) from error
