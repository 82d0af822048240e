"""What is explained: texts of the test split, heads, and their attributions, made once for every check on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.job import Job, ProbingResults
from analyses.context.text_choice import choose_texts
from analyses.settings.explaining import ALL, ExplainSettings
from probes.checks import InputError

if TYPE_CHECKING:
    from probes.attribution_checks.planted_shortcut import Audit
    from probes.encoder.encoder import Encoder
    from probes.encoder.tokenization import Encoded
    from probes.heads.heads import Head, ProbeHead
    from probes.probing.sites import Site
    from probes.probing.sweep_result import TaskSweep
    from probes.results.result import Attribution

NO_SCORE = 1e-6
"""Absolute score up to which a token has no effect but rounding."""
AUDIT_TRAINING, AUDITED = 4000, 100
"""Texts in which an audit plants a shortcut: at most to learn it from, and to be explained."""


@dataclass(frozen=True, eq=False)
class Case:
    """One head's decisions on the chosen texts of one label column, explained."""

    task: str
    head: Head
    rows: NDArray[np.int64]
    """Of the test split."""
    by_method: Mapping[str, Sequence[Attribution]]
    """Method -> an attribution a row; the first is the method explained with."""

    @property
    def attributions(self) -> Sequence[Attribution]:
        """By the method explained with."""
        return next(iter(self.by_method.values()))

    @property
    def place(self) -> dict[str, Any]:
        """What a table's row says of it."""
        return {"task": self.task, "head": self.head.kind, "layer": self.head.layer, "pooling": self.head.pooling}


