"""Folder of a fine-tuned model: reading and writing its head, classes and epochs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from probes.atomic_write import write_atomically
from probes.checks import InputError, as_path, check_fields, first_line
from probes.heads.trainer import Epoch

FORMAT = 1
RESULT_FILE = "finetuned.json"
HEAD_FILE = "head.safetensors"


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned encoder and its head, in a folder."""

    folder: Path
    head: str
    """`pooler`: the family's standard classifier; else the pooling that a linear head reads at the last layer."""
    class_names: tuple[str, ...]
    seed: int
    max_length: int
    """Largest number of tokens read of a text."""
    epochs: tuple[Epoch, ...]
    best_epoch: int
    """Epoch whose weights are in the folder: the first of those with the highest validation accuracy."""
    random_pooler: bool
    """Whether the head reads a pooler that was random when training began."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def seconds(self) -> float:
        """Duration of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Load the result of `fine_tune` from a folder.

        Raises:
            InputError: The folder holds no result, an unfinished one, or a damaged one.
        """
        folder = as_path(folder, name="folder")
        path = folder / RESULT_FILE
        if not path.is_file():
            raise InputError(
                f"{str(folder)!r} contains no finished fine-tuning (no {RESULT_FILE}); run it again to resume it"
            )
        content = read_json(path)
        if content.pop("format", None) != FORMAT:
            raise damaged_file_error(path, "or written by another version of layerprobe")
        try:
            epochs = tuple(Epoch(**epoch) for epoch in content.pop("epochs"))
            class_names = tuple(content.pop("class_names"))
            return cls(folder, class_names=class_names, epochs=epochs, **content)
        except (KeyError, TypeError) as error:
            raise damaged_file_error(path, str(error)) from error

    def write(self) -> None:
        """Write the file that marks the folder as finished."""
        content = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "folder"}
        content["format"] = FORMAT
        content["epochs"] = [asdict(epoch) for epoch in self.epochs]
        write_json(self.folder / RESULT_FILE, content)


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file of the folder.

    Raises:
        InputError: The file cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged_file_error(path, getattr(error, "strerror", None) or first_line(error)) from error
    if not isinstance(content, dict):
        raise damaged_file_error(path, f"it contains {type(content).__name__}, not an object")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object to a file of the folder, all of it or nothing."""
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(path, text.encode())


def damaged_file_error(path: Path, reason: str) -> InputError:
    """Return the error for a file of the folder that cannot be read."""
    return InputError(f"{str(path)!r} is damaged ({reason}); delete the folder {str(path.parent)!r} and run again")
