"""The explainer: heads, texts, classes and baselines that the flags choose, and the attributions of any of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.explanations.text_choice import choose_texts, same_word_ids
from analyses.context.job import Job, ProbingResults
from analyses.settings.explaining import ALL, ExplainSettings
from probes.checks import InputError

if TYPE_CHECKING:
    from probes.encoder.encoder import Encoder
    from probes.encoder.tokenization import Encoded
    from probes.heads.heads import Head, ProbeHead
    from probes.probing.sites import Site
    from probes.results.result import Attribution


@dataclass(frozen=True, eq=False)
class Explainer:
    """Explains test texts by the heads, classes, methods and baselines that the flags choose."""

    results: ProbingResults
    settings: ExplainSettings
    site: Site | None
    """Site of the probe that is explained; the best of each label column when None."""
    encoder: Encoder
    """The encoder in float32: gradients gain nothing from bfloat16."""
    heads: Mapping[str, Sequence[Head]]
    """Label column -> heads that are explained."""
    rows: Mapping[str, NDArray[np.int64]]
    """Label column -> test rows that are explained."""
    sample_rows: NDArray[np.int64]
    """Test rows drawn at random, for means over all texts."""
    baseline: Mapping[str, str]
    """Label column with explained rows -> baseline; `auto` is chosen for the first of its heads."""
    encoded_rows: NDArray[np.int64]
    """(texts,) test rows that are tokenised, in increasing order."""
    encoded: Encoded | None
    """(texts,) tokenised texts of these rows, once for all methods, checks and layers; None without explained rows."""

    @classmethod
    def prepare(cls, results: ProbingResults, settings: ExplainSettings, site: Site | None = None) -> Explainer:
        """Choose heads, texts and baselines, and tokenise the texts.

        Args:
            results: Probes, and predictions of the checkpoint's own classifier.
            settings: Flags of explanations.
            site: Site of the probe to explain; the best of each label column when None.
        """
        encoder = results.job.encoder.with_dtype("float32")
        tasks = results.sweep.tasks
        heads = {task: _heads(results, settings, site, encoder, task) for task in tasks}
        n_texts = {task: settings.attribute if heads[task] else 0 for task in tasks}
        rows = {task: _chosen_rows(results, settings, site, task, n_texts[task]) for task in tasks}
        order = np.random.default_rng(results.job.output.seed).permutation(len(results.job.splits.test))
        sample_rows = np.sort(order[: settings.words])
        baseline = {task: _baseline(results, settings, heads[task][0], task) for task in tasks if len(rows[task])}
        encoded_rows = np.unique(np.concatenate([*rows.values(), sample_rows]))
        encoded = _encode(results, encoder, encoded_rows) if baseline else None
        return cls(results, settings, site, encoder, heads, rows, sample_rows, baseline, encoded_rows, encoded)

    @property
    def job(self) -> Job:
        """The job whose probes are explained."""
        return self.results.job

    @property
    def methods(self) -> tuple[str, ...]:
        """The method that --method names, then those that --methods names."""
        from probes.attribution.methods import METHODS

        further = self.settings.methods
        if ALL in further:
            further = tuple(name for name in METHODS if name != "direct")
        return tuple(dict.fromkeys((self.settings.method, *further)))

    def baselines(self, task: str) -> tuple[str, ...]:
        """Return the baseline of a label column, then those that --baselines names."""
        from probes.attribution.baselines import AUTO, available_baselines

        further: Sequence[str] = self.settings.baselines
        if ALL in further:
            further = available_baselines(self.encoder)
        first = self.baseline[task]
        return tuple(dict.fromkeys((first, *(first if name == AUTO else name for name in further))))

    def further_poolings(self, task: str) -> list[str]:
        """Return the poolings that --explain-poolings names, without that of the probe that is explained."""
        explained = self.site_of(task).pooling
        return [name for name in dict.fromkeys(self.settings.explain_poolings) if name != explained]

    def site_of(self, task: str) -> Site:
        """Return the site of the probe that is explained."""
        return self.site or self.results.sweep.tasks[task].best

    def probes_of_pooling(self, task: str, pooling: str) -> list[ProbeHead]:
        """Return the probes of one pooling, by layer."""
        sites = [site for site in self.results.sweep.tasks[task].selections if site.pooling == pooling]
        sites.sort(key=lambda site: site.layer)
        return [_probe_head(self.results, self.encoder, task, site) for site in sites]

    def encode(self, rows: NDArray[np.int64]) -> Encoded:
        """Return the tokenised texts of explained test rows."""
        assert self.encoded is not None, "without explained rows there is nothing to encode"
        return self.encoded.take(np.searchsorted(self.encoded_rows, rows))

    def labels(self, task: str, rows: NDArray[np.int64]) -> list[str]:
        """Return the true class names of test rows."""
        task_sweep = self.results.sweep.tasks[task]
        return [task_sweep.class_names[class_id] for class_id in task_sweep.labels[rows]]

    def class_shares(self, task: str) -> list[float]:
        """Return the (classes,) shares of the training labels."""
        return _class_shares(self.results, task)

    def explain(
        self, task: str, head: Head, rows: NDArray[np.int64], *, targets: Sequence[str] | None = None, **changes: Any
    ) -> list[Attribution]:
        """Explain a head's decisions on test texts.

        Args:
            task: Label column of the head.
            head: Head to explain.
            rows: Test rows, which are among the explained or sampled ones.
            targets: (texts,) classes to explain; those that --target names when None.
            **changes: Arguments of `probes.attribute` that replace those of the flags.

        Raises:
            InputError: A text would be explained for the class that is subtracted.
        """
        from probes.attribution.attribute import attribute

        settings = self.settings
        labels = self.labels(task, rows)
        if targets is None and settings.target != "predicted":
            targets = labels if settings.target == "label" else [settings.target] * len(rows)
        if settings.against is not None and targets is not None and settings.against in targets:
            raise InputError(
                f"some texts have the label {settings.against!r}, which --against subtracts; name a class with --target"
            )
        arguments: dict[str, Any] = {
            "method": settings.method,
            "baseline": self.baseline[task],
            "against": settings.against,
        }
        arguments.update(changes)
        attributions = attribute(
            head,
            self.encode(rows),
            targets=targets,
            unit=settings.unit,
            max_steps=settings.max_steps,
            seed=self.job.output.seed,
            progress=self.job.progress,
            **arguments,
        )
        return [
            dataclasses.replace(attribution, task=task, text_id=row, label=label)
            for attribution, row, label in zip(attributions, rows.tolist(), labels, strict=True)
        ]


def _heads(
    results: ProbingResults, settings: ExplainSettings, site: Site | None, encoder: Encoder, task: str
) -> list[Head]:
    """Return the heads that are explained: the probe, the checkpoint's own classifier, or both."""
    from probes.heads.heads import ModelHead

    task_sweep = results.sweep.tasks[task]
    heads: list[Head] = []
    if settings.head != "model":
        heads.append(_probe_head(results, encoder, task, site or task_sweep.best))
    if settings.head != "probe" and task in results.own_head.log_probs:
        head_classes = results.job.encoder_settings.renamed_classes
        heads.append(ModelHead(encoder, task_sweep.class_names, head_classes=head_classes))
    return heads


