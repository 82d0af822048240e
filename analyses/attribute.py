"""Which tokens does the decision rest on?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from analyses.job import Job
from analyses.settings import DataSettings, EncoderSettings, OutputSettings
from probes.checks import InputError
from probes.results import AnalysisResult, Attribution, Claim

if TYPE_CHECKING:
    import pandas as pd

    from probes.heads import Head


@dataclass(frozen=True)
class ExplainSettings:
    """What is explained, and how."""

    attribute: int = 50
    """Test texts to explain for each label column: misclassified ones first, up to half, then the most and the least
    certain, spread over classes."""
    head: Literal["probe", "model", "both"] = "probe"
    """Explain the best probe, the checkpoint's own classifier, or both."""
    baseline: str = "auto"
    """What replaces the text's tokens: pad, mask, zero, mean, or sampled ones of the explained texts; `auto` is pad,
    or zero where there is no pad token."""
    max_steps: int = 256
    """Most steps of the integral; they are doubled from 16 until the convergence delta is small."""
    faithfulness: bool = True
    """Measure what taking out the tokens that are ranked first does, beside tokens in random order."""

    def check(self, job: Job) -> None:
        """Raise what can be known before the long part."""
        from probes.baselines import baseline_name
        from probes.heads import ModelHead

        baseline_name(job.encoder, self.baseline)
        if self.attribute < 0 or self.max_steps < 1:
            raise InputError("--attribute must be 0 or more and --max-steps 1 or more")
        if self.head != "probe":
            for classes in job.splits.class_names.values():
                ModelHead(job.encoder, classes)


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe attribute`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    layer: int | None = None
    """Layer of the probe; together with --pooling. The best on validation when not given."""
    pooling: str | None = None
    """Pooling of the probe; together with --layer."""


def run(settings: Settings) -> AnalysisResult:
    """Fit a probe, at one place or at all to find the best, and explain it; see `explain`."""
    if (settings.layer is None) != (settings.pooling is None):
        raise InputError("name both --layer and --pooling, or neither for the best on validation")
    encoder = settings.encoder
    if settings.layer is not None and settings.pooling is not None:
        encoder = dataclasses.replace(encoder, layers=(settings.layer,), poolings=(settings.pooling,))
    job = Job.prepare(settings.data, encoder, settings.output)
    settings.explain.check(job)
    attributions, tables = explain(job, settings.explain)
    return AnalysisResult(
        name="attribute",
        settings=dataclasses.asdict(settings),
        provenance=job.provenance(),
        tables={"metrics": job.sweep.metrics, "selection": job.sweep.selection, **tables},
        attributions=attributions,
        claims=(*job.claims(), *claims(job, attributions, tables)),
        notes=job.sweep.notes,
    )


def explain(job: Job, settings: ExplainSettings) -> tuple[tuple[Attribution, ...], dict[str, pd.DataFrame]]:
    """Attributions of chosen test texts, for each label column and head, at the best point of each column; tables."""
    import pandas as pd

    from probes.attribution import attribute
    from probes.faithfulness import faithfulness, usual_replacement
    from probes.heads import ModelHead, ProbeHead

    # The features may have been computed in bfloat16; gradients gain nothing from it.
    encoder = job.encoder.with_dtype("float32")
    test = job.splits.test
    made: list[Attribution] = []
    erased: list[dict[str, Any]] = []
    for task, found in job.sweep.tasks.items():
        probe = found.selections[found.best].probe
        if settings.head == "model":
            said = job.heads[0][task]
        else:
            said = probe.log_prob(job.examples().test.features[found.best.pooling][found.best.layer])
        rows = choose_texts(found.labels, said, settings.attribute)
        heads: list[Head] = []
        if settings.head != "model":
            layer, pooling = found.best.layer, found.best.pooling
            heads.append(ProbeHead(encoder, probe, layer=layer, pooling=pooling, class_names=found.class_names))
        if settings.head != "probe":
            heads.append(ModelHead(encoder, found.class_names))
        for head in heads:
            explained = attribute(
                head,
                [test.texts[row] for row in rows],
                [test.pairs[row] for row in rows] if test.pairs is not None else None,
                baseline=settings.baseline,
                max_steps=settings.max_steps,
                progress=not job.output.quiet,
            )
            for row, attribution in zip(rows.tolist(), explained, strict=True):
                label = found.class_names[found.labels[row]]
                made.append(dataclasses.replace(attribution, task=task, text_id=row, label=label))
            if settings.faithfulness:
                checked = faithfulness(
                    head,
                    explained,
                    replacement=usual_replacement(encoder),
                    seed=job.output.seed,
                    progress=not job.output.quiet,
                )
                for row, found_of_text in zip(rows.tolist(), checked, strict=True):
                    place = {"task": task, "head": head.kind, "layer": head.layer, "pooling": head.pooling}
                    orders = {"attribution": found_of_text.own}
                    orders |= {f"random {i}": each for i, each in enumerate(found_of_text.random)}
                    erased += [
                        {**place, "text_id": row, "order": order, **dataclasses.asdict(each)}
                        for order, each in orders.items()
                    ]
    return tuple(made), {"faithfulness": pd.DataFrame(erased)} if erased else {}


def choose_texts(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]], n: int) -> NDArray[np.int64]:
    """Rows of n texts worth explaining: misclassified first, then the most and the least certain, spread over classes.

    Half are misclassified, the surest first; a quarter are right and the most certain; the rest are right and the least
    certain. Where a kind has too few, the others fill up.

    Args:
        labels: (examples,) class ids.
        log_prob: (examples, classes) of the head that will be explained; the probe's where both are.
        n: How many.
    """
    certainty, wrong = log_prob.max(axis=1), log_prob.argmax(axis=1) != labels
    surest, rows = np.argsort(-certainty, kind="stable"), []
    right = surest[~wrong[surest]]
    kinds = (_spread(surest[wrong[surest]], labels), _spread(right, labels), _spread(right[::-1], labels))
    shares = (n // 2, n // 4, n - n // 2 - n // 4)
    for kind, share in zip(kinds, shares, strict=True):
        rows += [row for row in kind if row not in rows][:share]
    for kind in kinds:
        rows += [row for row in kind if row not in rows][: n - len(rows)]
    return np.array(rows, dtype=np.int64)


def claims(job: Job, attributions: Sequence[Attribution], tables: Mapping[str, pd.DataFrame]) -> Iterator[Claim]:
    """Whether integrals converged, decisions rest on what is ranked first, and known deciding words are found."""
    from probes.attribution import SMALLEST, TOLERANCE
    from probes.uncertainty import wilson

    if not attributions:
        return
    deltas = [abs(a.convergence_delta) for a in attributions if a.convergence_delta is not None]
    converged = sum(bool(a.converged) for a in attributions)
    numbers = {
        "n": len(attributions),
        "n_converged": converged,
        "tolerance": TOLERANCE,
        "smallest": SMALLEST,
        "max_abs_delta": max(deltas, default=0.0),
    }
    yield Claim("convergence", "holds" if converged == len(attributions) else "fails", numbers=numbers)
    if "faithfulness" in tables:
        yield from _faithfulness_claims(tables["faithfulness"], seed=job.output.seed)
    test = job.splits.test
    for task, rationales in test.dataset.rationales.items():
        hits, chance = [], []
        for a in attributions:
            if a.task == task and a.head == "probe" and a.text_id is not None:
                spans = rationales[test.rows[a.text_id]]
                known = np.array([any(_overlap(word, span) for span in spans) for word in a.word_offsets])
                if not known.any():
                    continue
                content = a.word_offsets[:, 0] >= 0
                hits.append(bool(known[np.argmax(np.where(content, a.word_scores, -np.inf))]))
                chance.append(float(known.sum() / content.sum()))
        if hits:
            lower, upper = wilson(float(np.mean(hits)), len(hits))
            numbers = {"hits": float(np.mean(hits)), "n": len(hits), "random": float(np.mean(chance))}
            yield Claim(
                "deciding", "above" if lower > numbers["random"] else "cannot_tell", task, numbers, (lower, upper)
            )


def _faithfulness_claims(erased: pd.DataFrame, *, seed: int) -> Iterator[Claim]:
    """What erasing does in the attributions' order and in random ones, on average over the texts of a head."""
    from probes.uncertainty import mean_intervals

    measured = erased.dropna(subset="comprehensiveness")
    for (task, head), rows in measured.groupby(["task", "head"], sort=False):
        is_own = rows["order"] == "attribution"
        names = ["comprehensiveness", "sufficiency"]
        own, chance = (part.groupby("text_id")[names].mean() for part in (rows[is_own], rows[~is_own]))
        gap = (own - chance)["comprehensiveness"].to_numpy()
        ((lower, upper),) = mean_intervals(gap[:, None], seed=seed)
        numbers: dict[str, Any] = {"head": head, "n": len(own)}
        for name in names:
            numbers |= {name: float(own[name].mean()), f"random_{name}": float(chance[name].mean())}
        outcome = "above" if lower > 0 else "below" if upper < 0 else "cannot_tell"
        yield Claim("faithfulness", outcome, str(task), numbers, (lower, upper))


def _spread(rows: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]]) -> list[int]:
    """The rows in their order, but one of each class in turn."""
    turn = dict.fromkeys(np.unique(labels[rows]).tolist(), 0)
    keys = []
    for place, row in enumerate(rows.tolist()):
        class_id = int(labels[row])
        keys.append((turn[class_id], place, row))
        turn[class_id] += 1
    return [row for _, _, row in sorted(keys)]


def _overlap(word: NDArray[np.int64], span: tuple[int, int]) -> bool:
    side, first, last = word.tolist()
    return bool(side == 0 and first < span[1] and span[0] < last)
