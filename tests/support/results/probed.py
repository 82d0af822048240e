"""A made-up result of `run`: two tasks, seven layers, three poolings, floors, explanations and claims."""

import numpy as np
import pandas as pd

from analyses.subjects.probing.evidence import judge_evidence
from probes.results.result import AnalysisResult, Attribution, Claim, Provenance

LAYERS = 7
POOLINGS = ("cls", "mean", "pooler")
N = 896


def result(
    *,
    name: str = "run",
    model: str = "tiny-bert",
    tasks: dict[str, tuple[str, ...]] | None = None,
    texts: tuple[str, ...] = ("After all, the orchard is far from lovely.", "The lamps are fine."),
    random_pooler: bool = False,
    poolings: tuple[str, ...] = POOLINGS,
    converged: bool = True,
    notes: tuple[str, ...] = (),
    tables: dict[str, pd.DataFrame] | None = None,
) -> AnalysisResult:
    tasks = tasks or {"sentiment": ("negative", "positive"), "topic": ("arts", "sport", "war")}
    claims = [claim for task in tasks for claim in _task_claims(task, tasks[task], poolings)]
    claims.append(Claim("cls_spread", "measured", numbers={"first_layer": 1, "last_spread": 0.66}))
    if random_pooler:
        claims.append(Claim("random_pooler", "random", numbers={"reason": "its bias is exactly zero"}))
    explained = tuple(
        attribution(text, task, classes, row, converged=converged)
        for task, classes in tasks.items()
        for row, text in enumerate(texts)
    )
    numbers = {"n": len(explained), "n_converged": len(explained) * converged, "max_abs_delta": 0.02}
    numbers |= {"tolerance": 0.01, "smallest": 0.005}
    claims.append(Claim("convergence", "holds" if converged else "fails", numbers=numbers))
    return AnalysisResult(
        name=name,
        settings={"data": {"label": list(tasks)}},
        provenance=provenance(model, tasks),
        tables={**_tables(model, tasks, poolings), **(tables or {})},
        attributions=explained,
        claims=tuple(claims),
        notes=notes,
    )


def accuracy(pooling: str, layer: int) -> float:
    """A curve that rises and falls; [CLS] begins at the majority rate."""
    start = 0.6 if pooling == "mean" else 0.5
    return start + 0.04 * min(layer, 8 - layer) + (0.02 if pooling == "mean" else 0.0)


def scores(accuracy: float) -> dict[str, float]:
    """Every metric of two classes as frequent and as often right, where the probability is always the accuracy."""
    loss = -accuracy * np.log(accuracy) - (1 - accuracy) * np.log1p(-accuracy)
    rates = {"accuracy": accuracy, "balanced_accuracy": accuracy, "macro_f1": accuracy, "auroc": accuracy}
    return rates | {"mcc": 2 * accuracy - 1, "log_loss": float(loss), "ece": 9.5e-10}


def provenance(model: str, tasks: dict[str, tuple[str, ...]]) -> Provenance:
    classes = {task: dict.fromkeys(names, 448) for task, names in tasks.items()}
    return Provenance(
        model=model,
        architecture="BertModel",
        revision=None,
        weights="b7c2ab4e" * 8,
        n_layers=LAYERS - 1,
        hidden=384,
        max_length=512,
        data={
            split: {"source": f"{split}.csv", "rows": N, "texts": "499a0a9e" * 8, "classes": classes}
            for split in SPLITS
        },
        versions={"python": "3.11.7", "torch": "2.13.0"},
        seed=0,
        dtype="float32",
        device="cpu",
        command="layerprobe run --train train.csv",
        created="2025-01-02T03:04:05+00:00",
        seconds=61.5,
    )


SPLITS = ("train", "validation", "test")


def attribution(
    text: str, task: str | None, classes: tuple[str, ...], row: int | None, *, converged: bool
) -> Attribution:
    """Words split at spaces, each of one token; scores alternate in sign."""
    offsets, start = [(-1, 0, 0)], 0
    for word in text.split(" "):
        offsets.append((0, start, start + len(word)))
        start += len(word) + 1
    offsets.append((-1, 0, 0))
    words = ("[CLS]", *text.split(" "), "[SEP]")
    scores = np.array([0.0, *(0.3 * (-1) ** i * (1 + i) for i in range(len(words) - 2)), 0.0])
    return Attribution(
        text=text,
        tokens=words,
        scores=scores,
        offsets=np.array(offsets),
        words=words,
        word_scores=scores,
        word_offsets=np.array(offsets),
        target=classes[0],
        method="integrated_gradients",
        baseline="pad",
        output=1.5,
        baseline_output=-0.5,
        convergence_delta=0.004 if converged else 0.4,
        n_steps=32,
        converged=converged,
        predicted=classes[0],
        probabilities={
            class_name: 0.9 if class_name == classes[0] else 0.1 / (len(classes) - 1) for class_name in classes
        },
        head="probe",
        layer=4,
        pooling="mean",
        text_id=row,
        task=task,
        label=classes[row % 2] if row is not None else None,
    )


