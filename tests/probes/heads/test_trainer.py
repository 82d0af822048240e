"""Epochs by the Trainer: the order of the texts, when to stop, and what a kill costs."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from probes import InputError
from probes.heads.fine_tuning import FineTuned, fine_tune
from probes.heads.trainer import (
    TrainingSettings,
    batch_order,
    quickest_dtype,
)
from probes.heads.training_checkpoints import CHECKPOINT_FILES, epochs_done, last_checkpoint
from tests.support.encoders.fine_tuning_task import CLASSES, SETTINGS, labelled, tiny_encoder
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("n", "batch_size"), [(1, 8), (7, 8), (8, 8), (500, 8), (1003, 16)])
def test_an_order_holds_every_row_once(n, batch_size):
    lengths = np.random.default_rng(0).integers(3, 60, size=n)
    order = batch_order(lengths, batch_size, seed=0, epoch=0)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_batches_are_of_like_length_and_not_sorted_by_it():
    lengths = np.random.default_rng(0).integers(3, 60, size=4000)
    order = batch_order(lengths, 16, seed=0, epoch=0).reshape(-1, 16)

    def padded(rows):
        return lengths[rows].max(axis=1).sum() * 16 / lengths.sum()

    assert padded(np.arange(4000).reshape(-1, 16)) > 1.6
    assert padded(order) < 1.05
    longest = lengths[order].max(axis=1)
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.2


def test_an_order_depends_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).integers(3, 60, size=100)
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            torch.manual_seed(seed + 10 * epoch)
            orders[seed, epoch] = tuple(batch_order(lengths, 8, seed=seed, epoch=epoch))
    assert len(set(orders.values())) == 4
    torch.manual_seed(5)
    assert tuple(batch_order(lengths, 8, seed=1, epoch=0)) == orders[1, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"patience": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"warmup": 1.0},
        {"weight_decay": -1.0},
        {"dtype": "float16"},
    ],
)
def test_settings_that_cannot_be_are_refused(change):
    with pytest.raises(InputError):
        TrainingSettings(**change)


def test_the_quickest_dtype_is_one_that_the_device_multiplies_in():
    able = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert quickest_dtype(torch.device("cpu")) == ("bfloat16" if able else "float32")
    assert quickest_dtype(torch.device("meta")) == "float32"


def test_training_that_diverges_is_refused(tmp_path):
    settings = replace(SETTINGS, learning_rate=1e38)
    with pytest.raises(InputError, match=f"diverged: .* and delete the folder '{tmp_path}'"):
        fine_tune(tiny_encoder(), *labelled(), head="cls", class_names=CLASSES, folder=tmp_path, settings=settings)


CHILD = """
import json, os, signal, sys
from pathlib import Path
import torch
from transformers import TrainerState
from probes.heads.fine_tuning import fine_tune
from probes.heads.trainer import TrainingSettings
from tests.support.encoders.fine_tuning_task import CLASSES, labelled, tiny_encoder

folder, head, at, whole, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "whole", sys.argv[5]
torch.set_num_threads(1)
save, calls = TrainerState.save_to_json, []

def save_or_die(self, path):
    calls.append(path)
    if len(calls) == at and not whole:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, path)
    if len(calls) == at:
        os.kill(os.getpid(), signal.SIGKILL)

