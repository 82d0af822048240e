"""Fine-tuning of an encoder under a head: the family's standard one on its pooler, or a linear one on a pooled vector.

Runs that differ in the head alone begin with the same weights and see the same texts in the same order. The Hugging
Face `Trainer` (extra `train`) trains on the device of the encoder: a CPU, or all visible GPUs.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open

from probes.checkpoints.quiet import quiet
from probes.checks import (
    MOST_SEED,
    InputError,
    as_path,
    check_instance,
    check_kind,
    check_same_length,
    choose,
    first_line,
    whole_number,
)
from probes.data.datasets import Split
from probes.data.texts import Texts
from probes.encoder.encoder import Encoder
from probes.encoder.pooling import POOLINGS
from probes.heads.fine_tuned_folder import FORMAT, HEAD_FILE, RESULT_FILE, read_json, write_json
from probes.heads.fine_tuned_folder import FineTuned as FineTuned
from probes.heads.heads import Head, ModelHead, ProbeHead
from probes.heads.trainable_head import TrainableHead
from probes.heads.trainer import RunOptions, TrainingSettings, train_epochs
from probes.heads.training_checkpoints import epochs_done
from probes.locks import file_lock
from probes.logistic.fitted_probe import FittedProbe
from probes.progress import register_saved_work
from probes.sequences import Int64Array, check_labels, class_ids, text_list

WRITE_ERROR_WORDS = ("inline_container", "iostream error", "PytorchStreamWriter")
"""Words of PyTorch's error messages about a file that it cannot write."""
RECIPE_FILE = "recipe.json"
CHECKPOINT_FOLDER = "checkpoints"
LOCK_FILE = ".lock"


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """Texts with one class id each."""

    texts: Texts
    labels: Int64Array
    """(texts,) class ids."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", Texts.of(self.texts))
        object.__setattr__(self, "labels", class_ids(self.labels, name="labels"))
        check_same_length(texts=self.texts, labels=self.labels)

    @classmethod
    def of(cls, split: Split, task: str) -> Self:
        """Return the texts of a split with one of its label columns."""
        check_instance(split, Split, "split")
        choose("label column", task, split.dataset.labels)
        return cls(split.texts, split.labels(task))

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the texts and labels, in order."""
        labels = np.ascontiguousarray(self.labels, dtype="<i8").tobytes()
        content = self.texts.fingerprint().encode() + labels
        return hashlib.sha256(content).hexdigest()


def fine_tune(
    encoder: Encoder,
    train: LabelledTexts,
    validation: LabelledTexts,
    *,
    head: str,
    class_names: Sequence[str],
    folder: Path | str,
    settings: TrainingSettings | None = None,
    seed: int = 0,
    progress: bool = False,
) -> FineTuned:
    """Train a copy of the encoder and a new head until validation accuracy no longer rises, and save the best epoch's.

    The head `pooler` is the family's standard `*ForSequenceClassification`, whatever that reads: the pooler of [CLS] in
    BERT, a layer of the head's own in RoBERTa or DistilBERT, the last token in decoders. It is saved so that
    `AutoModelForSequenceClassification.from_pretrained(folder)` loads it. Where the encoder's checkpoint has no trained
    pooler, that head starts from a random one. Any other head is dropout and a linear map of this pooling of the last
    layer, saved beside the encoder; the encoder's own pooler does not change. `load_head` loads either.

    The order of the texts depends on the seed and the epoch alone. Where the family's standard head is dropout and a
    linear map on a pooler, as in BERT, its map begins with the same numbers as the other heads', and every batch has
    the same dropout.

    A killed run resumes from its last complete epoch when the function is called again with the same arguments, with
    the same result on a CPU; a finished one is loaded.

    Args:
        encoder: Encoder to copy, which does not change; training runs on its device.
        train: Training texts.
        validation: Validation texts, which choose the epoch.
        head: `pooler`, or another name from `probes.encoder.pooling.POOLINGS` that the encoder can give.
        class_names: Names by class id.
        folder: Folder of the result, and of checkpoints until training has finished.
        settings: Settings of training; the defaults when None.
        seed: Seed of the head's first weights, the order and the dropout. The global random states do not change.
        progress: Show a bar on stderr.

    Returns:
        The fine-tuned model in its folder.

    Raises:
        InputError: The extra `train` is not installed; `folder` was made from something else; the family has no
            standard classifier, or one that would read padding; labels do not fit; or training diverged.
    """
    try:
        import accelerate  # noqa: F401 - the Trainer needs it
    except ImportError as error:
        raise InputError("fine-tuning needs accelerate; pip install 'layerprobe[train]'") from error
    check_instance(encoder, Encoder, "encoder")
    settings = TrainingSettings() if settings is None else check_instance(settings, TrainingSettings, "settings")
    folder = as_path(folder, name="folder")
    seed = whole_number(seed, "seed", most=MOST_SEED)
    check_kind(bool, progress=progress)
    class_names = text_list(class_names, "class_names")
    if len(class_names) < 2 or len(set(class_names)) < len(class_names):
        raise InputError(f"a head needs two classes or more, each with its own name, found {list(class_names)!r}")
    _check_labelled_texts(train, validation, len(class_names))
    choose("head", head, POOLINGS)

    trainable = TrainableHead.build(encoder, head, class_names, settings, seed)
    recipe = {
        "format": FORMAT,
        "seed": seed,
        "model": encoder.fingerprint(),
        "tokenizer": trainable.encoder.tokenizer_fingerprint(),
        "head": head,
        "train": train.fingerprint(),
        "validation": validation.fingerprint(),
        "class_names": list(class_names),
        **asdict(settings),
    }
    _check_recipe(folder, recipe)
    options = RunOptions(
        seed=seed,
        folder=folder / CHECKPOINT_FOLDER,
        on_cpu=trainable.encoder.device.type == "cpu",
        description=f"fine-tuning, {head} head",
        progress=progress,
    )
    if not (folder / RESULT_FILE).is_file():
        with file_lock(folder / LOCK_FILE, f"fine-tuning in {str(folder)!r}"):
            if not (folder / RESULT_FILE).is_file():  # else another run has finished it meanwhile
                _train(trainable, train, validation, settings, folder, options)
    shutil.rmtree(folder / CHECKPOINT_FOLDER, ignore_errors=True)  # also those of a run killed while it deleted them
    return FineTuned.load(folder)


