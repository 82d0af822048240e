"""Which layer and pooling carries the label?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.job import Job, special_tokens
from analyses.settings.bounds import check_bounds
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.output import OutputSettings
from analyses.settings.probing import ProbeSettings
from analyses.subjects import floors
from probes.checks import side_of_zero
from probes.progress import expect_stages, stage
from probes.results.result import AnalysisResult, Claim

if TYPE_CHECKING:
    import pandas as pd

    from probes.probing.sites import Site
    from probes.probing.sweep_result import Sweep, TaskSweep


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe layers`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    probing: ProbeSettings = field(default_factory=ProbeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)


def run(settings: Settings) -> AnalysisResult:
    """Probe every layer and pooling, and set the floors beside them."""
    check_bounds(settings)
    expect_stages(n_stages(settings.encoder, settings.probing) + 1)
    job = Job.prepare(settings.data, settings.encoder, settings.output, settings.probing)
    job.check_head()
    return report("layers", dataclasses.asdict(settings), job)


def n_stages(encoder: EncoderSettings, probing: ProbeSettings) -> int:
    """How many stages the progress of `report` has, those of its job included."""
    return encoder.n_stages(probing.untrained) + 1


def report(name: str, settings: dict[str, Any], job: Job) -> AnalysisResult:
    """The sweep as tables and claims."""
    sweep, _ = job.sweep, job.untrained
    with stage("floors and controls"):
        return _report(name, settings, job, sweep)


def _report(name: str, settings: dict[str, Any], job: Job, sweep: Sweep) -> AnalysisResult:
    from probes.probing.persistence import pack_probes

    provenance = job.provenance()
    info = {
        "model": provenance.model,
        "weights": provenance.weights,
        "classes": {task: list(classes) for task, classes in job.splits.class_names.items()},
    }
    depth = _cls_depth(job)
    beside = floors.tables(job)
    return AnalysisResult(
        name=name,
        settings=settings,
        provenance=provenance,
        tables={
            "metrics": floors.metrics(job),
            "selection": sweep.selection,
            "differences_from_best": sweep.differences,
            "confusion": sweep.confusion,
            "predictions": _predictions(job),
            "special_tokens": special_tokens(job),
            "cls_spread": depth,
            **beside,
        },
        claims=(
            *(c for task in sweep.tasks for c in _task_claims(task, sweep.tasks[task], depth)),
            *floors.claims(job, beside),
            *_claims(job, depth),
        ),
        notes=(*sweep.notes, *_gap_notes(job)),
        files={"probes.safetensors": pack_probes(sweep.probes, info)},
    )


def _gap_notes(job: Job) -> Iterator[str]:
    """Where validation and test accuracy of the best place differ by more than their sampling error."""
    from probes.statistics.intervals import share_difference_interval

    splits, tasks = job.splits, job.sweep.tasks
    chooser, what = (splits.train, "training") if splits.validation is None else (splits.validation, "validation")
    for task, found in tasks.items():
        validation, test = (scores[found.best]["accuracy"] for scores in (found.validation, found.test))
        n, n_test = len(chooser), len(splits.test)
        lower, upper = share_difference_interval(test, n_test, validation, n, n_comparisons=len(tasks))
        if side_of_zero(lower, upper) != "cannot_tell":
            limits = f"{100 * lower:.1f} to {100 * upper:.1f} points"
            yield (
                f"At the best place of {task} ({found.best}), validation accuracy is {100 * validation:.1f} % ({n:,} "
                f"{what} texts) and test accuracy {100 * test:.1f} % ({n_test:,} texts). They differ by more than "
                f"their sampling error (95 % CI of the difference {limits}), so that the two samples may not be alike."
            )


def _predictions(job: Job) -> pd.DataFrame:
    """What the best place's probe says of each test text."""
    import pandas as pd

    frames = []
    for task, found in job.sweep.tasks.items():
        said, names = found.predictions[found.best], np.array(found.class_names, dtype=object)
        about = {"task": task, "pooling": found.best.pooling, "layer": found.best.layer}
        rows = {"text_id": np.arange(len(found.labels)), "text": job.splits.test.texts.first}
        told = {"label": names[found.labels], "predicted": names[said.predicted]}
        sure = np.exp(said.log_prob[np.arange(len(found.labels)), said.predicted]).round(5)
        right = {"probability": sure, "correct": said.predicted == found.labels}
        frames.append(pd.DataFrame({**about, **rows, **told, **right}))
    return pd.concat(frames, ignore_index=True)


