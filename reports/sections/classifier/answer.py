"""The first screen about a fine-tuned classifier: the answer in three sentences, and a table of the heads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from probes.results.result import Attribution, Claim
from reports.blocks import Badge, Caveat, Summary, SummaryCell, SummaryRow
from reports.lookup import View, item, n_of_claims, value
from reports.sections.class_names import class_names
from reports.sections.classifier import erasure
from reports.text import wording
from reports.text.wording import (
    MISSING,
    confidence,
    count,
    listing,
    name,
    percent,
    plural,
    points,
    sample_size,
    sentence,
    unsigned_points,
)

CLS_READERS = ("pooler", "cls")
"""Heads that read nothing but [CLS] of the last layer."""
READERS = (*CLS_READERS, "mean")
"""Heads that are fine-tuned, by the vector that they read."""


COLUMNS = (
    "head",
    "test accuracy [95 % CI]",
    "gain over frozen probe, points",
    "[CLS] probe, before → after",
    "loss by ablating [CLS] at layer {last}, points",
    "loss by erasing the label − shuffled, points",
)
"""Headings of the table of heads; the fifth is formatted with the number of layers."""
LONGEST_EXAMPLE = 72
"""Characters of an example text."""


def summary(view: View, *, drawn: bool = True) -> Summary | None:
    """Return the first screen: the answer, a row for each head, and its losses; None without fine-tuned heads.

    Args:
        view: Result.
        drawn: Whether it has drawings.
    """
    scores = view.stated("fine_tuned_accuracy")
    if not scores:
        return None
    last = view.result.provenance.n_layers
    rows = [*(_row(view, score) for score in scores), *_frozen_row(view)]
    return Summary(
        takeaway=takeaways(view),
        columns=tuple(column.format(last=last) for column in COLUMNS),
        rows=tuple(rows),
        panels=erasure.loss_rows(view, "answer-used") if drawn else (),
        guide=GUIDE,
    )


GUIDE = (
    "Gain and losses: points of test accuracy, with their 95 % CI. A loss below 0 is a gain. Frozen probe: the best "
    "probe on the pretrained encoder, selected on validation; the encoder is frozen.",
    "[CLS] probe: test accuracy of a probe on [CLS] of the last layer, before and after fine-tuning.",
    "Loss by ablating [CLS]: [CLS] of the last layer is replaced by its mean over the texts.",
    "Loss by erasing the label − shuffled: the label is erased (LEACE) at the site where that costs most; loss of test "
    "accuracy minus that by erasing shuffled labels, with a 95 % CI that holds for all sites of a head at once.",
)


def takeaways(view: View) -> tuple[str, ...]:
    """Return where [CLS] is used, whether fine-tuning changes it, and whether it pays, a sentence for each."""
    return (*_ablation_sentence(view), *_decodability_sentence(view), *_gain_sentence(view))


def _ablation_sentence(view: View) -> Iterator[str]:
    """Yield what ablating [CLS] at the last layer costs, and whether it costs anything at an earlier one."""
    claims = view.stated("last_layer_ablation", replacement="[CLS]")
    if not claims:
        return
    layer = name(item(claims[0], "layer"))
    dependent = [claim for claim in claims if claim.outcome == "above"]
    sample = sample_size(n_of_claims(claims))
    if not dependent:
        losses = _differences(claims, "accuracy_loss")
        yield f"Ablating [CLS] at layer {layer} costs no head significantly: {losses}{sample}."
        return
    first_layers = [value(claim, "first_layer") for claim in claims]
    first = min(filter(math.isfinite, first_layers), default=float(layer))
    start = f"Ablating [CLS] costs no head significantly below layer {layer}"
    if first < int(layer):
        start = f"The first significant loss by ablating [CLS] is at layer {int(first)}"
    losses = _differences(dependent, "accuracy_loss")
    constant = [claim for claim in dependent if item(claim, "head") in CLS_READERS]
    reason = f", by construction for {_heads(constant)}, which then read one constant vector" if constant else ""
    yield f"{start}; at layer {layer} it costs {losses}{reason}{sample}."


def _differences(claims: Sequence[Claim], key: str) -> str:
    """Return `the pooler head 20.0 points [12.0, 28.0] and the [CLS] head 26.0 [18.0, 34.0]`."""
    phrases = list[str]()
    for claim in claims:
        unit = "" if phrases else " points"
        limits = confidence(claim.interval, before=" ")
        points_lost = unsigned_points(value(claim, key))
        head = wording.head(item(claim, "head"))
        phrases.append(f"{head} {points_lost}{unit}{limits}")
    return listing(phrases)


def _decodability_sentence(view: View) -> Iterator[str]:
    """Yield whether fine-tuning makes the label more decodable from the last [CLS]."""
    claims = view.stated("cls_change")
    if not claims:
        return
    higher = [claim for claim in claims if claim.outcome == "above"]
    unchanged = [claim for claim in claims if claim.outcome != "above"]
    if not higher:
        opening = "Fine-tuning does not make [CLS] significantly more decodable"
        yield f"{opening} ({_differences(claims, 'difference')})."
        return
    smallest = min(higher, key=_difference)
    gain = f"{points(_difference(smallest))} points{confidence(smallest.interval, before=' ')}"
    least = f"{gain} or more" if len(higher) > 1 else gain
    which = "every head" if len(higher) > 1 else _heads(higher)
    rest = ""
    if unchanged:
        which = _heads(higher)
        rest = f", not significantly with {_heads(unchanged)}"
    yield f"Fine-tuning with {which} makes [CLS] more decodable ({least}){rest}."


def _difference(claim: Claim) -> float:
    return value(claim, "difference")


def _gain_sentence(view: View) -> Iterator[str]:
    """Yield whether a head exceeds the best probe of the frozen encoder, and whether the heads differ."""
    claims = view.stated("head_gain") or view.stated("fine_tuning_gain")
    if not claims:
        return
    above = [claim for claim in claims if claim.outcome == "above"]
    below = [claim for claim in claims if claim.outcome == "below"]
    comparison = _head_comparison(view)
    if above:
        verb = "exceeds" if len(above) == 1 else "exceed"
        yield sentence(f"{_heads(above)} {verb} the best frozen probe by {_gains(above)}{comparison}.")
        return
    rest = f", {_heads(below)} is below it by {_gains(below)}" if below else ""
    subject = "no head exceeds" if len(claims) > 1 else f"{_heads(claims)} does not exceed"
    yield sentence(f"{subject} the best frozen probe significantly{rest}{comparison}.")


def _head_comparison(view: View) -> str:
    """Return which heads differ in test accuracy, paired over the test texts, and the number of seeds."""
    claims = view.stated("fine_tuned_difference")
    if not claims:
        return ""
    n_seeds = max(value(claim, "n_seeds") for claim in view.stated("fine_tuned_accuracy"))
    seeds = "one seed" if n_seeds == 1 else f"{count(n_seeds)} seeds"
    largest = max(claims, key=_distance)
    gap = f"{unsigned_points(_distance(largest))} points{confidence(_upwards(largest), before=' ')}"
    different = [claim for claim in claims if claim.outcome != "cannot_tell"]
    if not different:
        return f"; the heads are not distinguishable (largest gap {gap}, {seeds})"
    pairs = f"{count(len(different))} of {plural(len(claims), 'pair')} of heads"
    verb = "differs" if len(different) == 1 else "differ"
    return f"; {pairs} {verb} (largest gap {gap}, {seeds})"


def _distance(claim: Claim) -> float:
    return abs(value(claim, "difference"))


def _upwards(claim: Claim) -> tuple[float, float] | None:
    """Return the interval of the absolute difference of two heads."""
    limits = claim.interval
    if limits is None or value(claim, "difference") >= 0:
        return limits
    return -limits[1], -limits[0]


def _heads(claims: Sequence[Claim]) -> str:
    return listing(wording.head(item(claim, "head")) for claim in claims)


def _gains(claims: Sequence[Claim]) -> str:
    """Return differences without their sign, with their intervals."""
    gains = list[str]()
    for claim in claims:
        unit = "" if gains else " points"
        size = unsigned_points(_distance(claim))
        gains.append(f"{size}{unit}{confidence(_upwards(claim), before=' ')}")
    return listing(gains)


def _frozen_row(view: View) -> Iterator[SummaryRow]:
    """Yield the row of the best probe of the frozen encoder, with which the heads are compared."""
    for claim in view.stated("frozen_probe"):
        accuracy = percent(value(claim, "accuracy"))
        site = erasure.site(claim)
        score = SummaryCell(accuracy, confidence(claim.interval), _note(claim))
        absent = SummaryCell(MISSING)
        yield SummaryRow("frozen probe", Badge(site, "none"), (), (score, *[absent] * 4))


def _row(view: View, score: Claim) -> SummaryRow:
    """Return the row of a head; the head that is best on validation is marked."""
    head = item(score, "head")
    chosen = next(iter(view.stated("fine_tuning_gain")), None)
    has_several = len(view.stated("fine_tuned_accuracy")) > 1
    is_chosen = chosen is not None and item(chosen, "head") == head
    badge = Badge("best on validation", "none") if is_chosen and has_several else None
    gain = _claim_of(view, "head_gain", head)
    if gain is None and is_chosen:
        gain = chosen
    ablation = _claim_of(view, "last_layer_ablation", head, replacement="[CLS]")
    cells = (
        _score_cell(score),
        _difference_cell(gain, "difference"),
        _change_cell(_claim_of(view, "cls_change", head)),
        _loss_cell(ablation),
        _erasure_cell(_claim_of(view, "erasure", head)),
    )
    return SummaryRow(wording.short_head(head), badge, (), cells)


def _claim_of(view: View, kind: str, head: object, **numbers: object) -> Claim | None:
    return next(iter(view.stated(kind, head=head, **numbers)), None)


def _note(claim: Claim) -> str:
    """Return the number of texts of a claim."""
    n = value(claim, "n")
    return f"n = {count(n)}" if math.isfinite(n) else ""


def _score_cell(claim: Claim) -> SummaryCell:
    """Return a test accuracy with its number of texts, and of seeds where there are several."""
    n_seeds = claim.numbers.get("n_seeds")
    note = _note(claim)
    if n_seeds is not None:
        seeds = plural(int(n_seeds), "seed")
        note = f"{note}, {seeds}"
    return SummaryCell(percent(value(claim, "accuracy")), confidence(claim.interval), note)


def _difference_cell(claim: Claim | None, key: str) -> SummaryCell:
    if claim is None:
        return SummaryCell(MISSING)
    return SummaryCell(points(value(claim, key)), confidence(claim.interval), _note(claim))


def _change_cell(claim: Claim | None) -> SummaryCell:
    """Return the accuracy of a probe on the last [CLS] before and after fine-tuning."""
    if claim is None:
        return SummaryCell(MISSING)
    before = percent(value(claim, "before"))
    after = percent(value(claim, "after"))
    difference = points(value(claim, "difference"))
    limits = confidence(claim.interval, before=" ")
    return SummaryCell(f"{before} → {after}", "", f"{difference}{limits}")


def _loss_cell(claim: Claim | None) -> SummaryCell:
    """Return a loss of accuracy."""
    if claim is None:
        return SummaryCell(MISSING)
    loss = value(claim, "accuracy_loss")
    return SummaryCell(unsigned_points(loss), confidence(claim.interval), _note(claim))


def _erasure_cell(claim: Claim | None) -> SummaryCell:
    """Return the loss of accuracy by erasure minus that by shuffled labels, and its site."""
    if claim is None:
        return SummaryCell(MISSING)
    if claim.outcome == "not_decodable":
        return SummaryCell(MISSING, "", "label not decodable")
    excess = unsigned_points(value(claim, "difference"))
    notes = (erasure.site(claim), _note(claim))
    return SummaryCell(excess, confidence(claim.interval), ", ".join(filter(None, notes)))


def cautions(view: View) -> Iterator[Caveat]:
    """Yield what limits the numbers about fine-tuned heads: a single seed, and measurements on part of the texts."""
    scores = view.stated("fine_tuned_accuracy")
    if not scores:
        return
    is_trained = any(item(score, "head") in READERS for score in scores)
    is_single = all(value(score, "n_seeds") == 1 for score in scores)
    if is_trained and is_single:
        sentence_of_seeds = "One seed for each head: the variation between runs is not measured."
        yield Caveat("statistics", sentence_of_seeds, "one seed", "Use --seeds 3.", "training")
    n_test = n_of_claims(scores)
    measured = [*view.stated("last_layer_ablation"), *view.stated("erasure"), *view.stated("ablation")]
    n_measured = n_of_claims(measured)
    if n_measured < n_test:
        part = f"{count(n_measured)} of {count(n_test)} test texts"
        yield Caveat(
            "statistics",
            f"Erasure, ablation, gradients and attention are measured on {part}, with the first seed.",
            f"erasure and ablation on {count(n_measured)} texts",
            "Raise --measured.",
            "used",
        )


def lead(view: View) -> str:
    """Return what was trained and the classes, as the first paragraph; empty where no head was fine-tuned."""
    if view.result.name != "heads":
        return ""
    return " ".join((_training(view), *_classes(view)))


def _classes(view: View) -> Iterator[str]:
    """Yield the classes of the label with an example text."""
    claims = view.stated("fine_tuned_accuracy")
    task = claims[0].task if claims else None
    names = class_names(view, task or "")
    if not names:
        return
    example = next((a for a in view.result.attributions if _is_example(a, task)), None)
    words = ""
    if example is not None:
        words = f", e.g. “{name(example.text, LONGEST_EXAMPLE)}” → {name(example.label, 24)}"
    yield f"Classes: {names}{words}."


def _is_example(a: Attribution, task: str | None) -> bool:
    """Return whether a text is short and classified correctly."""
    is_short = 0 < len(a.text) <= LONGEST_EXAMPLE and a.pair is None
    return a.task == task and a.label is not None and a.predicted == a.label and is_short


def _training(view: View) -> str:
    """Return what was trained."""
    heads = [item(claim, "head") for claim in view.stated("fine_tuned_accuracy")]
    reads = [wording.READS[head] for head in READERS if head in heads]
    changes = view.table("parameter_change")
    is_frozen = changes is not None and not changes["relative"].fillna(0).any()
    if not reads:
        return "A fine-tuned checkpoint, compared with the encoder that it was fine-tuned from."
    if is_frozen:
        return f"Classifiers on one frozen encoder that read {listing(reads)}."
    times = "" if len(reads) == 1 else f" {plural(len(reads), 'time')}"
    return f"One encoder, fine-tuned{times} from the same weights: the classifier reads {listing(reads, 'or')}."
