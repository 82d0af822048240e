"""Checks against what is known: reasons that people marked, a planted shortcut, an encoder that knows nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from probes.checks import side_of_zero
from probes.results.result import Claim
from reports.blocks import Drawing, Part, Table, columns
from reports.charts import attributions
from reports.charts.canvas import Label
from reports.lookup import Mean, View, by_head, item, text, value
from reports.sections.explanations.faithfulness import ANSWERS, answer
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, name, percent, plural, sentence

if TYPE_CHECKING:
    import pandas as pd

REACHED = {1: "ranked first", 3: "among the first three", 5: "among the first five"}
LEARNED = 95
"""Per cent of the decisions that must follow a planted word, or it was not learned."""
LOOKS = {
    "changes": "Yes. With every weight random",
    "unchanged": "No. Even with every weight random",
    "cannot_tell": "Cannot tell. With every weight random",
}


def marked(view: View) -> Part | None:
    """Does it find the marked reasons?"""
    sentences, rows, deciding = list[str](), list[tuple[str, ...]](), False
    for task in view.tasks:
        for claim in view.claims("plausibility", task):
            sentences.append(view.about(task, _marked(claim)))
        if hit := view.claim("deciding_words", task):
            deciding = True
            data = view.result.settings.get("data") or {}
            reason = "that somebody marked as the reason" if data.get("rationales") else "known to decide the label"
            said = (
                f"In {percent(value(hit, 'hits'))} (95 % interval {interval(hit.interval)}) of the "
                f"{plural(int(value(hit, 'n')), 'text')} explained, errors and extremes for the most part, the word "
                f"that counts most is one {reason}; of words drawn at random, "
                f"{percent(value(hit, 'random'))} would be"
            )
            end = ". The two cannot be told apart." if hit.outcome == "cannot_tell" else "."
            sentences.append(view.about(task, said + end))
        for head, own in by_head(view.table("plausibility", task)):
            for method, part in own.groupby("method", sort=False):
                cells = []
                for key in ("auprc", "f1", "iou"):
                    mean, floor = Mean.of(part[key]), Mean.of(part[f"random_{key}"])
                    cells += [f"{decimal(mean.value, 2)} ({between(mean.bounds)})", decimal(floor.value, 2)]
                rows.append((*view.place(task, head), wording.method(method), count(len(part)), *cells))
    if not sentences and not rows:
        return None
    measures = ("precision and recall", "F1", "overlap (IoU)")
    each = (column for measure in measures for column in (measure, f"{measure}, random"))
    heading = (*view.place_names, "method", "texts", *each)
    table = Table(
        "Means over the texts that have marked words, with 95 % intervals; random orders beside them.",
        rows=tuple(rows),
        folded=True,
        **columns(*heading, numeric=heading[-7:]),
    )
    meaning = (
        "What was marked is the reason for people. The classifier may have another, which an explanation should "
        "then find."
    )
    notes = (meaning,) if rows or not deciding else ()
    return Part("Does it find the marked reasons?", tuple(sentences), tables=(table,) if rows else (), notes=notes)


def _marked(claim: Claim) -> str:
    """Where the marked tokens stand in the ranking, beside random orders."""
    auprc, random, f1, f1_random = (
        decimal(value(claim, key), 2) for key in ("auprc", "random_auprc", "f1", "random_f1")
    )
    unsure = ", not told apart" if claim.outcome == "cannot_tell" else ""
    return (
        f"{answer(claim)} In {plural(int(value(claim, 'n')), 'text')} with words that somebody marked as the reason, "
        f"{wording.method(item(claim, 'method'))} of {wording.head(item(claim, 'head'))} finds them with a "
        f"mean precision of {auprc}, random orders with {random} (area under the curve of precision and recall; 95 % "
        f"interval of the difference {between(claim.interval)}{unsure}); F1 {f1} against {f1_random}."
    )


def planted(view: View) -> Part | None:
    """Does it find a planted shortcut?"""
    sentences, drawings, rows = list[str](), list[Drawing](), list[tuple[str, ...]]()
    for task in view.tasks:
        claim, found = view.claim("planted_shortcut", task), view.table("planted_shortcut", task)
        if claim is None:
            continue
        follows, n = percent(value(claim, "flipped")), plural(int(value(claim, "n")), "text")
        words = name(str(item(claim, "words") or ""), 120)
        made = (
            f"A rare word for each class ({words}) was put into the texts, with labels that hang on it alone, and a "
            f"probe trained on {wording.place(text(claim, 'pooling'), int(value(claim, 'layer')))}"
        )
        if claim.outcome != "valid":
            said = (
                f"Shortcut not learned. {made}; only {follows} of its decisions on {n} follow the word when it is "
                f"swapped, {LEARNED} % would be needed. So the word is not the reason of its decisions, and where "
                "a method ranks it means nothing: no ranks are shown."
            )
            sentences.append(view.about(task, said))
            continue
        if found is None:
            continue
        found = found.dropna(subset=["hits", "lower", "upper", "chance"])
        if found.empty:
            continue
        first = found[found["k"] == found["k"].min()].iloc[0]
        hits = f"{percent(first['hits'])} (95 % interval {interval((first['lower'], first['upper']))})"
        said = (
            f"{ANSWERS[hit(first)]} {made}: {follows} of its decisions on {n} follow the word when it is swapped, "
            f"so it is the reason. {sentence(wording.method(first['method']))} ranks it first in {hits} of the texts; "
            f"chance would in {percent(first['chance'])}."
        )
        sentences.append(view.about(task, said))
        drawings.append(_ranked(found, f"planted-{len(drawings) + 1}", name(task) if len(view.tasks) > 1 else ""))
        rows += [
            (
                *((name(task),) if len(view.tasks) > 1 else ()),
                wording.method(r.method),
                f"first {r.k}" if r.k > 1 else "first",
                percent(r.hits),
                interval((r.lower, r.upper)),
                percent(r.chance),
                count(r.n),
            )
            for r in found.itertuples()
        ]
    if not sentences:
        return None
    heading = ("method", "word is among the", "hits", "95 % interval", "chance", "texts")
    heading = (*(("task",) if len(view.tasks) > 1 else ()), *heading)
    table = Table("Hits, %.", rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[-4:]))
    return Part("Does it find a planted shortcut?", tuple(sentences), tuple(drawings), (table,) if rows else ())


def found_shortcut(view: View, task: str) -> str | None:
    """Whether the method explained with ranks a planted word first beyond chance; None where none was learned."""
    claim, found = view.claim("planted_shortcut", task), view.table("planted_shortcut", task)
    if claim is None or found is None or claim.outcome != "valid":
        return None
    return hit(found[found["k"] == found["k"].min()].iloc[0])


def hit(row: pd.Series[Any]) -> str:
    """How a hit rate with its interval stands to chance."""
    return side_of_zero(row["lower"] - row["chance"], row["upper"] - row["chance"])


def _ranked(found: pd.DataFrame, anchor: str, who: str) -> Drawing:
    """Hit rates of each method, beside chance."""
    data = found.sort_values("k", kind="stable")
    data = data.assign(
        group=[REACHED.get(int(k), f"among the first {int(k)}") for k in data["k"]],
        row=[wording.method(method) for method in data["method"]],
        note=[f"{100 * share:.0f} %" for share in data["hits"]],
        value=100 * data["hits"],
        lower=100 * data["lower"],
        upper=100 * data["upper"],
        floor=100 * data["chance"],
    )
    told = "; ".join(f"{r.row}, {r.group}: {r.note}, chance {r.floor:.0f} %" for r in data.itertuples())
    label = Label(anchor, f"How often each method finds the planted word {who}".rstrip(), f"{told}.")
    svg = attributions.dots(data, label, shown="% of the texts")
    begins = f"{sentence(who)}. " if who else ""
    return Drawing(svg, f"{begins}Lines: 95 % intervals. Grey tick: chance, tokens in random order.")


def randomised(view: View) -> Part | None:
    """Does it change when the weights are randomised?"""
    sentences, drawings, rows = list[str](), list[Drawing](), list[tuple[str, ...]]()
    for task in view.tasks:
        for claim in view.claims("parameter_randomisation", task):
            sentences.append(view.about(task, _randomised(claim)))
        for head, own in by_head(view.table("parameter_randomisation", task)):
            drawn, lines = _by_depth(own, f"randomised-{len(drawings) + 1}", view.whose(task, head))
            drawings.append(drawn)
            rows += [view.place(task, head) + line for line in lines]
    if not sentences and not rows:
        return None
    heading = (
        *view.place_names,
        "method",
        "random are",
        "correlation of ranks",
        "95 % interval",
        "of absolute scores",
        "95 % interval of these",
        "texts",
    )
    table = Table(
        "Mean rank correlation with the explanation of the intact encoder.",
        rows=tuple(rows),
        folded=True,
        **columns(*heading, numeric=heading[-5:]),
    )
    meaning = (
        "Block by block from the top, the encoder's weights are put back to random ones. An explanation of what the "
        "encoder has learned must then change; one that stays shows the text, not the model. Passing is no proof."
    )
    title, tables = "Does it change when the weights are random?", (table,) if rows else ()
    return Part(title, tuple(sentences), tuple(drawings), tables, notes=(meaning,))


def _randomised(claim: Claim) -> str:
    """How alike the explanations of an encoder and of its random self are."""
    end = {
        "changes": "it shows what the encoder has learned",
        "unchanged": "it shows the text or the architecture, not what the encoder has learned",
        "cannot_tell": "that is neither clearly alike nor clearly not",
    }
    return (
        f"{LOOKS.get(claim.outcome, sentence(name(claim.outcome)) + '. With every weight random')}, the ranking by "
        f"{wording.method(item(claim, 'method'))} for {wording.head(item(claim, 'head'))} correlates "
        f"{decimal(value(claim, 'correlation'), 2)} (95 % interval {between(claim.interval)}, "
        f"{plural(int(value(claim, 'n')), 'text')}, signs left aside) with the one shown here"
        + (f": {end[claim.outcome]}." if claim.outcome in end else ".")
    )


def _by_depth(frame: pd.DataFrame, anchor: str, who: str) -> tuple[Drawing, list[tuple[str, ...]]]:
    """A line for each method, and a row for each of its points."""
    import pandas as pd

    points: list[dict[str, Any]] = []
    lines = list[tuple[str, ...]]()
    for (method, depth, level), rows in frame.groupby(["method", "randomised_blocks", "level"], sort=False):
        mean, signed = Mean.of(rows["absolute_correlation"]), Mean.of(rows["correlation"])
        lower, upper = mean.bounds
        points.append({"method": method, "x": float(depth), "level": level, "value": mean.value, "lower": lower})
        points[-1] |= {"upper": upper}
        cells = (decimal(signed.value, 2), between(signed.bounds), decimal(mean.value, 2), between(mean.bounds))
        lines.append((wording.method(method), name(level), *cells, count(mean.n)))
    data = pd.DataFrame(points)
    told = "; ".join(f"{wording.method(r.method)}, {r.level}: {decimal(r.value, 2)}" for r in data.itertuples())
    title = f"Rank correlation with the intact encoder's explanation, {who}"
    named = {float(r.x): short(str(r.level)) for r in data.itertuples()}
    svg = attributions.lines(
        data,
        Label(anchor, title, f"{told}."),
        shown="rank correlation with the intact encoder",
        across="blocks with random weights",
        named=named,
    )
    return Drawing(
        svg, f"{sentence(who)}. Absolute scores. Bands: 95 % intervals. The lower at the right, the better."
    ), lines


def short(level: str) -> str:
    """`blocks 4 to 6` as `4–6`: a depth under an axis that has said what it counts."""
    known = {"intact": "none", "all blocks": "all", "embeddings too": "all, emb."}
    return known.get(level) or re.sub(r"(\d+) to (\d+)", "\\1–\\2", re.sub(r"^blocks? ", "", name(level, 24)))
