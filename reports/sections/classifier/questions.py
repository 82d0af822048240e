"""The first screen about a fine-tuned classifier: the answer in three sentences, and a table of the heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probes.results.result import Claim
from reports.blocks import Answer
from reports.lookup import View, item, n_of_claims, value
from reports.sections.classifier import erasure
from reports.text import wording
from reports.text.wording import (
    confidence,
    count,
    listing,
    name,
    percent,
    plural,
    sample_size,
    sentence,
    unsigned_points,
)

READERS = ("pooler", "cls", "mean")
"""Heads that are fine-tuned, by the vector that they read."""


def answer(view: View) -> Answer | None:
    """Return the answer in words, for the title and for summaries in Markdown; None where no head was fine-tuned."""
    scored = view.stated("fine_tuned_accuracy")
    if not scored:
        return None
    headline, *sentences = takeaways(view) or ("",)
    for claim in scored:
        accuracy = f"{percent(value(claim, 'accuracy'))}{confidence(claim.interval, before=' [95 % CI] ')}"
        sentences.append(f"{sentence(wording.short_head(item(claim, 'head')))}: test accuracy {accuracy}.")
    return Answer(name(scored[0].task or "the classifier"), "", headline, tuple(sentences), "", None)


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
    sample = sample_size(n_of_claims(claims))
    if not dependent:
        losses = _losses(independent)
        yield f"No head depends on [CLS] at layer {layer}: ablating it there costs {losses} points{sample}."
        return
    first_layers = {int(value(claim, "first_layer")) for claim in dependent}
    since = f"only at layer {layer}" if first_layers == {int(layer)} else f"from layer {min(first_layers)} on"
    rest = f", {_losses(independent)} points (not significant)" if independent else ""
    where = "there" if since.startswith("only") else f"at layer {layer}"
    yield f"[CLS] carries the decision {since}: ablating it {where} costs {_losses(dependent)} points{rest}{sample}."


def _losses(claims: Sequence[Claim]) -> str:
    """Return `the pooler head 20.0 [12.0, 28.0] and the [CLS] head 26.0 [17.0, 35.0]`."""
    losses = list[str]()
    for claim in claims:
        loss = unsigned_points(value(claim, "accuracy_loss"))
        losses.append(f"{wording.head(item(claim, 'head'))} {loss}{confidence(claim.interval, before=' ')}")
    return listing(losses)


def _decodability_sentence(view: View) -> Iterator[str]:
    """Yield whether fine-tuning makes the label more decodable from the last [CLS]."""
    claims = view.stated("cls_change")
    if not claims:
        return
    higher = [claim for claim in claims if claim.outcome == "above"]
    unchanged = [claim for claim in claims if claim.outcome != "above"]
    sample = sample_size(n_of_claims(claims))
    if not higher:
        opening = "Fine-tuning does not make the label significantly more decodable from [CLS]"
        yield f"{opening} ({_change(claims)}){sample}."
        return
    heads = listing(wording.head(item(claim, "head")) for claim in higher)
    if unchanged:
        rest = f", not significantly with {listing(wording.head(item(claim, 'head')) for claim in unchanged)}"
        which = f" with {heads}{rest}"
    else:
        which = " whichever head is trained" if len(higher) > 1 else ""
    yield f"Fine-tuning makes the label more decodable from [CLS] ({_change(higher)}){which}{sample}."


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
    sample = sample_size(n_of_claims(claims))
    above = [claim for claim in claims if claim.outcome == "above"]
    below = [claim for claim in claims if claim.outcome == "below"]
    if above:
        verb = "exceeds" if len(above) == 1 else "exceed"
        exceeding = opening.format(f"{_heads(above)} {verb}")
        yield sentence(f"{exceeding} by {_gains(above)} points{sample}.")
        return
    rest = f"; {_heads(below)} is below it by {_gains(below)} points" if below else ""
    subject = "no head exceeds" if len(claims) > 1 else f"{_heads(claims)} does not exceed"
    yield sentence(f"{opening.format(subject)}{rest}{sample}.")


def _heads(claims: Sequence[Claim]) -> str:
    return listing(wording.head(item(claim, "head")) for claim in claims)


def _gains(claims: Sequence[Claim]) -> str:
    """Return differences without their sign, each with its interval."""
    gains = list[str]()
    for claim in claims:
        limits = claim.interval
        if limits is not None and value(claim, "difference") < 0:
            limits = (-limits[1], -limits[0])
        gains.append(f"{unsigned_points(abs(value(claim, 'difference')))}{confidence(limits, before=' ')}")
    return listing(gains)


def _training_size(view: View) -> str:
    """Return `with 1,000 training texts `; empty where the classifier came fine-tuned, or where it is not known."""
    is_checkpoint = any(item(claim, "head") == "checkpoint" for claim in view.stated("fine_tuned_accuracy"))
    n = view.result.provenance.data.get("train", {}).get("rows")
    return "" if n is None or is_checkpoint else f"with {count(n)} training texts "


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
