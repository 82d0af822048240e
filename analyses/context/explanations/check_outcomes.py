"""Outcomes of attribution checks: one rule for all checks that have a result at random beside theirs.

The rule compares the gain over the reference (what a random order, a random word or scores of 0 reach) with 0 and with
`SMALLEST_GAIN`, by the 95 % confidence interval of the gain:

- `passed`: the whole interval lies at or above `SMALLEST_GAIN`.
- `weak`: the interval lies above 0, but reaches below `SMALLEST_GAIN`.
- `inconclusive`: the interval holds 0, or there are fewer than `FEWEST_EXAMPLES` texts, whose mean has no interval.
- `failed`: the interval lies below 0.

Two checks have a criterion in place of a reference. Completeness is passed where every attribution converged, and
baseline neutrality where the baseline is neutral for every text. A check without either is `measured`, and a planted
shortcut that the probe did not learn is `not_applicable`; neither is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probes.checks import side_of_zero
from probes.results.result import Attribution, Claim
from probes.statistics.intervals import FEWEST_EXAMPLES

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_GAIN = 0.05
"""Gain over the reference that the interval must exceed: 5 points of probability, of AUPRC or of hits, or 5 % of the
error of scores of 0."""
SIMILAR_RANKING = 0.5
"""Rank correlation with the trained encoder's scores above which a ranking counts as unchanged."""
RANDOMISATION_OUTCOMES = {"changes": "passed", "unchanged": "failed", "cannot_tell": "inconclusive"}
"""Outcome of parameter randomisation -> outcome of the check."""
Interval = tuple[float, float]
Tables = Mapping[str, "pd.DataFrame"]


def outcome_of_gain(interval: Interval, n: float) -> str:
    """Return the outcome of a check by the 95 % confidence interval of the gain over its reference.

    Args:
        interval: Confidence interval of the mean gain.
        n: Number of texts.
    """
    side = side_of_zero(*interval)
    if n < FEWEST_EXAMPLES or side == "cannot_tell":
        return "inconclusive"
    if side == "below":
        return "failed"
    return "passed" if interval[0] >= SMALLEST_GAIN else "weak"


def check_claims(claims: Sequence[Claim], tables: Tables) -> Iterator[Claim]:
    """Yield the outcome of every check of the method that explains first, for each label column and head.

    Args:
        claims: Claims about the explanations.
        tables: Tables of the checks and their means.
    """
    for kind, outcome_of in CHECKS.items():
        for claim in _of_first_methods(claims, kind):
            outcome = outcome_of(claim)
            if outcome is not None:
                yield outcome
    yield from _curves(claims)
    yield from _sufficiency(tables)
    yield from _infidelity(tables)


def _of_first_methods(claims: Sequence[Claim], kind: str) -> list[Claim]:
    """Return the first claim of a kind about each label column and head: that of the method that explains first."""
    first_claims = dict[tuple[Any, ...], Claim]()
    for claim in claims:
        if claim.id == kind:
            first_claims.setdefault((claim.task, claim.numbers.get("head")), claim)
    return list(first_claims.values())


def convergence_claims(attributions: Sequence[Attribution]) -> Iterator[Claim]:
    """Yield whether scores sum to the output difference they explain, for methods with completeness."""
    from probes.attribution.options import ABSOLUTE_TOLERANCE, TOLERANCE

    complete = [attribution for attribution in attributions if attribution.convergence_delta is not None]
    if not complete:
        return
    n_converged = sum(bool(attribution.converged) for attribution in complete)
    numbers: dict[str, Any] = {
        "n": len(complete),
        "n_converged": n_converged,
        "tolerance": TOLERANCE,
        "smallest": ABSOLUTE_TOLERANCE,
        "max_abs_delta": max(abs(attribution.convergence_delta or 0.0) for attribution in complete),
    }
    yield Claim("convergence", "holds" if n_converged == len(complete) else "fails", numbers=numbers)


# Checks that a claim decides