def _probe_head(results: ProbingResults, encoder: Encoder, task: str, site: Site) -> ProbeHead:
    """Return the probe of a site as a head."""
    from probes.heads.heads import ProbeHead

    task_sweep = results.sweep.tasks[task]
    probe = task_sweep.selections[site].probe
    return ProbeHead(encoder, probe, layer=site.layer, pooling=site.pooling, class_names=task_sweep.class_names)


def _chosen_rows(
    results: ProbingResults, settings: ExplainSettings, site: Site | None, task: str, n_texts: int
) -> NDArray[np.int64]:
    """Return the test rows that are worth explaining, by the log probabilities of the head that is explained."""
    task_sweep = results.sweep.tasks[task]
    same_words = same_word_ids(results.job.splits.test.texts)
    if settings.head == "model" and task in results.own_head.log_probs:
        return choose_texts(task_sweep.labels, results.own_head.log_probs[task], n_texts, same_words=same_words)
    probe_site = site or task_sweep.best
    features = results.extracted.features.test.features[probe_site.pooling][probe_site.layer]
    log_probs = task_sweep.selections[probe_site].probe.log_prob(features)
    return choose_texts(task_sweep.labels, log_probs, n_texts, same_words=same_words)


def _baseline(results: ProbingResults, settings: ExplainSettings, head: Head, task: str) -> str:
    from probes.attribution.baseline_bias import resolve_baseline

    is_paired = results.job.splits.test.texts.paired
    return resolve_baseline(head, settings.baseline, prior=_class_shares(results, task), paired=is_paired)


def _class_shares(results: ProbingResults, task: str) -> list[float]:
    labels = results.job.splits.train.labels(task)
    counts = np.bincount(labels, minlength=results.job.n_classes[task])
    shares: list[float] = (counts / len(labels)).tolist()
    return shares


def _encode(results: ProbingResults, encoder: Encoder, rows: NDArray[np.int64]) -> Encoded:
    """Tokenise test texts, unless the checkpoint's own classifier has read them."""
    encoded_test = results.own_head.encoded_test
    if encoded_test is not None:
        return encoded_test.take(rows)
    return encoder.encode(results.job.splits.test.texts.take(rows))
