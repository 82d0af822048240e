"""Control tasks: labels that hang on the input's type alone, so that a probe can only learn them by heart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.probing.selection import APPROXIMATE_TOLERANCE
from probes.probing.sites import ProbedSite

DRAWS = 5
NEAR = 0.05
"""How far the share of a control's most frequent class may lie from that of the real labels."""
TRIES = 2000
SCORED = 10
"""Test texts at least that have a type which occurs in training."""


class NoControlError(InputError):
    """No control task can be drawn that is like the real one."""


@dataclass(frozen=True, eq=False)
class ControlTask:
    """Random labels, the same for all texts of one type, in several draws."""

    train: NDArray[np.int64]
    """(draws, examples) class ids."""
    test: NDArray[np.int64]
    """(draws, examples) class ids."""
    scored: NDArray[np.bool_]
    """(examples,) of test: whether the type occurs in training; of other types nothing could be learnt."""

    @property
    def majority(self) -> NDArray[np.float64]:
        """(draws,) accuracy on the scored texts of always answering the draw's most frequent class of training."""
        top = [np.bincount(row).argmax() for row in self.train]
        return np.array([(row[self.scored] == i).mean() for row, i in zip(self.test, top, strict=True)])


@dataclass(frozen=True, eq=False)
class Memorised:
    """How the probe of one place does on control tasks, beside the real one on the same texts."""

    hits: NDArray[np.bool_]
    """(draws, scored texts) whether the control label is read right."""
    real_hits: NDArray[np.bool_]
    """(scored texts,) whether the real label is."""
    converged: bool
    """Whether every probe of control labels reached its tolerance."""

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """(draws,) on the scored texts."""
        return np.asarray(self.hits.mean(axis=1))

    @property
    def gaps(self) -> NDArray[np.float64]:
        """(scored texts,) 1 where the real label is read right, minus the share of the draws that are."""
        return np.asarray(self.real_hits - self.hits.mean(axis=0))

    @property
    def selectivity(self) -> float:
        """Real accuracy minus the mean accuracy on the draws."""
        return float(self.gaps.mean())


def draw_control(
    train: Sequence[str],
    test: Sequence[str],
    labels: NDArray[np.integer[Any]],
    *,
    n_classes: int,
    draws: int = DRAWS,
    seed: int = 0,
) -> ControlTask:
    """Control labels: a class for each type, drawn from the training distribution of the real labels.

    A few frequent types can decide how often each class comes. A draw whose most frequent class has another share of
    the training texts than the real one's, by more than `NEAR`, is drawn again: it would be an easier or harder task.

    Args:
        train: (examples,) input type of each training text, such as its first word.
        test: (examples,) the same of each test text.
        labels: (examples,) real class ids of the training texts.
        n_classes: Classes of the task.
        draws: Control tasks.
        seed: Of the draws.

    Raises:
        NoControlError: So many draws were not found, and why.

    Source: Hewitt & Liang (2019), arXiv:1909.03368.
    """
    check_same_length(types=train, labels=labels)
    rng = np.random.default_rng(seed)
    ids = {kind: i for i, kind in enumerate(dict.fromkeys([*train, *test]))}
    of_train, of_test = (np.array([ids[kind] for kind in kinds], dtype=np.int64) for kinds in (train, test))
    scored = np.isin(of_test, of_train)
    if scored.sum() < SCORED:
        raise NoControlError(f"of {len(scored)} test texts {scored.sum()} have a type that occurs in training")
    if len(set(train)) == len(set(zip(train, labels.tolist(), strict=True))) <= len(train) / 2:
        raise NoControlError("the types alone give the real labels")
    share = np.bincount(labels, minlength=n_classes) / len(labels)
    found: list[NDArray[np.int64]] = []
    repeated = 0
    for _ in range(TRIES):
        if len(found) == draws:
            break
        drawn = rng.choice(n_classes, size=len(ids), p=share)
        own = np.bincount(drawn[of_train], minlength=n_classes) / len(labels)
        if abs(own.max() - share.max()) > NEAR:
            continue
        if any(_renamed(drawn[of_train], other) for other in (labels, *(known[of_train] for known in found))):
            repeated += 1
            continue
        found.append(drawn)
    if len(found) < draws:
        kind, most = Counter(train).most_common(1)[0]
        why = f"{len(set(train))} types can be given labels in a few ways only"
        if not repeated:
            why = f"the type {kind!r} has {most / len(train):.0%} of the training texts, the top class {max(share):.0%}"
        raise NoControlError(f"of {TRIES} draws {len(found)} are control labels of their own: {why}")
    return ControlTask(np.stack([d[of_train] for d in found]), np.stack([d[of_test] for d in found]), scored)


def memorising(tasks: Mapping[str, ControlTask]) -> Callable[[ProbedSite], Memorised | None]:
    """A study for `sweep_probes`: probes with the penalty chosen for the real labels, fitted on the control labels.

    Args:
        tasks: Label column -> its control; None comes out of a column without one.
    """

    def study(place: ProbedSite) -> Memorised | None:
        control = tasks.get(place.task)
        if control is None:
            return None
        draws = len(control.train)
        cs = (place.selection.probe.c,) * draws
        fitted = place.fitter.fit_many(
            control.train[:, place.train_order], cs, n_classes=place.n_classes, tol=APPROXIMATE_TOLERANCE
        )
        unseen = place.test.features[control.scored]
        hits = np.stack([p.predict(unseen) == row[control.scored] for p, row in zip(fitted, control.test, strict=True)])
        real_hits = place.selection.probe.predict(unseen) == place.test.labels[control.scored]
        return Memorised(hits, real_hits, all(probe.converged for probe in fitted))

    return study


def _renamed(a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> bool:
    """Whether two labellings are the same but for the names of the classes."""
    both = np.unique(np.stack([a, b]), axis=1)
    return bool(both.shape[1] == len(np.unique(a)) == len(np.unique(b)))
