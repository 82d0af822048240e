"""Explanations of decisions on test texts: which heads and texts are explained, and the attributions of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.context.explanations.contrasts import explain_contrasts
from analyses.context.explanations.explainer import Explainer
from analyses.context.job import Job
from analyses.settings.explaining import ExplainSettings
from probes.progress import stage
from probes.results.result import Attribution

if TYPE_CHECKING:
    from probes.attribution_checks.planted_shortcut import PlantedShortcut
    from probes.heads.heads import Head, ProbeHead

ROUNDING_SCORE = 1e-6
"""Absolute score up to which a token has no effect but rounding."""


@dataclass(frozen=True, eq=False)
class Case:
    """The decisions of one head on the chosen texts of one label column, explained by every method."""

    task: str
    head: Head
    rows: NDArray[np.int64]
    """(texts,) rows of the test split."""
    by_method: Mapping[str, Sequence[Attribution]]
    """Method -> (texts,) attributions; the first method is the one that --method names."""

    @property
    def name(self) -> str:
        """The label column and the head, for notes and the progress."""
        return case_name(self.task, self.head)

    @property
    def attributions(self) -> Sequence[Attribution]:
        """(texts,) attributions by the first method."""
        return next(iter(self.by_method.values()))

    @property
    def all_attributions(self) -> list[Attribution]:
        """Attributions by all methods."""
        attributions: list[Attribution] = []
        for method_attributions in self.by_method.values():
            attributions.extend(method_attributions)
        return attributions

    @property
    def targets(self) -> list[str]:
        """(texts,) classes that are explained."""
        return [attribution.target for attribution in self.attributions]


@dataclass(frozen=True, eq=False)
class Explanations:
    """Every explanation of the chosen texts: the context of the subjects of explanations."""

    explainer: Explainer
    cases: Sequence[Case]
    by_layer: Mapping[str, Sequence[Attribution]]
    """Label column -> attributions of the same texts and classes by the probes of all other layers; with --depth."""
    by_pooling: Mapping[str, Sequence[Attribution]]
    """Label column -> the same by the probes of the poolings that --explain-poolings names."""
    contrasts: Sequence[Attribution]
    """The misclassified texts among all these, explained for the predicted class minus the true one."""
    shortcuts: dict[str, PlantedShortcut] = field(default_factory=dict)
    """Label column -> result of its planted shortcut, once the table `planted_shortcut` is computed."""

    @property
    def job(self) -> Job:
        """The job whose probes are explained."""
        return self.explainer.job

    @property
    def settings(self) -> ExplainSettings:
        """Flags of explanations."""
        return self.explainer.settings

    @property
    def attributions(self) -> tuple[Attribution, ...]:
        """All attributions but those of random scores: by head, layer, pooling and further method; then contrasts."""
        attributions: list[Attribution] = []
        for case in self.cases:
            attributions.extend(case.attributions)
        for task_attributions in (*self.by_layer.values(), *self.by_pooling.values()):
            attributions.extend(task_attributions)
        excluded = ("random", self.settings.method)
        for case in self.cases:
            attributions.extend(a for a in case.all_attributions if a.method not in excluded)
        return (*attributions, *self.contrasts)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the explanations as a whole."""
        notes = []
        for task in self.explainer.heads:
            notes += self._head_notes(task)
            notes += self._idle_flag_notes(task)
        for task, shortcut in self.shortcuts.items():
            if shortcut.n_unread:
                notes.append(_unread_shortcut_note(task, shortcut))
        for case in self.cases:
            if not _has_effect(case.attributions):
                notes.append(_no_effect_note(case))
        return tuple(notes)

    def _head_notes(self, task: str) -> list[str]:
        """Return notes on the heads of a label column and on their baseline."""
        explainer = self.explainer
        notes = []
        if self.settings.head != "probe" and task not in explainer.results.own_head.log_probs:
            notes.append(
                f"The model's own classifier is not explained for {task!r}, because it has other classes; "
                "--head-classes names the classes of the dataset for them."
            )
        if self.settings.baseline == "auto" and len(explainer.heads[task]) > 1 and len(explainer.rows[task]):
            notes.append(
                f"Both classifiers of {task!r} are explained from the baseline {explainer.baseline[task]!r}, which was "
                "selected for the probe; --baseline names another."
            )
        return notes

    def _idle_flag_notes(self, task: str) -> list[str]:
        """Return a note for each flag of further choices that names only what explains the label column anyway."""
        explainer = self.explainer
        if not len(explainer.rows[task]):
            return []
        baseline, *further_baselines = explainer.baselines(task)
        method, *further_methods = explainer.methods
        notes = []
        if self.settings.baselines and not further_baselines:
            notes.append(
                f"The agreement between baselines is not measured for {task!r}: --baselines names only {baseline!r}, "
                "from which it is explained already."
            )
        if self.settings.methods and not further_methods:
            notes.append(
                f"Attribution methods are not compared for {task!r}: --methods names only {method!r}, by which it is "
                "explained already."
            )
        has_probe = any(head.layer is not None for head in explainer.heads[task])
        if self.settings.explain_poolings and has_probe and not explainer.further_poolings(task):
            pooling = explainer.site_of(task).pooling
            notes.append(
                f"Poolings are not compared for {task!r}: --explain-poolings names only {pooling!r}, whose probe is "
                "explained already."
            )
        return notes