def _completeness(claim: Claim) -> Claim:
    n_converged = claim.number("n_converged")
    numbers = {"value": n_converged / claim.number("n"), "n_holding": int(n_converged)}
    return _check(claim, "completeness", "passed" if claim.outcome == "holds" else "failed", numbers)


def _baseline_neutrality(claim: Claim) -> Claim:
    from probes.attribution.baseline_bias import MAX_BASELINE_BIAS

    n_neutral = claim.number("n") - claim.number("n_informed")
    numbers = {"value": claim.number("distance"), "reference": MAX_BASELINE_BIAS, "n_holding": int(n_neutral)}
    return _check(claim, "baseline_neutrality", "passed" if claim.outcome == "uninformed" else "failed", numbers)


def _comprehensiveness(claim: Claim) -> Claim:
    return _compared(claim, "comprehensiveness", "comprehensiveness", "random_comprehensiveness")


def _plausibility(claim: Claim) -> Claim:
    return _compared(claim, "plausibility", "auprc", "random_auprc")


def _deciding_words(claim: Claim) -> Claim:
    return _hits(claim, "deciding_words", "random")


def _planted_shortcut(claim: Claim) -> Claim | None:
    if claim.outcome == "valid":
        return None
    return _check(claim, "planted_shortcut", "not_applicable", {"value": claim.number("flipped")})


def _planted_shortcut_hits(claim: Claim) -> Claim:
    return _hits(claim, "planted_shortcut", "chance")


def _parameter_randomisation(claim: Claim) -> Claim:
    numbers = {"value": claim.number("correlation"), "reference": SIMILAR_RANKING}
    has_texts = claim.number("n") >= FEWEST_EXAMPLES
    outcome = RANDOMISATION_OUTCOMES[claim.outcome] if has_texts else "inconclusive"
    return _check(claim, "parameter_randomisation", outcome, numbers, claim.interval)


def _baseline_agreement(claim: Claim) -> Claim:
    return _check(claim, "baseline_agreement", "measured", {"value": claim.number("correlation")}, claim.interval)


def _check(
    claim: Claim, check: str, outcome: str, numbers: Mapping[str, Any], interval: Interval | None = None
) -> Claim:
    """Return the outcome of a check of the head and method of a claim."""
    names = {key: claim.numbers[key] for key in ("head", "method", "n") if key in claim.numbers}
    return Claim("attribution_check", outcome, claim.task, {"check": check, **names, **numbers}, interval)


def _compared(claim: Claim, check: str, name: str, random_name: str) -> Claim:
    """Return the outcome of a check by a number and that of random orders; the claim's interval is that of the gain."""
    value = claim.number(name)
    random = claim.number(random_name)
    numbers = {"value": value, "reference": random, "gain": value - random}
    outcome = "inconclusive" if claim.interval is None else outcome_of_gain(claim.interval, claim.number("n"))
    return _check(claim, check, outcome, numbers, claim.interval)


def _hits(claim: Claim, check: str, chance_name: str) -> Claim:
    """Return the outcome of a check by a share of hits; the chance is known without error, the interval is Wilson's."""
    hits = claim.number("hits")
    chance = claim.number(chance_name)
    numbers = {"value": hits, "reference": chance, "gain": hits - chance}
    if claim.interval is None:
        return _check(claim, check, "inconclusive", numbers)
    lower, upper = claim.interval
    interval = (lower - chance, upper - chance)
    return _check(claim, check, outcome_of_gain(interval, claim.number("n")), numbers, interval)


CHECKS: Mapping[str, Callable[[Claim], Claim | None]] = {
    "convergence": _completeness,
    "baseline_bias": _baseline_neutrality,
    "faithfulness": _comprehensiveness,
    "fine_tuned_faithfulness": _comprehensiveness,
    "plausibility": _plausibility,
    "deciding_words": _deciding_words,
    "planted_shortcut": _planted_shortcut,
    "planted_shortcut_hits": _planted_shortcut_hits,
    "parameter_randomisation": _parameter_randomisation,
    "baseline_agreement": _baseline_agreement,
}
"""Kind of claim -> the function that returns the outcome of its check."""