def _check_labelled_texts(train: LabelledTexts, validation: LabelledTexts, n_classes: int) -> None:
    """Raise unless both parts have texts, with labels of the classes."""
    for name, labelled_texts in (("train", train), ("validation", validation)):
        check_instance(labelled_texts, LabelledTexts, name)
        if not labelled_texts.texts:
            raise InputError(f"there are no {'training' if name == 'train' else name} texts")
        check_labels(labelled_texts.labels, n_classes)


def _train(
    trainable: TrainableHead,
    train: LabelledTexts,
    validation: LabelledTexts,
    settings: TrainingSettings,
    folder: Path,
    options: RunOptions,
) -> None:
    """Train a head from its last complete epoch on, and leave the finished model in the folder."""
    register_saved_work("epoch", lambda: (epochs_done(options.folder), settings.epochs))
    with disk_errors_naming(folder):
        train_inputs = trainable.model_inputs(train.texts, train.labels)
        validation_inputs = trainable.model_inputs(validation.texts, validation.labels)
        try:
            epochs, best_epoch = train_epochs(trainable.model, train_inputs, validation_inputs, settings, options)
        except FloatingPointError as error:
            advice = f"use a learning rate below {settings.learning_rate:g}, and delete the folder {str(folder)!r}"
            raise InputError(f"training diverged: {error}; {advice}") from error
        with quiet():
            trainable.save(folder)
    fine_tuned = FineTuned(
        folder=folder,
        head=trainable.head,
        class_names=trainable.class_names,
        seed=options.seed,
        max_length=trainable.encoder.max_length,
        epochs=epochs,
        best_epoch=best_epoch,
        random_pooler=trainable.random_pooler,
    )
    fine_tuned.write()


@contextlib.contextmanager
def disk_errors_naming(folder: Path) -> Iterator[None]:
    """Raise disk errors of PyTorch, safetensors and the system as one kind of error that names the folder.

    Raises:
        OSError: A file cannot be written, because the disk is full for instance.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in WRITE_ERROR_WORDS):
            raise
        reason = getattr(error, "strerror", None) or first_line(error)
        if isinstance(error, RuntimeError):  # PyTorch does not name the reason
            free_mebibytes = shutil.disk_usage(folder).free / 2**20
            reason = f"PyTorch could not write, and {free_mebibytes:,.1f} MiB of the disk are free"
        raise OSError(f"cannot write to {str(folder)!r}: {reason}; complete epochs are kept") from error


def load_head(folder: Path | str, *, device: str = "auto", dtype: str = "float32") -> Head:
    """Load the head of `fine_tune` from a folder, on its encoder.

    Args:
        folder: Folder of the result.
        device: Device of the encoder, as in `Encoder.load`.
        dtype: Dtype in which the encoder computes.

    Returns:
        `ModelHead`, or `ProbeHead` at the last layer.

    Raises:
        InputError: The folder holds no result, or an unfinished one.
    """
    fine_tuned = FineTuned.load(folder)
    encoder = Encoder.load(str(folder), max_length=fine_tuned.max_length, device=device, dtype=dtype)
    if fine_tuned.head == "pooler":
        return ModelHead(encoder, fine_tuned.class_names)
    with safe_open(str(fine_tuned.folder / HEAD_FILE), framework="numpy") as file:
        probe = FittedProbe(file.get_tensor("weight"), file.get_tensor("bias"))
    return ProbeHead(
        encoder, probe, layer=encoder.n_layers, pooling=fine_tuned.head, class_names=fine_tuned.class_names
    )


def _check_recipe(folder: Path, recipe: dict[str, Any]) -> None:
    """Write the inputs of a run to its folder, or raise where they differ from those in the folder."""
    path = folder / RECIPE_FILE
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        if (folder / "config.json").exists():
            raise InputError(f"{str(folder)!r} contains a model that layerprobe did not fine-tune; use another folder")
        write_json(path, recipe)
    saved_recipe = read_json(path)
    for name, value in recipe.items():
        if saved_recipe.get(name) != value:
            raise InputError(
                f"{str(folder)!r} was fine-tuned with {name}={saved_recipe.get(name)!r}, this run asks for {value!r}; "
                "use another folder or delete it"
            )
