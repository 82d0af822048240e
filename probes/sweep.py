"""Probes for label columns x poolings x layers, beside their floors, in one tidy table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from probes.checks import InputError, check_labels, check_same_length, choose, unknown
from probes.classifiers import DEFAULT_CS, PROBES, Selection, bag_of_words, majority, select_probe
from probes.logistic import FittedProbe
from probes.metrics import METRICS, confusion, per_class
from probes.places import Examples, Place, Point, Sample, Study
from probes.threads import abreast, side_by_side
from probes.uncertainty import Bootstrap, Predictions, bootstrap, detectable, simultaneous

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TaskSweep:
    """Everything measured for one label column."""

    class_names: tuple[str, ...]
    selections: Mapping[Point, Selection]
    """The probe chosen at each point, on validation."""
    validation: Mapping[Point, Mapping[str, float]]
    """Metric -> score on validation."""
    test: Mapping[Point | str, Mapping[str, float]]
    """Metric -> score on test, for each point and floor."""
    predictions: Mapping[Point | str, Predictions]
    """Of the test examples, for each point and floor."""
    labels: NDArray[np.integer[Any]]
    """(examples,) of the test split."""
    best: Point
    """Lowest validation log loss among the eligible points: the winner is chosen without the test split."""
    resampled: Bootstrap
    """Columns in the order of `test`."""

    def column(self, key: Point | str) -> int:
        """Where a point or floor stands in `resampled`."""
        return list(self.test).index(key)

    def interval(self, key: Point | str) -> tuple[float, float]:
        """95 % interval of a test accuracy."""
        return self.resampled.interval("accuracy", self.column(key))

    def differences(self) -> Iterator[tuple[Point, float, float, float]]:
        """Each point's test accuracy minus the winner's, with simultaneous 95 % limits."""
        measured, resampled = self._gaps
        limits = simultaneous(measured, resampled, n=len(self.labels))
        for point, value, lower, upper in zip(self.selections, measured, *limits, strict=True):
            yield point, float(value), float(lower), float(upper)

    @property
    def detectable(self) -> float:
        """The smallest difference from the winner's test accuracy that these limits tell from 0; nan for one point."""
        reference = list(self.selections).index(self.best)
        return detectable(*self._gaps, n=len(self.labels), reference=reference)

    @property
    def _gaps(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(points,) accuracies minus the winner's, and (resamples, points) the same under resampling."""
        points = list(self.selections)
        measured = np.array([self.test[p]["accuracy"] for p in points]) - self.test[self.best]["accuracy"]
        accuracy = self.resampled.scores["accuracy"]
        return measured, accuracy[:, [self.column(p) for p in points]] - accuracy[:, [self.column(self.best)]]


@dataclass(frozen=True, eq=False)
class Sweep:
    """What `sweep_probes` returns: tidy tables, and the fitted probes."""

    tasks: Mapping[str, TaskSweep]
    model: str
    seed: int
    notes: tuple[str, ...] = ()
    studies: Mapping[str, Mapping[tuple[str, Point], Any]] = field(default_factory=dict)
    """Study -> label column and point -> what it found there."""

    @property
    def probes(self) -> dict[str, FittedProbe]:
        """Name `task/pooling/layer` -> probe."""
        return {
            f"{task}/{point.pooling}/{point.layer}": selection.probe
            for task, found in self.tasks.items()
            for point, selection in found.selections.items()
        }

    @property
    def metrics(self) -> pd.DataFrame:
        """Tidy scores with 95 % intervals on test: columns as in the result folder's `metrics.csv`."""
        rows: list[dict[str, Any]] = []
        for task, found in self.tasks.items():
            n_validation = {"split": "validation", "n": None}
            for point, scores in found.validation.items():
                base = {"task": task, "pooling": point.pooling, "layer": point.layer, "probe": "logistic"}
                rows += [{**base, **n_validation, "metric": name, "value": value} for name, value in scores.items()]
            for column, key in enumerate(found.test):
                base = {"task": task, "split": "test", "n": len(found.labels), **_where(key)}
                for name, value in found.test[key].items():
                    limits = found.resampled.interval(name, column)
                    rows.append({**base, "metric": name, "value": value, "lower": limits[0], "upper": limits[1]})
                if isinstance(key, str) or key == found.best:
                    classes = per_class(found.labels, found.predictions[key].log_prob)
                    for name in ("precision", "recall", "f1", "auroc"):
                        for i, class_name in enumerate(found.class_names):
                            count = int(classes["count"][i])
                            value = float(classes[name][i])
                            rows.append({**base, "metric": name, "class": class_name, "value": value, "n": count})
        columns = ("task", "pooling", "layer", "probe", "split", "metric", "class", "value", "lower", "upper", "n")
        table = _frame(rows, columns, whole=("layer", "n"))
        table.insert(0, "model", self.model)
        table.insert(5, "seed", self.seed)
        return table

    @property
    def selection(self) -> pd.DataFrame:
        """The path of penalties at each point, and which one was chosen."""
        rows = [
            {
                "task": task,
                **_where(point),
                "c": trial.c,
                "validation_log_loss": trial.validation_log_loss,
                "chosen": trial.c == selection.probe.c,
                "converged": trial.converged,
            }
            for task, found in self.tasks.items()
            for point, selection in found.selections.items()
            for trial in selection.trials
        ]
        columns = ("task", "pooling", "layer", "c", "validation_log_loss", "chosen", "converged")
        return _frame(rows, columns, whole=("layer",))

    @property
    def differences(self) -> pd.DataFrame:
        """Test accuracy of each point minus the validation winner's; tied where the simultaneous interval holds 0."""
        rows = [
            {
                "task": task,
                "pooling": point.pooling,
                "layer": point.layer,
                "reference_pooling": found.best.pooling,
                "reference_layer": found.best.layer,
                "value": value,
                "lower": lower,
                "upper": upper,
                "tied": lower <= 0 <= upper,
            }
            for task, found in self.tasks.items()
            for point, value, lower, upper in found.differences()
        ]
        return _frame(rows, tuple(rows[0]), whole=("layer", "reference_layer"))

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts by label and prediction on test, for the winner and the floors."""
        rows = []
        for task, found in self.tasks.items():
            keys: list[Point | str] = [found.best, *(key for key in found.test if isinstance(key, str))]
            for key in keys:
                counts = confusion(found.labels, found.predictions[key].predicted, len(found.class_names))
                rows += [
                    {"task": task, **_where(key), "label": label, "predicted": predicted, "count": int(counts[i, j])}
                    for i, label in enumerate(found.class_names)
                    for j, predicted in enumerate(found.class_names)
                ]
        columns = ("task", "probe", "pooling", "layer", "label", "predicted", "count")
        return _frame(rows, columns, whole=("layer", "count"))


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What one point gives for one label column."""

    task: str
    chosen: Selection
    validation: dict[str, float]
    predictions: Predictions
    studied: Mapping[str, Any]


def sweep_probes(
    train: Examples,
    validation: Examples,
    test: Examples,
    *,
    class_names: Mapping[str, Sequence[str]] | None = None,
    layers: Sequence[int] | None = None,
    probe: str = "logistic",
    cs: Sequence[float] = DEFAULT_CS,
    ineligible: Sequence[str] = (),
    heads: Mapping[str, NDArray[np.floating[Any]]] | None = None,
    studies: Mapping[str, Study] | None = None,
    device: str = "cpu",
    model: str = "",
    seed: int = 0,
    progress: bool = False,
) -> Sweep:
    """Fit a probe at every label column, pooling and layer; choose on validation; score once on test.

    Args:
        train: Features `{"mean": array}` of shape (layers, examples, hidden), labels `{"label": ids}` of shape
            (examples,); texts where the bag-of-words floor is wanted.
        validation: The same; chooses the penalty of each probe and the best point.
        test: The same; read once.
        class_names: Label column -> names by class id; the ids themselves when None.
        layers: Which to read; when None all, as far as the features can name them.
        probe: Name from `probes.classifiers.PROBES`.
        cs: Inverse penalty strengths, increasing.
        ineligible: Poolings measured and shown, but never the best (a pooler that was never trained).
        heads: Label column -> (examples, classes) log probabilities on test of the model's own classifier.
        studies: Name -> what else to measure at every place, while its features are at hand.
        device: Where probes are fitted.
        model: Name for the tables.
        seed: Of the bootstrap, and of the order in which studies see the training examples.
        progress: Show a bar on stderr.

    Returns:
        A `Sweep`; accuracies are shares, log losses in nats, intervals 95 % over resampled test examples.

    Raises:
        InputError: Names or lengths do not fit together, a split is empty, or there is no such layer.

    Source: Alain & Bengio (2017), arXiv:1610.01644; Belinkov (2022), Computational Linguistics 48.
    """
    estimator = choose("probe", probe, PROBES)
    names = _check(train, validation, test, class_names)
    places = [
        Point(pooling, i) for pooling in train.features for i in _layers(pooling, (train, validation, test), layers)
    ]
    if not set(train.features) - set(ineligible):
        raise InputError("every pooling is ineligible; there is nothing to choose the best from")
    selections: dict[str, dict[Point, Selection]] = {task: {} for task in names}
    scores: dict[str, dict[Point, dict[str, float]]] = {task: {} for task in names}
    predictions: dict[str, dict[Point | str, Predictions]] = {task: {} for task in names}
    splits = {"train": train, "validation": validation, "test": test}
    found: dict[str, dict[tuple[str, Point], Any]] = {name: {} for name in studies or {}}
    # In random order, whatever the files': a study may take the first so many.
    order = np.random.default_rng(seed).permutation(len(next(iter(train.labels.values()))))

    def fit(point: Point) -> list[_Fitted]:
        """The probe chosen for each label column at one point."""
        x, held_out, unseen = (_features(name, split, point) for name, split in splits.items())
        x = x[order]
        fitter = estimator.on(x, device=device)
        done = []
        for task, classes in names.items():
            y, y_held_out = train.labels[task][order], validation.labels[task]
            place = Place(
                task=task,
                point=point,
                n_classes=len(classes),
                cs=tuple(cs),
                fitter=fitter,
                train=Sample(x, y),
                order=order,
                validation=Sample(held_out, y_held_out),
                test=Sample(unseen, test.labels[task]),
                chosen=select_probe(fitter.path(y, cs, n_classes=len(classes)), held_out, y_held_out),
            )
            log_prob = place.chosen.probe.log_prob(held_out)
            done.append(
                _Fitted(
                    task,
                    place.chosen,
                    {name: metric(y_held_out, log_prob) for name, metric in METRICS.items()},
                    Predictions.of(place.chosen.probe.log_prob(unseen)),
                    {name: study(place) for name, study in (studies or {}).items()},
                )
            )
        return done

    size = 3 * len(order) * _features("test", test, places[0]).nbytes // len(test.labels[next(iter(names))])
    with (
        tqdm(total=len(places) * len(names), desc="probes", unit="probe", disable=not progress) as bar,
        side_by_side(abreast(size, device)) as run,
    ):
        for point, fitted in zip(places, run(fit, places), strict=True):
            for each in fitted:
                selections[each.task][point], scores[each.task][point] = each.chosen, each.validation
                predictions[each.task][point] = each.predictions
                for name, result in each.studied.items():
                    found[name][each.task, point] = result
            bar.update(len(fitted))
    done = {}
    for task, classes in names.items():
        said, n = predictions[task], len(test.labels[task])
        said["majority"] = Predictions.of(np.tile(majority(train.labels[task], n_classes=len(classes)), (n, 1)))
        if train.texts is not None and validation.texts is not None and test.texts is not None:
            fitting, choosing = (train.texts, train.labels[task]), (validation.texts, validation.labels[task])
            words = bag_of_words(fitting, choosing, test.texts, n_classes=len(classes))
            said["bag_of_words"] = Predictions.of(words)
        if heads and task in heads:
            said["model_head"] = Predictions.of(heads[task])
        resampled = bootstrap(test.labels[task], list(said.values()), seed=seed)
        values = {
            key: {name: float(each[i]) for name, each in resampled.measured.items()} for i, key in enumerate(said)
        }
        eligible = [point for point in places if point.pooling not in ineligible]
        done[task] = TaskSweep(
            class_names=classes,
            selections=selections[task],
            validation=scores[task],
            test=values,
            predictions=said,
            labels=test.labels[task],
            best=min(eligible, key=lambda point: scores[task][point]["log_loss"]),
            resampled=resampled,
        )
    return Sweep(done, model=model, seed=seed, notes=tuple(_care(selections)), studies=found)


def _care(selections: Mapping[str, Mapping[Point, Selection]]) -> Iterator[str]:
    for task, chosen in selections.items():
        failed = [str(point) for point, selection in chosen.items() if not selection.probe.converged]
        if failed:
            shown = ", ".join(failed[:6]) + (" and others" if len(failed) > 6 else "")
            yield f"The probe of {task} did not reach its tolerance at {shown}; its scores are close to the optimum."


def _check(
    train: Examples, validation: Examples, test: Examples, class_names: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    names = {}
    for split in (train, validation, test):
        if set(split.features) != set(train.features) or set(split.labels) != set(train.labels):
            raise InputError("the three splits must have the same poolings and label columns")
        check_same_length(texts=split.texts, **split.labels)
        if not all(len(labels) for labels in split.labels.values()):
            raise InputError("a split has no examples")
    if not train.features or not train.labels:
        raise InputError("a sweep needs at least one pooling and one label column")
    for task in train.labels:
        if class_names is not None:
            choose("label column with class names", task, class_names)
        top = max(int(split.labels[task].max()) for split in (train, validation, test))
        names[task] = tuple(class_names[task]) if class_names else tuple(str(i) for i in range(top + 1))
        for split in (train, validation, test):
            check_labels(split.labels[task], len(names[task]))
    return names


def _layers(pooling: str, splits: Sequence[Examples], wanted: Sequence[int] | None) -> Sequence[int]:
    """The layers to read: those wanted, else all, as far as every split has them."""
    known: list[Sequence[int]] = []
    for split in splits:
        features: Any = split.features[pooling]
        if hasattr(features, "keys") or hasattr(features, "__len__"):
            known.append(tuple(features.keys()) if hasattr(features, "keys") else range(len(features)))
    asked = tuple(wanted) if wanted is not None else tuple(known[0])
    for there in known:
        for layer in asked:
            if layer not in there:
                raise InputError(unknown("layer", layer, there))
    return asked


def _features(name: str, split: Examples, point: Point) -> NDArray[np.floating[Any]]:
    """(examples, hidden) of one split at one point."""
    found = split.features[point.pooling][point.layer]
    for task, labels in split.labels.items():
        if len(found) != len(labels):
            raise InputError(f"{name}: {point} has {len(found)} examples and {task!r} has {len(labels)} labels")
    return found


def _where(key: Point | str) -> dict[str, Any]:
    if isinstance(key, str):
        return {"probe": key, "pooling": None, "layer": None}
    return {"probe": "logistic", "pooling": key.pooling, "layer": key.layer}


def _frame(rows: list[dict[str, Any]], columns: Sequence[str], *, whole: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(whole, "Int64"))
