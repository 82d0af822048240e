"""Probes for label columns x poolings x layers, beside their floors, in one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import MOST_SEED, InputError, check_kind, choose, unknown_name_message, whole_number
from probes.data.texts import Texts
from probes.devices import usable_device
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.selection import (
    DEFAULT_CS,
    PROBES,
    Folds,
    Selection,
    bag_of_words,
    select_by_folds,
    select_probe,
    uninformed,
)
from probes.probing.sites import Examples, Place, Point, Sample, Study, layer_features, ready
from probes.probing.sweep_result import Sweep, TaskSweep
from probes.progress import progress_bar
from probes.sequences import feature_array, layer_list, names_list, penalty_list
from probes.statistics.bootstrap import Predictions, bootstrap
from probes.statistics.metrics import METRICS


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
    validation: Examples | None,
    test: Examples,
    *,
    class_names: Mapping[str, Sequence[str]] | None = None,
    layers: Sequence[int] | int | None = None,
    probe: str = "logistic",
    cs: Sequence[float] = DEFAULT_CS,
    folds: int = 5,
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
            (examples,), or names of classes; texts where the bag-of-words floor is wanted. Arrays may be lists,
            tensors or pandas columns.
        validation: The same; chooses the penalty of each probe and the best point. When None, `folds` of the training
            examples do, each held out in turn: of probes fitted on the rest, and standardised by it.
        test: The same; read once.
        class_names: Label column -> names by class id; the ids themselves, or the names that occur, when None.
        layers: Which to read; when None all, as far as the features can name them.
        probe: Name from `probes.probing.selection.PROBES`.
        cs: Inverse penalty strengths, increasing.
        folds: Parts of the training examples, where there is no validation; stratified, `units` kept whole.
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
    cs, device = penalty_list(cs), usable_device(device)
    check_kind(int, folds=folds)
    check_kind(Mapping | None, heads=heads, studies=studies)
    seed, ineligible = whole_number(seed, "seed", most=MOST_SEED), names_list(ineligible, "ineligible")
    for name, study in (studies or {}).items():
        check_kind(Callable, **{f"the study {name!r}": study})
    splits = {"train": train, "test": test} | ({} if validation is None else {"validation": validation})
    splits, names = ready(splits, class_names)
    train, test, validation = splits["train"], splits["test"], splits.get("validation")
    said_by_heads = {task: _head(task, log_prob, test, names) for task, log_prob in (heads or {}).items()}
    places = [Point(pooling, i) for pooling in train.features for i in _layers(pooling, tuple(splits.values()), layers)]
    if not set(train.features) - set(ineligible):
        raise InputError("every pooling is ineligible; there is nothing to choose the best from")
    selections: dict[str, dict[Point, Selection]] = {task: {} for task in names}
    scores: dict[str, dict[Point, dict[str, float]]] = {task: {} for task in names}
    predictions: dict[str, dict[Point | str, Predictions]] = {task: {} for task in names}
    found: dict[str, dict[tuple[str, Point], Any]] = {name: {} for name in studies or {}}
    # In random order, whatever the files': a study may take the first so many.
    order = np.random.default_rng(seed).permutation(len(next(iter(train.labels.values()))))

    parts = {} if validation is not None else training_folds(train, folds, seed=seed, order=order)

    def fit(point: Point) -> list[_Fitted]:
        """The probe chosen for each label column at one point."""
        read = {name: layer_features(name, split, point) for name, split in splits.items()}
        x, unseen = read["train"][order], read["test"]
        try:
            fitter = estimator.on(x, device=device)
        except InputError as error:
            raise InputError(f"pooling {point.pooling!r} at layer {point.layer}: {error}") from error
        done = []
        for task, classes in names.items():
            y, k, held_out = train.labels[task][order], len(classes), None
            if validation is None:
                chosen, log_prob = select_by_folds(estimator, x, y, parts[task], cs, n_classes=k, device=device)
                judged = y
            else:
                held_out, judged = Sample(read["validation"], validation.labels[task]), validation.labels[task]
                chosen = select_probe(fitter.path(y, cs, n_classes=k), held_out.features, judged)
                log_prob = chosen.probe.log_prob(held_out.features)
            place = Place(
                task=task,
                point=point,
                n_classes=k,
                cs=tuple(cs),
                fitter=fitter,
                train=Sample(x, y),
                order=order,
                validation=held_out,
                test=Sample(unseen, test.labels[task]),
                chosen=chosen,
            )
            done.append(
                _Fitted(
                    task,
                    chosen,
                    {name: metric(judged, log_prob) for name, metric in METRICS.items()},
                    Predictions.of(chosen.probe.log_prob(unseen)),
                    {name: study(place) for name, study in (studies or {}).items()},
                )
            )
        return done

    size = 3 * len(order) * layer_features("test", test, places[0]).nbytes // len(test.labels[next(iter(names))])
    with (
        progress_bar(len(places) * len(names), "probes", "probe", visible=progress) as bar,
        parallel_map(n_parallel_tasks(size, device)) as run,
    ):
        for point, fitted in zip(places, run(fit, places), strict=True):
            for each in fitted:
                selections[each.task][point], scores[each.task][point] = each.chosen, each.validation
                predictions[each.task][point] = each.predictions
                for name, result in each.studied.items():
                    found[name][each.task, point] = result
            bar.update(len(fitted))
    done, notes = {}, list(_care(selections, found))
    for task, classes in names.items():
        said, n = predictions[task], len(test.labels[task])
        said["majority"] = Predictions.of(np.tile(uninformed(train.labels[task], n_classes=len(classes)), (n, 1)))
        if all(split.texts is not None for split in splits.values()):
            log_prob, most_words = _words(splits, task, parts.get(task), order, len(classes))
            said["bag_of_words"] = Predictions.of(log_prob)
            if most_words is not None:
                notes.append(
                    f"The bag of words of {task} has the {most_words:,} most frequent words alone, as it takes a "
                    f"weight for each of them and of the {len(classes):,} classes."
                )
        if task in said_by_heads:
            said["model_head"] = said_by_heads[task]
        resampled = bootstrap(test.labels[task], list(said.values()), seed=seed)
        values = {
            key: {name: float(each[i]) for name, each in resampled.estimates.items()} for i, key in enumerate(said)
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
    return Sweep(done, model=model, seed=seed, notes=tuple(notes), studies=found)


def _care(
    selections: Mapping[str, Mapping[Point, Selection]], studies: Mapping[str, Mapping[tuple[str, Point], Any]]
) -> Iterator[str]:
    """Which fits ended before they reached their tolerance."""
    for task, chosen in selections.items():
        if failed := [str(point) for point, selection in chosen.items() if not selection.probe.converged]:
            yield (
                f"The probe of {task} did not reach its tolerance at {_some(failed)}: better scores may be possible "
                "there."
            )
    for name, found in studies.items():
        # A study says so where it fits probes of its own.
        if failed := [
            f"{task} {point}" for (task, point), each in found.items() if not getattr(each, "converged", True)
        ]:
            yield f"A probe of the study {name!r} did not reach its tolerance at {_some(failed)}."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (" and others" if len(names) > 6 else "")


def training_folds(train: Examples, n: int, *, seed: int, order: NDArray[np.int64] | None = None) -> dict[str, Folds]:
    """Label column -> folds of the training examples, of their rows in that order."""
    rows = np.arange(len(next(iter(train.labels.values())))) if order is None else order
    units = None if train.units is None else train.units[rows]
    return {task: Folds.of(labels[rows], units, n=n, seed=seed) for task, labels in train.labels.items()}


def _words(
    splits: Mapping[str, Examples], task: str, folds: Folds | None, order: NDArray[np.int64], n_classes: int
) -> tuple[NDArray[np.float64], int | None]:
    """The bag of words' log probabilities on test, and how many words it was left, where some were left out."""
    read: dict[str, tuple[tuple[str, ...], NDArray[np.integer[Any]]]] = {}
    for name, split in splits.items():
        strings = () if split.texts is None else Texts.of(split.texts).joined
        read[name] = strings, split.labels[task]
    texts, labels = read["train"]
    train = [texts[row] for row in order], labels[order]
    return bag_of_words(train, folds or read["validation"], read["test"][0], n_classes=n_classes)


