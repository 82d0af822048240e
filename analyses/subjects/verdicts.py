"""What the tables of the checks on explanations say, as claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.explanations import Explaining
from analyses.context.interventions import used_claims
from probes.checks import is_above_zero, side_of_zero
from probes.results.result import Attribution, Claim
from probes.statistics.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd

MOST_ALIKE = 0.5
"""Rank correlation with the trained encoder's scores above which those of a random one are not another ranking."""
CHANGE_BY_SIDE = {"above": "unchanged", "below": "changes", "cannot_tell": "cannot_tell"}
"""Side of `MOST_ALIKE` on which a correlation lies -> outcome of a claim about random weights."""

Tables = Mapping[str, "pd.DataFrame"]


def claims(explaining: Explaining, tables: Tables) -> Iterator[Claim]:
    """Whether integrals converged, baselines say nothing, decisions rest on what is ranked first, and the rest."""
    if not explaining.cases:
        return
    seed = explaining.job.output.seed
    yield from _convergence([a for a in explaining.shown if a.method == explaining.settings.method])
    yield from _baseline(explaining)
    yield from _deciding(explaining)
    if "faithfulness" in tables:
        yield from _faithfulness(tables["faithfulness"], seed=seed)
    if "baseline_agreement" in tables:
        yield from _baselines(tables["baseline_agreement"], seed=seed)
    if "plausibility" in tables:
        yield from _rationales(tables["plausibility"], seed=seed)
    if "parameter_randomisation" in tables:
        yield from _randomised(tables["parameter_randomisation"], seed=seed)
    if "explained_head_agreement" in tables:
        yield from _heads_agree(tables["explained_head_agreement"], seed=seed)
    if "erasure" in tables:
        for task, rows in tables["erasure"].groupby("task", sort=False):
            yield from used_claims(rows, task=str(task))
    for task, found in explaining.audits.items():
        point, n = explaining.best(task), len(found.n_tokens)
        place: dict[str, Any] = {"pooling": point.pooling, "layer": point.layer, "words": ", ".join(found.planted)}
        learned = {"flipped": found.flipped, "accuracy": found.accuracy, "n": n}
        yield Claim("planted_shortcut", "valid" if found.valid else "not_learned", task, place | learned)


def _convergence(attributions: Sequence[Attribution]) -> Iterator[Claim]:
    """Whether scores add up, where their method promises it."""
    from probes.attribution.options import ABSOLUTE_TOLERANCE, TOLERANCE

    deltas = [abs(a.convergence_delta) for a in attributions if a.convergence_delta is not None]
    if deltas:
        converged = sum(bool(a.converged) for a in attributions)
        numbers = {"n": len(deltas), "n_converged": converged, "tolerance": TOLERANCE, "smallest": ABSOLUTE_TOLERANCE}
        outcome = "holds" if converged == len(deltas) else "fails"
        yield Claim("convergence", outcome, numbers=numbers | {"max_abs_delta": max(deltas)})


def _baseline(explaining: Explaining) -> Iterator[Claim]:
    """Whether what explanations start from is itself near uninformed of the label."""
    from probes.attribution.baseline_bias import MAX_BASELINE_BIAS, baseline_bias

    for case in explaining.cases:
        names, prior = case.head.class_names, explaining.shares(case.task)
        said = [
            [a.baseline_probabilities[name] for name in names] for a in case.attributions if a.baseline_probabilities
        ]
        if said:
            far = np.array([baseline_bias(each, prior) for each in said])
            n_informed = int((far > MAX_BASELINE_BIAS).sum())
            numbers: dict[str, Any] = {"head": case.head.kind, "baseline": case.attributions[0].baseline, "n": len(far)}
            numbers |= {"n_informed": n_informed, "distance": float(far.mean())}
            baseline_biases = explaining.baseline_biases[case.task]
            nearest = min(baseline_biases, key=baseline_biases.__getitem__)
            numbers |= {"nearest": nearest, "nearest_distance": baseline_biases[nearest]}
            if explaining.settings.baseline == "auto":
                numbers["chosen_for"] = explaining.heads[case.task][0].kind
            yield Claim("baseline_bias", "informed" if n_informed else "uninformed", case.task, numbers)


