"""Folders that a command writes: they are separate, can be written, and belong to one run at a time."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from probes.checks import InputError
from probes.locks import file_lock
from probes.progress import notice
from probes.results.files import interrupted_replacement
from probes.results.result import check_replaceable


def check_apart(out: Path, folders: Mapping[str, Path]) -> None:
    """Check that the folder of the result, which every run replaces completely, is separate from other folders.

    Args:
        out: Folder of the result.
        folders: Flag -> its folder.

    Raises:
        InputError: Two folders are the same, or one lies inside the other.
    """
    result_path = out.resolve()
    result_name = f"--out {str(out)!r}"
    for flag, folder in folders.items():
        path = folder.resolve()
        name = f"{flag} {str(folder)!r}"
        if path == result_path:
            raise InputError(f"{name} and {result_name} are the same folder; name two folders")
        if result_path in path.parents:
            raise InputError(
                f"{name} lies inside {result_name}, which every run replaces completely; name a folder outside it"
            )
        if path in result_path.parents:
            raise InputError(f"{result_name} lies inside {name}; name a folder outside it")


def check_named(folders: Mapping[str, Path | None]) -> None:
    """Check that no flag is empty or names the working folder.

    Args:
        folders: Flag -> its folder; None for a flag that is not set.

    Raises:
        InputError: A flag is empty or names the working folder.
    """
    for flag, folder in folders.items():
        if folder == Path():
            raise InputError(f"{flag} is empty or the working folder; name another folder")


@contextlib.contextmanager
def output_lock(settings: Any) -> Iterator[None]:
    """Lock the folder of the result, so that no other run writes to it; parts of an extraction write no result.

    An earlier result that an interrupted run had moved is restored, with a notice.

    Args:
        settings: Settings of an analysis.

    Raises:
        InputError: The folder cannot be replaced, or another run holds it.
    """
    out: Path = settings.output.out
    fine_tuning = getattr(settings, "fine_tuning", None)
    check_named({"--out": out, "--cache": settings.encoder.cache, "--models": fine_tuning and fine_tuning.models})
    if settings.encoder.shards is not None:
        yield
        return
    check_replaceable(out)
    path = out.resolve()
    # The folder itself is replaced, and its parents need not exist yet.
    parent = next(folder for folder in path.parents if folder.is_dir())
    digest = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:16]
    with file_lock(parent / f".layerprobe-{digest}.lock", f"writing to {str(out)!r}"):
        replacement = interrupted_replacement(out)
        if replacement is not None:
            notice(replacement.undo())
            check_replaceable(out)
        yield
