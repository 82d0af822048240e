"""One encoder fine-tuned under a head: the family's standard one on its pooler, or a linear one on a pooled vector.

Runs that differ in the head alone begin with the same weights and see the same texts in the same order. The Hugging
Face `Trainer` trains (extra `train`), on the device of the encoder: a CPU, or all GPUs that it sees.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from probes.atomic_write import write_atomically
from probes.checkpoints.quiet import quiet
from probes.checkpoints.random_weights import build_classifier
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
from probes.encoder.pooling import POOLINGS, LayerStates
from probes.heads.fine_tuned_folder import DONE, FORMAT, read_json
from probes.heads.fine_tuned_folder import FineTuned as FineTuned
from probes.heads.heads import Head, ModelHead, ProbeHead
from probes.heads.trainer import Side, TrainingSettings, epochs_done, train_epochs
from probes.locks import file_lock
from probes.probing.logistic import FittedProbe
from probes.progress import register_saved_work
from probes.sequences import check_labels, class_ids, text_list

WRITE_FAULTS = ("inline_container", "iostream error", "PytorchStreamWriter")
"""Words of PyTorch's messages where it cannot write a file."""
RECIPE, HEAD_FILE = "recipe.json", "head.safetensors"
CHECKPOINTS, LOCK = "checkpoints", ".lock"


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """Texts with one class id each."""

    texts: Texts
    labels: NDArray[np.int64]
    """(texts,)"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", Texts.of(self.texts))
        object.__setattr__(self, "labels", class_ids(self.labels, name="labels"))
        check_same_length(texts=self.texts, labels=self.labels)

    @classmethod
    def of(cls, split: Split, task: str) -> Self:
        """The texts of a split, with one of its label columns."""
        check_instance(split, Split, "split")
        choose("label column", task, split.dataset.labels)
        return cls(split.texts, split.labels(task))

    def fingerprint(self) -> str:
        """SHA-256 over the texts and labels, in order."""
        labels = np.ascontiguousarray(self.labels, dtype="<i8").tobytes()
        return hashlib.sha256(self.texts.fingerprint().encode() + labels).hexdigest()


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
    """Train a copy of the encoder and a new head until validation accuracy no longer rises; keep the best epoch's.

    The head `pooler` is the family's standard `*ForSequenceClassification`, whatever that reads: the pooler of [CLS] in
    BERT, a layer of the head's own in RoBERTa or DistilBERT, the last token in decoders. It is saved so that
    `AutoModelForSequenceClassification.from_pretrained(folder)` loads it. A pooler that the encoder's checkpoint left
    random is where that head starts. Any other head is dropout and a linear map of the vector that this pooling gives
    of the last layer, saved beside the encoder; the encoder's own pooler stays as it was. `load_head` loads either.

    The order of the texts depends on the seed and the epoch alone. Where the family's standard head is dropout and a
    linear map on a pooler, as BERT's, its map begins with the same numbers as the other heads', and every batch meets
    the same dropout.

    A run that was killed goes on from its last whole epoch when it is called again with the same arguments, to the same
    result on a CPU; a finished one is loaded.

    Args:
        encoder: Given back as it came, and where training runs.
        train: What is learnt from.
        validation: What chooses the epoch.
        head: `pooler`, or another name from `probes.encoder.pooling.POOLINGS` that the encoder can give.
        class_names: By class id.
        folder: For the result, and for checkpoints until there is one.
        settings: The defaults when None.
        seed: Of the head's first weights, the order and the dropout. The global random states stay as they are.
        progress: Show a bar.

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
    folder, seed = as_path(folder, name="folder"), whole_number(seed, "seed", most=MOST_SEED)
    check_kind(bool, progress=progress)
    class_names = text_list(class_names, "class_names")
    if len(class_names) < 2 or len(set(class_names)) < len(class_names):
        raise InputError(f"a head needs two classes or more, each with its own name, found {list(class_names)!r}")
    for name, side in (("train", train), ("validation", validation)):
        check_instance(side, LabelledTexts, name)
        if not side.texts:
            raise InputError(f"there are no {'training' if name == 'train' else name} texts")
        check_labels(side.labels, len(class_names))
    choose("head", head, POOLINGS)
    student = _Student.of(encoder, head, class_names, settings, seed)
    data = {"train": train.fingerprint(), "validation": validation.fingerprint(), "class_names": list(class_names)}
    model = {"model": encoder.fingerprint(), "tokenizer": student.encoder.tokenizer_fingerprint(), "head": head}
    _claim(folder, {"format": FORMAT, "seed": seed, **model, **data, **asdict(settings)})
    if not (folder / DONE).is_file():
        with file_lock(folder / LOCK, f"fine-tuning in {str(folder)!r}"):
            if not (folder / DONE).is_file():  # else another run has finished it meanwhile
                _train(student, train, validation, settings, seed=seed, folder=folder, progress=progress)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)  # also those of a run that was killed while it did so
    return FineTuned.load(folder)


