"""Erasure: whether a head uses what a probe can read, measured where LEACE erases a label from a layer's states."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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

DIFFERENCE = "leace - random"
"""Eraser of the rows with the loss by LEACE minus the mean loss by random erasures."""


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
        for site, effect in effects.items():
            information = _information(task_sweep, site)
            columns = {
                "head": inputs.name,
                "label": label,
                "pooling": site.pooling,
                "layer": site.layer,
                **information,
            }
            rows = list(_effect_rows(effect))
            use = label_use(rows, v_lower=information["v_lower"])
            for row in rows:
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


def _effect_rows(effect: ErasureEffect) -> Rows:
    """Yield the losses by each erasure, and those by LEACE minus the mean of those by random erasures."""
    losses_of_eraser = {
        "leace": (effect.erased,),
        "random": effect.random,
        "shuffled": effect.shuffled,
    }
    for eraser, losses in losses_of_eraser.items():
        for repeat, loss in enumerate(losses):
            columns = loss_columns(loss.accuracy_loss, loss.information_loss)
            yield {"eraser": eraser, "repeat": repeat, **columns}
    random_accuracy_loss = np.mean([loss.accuracy_loss for loss in effect.random], axis=0)
    random_information_loss = np.mean([loss.information_loss for loss in effect.random], axis=0)
    accuracy_loss = effect.erased.accuracy_loss - random_accuracy_loss
    information_loss = effect.erased.information_loss - random_information_loss
    yield {
        "eraser": DIFFERENCE,
        "repeat": 0,
        **loss_columns(accuracy_loss, information_loss),
    }


def label_use(rows: Sequence[Mapping[str, Any]], *, v_lower: float) -> str:
    """Return whether a head uses a label at a site: `used`, `unused`, or `not_decodable`.

    The label is decodable where the 95 % confidence interval of its V-information lies above 0. It is used where that
    of the loss by its erasure lies above 0 and above the largest loss by a random erasure at the same site.

    Args:
        rows: Losses at the site by each eraser and draw.
        v_lower: Lower end of the 95 % confidence interval of the V-information of the label.
    """
    if not is_above_zero(v_lower):
        return "not_decodable"
    random_losses = [row["accuracy_loss"] for row in rows if row["eraser"] == "random"]
    largest_random_loss = max([0.0, *random_losses])
    (leace,) = (row for row in rows if row["eraser"] == "leace")
    return "used" if leace["lower"] > largest_random_loss else "unused"


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
    """Yield whether a head loses more by the erasure of a label than by random ones, where it loses most.

    This site is chosen on the same texts, so that its loss is overestimated somewhat; those of the controls are not.

    Args:
        table: Rows of the table `erasure` about one label column.
        task: Label column of the head.
    """
    for (head, label), rows in table.groupby(["head", "label"], sort=False):
        losses = rows[rows["eraser"] == "leace"].set_index(["pooling", "layer"])["accuracy_loss"]
        pooling, layer = losses.idxmax()
        site_rows = rows[(rows["pooling"] == pooling) & (rows["layer"] == layer)].groupby("eraser")
        difference = site_rows.get_group(DIFFERENCE).iloc[0]
        interval = (float(difference["lower"]), float(difference["upper"]))
        numbers: dict[str, Any] = {
            "head": str(head),
            "label": str(label),
            "pooling": str(pooling),
            "layer": int(layer),
            "accuracy_loss": float(losses.max()),
            "random": float(site_rows.get_group("random")["accuracy_loss"].mean()),
            "shuffled": float(site_rows.get_group("shuffled")["accuracy_loss"].mean()),
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
