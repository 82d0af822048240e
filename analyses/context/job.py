"""The work that analyses share, as steps with named results: prepare, extract, draw controls, fit probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.command_line.output_folders import check_apart
from analyses.context.coverage import Coverage, measure_coverage
from analyses.context.extraction import EncoderFeatures, ExtractedFeatures, Extraction
from analyses.context.measurements import Measurements
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.output import OutputSettings
from analyses.settings.probing import NO_CONTROLS, ProbeSettings
from probes.checks import InputError, check_writable, from_home
from probes.progress import stage
from probes.results.result import check_replaceable

if TYPE_CHECKING:
    from probes.controls.control_tasks import ControlTasks
    from probes.data.datasets import Splits
    from probes.encoder.encoder import Encoder
    from probes.encoder.tokenization import Encoded
    from probes.probing.sweep_result import Sweep
    from probes.probing.untrained import UntrainedProbe

DEFAULT_FOLDS = 5
"""Number of folds where there are no validation texts and --folds is not set."""


@dataclass(frozen=True, eq=False)
class OwnHead:
    """Predictions of the checkpoint's own classifier on the test texts."""

    log_probs: Mapping[str, NDArray[np.float64]]
    """Label column -> (examples, classes) log probabilities."""
    notes: tuple[str, ...]
    """Notes on label columns whose classes the classifier lacks."""
    encoded_test: Encoded | None
    """The tokenised test texts; None without a classifier."""