@dataclass(frozen=True, eq=False)
class Explaining:
    """A job's decisions, explained."""

    results: ProbingResults
    settings: ExplainSettings
    point: Site | None = None
    """Place of the probe that is explained; the best of each label column when None."""

    @property
    def job(self) -> Job:
        """The job whose probes are explained."""
        return self.results.job

    @cached_property
    def encoder(self) -> Encoder:
        """Computes in float32: features may have been bfloat16's, gradients gain nothing from it."""
        return self.job.encoder.with_dtype("float32")

    @cached_property
    def _tokenised(self) -> tuple[NDArray[np.int64], Encoded]:
        """Test rows that are explained, and their texts, tokenised once for all methods, checks and layers."""
        rows = np.unique(np.concatenate([*self.rows.values(), self._drawn]))
        if self.results.own_head.encoded_test is not None:  # its own head has read all test texts
            return rows, self.results.own_head.encoded_test.take(rows)
        return rows, self.encoder.encode(self.job.splits.test.texts.take(rows))

    def tokenised(self, rows: NDArray[np.int64]) -> Encoded:
        """Return the tokenised texts of explained test rows."""
        known, encoded = self._tokenised
        return encoded.take(np.searchsorted(known, rows))

    @property
    def _drawn(self) -> NDArray[np.int64]:
        """Test rows that are drawn at random, for means over all texts."""
        order = np.random.default_rng(self.job.output.seed).permutation(len(self.job.splits.test))
        return np.sort(order[: self.settings.words])

    @cached_property
    def cases(self) -> Sequence[Case]:
        """Every label column's heads, with the attributions of its chosen texts."""
        return tuple(
            Case(task, head, self.rows[task], {m: self._by(m, task, head) for m in self.methods})
            for task in self.results.sweep.tasks
            for head in (self.heads[task] if len(self.rows[task]) else ())
        )

    @cached_property
    def methods(self) -> Sequence[str]:
        """The method explained with, then those held beside it."""
        from probes.attribution.methods import METHODS

        asked = [m for m in METHODS if m != "direct"] if ALL in self.settings.methods else self.settings.methods
        return tuple(dict.fromkeys((self.settings.method, *asked)))

    def baselines(self, task: str) -> Sequence[str]:
        """The baseline explained with, then those held beside it."""
        from probes.attribution.baselines import AUTO, available_baselines

        asked = available_baselines(self.encoder) if ALL in self.settings.baselines else self.settings.baselines
        first = self.baseline[task]
        return tuple(dict.fromkeys((first, *(first if name == AUTO else name for name in asked))))

    @cached_property
    def baseline_biases(self) -> Mapping[str, Mapping[str, float]]:
        """Label column -> baseline -> how much its heads say of the label there, a mean over its texts and heads."""
        from probes.attribution.baseline_bias import baseline_biases

        found = {}
        for task, rows in self.rows.items():
            texts = self.tokenised(rows)
            of_heads = [
                baseline_biases(head, texts, prior=self.shares(task), seed=self.job.output.seed)
                for head in (self.heads[task] if len(rows) else ())
            ]
            names = of_heads[0] if of_heads else ()
            found[task] = {name: float(np.mean([each[name] for each in of_heads])) for name in names}
        return found

    @cached_property
    def baseline(self) -> Mapping[str, str]:
        """Label column -> the baseline explained with; `auto` is chosen for the first of its heads."""
        from probes.attribution.baseline_bias import resolve_baseline

        paired = self.job.splits.test.texts.paired
        return {
            task: resolve_baseline(heads[0], self.settings.baseline, prior=self.shares(task), paired=paired)
            for task, heads in self.heads.items()
            if heads
        }

    @cached_property
    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        """Label column -> test rows worth explaining."""
        return {
            task: choose_texts(
                found.labels, self._said(task, found), self.settings.attribute if self.heads[task] else 0
            )
            for task, found in self.results.sweep.tasks.items()
        }

    @cached_property
    def heads(self) -> Mapping[str, Sequence[Head]]:
        """Label column -> the heads explained."""
        from probes.heads.heads import ModelHead

        found: dict[str, list[Head]] = {}
        for task, own in self.results.sweep.tasks.items():
            found[task] = [] if self.settings.head == "model" else [self.probe(task, self.best(task))]
            if self.settings.head != "probe" and task in self.results.own_head.log_probs:
                renamed = self.job.encoder_settings.renamed_classes
                found[task].append(ModelHead(self.encoder, own.class_names, head_classes=renamed))
        return found

    @cached_property
    def notes(self) -> Sequence[str]:
        """Notes on the explanations as a whole."""
        found = []
        for task, heads in self.heads.items():
            if self.settings.head != "probe" and task not in self.results.own_head.log_probs:
                found.append(
                    f"The model's own head has other classes than {task!r}: no decision of it on them is explained."
                )
            if self.settings.baseline == "auto" and len(heads) > 1 and len(self.rows[task]):
                found.append(
                    f"Both heads of {task!r} are explained from the baseline {self.baseline[task]!r}, which was chosen "
                    "for the probe."
                )
        for case in self.cases:
            scores = np.concatenate([np.abs(a.scores) for a in case.attributions])
            if scores.max(initial=0.0) <= NO_SCORE and any((a.offsets[:, 0] >= 0).any() for a in case.attributions):
                own = case.head.layer is None
                which = "own head" if own else f"probe on {case.head.pooling} at layer {case.head.layer}"
                found.append(
                    f"There is nothing to explain of {case.task!r}: no word of a text changes what the {which} "
                    "predicts, and all scores are 0."
                )
        return tuple(found)

    def best(self, task: str) -> Site:
        """The place that is explained."""
        return self.point or self.results.sweep.tasks[task].best

    def probe(self, task: str, point: Site) -> ProbeHead:
        """The probe of any place as a head."""
        from probes.heads.heads import ProbeHead

        found = self.results.sweep.tasks[task]
        probe, names = found.selections[point].probe, found.class_names
        return ProbeHead(self.encoder, probe, layer=point.layer, pooling=point.pooling, class_names=names)

    def layers(self, task: str) -> Iterator[ProbeHead]:
        """The probes of every layer at the pooling that is explained."""
        yield from self._probes(task, self.best(task).pooling)

    @cached_property
    def deeper(self) -> Mapping[str, Sequence[Attribution]]:
        """Label column -> its texts explained by the probes of all other layers, for the same class; on request."""
        return self._elsewhere({task: [self.best(task).pooling] for task in self.rows} if self.settings.depth else {})

    @cached_property
    def shown(self) -> Sequence[Attribution]:
        """Every attribution of chosen texts: those of the heads explained, then other layers, poolings and methods."""
        others = {
            task: [name for name in dict.fromkeys(self.settings.explain_poolings) if name != self.best(task).pooling]
            for task in self.rows
        }
        elsewhere = (*self.deeper.values(), *self._elsewhere(others).values())
        methods = [own for case in self.cases for method, own in case.by_method.items() if method != "random"]
        return (
            *(a for case in self.cases for a in case.attributions),
            *(a for found in elsewhere for a in found),
            *(a for own in methods for a in own if a.method != self.settings.method),
        )

    def _probes(self, task: str, pooling: str) -> Iterator[ProbeHead]:
        points = (point for point in self.results.sweep.tasks[task].selections if point.pooling == pooling)
        for point in sorted(points, key=lambda point: point.layer):
            yield self.probe(task, point)

    def _elsewhere(self, poolings: Mapping[str, Sequence[str]]) -> dict[str, list[Attribution]]:
        """Each label column's texts, explained for the same classes by probes elsewhere than that explained."""
        found: dict[str, list[Attribution]] = {}
        for case in (case for case in self.cases if case.head.layer is not None):
            best, targets = self.best(case.task), [a.target for a in case.attributions]
            for probe in (probe for name in poolings.get(case.task, ()) for probe in self._probes(case.task, name)):
                there = self.settings.depth or probe.layer == best.layer
                if there and (probe.pooling, probe.layer) != (best.pooling, best.layer):
                    found.setdefault(case.task, []).extend(self.explain(case.task, probe, case.rows, targets=targets))
        return found

    @cached_property
    def sampled(self) -> Sequence[Attribution]:
        """Texts drawn at random, explained by each head: those of the cases are errors and extremes."""
        drawn = self._drawn
        found: list[Attribution] = []
        for case in self.cases if self.settings.words else ():
            known = {a.text_id: a for a in case.attributions}
            rest = np.array([row for row in drawn.tolist() if row not in known], dtype=np.int64)
            known |= {a.text_id: a for a in self.explain(case.task, case.head, rest)}
            found += [known[row] for row in drawn.tolist()]
        return found

    @cached_property
    def audits(self) -> dict[str, Audit]:
        """Label column -> what became of a shortcut planted in its texts, of the columns audited so far."""
        return {}

    def audit(self, task: str) -> Audit:
        """Plant a shortcut in a copy of the texts, at the place explained.

        Raises:
            InputError: It cannot be planted.
        """
        from probes.attribution_checks.planted_shortcut import audit

        rng, point = np.random.default_rng(self.job.output.seed), self.best(task)
        train, test = (
            split.texts.take(np.sort(rng.permutation(len(split))[:most])).first
            for split, most in ((self.job.splits.train, AUDIT_TRAINING), (self.job.splits.test, AUDITED))
        )
        self.audits[task] = audit(
            self.encoder,
            train,
            test,
            layer=point.layer,
            pooling=point.pooling,
            n_classes=len(self.results.sweep.tasks[task].class_names),
            methods=self.methods,
            baseline=self.baseline[task],
            seed=self.job.output.seed,
            progress=not self.job.output.quiet,
        )
        return self.audits[task]

    def explain(
        self, task: str, head: Head, rows: NDArray[np.int64], *, targets: Sequence[str] | None = None, **changes: Any
    ) -> list[Attribution]:
        """Attributions of test rows as the settings ask for them, but for `changes` and where `targets` are given."""
        from probes.attribution.attribute import attribute

        settings = self.settings
        labels = self.labels(task, rows)
        if targets is None and settings.target != "predicted":
            targets = labels if settings.target == "label" else [settings.target] * len(rows)
        against = settings.against
        if against is not None and targets is not None and against in targets:
            raise InputError(f"some texts' label is {against!r} itself; name a class with --target")
        asked: dict[str, Any] = {"method": settings.method, "baseline": self.baseline[task]} | changes
        found = attribute(
            head,
            self.tokenised(rows),
            targets=targets,
            against=against,
            unit=settings.unit,
            max_steps=settings.max_steps,
            seed=self.job.output.seed,
            progress=not self.job.output.quiet,
            **asked,
        )
        return [
            dataclasses.replace(a, task=task, text_id=row, label=label)
            for a, row, label in zip(found, rows.tolist(), labels, strict=True)
        ]

    def labels(self, task: str, rows: NDArray[np.int64]) -> list[str]:
        """True class names of test rows."""
        found = self.results.sweep.tasks[task]
        return [found.class_names[label] for label in found.labels[rows]]

    def shares(self, task: str) -> list[float]:
        """(classes,) shares of the training labels."""
        labels = self.job.splits.train.labels(task)
        counts = np.bincount(labels, minlength=len(self.job.splits.class_names[task]))
        return (counts / len(labels)).tolist()  # type: ignore[no-any-return]

    def _by(self, method: str, task: str, head: Head) -> list[Attribution]:
        return self.explain(task, head, self.rows[task], method=method)

    def _said(self, task: str, found: TaskSweep) -> NDArray[np.floating[Any]]:
        """(examples, classes) log probabilities of the head that is explained; the probe's where both are."""
        if self.settings.head == "model" and task in self.results.own_head.log_probs:
            return self.results.own_head.log_probs[task]
        point = self.best(task)
        features = self.results.extracted.features.test.features[point.pooling][point.layer]
        return found.selections[point].probe.log_prob(features)
