"""Erasure: whether a head uses what a probe can read, measured where LEACE erases a label from a layer's states."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.classifier.fine_tuned import FineTunedModels
from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.interventions import ERASED, STATES, InterventionInputs, loss_columns
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import is_above_zero, side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ClassifierSubject, ExplanationSubject
    from probes.mechanism.erasure_effects import ErasureEffect
    from probes.mechanism.leace import Erasures
    from probes.probing.sites import Site
    from probes.probing.sweep_result import TaskSweep
    from probes.sequences import FloatArray
    from probes.statistics.intervals import Interval

CONTROL = "mean shuffled"
"""Eraser of the rows with the mean loss by LEACE of shuffled labels, which is the control."""
DIFFERENCE = "leace - shuffled"
"""Eraser of the rows with the loss by LEACE minus that of the control."""
SITE = ["pooling", "layer"]
"""Columns that name a site."""


def erasure(models: FineTunedModels) -> Rows:
    """Yield what each fine-tuned head loses where a label is erased, and the information on the label."""
    for name in models.first:
        yield from erasure_rows(models.intervention_inputs(name), models.sweeps[name].tasks)


def claims(models: FineTunedModels, tables: Tables) -> Iterator[Claim]:
    """Yield whether each fine-tuned head uses each label, and at how many sites it does not."""
    if "erasure" in tables:
        yield from erasure_claims(tables["erasure"], task=models.task)
        yield from unused_site_claims(tables["erasure"], task=models.task)


def own_head_erasure(explanations: Explanations, case: Case) -> Rows:
    """Yield what the checkpoint's own classifier loses where a label is erased."""
    job = explanations.job
    n_texts = explanations.settings.erase
    if case.head.kind != "model" or not n_texts:
        return
    encoder = case.head.encoder
    test = job.splits.test
    rows = np.sort(np.random.default_rng(job.output.seed).permutation(len(test))[:n_texts])
    inputs = InterventionInputs(
        name="model",
        head=case.head,
        features=explanations.explainer.results.extracted.features,
        texts=encoder.encode(test.texts.take(rows)),
        labels=test.labels(case.task)[rows],
        train=encoder.encode(job.splits.train.texts[:STATES]),
        layers=job.layers,
        seed=job.output.seed,
        progress=job.progress,
    )
    for row in erasure_rows(inputs, explanations.explainer.results.sweep.tasks):
        yield {"task": case.task, **row}


def own_head_claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield whether the checkpoint's own classifier uses each label."""
    if "erasure" in tables:
        for task, rows in tables["erasure"].groupby("task", sort=False):
            yield from erasure_claims(rows, task=str(task))
            yield from unused_site_claims(rows, task=str(task))


def erasure_rows(inputs: InterventionInputs, tasks: Mapping[str, TaskSweep]) -> Rows:
    """Yield the information on each label at each site, and what the head loses where the label is erased there.

    Args:
        inputs: The head and its texts.
        tasks: Label column to erase -> sweep of the head's encoder.
    """
    from probes.mechanism.erasure_effects import erasure_effects
    from probes.mechanism.interventions import sample_states
    from probes.statistics.intervals import HIT_DIFFERENCES
    from probes.statistics.simultaneous import simultaneous_mean_intervals

    encoder = inputs.head.encoder
    token_states = sample_states(encoder, inputs.train, pooling="mean", layers=inputs.layers, seed=inputs.seed)
    for label, task_sweep in tasks.items():
        effects = erasure_effects(
            inputs.head,
            inputs.texts,
            labels=inputs.labels,
            erasures=_erasures(inputs, label, task_sweep, token_states),
            seed=inputs.seed,
            progress=inputs.progress,
        )
        excess_losses = np.stack([_excess_loss(effect) for effect in effects.values()], axis=1)
        limits_of_sites = simultaneous_mean_intervals(excess_losses, bounds=HIT_DIFFERENCES)
        for (site, effect), limits in zip(effects.items(), limits_of_sites, strict=True):
            information = _information(task_sweep, site)
            columns = {
                "head": inputs.name,
                "label": label,
                "pooling": site.pooling,
                "layer": site.layer,
                **information,
            }
            use = label_use(v_lower=information["v_lower"], excess_lower=limits[0])
            for row in _effect_rows(effect, limits):
                yield {**columns, **row, "use": use if row["eraser"] == "leace" else None}


def _erasures(
    inputs: InterventionInputs, label: str, task_sweep: TaskSweep, token_states: Mapping[int, Any]
) -> dict[Site, Erasures]:
    """Fit LEACE and its controls at every site that holds [CLS] or the mean."""
    from probes.mechanism.leace import erasures

    train = inputs.features.train
    erasures_of_site = {}
    for site in task_sweep.selections:
        if site.pooling not in ERASED or site.layer not in inputs.layers:
            continue
        erasures_of_site[site] = erasures(
            train.features[site.pooling][site.layer],
            train.labels[label],
            n_classes=len(task_sweep.class_names),
            states=token_states[site.layer] if site.pooling == "mean" else None,
            seed=inputs.seed,
        )
    return erasures_of_site


def _control_losses(effect: ErasureEffect) -> tuple[FloatArray, FloatArray]:
    """Return the (texts,) mean losses of accuracy and of information by LEACE of shuffled labels."""
    accuracy_loss = np.mean([loss.accuracy_loss for loss in effect.shuffled], axis=0)
    information_loss = np.mean([loss.information_loss for loss in effect.shuffled], axis=0)
    return accuracy_loss, information_loss


def _excess_loss(effect: ErasureEffect) -> FloatArray:
    """Return the (texts,) losses of accuracy by LEACE minus those of the control."""
    accuracy_loss, _ = _control_losses(effect)
    excess: FloatArray = effect.erased.accuracy_loss - accuracy_loss
    return excess


