"""A sweep that research code made, as a result that can be saved and drawn as a page."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from analyses.context.coverage import leakage_claims, tokenised_coverage
from analyses.context.measurements import Measurements
from analyses.context.provenance import describe_array_provenance, describe_provenance
from analyses.probing_subjects import describe_measurements
from probes.checks import InputError, check_instance, check_kind, choose
from probes.results.result import AnalysisResult

if TYPE_CHECKING:
    from probes.controls.control_tasks import ControlTasks
    from probes.data.datasets import Splits
    from probes.encoder.encoder import Encoder
    from probes.probing.sites import Examples
    from probes.probing.sweep_result import Sweep
    from probes.probing.untrained import UntrainedProbe
    from probes.results.result import Claim, Provenance
    from probes.sequences import FloatArray

SPLIT_NAMES = ("train", "validation", "test")
ARRAYS_NOTE = (
    "The features were given as arrays: only the name of the encoder is known, and tokenisation and truncation are not."
)
"""Note on a result without an encoder."""
NOT_OF_THIS_SWEEP = "give the examples that sweep_probes was given"


def describe_sweep(
    sweep: Sweep,
    examples: Mapping[str, Examples | None],
    *,
    encoder: Encoder | None = None,
    splits: Splits | None = None,
    controls: ControlTasks | None = None,
    untrained: Sequence[Sequence[UntrainedProbe]] = (),
) -> AnalysisResult:
    """Describe a sweep of research code by tables and claims, so that it can be saved and drawn as a page.

    It measures what `layerprobe layers` measures of its own sweep: the differences from the floors that the sweep has,
    selectivity, information, resampled training sets and prediction depth where the sweep made these studies
    (`default_studies`), a probe on all layers together, planted signals, and the geometry of the features. Planted
    signals and the probe on all layers take seconds to minutes, as they fit probes.

    Args:
        sweep: Result of `sweep_probes`.
        examples: Split name -> the examples that `sweep_probes` was given: train, validation (or None), and test.
        encoder: Encoder of the features; None where they came as arrays of which it is not known.
        splits: The texts of the examples, with their sources, notes and input types; made of the examples' texts when
            None.
        controls: The control tasks of the sweep, which say why a label column has none.
        untrained: (seeds,) probes of untrained encoders, as `probes.probing.untrained.untrained_floors` returns them.

    Returns:
        A result named `sweep`; accuracies are shares, intervals are 95 %.

    Raises:
        InputError: The examples, splits or encoder are not those of the sweep; there are no splits, and the examples
            hold no texts or the sweep has control tasks; or neither the encoder nor the sweep names the model.
    """
    from probes.controls.control_tasks import ControlTasks
    from probes.probing.sites import ExampleSplits

    if controls is not None:
        check_instance(controls, ControlTasks, "controls", "; draw them by draw_control_tasks")
    named_sweep = _with_model(sweep, encoder)
    prepared = _prepared_examples(named_sweep, examples)
    _check_layers(named_sweep, encoder)
    _check_untrained(named_sweep, untrained)
    measurements = Measurements(
        sweep=named_sweep,
        splits=_splits_of_examples(named_sweep, prepared) if splits is None else _checked_splits(splits, prepared),
        features=ExampleSplits(prepared["train"], prepared.get("validation"), prepared["test"]),
        encoder=encoder,
        control_reasons={} if controls is None else controls.reasons,
        has_controls=True,
        untrained_probes=untrained,
    )
    provenance, claims, notes = _describe_texts(measurements)
    result = describe_measurements("sweep", measurements, provenance)
    has_input_types = measurements.splits.train.dataset.input_types is not None
    settings = {"data": {"control_type": "input_types"}} if has_input_types else {}
    all_notes = (*notes, *named_sweep.notes, *result.notes)
    return dataclasses.replace(result, settings=settings, claims=(*result.claims, *claims), notes=all_notes)


def _with_model(sweep: Sweep, encoder: Encoder | None) -> Sweep:
    """Return the sweep with the name of its model.

    Raises:
        InputError: An argument is of another kind, the sweep holds no label column, or nothing names the model.
    """
    from probes.encoder.encoder import Encoder
    from probes.probing.sweep_result import Sweep

    check_instance(sweep, Sweep, "sweep", "; make one by sweep_probes")
    if not sweep.tasks:
        raise InputError("the sweep has no label column")
    if encoder is not None:
        check_instance(encoder, Encoder, "encoder")
    if sweep.model:
        return sweep
    if encoder is None:
        raise InputError(
            "the name of the model is not known; give its encoder, or SweepOptions(model=...) to sweep_probes"
        )
    return dataclasses.replace(sweep, model=encoder.name)


def _prepared_examples(sweep: Sweep, examples: Mapping[str, Examples | None]) -> dict[str, Examples]:
    """Return the examples with class ids, after a check that they are those of the sweep."""
    from probes.probing.sites import Examples, prepare_splits

    check_kind(Mapping, examples=examples)
    missing = {"train", "test"} - {name for name, split in examples.items() if split is not None}
    unknown = set(examples) - set(SPLIT_NAMES)
    if missing or unknown:
        raise InputError(
            f"examples must be a mapping with train, test and optionally validation, found {', '.join(examples)}"
        )
    given = {}
    for name, split in examples.items():
        if split is not None:
            given[name] = check_instance(split, Examples, f"{name} examples")
    class_names = {task: task_sweep.class_names for task, task_sweep in sweep.tasks.items()}
    if any(set(split.labels) != set(class_names) for split in given.values()):
        raise InputError(f"the label columns of the sweep are {', '.join(class_names)}; {NOT_OF_THIS_SWEEP}")
    prepared, _ = prepare_splits(given, class_names)
    for task, task_sweep in sweep.tasks.items():
        if not np.array_equal(prepared["test"].labels[task], task_sweep.labels):
            raise InputError(f"the test labels of {task!r} are not those of the sweep; {NOT_OF_THIS_SWEEP}")
        if absent := {site.pooling for site in task_sweep.selections} - set(prepared["test"].features):
            raise InputError(f"the examples lack the pooling {min(absent)!r} of the sweep; {NOT_OF_THIS_SWEEP}")
    return {name: _with_checked_features(name, split) for name, split in prepared.items()}


def _with_checked_features(name: str, split: Examples) -> Examples:
    """Return the examples with features that are arrays, whatever they were given as."""
    features = {pooling: _CheckedLayers(name, split, pooling) for pooling in split.features}
    return dataclasses.replace(split, features=features)


@dataclasses.dataclass(frozen=True, eq=False)
class _CheckedLayers:
    """Features of one split and pooling; a layer is converted and checked when it is read."""

    name: str
    split: Examples
    pooling: str

    def __getitem__(self, layer: int, /) -> FloatArray:
        """Return the (examples, hidden) features of one layer."""
        from probes.probing.sites import Site, site_features

        return site_features(self.name, self.split, Site(self.pooling, layer))


def _check_layers(sweep: Sweep, encoder: Encoder | None) -> None:
    """Raise unless the encoder has the layers of the sweep, and vectors of the probes' size."""
    if encoder is None:
        return
    for task_sweep in sweep.tasks.values():
        for site, selection in task_sweep.selections.items():
            encoder.check_layers([site.layer])
            hidden = selection.probe.weight.shape[1]
            if hidden != encoder.hidden:
                raise InputError(f"vectors of {encoder.name} have {encoder.hidden} values, those of {site} {hidden}")


