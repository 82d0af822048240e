"""Word means: the words with the highest and the lowest mean scores over texts drawn at random."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from probes.checks import SMALLEST_EFFECT
from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import dots
from reports.charts.canvas import Label
from reports.lookup import View, by_head
from reports.text.wording import (
    between,
    clean,
    count,
    listing,
    name,
    plural,
    sentence,
    signed,
)

EACH_SIDE = 12
"""Words of a figure for a class, and as many against it."""
FIRM = 3
"""Texts from which on a word is shown whatever its interval."""
MOST_CLASSES = 6
"""Classes of a label column that are drawn; the table holds the others too."""
MOST_WORDS = 40
"""Rows of a class in the table."""
MOST_LISTED = 24
"""Classes of the table, and of a list in a sentence."""
SAID = 2
WEAK = "weak ground: one text"


def section(view: View) -> Section | None:
    """Return the words with the highest and the lowest means over all texts."""
    verdict, parts = list[str](), list[Part]()
    for task in view.tasks:
        heads = by_head(view.table("word_means", task))
        for head, means in heads:
            several = len(heads) > 1
            who = view.drawing_subject(task, head)
            sentences, drawings = _classes(means, who, f"words-{len(parts) + 1}")
            if head == heads[0][0]:
                verdict += [view.about(task, text) for text in sentences]
            targets = list(dict.fromkeys(means["target"]))
            listed_targets = targets[:MOST_LISTED]
            rows = (row for target in listed_targets for row in _rows(str(target), means[means["target"] == target]))
            heading = ("class", "word", "mean score", "95 % interval", "texts", "times", "")
            caption = (
                f"The {MOST_WORDS} strongest words of each class; every word: tables/word_means.csv. A word of one "
                "text has no interval."
            )
            if len(targets) > len(listed_targets):
                caption += f" The first {count(len(listed_targets))} of {count(len(targets))} classes."
            table = Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[2:6]))
            title = sentence(who) if several else view.heading(task)
            parts.append(Part(title, tuple(sentences) if head != heads[0][0] else (), drawings, (table,)))
    if not parts:
        return None
    verdict.insert(0, f"Means over {_number_of_texts(view)} drawn at random, with 95 % intervals.")
    notes = (
        "These are not the texts explained one by one, which were chosen. How many texts hold a word stands beside it.",
        f"Drawn are words whose interval leaves out 0, and words of {FIRM} or more texts. With many words, some "
        "intervals leave out 0 by chance.",
        "A mean hides what a word does in its sentence: after “not” it may count for the other class.",
    )
    return Section("Which words, over all texts", "words", tuple(verdict), tuple(parts), notes)


def _classes(means: pd.DataFrame, who: str, anchor: str) -> tuple[list[str], tuple[Drawing, ...]]:
    """Return a sentence and a drawing for each class with reliable words, up to `MOST_CLASSES` classes."""
    strong = {str(target): _strongest_words(of_target) for target, of_target in means.groupby("target", sort=False)}
    firm = [target for target, of_target in strong.items() if len(of_target)]
    drawn_targets = firm[:MOST_CLASSES]
    sentences = [_strongest_sentence(target, strong[target]) for target in drawn_targets]
    if missing := [name(target) for target in strong if target not in firm]:
        sentences.append(f"For {_listed(missing)} no word is in texts enough to tell.")
    if more := [name(target) for target in firm[MOST_CLASSES:]]:
        sentences.append(f"The table holds {_listed(more)}, too.")
    drawings = (_chart(target, strong[target], f"{anchor}-{i}", who) for i, target in enumerate(drawn_targets, start=1))
    return sentences, tuple(drawings)


def _listed(names: list[str]) -> str:
    """Return names in a sentence; of many only the first."""
    rest = len(names) - MOST_LISTED
    return listing([*names[:MOST_LISTED], f"{count(rest)} others"] if rest > 0 else names)


def _number_of_texts(view: View) -> str:
    """Return how many texts the means are taken over, where the settings name it."""
    settings = view.result.settings.get("explain")
    n_requested = settings.get("words") if isinstance(settings, dict) else None
    rows = view.result.provenance.data.get("test", {}).get("rows", n_requested)
    return (
        plural(min(n_requested, rows), "test text")
        if isinstance(n_requested, int) and n_requested > 0
        else "test texts"
    )


def _strongest_words(means: pd.DataFrame) -> pd.DataFrame:
    """Return the words to draw, from the strongest for the class to the strongest against it."""
    firm = (means["lower"] > SMALLEST_EFFECT) | (means["upper"] < -SMALLEST_EFFECT) | (means["n_texts"] >= FIRM)
    ranked = means[firm].sort_values("mean", ascending=False, kind="stable")
    behind = (ranked["mean"] < 0).to_numpy().nonzero()[0][-EACH_SIDE:]
    return ranked.iloc[[*(ranked["mean"] > 0).to_numpy().nonzero()[0][:EACH_SIDE], *behind]]


def _strongest_sentence(target: str, strong: pd.DataFrame) -> str:
    """Return the strongest words on each side, in a sentence."""
    sides = []
    for side, rows in (("for", strong[strong["mean"] > 0]), ("against", strong[strong["mean"] < 0].iloc[::-1])):
        strongest = [
            f"“{name(r.word, 30)}” {signed(r.mean)} ({between((r.lower, r.upper))}; {plural(r.n_texts, 'text')})"
            for r in rows.head(SAID).itertuples()
        ]
        sides += [f"{side} it {listing(strongest)}"] if strongest else []
    return f"What speaks most for {name(target)}: {'; '.join(sides)}.".replace(": for it ", ": ", 1)


def _chart(target: str, strong: pd.DataFrame, anchor: str, who: str) -> Drawing:
    """Return a row for each word, with its mean score and interval."""
    sides = {True: f"for {name(target, 30)}", False: f"against {name(target, 30)}"}
    data = strong.assign(
        group=[sides[mean > 0] for mean in strong["mean"]],
        row=strong["word"],
        value=strong["mean"],
        note=[plural(int(n), "text") for n in strong["n_texts"]],
    )
    description = "; ".join(
        f"{name(r.word, 30)} {signed(r.mean)} ({between((r.lower, r.upper))}), {r.note}" for r in data.itertuples()
    )
    label = Label(anchor, f"Words that count most for and against {name(target)}, {who}", f"{description}.")
    svg = dots.dots(data, label, quantity="mean score of the word")
    return Drawing(svg, f"{sentence(name(target))}, explained for {who}. Lines: 95 % intervals.")


def _rows(target: str, means: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield the strongest words, reliable or not; words of one text are marked."""
    strongest = means.reindex(means["mean"].abs().sort_values(ascending=False, kind="stable").index).head(MOST_WORDS)
    for r in strongest.sort_values("mean", ascending=False, kind="stable").itertuples():
        ground = WEAK if r.n_texts == 1 else ""
        limits = between((r.lower, r.upper))
        yield name(target), clean(str(r.word), 60), signed(r.mean), limits, count(r.n_texts), count(r.n), ground
