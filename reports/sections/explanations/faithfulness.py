"""Checks by taking tokens out: whether the decision rests on those that an explanation ranks first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Table, columns
from reports.charts import attributions
from reports.charts.canvas import Label
from reports.lookup import Mean, View, by_head, item, text, value
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, name, percent, plural, sentence

if TYPE_CHECKING:
    import pandas as pd

ANSWERS = {"above": "Yes.", "below": "No.", "cannot_tell": "Cannot tell."}
"""Outcome -> the answer to a check's question."""
RANDOM = "Grey tick: random orders."
POINTS = {"comprehensiveness": "without the first tokens: more is better"}
POINTS |= {"sufficiency": "with the first tokens alone: less is better"}


def faithful(view: View) -> Part | None:
    """Do the tokens ranked first matter?"""
    sentences, drawings, rows = list[str](), list[Drawing](), list[tuple[str, ...]]()
    for task in view.tasks:
        claims = view.claims("faithfulness", task)
        for head in dict.fromkeys(text(claim, "head") for claim in claims):
            first, *others = [claim for claim in claims if text(claim, "head") == head]
            sentences.append(view.about(task, _erased(first)))
            if others:
                sentences.append(view.about(task, _others(others, head)))
        for head, own in by_head(with_method(view, view.table("faithfulness", task))):
            measured = own.dropna(subset=["comprehensiveness"])
            if len(measured):
                anchor = f"faithful-{len(drawings) + 1}"
                drawn, lines = _orders(measured, claims, head, anchor, view.whose(task, head))
                drawings.append(drawn)
                rows += [view.place(task, head) + line for line in lines]
    heading = (
        *view.place_names,
        "method",
        "texts",
        "lost without the first, points",
        "without random ones",
        "95 % interval of the difference",
        "lost with the first alone, points",
        "with random ones alone",
        "log-odds without the first, nats",
        "log-odds without random ones",
    )
    if not sentences and not rows:
        return None
    caption = "Means over the texts and over 1 to 50 % of their tokens; every text and order: tables/faithfulness.csv."
    table = Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[-8:]))
    meaning = (
        "Taken out: the 1, 5, 10, 20 and 50 % of a text's own tokens that score highest (one at least), each replaced "
        "by the mask token, where there is one; mean over the five. Broken texts confuse any classifier, so random "
        "tokens cost something too: only what goes beyond them counts.",
    )
    tables = (table,) if rows else ()
    return Part("Do the tokens ranked first matter?", tuple(sentences), tuple(drawings), tables, notes=meaning)


def _erased(claim: Claim) -> str:
    """What became of the explained class's probability without the tokens that were ranked first."""
    keys = [f"{order}{key}" for key in ("comprehensiveness", "sufficiency") for order in ("", "random_")]
    lost, floor, alone, random = (wording.points(value(claim, key)).lstrip("+") for key in keys)
    unsure = ", not told apart" if claim.outcome == "cannot_tell" else ""
    by = f" by {wording.method(text(claim, 'method'))}" if "method" in claim.numbers else ""
    return (
        f"{answer(claim)} Over {plural(int(value(claim, 'n')), 'text')}: without the tokens ranked first{by}, "
        f"{wording.head(text(claim, 'head'))} gives the explained class {lost} points less probability; without as "
        f"many at random, {floor} points less (95 % interval of the difference {interval(claim.interval)}{unsure}). "
        f"With nothing but these tokens it gives {alone} points less, with random ones {random}."
    )


def _others(claims: list[Claim], head: object) -> str:
    """The same answer for the other methods."""
    said = [
        f"{so} by {listing(wording.method(item(c, 'method')) for c in own)}"
        for outcome, so in (("above", "yes"), ("cannot_tell", "cannot tell"), ("below", "no"))
        if (own := [c for c in claims if c.outcome == outcome])
    ]
    return f"Other ways to explain {wording.head(head)}: {'; '.join(said)}."