def _effect_rows(effect: ErasureEffect, limits: Interval) -> Rows:
    """Yield the losses by each erasure, those of the control, and their difference.

    Args:
        effect: Losses at one site.
        limits: Simultaneous interval of the difference.
    """
    losses_of_eraser = {
        "leace": (effect.erased,),
        "random": effect.random,
        "shuffled": effect.shuffled,
    }
    for eraser, losses in losses_of_eraser.items():
        for repeat, loss in enumerate(losses):
            columns = loss_columns(loss.accuracy_loss, loss.information_loss)
            yield {"eraser": eraser, "repeat": repeat, "strength": loss.strength, **columns}
    control_accuracy_loss, control_information_loss = _control_losses(effect)
    control_columns = loss_columns(control_accuracy_loss, control_information_loss)
    yield {"eraser": CONTROL, "repeat": 0, **control_columns}
    excess_columns = loss_columns(_excess_loss(effect), effect.erased.information_loss - control_information_loss)
    simultaneous_columns = {"simultaneous_lower": limits[0], "simultaneous_upper": limits[1]}
    yield {"eraser": DIFFERENCE, "repeat": 0, **excess_columns, **simultaneous_columns}


def label_use(*, v_lower: float, excess_lower: float) -> str:
    """Return whether a head uses a label at a site: `used`, `unused`, or `not_decodable`.

    The label is decodable where the 95 % confidence interval of its V-information lies above 0. It is used where, in
    addition, the loss by its erasure minus that by the erasure of shuffled labels lies above 0, by an interval that
    holds for all sites at once: the sites are many, and one of them would otherwise be called used by chance.

    Args:
        v_lower: Lower end of the 95 % confidence interval of the V-information of the label.
        excess_lower: Lower end of the simultaneous 95 % confidence interval of the difference of the losses.
    """
    if not is_above_zero(v_lower):
        return "not_decodable"
    return "used" if is_above_zero(excess_lower) else "unused"


def _information(task_sweep: TaskSweep, site: Site) -> dict[str, float]:
    """Return the V-information of a label at a site, in bits, with its paired 95 % interval."""
    nats = task_sweep.test["majority"]["log_loss"] - task_sweep.test[site]["log_loss"]
    columns = (task_sweep.column("majority"), task_sweep.column(site))
    lower, upper = task_sweep.resampled.difference("log_loss", *columns)
    nats_per_bit = math.log(2)
    return {
        "v_information": nats / nats_per_bit,
        "v_lower": lower / nats_per_bit,
        "v_upper": upper / nats_per_bit,
    }


def erasure_claims(table: pd.DataFrame, *, task: str) -> Iterator[Claim]:
    """Yield whether a head loses more by the erasure of a label than by that of shuffled labels, where it loses most.

    The site is chosen on the same texts. Its interval therefore is the one that holds for all sites at once.

    Args:
        table: Rows of the table `erasure` about one label column.
        task: Label column of the head.
    """
    for (head, label), rows in table.groupby(["head", "label"], sort=False):
        subject = {"head": str(head), "label": str(label)}
        by_eraser = {str(eraser): of_eraser.set_index(SITE) for eraser, of_eraser in rows.groupby("eraser")}
        uses = by_eraser["leace"]["use"]
        decodable_sites = uses.index[uses != "not_decodable"]
        numbers: dict[str, Any] = {**subject, "n_sites": len(uses), "n_decodable": len(decodable_sites)}
        if not len(decodable_sites):
            yield Claim("erasure", "not_decodable", task, numbers)
            continue
        pooling, layer = by_eraser[DIFFERENCE].loc[decodable_sites, "accuracy_loss"].idxmax()
        at_site = {eraser: of_eraser.loc[[(pooling, layer)]] for eraser, of_eraser in by_eraser.items()}
        difference = at_site[DIFFERENCE].iloc[0]
        interval = (float(difference["simultaneous_lower"]), float(difference["simultaneous_upper"]))
        control = at_site[CONTROL].iloc[0]
        numbers |= {
            "pooling": str(pooling),
            "layer": int(layer),
            "accuracy_loss": float(at_site["leace"]["accuracy_loss"].iloc[0]),
            "difference": float(difference["accuracy_loss"]),
            "shuffled": float(control["accuracy_loss"]),
            "shuffled_outcome": side_of_zero(float(control["lower"]), float(control["upper"])),
            "random": float(at_site["random"]["accuracy_loss"].mean()),
            "strength": float(at_site["random"]["strength"].mean()),
            "v_information": float(difference["v_information"]),
            "n": int(difference["n"]),
        }
        yield Claim("erasure", side_of_zero(*interval), task, numbers, interval)


def unused_site_claims(table: pd.DataFrame, *, task: str) -> Iterator[Claim]:
    """Yield at how many sites a probe reads a label, and at how many of them a head does not use it.

    Args:
        table: Rows of the table `erasure` about one label column.
        task: Label column of the head.
    """
    for (head, label), rows in table.groupby(["head", "label"], sort=False):
        uses = rows["use"].value_counts()
        n_unused = int(uses.get("unused", 0))
        numbers: dict[str, Any] = {
            "head": str(head),
            "label": str(label),
            "n_readable": n_unused + int(uses.get("used", 0)),
            "n_unused": n_unused,
        }
        yield Claim("unused_sites", "measured", task, numbers)


SUBJECT: ClassifierSubject = Subject(tables={"erasure": erasure}, claims=claims)
"""Erasure from the states of the fine-tuned models."""
OWN_HEAD_SUBJECT: ExplanationSubject = Subject(tables={"erasure": own_head_erasure}, claims=own_head_claims)
"""Erasure from the states of a checkpoint whose own classifier is explained."""
