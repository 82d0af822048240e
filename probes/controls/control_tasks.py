"""Control tasks: labels that depend on the input's type alone, so that a probe can only memorise them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import MOST_DRAWS, MOST_SEED, InputError, check_instance, check_same_length, whole_number
from probes.data.datasets import Splits
from probes.probing.penalty_selection import APPROXIMATE_TOLERANCE
from probes.probing.sites import ProbedSite
from probes.sequences import BoolArray, Float64Array, Int64Array, IntegerArray

N_DRAWS = 5
MOST_SHARE_DIFFERENCE = 0.05
"""Largest difference between the share of the most frequent class in a control task and in the real labels."""
MOST_TRIES = 2000
LEAST_SCORED = 10
"""Smallest number of test texts with a type that occurs in training."""


def is_informative(n_types: int, hidden: int) -> bool:
    """Return whether a control task can tell anything of a linear probe's capacity.

    A linear classifier in d dimensions with an intercept realises half of all labellings of 2 (d + 1) points in general
    position, and nearly all of fewer. With fewer types than that the accuracy on a control task shows only that the
    type can be read from the vectors.

    Args:
        n_types: Number of input types in training.
        hidden: Number of dimensions of the vectors.

    Source: Cover (1965), IEEE Transactions on Electronic Computers 14.
    """
    return n_types >= 2 * (hidden + 1)


class NoControlTaskError(InputError):
    """No control task can be drawn that is like the real one."""


@dataclass(frozen=True, eq=False)
class ControlTask:
    """Random labels that are the same for all texts of one type, in several draws."""

    train: Int64Array
    """(draws, examples) class ids of the training texts."""
    test: Int64Array
    """(draws, examples) class ids of the test texts."""
    scored: BoolArray
    """(examples,) test texts whose type occurs in training; no probe can know the label of other types."""
    n_types: int
    """Number of input types in training."""

    @property
    def majority(self) -> Float64Array:
        """(draws,) accuracy on the scored texts of the most frequent class in training."""
        accuracies = []
        for train_labels, test_labels in zip(self.train, self.test, strict=True):
            top_class = np.bincount(train_labels).argmax()
            accuracies.append((test_labels[self.scored] == top_class).mean())
        return np.array(accuracies)


@dataclass(frozen=True, eq=False)
class ControlTasks:
    """The control task of each label column, or the reason why there is no valid one."""

    tasks: Mapping[str, ControlTask]
    """Label column -> its control task."""
    reasons: Mapping[str, str]
    """Label column without a control task -> the reason."""


@dataclass(frozen=True, eq=False)
class ControlTaskResult:
    """Predictions of the probes of one site on control tasks and on the real task, for the same test texts."""

    control_correct: BoolArray
    """(draws, scored texts) whether the control label is predicted."""
    correct: BoolArray
    """(scored texts,) whether the real label is predicted."""
    majority: Float64Array
    """(draws,) accuracy on the scored texts of the most frequent control label in training."""
    n_test: int
    """Number of test texts, scored or not."""
    n_types: int
    """Number of input types in training."""
    hidden: int
    """Number of dimensions of the vectors."""
    converged: bool
    """Whether every probe of control labels reached its tolerance."""

    @property
    def control_accuracies(self) -> Float64Array:
        """(draws,) accuracies on the control tasks."""
        return np.asarray(self.control_correct.mean(axis=1))

    @property
    def differences(self) -> Float64Array:
        """(scored texts,) 1 where the real label is predicted, else 0, minus the share of correct draws."""
        return np.asarray(self.correct - self.control_correct.mean(axis=0))

    @property
    def selectivity(self) -> float:
        """Accuracy minus the mean accuracy on the control tasks."""
        return float(self.differences.mean())


def draw_control_tasks(splits: Splits, *, draws: int = N_DRAWS, seed: int = 0) -> ControlTasks:
    """Draw a control task for each label column, of the texts' input types: their first words where none were named.

    Args:
        splits: Texts that are probed, of `make_splits` or `read_splits`.
        draws: Number of draws of each control task.
        seed: Seed of the draws.

    Returns:
        The control tasks, and for each label column without a valid one the reason.

    Raises:
        InputError: An argument is of another kind.

    Source: Hewitt & Liang (2019), arXiv:1909.03368.
    """
    check_instance(splits, Splits, "splits", "; make them by make_splits or read_splits")
    draws = whole_number(draws, "draws", least=1, most=MOST_DRAWS)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    tasks: dict[str, ControlTask] = {}
    reasons: dict[str, str] = {}
    train = splits.train
    test = splits.test
    for task, class_names in splits.class_names.items():
        try:
            tasks[task] = draw_control_task(
                train.input_types,
                test.input_types,
                train.labels(task),
                n_classes=len(class_names),
                draws=draws,
                seed=seed,
            )
        except NoControlTaskError as error:
            reasons[task] = str(error)
    return ControlTasks(tasks, reasons)


def draw_control_task(
    train: Sequence[str],
    test: Sequence[str],
    labels: IntegerArray,
    *,
    n_classes: int,
    draws: int = N_DRAWS,
    seed: int = 0,
) -> ControlTask:
    """Draw a class for each input type from the class distribution of the real training labels.

    A few frequent types can decide how often each class occurs. A draw whose most frequent class has another share of
    the training texts than in the real labels, by more than `MOST_SHARE_DIFFERENCE`, would be an easier or harder task
    and is rejected. So is a draw that equals the real labels or an earlier draw up to a renaming of the classes.

    Args:
        train: (examples,) input type of each training text, such as its first word.
        test: (examples,) input type of each test text.
        labels: (examples,) real class ids of the training texts.
        n_classes: Number of classes of the task.
        draws: Number of draws.
        seed: Seed of the draws.

    Raises:
        NoControlTaskError: There are not enough valid draws; the message says why.

    Source: Hewitt & Liang (2019), arXiv:1909.03368.
    """
    check_same_length(types=train, labels=labels)
    rng = np.random.default_rng(seed)
    # Number the types.
    names = dict.fromkeys([*train, *test])
    type_ids = {name: i for i, name in enumerate(names)}
    train_types = np.array([type_ids[name] for name in train], dtype=np.int64)
    test_types = np.array([type_ids[name] for name in test], dtype=np.int64)
    scored = np.isin(test_types, train_types)
    if scored.sum() < LEAST_SCORED:
        raise NoControlTaskError(
            f"only {scored.sum()} of {len(scored)} test texts have an input type that occurs in training"
        )
    # Types that determine the label would make the control task as meaningful as the real one.
    n_types = len(set(train))
    type_label_pairs = zip(train, labels.tolist(), strict=True)
    n_type_label_pairs = len(set(type_label_pairs))
    if n_types == n_type_label_pairs and n_types <= len(train) / 2:
        raise NoControlTaskError("the input types determine the real labels")
    # Rejection sampling: draw a class for each type until there are enough valid draws.
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    accepted: list[Int64Array] = []
    n_repeated = 0
    for _ in range(MOST_TRIES):
        if len(accepted) == draws:
            break
        classes = rng.choice(n_classes, size=len(type_ids), p=shares)
        control_labels = classes[train_types]
        control_shares = np.bincount(control_labels, minlength=n_classes) / len(labels)
        if abs(control_shares.max() - shares.max()) > MOST_SHARE_DIFFERENCE:
            continue
        earlier_labels = [labels, *(earlier[train_types] for earlier in accepted)]
        if any(_is_renaming(control_labels, earlier) for earlier in earlier_labels):
            n_repeated += 1
            continue
        accepted.append(classes)
    if len(accepted) < draws:
        raise NoControlTaskError(_reason_for_few_draws(train, shares, n_repeated))
    all_classes = np.stack(accepted)
    return ControlTask(all_classes[:, train_types], all_classes[:, test_types], scored, n_types)


def _reason_for_few_draws(train: Sequence[str], shares: Float64Array, n_repeated: int) -> str:
    """Return the reason why there are not enough valid draws."""
    if n_repeated:
        return f"there are too few ways to assign labels to {len(set(train))} input types"
    top_type, count = Counter(train).most_common(1)[0]
    type_share = count / len(train)
    return (
        f"{100 * type_share:.0f} % of the training texts have the type “{top_type}”, so that random labels by type "
        f"cannot match the shares of the classes (largest class {100 * max(shares):.0f} %)"
    )


def _is_renaming(a: IntegerArray, b: IntegerArray) -> bool:
    """Return whether two labellings are the same up to the names of the classes."""
    pairs = np.unique(np.stack([a, b]), axis=1)
    n_pairs = pairs.shape[1]
    return bool(n_pairs == len(np.unique(a)) == len(np.unique(b)))


def control_task_study(tasks: Mapping[str, ControlTask]) -> Callable[[ProbedSite], ControlTaskResult | None]:
    """Make a study for `sweep_probes` that fits probes on control labels with the C selected for the real labels.

    Args:
        tasks: Label column -> its control task. The result is None for a label column without one.
    """

    def study(probed_site: ProbedSite) -> ControlTaskResult | None:
        task = tasks.get(probed_site.task)
        if task is None:
            return None
        # Fit one probe a draw with the selected C.
        selected_probe = probed_site.selection.probe
        cs = (selected_probe.c,) * len(task.train)
        labels = task.train[:, probed_site.train_order]
        probes = probed_site.fitter.fit_many(labels, cs, n_classes=probed_site.n_classes, tol=APPROXIMATE_TOLERANCE)
        # Score control and real labels on the same test texts.
        features = probed_site.test.features[task.scored]
        control_correct = []
        for probe, control_labels in zip(probes, task.test, strict=True):
            control_correct.append(probe.predict(features) == control_labels[task.scored])
        correct = selected_probe.predict(features) == probed_site.test.labels[task.scored]
        converged = all(probe.converged for probe in probes)
        return ControlTaskResult(
            np.stack(control_correct),
            correct,
            task.majority,
            n_test=len(task.scored),
            n_types=task.n_types,
            hidden=features.shape[1],
            converged=converged,
        )

    return study
