"""The flags that analyses share, so that each exists once, and the data and encoder they stand for."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from probes.checks import InputError, choose

if TYPE_CHECKING:
    from probes.data.datasets import Splits, TextDataset
    from probes.encoder.encoder import Encoder
    from probes.features.extraction import Engine
    from probes.loading.sources import Source

CONTROLLED = "controlled"
"""Name of the built-in sentences."""


@dataclass(frozen=True)
class DataSettings:
    """Labelled texts: files, or one dataset with splits."""

    train: Path | None = None
    """Training texts: a CSV, TSV, JSON lines or Parquet file, or a saved `datasets` folder."""
    validation: Path | None = None
    """Texts that choose penalties, the best layer and, in fine-tuning, the best epoch. Held out of --train (15 %) when
    not given."""
    test: Path | None = None
    """Texts that are scored once. Held out of --train (15 %) when not given."""
    dataset: str | None = None
    """Instead of --train: a hub dataset, a saved folder with splits, or `controlled` for the built-in sentences."""
    subset: str | None = None
    """Subset (configuration) of --dataset."""
    train_split: str = "train"
    """Split of --dataset to train on."""
    validation_split: str | None = None
    """Split of --dataset that is used for validation; `validation` where there is one. `none` holds it out of the
    training texts."""
    test_split: str | None = None
    """Split of --dataset that is scored; `test` where there is one. `none` holds it out of the training texts."""
    folds: int | None = None
    """Number of folds of the training texts that choose penalties and the best layer, instead of validation texts."""
    separator: str | None = None
    """Separator of the fields in CSV and TSV files: one character, or comma, tab, semicolon or pipe. When not given, it
    is the one that explains the file."""
    encoding: str | None = None
    """Encoding of CSV, TSV and JSON files, such as cp1252 or latin-1. When not given, it is what a byte order mark
    says, else UTF-8."""
    text: str = "text"
    """Column of the texts."""
    text_pair: str | None = None
    """Column of second texts, for pairs."""
    label: tuple[str, ...] = ("label",)
    """Label columns. Each is probed; of a column of lists, each value is probed as a column of its own."""
    group: str | None = None
    """Column of authors, documents, ...: texts of one author or document never stand on two sides of a split that is
    held out."""
    control_type: str | None = None
    """Column of the input types to which a control task gives random labels; the first word of a text when not
    given."""
    rationales: str | None = None
    """Column of the character spans that annotators marked as the reasons of the label, of every label column if there
    are several: lists of [first, last + 1], or text such as 3-9;15-20. The test texts need it. In pairs of texts, spans
    are those of the first text."""
    limit: int | None = None
    """Use at most this many texts of each file or split, drawn at random, with a few of each class where they fit."""
    drop_invalid: bool = False
    """Leave out rows without text, label, group or input type, or with invalid spans, instead of refusing them."""
    drop_rare: bool = False
    """Leave out the texts of classes that have one text, instead of refusing them."""

    @property
    def fold_notes(self) -> tuple[str, ...]:
        """A note on what chose, where there are no validation texts."""
        if self.folds is None:
            return ()
        return (
            f"{self.folds} folds of the training texts, each held out in turn, took the place of validation texts.",
        )

    def read(self, seed: int) -> Splits:
        """The three splits.

        Raises:
            InputError: Nothing, or two things, were named; or the data cannot be used.
        """
        import numpy as np

        from probes.data.splitting import make_splits
        from probes.loading.read_splits import Source, read_splits, split_names
        from probes.probing.selection import check_folds

        if not self.label:
            raise InputError("name at least one label column with --label")
        self._check_names()
        choosers = {"--validation": self.validation, "--validation-split": self.validation_split}
        for flag, chooser in choosers.items():
            if chooser is not None and self.folds is not None:
                raise InputError(f"{flag} and --folds both say what chooses; give one of them")
        if self.train is not None and self.dataset is not None:
            raise InputError("--train and --dataset both name the texts; give one of them")
        # A flag that would go unheeded is a mistake: what is scored must be what was named.
        files: dict[str, object] = {"--validation": self.validation, "--test": self.test}
        files |= {"--separator": self.separator, "--encoding": self.encoding}
        parts: dict[str, object] = {
            "--subset": self.subset,
            "--train-split": None if self.train_split == "train" else self.train_split,
            "--validation-split": self.validation_split,
            "--test-split": self.test_split,
        }
        unheeded = files if self.dataset is not None else parts
        if self.dataset == CONTROLLED:
            columns = {"--text-pair": self.text_pair, "--group": self.group, "--control-type": self.control_type}
            columns["--rationales"] = self.rationales
            columns["--text"] = None if self.text == "text" else self.text
            columns["--drop-invalid"] = "" if self.drop_invalid else None
            columns["--drop-rare"] = "" if self.drop_rare else None
            unheeded = {**files, **parts, **columns, "--folds": self.folds}
        for flag, given in unheeded.items():
            if given is not None:
                other = "--dataset" if self.dataset is not None else "--train"
                raise InputError(f"{flag} has no meaning with {other} {self.dataset or self.train}")
        self._check_files()
        sources: dict[str, Source | None]
        if self.train is not None:
            made = self._sources()
            train, sources = made["train"], {name: made.get(name) for name in ("validation", "test")}
        elif self.dataset == CONTROLLED:
            note = "The built-in sentences come in pairs of the same words; intervals that take them singly are narrow."
            return make_splits(*controlled_datasets(self.label, self.limit, seed), seed=seed, notes=[note])
        elif self.dataset is not None:
            known = split_names(self.dataset, self.subset)
            train, sources = Source(self.dataset, self.subset, self.train_split), {}
            for name, asked in (("validation", self.validation_split), ("test", self.test_split)):
                chosen = asked or (name if name in known and (name == "test" or self.folds is None) else "none")
                sources[name] = None if chosen == "none" else Source(self.dataset, self.subset, chosen)
        else:
            raise InputError("name the texts with either --train FILE (and --validation, --test) or --dataset NAME")
        splits = read_splits(
            train,
            sources.get("validation"),
            sources.get("test"),
            labels=self.label,
            text=self.text,
            pair=self.text_pair,
            group=self.group,
            control=self.control_type,
            rationales=self.rationales,
            limit=self.limit,
            drop_invalid=self.drop_invalid,
            drop_rare=self.drop_rare,
            fold=self.folds is not None,
            seed=seed,
        )
        if self.folds is not None:
            check_folds(self.folds, len(np.unique(splits.train.units)))
        return splits

    def _check_names(self) -> None:
        """Raise where the name that a flag gives is empty."""
        names = [("--dataset", self.dataset), ("--subset", self.subset), ("--train-split", self.train_split)]
        names += [("--validation-split", self.validation_split), ("--test-split", self.test_split)]
        names += [("--separator", self.separator), ("--encoding", self.encoding), ("--text", self.text)]
        names += [("--text-pair", self.text_pair), *(("--label", label) for label in self.label)]
        names += [("--group", self.group), ("--control-type", self.control_type), ("--rationales", self.rationales)]
        for flag, name in names:
            if name == "":
                raise InputError(f"{flag} is empty; give it a name, or leave it out")

    def _check_files(self) -> None:
        """Raise where a file that a flag names is not there."""
        for flag, path in (("--train", self.train), ("--validation", self.validation), ("--test", self.test)):
            if path == Path() and not any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
                raise InputError(f"{flag} is empty or the working folder; name a file or a saved dataset")
            if path is not None and not path.exists():
                raise InputError(f"no file or saved dataset {str(path)!r}, named by {flag}")

    def _sources(self) -> dict[str, Source]:
        """Split name -> the file or folder that was named for it.

        Raises:
            InputError: A separator or an encoding was named, and no file has one.
        """
        from probes.loading.sources import FORMATS, Source

        paths = {"train": self.train, "validation": self.validation, "test": self.test}
        formats = {name: FORMATS.get(path.suffix.lower()) for name, path in paths.items() if path is not None}
        text_formats = {"--separator": ("csv",), "--encoding": ("csv", "json")}
        for flag, value in (("--separator", self.separator), ("--encoding", self.encoding)):
            if value is not None and not set(formats.values()) & set(text_formats[flag]):
                raise InputError(f"{flag} has no meaning with --train {self.train}")
        return {
            name: Source(
                str(paths[name]),
                separator=self.separator if kind in text_formats["--separator"] else None,
                encoding=self.encoding if kind in text_formats["--encoding"] else None,
            )
            for name, kind in formats.items()
        }


@dataclass(frozen=True)
class EncoderSettings:
    """The model, and what is read from it."""

    model: str = "packaged"
    """A hub name, a folder, or `packaged` for the encoder that the extra `demo` installs."""
    revision: str | None = None
    """Branch, tag or commit of --model, or of --base, where that is a hub model."""
    head_classes: tuple[str, ...] | None = None
    """Names that the dataset uses for the classes of the checkpoint's own head, where its config.json has others: in
    the order of its logits (`0 1`), or by the names in config.json (`negative=0 positive=1`)."""
    layers: tuple[int, ...] | None = None
    """Layers to read, 0 being the embeddings; all when not given."""
    poolings: tuple[str, ...] | None = None
    """Pooled vectors to read of each layer: cls, mean, pooler, last or content. When not given, they are cls, mean and
    pooler, where the model has them (last and mean for a model without [CLS])."""
    max_length: int | None = None
    """Most tokens read of a text; the model's limit when not given."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the forward pass that extracts features."""
    stored_dtype: Literal["float32", "float16"] = "float32"
    """Number format of the features on disk. float16 takes half the space, and is refused where a value does not
    fit."""
    device: str = "auto"
    """Device to compute on: cpu, cuda, cuda:1, ...; `auto` is a GPU where there is one."""
    cache: Path = Path("~/.cache/layerprobe")
    """Folder where features are kept for the next run."""
    shards: str | None = None
    """Given as i/n: extract only the i-th of n shares of the features into --cache, and stop. Run n of these, on one
    machine or on several with one cache, then run once without this flag."""
    engine: Literal["local", "ray"] = "local"
    """Where features are extracted: `local` is this process, `ray` is workers of Ray (extra `ray`), on this machine or
    on a cluster."""
    address: str | None = None
    """Address of the Ray cluster to join. When not given, Ray is started on this machine alone."""
    workers: int | None = None
    """Number of Ray workers. When not given, there is one for each GPU, or one for every 8 cores."""
    trust_remote_code: bool = False
    """Run code that a hub model brings along."""
    allow_pickle: bool = False
    """Read weights that are not safetensors; such files can run code."""

    @property
    def part(self) -> tuple[int, int]:
        """The share of the features to extract; (1, 1) for all.

        Raises:
            InputError: --shards is not of the form i/n.
        """
        index, _, parts = (self.shards or "1/1").partition("/")
        if not (index.isdecimal() and parts.isdecimal() and 1 <= int(index) <= int(parts)):
            raise InputError(f"--shards must be of the form i/n with i from 1 to n, as in 2/8, found {self.shards!r}")
        return int(index), int(parts)

    @property
    def renamed_classes(self) -> Sequence[str] | Mapping[str, str] | None:
        """The dataset's names of the head's classes, by logit or by the checkpoint's names; None where none are given.

        Raises:
            InputError: A name of the checkpoint stands twice.
        """
        if not self.head_classes or not all("=" in name for name in self.head_classes):
            return self.head_classes
        pairs = [name.rpartition("=")[::2] for name in self.head_classes]
        if len(dict(pairs)) < len(pairs):
            raise InputError(f"--head-classes names a class of the head twice: {' '.join(self.head_classes)}")
        return dict(pairs)

    def n_stages(self, untrained: int = 0) -> int:
        """How many stages the progress of a job has: texts, model, features and probes, of untrained encoders too."""
        extraction = 3 + untrained
        return extraction if self.shards is not None else extraction + 1 + (untrained > 0)

    def check_engine(self) -> None:
        """Raise where a flag of the other engine is given, or the engine is not installed."""
        for flag, given in (("--address", self.address), ("--workers", self.workers)):
            if given is not None and self.engine != "ray":
                raise InputError(f"{flag} has no meaning without --engine ray")
        if self.engine == "ray" and importlib.util.find_spec("ray") is None:
            raise InputError("--engine ray needs Ray; pip install 'layerprobe[ray]', or leave --engine out")

    def extracting(self) -> contextlib.AbstractContextManager[Engine | None]:
        """Who extracts, for as long as it is needed."""
        if self.engine == "local":
            return contextlib.nullcontext()
        from probes.features.distributed import RayEngine

        return RayEngine(self.address, self.workers)

    def load(self) -> Encoder:
        """The encoder, its poolings and layers checked.

        Raises:
            InputError: The model, a pooling, a layer or the device does not exist.
        """
        from probes.encoder.encoder import Encoder

        encoder = Encoder.load(
            self.model,
            revision=self.revision,
            max_length=self.max_length,
            device=self.device,
            dtype=self.dtype,
            trust_remote_code=self.trust_remote_code,
            allow_pickle=self.allow_pickle,
        )
        encoder.check_poolings(self.poolings or ())
        encoder.check_layers(self.layers or ())
        return encoder