def check_trainable(encoder: Encoder, heads: Sequence[str], class_names: Sequence[str]) -> None:
    """Raise where one of the heads cannot be trained on this encoder: all are asked before the first is trained.

    Raises:
        InputError: Fine-tuning would read padding, or the family has no such head.
    """
    for head in heads:
        _check_head(encoder, head)
        if head == "pooler":
            _standard_classifier(encoder, class_names, encoder.max_length, seed=0)


def _check_head(encoder: Encoder, head: str) -> None:
    choose("head", head, POOLINGS)
    if not encoder.takes_padding:
        raise InputError(
            f"padding changes what {type(encoder.base).__name__} gives for a text, and fine-tuning pads; use another "
            "encoder"
        )
    if head != "pooler":
        encoder.check_poolings([head])


def _standard_classifier(encoder: Encoder, class_names: Sequence[str], length: int, seed: int) -> Encoder:
    """The family's standard classifier on a copy of the encoder, as it reads texts."""
    model = build_classifier(encoder.base, class_names, seed)
    classifier = Encoder(model, encoder.tokenizer, max_length=length)
    if classifier.head_needs_texts_alone:
        raise InputError(f"the head of {type(model).__name__} would read padding; use another head")
    return classifier


def _train(
    student: _Student,
    train: LabelledTexts,
    validation: LabelledTexts,
    settings: TrainingSettings,
    *,
    seed: int,
    folder: Path,
    progress: bool,
) -> None:
    """Train a student from its last whole epoch on, and leave the finished model in the folder."""
    register_saved_work("epoch", lambda: (epochs_done(folder / CHECKPOINTS), settings.epochs))
    with writing_to(folder):
        try:
            epochs, best = train_epochs(
                student.model,
                student.side(train),
                student.side(validation),
                settings,
                seed=seed,
                folder=folder / CHECKPOINTS,
                on_cpu=student.encoder.device.type == "cpu",
                description=f"fine-tuning, {student.head} head",
                progress=progress,
            )
        except FloatingPointError as error:
            lower = f"lower the learning rate, {settings.learning_rate:g}, and delete the folder {str(folder)!r}"
            raise InputError(f"training diverged: {error}; {lower}") from error
        with quiet():
            student.save(folder)
    length = student.encoder.max_length
    FineTuned(folder, student.head, student.class_names, seed, length, epochs, best, student.random_pooler).write()


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise what PyTorch, safetensors and the system say of a disk as one kind of error that names the folder.

    Raises:
        OSError: A file cannot be written, because the disk is full for instance.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in WRITE_FAULTS):
            raise
        why = getattr(error, "strerror", None) or first_line(error)
        if isinstance(error, RuntimeError):  # PyTorch does not say why
            why = f"PyTorch could not write; {shutil.disk_usage(folder).free / 2**20:,.1f} MiB of the disk are free"
        raise OSError(f"cannot write to {str(folder)!r}: {why}; whole epochs are kept") from error


def load_head(folder: Path | str, *, device: str = "auto", dtype: str = "float32") -> Head:
    """The head that `fine_tune` left in a folder, on its encoder: a `ModelHead`, or a `ProbeHead` at the last layer.

    Raises:
        InputError: There is none, or it was not finished.
    """
    tuned = FineTuned.load(folder)
    encoder = Encoder.load(str(folder), max_length=tuned.max_length, device=device, dtype=dtype)
    if tuned.head == "pooler":
        return ModelHead(encoder, tuned.class_names)
    with safe_open(str(tuned.folder / HEAD_FILE), framework="numpy") as file:
        probe = FittedProbe(file.get_tensor("weight"), file.get_tensor("bias"))
    return ProbeHead(encoder, probe, layer=encoder.n_layers, pooling=tuned.head, class_names=tuned.class_names)


