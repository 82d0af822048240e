"""What analyses share in the doing: data and encoder made ready, features extracted once, probes fitted once."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.command_line.output_folders import check_apart
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.output import OutputSettings
from analyses.settings.probing import NO_CONTROLS, ProbeSettings
from probes import __version__
from probes.checks import InputError, TextError, check_writable, from_home
from probes.progress import stage
from probes.results.result import Claim, Provenance, check_replaceable

if TYPE_CHECKING:
    import pandas as pd

    from probes.controls.control_tasks import ControlTask
    from probes.data.datasets import Split, Splits, TextDataset
    from probes.encoder.encoder import Encoder
    from probes.encoder.tokenization import Encoded
    from probes.features.extraction import Engine
    from probes.features.store import FeatureStore
    from probes.probing.selection import Folds
    from probes.probing.sites import Examples, ExampleSplits
    from probes.probing.sweep_result import Sweep
    from probes.probing.untrained import UntrainedProbe

    Stores = Mapping[str, FeatureStore]
    """Split -> store of its dataset's features."""

DEFAULT_FOLDS = 5
SPECIAL = ("cls", "sep", "pad", "mask", "unk", "bos", "eos")
NOTABLE_UNKNOWN = 0.01
"""Share of unknown tokens above which a split is named."""
PACKAGES = "torch transformers tokenizers captum scikit-learn numpy pandas datasets".split()


class PartDone(Exception):  # noqa: N818 - not an error: what was asked for is done, and there is no result yet
    """One share of the features is extracted."""


