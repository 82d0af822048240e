"""Whether what a layer holds is used: it is taken out of the states there, and the forward pass goes on.

A head may read from other tokens what was taken out of one vector: what it loses is the loss through that vector alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from probes.encoder.tokenization import Encoded
    from probes.heads.heads import Head
    from probes.probing.sites import ExampleSplits, Site
    from probes.probing.sweep_result import TaskSweep

ERASED = ("cls", "mean")
"""Poolings whose vectors a label is erased from: [CLS], or every token alike."""
STATES = 500
"""Training texts whose token states tell how far an erasure moves them, and what their mean is."""

Rows = Iterator[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Subject:
    """A head, the texts that it reads, and the features that its encoder gives."""

    name: str
    head: Head
    read: ExampleSplits
    texts: Encoded
    labels: NDArray[np.int64]
    """(texts,) class ids of what the head was trained for."""
    train: Encoded
    """Training texts whose states are read, at most `STATES`."""
    layers: Sequence[int]
    seed: int
    progress: bool


def ablation(subject: Subject) -> Rows:
    """What a head loses where [CLS], or every token of the text itself, has its dataset mean in a layer."""
    from probes.mechanism.interventions import intervened_log_probs, mean_ablation, mean_states

    means = mean_states(subject.head.encoder, subject.train)
    centres = {"[CLS]": ("cls", means.cls), "content": ("content", means.content)}
    places, edits = [], []
    for what, (pooling, centre) in centres.items():
        if centre is not None:
            places += [(what, layer) for layer in subject.layers]
            edits += [(layer, mean_ablation(centre[layer], pooling)) for layer in subject.layers]
    said = intervened_log_probs(subject.head, subject.texts, edits=edits, progress=subject.progress)
    right = (said.argmax(axis=2) == subject.labels).astype(float)
    bits = said[:, np.arange(len(subject.labels)), subject.labels] / math.log(2)
    for i, (what, layer) in enumerate(places, start=1):
        lost = _lost(right[0] - right[i], bits[0] - bits[i], subject.seed)
        accuracy = {"accuracy": float(right[i].mean()), **lost}
        yield {"head": subject.name, "replacement": what, "layer": layer, **accuracy}


def erasure(subject: Subject, found: Mapping[str, TaskSweep]) -> Rows:
    """Bits of each label that a probe reads at each place, and what the head loses where the label is erased there.

    Args:
        subject: The head.
        found: Label column to erase -> the probes of the head's encoder.
    """
    from probes.mechanism.erasure_effects import erasure_effects
    from probes.mechanism.interventions import sample_states
    from probes.mechanism.leace import erasures

    encoder, layers = subject.head.encoder, subject.layers
    poolings = [name for name in ERASED if name in subject.read.train.features]
    tokens = sample_states(encoder, subject.train, pooling="mean", layers=layers, seed=subject.seed)
    for label, own in found.items():
        places = {}
        for point in own.selections:
            if point.pooling in poolings and point.layer in layers:
                places[point] = erasures(
                    subject.read.train.features[point.pooling][point.layer],
                    subject.read.train.labels[label],
                    n_classes=len(own.class_names),
                    states=tokens[point.layer] if point.pooling == "mean" else None,
                    seed=subject.seed,
                )
        losses = erasure_effects(
            subject.head,
            subject.texts,
            labels=subject.labels,
            erasures=places,
            seed=subject.seed,
            progress=subject.progress,
        )
        for point, lost in losses.items():
            about = {"head": subject.name, "label": label, "pooling": point.pooling, "layer": point.layer}
            about |= _information(own, point)
            draws = {"leace": (lost.erased,), "random": lost.random, "shuffled": lost.shuffled}
            for eraser, each in draws.items():
                for repeat, one in enumerate(each):
                    yield {
                        **about,
                        "eraser": eraser,
                        "repeat": repeat,
                        **_lost(one.accuracy_loss, one.information_loss, subject.seed),
                    }
            hits = lost.erased.accuracy_loss - np.mean([one.accuracy_loss for one in lost.random], axis=0)
            bits = lost.erased.information_loss - np.mean([one.information_loss for one in lost.random], axis=0)
            yield {**about, "eraser": "leace - random", "repeat": 0, **_lost(hits, bits, subject.seed)}


def used_claims(table: pd.DataFrame, *, task: str) -> Iterator[Claim]:
    """Whether a head loses more where a label is erased than where as much else is, at the place it loses most.

    The place is chosen by the same texts, so that its loss is somewhat flattered; its controls' is not.
    """
    for (head, label), rows in table.groupby(["head", "label"], sort=False):
        own = rows[rows["eraser"] == "leace"].set_index(["pooling", "layer"])
        pooling, layer = own["accuracy_loss"].idxmax()
        here = rows[(rows["pooling"] == pooling) & (rows["layer"] == layer)].groupby("eraser")
        gap = here.get_group("leace - random").iloc[0]
        numbers: dict[str, Any] = {
            "head": str(head),
            "label": str(label),
            "pooling": str(pooling),
            "layer": int(layer),
            "accuracy_loss": float(own["accuracy_loss"].max()),
            "random": float(here.get_group("random")["accuracy_loss"].mean()),
            "shuffled": float(here.get_group("shuffled")["accuracy_loss"].mean()),
            "v_information": float(gap["v_information"]),
            "n": int(gap["n"]),
        }
        outcome = side_of_zero(gap["lower"], gap["upper"])
        yield Claim("erasure", outcome, task, numbers, (float(gap["lower"]), float(gap["upper"])))


def _information(found: TaskSweep, point: Site) -> dict[str, float]:
    """V-information of a label at a place, in bits, with its paired 95 % interval."""
    nats = found.test["majority"]["log_loss"] - found.test[point]["log_loss"]
    lower, upper = found.resampled.difference("log_loss", found.column("majority"), found.column(point))
    bits = (each / math.log(2) for each in (nats, lower, upper))
    return dict(zip(("v_information", "v_lower", "v_upper"), bits, strict=True))


def _lost(hits: NDArray[Any], bits: NDArray[Any], seed: int) -> dict[str, Any]:
    """Means over texts with 95 % intervals."""
    from probes.statistics.intervals import mean_intervals

    (lower, upper), (bits_lower, bits_upper) = mean_intervals(np.stack([hits, bits], axis=1).astype(float), seed=seed)
    accuracy = {"accuracy_loss": float(hits.mean()), "lower": lower, "upper": upper}
    losses = {"information_loss": float(bits.mean()), "bits_lower": bits_lower, "bits_upper": bits_upper}
    return accuracy | losses | {"n": len(hits)}
