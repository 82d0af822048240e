"""Epochs of training by the Hugging Face `Trainer`, which stop early and go on after a kill.

Needs the extra `train` (accelerate). The order of the texts, and when to stop, are decided here; the steps, the mixed
precision, the GPUs and the checkpoints are the Trainer's.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from probes.atomic_write import write_atomically
from probes.checkpoints.quiet import quiet
from probes.checks import InputError, check_kind, choose, finite_number, whole_number
from probes.encoder.encoder import DTYPES
from probes.encoder.onednn import multiplies_bfloat16
from probes.probing.logistic import log_softmax
from probes.progress import progress_bar
from probes.statistics.metrics import accuracy, log_loss

WINDOW = 50
"""Batches among which texts of like length are put together, and then shuffled."""
STATE = "trainer_state.json"
"""Written last of a checkpoint, by the Trainer."""
PARTS = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", STATE)
"""Files without which a checkpoint is not whole: the Trainer goes on without some of them, to other weights."""
KEPT_CHECKPOINTS = 2
"""The best and the last, or the last two; with one the Trainer deletes the last before the result is written."""


@dataclass(frozen=True)
class TrainingSettings:
    """How an encoder is fine-tuned. Dropout is what the encoder's own settings say."""

    epochs: int = 3
    """At most; the learning rate falls to zero over so many."""
    batch_size: int = 32
    """Texts a step, on all GPUs together."""
    learning_rate: float = 5e-5
    """The highest, of AdamW; it then falls in a straight line."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """Of weight matrices; none of biases and normalisations."""
    patience: int = 1
    """Epochs without a better validation accuracy after which training stops."""
    max_length: int | None = None
    """Tokens read of a text; the encoder's own limit when None."""
    dtype: str = "float32"
    """`float32`, or `bfloat16` for autocast, the weights float32 either way; see `quickest_dtype`."""
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
    """One pass over the training texts, and what it led to."""

    epoch: int
    """From 1."""
    train_loss: float
    """Nats, the mean over its batches while the weights changed, dropout on."""
    validation_loss: float
    """Nats a text."""
    validation_accuracy: float
    seconds: float
    """Of training and validation; not of a part of it that was killed, nor of writing."""


@dataclass(frozen=True, eq=False)
class Side:
    """Texts as a model takes them."""

    lengths: NDArray[np.int64]
    """(texts,) tokens of each."""
    inputs: Callable[[Sequence[int]], dict[str, Tensor]]
    """Rows -> what the model's forward takes, `labels` (batch,) included."""

    def __len__(self) -> int:
        return len(self.lengths)