def _deciding(explaining: Explaining) -> Iterator[Claim]:
    """Whether the word that counts most is one that is known to decide."""
    from probes.statistics.intervals import wilson_interval

    test = explaining.job.splits.test
    for case in explaining.cases:
        rationales = test.dataset.rationales.get(case.task)
        if rationales is None or case.head.kind != "probe":
            continue
        hits, chance = [], []
        for row, a in zip(case.rows.tolist(), case.attributions, strict=True):
            spans, content = rationales[test.rows[row]], a.word_offsets[:, 0] >= 0
            known = np.array([any(_overlap(word, span) for span in spans) for word in a.word_offsets])
            if known.any():
                hits.append(bool(known[np.argmax(np.where(content, a.word_scores, -np.inf))]))
                chance.append(float(known.sum() / content.sum()))
        if hits:
            lower, upper = wilson_interval(float(np.mean(hits)), len(hits))
            numbers = {"hits": float(np.mean(hits)), "n": len(hits), "random": float(np.mean(chance))}
            outcome = "above" if is_above_zero(lower - numbers["random"]) else "cannot_tell"
            yield Claim("deciding_words", outcome, case.task, numbers, (lower, upper))


def _faithfulness(erased: pd.DataFrame, *, seed: int) -> Iterator[Claim]:
    """What erasing does in the attributions' order and in random ones, on average over the texts of a head."""
    measured = erased.dropna(subset="comprehensiveness")
    for (task, head, method), rows in measured.groupby(["task", "head", "method"], sort=False):
        is_own = rows["order"] == "attribution"
        names = ["comprehensiveness", "sufficiency"]
        own, chance = (part.groupby("text_id")[names].mean() for part in (rows[is_own], rows[~is_own]))
        limits = mean_interval((own - chance)["comprehensiveness"], seed=seed)
        numbers: dict[str, Any] = {"head": head, "method": method, "n": len(own)}
        for name in names:
            numbers |= {name: float(own[name].mean()), f"random_{name}": float(chance[name].mean())}
        yield Claim("faithfulness", side_of_zero(*limits), str(task), numbers, limits)


def _baselines(alike: pd.DataFrame, *, seed: int) -> Iterator[Claim]:
    """How much rankings depend on the baseline."""
    for (task, head, method), rows in alike.groupby(["task", "head", "method"], sort=False):
        per_text = rows.groupby("text_id")["correlation"].mean().dropna()
        if not len(per_text):
            continue
        by_other = rows.groupby("other_baseline")["correlation"].mean()
        lowest = {"lowest": str(by_other.idxmin()), "lowest_correlation": float(by_other.min())}
        found = {"correlation": float(per_text.mean()), "same_top": float(rows["same_top"].mean())}
        numbers = {"head": head, "method": method, "n_baselines": 1 + len(by_other), "n": len(per_text)}
        yield Claim(
            "baseline_agreement", "measured", str(task), numbers | found | lowest, mean_interval(per_text, seed=seed)
        )


def _rationales(found: pd.DataFrame, *, seed: int) -> Iterator[Claim]:
    """Whether the tokens ranked first are those that somebody marked."""
    for (task, head, method), rows in found.groupby(["task", "head", "method"], sort=False):
        limits = mean_interval(rows["auprc"] - rows["random_auprc"], seed=seed)
        names = [f"{order}{name}" for name in ("auprc", "f1", "iou") for order in ("", "random_")]
        numbers: dict[str, Any] = {"head": head, "method": method, "n": len(rows)}
        numbers |= {name: float(rows[name].mean()) for name in names}
        yield Claim("plausibility", side_of_zero(*limits), str(task), numbers, limits)


def _randomised(found: pd.DataFrame, *, seed: int) -> Iterator[Claim]:
    """Whether rankings, signs aside, change once all is random: where they correlate above one half, they have not."""
    last = found[found["randomised_blocks"] == found["randomised_blocks"].max()]
    for (task, head, method), rows in last.groupby(["task", "head", "method"], sort=False):
        known = rows["absolute_correlation"].dropna()
        if len(known):
            lower, upper = mean_interval(known, seed=seed)
            outcome = CHANGE_BY_SIDE[side_of_zero(lower - MOST_ALIKE, upper - MOST_ALIKE)]
            numbers = {"head": head, "method": method, "correlation": float(known.mean()), "n": len(known)}
            yield Claim("parameter_randomisation", outcome, str(task), numbers, (lower, upper))


def _heads_agree(alike: pd.DataFrame, *, seed: int) -> Iterator[Claim]:
    """Whether the classifier looks where the probe looks."""
    for task, rows in alike.groupby("task", sort=False):
        known = rows["correlation"].dropna()
        if len(known):
            limits = mean_interval(known, seed=seed)
            numbers = {"correlation": float(known.mean()), "n": len(known)}
            yield Claim("explained_head_agreement", side_of_zero(*limits), str(task), numbers, limits)


def _overlap(word: np.ndarray[Any, Any], span: tuple[int, int]) -> bool:
    side, first, last = word.tolist()
    return bool(side == 0 and first < span[1] and span[0] < last)