TrainerState.save_to_json = save_or_die
settings = TrainingSettings(**json.loads(settings))
fine_tune(tiny_encoder(), *labelled(), head=head, class_names=CLASSES, folder=Path(folder), settings=settings)
"""


@pytest.mark.parametrize(
    ("head", "at", "whole", "change", "n_resumed"),
    [
        ("mean", 1, "whole", {"epochs": 3, "patience": 3}, 1),
        ("pooler", 2, "half", {"epochs": 3, "patience": 3}, 1),
        ("cls", 2, "whole", {"epochs": 4, "patience": 1, "learning_rate": 1e-30}, 2),
    ],
    ids=["after an epoch", "while a checkpoint is written", "after it stopped early"],
)
def test_a_killed_run_goes_on_to_the_same_weights(head, at, whole, change, n_resumed, tmp_path, monkeypatch):
    settings = replace(SETTINGS, **change)
    killed = tmp_path / "killed"
    settings_json = json.dumps({name: getattr(settings, name) for name in settings.__dataclass_fields__})
    command = [sys.executable, "-W", "error", "-c", CHILD, str(killed), head, str(at), whole, settings_json]
    child = subprocess.run(command, cwd=ROOT, timeout=240, capture_output=True, text=True)
    assert child.returncode == -9, child.stderr
    with pytest.raises(InputError, match="no finished"):
        FineTuned.load(killed)
    moved = killed.rename(tmp_path / "moved")

    shared = {"head": head, "class_names": CLASSES, "settings": settings}
    whole_run = fine_tune(tiny_encoder(), *labelled(), folder=tmp_path / "at once", **shared)
    steps = []
    monkeypatch.setattr(
        "probes.heads.trainer._EpochMonitor.on_step_end", lambda self, args, state, *_, **__: steps.append(state)
    )
    resumed = fine_tune(tiny_encoder(), *labelled(), folder=moved, **shared)
    per_epoch = -(-len(labelled()[0].texts) // settings.batch_size)
    assert len(steps) == (len(whole_run.epochs) - n_resumed) * per_epoch
    plain = [replace(epoch, seconds=0) for epoch in whole_run.epochs]
    assert [replace(epoch, seconds=0) for epoch in resumed.epochs] == plain
    assert resumed.best_epoch == whole_run.best_epoch
    for file in {"model.safetensors", "head.safetensors"} & {path.name for path in moved.iterdir()}:
        weights, expected = load_file(moved / file), load_file(whole_run.folder / file)
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], expected[name]) for name in weights)
    assert not (moved / "checkpoints").exists()


FOUR = replace(SETTINGS, epochs=4, patience=4)


class Killed(BaseException):
    """Stands for a kill: nothing that follows it is done."""


def killed_run(folder, monkeypatch, *, name, at, settings=FOUR):
    """Fine-tune until the method of that name is called for the time numbered `at`."""
    calls = []

    def stop(*_args, **_kwargs):
        calls.append(1)
        if len(calls) == at:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(name, stop)
        with pytest.raises(Killed):
            fine_tuned_run(folder, settings)


def fine_tuned_run(folder, settings=FOUR):
    return fine_tune(tiny_encoder(), *labelled(), head="cls", class_names=CLASSES, folder=folder, settings=settings)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run of four epochs that nothing stopped."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield fine_tuned_run(tmp_path_factory.mktemp("unbroken") / "run")
    finally:
        torch.set_num_threads(threads)


def assert_same_result(run, expected):
    epochs, wanted_epochs = ([replace(epoch, seconds=0) for epoch in result.epochs] for result in (run, expected))
    assert epochs == wanted_epochs
    for name in ("model.safetensors", "head.safetensors"):
        actual, wanted = load_file(run.folder / name), load_file(expected.folder / name)
        assert actual.keys() == wanted.keys()
        assert all(torch.equal(actual[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("part", CHECKPOINT_FILES)
def test_a_checkpoint_that_lacks_a_file_is_not_gone_on_from(part, unbroken, tmp_path, monkeypatch):
    killed_run(tmp_path, monkeypatch, name="probes.heads.trainer._EpochMonitor.on_epoch_begin", at=4)
    last, earlier = sorted((tmp_path / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    assert epochs_done(tmp_path / "checkpoints") == 3
    (last / part).unlink()
    assert epochs_done(tmp_path / "checkpoints") in (1, 2)
    assert last_checkpoint(tmp_path / "checkpoints")[0] == str(earlier)
    assert not last.exists()
    assert_same_result(fine_tuned_run(tmp_path), unbroken)


def test_a_run_killed_between_its_last_epoch_and_its_result_trains_no_epoch_again(unbroken, tmp_path, monkeypatch):
    killed_run(tmp_path, monkeypatch, name="probes.heads.trainable_head.TrainableHead.save", at=1)
    assert epochs_done(tmp_path / "checkpoints") == FOUR.epochs
    steps = []
    monkeypatch.setattr("probes.heads.trainer._EpochMonitor.on_step_end", lambda *_, **__: steps.append(1))
    assert_same_result(fine_tuned_run(tmp_path), unbroken)
    assert not steps


def test_checkpoints_that_a_finished_run_had_no_time_to_delete_are_deleted(tmp_path):
    once = replace(SETTINGS, epochs=1)
    fine_tuned_run(tmp_path, once)
    (tmp_path / "checkpoints" / "checkpoint-12").mkdir(parents=True)
    fine_tuned_run(tmp_path, once)
    assert not (tmp_path / "checkpoints").exists()