# Checks that tables decide


def _curves(claims: Sequence[Claim]) -> Iterator[Claim]:
    """Yield both perturbation curves beside those of a random order, as measured: their means have no interval."""
    of_random = {
        (claim.task, claim.numbers["head"]): claim.numbers
        for claim in claims
        if claim.id == "perturbation_curves" and claim.numbers["method"] == "random"
    }
    for claim in _of_first_methods(claims, "perturbation_curves"):
        random = of_random.get((claim.task, claim.numbers["head"]))
        for curve in ("deletion", "insertion"):
            numbers = {"value": claim.numbers[curve]}
            if random is not None:
                numbers["reference"] = random[curve]
            yield _check(claim, f"{curve}_curve", "measured", numbers)


def _sufficiency(tables: Tables) -> Iterator[Claim]:
    """Yield sufficiency, the lower the better: the gain is that of random orders minus that of the scores."""
    for subject, means in _means_of_first_methods(tables, "faithfulness_means"):
        if not {"sufficiency", "random_sufficiency", "sufficiency_difference"} <= set(means):
            continue
        gain = means["sufficiency_difference"]
        numbers = {
            "value": means["sufficiency"]["value"],
            "reference": means["random_sufficiency"]["value"],
            "gain": gain["value"],
        }
        outcome = outcome_of_gain(_interval(gain), gain["n"])
        yield _of_means(subject, "sufficiency", outcome, gain, numbers)


def _infidelity(tables: Tables) -> Iterator[Claim]:
    """Yield whether the scores predict changes of the output better than scores of 0."""
    for subject, means in _means_of_first_methods(tables, "infidelity_means"):
        error = means["value"]
        numbers = {"value": error["value"]}
        zero_score_error = means.get("silent")
        if zero_score_error is None or not zero_score_error["value"] > 0:
            yield _of_means(subject, "infidelity", "measured", error, numbers)
            continue
        gain = means["silent_difference"]
        numbers["reference"] = zero_score_error["value"]
        numbers["gain"] = gain["value"]
        # Logits have no natural size: the gain is judged as a share of the error of scores of 0.
        lower, upper = _interval(gain)
        relative = (lower / zero_score_error["value"], upper / zero_score_error["value"])
        yield _of_means(subject, "infidelity", outcome_of_gain(relative, gain["n"]), gain, numbers)


Means = Mapping[str, Mapping[str, Any]]
"""Measure -> row of a table of means."""


def _means_of_first_methods(tables: Tables, name: str) -> Iterator[tuple[Mapping[str, Any], Means]]:
    """Yield task, head and method of the first method of each head, with its measures that have a mean."""
    if name not in tables:
        return
    table = tables[name]
    for (task, head), rows in table.groupby(["task", "head"], sort=False):
        method = rows["method"].iloc[0]
        is_measured = (rows["method"] == method) & rows["value"].notna()
        means = {str(row["measure"]): row for row in rows[is_measured].to_dict("records")}
        if means:
            yield {"task": str(task), "head": head, "method": method}, means


def _of_means(
    subject: Mapping[str, Any], check: str, outcome: str, mean: Mapping[str, Any], numbers: Mapping[str, Any]
) -> Claim:
    """Return the outcome of a check by means, with the interval of one of them."""
    names = {"check": check, "head": subject["head"], "method": subject["method"], "n": mean["n"]}
    interval = _interval(mean)
    has_interval = all(math.isfinite(end) for end in interval)
    return Claim(
        "attribution_check", outcome, subject["task"], {**names, **numbers}, interval if has_interval else None
    )


def _interval(mean: Mapping[str, Any]) -> Interval:
    """Return the interval of a row of a table of means."""
    return float(mean["lower"]), float(mean["upper"])
