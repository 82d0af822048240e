"""Checkpoints of an unfinished training run: which are complete, and what the Trainer's log says of epochs."""

import json

import pytest

from probes.heads.training_checkpoints import (
    CHECKPOINT_FILES,
    TRAINER_STATE,
    epochs_done,
    epochs_since_best,
    last_checkpoint,
)


@pytest.mark.parametrize(
    ("accuracies", "since"), [([0.5], 0), ([0.5, 0.6], 0), ([0.6, 0.5], 1), ([0.6, 0.6], 1), ([0.5, 0.7, 0.6, 0.7], 2)]
)
def test_epochs_count_since_the_first_best_one(accuracies, since):
    history = [entry for a in accuracies for entry in ({"loss": 1.0}, {"eval_accuracy": a})]
    assert epochs_since_best(history) == since


def checkpoint(folder, step, best_step, n_epochs):
    """Write a complete checkpoint whose log has a number of epochs."""
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    for name in CHECKPOINT_FILES:
        (path / name).write_bytes(b"")
    history = [{"eval_accuracy": 0.5}] * n_epochs
    (path / TRAINER_STATE).write_text(json.dumps({"best_global_step": best_step, "log_history": history}))
    return path


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    assert epochs_done(tmp_path) == 0
    assert last_checkpoint(tmp_path) == (None, [])


def test_the_last_complete_checkpoint_is_resumed_and_an_incomplete_one_deleted(tmp_path):
    first = checkpoint(tmp_path, 12, 12, 1)
    second = checkpoint(tmp_path, 100, 12, 2)
    assert epochs_done(tmp_path) == 2
    assert last_checkpoint(tmp_path)[0] == str(second)
    (second / CHECKPOINT_FILES[0]).unlink()
    assert epochs_done(tmp_path) == 1
    path, history = last_checkpoint(tmp_path)
    assert (path, len(history)) == (str(first), 1)
    assert not second.exists()


def test_a_checkpoint_whose_best_one_is_missing_is_not_resumed(tmp_path):
    checkpoint(tmp_path, 24, 12, 2)
    assert epochs_done(tmp_path) == 0


def test_the_best_checkpoint_is_sought_in_the_folder_as_it_is_called_now(tmp_path):
    path = checkpoint(tmp_path, 12, 12, 1)
    last_checkpoint(tmp_path)
    state = json.loads((path / TRAINER_STATE).read_text())
    assert state["best_model_checkpoint"] == str(path)
