"""The folders that one command writes: they lie apart, can be written, and belong to one run at a time."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from probes.checks import InputError
from probes.locks import file_lock
from probes.results.result import check_replaceable


def check_apart(out: Path, others: Mapping[str, Path]) -> None:
    """Raise where the result, whose folder is replaced as a whole, would share it with something else.

    Args:
        out: Folder of the result.
        others: Flag -> its folder.
    """
    place = out.resolve()
    for flag, folder in others.items():
        other = folder.resolve()
        named = f"{flag} {str(folder)!r}", f"--out {str(out)!r}"
        if other == place:
            raise InputError(f"{named[0]} and {named[1]} are one folder; name two")
        if place in other.parents:
            raise InputError(f"{named[0]} lies inside {named[1]}, which is replaced as a whole; name folders apart")
        if other in place.parents:
            raise InputError(f"{named[1]} lies inside {named[0]}; name folders apart")


def check_named(folders: Mapping[str, Path | None]) -> None:
    """Raise where a flag is empty, which names the working folder, or names it.

    Args:
        folders: Flag -> its folder; None where the flag is not given.
    """
    for flag, folder in folders.items():
        if folder == Path():
            raise InputError(f"{flag} is empty or the working folder; name a folder of its own")


@contextlib.contextmanager
def output_lock(settings: Any) -> Iterator[None]:
    """Hold the folder of the result, so that no other run writes to it meanwhile; shares of one work need it not.

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
    place = out.resolve()
    # The folder itself is replaced, and those above it need not exist yet.
    above = next(folder for folder in place.parents if folder.is_dir())
    digest = hashlib.sha256(str(place).encode(errors="surrogateescape")).hexdigest()[:16]
    with file_lock(above / f".layerprobe-{digest}.lock", f"writing to {str(out)!r}"):
        yield
