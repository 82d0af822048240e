"""The first screen about a fine-tuned classifier: the answer in three sentences, and a table of the heads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from probes.results.result import Claim
from reports.blocks import Badge, Caveat, Summary, SummaryCell, SummaryRow
from reports.lookup import View, item, n_of_claims, value
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
    sentence,
    unsigned_points,
)

READERS = ("pooler", "cls", "mean")
"""Heads that are fine-tuned, by the vector that they read."""


COLUMNS = (
    "head",
    "test accuracy [95 % CI]",
    "gain over frozen probe",
    "[CLS] probe",
    "[CLS] ablated at layer {last}",
    "label erased − random",
)
"""Headings of the table of heads; the fifth is formatted with the number of layers."""


def summary(view: View, *, drawn: bool = True) -> Summary | None:
    """Return the first screen: the answer, a row for each head, and its erasure maps; None without fine-tuned heads.

    Args:
        view: Result.
        drawn: Whether it has drawings.
    """
    scores = view.stated("fine_tuned_accuracy")
    if not scores:
        return None
    last = view.result.provenance.n_layers
    rows = [*_frozen_row(view), *(_row(view, score) for score in scores)]
    return Summary(
        takeaway=takeaways(view),
        columns=tuple(column.format(last=last) for column in COLUMNS),
        rows=tuple(rows),
        panels=erasure.map_rows(view, "answer-used") if drawn else (),
        guide=GUIDE,
    )


GUIDE = (
    "Gain, ablation and erasure: changes of test accuracy in points, with their 95 % CI. Frozen probe: the best probe "
    "on the pretrained encoder, selected on validation.",
    "[CLS] probe: test accuracy of a probe on [CLS] of the last layer, before and after fine-tuning.",
    "[CLS] ablated: [CLS] of the last layer is replaced by its mean over the texts.",
    "Label erased − random: the label is erased (LEACE) at the site where that costs most; change of accuracy minus "
    "that by random subspaces of equal rank.",
)


def takeaways(view: View) -> tuple[str, ...]:
    """Return where [CLS] is used, whether fine-tuning changes it, and whether it pays, a sentence for each."""
    return (*_ablation_sentence(view), *_decodability_sentence(view), *_gain_sentence(view))


def _ablation_sentence(view: View) -> Iterator[str]:
    """Yield which heads depend on [CLS] at the last layer, and since which layer."""
    claims = view.stated("last_layer_ablation", replacement="[CLS]")
    if not claims:
        return
    layer = name(item(claims[0], "layer"))
    dependent = [claim for claim in claims if claim.outcome == "above"]
    independent = [claim for claim in claims if claim.outcome != "above"]
    if not dependent:
        losses = _losses(independent)
        yield f"No head depends on [CLS] at layer {layer}: ablating it there costs {losses} points (not significant)."
        return
    first_layers = {int(value(claim, "first_layer")) for claim in dependent}
    since = f"only at layer {layer}" if first_layers == {int(layer)} else f"from layer {min(first_layers)} on"
    rest = f", {_losses(independent)} points (not significant)" if independent else ""
    where = "there" if since.startswith("only") else f"at layer {layer}"
    yield f"[CLS] carries the decision {since}: ablating it {where} costs {_losses(dependent)} points{rest}."


def _losses(claims: Sequence[Claim]) -> str:
    """Return `the pooler head 20.0 and the [CLS] head 26.0`."""
    losses = list[str]()
    for claim in claims:
        loss = unsigned_points(value(claim, "accuracy_loss"))
        head = wording.head(item(claim, "head"))
        losses.append(f"{head} {loss}")
    return listing(losses)


def _decodability_sentence(view: View) -> Iterator[str]:
    """Yield whether fine-tuning makes the label more decodable from the last [CLS]."""
    claims = view.stated("cls_change")
    if not claims:
        return
    higher = [claim for claim in claims if claim.outcome == "above"]
    unchanged = [claim for claim in claims if claim.outcome != "above"]
    if not higher:
        opening = "Fine-tuning does not make the label significantly more decodable from [CLS]"
        yield f"{opening} ({_change(claims)})."
        return
    heads = listing(wording.head(item(claim, "head")) for claim in higher)
    if unchanged:
        rest = f", not significantly with {listing(wording.head(item(claim, 'head')) for claim in unchanged)}"
        which = f" with {heads}{rest}"
    else:
        which = " whichever head is trained" if len(higher) > 1 else ""
    yield f"Fine-tuning makes the label more decodable from [CLS] ({_change(higher)}){which}."


def _change(claims: Sequence[Claim]) -> str:
    """Return the accuracy of a probe before and after, as `72.7 → 80.2 to 81.1 %`."""
    before = percent(value(claims[0], "before"))
    accuracies = sorted(value(claim, "after") for claim in claims)
    ends = list(dict.fromkeys(percent(accuracy) for accuracy in (accuracies[0], accuracies[-1])))
    return f"{before} → {' to '.join(ends)}"


def _gain_sentence(view: View) -> Iterator[str]:
    """Yield whether a head exceeds the best probe of the frozen encoder."""
    claims = view.stated("head_gain") or view.stated("fine_tuning_gain")
    if not claims:
        return
    frozen = next(iter(view.stated("frozen_probe")), None)
    reference = "" if frozen is None else f" ({percent(value(frozen, 'accuracy'))}, {erasure.site(frozen)})"
    opening = sentence(f"{_training_size(view)}{{}} the best probe on the frozen encoder{reference}")
    above = [claim for claim in claims if claim.outcome == "above"]
    below = [claim for claim in claims if claim.outcome == "below"]
    if above:
        verb = "exceeds" if len(above) == 1 else "exceed"
        exceeding = opening.format(f"{_heads(above)} {verb}")
        yield sentence(f"{exceeding} by {_gains(above)} points.")
        return
    rest = f"; {_heads(below)} is below it by {_gains(below)} points" if below else ""
    subject = "no head exceeds" if len(claims) > 1 else f"{_heads(claims)} does not exceed"
    yield sentence(f"{opening.format(subject)}{rest}.")


def _heads(claims: Sequence[Claim]) -> str:
    return listing(wording.head(item(claim, "head")) for claim in claims)


def _gains(claims: Sequence[Claim]) -> str:
    """Return differences without their sign."""
    gains = [unsigned_points(abs(value(claim, "difference"))) for claim in claims]
    return listing(gains)


def _training_size(view: View) -> str:
    """Return `with 1,000 training texts `; empty where the classifier came fine-tuned, or where it is not known."""
    is_checkpoint = any(item(claim, "head") == "checkpoint" for claim in view.stated("fine_tuned_accuracy"))
    n = view.result.provenance.data.get("train", {}).get("rows")
    return "" if n is None or is_checkpoint else f"with {count(n)} training texts "


def _frozen_row(view: View) -> Iterator[SummaryRow]:
    """Yield the row of the best probe of the frozen encoder, with which the heads are compared."""
    for claim in view.stated("frozen_probe"):
        accuracy = percent(value(claim, "accuracy"))
        site = erasure.site(claim)
        score = SummaryCell(accuracy, confidence(claim.interval), f"{site}, {_note(claim)}")
        absent = SummaryCell(MISSING)
        yield SummaryRow("frozen probe", None, (), (score, *[absent] * 4))


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
    """Return a loss of accuracy as a negative change."""
    if claim is None:
        return SummaryCell(MISSING)
    change = points(-value(claim, "accuracy_loss"))
    return SummaryCell(change, confidence(_negative(claim.interval)), _note(claim))


def _erasure_cell(claim: Claim | None) -> SummaryCell:
    """Return the change of accuracy by erasure minus that by random subspaces, and its site."""
    if claim is None:
        return SummaryCell(MISSING)
    random = value(claim, "random")
    excess = value(claim, "accuracy_loss")
    if math.isfinite(random):
        excess -= random
    site = erasure.site(claim)
    note = ", ".join(filter(None, (site, _note(claim))))
    return SummaryCell(points(-excess), confidence(_negative(claim.interval)), note)


def _negative(limits: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if limits is None else (-limits[1], -limits[0])


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
    """Return what was trained, as the first paragraph of the page; empty where no head was fine-tuned."""
    if view.result.name != "heads":
        return ""
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
