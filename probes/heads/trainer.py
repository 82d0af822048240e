"""Training by the Hugging Face `Trainer`, with early stopping and resumption after a kill.

This file decides the order of the texts and when to stop; the steps, the mixed precision, the GPUs and the checkpoints
are the Trainer's (extra `train`, accelerate).
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from probes.checkpoints.quiet import quiet
from probes.checks import InputError, check_kind, choose, finite_number, whole_number
from probes.encoder.encoder import DTYPES
from probes.encoder.onednn import multiplies_bfloat16
from probes.heads.training_checkpoints import MAX_CHECKPOINTS, epochs_since_best, last_checkpoint, validation_entries
from probes.logistic.fitted_probe import log_softmax
from probes.progress import progress_bar
from probes.sequences import Int64Array, IntegerArray
from probes.statistics.metrics import accuracy, log_loss

BATCHES_PER_WINDOW = 50
"""Batches within which texts are sorted by length, before the batches are shuffled."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of fine-tuning; the dropout is that of the encoder's configuration."""

    epochs: int = 3
    """Largest number of epochs, over which the learning rate falls to zero."""
    batch_size: int = 32
    """Texts of a step, on all GPUs together."""
    learning_rate: float = 5e-5
    """Highest learning rate of AdamW; it then falls linearly."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """Weight decay of weight matrices; biases and normalisations have none."""
    patience: int = 1
    """Epochs without a better validation accuracy after which training stops."""
    max_length: int | None = None
    """Largest number of tokens read of a text; the encoder's own limit when None."""
    dtype: str = "float32"
    """`float32`, or `bfloat16` for autocast; the weights are float32 either way; see `quickest_dtype`."""
    freeze: bool = False
    """Train the head alone: a linear one, or all of the family's standard head with the pooler that it reads."""

    def __post_init__(self) -> None:
        choose("dtype", self.dtype, DTYPES)
        for name in ("epochs", "batch_size", "patience"):
            whole_number(getattr(self, name), name, least=1)
        for name in ("learning_rate", "weight_decay", "warmup"):
            finite_number(getattr(self, name), name)
        if self.max_length is not None:
            whole_number(self.max_length, "max_length", least=1)
        check_kind(bool, freeze=self.freeze)
        if not (self.learning_rate > 0 and self.warmup < 1):
            raise InputError(
                "learning_rate must be above 0, weight_decay at least 0 and warmup in [0, 1), found "
                f"{self.learning_rate!r}, {self.weight_decay!r} and {self.warmup!r}"
            )


@dataclass(frozen=True)
class Epoch:
    """Losses, accuracy and duration of one pass over the training texts."""

    epoch: int
    """Number of the epoch, from 1."""
    train_loss: float
    """Mean loss over the batches in nats, with dropout, while the weights change."""
    validation_loss: float
    """Mean loss in nats per text."""
    validation_accuracy: float
    seconds: float
    """Duration of training and validation, without that of a killed part and of writing."""


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """Tokenised texts, and their batches as inputs of a model."""

    lengths: Int64Array
    """(texts,) tokens of each text."""
    collate: Callable[[Sequence[int]], dict[str, Tensor]]
    """Rows -> arguments of the model's forward, `labels` (batch,) included."""

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True)
class RunOptions:
    """Options of one training run that are no settings of the model."""

    seed: int
    """Seed of the order and the dropout; the global random states stay as they are."""
    folder: Path
    """Folder of the checkpoints; training resumes from the last complete one."""
    on_cpu: bool
    """Whether GPUs stay unused."""
    description: str
    """Title of the progress bar."""
    progress: bool
    """Whether to show a bar on stderr."""