def _task_claims(task: str, found: TaskSweep, depth: pd.DataFrame) -> Iterator[Claim]:
    """What the numbers say of one label column."""
    from probes.probing.sites import Site

    best, n = found.best, len(found.labels)
    accuracy = found.test[best]["accuracy"]
    yield Claim(
        id="best_site",
        outcome="measured",
        task=task,
        numbers={
            "pooling": best.pooling,
            "layer": best.layer,
            "c": found.selections[best].probe.c,
            "accuracy": accuracy,
            "validation_accuracy": found.validation[best]["accuracy"],
            "macro_f1": found.test[best]["macro_f1"],
            "n": n,
            "n_classes": len(found.class_names),
        },
        interval=found.interval(best),
    )
    others = [d for d in found.differences() if d[0] != best]
    tied = [str(point) for point, _, lower, upper in others if side_of_zero(lower, upper) == "cannot_tell"]
    numbers: dict[str, Any] = {"n_tied": len(tied), "n_sites": len(others), "sites": ", ".join(tied)}
    yield Claim("tied", "tied" if tied else "alone", task, numbers)
    if above := [str(point) for point, _, lower, upper in others if side_of_zero(lower, upper) == "above"]:
        yield Claim("better_than_best", "above", task, {"sites": ", ".join(above)})
    floors: dict[str, Site | str] = {key: key for key in found.test if isinstance(key, str)}
    embeddings = Site("mean", 0)
    if embeddings in found.selections and embeddings != best:
        floors["layer_0_mean"] = embeddings
    for floor, key in floors.items():
        lower, upper = found.resampled.difference("accuracy", found.column(best), found.column(key))
        outcome = side_of_zero(lower, upper)
        score = found.test[key]["accuracy"]
        numbers = {"floor": floor, "accuracy": score, "difference": accuracy - score}
        yield Claim("floor", outcome, task, numbers, (lower, upper))
    poolings: dict[str, Any] = {}
    for pooling in dict.fromkeys(point.pooling for point in found.selections):
        points = [point for point in found.selections if point.pooling == pooling]
        top = min(points, key=lambda point: found.validation[point]["log_loss"])
        poolings |= {f"{pooling}_layer": top.layer, f"{pooling}_accuracy": found.test[top]["accuracy"]}
    yield Claim("best_by_pooling", "measured", task, poolings)
    constant = Site("cls", 0)
    if constant in found.selections:
        (max_range,) = depth.loc[(depth["pooling"] == "cls") & (depth["layer"] == 0), "max_range"]
        same = len(np.unique(found.predictions[constant].predicted)) == 1
        numbers = {
            "accuracy": found.test[constant]["accuracy"],
            "majority": found.test["majority"]["accuracy"],
            "max_range": float(max_range),
        }
        yield Claim("constant_cls", "holds" if same and max_range == 0 else "fails", task, numbers)


def _claims(job: Job, depth: pd.DataFrame) -> Iterator[Claim]:
    """What the numbers say of the encoder, whatever the label."""
    cls = depth[depth["pooling"] == "cls"]
    moved = cls[cls["max_range"] > 0]
    if 0 in job.layers and len(moved):
        numbers = {"first_layer": int(moved["layer"].iloc[0]), "last_spread": float(cls["relative_spread"].iloc[-1])}
        yield Claim("cls_spread", "measured", numbers=numbers)
    yield from job.claims()


def _cls_depth(job: Job) -> pd.DataFrame:
    """How far apart the test texts' vectors lie, layer by layer."""
    import pandas as pd

    from probes.probing.geometry import spread

    rows = []
    for pooling in [name for name in ("cls", "mean") if name in job.poolings]:
        features = job.examples().test.features[pooling]
        for layer in job.layers:
            found = spread(features[layer])
            rows.append((pooling, layer, found.max_range, found.relative))
    return pd.DataFrame(rows, columns=["pooling", "layer", "max_range", "relative_spread"])
