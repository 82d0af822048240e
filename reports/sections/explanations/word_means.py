"""Word means: the words with the highest and the lowest mean scores over texts drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from probes.results.schema.columns import RELIABLE_TEXTS
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
MOST_CLASSES = 6
"""Classes of a label column that are drawn; the table holds the others too."""
MOST_WORDS = 40
"""Rows of a class in the table."""
MOST_LISTED = 24
"""Classes of the table, and of a list in a sentence."""
MOST_NAMED = 2
"""Words of a sentence for a class, and as many against it."""
WEAK = "weak ground: one text"


def section(view: View) -> Section | None:
    """Return the words with the highest and the lowest means over all texts."""
    verdict = [f"Means over {_number_of_texts(view)} drawn at random, with 95 % intervals."]
    parts = list[Part]()
    for task in view.tasks:
        heads = by_head(view.table("word_means", task))
        for head, means in heads:
            subject = view.drawing_subject(task, head)
            sentences, drawings = _classes(means, subject, f"words-{len(parts) + 1}")
            is_first = head == heads[0][0]
            if is_first:
                verdict += [view.about(task, text) for text in sentences]
            title = sentence(subject) if len(heads) > 1 else view.heading(task)
            part_sentences = () if is_first else tuple(sentences)
            parts.append(Part(title, part_sentences, drawings, (_table(means),)))
    if not parts:
        return None
    notes = (
        "These are not the texts explained one by one, which were chosen. How many texts hold a word stands beside it.",
        f"Drawn are words whose interval leaves out 0, and words of {RELIABLE_TEXTS} or more texts. With many words, "
        "some intervals leave out 0 by chance.",
        "A mean hides what a word does in its sentence: after “not” it may count for the other class.",
    )
    return Section("Which words, over all texts", "words", tuple(verdict), tuple(parts), notes)


def _classes(means: pd.DataFrame, subject: str, anchor: str) -> tuple[list[str], tuple[Drawing, ...]]:
    """Return a sentence and a drawing for each class with reliable words, up to `MOST_CLASSES` classes."""
    words_by_class = dict[str, pd.DataFrame]()
    without_words = list[str]()
    for target, of_target in means.groupby("target", sort=False):
        strongest = _strongest_words(of_target)
        if strongest.empty:
            without_words.append(name(target))
        else:
            words_by_class[str(target)] = strongest
    sentences = list[str]()
    drawings = list[Drawing]()
    for number, (target, strongest) in enumerate(list(words_by_class.items())[:MOST_CLASSES], start=1):
        sentences.append(_strongest_sentence(target, strongest))
        drawings.append(_chart(target, strongest, f"{anchor}-{number}", subject))
    if without_words:
        sentences.append(f"For {_listed(without_words)} no word is in texts enough to tell.")
    further = [name(target) for target in list(words_by_class)[MOST_CLASSES:]]
    if further:
        sentences.append(f"The table holds {_listed(further)}, too.")
    return sentences, tuple(drawings)


def _listed(names: list[str]) -> str:
    """Return names in a sentence; of many only the first."""
    n_further = len(names) - MOST_LISTED
    if n_further <= 0:
        return listing(names)
    return listing([*names[:MOST_LISTED], f"{count(n_further)} others"])


def _number_of_texts(view: View) -> str:
    """Return how many texts the means are taken over, where the settings name it."""
    settings = view.result.settings.get("explain")
    n_requested = settings.get("words") if isinstance(settings, dict) else None
    if not isinstance(n_requested, int) or n_requested <= 0:
        return "test texts"
    test = view.result.provenance.data.get("test", {})
    return plural(min(n_requested, test.get("rows", n_requested)), "test text")


def _strongest_words(means: pd.DataFrame) -> pd.DataFrame:
    """Return the words to draw, from the strongest for the class to the strongest against it."""
    reliable = means[means["reliable"].fillna(False).astype(bool)]
    ranked = reliable.sort_values("mean", ascending=False, kind="stable")
    in_favour = ranked[ranked["mean"] > 0].head(EACH_SIDE)
    against = ranked[ranked["mean"] < 0].tail(EACH_SIDE)
    return pd.concat([in_favour, against])


def _strongest_sentence(target: str, strongest: pd.DataFrame) -> str:
    """Return the strongest words on each side, in a sentence."""
    in_favour = [_word_phrase(row) for row in strongest[strongest["mean"] > 0].itertuples()]
    against = [_word_phrase(row) for row in strongest[strongest["mean"] < 0].iloc[::-1].itertuples()]
    sides = list[str]()
    if in_favour:
        sides.append(listing(in_favour[:MOST_NAMED]))
    if against:
        sides.append(f"against it {listing(against[:MOST_NAMED])}")
    return f"What speaks most for {name(target)}: {'; '.join(sides)}."


def _word_phrase(row: Any) -> str:
    """Return `“lovely” +0.90 (0.75 to 1.10; 3 texts)`."""
    limits = between((row.lower, row.upper))
    return f"“{name(row.word, 30)}” {signed(row.mean)} ({limits}; {plural(row.n_texts, 'text')})"


def _chart(target: str, strongest: pd.DataFrame, anchor: str, subject: str) -> Drawing:
    """Return a row for each word, with its mean score and interval."""
    target_name = name(target, 30)
    data = strongest.assign(
        group=[f"for {target_name}" if mean > 0 else f"against {target_name}" for mean in strongest["mean"]],
        row=strongest["word"],
        value=strongest["mean"],
        note=[plural(int(n), "text") for n in strongest["n_texts"]],
    )
    descriptions = list[str]()
    for row in data.itertuples():
        limits = between((row.lower, row.upper))
        descriptions.append(f"{name(row.word, 30)} {signed(row.mean)} ({limits}), {row.note}")
    title = f"Words that count most for and against {name(target)}, {subject}"
    label = Label(anchor, title, f"{'; '.join(descriptions)}.")
    svg = dots.dots(data, label, quantity="mean score of the word")
    return Drawing(svg, f"{sentence(name(target))}, explained for {subject}. Lines: 95 % intervals.")


def _table(means: pd.DataFrame) -> Table:
    """Return the strongest words of each class, reliable or not."""
    caption = (
        f"The {MOST_WORDS} strongest words of each class; every word: tables/word_means.csv. A word of one "
        "text has no interval."
    )
    targets = list(dict.fromkeys(means["target"]))
    listed_targets = targets[:MOST_LISTED]
    if len(targets) > len(listed_targets):
        caption += f" The first {count(len(listed_targets))} of {count(len(targets))} classes."
    rows = list[tuple[str, ...]]()
    for target in listed_targets:
        rows += _rows(str(target), means[means["target"] == target])
    heading = ("class", "word", "mean score", "95 % interval", "texts", "times", "")
    return Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[2:6]))


def _rows(target: str, means: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield the strongest words, reliable or not; words of one text are marked."""
    by_strength = means["mean"].abs().sort_values(ascending=False, kind="stable")
    strongest = means.reindex(by_strength.index).head(MOST_WORDS)
    for row in strongest.sort_values("mean", ascending=False, kind="stable").itertuples():
        yield (
            name(target),
            clean(str(row.word), 60),
            signed(row.mean),
            between((row.lower, row.upper)),
            count(row.n_texts),
            count(row.n),
            WEAK if row.n_texts == 1 else "",
        )