def _check_untrained(sweep: Sweep, untrained: Sequence[Sequence[UntrainedProbe]]) -> None:
    """Raise unless the probes of untrained encoders have predictions for the test examples of the sweep."""
    from probes.probing.untrained import UntrainedProbe

    check_kind(tuple, untrained=untrained)
    for seed, probes in enumerate(untrained):
        check_kind(tuple, **{f"untrained encoder {seed}": probes})
        for probe in probes:
            check_instance(probe, UntrainedProbe, f"a probe of untrained encoder {seed}")
            task_sweep = choose("label column", probe.task, sweep.tasks)
            if len(probe.predictions.predicted) != len(task_sweep.labels):
                raise InputError(f"the probes of untrained encoder {seed} have other test examples than the sweep")


def _splits_of_examples(sweep: Sweep, examples: Mapping[str, Examples]) -> Splits:
    """Return the texts and labels of the examples as splits."""
    from probes.data.datasets import Split, Splits, TextDataset

    if "control" in sweep.studies:
        raise InputError("the sweep has control tasks; give the splits from which they were drawn")
    splits = {}
    for name, split in examples.items():
        if split.texts is None:
            raise InputError(f"the {name} examples have no texts; give Examples(..., texts=texts), or the splits")
        class_names = {task: task_sweep.class_names for task, task_sweep in sweep.tasks.items()}
        labels = {}
        for task, ids in split.labels.items():
            labels[task] = [class_names[task][class_id] for class_id in ids.tolist()]
        dataset = TextDataset.of(split.texts, labels, class_names=class_names)
        splits[name] = Split(dataset, np.arange(len(dataset.texts)))
    return Splits(splits["train"], splits.get("validation"), splits["test"])


def _checked_splits(splits: Splits, examples: Mapping[str, Examples]) -> Splits:
    """Return the splits after a check that they have the labels of the examples."""
    from probes.data.datasets import Splits

    check_instance(splits, Splits, "splits", "; make them by make_splits or read_splits")
    split_by_name = dict(splits.items())
    if set(split_by_name) != set(examples):
        names = f"{', '.join(split_by_name)} among the splits, {', '.join(examples)} among the examples"
        raise InputError(f"found {names}; both must have the same names")
    for name, split in split_by_name.items():
        for task, labels in examples[name].labels.items():
            if task not in splits.class_names or not np.array_equal(split.labels(task), labels):
                raise InputError(f"the {name} labels of {task!r} are not those of the splits; {NOT_OF_THIS_SWEEP}")
    return splits


def _describe_texts(measurements: Measurements) -> tuple[Provenance, Iterator[Claim], tuple[str, ...]]:
    """Return the provenance, and the claims and notes on the encoder and the texts."""
    splits = measurements.splits
    encoder = measurements.encoder
    sweep = measurements.sweep
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    if encoder is None:
        provenance = describe_array_provenance(sweep, splits)
        claims = leakage_claims(splits)
        notes = (*splits.notes, ARRAYS_NOTE)
    else:
        provenance = describe_provenance(encoder, splits, measurements.features.train.features, seed=sweep.seed)
        coverage = tokenised_coverage(encoder, splits)
        claims = coverage.claims(encoder, splits)
        notes = (*splits.notes, *encoder.notes, *coverage.notes(encoder))
    return dataclasses.replace(provenance, created=created), claims, notes