@dataclass(frozen=True, eq=False)
class ProbingResults:
    """Everything that a job of probing measures."""

    job: Job
    extracted: ExtractedFeatures
    coverage: Coverage
    own_head: OwnHead
    measurements: Measurements
    """Probes, floors and controls, of which the probing subjects make tables and claims."""

    @property
    def sweep(self) -> Sweep:
        """Every probe and floor with its scores."""
        return self.measurements.sweep

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the texts, the encoder and the probes."""
        job = self.job
        text_notes = (*job.splits.notes, *job.encoder.notes, *self.coverage.notes(job.encoder))
        return (*text_notes, *self.extracted.notes, *self.own_head.notes, *job.data.fold_notes, *self.sweep.notes)


@dataclass(frozen=True, eq=False)
class Job:
    """Data, encoder and settings of one analysis. Its methods do the work, and return what later steps need."""

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
        """Read the texts and load the encoder, after everything is checked that can be checked before.

        Raises:
            InputError: The output folder, the data or the model cannot be used.
        """
        encoder.check_engine()
        check_replaceable(output.out)
        cache = from_home(encoder.cache, name="--cache")
        check_apart(output.out, {"--cache": cache})
        check_writable(cache)
        part = encoder.part
        with stage("reading the texts"):
            splits = data.read(output.seed)
        with stage("loading the model"):
            model = encoder.load()
        return cls(data, encoder, output, probing, part, splits, model)

    @property
    def poolings(self) -> tuple[str, ...]:
        """Poolings that the flags name, or the usual ones of this family."""
        return tuple(dict.fromkeys(self.encoder_settings.poolings or self.encoder.usual_poolings))

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that the flags name, or all, in increasing order."""
        return tuple(sorted(set(self.encoder_settings.layers or range(self.encoder.n_layers + 1))))

    @property
    def n_folds(self) -> int:
        """Number of folds where there are no validation texts."""
        return self.data.folds or DEFAULT_FOLDS

    @property
    def n_classes(self) -> dict[str, int]:
        """Label column -> number of classes."""
        return {task: len(class_names) for task, class_names in self.splits.class_names.items()}

    @property
    def progress(self) -> bool:
        """Whether progress is shown."""
        return not self.output.quiet

    def check_head(self) -> None:
        """Check --head-classes against the classes of the model's own head and of the label columns.

        Raises:
            InputError: The model has no head, or the names are not those of its classes or of any label column.
        """
        from probes.heads.head_classes import check_head_classes

        names = self.encoder_settings.renamed_classes
        if names is None:
            return
        if not self.encoder.is_classifier:
            raise InputError(
                f"--head-classes has no meaning: {self.encoder.name} has no classification head; leave it out"
            )
        check_head_classes(self.encoder.class_names, names, self.splits.class_names)

    def probe(self) -> ProbingResults:
        """Do all steps of probing: extract features, draw control tasks, and fit the probes and those of the floors."""
        extracted = self.extract()
        with stage("fitting probes"):
            controls = self.draw_controls() if self.probing.controls else None
            own_head = self.score_own_head()
            sweep = self.fit(extracted, controls, own_head)
        coverage = self.measure_coverage(extracted.trained)
        untrained_probes = self.fit_untrained(extracted)
        measurements = Measurements(
            sweep=sweep,
            splits=self.splits,
            features=extracted.features,
            encoder=self.encoder,
            control_reasons={} if controls is None else controls.reasons,
            has_controls=self.probing.controls,
            untrained_probes=untrained_probes,
        )
        return ProbingResults(self, extracted, coverage, own_head, measurements)

    def extract(self) -> ExtractedFeatures:
        """Extract the features of the encoder and of the untrained encoders.

        Raises:
            InputError: A text cannot be encoded.
            PartDone: Only one part of the features was requested, and it is extracted.
        """
        return self._extraction().extract_all(self.encoder, self.poolings, self.probing.untrained)

    def extract_with(self, encoder: Encoder, poolings: Sequence[str]) -> EncoderFeatures:
        """Extract the features of another encoder.

        Args:
            encoder: Encoder that reads the texts.
            poolings: Poolings of the features.
        """
        return self._extraction().extract(encoder, poolings)

    def measure_coverage(self, encoder_features: EncoderFeatures) -> Coverage:
        """Count the texts and tokens that the encoder does not read unchanged.

        Args:
            encoder_features: Features of the job's encoder.
        """
        pooling = next(iter(encoder_features.splits.test.features))
        return measure_coverage(self.encoder, self.splits, encoder_features.stores, pooling)

    def draw_controls(self) -> ControlTasks:
        """Draw the control task of each label column."""
        from probes.controls.control_tasks import draw_control_tasks

        return draw_control_tasks(self.splits, seed=self.output.seed)

    def score_own_head(self) -> OwnHead:
        """Predict the test texts by the checkpoint's own classifier, for the label columns whose classes it has."""
        from probes.heads.heads import ModelHead

        if not self.encoder.is_classifier:
            return OwnHead({}, (), None)
        encoded_test = self.encoder.encode(self.splits.test.texts)
        log_probs = {}
        notes = []
        for task, class_names in self.splits.class_names.items():
            try:
                head = ModelHead(self.encoder, class_names, head_classes=self.encoder_settings.renamed_classes)
            except InputError as error:
                notes.append(f"The model's own classifier is not scored on {task}: {error}.")
                continue
            log_probs[task] = head.log_prob(encoded_test, progress=self.progress)
        return OwnHead(log_probs, tuple(notes), encoded_test)

    def fit(self, extracted: ExtractedFeatures, controls: ControlTasks | None, own_head: OwnHead) -> Sweep:
        """Fit and score every probe and floor.

        Args:
            extracted: Features of the encoder.
            controls: Control tasks; None to measure only the scores.
            own_head: Predictions of the checkpoint's own classifier, which are scored beside the probes.
        """
        from probes.controls.studies import default_studies
        from probes.probing.sweep import sweep_probes
        from probes.probing.sweep_inputs import SweepOptions

        only_pooler = set(self.poolings) == {"pooler"}
        splits = extracted.features
        options = SweepOptions(
            layers=self.layers,
            folds=self.n_folds,
            ineligible=("pooler",) if self.encoder.random_pooler and not only_pooler else (),
            studies=None if controls is None else default_studies(controls.tasks, seed=self.output.seed),
            device=str(self.encoder.device),
            model=self.encoder.name,
            seed=self.output.seed,
            progress=self.progress,
        )
        return sweep_probes(
            splits.train,
            splits.validation,
            splits.test,
            class_names=self.splits.class_names,
            heads=own_head.log_probs,
            options=options,
        )

    def fit_untrained(self, extracted: ExtractedFeatures) -> list[list[UntrainedProbe]]:
        """Fit the probes of each untrained encoder.

        Args:
            extracted: Features of the untrained encoders.
        """
        from probes.probing.sweep_inputs import training_folds
        from probes.probing.untrained import untrained_floors

        if not extracted.untrained:
            return []
        with stage("fitting probes, untrained encoders"):
            train = extracted.untrained_features[0].train
            has_validation = self.splits.validation is not None
            return untrained_floors(
                extracted.untrained_features,
                n_classes=self.n_classes,
                layers=self.layers,
                folds=None if has_validation else training_folds(train, self.n_folds, seed=self.output.seed),
                device=str(self.encoder.device),
            )

    def _extraction(self) -> Extraction:
        return Extraction(self.splits, self.encoder_settings, self.layers, self.part, self.progress)
