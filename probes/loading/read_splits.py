"""Reading labelled texts: the columns of all sources as one set of tasks, split for training and test."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from probes.checks import MOST_SEED, InputError, as_path, check_kind, short_repr, whole_number
from probes.data.class_names import note_numbers
from probes.data.datasets import Splits, TextDataset, make_splits
from probes.data.texts import Texts
from probes.loading.rows import (
    Columns,
    Rows,
    as_text,
    draw_rows,
    label_values,
    name_classes,
    note_classes_lost,
    number_names,
    spelt_lists,
    tasks_of_lists,
    valid_rows,
)
from probes.loading.sources import Source, load_table, split_names
from probes.sequences import names_list

__all__ = ["Source", "read_splits", "split_names"]


def read_splits(
    train: Source | str | PathLike[str],
    validation: Source | str | PathLike[str] | None = None,
    test: Source | str | PathLike[str] | None = None,
    *,
    labels: Sequence[str] | str,
    text: str = "text",
    pair: str | None = None,
    group: str | None = None,
    control: str | None = None,
    rationales: str | None = None,
    limit: int | None = None,
    drop_invalid: bool = False,
    drop_rare: bool = False,
    fold: bool = False,
    seed: int = 0,
) -> Splits:
    """Read what there is, and hold out of the training texts what there is not.

    Args:
        train: The only source that must be named; a path stands for a `Source` of it.
        validation: Held out of train (15 %) when None, but for `fold`.
        test: Held out of train (15 %) when None.
        labels: Label columns, or one; each is a task. A class is named by its value as text, a whole number by its
            digits. Each value of a column of lists is a task of its own, `column: value`, with the classes no and yes.
        text: Column of the texts.
        pair: Column of second texts, or None.
        group: Column of what must not stand on two sides of a split made here, or None.
        control: Column of the input types of control tasks, or None for the first word of a text.
        rationales: Column of what was marked in each text as the reason of its label, see `as_spans`; it serves every
            label column. The test texts need it, others may lack it.
        limit: At most so many texts of each source, drawn at random; small classes keep a few where there is room.
        drop_invalid: Leave out rows without text, label, group or input type, or with invalid spans, with a note,
            instead of refusing them.
        drop_rare: Leave out the rows of classes that have one text, with a note, instead of refusing them.
        fold: Hold no validation texts out; folds of train will choose.
        seed: Of the draw and of the split.

    Raises:
        InputError: A source or column is missing, a text is empty, a label, group or input type is missing, a span is
            not in its text, a task has one class only or a class with one text, a task's labels are fractions, no class
            of a source is one of the training texts, or there are too few groups to hold a split out.
    """
    wanted = Columns(text, pair, tuple(names_list(labels, "labels")), group, control, rationales)
    _check_names(wanted)
    check_kind(bool, drop_invalid=drop_invalid, drop_rare=drop_rare, fold=fold)
    limit = None if limit is None else whole_number(limit, "limit", least=1)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    rng = np.random.default_rng(seed)
    named = {"train": train, "validation": validation, "test": test}
    sources = {
        name: _as_source(source, name) for name, source in named.items() if source is not None or name == "train"
    }
    notes: list[str] = []
    whole: dict[str, Rows] = {}
    for name, source in sources.items():
        rows, told = _read(source, wanted, marked=name == ("train" if test is None else "test"))
        notes += told
        whole[name] = valid_rows(rows, source, wanted, drop=drop_invalid)
        if dropped := len(rows.texts) - len(whole[name].texts):
            along = {"no group": group, "no input type": control, "invalid spans": rationales}
            lacks = " or ".join(["no text", "no label", *(what for what, column in along.items() if column)])
            rows_have, were = ("row of {} has", "was") if dropped == 1 else ("rows of {} have", "were")
            notes.append(f"{dropped:,} {rows_have.format(source)} {lacks} and {were} left out.")
    whole = number_names(whole, sources)
    drawn: list[str] = []
    read: dict[str, Rows] = {}
    for name, rows in whole.items():
        read[name] = draw_rows(rows, limit, rng) if limit is not None and limit < len(rows.texts) else rows
        if read[name] is not rows:
            drawn.append(f"{limit:,} of the {len(rows.texts):,} rows of {sources[name]}")
            notes += note_classes_lost(rows, read[name], sources[name])
    label_columns = read["train"].labels.keys()
    tasks, told = tasks_of_lists(read, sources)
    notes += told
    names: dict[str, tuple[str, ...]] = {}
    for task in tasks["train"].labels:
        names[task] = name_classes([name for rows in tasks.values() for name in rows.labels[task]], task)
    made = {name: _dataset(rows, names, sources[name]) for name, rows in tasks.items()}
    # By the first task alone, a rare value of a list might leave the training side.
    stratify = () if names.keys() == label_columns else tuple(names)
    try:
        return make_splits(
            made["train"],
            made.get("validation"),
            made.get("test"),
            stratify=stratify,
            fold=fold,
            drop_rare=drop_rare,
            seed=seed,
            notes=list(dict.fromkeys(notes)),
        )
    except InputError as error:
        if not drawn:
            raise
        raise InputError(f"{error}; the limit leaves {' and '.join(drawn)}: raise it") from error


def _as_source(source: Source | str | PathLike[str] | None, name: str) -> Source:
    if isinstance(source, Source):
        return source
    if not isinstance(source, str | PathLike):
        raise InputError(
            f"{name} must be a path or a Source, found {short_repr(source)}; texts in memory go to TextDataset.of and "
            "make_splits"
        )
    return Source(fspath(as_path(source, name=name)))


def _check_names(wanted: Columns) -> None:
    """Raise where a column has no name, or none is one of labels."""
    if not wanted.labels:
        raise InputError("name at least one label column")
    names = [("text", wanted.text), ("pair", wanted.pair), ("group", wanted.group), ("control", wanted.control)]
    names += [("rationales", wanted.rationales), *(("labels", label) for label in wanted.labels)]
    for option, name in names:
        if not isinstance(name, str) and (name is not None or option == "text"):
            raise InputError(f"{option} must be the name of a column, found {short_repr(name)}")
        if name == "":
            raise InputError(f"the column named by {option!r} is ''; name a column, or give it a name in the file")
    if wanted.text == wanted.pair:
        raise InputError(f"the column {wanted.text!r} is named for the texts and for their second texts; name two")


def _dataset(rows: Rows, names: Mapping[str, Sequence[str]], source: Source) -> TextDataset:
    made = TextDataset.of(
        Texts(rows.texts, rows.pairs),
        rows.labels,
        class_names=names,
        rationales=None if rows.rationales is None else dict.fromkeys(names, rows.rationales),
        groups=rows.groups,
        input_types=rows.input_types,
        source=str(source),
    )
    numbers = np.arange(1, len(rows.texts) + 1) if rows.numbers is None else rows.numbers
    return dataclasses.replace(made, source_rows=numbers)


def _read(source: Source, wanted: Columns, *, marked: bool) -> tuple[Rows, Sequence[str]]:
    """The wanted columns, without that of rationales where it may be missing and is; labels and the like as text."""
    table = load_table(source, wanted, optional=() if marked or wanted.rationales is None else (wanted.rationales,))
    read, named = table.columns, table.class_names

    def one_value(column: str | None, what: str) -> list[Any] | None:
        if column is None:
            return None
        values = spelt_lists(read[column], source, column)
        if any(isinstance(value, list | dict) for value in values):
            raise InputError(f"{source}: column {column!r} holds lists; {what} is one value")
        return [as_text(value, named.get(column)) for value in values]

    rows = Rows(
        read[wanted.text],
        read[wanted.pair] if wanted.pair is not None else None,
        {task: label_values(read[task], named.get(task), source, task) for task in wanted.labels},
        one_value(wanted.group, "a group"),
        one_value(wanted.control, "an input type"),
        read.get(wanted.rationales) if wanted.rationales is not None else None,
    )
    notes = [
        note for column in (wanted.text, wanted.pair) if column for note in note_numbers(read[column], column, source)
    ]
    return rows, [*table.notes, *notes]