def _orders(
    frame: pd.DataFrame, claims: list[Claim], head: str, anchor: str, who: str
) -> tuple[Drawing, list[tuple[str, ...]]]:
    """A drawing and a row for each method: its own order beside random ones."""
    import pandas as pd

    points: list[dict[str, Any]] = []
    lines = []
    gaps = {item(c, "method"): c.interval for c in claims if text(c, "head") == head}
    for method, rows in frame.groupby("method", sort=False):
        is_own = rows["order"] == "attribution"
        means = []
        for key in (*POINTS, "log_odds"):
            own, random = (Mean.of(part.groupby("text_id")[key].mean()) for part in (rows[is_own], rows[~is_own]))
            means += [own, random]
            if key in POINTS:
                limits = ((100 * end for end in each.bounds) for each in (own, random))
                (lower, upper), (below, above) = limits
                points.append(
                    {"group": POINTS[key], "row": wording.method(method), "value": 100 * own.value, "lower": lower}
                    | {"upper": upper, "floor": 100 * random.value, "floor_lower": below, "floor_upper": above}
                )
        lost, lost_random, kept, kept_random, odds, odds_random = means
        per_text = rows[is_own].groupby("text_id")["comprehensiveness"].mean()
        gap = Mean.of(per_text - rows[~is_own].groupby("text_id")["comprehensiveness"].mean()).bounds
        shown = gaps.get(str(method)) or gap
        lines.append(
            (
                wording.method(method),
                count(lost.n),
                *(wording.points(each.value).lstrip("+") for each in (lost, lost_random)),
                interval(shown),
                *(wording.points(each.value).lstrip("+") for each in (kept, kept_random)),
                *(decimal(each.value, 2) for each in (odds, odds_random)),
            )
        )
    data = pd.DataFrame(points).sort_values(
        "group", key=lambda groups: groups.map(list(POINTS.values()).index), kind="stable"
    )
    told = "; ".join(
        f"{r.row}, {r.group}: {decimal(r.value, 1)}, random {decimal(r.floor, 1)}" for r in data.itertuples()
    )
    label = Label(anchor, f"What erasing tokens costs {who}, beside random orders", f"{told}.")
    svg = attributions.dots(data, label, shown="points of probability lost")
    return Drawing(svg, f"{sentence(who)}. Lines: 95 % intervals. {RANDOM}"), lines


def curves(view: View) -> Part | None:
    """Does the decision fall, and come back, sooner than by chance?"""
    sentences, drawings, rows = list[str](), list[Drawing](), list[tuple[str, ...]]()
    for task in view.tasks:
        for head, own in by_head(view.table("perturbation_curves", task)):
            own = own.dropna(subset=["deletion", "insertion"])
            if own.empty:
                continue
            who, n = view.whose(task, head), int(own["n"].iloc[0])
            areas = own.groupby("method", sort=False)[["deletion", "insertion"]].mean()
            named = [key for key in areas.index if key != "random"]
            if named and "random" in areas.index:
                mine, floor = areas.loc[named[0]], areas.loc["random"]
                fits = mine["deletion"] < floor["deletion"], mine["insertion"] > floor["insertion"]
                opening = "On average, yes." if all(fits) else "In one of the two." if any(fits) else "On average, no."
                said = (
                    f"{opening} As the tokens that {wording.method(named[0])} ranks first go one by one, "
                    f"{wording.head(head)} gives the class {percent(mine['deletion'])} on average along the way, in "
                    f"random order {percent(floor['deletion'])} (the lower, the better); as they come back, "
                    f"{percent(mine['insertion'])} against {percent(floor['insertion'])} (the higher, the better). "
                    f"Means over {plural(n, 'text')}, without an interval."
                )
                sentences.append(view.about(task, said))
            for key, verb in (("deletion", "taken out"), ("insertion", "put back")):
                anchor = f"{key}-{len(drawings) // 2 + 1}"
                drawings.append(_curve(own, key, f"share of the tokens {verb}, %", anchor, who))
            rows += [
                (
                    *view.place(task, head),
                    wording.method(key),
                    percent(area.deletion),
                    percent(area.insertion),
                    count(n),
                )
                for key, area in zip(areas.index, areas.itertuples(), strict=True)
            ]
    if not drawings:
        return None
    heading = (*view.place_names, "method", "mean while taken out", "mean while put back", "texts")
    table = Table(
        "Mean probability of the explained class along each curve; every point: tables/perturbation_curves.csv.",
        rows=tuple(rows),
        folded=True,
        **columns(*heading, numeric=heading[-3:]),
    )
    return Part(
        "Does the decision fall, and come back, sooner than by chance?", tuple(sentences), tuple(drawings), (table,)
    )


