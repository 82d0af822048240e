"""What is explained: texts of the test split, heads, and their attributions, made once for every check on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from analyses.choosing import choose_texts
from analyses.job import Job
from probes.checks import InputError, choose

if TYPE_CHECKING:
    from probes.audit import Audit
    from probes.encoder import Encoder
    from probes.heads import Head, ProbeHead
    from probes.places import Point
    from probes.results import Attribution
    from probes.scores import TaskSweep

ALL = "all"
"""Every method, or every baseline, that is able."""
AUDIT_TRAINING, AUDITED = 4000, 100
"""Texts in which an audit plants a shortcut: at most to learn it from, and to be explained."""


@dataclass(frozen=True)
class ExplainSettings:
    """What is explained, and how."""

    attribute: int = 50
    """Test texts to explain for each label column: misclassified ones first, up to half, then the most and the least
    certain, spread over classes."""
    head: Literal["probe", "model", "both"] = "probe"
    """Explain the best probe, the checkpoint's own classifier, or both."""
    target: str = "predicted"
    """Class explained: `predicted`, the text's own `label`, or a class by its name."""
    against: str | None = None
    """Class whose output is subtracted: what speaks for the target rather than for this one."""
    unit: Literal["logit", "probability"] = "logit"
    """What is explained of a class."""
    method: str = "integrated_gradients"
    """How tokens are scored: integrated_gradients, input_x_gradient, gradient_norm, gradient_shap, occlusion or
    random."""
    methods: tuple[str, ...] = ()
    """Further methods, or `all`, to measure by the same checks."""
    baseline: str = "auto"
    """What replaces the text's tokens: pad, mask, zero, mean, or sampled ones of the explained texts; `auto` is that
    of the first four of which the heads explained say least of the label."""
    baselines: tuple[str, ...] = ()
    """Further baselines, or `all`: how much the ranking of a text's tokens depends on the choice."""
    max_steps: int = 256
    """Most steps of the integral; they are doubled from 16 until the convergence delta is small."""
    depth: bool = False
    """Explain each text by the probe of every layer too, and the decision by every layer's token states."""
    explain_poolings: tuple[str, ...] = ()
    """Further poolings (cls, mean, pooler, last) whose probes explain the same texts, at the layer explained, or at all
    with --depth."""
    words: int = 100
    """Test texts, drawn at random, that tell which words count over the whole dataset; 0 for none."""
    faithfulness: bool = True
    """What taking out the tokens that are ranked first does, beside tokens in random order; --no-faithfulness leaves it
    out."""
    replacement: str = "auto"
    """What stands where tokens are taken out: mask, pad or delete; `auto` is mask where there is a mask token."""
    curves: bool = False
    """Draw deletion and insertion curves too."""
    infidelity: bool = False
    """Measure infidelity too: whether scores foretell what taking out random tokens does."""
    randomised: bool = False
    """Explain the same encoder with random weights too, from the top down: scores must change."""
    audit: bool = False
    """Plant a shortcut in a copy of the texts and see whether the methods find it."""
    erase: int = 0
    """With --head model or both: test texts, drawn at random, in which every label is erased at every layer, so as to
    see what the checkpoint's own classifier loses (extra `erasure`); 0 for none."""

    def check(self, job: Job) -> None:
        """Raise what can be known before the long part."""
        from probes.baselines import baseline_name
        from probes.faithfulness import REPLACEMENTS
        from probes.heads import ModelHead
        from probes.methods import METHODS

        for baseline in (self.baseline, *(each for each in self.baselines if each != ALL)):
            baseline_name(job.encoder, baseline)  # raises where there is none
        for method in (self.method, *(each for each in self.methods if each != ALL)):
            choose("attribution method", method, METHODS)
        if "direct" in (self.method, *self.methods):
            raise InputError(
                "the method 'direct' scores token states, not input words: what it tells is measured in any case, as "
                "the share that each kind of token holds"
            )
        for pooling in self.explain_poolings:
            choose("pooling of --explain-poolings", pooling, dict.fromkeys(job.poolings))
        if self.replacement != "auto":
            choose("replacement", self.replacement, REPLACEMENTS)
        if min(self.attribute, self.words, self.erase) < 0 or self.max_steps < 1:
            raise InputError("--attribute, --words and --erase must be 0 or more and --max-steps 1 or more")
        if self.erase and self.head == "probe":
            raise InputError("--erase is about the checkpoint's own classifier; it needs --head model or both")
        for classes in job.splits.class_names.values():
            named = {"--against": self.against, "--target": self.target}
            if self.target in ("predicted", "label"):
                del named["--target"]
            for flag, name in named.items():
                if name is not None:
                    choose(f"class of {flag}", name, dict.fromkeys(classes))
            if self.against is not None and self.against == self.target:
                raise InputError(f"--target and --against both name {self.target!r}; give two classes")
        if self.head != "probe":
            for classes in job.splits.class_names.values():
                ModelHead(job.encoder, classes)


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

    job: Job
    settings: ExplainSettings
    point: Point | None = None
    """Place of the probe that is explained; the best of each label column when None."""

    @cached_property
    def encoder(self) -> Encoder:
        """Computes in float32: features may have been bfloat16's, gradients gain nothing from it."""
        return self.job.encoder.with_dtype("float32")

    @cached_property
    def cases(self) -> Sequence[Case]:
        """Every label column's heads, with the attributions of its chosen texts."""
        return tuple(
            Case(task, head, self.rows[task], {m: self._by(m, task, head) for m in self.methods})
            for task in self.job.sweep.tasks
            for head in (self.heads[task] if len(self.rows[task]) else ())
        )

    @cached_property
    def methods(self) -> Sequence[str]:
        """The method explained with, then those held beside it."""
        from probes.methods import METHODS

        asked = [m for m in METHODS if m != "direct"] if ALL in self.settings.methods else self.settings.methods
        return tuple(dict.fromkeys((self.settings.method, *asked)))

    def baselines(self, task: str) -> Sequence[str]:
        """The baseline explained with, then those held beside it."""
        from probes.baselines import baseline_name, baseline_names

        asked = baseline_names(self.encoder) if ALL in self.settings.baselines else self.settings.baselines
        return tuple(dict.fromkeys((self.baseline[task], *(baseline_name(self.encoder, name) for name in asked))))

    @cached_property
    def leans(self) -> Mapping[str, Mapping[str, float]]:
        """Label column -> baseline -> how much its heads say of the label there, on average over texts and heads."""
        from probes.uninformed import leans

        test, found = self.job.splits.test, {}
        for task, rows in self.rows.items():
            texts = [test.texts[row] for row in rows]
            pairs = None if test.pairs is None else [test.pairs[row] for row in rows]
            of_heads = [
                leans(head, texts, pairs, prior=self.shares(task), seed=self.job.output.seed)
                for head in (self.heads[task] if texts else ())
            ]
            names = of_heads[0] if of_heads else ()
            found[task] = {name: float(np.mean([each[name] for each in of_heads])) for name in names}
        return found

    @cached_property
    def baseline(self) -> Mapping[str, str]:
        """Label column -> the baseline explained with: one asked for, or that of one kind which says least."""
        from probes.baselines import AUTO, baseline_name

        asked = self.settings.baseline
        if asked != AUTO:
            return dict.fromkeys(self.leans, baseline_name(self.encoder, asked))
        alike = {
            task: {name: far for name, far in own.items() if name != "sampled"} for task, own in self.leans.items()
        }
        return {task: min(own, key=own.__getitem__) if own else AUTO for task, own in alike.items()}

    @cached_property
    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        """Label column -> test rows worth explaining."""
        return {
            task: choose_texts(found.labels, self._said(task, found), self.settings.attribute)
            for task, found in self.job.sweep.tasks.items()
        }

    @cached_property
    def heads(self) -> Mapping[str, Sequence[Head]]:
        """Label column -> the heads explained."""
        from probes.heads import ModelHead

        found: dict[str, list[Head]] = {}
        for task, own in self.job.sweep.tasks.items():
            found[task] = [] if self.settings.head == "model" else [self.probe(task, self.best(task))]
            found[task] += [] if self.settings.head == "probe" else [ModelHead(self.encoder, own.class_names)]
        return found

    def best(self, task: str) -> Point:
        """The place that is explained."""
        return self.point or self.job.sweep.tasks[task].best

    def probe(self, task: str, point: Point) -> ProbeHead:
        """The probe of any place as a head."""
        from probes.heads import ProbeHead

        found = self.job.sweep.tasks[task]
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
            task: [name for name in self.settings.explain_poolings if name != self.best(task).pooling]
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
        points = (point for point in self.job.sweep.tasks[task].selections if point.pooling == pooling)
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
        rng, n = np.random.default_rng(self.job.output.seed), len(self.job.splits.test)
        drawn = np.sort(rng.permutation(n)[: self.settings.words])
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
        from probes.audit import audit

        rng, point = np.random.default_rng(self.job.output.seed), self.best(task)
        train, test = (
            [split.texts[row] for row in np.sort(rng.permutation(len(split))[:most])]
            for split, most in ((self.job.splits.train, AUDIT_TRAINING), (self.job.splits.test, AUDITED))
        )
        self.audits[task] = audit(
            self.encoder,
            train,
            test,
            layer=point.layer,
            pooling=point.pooling,
            n_classes=len(self.job.sweep.tasks[task].class_names),
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
        from probes.attribution import attribute

        settings, test = self.settings, self.job.splits.test
        labels = self.labels(task, rows)
        if targets is None and settings.target != "predicted":
            targets = labels if settings.target == "label" else [settings.target] * len(rows)
        against = settings.against
        if against is not None and targets is not None and against in targets:
            raise InputError(f"some texts' label is {against!r} itself; name a class with --target")
        asked: dict[str, Any] = {"method": settings.method, "baseline": self.baseline[task]} | changes
        found = attribute(
            head,
            [test.texts[row] for row in rows],
            [test.pairs[row] for row in rows] if test.pairs is not None else None,
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
        found = self.job.sweep.tasks[task]
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
        if self.settings.head == "model":
            return self.job.heads[0][task]
        point = self.best(task)
        features = self.job.examples().test.features[point.pooling][point.layer]
        return found.selections[point].probe.log_prob(features)
