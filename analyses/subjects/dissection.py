"""How classifiers use their encoder: each question about the fine-tuned heads is a table."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.fine_tuned import PRETRAINED, Students
from analyses.settings.fine_tuning import Amounts, FineTuningSettings
from analyses.subjects.classifier.ablation import ablation_rows
from analyses.subjects.classifier.erasure import erasure_rows
from probes.checks import InputError
from probes.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from probes.mechanism.gradient_flow import RowGradients
    from probes.probing.sweep_result import TaskSweep

FITTED = 2000
"""Training texts that a ridge is fitted on, at most."""
STATES = 20
"""Texts whose decision is followed through the token states of every layer."""
OTHERS = {"median of the other rows": 0.5, "90th percentile of the other rows": 0.9, "largest other row": 1.0}
"""Rows of the embedding table that [CLS] is compared with: name -> quantile of the norms."""

Rows = Iterator[Mapping[str, Any]]


def tables(students: Students) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """A table for each question that could be answered, and a note for each that could not."""
    import pandas as pd

    # What all of them need, in the order in which it is made.
    students.every, students.reads, students.sweeps, students.explained  # noqa: B018
    found, notes = {}, []
    for name, ask in TABLES.items():
        try:
            with stage(f"measurements: {name.replace('_', ' ')}"):
                rows = list(ask(students))
        except InputError as error:
            notes.append(f"{name.replace('_', ' ')}: {error}.")
            continue
        if rows:
            found[name] = pd.DataFrame(rows)
    return found, notes


def n_stages(settings: FineTuningSettings, amounts: Amounts) -> int:
    """How many stages the progress of `tables` has."""
    heads = 1 if settings.checkpoint is not None else len(settings.heads)
    tuned = 1 if settings.checkpoint is not None else heads * amounts.seeds
    models = heads + 2  # the encoder as it came, and one with random weights
    return tuned + 2 * models + (amounts.explained > 0) + len(TABLES)


def _accuracy(students: Students) -> Rows:
    """Test scores of every head and seed."""
    from probes.statistics.bootstrap import Predictions, bootstrap

    labels = students.job.splits.test.labels(students.task)
    said = [Predictions.of(log_prob) for log_prob in students.said.values()]
    found = bootstrap(labels, said, seed=students.job.output.seed)
    for i, (head, seed) in enumerate(students.said):
        for metric in ("accuracy", "macro_f1", "log_loss"):
            lower, upper = found.interval(metric, i)
            value = float(found.estimates[metric][i])
            about = {"head": head, "seed": seed, "metric": metric, "value": value}
            yield {**about, "lower": lower, "upper": upper, "n": len(labels)}


def _training(students: Students) -> Rows:
    """What each epoch led to."""
    for student in students.every:
        for epoch in student.tuned.epochs if student.tuned is not None else ():
            about = {"head": student.name, "seed": student.seed, **dataclasses.asdict(epoch)}
            yield {**about, "best": student.tuned is not None and epoch.epoch == student.tuned.best_epoch}


def _curves(students: Students) -> Rows:
    """Probes at every layer of every model, and the floors that see no encoder."""
    for model, sweep in students.sweeps.items():
        found = sweep.tasks[students.task]
        for key, scores in found.test.items():
            lower, upper = found.interval(key)
            at: dict[str, Any] = {"model": key, "seed": None, "pooling": None, "layer": None}
            if not isinstance(key, str):
                seed = students.first[model].seed if model in students.first else None
                at = {"model": model, "seed": seed, "pooling": key.pooling, "layer": key.layer}
            elif model != PRETRAINED:
                continue
            yield {**at, "value": scores["accuracy"], "lower": lower, "upper": upper, "n": len(found.labels)}


def _changed(students: Students) -> Rows:
    """What fine-tuning changed of each layer: its probe's accuracy, and where it places the texts."""
    from probes.probing.geometry import cka_interval, linear_cka
    from probes.statistics.intervals import mean_intervals

    before = students.sweeps[PRETRAINED].tasks[students.task]
    rng = np.random.default_rng(students.job.output.seed)
    for model in students.first:
        after = students.sweeps[model].tasks[students.task]
        points = [point for point in before.selections if point in after.selections]
        hits = [_hits(after, point) - _hits(before, point) for point in points]
        limits = mean_intervals(np.stack(hits, axis=1), seed=students.job.output.seed)
        for point, gap, (lower, upper) in zip(points, hits, limits, strict=True):
            old, new = (students.reads[name].test.features[point.pooling][point.layer] for name in (PRETRAINED, model))
            ends = dict(zip(("cka_lower", "cka_upper"), cka_interval(old, new), strict=True))
            alike = {"cka": linear_cka(old, new), **ends, "cka_floor": linear_cka(old, new[rng.permutation(len(new))])}
            at = {"model": model, "pooling": point.pooling, "layer": point.layer, "difference": float(gap.mean())}
            yield {**at, "lower": lower, "upper": upper, **alike, "n": len(gap)}


