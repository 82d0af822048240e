"""Caveats: what a reader must know before using a number, each with its kind, and what mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from probes.results.result import Claim
from reports.blocks import Caveat
from reports.lookup import View, item, text, value
from reports.sections.classifier import answer
from reports.sections.errors import text_length
from reports.sections.explanations import attributions, baselines
from reports.sections.probing import control_tasks
from reports.text import wording
from reports.text.wording import confidence, count, decimal, listing, name, percent, points, unsigned_points

LEAKED = 0.05
"""Share of the test texts in training from which on the takeaway says so."""
NO_TEST = 0.5
"""Share from which on a score is no test at all."""
UNKNOWN = 0.1
"""Share of unknown tokens above which the comparison says so first."""
NOTABLE = 0.01
"""Share of unknown tokens above which a caveat says so."""
LONGEST_NOTE = 1000
LENGTH_EFFECT = 0.05
"""Difference of test accuracy between the longest and the shortest texts from which on a caveat states it."""
Kind = Literal["data", "model", "statistics", "attribution"]
KINDS_OF_NOTES: Mapping[Kind, str] = {
    "statistics": "--quick|interval|did not converge|seed|fold|minimal pair",
    "attribution": "baseline|expla|attribut|rationale|shortcut|sufficiency|infidelity|plausibility|randomisation",
    "model": "checkpoint|encoder|tokenizer|own classifier|weights|pooler|sentence-transformers|not installed",
}
"""Kind of caveat -> words by which a note of an analysis is one of it; all other notes are about the data."""


def caveats(view: View) -> tuple[Caveat, ...]:
    """Return every caveat of a result: notes that a run is quick first, then by kind."""
    further = [*_data(view), *_model(view), *_statistics(view), *_attribution(view)]
    notes = [_noted(note) for note in view.result.notes]
    quick = [caveat for caveat in notes if caveat.short == QUICK]
    usual = [caveat for caveat in notes if caveat.short != QUICK]
    order = list(KINDS)
    return (*quick, *sorted((*further, *usual), key=lambda caveat: order.index(caveat.kind)))


KINDS: tuple[Kind, ...] = ("statistics", "data", "model", "attribution")
"""Kinds of caveats, in the order of the list."""
QUICK = "quick run"
SHORT_NOTES = {
    "^--quick": QUICK,
    "minimal pairs": "minimal pairs: CIs too narrow",
    "^[0-9,]+ of [0-9,]+ test texts also occur": "test texts in an earlier split",
}
"""Beginning or words of a note -> the note in a few words."""


def sentences(view: View) -> tuple[str, ...]:
    """Return the caveats as sentences, with what mends them."""
    return tuple(f"{caveat.sentence} {caveat.mend}".strip() for caveat in caveats(view))


def invalid_test(view: View) -> str:
    """Return how many of the test texts occur in training where most do, so that a score is no test; else nothing."""
    most = max((value(claim, "share") for claim in _leaks(view)), default=0.0)
    return f"{percent(most)} of the test texts occur in training" if most >= NO_TEST else ""


def openings(view: View) -> Iterator[str]:
    """Yield what the first screen says before any score: test texts in training, and unknown tokens."""
    yield from leaked(view)
    yield from unknown(view)


def leaked(view: View) -> Iterator[str]:
    """Yield how many of the test texts occur in training, where they are many."""
    for claim in _leaks(view):
        share = value(claim, "share")
        if share >= LEAKED:
            follows = "this is not a test" if share >= NO_TEST else "accuracy measures memorisation in part"
            yield f"{percent(share)} of the test texts ({_counts(claim)}) occur in training: {follows}."


def unknown(view: View) -> Iterator[str]:
    """Yield in which splits many tokens are unknown, in one sentence."""
    shares = [
        f"{percent(value(claim, 'share'))} of the {name(item(claim, 'split') or '', 24)} tokens"
        for claim in view.every("unknown_tokens")
        if value(claim, "share") > UNKNOWN
    ]
    if shares:
        yield f"The tokenizer does not know {listing(shares)}; the encoder reads the same token for all of them."


def _data(view: View) -> Iterator[Caveat]:
    """Yield leakage, unknown tokens and truncated texts, without those that a note states already."""
    for claim in _leaks(view):
        if value(claim, "share") >= LEAKED and not _is_noted(view, claim):
            share = percent(value(claim, "share"))
            sentence = f"{share} of the test texts ({_counts(claim)}) occur in training; accuracy may be inflated."
            yield Caveat("data", sentence, f"{share} of the test texts occur in training", "Remove them.", "layers")
    for claim in view.every("unknown_tokens"):
        if value(claim, "share") > NOTABLE and not _is_noted(view, claim):
            share = percent(value(claim, "share"))
            split = name(item(claim, "split") or "", 24)
            sentence = f"{share} of the tokens of the {split} texts ({_counts(claim)}) are unknown to the tokenizer."
            yield Caveat("data", sentence, f"{share} unknown {split} tokens", "Choose another --model.")
    truncated = view.claim("truncated")
    if truncated is not None:
        n_texts = count(value(truncated, "n"))
        verb = "is" if n_texts == "1" else "are"
        most = count(value(truncated, "max_length"))
        sentence = f"{n_texts} of {count(value(truncated, 'total'))} texts {verb} cut at {most} tokens."
        yield Caveat("data", sentence, f"{n_texts} texts cut at {most} tokens", "Raise --max-length.")


def _model(view: View) -> Iterator[Caveat]:
    """Yield what the encoder lacks, and the check of its [CLS]."""
    if (claim := view.claim("random_pooler")) is not None:
        sentence = (
            f"The pooler of the checkpoint is untrained: {_reason(claim)}. It is never selected as the best site."
        )
        yield Caveat("model", sentence, "untrained pooler", see="layers")
    for kind, subject in (("no_pooler", "pooler"), ("no_cls", "[CLS]")):
        for claim in view.claims(kind):
            yield Caveat("model", f"No {subject} curve: {_reason(claim)}.", f"no {subject}", see="layers")
    for task in view.tasks:
        constant = view.claim("constant_cls", task)
        if constant is not None and constant.outcome == "fails":
            accuracy = percent(value(constant, "accuracy"))
            sentence = (
                f"{name(task)}: the check on [CLS] at layer 0 fails. It should be the same vector for every text, with "
                f"its probe at the majority rate; the probe has {accuracy}. Do not rely on the numbers."
            )
            yield Caveat("model", sentence, "check on [CLS] fails", see="layers")


def _statistics(view: View) -> Iterator[Caveat]:
    """Yield what weakens the statistics of the scores."""
    for task in view.tasks:
        yield from _drop(view, task)
        yield from _better_sites(view, task)
        yield from _disagreement(view, task)
    yield from _length_effects(view)
    yield from _negative_selectivity(view)
    yield from answer.cautions(view)
    yield from _power(view)
    seeds = [item(claim, "seeds") for claim in view.every("floor") if item(claim, "floor") == "untrained"]
    if 1 in seeds:
        sentence = "The untrained encoder is a single random initialisation (1 seed)."
        yield Caveat("statistics", sentence, "untrained encoder: 1 seed", "Use --untrained 3.", "floors")


def _drop(view: View, task: str) -> Iterator[Caveat]:
    """Yield a difference between validation and test accuracy that chance does not explain."""
    claim = view.claim("validation_drop", task)
    if claim is None or claim.outcome == "cannot_tell":
        return
    change = (
        f"{'drops' if claim.outcome == 'below' else 'rises'} {unsigned_points(abs(value(claim, 'difference')))} points"
    )
    sentence = (
        f"{name(task)}: accuracy {change} from {view.chooser} ({percent(value(claim, 'validation_accuracy'))}, n = "
        f"{count(value(claim, 'n_validation'))}) to test ({percent(value(claim, 'accuracy'))}, n = "
        f"{count(value(claim, 'n'))}; 95 % CI of the difference, which allows for the choice among "
        f"{count(value(claim, 'n_candidates'))} candidate probes, {confidence(claim.interval)}): the two samples may "
        "differ."
    )
    short = f"{name(task, 24)} {change} from {view.chooser} to test"
    yield Caveat("statistics", sentence, short, see="layers")


def _better_sites(view: View, task: str) -> Iterator[Caveat]:
    """Yield the sites that are better on test than the one that was selected."""
    claim = view.claim("better_than_best", task)
    if claim is not None:
        sites = wording.places(text(claim, "sites"), random_pooler=view.random_pooler)
        sentence = f"{sites} did better on test than the site selected {view.choosing}; the selection is not revised."
        yield Caveat("statistics", view.about(task, sentence), "a better site on test", see="layers")


def _disagreement(view: View, task: str) -> Iterator[Caveat]:
    """Yield where V-information and online codelength do not agree on whether there is information."""
    information = view.claim("information", task)
    agreement = view.claim("information_agreement", task)
    if information is None or agreement is None or agreement.outcome == "agree":
        return
    bits = decimal(value(information, "v_information"), 2)
    limits = information.interval or (float("nan"),) * 2
    sentence = (
        f"{name(task)}: V-information ({bits} bits [95 % CI {decimal(limits[0], 3)}, {decimal(limits[1], 3)}]) and MDL "
        f"compression ({decimal(value(information, 'compression'), 2)}×) disagree: the information is inconclusive."
    )
    yield Caveat("statistics", sentence, f"{name(task, 24)}: V-information and MDL disagree", see="information")


def _length_effects(view: View) -> Iterator[Caveat]:
    """Yield the label columns whose test accuracy differs between short and long texts, in one sentence."""
    claims = dict[str, Claim]()
    for task in view.tasks:
        claim = view.claim("length_effect", task)
        if claim is not None and _is_large(claim):
            claims[task] = claim
    if not claims:
        return
    contrasts = "; ".join(f"{name(task)}: {text_length.contrast(claim)}" for task, claim in claims.items())
    names = listing(name(task, 24) for task in claims)
    sentence = f"Accuracy differs with text length, or with what longer texts say. {contrasts}."
    yield Caveat("data", sentence, f"{names}: accuracy differs with text length", see="lengths")


def long_texts(view: View, task: str) -> str:
    """Return the test accuracy on the longest texts where a caveat states it; else nothing."""
    claim = view.claim("length_effect", task)
    if claim is None or not _is_large(claim):
        return ""
    longest = percent(value(claim, "longest_accuracy"))
    return f"{longest} on texts from {count(value(claim, 'at_least'))} characters on"


def _is_large(claim: Claim) -> bool:
    """Return whether accuracy differs between short and long texts by enough to be stated."""
    return claim.outcome != "cannot_tell" and abs(value(claim, "difference")) >= LENGTH_EFFECT


def _negative_selectivity(view: View) -> Iterator[Caveat]:
    """Yield the label columns whose control task is learnt better than the task, in one sentence."""
    below = {task: claim for task, claim in _selectivities(view).items() if claim.outcome == "below"}
    if not below:
        return
    accuracies = [
        f"{name(task, 24)} {percent(value(claim, 'accuracy'))} vs {percent(value(claim, 'control_accuracy'))}"
        for task, claim in below.items()
    ]
    kind = control_tasks.input_type(view)
    sentence = (
        f"Selectivity is negative ({', '.join(accuracies)} on the control task): the vectors identify {kind}, so that "
        "a probe can also learn random labels of it. High accuracy alone therefore does not show that the encoder "
        "represents the label; the comparison with the floors does."
    )
    yield Caveat("statistics", sentence, "negative selectivity", see="control")


def _selectivities(view: View) -> dict[str, Claim]:
    return {task: claim for task in view.tasks if (claim := view.claim("selectivity", task)) is not None}


def _power(view: View) -> Iterator[Caveat]:
    """Yield the label columns in whose vectors planted signals were missed, in one sentence for each strength."""
    tasks_by_strength = dict[float, list[str]]()
    for task in view.tasks:
        claim = view.claim("minimum_detectable_difference", task)
        if claim is None or item(claim, "strongest_tried") is None or item(claim, "smallest") is not None:
            continue
        tasks_by_strength.setdefault(value(claim, "strongest_tried"), []).append(name(task, 24))
    for strength, tasks in tasks_by_strength.items():
        sentence = (
            f"Power check ({listing(tasks)}): planted signals that add up to {unsigned_points(strength)} points to the "
            "majority class were not recovered in every repeat; weaker real signals can be missed."
        )
        short = f"power check misses {points(strength)} points"
        yield Caveat("statistics", sentence, short, "Use more training texts.", "floors")


def _attribution(view: View) -> Iterator[Caveat]:
    """Yield attributions that do not converge, and baselines that are not neutral."""
    if convergence := attributions.convergence_care(view):
        yield Caveat("attribution", convergence, "attributions not converged", "Raise --max-steps.", "trust")
    for task in view.tasks:
        for claim in view.claims("baseline_bias", task):
            if claim.outcome == "informed":
                yield _bias(view, task, claim)


def _bias(view: View, task: str, claim: Claim) -> Caveat:
    """Return that a head favours a class at the baseline."""
    alternative = baselines.neutral_alternative(claim)
    mend = f"Use --baseline {name(alternative, 24)}." if alternative else ""
    short = "baseline not neutral" + (f" for {name(task, 24)}" if len(view.tasks) > 1 else "")
    return Caveat("attribution", view.about(task, baselines.bias_sentence(claim)), short, mend, "trust")


def _noted(note: str) -> Caveat:
    """Return a note of an analysis as a caveat, of the kind that its words belong to."""
    kind: Kind = "data"
    for candidate, words in KINDS_OF_NOTES.items():
        if re.search(words, note, flags=re.IGNORECASE):
            kind = candidate
            break
    short = next((words for pattern, words in SHORT_NOTES.items() if re.search(pattern, note)), "")
    mend = "Run without --quick." if short == QUICK else ""
    return Caveat(kind, name(note, LONGEST_NOTE), short, mend)


def _reason(claim: Claim) -> str:
    return name(str(item(claim, "reason") or ""), 300)


def _leaks(view: View) -> list[Claim]:
    """Return the claims about test texts in training; leakage into other splits does not affect the score."""
    return [claim for claim in view.every("leakage") if item(claim, "split") in (None, "test")]


def _counts(claim: Claim) -> str:
    return f"{count(value(claim, 'n'))} of {count(value(claim, 'total'))}"


def _is_noted(view: View, claim: Claim) -> bool:
    """Return whether a note with these counts states it already."""
    counts = re.compile(rf"(?<![\d,]){re.escape(_counts(claim))}(?![\d,]*\d)")  # 2 of 40 is no part of 12 of 40
    return any(counts.search(note) for note in view.result.notes)