def _curve(frame: pd.DataFrame, key: str, across: str, anchor: str, who: str) -> Drawing:
    """The mean probability of the explained class, method by method."""
    data = frame.assign(x=100 * frame["share"], value=100 * frame[key])
    told = "; ".join(
        f"{wording.method(method)} from {ends[0]:.0f} % over {ends[len(ends) // 2]:.0f} % to {ends[-1]:.0f} %"
        for method, rows in data.groupby("method", sort=False)
        for ends in (rows["value"].tolist(),)
    )
    label = Label(anchor, f"Probability of the explained class by {across}, {who}", f"{told}.")
    named = {float(x): f"{x:.0f}" for x in (0, 25, 50, 75, 100)}
    svg = attributions.lines(data, label, shown="probability of the explained class, %", across=across, named=named)
    better = "The sooner it falls, the better." if key == "deletion" else "The sooner it rises, the better."
    return Drawing(svg, f"{sentence(who)}. {better} Dashed: random order.")


def infidelity(view: View) -> Part | None:
    """Do the scores foretell what small changes do?"""
    sentences, rows = list[str](), list[tuple[str, ...]]()
    for task in view.tasks:
        for head, own in by_head(view.table("infidelity", task)):
            means = {str(key): Mean.of(part["value"]) for key, part in own.groupby("method", sort=False)}
            ranked = sorted((key for key in means if key != "random"), key=lambda key: means[key].value)
            rows += [
                (*view.place(task, head), wording.method(key), decimal(m.value), between(m.bounds, 3), count(m.n))
                for key, m in means.items()
            ]
            if not ranked:
                continue
            least = means[ranked[0]]
            said = (
                f"Explaining {wording.head(head)}, {wording.method(ranked[0])} misses what changes of the input do by "
                f"{decimal(least.value)} on average (95 % interval {between(least.bounds, 3)}, "
                f"{plural(least.n, 'text')})"
            )
            if len(ranked) == 1:
                said += "; the number means little without another method beside it."
            else:
                then = means[ranked[1]]
                apart = least.bounds[1] < then.bounds[0]
                said += f", {wording.method(ranked[1])} by {decimal(then.value)} ({between(then.bounds, 3)})" + (
                    ": the least of all methods." if apart else ". Cannot tell which is better: the intervals overlap."
                )
            sentences.append(view.about(task, said))
    if not rows:
        return None
    heading = (*view.place_names, "method", "infidelity", "95 % interval", "texts")
    table = Table("Smaller is better.", rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[-3:]))
    meaning = (
        "Infidelity: the mean squared difference between what the scores say a change of the input would do to the "
        "explained output, and what it does."
    )
    return Part("Do the scores foretell what a change does?", tuple(sentences), tables=(table,), notes=(meaning,))


def answer(claim: Claim) -> str:
    """`Yes.`, `No.` or `Cannot tell.`"""
    return ANSWERS.get(claim.outcome, f"{sentence(name(claim.outcome))}.")


def with_method(view: View, frame: pd.DataFrame | None) -> pd.DataFrame | None:
    """Rows that name no method are of the one that was explained with."""
    if frame is None or "method" in frame:
        return frame
    return frame.assign(method=next((a.method for a in view.result.attributions), "integrated_gradients"))