def train_epochs(
    model: Any,
    train: Side,
    validation: Side,
    settings: TrainingSettings,
    *,
    seed: int,
    folder: Path,
    on_cpu: bool,
    description: str,
    progress: bool,
) -> tuple[tuple[Epoch, ...], int]:
    """Train the parameters of `model` that need gradients, and leave it with the best epoch's.

    Args:
        model: Gives loss and logits.
        train: What is learnt from.
        validation: What chooses the epoch.
        settings: How.
        seed: Of the order and the dropout; the global random states stay as they are.
        folder: For checkpoints, from the last whole one of which training goes on.
        on_cpu: Leave GPUs alone.
        description: Of the bar.
        progress: Show a bar.

    Returns:
        What every epoch led to, and the number of the first with the highest validation accuracy.

    Raises:
        InputError: A launcher started this process as one of several.
        FloatingPointError: Training diverged: a loss or a logit is not finite.
    """
    checkpoint, history = _last_checkpoint(folder)
    done = len(_validations(history))
    over = done > 0 and epochs_since_best(history) >= settings.patience
    with quiet(), _random_states_kept():
        arguments = TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=done if over else settings.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            bf16=settings.dtype == "bfloat16",
            use_cpu=on_cpu,
            seed=seed,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_strategy="epoch",
            logging_nan_inf_filter=False,
            save_total_limit=KEPT_CHECKPOINTS,
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
            raise InputError("fine-tuning is one process on all GPUs that it sees; start it without a launcher")
        arguments.per_device_train_batch_size = max(1, settings.batch_size // max(1, arguments.n_gpu))
        arguments.per_device_eval_batch_size = arguments.per_device_train_batch_size
        steps = settings.epochs * math.ceil(len(train) / arguments.train_batch_size)
        arguments.warmup_steps = round(settings.warmup * steps)
        with progress_bar(steps, description, "step", visible=progress) as bar:
            watch = _Watch(settings.patience, bar)
            trainer = _Trainer(
                model,
                arguments,
                train_dataset=train,
                eval_dataset=validation,
                compute_metrics=watch.metrics,
                callbacks=[watch],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train(resume_from_checkpoint=checkpoint)
    history = trainer.state.log_history
    losses = {round(entry["epoch"]): entry["loss"] for entry in history if "loss" in entry}
    epochs = tuple(
        Epoch(number, losses[number], entry["eval_log_loss"], entry["eval_accuracy"], entry["eval_seconds"])
        for number, entry in enumerate(_validations(history), 1)
    )
    if not all(math.isfinite(value) for epoch in epochs for value in (epoch.train_loss, epoch.validation_loss)):
        raise FloatingPointError("a loss is not finite")
    return epochs, len(epochs) - epochs_since_best(history)


def epochs_since_best(history: Sequence[Mapping[str, float]]) -> int:
    """Epochs after the first of those with the highest validation accuracy, by the Trainer's log."""
    accuracies = [entry["eval_accuracy"] for entry in _validations(history)]
    return len(accuracies) - 1 - accuracies.index(max(accuracies))


def quickest_dtype(device: torch.device) -> str:
    """`bfloat16` where the device multiplies in it, else `float32`: a CPU that cannot is dozens of times slower in it.

    The two give other weights: a run that is to be the same elsewhere names its dtype.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    can = device.type == "cpu" and multiplies_bfloat16()
    return "bfloat16" if can else "float32"


def batch_order(lengths: NDArray[np.integer[Any]], batch_size: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """(texts,) rows in random order, those of a batch of like length.

    Args:
        lengths: (texts,) tokens of each.
        batch_size: Texts of each batch but the last.
        seed: With the epoch, all that the order depends on beside the lengths.
        epoch: From 0.
    """
    rng = np.random.default_rng([seed, epoch])
    rows = rng.permutation(len(lengths))
    whole = len(rows) // batch_size * batch_size
    window = batch_size * max(1, min(WINDOW, len(rows) // (4 * batch_size)))
    windows = [rows[start : min(start + window, whole)] for start in range(0, whole, window)]
    alike = np.concatenate([some[np.argsort(lengths[some], kind="stable")] for some in windows] or [rows[:0]])
    return np.concatenate([rng.permutation(alike.reshape(-1, batch_size)).ravel(), rows[whole:]])


class _Order:
    """A new order of the rows in every epoch, for the Trainer's loader."""

    def __init__(self, lengths: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(batch_order(self.lengths, self.batch_size, seed=self.seed, epoch=self.epoch).tolist())


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Stops early, measures, and moves a bar."""

    def __init__(self, patience: int, bar: Any) -> None:
        self.patience, self.bar, self.began = patience, bar, 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.perf_counter()

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        self.bar.update(state.global_step - self.bar.n)

    def on_evaluate(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        # The Trainer's own callback counts beside the log; what a checkpoint holds of its count is not all restored.
        if epochs_since_best(state.log_history) >= self.patience:
            control.should_training_stop = True

    def metrics(self, found: Any) -> dict[str, float]:
        """Of the validation texts, once an epoch: the Trainer keeps it in its log and its checkpoints."""
        logits = np.asarray(found.predictions, dtype=np.float64)
        if not np.isfinite(logits).all():
            raise FloatingPointError("a logit is not finite")
        log_prob = log_softmax(logits)
        scores = {"log_loss": log_loss(found.label_ids, log_prob), "accuracy": accuracy(found.label_ids, log_prob)}
        return scores | {"seconds": time.perf_counter() - self.began}


class _Trainer(Trainer):  # type: ignore[misc]
    """Batches of like length, in an order that neither the model nor its dropout moves."""

    def get_train_dataloader(self) -> Any:
        order = _Order(self.train_dataset.lengths, self.args.train_batch_size, self.args.seed)
        return self._loader(self.train_dataset, order, self.args.train_batch_size)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        side = self.eval_dataset if eval_dataset is None else eval_dataset
        return self._loader(side, np.argsort(side.lengths, kind="stable").tolist(), self.args.eval_batch_size)

    def _loader(self, side: Side, order: Any, batch_size: int) -> Any:
        rows = range(len(side))
        loader = DataLoader(rows, batch_size=batch_size, sampler=order, collate_fn=side.inputs)  # type: ignore[arg-type, var-annotated]
        return self.accelerator.prepare(loader)


def _validations(history: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    return [entry for entry in history if "eval_accuracy" in entry]


def epochs_done(folder: Path) -> int:
    """Epochs of an unfinished run that are kept in its checkpoints; nothing is changed there."""
    return next((len(_validations(state["log_history"])) for _, state in _whole_checkpoints(folder)), 0)


def _last_checkpoint(folder: Path) -> tuple[str | None, list[dict[str, float]]]:
    """The last whole checkpoint of a run that was killed, and its log; those that are not whole are deleted."""
    whole = dict(_whole_checkpoints(folder))
    for path in _checkpoints(folder):
        if path not in whole:  # written into, it would be deleted before older ones: a folder keeps its time
            shutil.rmtree(path)
    for path, state in whole.items():
        # The Trainer would forget the best one where the folder was moved.
        state["best_model_checkpoint"] = str(folder / f"checkpoint-{state['best_global_step']}")
        write_atomically(path / STATE, json.dumps(state).encode())
        return str(path), state["log_history"]
    return None, []


def _whole_checkpoints(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Checkpoints that lack no file and whose best one lacks none, with the Trainer's state, the last one first."""
    complete = [path for path in _checkpoints(folder) if all((path / part).is_file() for part in PARTS)]
    for path in complete:
        try:
            state = json.loads((path / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if folder / f"checkpoint-{state['best_global_step']}" in complete:
            yield path, state


def _checkpoints(folder: Path) -> list[Path]:
    """Folders of all checkpoints, whole or not, the last one first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


@contextlib.contextmanager
def _random_states_kept() -> Iterator[None]:
    """The Trainer seeds all that is global."""
    devices = range(torch.cuda.device_count())
    own, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)  # noqa: NPY002