def _gradient_shares(students: Students) -> Rows:
    """Which kind of token holds how much of the loss gradient, layer by layer."""
    from probes.mechanism.gradient_flow import gradient_shares

    for head, student in students.first.items():
        found = gradient_shares(
            student.head,
            students.tokenised[head],
            labels=students.labels,
            progress=not students.job.output.quiet,
        )
        yield from _shares({"head": head}, found, students)


def _embedding_rows(students: Students) -> Rows:
    """The gradient that reaches the embedding of [CLS], beside those of other tokens, over training texts."""
    from probes.mechanism.gradient_flow import embedding_gradients

    train = students.job.splits.train
    rows = np.sort(np.random.default_rng(students.job.output.seed).permutation(len(train))[: len(students.rows)])
    texts = train.texts.take(rows)
    for head, student in students.first.items():
        found = embedding_gradients(student.head, texts, labels=train.labels(students.task)[rows])
        special = found.of_kind("[CLS]") | found.of_kind("[SEP]") | found.of_kind("other special")
        each: list[tuple[str, int]] = []
        for kind in ("[CLS]", "[SEP]"):
            each += [(kind, int(i)) for i in np.flatnonzero(found.of_kind(kind))]
        others = np.flatnonzero(~special)
        ranked = others[np.argsort(found.norms[others], kind="stable")]
        each += [(name, int(ranked[round(share * (len(ranked) - 1))])) for name, share in OTHERS.items() if len(ranked)]
        for name, i in each:
            about = {"head": head, "row": name, "token": found.tokens[i], "occurrences": int(found.counts[i])}
            size = {"norm": float(found.norms[i]), "per_occurrence": float(found.per_occurrence[i])}
            yield {**about, **size, **(_times(found, i, others) if name == "[CLS]" else {}), "n_rows": len(found.ids)}


def _times(found: RowGradients, i: int, others: NDArray[np.int64]) -> dict[str, float]:
    """A row's norm as a multiple of the median row's, with its 95 % interval over texts; nothing where that is 0."""
    from probes.statistics.intervals import jackknife_interval

    middle = np.median(found.norms[others])
    if not middle > 0:
        return {}
    # Rows that stand only in the texts left out have no gradient there.
    without = [own[i] / np.median(own[others][own[others] > 0]) for own in found.norms_without_fold]
    ratio = float(found.norms[i] / middle)
    # Of logarithms: a ratio is skewed, and never below 0.
    lower, upper = np.exp(jackknife_interval(math.log(ratio), np.log(without)))
    return {"times": ratio, "times_lower": float(lower), "times_upper": float(upper)}


def _movement(students: Students) -> Rows:
    """How far each group of parameters has moved."""
    from probes.heads.parameter_change import parameter_changes

    base = students.encoders[PRETRAINED]
    for head, student in students.first.items():
        for change in parameter_changes(base, student.head.encoder):
            relative = change.relative if math.isfinite(change.relative) else math.nan  # of zeros there is no share
            yield {"head": head, **dataclasses.asdict(change), "relative": relative}


def _cls_content(students: Students) -> Rows:
    """How well [CLS] is predicted from the mean of the text's own tokens, and the reverse, by held-out ridge."""
    from probes.probing.geometry import predictability

    for model, read in students.reads.items():
        if not {"cls", "content"} <= set(read.test.features):
            continue
        fitted = slice(0, FITTED)
        for layer in students.job.layers:
            sides = {
                name: (read.train.features[name][layer][fitted], read.test.features[name][layer])
                for name in ("cls", "content")
            }
            for x, y in (("content", "cls"), ("cls", "content")):
                (train_x, test_x), (train_y, test_y) = sides[x], sides[y]
                found = predictability(train_x, train_y, test_x=test_x, test_y=test_y, seed=students.job.output.seed)
                lower, upper = found.interval
                about = {"model": model, "direction": f"{y} from {x}", "layer": layer, "r2": found.mean}
                yield {**about, "lower": lower, "upper": upper, "shuffled": found.mean_floor, "n": len(test_x)}