@dataclass(frozen=True)
class ProbeSettings:
    """Reference scores for each probe."""

    controls: bool = True
    """Measure what puts the scores into proportion: control tasks, V-information and codelength, learning curves,
    prediction depth, planted signals, and how alike the layers are."""
    untrained: int = 3
    """Number of untrained encoders, each with its own seed, whose probes are a floor. Each takes one more
    extraction."""


NO_CONTROLS = ProbeSettings(controls=False, untrained=0)


@dataclass(frozen=True)
class OutputSettings:
    """Where results are written, and what is shown meanwhile."""

    out: Path = Path("layerprobe-result")
    """Folder of the result; an earlier result there is replaced."""
    format: tuple[Literal["html", "json", "csv", "markdown"], ...] = ("html",)
    """Files made from the result: html is the page report.html; json is report.json, one file with claims, notes,
    provenance and all tables for programs; csv is attributions.csv, one row for the score of each word; markdown is
    summary.md, thirty lines for a pull request or model card. The result itself (result.json, tables/*.csv,
    attributions.jsonl) is always written."""
    seed: int = 0
    """Seed of every random draw: splits, limits, resampling."""
    quiet: bool = False
    """Show no progress and no notes on stderr. The report has the notes, too."""


def controlled_datasets(tasks: Sequence[str], limit: int | None, seed: int) -> list[TextDataset]:
    """The built-in sentences with the label columns asked for: train, validation, test."""
    from probes.data.controlled import CYCLE, TASKS, controlled_sentences
    from probes.data.datasets import SPLITS, TextDataset
    from probes.data.labels import sort_names

    for task in tasks:
        choose("label column", task, dict.fromkeys(TASKS))
    made = []
    for name in SPLITS:
        sentences = controlled_sentences(name, seed=seed)
        if limit is not None and limit < CYCLE:
            raise InputError(f"--limit of the built-in sentences must be {CYCLE} or more, found {limit}")
        rows = slice(limit and limit - limit % CYCLE)
        dataset = TextDataset.of(
            sentences.texts[rows],
            {task: sentences.labels[task][rows] for task in tasks},
            class_names={task: sort_names(sentences.labels[task]) for task in tasks},
            rationales={task: sentences.rationales[task][rows] for task in tasks},
            source=f"{CONTROLLED}/{name}",
        )
        made.append(dataset)
    return made