def _task_claims(task: str, classes: tuple[str, ...], poolings: tuple[str, ...]) -> list[Claim]:
    best = accuracy("mean", 4)
    numbers = {"pooling": "mean", "layer": 4, "c": 0.01, "accuracy": best, "validation_accuracy": 0.8, "macro_f1": 0.77}
    floors = {"majority": (0.5, "above"), "bag_of_words": (0.77, "cannot_tell"), "layer_0_mean": (0.62, "above")}
    floor_claims = [
        Claim("floor", outcome, task, {"floor": floor, "accuracy": score, "difference": best - score}, (-0.01, 0.31))
        for floor, (score, outcome) in floors.items()
    ]
    return [
        Claim("best_site", "measured", task, numbers | {"n": N, "n_classes": len(classes)}, (0.75, 0.81)),
        Claim("tied", "tied", task, {"n_tied": 3, "n_sites": 20, "sites": "mean 3, mean 5, cls 4"}),
        *floor_claims,
        judge_evidence(task, floor_claims),
        Claim(
            "best_by_pooling",
            "measured",
            task,
            {f"{p}_layer": 4 for p in poolings} | {f"{p}_accuracy": accuracy(p, 4) for p in poolings},
        ),
        Claim("constant_cls", "holds", task, {"accuracy": 0.5, "majority": 0.5, "max_range": 0.0}),
    ]


def _tables(model: str, tasks: dict[str, tuple[str, ...]], poolings: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    metrics, selection, differences, confusion = [], [], [], []
    for task, classes in tasks.items():
        for pooling in poolings:
            for layer in range(LAYERS):
                score = accuracy(pooling, layer)
                place = (model, task, pooling, layer, "logistic", 0)
                metrics.append((*place, "validation", "accuracy", None, score, None, None, N))
                for metric, value in scores(score).items():
                    metrics.append((*place, "test", metric, None, value, value - 0.03, value + 0.03, N))
                selection.append((task, pooling, layer, 0.01, 0.5, True, True))
                gap = score - accuracy("mean", 4)
                differences.append((task, pooling, layer, "mean", 4, gap, gap - 0.05, gap + 0.05, gap > -0.05))
        for floor, score in (("majority", 0.5), ("bag_of_words", 0.77)):
            nowhere = (model, task, None, None, floor, 0, "test")
            for metric, value in scores(score).items():
                metrics.append((*nowhere, metric, None, value, value - 0.03, value + 0.03, N))
        for i, label in enumerate(classes):
            for kind in ("precision", "recall", "f1"):
                score = 0.9 - 0.3 * i / len(classes)
                metrics.append((model, task, "mean", 4, "logistic", 0, "test", kind, label, score, None, None, N))
            for j, predicted in enumerate(classes):
                confusion.append((task, "logistic", "mean", 4, label, predicted, 300 if i == j else 1 + (i * j) % 7))
    depth = [
        (pooling, layer, 0.1 * layer + (pooling == "mean"), 0.01 * 2.0**layer * (layer > 0 or pooling == "mean"))
        for pooling in ("cls", "mean")
        for layer in range(LAYERS)
    ]
    cosines = [
        (pooling, layer, 1.0 if pooling != "mean" and layer == 0 else 0.9 - 0.1 * layer)
        for pooling in poolings
        for layer in range(LAYERS)
    ]
    alike = [
        (pooling, a, b, *_alike(pooling, a, b)) for pooling in poolings for a in range(LAYERS) for b in range(LAYERS)
    ]
    names = "model task pooling layer probe seed split metric class value lower upper n".split()
    frames = {
        "metrics": pd.DataFrame(metrics, columns=names),
        "selection": pd.DataFrame(
            selection, columns="task pooling layer c validation_log_loss chosen converged".split()
        ),
        "differences_from_best": pd.DataFrame(
            differences, columns="task pooling layer reference_pooling reference_layer value lower upper tied".split()
        ),
        "confusion": pd.DataFrame(confusion, columns="task probe pooling layer label predicted count".split()),
        "special_tokens": pd.DataFrame(
            [("cls", "[CLS]", 101, 1.55), ("sep", "[SEP]", 102, 1.06)], columns="role token id embedding_norm".split()
        ),
        "anisotropy": pd.DataFrame(cosines, columns="pooling layer anisotropy".split()),
        "cka": pd.DataFrame(alike, columns="pooling layer other_layer cka floor".split()),
        "cls_spread": pd.DataFrame(depth, columns="pooling layer max_range relative_spread".split()),
    }
    frames["metrics"] = frames["metrics"].astype({"layer": "Int64", "lower": float, "upper": float})
    return frames


def _alike(pooling: str, layer: int, other_layer: int) -> tuple[float, float]:
    """CKA that falls with distance, the most between layers 3 and 4, and its floor; unknown where [CLS] is constant."""
    if pooling != "mean" and 0 in (layer, other_layer):
        return float("nan"), float("nan")
    crossed = min(layer, other_layer) <= 3 < max(layer, other_layer)
    return 1 - 0.1 * abs(layer - other_layer) - 0.2 * crossed, 0.02 + 0.001 * (layer + other_layer)
