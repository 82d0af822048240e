"""Checkpoints of an unfinished training run, as the Hugging Face `Trainer` writes them, and its log of epochs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probes.atomic_write import write_atomically

TRAINER_STATE = "trainer_state.json"
"""Last file of a checkpoint that the Trainer writes."""
CHECKPOINT_FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", TRAINER_STATE)
"""Files of a complete checkpoint: the Trainer resumes without some of them, to other weights."""
MAX_CHECKPOINTS = 2
"""The best and the last, or the last two; with one the Trainer deletes the last before the result is written."""


def epochs_done(folder: Path) -> int:
    """Return the number of epochs in the checkpoints of an unfinished run, without changing the folder."""
    for _, state in _complete_checkpoints(folder):
        return len(validation_entries(state["log_history"]))
    return 0


def last_checkpoint(folder: Path) -> tuple[str | None, list[dict[str, float]]]:
    """Return the last complete checkpoint of a killed run and its log, and delete the incomplete ones."""
    complete = dict(_complete_checkpoints(folder))
    for path in _checkpoint_folders(folder):
        if path not in complete:  # written into, it would be deleted before older ones: a folder keeps its time
            shutil.rmtree(path)
    for path, state in complete.items():
        # The Trainer would forget the best one where the folder was moved.
        state["best_model_checkpoint"] = str(folder / f"checkpoint-{state['best_global_step']}")
        write_atomically(path / TRAINER_STATE, json.dumps(state).encode())
        return str(path), state["log_history"]
    return None, []


def _complete_checkpoints(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the complete checkpoints whose best one is complete too, with the Trainer's state, the last one first."""
    with_all_files = [path for path in _checkpoint_folders(folder) if _has_all_files(path)]
    for path in with_all_files:
        try:
            state = json.loads((path / TRAINER_STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if folder / f"checkpoint-{state['best_global_step']}" in with_all_files:
            yield path, state


def _has_all_files(checkpoint: Path) -> bool:
    return all((checkpoint / name).is_file() for name in CHECKPOINT_FILES)


def _checkpoint_folders(folder: Path) -> list[Path]:
    """Return the folders of all checkpoints, complete or not, the last one first."""
    return sorted(folder.glob("checkpoint-*"), key=_checkpoint_step, reverse=True)


def _checkpoint_step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def epochs_since_best(history: Sequence[Mapping[str, float]]) -> int:
    """Return the number of epochs after the first with the highest validation accuracy, by the Trainer's log."""
    accuracies = [entry["eval_accuracy"] for entry in validation_entries(history)]
    return len(accuracies) - 1 - accuracies.index(max(accuracies))


def validation_entries(history: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """Return the entries of the Trainer's log that hold validation scores, one an epoch."""
    return [entry for entry in history if "eval_accuracy" in entry]