@dataclass(frozen=True, eq=False)
class Job:
    """Data and encoder of one analysis, and what has been extracted for it."""

    data: DataSettings
    encoder_settings: EncoderSettings
    output: OutputSettings
    probing: ProbeSettings
    part: tuple[int, int]
    splits: Splits
    encoder: Encoder

    @classmethod
    def prepare(
        cls,
        data: DataSettings,
        encoder: EncoderSettings,
        output: OutputSettings,
        probing: ProbeSettings = NO_CONTROLS,
    ) -> Job:
        """Everything that can be refused is refused here, before the long part.

        Raises:
            InputError: The output folder, the data or the model cannot be used.
        """
        encoder.check_engine()
        check_replaceable(output.out)
        cache = from_home(encoder.cache, name="--cache")
        check_apart(output.out, {"--cache": cache})
        check_writable(cache)
        part = encoder.part
        with stage("texts"):
            splits = data.read(output.seed)
        with stage("model"):
            model = encoder.load()
        return cls(data, encoder, output, probing, part, splits, model)

    def check_head(self) -> None:
        """Raise where --head-classes does not name the classes of the model's own head, or those of no label column."""
        from probes.heads.head_classes import check_head_classes

        names = self.encoder_settings.renamed_classes
        if names is not None and not self.encoder.is_classifier:
            raise InputError(f"--head-classes has no meaning: {self.encoder.name} has no classification head")
        if names is not None:
            check_head_classes(self.encoder.class_names, names, self.splits.class_names)

    @property
    def poolings(self) -> tuple[str, ...]:
        """The poolings asked for, or the usual ones of this family."""
        return tuple(dict.fromkeys(self.encoder_settings.poolings or self.encoder.usual_poolings))

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers asked for, or all."""
        return tuple(sorted(set(self.encoder_settings.layers or range(self.encoder.n_layers + 1))))

    @property
    def stores(self) -> Stores:
        """The features of each split; splits of one file share a store."""
        return self._extracted[0][0]

    @cached_property
    def _extracted(self) -> tuple[Sequence[Stores], tuple[str, ...]]:
        """The stores of the encoder and of each untrained one, and notes on how they were made."""
        from probes.features.extraction import MemoryWarning

        caught: list[warnings.WarningMessage] = []
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", MemoryWarning)
                stores = self._extract()
        except BaseException:
            _tell(caught)  # there will be no result to note them in
            raise
        _tell([told for told in caught if told.category is not MemoryWarning])
        return stores, tuple(dict.fromkeys(str(w.message) for w in caught if w.category is MemoryWarning))

    def _extract(self) -> Sequence[Stores]:
        made = []
        with self.encoder_settings.extracting() as engine:
            for seed in (None, *range(self.probing.untrained)):
                untrained = f" of untrained encoder {(seed or 0) + 1} of {self.probing.untrained}"
                with stage("features" if seed is None else f"features{untrained}"):
                    encoder = self.encoder if seed is None else self.encoder.untrained(seed)
                    made.append(self._stores(encoder, self.poolings, engine))
        if self.encoder_settings.shards is not None:
            once = {store.folder: store for stores in made for store in stores.values()}.values()
            missing = sum(len(store.missing(self.poolings)) for store in once)
            raise PartDone(
                f"part {self.encoder_settings.shards} of the features is extracted; shards still missing: {missing}"
                + ("" if missing else "; run again without --shards")
            )
        return made

    def _stores(self, encoder: Encoder, poolings: Sequence[str], engine: Engine | None = None) -> Stores:
        from probes.features.extraction import extract_features

        stores: dict[TextDataset, FeatureStore] = {}
        for _, split in self.splits.items():
            dataset = split.dataset
            if dataset in stores:
                continue
            try:
                stores[dataset] = extract_features(
                    encoder,
                    dataset.texts,
                    poolings=poolings,
                    layers=self.layers,
                    cache=self.encoder_settings.cache,
                    stored_dtype=self.encoder_settings.stored_dtype,
                    part=self.part,
                    engine=engine,
                    progress=not self.output.quiet,
                )
            except TextError as error:
                raise InputError(f"the text in {dataset.location_of(error.row)} {error.fault}") from error
        return {name: stores[split.dataset] for name, split in self.splits.items()}

    def examples(self, untrained: int | None = None) -> ExampleSplits:
        """The splits as `sweep_probes` takes them; of the untrained encoder of that seed, where one is named."""
        return self._read(self._extracted[0][0 if untrained is None else 1 + untrained], self.poolings)

    def examples_of(self, encoder: Encoder, poolings: Sequence[str]) -> ExampleSplits:
        """The same with the features of another encoder, which are extracted here."""
        return self._read(self._stores(encoder, poolings), poolings)

    def _read(self, stores: Stores, poolings: Sequence[str]) -> ExampleSplits:
        from probes.probing.sites import ExampleSplits

        found = {name: self._examples(name, split, stores[name], poolings) for name, split in self.splits.items()}
        return ExampleSplits(found["train"], found.get("validation"), found["test"])

    def _examples(self, name: str, split: Split, store: FeatureStore, poolings: Sequence[str]) -> Examples:
        from probes.probing.sites import Examples

        return Examples(
            features={pooling: store.layers(pooling, split.rows) for pooling in poolings},
            labels={task: split.labels(task) for task in self.splits.class_names},
            texts=split.texts,
            units=split.units if name == "train" and self.splits.validation is None else None,
        )

    @cached_property
    def controls(self) -> tuple[Mapping[str, ControlTask], Mapping[str, str]]:
        """Label column -> its control task; label column -> why there is no valid one."""
        from probes.controls.control_tasks import NoControlTaskError, draw_control_task

        found, reasons = {}, {}
        train, test = self.splits.train, self.splits.test
        for task, classes in self.splits.class_names.items() if self.probing.controls else ():
            labels = train.labels(task)
            try:
                found[task] = draw_control_task(
                    train.input_types, test.input_types, labels, n_classes=len(classes), seed=self.output.seed
                )
            except NoControlTaskError as error:
                reasons[task] = str(error)
        return found, reasons

    @cached_property
    def sweep(self) -> Sweep:
        """Every probe and floor, fitted and scored."""
        from probes.controls.studies import default_studies
        from probes.probing.sweep import SweepOptions, sweep_probes

        read = self.examples()
        only_pooler = set(self.poolings) == {"pooler"}
        with stage("probes"):
            heads, notes = self.heads
            options = SweepOptions(
                layers=self.layers,
                folds=self.data.folds or DEFAULT_FOLDS,
                ineligible=("pooler",) if self.encoder.random_pooler and not only_pooler else (),
                studies=default_studies(self.controls[0], seed=self.output.seed) if self.probing.controls else None,
                device=str(self.encoder.device),
                model=self.encoder.name,
                seed=self.output.seed,
                progress=not self.output.quiet,
            )
            names = self.splits.class_names
            sweep = sweep_probes(
                read.train, read.validation, read.test, class_names=names, heads=heads, options=options
            )
        notes = [*notes, *self.data.fold_notes]
        about_texts = (*self.splits.notes, *self.encoder.notes, *self.token_notes, *self._extracted[1])
        return dataclasses.replace(sweep, notes=(*about_texts, *notes, *sweep.notes))

    @cached_property
    def untrained(self) -> Sequence[Sequence[UntrainedProbe]]:
        """The probes of each untrained encoder."""
        from probes.probing.untrained import untrained_floors

        encoders = [self.examples(seed) for seed in range(self.probing.untrained)]
        with stage("probes of the untrained encoders") if encoders else contextlib.nullcontext():
            return untrained_floors(
                encoders,
                n_classes={task: len(names) for task, names in self.splits.class_names.items()},
                layers=self.layers,
                folds=self._folds(encoders[0].train) if encoders and encoders[0].validation is None else None,
                device=str(self.encoder.device),
            )

    def _folds(self, train: Examples) -> Mapping[str, Folds]:
        from probes.probing.sweep import training_folds

        return training_folds(train, self.data.folds or DEFAULT_FOLDS, seed=self.output.seed)

    @cached_property
    def tokenised_test(self) -> Encoded:
        """The tokenised test texts, for the model's own head and for explanations of it."""
        return self.encoder.encode(self.splits.test.texts)

    @cached_property
    def heads(self) -> tuple[Mapping[str, NDArray[np.float64]], Sequence[str]]:
        """Label column -> the model's own log probabilities on test; and notes of columns whose classes it lacks."""
        from probes.heads.heads import ModelHead

        heads: dict[str, NDArray[np.float64]] = {}
        notes = []
        for task, classes in self.splits.class_names.items():
            if self.encoder.is_classifier:
                try:
                    head = ModelHead(self.encoder, classes, head_classes=self.encoder_settings.renamed_classes)
                except InputError as error:
                    notes.append(f"The model's own head is not scored on {task}: {error}.")
                    continue
                heads[task] = head.log_prob(self.tokenised_test, progress=not self.output.quiet)
        return heads, notes

    @property
    def truncated(self) -> tuple[int, int]:
        """Texts that the encoder did not read to their end, and texts in all."""
        stores = {store.folder: store for store in self.stores.values()}.values()
        return sum(s.truncated(self.poolings[0]) for s in stores), sum(s.manifest.rows for s in stores)

    @cached_property
    def unknown_tokens(self) -> Mapping[str, tuple[int, int]]:
        """Split -> unknown tokens, and tokens in all but special ones; of splits with more than 1 % of them unknown."""
        from probes.features.extraction import token_counts

        counts: dict[TextDataset, NDArray[np.int64]] = {}
        unread = {}
        for name, split in self.splits.items():
            dataset = split.dataset
            if dataset not in counts:
                counts[dataset] = token_counts(self.encoder, self.stores[name], dataset.texts)
            total, unknown = counts[dataset][split.rows].sum(axis=0).tolist()
            if unknown > NOTABLE_UNKNOWN * total:
                unread[name] = unknown, total
        return unread

    @cached_property
    def token_notes(self) -> tuple[str, ...]:
        """Parts of the texts that the tokenizer cannot read, or reads as something else than transformers would."""
        from probes.encoder.special_tokens import count_literals

        tokenizer, notes = self.encoder.tokenizer, []
        for name, (n, total) in self.unknown_tokens.items():
            notes.append(
                f"{100 * n / total:.1f} % of the tokens of the {name} texts ({n:,} of {total:,}) are unknown to the "
                f"tokenizer; the encoder reads {tokenizer.unk_token or 'the unknown token'} in their place."
            )
        splits = [split for _, split in self.splits.items()]
        if n := sum(count_literals(tokenizer, split.texts) for split in splits):
            notes.append(
                f"{n:,} of {sum(map(len, splits)):,} texts hold the name of a special token that the "
                f"tokenizer places itself, such as {tokenizer.sep_token or tokenizer.pad_token}; it is read as "
                "ordinary text there, where transformers by itself would read that token."
            )
        return tuple(notes)

    def claims(self) -> Iterator[Claim]:
        """Notes on the encoder and the texts, to be read before any number."""
        if self.encoder.random_pooler:
            reason = "its bias is exactly zero, which initialisation leaves and training does not"
            yield Claim("random_pooler", "random", numbers={"reason": reason})
        elif not self.encoder.has_pooler:
            yield Claim("no_pooler", "absent", numbers={"reason": f"{type(self.encoder.model).__name__} has no pooler"})
        if "cls" not in self.encoder.poolings:
            yield Claim("no_cls", "absent", numbers={"reason": "its tokenizer adds no [CLS] token"})
        n, total = self.truncated
        if n:
            numbers = {"n": n, "total": total, "max_length": self.encoder.max_length}
            yield Claim("truncated", "measured", numbers=numbers)
        for name, (n, total) in self.unknown_tokens.items():
            shares: dict[str, Any] = {"split": name, "n": n, "total": total, "share": n / total}
            yield Claim("unknown_tokens", "measured", numbers=shares)
        if repeated := self.splits.leakage.exact:
            total = len(self.splits.test)
            leaked: dict[str, Any] = {"n": repeated, "total": total, "share": repeated / total, "split": "test"}
            yield Claim("leakage", "measured", numbers=leaked)

    def provenance(self) -> Provenance:
        """What the numbers came from; the door adds the command line and the times."""
        data = {}
        for name, split in self.splits.items():
            counts = {
                task: dict(zip(classes, np.bincount(split.labels(task), minlength=len(classes)).tolist(), strict=True))
                for task, classes in self.splits.class_names.items()
            }
            fingerprint = split.texts.fingerprint()
            data[name] = {"source": split.dataset.source, "rows": len(split), "texts": fingerprint, "classes": counts}
            if split.groups is not None:
                data[name]["groups"] = len(set(split.groups))
        versions = {"python": platform.python_version(), "layerprobe": __version__}  # of what runs, installed or not
        return Provenance(
            model=self.encoder.name,
            architecture=type(self.encoder.model).__name__,
            revision=self.encoder.revision,
            weights=self.encoder.fingerprint(self.poolings),
            n_layers=self.encoder.n_layers,
            hidden=self.encoder.hidden,
            max_length=self.encoder.max_length,
            data=data,
            versions=versions | {package: importlib.metadata.version(package) for package in PACKAGES},
            seed=self.output.seed,
            dtype=self.encoder.dtype,
            device=str(self.encoder.device),
            command="",
            created="",
            seconds=0.0,
        )


def special_tokens(job: Job) -> pd.DataFrame:
    """The special tokens, and how long their input embeddings are."""
    import pandas as pd

    tokenizer = job.encoder.tokenizer
    table = job.encoder.base.get_input_embeddings().weight
    rows = []
    for role in SPECIAL:
        index = getattr(tokenizer, f"{role}_token_id")
        if index is not None and index < len(table):
            norm = float(table[index].detach().float().norm())
            rows.append((role, tokenizer.convert_ids_to_tokens(index), index, norm))
    return pd.DataFrame(rows, columns=["role", "token", "id", "embedding_norm"])


def _tell(caught: Sequence[warnings.WarningMessage]) -> None:
    """Warn of what was recorded."""
    for told in caught:
        warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)