def _head(task: str, log_prob: Any, test: Examples, names: Mapping[str, tuple[str, ...]]) -> Predictions:
    """Predictions of the model's own classifier for the test examples."""
    choose("label column of heads", task, names)
    name, shape = f"log probabilities of the head of {task!r}", (len(test.labels[task]), len(names[task]))
    array = feature_array(log_prob, name=name, axes=f"of shape {shape}")
    if array.shape != shape:
        raise InputError(f"the head of {task!r} must have log probabilities of shape {shape}, found {array.shape}")
    return Predictions.of(array)


def _layers(pooling: str, splits: Sequence[Examples], wanted: Sequence[int] | int | None) -> Sequence[int]:
    """The layers to read: those wanted, else all, as far as every split has them."""
    known: list[Sequence[int]] = []
    for split in splits:
        features: Any = split.features[pooling]
        if hasattr(features, "keys") or hasattr(features, "__len__"):
            known.append(tuple(features.keys()) if hasattr(features, "keys") else range(len(features)))
    if wanted is None and not known:
        raise InputError(f"the features of pooling {pooling!r} do not name their layers; say which by layers=")
    layers = list(known[0]) if wanted is None else layer_list(wanted)
    if not layers:
        raise InputError("no layer is asked for; name at least one")
    for layers_of_split in known:
        for layer in layers:
            if not isinstance(layer, int | str) or layer not in layers_of_split:
                raise InputError(unknown_name_message("layer", layer, layers_of_split))
    return layers
