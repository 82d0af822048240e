"""Planted shortcuts: whether the methods find a word that decides the label of a copy of the texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ExplanationSubject
    from probes.attribution_checks.planted_shortcut import PlantedShortcut
    from probes.data.datasets import Split

N_TRAIN = 4000
"""Most training texts in which a shortcut is planted."""
N_TEST = 100
"""Most test texts in which it is planted and explained."""
RANKS = (1, 3, 5)
"""Ranks up to which a planted word counts as found."""


def planted_shortcut(explanations: Explanations, case: Case) -> Rows:
    """Yield how often each method ranks the planted word among the first, and how often a random ranking would."""
    from probes.statistics.intervals import wilson_interval

    if case.head.kind != "probe":
        return
    shortcut = _plant_shortcut(explanations, case.task)
    explanations.shortcuts[case.task] = shortcut
    site = explanations.explainer.site_of(case.task)
    n_texts = len(shortcut.n_tokens)
    for method in shortcut.ranks:
        for k in RANKS:
            hits = shortcut.hit_rate(method, k)
            lower, upper = wilson_interval(hits, n_texts)
            yield {
                "task": case.task,
                "pooling": site.pooling,
                "layer": site.layer,
                "method": method,
                "k": k,
                "valid": shortcut.valid,
                "hits": hits,
                "lower": lower,
                "upper": upper,
                "chance": shortcut.chance_hit_rate(k),
                "n": n_texts,
            }


def _plant_shortcut(explanations: Explanations, task: str) -> PlantedShortcut:
    """Plant a word for each class in copies of the texts, fit a probe on them, and explain it.

    Raises:
        InputError: The vocabulary or the texts have no room for the words.
    """
    from probes.attribution_checks.planted_shortcut import planted_shortcut

    explainer = explanations.explainer
    job = explanations.job
    site = explainer.site_of(task)
    rng = np.random.default_rng(job.output.seed)
    train = _sample_texts(job.splits.train, N_TRAIN, rng)
    test = _sample_texts(job.splits.test, N_TEST, rng)
    return planted_shortcut(
        explainer.encoder,
        train,
        test,
        layer=site.layer,
        pooling=site.pooling,
        n_classes=job.n_classes[task],
        methods=explainer.methods,
        baseline=explainer.baseline[task],
        seed=job.output.seed,
        progress=job.progress,
    )


def _sample_texts(split: Split, n_texts: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw first texts of a split, in the order of its rows."""
    rows = np.sort(rng.permutation(len(split))[:n_texts])
    return split.texts.take(rows).first


def claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield whether the probe learned each shortcut, without which its explanations could not find it."""
    for task, shortcut in explanations.shortcuts.items():
        site = explanations.explainer.site_of(task)
        numbers: dict[str, Any] = {
            "pooling": site.pooling,
            "layer": site.layer,
            "words": ", ".join(shortcut.words),
            "flipped": shortcut.flip_rate,
            "accuracy": shortcut.accuracy,
            "n": len(shortcut.n_tokens),
        }
        yield Claim("planted_shortcut", "valid" if shortcut.valid else "not_learned", task, numbers)
    if "planted_shortcut" in tables:
        yield from hits_claims(tables["planted_shortcut"])


def hits_claims(table: pd.DataFrame) -> Iterator[Claim]:
    """Yield whether the method explained with ranks a planted word first more often than a random order does."""
    measured = table[table["valid"]].dropna(subset=["hits", "lower", "upper", "chance"])
    for task, rows in measured.groupby("task", sort=False):
        first = rows[rows["k"] == rows["k"].min()].to_dict("records")[0]
        numbers = {key: first[key] for key in ("method", "k", "hits", "chance", "n")}
        lower, upper, chance = first["lower"], first["upper"], first["chance"]
        outcome = side_of_zero(lower - chance, upper - chance)
        yield Claim("planted_shortcut_hits", outcome, str(task), numbers, (lower, upper))


SUBJECT: ExplanationSubject = Subject(tables={"planted_shortcut": planted_shortcut}, claims=claims)