def _contributions(students: Students) -> Rows:
    """What each block's attention carries into [CLS] from each kind of token."""
    from probes.mechanism.attention_contributions import attention_contributions

    for model, encoder in students.encoders.items():
        found = attention_contributions(encoder, students.tokenised[model], progress=not students.job.output.quiet)
        yield from _shares({"model": model}, found, students)


def _head_states(students: Students) -> Rows:
    """How much of a decision sits in which kind of token's state, layer by layer."""
    from probes.mechanism.token_shares import KINDS, attribution_shares

    n = min(STATES, students.amounts.explained)
    for head, student in students.first.items() if n else ():
        targets = [a.target for a in students.explain(head, texts=n)]
        for layer in students.job.layers:
            found = students.explain(head, targets=targets, states_layer=layer, texts=n)
            held = np.array([attribution_shares(a, student.head.encoder) for a in found])
            known = held[np.isfinite(held).all(axis=1)]
            for i, kind in enumerate(KINDS) if len(known) else ():
                yield {"head": head, "layer": layer, "kind": kind, "share": float(known[:, i].mean()), "n": len(known)}


def _heads_agreement(students: Students) -> Rows:
    """Whether two heads look at the same tokens: both explained for the class that the first one predicts."""
    from probes.attribution_checks.agreement import token_agreement

    for one, other in itertools.combinations(students.explained, 2):
        first, second = students.explained[one], students.explained[other]
        targets = [a.target for a in first]
        if [a.target for a in second] != targets:
            second = students.explain(other, targets=targets)
        for a, b in zip(first, second, strict=True):
            yield {"head": one, "other_head": other, "text_id": a.text_id, "correlation": token_agreement(a, b)}


def _heads_faithfulness(students: Students) -> Rows:
    """What each head loses without the tokens that its explanation ranks first, beside random orders."""
    from probes.attribution_checks.faithfulness import faithfulness
    from probes.attribution_checks.token_replacement import default_replacement

    for name, own in students.explained.items():
        head = students.heads[name]
        found = faithfulness(
            head,
            own,
            replacement=default_replacement(head.encoder, head),
            seed=students.job.output.seed,
            encoded=students.tokenised[name],
        )
        if not any(math.isfinite(each.scores.comprehensiveness) for each in found):
            raise InputError(f"no text has tokens that can be taken out of what the head {name!r} reads")
        for a, each in zip(own, found, strict=True):
            orders = {"attribution": each.scores} | {f"random {i}": some for i, some in enumerate(each.random_scores)}
            for order, erased in orders.items():
                yield {"head": name, "text_id": a.text_id, "order": order, **dataclasses.asdict(erased)}


def _ablation(students: Students) -> Rows:
    """What each head loses where [CLS], or the text's own tokens, say nothing any more."""
    for name in students.first:
        yield from ablation_rows(students.subject(name))


def _erasure(students: Students) -> Rows:
    """What each head loses where a label is erased, beside how much of it can be read there."""
    for name in students.first:
        yield from erasure_rows(students.subject(name), students.sweeps[name].tasks)


def _shares(about: Mapping[str, Any], found: Any, students: Students) -> Rows:
    """Rows of shares by layer and kind of token, with intervals over texts."""
    from probes.mechanism.token_shares import KINDS
    from probes.statistics.intervals import mean_intervals

    for layer, own in zip(found.layers, found.shares, strict=True):
        known = own[np.isfinite(own).all(axis=1)]
        if len(known):
            limits = mean_intervals(known, seed=students.job.output.seed)
            for kind, mean, (lower, upper) in zip(KINDS, known.mean(axis=0).tolist(), limits, strict=True):
                share = {"share": mean, "lower": lower, "upper": upper, "n": len(known)}
                yield {**about, "layer": layer, "kind": kind, **share}


def _hits(found: TaskSweep, key: Any) -> NDArray[np.float64]:
    """(examples,) 1 where a place's probe is right."""
    right: NDArray[np.float64] = (found.predictions[key].predicted == found.labels).astype(np.float64)
    return right


TABLES: dict[str, Callable[[Students], Rows]] = {
    "fine_tuned_accuracy": _accuracy,
    "fine_tuning_epochs": _training,
    "fine_tuned_layers": _curves,
    "representation_change": _changed,
    "gradient_shares": _gradient_shares,
    "embedding_gradients": _embedding_rows,
    "parameter_change": _movement,
    "cls_predictability": _cls_content,
    "attention_contributions": _contributions,
    "fine_tuned_token_shares": _head_states,
    "ablation": _ablation,
    "erasure": _erasure,
    "fine_tuned_head_agreement": _heads_agreement,
    "fine_tuned_faithfulness": _heads_faithfulness,
}
"""Table -> what fills it."""