def train_epochs(
    model: Any,
    train: ModelInputs,
    validation: ModelInputs,
    settings: TrainingSettings,
    options: RunOptions,
) -> tuple[tuple[Epoch, ...], int]:
    """Train the parameters of a model that need gradients, and leave it with those of the best epoch.

    Args:
        model: Model that returns loss and logits.
        train: Training texts.
        validation: Validation texts, which choose the epoch.
        settings: Settings of training.
        options: Seed, checkpoint folder, device and progress.

    Returns:
        Epochs with their losses, and the number of the first with the highest validation accuracy.

    Raises:
        InputError: A launcher started this process as one of several.
        FloatingPointError: Training diverged: a loss or a logit is not finite.
    """
    checkpoint, history = last_checkpoint(options.folder)
    n_epochs_done = len(validation_entries(history))
    is_finished = n_epochs_done > 0 and epochs_since_best(history) >= settings.patience
    n_epochs = n_epochs_done if is_finished else settings.epochs
    with quiet(), _preserved_random_states():
        arguments = _training_arguments(model, settings, options, n_epochs)
        n_steps = settings.epochs * math.ceil(len(train) / arguments.train_batch_size)
        arguments.warmup_steps = round(settings.warmup * n_steps)
        with progress_bar(n_steps, options.description, "step", visible=options.progress) as bar:
            monitor = _EpochMonitor(settings.patience, bar)
            trainer = _LengthGroupedTrainer(
                model,
                arguments,
                train_dataset=train,
                eval_dataset=validation,
                compute_metrics=monitor.metrics,
                callbacks=[monitor],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train(resume_from_checkpoint=checkpoint)
    history = trainer.state.log_history
    epochs = _epochs_of_history(history)
    return epochs, len(epochs) - epochs_since_best(history)


def _training_arguments(model: Any, settings: TrainingSettings, options: RunOptions, n_epochs: int) -> Any:
    """Return the Trainer's arguments for settings and options."""
    arguments = TrainingArguments(
        output_dir=str(options.folder),
        num_train_epochs=n_epochs,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        bf16=settings.dtype == "bfloat16",
        use_cpu=options.on_cpu,
        seed=options.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        save_total_limit=MAX_CHECKPOINTS,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        greater_is_better=True,
        report_to="none",
        log_level="error",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cache=bool(getattr(getattr(model, "config", None), "use_cache", False)),
        remove_unused_columns=False,
        label_names=["labels"],
    )
    if arguments.world_size > 1:
        raise InputError(
            "fine-tuning runs in one process on all visible GPUs; start it without a launcher such as torchrun"
        )
    batch_size_per_device = max(1, settings.batch_size // max(1, arguments.n_gpu))
    arguments.per_device_train_batch_size = batch_size_per_device
    arguments.per_device_eval_batch_size = batch_size_per_device
    return arguments


def _epochs_of_history(history: Sequence[Mapping[str, float]]) -> tuple[Epoch, ...]:
    """Return the epochs of the Trainer's log.

    Raises:
        FloatingPointError: A loss is not finite.
    """
    train_losses = {round(entry["epoch"]): entry["loss"] for entry in history if "loss" in entry}
    epochs = []
    for number, entry in enumerate(validation_entries(history), 1):
        epoch = Epoch(
            epoch=number,
            train_loss=train_losses[number],
            validation_loss=entry["eval_log_loss"],
            validation_accuracy=entry["eval_accuracy"],
            seconds=entry["eval_seconds"],
        )
        if not (math.isfinite(epoch.train_loss) and math.isfinite(epoch.validation_loss)):
            raise FloatingPointError("a loss is not finite")
        epochs.append(epoch)
    return tuple(epochs)


def quickest_dtype(device: torch.device) -> str:
    """Return `bfloat16` where the device multiplies in it, else `float32`.

    A CPU that cannot multiply in bfloat16 is dozens of times slower in it. The two give different weights: a run that
    must be the same on another machine names its dtype.
    """
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported()
    else:
        has_bfloat16 = device.type == "cpu" and multiplies_bfloat16()
    return "bfloat16" if has_bfloat16 else "float32"


def batch_order(lengths: IntegerArray, batch_size: int, *, seed: int, epoch: int) -> Int64Array:
    """Return (texts,) row numbers in random order, with texts of like length in a batch.

    Args:
        lengths: (texts,) tokens of each text.
        batch_size: Texts of each batch but the last.
        seed: Seed of the order, together with the epoch.
        epoch: Number of the epoch, from 0.
    """
    # Permute the texts; the last batch, which may be smaller, stays outside the sorting.
    rng = np.random.default_rng([seed, epoch])
    rows = rng.permutation(len(lengths))
    n_in_full_batches = len(rows) // batch_size * batch_size

    # Sort by length within windows of several batches.
    n_batches_per_window = max(1, min(BATCHES_PER_WINDOW, len(rows) // (4 * batch_size)))
    window_size = batch_size * n_batches_per_window
    sorted_windows = [rows[:0]]
    for start in range(0, n_in_full_batches, window_size):
        window = rows[start : min(start + window_size, n_in_full_batches)]
        sorted_windows.append(window[np.argsort(lengths[window], kind="stable")])

    # Permute the batches.
    full_batches = np.concatenate(sorted_windows).reshape(-1, batch_size)
    return np.concatenate([rng.permutation(full_batches).ravel(), rows[n_in_full_batches:]])


class _EpochOrder:
    """Sampler of the Trainer's loader: a new order of the rows in every epoch."""

    def __init__(self, lengths: Int64Array, batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order = batch_order(self.lengths, self.batch_size, seed=self.seed, epoch=self.epoch)
        return iter(order.tolist())


class _EpochMonitor(TrainerCallback):  # type: ignore[misc]
    """Callback that stops early, measures the validation texts, and moves a bar."""

    def __init__(self, patience: int, bar: Any) -> None:
        self.patience = patience
        self.bar = bar
        self.epoch_start = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.epoch_start = time.perf_counter()

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        self.bar.update(state.global_step - self.bar.n)

    def on_evaluate(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        # The Trainer's own callback counts beside the log; what a checkpoint holds of its count is not all restored.
        if epochs_since_best(state.log_history) >= self.patience:
            control.should_training_stop = True

    def metrics(self, evaluation: Any) -> dict[str, float]:
        """Return the scores of the validation texts; the Trainer writes them to its log and its checkpoints."""
        logits = np.asarray(evaluation.predictions, dtype=np.float64)
        if not np.isfinite(logits).all():
            raise FloatingPointError("a logit is not finite")
        log_prob = log_softmax(logits)
        labels = evaluation.label_ids
        return {
            "log_loss": log_loss(labels, log_prob),
            "accuracy": accuracy(labels, log_prob),
            "seconds": time.perf_counter() - self.epoch_start,
        }


class _LengthGroupedTrainer(Trainer):  # type: ignore[misc]
    """Trainer on batches of like length, in an order that depends neither on the model nor on its dropout."""

    def get_train_dataloader(self) -> Any:
        order = _EpochOrder(self.train_dataset.lengths, self.args.train_batch_size, self.args.seed)
        return self._loader(self.train_dataset, order, self.args.train_batch_size)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        inputs = self.eval_dataset if eval_dataset is None else eval_dataset
        order = np.argsort(inputs.lengths, kind="stable").tolist()
        return self._loader(inputs, order, self.args.eval_batch_size)

    def _loader(self, inputs: ModelInputs, order: Any, batch_size: int) -> Any:
        rows = range(len(inputs))
        loader = DataLoader(rows, batch_size=batch_size, sampler=order, collate_fn=inputs.collate)  # type: ignore[arg-type, var-annotated]
        return self.accelerator.prepare(loader)


@contextlib.contextmanager
def _preserved_random_states() -> Iterator[None]:
    """Restore the global random states afterwards, all of which the Trainer seeds."""
    devices = range(torch.cuda.device_count())
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