def case_name(task: str, head: Head) -> str:
    """Return the name of a label column and of a head that predicts it."""
    head_name = "model's own classifier" if head.layer is None else f"probe on {head.pooling}, layer {head.layer}"
    return f"{task} ({head_name})"


def explain_decisions(explainer: Explainer) -> Explanations:
    """Explain the chosen texts by every head and method, and by the probes of other layers and poolings on request.

    Args:
        explainer: Heads, texts and settings.
    """
    cases = []
    for task in explainer.results.sweep.tasks:
        rows = explainer.rows[task]
        for head in explainer.heads[task] if len(rows) else ():
            by_method = {}
            for method in explainer.methods:
                with stage(f"{case_name(task, head)}, {method}"):
                    by_method[method] = explainer.explain(task, head, rows, method=method)
            cases.append(Case(task, head, rows, by_method))
    explained: list[tuple[Head, Sequence[Attribution]]] = [(case.head, case.attributions) for case in cases]
    by_layer: dict[str, list[Attribution]] = {}
    by_pooling: dict[str, list[Attribution]] = {}
    for case in cases:
        if case.head.layer is None:
            continue
        best_pooling = explainer.site_of(case.task).pooling
        at_layers = _explain_elsewhere(explainer, case, [best_pooling] if explainer.settings.depth else [])
        in_poolings = _explain_elsewhere(explainer, case, explainer.further_poolings(case.task))
        by_layer[case.task] = [a for _, attributions in at_layers for a in attributions]
        by_pooling[case.task] = [a for _, attributions in in_poolings for a in attributions]
        explained += [*at_layers, *in_poolings]
    for case in cases:
        explained += [(case.head, case.by_method[method]) for method in explainer.methods[1:]]
    contrasts: list[Attribution] = []
    with stage("errors by predicted minus true class"):
        for head, attributions in explained:
            contrasts += explain_contrasts(explainer, head, attributions)
    return Explanations(explainer, cases, by_layer, by_pooling, contrasts)


def _explain_elsewhere(
    explainer: Explainer, case: Case, poolings: Iterable[str]
) -> list[tuple[ProbeHead, list[Attribution]]]:
    """Explain the texts and classes of a probe's case by the probes of other sites, and return these probes, too.

    With --depth these are the probes of all layers, otherwise those at the layer of the explained probe.
    """
    attributions_of_probes = []
    for probe in _other_probes(explainer, case, poolings):
        with stage(case_name(case.task, probe)):
            attributions = explainer.explain(case.task, probe, case.rows, targets=case.targets)
        attributions_of_probes.append((probe, attributions))
    return attributions_of_probes


def _other_probes(explainer: Explainer, case: Case, poolings: Iterable[str]) -> list[ProbeHead]:
    """Return the probes of other sites, in the order of the poolings and layers."""
    site = explainer.site_of(case.task)
    probes = []
    for pooling in poolings:
        for probe in explainer.probes_of_pooling(case.task, pooling):
            is_layer = explainer.settings.depth or probe.layer == site.layer
            if is_layer and (probe.pooling, probe.layer) != (site.pooling, site.layer):
                probes.append(probe)
    return probes


def explain_sample(explanations: Explanations, case: Case) -> list[Attribution]:
    """Explain texts drawn at random by the head of a case: the texts of the case are errors and extremes.

    Args:
        explanations: Explanations of the chosen texts; those among the sample are not explained again.
        case: Head and label column.

    Returns:
        Attributions in the order of the test rows.
    """
    explainer = explanations.explainer
    attribution_of_row = dict(zip(case.rows.tolist(), case.attributions, strict=True))
    sample_rows = explainer.sample_rows.tolist()
    further_rows = np.array([row for row in sample_rows if row not in attribution_of_row], dtype=np.int64)
    further_attributions = explainer.explain(case.task, case.head, further_rows)
    attribution_of_row.update(zip(further_rows.tolist(), further_attributions, strict=True))
    return [attribution_of_row[row] for row in sample_rows]


def _has_effect(attributions: Sequence[Attribution]) -> bool:
    """Whether a score exceeds rounding, where a text has words at all."""
    scores = np.concatenate([np.abs(attribution.scores) for attribution in attributions])
    has_words = any((attribution.offsets[:, 0] >= 0).any() for attribution in attributions)
    return bool(scores.max(initial=0.0) > ROUNDING_SCORE) or not has_words


def _no_effect_note(case: Case) -> str:
    return f"All attributions are 0 for {case.name}: no word of a text changes the prediction."


def _unread_shortcut_note(task: str, shortcut: PlantedShortcut) -> str:
    return (
        f"{shortcut.n_unread:,} training and test texts are left out of the planted shortcut of {task!r}, because the "
        "encoder would not read the planted word in them as one token."
    )
