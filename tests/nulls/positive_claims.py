"""Claims of a page that a reader takes for a result: on a null each of them is false.

A page counts as a false claim where it has one of `POSITIVE` about what its null lacks:

- evidence, decodable: the best site is above every floor, and information and power do not speak against it; the green
  badge of the first screen. `above_floors` is the same where information was not measured.
- selectivity, above: the accuracy is above that on control tasks.
- information, above: the interval of the V-information lies above 0.
- erasure, above or used: a head loses accuracy where a label is erased; the answer to "is it used?".
- ablation with a first layer, and last_layer_ablation, above: replacing states by their mean costs accuracy.
- quoted_words, quoted: the page quotes a word for or against a class. It reads this from the table of word means, so
  that the claim is made here by the rule of the page.
- attribution_check, passed: scores are better than a random order by more than 5 points. This concerns the checks of
  `AGAINST_CHANCE`; completeness, neutrality and parameter randomisation say nothing about a null.

Weaker statements have a column of their own, since the page words them with a reserve or beside others (`WEAKER`):

- evidence, weak: above every floor, but information or power speak against it; the badge "Weak evidence".
- floor, above: one row of the comparison with the floors, of which all are needed for a badge. The model's own head and
  the control task are no floors.
- attribution_check, weak: better than a random order, by less than 5 points perhaps.
- tied, alone, and better_than_best, above: one site differs from the others.
- learning_curve, rising: more training texts raise the accuracy.
- length_effect: the accuracy depends on the length of the texts.
- validation_drop: test and validation differ by more than chance and choice explain.

`best_site`, `minimum_detectable_difference`, `prediction_depth` and all outcomes `measured` claim nothing.
"""

from collections.abc import Iterable, Iterator, Mapping

from probes.results.result import Claim

FIRST_LAYER = "first layer"
"""Outcome of an ablation that names the first layer at which it hurts."""
POSITIVE: Mapping[str, tuple[str, ...]] = {
    "evidence": ("decodable", "above_floors"),
    "selectivity": ("above",),
    "information": ("above",),
    "erasure": ("above", "used"),
    "ablation": (FIRST_LAYER,),
    "last_layer_ablation": ("above",),
    "quoted_words": ("quoted",),
    "attribution_check": ("passed",),
}
"""Kind of claim -> outcomes that are results."""
WEAKER: Mapping[str, tuple[str, ...]] = {
    "evidence": ("weak",),
    "floor": ("above",),
    "attribution_check": ("weak",),
    "tied": ("alone",),
    "better_than_best": ("above",),
    "learning_curve": ("rising",),
    "length_effect": ("above", "below"),
    "validation_drop": ("above", "below"),
}
"""Kind of claim -> outcomes that are statements with a reserve, or about a comparison of its own."""
AGAINST_CHANCE = (
    "comprehensiveness",
    "sufficiency",
    "plausibility",
    "deciding_words",
    "planted_shortcut",
    "infidelity",
)
"""Attribution checks that compare the scores with chance."""
NOT_FLOORS = ("model_head", "control")


def positive_claims(claims: Iterable[Claim]) -> list[str]:
    """Return a name for each claim that is a result, such as `evidence: decodable` once for each label column."""
    return list(_names(claims, POSITIVE))


def weaker_claims(claims: Iterable[Claim]) -> list[str]:
    """Return a name for each statement with a reserve."""
    return list(_names(claims, WEAKER))


def _names(claims: Iterable[Claim], outcomes: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for claim in claims:
        subject = _subject(claim)
        outcome = _outcome(claim)
        if subject is not None and outcome in outcomes.get(claim.id, ()):
            yield f"{subject}: {outcome}"


def _outcome(claim: Claim) -> str:
    """Return the outcome of a claim; that of an ablation is in its numbers."""
    is_first_layer = claim.id == "ablation" and claim.numbers["first_layer"] is not None
    return FIRST_LAYER if is_first_layer else claim.outcome


def _subject(claim: Claim) -> str | None:
    """Return the kind of a claim with the floor or the check that it concerns; None where it says nothing."""
    if claim.id == "floor":
        return None if claim.numbers["floor"] in NOT_FLOORS else f"floor {claim.numbers['floor']}"
    if claim.id == "attribution_check":
        return f"check {claim.numbers['check']}" if claim.numbers["check"] in AGAINST_CHANCE else None
    return claim.id