@dataclass(frozen=True, eq=False)
class _Student:
    """What is trained: a copy of an encoder, and a head on it."""

    encoder: Encoder
    """Reads texts for it, on its device."""
    model: Any
    """Takes a batch and labels; gives loss and logits."""
    head: str
    class_names: tuple[str, ...]
    random_pooler: bool

    @classmethod
    def of(cls, given: Encoder, head: str, class_names: Sequence[str], settings: TrainingSettings, seed: int) -> Self:
        _check_head(given, head)
        n, length, model = len(class_names), settings.max_length or given.max_length, None
        linear = nn.Linear(given.hidden, n, device="meta").to_empty(device="cpu")
        std, generator = getattr(given.config, "initializer_range", 0.02), torch.Generator().manual_seed(seed)
        nn.init.normal_(linear.weight, std=std, generator=generator)
        nn.init.zeros_(linear.bias)
        if head == "pooler":
            encoder = _standard_classifier(given, class_names, length, seed)
            model = encoder.model
            last = getattr(model, "classifier", None)
            if isinstance(last, nn.Linear) and last.weight.shape == linear.weight.shape:
                last.load_state_dict(linear.state_dict())
        else:
            encoder = Encoder(copy.deepcopy(given.base).float(), given.tokenizer, max_length=length)
            model = _PooledClassifier(encoder.base, head, linear)
        model.requires_grad_(True)
        encoder.base.requires_grad_(not settings.freeze)
        if encoder.has_pooler:
            encoder.base.pooler.requires_grad_(head == "pooler")
        random_pooler = head == "pooler" and encoder.has_pooler and (given.random_pooler or not given.has_pooler)
        return cls(encoder, model.to(given.device), head, tuple(class_names), random_pooler)

    def side(self, data: LabelledTexts) -> Side:
        """Texts as it takes them."""
        encoded, labels = self.encoder.encode(data.texts), data.labels.astype(np.int64)

        def inputs(rows: Sequence[int]) -> dict[str, Tensor]:
            batch = self.encoder.batch(encoded, rows)
            found: dict[str, Tensor | None] = {"labels": torch.from_numpy(labels[list(rows)]), **batch.inputs}
            if self.head != "pooler":
                found |= {"special": batch.special, "cls_index": batch.cls_index}
            return {name: tensor for name, tensor in found.items() if tensor is not None}

        return Side(encoded.lengths, inputs)

    def save(self, folder: Path) -> None:
        """Write the weights, the tokenizer and the head."""
        if isinstance(self.model, _PooledClassifier):
            linear = {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.linear.named_parameters()}
            said = {"format": str(FORMAT), "pooling": self.head, "classes": json.dumps(self.class_names)}
            write_atomically(folder / HEAD_FILE, save(linear, said))
        (self.encoder.base if self.head != "pooler" else self.model).save_pretrained(folder)
        self.encoder.tokenizer.save_pretrained(folder)


class _PooledClassifier(nn.Module):
    """Dropout and a linear map of one pooled vector of the last layer."""

    accepts_loss_kwargs = False
    """Told to the Trainer: the loss is the mean over a batch, whatever the batches beside it."""

    def __init__(self, base: Any, pooling: str, linear: nn.Linear) -> None:
        super().__init__()
        own = (getattr(base.config, name, None) for name in ("classifier_dropout", "hidden_dropout_prob", "dropout"))
        self.base, self.pooling, self.linear = base, pooling, linear
        self.dropout = nn.Dropout(next((float(p) for p in own if isinstance(p, float | int)), 0.1))

    def forward(
        self,
        attention_mask: Tensor,
        special: Tensor,
        labels: Tensor,
        cls_index: Tensor | None = None,
        **inputs: Tensor,
    ) -> dict[str, Tensor]:
        """Loss, and (batch, classes) logits."""
        hidden = self.base(attention_mask=attention_mask, **inputs, return_dict=True).last_hidden_state
        pooled = POOLINGS[self.pooling](LayerStates(hidden, attention_mask, cls_index, special))
        logits = self.linear(self.dropout(pooled)).float()
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def _claim(folder: Path, recipe: dict[str, Any]) -> None:
    """Write down what the folder is made from, or raise where that is something else."""
    path = folder / RECIPE
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        if (folder / "config.json").exists():
            raise InputError(f"{str(folder)!r} holds a model that was not fine-tuned here; use another folder")
        write_atomically(path, (json.dumps(recipe, indent=1) + "\n").encode())
    found = read_json(path)
    for name, asked in recipe.items():
        if found.get(name) != asked:
            raise InputError(
                f"{str(folder)!r} was fine-tuned with {name}={found.get(name)!r}, this run asks for {asked!r}; "
                "use another folder or delete it"
            )
