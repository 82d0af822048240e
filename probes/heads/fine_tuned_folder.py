"""The folder that fine-tuning leaves: its head, classes and epochs, read back and written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from probes.atomic_write import write_atomically
from probes.checks import InputError, as_path, check_fields, first_line
from probes.heads.trainer import Epoch

FORMAT = 1
DONE = "finetuned.json"


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned encoder and its head, in a folder."""

    folder: Path
    head: str
    """`pooler`: the family's standard classifier; else the pooling that a linear head reads at the last layer."""
    class_names: tuple[str, ...]
    seed: int
    max_length: int
    """Tokens read of a text."""
    epochs: tuple[Epoch, ...]
    best_epoch: int
    """Whose weights are in the folder: the first of those with the highest validation accuracy."""
    random_pooler: bool
    """Whether the head reads a pooler that was random when training began."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """What `fine_tune` left in a folder.

        Raises:
            InputError: There is nothing, or it was not finished.
        """
        folder = as_path(folder, name="folder")
        path = folder / DONE
        if not path.is_file():
            raise InputError(f"{str(folder)!r} holds no finished fine-tuning (no {DONE}); run it again to go on")
        said = read_json(path)
        if said.pop("format", None) != FORMAT:
            raise damage(path, "or of another version of layerprobe")
        try:
            epochs = tuple(Epoch(**epoch) for epoch in said.pop("epochs"))
            return cls(folder, class_names=tuple(said.pop("class_names")), epochs=epochs, **said)
        except (KeyError, TypeError) as error:
            raise damage(path, str(error)) from error

    def write(self) -> None:
        """Mark the folder as finished, with all of this."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "folder"}
        said |= {"format": FORMAT, "epochs": [asdict(epoch) for epoch in self.epochs]}
        write_atomically(self.folder / DONE, (json.dumps(said, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """What a file of this folder holds.

    Raises:
        InputError: It cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damage(path, getattr(error, "strerror", None) or first_line(error)) from error
    if not isinstance(found, dict):
        raise damage(path, f"it holds {type(found).__name__}, not an object")
    return found


def damage(path: Path, why: str) -> InputError:
    """The error for a file of the folder that cannot be read."""
    return InputError(f"{str(path)!r} is damaged ({why}); delete the folder {str(path.parent)!r} and run again")
