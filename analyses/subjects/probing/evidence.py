"""Evidence that a label is decodable: the best site against every floor, its information and the power check."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from analyses.subjects.probing import floors, information, planted_signals
from analyses.subjects.probing.information import SMALLEST_COMPRESSION
from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.subject import ProbingSubject

NOT_FLOORS = ("model_head", "control")
"""Reference scores that are no floor: the model's own head may be better, a control task is another task."""


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the evidence of each label column; see `judge_evidence` for the rule."""
    further_claims = [
        *floors.claims(measurements, tables),
        *information.claims(measurements, tables),
        *planted_signals.claims(measurements, tables),
    ]
    for task, task_sweep in measurements.sweep.tasks.items():
        claims_of_task = [claim for claim in further_claims if claim.task == task]
        is_layer_0_mean = (task_sweep.best.pooling, task_sweep.best.layer) == ("mean", 0)
        accuracy = task_sweep.test[task_sweep.best]["accuracy"]
        yield judge_evidence(task, claims_of_task, best_floor_accuracy=accuracy if is_layer_0_mean else None)


def judge_evidence(task: str, claims: Sequence[Claim], *, best_floor_accuracy: float | None = None) -> Claim:
    """Decide how strong the evidence is that the label can be decoded from the encoder's vectors.

    - Not shown: the test accuracy of the best site is not above every floor. Each difference has its own 95 %
      confidence interval: where all of them must lie above 0, no correction for their number is needed. Where the best
      site is the layer-0 mean, it is a floor itself.
    - Weak evidence: above every floor, but one of three measurements says otherwise:
      compression: The online code is not shorter than the prior code by more than `SMALLEST_COMPRESSION`. The prior
        code uses only the class frequencies. A uniform code is longer for unbalanced classes, so that a probe
        without any information would seem to compress.
      v_information: The 95 % interval of the V-information does not lie above 0.
      power: A planted signal whose best possible gain over the majority class is at least the measured gain was missed
        in one repeat or more. A gain that such a design often misses is overestimated where it is significant.
    - Decodable: above every floor, and none of the three says otherwise.
    - Above the floors: above every floor, where information was not measured.

    The control task does not enter: selectivity describes a probe and its vectors, and is no score to exceed.

    Args:
        task: Label column.
        claims: Its claims of the kinds floor, information and minimum_detectable_difference.
        best_floor_accuracy: Test accuracy of the best site where it is the layer-0 mean itself, else None.
    """
    floor_claims = [claim for claim in _of_kind(claims, "floor") if claim.numbers["floor"] not in NOT_FLOORS]
    if best_floor_accuracy is not None:
        itself: dict[str, Any] = {"floor": "layer_0_mean", "accuracy": best_floor_accuracy, "difference": 0.0}
        floor_claims.append(Claim("floor", "cannot_tell", task, itself, (0.0, 0.0)))
    best_floor = min(floor_claims, key=lambda claim: claim.number("difference"))
    missed = [str(claim.numbers["floor"]) for claim in floor_claims if claim.outcome != "above"]
    information_claim = next(_of_kind(claims, "information"), None)
    doubts = [*_information_doubts(information_claim), *_power_doubts(claims)]
    numbers: dict[str, Any] = {key: best_floor.numbers[key] for key in ("floor", "accuracy", "difference")}
    numbers["n_floors"] = len(floor_claims)
    numbers["n_above"] = len(floor_claims) - len(missed)
    if "seeds" in best_floor.numbers:
        numbers["seeds"] = best_floor.numbers["seeds"]
    numbers["missed"] = ", ".join(missed)
    numbers["doubts"] = ", ".join(doubts)
    if information_claim is not None:
        numbers["compression"] = information_claim.number("compression")
    if missed:
        outcome = "not_shown"
    elif doubts:
        outcome = "weak"
    else:
        outcome = "above_floors" if information_claim is None else "decodable"
    return Claim("evidence", outcome, task, numbers, best_floor.interval)


def _of_kind(claims: Sequence[Claim], kind: str) -> Iterator[Claim]:
    return (claim for claim in claims if claim.id == kind)


def _information_doubts(claim: Claim | None) -> Iterator[str]:
    """Yield which measure of information does not support the accuracy."""
    if claim is None:
        return
    if not claim.number("compression") > SMALLEST_COMPRESSION:
        yield "compression"
    if claim.outcome != "above":
        yield "v_information"


def _power_doubts(claims: Sequence[Claim]) -> Iterator[str]:
    """Yield `power` where a planted signal at least as strong as the measured gain over the majority was missed."""
    majority = next((claim for claim in _of_kind(claims, "floor") if claim.numbers["floor"] == "majority"), None)
    power = next(_of_kind(claims, "minimum_detectable_difference"), None)
    if majority is None or power is None or "strongest_tried" not in power.numbers:
        return
    gain = majority.number("difference")
    smallest = power.number("smallest")
    signal_was_missed = gain <= power.number("strongest_tried") if math.isnan(smallest) else gain < smallest
    if signal_was_missed:
        yield "power"


SUBJECT: ProbingSubject = Subject(tables={}, claims=claims)
