"""The questions that people ask of a fine-tuned classifier and its [CLS], answered in words from claims, by rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from probes.results.result import Claim
from reports.blocks import Answer, Part, Section
from reports.lookup import View, item, value
from reports.sections.classifier import (
    ablation,
    cls_predictability,
    erasure,
    fine_tuning,
    gradient_flow,
    head_agreement,
)
from reports.text import wording
from reports.text.wording import (
    between,
    count,
    decimal,
    interval,
    listing,
    name,
    percent,
    place,
    plural,
    points,
    sentence,
)

READERS = ("pooler", "cls", "mean")
WHOLE = 0.9995
"""Share from which on all of a gradient is at one place, to the digits shown."""
POOLED = "tanh of one linear layer over the last hidden state of [CLS], and of no other token"
AGAIN = "a head may read the label again from other tokens"


def answer(view: View) -> Answer | None:
    """Return the first screen: accuracy of the best head, and how it compares; None where no head was fine-tuned."""
    scored = view.stated("fine_tuned_accuracy")
    if not scored:
        return None
    gain = next(iter(view.stated("fine_tuning_gain")), None)
    chosen = [c for c in scored if gain is not None and item(c, "head") == item(gain, "head")]
    best = (chosen or sorted(scored, key=lambda c: -value(c, "accuracy")))[0]
    head, task = item(best, "head"), best.task
    start = "As it was given, the classifier" if head == "checkpoint" else f"Fine-tuned with {wording.head(head)}, it"
    headline = f"{start} is right on {_accuracy(best)}."
    other_heads = [f"{wording.head(item(c, 'head'))} {_score(c)}" for c in scored if c is not best]
    sentences = [f"Beside it: {listing(other_heads)}."] if other_heads else []
    sentences += filter(None, (_comparisons(view), _frozen_gap(view, gain)))
    standing, good = _STANDING.get(gain.outcome if gain is not None else "", ("", None))
    return Answer(
        name(task or "the classifier"), percent(value(best, "accuracy")), headline, tuple(sentences), standing, good
    )


_STANDING: Mapping[str, tuple[str, bool | None]] = {
    "above": ("above the best frozen probe", True),
    "below": ("below the best frozen probe", False),
    "cannot_tell": ("not told apart from the best frozen probe", False),
}


def lead(view: View) -> str:
    """Return what was measured, as the first paragraph of the page; empty where no head was fine-tuned."""
    if view.result.name != "heads":
        return ""
    heads = [item(c, "head") for c in view.stated("fine_tuned_accuracy")]
    moved, reads = view.table("parameter_change"), [f"{wording.READS[key]}" for key in READERS if key in heads]
    frozen = moved is not None and not moved["relative"].fillna(0).any()
    if not reads:
        start = "A classifier that was fine-tuned before is set beside the encoder it began as."
    elif frozen:
        start = f"On one encoder, left as it is, classifiers were trained that read {listing(reads)}."
    else:
        times = {1: "", 2: " twice", 3: " three times"}.get(len(reads), "")
        read = listing(reads, "or")
        start = f"One encoder was fine-tuned{times} from the same weights, with a classifier that reads {read}."
    return (
        f"{start} What each layer tells of the label, where the loss enters, how [CLS] fills and what the classifier "
        "uses of it was measured on texts it had not seen."
    )


def section(view: View) -> Section | None:
    """Return each question with its answer."""
    parts = list[Part]()
    for question, (build, see) in QUESTIONS.items():
        if sentences := tuple(build(view)):
            parts.append(Part(question, sentences, see=see))
    if not view.stated("fine_tuned_accuracy") or not parts:
        return None
    notes = (
        "Made by rules from the numbers of this page; where an interval holds 0 the answer is “cannot tell”. Another "
        "draw of training texts could move every number.",
    )
    return Section("The questions, answered", "questions", (wording.BRACKETS,), tuple(parts), notes)


def _accuracy(claim: Claim) -> str:
    """Return `88.7 % of 1,821 test texts (mean of 3 seeds; 95 % interval 87.3 to 90.1)`."""
    n_seeds, n = value(claim, "n_seeds"), value(claim, "n")
    seeds = f"mean of {plural(int(n_seeds), 'seed')}; " if n_seeds > 1 else ""
    texts = f" of {count(n)} test texts" if n == n else ""
    return f"{percent(value(claim, 'accuracy'))}{texts} ({seeds}95 % interval {interval(claim.interval)})"


def _score(claim: Claim) -> str:
    return f"{percent(value(claim, 'accuracy'))} ({interval(claim.interval)})"


def _difference(view: View, head: str, other_head: str) -> tuple[str, float, tuple[float, float] | None] | None:
    """Return outcome, difference and interval of two heads, whichever of them the claim names first."""
    if claims := view.stated("fine_tuned_difference", head=head, other_head=other_head):
        return claims[0].outcome, value(claims[0], "difference"), claims[0].interval
    if claims := view.stated("fine_tuned_difference", head=other_head, other_head=head):
        bounds = claims[0].interval
        turned = {"above": "below", "below": "above"}.get(claims[0].outcome, claims[0].outcome)
        return turned, -value(claims[0], "difference"), None if bounds is None else (-bounds[1], -bounds[0])
    return None


def _comparison(view: View, head: str, other_head: str) -> str:
    """Return how one head compares with another, without a full stop; empty where they were not compared."""
    if (comparison := _difference(view, head, other_head)) is None:
        return ""
    outcome, gap, bounds = comparison
    first, second = wording.head(head), wording.head(other_head)
    if outcome == "cannot_tell":
        return f"cannot tell {first} from {second}: difference {points(gap)} points ({interval(bounds)})"
    way = "more" if outcome == "above" else "less"
    if outcome == "below":
        gap, bounds = -gap, None if bounds is None else (-bounds[1], -bounds[0])
    return f"{first} is right {way} often than {second}, by {points(gap).lstrip('+')} points ({interval(bounds)})"


def _comparisons(view: View) -> str:
    """Return whether the heads differ, in one sentence."""
    claims = view.stated("fine_tuned_difference")
    comparisons = [_comparison(view, str(item(c, "head")), str(item(c, "other_head"))) for c in claims]
    if len(claims) > 1 and all(c.outcome == "cannot_tell" for c in claims):
        gaps = listing(
            f"{wording.pooling(str(item(c, 'head')))} minus {wording.pooling(str(item(c, 'other_head')))} "
            f"{points(value(c, 'difference'))} ({interval(c.interval)})"
            for c in claims
        )
        return f"These test texts cannot tell the heads apart; in points: {gaps}."
    return f"{sentence('; '.join(comparisons))}." if comparisons else ""


def _frozen_gap(view: View, gain: Claim | None) -> str:
    """Return how far the fine-tuned accuracy is above the best probe of the pretrained encoder."""
    frozen = next(iter(view.stated("frozen_probe")), None)
    if gain is None:
        return ""
    where = ""
    if frozen is not None:
        at = place(str(item(frozen, "pooling")), name(item(frozen, "layer")))
        where = f", on {at} ({percent(value(frozen, 'accuracy'))})"
    gap, bounds = value(gain, "difference"), interval(gain.interval)
    if gain.outcome == "cannot_tell":
        return (
            f"Cannot tell it from the best probe of the frozen pretrained encoder{where}: difference {points(gap)} "
            f"points ({bounds})."
        )
    if gain.outcome == "below":
        bounds = interval(None if gain.interval is None else (-gain.interval[1], -gain.interval[0]))
    way = "above" if gain.outcome == "above" else "below"
    return (
        f"That is {points(abs(gap)).lstrip('+')} points ({bounds}) {way} the best probe of the frozen pretrained "
        f"encoder{where}."
    )


def _reads(view: View) -> Iterator[str]:
    """Yield which vector the classifier reads, and how much that matters."""
    scores = {str(item(c, "head")): c for c in view.stated("fine_tuned_accuracy")}
    if "checkpoint" in scores:
        enters = next(iter(view.stated("gradient_shares", head="checkpoint")), None)
        if enters is not None:
            alone = value(enters, "last_cls") >= WHOLE
            start = "The last hidden state of [CLS], and no other token's" if alone else "Not the last [CLS] alone"
            share = gradient_flow.last_share(view, enters)
            yield f"{start}: there {share} of the loss gradient enters."
        yield f"It is right on {_accuracy(scores['checkpoint'])}."
    if not {"pooler", "cls"} & scores.keys():
        return
    yield f"The standard classifier of BERT reads the pooled output: {POOLED}."
    accuracies = (
        [f"{percent(value(scores['pooler'], 'accuracy'))} with the pooled output"] if "pooler" in scores else []
    )
    accuracies += [f"{percent(value(scores['cls'], 'accuracy'))} with the hidden state"] if "cls" in scores else []
    if (gap := _difference(view, "pooler", "cls")) is not None:
        outcome, difference, bounds = gap
        starts = {"above": "The pooled output does better", "below": "The hidden state alone does better"}
        yield (
            f"{starts.get(outcome, 'Cannot tell which is better')}: right on {listing(accuracies)}, a difference of "
            f"{points(difference)} points ({interval(bounds)})."
        )
    else:
        yield f"Right on test: {listing(accuracies)}."
    if (random := view.claim("random_pooler")) is not None:
        reason = name(str(item(random, "reason") or ""), 300)
        yield f"The pooler of this encoder was never pretrained ({reason}): fine-tuning begins with a random one."


def _holds(view: View) -> Iterator[str]:
    """Yield how one token can represent a sentence."""
    predictability = list(cls_predictability.predictability_sentences(view))
    sentences = [*predictability[:2], *cls_predictability.attention_sentences(view)]
    if sentences:
        yield "By attention: [CLS] enters as the same vector whatever the text; what it later holds was brought there."
        yield from sentences


def _trained(view: View) -> Iterator[str]:
    """Yield whether [CLS] is trained because the loss enters through it."""
    gained = {str(item(c, "head")): c for c in view.stated("cls_change")}
    if gained:
        yield _short_answer({head: claim.outcome for head, claim in gained.items()})
        gains = listing(
            f"{points(value(c, 'difference'))} points ({interval(c.interval)}) with {wording.head(head)}"
            for head, c in gained.items()
        )
        yield f"What a probe reads from the last [CLS] changes by fine-tuning: {gains}."
    yield from gradient_flow.gradient_sentences(view)
    if rows := view.stated("cls_embedding_gradient"):
        more = listing(dict.fromkeys(f"{decimal(value(c, 'ratio'), 1)}{_brackets(c.interval, 1)}" for c in rows))
        by_occurrence = listing(dict.fromkeys(decimal(value(c, "per_occurrence_ratio"), 1) for c in rows))
        yield (
            f"Its own input embedding gets {more} times the gradient of the median row; as it stands in every text, "
            f"that is {by_occurrence} times for each occurrence. How far it moved does not show that: Adam's step "
            "size hardly depends on the gradient's."
        )


def _short_answer(outcomes: Mapping[str, str]) -> str:
    """Return the short answer, from the outcomes of [CLS] with each head."""
    through = [outcomes[key] for key in ("pooler", "cls", "checkpoint") if key in outcomes]
    mean = outcomes.get("mean")
    if "above" not in through:
        if mean == "above":
            return "Not for that reason: it gains where the classifier reads the mean; cannot tell that it does here."
        return "Cannot tell that the task trains it: its last vector says no more of the label than before."
    if mean == "above":
        return "It is trained, but not for that reason alone: it gains, too, where the classifier reads the mean."
    if mean == "below":
        return "So it seems: it gains where the loss enters through it, and loses where the classifier reads the mean."
    if mean is not None:
        return "It gains where the loss enters through it; cannot tell whether it does where the mean is read."
    return "It is trained: its last vector says more of the label than before."


def _mean(view: View) -> Iterator[str]:
    """Yield how a classifier on the mean compares."""
    gaps = {
        head: comparison for head in ("cls", "pooler") if (comparison := _difference(view, "mean", head)) is not None
    }
    outcomes = {outcome for outcome, *_ in gaps.values()}
    if gaps:
        starts = {
            "cannot_tell": "Cannot tell: after fine-tuning these texts give no reason for or against it.",
            "above": "No reason: after fine-tuning the mean does better.",
            "below": "Because after fine-tuning it does worse.",
        }
        start = starts.get(outcomes.pop() if len(outcomes) == 1 else "", "It depends on what it is set beside.")
        yield start
        yield f"{'. '.join(sentence(_comparison(view, 'mean', head)) for head in gaps)}."
    elif view.stated("fine_tuned_accuracy") and view.stated("frozen_probe"):
        yield "Cannot tell of this classifier: none on the mean stands beside it."
    if (frozen := next(iter(view.stated("frozen_probe")), None)) is not None:
        at = place(str(item(frozen, "pooling")), name(item(frozen, "layer")))
        yield (
            "Before fine-tuning the mean is a strong baseline (Mosbach et al. 2020): a probe on the pretrained last "
            f"layer's mean is right on {_last_layer_accuracy(view, frozen, 'mean')}, on its [CLS] on "
            f"{_last_layer_accuracy(view, frozen, 'cls')}; the best place of all, {at}, gives "
            f"{percent(value(frozen, 'accuracy'))} ({interval(frozen.interval)})."
        )


def _last_layer_accuracy(view: View, frozen: Claim, pooling: str) -> str:
    """Return the accuracy of a probe on the pretrained last layer, with its interval."""
    bounds = view.limits(
        "fine_tuned_layers", model="pretrained", pooling=pooling, layer=view.result.provenance.n_layers
    )
    return percent(value(frozen, f"{pooling}_last")) + ("" if bounds is None else f" ({interval(bounds)})")


def _use(view: View) -> Iterator[str]:
    """Yield whether information that is encoded is also used."""
    yield from erasure.verdict(view)
    yield from erasure.cost_sentences(view)
    yield from erasure.unused_sentence(view)
    yield from list(ablation.loss_sentences(view))[:1]
    if view.stated("erasure"):
        yield f"All this is the loss through that vector only: {AGAIN}."


def _tokens(view: View) -> Iterator[str]:
    """Yield whether the heads rank the same tokens first."""
    claims = view.stated("fine_tuned_head_agreement")
    if claims:
        start = "To a degree" if any(c.outcome == "above" for c in claims) else "Cannot tell that they do"
        top = max(claims, key=lambda c: value(c, "correlation"))
        highest = f"{decimal(value(top, 'correlation'), 2)}{_brackets(top.interval)}"
        yield f"{start}: the highest rank correlation of two is {highest}, where 1 is the same order."
    yield from head_agreement.agreement_sentences(view)
    yield from head_agreement.faithfulness_sentences(view)


def _clusters(view: View) -> Iterator[str]:
    """Yield why a plot of [CLS] after fine-tuning need not have clusters."""
    claims = view.stated("cls_change")
    if not claims:
        return
    if any(c.outcome == "above" for c in claims):
        yield (
            "The classes do lie apart there, along the few directions that a line finds. A plot of two components need "
            "not show them: neither PCA nor t-SNE looks at the label."
        )
    else:
        yield "As these numbers lead one to expect: cannot tell that the classes lie further apart than before."
    yield from fine_tuning.change_sentences(view)
    changed = [
        f"{decimal(value(c, 'cka'), 2)}{_brackets((value(c, 'cka_lower'), value(c, 'cka_upper')))} with "
        f"{wording.head(item(c, 'head'))}"
        for c in claims
        if value(c, "cka") == value(c, "cka")
    ]
    if changed:
        yield f"How far the last [CLS] changed, as linear CKA to the pretrained one (1: as before): {listing(changed)}."
    yield (f"Plot the last layer of the fine-tuned encoder: at layer 0 every text has the same [CLS]{_majority(view)}.")


def _brackets(bounds: Sequence[float] | None, digits: int = 2) -> str:
    """Return an interval in brackets, as it stands after its number; empty where there is none."""
    ends = between(bounds, digits)
    return "" if ends == wording.MISSING else f" ({ends})"


def _majority(view: View) -> str:
    curves = view.table("fine_tuned_layers")
    rows = None if curves is None else curves[curves["model"] == "majority"]
    if rows is None or not len(rows):
        return ""
    return f", and its probe is right on {percent(float(rows['value'].iloc[0]))}, as the majority is"


QUESTIONS: dict[str, tuple[Callable[[View], Iterator[str]], str]] = {
    "What does the classifier read: pooled output or hidden state?": (_reads, "training"),
    "How can one token hold a sentence?": (_holds, "fills"),
    "Is [CLS] trained because the loss enters through it?": (_trained, "entry"),
    "Why not the mean of the hidden states?": (_mean, "tuned"),
    "Is what is encoded also used?": (_use, "used"),
    "Do the heads look at the same tokens?": (_tokens, "same"),
    "I plotted [CLS] after fine-tuning and saw no clusters. Why?": (_clusters, "tuned"),
}
"""Question -> what answers it, and the section behind the answer."""
