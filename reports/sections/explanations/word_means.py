"""Word means: the words with the highest and the lowest mean scores over texts drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probes.results.schema.columns import RELIABLE_TEXTS
from reports.blocks import Drawing, Panels, Part, Section, Table, columns
from reports.charts import dots
from reports.charts.canvas import Label
from reports.charts.panels import shared_limits
from reports.lookup import View, by_head
from reports.text import wording
from reports.text.wording import (
    between,
    clean,
    confidence,
    count,
    listing,
    name,
    plural,
    sentence,
    signed,
)

EACH_SIDE = 8
"""Words of the figure of a task with two classes on each side of 0."""
EACH_SIDE_OF_CLASS = 4
"""Words of the figure of one of several classes on each side of 0."""
MOST_CLASSES = 6
"""Classes of a label column that are drawn; the table holds the others too."""
MOST_WORDS = 40
"""Rows of a class in the table."""
MOST_LISTED = 24
"""Classes of the table, and of a list in a sentence."""
MOST_NAMED = 1
"""Words that a sentence quotes for a class, and as many against it."""
WELL_COVERED_TEXTS = 6
"""Texts from which on a word is quoted in the sentence, and its dot is filled."""
WEAK = "one text"
NOTES = (
    "The texts were drawn at random; those of the explained texts were selected.",
    "Quoted, and filled in the figure, are words whose simultaneous 95 % CI leaves out 0: it holds for all words of a "
    f"label column in at least {WELL_COVERED_TEXTS} texts at once. Of several classes only words with a mean above 0 "
    "are quoted. n: texts that hold the word and in which the class, the predicted one, is explained.",
    f"Drawn are words whose interval leaves out 0, and words of {RELIABLE_TEXTS} or more texts. With many words, some "
    "intervals leave out 0 by chance.",
    "A mean hides what a word does in its sentence: after “not” it may count for the other class.",
)


@dataclass(frozen=True)
class ClassWords:
    """Words with the highest and the lowest mean attribution to the logit of a class."""

    task: str
    head: str
    target: str
    words: pd.DataFrame
    """Words of the figure: rows of the table of word means, from the highest mean to the lowest."""
    quoted: pd.DataFrame
    """Words of the sentence, in the same order: those with a simultaneous interval that leaves out 0."""


def section(view: View) -> Section | None:
    """Return the words with the highest and the lowest mean attribution, all classes on one scale."""
    selected = list[ClassWords]()
    sentences = list[str]()
    tables = list[Table]()
    for task in view.tasks:
        for head, means in by_head(view.table("word_means", task)):
            words_by_class, remarks = _classes(task, head, means)
            selected += words_by_class
            lines = _strongest_sentences(words_by_class)
            if head == "probe" or not sentences:
                sentences += [view.about(task, text) for text in (*lines, *remarks)]
            tables.append(_table(means, view.row_subject(task, head)))
    if not tables:
        return None
    each = " for each label column" if len(view.tasks) > 1 else ""
    opening = (
        f"Mean attribution to the predicted class [simultaneous 95\u00a0% CI], {_number_of_texts(view)} drawn at random"
        f"{each}; words in at least {WELL_COVERED_TEXTS} of them."
    )
    row = _panels(view, selected)
    part = Part(panels=() if row is None else (row,), tables=tuple(tables))
    return Section("Global word attributions", "words", (opening, *sentences), (part,), NOTES)


def _classes(task: str, head: str, means: pd.DataFrame) -> tuple[list[ClassWords], list[str]]:
    """Return the words of each class to draw, of two classes of the second alone; and what is not drawn."""
    targets = list(dict.fromkeys(means["target"]))
    is_binary = len(targets) == 2
    each_side = EACH_SIDE if is_binary else EACH_SIDE_OF_CLASS
    selected = list[ClassWords]()
    without_words = list[str]()
    for target in targets[-1:] if is_binary else targets:
        of_class = means[means["target"] == target]
        strongest = _strongest_words(of_class, each_side)
        quoted = _strongest_words(of_class[_is_quotable(of_class)], MOST_NAMED)
        if not is_binary:
            quoted = quoted[quoted["mean"] > 0]
        if quoted.empty:
            without_words.append(name(target))
        if len(strongest):
            selected.append(ClassWords(task, head, str(target), strongest, quoted))
    remarks = list[str]()
    if without_words:
        remarks.append(f"No word to quote: {_listed(without_words)}.")
    further = [name(class_words.target) for class_words in selected[MOST_CLASSES:]]
    if further:
        remarks.append(f"In the table only: {_listed(further)}.")
    return selected[:MOST_CLASSES], remarks


def _is_quotable(means: pd.DataFrame) -> pd.Series[bool]:
    """Return whether the simultaneous interval of a word leaves out 0; words in few texts have none."""
    return (means["simultaneous_lower"] > 0) | (means["simultaneous_upper"] < 0)


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


def _strongest_words(means: pd.DataFrame, each_side: int) -> pd.DataFrame:
    """Return the words to draw, from the highest mean to the lowest."""
    reliable = means[means["reliable"].fillna(False).astype(bool)]
    ranked = reliable.sort_values("mean", ascending=False, kind="stable")
    in_favour = ranked[ranked["mean"] > 0].head(each_side)
    against = ranked[ranked["mean"] < 0].tail(each_side)
    return pd.concat([in_favour, against])


def _strongest_sentences(words_by_class: Sequence[ClassWords]) -> list[str]:
    """Return the words with the highest and the lowest means of one class; of several classes, the highest of each."""
    quoted_classes = [class_words for class_words in words_by_class if len(class_words.quoted)]
    if not quoted_classes:
        return []
    if len(words_by_class) > 1:
        phrases = [_highest_phrase(class_words) for class_words in quoted_classes]
        return [f"Highest mean attribution: {'; '.join(phrases)}."]
    return [_both_sides(quoted_classes[0])]


def _both_sides(class_words: ClassWords) -> str:
    """Return the words with the highest and the lowest means of one class."""
    words = class_words.quoted
    phrases = [_word_phrase(row) for row in words.itertuples()]
    n_towards = int((words["mean"] > 0).sum())
    towards = phrases[:n_towards]
    away = phrases[n_towards:]
    away.reverse()
    sides = list[str]()
    if towards:
        sides.append(f"towards {name(class_words.target)}: {listing(towards)}")
    if away:
        opening = "away" if towards else f"away from {name(class_words.target)}"
        sides.append(f"{opening}: {listing(away)}")
    return sentence(f"{'; '.join(sides)}.")


def _highest_phrase(class_words: ClassWords) -> str:
    """Return a class with its word of the highest mean, as `NUM “when” +6.37 [5.10, 7.64], n = 12`."""
    highest = next(class_words.quoted.itertuples())
    return f"{name(class_words.target)} {_word_phrase(highest)}"


def _word_phrase(row: Any) -> str:
    """Return `“lovely” +0.90 [0.71, 1.09], n = 14`."""
    limits = confidence((row.simultaneous_lower, row.simultaneous_upper), scale=1, digits=2)
    return f"“{name(row.word, 30)}” {signed(row.mean)} {limits}, n\u00a0=\u00a0{count(row.n_texts)}"


def _panels(view: View, selected: Sequence[ClassWords]) -> Panels | None:
    """Return a panel for each class, all on one scale."""
    if not selected:
        return None
    frames = [_frame(class_words.words) for class_words in selected]
    limits = shared_limits(frames, 0.0)
    n_heads = len({class_words.head for class_words in selected})
    drawings = list[Drawing]()
    for class_words, frame in zip(selected, frames, strict=True):
        target = name(class_words.target, 30)
        subject = view.drawing_subject(class_words.task, class_words.head)
        title = f"Mean attribution of words to the logit of {target}, {subject}"
        label = Label(f"words-{len(drawings) + 1}", title, _description(class_words.words))
        svg = dots.dot_panel(frame, label, limits=limits, quantity="mean attribution (logit)")
        heading = [target]
        if len(view.tasks) > 1:
            heading.insert(0, name(class_words.task))
        if n_heads > 1:
            heading.append(wording.short_head(class_words.head))
        drawings.append(Drawing(svg, ", ".join(heading)))
    caption = (
        "Mean attribution of a word to the logit of the class, over the texts predicted as it. Lines: 95 % CI. Filled: "
        "the simultaneous 95 % CI leaves out 0."
    )
    return Panels(tuple(drawings), caption)


def _frame(words: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a panel."""
    numbers = words.rename(columns={"word": "row", "mean": "value"})
    return numbers.assign(hollow=~_is_quotable(words))


def _description(words: pd.DataFrame) -> str:
    """Return every number of a panel in words."""
    phrases = list[str]()
    for row in words.itertuples():
        limits = between((row.lower, row.upper))
        phrases.append(f"{name(row.word, 30)} {signed(row.mean)} ({limits}), {plural(int(row.n_texts), 'text')}")
    return f"{'; '.join(phrases)}."


def _table(means: pd.DataFrame, subject: Sequence[str]) -> Table:
    """Return the strongest words of each class, reliable or not; the subject is a label column and a head."""
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
    heading = ("class", "word", "mean attribution (logit)", "95 % CI", "texts", "occurrences", "")
    shape = columns(*heading, numeric=heading[2:6])
    of_head = f" ({subject[-1]})" if len(subject) > 1 else ""
    summary = f"All words: {subject[0]}{of_head}"
    return Table(caption, rows=tuple(rows), folded=True, summary=summary, **shape)


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
